"""trading/exits.py under the engine: lots are left for their reasons, as a maker first, exactly, and never beyond what they hold."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from core.commands import Cancel, Place, Replace
from core.events import Operator, OperatorAction
from core.lots import Lot
from core.ports import Capabilities
from core.types import Liquidity, OrderType, Side, TimeInForce
from core.view import View
from tests.trading.floor import ENTRY, EXITS, D, Floor
from trading.amend import Amending
from trading.entry import protect
from trading.exits import ExitSettings, Why, watch, why_leave


def floor(**given: object) -> Floor:
    desk = Floor(**given)  # type: ignore[arg-type]
    desk.connect()
    return desk


def test_a_take_profit_leaves_as_a_maker_with_no_more_than_the_lot() -> None:
    """Ten bps above its price the whole lot is offered, post-only, at the ask; its order carries the lot's number."""
    desk = floor()
    desk.lot()
    desk.touch("100.10", "100.12", after_ms=50)
    place = desk.one(Place)
    assert (place.side, place.type, place.price, place.quantity, place.slot) == (Side.SELL, OrderType.LIMIT_MAKER, D("100.12"), D(2), (1, 1))


def test_a_partial_exit_leaves_the_lot_with_the_rest_and_the_exit_goes_on() -> None:
    """Half filled: the lot has half, its runner is where it was, and the exit stands for the rest."""
    desk = floor()
    desk.lot()
    desk.touch("100.10", "100.12", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    desk.trade(order, "1")
    (lot,) = desk.trader.lots.open[Side.BUY]
    (chase,) = desk.trader.exits.values()
    assert (lot.quantity, lot.held.cost, chase.left) == (D(1), D("99.99"), D(1))
    desk.trade(order, "1")
    assert (desk.trader.lots.open[Side.BUY], desk.trader.exits) == ([], {})


def test_a_stop_that_no_maker_takes_goes_to_the_market_at_its_deadline() -> None:
    """Post-only first; after its short deadline the rest leaves by an IOC with a price limit."""
    desk = floor()
    desk.lot()
    desk.touch("99.60", "99.62", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    assert desk.order(order.client_order_id).price == D("99.62")
    desk.trade(order, "0.5")
    desk.touch("99.60", "99.62", after_ms=400)
    desk.canceled(desk.one(Cancel))
    place = desk.one(Place)
    assert (place.type, place.time_in_force, place.side, place.quantity) == (OrderType.LIMIT, TimeInForce.IOC, Side.SELL, D("1.5"))
    taken = desk.acknowledge(place)
    desk.trade(taken, "1.5", "99.60", Liquidity.TAKER)
    assert desk.trader.lots.open[Side.BUY] == []
    assert desk.trader.tally.classes["exit taker"].quantity == D("1.5")


def test_a_fill_that_races_the_deadline_cancel_of_an_exit_opens_no_other_side() -> None:
    """The maker exit fills while its cancel is on the way: nothing more is sold than the lot held."""
    desk = floor()
    desk.lot()
    desk.touch("99.60", "99.62", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    desk.touch("99.60", "99.62", after_ms=400)
    desk.one(Cancel)
    desk.trade(order, "2")
    desk.touch("99.60", "99.62", after_ms=400)
    assert desk.changes() == []
    assert desk.trader.lots.net == 0


def test_a_fill_while_an_exit_is_repriced_is_not_left_twice() -> None:
    """The venue replaces only what has not begun to fill; after its no it is cancel, word, place: what filled on the way is not asked for again."""
    desk = floor(exits=replace(EXITS, deadline_ms=9000), amending=Amending(can=Capabilities(cancel_replace=True)))
    desk.lot()
    desk.touch("100.10", "100.12", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    desk.touch("100.10", "100.11", after_ms=700)
    pair = desk.one(Replace)
    desk.trade(order, "1")
    desk.restricted(pair)
    assert order.is_working
    desk.touch("100.10", "100.11", after_ms=900)
    assert not desk.sent(Replace)
    desk.canceled(desk.one(Cancel))
    place = desk.one(Place)
    assert (place.price, place.quantity) == (D("100.11"), D(1))
    desk.trade(desk.acknowledge(place), "1")
    assert (desk.trader.lots.open[Side.BUY], desk.trader.lots.dust[Side.BUY].quantity) == ([], D(0))


def two_lots(desk: Floor) -> None:
    desk.lot()
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01", after_ms=1100)
    order = desk.acknowledge(desk.one(Place))
    desk.hand.side = None
    desk.trade(order, "2")


def test_two_equal_exits_are_asked_one_after_the_other_and_neither_is_starved() -> None:
    """Two lots alike leave at one price: the second goes with the answer to the first, placed and repriced, in the same interval."""
    desk = floor(exits=replace(EXITS, deadline_ms=9000), amending=Amending(can=Capabilities(cancel_replace=True)))
    two_lots(desk)
    desk.step(Operator(action=OperatorAction.CLOSE), after_ms=50)
    asked = len(desk.ever(Place))
    assert "operator at +0.0 bps · follows every 1333 ms, not 400: order budget" in desk.words()
    assert len(desk.sent(Place)) == 1
    assert "alike" not in desk.words(), "no denial is shown"
    desk.acknowledge(desk.one(Place))
    assert len(desk.ever(Place)) == asked + 1
    desk.acknowledge(desk.ever(Place)[-1])
    for bid, ask in (("99.98", "100.00"), ("99.97", "99.99")):
        desk.touch(bid, ask, after_ms=1400)
        desk.replaced(desk.one(Replace))
        desk.replaced(desk.one(Replace))
        assert {order.price for order in desk.books.orders.open("BTCUSDT", Side.SELL)} == {D(ask)}
    assert sorted(chase.reprices for chase in desk.trader.exits.values()) == [2, 2]


def test_an_exit_carries_the_venues_reduce_only_flag_where_it_has_one() -> None:
    """Placed, replaced by one command and placed again after a cancel; an entry never; without the flag at the venue nobody."""
    for has_it in (True, False):
        can = Capabilities(cancel_replace=True, reduce_only=has_it)
        desk = floor(exits=replace(EXITS, deadline_ms=9000), amending=Amending(can=can))
        desk.lot()
        assert not desk.ever(Place)[-1].reduce_only
        desk.touch("100.10", "100.12", after_ms=50)
        assert desk.one(Place).reduce_only is has_it
        order = desk.acknowledge(desk.one(Place))
        desk.touch("100.10", "100.11", after_ms=700)
        assert desk.one(Replace).place.reduce_only is has_it
        desk.replaced(desk.one(Replace))
        assert (order.reduce_only, desk.order(desk.ever(Replace)[-1].place.client_order_id).reduce_only) == (has_it, has_it)


def test_a_sell_lot_is_bought_back_with_a_profit_below_its_price() -> None:
    """A SELL lot sells base that was held; ten bps lower it is bought back, post-only at the bid."""
    desk = floor()
    desk.lot(Side.SELL)
    desk.touch("99.87", "99.89", after_ms=50)
    place = desk.one(Place)
    assert (place.side, place.price) == (Side.BUY, D("99.87"))
    desk.trade(desk.acknowledge(place), str(place.quantity))
    assert not desk.trader.lots.open[Side.SELL]
    assert desk.trader.lots.net == 0


def test_exits_run_while_an_entry_is_pending_and_go_before_it() -> None:
    """A pending SELL entry wants to move on the side where the lot's exit wants to stand: the exit is placed, the entry waits."""
    desk = floor(entry=replace(ENTRY, deadline_ms=9000, reprice_ms=100))
    desk.lot()
    desk.enter(Side.SELL)
    desk.touch("100.10", "100.12", after_ms=1500)
    assert [place.slot for place in desk.sent(Place)] == [(1, 1)]
    assert desk.sent(Cancel) == []


def test_the_operator_closes_every_lot_and_no_new_one_is_opened() -> None:
    """close: exits for all lots, no entry before resume."""
    desk = floor()
    desk.lot()
    desk.hand.side = Side.BUY
    desk.step(Operator(action=OperatorAction.CLOSE), after_ms=5000)
    (place,) = desk.sent(Place)
    assert (place.side, place.quantity) == (Side.SELL, D(2))
    assert "operator" in desk.engine.idle["BTCUSDT", Side.BUY]


def test_a_part_is_taken_where_both_parts_can_leave() -> None:
    """share 0.5: the take-profit asks for half of the lot; the other half stays for the next reason."""
    desk = floor(exits=replace(EXITS, share=D("0.5")))
    desk.lot()
    desk.touch("100.10", "100.12", after_ms=50)
    assert desk.one(Place).quantity == D(1)


def test_shares_are_of_the_whole_lot() -> None:
    """share 0.5 leaves a lot in two halves, not in ever smaller ones."""
    desk = floor(exits=replace(EXITS, share=D("0.5")))
    desk.lot()
    desk.touch("100.10", "100.12", after_ms=50)
    desk.trade(desk.acknowledge(desk.one(Place)), "1")
    desk.touch("100.10", "100.12", after_ms=50)
    second = desk.ever(Place)[-1]
    assert (second.quantity, second.side) == (D(1), Side.SELL)
    desk.trade(desk.acknowledge(second), "1")
    assert desk.trader.lots.open[Side.BUY] == []


def test_a_stop_does_not_wait_for_the_deadline_of_a_take_profit() -> None:
    """A take-profit stands when the price falls to the stop: it is canceled at once, and the stop's own exit leaves the whole lot."""
    desk = floor(exits=replace(EXITS, share=D("0.5"), deadline_ms=60_000))
    desk.lot()
    desk.touch("100.10", "100.12", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    desk.touch("99.60", "99.62", after_ms=50)
    cancel = desk.one(Cancel)
    assert cancel.client_order_id == order.client_order_id
    desk.canceled(cancel)
    desk.touch("99.60", "99.62", after_ms=50)
    (chase,) = desk.trader.exits.values()
    assert (chase.task.reason, desk.ever(Place)[-1].quantity) == ("stop-loss", D(2))


def test_an_exit_that_waits_for_a_cancel_of_its_side_is_no_risk() -> None:
    """Two lots at a stop, one with a take-profit under way: its cancel makes the side amber, and the exit of the other waits without a line."""
    desk = floor(exits=replace(EXITS, deadline_ms=60_000))
    two_lots(desk)
    desk.trader.lots.open[Side.BUY][1].take_profit_bps = D(0)
    desk.touch("100.10", "100.12", after_ms=50)
    desk.acknowledge(desk.one(Place))
    desk.touch("99.60", "99.62", after_ms=50)
    cancel = desk.one(Cancel)
    assert "denied" not in desk.words()
    desk.canceled(cancel)
    desk.touch("99.60", "99.62", after_ms=10)
    assert sorted(chase.task.reason for chase in desk.trader.exits.values()) == ["stop-loss", "stop-loss"]


def test_an_exit_at_the_market_needs_no_print() -> None:
    """After a restart on a quiet symbol no trade was seen yet: a stop that no maker takes leaves by the touch alone; an entry's fallback waits."""
    desk = floor()
    desk.lot()
    desk.touch("99.60", "99.62", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    desk.touch("99.60", "99.62", after_ms=400)
    desk.books.market["BTCUSDT"].last_trade = None
    assert protect(View(desk.books), "BTCUSDT", Side.BUY, D(1), D(5)) is None
    desk.canceled(desk.one(Cancel))
    place = desk.one(Place)
    assert (place.time_in_force, place.quantity) == (TimeInForce.IOC, order.quantity)


def test_what_is_too_little_to_leave_becomes_dust_at_cost() -> None:
    """An exit that leaves 0.04 (4 USDT) closes the lot; the dust has it at its cost."""
    desk = floor()
    desk.lot()
    desk.touch("100.10", "100.12", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    desk.trade(order, "1.96")
    desk.touch("100.10", "100.12", after_ms=1001)
    desk.canceled(desk.one(Cancel))
    assert desk.sent(Place) == [], "the rest is below the least order: nothing can be taken either"
    desk.touch("100.10", "100.12", after_ms=10)
    assert desk.trader.lots.open[Side.BUY] == []
    assert (desk.trader.lots.dust[Side.BUY].quantity, desk.trader.lots.dust[Side.BUY].cost) == (D("0.04"), D("0.04") * D("99.99"))


def a_lot(side: Side = Side.BUY, price: str = "100") -> Lot:
    lot = Lot(number=1, side=side, opened_ns=0, take_profit_bps=D(10), reason="", is_committed=True)
    lot.held.quantity, lot.held.cost = D(1), D(price)
    return lot


@pytest.mark.parametrize(
    ("side", "price", "now_s", "runner", "closing", "why"),
    [
        (Side.BUY, "100.10", 1, False, False, Why.TAKE_PROFIT),
        (Side.BUY, "100.10", 1, True, False, None),
        (Side.BUY, "99.70", 1, False, False, Why.STOP_LOSS),
        (Side.BUY, "100", 200, False, False, Why.TIME),
        (Side.BUY, "100", 1, False, True, Why.OPERATOR),
        (Side.BUY, "100.05", 1, False, False, None),
        (Side.SELL, "99.90", 1, False, False, Why.TAKE_PROFIT),
        (Side.SELL, "100.30", 1, False, False, Why.STOP_LOSS),
    ],
)
def test_each_reason_holds_at_its_price_and_not_before(side: Side, price: str, now_s: int, runner: bool, closing: bool, why: Why | None) -> None:
    """Take-profit (not of the runner), stop-loss, time limit and the operator, for both sides."""
    settings = ExitSettings(stop_loss_bps=D(30), trail_bps=D(0), time_limit_s=120)
    assert why_leave(a_lot(side), Decimal(price), settings, now_s * 1_000_000_000, runner, closing) is why


def test_a_trailing_stop_is_active_from_its_gain_on_and_follows_the_best_price() -> None:
    """Six bps of gain switch it on; four bps below the best price since then it leaves, wherever the lot's price is."""
    settings, lot = ExitSettings(trail_from_bps=D(6), trail_bps=D(4)), a_lot()
    assert not watch(lot, D("100.05"), settings)
    assert why_leave(lot, D("100.00"), settings, 0, True, False) is None
    assert watch(lot, D("100.20"), settings)
    watch(lot, D("100.18"), settings)
    assert lot.best == D("100.20")
    assert why_leave(lot, D("100.17"), settings, 0, True, False) is None
    assert why_leave(lot, D("100.15"), settings, 0, True, False) is Why.TRAILING


def test_a_take_profit_that_no_longer_pays_does_not_take() -> None:
    """At its deadline the price is back at the lot's own: the maker exit is canceled, nothing is taken, the lot waits for the next reason."""
    desk = floor()
    desk.lot()
    desk.touch("100.10", "100.12", after_ms=50)
    desk.acknowledge(desk.one(Place))
    desk.touch("99.99", "100.01", after_ms=1001)
    desk.canceled(desk.one(Cancel))
    assert desk.sent(Place) == []
    assert len(desk.trader.lots.open[Side.BUY]) == 1
