"""One reader thread per socket: dial, hear, answer pings, notice silence, reconnect with back-off. What messages mean is a Feed's business.

Who builds it: market_stream.py and user_stream.py. The thread parses and posts; `stop` and `reconnect` may be called from any thread.
Never: a wait for anything but its socket and its back-off, a log line, an unbounded try, more than one StreamDown per outage.
Source: binance-wire 5 (liveness: the server pings every 20 s and closes after 60 s without a pong), DESIGN 5.
"""

import random
import socket
import threading
import time
from typing import Protocol

import msgspec

from core.events import StreamDown, StreamGap, StreamUp
from core.ports import ClockNs, Post
from core.types import Connection
from exchange.binance.link import Gone, Link, dial, shut
from exchange.binance.wire import BadBody

CONNECT_TIMEOUT_S = 5.0
CONFIRM_S_MAX = 5.0
PING_EVERY_S_MAX = 2.0
BACKOFF_S_FIRST = 0.25
BACKOFF_S_MAX = 8.0  # inside the liveness bound of DESIGN 4
STABLE_S = 60.0
AT_ONCE_LIFE_S = 1.0  # a connection that lived shorter is not reopened at once, whatever the reason
WAIT_S_MAX = 3 * 86_400.0  # the longest ban (binance-wire 4)
BAD_IN_A_ROW_MAX = 5


class Leave(msgspec.Struct, frozen=True):
    """A feed's wish to give this connection up. `at_once` skips the back-off, `wait_s` is the least time to stay away."""

    reason: str
    at_once: bool = False
    wait_s: float = 0.0


class Confirmed(msgspec.Struct, frozen=True):
    """The subscriptions stand: from here on the stream is up."""


class Feed(Protocol):
    """What the messages of one socket mean. Called on the reader thread; posts events by itself."""

    def opened(self, link: Link) -> Leave | Confirmed | None: ...
    def heard(self, payload: bytes, received_ns: int) -> Leave | Confirmed | None: ...


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
    """A Resource: start(), stop(deadline), is_running. `name` names the thread; times of events are `clock_ns`'s."""

    def __init__(
        self,
        name: str,
        connection: Connection,
        url: str,
        feed: Feed,
        post: Post,
        clock_ns: ClockNs,
        rng: random.Random,
        silence_ms_max: int = 5000,
    ) -> None:
        self.name = name
        self.pong_ms_max: float | None = None
        self._connection = connection
        self._url = url
        self._feed = feed
        self._post = post
        self._clock_ns = clock_ns
        self._silence_ms_max = silence_ms_max
        self._ping_every_s = min(PING_EVERY_S_MAX, silence_ms_max / 2500)
        self._backoff = Backoff(rng)
        self._wake = threading.Event()
        self._stopping = False
        self._is_up = False
        self._down_said = False
        self._leave_reason = ""
        self._link: Link | None = None
        self._dialing: socket.socket | None = None
        self._thread: threading.Thread | None = None

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
        """One connection from dial to end; says why it ended."""
        self._leave_reason = ""
        try:
            link = dial(self._url, CONNECT_TIMEOUT_S, self._silence_ms_max, self._on_socket)
        except Gone as gone:
            return Leave(gone.reason, wait_s=gone.retry_after_s)
        finally:
            self._dialing = None
        self._link = link
        try:
            return Leave("stopped") if self._stopping else self._listen(link)
        except Gone as gone:
            asked = self._leave_reason
            return Leave(asked, at_once=True) if asked else Leave(gone.reason, wait_s=gone.retry_after_s)
        except Exception as error:  # a fault in a feed must not end the stream for good: it is told as an outage
            return Leave(f"reader failed: {type(error).__name__}: {str(error)[:120]}")
        finally:
            self._link = None
            self._is_up = False
            link.close()

    def _on_socket(self, sock: socket.socket) -> None:
        self._dialing = sock
        if self._stopping:
            raise OSError("stopping")

    def _listen(self, link: Link) -> Leave:
        opened_s = pinged_s = time.monotonic()
        bad_in_a_row = 0
        word = self._feed.opened(link)
        while True:
            if isinstance(word, Leave):
                return word
            if isinstance(word, Confirmed):
                self._say_up(link)
            payload = link.next()
            received_ns = self._clock_ns()
            self._note_pong(link)
            word = None
            if payload is not None:
                try:
                    word = self._feed.heard(payload, received_ns)
                    bad_in_a_row = 0
                except BadBody as bad:
                    bad_in_a_row += 1
                    word = self._on_bad(bad, bad_in_a_row)
            now_s = time.monotonic()
            if now_s - max(link.heard_s, pinged_s) >= self._ping_every_s:
                pinged_s = now_s
                link.ping()
            if not self._is_up and word is None and now_s - opened_s > CONFIRM_S_MAX:
                return Leave(f"no answer to the subscription in {CONFIRM_S_MAX:g} s")

    def _on_bad(self, bad: BadBody, bad_in_a_row: int) -> Leave | None:
        """A message was lost to us: a gap. Several in a row: this connection speaks no language we know."""
        if bad_in_a_row >= BAD_IN_A_ROW_MAX:
            return Leave(f"{bad_in_a_row} unreadable messages in a row")
        if self._is_up:
            self._post(StreamGap(connection=self._connection, reason=f"unreadable message: {str(bad)[:120]}"))
        return None

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
        wait_s = min(max(wait_s, leave.wait_s), WAIT_S_MAX)
        if not self._down_said:
            self._down_said = True
            self._post(StreamDown(connection=self._connection, reason=leave.reason, retry_in_ms=round(wait_s * 1000)))
        self._wake.wait(wait_s)
