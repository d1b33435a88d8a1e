"""Connections, stops and reasons: rows 9, 10, 12, 21, 22, 36 of the field cases, in virtual time."""

import pytest

from core import resync
from core.commands import Cancel, Place, Query, ReadAccount, ReadDepth
from core.events import (
    Operator,
    OperatorAction,
    OrderAnswer,
    Outcome,
    StopRequested,
    StreamDown,
    StreamGap,
    StreamUp,
    Timer,
)
from core.snapshot import picture
from core.types import Connection, OrderStatus, Side
from runtime.summary import why_lines
from sim.faults import Kind
from tests.core.builders import MS, D, Desk, NoRisk, balances, diff, error, facts, fill, report, ticker
from tests.museum.scenes import Stage, acknowledge, listed, maker, ready

S = OrderStatus


# -- row 9 ---------------------------------------------------------------------------------------
def risky() -> tuple[Desk, NoRisk]:
    risk = NoRisk()
    return ready(maker(), risk=risk), risk


def test_row_09_the_kill_switch_holds() -> None:
    """hummingbot #2534: the kill switch fires, orders keep coming. Ours: after a halt only cancels and questions leave, whatever the market does."""
    desk, risk = risky()
    for place in desk.ever(Place):
        acknowledge(desk, place)
    mark = len(desk.log)
    risk.halt_reason = "quoting has lost 100, limit 50"
    desk.step(Timer(), after_ms=100)
    for cancel in desk.sent(Cancel):
        desk.reply(cancel, OrderAnswer(facts=listed(desk.order(cancel.client_order_id), "CANCELED")))  # type: ignore[arg-type]
    for number in range(50):
        shift = D("0.05") * (number % 7)
        desk.step(ticker(2000 + number, str(D("99.99") + shift), str(D("100.01") + shift)), Timer(), after_ms=100)
    left = desk.log[mark:]
    assert len([command for command in left if isinstance(command, Cancel)]) == 2
    assert {type(command) for command in left} <= {Cancel, ReadDepth, ReadAccount}, left
    assert desk.light().reason == "halted by risk: quoting has lost 100, limit 50"
    assert not list(desk.books.orders.open())


def test_row_09_resume_does_not_outrun_the_kill_switch() -> None:
    """hummingbot #2534: a resume while the loss is still beyond its limit places nothing, not even until the next Timer."""
    desk, risk = risky()
    for place in desk.ever(Place):
        acknowledge(desk, place)
    mark = len(desk.log)
    risk.halt_reason = "quoting has lost 100, limit 50"
    desk.step(Timer(), after_ms=100)
    for cancel in desk.sent(Cancel):
        desk.reply(cancel, OrderAnswer(facts=listed(desk.order(cancel.client_order_id), "CANCELED")))  # type: ignore[arg-type]
    assert not list(desk.books.orders.open())
    desk.step(Operator(action=OperatorAction.RESUME), after_ms=50)
    desk.step(ticker(3000, "99.99", "100.01"), after_ms=10)
    desk.wait(500)
    assert not [command for command in desk.log[mark:] if isinstance(command, Place)]
    assert desk.books.session.halted.startswith("risk")


def test_row_09_the_halt_is_no_task_that_can_be_lost() -> None:
    """hummingbot #1508: the kill task cancels itself. Ours: a halt is a fact of the books; a lane that refuses its cancels only delays them."""
    desk, risk = risky()
    orders = [acknowledge(desk, place) for place in desk.ever(Place)]
    risk.halt_reason = "loss"
    desk.step(Timer(), after_ms=100)
    first = desk.sent(Cancel)
    assert len(first) == 2
    for cancel in first:
        desk.reply(cancel, outcome=Outcome.NOT_SENT, note="lane refused: full")
    risk.halt_reason = None
    again = [command for command in desk.wait(600) if isinstance(command, Cancel)]
    assert {cancel.venue_order_id for cancel in again} == {order.venue_order_id for order in orders}
    assert desk.books.session.halted == "risk: loss", "and no better moment lifts it"


def test_row_09_nothing_but_cancels_after_stop() -> None:
    """hummingbot #1508: once stop was asked for, neither a resume, nor a reconnect, nor a fill brings an order back."""
    desk = ready(maker())
    buy, sell = (acknowledge(desk, place) for place in list(desk.ever(Place)))
    desk.step(StopRequested(reason="operator"))
    mark = len(desk.log) - len(desk.last.commands)
    desk.step(Operator(action=OperatorAction.RESUME), StreamDown(connection=Connection.USER, reason="reset"), after_ms=10)
    desk.step(StreamUp(connection=Connection.USER), after_ms=10)
    trade = fill(4, buy.venue_order_id or 0, buy.client_order_id, price="99.9")
    desk.step(report(buy.client_order_id, buy.venue_order_id or 0, "FILLED", "1", trade=trade, price="99.9"), ticker(4000), after_ms=10)
    desk.step(report(sell.client_order_id, sell.venue_order_id or 0, "CANCELED", side=Side.SELL, price="100.1"), after_ms=10)
    desk.wait(3000)
    assert {type(command) for command in desk.log[mark:]} <= {Cancel, Query, ReadAccount, ReadDepth}


# -- row 10 --------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [Kind.USER_DOWN, Kind.MARKET_DOWN, Kind.USER_GAP])
def test_row_10_it_recovers_from_every_close(kind: Kind) -> None:
    """hummingbot #8250, #5896: never recovers after a close. Ours: five closes in a row, each time resync and green within the bound (I7, I23)."""
    stage = Stage().opened()
    for _ in range(5):
        stage.director.play(kind)
        stage.pass_s(0.5)
        stage.recovers()
    assert stage.faults.counts[kind] == 5
    stage.ends_well()


def test_row_10_an_order_that_is_gone_is_canceled_once() -> None:
    """Krypto #374: cancels for ever an order that is gone. Ours: "not open" is followed by a question, and its answer ends it."""
    desk = ready()
    order = desk.rest()
    cancel = desk.cancel(order)
    desk.refuse(cancel, error(-2011, "Unknown order sent."))
    desk.reply(desk.query(), OrderAnswer(facts=listed(order, "CANCELED")))  # type: ignore[arg-type]
    assert order.status is S.CANCELED
    desk.wait(9000)
    assert len(desk.ever(Cancel)) == 1
    assert desk.light().is_green


# -- row 12 --------------------------------------------------------------------------------------
CAUSES = {
    "market stream down: reset": lambda desk: desk.step(StreamDown(connection=Connection.MARKET, reason="reset")),
    "resync running": lambda desk: desk.step(StreamGap(connection=Connection.USER, reason="backlog")),
    "book not in step": lambda desk: desk.step(diff(105, 106)),
    "halted by the operator": lambda desk: desk.step(Operator(action=OperatorAction.HALT)),
    "outcome unknown: gltest-m0-": lambda desk: [desk.lose(place) for place in desk.ever(Place)],
    "brake: 2 equal refusals (-2010)": lambda desk: refuse_twice(desk),
    "banned by the venue (418 -1003)": lambda desk: desk.refuse(desk.ever(Place)[0], error(-1003, "banned", 418, retry_after_ms=60_000)),
    "order count limit of the venue (-1015)": lambda desk: limit(desk),
    "needs 99.90 USDT, 1 available": lambda desk: poor(desk),
    "book is stale, limit 10000 ms": lambda desk: go_stale(desk),
    "stopping: operator": lambda desk: desk.step(StopRequested(reason="operator")),
}


def refuse_twice(desk: Desk) -> None:
    for place in [*desk.ever(Place)]:
        desk.refuse(place, error(-2010, "Account has insufficient balance for requested action."))
    for place in desk.ever(Place)[2:]:
        desk.refuse(place, error(-2010, "Account has insufficient balance for requested action."))


def limit(desk: Desk) -> None:
    for place in [*desk.ever(Place)]:
        desk.refuse(place, error(-1015, "Too many new orders.", 429, retry_after_ms=9000))


def go_stale(desk: Desk) -> None:
    cancel_all(desk)
    desk.wait(11_000)


def poor(desk: Desk) -> None:
    cancel_all(desk)
    desk.books.account.on_position(balances(usdt="1", btc="0"), desk.ms)
    desk.step(Timer(), after_ms=100)


def cancel_all(desk: Desk) -> None:
    """A stranger cancels our orders."""
    desk.books.budget.places_until_ns = desk.ms * MS + 10 * MS
    for place in [*desk.ever(Place)]:
        shape = {"side": place.side, "price": str(place.price)}
        for status in ("NEW", "CANCELED"):
            desk.step(report(place.client_order_id, place.command_id, status, **shape))  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", list(CAUSES))
def test_row_12_why(reason: str) -> None:
    """hummingbot #2372: "the bot stopped making orders and I do not know why". Ours: `why` names reason, age and what clears it (I28)."""
    desk = ready(maker())
    CAUSES[reason](desk)  # type: ignore[no-untyped-call]
    shown = picture(desk.engine)
    assert shown is not None
    lines = [line for line in why_lines(shown) if "BTCUSDT BUY" in line]
    assert len(lines) == 1
    assert reason in lines[0] or (reason.startswith("needs") and "USDT, 1 available" in lines[0]), lines
    light = desk.light(Side.BUY)
    assert light.is_green or (light.clears_when and "clears when: " in lines[0])


def test_row_12_no_silent_side_in_a_whole_world() -> None:
    """hummingbot #2372: through outages and lost answers no side is ever without quote and without reason (I28)."""
    stage = Stage().opened()
    for kind in (Kind.USER_DOWN, Kind.MARKET_SILENT, Kind.PLACE_LOST, Kind.BAN_429, Kind.CANCEL_LOST):
        stage.director.play(kind)
        for _ in range(8):
            stage.pass_s(1)
            stage.look()
            shown = picture(stage.engine)
            assert shown is not None
            assert all(side.orders or side.no_quote_because for side in shown.sides)
        stage.director.stop()
        stage.faults.stopped = False
    stage.recovers()


# -- row 21 --------------------------------------------------------------------------------------
def test_row_21_an_outage_loses_no_update() -> None:
    """nautilus #4991: updates during a private outage are lost for ever. Ours: resync on every reconnect brings fills, cancels and balances."""
    stage = Stage().opened()
    for turn in range(3):
        stage.links[Connection.USER].drop("reset by the peer")
        first, second, *_ = stage.matching.open_orders()
        stage.market.hit(first, D("0.5"), stage.scheduler.now_ms)
        stage.stranger.cancel(second)
        stage.publish()
        fills = len(stage.books.fills)
        stage.recovers()
        assert len(stage.books.fills) > fills, f"outage {turn}"
    stage.ends_well()


def test_row_21_the_same_snapshot_twice() -> None:
    """nautilus #4991: merging is idempotent: the same account read again changes no order, fill, balance or expectation."""
    desk = ready()
    order = desk.rest()
    trade = fill(4, 11, order.client_order_id, price="99", quantity="0.4")
    held = balances(usdt="9901", usdt_locked="59.4", btc="10.4")
    snapshot = desk.account((facts(order.client_order_id, 11, "PARTIALLY_FILLED", "0.4", price="99"),), (trade,), held, desk.ms + 70_000)
    states = []
    for _ in range(3):
        resync.merge(desk.books, snapshot, desk.ms * MS)
        account = desk.books.account
        states.append((order.status, order.booked, desk.books.fill_count(), account.expected("BTC"), account.available("USDT", desk.books.orders)))
    assert states == [states[0]] * 3
    assert states[0][:3] == (S.PARTIALLY_FILLED, D("0.4"), 1)


# -- row 22 --------------------------------------------------------------------------------------
def test_row_22_nothing_is_placed_between_reconnect_and_merge() -> None:
    """nautilus #3820: commands left between reconnect and authentication. Ours: the session gates them: up, then the account read, then orders.

    StreamUp itself comes only after the subscription was answered (tests/binance/test_user_stream.py)."""
    desk = Desk(maker())
    desk.step(StreamUp(connection=Connection.MARKET), ticker(101))
    read = desk.one(ReadDepth)
    from tests.core.builders import depth_snapshot

    desk.reply(read, depth_snapshot(100))
    desk.wait(1000)
    assert not desk.ever(Place), "the user stream is not up"
    desk.step(StreamUp(connection=Connection.USER))
    account = desk.one(ReadAccount)
    desk.step(ticker(102))
    desk.wait(1000)
    assert not desk.ever(Place), "the account is not merged"
    desk.lose(account)
    later = next(command for command in desk.wait(2000) if isinstance(command, ReadAccount))
    assert not desk.ever(Place), "and a failed read merges nothing"
    desk.reply(later, desk.account())
    assert len(desk.ever(Place)) == 2


def test_row_22_a_dozen_reconnects() -> None:
    """nautilus #3820: over twelve reconnects no place leaves before its own account read was merged (I23, judged by the oracle)."""
    stage = Stage(drift_ms=120).opened()
    for _ in range(12):
        stage.director.play(Kind.USER_DOWN)
        stage.pass_s(2.5)
    stage.recovers()
    assert stage.oracle.checks["I23"] > 20
    stage.ends_well()


# -- row 36 --------------------------------------------------------------------------------------
def test_row_36_a_stream_that_says_nothing_is_found_out() -> None:
    """python-binance: the user socket reconnects without resubscribing and events stop silently. Ours: an acknowledged order the stream never
    mentions gives it away: reconnect, resync, nothing lost."""
    stage = Stage().opened()
    link = stage.links[Connection.USER]
    link.is_mute = True
    order = stage.matching.open_orders()[0]
    stage.market.hit(order, D(1), stage.scheduler.now_ms)
    stage.publish()
    reconnects: list[str] = []
    real = link.reconnect
    link.reconnect = lambda reason: (reconnects.append(reason), real(reason))[1]  # type: ignore[method-assign,func-returns-value]
    assert stage.until(lambda: bool(reconnects), 40), "nobody noticed"
    assert "report" in reconnects[0]
    stage.recovers()
    stage.ends_well()

