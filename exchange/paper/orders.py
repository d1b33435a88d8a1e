"""Operations that change orders: place, test, cancel, cancel all, cancelReplace, amend (binance-wire 2 and 3).

Called by the desk on the event loop. The parameters of a placement are placement.py's, those of order lists list_orders.py's business; filters,
balances and matching are `Matching`'s. Never: an order changed but through `Matching`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exchange.paper import encode
from exchange.paper.list_orders import canceled
from exchange.paper.model import PlaceRequest, Reject
from exchange.paper.operation import FREE_ON_SUCCESS, FREE_WHEN_ENDED, Operation, RejectWithData, fixed, names
from exchange.paper.params import Params, missing
from exchange.paper.placement import PLACE, read_placement, response_type

if TYPE_CHECKING:
    from exchange.paper.desk import Desk

_BAD_RESTRICTIONS = Reject(-1145, "`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.")
CANCEL_RESTRICTIONS = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")


def order_ids(params: Params, id_name: str = "orderId", client_name: str = "origClientOrderId") -> tuple[
    int | None, str | None
]:
    """The order named by id and/or client id; naming neither is -1102."""
    order_id, client_id = params.integer(id_name), params.client_id(client_name)
    if order_id is None and client_id is None:
        text = f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!"
        raise Reject(-1102, text)
    return order_id, client_id


def place(desk: Desk, params: Params, now_ms: int) -> object:
    """POST order / order.place."""
    request = read_placement(desk, params)
    answer_as = response_type(params, request.type)
    full = desk.limits.orders_full(now_ms)
    if full is not None:
        raise full
    placed = desk.matching.place(request, now_ms)
    desk.limits.charge_order(now_ms)
    return encode.placed(placed.order, placed.trades, answer_as, placed.preventions)


def test(desk: Desk, params: Params, now_ms: int) -> object:
    """POST order/test / order.test: validates, never reaches the book."""
    request = read_placement(desk, params)
    response_type(params, request.type)
    desk.matching.check(request, now_ms)
    if not params.boolean("computeCommissionRates", False):
        return {}
    rates = encode.commission(request.symbol, desk.maker_fee, desk.taker_fee)
    return {
        "standardCommissionForOrder": {
            "maker": encode.amount(desk.maker_fee),
            "taker": encode.amount(desk.taker_fee),
        },
        "specialCommissionForOrder": {"maker": encode.ZERO, "taker": encode.ZERO},
        "taxCommissionForOrder": {"maker": encode.ZERO, "taker": encode.ZERO},
        "discount": rates["discount"],
    }


def _restrictions(params: Params) -> str | None:
    return params.choice("cancelRestrictions", CANCEL_RESTRICTIONS, _BAD_RESTRICTIONS)


def cancel(desk: Desk, params: Params, now_ms: int) -> object:
    """DELETE order / order.cancel."""
    symbol = desk.known_symbol(params)
    order_id, client_id = order_ids(params)
    cancel_id = params.client_id("newClientOrderId") or desk.new_client_id()
    restrictions = _restrictions(params)
    desk.race_cancel(symbol, order_id, client_id, now_ms)
    order = desk.matching.cancel(
        symbol, now_ms, order_id=order_id, client_order_id=client_id, cancel_id=cancel_id, restrictions=restrictions
    )
    return canceled(desk, order)


def cancel_all(desk: Desk, params: Params, now_ms: int) -> object:
    """DELETE openOrders / openOrders.cancelAll; nothing open is -2011, as observed."""
    return [canceled(desk, order) for order in desk.matching.cancel_all(desk.known_symbol(params), now_ms)]


@dataclass(frozen=True, slots=True)
class _Replacement:
    """A cancelReplace as read from its parameters."""

    request: PlaceRequest
    answer_as: str
    stop_on_failure: bool
    cancel_only: bool
    order_id: int | None
    client_order_id: str | None
    cancel_id: str
    restrictions: str | None


def _read_replacement(desk: Desk, params: Params) -> _Replacement:
    request = read_placement(desk, params)
    params.require("cancelReplaceMode")
    mode = params.choice("cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"))
    order_id, client_id = order_ids(params, "cancelOrderId", "cancelOrigClientOrderId")
    exceeded = params.choice("orderRateLimitExceededMode", ("DO_NOTHING", "CANCEL_ONLY"))
    return _Replacement(
        request=request,
        answer_as=response_type(params, request.type),
        stop_on_failure=mode == "STOP_ON_FAILURE",
        cancel_only=exceeded == "CANCEL_ONLY",
        order_id=order_id,
        client_order_id=client_id,
        cancel_id=params.client_id("cancelNewClientOrderId") or desk.new_client_id(),
        restrictions=_restrictions(params),
    )


def _refusal(reject: Reject) -> encode.Json:
    return {"code": reject.code, "msg": reject.message}


def cancel_replace(desk: Desk, params: Params, now_ms: int) -> object:
    """POST order/cancelReplace / order.cancelReplace; not atomic, see the table of binance-wire 3."""
    wanted = _read_replacement(desk, params)
    symbol = wanted.request.symbol
    desk.check_trading(symbol)
    full = desk.limits.orders_full(now_ms)
    if full is not None and not wanted.cancel_only:
        raise full
    if full is None:
        desk.check_before_cancel(wanted.request, now_ms)
        desk.limits.charge_order(now_ms)
    desk.race_cancel(symbol, wanted.order_id, wanted.client_order_id, now_ms)
    was_canceled, cancel_body = True, {}
    try:
        order = desk.matching.cancel(
            symbol,
            now_ms,
            order_id=wanted.order_id,
            client_order_id=wanted.client_order_id,
            cancel_id=wanted.cancel_id,
            restrictions=wanted.restrictions,
        )
        cancel_body = canceled(desk, order)
    except Reject as reject:
        was_canceled, cancel_body = False, _refusal(reject)
    if not was_canceled and wanted.stop_on_failure:
        raise _replace_failure(False, cancel_body, "NOT_ATTEMPTED", None)
    if full is not None:
        raise _replace_failure(was_canceled, cancel_body, "FAILURE", _refusal(full))
    try:
        placed = desk.matching.place(wanted.request, now_ms)
    except Reject as reject:
        raise _replace_failure(was_canceled, cancel_body, "FAILURE", _refusal(reject)) from None
    new_body = encode.placed(placed.order, placed.trades, wanted.answer_as, placed.preventions)
    if not was_canceled:
        raise _replace_failure(False, cancel_body, "SUCCESS", new_body)
    return {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": cancel_body,
        "newOrderResponse": new_body,
    }


def _replace_failure(
    was_canceled: bool, cancel_body: encode.Json, new_result: str, new_body: encode.Json | None
) -> RejectWithData:
    """-2022 (400) when both halves failed or the second was not tried, -2021 (409) when one half succeeded."""
    data = {
        "cancelResult": "SUCCESS" if was_canceled else "FAILURE",
        "newOrderResult": new_result,
        "cancelResponse": cancel_body,
        "newOrderResponse": new_body,
    }
    if was_canceled or new_result == "SUCCESS":
        return RejectWithData(-2021, "Order cancel-replace partially failed.", 409, data)
    return RejectWithData(-2022, "Order cancel-replace failed.", 400, data)


def amend(desk: Desk, params: Params, now_ms: int) -> object:
    """PUT order/amend/keepPriority / order.amend.keepPriority: less quantity, same price, same place in the queue."""
    symbol = desk.known_symbol(params)
    order_id, client_id = order_ids(params)
    params.require("newQty")
    new_quantity = params.decimal("newQty")
    if new_quantity is None:
        raise missing("newQty")
    new_client_id = params.client_id("newClientOrderId") or desk.new_client_id()
    desk.check_trading(symbol)
    return desk.amend(symbol, order_id, client_id, new_quantity, new_client_id, now_ms)


OPERATIONS = (
    Operation(
        "order.place", "POST", "/api/v3/order", place, fixed(1), PLACE,
        signed=True, changes=True, free=FREE_ON_SUCCESS, counts_orders=True,
    ),
    Operation(
        "order.test", "POST", "/api/v3/order/test", test,
        lambda params: 20 if params.raw("computeCommissionRates") in ("true", "TRUE") else 1,
        PLACE | {"computeCommissionRates"}, signed=True,
    ),
    Operation(
        "order.cancel", "DELETE", "/api/v3/order", cancel, fixed(1),
        names("symbol orderId origClientOrderId newClientOrderId cancelRestrictions"),
        signed=True, changes=True, free=FREE_ON_SUCCESS,
    ),
    Operation(
        "openOrders.cancelAll", "DELETE", "/api/v3/openOrders", cancel_all, fixed(1), names("symbol"),
        signed=True, changes=True, free=FREE_ON_SUCCESS,
    ),
    Operation(
        "order.cancelReplace", "POST", "/api/v3/order/cancelReplace", cancel_replace, fixed(1),
        PLACE | names(
            "cancelReplaceMode cancelOrderId cancelOrigClientOrderId cancelNewClientOrderId cancelRestrictions "
            "orderRateLimitExceededMode"
        ),
        signed=True, changes=True, free=FREE_ON_SUCCESS, counts_orders=True,
    ),
    Operation(
        "order.amend.keepPriority", "PUT", "/api/v3/order/amend/keepPriority", amend, fixed(4),
        names("symbol orderId origClientOrderId newQty newClientOrderId"),
        signed=True, changes=True, free=FREE_WHEN_ENDED,
    ),
)
