"""Operations that change orders: place, test, cancel, cancel all, cancelReplace, amend (binance-wire 2 and 3).

Called by the desk on the event loop. Parameter rules and answer shapes are here; filters, balances and matching
are `Matching`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exchange.paper import encode
from exchange.paper.model import PlaceRequest, Reject
from exchange.paper.operation import FREE_ON_SUCCESS, FREE_WHEN_ENDED, Operation, RejectWithData, fixed, names
from exchange.paper.params import Params, missing

if TYPE_CHECKING:
    from exchange.paper.desk import Desk

SIDES = ("BUY", "SELL")
ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
RESPONSE_TYPES = ("ACK", "RESULT", "FULL")
CANCEL_RESTRICTIONS = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")
_PLACE = names(
    "symbol side type timeInForce quantity quoteOrderQty price newClientOrderId newOrderRespType strategyId "
    "strategyType selfTradePreventionMode stopPrice trailingDelta icebergQty pegPriceType pegOffsetType pegOffsetValue"
)
_NOT_OFFERED = ("stopPrice", "trailingDelta", "icebergQty", "pegPriceType", "pegOffsetType", "pegOffsetValue")
# type -> (mandatory, refused)
_BY_TYPE = {
    "LIMIT": (("timeInForce", "quantity", "price"), ("quoteOrderQty",)),
    "LIMIT_MAKER": (("quantity", "price"), ("timeInForce", "quoteOrderQty")),
    "MARKET": ((), ("timeInForce", "price")),
}


def order_ids(params: Params, id_name: str = "orderId", client_name: str = "origClientOrderId") -> tuple[
    int | None, str | None
]:
    """The order named by id and/or client id; naming neither is -1102."""
    order_id, client_id = params.integer(id_name), params.client_id(client_name)
    if order_id is None and client_id is None:
        text = f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!"
        raise Reject(-1102, text)
    return order_id, client_id


def response_type(params: Params, order_type: str) -> str:
    """ACK, RESULT or FULL; by default MARKET and LIMIT answer FULL, everything else ACK."""
    default = "FULL" if order_type in ("MARKET", "LIMIT") else "ACK"
    return params.choice("newOrderRespType", RESPONSE_TYPES) or default


def read_placement(desk: Desk, params: Params) -> PlaceRequest:
    """The order fields of a placement, checked for form. Raises `Reject`."""
    symbol = desk.known_symbol(params)
    params.require("side")
    side = params.choice("side", SIDES, Reject(-1117, "Invalid side.")) or ""
    params.require("type")
    order_type = params.choice("type", ORDER_TYPES, Reject(-1116, "Invalid orderType.")) or ""
    mandatory, refused = _BY_TYPE[order_type]
    for name in mandatory:
        params.require(name)
    for name in (*refused, *_NOT_OFFERED):
        if name in params:
            raise Reject(-1106, f"Parameter '{name}' sent when not required.")
    quantity, quote_quantity = params.decimal("quantity"), params.decimal("quoteOrderQty")
    if quantity is None and quote_quantity is None:
        raise missing("quantity")
    if quantity is not None and quote_quantity is not None:
        raise Reject(-1128, "Combination of optional parameters invalid.")
    return PlaceRequest(
        symbol=symbol,
        side=side,
        type=order_type,
        time_in_force=params.choice("timeInForce", TIMES_IN_FORCE, Reject(-1115, "Invalid timeInForce.")),
        quantity=quantity,
        quote_quantity=quote_quantity,
        price=params.decimal("price"),
        client_order_id=params.client_id("newClientOrderId") or desk.new_client_id(),
        stp_mode=params.choice("selfTradePreventionMode", STP_MODES),
    )


def place(desk: Desk, params: Params, now_ms: int) -> object:
    """POST order / order.place."""
    request = read_placement(desk, params)
    answer_as = response_type(params, request.type)
    full = desk.limits.orders_full(now_ms)
    if full is not None:
        raise full
    placed = desk.matching.place(request, now_ms)
    desk.limits.charge_order(now_ms)
    return encode.placed(placed.order, placed.trades, answer_as)


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
    return params.choice("cancelRestrictions", CANCEL_RESTRICTIONS, Reject(-1145, "Invalid cancelRestrictions."))


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
    return encode.canceled(order)


def cancel_all(desk: Desk, params: Params, now_ms: int) -> object:
    """DELETE openOrders / openOrders.cancelAll; nothing open is -2011, as observed."""
    return [encode.canceled(order) for order in desk.matching.cancel_all(desk.known_symbol(params), now_ms)]


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
    canceled, cancel_body = True, {}
    try:
        order = desk.matching.cancel(
            symbol,
            now_ms,
            order_id=wanted.order_id,
            client_order_id=wanted.client_order_id,
            cancel_id=wanted.cancel_id,
            restrictions=wanted.restrictions,
        )
        cancel_body = encode.canceled(order)
    except Reject as reject:
        canceled, cancel_body = False, _refusal(reject)
    if not canceled and wanted.stop_on_failure:
        raise _replace_failure(False, cancel_body, "NOT_ATTEMPTED", None)
    if full is not None:
        raise _replace_failure(canceled, cancel_body, "FAILURE", _refusal(full))
    try:
        placed = desk.matching.place(wanted.request, now_ms)
    except Reject as reject:
        raise _replace_failure(canceled, cancel_body, "FAILURE", _refusal(reject)) from None
    new_body = encode.placed(placed.order, placed.trades, wanted.answer_as)
    if not canceled:
        raise _replace_failure(False, cancel_body, "SUCCESS", new_body)
    return {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": cancel_body,
        "newOrderResponse": new_body,
    }


def _replace_failure(
    canceled: bool, cancel_body: encode.Json, new_result: str, new_body: encode.Json | None
) -> RejectWithData:
    """-2022 (400) when both halves failed or the second was not tried, -2021 (409) when one half succeeded."""
    data = {
        "cancelResult": "SUCCESS" if canceled else "FAILURE",
        "newOrderResult": new_result,
        "cancelResponse": cancel_body,
        "newOrderResponse": new_body,
    }
    if canceled or new_result == "SUCCESS":
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
        "order.place", "POST", "/api/v3/order", place, fixed(1), _PLACE,
        signed=True, changes=True, free=FREE_ON_SUCCESS, counts_orders=True,
    ),
    Operation(
        "order.test", "POST", "/api/v3/order/test", test,
        lambda params: 20 if params.raw("computeCommissionRates") in ("true", "TRUE") else 1,
        _PLACE | {"computeCommissionRates"}, signed=True,
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
        _PLACE | names(
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
