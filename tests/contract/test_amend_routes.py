"""trading.amend over a venue that can everything: every row of ROUTES is walked by the real engine and manager, for every way it can end."""

from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from core.amendments import AmendmentResult, AmendOutcome, OnReject, Routing
from core.commands import Amend, AnyCommand, Place, Replace
from core.orders import Order
from core.ports import Capabilities
from core.types import OrderType, Side
from core.view import Decision, View, WantAmend, WantPlace
from exchange.paper.archive import SymbolArchive
from exchange.paper.model import Reject
from tests.contract.simulated import Bench, SimulatedVenue
from tests.core.builders import BTC, NoRisk
from trading.amend import ROUTES, Amending, Change, Policy, QuantityUp, Route, change_of, route, why_not

RULES = replace(BTC, amend_allowed=True, replace_allowed=True)
SELL = WantPlace(
    symbol="BTCUSDT", side=Side.SELL, type=OrderType.LIMIT_MAKER, price=D("100.05"), quantity=D(1), slot=(0, 0), reason="test"
)
STOP = replace(SELL, type=OrderType.STOP_LOSS_LIMIT, price=D("98"), stop_price=D("99"))
# (total, price, stop price) after the change
TARGETS = {
    Change.NOTHING: (D(1), D("100.05"), None),
    Change.QUANTITY_DOWN: (D("0.4"), D("100.05"), None),
    Change.QUANTITY_UP: (D("1.5"), D("100.05"), None),
    Change.PRICE: (D(1), D("100.06"), None),
    Change.TRIGGER_PRICE: (D(1), D("98"), D("98.5")),
}
BY_AMENDING = (Routing.WS_AMEND, Routing.REST_AMEND)
AMENDING_ROWS = [row for row in ROUTES if row.routing in BY_AMENDING]
NEW_ORDER_ROWS = [row for row in ROUTES if row.routing in (Routing.SECOND_ORDER, Routing.CANCEL_REPLACE, Routing.CANCEL_RESUBMIT)]


def named(row: Route) -> str:
    return f"{row.change.value} {'+'.join(row.needs) or 'nothing'}".replace(" ", "-")


def abilities(row: Route) -> tuple[Capabilities, Policy]:
    """A venue and a person with what this row needs, and nothing else."""
    can = Capabilities(**{name: True for name in row.needs if name != "second_order"})
    return can, Policy(quantity_up=QuantityUp.SECOND_ORDER if "second_order" in row.needs else QuantityUp.REPLACE)


class Wishes:
    """A strategy that wants what the test says, once."""

    def __init__(self) -> None:
        self.places: tuple[WantPlace, ...] = ()
        self.amends: tuple[WantAmend, ...] = ()

    def decide(self, view: View, symbol: str) -> Decision:
        wanted = Decision(places=self.places, amends=self.amends)
        self.places, self.amends = (), ()
        return wanted

    def rests_on(self, view: View, symbol: str) -> None:
        return None

    def save(self) -> object:
        return None

    def load(self, saved: object) -> None:
        """Nothing is remembered."""


class Case:
    """A resting (or waiting) order, and its change by one row."""

    def __init__(self, row: Route) -> None:
        self.row, self.wishes = row, Wishes()
        can, policy = abilities(row)
        self.bench = Bench(self.wishes, NoRisk(), RULES, capabilities=can)
        self.bench.venue.by_socket = row.routing is not Routing.REST_AMEND
        self.amending = Amending(can=can, policy=policy)
        self.wishes.places = (STOP if row.change is Change.TRIGGER_PRICE else SELL,)
        self.bench.run(150)
        (self.order,) = self.bench.orders.open()
        assert self.order.is_working

    def change(self, on_reject: OnReject = OnReject.KEEP, ms: int = 500) -> None:
        quantity, price, stop = TARGETS[self.row.change]
        routing = self.amending.way(self.order, quantity, price, stop, RULES)
        wish = WantAmend(
            client_order_id=self.order.client_order_id,
            quantity=quantity,
            routing=routing,
            on_reject=on_reject,
            reason="test",
            price=price,
            stop_price=stop,
            slot=(0, 1),
        )
        self.wishes.amends = (wish,)
        self.bench.run(ms)

    def result(self) -> AmendmentResult:
        (result,) = self.bench.results
        return result

    def standing(self) -> list[Order]:
        """In the book, and the same at the venue."""
        ours = self.bench.orders.open()
        theirs = self.bench.matching.open_orders("BTCUSDT")
        assert [(o.client_order_id, o.quantity, o.price, o.stop_price or 0) for o in ours] == [
            (o.client_order_id, o.quantity, o.price, o.stop_price) for o in theirs
        ]
        return ours

    def refuse(self, *kinds: type[AnyCommand]) -> None:
        def no(command: AnyCommand) -> None:
            if isinstance(command, kinds):
                raise Reject(-2038, "This action is disabled on this account.")

        self.bench.venue.before = no

    def ahead(self) -> D:
        assert self.order.venue_order_id is not None
        return self.bench.matching.size_ahead("BTCUSDT", self.order.venue_order_id)


def test_the_simulated_venue_can_everything() -> None:
    """Every flag is true, and each stands in the table or says what the venue takes."""
    can = SimulatedVenue.capabilities
    assert all(getattr(can, name) for name in can.__struct_fields__)


@pytest.mark.parametrize("row", ROUTES, ids=named)
def test_each_row_is_reachable(row: Route) -> None:
    """With what it needs and nothing else it is the row that is taken."""
    assert route(row.change, *abilities(row)) is row


@pytest.mark.parametrize("change", list(Change))
def test_every_change_has_a_way(change: Change) -> None:
    """The last row of each change needs nothing: there is always a way."""
    assert next(row for row in reversed(ROUTES) if row.change is change).needs == ()


@pytest.mark.parametrize("row", ROUTES, ids=named)
def test_done(row: Route) -> None:
    """The venue says yes: one result names this way; book and venue show the change, and the queue place is kept exactly where the row says so."""
    case = Case(row)
    case.bench.matching.set_background("BTCUSDT", "SELL", D("100.05"), D(3), case.bench.ms)
    case.bench.run(100)
    before = case.ahead() if row.change is not Change.TRIGGER_PRICE else D(0)
    case.change()
    result = case.result()
    assert (result.routing, result.outcome, result.error) == (row.routing, AmendOutcome.DONE, "")
    assert result.queue_kept is row.queue_kept
    quantity, price, stop = TARGETS[row.change]
    standing = case.standing()
    assert sum(order.quantity for order in standing) == quantity
    assert {(order.price, order.stop_price) for order in standing} == {(price, stop)}
    assert result.order_id == standing[-1].client_order_id
    if row.queue_kept:
        assert case.order.is_open and case.ahead() == before
    if row.routing in BY_AMENDING:
        assert [order.client_order_id for order in standing] == [case.order.client_order_id]
    assert case.bench.light(Side.SELL).is_green and not case.bench.books.amendments


@pytest.mark.parametrize("row", AMENDING_ROWS, ids=named)
@pytest.mark.parametrize("on_reject", list(OnReject))
def test_an_amendment_refused(row: Route, on_reject: OnReject) -> None:
    """The venue's no: by policy the order stays as it was, or it is canceled and placed anew as it was wanted; one result with its words."""
    case = Case(row)
    case.refuse(Amend)
    case.change(on_reject)
    result = case.result()
    assert "disabled" in result.error
    if on_reject is OnReject.KEEP:
        assert (result.routing, result.outcome) == (Routing.NOT_CHANGED, AmendOutcome.REJECTED)
        assert [order.client_order_id for order in case.standing()] == [result.order_id] == [case.order.client_order_id]
        assert case.order.quantity == D(1)
    else:
        quantity, price, stop = TARGETS[row.change]
        assert (result.routing, result.outcome) == (Routing.CANCEL_RESUBMIT, AmendOutcome.DONE)
        (new,) = case.standing()
        assert (new.client_order_id, new.quantity, new.price, new.stop_price) == (result.order_id, quantity, price, stop)
        assert new.type is case.order.type


@pytest.mark.parametrize("row", NEW_ORDER_ROWS, ids=named)
def test_a_new_order_refused(row: Route) -> None:
    """The venue's no to what was to be placed: REJECTED, with its words; a second order or a refused pair leaves the first order standing."""
    case = Case(row)
    case.refuse(Place, Replace)
    case.change()
    result = case.result()
    assert (result.outcome, result.routing is row.routing) == (AmendOutcome.REJECTED, row.routing is Routing.CANCEL_RESUBMIT)
    stands = row.routing is not Routing.CANCEL_RESUBMIT
    assert len(case.standing()) == stands and bool(result.order_id) is stands


def test_a_fill_on_the_way_of_a_replacement() -> None:
    """The venue does not replace what has begun to fill: one order stands, with what is left of it, and no more is ever sold than was wanted."""
    case = Case(next(row for row in NEW_ORDER_ROWS if row.change is Change.PRICE and row.routing is Routing.CANCEL_REPLACE))
    case.bench.venue.before = lambda command: case.bench.market("BUY", "20.399", "100.05") if isinstance(command, Replace) else None
    case.change()
    result = case.result()
    assert (result.routing, result.outcome, result.order_id) == (Routing.NOT_CHANGED, AmendOutcome.REJECTED, case.order.client_order_id)
    assert "cancel restrictions" in result.error
    (order,) = case.standing()
    assert (order.booked, order.remaining) == (D("0.4"), D("0.6"))
    assert case.amending.way(order, *TARGETS[Change.PRICE], RULES) is Routing.CANCEL_RESUBMIT


@pytest.mark.parametrize("row", AMENDING_ROWS, ids=named)
def test_no_answer_but_carried_out(row: Route) -> None:
    """No result before the venue has answered the query, red until then; it shows the change, so the amendment is done."""
    case = Case(row)
    case.bench.venue.fault = lambda command: TimeoutError("no answer") if isinstance(command, Amend) else None
    quiet: list[object] = []
    case.bench.hear = lambda: quiet.extend(case.bench.matching.drain_reports())  # type: ignore[method-assign]
    case.change(ms=1000)
    result = case.result()
    assert result.outcome is AmendOutcome.DONE and result.queue_kept is row.queue_kept
    assert quiet and len(case.standing()) == 1


@pytest.mark.parametrize("row", AMENDING_ROWS, ids=named)
def test_no_answer_and_not_carried_out(row: Route) -> None:
    """It may still arrive, so the order goes, and the result says that it was not carried out."""
    case = Case(row)

    def lost(command: AnyCommand) -> None:
        if isinstance(command, Amend):
            raise TimeoutError("no answer")

    case.bench.venue.before = lost
    case.change(ms=1000)
    assert (case.result().outcome, case.result().routing) == (AmendOutcome.REJECTED, Routing.NOT_CHANGED)
    assert case.standing() == []


def test_nobody_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """An amendment without an answer at a venue that was reset: UNKNOWN, for nobody will ever know."""
    case = Case(AMENDING_ROWS[0])
    matching = case.bench.matching

    def lost(command: AnyCommand) -> None:
        if isinstance(command, Amend):
            matching.archives["BTCUSDT"] = SymbolArchive(1, 1, 1)
            raise TimeoutError("no answer")

    case.bench.venue.before = lost
    case.change(ms=40_000)
    result = case.result()
    assert (result.outcome, result.order_id) == (AmendOutcome.UNKNOWN, "")


def test_a_larger_total_needs_its_funds() -> None:
    """What cannot be promised is not asked for; the order stands as it was."""
    case = Case(next(row for row in ROUTES if row.change is Change.QUANTITY_UP))
    asset_left = case.bench.books.account.available("BTC", case.bench.orders)
    wish = WantAmend(
        client_order_id=case.order.client_order_id, quantity=asset_left + 2, routing=Routing.WS_AMEND, on_reject=OnReject.KEEP, reason="test"
    )
    case.wishes.amends = (wish,)
    case.bench.run(50)
    assert case.result().outcome is AmendOutcome.REJECTED and "needs" in case.result().error
    assert not [command for command in case.bench.sent if isinstance(command, Amend)]


def test_what_the_symbol_does_not_allow_is_resubmitted() -> None:
    """A venue's ability is no use where the symbol or the order forbids it."""
    case = Case(AMENDING_ROWS[0])
    quantity, price, _ = TARGETS[Change.QUANTITY_DOWN]
    assert case.amending.way(case.order, quantity, price, None, replace(RULES, amend_allowed=False)) is Routing.CANCEL_RESUBMIT
    assert why_not(case.order, D("0.01"), RULES, case.amending.policy)
    assert case.amending.way(case.order, D("0.01"), price, None, RULES) is Routing.CANCEL_RESUBMIT
    assert change_of(case.order, quantity, price, D(98)) is Change.TRIGGER_PRICE
