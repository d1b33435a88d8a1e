"""The venue's limits as facts: request weight, order count, bans. A place beyond the budget is denied with its reason and clearing time.

Who calls it: core.engine, on the trading thread, fed by the `rateLimits` of every reply. Windows are aligned to the venue's clock, not sliding.
Never: a wait. Only the query lane waits, in its own limiter.
Source: binance-wire 4.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.types import RateLimit, VenueError

WEIGHT, ORDERS = "REQUEST_WEIGHT", "ORDERS"
RESERVED_SHARE_PERCENT = 20  # of the weight, for cancels and queries
NS_PER_S = 1_000_000_000
SHORT_WINDOW_S = 60
BAN_FALLBACK_S = 60  # a ban without Retry-After


@dataclass(slots=True)
class Window:
    """One clock-aligned counter: `limit` per `interval_s`."""

    kind: str
    interval_s: int
    limit: int
    used: int = 0
    index: int = -1
    carried: int = 0  # places sent before this window began and not answered yet: they may be counted in it

    def index_of(self, time_ns: int) -> int:
        return time_ns // (self.interval_s * NS_PER_S)

    def roll(self, now_ns: int) -> None:
        index = self.index_of(now_ns)
        if index > self.index:
            self.index, self.used = index, 0

    def ends_ns(self) -> int:
        return (self.index + 1) * self.interval_s * NS_PER_S


@dataclass(slots=True)
class Budget:
    windows: list[Window] = field(default_factory=list)
    banned_until_ns: int = 0
    ban_reason: str = ""
    places_until_ns: int = 0

    def learn(self, limits: Iterable[RateLimit]) -> None:
        """The rules, from exchangeInfo."""
        self.windows = [Window(limit.kind, limit.interval_s, limit.limit) for limit in limits if limit.kind in (WEIGHT, ORDERS)]

    def count(self, limits: Iterable[RateLimit], now_ns: int, sent_ns: int | None = None) -> None:
        """The venue's own counters, from the headers or `rateLimits` of the reply to a request sent at `sent_ns`; they replace ours.

        Not so in a short window of orders: the counter of one reply does not know the places that were under way beside it, so it may only raise
        ours; and where the request left before the window began, the counter may be the old window's, so only that one order is added.
        """
        for limit in limits:
            for window in self.windows:
                if limit.count is not None and (limit.kind, limit.interval_s) == (window.kind, window.interval_s):
                    window.roll(now_ns)
                    window.limit = limit.limit or window.limit
                    if window.kind != ORDERS or window.interval_s > SHORT_WINDOW_S:
                        window.used = limit.count
                    elif sent_ns is not None and window.index_of(sent_ns) < window.index:
                        window.used += 1
                    else:
                        window.used = max(window.used, limit.count)

    def carry(self, now_ns: int, unanswered_ns: Iterable[int]) -> None:
        """When the places without an answer were sent: those from before a window may still be counted in it."""
        sent = tuple(unanswered_ns)
        for window in self.windows:
            if window.kind == ORDERS:
                window.roll(now_ns)
                window.carried = sum(window.index_of(at_ns) < window.index for at_ns in sent)

    def on_refusal(self, error: VenueError, now_ns: int) -> bool:
        """Learn from a 429 or 418; True where it is a ban (nothing leaves until it ends)."""
        if error.http_status == 429 and error.code == -1015:
            self.places_until_ns = max(self.places_until_ns, self._orders_clear_ns(now_ns, error.retry_after_ms))
            return False
        if error.http_status not in (418, 429):
            return False
        wait_ns = error.retry_after_ms * 1_000_000 or BAN_FALLBACK_S * NS_PER_S
        self.banned_until_ns = max(self.banned_until_ns, now_ns + wait_ns)
        self.ban_reason = f"{error.http_status} {error.code}"
        return True

    def is_banned(self, now_ns: int) -> bool:
        return now_ns < self.banned_until_ns

    def spend(self, now_ns: int, weight: int = 0, orders: int = 0) -> None:
        """Count a request of ours until the venue's own counter arrives."""
        for window in self.windows:
            window.roll(now_ns)
            window.used += weight if window.kind == WEIGHT else orders

    def place_denied(self, now_ns: int) -> tuple[str, int] | None:
        """(reason, clears at) where one more place would break a limit or eat the reserve."""
        if now_ns < self.places_until_ns:
            return "order count limit of the venue (-1015)", self.places_until_ns
        for window in self.windows:
            window.roll(now_ns)
            if window.kind == ORDERS and window.used + window.carried + 1 > window.limit:
                return f"order budget used: {window.used} of {window.limit} per {window.interval_s} s", window.ends_ns()
            if window.kind == WEIGHT and window.used + 1 > window.limit * (100 - RESERVED_SHARE_PERCENT) // 100:
                return f"request weight used: {window.used} of {window.limit}, the rest is kept for cancels", window.ends_ns()
        return None

    def reads_denied(self, now_ns: int, weight: int) -> bool:
        """True where a read of this weight would break the limit itself."""
        for window in self.windows:
            window.roll(now_ns)
            if window.kind == WEIGHT and window.used + weight > window.limit:
                return True
        return self.is_banned(now_ns)

    def used_weight(self) -> tuple[int, int]:
        """(used, limit) of the request weight window, zeros where the venue states none."""
        return next(((window.used, window.limit) for window in self.windows if window.kind == WEIGHT), (0, 0))

    def _orders_clear_ns(self, now_ns: int, retry_after_ms: int) -> int:
        if retry_after_ms:
            return now_ns + retry_after_ms * 1_000_000
        shortest = min((window.interval_s for window in self.windows if window.kind == ORDERS), default=10)
        return (now_ns // (shortest * NS_PER_S) + 1) * shortest * NS_PER_S
