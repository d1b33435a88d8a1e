"""Killed and started again, in virtual time: rows 8, 11, 18, 28 of the field cases. The same with a real kill -9: tests/drills/test_restart.py."""

from core.events import OrderAnswer, StopRequested
from core.types import Side
from sim.faults import Kind
from sim.setup import Setup, ticks
from tests.core.builders import D, Desk, balances, facts, fill
from tests.museum.scenes import Stage, setup
from trading.quoting import SymbolQuoting


def busy_setup() -> Setup:
    """Four orders a side, two symbols: sixteen working orders."""
    distances = (("1", "3", "6"), ("7", "9", "12"), ("13", "15", "18"), ("19", "21", "24"))
    bands = tuple(ticks(low, target, high, "0.05") for low, target, high in distances)
    made = SymbolQuoting(bid_bands=bands, ask_bands=bands)
    return setup(quoting={"ETHUSDT": made, "SOLUSDT": made})


def test_row_08_a_restart_finds_no_ghosts() -> None:
    """hummingbot #2955, #5044: canceled orders come back as ghosts after a restart. Ours: what the new boot holds open is open at the venue, and
    stop, asked for once, ends with the proof of zero."""
    stage = Stage(drift_ms=200).opened()
    stage.strike(Kind.CANCEL_REPLY_LOST)
    stage.killed()
    stage.recovers()
    ours = {order.client_order_id for order in stage.books.orders.open()}
    assert ours >= {order.client_order_id for order in stage.matching.open_orders()}
    stage.pass_s(1)
    stage.ends_well()
    assert stage.matching.open_orders() == []


def test_row_08_a_second_stop_is_not_needed() -> None:
    """hummingbot #2955: stop must be typed repeatedly. Ours: one StopRequested is enough even when the first cancels are lost on the way."""
    stage = Stage().opened()
    for _ in range(4):
        stage.faults.arm(Kind.CANCEL_LOST)
    stage.post(StopRequested(reason="typed once"))
    assert stage.until(lambda: stage.engine.finished, 20)
    assert stage.matching.open_orders() == []
    assert stage.faults.counts[Kind.CANCEL_LOST] == 4
    proof = stage.engine.audit.stop_proof
    assert proof is not None
    assert proof.equal


def test_row_11_fills_while_nobody_ran() -> None:
    """hummingbot #2642, #2945: trades missing or doubled after a restart. Ours: five kills, each with fills while the bot is dead: every trade of the
    venue is in the memory once (I2, I3, I17)."""
    stage = Stage(drift_ms=200).opened()
    for _ in range(5):
        stage._crash()
        for order in stage.matching.open_orders()[:2]:
            stage.market.hit(order, D("0.6"), stage.scheduler.now_ms)
        stage.publish()
        stage.pass_s(4)
        stage.recovers()
    trades = sum(len(stage.matching.trades(symbol)) for symbol in stage.matching.rules)
    assert trades >= 8
    stage.ends_well()
    keys = [fill.key for fill in stage.memory.fills()]
    assert len(keys) == len(set(keys)) == trades


def test_row_11_two_readings_of_the_night() -> None:
    """hummingbot #2945: the resync that follows the first one brings the same trades again; none is booked twice."""
    desk = Desk()
    night = fill(5, 50, "", quantity="0.6", time_ms=1)
    held = balances()
    desk.connect(desk.account((facts("gltest-lz-9", 50, "PARTIALLY_FILLED", "0.6"),), (night,), held))
    assert desk.books.fill_count() == 0 or desk.order("gltest-lz-9").booked == D("0.6")
    for _ in range(3):
        query = desk.query() if desk.books.orders.attention else None
        if query is not None:
            desk.reply(query, OrderAnswer(facts=facts("gltest-lz-9", 50, "PARTIALLY_FILLED", "0.6", fills=(night,))))
    assert [one.key for one in desk.books.recovered] == [night.key]
    assert desk.order("gltest-lz-9").booked == D("0.6")
    assert desk.light(Side.BUY).is_green


def test_row_18_working_orders_survive_a_kill() -> None:
    """nautilus #5000: SIGKILL + restart dropped 14 working orders. Ours: open orders come from the venue, never from fill arithmetic: sixteen working
    orders are adopted, keep their queue places, and the memory agrees at the end."""
    stage = Stage(busy_setup(), drift_ms=1e7).opened()
    stage.market.hit(stage.matching.open_orders()[0], D("0.3"), stage.scheduler.now_ms)
    stage.publish()
    stage.pass_s(1)
    before = {order.client_order_id for order in stage.matching.open_orders()}
    assert len(before) >= 16
    stage.killed()
    stage.recovers()
    ours = {order.client_order_id for order in stage.books.orders.open()}
    assert before <= ours, "all adopted"
    assert before <= {order.client_order_id for order in stage.matching.open_orders()}, "and left in their places"
    stage.ends_well()


def test_row_18_even_without_any_memory() -> None:
    """nautilus #5000: with the state folder gone, orders with our tag are still ours; those of strangers are not."""
    orders = tuple(facts(f"gltest-lz-{n}", 100 + n, price=str(80 + n)) for n in range(14))
    desk = Desk()
    desk.connect(desk.account((*orders, facts("web_1", 500)), held=balances(usdt="8709", usdt_locked="1291")))
    assert [order.venue_order_id for order in desk.books.orders.open()] == [100 + n for n in range(14)]
    assert desk.books.account.foreign == {("BTCUSDT", 500): ("USDT", D(100))}


def test_row_28_hourly_restarts_leave_no_zombie() -> None:
    """Krypto #1159, #699: zombies remain, users restart hourly. Ours: six kills at bad moments; after each every open order of the venue with our tag
    is known (I10), and after the stop none is left."""
    stage = Stage(drift_ms=150).opened()
    for kind in (Kind.PLACE_REPLY_LOST, Kind.PLACE_LATE, Kind.CANCEL_LOST) * 2:
        stage.strike(kind)
        stage.killed()
        stage.recovers()
        stage.look()
    assert stage.memory.boots == 7
    stage.ends_well()
    assert stage.matching.open_orders() == []


