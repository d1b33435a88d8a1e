"""When a waiting order enters the book: by the last trade price, at once at its stop price or after a trailing distance.

Who calls it: activation.py on every print while an order waits, placing.py before an order is taken in. Pure: prices and times are arguments.
Never: a book, a balance, a report. Source: Binance's trailing stop FAQ and `POST /api/v3/order` (Trigger order price rules).
"""

from __future__ import annotations

from decimal import Decimal

from exchange.paper.filters import failure
from exchange.paper.model import PaperOrder, PlaceRequest, Reject, SymbolRules

BIPS = Decimal(10_000)
WOULD_TRIGGER = "Order would trigger immediately."


def waits_for_rise(order_type: str, side: str) -> bool:
    """Whether the stop price lies above the market: stop loss to buy, take profit to sell. The others wait for a fall."""
    return order_type.startswith("STOP_LOSS") == (side == "BUY")


def reaches(order_type: str, side: str, stop_price: Decimal, price: Decimal) -> bool:
    """Whether a trade at `price` meets the stop price."""
    return price >= stop_price if waits_for_rise(order_type, side) else price <= stop_price


def check_delta(rules: SymbolRules, request: PlaceRequest) -> None:
    """The TRAILING_DELTA filter. Raises -1013."""
    if request.trailing_delta is None:
        return
    least, most = rules.trailing_above if waits_for_rise(request.type, request.side) else rules.trailing_below
    if request.trailing_delta < least or (most and request.trailing_delta > most):
        raise failure("TRAILING_DELTA")


def check_stop(request: PlaceRequest, last: Decimal | None) -> None:
    """A stop price that the last price already meets is refused. Raises -2010."""
    if request.stop_price is not None and last is not None and reaches(request.type, request.side, request.stop_price, last):
        raise Reject(-2010, WOULD_TRIGGER)


def begin_tracking(order: PaperOrder, last: Decimal | None, now_ms: int) -> None:
    """A trailing order without a stop price follows the market from its placing on (FAQ, scenario E)."""
    if order.trailing_delta and not order.stop_price and last is not None:
        order.trailing_ms, order.trailing_extreme = now_ms, last


def hears(order: PaperOrder, price: Decimal, now_ms: int) -> bool:
    """Tell a waiting order of one trade; whether it is triggered now.

    With a trailing delta and a stop price the first trade that meets the stop price only starts the tracking (FAQ, scenarios A to D).
    """
    if not order.trailing_delta:
        return reaches(order.type, order.side, order.stop_price, price)
    if order.trailing_ms < 0:
        if not order.stop_price or reaches(order.type, order.side, order.stop_price, price):
            order.trailing_ms, order.trailing_extreme = now_ms, price
        return False
    if order.side == "BUY":
        order.trailing_extreme = min(order.trailing_extreme, price)
        return price >= order.trailing_extreme * (BIPS + order.trailing_delta) / BIPS
    order.trailing_extreme = max(order.trailing_extreme, price)
    return price <= order.trailing_extreme * (BIPS - order.trailing_delta) / BIPS
