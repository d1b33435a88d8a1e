"""Public operations: clock, symbols, books, prints, bars (binance-wire 2).

Called by the desk on the event loop. Tickers have a file of their own. Never: a change.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from decimal import Decimal
from typing import TYPE_CHECKING

from exchange.paper import encode_market
from exchange.paper.candles import INTERVALS, TRADES_MAX
from exchange.paper.encode import Json, amount
from exchange.paper.model import Reject
from exchange.paper.operation import Operation, fixed, names
from exchange.paper.params import Params
from exchange.paper.tickers import check_status, chosen_symbols, wanted_status, zone_ms

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


def _permissions(params: Params) -> set[str] | None:
    """`permissions`: one word or a JSON list of words."""
    text = params.text("permissions")
    if text is None:
        return None
    try:
        wanted = json.loads(text) if text.startswith("[") else [text]
    except ValueError:
        wanted = []
    if not wanted or not all(isinstance(word, str) and word.isidentifier() for word in wanted):
        raise Reject(-1130, "Data sent for parameter 'permissions' is not valid.")
    return set(wanted)


def _permitted(entry: Json) -> set[str]:
    """By today's sets, or by the plain list that older files have."""
    sets, plain = entry.get("permissionSets"), entry.get("permissions")
    words = [word for each in sets for word in each] if isinstance(sets, list) else []
    return set(map(str, [*words, *(plain if isinstance(plain, list) else [])]))


def exchange_info(desk: Desk, params: Params, now_ms: int) -> object:
    """GET exchangeInfo: named symbols, or all that have one of the permissions and the status asked for."""
    chosen, _ = chosen_symbols(desk, params)
    status, permissions = wanted_status(params), _permissions(params)
    if (status is not None or permissions is not None) and ("symbol" in params or "symbols" in params):
        raise Reject(-1128, "Combination of optional parameters invalid.")
    entries: list[Json] = [{**desk.rules[name].to_exchange_info(), "status": desk.status[name]} for name in chosen]
    entries = [
        entry
        for entry in entries
        if (status is None or entry["status"] == status) and (permissions is None or permissions & _permitted(entry))
    ]
    if not params.boolean("showPermissionSets", True):
        entries = [{**entry, "permissionSets": []} for entry in entries]
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
    check_status(desk, params, symbol)
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
    """GET klines and uiKlines, built from this exchange's own prints since its start, flat before, in the time zone asked for."""
    symbol = desk.known_symbol(params)
    interval = params.require("interval")
    if interval not in INTERVALS:
        raise Reject(-1120, "Invalid interval.")
    limit = params.limit(500, 1000)
    start_ms, end_ms = params.time_ms("startTime"), params.time_ms("endTime")
    rows = desk.tapes[symbol].history(interval, now_ms, zone_ms(params), desk.mid(symbol))
    if end_ms is not None:
        rows = rows[: bisect_right(rows, end_ms, key=lambda candle: candle.open_ms)]
    if start_ms is not None:
        rows = [candle for candle in rows if candle.open_ms >= start_ms]
        return [encode_market.kline(candle) for candle in rows[:limit]]
    return [encode_market.kline(candle) for candle in rows[-limit:]]


def reference_price(desk: Desk, params: Params, now_ms: int) -> object:
    """GET referencePrice and its calculation: no symbol here ever had one."""
    desk.known_symbol(params)
    raise Reject(-2043, "This symbol doesn't have a reference price.")


def execution_rules(desk: Desk, params: Params, now_ms: int) -> object:
    """GET executionRules: no symbol has any."""
    if len(params.values()) > 1:
        raise Reject(-1128, "Combination of optional parameters invalid.")
    status = wanted_status(params)
    chosen = [name for name in chosen_symbols(desk, params)[0] if status is None or desk.status[name] == status]
    return {"symbolRules": [{"symbol": name, "rules": []} for name in chosen]}


def average_price(desk: Desk, params: Params, now_ms: int) -> object:
    """GET avgPrice."""
    price, close_ms = average_of(desk, desk.known_symbol(params), now_ms)
    return {"mins": AVERAGE_MINUTES, "price": amount(price), "closeTime": close_ms}


def average_of(desk: Desk, symbol: str, now_ms: int) -> tuple[Decimal | None, int]:
    """The volume-weighted average of 5 minutes, before any print the middle of the book; and the time of the last print."""
    tape = desk.tapes[symbol]
    price = tape.average(AVERAGE_MINUTES, now_ms) or desk.mid(symbol)
    return price, tape.prints[-1].time_ms if tape.prints else now_ms


def _rules_weight(params: Params) -> int:
    """2 for each symbol named, 40 at most and for all."""
    if "symbol" in params:
        return 2
    return min(40, 2 * ((params.raw("symbols") or "").count(",") + 1)) if "symbols" in params else 40


_BARS = names("symbol interval startTime endTime timeZone limit")
OPERATIONS = (
    Operation("ping", "GET", "/api/v3/ping", ping, fixed(1), names("")),
    Operation("time", "GET", "/api/v3/time", server_time, fixed(1), names("")),
    Operation(
        "exchangeInfo", "GET", "/api/v3/exchangeInfo", exchange_info, fixed(20),
        names("symbol symbols permissions showPermissionSets symbolStatus"),
    ),
    Operation("depth", "GET", "/api/v3/depth", depth, _depth_weight, names("symbol limit symbolStatus")),
    Operation("trades.recent", "GET", "/api/v3/trades", trades, fixed(25), names("symbol limit")),
    Operation(
        "trades.historical", "GET", "/api/v3/historicalTrades", trades, fixed(25), names("symbol limit fromId apiKey"),
    ),
    Operation(
        "trades.aggregate", "GET", "/api/v3/aggTrades", aggregate_trades, fixed(4),
        names("symbol fromId startTime endTime limit"),
    ),
    Operation("klines", "GET", "/api/v3/klines", klines, fixed(2), _BARS),
    Operation("uiKlines", "GET", "/api/v3/uiKlines", klines, fixed(2), _BARS),
    Operation("referencePrice", "GET", "/api/v3/referencePrice", reference_price, fixed(2), names("symbol")),
    Operation(
        "referencePrice.calculation", "GET", "/api/v3/referencePrice/calculation", reference_price, fixed(2), names("symbol symbolStatus"),
    ),
    Operation("executionRules", "GET", "/api/v3/executionRules", execution_rules, _rules_weight, names("symbol symbols symbolStatus")),
    Operation("avgPrice", "GET", "/api/v3/avgPrice", average_price, fixed(2), names("symbol")),
)
assert TRADES_MAX >= 1000, "trades and aggTrades promise up to 1000 rows"
