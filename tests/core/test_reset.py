"""core.reset: a venue that was wiped is recognised by denials and by ids that run backwards, and by nothing less."""

from core.events import OrderAnswer
from core.orders import Evidence
from core.reset import CONFIRM_MS, WHY
from core.types import Side
from tests.core.builders import Desk, facts, want

DENIED = OrderAnswer(facts=None, ids_ran_backwards=True)
OLD_MS = 14_000  # past the receive window and its grace


def resting(age_ms: int = OLD_MS) -> tuple[Desk, str]:
    """One order at the venue, and something that makes the bot ask about it."""
    desk = Desk().connect()
    order = desk.rest()
    desk.wait(age_ms, every_ms=1000)
    desk.books.orders.want_attention(order, desk.books.now_ns)
    return desk, order.client_order_id


def deny_for(desk: Desk, ms: int) -> None:
    """Every query of the next time is denied."""
    until_ms = desk.ms + ms
    while desk.ms < until_ms and not desk.books.was_reset:
        desk.reply(desk.query(), DENIED)


def test_denied_twice_long_apart_is_a_reset() -> None:
    """An old order denied twice, ten seconds apart, with ids that run backwards: a reset; the order ends with that evidence, the run stops."""
    desk, name = resting()
    desk.reply(desk.query(), DENIED)
    assert not desk.books.was_reset
    assert desk.order(name).is_open
    deny_for(desk, CONFIRM_MS + 3000)
    assert desk.books.was_reset
    assert desk.order(name).evidence is Evidence.RESET
    assert desk.books.session.stopping == WHY


def test_a_lagging_copy_is_no_reset() -> None:
    """A venue that denies an order and then knows it again was never reset, however often it denies it later for a moment."""
    desk, name = resting()
    for _ in range(3):
        deny_for(desk, CONFIRM_MS - 4000)
        desk.reply(desk.query(), OrderAnswer(facts=facts(name, 11, price="99")))
        desk.books.orders.want_attention(desk.order(name), desk.books.now_ns)
        assert desk.order(name).is_open
    assert not desk.books.was_reset


def test_a_denial_with_newer_orders_listed_is_no_reset() -> None:
    """Denied, yet the venue lists newer orders of ours: its ids go on, so nothing ends and the side stays red."""
    desk, name = resting()
    until_ms = desk.ms + 3 * CONFIRM_MS
    while desk.ms < until_ms:
        desk.reply(desk.query(), OrderAnswer(facts=None))
    assert not desk.books.was_reset
    assert desk.order(name).is_open
    assert desk.light(Side.BUY).colour == "red"


def test_a_young_order_is_not_judged() -> None:
    """Within the receive window and its grace a denial says nothing, even ten seconds after the first."""
    desk, name = resting(age_ms=0)
    deny_for(desk, CONFIRM_MS + 1500)
    assert not desk.books.was_reset
    assert desk.order(name).is_open


def test_others_end_one_by_one() -> None:
    """After the reset is known, another order ends with its own denial, never by that of the first."""
    desk = Desk().connect()
    first, other = desk.rest(want(slot=(0, 0)), 11), desk.rest(want(Side.SELL, "101", slot=(0, 1)), 12)
    desk.wait(OLD_MS, every_ms=1000)
    desk.books.orders.want_attention(first, desk.books.now_ns)
    while not desk.books.was_reset:
        desk.reply(desk.query(), DENIED)
    assert other.is_open
    desk.books.orders.want_attention(other, desk.books.now_ns)
    desk.reply(desk.query(), DENIED)
    assert other.evidence is Evidence.RESET


def test_a_lower_id_asks_about_the_newest_order() -> None:
    """A new order whose id is lower than an earlier one's makes the bot ask about that one, though it is over: after a wipe nothing may be open."""
    desk = Desk().connect()
    old = desk.rest(order_id=500)
    desk.reply(desk.cancel(old), OrderAnswer(facts=facts(old.client_order_id, 500, "CANCELED", price="99")))
    desk.wait(200)
    desk.rest(want(price="98"), order_id=3)
    assert desk.query().venue_order_id == 500
    desk.reply(desk.query(), OrderAnswer(facts=facts(old.client_order_id, 500, "CANCELED", price="99")))
    assert not desk.books.orders.attention, "the venue knows it: no more questions"


def test_answers_that_cross_are_no_reset() -> None:
    """Two orders on their way together may be answered in any order: a lower id of one made before the other was acknowledged asks nothing."""
    desk = Desk().connect()
    first, second = desk.place(want(slot=(0, 0))), desk.place(want(price="98", slot=(0, 1)))
    desk.reply(second, OrderAnswer(facts=facts(second.client_order_id, 12, price="98")))
    desk.reply(first, OrderAnswer(facts=facts(first.client_order_id, 11)))
    assert not desk.books.orders.attention
