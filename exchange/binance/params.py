"""A place, a cancel, an amendment and a replacement as the parameters Binance wants, the same for REST and the WS API. Pure.

Who calls it: venue.py and ws_api.py, on lane threads. Never: a float, a number in exponent form. Source: binance-wire 2 and 3.
"""

from core.commands import Amend, Place, Replace
from core.money import plain
from core.types import OrderType


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


def replace_params(command: Replace) -> dict[str, str]:
    """The new order's parameters and the old order by id alone; without its cancel the new order is not attempted (binance-wire 3, cancelReplace)."""
    return {
        **place_params(command.place),
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrderId": str(command.cancel.venue_order_id),
        "cancelNewClientOrderId": command.cancel.cancel_id,
    }
