"""What the simulator found, retold by hand: one short scene per bug, so that each stays fixed even when the worlds change."""

from dataclasses import replace
from decimal import Decimal

from core.budget import Budget
from core.commands import CancelAll, Query, ReadAccount, ReadDepth
from core.events import Operator, OperatorAction, OrderAnswer, Outcome, Reply, StopRequested, StreamUp, Timer, Undecided
from core.types import Balance, Connection, OrderStatus, RateLimit, Side, VenueError
from sim.memory import PATH, Memory
from sim.setup import Setup
from sim.world import World
from state.intents import Intents
from tests.core.builders import MS, START_MS, Desk, balances, depth_snapshot, diff, facts, fill, position, report, want

D = Decimal


def read_account(desk: Desk) -> ReadAccount:
    """Wait for the next periodic proof."""
    for _ in range(400):
        desk.step(Timer(), after_ms=100)
        if reads := desk.sent(ReadAccount):
            return reads[0]
    raise AssertionError("no account read")


def unknown_place(desk: Desk) -> str:
    place = desk.place(want(price="99"))
    desk.lose(place)
    return place.client_order_id


def orphan_query(desk: Desk) -> Query:
    (query,) = [command for command in desk.sent(Query) if not command.client_order_id]
    return query


def test_trades_read_before_the_place_is_answered_are_ours() -> None:
    """Seed 12: an account read brings trades of an order whose place has no answer; asked whose they are, the venue names us: booked once."""
    desk = Desk().connect()
    client_id = unknown_place(desk)
    trade = fill(501, 77, price="99")
    desk.reply(read_account(desk), desk.account(trades=(trade,), update_ms=START_MS + 60_000))
    desk.reply(orphan_query(desk), OrderAnswer(facts=facts(client_id, 77, "FILLED", "1", price="99")))
    order = desk.order(client_id)
    assert (order.booked, order.venue_order_id, order.status) == (D(1), 77, OrderStatus.FILLED)
    assert not any(desk.books.account.movements.values())
    assert desk.books.account.own_change["BTC"] == 1


def test_trades_of_a_renamed_order_are_taken_back() -> None:
    """Seed 100: a stranger canceled and so renamed our order; its trade looked foreign until the order list gave the order back to us."""
    desk = Desk().connect()
    client_id = unknown_place(desk)
    trade = fill(501, 77, price="99", quantity="0.4")
    desk.reply(read_account(desk), desk.account(trades=(trade,), update_ms=START_MS + 60_000))
    stolen = facts("web_9", 77, "CANCELED", "0.4", price="99", fills=(trade,))
    desk.reply(orphan_query(desk), OrderAnswer(facts=stolen))
    assert desk.books.account.movements["BTC"] == D("0.4")
    for _ in range(400):
        desk.step(Timer(), after_ms=100)
        for query in desk.sent(Query):
            desk.reply(query, OrderAnswer(facts=stolen if query.since_ms else None, searched=query.since_ms is not None))
        if not desk.order(client_id).is_open:
            break
    assert (desk.order(client_id).status, desk.order(client_id).booked) == (OrderStatus.CANCELED, D("0.4"))
    assert not any(desk.books.account.movements.values())
    assert desk.books.account.own_change["BTC"] == D("0.4")


def test_two_fills_of_one_ms() -> None:
    """Seed 122: a sweep fills two orders within one ms; the balance between the two fills must not promise the second fill's funds again."""
    desk = Desk().connect()
    first = desk.rest(want(Side.SELL, "101", "4", (0, 0)), 11)
    second = desk.rest(want(Side.SELL, "102", "4", (1, 0)), 12)
    at_ms = START_MS + 90_000
    for order, trade_id in ((first, 501), (second, 502)):
        trade = fill(trade_id, order.venue_order_id or 0, side=Side.SELL, price=str(order.price), quantity="4", time_ms=at_ms)
        desk.step(report(order.client_order_id, order.venue_order_id or 0, "FILLED", "4", trade=trade, side=Side.SELL, quantity="4"))
        if order is first:
            desk.step(position(at_ms, Balance(asset="BTC", free=D(2), locked=D(4))))
    desk.place(want(Side.SELL, "103", "1", (0, 1)))
    assert desk.books.account.available("BTC", desk.books.orders) == 1
    desk.step(position(at_ms, Balance(asset="BTC", free=D(2), locked=D(0))))
    assert desk.books.account.available("BTC", desk.books.orders) == 1


def test_five_levels_never_build_a_book() -> None:
    """Seed 2388: the answer to a confirming read arrives after a gap; its few levels must not become the book."""
    desk = Desk().connect()
    for _ in range(200):
        desk.step(Timer(), after_ms=100)
        if confirm := desk.sent(ReadDepth):
            break
    assert confirm[0].limit == 5
    desk.step(diff(105, 106))
    assert not desk.books.market["BTCUSDT"].depth.in_step
    desk.reply(confirm[0], depth_snapshot(110))
    assert not desk.books.market["BTCUSDT"].depth.in_step
    assert [read.limit for read in desk.wait(300) if isinstance(read, ReadDepth)] == [1000]


def test_an_order_being_asked_about_is_undecided_not_different() -> None:
    """Seed 2367: while a cancel's outcome is asked for, a proof may call the order undecided, never "open in our book only"."""
    desk = Desk().connect()
    order = desk.rest()
    desk.lose(desk.cancel(order))
    desk.reply(read_account(desk), desk.account(held=balances()))
    for _ in range(3):
        desk.reply(read_account(desk), desk.account(held=balances()))
    verdict = desk.engine.audit.last
    assert verdict is not None
    assert not any("open in our book only" in line for line in verdict.differences)


def test_an_order_of_an_earlier_boot_renamed_by_its_own_cancel_is_one_order() -> None:
    """Seed 49: after a crash the trades of an undecided place name its cancel; that is the same order, not a second one."""
    place = Undecided(symbol="BTCUSDT", side=Side.BUY, price=D(99), quantity=D(1), client_order_id="gltest-lz-9", sent_ms=START_MS - 1000)
    desk = Desk(undecided=(place,))
    trade = fill(501, 77, price="99", quantity="0.4", time_ms=START_MS - 500)
    desk.connect(desk.account(trades=(trade,)))
    canceled = facts("gltest-lz-9c", 77, "CANCELED", "0.4", price="99", fills=(trade,))
    for _ in range(200):
        for query in desk.sent(Query):
            desk.reply(query, OrderAnswer(facts=canceled if query.venue_order_id == 77 or query.since_ms else None, searched=bool(query.since_ms)))
        desk.step(Timer(), after_ms=100)
    orders = desk.books.orders
    assert list(orders.by_client_id) == ["gltest-lz-9"]
    assert (orders.by_client_id["gltest-lz-9"].booked, list(orders.attention)) == (D("0.4"), [])


def test_a_fill_heard_before_the_first_read_counts_when_the_balances_are_older() -> None:
    """Seed 50: the stream tells of a fill while the first account read is under way; balances from before it do not contain it."""
    place = Undecided(symbol="BTCUSDT", side=Side.BUY, price=D(99), quantity=D(1), client_order_id="gltest-lz-9", sent_ms=START_MS - 20_000)
    for told_ms, change in ((START_MS, D("0.4")), (START_MS + 60_000, D(0))):
        desk = Desk(undecided=(place,))
        trade = fill(501, 77, "gltest-lz-9", price="99", quantity="0.4", time_ms=START_MS + 50_000)
        desk.step(StreamUp(connection=Connection.MARKET), StreamUp(connection=Connection.USER))
        (read,) = desk.sent(ReadAccount)
        desk.step(report("gltest-lz-9", 77, "PARTIALLY_FILLED", "0.4", trade=trade, price="99"))
        desk.reply(read, desk.account(update_ms=told_ms))
        assert desk.books.account.own_change.get("BTC", D(0)) == change


def test_places_under_way_at_a_windows_edge_count_in_both_windows() -> None:
    """Seed 9: an old counter in a late reply must not hide the places sent since, nor a new window those still on their way."""
    budget = Budget()
    budget.learn((RateLimit(kind="ORDERS", interval_s=10, limit=20),))
    now_ns = START_MS * MS
    for _ in range(15):
        budget.spend(now_ns, orders=1)
    budget.count((RateLimit(kind="ORDERS", interval_s=10, limit=20, count=3),), now_ns, now_ns)
    budget.spend(now_ns, orders=5)
    assert budget.place_denied(now_ns) is not None
    next_ns = now_ns + 10_000 * MS
    budget.carry(next_ns, [now_ns] * 20)
    assert budget.place_denied(next_ns) is not None
    budget.carry(next_ns, [now_ns] * 19)
    assert budget.place_denied(next_ns) is None


def test_a_stop_before_the_first_reading_still_reads() -> None:
    """Seed 104: the stop came while the first account read after a crash was lost; nothing was read any more, so nothing was ever proven."""
    place = Undecided(symbol="BTCUSDT", side=Side.BUY, price=D(99), quantity=D(1), client_order_id="gltest-lz-9", sent_ms=START_MS - 1000)
    desk = Desk(undecided=(place,))
    desk.step(StreamUp(connection=Connection.MARKET), StreamUp(connection=Connection.USER))
    (read,) = desk.sent(ReadAccount)
    desk.step(StopRequested(reason="now"))
    desk.lose(read)
    assert [command for command in desk.wait(2000) if isinstance(command, ReadAccount)]


def test_cancel_all_waits_for_the_end_of_a_ban() -> None:
    """Seed 35: the operator's cancel-all left during a ban (I26); it leaves once, when the ban is over, unless the operator resumed before."""
    for resumes in (False, True):
        desk = Desk().connect()
        order = desk.rest()
        desk.refuse(desk.cancel(order), VenueError(code=-1003, message="Too much request weight used.", http_status=429, retry_after_ms=2000))
        desk.step(Operator(action=OperatorAction.CANCEL_ALL))
        assert not desk.sent(CancelAll)
        if resumes:
            desk.step(Operator(action=OperatorAction.RESUME))
        left = [command for command in desk.wait(3000) if isinstance(command, CancelAll)]
        assert len(left) == (0 if resumes else 1)


def test_no_fill_passes_one_that_could_not_be_written() -> None:
    """Seed 22: a fill met a full disk, a later one was written; the next start read only the trades after that one, and the first was lost."""
    memory = Memory()
    intents = Intents(PATH, lambda path: memory.disk)
    intents.start()
    memory.disk.keeps = lambda size: 7
    intents.fill(fill(501, 77))
    intents.end("gltest-lz-9", "FILLED", "execution report")
    memory.disk.heal()
    assert memory.fills() == []
    intents.fill(fill(502, 78))
    assert [one.trade_id for one in memory.fills()] == [501, 502]
    assert intents.failed == 2


def test_after_a_fill_that_is_lost_none_is_written() -> None:
    """The same with more waiting than is kept: then all of them are left to the next start, which reads every trade after the newest written."""
    memory = Memory()
    intents = Intents(PATH, lambda path: memory.disk)
    intents.start()
    intents.fill(fill(501, 77))
    intents.leave_out()
    intents.fill(fill(503, 78))
    intents.end("gltest-lz-9", "FILLED", "execution report")
    assert [one.trade_id for one in memory.fills()] == [501]


def test_many_cut_off_records_in_a_row_are_no_damage() -> None:
    """Seed 95: on a full disk several records were cut off one after the other, together longer than the first one announced: still only torn."""
    memory = Memory()
    intents = Intents(PATH, lambda path: memory.disk)
    intents.start()
    for number in range(300):
        memory.disk.keeps = lambda size, number=number: 1 + number % (size - 1)
        intents.result(Reply(command_id=number, outcome=Outcome.DONE))
    memory.disk.heal()
    intents.fill(fill(501, 77))
    assert [one.trade_id for one in memory.fills()] == [501]


def test_fills_not_booked_yet_have_spent_their_funds() -> None:
    """Seed 811: an ended order had executed more than was booked, and its side was red; the same funds were promised to the other symbol's order."""
    desk = Desk().connect()
    order = desk.rest(want(Side.SELL, "101", "4", (0, 0)), 11)
    free = desk.books.account.available("BTC", desk.books.orders)
    desk.step(report(order.client_order_id, 11, "CANCELED", "1.5", side=Side.SELL, price="101", quantity="4"))
    assert order.executed - order.booked == D("1.5") and not order.is_open
    assert desk.books.account.available("BTC", desk.books.orders) <= min(free + D("2.5"), desk.books.account.holdings["BTC"].total - D("1.5"))


def test_places_that_cannot_leave_brake() -> None:
    """Seed 44: on a full disk a place was refused by its own journal and made again at once, thousands of times a second; now the side waits."""
    world = World(replace(Setup.drawn(1), with_faults=False))
    world.start()
    world.memory.disk.keeps = lambda size: 0
    world.scheduler.run(world.scheduler.now_ns + 5_000 * MS)
    assert world.engine.books is not None and 0 < world.engine.books.placed <= 60
    assert not world.matching.open_orders()
    world.memory.disk.heal()
    world.scheduler.run(world.scheduler.now_ns + 9_000 * MS)
    assert world.matching.open_orders() and not world.oracle.failures


def test_a_place_whose_intent_took_too_long_does_not_leave() -> None:
    """On a slow disk the decision grew old while its intent was written: a place past `not_after_ns` is not sent."""
    world = World(replace(Setup.drawn(1), with_faults=False))
    world.start()
    world.memory.disk.slow_ms = lambda: 400.0
    world.scheduler.run(world.scheduler.now_ns + 3_000 * MS)
    assert world.engine.books is not None and world.engine.books.placed > 0
    assert world.oracle.checks.get("STALE", 0) == 0 and not world.matching.open_orders()
    world.memory.disk.heal()
    world.scheduler.run(world.scheduler.now_ns + 3_000 * MS)
    assert world.matching.open_orders() and not world.oracle.failures
