"""What a placement asks for: the parameters of one order, and those of a pair, read with Binance's own refusals.

Called by orders.py and list_orders.py on the event loop. Form only: filters, prices against the market and balances are `Matching`'s business.
Source: binance-wire 3 (required by type), 8 (codes), `POST /api/v3/orderList/oco`. Never: an order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from exchange.paper.lists import ListRequest
from exchange.paper.model import ALGO_TYPES, ORDER_TYPES, PlaceRequest, Reject
from exchange.paper.operation import names
from exchange.paper.params import Params, missing

if TYPE_CHECKING:
    from exchange.paper.desk import Desk

SIDES = ("BUY", "SELL")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
RESPONSE_TYPES = ("ACK", "RESULT", "FULL")
STRATEGY_TYPE_MIN = 1_000_000
PLACE = names(
    "symbol side type timeInForce quantity quoteOrderQty price newClientOrderId newOrderRespType strategyId "
    "strategyType selfTradePreventionMode stopPrice trailingDelta icebergQty pegPriceType pegOffsetType pegOffsetValue"
)
_LEG = "Type ClientOrderId IcebergQty Price StopPrice TrailingDelta TimeInForce StrategyId StrategyType PegPriceType PegOffsetType PegOffsetValue"
PLACE_PAIR = names("symbol listClientOrderId side quantity newOrderRespType selfTradePreventionMode") | {
    leg + name for leg in ("above", "below") for name in _LEG.split()
}
PLACE_OLD_PAIR = names(
    "symbol listClientOrderId side quantity price stopPrice stopLimitPrice stopLimitTimeInForce trailingDelta newOrderRespType "
    "selfTradePreventionMode limitClientOrderId limitStrategyId limitStrategyType limitIcebergQty "
    "stopClientOrderId stopStrategyId stopStrategyType stopIcebergQty"
)
PLACE_OTHER_LIST = names("symbol listClientOrderId newOrderRespType selfTradePreventionMode") | {
    order + name for order in ("working", "pending", "pendingAbove", "pendingBelow") for name in f"Side Quantity {_LEG}".split()
}
_OLD_STOP = {"price": "stopLimitPrice", "timeInForce": "stopLimitTimeInForce", "stopPrice": "stopPrice", "trailingDelta": "trailingDelta"}
_NO_ICEBERG = Reject(-2010, "Iceberg orders are not supported for this symbol.")
_NO_PEG = Reject(-2010, "Pegged orders are not supported for this symbol.")
_NOT_OFFERED = {"icebergQty": _NO_ICEBERG, "pegPriceType": _NO_PEG, "pegOffsetType": _NO_PEG, "pegOffsetValue": _NO_PEG}
_STOP = ("stopPrice", "trailingDelta")
# type -> (mandatory, refused)
_BY_TYPE = {
    "LIMIT": (("timeInForce", "quantity", "price"), ("quoteOrderQty", *_STOP)),
    "LIMIT_MAKER": (("quantity", "price"), ("timeInForce", "quoteOrderQty", *_STOP)),
    "MARKET": ((), ("timeInForce", "price", *_STOP)),
    "STOP_LOSS": (("quantity",), ("timeInForce", "price", "quoteOrderQty")),
    "STOP_LOSS_LIMIT": (("timeInForce", "quantity", "price"), ("quoteOrderQty",)),
    "TAKE_PROFIT": (("quantity",), ("timeInForce", "price", "quoteOrderQty")),
    "TAKE_PROFIT_LIMIT": (("timeInForce", "quantity", "price"), ("quoteOrderQty",)),
}
# A pair's mistakes. (side, kind of leg) -> the refusal when that leg is on the wrong side of the other
_MISPLACED = {
    ("BUY", "LIMIT"): Reject(-1165, "A limit order in a buy OCO must be below."),
    ("SELL", "LIMIT"): Reject(-1166, "A limit order in a sell OCO must be above."),
    ("BUY", "STOP"): Reject(-1196, "A stop loss order in a buy OCO must be above."),
    ("SELL", "STOP"): Reject(-1197, "A stop loss order in a sell OCO must be below."),
    ("BUY", "TAKE"): Reject(-1198, "A take profit order in a buy OCO must be below."),
    ("SELL", "TAKE"): Reject(-1199, "A take profit order in a sell OCO must be above."),
}
_NOT_IN_PAIR = Reject(-1158, "Order type not supported in OCO.")
_BOTH_LIMIT = Reject(-1168, "At least one OCO order must be contingent.")
Naming = Callable[[str], str]


def response_type(params: Params, order_type: str) -> str:
    """ACK, RESULT or FULL; by default MARKET and LIMIT answer FULL, everything else ACK."""
    default = "FULL" if order_type in ("MARKET", "LIMIT") else "ACK"
    return params.choice("newOrderRespType", RESPONSE_TYPES) or default


def read_placement(desk: Desk, params: Params) -> PlaceRequest:
    """The order fields of a placement, checked for form. Raises `Reject`."""
    return _read(desk, params, str)


def read_pair(desk: Desk, params: Params) -> ListRequest:
    """The fields of a one-cancels-the-other pair. Raises `Reject`."""
    desk.known_symbol(params)
    side = _side(params)
    params.require("quantity")
    types = []
    for leg in ("above", "below"):
        params.require(f"{leg}Type")
        types.append(params.choice(f"{leg}Type", ORDER_TYPES, Reject(-1116, "Invalid orderType.")) or "")
    _check_pair(side, *types)
    above, below = (_read(desk, params, _leg_naming(leg)) for leg in ("above", "below"))
    stop, profit = (below, above) if side == "SELL" else (above, below)
    return ListRequest(params.client_id("listClientOrderId") or desk.new_client_id(), stop, profit)


def read_old_pair(desk: Desk, params: Params) -> ListRequest:
    """The deprecated form of a pair: a limit maker at `price` and a stop loss, with a limit where `stopLimitPrice` is given. Raises `Reject`."""
    for name in ("quantity", "price", "stopPrice"):
        params.require(name)
    stop_type = "STOP_LOSS_LIMIT" if "stopLimitPrice" in params else "STOP_LOSS"
    typed = Params({**params.values(), "limitType": "LIMIT_MAKER", "stopType": stop_type})
    limit, stop = _read(desk, typed, _leg_naming("limit", {"price": "price"})), _read(desk, typed, _leg_naming("stop", _OLD_STOP))
    return ListRequest(params.client_id("listClientOrderId") or desk.new_client_id(), stop, limit)


def _leg_naming(leg: str, odd: Mapping[str, str] | None = None) -> Naming:
    """The name of one leg's parameter; symbol, side, quantity and STP mode are the pair's. `odd` are names of another form."""
    common = ("symbol", "side", "quantity", "quoteOrderQty", "selfTradePreventionMode")

    def named(name: str) -> str:
        if name in common:
            return name
        if odd is not None and name in odd:
            return odd[name]
        own = name.removeprefix("new")
        return leg + own[0].upper() + own[1:]

    return named


def _check_pair(side: str, above: str, below: str) -> None:
    """One leg a limit maker or take profit, the other a stop loss, each on its side of the market."""
    kinds = [name.partition("_")[0] for name in (above, below)]  # LIMIT, STOP or TAKE
    if any(name in ("LIMIT", "MARKET") for name in (above, below)):
        raise _NOT_IN_PAIR
    if kinds == ["LIMIT", "LIMIT"]:
        raise _BOTH_LIMIT
    for kind, is_above in zip(kinds, (True, False), strict=True):
        if is_above != ((kind == "STOP") == (side == "BUY")):
            raise _MISPLACED[side, kind]


def _side(params: Params) -> str:
    params.require("side")
    return params.choice("side", SIDES, Reject(-1117, "Invalid side.")) or ""


def _read(desk: Desk, params: Params, named: Naming) -> PlaceRequest:
    symbol, side = desk.known_symbol(params), _side(params)
    params.require(named("type"))
    order_type = params.choice(named("type"), ORDER_TYPES, Reject(-1116, "Invalid orderType.")) or ""
    for name, refusal in _NOT_OFFERED.items():
        if named(name) in params:
            raise refusal
    mandatory, refused = _BY_TYPE[order_type]
    for name in mandatory:
        params.require(named(name))
    for name in refused:
        if named(name) in params:
            raise Reject(-1106, f"Parameter '{named(name)}' sent when not required.")
    quantity, quote_quantity = params.decimal("quantity"), params.decimal("quoteOrderQty")
    if quantity is None and quote_quantity is None:
        raise missing("quantity")
    if quantity is not None and quote_quantity is not None:
        raise Reject(-1128, "Combination of optional parameters invalid.")
    stop_price, trailing_delta = params.decimal(named("stopPrice")), params.integer(named("trailingDelta"))
    if order_type in ALGO_TYPES and stop_price is None and trailing_delta is None:
        raise Reject(-1102, f"Param '{named('stopPrice')}' or '{named('trailingDelta')}' must be sent, but both were empty/null!")
    strategy_type = params.integer(named("strategyType"))
    if strategy_type is not None and strategy_type < STRATEGY_TYPE_MIN:
        raise Reject(-1134, f"`{named('strategyType')}` was less than {STRATEGY_TYPE_MIN}.")
    return PlaceRequest(
        symbol=symbol,
        side=side,
        type=order_type,
        time_in_force=params.choice(named("timeInForce"), TIMES_IN_FORCE, Reject(-1115, "Invalid timeInForce.")),
        quantity=quantity,
        quote_quantity=quote_quantity,
        price=params.decimal(named("price")),
        client_order_id=params.client_id(named("newClientOrderId")) or desk.new_client_id(),
        stp_mode=params.choice("selfTradePreventionMode", STP_MODES),
        stop_price=stop_price,
        trailing_delta=trailing_delta,
        strategy_id=params.integer(named("strategyId")),
        strategy_type=strategy_type,
    )
