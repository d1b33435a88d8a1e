"""One reader thread per socket: dial, hear, answer pings, notice silence, reconnect with back-off. What messages mean is a Feed's business.

Who builds it: market_stream.py and user_stream.py. The thread parses and posts; `stop` and `reconnect` may be called from any thread. A connection
that will end before long is left for another one only when that one stands (handover.py); otherwise there is one at a time.
Never: a wait for anything but its sockets and its back-off, a log line, an unbounded try, more than one StreamDown per outage.
Source: binance-wire 5 (liveness: the server pings every 20 s and closes after 60 s without a pong), DESIGN 5.
"""

import random
import socket
import threading
import time
from collections.abc import Callable

from core.events import StreamDown, StreamGap, StreamUp
from core.ports import ClockNs, Post
from core.types import Connection
from exchange.binance.gate import Gate
from exchange.binance.handover import Handover
from exchange.binance.link import Gone, Link, dial, shut
from exchange.binance.talk import Confirmed, Feed, Leave, Move, Talk, Word, readable

CONNECT_TIMEOUT_S = 5.0
BACKOFF_S_FIRST = 0.25
BACKOFF_S_MAX = 8.0  # inside the liveness bound of DESIGN 4
STABLE_S = 60.0
AT_ONCE_LIFE_S = 1.0  # a connection that lived shorter is not reopened at once, whatever the reason
WAIT_S_MAX = 3 * 86_400.0  # the longest ban (binance-wire 4)
AFTER_BAN_S = 0.5  # after a ban cancels leave first
BOTH_S = 0.05  # the longest wait while two connections are read


class Backoff:
    """0.25 s doubling to 8 s, each shortened by up to half at random so that many bots do not return together."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._tries = 0

    def next_s(self) -> float:
        full_s = min(BACKOFF_S_MAX, BACKOFF_S_FIRST * 2.0 ** min(self._tries, 10))
        self._tries += 1
        return full_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._tries = 0


class SocketLoop:
    """A Resource: start(), stop(deadline), is_running. `name` names the thread; times of events are `clock_ns`'s.

    `new_feed` makes the feed of each connection. After `life_s_max` a connection is left for a new one; None: it is kept until it ends.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        url: str,
        new_feed: Callable[[], Feed],
        post: Post,
        clock_ns: ClockNs,
        rng: random.Random,
        silence_ms_max: int = 5000,
        life_s_max: float | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.name = name
        self.pong_ms_max: float | None = None
        self._connection = connection
        self._url = url
        self._new_feed = new_feed
        self._post = post
        self._clock_ns = clock_ns
        self._silence_ms_max = silence_ms_max
        self._life_s_max = life_s_max
        self._gate = gate or Gate()
        self._backoff = Backoff(rng)
        self._wake = threading.Event()
        self._stopping = False
        self._is_up = False
        self._down_said = False
        self._leave_reason = ""
        self._link: Link | None = None
        self._dialing: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._handover = Handover(name, self._dial, self._talk_over, self._backoff.next_s)

    # -- any thread ------------------------------------------------------------------------------
    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_up(self) -> bool:
        return self._is_up

    def start(self) -> None:
        """Start the reader; it connects by itself. At most once."""
        assert self._thread is None, "a socket loop starts once"
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def reconnect(self, reason: str) -> None:
        """Leave and reopen now; without an open connection there is nothing to leave. Returns at once."""
        link = self._link
        if link is not None:
            self._leave_reason = reason
            link.abort()

    def stop(self, deadline: float) -> None:
        """Leave for good; waits for the thread until `deadline` on time.monotonic(). Idempotent, also before start."""
        self._stopping = True
        self._wake.set()
        link, dialing = self._link, self._dialing
        if link is not None:
            link.leave()
        else:
            shut(dialing)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))

    # -- the reader thread -----------------------------------------------------------------------
    def _run(self) -> None:
        while not self._stopping:
            began_s = time.monotonic()
            leave = self._session()
            if self._stopping:
                return
            self._say_down_and_wait(leave, time.monotonic() - began_s)

    def _session(self) -> Leave:
        """From dialing to the end of that connection, or of the last one that took over from it; says why it ended."""
        self._leave_reason = ""
        try:
            link = self._dial(self._on_socket)
        except Gone as gone:
            return Leave(gone.reason, wait_s=gone.retry_after_s)
        finally:
            self._dialing = None
        main = self._talk_over(link)
        reason = "stopped"
        try:
            self._link = link
            word = Leave(reason) if self._stopping else self._said(main, main.begin())
            while not isinstance(word, Leave):
                word, main = self._turn(main)
                reason = word.reason if isinstance(word, Leave) else reason
            return word
        except Gone as gone:
            reason = self._leave_reason or gone.reason
            at_once = bool(self._leave_reason) or self._handover.is_wanted  # asked for by us, or announced by the venue
            return Leave(reason, at_once=at_once, wait_s=gone.retry_after_s)
        except Exception as error:  # a fault in a feed must not end the stream for good: it is told as an outage
            reason = f"reader failed: {type(error).__name__}: {str(error)[:120]}"
            return Leave(reason)
        finally:
            self._link = None
            self._is_up = False
            main.end(reason)
            self._handover.end(reason)

    def _dial(self, on_socket: Callable[[socket.socket], None]) -> Link:
        left_s = self._gate.left_s()
        if left_s:
            raise Gone("the venue has banned this address", left_s + AFTER_BAN_S)
        try:
            return dial(self._url, CONNECT_TIMEOUT_S, self._silence_ms_max, on_socket)
        except Gone as gone:
            self._gate.hear_status(gone.http_status, gone.retry_after_s)
            raise

    def _talk_over(self, link: Link) -> Talk:
        return Talk(link, self._new_feed(), self._on_gap, self._clock_ns, self._silence_ms_max)

    def _on_socket(self, sock: socket.socket) -> None:
        self._dialing = sock
        if self._stopping:
            raise OSError("stopping")

    def _turn(self, main: Talk) -> tuple[Word | None, Talk]:
        """One message or one wait; (the main connection's word, the main connection from here on). Raises Gone where the main one is."""
        if not self._handover.is_on:
            return self._said(main, main.turn()), main
        beside = self._handover.beside
        ready = readable([main] if beside is None else [main, beside], BOTH_S)
        word = self._said(main, main.turn() if main in ready else main.tend())
        successor = None if isinstance(word, Leave) else self._handover.turn(beside in ready)
        if successor is None:
            return word, main
        self._link = successor.link
        self._handover.empty(main)
        self._note_pong(successor.link)
        self._post(StreamUp(connection=self._connection, pong_ms=successor.link.pong_ms_max, moved=True))
        return None, successor

    def _said(self, main: Talk, word: Word | None) -> Word | None:
        self._note_pong(main.link)
        if isinstance(word, Confirmed):
            self._say_up(main.link)
        is_old = self._life_s_max is not None and time.monotonic() - main.opened_s > self._life_s_max
        if isinstance(word, Move) or (is_old and not self._handover.is_on):
            self._handover.want()
        return word

    def _on_gap(self, reason: str) -> None:
        self._post(StreamGap(connection=self._connection, reason=reason))

    def _note_pong(self, link: Link) -> None:
        if link.pong_ms_max is not None:
            self.pong_ms_max = max(self.pong_ms_max or 0.0, link.pong_ms_max)

    def _say_up(self, link: Link) -> None:
        if not self._is_up:
            self._is_up = True
            self._down_said = False
            self._post(StreamUp(connection=self._connection, pong_ms=link.pong_ms_max))

    def _say_down_and_wait(self, leave: Leave, lived_s: float) -> None:
        if lived_s >= STABLE_S:
            self._backoff.reset()
        wait_s = 0.0 if leave.at_once and lived_s >= AT_ONCE_LIFE_S else self._backoff.next_s()
        banned_s = self._gate.left_s()
        wait_s = min(max(wait_s, leave.wait_s, banned_s and banned_s + AFTER_BAN_S), WAIT_S_MAX)
        if not self._down_said:
            self._down_said = True
            self._post(StreamDown(connection=self._connection, reason=leave.reason, retry_in_ms=round(wait_s * 1000)))
        self._wake.wait(wait_s)
