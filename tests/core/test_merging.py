"""What is merged late: an account read beside what the stream told meanwhile, an answer to a question of before, a list's two legs."""

from core.commands import ReadAccount, ReadDepth
from core.events import BalanceUpdate, Operator, OperatorAction, OrderAnswer, Outcome, StreamDown, StreamGap, StreamUp
from core.orders import Order
from core.types import Balance, Connection, OrderStatus, Side
from tests.core.builders import MS, START_MS, D, Desk, depth_snapshot, facts, fill, position, report, want

MARKET, USER = Connection.MARKET, Connection.USER


def read(desk: Desk) -> ReadAccount:
    desk.step(Operator(action=OperatorAction.PROVE))
    return desk.one(ReadAccount)


def test_a_movement_from_before_the_books_is_in_them() -> None:
    """I1: a deposit told late, from before the balance the books begin with, is counted by that balance and not once more."""
    desk = Desk().connect()
    desk.step(BalanceUpdate(asset="USDT", delta=D(50), time_ms=START_MS - 1))
    assert desk.books.account.movements == {}
    desk.step(BalanceUpdate(asset="USDT", delta=D(50), time_ms=START_MS + 1))
    assert desk.books.account.movements == {"USDT": D(50)}


def test_nameless_trades_are_booked_with_the_listing_of_their_order() -> None:
    """I2: a place without an answer whose trades a reading brought by venue id alone: the next listing names the order, and books them at once."""
    desk = Desk().connect()
    place = desk.place(want())
    desk.reply(read(desk), desk.account(trades=(fill(1, 11, "", price="99", quantity="0.4"),)))
    assert desk.books.orphan_trades == 1
    listed = facts(place.client_order_id, 11, "PARTIALLY_FILLED", "0.4", price="99")
    desk.wait(1500)
    desk.reply(next(one for one in reversed(desk.log) if isinstance(one, ReadAccount)), desk.account(open_orders=(listed,)))
    assert (desk.order(place.client_order_id).booked, desk.books.orphan_trades) == (D("0.4"), 0)


def test_a_place_that_is_said_not_to_have_left_though_the_venue_speaks_of_it() -> None:
    """I5: "never left" is no ending for an order that the stream has shown: it is asked about."""
    desk = Desk().connect()
    place = desk.place(want())
    desk.step(report(place.client_order_id, 11, price="99"))
    desk.reply(place, outcome=Outcome.NOT_SENT, note="socket down")
    order = desk.order(place.client_order_id)
    assert order.status is OrderStatus.NEW and order.is_open and order.resolve


def test_a_list_holds_the_greater_of_its_legs() -> None:
    """I13: of a list with unequal legs the funds of the dearer one are held, once."""
    desk = Desk().connect()
    for name, partner, price in (("gltest-m0-1", "gltest-m0-2", "95"), ("gltest-m0-2", "gltest-m0-1", "110")):
        desk.books.orders.add(
            Order(
                symbol="BTCUSDT",
                side=Side.BUY,
                client_order_id=name,
                price=D(price),
                quantity=D(2),
                created_ns=0,
                partner=partner,
                is_listed=True,
            )
        )
    assert desk.books.account.reserved("USDT", desk.books.orders) == D(220)


def test_a_depth_read_of_the_old_connection_builds_no_book() -> None:
    """I24: the answer to a question asked before the market stream was lost is not taken; the book is read anew over the next connection."""
    desk = Desk()
    desk.step(StreamUp(connection=MARKET), StreamUp(connection=USER))
    old = desk.one(ReadDepth)
    desk.step(StreamDown(connection=MARKET, reason="lost"))
    desk.step(StreamUp(connection=MARKET))
    desk.reply(old, depth_snapshot(100))
    assert not desk.books.market["BTCUSDT"].depth.in_step
    desk.reply(desk.ever(ReadDepth)[-1], depth_snapshot(101))
    assert desk.books.market["BTCUSDT"].depth.in_step


def test_a_stranger_s_order_that_is_gone_holds_nothing() -> None:
    """I13: what a stranger's orders hold is what the newest reading lists; the end of one that nobody told of frees its funds."""
    desk = Desk().connect()
    theirs = facts("web_1", 50, price="99", quantity="10")
    desk.reply(read(desk), desk.account(open_orders=(theirs,)))
    before = desk.books.account.available("USDT", desk.books.orders)
    desk.step(StreamGap(connection=USER, reason="test"))
    desk.reply(desk.one(ReadAccount), desk.account())
    assert desk.books.account.available("USDT", desk.books.orders) == before + 990


def test_a_fill_of_the_balances_ms_told_while_they_were_read_still_counts() -> None:
    """I13: balances of the same ms as a fill that was learned after they were asked for may be from before it: it counts until newer ones come."""
    desk = Desk().connect()
    order = desk.rest()
    place = desk.place(want(slot=(0, 1)))
    asked = read(desk)
    asked_ns = desk.ms * MS
    at_ms = desk.ms + 5
    bought = fill(1, 12, place.client_order_id, price="99", time_ms=at_ms)
    answer = OrderAnswer(facts=facts(place.client_order_id, 12, "FILLED", "1", price="99", fills=(bought,)))
    desk.step(desk.reply_event(place, answer), after_ms=10)  # the answer tells of it, not the stream
    read_back = desk.account(open_orders=(facts(order.client_order_id, 11, price="99"),), update_ms=at_ms)
    desk.step(desk.reply_event(asked, read_back, sent_ns=asked_ns), after_ms=10)
    assert [spent.amount for spent in desk.books.account.spent_since["USDT"]] == [D(99)]
    desk.step(position(at_ms + 1, Balance(asset="USDT", free=D(9802), locked=D(99))))
    assert desk.books.account.spent_since["USDT"] == []
