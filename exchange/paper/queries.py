"""Operations that read the account: orders, trades, balances, counts (binance-wire 2).

Called by the desk on the event loop. Never: a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from exchange.paper import encode
from exchange.paper.model import Reject
from exchange.paper.operation import Operation, fixed, names
from exchange.paper.orders import order_ids
from exchange.paper.params import Params

if TYPE_CHECKING:
    from exchange.paper.desk import Desk

Row = TypeVar("Row")


def order_status(desk: Desk, params: Params, now_ms: int) -> object:
    """GET order / order.status."""
    symbol = desk.known_symbol(params)
    order_id, client_id = order_ids(params)
    return encode.queried(desk.matching.order(symbol, order_id=order_id, client_order_id=client_id))


def open_orders(desk: Desk, params: Params, now_ms: int) -> object:
    """GET openOrders / openOrders.status; without a symbol all of them."""
    symbol = desk.known_symbol(params) if "symbol" in params else None
    return [encode.queried(order) for order in desk.matching.open_orders(symbol)]


def _cut(rows: Sequence[Row], from_start: bool, limit: int) -> Sequence[Row]:
    return rows[:limit] if from_start else rows[-limit:]


def all_orders(desk: Desk, params: Params, now_ms: int) -> object:
    """GET allOrders: from `orderId` on, or by time, or the newest; ascending."""
    symbol = desk.known_symbol(params)
    order_id, limit = params.integer("orderId"), params.limit(500, 1000)
    start_ms, end_ms = params.period()
    rows = [
        order
        for order in desk.matching.all_orders(symbol)
        if (order_id is None or order.order_id >= order_id)
        and (start_ms is None or order.created_ms >= start_ms)
        and (end_ms is None or order.created_ms <= end_ms)
    ]
    rows.sort(key=lambda order: order.order_id)
    return [encode.queried(order) for order in _cut(rows, order_id is not None or start_ms is not None, limit)]


def my_trades(desk: Desk, params: Params, now_ms: int) -> object:
    """GET myTrades: by order, from a trade id on, by time, or the newest; ascending."""
    symbol = desk.known_symbol(params)
    order_id, from_id = params.integer("orderId"), params.integer("fromId")
    limit = params.limit(500, 1000)
    start_ms, end_ms = params.period()
    if (start_ms is not None or end_ms is not None) and (order_id is not None or from_id is not None):
        raise Reject(-1128, "Combination of optional parameters invalid.")
    rows = [
        trade
        for trade in desk.matching.trades(symbol)
        if (order_id is None or trade.order_id == order_id)
        and (from_id is None or trade.trade_id >= from_id)
        and (start_ms is None or trade.time_ms >= start_ms)
        and (end_ms is None or trade.time_ms <= end_ms)
    ]
    rows.sort(key=lambda trade: trade.trade_id)
    orders = desk.matching.archives[symbol].orders
    list_ids = {number: orders[number].list_id for number in {trade.order_id for trade in rows} if number in orders}
    return [encode.own_trade(trade, list_ids.get(trade.order_id, -1)) for trade in _cut(rows, from_id is not None or start_ms is not None, limit)]


def my_prevented_matches(desk: Desk, params: Params, now_ms: int) -> object:
    """GET myPreventedMatches: by match or by order, of an order also from a match id on; ascending."""
    symbol = desk.known_symbol(params)
    match_id, order_id, from_id = params.integer("preventedMatchId"), params.integer("orderId"), params.integer("fromPreventedMatchId")
    if (match_id is None) == (order_id is None):
        raise Reject(-1128, "Combination of optional parameters invalid.")
    rows = [
        each
        for each in desk.matching.archives[symbol].preventions
        if (each.match_id == match_id if order_id is None else order_id in (each.taker_order_id, each.maker_order_id))
        and (from_id is None or each.match_id >= from_id)
    ]
    return [encode.prevented_match(each) for each in rows[: params.limit(500, 1000)]]


def account(desk: Desk, params: Params, now_ms: int) -> object:
    """GET account / account.status; `uid` is the account's instance."""
    return encode.account(
        desk.matching.balances(),
        desk.maker_fee,
        desk.taker_fee,
        desk.account_updated_ms,
        desk.uid,
        params.boolean("omitZeroBalances", False),
    )


def account_commission(desk: Desk, params: Params, now_ms: int) -> object:
    """GET account/commission."""
    return encode.commission(desk.known_symbol(params), desk.maker_fee, desk.taker_fee)


def amendments(desk: Desk, params: Params, now_ms: int) -> object:
    """GET order/amendments: what was amended on one order, ascending by execution id."""
    symbol = desk.known_symbol(params)
    params.require("orderId")
    order_id, from_id = params.integer("orderId"), params.integer("fromExecutionId") or 0
    rows = [row for row in desk.amendments.of(symbol, order_id or 0) if row.execution_id >= from_id]
    return [row.as_json() for row in rows[: params.limit(500, 1000)]]


def my_allocations(desk: Desk, params: Params, now_ms: int) -> object:
    """GET myAllocations: there is no smart order routing here, so there are none."""
    desk.known_symbol(params)
    return []


def my_filters(desk: Desk, params: Params, now_ms: int) -> object:
    """GET myFilters: the symbol's filters; this account has none of its own."""
    entry = desk.rules[desk.known_symbol(params)].to_exchange_info()
    return {"exchangeFilters": [], "symbolFilters": entry["filters"], "assetFilters": []}


def order_counts(desk: Desk, params: Params, now_ms: int) -> object:
    """GET rateLimit/order: the unfilled order counts."""
    return desk.limits.order_entries(now_ms)


OPERATIONS = (
    Operation(
        "order.status", "GET", "/api/v3/order", order_status, fixed(4),
        names("symbol orderId origClientOrderId"), signed=True,
    ),
    Operation(
        "openOrders.status", "GET", "/api/v3/openOrders", open_orders,
        lambda params: 6 if "symbol" in params else 80, names("symbol"), signed=True,
    ),
    Operation(
        "allOrders", "GET", "/api/v3/allOrders", all_orders, fixed(20),
        names("symbol orderId startTime endTime limit"), signed=True,
    ),
    Operation(
        "myTrades", "GET", "/api/v3/myTrades", my_trades,
        lambda params: 5 if "orderId" in params else 20,
        names("symbol orderId startTime endTime fromId limit"), signed=True,
    ),
    Operation(
        "myPreventedMatches", "GET", "/api/v3/myPreventedMatches", my_prevented_matches,
        lambda params: 2 if "preventedMatchId" in params else 20,
        names("symbol preventedMatchId orderId fromPreventedMatchId limit"), signed=True,
    ),
    Operation(
        "account.status", "GET", "/api/v3/account", account, fixed(20), names("omitZeroBalances"), signed=True,
    ),
    Operation(
        "account.commission", "GET", "/api/v3/account/commission", account_commission, fixed(20),
        names("symbol"), signed=True,
    ),
    Operation(
        "order.amendments", "GET", "/api/v3/order/amendments", amendments, fixed(4),
        names("symbol orderId fromExecutionId limit"), signed=True,
    ),
    Operation(
        "myAllocations", "GET", "/api/v3/myAllocations", my_allocations, fixed(20),
        names("symbol startTime endTime fromAllocationId limit orderId"), signed=True,
    ),
    Operation("myFilters", "GET", "/api/v3/myFilters", my_filters, fixed(40), names("symbol"), signed=True),
    Operation(
        "account.rateLimits.orders", "GET", "/api/v3/rateLimit/order", order_counts, fixed(40), names(""),
        signed=True,
    ),
)
