"""core.replacing: one order in the stead of another by one command, and every way its answer can come or stay away."""

import pytest

from core.amendments import AmendOutcome, OnReject, Routing
from core.checkpoint import freeze, hash_of, load, parts
from core.commands import Cancel, Place, Query, Replace
from core.engine import Engine
from core.events import Half, OrderAnswer, Outcome, ReplaceAnswer, StopRequested, Timer
from core.light import Colour
from core.orders import Evidence, Order
from core.types import OrderStatus, VenueError
from core.view import WantAmend, WantCancel
from tests.core.builders import MS, D, balances, error, facts, fill, position, report, want
from tests.core.test_amending import Bench

NEW_PRICE = "98"


class PairBench(Bench):
    """A desk with one resting bid of 1 BTC at 99, to be replaced by one at 98."""

    def pair(self, quantity: str = "1", on_reject: OnReject = OnReject.KEEP, price: str = NEW_PRICE) -> Replace:
        self.want(quantity, Routing.CANCEL_REPLACE, on_reject, price)
        return self.desk.one(Replace)

    def canceled(self, executed: str = "0") -> Half:
        return Half(outcome=Outcome.DONE, facts=facts(self.order.client_order_id, 11, "CANCELED", executed, price="99"))

    def placed(self, pair: Replace, quantity: str = "1") -> Half:
        return Half(outcome=Outcome.DONE, facts=facts(pair.client_order_id, 12, price=NEW_PRICE, quantity=quantity))

    def answer(self, pair: Replace, canceled: Half, placed: Half) -> None:
        self.desk.reply(pair, ReplaceAnswer(canceled=canceled, placed=placed, by_socket=True))

    def new(self, pair: Replace) -> Order:
        return self.desk.order(pair.client_order_id)


@pytest.fixture
def bench() -> PairBench:
    return PairBench()


def refused(why: VenueError) -> Half:
    return Half(outcome=Outcome.REFUSED, error=why)


def wish(order: Order, price: str) -> WantAmend:
    return WantAmend(
        client_order_id=order.client_order_id,
        quantity=D(1),
        routing=Routing.CANCEL_REPLACE,
        on_reject=OnReject.KEEP,
        reason="test",
        price=D(price),
    )


NOT_ATTEMPTED = Half(outcome=Outcome.NOT_SENT)
CROSSED = error(-2010, "Order would immediately match and take.")
GONE = error(-2011, "Unknown order sent.")
RESTRICTED = error(-2011, "Order was not canceled due to cancel restrictions.")


def test_replaced_in_one_command(bench: PairBench) -> None:
    """One command with a new client id, amber and one slot while it has no answer; then the new order stands and the result names it."""
    pair = bench.pair()
    assert (pair.cancel.venue_order_id, pair.cancel.cancel_id) == (11, bench.order.client_order_id + "c")
    assert pair.place.client_order_id not in ("", bench.order.client_order_id)
    assert (pair.place.price, pair.place.quantity, pair.place.slot) == (D(NEW_PRICE), D(1), bench.order.slot)
    assert bench.desk.light().colour is Colour.AMBER
    bench.answer(pair, bench.canceled(), bench.placed(pair))
    assert (bench.order.status, bench.order.evidence) == (OrderStatus.CANCELED, Evidence.ANSWER)
    assert bench.new(pair).is_working
    (result,) = bench.results
    assert (result.routing, result.outcome, result.queue_kept, result.order_id) == (
        Routing.CANCEL_REPLACE, AmendOutcome.DONE, False, pair.client_order_id,
    )  # fmt: skip
    assert bench.desk.light().is_green
    assert not bench.desk.ever(Cancel)


def test_the_stream_may_come_first(bench: PairBench) -> None:
    """Both reports before the reply: both orders are known by then, and the reply changes nothing."""
    pair = bench.pair()
    bench.desk.step(report(bench.order.client_order_id, 11, "CANCELED", price="99"), report(pair.client_order_id, 12, price=NEW_PRICE))
    assert bench.results[0].outcome is AmendOutcome.DONE
    bench.answer(pair, bench.canceled(), bench.placed(pair))
    assert not bench.results
    assert bench.new(pair).is_working


def test_an_order_that_has_begun_to_fill_is_not_replaced(bench: PairBench) -> None:
    """What is left of it is known only after its cancel: the change is refused with that reason, and the order stands."""
    name = bench.order.client_order_id
    bench.desk.step(report(name, 11, "PARTIALLY_FILLED", "0.4", trade=fill(1, 11, name, price="99", quantity="0.4"), price="99"))
    bench.want("1", Routing.CANCEL_REPLACE, OnReject.KEEP, NEW_PRICE)
    assert not bench.desk.ever(Replace)
    assert bench.order.is_working
    (result,) = bench.results
    assert (result.outcome, result.order_id) == (AmendOutcome.REJECTED, name)
    assert "partly filled" in result.error


@pytest.mark.parametrize("told_first", [True, False])
def test_a_fill_on_the_way_keeps_the_order(bench: PairBench, told_first: bool) -> None:
    """-2011 by the cancel restriction: the old order stands, the new one never existed; a fill not heard of yet is asked about."""
    pair, name = bench.pair(), bench.order.client_order_id
    trade = fill(1, 11, name, price="99", quantity="0.4")
    partly = report(name, 11, "PARTIALLY_FILLED", "0.4", trade=trade, price="99")
    if told_first:
        bench.desk.step(partly)
    bench.answer(pair, refused(RESTRICTED), NOT_ATTEMPTED)
    if not told_first:
        assert bench.desk.light().colour is Colour.RED
        known = facts(name, 11, "PARTIALLY_FILLED", "0.4", price="99", fills=(trade,))
        bench.desk.reply(bench.desk.query(), OrderAnswer(facts=known))
    assert bool(bench.desk.ever(Query)) is not told_first
    assert (bench.order.booked, bench.order.is_working, bench.new(pair).is_open) == (D("0.4"), True, False)
    assert bench.desk.light().is_green
    (result,) = bench.results
    assert (result.routing, result.outcome, result.order_id) == (Routing.NOT_CHANGED, AmendOutcome.REJECTED, name)
    assert not bench.desk.ever(Cancel)


def test_canceled_and_not_replaced(bench: PairBench) -> None:
    """409/-2021 is a normal outcome: the old order is gone, the new one never existed, nothing is asked, the light is green."""
    pair = bench.pair()
    bench.answer(pair, bench.canceled(), refused(CROSSED))
    assert bench.order.status is OrderStatus.CANCELED
    assert (bench.new(pair).status, bench.new(pair).evidence) == (OrderStatus.REJECTED, Evidence.REFUSED)
    (result,) = bench.results
    assert (result.routing, result.outcome, result.order_id) == (Routing.CANCEL_REPLACE, AmendOutcome.REJECTED, "")
    assert "canceled, not replaced" in result.error
    assert "immediately match" in result.error
    assert bench.desk.light().is_green
    assert not bench.desk.ever(Query)


def test_the_cancel_fails(bench: PairBench) -> None:
    """-2022: the old order is not open, perhaps filled: red and asked about; the new one was not attempted, which is the venue's word."""
    pair = bench.pair()
    bench.answer(pair, refused(GONE), NOT_ATTEMPTED)
    assert (bench.new(pair).status, bench.new(pair).evidence) == (OrderStatus.REJECTED, Evidence.REFUSED)
    assert bench.desk.light().colour is Colour.RED
    assert not bench.results
    query = bench.desk.query()
    assert query.venue_order_id == 11
    name = bench.order.client_order_id
    filled = facts(name, 11, "FILLED", "1", price="99", fills=(fill(1, 11, name, price="99", quantity="1"),))
    bench.desk.reply(query, OrderAnswer(facts=filled))
    (result,) = bench.results
    assert (result.outcome, result.routing) == (AmendOutcome.REJECTED, Routing.NOT_CHANGED)
    assert "FILLED first" in result.error
    assert bench.order.booked == D(1)


def test_no_answer_asks_about_both(bench: PairBench) -> None:
    """Unknown: red, both orders are asked about, nothing is sent meanwhile; found canceled and found open, the change is done."""
    pair = bench.pair()
    bench.desk.lose(pair)
    assert bench.desk.light().colour is Colour.RED
    bench.desk.wait(500)
    queries = bench.desk.ever(Query)
    assert {query.client_order_id for query in queries} == {bench.order.client_order_id, pair.client_order_id}
    for query in queries:
        half = bench.canceled() if query.venue_order_id == 11 else bench.placed(pair)
        bench.desk.reply(query, OrderAnswer(facts=half.facts))
    assert bench.results[0].outcome is AmendOutcome.DONE
    assert bench.desk.light().is_green
    assert len(bench.desk.ever(Place)) == 1


def test_the_deadline_makes_both_unknown(bench: PairBench) -> None:
    """No reply by the deadline is no failure: both orders stay, undecided."""
    pair = bench.pair()
    bench.desk.wait(3100)
    assert bench.order.is_unknown_call
    assert bench.new(pair).is_unknown_call
    assert bench.new(pair).is_open


def test_never_arrived(bench: PairBench) -> None:
    """The old order is found open: it is canceled again; the new one counts as not there only after receive window and grace, and by the list."""
    pair = bench.pair()
    bench.desk.lose(pair)
    seen = len(bench.desk.log) - len(bench.desk.last.commands)
    while bench.new(pair).is_open:
        bench.desk.step(Timer(), after_ms=50)
        assert bench.desk.ms * MS < bench.new(pair).created_ns + 20_000 * MS
        while seen < len(bench.desk.log):
            command, seen = bench.desk.log[seen], seen + 1
            if isinstance(command, Cancel):
                bench.desk.reply(command, OrderAnswer(facts=bench.canceled().facts))
            elif isinstance(command, Query) and command.venue_order_id == 11:
                bench.desk.reply(command, OrderAnswer(facts=facts(bench.order.client_order_id, 11, price="99")))
            elif isinstance(command, Query):
                bench.desk.reply(command, OrderAnswer(facts=None, searched=command.since_ms is not None))
    assert bench.new(pair).evidence is Evidence.NOT_FOUND
    assert bench.desk.ms * MS - bench.new(pair).created_ns >= 13_000 * MS
    assert bench.results[0].outcome is AmendOutcome.REJECTED
    assert bench.order.status is OrderStatus.CANCELED


@pytest.mark.parametrize("how", ["refused", "not sent"])
def test_nothing_was_done(bench: PairBench, how: str) -> None:
    """A no to the whole, or a pair that never left: the old order stands and works, the new one never existed."""
    pair = bench.pair()
    if how == "refused":
        bench.desk.refuse(pair, error(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"))
    else:
        bench.desk.reply(pair, outcome=Outcome.NOT_SENT, note="stale")
    assert bench.order.is_working
    assert not bench.new(pair).is_open
    (result,) = bench.results
    assert (result.routing, result.outcome, result.order_id) == (Routing.NOT_CHANGED, AmendOutcome.REJECTED, bench.order.client_order_id)
    assert bench.desk.light().is_green
    assert not bench.desk.wait(1000)


def test_refused_and_resubmitted(bench: PairBench) -> None:
    """With `resubmit` a no to the whole falls through: a warning with the original error, cancel, its word, a place of what is left."""
    pair = bench.pair(on_reject=OnReject.RESUBMIT)
    bench.desk.refuse(pair, error(-1013, "This symbol does not allow it."))
    assert "does not allow it" in bench.desk.words()
    cancel = bench.desk.one(Cancel)
    bench.desk.reply(cancel, OrderAnswer(facts=bench.canceled().facts))
    place = bench.desk.one(Place)
    assert (place.price, place.slot) == (D(NEW_PRICE), bench.order.slot)
    bench.desk.reply(place, OrderAnswer(facts=facts(place.client_order_id, 13, price=NEW_PRICE)))
    assert bench.results[0].routing is Routing.CANCEL_RESUBMIT


def test_the_order_limit_cancels_nothing(bench: PairBench) -> None:
    """429/-1015 to the pair: nothing was done, the old order stays, and no pair leaves before the window ends."""
    bench.desk.refuse(bench.pair(on_reject=OnReject.RESUBMIT), error(-1015, "Too many new orders.", 429, 8000))
    assert bench.order.is_working
    bench.want("1", Routing.CANCEL_REPLACE, OnReject.KEEP, "97")
    assert len(bench.desk.ever(Replace)) == 1
    assert not bench.desk.ever(Cancel)


def test_not_beside_a_pending_cancel(bench: PairBench) -> None:
    """I6: while another order of the side is leaving, no pair leaves."""
    other = bench.desk.rest(want(price="97", slot=(1, 0)), order_id=14)
    bench.script.cancels = [WantCancel(client_order_id=other.client_order_id, reason="test")]
    bench.want("1", Routing.CANCEL_REPLACE, OnReject.KEEP, NEW_PRICE)
    assert not bench.desk.ever(Replace)
    assert bench.order.is_working


def test_nothing_else_in_its_slot(bench: PairBench) -> None:
    """I9: neither a place nor a second change while the pair has no answer; none in the slot either while only one half is known."""
    pair = bench.pair()
    bench.script.places = [want(price="97")]
    bench.want("1", Routing.CANCEL_REPLACE, OnReject.KEEP, "97")
    bench.desk.step(report(bench.order.client_order_id, 11, "CANCELED", price="99"))
    bench.desk.wait(500)
    assert (len(bench.desk.ever(Replace)), len(bench.desk.ever(Place))) == (1, 1)
    assert bench.new(pair).is_open
    assert pair.command_id in bench.desk.books.amendments, "decided before the venue has spoken of the new order"


def test_funds_of_the_pair() -> None:
    """The pair fits where the old order's hold makes room; both holds count until the venue's word, so nothing else may use them."""
    bench = PairBench()
    bench.desk.step(position(bench.desk.ms, *balances(usdt="1", usdt_locked="99")))
    bench.want("1", Routing.CANCEL_REPLACE, OnReject.KEEP, "100.5")
    assert not bench.desk.ever(Replace), "1 USDT free and 99 of the old order are not 100.5"
    pair = bench.pair(price="99.5")
    assert bench.desk.books.account.reserved("USDT", bench.desk.books.orders) == D("198.5")
    bench.answer(pair, bench.canceled(), Half(outcome=Outcome.DONE, facts=facts(pair.client_order_id, 12, price="99.5")))
    assert bench.desk.books.account.reserved("USDT", bench.desk.books.orders) == D("99.5")


def test_one_order_of_the_budget(bench: PairBench) -> None:
    """A pair counts as one placement."""
    window = next(one for one in bench.desk.books.budget.windows if one.kind == "ORDERS")
    before = window.used
    bench.pair()
    assert window.used == before + 1


def test_pairs_of_one_side_leave_together(bench: PairBench) -> None:
    """Two orders of a side are replaced in one step: each pair is one."""
    other = bench.desk.rest(want(price="97", slot=(1, 0)), order_id=14)
    bench.script.amends = [wish(bench.order, "98"), wish(other, "96")]
    bench.desk.step(Timer(), after_ms=100)
    assert [pair.place.slot for pair in bench.desk.sent(Replace)] == [(0, 0), (1, 0)]


def test_it_survives_a_checkpoint(bench: PairBench) -> None:
    """A pair under way is part of the state: loaded elsewhere it has the same hash and hears its answer."""
    pair = bench.pair()
    other = Engine(bench.script, bench.desk.risk, bench.desk.engine.timing)
    load(other, parts(freeze(bench.desk.engine)))
    assert hash_of(other) == hash_of(bench.desk.engine)
    answer = ReplaceAnswer(canceled=bench.canceled(), placed=bench.placed(pair), by_socket=True)
    bench.desk.reply(pair, answer)
    other.step(bench.desk.ms * MS, (bench.desk.reply_event(pair, answer),))
    assert hash_of(other) == hash_of(bench.desk.engine)


def test_a_late_answer_is_still_the_venues_word(bench: PairBench) -> None:
    """After the deadline the answer comes all the same: both orders are known by it."""
    pair = bench.pair()
    bench.desk.wait(3100)
    bench.answer(pair, bench.canceled(), refused(CROSSED))
    assert not bench.new(pair).is_open
    assert bench.order.status is OrderStatus.CANCELED


def test_pulled_while_under_way() -> None:
    """A stop while the pair has no answer: the new order is canceled as soon as the venue has named it."""
    bench = PairBench()
    pair = bench.pair()
    bench.desk.step(StopRequested(reason="test"))
    assert not bench.desk.sent(Cancel)
    bench.answer(pair, bench.canceled(), bench.placed(pair))
    assert bench.desk.one(Cancel).venue_order_id == 12
