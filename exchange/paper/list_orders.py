"""Operations on order lists: place a one-cancels-the-other pair, cancel, query (binance-wire 2 and 3).

Called by the desk on the event loop. Parameter rules are in placement.py, answer shapes in encode_lists.py, the pair itself in `Matching`.
Never: an order changed but through `Matching`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.paper import encode, encode_lists
from exchange.paper.lists import ListRequest, OrderList
from exchange.paper.model import PaperOrder, Reject
from exchange.paper.operation import FREE_ON_SUCCESS, Handler, Operation, fixed, names
from exchange.paper.params import Params
from exchange.paper.placement import PLACE_OLD_PAIR, PLACE_OTHER_LIST, PLACE_PAIR, RESPONSE_TYPES, read_old_pair, read_pair

if TYPE_CHECKING:
    from exchange.paper.desk import Desk

NO_LIST = "Order list does not exist."
ORDERS_PER_PAIR = 2


def place_pair(desk: Desk, params: Params, now_ms: int) -> object:
    """POST orderList/oco / orderList.place.oco; counts as two orders. FULL by default, as observed."""
    return _place(desk, read_pair(desk, params), params, now_ms)


def place_old_pair(desk: Desk, params: Params, now_ms: int) -> object:
    """POST order/oco / orderList.place, the deprecated form."""
    return _place(desk, read_old_pair(desk, params), params, now_ms)


def _refuse(kind: str) -> Handler:
    """The other kinds of list, which no symbol of this exchange allows."""

    def refuse(desk: Desk, params: Params, now_ms: int) -> object:
        desk.known_symbol(params)
        raise Reject(-2010, f"{kind} orders are not supported for this symbol.")

    return refuse


def _place(desk: Desk, wanted: ListRequest, params: Params, now_ms: int) -> object:
    answer_as = params.choice("newOrderRespType", RESPONSE_TYPES) or "FULL"
    full = desk.limits.orders_full(now_ms, ORDERS_PER_PAIR)
    if full is not None:
        raise full
    made, orders = desk.matching.place_pair(wanted, now_ms)
    desk.limits.charge_order(now_ms, ORDERS_PER_PAIR)
    return encode_lists.placed(made, [encode.placed(order, (), answer_as) for order in orders])


def canceled(desk: Desk, order: PaperOrder) -> encode.Json:
    """The answer of a cancel: of the order alone, or of the whole list it was a leg of."""
    return encode.canceled(order) if order.list_id < 0 else _canceled_list(desk, desk.matching.lists.lists[order.list_id])


def _canceled_list(desk: Desk, listed: OrderList) -> encode.Json:
    legs = [desk.matching.order(listed.symbol, order_id=order_id) for order_id in listed.order_ids]
    return encode_lists.canceled_list(listed, [leg for leg in legs if leg.status == "CANCELED"])


def _list_ids(params: Params, client_name: str) -> tuple[int | None, str | None]:
    list_id, client_id = params.integer("orderListId"), params.client_id(client_name)
    if list_id is None and client_id is None:
        raise Reject(-1102, f"Param '{client_name}' or 'orderListId' must be sent, but both were empty/null!")
    return list_id, client_id


def cancel_list(desk: Desk, params: Params, now_ms: int) -> object:
    """DELETE orderList / orderList.cancel: every open order of the list."""
    symbol = desk.known_symbol(params)
    list_id, client_id = _list_ids(params, "listClientOrderId")
    cancel_id = params.client_id("newClientOrderId") or desk.new_client_id()
    return _canceled_list(desk, desk.matching.cancel_list(symbol, now_ms, list_id, client_id, cancel_id))


def list_status(desk: Desk, params: Params, now_ms: int) -> object:
    """GET orderList / orderList.status."""
    list_id, client_id = _list_ids(params, "origClientOrderId")
    return encode_lists.queried(desk.matching.lists.find(list_id, client_id, Reject(-2013, NO_LIST)))


def open_lists(desk: Desk, params: Params, now_ms: int) -> object:
    """GET openOrderList / openOrderLists.status, ascending."""
    lists = desk.matching.lists
    return [encode_lists.queried(lists.lists[list_id]) for list_id in lists.open_ids]


def all_lists(desk: Desk, params: Params, now_ms: int) -> object:
    """GET allOrderList / allOrderLists: from an id on, by time, or the newest; ascending."""
    from_id, limit = params.integer("fromId"), params.limit(500, 1000)
    start_ms, end_ms = params.period()
    if from_id is not None and (start_ms is not None or end_ms is not None):
        raise Reject(-1128, "Combination of optional parameters invalid.")
    found = [
        each
        for _, each in sorted(desk.matching.lists.lists.items())
        if (from_id is None or each.list_id >= from_id)
        and (start_ms is None or each.updated_ms >= start_ms)
        and (end_ms is None or each.updated_ms <= end_ms)
    ]
    cut = found[:limit] if from_id is not None or start_ms is not None else found[-limit:]
    return [encode_lists.queried(each) for each in cut]


OPERATIONS = (
    Operation(
        "orderList.place.oco", "POST", "/api/v3/orderList/oco", place_pair, fixed(1), PLACE_PAIR,
        signed=True, changes=True, free=FREE_ON_SUCCESS, counts_orders=True,
    ),
    Operation(
        "orderList.place", "POST", "/api/v3/order/oco", place_old_pair, fixed(1), PLACE_OLD_PAIR,
        signed=True, changes=True, free=FREE_ON_SUCCESS, counts_orders=True,
    ),
    *(
        Operation(f"orderList.place.{kind}", "POST", f"/api/v3/orderList/{kind}", _refuse(said), fixed(1), PLACE_OTHER_LIST, signed=True)
        for kind, said in (("oto", "OTO"), ("otoco", "OTO"), ("opo", "OPO"), ("opoco", "OPO"))
    ),
    Operation(
        "orderList.cancel", "DELETE", "/api/v3/orderList", cancel_list, fixed(1),
        names("symbol orderListId listClientOrderId newClientOrderId"),
        signed=True, changes=True, free=FREE_ON_SUCCESS,
    ),
    Operation(
        "orderList.status", "GET", "/api/v3/orderList", list_status, fixed(4),
        names("orderListId origClientOrderId"), signed=True,
    ),
    Operation("openOrderLists.status", "GET", "/api/v3/openOrderList", open_lists, fixed(6), names(""), signed=True),
    Operation(
        "allOrderLists", "GET", "/api/v3/allOrderList", all_lists, fixed(20),
        names("fromId startTime endTime limit"), signed=True,
    ),
)
