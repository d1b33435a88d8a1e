"""From one connection to the next without a gap: a successor is opened and subscribed beside the first, takes over, and the first is emptied.

Who calls it: socket_loop.py, on its reader thread, which reads both sockets meanwhile; only the dialing has a thread of its own, because it waits.
Never: more than two connections at once; an event of its own (what is said of the stream is the loop's business).
Source: binance-wire 5, 6 (24 h of life, serverShutdown, nothing is replayed after a reconnect).
"""

import socket
import threading
import time
from collections.abc import Callable

from exchange.binance.link import Gone, Link
from exchange.binance.talk import Leave, Talk

EMPTY_S_MIN = 1.0  # what happened before the successor's subscription may still be on its way here
EMPTY_S_MAX = 15.0  # the venue answers a request within 10 s, with -1007 if need be
HURRY_S = 0.02

Dial = Callable[[Callable[[socket.socket], None]], Link]


class Dialer:
    """One connection being opened; `outcome` is set once."""

    def __init__(self, name: str, dial: Dial) -> None:
        self.outcome: Link | Gone | None = None
        self._dial = dial
        self._sock: socket.socket | None = None
        self._is_abandoned = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def abandon(self) -> None:
        """Nobody wants it any more. The thread ends by itself, at the latest with the time-out of the dialing."""
        self._is_abandoned = True
        sock = self._sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._sock = None  # it was not connected yet, or is closed
        if isinstance(self.outcome, Link):
            self.outcome.close()

    def _run(self) -> None:
        try:
            self.outcome = self._dial(self._on_socket)
        except Gone as gone:
            self.outcome = gone
        except Exception as error:  # whatever it is, a dialer without an outcome would be waited for
            self.outcome = Gone(f"cannot connect ({type(error).__name__})")
        if self._is_abandoned and isinstance(self.outcome, Link):
            self.outcome.close()

    def _on_socket(self, sock: socket.socket) -> None:
        self._sock = sock
        if self._is_abandoned:
            raise OSError("abandoned")


class Handover:
    """What stands beside the main connection: nothing, a successor on its way, or a predecessor that is emptied."""

    def __init__(self, name: str, dial: Dial, talk_over: Callable[[Link], Talk], next_wait_s: Callable[[], float]) -> None:
        """`next_wait_s` says how long to wait after a failed try."""
        self._name = name
        self._dial, self._talk_over, self._next_wait_s = dial, talk_over, next_wait_s
        self.is_wanted = False
        self._dialer: Dialer | None = None
        self._successor: Talk | None = None
        self._predecessor: Talk | None = None
        self._took_over_s = 0.0
        self._not_before_s = 0.0

    @property
    def is_on(self) -> bool:
        return self.is_wanted or self.beside is not None

    @property
    def beside(self) -> Talk | None:
        """The connection to be read beside the main one."""
        return self._successor or self._predecessor

    def want(self) -> None:
        """The main connection will end before long. Wanted again while one is on: the next begins after it."""
        self.is_wanted = True

    def turn(self, is_readable: bool) -> Talk | None:
        """Push it on. The successor, in the moment its subscriptions stand: the caller reads it as the main one and gives up the other by `empty`."""
        if self._predecessor is not None:
            self._read_predecessor(self._predecessor, is_readable)
        elif self._successor is not None:
            return self._read_successor(self._successor, is_readable)
        elif self.is_wanted:
            self._tend_dialer()
        return None

    def empty(self, predecessor: Talk) -> None:
        """Read what is still owed on it, then leave it."""
        self._predecessor, self._took_over_s = predecessor, time.monotonic()
        predecessor.feed.retire()
        predecessor.link.hurry(HURRY_S)

    def end(self, reason: str) -> None:
        """The main connection is gone: give up whatever stands beside it."""
        dialer, beside = self._dialer, self.beside
        self._dialer = self._successor = self._predecessor = None
        self.is_wanted = False
        if dialer is not None:
            dialer.abandon()
        if beside is not None:
            beside.end(reason)

    def _tend_dialer(self) -> None:
        if self._dialer is None:
            if time.monotonic() >= self._not_before_s:
                self._dialer = Dialer(f"{self._name}-dial", self._dial)
            return
        outcome = self._dialer.outcome
        if outcome is None:
            return
        self._dialer = None
        if isinstance(outcome, Gone):
            self._try_later(outcome.retry_after_s)
            return
        self._successor = self._talk_over(outcome)
        self._guarded(self._successor, self._successor.begin)  # its first word is judged with the next turn

    def _read_successor(self, successor: Talk, is_readable: bool) -> Talk | None:
        word = self._guarded(successor, successor.turn if is_readable else successor.tend)
        if isinstance(word, Leave):
            self._successor = None
            successor.end(word.reason)
            self._try_later(word.wait_s)
        elif successor.is_confirmed:
            self._successor, self.is_wanted = None, False
            return successor
        return None

    def _read_predecessor(self, predecessor: Talk, is_readable: bool) -> None:
        word = self._guarded(predecessor, predecessor.turn if is_readable else predecessor.tend)
        if self._predecessor is None:
            return
        emptied_s = time.monotonic() - self._took_over_s
        if isinstance(word, Leave) or emptied_s > EMPTY_S_MAX or (emptied_s > EMPTY_S_MIN and predecessor.feed.is_settled):
            self._predecessor = None
            predecessor.link.leave()
            predecessor.end("a newer connection has taken over")

    def _guarded(self, talk: Talk, action: Callable[[], object]) -> object:
        """A connection beside the main one may fail in any way; it is given up, and the main one goes on."""
        try:
            return action()
        except Gone as gone:
            reason, wait_s = gone.reason, gone.retry_after_s
        except Exception as error:
            reason, wait_s = f"reader failed: {type(error).__name__}", 0.0
        if talk is self._successor:
            self._try_later(wait_s)
        self._successor = self._predecessor = None
        talk.end(reason)
        return None

    def _try_later(self, wait_s: float) -> None:
        self._not_before_s = time.monotonic() + max(wait_s, self._next_wait_s())
