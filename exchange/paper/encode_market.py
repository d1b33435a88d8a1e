"""The words of the venue for public market data: REST bodies and stream payloads (binance-wire 2 and 5).

Pure. Called by the market data operations and by the market streams. Shares no code with the bot's reader. Never: a decision, a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from exchange.paper.candles import Aggregate, Candle, Print, Statistics
from exchange.paper.encode import Json, amount

NO_PRICE = Decimal(0)
Levels = Iterable[tuple[Decimal, Decimal]]
Touch = tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None, int]


def levels(rows: Levels) -> list[list[str]]:
    """Price levels as pairs of texts; a size of 0 means the level is gone."""
    return [[f"{price:.8f}", f"{quantity:.8f}"] for price, quantity in rows]


def depth(last_update_id: int, bids: Levels, asks: Levels) -> Json:
    """GET depth and the payload of `depth5`, `depth10`, `depth20`."""
    return {"lastUpdateId": last_update_id, "bids": levels(bids), "asks": levels(asks)}


def depth_update(
    symbol: str, first_id: int, last_id: int, bids: Levels, asks: Levels, now_ms: int
) -> Json:
    """The depthUpdate event."""
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "s": symbol,
        "U": first_id,
        "u": last_id,
        "b": levels(bids),
        "a": levels(asks),
    }


def book_ticker_event(symbol: str, touch: Touch) -> Json:
    """The bookTicker payload: no event type, no time."""
    bid, bid_quantity, ask, ask_quantity, update_id = touch
    return {
        "u": update_id,
        "s": symbol,
        "b": amount(bid),
        "B": amount(bid_quantity),
        "a": amount(ask),
        "A": amount(ask_quantity),
    }


def book_ticker(symbol: str, touch: Touch) -> Json:
    """One row of GET ticker/bookTicker."""
    bid, bid_quantity, ask, ask_quantity, _ = touch
    return {
        "symbol": symbol,
        "bidPrice": amount(bid),
        "bidQty": amount(bid_quantity),
        "askPrice": amount(ask),
        "askQty": amount(ask_quantity),
    }


def trade_event(symbol: str, trade: Print, now_ms: int) -> Json:
    """The trade event (order ids were removed by Binance)."""
    return {
        "e": "trade",
        "E": now_ms,
        "s": symbol,
        "t": trade.trade_id,
        "p": amount(trade.price),
        "q": amount(trade.quantity),
        "T": trade.time_ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def trade(row: Print) -> Json:
    """One row of GET trades."""
    return {
        "id": row.trade_id,
        "price": amount(row.price),
        "qty": amount(row.quantity),
        "quoteQty": amount(row.quote_quantity),
        "time": row.time_ms,
        "isBuyerMaker": row.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate(row: Aggregate) -> Json:
    """One row of GET aggTrades."""
    return {
        "a": row.aggregate_id,
        "p": amount(row.price),
        "q": amount(row.quantity),
        "f": row.first_id,
        "l": row.last_id,
        "T": row.time_ms,
        "m": row.buyer_is_maker,
        "M": True,
    }


def aggregate_event(symbol: str, row: Aggregate, now_ms: int) -> Json:
    """The aggTrade event."""
    return {"e": "aggTrade", "E": now_ms, "s": symbol, **aggregate(row)}


def kline(candle: Candle) -> list[object]:
    """One row of GET klines."""
    return [
        candle.open_ms,
        amount(candle.open),
        amount(candle.high),
        amount(candle.low),
        amount(candle.close),
        amount(candle.volume),
        candle.close_ms,
        amount(candle.quote_volume),
        candle.trades,
        amount(candle.taker_volume),
        amount(candle.taker_quote_volume),
        "0",
    ]


def kline_event(symbol: str, interval: str, candle: Candle, now_ms: int) -> Json:
    """The kline event; `x` says whether the bar is closed."""
    return {
        "e": "kline",
        "E": now_ms,
        "s": symbol,
        "k": {
            "t": candle.open_ms,
            "T": candle.close_ms,
            "s": symbol,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": amount(candle.open),
            "c": amount(candle.close),
            "h": amount(candle.high),
            "l": amount(candle.low),
            "v": amount(candle.volume),
            "n": candle.trades,
            "x": now_ms > candle.close_ms,
            "q": amount(candle.quote_volume),
            "V": amount(candle.taker_volume),
            "Q": amount(candle.taker_quote_volume),
            "B": "0",
        },
    }


def mini_ticker_event(symbol: str, day: Statistics, now_ms: int) -> Json:
    """The 24hrMiniTicker event."""
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": symbol,
        "c": amount(day.last),
        "o": amount(day.open),
        "h": amount(day.high),
        "l": amount(day.low),
        "v": amount(day.volume),
        "q": amount(day.quote_volume),
    }


def window_ticker(symbol: str, span: Statistics, now_ms: int, is_mini: bool) -> Json:
    """One row of GET ticker and ticker/tradingDay, and of ticker/24hr with type=MINI; `is_mini` leaves changes and the average out."""
    changes = {
        "priceChange": amount(span.last - span.open),
        "priceChangePercent": _percent(span),
        "weightedAvgPrice": amount(_average(span)),
    }
    return {
        "symbol": symbol,
        **({} if is_mini else changes),
        "openPrice": amount(span.open),
        "highPrice": amount(span.high),
        "lowPrice": amount(span.low),
        "lastPrice": amount(span.last),
        "volume": amount(span.volume),
        "quoteVolume": amount(span.quote_volume),
        "openTime": span.open_ms,
        "closeTime": now_ms,
        "firstId": span.first_id,
        "lastId": span.last_id,
        "count": span.trades,
    }


def day_ticker(symbol: str, day: Statistics, touch: Touch, prints: Sequence[Print], now_ms: int) -> Json:
    """One row of GET ticker/24hr."""
    bid, bid_quantity, ask, ask_quantity, _ = touch
    return {
        "symbol": symbol,
        "priceChange": amount(day.last - day.open),
        "priceChangePercent": _percent(day),
        "weightedAvgPrice": amount(_average(day)),
        "prevClosePrice": amount(day.open),
        "lastPrice": amount(day.last),
        "lastQty": amount(prints[-1].quantity if prints else None),
        "bidPrice": amount(bid),
        "bidQty": amount(bid_quantity),
        "askPrice": amount(ask),
        "askQty": amount(ask_quantity),
        "openPrice": amount(day.open),
        "highPrice": amount(day.high),
        "lowPrice": amount(day.low),
        "volume": amount(day.volume),
        "quoteVolume": amount(day.quote_volume),
        "openTime": day.open_ms,
        "closeTime": now_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }


def ticker_event(symbol: str, day: Statistics, touch: Touch, prints: Sequence[Print], now_ms: int) -> Json:
    """The 24hrTicker event."""
    bid, bid_quantity, ask, ask_quantity, _ = touch
    return {
        "e": "24hrTicker",
        "E": now_ms,
        "s": symbol,
        "p": amount(day.last - day.open),
        "P": _percent(day),
        "w": amount(_average(day)),
        "x": amount(day.open),
        "c": amount(day.last),
        "Q": amount(prints[-1].quantity if prints else None),
        "b": amount(bid),
        "B": amount(bid_quantity),
        "a": amount(ask),
        "A": amount(ask_quantity),
        "o": amount(day.open),
        "h": amount(day.high),
        "l": amount(day.low),
        "v": amount(day.volume),
        "q": amount(day.quote_volume),
        "O": day.open_ms,
        "C": now_ms,
        "F": day.first_id,
        "L": day.last_id,
        "n": day.trades,
    }


def window_event(symbol: str, window: str, span: Statistics, now_ms: int) -> Json:
    """The rolling window's event, `1hTicker` and its like."""
    return {
        "e": f"{window}Ticker",
        "E": now_ms,
        "s": symbol,
        "p": amount(span.last - span.open),
        "P": _percent(span),
        "o": amount(span.open),
        "h": amount(span.high),
        "l": amount(span.low),
        "c": amount(span.last),
        "w": amount(_average(span)),
        "v": amount(span.volume),
        "q": amount(span.quote_volume),
        "O": span.open_ms,
        "C": now_ms,
        "F": span.first_id,
        "L": span.last_id,
        "n": span.trades,
    }


def average_price_event(symbol: str, price: Decimal | None, last_trade_ms: int, now_ms: int) -> Json:
    """The avgPrice event, of 5 minutes."""
    return {"e": "avgPrice", "E": now_ms, "s": symbol, "i": "5m", "w": amount(price), "T": last_trade_ms}


def reference_price_event(symbol: str, now_ms: int) -> Json:
    """The referencePrice event: no symbol here has one."""
    return {"e": "referencePrice", "s": symbol, "r": None, "t": now_ms}


def _average(span: Statistics) -> Decimal:
    return span.quote_volume / span.volume if span.volume else span.last


def _percent(span: Statistics) -> str:
    return f"{(span.last - span.open) / span.open * 100:.3f}" if span.open else "0.000"
