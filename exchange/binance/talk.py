"""One connection from its opening to its end as its reader sees it: messages to the feed, pings of our own, silence, a limit to confirming.

Who calls it: socket_loop.py and handover.py, on the reader thread. What messages mean is the feed's business.
Never: a wait for anything but its socket; a verdict about other connections.
Source: binance-wire 5 (liveness: the server pings every 20 s and closes after 60 s without a pong), DESIGN 5.
"""

import select
import time
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from core.ports import ClockNs
from exchange.binance.link import Gone, Link
from exchange.binance.wire import BadBody

CONFIRM_S_MAX = 5.0
PING_EVERY_S_MAX = 2.0
BAD_IN_A_ROW_MAX = 5


class Leave(msgspec.Struct, frozen=True):
    """A feed's wish to give this connection up. `at_once` skips the back-off, `wait_s` is the least time to stay away."""

    reason: str
    at_once: bool = False
    wait_s: float = 0.0


class Confirmed(msgspec.Struct, frozen=True):
    """The subscriptions stand: from here on the stream is up."""


class Move(msgspec.Struct, frozen=True):
    """This connection will end before long: open another, then leave this one."""

    reason: str


Word: TypeAlias = Leave | Confirmed | Move


class Feed:
    """What the messages of one connection mean. Called on its reader thread; posts events by itself. One object per connection."""

    def opened(self, link: Link) -> Word | None:
        raise NotImplementedError

    def heard(self, payload: bytes, received_ns: int) -> Word | None:
        raise NotImplementedError

    def tick(self, now_ns: int) -> None:
        """Called about once a second, and after every message."""

    @property
    def is_owed(self) -> bool:
        """An answer is overdue: what we send may not arrive, although the other side is heard."""
        return False

    def retire(self) -> None:
        """Another connection has taken over; what is still owed here may come in."""

    @property
    def is_settled(self) -> bool:
        """Nothing is owed here."""
        return True

    def ended(self, reason: str) -> None:
        """The connection is gone, for whatever reason. Called once."""


class Talk:
    """`gap` is told of a message that could not be read while the stream was up."""

    def __init__(self, link: Link, feed: Feed, gap: Callable[[str], None], clock_ns: ClockNs, silence_ms_max: int) -> None:
        self.link, self.feed = link, feed
        self.is_confirmed = False
        self.opened_s = self._pinged_s = time.monotonic()
        self._asked_s = 0.0
        self._gap = gap
        self._clock_ns = clock_ns
        self._silence_s_max = silence_ms_max / 1000
        self._ping_every_s = min(PING_EVERY_S_MAX, silence_ms_max / 2500)
        self._bad_in_a_row = 0

    def begin(self) -> Word | None:
        """Raises Gone, as all of these."""
        return self._noted(self.feed.opened(self.link))

    def turn(self) -> Word | None:
        """Wait for the next message (a second at most) and take it."""
        payload = self.link.next()
        received_ns = self._clock_ns()
        word = self._hear(payload, received_ns) if payload is not None else None
        return self._noted(word) or self.tend()

    def tend(self) -> Leave | None:
        """What is due without a message: our ping, the end of a silence, the end of waiting for a confirmation."""
        now_s = time.monotonic()
        silent_s = now_s - self.link.heard_s
        if silent_s > self._silence_s_max:
            raise Gone(f"silent {silent_s:.1f} s")
        is_owed = self.feed.is_owed
        if now_s - (self._pinged_s if is_owed else max(self.link.heard_s, self._pinged_s)) >= self._ping_every_s:
            self._ping(now_s)
        if is_owed and self._asked_s > self.link.pong_s and now_s - self._asked_s > self._silence_s_max:
            raise Gone(f"answers overdue, and no pong in {now_s - self._asked_s:.1f} s")
        self.feed.tick(self._clock_ns())
        if not self.is_confirmed and now_s - self.opened_s > CONFIRM_S_MAX:
            return Leave(f"no answer to the subscription in {CONFIRM_S_MAX:g} s")
        return None

    def _ping(self, now_s: float) -> None:
        """`_asked_s` is the first of our pings that had no pong yet."""
        self._pinged_s = now_s
        if self.link.pong_s >= self._asked_s:
            self._asked_s = now_s
        self.link.ping()

    def end(self, reason: str) -> None:
        """Free the socket, then tell the feed: whoever sends from now on is told that nothing left."""
        self.link.abort()
        self.link.close()
        self.feed.ended(reason)

    def _noted(self, word: Word | None) -> Word | None:
        self.is_confirmed = self.is_confirmed or isinstance(word, Confirmed)
        return word

    def _hear(self, payload: bytes, received_ns: int) -> Word | None:
        try:
            word = self.feed.heard(payload, received_ns)
        except BadBody as bad:
            return self._on_bad(bad)
        self._bad_in_a_row = 0
        return word

    def _on_bad(self, bad: BadBody) -> Leave | None:
        """A message was lost to us: a gap. Several in a row: this connection speaks no language we know."""
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= BAD_IN_A_ROW_MAX:
            return Leave(f"{self._bad_in_a_row} unreadable messages in a row")
        if self.is_confirmed:
            self._gap(f"unreadable message: {str(bad)[:120]}")
        return None


def readable(talks: list[Talk], timeout_s: float) -> list[Talk]:
    """Those with something to read, after a wait of at most `timeout_s` for the first."""
    ready = [talk for talk in talks if talk.link.has_more or talk.link.fileno() < 0]
    waiting = select.poll()
    for talk in talks:
        if talk.link.fileno() >= 0:
            waiting.register(talk.link.fileno(), select.POLLIN)
    found = {descriptor for descriptor, _ in waiting.poll(0 if ready else timeout_s * 1000)}
    return [talk for talk in talks if talk in ready or talk.link.fileno() in found]
