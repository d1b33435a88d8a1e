"""A place, a cancel, an amendment and a replacement as the parameters Binance wants, the same for REST and the WS API. Pure.

Who calls it: venue.py and ws_api.py, on lane threads. Never: a float, a number in exponent form. Source: binance-wire 2 and 3.
"""

from core.commands import Amend, Place, PlaceOco, Replace
from core.money import plain
from core.types import OrderType, Side, TimeInForce


def place_params(command: Place) -> dict[str, str]:
    """Asks for FULL, so that a taker's fills come with the answer (LIMIT_MAKER would answer ACK, binance-wire 2)."""
    params = {
        "symbol": command.symbol,
        "side": command.side.value,
        "type": command.type.value,
        "quantity": plain(command.quantity),
        "newClientOrderId": command.client_order_id,
        "newOrderRespType": "FULL",
    }
    if command.type is not OrderType.MARKET:
        params["price"] = plain(command.price)
    if command.time_in_force is not None and (command.type is OrderType.LIMIT or command.type.waits):
        params["timeInForce"] = command.time_in_force.value
    if command.stop_price is not None:
        params["stopPrice"] = plain(command.stop_price)
    return params


def cancel_params(symbol: str, venue_order_id: int, cancel_id: str) -> dict[str, str]:
    """By order id alone, the fastest way (binance-wire 2)."""
    return {"symbol": symbol, "orderId": str(venue_order_id), "newClientOrderId": cancel_id}


def amend_params(command: Amend) -> dict[str, str]:
    """The new total by order id; passing the present client id again keeps it (binance-wire 3, amend keepPriority)."""
    return {
        "symbol": command.symbol,
        "orderId": str(command.venue_order_id),
        "newQty": plain(command.quantity),
        "newClientOrderId": command.client_order_id,
    }


def oco_params(command: PlaceOco) -> dict[str, str]:
    """Both legs by where they lie: of a sale the profit is above the market, the stop below; of a purchase the other way round (binance-wire 2)."""
    is_sale = command.side is Side.SELL
    above, below = (command.profit, command.stop) if is_sale else (command.stop, command.profit)
    return {
        "symbol": command.symbol,
        "listClientOrderId": command.list_id,
        "side": command.side.value,
        "quantity": plain(command.quantity),
        "newOrderRespType": "RESULT",
        **_leg_params("above", above),
        **_leg_params("below", below),
    }


def _leg_params(where: str, leg: Place) -> dict[str, str]:
    params = {f"{where}Type": leg.type.value, f"{where}ClientOrderId": leg.client_order_id, f"{where}Price": plain(leg.price)}
    if leg.stop_price is not None:
        params |= {f"{where}StopPrice": plain(leg.stop_price), f"{where}TimeInForce": (leg.time_in_force or TimeInForce.GTC).value}
    return params


def replace_params(command: Replace) -> dict[str, str]:
    """The new order's parameters and the old order by id alone; without its cancel the new order is not attempted (binance-wire 3, cancelReplace).

    Only an order of which nothing has filled is canceled: a fill on the way of this command would otherwise be ordered a second time.
    """
    return {
        **place_params(command.place),
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrderId": str(command.cancel.venue_order_id),
        "cancelNewClientOrderId": command.cancel.cancel_id,
        "cancelRestrictions": "ONLY_NEW",
    }
