"""core.engine and one order's life: placing, canceling, lost words, late words, duplicates, fills."""

import pytest

from core.books import Timing
from core.commands import Cancel, Place, Query
from core.events import OrderAnswer, Outcome, StreamDown, Timer
from core.light import Colour
from core.orders import Evidence
from core.types import Connection, OrderStatus, Side
from core.view import WantCancel
from tests.core.builders import BTC, ETH, MS, TAG, D, Desk, error, facts, fill, report, want

S = OrderStatus


def ready() -> Desk:
    return Desk().connect()


# -- placing -------------------------------------------------------------------------------------
def test_place_is_marked_before_it_leaves() -> None:
    """The order is in the books as asked, and its funds reserved, in the step that gives the command out."""
    desk = ready()
    place = desk.place(want(price="99", quantity="2"))
    order = desk.order(place.client_order_id)
    assert order.place_asked is not None
    assert (order.place_asked.command_id, order.status) == (place.command_id, S.UNSEEN)
    assert desk.books.account.available("USDT", desk.books.orders) == 10_000 - 198
    assert place.not_after_ns == (desk.ms + desk.engine.timing.place_not_after_ms) * MS
    assert place.client_order_id == f"{TAG}-m0-{place.command_id}"


def test_command_numbers_and_client_ids_are_never_reused() -> None:
    """Every command of a boot has its own number, and every place its own client id (I11)."""
    desk = ready()
    for n in range(5):
        order = desk.rest(order_id=11 + n)
        desk.reply(desk.cancel(order), OrderAnswer(facts=facts(order.client_order_id, 11 + n, "CANCELED", price="99")))
    numbers = [command.command_id for command in desk.log]
    assert len(set(numbers)) == len(numbers)
    assert len({place.client_order_id for place in desk.ever(Place)}) == 5


def test_taken_slot_is_denied() -> None:
    """A slot holds at most one live-or-undecided order (I9)."""
    desk = ready()
    desk.place()
    desk.script.places = [want()]
    desk.step(Timer())
    assert not desk.sent(Place)
    assert desk.engine.denials["BTCUSDT", Side.BUY] == ("slot (0, 0) is taken", "its order ends")


def test_no_two_orders_without_an_answer_are_alike() -> None:
    """A second place of the same side, price and quantity waits for the venue's word on the first: a search could not tell which one arrived."""
    desk = Desk()
    desk.script.places = [want(), want(slot=(1, 0)), want(quantity="0.9", slot=(2, 0))]
    desk.connect()
    twin, other = desk.sent(Place)
    assert "alike" in desk.words()
    assert other.quantity == D("0.9")
    desk.script.places = [want(slot=(1, 0))]
    desk.reply(twin, OrderAnswer(facts=facts(twin.client_order_id, 11)))
    assert desk.one(Place).slot == (1, 0)


def test_place_beyond_funds_is_denied_with_its_reason() -> None:
    """No request above what is available; the reason names both amounts, once, and not at every step (I13)."""
    desk = ready()
    desk.script.places = [want(price="99", quantity="102")]
    desk.step(Timer())
    assert not desk.sent(Place)
    assert "needs 10098 USDT, 10000 available" in desk.words()
    desk.step(Timer())
    assert "denied" not in desk.words()


def test_place_waits_for_funds_of_a_pending_cancel() -> None:
    """What a pending cancel on the other symbol holds is named with amount, symbol and side."""
    desk = Desk(symbols=(BTC, ETH)).connect()
    order = desk.rest(want(symbol="ETHUSDT", price="99", quantity="100"))
    desk.cancel(order)
    desk.script.places = [want(price="99", quantity="10")]
    desk.step(Timer())
    assert desk.engine.denials["BTCUSDT", Side.BUY] == ("9900 USDT held by a pending cancel, ETHUSDT BUY", "that cancel's answer")


def test_refused_place_ends_with_evidence() -> None:
    """The venue's no in the request's own reply ends the order and frees its slot and funds."""
    desk = ready()
    place = desk.place()
    desk.refuse(place, error(-2010, "Account has insufficient balance for requested action."))
    order = desk.order(place.client_order_id)
    assert (order.status, order.evidence) == (S.REJECTED, Evidence.REFUSED)
    assert desk.books.account.reserved("USDT", desk.books.orders) == 0
    assert desk.light().is_green


def test_equal_refusals_brake_the_side() -> None:
    """The second equal refusal in a row makes the side wait, each further one twice as long up to 8 s (seed 6016), and a yes resets the count."""
    desk = Desk(timing=Timing(book_age_ms_max=3_600_000)).connect()
    for wait_ms in (0, 1000, 2000, 4000, 8000, 8000):
        desk.refuse(desk.place(), error(-2010, "Order would immediately match and take."))
        assert desk.light().colour is (Colour.AMBER if wait_ms else Colour.GREEN)
        desk.step(after_ms=wait_ms)
        assert desk.light().is_green
    desk.rest()
    assert ("BTCUSDT", Side.BUY) not in desk.books.refusals


def test_not_sent_place_never_was() -> None:
    """A place that never left this process ends with that evidence, and the side stays green."""
    desk = ready()
    place = desk.place()
    desk.reply(place, outcome=Outcome.NOT_SENT, note="stale", sent_ns=0)
    assert desk.order(place.client_order_id).evidence is Evidence.NOT_SENT
    assert desk.light().is_green


# -- four ticks ----------------------------------------------------------------------------------
def test_the_four_ticks() -> None:
    """Bad orders are canceled in one batch; pending cancels mean wait; the venue's word clears; green places."""
    desk = ready()
    first, second = desk.rest(want(slot=(0, 0))), desk.rest(want(price="98", slot=(0, 1)), order_id=12)
    desk.script.cancels = [WantCancel(client_order_id=order.client_order_id, reason="bad") for order in (first, second)]
    desk.step(Timer())
    cancels = desk.sent(Cancel)
    assert [cancel.venue_order_id for cancel in cancels] == [11, 12]
    desk.script.cancels, desk.script.places = [], [want(price="97")]
    desk.step(Timer(), after_ms=10)
    assert not desk.last.commands
    assert desk.engine.denials["BTCUSDT", Side.BUY][0] == "2 cancels pending"
    desk.reply(cancels[0], OrderAnswer(facts=facts(first.client_order_id, 11, "CANCELED")))
    assert not desk.sent(Place)
    desk.reply(cancels[1], OrderAnswer(facts=facts(second.client_order_id, 12, "CANCELED", price="98")))
    assert desk.one(Place).price == 97
    assert (first.evidence, first.status) == (Evidence.ANSWER, S.CANCELED)


def test_cancel_of_an_unanswered_place_waits_for_its_word() -> None:
    """No cancel is sent for an order whose place has no answer; it leaves in the step in which the word arrives."""
    desk = ready()
    place = desk.place()
    desk.step(StreamDown(connection=Connection.MARKET, reason="reset"))
    assert not desk.ever(Cancel)
    desk.reply(place, OrderAnswer(facts=facts(place.client_order_id, 11, price="99")))
    assert desk.one(Cancel).venue_order_id == 11


# -- lost words ----------------------------------------------------------------------------------
def test_unknown_place_is_red_queried_and_adopted() -> None:
    """A place without an answer turns its side red, is queried, never sent again, and the answer decides."""
    desk = ready()
    place = desk.place()
    desk.lose(place)
    assert (desk.light().colour, desk.light(Side.SELL).colour) == (Colour.RED, Colour.GREEN)
    assert desk.books.account.reserved("USDT", desk.books.orders) == 99
    query = desk.query()
    desk.reply(query, OrderAnswer(facts=facts(place.client_order_id, 11, price="99")))
    assert desk.light().is_green
    assert (desk.order(place.client_order_id).status, len(desk.ever(Place))) == (S.NEW, 1)


def test_no_reply_by_the_deadline_is_unknown() -> None:
    """The deadline is judged by a Timer event: unknown, red, funds stay reserved, the venue is asked."""
    desk = ready()
    place = desk.place()
    order = desk.order(place.client_order_id)
    assert not [c for c in desk.wait(2900) if isinstance(c, Query)]
    assert not order.is_unknown
    assert [c for c in desk.wait(200) if isinstance(c, Query)]
    assert order.is_unknown
    assert order.is_open
    assert desk.light().reason == f"outcome unknown: {order.client_order_id}"


def test_queries_back_off_and_never_stop() -> None:
    """Unanswered doubts are asked about again with growing gaps, at most the resolver interval apart."""
    desk = ready()
    desk.lose(desk.place())
    asked_ms: list[int] = []
    for _ in range(200):
        for query in desk.sent(Query):
            asked_ms.append(desk.ms)
            desk.lose(query)
        desk.step(Timer(), after_ms=50)
    gaps = [b - a for a, b in zip(asked_ms, asked_ms[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= 250
    assert gaps[-1] == desk.engine.timing.resolver_interval_ms_max


def test_not_found_counts_only_after_13_seconds_and_the_order_list() -> None:
    """"Does not exist" ends an undecided place only once it can no longer reach the engine and the order list was searched too."""
    desk = Desk(timing=Timing(book_age_ms_max=60_000)).connect()
    place = desk.place()
    order = desk.order(place.client_order_id)
    desk.lose(place)
    begun = desk.ms
    while order.is_open:
        assert desk.ms < begun + 20_000
        for query in desk.sent(Query):
            searched = query.since_ms is not None
            assert searched == (desk.ms - begun > 13_000)
            if searched:
                assert query.since_ms is not None
                assert query.since_ms < begun
            desk.reply(query, OrderAnswer(facts=None, searched=searched))
        desk.step(Timer(), after_ms=100)
    assert (order.status, order.evidence) == (S.REJECTED, Evidence.NOT_FOUND)
    assert desk.ms > begun + 13_000
    assert desk.light().is_green


def test_unknown_cancel_is_queried_and_canceled_again() -> None:
    """A lost cancel is not repeated blindly: query first, and if still open cancel again; both carry the name of their order."""
    desk = ready()
    order = desk.rest()
    first = desk.cancel(order)
    desk.lose(first)
    assert desk.light().colour is Colour.RED
    assert not desk.sent(Cancel)
    query = desk.query()
    assert query.venue_order_id == 11
    desk.reply(query, OrderAnswer(facts=facts(order.client_order_id, 11, price="99")))
    again = desk.one(Cancel)
    assert again.cancel_id == first.cancel_id == f"{order.client_order_id}c"
    assert again.command_id != first.command_id
    desk.reply(again, OrderAnswer(facts=facts(order.client_order_id, 11, "CANCELED", price="99")))
    assert desk.light().is_green


def test_cancel_without_a_reply_is_unknown_at_its_deadline() -> None:
    """A cancel nobody answers turns the side from amber to red, and the order is queried by its venue id."""
    desk = ready()
    order = desk.rest()
    desk.cancel(order)
    desk.wait(2900)
    assert desk.light().colour is Colour.AMBER
    asked = [command for command in desk.wait(200) if isinstance(command, Query)]
    assert [query.venue_order_id for query in asked] == [11]
    assert desk.light().colour is Colour.RED


def test_late_answer_of_an_older_query_is_ignored() -> None:
    """Only the query under way may speak: an older one saw an older venue."""
    desk = ready()
    place = desk.place()
    desk.lose(place)
    first = desk.query()
    later = [command for command in desk.wait(7000) if isinstance(command, Query)]
    assert later
    desk.reply(first, OrderAnswer(facts=None, searched=True))
    assert desk.order(place.client_order_id).is_open


def test_wanted_cancel_waits_for_the_places_word_even_with_a_known_id() -> None:
    """While the place itself has no answer no cancel leaves, whatever else is known."""
    desk = ready()
    order = desk.order(desk.place().client_order_id)
    desk.books.orders.learn_venue_id(order, 11)
    order.cancel_wanted = "bad"
    desk.step(Timer())
    assert not desk.sent(Cancel)


def test_2011_on_a_cancel_is_unknown_until_the_query_and_its_fill_is_booked() -> None:
    """Not open may mean filled: the side stays red, the query by order id decides, and the fill is booked once."""
    desk = ready()
    order = desk.rest()
    desk.refuse(desk.cancel(order), error(-2011, "Unknown order sent."))
    assert (order.is_open, desk.light().colour) == (True, Colour.RED)
    query = desk.query()
    trade = fill(5, 11, order.client_order_id, price="99")
    desk.reply(query, OrderAnswer(facts=facts(order.client_order_id, 11, "FILLED", "1", price="99", fills=(trade,))))
    assert (order.status, order.booked, order.evidence) == (S.FILLED, D(1), Evidence.QUERY)
    assert desk.light().is_green
    desk.step(report(order.client_order_id, 11, "FILLED", "1", trade=trade, price="99"))
    assert desk.books.fill_count() == 1


@pytest.mark.parametrize("late", [Outcome.NOT_SENT, Outcome.REFUSED, Outcome.DONE])
def test_late_reply_after_the_deadline_decides(late: Outcome) -> None:
    """A reply after its deadline still carries the venue's word: the order is settled and the side turns green."""
    desk = ready()
    place = desk.place()
    desk.wait(3100)
    assert desk.light().colour is Colour.RED
    answer = OrderAnswer(facts=facts(place.client_order_id, 11, price="99")) if late is Outcome.DONE else None
    desk.reply(place, answer, outcome=late, error=error(-2010) if late is Outcome.REFUSED else None)
    assert desk.light().is_green
    assert desk.order(place.client_order_id).status is (S.NEW if late is Outcome.DONE else S.REJECTED)


def test_duplicate_reply_is_ignored() -> None:
    """Exactly one reply counts per command; a second one changes nothing."""
    desk = ready()
    place = desk.place()
    done = desk.reply_event(place, OrderAnswer(facts=facts(place.client_order_id, 11, price="99")))
    desk.step(done)
    before = desk.books.touched_ns
    desk.step(done, desk.reply_event(place, outcome=Outcome.REFUSED, error=error(-2010)), after_ms=5)
    assert desk.order(place.client_order_id).status is S.NEW
    assert desk.books.touched_ns == before


def test_refusal_of_an_order_the_stream_has_seen_is_unknown() -> None:
    """A no that contradicts the stream ends nothing: the venue is asked."""
    desk = ready()
    place = desk.place()
    desk.step(report(place.client_order_id, 11, price="99"))
    desk.refuse(place, error(-2010, "Duplicate order sent."))
    assert desk.order(place.client_order_id).is_open
    assert desk.sent(Query)


def test_stream_rejected_ends_nothing() -> None:
    """x=REJECTED in the stream is no evidence: it may speak of a refused duplicate (I5)."""
    desk = ready()
    place = desk.place()
    desk.step(report(place.client_order_id, -1, "REJECTED", execution_type="REJECTED"))
    order = desk.order(place.client_order_id)
    assert (order.is_open, order.venue_order_id) == (True, None)


def test_cancel_refused_for_another_reason_is_tried_again() -> None:
    """A definite no to a cancel leaves the order open; the cancel is wanted again after a moment, not at once."""
    desk = ready()
    order = desk.rest()
    desk.refuse(desk.cancel(order), error(-1008, "Server overloaded", 400))
    assert not desk.sent(Cancel)
    assert order.is_leaving
    assert [c for c in desk.wait(400) if isinstance(c, Cancel)]


# -- fills ---------------------------------------------------------------------------------------
def test_fill_by_stream_and_by_reply_is_booked_once() -> None:
    """The same trade in the place's reply and in a report counts once (I3)."""
    desk = ready()
    place = desk.place(want(price="99"))
    trade = fill(9, 11, place.client_order_id, price="99")
    desk.step(report(place.client_order_id, 11, "FILLED", "1", trade=trade, price="99"))
    desk.reply(place, OrderAnswer(facts=facts(place.client_order_id, 11, "FILLED", "1", price="99", fills=(trade,))))
    assert (desk.books.fill_count(), desk.books.position("BTCUSDT")) == (1, D(1))


def test_missing_trade_is_asked_for() -> None:
    """A CANCELED report with more executed than booked puts the order on the resolve list, and its trades are read (I2, I4)."""
    desk = ready()
    order = desk.rest()
    desk.step(report(order.client_order_id, 11, "CANCELED", "0.4", price="99"))
    assert order.client_order_id in desk.books.orders.attention
    assert desk.light().colour is Colour.RED
    query = desk.query()
    assert query.known_executed == 0
    trade = fill(3, 11, order.client_order_id, price="99", quantity="0.4")
    desk.reply(query, OrderAnswer(facts=facts(order.client_order_id, 11, "CANCELED", "0.4", price="99", fills=(trade,))))
    assert (order.booked, desk.light().is_green) == (D("0.4"), True)


def test_fill_starts_the_cool_down() -> None:
    """After a fill its side waits for the configured time, the other side does not."""
    desk = Desk(timing=Timing(cooldown_ms=500)).connect()
    order = desk.rest()
    desk.step(report(order.client_order_id, 11, "FILLED", "1", trade=fill(1, 11, price="99"), price="99"))
    assert (desk.light().reason, desk.light(Side.SELL).is_green) == ("cool-down after a fill", True)
    desk.step(Timer(), after_ms=500)
    assert desk.light().is_green


def test_unknown_status_word_is_kept_and_said() -> None:
    """A word we do not know ends nothing and is shown to a person."""
    desk = ready()
    order = desk.rest()
    desk.step(report(order.client_order_id, 11, "PENDING_CANCEL", price="99"))
    assert (order.is_open, order.unknown_word) == (True, "PENDING_CANCEL")
    assert "PENDING_CANCEL" in desk.words()


def test_renamed_order_is_found_by_its_venue_id() -> None:
    """A stranger's cancel renames the client id; the report still ends our order."""
    desk = ready()
    order = desk.rest()
    desk.step(report("stranger-1", 11, "CANCELED", price="99"))
    assert (order.status, order.evidence) == (S.CANCELED, Evidence.REPORT)
