"""core.engine and its connections: streams, resync, the market book, deaf sockets."""

import pytest

from core import resync
from core.books import Timing
from core.commands import Cancel, Place, Purpose, ReadAccount, ReadDepth, Reconnect
from core.engine import Engine
from core.events import (
    Operator,
    OperatorAction,
    OrderAnswer,
    StopRequested,
    StreamDown,
    StreamGap,
    StreamUp,
    Timer,
)
from core.light import Colour
from core.types import Connection, OrderStatus
from tests.core.builders import (
    MS,
    OLDER_BOOT,
    START_MS,
    TAG,
    D,
    Desk,
    NoRisk,
    Script,
    balances,
    depth_snapshot,
    diff,
    facts,
    fill,
    want,
)

S = OrderStatus


def ready() -> Desk:
    return Desk().connect()


# -- streams -------------------------------------------------------------------------------------
def test_first_event_is_boot() -> None:
    """A run that does not begin with Boot is a fault of ours."""
    with pytest.raises(ValueError, match="Boot"):
        Engine(Script(), NoRisk(), Timing()).step(1, [Timer()])


@pytest.mark.parametrize("connection", list(Connection))
def test_stream_down_pulls_the_quotes(connection: Connection) -> None:
    """A lost socket turns every side red and cancels every quote in the same step (I22)."""
    desk = ready()
    desk.rest()
    desk.step(StreamDown(connection=connection, reason="reset by peer", retry_in_ms=500))
    assert desk.one(Cancel).venue_order_id == 11
    assert desk.light().reason == f"{connection} stream down: reset by peer"
    assert "1 orders to cancel" in desk.words()


def test_resync_comes_before_entry() -> None:
    """After a reconnect nothing is placed before the account was read and merged (I23)."""
    desk = ready()
    desk.step(StreamDown(connection=Connection.USER, reason="reset"))
    desk.script.places = [want()]
    desk.step(StreamUp(connection=Connection.USER))
    read = desk.one(ReadAccount)
    assert read.purpose is Purpose.RESYNC
    desk.wait(500)
    assert not desk.ever(Place)
    desk.reply(read, desk.account())
    assert desk.sent(Place)


def test_a_stream_that_moved_is_no_outage() -> None:
    """StreamUp with `moved` while the stream is up: nothing was missed, so no resync and no red; where it was down it is an up like any other."""
    desk = Desk().connect()
    step = desk.step(StreamUp(connection=Connection.USER, moved=True))
    assert desk.light().colour is Colour.GREEN
    assert not [command for command in step.commands if isinstance(command, ReadAccount)]
    desk.step(StreamDown(connection=Connection.USER, reason="reset"))
    desk.step(StreamUp(connection=Connection.USER, moved=True))
    assert desk.light().colour is Colour.RED
    assert desk.one(ReadAccount).purpose is Purpose.RESYNC


def test_gap_during_a_read_is_read_again() -> None:
    """A gap that opens while a read is under way is not covered by it: the light stays red until a later read."""
    desk = ready()
    desk.step(StreamGap(connection=Connection.USER, reason="backlog"))
    first = desk.one(ReadAccount)
    desk.step(StreamGap(connection=Connection.USER, reason="backlog"))
    desk.reply(first, desk.account())
    assert desk.light().reason == "resync running"
    desk.reply(desk.one(ReadAccount), desk.account())
    assert desk.light().is_green


def test_failed_resync_is_tried_again() -> None:
    """A lost account read is repeated after a pause, and the light stays red meanwhile."""
    desk = ready()
    desk.step(StreamGap(connection=Connection.USER, reason="backlog"))
    desk.lose(desk.one(ReadAccount))
    assert [c for c in desk.wait(600) if isinstance(c, ReadAccount)]
    assert desk.light().colour is Colour.RED


def test_resync_finds_the_fill_of_the_outage() -> None:
    """An order that filled while the stream was down is not closed by its absence: it is queried, its trade booked once (I2)."""
    desk = ready()
    order = desk.rest()
    desk.step(StreamGap(connection=Connection.USER, reason="backlog"), after_ms=10)
    trade = fill(4, 11, order.client_order_id, price="99")
    desk.reply(desk.one(ReadAccount), desk.account(trades=(trade,), held=balances(usdt="9901", btc="11"), update_ms=START_MS + 60_000))
    assert (order.is_open, order.booked) == (True, D(1))
    query = desk.query()
    desk.reply(query, OrderAnswer(facts=facts(order.client_order_id, 11, "FILLED", "1", price="99", fills=(trade,))))
    assert (order.status, desk.books.fill_count(), desk.light().is_green) == (S.FILLED, 1, True)


def test_trades_of_an_order_without_a_name_are_asked_about() -> None:
    """A trade whose order we cannot name waits; the order's name makes it ours or a foreign movement, never a guess."""
    for client_id, ours in ((f"{TAG}-{OLDER_BOOT}-7", True), ("web-1", False)):
        desk = ready()
        desk.step(StreamGap(connection=Connection.USER, reason="backlog"))
        desk.reply(desk.one(ReadAccount), desk.account(trades=(fill(4, 77),)))
        query = desk.query()
        assert (query.venue_order_id, query.client_order_id) == (77, "")
        desk.reply(query, OrderAnswer(facts=facts(client_id, 77, "FILLED", "1")))
        assert (desk.books.fill_count() == 1) is ours
        assert desk.books.account.expected("BTC") == 11
        assert not desk.books.orphans


def test_deaf_user_stream_is_replaced() -> None:
    """A place answered by its reply but never mentioned by the stream within the echo time: reconnect and resync."""
    desk = ready()
    place = desk.place()
    desk.reply(place, OrderAnswer(facts=facts(place.client_order_id, 11, price="99")))
    left = desk.wait(5200)
    assert [c.connection for c in left if isinstance(c, Reconnect)] == [Connection.USER]
    assert desk.light().colour is Colour.RED
    assert [c for c in left if isinstance(c, ReadAccount) and c.purpose is Purpose.RESYNC]


def test_orders_that_come_and_go_unreported_are_deafness_too() -> None:
    """An order acknowledged and ended by replies alone, and no report of any order for the echo time: reconnect."""
    desk = ready()
    place = desk.place()
    desk.reply(place, OrderAnswer(facts=facts(place.client_order_id, 11, price="99")))
    desk.books.orders.by_client_id[place.client_order_id].cancel_wanted = "test"
    desk.step(Timer())
    (cancel,) = desk.sent(Cancel)
    desk.reply(cancel, OrderAnswer(facts=facts(place.client_order_id, 11, "CANCELED", price="99")))
    assert Connection.USER in {command.connection for command in desk.wait(5400) if isinstance(command, Reconnect)}


def test_reconnect_awaits_no_reply() -> None:
    """A Reconnect is answered by StreamDown and StreamUp, so it is no outstanding call (I8)."""
    desk = ready()
    desk.books.reconnect(Connection.USER, "test")
    desk.step()
    assert desk.sent(Reconnect)
    assert not desk.engine.pending


# -- the book ------------------------------------------------------------------------------------
def test_depth_gap_reads_a_new_snapshot_and_is_red_meanwhile() -> None:
    """A hole in the update ids turns the symbol red in the same step, and a snapshot is asked for (I24)."""
    desk = ready()
    desk.step(diff(105, 106))
    read = desk.one(ReadDepth)
    assert desk.light().reason == "book not in step"
    desk.reply(read, depth_snapshot(104))
    assert desk.light().is_green


def test_late_depth_reply_of_an_older_read_is_ignored() -> None:
    """Only the read under way may build the book."""
    desk = ready()
    desk.step(StreamGap(connection=Connection.MARKET, reason="backlog"))
    first = desk.one(ReadDepth)
    desk.step(Timer(), after_ms=4000)
    second = desk.one(ReadDepth)
    desk.reply(first, depth_snapshot(200))
    assert desk.light().colour is Colour.RED
    desk.reply(second, depth_snapshot(200))
    assert desk.light().is_green


def test_failed_depth_read_backs_off() -> None:
    """Depth reads that fail are repeated with growing pauses."""
    desk = ready()
    desk.step(diff(105, 106))
    asked: list[int] = []
    for _ in range(200):
        for read in desk.sent(ReadDepth):
            asked.append(desk.ms)
            desk.lose(read)
        desk.step(Timer(), after_ms=50)
    gaps = [b - a for a, b in zip(asked, asked[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (250, 4000)


def test_quiet_book_is_confirmed_by_a_snapshot() -> None:
    """A silent market is no fault: a snapshot at our update id proves the book fresh, and quotes stay."""
    desk = ready()
    desk.rest()
    for _ in range(120):
        desk.step(Timer(), after_ms=250)
        for read in desk.sent(ReadDepth):
            assert read.limit == 5
            desk.reply(read, depth_snapshot(100))
        assert desk.light().is_green
    assert not desk.ever(Cancel)


def test_a_confirmed_book_is_as_fresh_as_its_request() -> None:
    """A snapshot that was long on its way shows the book of then: the book's age counts from the request's sending (seed 3218)."""
    desk = ready()
    desk.wait(5500)
    read = desk.ever(ReadDepth)[-1]
    sent_ns = desk.ms * MS
    desk.wait(2000)
    desk.reply(read, depth_snapshot(100), sent_ns=sent_ns)
    assert desk.books.session.symbols["BTCUSDT"].book_seen_ns == sent_ns


def test_a_stop_does_not_wait_for_a_routine_reading() -> None:
    """A proof under way when the stop comes is not waited for: the reading of the stop is sent at once (seed 3995)."""
    desk = ready()
    desk.step(Operator(action=OperatorAction.PROVE))
    assert desk.one(ReadAccount).purpose is Purpose.PROOF
    desk.step(StopRequested(reason="test"))
    desk.step(Timer(), after_ms=100)
    assert desk.ever(ReadAccount)[-1].purpose is Purpose.STOP


def test_deaf_market_stream_is_replaced() -> None:
    """A snapshot newer than the stream, whose updates never come, means the stream is deaf: reconnect."""
    desk = ready()
    for _ in range(80):
        desk.step(Timer(), after_ms=100)
        for read in desk.sent(ReadDepth):
            desk.reply(read, depth_snapshot(150))
    assert Connection.MARKET in {command.connection for command in desk.ever(Reconnect)}


def test_book_out_of_step_for_long_pulls_the_quotes() -> None:
    """A short resynchronisation keeps the quotes; a book out of step for over 2 s cancels them."""
    desk = ready()
    desk.rest()
    desk.step(diff(105, 106))
    assert not [command for command in desk.wait(1900) if isinstance(command, Cancel)]
    cancels = [command for command in desk.wait(300) if isinstance(command, Cancel)]
    assert [cancel.reason for cancel in cancels] == ["book out of step"]


def test_an_order_answered_before_the_read_and_not_listed_is_doubted() -> None:
    """Only an order the venue had acknowledged before the read was sent is doubted for not being listed; none is closed."""
    for sent_after_ms, doubted in ((5, True), (-5, False)):
        desk = ready()
        order = desk.rest()
        resync.merge(desk.books, desk.account(), (desk.ms + sent_after_ms) * MS)
        assert (order.client_order_id in desk.books.orders.attention) is doubted
        assert order.is_open


def test_stale_book_pulls_the_quotes() -> None:
    """A book nobody confirms turns red after its allowed age, and its quotes are canceled (I22)."""
    desk = Desk(timing=Timing(book_age_ms_max=1000)).connect()
    desk.rest()
    left = desk.wait(1200)
    assert [c for c in left if isinstance(c, Cancel)]
    assert desk.light().reason.startswith("book is stale")
