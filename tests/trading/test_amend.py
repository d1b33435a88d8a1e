"""trading.amend: the routes are total, the venue's abilities and the person's policy choose, the filters are judged first."""

from itertools import product

import pytest
from msgspec import structs

from core.amendments import Routing
from core.orders import Order
from core.ports import Capabilities
from core.types import Side, SymbolRules
from tests.core.builders import BTC, D
from trading.amend import Amending, Change, Policy, PriceMove, QuantityUp, change_of, route, why_not

WS, REST, PAIRS = Capabilities(ws_amend=True), Capabilities(rest_amend=True), Capabilities(cancel_replace=True)
AMENDABLE = SymbolRules(**{name: getattr(BTC, name) for name in BTC.__struct_fields__ if name != "amend_allowed"}, amend_allowed=True)


def order(quantity: str = "1", executed: str = "0", amends: int = 0, price: str = "100") -> Order:
    made = Order(symbol="BTCUSDT", side=Side.BUY, client_order_id="x", price=D(price), quantity=D(quantity), created_ns=0)
    made.executed, made.amends = D(executed), amends
    return made


@pytest.mark.parametrize(
    ("change", "can", "policy", "routing", "kept"),
    [
        (Change.NOTHING, Capabilities(), Policy(), Routing.NOT_CHANGED, True),
        (Change.QUANTITY_DOWN, WS, Policy(), Routing.WS_AMEND, True),
        (Change.QUANTITY_DOWN, REST, Policy(), Routing.REST_AMEND, True),
        (Change.QUANTITY_DOWN, Capabilities(ws_amend=True, rest_amend=True), Policy(), Routing.WS_AMEND, True),
        (Change.QUANTITY_DOWN, Capabilities(), Policy(), Routing.CANCEL_RESUBMIT, False),
        (Change.QUANTITY_UP, Capabilities(ws_amend=True, amend_quantity_up=True), Policy(), Routing.WS_AMEND, False),
        (Change.QUANTITY_UP, Capabilities(rest_amend=True, amend_quantity_up=True), Policy(), Routing.REST_AMEND, False),
        (Change.QUANTITY_UP, WS, Policy(), Routing.SECOND_ORDER, True),
        (Change.QUANTITY_UP, WS, Policy(quantity_up=QuantityUp.REPLACE), Routing.CANCEL_RESUBMIT, False),
        (Change.PRICE, WS, Policy(), Routing.CANCEL_RESUBMIT, False),
        (Change.PRICE, PAIRS, Policy(), Routing.CANCEL_REPLACE, False),
        (Change.QUANTITY_UP, PAIRS, Policy(quantity_up=QuantityUp.REPLACE), Routing.CANCEL_REPLACE, False),
        (Change.QUANTITY_UP, PAIRS, Policy(), Routing.SECOND_ORDER, True),
        (Change.TRIGGER_PRICE, WS, Policy(), Routing.CANCEL_RESUBMIT, False),
    ],
)
def test_routes(change: Change, can: Capabilities, policy: Policy, routing: Routing, kept: bool) -> None:
    """Each row of DESIGN 5, by what the venue can do and what the policy allows."""
    found = route(change, can, policy)
    assert (found.routing, found.queue_kept) == (routing, kept)


def test_routes_are_total() -> None:
    """Every change has a way at every venue: nothing a strategy wants ends in an exception."""
    for change, ws, rest, up, quantity_up in product(Change, (False, True), (False, True), (False, True), QuantityUp):
        route(change, Capabilities(ws_amend=ws, rest_amend=rest, amend_quantity_up=up), Policy(quantity_up=quantity_up))


@pytest.mark.parametrize(
    ("quantity", "price", "change"),
    [("1", "100", Change.NOTHING), ("0.5", "100", Change.QUANTITY_DOWN), ("2", "100", Change.QUANTITY_UP), ("0.5", "99", Change.PRICE)],
)
def test_what_is_to_change(quantity: str, price: str, change: Change) -> None:
    """Another price outweighs another quantity: the queue place is lost anyway."""
    assert change_of(order(), D(quantity), D(price)) is change


@pytest.mark.parametrize(
    ("made", "quantity", "rules", "why"),
    [
        (order(), "0.5", AMENDABLE, ""),
        (order(), "0.5", BTC, "does not allow"),
        (order(amends=10), "0.5", AMENDABLE, "10 times"),
        (order(executed="0.5"), "0.5", AMENDABLE, "nothing would be left"),
        (order(), "0.04", AMENDABLE, "minimum"),
        (order(), "0.0001", AMENDABLE, "minimum"),
    ],
)
def test_the_filters_are_judged_at_the_new_size(made: Order, quantity: str, rules: SymbolRules, why: str) -> None:
    """Ten changes at most, something left to execute, quantity and notional of the smaller order above the venue's minimum."""
    said = why_not(made, D(quantity), rules, Policy())
    assert said == why if not why else why in said


def test_a_way_to_shrink() -> None:
    """Where the venue amends and the filters allow, the amending route; else none, and the strategy cancels."""
    assert Amending(can=WS).shrinks(order(), D("0.5"), AMENDABLE) is Routing.WS_AMEND
    assert Amending(can=WS).shrinks(order(), D("1.5"), AMENDABLE) is None
    assert Amending().shrinks(order(), D("0.5"), AMENDABLE) is None


def test_a_way_to_another_price() -> None:
    """One command where venue and symbol can and nothing has filled; else cancel, word, place. Whether quotes do is the person's word."""
    replaceable = structs.replace(BTC, replace_allowed=True)
    assert Amending(can=PAIRS).reprices(order(), replaceable) is Routing.CANCEL_REPLACE
    assert Amending(can=PAIRS).reprices(order(executed="0.5"), replaceable) is Routing.CANCEL_RESUBMIT
    assert Amending(can=PAIRS).reprices(order(), BTC) is Routing.CANCEL_RESUBMIT
    assert Amending(can=WS).reprices(order(), replaceable) is Routing.CANCEL_RESUBMIT
    assert not Amending(can=PAIRS).moves
    assert Amending(can=PAIRS, policy=Policy(price=PriceMove.REPLACE)).moves
