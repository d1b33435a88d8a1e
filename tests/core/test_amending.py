"""core.amending: an order is shrunk in place, and every way that can go wrong ends in a result."""

import pytest
from msgspec.structs import replace

from core.amendments import AmendmentResult, AmendOutcome, OnReject, Routing
from core.commands import Amend, Cancel, Place, Query, ReadAccount
from core.events import OrderAnswer, StreamGap
from core.light import Colour
from core.notices import Amended
from core.types import Connection, Side
from core.view import Decision, View, WantAmend
from tests.core.builders import BTC, START_MS, D, Desk, Script, error, facts, fill, report


class Amends(Script):
    """A script that also wants changes."""

    def __init__(self) -> None:
        super().__init__()
        self.amends: list[WantAmend] = []

    def decide(self, view: View, symbol: str) -> Decision:
        made = super().decide(view, symbol)
        return Decision(cancels=made.cancels, places=made.places, amends=tuple(self.amends))


class Bench:
    """A desk with one resting order of 1 BTC, and what became of changes."""

    def __init__(self) -> None:
        self.script = Amends()
        self.desk = Desk(self.script, symbols=(BTC,))
        self.desk.script = self.script
        self.desk.connect()
        self.order = self.desk.rest()

    def want(
        self,
        quantity: str = "0.4",
        routing: Routing = Routing.WS_AMEND,
        on_reject: OnReject = OnReject.RESUBMIT,
        price: str | None = None,
    ) -> None:
        wish = WantAmend(
            client_order_id=self.order.client_order_id,
            quantity=D(quantity),
            routing=routing,
            on_reject=on_reject,
            reason="test",
            price=None if price is None else D(price),
        )
        self.script.amends = [wish]
        self.desk.wait(100)
        self.script.amends = []

    def amend(self, **wanted: object) -> Amend:
        self.want(**wanted)  # type: ignore[arg-type]
        return self.desk.one(Amend)

    def changed(self, quantity: str, status: str = "NEW", executed: str = "0") -> OrderAnswer:
        return OrderAnswer(facts=facts(self.order.client_order_id, 11, status, executed, price="99", quantity=quantity))

    @property
    def results(self) -> list[AmendmentResult]:
        return [notice.result for notice in self.desk.last.notices if isinstance(notice, Amended)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_shrunk_in_place(bench: Bench) -> None:
    """One amendment, amber until the venue's word, then the smaller total and the queue place kept."""
    amend = bench.amend()
    assert (amend.quantity, amend.venue_order_id, amend.client_order_id) == (D("0.4"), 11, bench.order.client_order_id)
    assert bench.desk.light().colour is Colour.AMBER
    bench.desk.reply(amend, OrderAnswer(facts=bench.changed("0.4").facts, by_socket=True))
    (result,) = bench.results
    assert (result.routing, result.outcome, result.queue_kept) == (Routing.WS_AMEND, AmendOutcome.DONE, True)
    assert bench.order.quantity == D("0.4")
    assert bench.desk.light().is_green
    assert bench.desk.books.queue_places_kept == 1


def test_the_report_may_come_first(bench: Bench) -> None:
    """The stream's REPLACED shrinks the order; the reply that follows decides, and an older report does not make it grow again."""
    amend = bench.amend()
    bench.desk.step(report(bench.order.client_order_id, 11, "NEW", execution_type="REPLACED", price="99", quantity="0.4"))
    bench.desk.step(report(bench.order.client_order_id, 11, "NEW", execution_type="NEW", price="99", quantity="1"))
    assert bench.order.quantity == D("0.4")
    bench.desk.reply(amend, bench.changed("0.4"))
    assert bench.results[0].outcome is AmendOutcome.DONE
    assert bench.results[0].routing is Routing.REST_AMEND


def test_nothing_leaves_on_a_red_side(bench: Bench) -> None:
    """An order with an unknown outcome on the side: no amendment leaves."""
    bench.desk.books.orders.want_attention(bench.order, bench.desk.books.now_ns)
    bench.want()
    assert not bench.desk.ever(Amend)


def test_one_change_at_a_time(bench: Bench) -> None:
    """While an amendment has no answer a second wish for the same order is ignored."""
    bench.amend()
    bench.want("0.3")
    assert len(bench.desk.ever(Amend)) == 1


def test_refused_and_resubmitted(bench: Bench) -> None:
    """The venue's no: the original error as a warning, cancel, the venue's word, a place of what is left in the same slot, one result."""
    amend = bench.amend()
    bench.desk.refuse(amend, error(-2038, "Order amend is not supported for this symbol."))
    assert "not supported" in bench.desk.words()
    cancel = next(command for command in reversed(bench.desk.log) if isinstance(command, Cancel))
    assert not bench.desk.ever(Place)[1:], "nothing is placed before the word on the cancel"
    bench.desk.reply(cancel, bench.changed("1", "CANCELED", "0"))
    place = bench.desk.ever(Place)[-1]
    assert (place.quantity, place.price, place.slot) == (D("0.4"), D("99"), bench.order.slot)
    bench.desk.reply(place, OrderAnswer(facts=facts(place.client_order_id, 12, price="99", quantity="0.4")))
    (result,) = bench.results
    assert (result.routing, result.outcome, result.queue_kept, result.order_id) == (
        Routing.CANCEL_RESUBMIT,
        AmendOutcome.DONE,
        False,
        place.client_order_id,
    )
    assert "not supported" in result.error


def test_refused_and_kept(bench: Bench) -> None:
    """With the policy `keep` the order stays as it is and the result says why."""
    bench.desk.refuse(bench.amend(on_reject=OnReject.KEEP), error(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS"))
    assert bench.results[0].outcome is AmendOutcome.REJECTED
    assert bench.results[0].routing is Routing.NOT_CHANGED
    assert bench.order.is_working


def test_refused_because_gone_asks(bench: Bench) -> None:
    """`Unknown order sent.` may mean filled: the order is asked about, and only then the change is decided."""
    bench.desk.refuse(bench.amend(), error(-2038, "Unknown order sent."))
    assert not bench.results
    assert bench.desk.light().colour is Colour.RED
    bench.desk.reply(bench.desk.query(), bench.changed("1", "CANCELED"))
    assert bench.results[0].outcome is AmendOutcome.REJECTED
    assert not bench.desk.ever(Cancel)


def test_a_fill_answers_no_amendment(bench: Bench) -> None:
    """A fill heard while an amendment has no answer, its books complete, does not settle it: still red, still asked about."""
    bench.desk.lose(bench.amend())
    name = bench.order.client_order_id
    bench.desk.step(report(name, 11, "PARTIALLY_FILLED", "0.1", trade=fill(1, 11, name, price="99", quantity="0.1"), price="99"))
    assert bench.order.booked == D("0.1")
    assert bench.desk.light().colour is Colour.RED
    assert name in bench.desk.books.orders.attention


def test_no_answer_then_carried_out(bench: Bench) -> None:
    """An amendment without an answer is unknown: red, asked about, done where the quantity says so."""
    bench.desk.lose(bench.amend())
    assert bench.desk.light().colour is Colour.RED
    bench.desk.reply(bench.desk.query(), bench.changed("0.4"))
    assert bench.results[0].outcome is AmendOutcome.DONE
    assert bench.desk.light().is_green


def test_no_answer_and_not_carried_out(bench: Bench) -> None:
    """Unchanged so far, yet the request may still arrive: the order is canceled instead of believed, and its end decides."""
    bench.desk.lose(bench.amend())
    bench.desk.reply(bench.desk.query(), bench.changed("1"))
    assert not bench.results
    cancel = next(command for command in reversed(bench.desk.log) if isinstance(command, Cancel))
    bench.desk.reply(cancel, bench.changed("1", "CANCELED"))
    assert bench.results[0].outcome is AmendOutcome.REJECTED
    assert bench.desk.light().is_green


def test_the_deadline_makes_it_unknown(bench: Bench) -> None:
    """No reply by the deadline: unknown, never failed."""
    bench.amend()
    bench.desk.wait(3100)
    assert bench.order.amend_asked is not None
    assert bench.order.amend_asked.unknown
    assert bench.desk.ever(Query)


def test_filled_meanwhile(bench: Bench) -> None:
    """The order fills while its amendment is on the way: a result, no place."""
    amend = bench.amend()
    bench.desk.step(report(bench.order.client_order_id, 11, "FILLED", "1", price="99"))
    bench.desk.refuse(amend, error(-2038, "Unknown order sent."))
    assert bench.results == [] or bench.results[0].outcome is AmendOutcome.REJECTED
    assert len(bench.desk.ever(Place)) == 1


def test_another_price_goes_by_cancel_and_place(bench: Bench) -> None:
    """CANCEL_RESUBMIT with a price: cancel, the word, place there; meanwhile nobody else gets the slot."""
    bench.want("1", Routing.CANCEL_RESUBMIT, price="98")
    cancel = next(command for command in reversed(bench.desk.log) if isinstance(command, Cancel))
    bench.desk.reply(cancel, bench.changed("1", "CANCELED", "0"))
    assert bench.desk.ever(Place)[-1].price == D("98")
    assert bench.desk.books.orders.find("BTCUSDT", None, bench.desk.ever(Place)[-1].client_order_id) is not None


def test_a_resubmission_that_may_not_leave_ends(bench: Bench) -> None:
    """Where the place stays denied the change ends with that reason instead of waiting for ever."""
    bench.want("1", Routing.CANCEL_RESUBMIT, price="98")
    cancel = next(command for command in reversed(bench.desk.log) if isinstance(command, Cancel))
    bench.desk.risk.check = lambda want, view: ("too much", "never")  # type: ignore[method-assign]
    bench.desk.reply(cancel, bench.changed("1", "CANCELED", "0"))
    said: list[AmendmentResult] = []
    for _ in range(80):
        bench.desk.wait(100)
        said += bench.results
    (result,) = said
    assert (result.outcome, result.routing) == (AmendOutcome.REJECTED, Routing.CANCEL_RESUBMIT)
    assert "too much" in result.error
    assert bench.desk.light(Side.BUY).colour is not None


def test_a_listing_does_not_answer_an_amendment(bench: Bench) -> None:
    """An account read that lists the order settles nothing while its amendment has no answer: the asking goes on (seed 2580)."""
    bench.desk.lose(bench.amend())
    bench.desk.query()
    listed = facts(bench.order.client_order_id, 11, price="99")
    bench.desk.step(StreamGap(connection=Connection.USER, reason="test"))
    read = next(command for command in reversed(bench.desk.log) if isinstance(command, ReadAccount))
    bench.desk.reply(read, bench.desk.account((listed,)))
    assert bench.order.client_order_id in bench.desk.books.orders.attention
    bench.desk.wait(8000)
    assert len(bench.desk.ever(Query)) > 1


def test_grown_by_amendment_and_an_older_report(bench: Bench) -> None:
    """A larger total counts once the venue says so of what was asked; an older report does not take it back, a later one may make it smaller."""
    amend = bench.amend(quantity="1.5")
    held = bench.desk.books.account.reserved("USDT", bench.desk.books.orders)
    assert held == D("148.5"), "what it may grow by is promised already"
    name = bench.order.client_order_id
    told = replace(facts(name, 11, price="99", quantity="1.5"), updated_ms=START_MS + 70_000)
    bench.desk.reply(amend, OrderAnswer(facts=told))
    assert (bench.results[0].outcome, bench.results[0].queue_kept) == (AmendOutcome.DONE, False)
    bench.desk.step(report(name, 11, price="99", quantity="1"))  # of START_MS + 60 s
    assert bench.order.quantity == D("1.5")
    bench.desk.step(report(name, 11, price="99", quantity="2"))
    assert bench.order.quantity == D("1.5"), "nobody asked for that"
    bench.desk.step(replace(report(name, 11, price="99", quantity="1.2"), time_ms=START_MS + 80_000))
    assert bench.order.quantity == D("1.2")


def test_no_change_is_a_result_too(bench: Bench) -> None:
    """A wish for what stands already is answered at once, and nothing leaves."""
    bench.want("1", Routing.NOT_CHANGED)
    assert [(one.routing, one.outcome, one.queue_kept) for one in bench.results] == [(Routing.NOT_CHANGED, AmendOutcome.DONE, True)]
    assert not bench.desk.ever(Amend) and not bench.desk.ever(Cancel)
