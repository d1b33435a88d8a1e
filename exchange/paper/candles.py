"""Prints of one symbol, remembered: recent trades, aggregates, klines and the day's statistics.

Pure; fed by the desk with every print, read by the market data operations and the kline and miniTicker streams.
Everything is bounded. Times are wall-clock milliseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

INTERVALS_MS: dict[str, int] = {
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
    "1d": 86_400_000,
}
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
class DayStatistics:
    """Open, high, low, last and volumes of the last 24 hours (or since the start)."""

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
        self._candles: dict[str, deque[Candle]] = {name: deque(maxlen=CANDLES_MAX) for name in INTERVALS_MS}

    def add(self, prints: Iterable[Print]) -> list[Aggregate]:
        """Remember the prints of one drain, oldest first; returns the aggregates they form."""
        fresh: list[Aggregate] = []
        for trade in prints:
            self.prints.append(trade)
            for name, length_ms in INTERVALS_MS.items():
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

    def candles(self, interval: str, now_ms: int) -> deque[Candle]:
        """All bars of an interval up to now; bars without a print repeat the last close."""
        candles, length_ms = self._candles[interval], INTERVALS_MS[interval]
        _fill_gap(candles, now_ms - now_ms % length_ms + length_ms, length_ms)
        return candles

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

    def day(self, now_ms: int) -> DayStatistics | None:
        """The rolling day, by whole minutes; None before the first print."""
        window = [c for c in self.candles("1m", now_ms) if c.close_ms >= now_ms - 86_400_000] if self.prints else []
        if not window:
            return None
        printed = [candle for candle in window if candle.trades]
        return DayStatistics(
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
