"""Rate limits as Binance counts them: request weight, raw requests, unfilled orders, connections, bans.

Called on the event loop by the desk and the connection handlers; the wall clock arrives as an argument. Windows
are aligned to the clock, not sliding (binance-wire 4). Never: a wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from exchange.paper.model import Reject

SECOND_MS = 1000
MINUTE_MS = 60_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Sizes of every limit; counts per window unless the name says otherwise."""

    weight_1m: int = 6000
    raw_requests_5m: int = 300_000
    orders_10s: int = 50
    orders_1d: int = 160_000
    connections_5m: int = 300
    frames_per_s: int = 5
    streams_per_connection: int = 1024
    strikes_before_ban: int = 10
    ban_s: int = 120
    ban_s_max: int = 259_200
    credit_taker: int = 1
    credit_maker: int = 5
    ws_connect_weight: int = 2

    def changed(self, values: Mapping[str, object]) -> LimitSettings:
        """A copy with some sizes replaced. Raises ValueError on an unknown name or a value that is no count."""
        known = {field.name for field in fields(self)}
        changes: dict[str, int] = {}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown limit {name!r}; known: {', '.join(sorted(known))}")
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"limit {name!r} must be a whole number >= 0, not {value!r}")
            changes[name] = value
        return replace(self, **changes)


class Limited(Reject):
    """A 429 or 418; `retry_at_ms` is the wall-clock time from which calls are welcome again."""

    def __init__(self, code: int, message: str, http_status: int, retry_at_ms: int) -> None:
        super().__init__(code, message, http_status)
        self.retry_at_ms = retry_at_ms


class Window:
    """A count that starts again at every multiple of its length on the wall clock."""

    __slots__ = ("length_ms", "_start_ms", "_count")

    def __init__(self, length_ms: int) -> None:
        self.length_ms = length_ms
        self._start_ms = 0
        self._count = 0

    def count(self, now_ms: int) -> int:
        """What the current window holds."""
        start_ms = now_ms - now_ms % self.length_ms
        if start_ms != self._start_ms:
            self._start_ms, self._count = start_ms, 0
        return self._count

    def add(self, amount: int, now_ms: int) -> int:
        """Add (or give back, never below 0) and return the new count."""
        self._count = max(0, self.count(now_ms) + amount)
        return self._count

    def end_ms(self, now_ms: int) -> int:
        """When the current window ends."""
        return now_ms - now_ms % self.length_ms + self.length_ms


class Limits:
    """All counters of one account on one address."""

    def __init__(self, settings: LimitSettings) -> None:
        self.settings = settings
        self._weight = Window(MINUTE_MS)
        self._raw = Window(5 * MINUTE_MS)
        self._orders_10s = Window(10 * SECOND_MS)
        self._orders_1d = Window(DAY_MS)
        self._connections = {"stream": Window(5 * MINUTE_MS), "ws_api": Window(5 * MINUTE_MS)}
        self._strikes = Window(MINUTE_MS)
        self._banned_until_ms = 0
        self._bans = 0

    def ban(self, until_ms: int) -> None:
        """Ban the address; 0 lifts the ban."""
        self._banned_until_ms = until_ms

    def check_ban(self, now_ms: int) -> None:
        """Raise HTTP 418 while the address is banned."""
        if now_ms < self._banned_until_ms:
            raise self.banned(self._banned_until_ms)

    @staticmethod
    def banned(until_ms: int) -> Limited:
        """The 418 refusal with its text."""
        text = (
            f"Way too much request weight used; IP banned until {until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return Limited(-1003, text, 418, until_ms)

    def too_heavy(self, retry_at_ms: int) -> Limited:
        """The 429 refusal for weight with its text."""
        text = (
            f"Too much request weight used; current limit is {self.settings.weight_1m} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return Limited(-1003, text, 429, retry_at_ms)

    def too_many_orders(self, size: int, window: str, retry_at_ms: int) -> Limited:
        """The -1015 refusal with its text; `window` reads like `10 SECOND`."""
        return Limited(
            -1015, f"Too many new orders; current limit is {size} orders per {window}.", 429, retry_at_ms
        )

    def charge_weight(self, weight: int, now_ms: int) -> None:
        """Count one call. Raises 429 above the limit and, when the caller goes on, 418."""
        self.check_ban(now_ms)
        heavy = self._weight.add(weight, now_ms) > self.settings.weight_1m
        raw = self._raw.add(1, now_ms) > self.settings.raw_requests_5m
        if not heavy and not raw:
            return
        if self._strikes.add(1, now_ms) > self.settings.strikes_before_ban:
            length_s = min(self.settings.ban_s * 2**self._bans, self.settings.ban_s_max)
            self._bans = min(self._bans + 1, 16)
            self._banned_until_ms = now_ms + length_s * SECOND_MS
            raise self.banned(self._banned_until_ms)
        raise self.too_heavy(self._weight.end_ms(now_ms) if heavy else self._raw.end_ms(now_ms))

    def refund_weight(self, weight: int, now_ms: int) -> None:
        """Give back the weight of a call that turned out to be free (successful order calls)."""
        self._weight.add(-weight, now_ms)

    def orders_full(self, now_ms: int, count: int = 1) -> Limited | None:
        """The -1015 so many further orders would meet now, or None."""
        if self._orders_10s.count(now_ms) + count > self.settings.orders_10s:
            return self.too_many_orders(self.settings.orders_10s, "10 SECOND", self._orders_10s.end_ms(now_ms))
        if self._orders_1d.count(now_ms) + count > self.settings.orders_1d:
            return self.too_many_orders(self.settings.orders_1d, "1 DAY", self._orders_1d.end_ms(now_ms))
        return None

    def charge_order(self, now_ms: int, count: int = 1) -> None:
        """Count a placement; a pair counts as two."""
        self._orders_10s.add(count, now_ms)
        self._orders_1d.add(count, now_ms)

    def credit_fill(self, is_maker: bool, now_ms: int) -> None:
        """The first fill of an order gives unfilled count back: a maker more than a taker, never below 0."""
        amount = self.settings.credit_maker if is_maker else self.settings.credit_taker
        self._orders_10s.add(-amount, now_ms)
        self._orders_1d.add(-amount, now_ms)

    def admit_connection(self, kind: str, now_ms: int) -> bool:
        """Whether one more connection of this kind (`stream`, `ws_api`) is allowed in this 5 minute window."""
        return self._connections[kind].add(1, now_ms) <= self.settings.connections_5m

    def headers(self, now_ms: int, with_orders: bool) -> dict[str, str]:
        """The X-MBX headers of one REST answer."""
        found = {"X-MBX-USED-WEIGHT": str(self._weight.count(now_ms))}
        found["X-MBX-USED-WEIGHT-1M"] = found["X-MBX-USED-WEIGHT"]
        if with_orders:
            found["X-MBX-ORDER-COUNT-10S"] = str(self._orders_10s.count(now_ms))
            found["X-MBX-ORDER-COUNT-1D"] = str(self._orders_1d.count(now_ms))
        return found

    def order_entries(self, now_ms: int) -> list[dict[str, object]]:
        """The ORDERS entries with their counts, as `rateLimit/order` and the WS API show them."""
        sizes = self.settings
        return [
            {
                "rateLimitType": "ORDERS",
                "interval": "SECOND",
                "intervalNum": 10,
                "limit": sizes.orders_10s,
                "count": self._orders_10s.count(now_ms),
            },
            {
                "rateLimitType": "ORDERS",
                "interval": "DAY",
                "intervalNum": 1,
                "limit": sizes.orders_1d,
                "count": self._orders_1d.count(now_ms),
            },
        ]

    def weight_entry(self, now_ms: int) -> dict[str, object]:
        """The REQUEST_WEIGHT entry of a WS API reply."""
        return {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": self.settings.weight_1m,
            "count": self._weight.count(now_ms),
        }

    def published(self, ws_api: bool) -> list[dict[str, object]]:
        """The `rateLimits` of exchangeInfo; the WS API lists CONNECTIONS instead of RAW_REQUESTS."""
        sizes = self.settings
        last = ("CONNECTIONS", sizes.connections_5m) if ws_api else ("RAW_REQUESTS", sizes.raw_requests_5m)
        rows = [
            ("REQUEST_WEIGHT", "MINUTE", 1, sizes.weight_1m),
            ("ORDERS", "SECOND", 10, sizes.orders_10s),
            ("ORDERS", "DAY", 1, sizes.orders_1d),
            (last[0], "MINUTE", 5, last[1]),
        ]
        return [
            {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": size}
            for kind, interval, number, size in rows
        ]
