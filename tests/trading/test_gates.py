"""The gates of an entry and of its fallback, each shut alone; where an entry stands; and what the price guard allows."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from core.commands import Cancel, Place
from core.events import Operator, OperatorAction, Timer, Told
from core.types import OrderType, Side
from core.view import View
from tests.core.builders import NoRisk, diff, fill, report
from tests.trading.floor import ENTRY, EXITS, D, Floor
from trading.chase import Task
from trading.entry import interval_ms, protect
from trading.risk import Limits, RiskChecks


def floor(**given: object) -> Floor:
    desk = Floor(**given)  # type: ignore[arg-type]
    desk.connect()
    return desk


def timed_out(desk: Floor, word_after_ms: int = 0) -> None:
    desk.enter()
    desk.touch("99.99", "100.01", after_ms=2001)
    cancel = desk.one(Cancel)
    desk.ms += word_after_ms
    desk.canceled(cancel)


# -- where an entry stands -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "vol", "bid", "ask"),
    [
        ({"offset_bps": D("2.5")}, "0", "99.96", "100.04"),
        ({"offset_bps": D("-1")}, "0", "99.99", "100.00"),  # it improves on the touch, held to the grid's passive side
        ({"offset_per_spread": D("1.25")}, "0", "99.96", "100.04"),
        ({"offset_per_vol": D(1)}, "2.5", "99.96", "100.04"),
        ({"offset_bps": D(1), "offset_per_spread": D("0.5"), "offset_per_vol": D("0.5")}, "1", "99.96", "100.04"),
    ],
)
def test_the_offset_counts_away_from_the_own_touch(settings: dict[str, Decimal], vol: str, bid: str, ask: str) -> None:
    """Its base, a share of the spread and of the volatility: below the best bid for BUY, above the best ask for SELL, on the grid."""
    for side, price in ((Side.BUY, bid), (Side.SELL, ask)):
        desk = floor(entry=replace(ENTRY, **settings))
        desk.hand.vol_bps, desk.hand.side = D(vol), side
        desk.touch("99.99", "100.01")
        assert desk.one(Place).price == D(price), side


def test_an_entry_follows_the_volatility_too() -> None:
    """The touch stands still and the volatility doubles: at its interval the entry goes further away."""
    desk = floor(entry=replace(ENTRY, deadline_ms=9000, offset_per_vol=D(1)))
    desk.hand.vol_bps = D("2.5")
    order = desk.enter()
    desk.hand.vol_bps = D(5)
    desk.touch("99.99", "100.01", after_ms=700)
    desk.canceled(desk.one(Cancel))
    assert (order.price, desk.one(Place).price) == (D("99.96"), D("99.94"))


def test_an_entry_does_not_follow_its_own_price() -> None:
    """The others have gone nine ticks down, and the best bid is our own order, also after its cancel, until the book shows that: it follows them."""
    desk = floor(entry=replace(ENTRY, deadline_ms=9000))
    order = desk.enter()
    desk.touch("99.90", "100.01")
    desk.step(diff(desk.update + 1, desk.update + 1, bids=(("99.99", str(order.quantity)),)))
    desk.update += 1
    assert View(desk.books).touch_price("BTCUSDT", Side.BUY) == order.price
    desk.step(Timer(), after_ms=700)
    assert desk.one(Cancel).reason == "entry 1 repriced from 99.99" and "99.99 -> 99.9: canceled first" in desk.words()
    desk.canceled(desk.one(Cancel))
    assert desk.one(Place).price == D("99.90")


def test_an_entry_is_sized_at_the_price_where_it_will_stand() -> None:
    """Four per cent below the touch 200 USDT buy 2.083, not the 2.000 of the touch."""
    desk = floor(entry=replace(ENTRY, offset_per_vol=D(100)))
    desk.hand.vol_bps, desk.hand.side = D(4), Side.BUY
    desk.touch("99.99", "100.01")
    assert (desk.one(Place).price, desk.one(Place).quantity) == (D("95.99"), D("2.083"))


# -- the gates of an entry -----------------------------------------------------------------------
def test_a_side_with_its_lots_enters_no_more() -> None:
    """lots_max 1 and one lot: no entry is begun, and the side says why."""
    desk = floor(entry=replace(ENTRY, lots_max=1), exits=replace(EXITS, stop_loss_bps=D(0)))
    desk.held("2")
    desk.trader.lots.open[Side.BUY][0].take_profit_bps = D(0)
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01")
    assert (desk.trader.entries, desk.engine.idle["BTCUSDT", Side.BUY]) == ({}, "1 lots are open, of 1 at most")


def test_no_entry_is_begun_while_the_order_count_is_used_up() -> None:
    """Fifty orders in ten seconds are spent: nothing is begun, counted or told, until the window ends."""
    desk = floor()
    desk.books.budget.spend(desk.books.now_ns, orders=50)
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01")
    assert (desk.trader.entries, desk.trader.tally.entries) == ({}, 0)
    assert desk.engine.idle["BTCUSDT", Side.BUY] == "the venue's order count is used up"


def test_while_the_operator_closes_no_entry_is_begun_not_even_to_be_ended() -> None:
    """No number is taken and no line told."""
    desk = floor()
    desk.step(Operator(action=OperatorAction.CLOSE))
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01", after_ms=50)
    assert (desk.trader.lots.next_number[Side.BUY], desk.trader.tally.entries) == (1, 0)
    assert "entry" not in desk.words()


def test_an_order_that_no_task_has_made_is_canceled() -> None:
    """Of another strategy's run, or of a state folder that is gone: nobody would follow it."""
    desk = floor()
    order = desk.enter()
    desk.trader.entries.clear()
    desk.hand.side = None
    desk.touch("99.99", "100.01", after_ms=50)
    cancel = desk.one(Cancel)
    assert (cancel.client_order_id, cancel.reason) == (order.client_order_id, "no entry and no exit wants it")


def test_what_follows_the_price_leaves_the_day_its_orders() -> None:
    """160,000 a day: until half are used the ten-second window tells the pace; with 150,000 used at noon 30 % of the rest is one change in 14 s."""
    budget, noon_ns = floor().books.budget, (20_834 * 86_400 + 43_200) * 1_000_000_000
    assert budget.orders_per_s(noon_ns) == 5
    budget.spend(noon_ns, orders=80_000)
    assert interval_ms(400, D("0.3"), budget.orders_per_s(noon_ns), 1) == 666
    budget.spend(noon_ns, orders=70_000)
    assert interval_ms(400, D("0.3"), budget.orders_per_s(noon_ns), 1) == 14_400
    budget.spend(noon_ns, orders=10_000)
    assert interval_ms(400, D("0.3"), budget.orders_per_s(noon_ns), 1) > 3_600_000, "none is left"
    assert budget.orders_per_s(noon_ns + 43_200 * 1_000_000_000) == 5, "another day"


# -- the gates of a fallback ---------------------------------------------------------------------
def test_without_the_fallback_a_timeout_earns_no_flag() -> None:
    """The line says so, and nothing is left to be forgotten later."""
    desk = floor(entry=replace(ENTRY, fallback=False))
    timed_out(desk)
    assert (desk.trader.recheck, "no fallback" in desk.words()) == ({}, True)


def test_a_stop_loss_that_is_off_ends_no_entry() -> None:
    """Half filled, and the price far below it: with a stop of 0 the entry follows on."""
    desk = floor(entry=replace(ENTRY, deadline_ms=9000), exits=replace(EXITS, stop_loss_bps=D(0)))
    order = desk.enter()
    desk.trade(order, "1")
    desk.touch("98.00", "98.02", after_ms=50)
    assert (desk.changes(), desk.trader.entries[Side.BUY].ending) == ([], "")


def test_a_flag_is_as_old_as_its_deadline_not_as_the_venues_word() -> None:
    """The word on the cancel took 1.5 s of the 1 s in which the timeout may be thought over: nothing is taken."""
    desk = floor(entry=replace(ENTRY, recheck_ms_max=1000))
    timed_out(desk, word_after_ms=1500)
    desk.touch("99.99", "100.01", after_ms=50)
    assert (desk.sent(Place), desk.trader.recheck) == ([], {})
    assert "not thought over any more" in desk.words()


def test_a_fallback_makes_no_lot_too_many() -> None:
    """The side has its one lot by now: the flag stays, the market is not taken."""
    desk = floor(entry=replace(ENTRY, lots_max=1), exits=replace(EXITS, stop_loss_bps=D(0)))
    timed_out(desk)
    desk.held("2").take_profit_bps = D(0)
    desk.touch("99.99", "100.01", after_ms=50)
    assert (desk.sent(Place), Side.BUY in desk.trader.recheck) == ([], True)


def test_a_fallback_that_got_nothing_is_not_thought_over_again() -> None:
    """The IOC order expires empty: the entry is over, the flag was used, the side rests."""
    desk = floor()
    timed_out(desk)
    desk.touch("99.99", "100.01", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    shape = {"side": order.side, "price": str(order.price), "quantity": str(order.quantity)}
    desk.step(report(order.client_order_id, order.venue_order_id or 0, "EXPIRED", "0", **shape))  # type: ignore[arg-type]
    desk.touch("99.99", "100.01", after_ms=50)
    assert (desk.trader.entries, desk.trader.recheck) == ({}, {})
    assert [place.type for place in desk.ever(Place)] == [OrderType.LIMIT_MAKER, OrderType.LIMIT]


def test_a_fallback_that_could_not_leave_ends_with_its_signal() -> None:
    """Our own limits hold it back; when the signal is gone, what was thought over is not what would be taken any more."""
    desk = floor()
    timed_out(desk)
    desk.engine.risk = RiskChecks(Limits(order_notional_max=D(1)))
    desk.touch("99.99", "100.01", after_ms=50)
    assert Side.BUY in desk.trader.entries
    desk.hand.side, desk.engine.risk = None, NoRisk()
    desk.touch("99.99", "100.01", after_ms=50)
    assert (desk.trader.entries, len(desk.ever(Place))) == ({}, 1)


# -- the price guard -----------------------------------------------------------------------------
def test_the_guard_counts_from_the_stricter_of_touch_and_last_trade() -> None:
    """A print far above the ask allows no more than the touch does, and one below it less; for a sale the other way round."""
    desk = floor()
    desk.touch("99.99", "100.01")
    cases = (("100.50", Side.BUY, "100.06"), ("99.98", Side.BUY, "100.02"), ("99.50", Side.SELL, "99.95"), ("100.02", Side.SELL, "99.97"))
    for last, side, price in cases:
        desk.books.market["BTCUSDT"].last_trade = D(last)
        guard = protect(View(desk.books), "BTCUSDT", side, D(1), D(5))
        assert guard is not None and guard.price == D(price), (last, side)


def test_the_guard_says_what_the_whole_is_expected_to_cost() -> None:
    """One at the ask, one two ticks above it: 1 bp against the touch."""
    desk = floor()
    desk.touch("99.99", "100.01", size="1")
    desk.step(diff(desk.update + 1, desk.update + 1, asks=(("100.03", "1"),)))
    guard = protect(View(desk.books), "BTCUSDT", Side.BUY, D(2), D(5))
    assert guard is not None and (guard.quantity, round(guard.expected_bps, 2)) == (D(2), D("1.00"))


def test_a_fill_that_comes_after_the_end_of_its_entry_is_a_lot_that_can_be_left() -> None:
    """Nobody waits for it any more: the lot is committed with its fill."""
    desk = floor()
    desk.trader.lots.saw_number(Side.BUY, 4)
    task = Task(task="entry", symbol="BTCUSDT", side=Side.BUY, number=4, quantity=D(1), created_ns=0, deadline_ns=0, reason="")
    desk.maker.hear(Told(symbol="BTCUSDT", memo=task.memo, client_order_id="a", at_ns=0, fill=fill(5, 9, "a")))
    (lot,) = desk.trader.lots.open[Side.BUY]
    assert (lot.number, lot.quantity, lot.is_committed) == (4, D(1), True)
