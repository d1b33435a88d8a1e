"""The one gate to the venue's address: closed while the venue has banned us, and narrow where it counts raw requests without telling.

Who calls it: rest.py and ws_api.py before anything leaves, on lane threads; user_stream.py and socket_loop.py on reader threads, which also open no
connection while it is closed. The engine stops by itself once it hears of a ban; what the lanes already hold, the refresh of the clock and the
reconnects of the streams are stopped here. A session has one gate.
Never: a lock held over anything but a few numbers; a wait, except for a read of the query lane, and no longer than that read may take.
Source: binance-wire 4 (whoever goes on during a ban prolongs it; RAW_REQUESTS has no header).
"""

import threading
import time
from collections.abc import Iterable

from core.budget import BAN_FALLBACK_S
from core.meters import NS_PER_S, TokenBucket
from core.ports import NotSent
from core.types import RateLimit, VenueError

RAW = "RAW_REQUESTS"
ORDER_COUNT = -1015  # no ban: only places wait
KEY_CODES = (-1002, -2014, -2015)
KEY_REFUSED_S = 5.0  # signed requests: no key becomes valid by being shown again at once
WALL_S = 5.0  # REST: a firewall (403) counts what knocks at it
OVERLOADED_S = 2.0  # reads: what the venue can still do is for orders


class _Hold:
    """Requests of one kind, kept back for a while after a no that the next of them would meet too. One reference, replaced whole."""

    def __init__(self) -> None:
        self._state: tuple[float, VenueError | None] = (0.0, None)

    def hold(self, why: VenueError, for_s: float) -> None:
        self._state = (time.monotonic() + for_s, why)

    def check(self) -> None:
        """Raises NotSent, with that no."""
        until_s, why = self._state
        if why is not None and (left_s := until_s - time.monotonic()) > 0:
            raise NotSent(f"held back: the venue said {why.http_status} ({why.code}), {left_s:.1f} s are left", why)


class Gate:
    def __init__(self) -> None:
        self._memory = threading.Lock()
        self._until_s = 0.0
        self._why = VenueError(code=0, message="", http_status=0)
        self._signed, self._rest, self._reads = _Hold(), _Hold(), _Hold()
        self._raw: TokenBucket | None = None

    def know_limits(self, limits: Iterable[RateLimit]) -> None:
        """The size of the limit that no answer counts (exchangeInfo)."""
        found = next((limit for limit in limits if limit.kind == RAW), None)
        self._raw = TokenBucket(found.kind, found.interval_s, found.limit) if found is not None else None

    # -- bans ------------------------------------------------------------------------------------
    def hear(self, error: VenueError) -> None:
        """A no of the venue: 418, and 429 for too much weight, close the gate until Retry-After; a refused key holds signed requests back."""
        if error.http_status == 418 or (error.http_status == 429 and error.code != ORDER_COUNT):
            wait_s = error.retry_after_ms / 1000 or BAN_FALLBACK_S
            with self._memory:
                if time.monotonic() + wait_s > self._until_s:
                    self._until_s, self._why = time.monotonic() + wait_s, error
        elif error.http_status in (401, 403) or error.code in KEY_CODES:
            self._signed.hold(error, KEY_REFUSED_S)

    def hear_wall(self, error: VenueError) -> None:
        """REST answered 403, or 451 (not from here); the WS API has a door of its own."""
        self._rest.hold(error, WALL_S)

    def hear_overload(self) -> None:
        """REST answered -1008."""
        self._reads.hold(VenueError(code=-1008, message="the venue is overloaded", http_status=503), OVERLOADED_S)

    def hear_status(self, http_status: int, retry_after_s: float) -> None:
        """A connection was refused with this status. 429 is a limit of connections alone, and whoever dials waits for it."""
        if http_status == 418:
            self.hear(VenueError(code=0, message="connection refused", http_status=http_status, retry_after_ms=int(retry_after_s * 1000)))

    def left_s(self) -> float:
        """How long the gate stays closed; 0 where it is open."""
        return max(0.0, self._until_s - time.monotonic())

    def check(self, is_signed: bool = True) -> None:
        """Raises NotSent, with the venue's no, while the gate is closed."""
        left_s = self.left_s()
        if left_s:
            why = self._why
            note = f"held back: the venue said {why.http_status} ({why.code}), {left_s:.1f} s are left"
            raise NotSent(note, VenueError(why.code, why.message, why.http_status, int(left_s * 1000) + 1))
        if is_signed:
            self._signed.check()

    # -- raw requests ----------------------------------------------------------------------------
    def take(self, ends_s: float, is_read: bool, is_signed: bool = True) -> None:
        """One request over REST. A read waits for its turn, within its time (`ends_s`, monotonic); an order never waits. Raises NotSent."""
        self.check(is_signed)
        self._rest.check()
        if is_read:
            self._reads.check()
        while (wait_s := self._spend(is_read)) > 0:
            if time.monotonic() + wait_s >= ends_s:
                raise NotSent(f"too many requests: the next one may leave in {wait_s:.1f} s")
            time.sleep(wait_s)
            self.check(is_signed)

    def _spend(self, is_read: bool) -> float:
        """0 and one token less, or the seconds until a read may have one."""
        raw = self._raw
        if raw is None:
            return 0.0
        with self._memory:
            now_ns = time.monotonic_ns()
            clears_ns = raw.clears_ns(now_ns, 1) if is_read else 0
            if not clears_ns:
                raw.spend(now_ns, 1)
            return max(0, clears_ns - now_ns) / NS_PER_S
