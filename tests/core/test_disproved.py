"""Evidence that the venue disproves: an order that had ended as never rested is on the book after all (I5, I10)."""

import pytest

from core.commands import Cancel, Place, ReadAccount
from core.events import Operator, OperatorAction, OrderAnswer, Outcome
from core.orders import Evidence, Order
from core.types import OrderStatus
from tests.core.builders import Desk, error, facts, fill, report, want


def not_found(desk: Desk, place: Place) -> None:
    desk.lose(place)
    desk.wait(22_000)
    query = next(one for one in reversed(desk.log) if getattr(one, "since_ms", None) is not None)
    desk.reply(query, OrderAnswer(facts=None, searched=True))


def refused(desk: Desk, place: Place) -> None:
    desk.refuse(place, error(-1013))


def not_sent(desk: Desk, place: Place) -> None:
    desk.reply(place, outcome=Outcome.NOT_SENT, note="socket down")


def ended(desk: Desk, how: object) -> Order:
    place = desk.place(want())
    assert callable(how)
    how(desk, place)
    order = desk.order(place.client_order_id)
    assert order.status is OrderStatus.REJECTED
    return order


@pytest.mark.parametrize("how", [not_found, refused, not_sent])
def test_the_stream_tells_of_an_order_that_never_was(how: object) -> None:
    """By whatever evidence it had ended: in the step in which the stream shows it on the book it is open again, said, and canceled."""
    desk = Desk().connect()
    order = ended(desk, how)
    evidence = order.evidence
    desk.step(report(order.client_order_id, 11, price="99"))
    assert desk.one(Cancel).venue_order_id == 11
    assert order.is_open and not desk.light().is_green
    assert evidence is not None and f"though it had ended: {evidence.value}" in desk.words()
    part = fill(1, 11, order.client_order_id, quantity="0.4", price="99")
    desk.step(report(order.client_order_id, 11, "PARTIALLY_FILLED", "0.4", trade=part, price="99"))
    gone = facts(order.client_order_id, 11, "CANCELED", "0.4", price="99")
    desk.reply(desk.ever(Cancel)[-1], OrderAnswer(facts=gone))
    assert (order.status, order.evidence, str(order.booked)) == (OrderStatus.CANCELED, Evidence.ANSWER, "0.4")


def test_a_reading_shows_an_order_that_never_was() -> None:
    """With the stream silent of it the next account read brings it back, and its slot may be another's by now."""
    desk = Desk().connect()
    order = ended(desk, refused)
    beside = desk.rest(order_id=12)
    desk.step(Operator(action=OperatorAction.PROVE))
    both = (facts(order.client_order_id, 11, price="99"), facts(beside.client_order_id, 12, price="99"))
    desk.reply(desk.one(ReadAccount), desk.account(open_orders=both))
    assert [one.venue_order_id for one in desk.sent(Cancel)] == [11]
    assert beside.is_working and order.slot is None


@pytest.mark.parametrize("said", ["NEW", "PARTIALLY_FILLED"])
def test_the_venues_own_ending_stays(said: str) -> None:
    """What the venue had ended is not opened again by an older word."""
    desk = Desk().connect()
    order = desk.rest()
    desk.step(report(order.client_order_id, 11, "CANCELED"))
    desk.step(report(order.client_order_id, 11, said))
    assert not order.is_open and not desk.sent(Cancel)


def test_words_that_cannot_both_be_are_said_once() -> None:
    """A pair of words that contradict each other is told when it is first met, and counted ever after."""
    desk = Desk().connect()
    order = desk.rest()
    desk.step(report(order.client_order_id, 11, "FILLED", "1", trade=fill(1, 11, order.client_order_id)))
    desk.step(report(order.client_order_id, 11, "CANCELED", "1"))
    assert "cannot both be: FILLED, then CANCELED" in desk.words()
    desk.step(report(order.client_order_id, 11, "CANCELED", "1"))
    assert "cannot both be" not in desk.words()
    assert desk.books.orders.contradictions == 2
