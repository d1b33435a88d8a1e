"""The venue's limits as facts: request weight, order count, bans. A place beyond the budget is denied with its reason and clearing time.

Who calls it: core.engine, on the trading thread, fed by the `rateLimits` of every reply. Limits the venue counts are clock-aligned windows of its own
clock, corrected by its counters; limits it does not count are token buckets (core.meters). Both answer the same questions (`Meter`).
What of the weight is whose: places and routine reads stop at 80 %, queries, resyncs and the reading of a stop at 95 %; the rest is for cancels.
The count of unfilled orders: a place adds one, a cancel gives nothing back, a first fill gives back as much as the venue likes. So a place is counted
when it leaves, and what fills gave back is learned from the counter of a later reply.
Never: a wait.
Source: binance-wire 4.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from core.meters import NS_PER_MS, NS_PER_S, Meter, TokenBucket, Window
from core.types import RateLimit, VenueError

WEIGHT, ORDERS = "REQUEST_WEIGHT", "ORDERS"
PLACES_SHARE_PERCENT = 80  # of the weight, for places and routine reads
READS_SHARE_PERCENT = 95  # for queries and resyncs; what is left is for cancels
SHORT_S = 60  # what a rate counts over; a longer window is for the day to reach, at first
BAN_FALLBACK_S = 60  # a ban without Retry-After
DOUBT_NS = 15 * NS_PER_S  # so long a place without an answer may still reach the venue (recvWindow + 10 s), unseen by a counter that is heard


@dataclass(slots=True)
class Budget:
    windows: list[Window] = field(default_factory=list)
    buckets: list[TokenBucket] = field(default_factory=list)
    banned_until_ns: int = 0
    ban_reason: str = ""
    places_until_ns: int = 0
    ahead_ns: int = 0  # the venue's clock minus ours
    places_asked: int = 0  # places without a reply: a counter may or may not contain them
    weight_asked: int = 0  # of reads without a reply
    heard_ms: int = 0  # venue time of the newest order request whose counter was heard
    rise_only_until_ns: int = 0

    def _meters(self) -> Iterator[Meter]:
        yield from self.windows
        yield from self.buckets

    def learn(self, limits: Iterable[RateLimit], now_ns: int = 0) -> None:
        """The rules, from exchangeInfo. What an earlier run had under way may still come in."""
        known = [limit for limit in limits if limit.kind in (WEIGHT, ORDERS)]
        self.windows = [Window(limit.kind, limit.interval_s, limit.limit) for limit in known if limit.is_counted]
        self.buckets = [TokenBucket(limit.kind, limit.interval_s, limit.limit) for limit in known if not limit.is_counted]
        self.rise_only_until_ns = now_ns + DOUBT_NS

    # -- what the venue says ---------------------------------------------------------------------
    def hear_clock(self, venue_ms: int, sent_ns: int, received_ns: int) -> None:
        """A request was carried out at `venue_ms`, between these two times of ours: how far the venue's clock is ahead, as near as that tells."""
        if venue_ms and 0 < sent_ns <= received_ns:
            least, most = venue_ms * NS_PER_MS - received_ns, (venue_ms + 1) * NS_PER_MS - sent_ns
            self.ahead_ns = min(max(self.ahead_ns, least), most)

    def count(self, limits: Iterable[RateLimit], now_ns: int, sent_ns: int | None = None, venue_ms: int = 0) -> None:
        """The venue's own counters, from the headers or `rateLimits` of the reply to a request sent at `sent_ns`.

        A counter does not know what was under way beside its request. Weight: what is unanswered is added. Orders: the counter of the newest order
        request heard (carried out at `venue_ms`) replaces ours, with the places still unanswered added; any other may only raise ours, and so may
        all of them while a place without an answer may still come in. Where the request left before the window began, the counter may be the old
        window's: it tells nothing of weight, and of orders only that this one may be in the new window.
        """
        is_newest = venue_ms > self.heard_ms
        for limit in limits:
            for window in self._counted_by(limit):
                count = limit.count or 0
                self._roll(window, now_ns)
                window.limit = limit.limit or window.limit
                is_old = sent_ns is not None and window.index_of(sent_ns + self.ahead_ns) < window.index
                if window.kind == WEIGHT:
                    window.heard = window.heard if is_old else max(window.heard, count)
                    window.used = window.used if is_old else window.heard + self.weight_asked
                elif is_old:
                    window.used += 1
                elif is_newest and now_ns >= self.rise_only_until_ns:
                    window.used = count + self.places_asked
                else:
                    window.used = max(window.used, count)
        self.heard_ms = max(self.heard_ms, venue_ms)

    def _counted_by(self, limit: RateLimit) -> list[Window]:
        return [one for one in self.windows if limit.count is not None and (limit.kind, limit.interval_s) == (one.kind, one.interval_s)]

    def on_refusal(self, error: VenueError, now_ns: int) -> bool:
        """Learn from a 429 or 418; True where it is a ban (nothing leaves until it ends)."""
        if error.http_status == 429 and error.code == -1015:
            self.places_until_ns = max(self.places_until_ns, self._orders_clear_ns(now_ns, error.retry_after_ms))
            return False
        if error.http_status not in (418, 429):
            return False
        wait_ns = error.retry_after_ms * NS_PER_MS or BAN_FALLBACK_S * NS_PER_S
        self.banned_until_ns = max(self.banned_until_ns, now_ns + wait_ns)
        self.ban_reason = f"{error.http_status} {error.code}"
        return True

    def is_banned(self, now_ns: int) -> bool:
        return now_ns < self.banned_until_ns

    # -- what we ask -----------------------------------------------------------------------------
    def spend(self, now_ns: int, weight: int = 0, orders: int = 0) -> None:
        """Count a request of ours until the venue's own counter arrives."""
        for meter in self._meters():
            self._roll(meter, now_ns)
            meter.spend(now_ns, weight if meter.kind == WEIGHT else orders)
        self.weight_asked += weight
        self.places_asked += orders

    def answered(self, now_ns: int, weight: int = 0, orders: int = 0, is_unknown: bool = False) -> None:
        """The one reply to a request that was spent. A place of unknown outcome may be counted later than a counter heard meanwhile."""
        self.weight_asked = max(0, self.weight_asked - weight)
        self.places_asked = max(0, self.places_asked - orders)
        if orders and is_unknown:
            self.rise_only_until_ns = now_ns + DOUBT_NS

    def carry(self, now_ns: int, unanswered_ns: Iterable[int]) -> None:
        """When the places without an answer were sent: those from before a window may still be counted in it."""
        sent = tuple(unanswered_ns)
        for window in self.windows:
            if window.kind == ORDERS:
                self._roll(window, now_ns)
                window.carried = sum(window.index_of(at_ns + self.ahead_ns) < window.index for at_ns in sent)

    def place_denied(self, now_ns: int, orders: int = 1) -> tuple[str, int] | None:
        """(reason, clears at) where so many more places would break a limit or eat the reserve."""
        if now_ns < self.places_until_ns:
            return "order count limit of the venue (-1015)", self.places_until_ns
        for meter in self._meters():
            self._roll(meter, now_ns)
            if clears_ns := meter.clears_ns(now_ns, orders, PLACES_SHARE_PERCENT if meter.kind == WEIGHT else 100):
                return self._words(meter, now_ns), clears_ns
        return None

    def _words(self, meter: Meter, now_ns: int) -> str:
        if meter.kind == ORDERS:
            return f"order budget used: {meter.used_at(now_ns)} of {meter.limit} per {meter.interval_s} s"
        return f"request weight used: {meter.used_at(now_ns)} of {meter.limit}, the rest is kept for cancels"

    def reads_denied(self, now_ns: int, weight: int, is_routine: bool = False) -> bool:
        """True where a read of this weight would eat what is kept for others."""
        share = PLACES_SHARE_PERCENT if is_routine else READS_SHARE_PERCENT
        for meter in self._meters():
            self._roll(meter, now_ns)
            if meter.kind == WEIGHT and meter.clears_ns(now_ns, weight, share):
                return True
        return self.is_banned(now_ns)

    def used_weight(self) -> tuple[int, int]:
        """(used, limit) of the request weight window, zeros where the venue states none."""
        return next(((window.used, window.limit) for window in self.windows if window.kind == WEIGHT), (0, 0))

    def _roll(self, meter: Meter, now_ns: int) -> None:
        """A new window begins with what is unanswered of the weight: it may be counted in it. (Of orders, `carry` knows.)"""
        if isinstance(meter, Window) and meter.roll(now_ns + self.ahead_ns, self.ahead_ns):
            meter.used = self.weight_asked if meter.kind == WEIGHT else 0

    def orders_per_s(self, now_ns: int) -> Decimal:
        """Places a second that the tightest window allows; zero where there is none. A day's limit is for the day to reach, until half of it is
        used: what then follows the price shares what is left with what must be left at the market."""
        rates = []
        for window in (one for one in self._meters() if one.kind == ORDERS):
            self._roll(window, now_ns)
            left = window.limit - window.used_at(now_ns)
            if window.interval_s <= SHORT_S:
                rates.append(Decimal(window.limit) / window.interval_s)
            elif isinstance(window, Window) and 2 * left < window.limit:
                rates.append(Decimal(max(left, 1) * NS_PER_S) / max(window.ends_ns() - now_ns, NS_PER_S))
        return min(rates, default=Decimal(0))

    def _orders_clear_ns(self, now_ns: int, retry_after_ms: int) -> int:
        """Without Retry-After: the end of the windows that are full by our count, else of the shortest."""
        if retry_after_ms:
            return now_ns + retry_after_ms * NS_PER_MS
        windows = [window for window in self.windows if window.kind == ORDERS]
        for window in windows:
            self._roll(window, now_ns)
        full = [clears_ns for window in windows if (clears_ns := window.clears_ns(now_ns, 1, 100))]
        return max(full, default=min((window.ends_ns() for window in windows), default=now_ns + 10 * NS_PER_S))
