"""strategy.MarketMaker with `amend.price: replace`: a side whose orders are bad for nothing but their price goes there in one command each."""

from msgspec import structs

from core.commands import Cancel, Place, Replace
from core.events import Half, Outcome, ReplaceAnswer, Timer
from core.ports import Capabilities
from core.types import Side
from strategy import MarketMaker
from tests.core.builders import BTC, D, Desk, balances, error, facts
from tests.test_strategy import BAND, OUTER, answer, confirm, move
from trading.amend import Amending, Policy, PriceMove
from trading.bands import Band
from trading.quoting import SymbolQuoting

REPLACEABLE = structs.replace(BTC, replace_allowed=True)
ONE_COMMAND = Amending(can=Capabilities(cancel_replace=True), policy=Policy(price=PriceMove.REPLACE))


def moving(*bands: Band, amending: Amending = ONE_COMMAND, cap: str = "0", rules: object = REPLACEABLE) -> Desk:
    """A market maker whose first quotes rest around 100."""
    bands = bands or (BAND,)
    quoting = SymbolQuoting(bid_bands=bands, ask_bands=bands, inventory_cap=D(cap))
    desk = Desk(MarketMaker({"BTCUSDT": quoting}, amending), symbols=(rules,)).connect()  # type: ignore[arg-type]
    answer(desk)
    return desk


def replaced(desk: Desk, pair: Replace, order_id: int) -> None:
    """Both halves done."""
    old, new = pair.cancel, pair.place
    canceled = facts(old.client_order_id, old.venue_order_id, "CANCELED", side=old.side, price=str(old.price), quantity=str(old.quantity))
    placed = facts(new.client_order_id, order_id, side=new.side, price=str(new.price), quantity=str(new.quantity))
    halves = ReplaceAnswer(canceled=Half(outcome=Outcome.DONE, facts=canceled), placed=Half(outcome=Outcome.DONE, facts=placed))
    desk.reply(pair, halves)


def test_a_moved_market_is_followed_in_one_command() -> None:
    """The mid falls out of the bands: each order is replaced at the target of its band, in its slot; no cancel, no place, no empty side."""
    desk = moving(BAND, OUTER)
    move(desk, "99.86", "99.88")
    pairs = desk.sent(Replace)
    assert [(pair.side, pair.price, pair.quantity, pair.place.slot) for pair in pairs if pair.side is Side.SELL] == [
        (Side.SELL, D("99.97"), D(1), (0, 0)),
        (Side.SELL, D("100.17"), D(2), (1, 0)),
    ]
    assert not desk.sent(Cancel)
    for number, pair in enumerate(pairs):
        replaced(desk, pair, 1000 + number)
    assert len(desk.books.orders.open()) == 4
    assert len(desk.ever(Place)) == 4
    assert desk.light(Side.SELL).is_green


def test_the_default_is_two_ticks() -> None:
    """Without the policy, with a venue that cannot, or a symbol that does not allow it: cancel, the word, place."""
    cannot = Amending(policy=Policy(price=PriceMove.REPLACE))
    for desk in (moving(amending=Amending(can=Capabilities(cancel_replace=True))), moving(amending=cannot), moving(rules=BTC)):
        move(desk, "99.86", "99.88")
        assert not desk.sent(Replace)
        assert desk.sent(Cancel)


def test_one_that_must_go_takes_all_the_old_way() -> None:
    """An order of the side that is bad for more than its price is canceled, and then nothing is placed beside the cancel: all of them are."""
    desk = moving(BAND, OUTER, cap="3")
    desk.books.account.on_position(balances(btc="12.5"), desk.ms + 1)
    move(desk, "99.86", "99.88")
    bids = [command for command in desk.sent(Cancel) if command.side is Side.BUY]
    assert len(bids) == 2
    assert all(pair.side is Side.SELL for pair in desk.sent(Replace))


def test_canceled_and_not_replaced_is_placed_again() -> None:
    """409/-2021: the slot is empty and the next green decision fills it, one tick farther back."""
    desk = moving()
    move(desk, "99.86", "99.88")
    pair = next(one for one in desk.sent(Replace) if one.side is Side.SELL)
    old = pair.cancel
    canceled = facts(old.client_order_id, old.venue_order_id, "CANCELED", side=old.side, price=str(old.price), quantity=str(old.quantity))
    crossed = Half(outcome=Outcome.REFUSED, error=error(-2010, "Order would immediately match and take."))
    desk.reply(pair, ReplaceAnswer(canceled=Half(outcome=Outcome.DONE, facts=canceled), placed=crossed))
    desk.step(Timer(), after_ms=10)
    (place,) = (one for one in desk.ever(Place)[2:] if one.side is Side.SELL)
    assert place.slot == (0, 0)


def test_after_a_no_the_old_way() -> None:
    """A pair that was refused as a whole is not tried again for that order: it is canceled."""
    desk = moving()
    move(desk, "99.86", "99.88")
    pair = next(one for one in desk.sent(Replace) if one.side is Side.SELL)
    desk.refuse(pair, error(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"))
    desk.step(Timer(), after_ms=10)
    desk.step(Timer(), after_ms=10)
    cancel = next(one for one in desk.ever(Cancel) if one.side is Side.SELL)
    assert cancel.client_order_id == pair.cancel.client_order_id
    confirm(desk, cancel)
    assert len([one for one in desk.ever(Replace) if one.side is Side.SELL]) == 1


def test_our_own_other_side_is_not_met() -> None:
    """A bid whose new price would reach our standing ask goes the old way: the venue would refuse it."""
    desk = moving()
    move(desk, "100.29", "100.31")
    assert [command.side for command in desk.sent(Cancel)] == [Side.BUY]
    assert [pair.side for pair in desk.sent(Replace)] == [Side.SELL]
