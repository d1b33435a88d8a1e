"""The venue's word on a pending entry while the user stream is down or silent: the query lane asks every 200 ms (core.resolver)."""

from core.commands import Cancel, Query
from core.events import OrderAnswer, StreamDown
from core.orders import Order
from core.types import Connection, Side
from tests.core.builders import facts, fill
from tests.trading.floor import D, Floor


def resting() -> tuple[Floor, Order]:
    desk = Floor()
    desk.connect()
    return desk, desk.enter()


def unplugged() -> tuple[Floor, Order]:
    desk, order = resting()
    desk.step(StreamDown(connection=Connection.USER, reason="reset"))
    return desk, order


def answer(desk: Floor, query: Query, order: Order, status: str = "NEW", executed: str = "0") -> None:
    fills = (fill(7, order.venue_order_id or 0, order.client_order_id, price=str(order.price), quantity=executed),) if executed != "0" else ()
    shape = {"price": str(order.price), "quantity": str(order.quantity)}
    said = facts(order.client_order_id, order.venue_order_id or 0, status, executed, fills=fills, **shape)  # type: ignore[arg-type]
    desk.reply(query, OrderAnswer(facts=said))


def asked_within(desk: Floor, order: Order, ms: int, status: str = "NEW") -> int:
    """How many questions leave in that time, where each is answered at once."""
    count, ends_ms = 0, desk.ms + ms
    while desk.ms < ends_ms:
        desk.touch("99.99", "100.01", after_ms=50)
        for query in desk.sent(Query):
            count += 1
            answer(desk, query, order, status)
    return count


def test_while_the_stream_is_down_the_entry_is_pulled_and_asked_about_every_200_ms() -> None:
    """Red pulls it (I22); its cancel has no answer, and five times a second the venue is asked; an order without a task is not."""
    desk, order = unplugged()
    assert desk.one(Cancel).client_order_id == order.client_order_id
    assert [query.client_order_id for query in desk.sent(Query)] == [order.client_order_id]
    assert desk.sent(Query)[0].reason == "the user stream is silent"
    answer(desk, desk.sent(Query)[0], order)
    assert asked_within(desk, order, 1000) in (4, 5)
    order.memo = ""
    assert asked_within(desk, order, 1000) == 0


def test_a_fill_heard_by_the_question_makes_the_lot_before_the_stream_is_back() -> None:
    """The order was filled while the stream was down: the answer books it, and the lot is committed in that step."""
    desk, order = unplugged()
    answer(desk, desk.sent(Query)[0], order, "FILLED", "2")
    (lot,) = desk.trader.lots.open[Side.BUY]
    assert (lot.quantity, lot.is_committed, desk.trader.entries) == (D(2), True, {})
    assert not desk.books.session.up[Connection.USER]


def test_the_questions_stay_within_their_share_of_the_weight() -> None:
    """Of 400 weight a minute half may go into questions of weight 9: one in 2.7 s, not five a second."""
    desk, order = resting()
    for window in desk.books.budget.windows:
        window.limit = 400
    desk.step(StreamDown(connection=Connection.USER, reason="reset"))
    answer(desk, desk.sent(Query)[0], order)
    assert asked_within(desk, order, 2600) == 0
    assert asked_within(desk, order, 300) == 1


def test_a_stream_that_is_up_and_says_nothing_of_the_entry_is_not_waited_for() -> None:
    """Acknowledged by its reply, never mentioned by the stream: after 200 ms the venue is asked. Once the stream has spoken nobody asks."""
    desk, order = resting()
    assert asked_within(desk, order, 1000) == 0
    order.reported = False
    desk.touch("99.99", "100.01", after_ms=10)
    assert desk.sent(Query) == []
    assert asked_within(desk, order, 450) == 2
    order.reported = True
    assert asked_within(desk, order, 1000) == 0


def test_a_touch_that_shows_the_order_gone_is_asked_about() -> None:
    """The best bid fell below the entry's price, so that order is not there any more; the stream has said nothing for 200 ms: the venue is asked."""
    desk, _ = resting()
    desk.touch("99.90", "99.92")
    assert desk.sent(Query) == []
    desk.touch("99.90", "99.92", after_ms=210)
    assert len(desk.sent(Query)) == 1
