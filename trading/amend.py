"""Which way a change of a standing order takes: routes as data over what the venue can do and what the person allows.

Who calls it: strategies, on the trading thread; core.amending walks the chosen way. Pure.
Never: a guess about the venue; a route that its filters would refuse.
Source: DESIGN 5, binance-wire 3 (amend keepPriority, cancelReplace).
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from core.amendments import OnReject, Routing
from core.orders import Order
from core.ports import Capabilities
from core.types import SymbolRules


class Change(StrEnum):
    """What is to be different."""

    NOTHING = "nothing"
    QUANTITY_DOWN = "quantity down"
    QUANTITY_UP = "quantity up"
    PRICE = "price"
    TRIGGER_PRICE = "trigger price"


class QuantityUp(StrEnum):
    """How an order grows where the venue cannot amend it: a second order keeps the first one's queue place."""

    SECOND_ORDER = "second_order"
    REPLACE = "replace"


class PriceMove(StrEnum):
    """How a quote whose price must move goes there: in one command, or canceled and, two ticks later, placed by the light."""

    REPLACE = "replace"
    CANCEL = "cancel"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the person allows. `amends_max`: changes of one order (Binance: MAX_NUM_ORDER_AMENDS, 10)."""

    on_reject: OnReject = OnReject.RESUBMIT
    quantity_up: QuantityUp = QuantityUp.SECOND_ORDER
    price: PriceMove = PriceMove.CANCEL
    amends_max: int = 10


class Route(msgspec.Struct, frozen=True):
    """One row: for this change, where the venue has all of `needs`, this way. The first row that fits is taken."""

    change: Change
    needs: tuple[str, ...]
    routing: Routing
    queue_kept: bool


ROUTES = (
    Route(Change.NOTHING, (), Routing.NOT_CHANGED, True),
    Route(Change.QUANTITY_DOWN, ("ws_amend",), Routing.WS_AMEND, True),
    Route(Change.QUANTITY_DOWN, ("rest_amend",), Routing.REST_AMEND, True),
    Route(Change.QUANTITY_DOWN, (), Routing.CANCEL_RESUBMIT, False),
    Route(Change.QUANTITY_UP, ("ws_amend", "amend_quantity_up"), Routing.WS_AMEND, False),
    Route(Change.QUANTITY_UP, ("rest_amend", "amend_quantity_up"), Routing.REST_AMEND, False),
    Route(Change.QUANTITY_UP, ("second_order",), Routing.SECOND_ORDER, True),
    Route(Change.QUANTITY_UP, ("cancel_replace",), Routing.CANCEL_REPLACE, False),
    Route(Change.QUANTITY_UP, (), Routing.CANCEL_RESUBMIT, False),
    Route(Change.PRICE, ("cancel_replace",), Routing.CANCEL_REPLACE, False),
    Route(Change.PRICE, (), Routing.CANCEL_RESUBMIT, False),
    Route(Change.TRIGGER_PRICE, ("ws_amend", "amend_trigger_price"), Routing.WS_AMEND, False),
    Route(Change.TRIGGER_PRICE, ("rest_amend", "amend_trigger_price"), Routing.REST_AMEND, False),
    Route(Change.TRIGGER_PRICE, ("cancel_replace",), Routing.CANCEL_REPLACE, False),
    Route(Change.TRIGGER_PRICE, (), Routing.CANCEL_RESUBMIT, False),
)
AMENDING = (Routing.WS_AMEND, Routing.REST_AMEND)


def change_of(order: Order, quantity: Decimal, price: Decimal, stop_price: Decimal | None = None) -> Change:
    if price != order.price:
        return Change.PRICE
    if stop_price not in (None, order.stop_price):
        return Change.TRIGGER_PRICE
    if quantity == order.quantity:
        return Change.NOTHING
    return Change.QUANTITY_DOWN if quantity < order.quantity else Change.QUANTITY_UP


def route(change: Change, can: Capabilities, policy: Policy) -> Route:
    """The first row that fits. What the policy allows counts as something the venue can do."""
    abilities = {name for name in can.__struct_fields__ if getattr(can, name)}
    if policy.quantity_up is QuantityUp.SECOND_ORDER:
        abilities.add("second_order")
    return next(row for row in ROUTES if row.change is change and abilities.issuperset(row.needs))


def why_not(order: Order, quantity: Decimal, rules: SymbolRules, policy: Policy) -> str:
    """The reason this order cannot be amended to that total; empty where it can. The filters are judged at the new size, as the venue does."""
    if not rules.amend_allowed:
        return "the symbol does not allow amendments"
    if order.amends >= policy.amends_max:
        return f"amended {order.amends} times already"
    if quantity <= max(order.executed, order.booked):
        return "nothing would be left to execute"
    if quantity < rules.min_quantity or quantity * order.price < rules.min_notional:
        return "the new total is below the venue's minimum"
    return ""


class Amending(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy needs to choose a way."""

    can: Capabilities = Capabilities()
    policy: Policy = Policy()

    def shrinks(self, order: Order, quantity: Decimal, rules: SymbolRules) -> Routing | None:
        """The amending way to that smaller total, None where there is none."""
        if change_of(order, quantity, order.price) is not Change.QUANTITY_DOWN or why_not(order, quantity, rules, self.policy):
            return None
        routing = route(Change.QUANTITY_DOWN, self.can, self.policy).routing
        return routing if routing in AMENDING else None

    def way(self, order: Order, quantity: Decimal, price: Decimal, stop_price: Decimal | None, rules: SymbolRules) -> Routing:
        """The way of any change; where the first row does not fit this order or its symbol, cancel and resubmit does."""
        routing = route(change_of(order, quantity, price, stop_price), self.can, self.policy).routing
        if routing in AMENDING and why_not(order, quantity, rules, self.policy):
            return Routing.CANCEL_RESUBMIT
        return self._held_to(routing, order, rules)

    @property
    def moves(self) -> bool:
        """The person lets quotes go to their new price in one command."""
        return self.policy.price is PriceMove.REPLACE

    def reprices(self, order: Order, rules: SymbolRules) -> Routing:
        """The way of what is left of an order to another price."""
        return self._held_to(route(Change.PRICE, self.can, self.policy).routing, order, rules)

    def _held_to(self, routing: Routing, order: Order, rules: SymbolRules) -> Routing:
        """One command names what is left before the cancel has told it: only where the symbol allows it, and before anything has filled."""
        is_whole = not (order.executed or order.booked)
        return routing if routing is not Routing.CANCEL_REPLACE or (rules.replace_allowed and is_whole) else Routing.CANCEL_RESUBMIT
