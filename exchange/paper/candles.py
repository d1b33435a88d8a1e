"""Prints of one symbol, remembered: recent trades, aggregates, klines and the day's statistics.

Pure; fed by the desk with every print, read by the market data operations and the kline and miniTicker streams.
Everything is bounded. Times are wall-clock milliseconds. Never: a clock, an order.
"""

from __future__ import annotations

import calendar
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice

DAY_MS, MINUTE_MS = 86_400_000, 60_000
MONDAY_MS = 4 * DAY_MS  # 1970 began on a Thursday
KEPT_MS: dict[str, int] = {  # the bars that are kept; longer ones, and those of another time zone, are made of them when asked for
    "1s": 1_000,
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": DAY_MS,
}
LONG_MS = {"3d": 3 * DAY_MS, "1w": 7 * DAY_MS}
INTERVALS = (*KEPT_MS, *LONG_MS, "1M")
CANDLES_MAX = 1500
TRADES_MAX = 2000
_ZERO = Decimal(0)


@dataclass(slots=True)
class Candle:
    """One bar; quantities in base and quote asset, `taker_*` the part bought by takers."""

    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    first_id: int = -1
    last_id: int = -1
    volume: Decimal = _ZERO
    quote_volume: Decimal = _ZERO
    trades: int = 0
    taker_volume: Decimal = _ZERO
    taker_quote_volume: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class Print:
    """One public trade as kept for `trades` and the streams."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    buyer_is_maker: bool

    @property
    def quote_quantity(self) -> Decimal:
        """Price times quantity."""
        return self.price * self.quantity


@dataclass(slots=True)
class Aggregate:
    """Prints of one taker at one price in one instant."""

    aggregate_id: int
    price: Decimal
    quantity: Decimal
    first_id: int
    last_id: int
    time_ms: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class Statistics:
    """Open, high, low, last and volumes of a span of time (or since the start)."""

    open: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_ms: int
    first_id: int
    last_id: int
    trades: int


class Tape:
    """The bounded memory of one symbol's prints."""

    def __init__(self, next_aggregate_id: int) -> None:
        self.prints: deque[Print] = deque(maxlen=TRADES_MAX)
        self.aggregates: deque[Aggregate] = deque(maxlen=TRADES_MAX)
        self.next_aggregate_id = next_aggregate_id
        self._candles: dict[str, deque[Candle]] = {name: deque(maxlen=CANDLES_MAX) for name in KEPT_MS}

    def add(self, prints: Iterable[Print]) -> list[Aggregate]:
        """Remember the prints of one drain, oldest first; returns the aggregates they form."""
        fresh: list[Aggregate] = []
        for trade in prints:
            self.prints.append(trade)
            for name, length_ms in KEPT_MS.items():
                self._add_to(self._candles[name], length_ms, trade)
            last = fresh[-1] if fresh else None
            if last and last.price == trade.price and last.buyer_is_maker == trade.buyer_is_maker:
                last.quantity += trade.quantity
                last.last_id = trade.trade_id
                continue
            fresh.append(
                Aggregate(
                    self.next_aggregate_id,
                    trade.price,
                    trade.quantity,
                    trade.trade_id,
                    trade.trade_id,
                    trade.time_ms,
                    trade.buyer_is_maker,
                )
            )
            self.next_aggregate_id += 1
        self.aggregates.extend(fresh)
        return fresh

    @staticmethod
    def _add_to(candles: deque[Candle], length_ms: int, trade: Print) -> None:
        open_ms = trade.time_ms - trade.time_ms % length_ms
        if not candles or candles[-1].open_ms < open_ms:
            _fill_gap(candles, open_ms, length_ms)
            price = trade.price
            candles.append(Candle(open_ms, open_ms + length_ms - 1, price, price, price, price, trade.trade_id))
        candle = candles[-1]
        candle.high = max(candle.high, trade.price)
        candle.low = min(candle.low, trade.price)
        candle.close = trade.price
        if candle.trades == 0:
            candle.open = candle.high = candle.low = trade.price
            candle.first_id = trade.trade_id
        candle.last_id = trade.trade_id
        candle.volume += trade.quantity
        candle.quote_volume += trade.quote_quantity
        candle.trades += 1
        if not trade.buyer_is_maker:
            candle.taker_volume += trade.quantity
            candle.taker_quote_volume += trade.quote_quantity

    def candles(self, interval: str, now_ms: int, zone_ms: int = 0) -> Sequence[Candle]:
        """All bars of an interval up to now; bars without a print repeat the last close. `zone_ms` is what a time zone is ahead of UTC."""
        length_ms = KEPT_MS.get(interval)
        if length_ms is None or zone_ms % length_ms:
            small = "1d" if not zone_ms else "15m" if zone_ms % KEPT_MS["15m"] == 0 and (length_ms or DAY_MS) > KEPT_MS["15m"] else "1m"
            return _joined(self.candles(small, now_ms), interval, zone_ms)
        candles = self._candles[interval]
        _fill_gap(candles, now_ms - now_ms % length_ms + length_ms, length_ms)
        return candles

    def history(self, interval: str, now_ms: int, zone_ms: int, price: Decimal | None) -> list[Candle]:
        """All bars up to now, and flat ones before the first trade, as many as are ever kept: at `price` where nothing has printed yet."""
        rows = list(self.candles(interval, now_ms, zone_ms))
        before = rows[0].open if rows else price
        open_ms = rows[0].open_ms if rows else bounds(interval, now_ms, zone_ms)[1]
        if before is None:
            return rows
        flat_bars: list[Candle] = []
        while len(flat_bars) + len(rows) < CANDLES_MAX:
            close_ms = open_ms - 1
            open_ms = bounds(interval, close_ms, zone_ms)[0]
            flat_bars.append(Candle(open_ms, close_ms, before, before, before, before))
        return [*reversed(flat_bars), *rows]

    def average(self, minutes: int, now_ms: int) -> Decimal | None:
        """Volume-weighted average price of the last minutes; the last price when nothing printed; None at the start."""
        since_ms = now_ms - minutes * 60_000
        quantity = quote = _ZERO
        for candle in _newest(self._candles["1s"]):
            if candle.close_ms < since_ms:
                break
            quantity += candle.volume
            quote += candle.quote_volume
        if quantity:
            return quote / quantity
        return self.last_price()

    def last_price(self) -> Decimal | None:
        """The price of the last print."""
        return self.prints[-1].price if self.prints else None

    def statistics(self, since_ms: int, now_ms: int) -> Statistics | None:
        """From `since_ms` on, by whole minutes, above a day by whole hours; None before the first print."""
        small = "1m" if now_ms - since_ms < (CANDLES_MAX - 1) * MINUTE_MS else "1h"
        window = [c for c in self.candles(small, now_ms) if c.close_ms >= since_ms] if self.prints else []
        if not window:
            return None
        printed = [candle for candle in window if candle.trades]
        return Statistics(
            open=window[0].open,
            high=max(candle.high for candle in window),
            low=min(candle.low for candle in window),
            last=window[-1].close,
            volume=sum((candle.volume for candle in window), _ZERO),
            quote_volume=sum((candle.quote_volume for candle in window), _ZERO),
            open_ms=window[0].open_ms,
            first_id=printed[0].first_id if printed else -1,
            last_id=printed[-1].last_id if printed else -1,
            trades=sum(candle.trades for candle in window),
        )


def flat(price: Decimal, now_ms: int) -> Statistics:
    """What is told before the first print: one price, and nothing traded."""
    return Statistics(price, price, price, price, _ZERO, _ZERO, now_ms, -1, -1, 0)


def bounds(interval: str, time_ms: int, zone_ms: int = 0) -> tuple[int, int]:
    """When the bar that holds this time opens, and when the next one does: weeks on Monday, months on the 1st, days at the zone's midnight."""
    local_ms = time_ms + zone_ms
    if interval == "1M":
        year, month = time.gmtime(local_ms // 1000)[:2]
        months = ((year, month), (year + month // 12, month % 12 + 1))
        first_ms, next_ms = (calendar.timegm((year, month, 1, 0, 0, 0)) * 1000 for year, month in months)
    else:
        length_ms = KEPT_MS.get(interval) or LONG_MS[interval]
        first_ms = local_ms - (local_ms - (MONDAY_MS if interval == "1w" else 0)) % length_ms
        next_ms = first_ms + length_ms
    return first_ms - zone_ms, next_ms - zone_ms


def _joined(small: Iterable[Candle], interval: str, zone_ms: int) -> list[Candle]:
    """Longer bars made of shorter ones."""
    made: list[Candle] = []
    for part in small:
        if not made or part.open_ms > made[-1].close_ms:
            open_ms, next_ms = bounds(interval, part.open_ms, zone_ms)
            made.append(replace(part, open_ms=open_ms, close_ms=next_ms - 1))
            continue
        whole = made[-1]
        if part.trades:
            whole.first_id = part.first_id if not whole.trades else whole.first_id
            whole.last_id = part.last_id
        whole.high, whole.low, whole.close = max(whole.high, part.high), min(whole.low, part.low), part.close
        whole.volume += part.volume
        whole.quote_volume += part.quote_volume
        whole.trades += part.trades
        whole.taker_volume += part.taker_volume
        whole.taker_quote_volume += part.taker_quote_volume
    return made


def _newest(candles: deque[Candle]) -> Iterator[Candle]:
    return islice(reversed(candles), CANDLES_MAX)


def _fill_gap(candles: deque[Candle], until_open_ms: int, length_ms: int) -> None:
    """Append empty bars after the last one, up to (not including) the bar that opens at `until_open_ms`."""
    if not candles:
        return
    close = candles[-1].close
    first = max(candles[-1].open_ms + length_ms, until_open_ms - CANDLES_MAX * length_ms)
    for open_ms in range(first, until_open_ms, length_ms):
        candles.append(Candle(open_ms, open_ms + length_ms - 1, close, close, close, close))
