"""trading/leaving.py under the engine: an exit is begun only where its order can be, remembered as far as it has come, and holds nobody up."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from core.commands import Cancel, Place
from core.events import Operator, OperatorAction, StreamDown
from core.lots import Holding
from core.notices import Remembered
from core.types import Connection, Side, TimeInForce
from tests.trading.floor import ENTRY, EXITS, D, Floor
from trading.exits import Why, deadline_ms, overtakes
from trading.risk import Limits, RiskChecks
from trading.trader import Trader


def floor(**given: object) -> Floor:
    desk = Floor(**given)  # type: ignore[arg-type]
    desk.connect()
    return desk


def told_of(desk: Floor, words: str, bid: str, ask: str, times: int = 5) -> int:
    """How many lines say this while the market stands there."""
    count = 0
    for _ in range(times):
        desk.touch(bid, ask, after_ms=100)
        count += desk.words().count(words)
    return count


def test_a_lot_that_needs_the_dust_waits_while_another_exit_has_it() -> None:
    """4 USDT are an order only with the dust of its side, which leaves with the exit of lot 1: until then nothing is begun, told or counted."""
    desk = floor()
    desk.held("2")
    desk.touch("100.10", "100.12", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    desk.trader.lots.dust[Side.BUY] = Holding(D("0.04"), D(4))
    desk.held("0.04")
    assert told_of(desk, "exit 2", "100.10", "100.12") == 0
    assert (desk.trader.tally.exits, len(desk.trader.lots.open[Side.BUY])) == (1, 2)
    desk.trade(order, "2")
    desk.touch("100.10", "100.12", after_ms=50)
    assert desk.ever(Place)[-1].quantity == D("0.08")


@pytest.mark.parametrize(("side", "quantity"), [(Side.SELL, "0.05"), (Side.BUY, "0.0499")])
def test_the_least_order_counts_at_the_lower_price_of_the_exit(side: Side, quantity: str) -> None:
    """0.05 is worth 5.0005 at the ask and 4.9995 at the bid, where a maker buys it back: no order can carry it, so it is dust, at once and once."""
    desk = floor()
    desk.held(quantity, side, "99" if side is Side.BUY else "101")
    assert told_of(desk, "exit 1", "99.99", "100.01") == 0
    assert (desk.trader.lots.open[side], desk.trader.lots.dust[side].quantity) == ([], D(quantity))


def test_an_exit_at_the_market_is_no_order_below_the_least_at_its_own_price() -> None:
    """0.05 are worth 5.0025 at the bid and less than 5 at the protected price, by which the venue judges: nothing is asked for, nothing denied."""
    desk = floor()
    desk.engine.risk = RiskChecks(Limits())
    desk.held("0.050", price="101")
    desk.touch("100.05", "100.07", after_ms=50)
    desk.acknowledge(desk.one(Place))
    desk.touch("100.05", "100.07", after_ms=400)
    desk.canceled(desk.one(Cancel))
    for _ in range(3):
        assert "denied" not in desk.words()
        desk.touch("100.05", "100.07", after_ms=100)
    assert not [place for place in desk.ever(Place) if place.time_in_force is not None]


@pytest.mark.parametrize("side", list(Side))
def test_the_best_price_of_a_trailing_stop_is_on_disk_as_it_moves(side: Side) -> None:
    """However small its steps: a restart trails from at most a quarter of the trail behind the best price that was seen."""
    desk = floor(exits=replace(EXITS, trail_from_bps=D(6), trail_bps=D(4)))
    lot, memory, sign = desk.held("2", side), "", 1 if side is Side.BUY else -1
    lot.take_profit_bps = D(0)
    for step in range(40):
        bid = D("99.99") + sign * step * D("0.01")
        desk.touch(str(bid), str(bid + D("0.02")), after_ms=100)
        memory = next((notice.text for notice in desk.last.notices + desk.last.facts if isinstance(notice, Remembered)), memory)
        if lot.is_trailing:
            again = msgspec.json.decode(memory, type=Trader).lots.open[side][0]
            assert (again.is_trailing, abs(again.best - lot.best) / lot.best * 10_000 < 1) == (True, True)
    assert lot.is_trailing
    for _ in range(3):
        desk.touch(str(bid), str(bid + D("0.02")), after_ms=100)
        assert not [notice for notice in desk.last.notices + desk.last.facts if isinstance(notice, Remembered)], "what stands still is not written"


def test_an_exit_that_cannot_be_placed_does_not_hold_the_cancel_of_an_entry_up() -> None:
    """One order at most: a SELL entry rests, so the exit of a BUY lot is denied. The late entry goes all the same, then the exit."""
    desk = floor(entry=replace(ENTRY, deadline_ms=1000, fallback=False), exits=replace(EXITS, deadline_ms=60_000))
    desk.engine.risk = RiskChecks(Limits(open_orders_max=1))
    desk.held("2", price="99.80")
    desk.trader.lots.open[Side.BUY][0].take_profit_bps = D(0)
    order = desk.enter(Side.SELL)
    desk.hand.side, desk.trader.lots.open[Side.BUY][0].take_profit_bps = None, D(10)
    for _ in range(10):
        assert desk.sent(Cancel) == []
        desk.touch("99.99", "100.01", after_ms=100)
    assert desk.one(Cancel).client_order_id == order.client_order_id
    assert "cancel pending" not in desk.words(), "nor is it asked for beside the cancel"
    desk.canceled(desk.one(Cancel))
    desk.touch("99.99", "100.01", after_ms=10)
    assert [place.slot for place in desk.ever(Place)][-1] == (1, 1)


@pytest.mark.parametrize("why", list(Why))
def test_stops_are_tried_as_a_maker_for_their_short_deadline_and_go_before_the_others(why: Why) -> None:
    """Stop-loss and trailing stop: 300 ms of the 1000, and they end an exit under way for any other reason; those end a take-profit only."""
    is_stop = why in (Why.STOP_LOSS, Why.TRAILING)
    assert deadline_ms(why, EXITS) == (300 if is_stop else 1000)
    overtaken = {other for other in Why if overtakes(why, other.value)}
    lesser = set() if why is Why.TAKE_PROFIT else {Why.TAKE_PROFIT, Why.TIME, Why.OPERATOR} if is_stop else {Why.TAKE_PROFIT}
    assert overtaken == lesser
    assert not overtakes(None, why.value)


def test_an_exit_asks_for_no_more_than_the_lot_has_by_now() -> None:
    """Begun for 2; while its order is canceled to follow the price, a tenth is owed by the dust: the next order asks for 1.9."""
    desk = floor(exits=replace(EXITS, deadline_ms=9000))
    desk.held("2")
    desk.touch("100.10", "100.12", after_ms=50)
    desk.acknowledge(desk.one(Place))
    desk.touch("100.11", "100.13", after_ms=700)
    desk.trader.lots.dust[Side.BUY] = Holding(D("-0.1"))
    desk.canceled(desk.one(Cancel))
    assert desk.one(Place).quantity == D("1.9")


def test_the_order_of_a_lot_that_is_closed_is_canceled() -> None:
    """What is left of it would open the other side; the exit is forgotten after the venue's word, not before."""
    desk = floor(exits=replace(EXITS, deadline_ms=9000))
    desk.held("2")
    desk.touch("100.10", "100.12", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    desk.trader.lots.open[Side.BUY].clear()
    desk.touch("100.10", "100.12", after_ms=50)
    cancel = desk.one(Cancel)
    assert (cancel.client_order_id, cancel.reason, len(desk.trader.exits)) == (order.client_order_id, "BUY exit 1: the lot is closed", 1)
    desk.canceled(cancel)
    assert desk.trader.exits == {}


def test_an_exit_at_the_market_is_limited_by_its_own_slippage() -> None:
    """20 bps from the touch and from the last trade, whichever is stricter: of 99.60 and 99.61 no lower than 99.42; not the entry's 5."""
    desk = floor()
    desk.held("2")
    desk.touch("99.60", "99.62", after_ms=50)
    desk.acknowledge(desk.one(Place))
    desk.touch("99.60", "99.62", after_ms=400)
    desk.canceled(desk.one(Cancel))
    assert desk.one(Place).price == D("99.42")
    (chase,) = desk.trader.exits.values()
    assert chase.task.deadline_ns - chase.task.created_ns == 1_000_000_000, "then it is tried as a maker again"


def test_a_late_part_takes_what_is_left_of_the_part_and_no_more() -> None:
    """Half of a lot of 2 is to leave at its take-profit; half of that was taken by makers: at the market goes 0.5, the other 1 stays."""
    desk = floor(exits=replace(EXITS, share=D("0.5")))
    desk.held("2")
    desk.touch("100.10", "100.12", after_ms=50)
    desk.trade(desk.acknowledge(desk.one(Place)), "0.5")
    desk.touch("100.10", "100.12", after_ms=1001)
    desk.canceled(desk.one(Cancel))
    place = desk.one(Place)
    assert (place.time_in_force, place.quantity, desk.trader.lots.quantity(Side.BUY)) == (TimeInForce.IOC, D("0.5"), D("1.5"))


@pytest.mark.parametrize("side", list(Side))
def test_a_lot_worth_more_than_the_largest_order_leaves_in_equal_parts(side: Side) -> None:
    """Entered for 200 under a limit of 200; the price has moved and its exit is worth more: two orders of half of it, one after the other."""
    desk = floor(exits=replace(EXITS, deadline_ms=9000))
    desk.engine.risk, desk.maker.notional_max = RiskChecks(Limits(order_notional_max=D(200))), D(200)
    desk.held("2", side, "99.50" if side is Side.BUY else "99.00")  # a profit, or a loss beyond the stop
    desk.touch("100.10", "100.12", after_ms=50)
    for _ in range(2):
        place = desk.ever(Place)[-1]
        assert (place.side, place.quantity) == (side.opposite, D(1))
        desk.trade(desk.acknowledge(place), "1")
        desk.touch("100.10", "100.12", after_ms=50)
        desk.touch("100.10", "100.12", after_ms=700)
    assert (desk.trader.lots.open[side], len(desk.ever(Place))) == ([], 2)
    assert "denied" not in desk.words()


def halted(desk: Floor) -> None:
    desk.step(Operator(action=OperatorAction.HALT))


def unplugged(desk: Floor) -> None:
    desk.step(StreamDown(connection=Connection.USER, reason="reset"))


@pytest.mark.parametrize("stop", [halted, unplugged])
@pytest.mark.parametrize("is_begun", [True, False])
def test_an_outage_or_a_halt_is_no_time_in_which_nobody_took_it(stop: Callable[[Floor], None], is_begun: bool) -> None:
    """Twenty seconds of red below the stop: no exit is begun, told, counted or written down again and again; when the side is green it begins."""
    desk = floor()
    desk.held("2")
    if is_begun:
        desk.touch("99.60", "99.62", after_ms=50)
        desk.acknowledge(desk.one(Place))
    stop(desk)
    for cancel in desk.sent(Cancel):
        desk.canceled(cancel)
    begun, memories, told = desk.trader.tally.exits, 0, 0
    for _ in range(200):
        desk.touch("99.60", "99.62", after_ms=100)
        told += sum(" exit " in notice.words() for notice in desk.last.notices)
        memories += sum(isinstance(notice, Remembered) for notice in desk.last.notices + desk.last.facts)
    assert (desk.trader.tally.exits, told) == (begun, 0)
    assert memories <= 1 and not desk.trader.exits
    if stop is halted:
        desk.step(Operator(action=OperatorAction.RESUME))
        desk.touch("99.60", "99.62", after_ms=100)
        assert desk.ever(Place)[-1].quantity == D(2) and desk.trader.tally.exits == begun + 1
