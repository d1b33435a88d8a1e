"""Public operations: clock, symbols, books, prints, bars, tickers (binance-wire 2). They change nothing.

Called by the desk on the event loop.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

from exchange.paper import encode_market
from exchange.paper.candles import INTERVALS_MS, TRADES_MAX
from exchange.paper.encode import Json, amount
from exchange.paper.model import Reject
from exchange.paper.operation import Operation, fixed, names
from exchange.paper.params import Params

if TYPE_CHECKING:
    from exchange.paper.desk import Desk

DEPTH_LIMIT_MAX = 5000
_DEPTH_STEPS, _DEPTH_WEIGHTS = (100, 500, 1000), (5, 25, 50, 250)
AVERAGE_MINUTES = 5


def ping(desk: Desk, params: Params, now_ms: int) -> object:
    """GET ping."""
    return {}


def server_time(desk: Desk, params: Params, now_ms: int) -> object:
    """GET time."""
    return {"serverTime": now_ms}


def _chosen(desk: Desk, params: Params) -> tuple[list[str], bool]:
    """The symbols a call names by `symbol`, `symbols` or not at all, and whether it named exactly one."""
    if "symbol" in params and "symbols" in params:
        raise Reject(-1128, "Combination of optional parameters invalid.")
    if "symbol" in params:
        return [desk.known_symbol(params)], True
    text = params.text("symbols")
    if text is None:
        return desk.symbols(), False
    try:
        wanted = json.loads(text)
    except ValueError:
        wanted = None
    if not isinstance(wanted, list) or not wanted:
        raise Reject(-1100, "Illegal characters found in parameter 'symbols'; legal range is '[\"SYMBOL\",...]'.")
    if len(set(map(str, wanted))) != len(wanted):
        raise Reject(-1151, "Symbol is present multiple times in the list.")
    return [desk.known_symbol(Params({"symbol": str(name)})) for name in wanted], False


def _per_symbol(desk: Desk, params: Params, row: Callable[[str], Json | None]) -> object:
    chosen, single = _chosen(desk, params)
    rows = [found for found in map(row, chosen) if found is not None]
    if not single:
        return rows
    if not rows:
        raise Reject(-1000, "No data yet for this symbol.", 400)
    return rows[0]


def exchange_info(desk: Desk, params: Params, now_ms: int) -> object:
    """GET exchangeInfo."""
    chosen, _ = _chosen(desk, params)
    status = params.text("symbolStatus")
    entries = [
        {**desk.rules[name].to_exchange_info(), "status": desk.status[name]}
        for name in chosen
        if status is None or desk.status[name] == status
    ]
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": desk.limits.published(ws_api=False),
        "exchangeFilters": [],
        "symbols": entries,
    }


def depth(desk: Desk, params: Params, now_ms: int) -> object:
    """GET depth."""
    symbol = desk.known_symbol(params)
    last_update_id, bids, asks = desk.matching.depth(symbol, params.limit(100, DEPTH_LIMIT_MAX))
    return encode_market.depth(last_update_id, bids, asks)


def _depth_weight(params: Params) -> int:
    text = params.raw("limit") or "100"
    limit = int(text) if text.isdigit() and len(text) < 8 else 100
    return _DEPTH_WEIGHTS[sum(limit > step for step in _DEPTH_STEPS)]


def trades(desk: Desk, params: Params, now_ms: int) -> object:
    """GET trades, and historicalTrades from `fromId` as far back as is remembered."""
    rows = list(desk.tapes[desk.known_symbol(params)].prints)
    from_id, limit = params.integer("fromId"), params.limit(500, 1000)
    if from_id is not None:
        rows = [row for row in rows if row.trade_id >= from_id][:limit]
    return [encode_market.trade(row) for row in rows[-limit:]]


def aggregate_trades(desk: Desk, params: Params, now_ms: int) -> object:
    """GET aggTrades: by id, by time, or the newest."""
    rows = list(desk.tapes[desk.known_symbol(params)].aggregates)
    limit, from_id = params.limit(500, 1000), params.integer("fromId")
    start_ms, end_ms = params.time_ms("startTime"), params.time_ms("endTime")
    if from_id is not None:
        rows = [row for row in rows if row.aggregate_id >= from_id]
    if start_ms is not None:
        rows = [row for row in rows if row.time_ms >= start_ms]
    if end_ms is not None:
        rows = [row for row in rows if row.time_ms <= end_ms]
    from_start = from_id is not None or start_ms is not None
    return [encode_market.aggregate(row) for row in (rows[:limit] if from_start else rows[-limit:])]


def klines(desk: Desk, params: Params, now_ms: int) -> object:
    """GET klines, built from this exchange's own prints since its start."""
    symbol = desk.known_symbol(params)
    interval = params.require("interval")
    if interval not in INTERVALS_MS:
        raise Reject(-1120, "Invalid interval.")
    limit = params.limit(500, 1000)
    start_ms, end_ms = params.time_ms("startTime"), params.time_ms("endTime")
    rows = list(desk.tapes[symbol].candles(interval, now_ms))
    if end_ms is not None:
        rows = rows[: bisect_right(rows, end_ms, key=lambda candle: candle.open_ms)]
    if start_ms is not None:
        rows = [candle for candle in rows if candle.open_ms >= start_ms]
        return [encode_market.kline(candle) for candle in rows[:limit]]
    return [encode_market.kline(candle) for candle in rows[-limit:]]


def average_price(desk: Desk, params: Params, now_ms: int) -> object:
    """GET avgPrice: the volume-weighted average of 5 minutes; before any print, the middle of the book."""
    symbol = desk.known_symbol(params)
    tape = desk.tapes[symbol]
    price = tape.average(AVERAGE_MINUTES, now_ms) or desk.mid(symbol)
    close_ms = tape.prints[-1].time_ms if tape.prints else now_ms
    return {"mins": AVERAGE_MINUTES, "price": amount(price), "closeTime": close_ms}


def ticker_price(desk: Desk, params: Params, now_ms: int) -> object:
    """GET ticker/price: the last print, before any the middle of the book."""

    def row(symbol: str) -> Json:
        price = desk.tapes[symbol].last_price() or desk.mid(symbol)
        return {"symbol": symbol, "price": amount(price)}

    return _per_symbol(desk, params, row)


def ticker_book(desk: Desk, params: Params, now_ms: int) -> object:
    """GET ticker/bookTicker."""
    return _per_symbol(
        desk, params, lambda symbol: encode_market.book_ticker(symbol, desk.matching.touch(symbol))
    )


def ticker_day(desk: Desk, params: Params, now_ms: int) -> object:
    """GET ticker/24hr: the last 24 hours, or since the start."""

    def row(symbol: str) -> Json | None:
        tape = desk.tapes[symbol]
        day = tape.day(now_ms)
        if day is None:
            return None
        return encode_market.day_ticker(symbol, day, desk.matching.touch(symbol), tape.prints, now_ms)

    return _per_symbol(desk, params, row)


def _ticker_weight(params: Params) -> int:
    return 2 if "symbol" in params else 4


_SYMBOLS = names("symbol symbols")
OPERATIONS = (
    Operation("ping", "GET", "/api/v3/ping", ping, fixed(1), names("")),
    Operation("time", "GET", "/api/v3/time", server_time, fixed(1), names("")),
    Operation(
        "exchangeInfo", "GET", "/api/v3/exchangeInfo", exchange_info, fixed(20),
        _SYMBOLS | names("permissions showPermissionSets symbolStatus"),
    ),
    Operation("depth", "GET", "/api/v3/depth", depth, _depth_weight, names("symbol limit symbolStatus")),
    Operation("trades.recent", "GET", "/api/v3/trades", trades, fixed(25), names("symbol limit")),
    Operation(
        "trades.historical", "GET", "/api/v3/historicalTrades", trades, fixed(25), names("symbol limit fromId"),
    ),
    Operation(
        "trades.aggregate", "GET", "/api/v3/aggTrades", aggregate_trades, fixed(4),
        names("symbol fromId startTime endTime limit"),
    ),
    Operation(
        "klines", "GET", "/api/v3/klines", klines, fixed(2),
        names("symbol interval startTime endTime timeZone limit"),
    ),
    Operation("avgPrice", "GET", "/api/v3/avgPrice", average_price, fixed(2), names("symbol")),
    Operation("ticker.price", "GET", "/api/v3/ticker/price", ticker_price, _ticker_weight, _SYMBOLS),
    Operation("ticker.book", "GET", "/api/v3/ticker/bookTicker", ticker_book, _ticker_weight, _SYMBOLS),
    Operation(
        "ticker.24hr", "GET", "/api/v3/ticker/24hr", ticker_day,
        lambda params: 2 if "symbol" in params else 80, _SYMBOLS | names("type"),
    ),
)
assert TRADES_MAX >= 1000, "trades and aggTrades promise up to 1000 rows"
