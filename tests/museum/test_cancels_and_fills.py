"""Cancels and fills that meet: rows 4, 11, 15, 16, 20, 25, 26, 28, 30, 31 of the field cases, in virtual time."""

from decimal import Decimal

import pytest

from core.books import Timing
from core.commands import Cancel, Place, Query, Reconnect
from core.events import Boot, OrderAnswer, Timer
from core.light import Colour
from core.orders import Evidence
from core.types import OrderStatus, Side
from core.view import WantCancel
from sim.director import CRASHES
from sim.faults import FOREIGN, Kind
from sim.setup import REPLACING
from tests.core.builders import BOOT, BTC, LIMITS, OLDER_BOOT, START_MS, TAG, D, Desk, balances, error, facts, fill, report, ticker, want
from tests.museum.scenes import Stage, acknowledge, listed, maker, ready, setup
from trading.quoting import SymbolQuoting

S = OrderStatus
NOT_OPEN = error(-2011, "Unknown order sent.")


# -- row 4 ---------------------------------------------------------------------------------------
def test_row_04_not_open_is_not_canceled() -> None:
    """hummingbot #4738: a cancel answered "not open" untracked the order before its fill came. Ours: cancel unknown, red, query, fill booked."""
    desk = ready()
    order = desk.rest()
    cancel = desk.cancel(order)
    desk.refuse(cancel, NOT_OPEN)
    assert order.is_open
    assert (desk.light().colour, desk.light().reason) == (Colour.RED, f"outcome unknown: {order.client_order_id}")
    query = desk.query()
    assert query.venue_order_id == 11
    trade = fill(4, 11, "", price="99")
    desk.reply(query, OrderAnswer(facts=listed(order, "FILLED", "1", fills=(trade,))))  # type: ignore[arg-type]
    assert (order.status, order.evidence, order.booked, desk.light().is_green) == (S.FILLED, Evidence.QUERY, D(1), True)


def test_row_04_the_fill_whose_report_is_lost_too() -> None:
    """hummingbot #4738: filled while its cancel is on the way, and the report of the fill is lost as well: the query brings it."""
    stage = Stage().opened()
    for _ in range(4):
        stage.faults.arm(Kind.FILL_MISSING)
        stage.strike(Kind.CANCEL_FILLED)
        stage.recovers()
    assert stage.faults.counts[Kind.FILL_MISSING] >= 3
    stage.ends_well()


# -- row 11 --------------------------------------------------------------------------------------
def test_row_11_doubled_and_missing_reports() -> None:
    """hummingbot #2642, #2945: trades missing or doubled after network trouble. Ours: every trade of the venue once (I2, I3)."""
    stage = Stage().opened()
    for kind in (Kind.USER_TWICE, Kind.FILL_MISSING, Kind.USER_REORDERED) * 3:
        stage.faults.arm(kind)
        order = stage.matching.open_orders()[0]
        stage.market.hit(order, D("0.3"), stage.scheduler.now_ms)
        stage.publish()
        stage.pass_s(3)
    stage.recovers()
    assert len(stage.books.fills) >= 9
    stage.ends_well()


def test_row_11_a_restart_books_the_night_once() -> None:
    """hummingbot #2945: after a restart trades are missing or doubled. Ours: known fills are never booked again, those of the night once (I3)."""
    client_id = f"{TAG}-{OLDER_BOOT}-9"
    known, night = (fill(n, 50, client_id, quantity=size, time_ms=START_MS - 5000) for n, size in ((4, "0.4"), (5, "0.6")))
    desk = Desk()
    first = boot(known_fills=(known,), last_trade_ids=(("BTCUSDT", 4),))
    desk.engine.books = None
    desk.step(first)
    desk.connect(desk.account(trades=(night,)))
    desk.reply(desk.query(), OrderAnswer(facts=facts(client_id, 50, "FILLED", "1", fills=(known, night))))
    assert [one.trade_id for one in desk.books.recovered] == [5]
    order = desk.order(client_id)
    assert (order.status, order.booked, desk.books.fill_count()) == (S.FILLED, D(1), 1)
    assert desk.light().is_green


def boot(**more: object) -> Boot:
    return Boot(boot=BOOT, tag=TAG, venue="paper", instance="i1", rules=(BTC,), limits=LIMITS, **more)  # type: ignore[arg-type]


# -- row 15 --------------------------------------------------------------------------------------
def test_row_15_lost_cancels_stack_no_orders() -> None:
    """nautilus #3879: two cancels "resolved as failed", orders stack at the venue. Ours: no place before the venue's word (I6, I9)."""
    stage = Stage(drift_ms=250).opened()
    most = 0
    for kind in (Kind.CANCEL_LOST, Kind.CANCEL_REPLY_LOST, Kind.CANCEL_LATE) * 2:
        stage.strike(kind, times=2)
        for _ in range(20):
            stage.pass_s(0.3)
            most = max(most, max((len(stage.matching.open_orders(symbol)) for symbol in stage.books.rules), default=0))
        stage.recovers()
    assert most == 2, "one order per side, never more"
    stage.ends_well()
    assert stage.oracle.checks["I6"] > 10
    assert stage.oracle.checks["I9"] > 10


# -- row 16 --------------------------------------------------------------------------------------
def test_row_16_a_replacement_has_its_own_id() -> None:
    """nautilus #4288: four id collisions in cancel-replace = double exposure. Ours: new id per replacement; the old order holds its slot until
    the word on its cancel. (The way in one command: the test below.)"""
    desk = ready(maker())
    buy, sell = desk.sent(Place) or desk.ever(Place)
    old = acknowledge(desk, buy)
    acknowledge(desk, sell)
    seen = {buy.client_order_id, sell.client_order_id}
    for number in range(1, 5):
        shift = D("0.30") * number
        desk.step(ticker(1000 + number, str(D("99.99") + shift), str(D("100.01") + shift)), after_ms=50)
        cancel = next(command for command in desk.sent(Cancel) if command.side is Side.BUY)
        other = next((command for command in desk.sent(Cancel) if command.side is Side.SELL), None)
        desk.wait(300)
        assert old.is_open, "no order closes while a command on it is open"
        assert not [command for command in desk.ever(Place) if command.slot == old.slot and command.side is Side.BUY
                    and command.client_order_id not in seen]
        if other is not None:
            desk.reply(other, OrderAnswer(facts=listed(desk.order(other.client_order_id), "CANCELED")))  # type: ignore[arg-type]
            place = next(command for command in desk.sent(Place) if command.side is Side.SELL)
            seen.add(place.client_order_id)
            acknowledge(desk, place)
        desk.reply(cancel, OrderAnswer(facts=listed(old, "CANCELED")))  # type: ignore[arg-type]
        place = next(command for command in desk.sent(Place) if command.side is Side.BUY)
        assert place.client_order_id not in seen
        seen.add(place.client_order_id)
        old = acknowledge(desk, place)


def test_row_16_one_command_has_its_own_id_too() -> None:
    """nautilus #4288 by one command: a new id for each pair, both orders in one slot, and under every loss never two of them open at the venue."""
    stage = Stage(setup(amending=REPLACING), drift_ms=250).opened()
    most = 0
    for kind in (Kind.REPLACE_LOST, Kind.REPLACE_REPLY_LOST, Kind.REPLACE_LATE, Kind.REPLACE_HALF):
        stage.strike(kind, times=2)
        for _ in range(20):
            stage.pass_s(0.3)
            most = max(most, max((len(stage.matching.open_orders(symbol)) for symbol in stage.books.rules), default=0))
        stage.recovers()
    assert most == 2, "one order per side, never more"
    stage.ends_well()
    assert stage.oracle.checks["I9"] > 10
    assert stage.oracle.checks["I11"] > 10


# -- row 20 --------------------------------------------------------------------------------------
def test_row_20_a_quantity_is_no_fill() -> None:
    """nautilus #3493, #1001: an inferred fill raced the real one and counted twice. Ours: only a venue trade id makes a fill; z only raises doubt."""
    desk = ready()
    order = desk.rest()
    desk.step(report(order.client_order_id, 11, "FILLED", "1", price="99"))
    assert (order.executed, order.booked, desk.books.fill_count()) == (D(1), D(0), 0)
    assert desk.light().colour is Colour.RED, "the fill is missing, and that shows"
    query = desk.query()
    trade = fill(4, 11, order.client_order_id, price="99")
    desk.step(report(order.client_order_id, 11, "FILLED", "1", trade=trade, price="99"))
    desk.reply(query, OrderAnswer(facts=listed(order, "FILLED", "1", fills=(trade,))))  # type: ignore[arg-type]
    assert (order.booked, desk.books.fill_count()) == (D(1), 1)
    assert desk.light().is_green


# -- row 25 --------------------------------------------------------------------------------------
def test_row_25_every_cancel_of_a_batch_is_in_flight() -> None:
    """nautilus #4523: batch cancels were never registered as in flight. Ours: one choke point registers every command before it leaves."""
    desk = ready()
    orders = [desk.rest(want(price=str(90 + n), slot=(0, n)), order_id=20 + n) for n in range(5)]
    desk.script.cancels = [WantCancel(client_order_id=order.client_order_id, reason="batch") for order in orders]
    desk.step(Timer())
    cancels = desk.sent(Cancel)
    assert len(cancels) == 5
    assert {cancel.command_id for cancel in cancels} <= desk.engine.pending.keys()
    assert [order.cancel_asked and order.cancel_asked.command_id for order in orders] == [cancel.command_id for cancel in cancels]
    assert desk.light().reason == "5 cancels pending"
    desk.step(Timer(), after_ms=100)
    assert not desk.last.commands, "none is sent a second time"
    for left, (cancel, order) in enumerate(zip(cancels, orders, strict=True), start=-4):
        desk.reply(cancel, OrderAnswer(facts=listed(order, "CANCELED")))  # type: ignore[arg-type]
        assert desk.light().is_green is (left == 0)


def test_row_25_no_command_of_a_world_is_unregistered() -> None:
    """nautilus #4523: over a busy world every command that left was pending in the same step, and none at the end (I8)."""
    stage = Stage(drift_ms=150)
    judge = stage.oracle.after_step

    def judge_all(engine: object, events: object, step: object) -> None:
        left = [command for command in step.commands if not isinstance(command, Reconnect)]  # type: ignore[attr-defined]
        assert all(command.command_id in stage.engine.pending for command in left)
        judge(engine, events, step)  # type: ignore[arg-type]

    stage.oracle.after_step = judge_all  # type: ignore[method-assign]
    stage.opened().pass_s(20)
    stage.ends_well()


# -- row 26 --------------------------------------------------------------------------------------
@pytest.mark.parametrize("afterwards", ["-2011", "silence", "canceled"])
def test_row_26_a_fill_outranks_its_cancel(afterwards: str) -> None:
    """DEXBot #73: a fill just before its cancel jams the worker. Ours: the fill wins, the light clears at once, whatever the cancel says after."""
    desk = ready()
    order = desk.rest()
    cancel = desk.cancel(order)
    assert desk.light().colour is Colour.AMBER
    trade = fill(4, 11, order.client_order_id, price="99")
    desk.step(report(order.client_order_id, 11, "FILLED", "1", trade=trade, price="99"))
    assert (order.status, desk.light().is_green) == (S.FILLED, True)
    if afterwards == "-2011":
        desk.refuse(cancel, NOT_OPEN)
    elif afterwards == "canceled":
        desk.step(report(order.client_order_id, 11, "CANCELED", "1", price="99"))
    left = desk.wait(8000)
    assert not [command for command in left if isinstance(command, Query | Cancel)]
    assert (order.status, order.booked, desk.light().is_green) == (S.FILLED, D(1), True)
    assert desk.place(want(price="98")), "the side works on"


# -- row 28 --------------------------------------------------------------------------------------
def test_row_28_no_zombies() -> None:
    """Krypto #1159, #699: zombie orders, users restart hourly. Ours: an order of an earlier run is adopted, and canceled where no band wants it."""
    far, near = f"{TAG}-{OLDER_BOOT}-3", f"{TAG}-{OLDER_BOOT}-4"
    orders = (facts(far, 31, price="80"), facts(near, 32, price="99.90"), facts("web-1", 33, price="79"))
    desk = Desk(maker())
    desk.connect(desk.account(open_orders=orders, held=balances(usdt="9749", usdt_locked="251")))
    desk.step(Timer(), after_ms=100)
    assert [(cancel.venue_order_id, cancel.reason) for cancel in desk.ever(Cancel)] == [(31, "an order of an earlier run that no band wants")]
    assert desk.order(near).is_working
    cancel = desk.ever(Cancel)[0]
    desk.refuse(cancel, error(-1021, "Timestamp for this request is outside of the recvWindow."))
    again = [command for command in desk.wait(1000) if isinstance(command, Cancel)]
    assert [command.venue_order_id for command in again] == [31], "a refused cancel is tried again, not forgotten"


# -- row 30 --------------------------------------------------------------------------------------
def test_row_30_a_fill_counts_before_its_balance_comes() -> None:
    """passivbot #980: the same entry twice, because the fill was taken in one loop late: 142 % of the limit. Ours: a fill counts at once (I13)."""
    desk = ready(maker(inventory_cap=D(1)))
    buy = next(place for place in desk.ever(Place) if place.side is Side.BUY)
    order = acknowledge(desk, buy)
    trade = fill(4, order.venue_order_id or 0, buy.client_order_id, price="99.9")
    desk.step(report(buy.client_order_id, order.venue_order_id or 0, "FILLED", "1", trade=trade, price="99.9"))
    desk.wait(2000)
    assert [place.client_order_id for place in desk.ever(Place) if place.side is Side.BUY] == [buy.client_order_id]
    assert desk.engine.idle["BTCUSDT", Side.BUY] == "inventory cap reached"


# -- row 31 --------------------------------------------------------------------------------------
@pytest.mark.parametrize("faulty", [False, True])
def test_row_31_exposure_never_passes_the_cap(faulty: bool) -> None:
    """hftbacktest #280: cancel + new fills far above the cap when the market moves fast. Ours: held + resting at the venue <= cap, always (I13)."""
    cap = D("0.5")
    band = setup().quoting["ETHUSDT"].bid_bands
    made = SymbolQuoting(bid_bands=band, ask_bands=band, inventory_cap=cap)
    left_out = (*FOREIGN, *CRASHES, Kind.STRANGER_CANCEL)  # the cap is counted from a run's start: after a restart it counts anew
    kinds = tuple(kind for kind in Kind if kind not in left_out)
    both = {"ETHUSDT": made, "SOLUSDT": made}
    stage = Stage(setup(quoting=both, with_faults=faulty, fault_wait_ms=700, allowed=kinds, timing=Timing(cooldown_ms=0)), 60)
    worst: dict[tuple[str, Side], Decimal] = {}
    start = {symbol: stage.matching.balances()[base] for symbol, base in (("ETHUSDT", "ETH"), ("SOLUSDT", "SOL"))}
    publish = stage.venue.publish

    def measured() -> None:
        publish()
        for symbol, base in (("ETHUSDT", "ETH"), ("SOLUSDT", "SOL")):
            held = sum(stage.matching.balances()[base]) - sum(start[symbol])
            for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
                resting = sum((order.remaining for order in stage.matching.open_orders(symbol) if order.side == side.value), D(0))
                worst[symbol, side] = max(worst.get((symbol, side), D(0)), sign * held + resting)

    stage.venue.publish = measured
    stage.opened()
    stage.director.start()
    for _ in range(40):
        for order in stage.matching.open_orders():
            if stage.matching.archives[order.symbol].open_ids and stage._rng.random() < 0.25:
                stage.stranger.hit(order, D("0.7"))
        stage.pass_s(0.8)
    stage.director.stop()
    assert len(stage.memory.fills()) > 20
    assert max(worst.values()) <= cap, worst
    stage.recovers()
    stage.ends_well()
