"""Orders whose fate nobody told: rows 1, 2, 3, 5, 14, 17, 19, 37 of the field cases, in virtual time."""

import requests

from core.books import Timing
from core.commands import Cancel, Place, Query
from core.events import Operator, OperatorAction, OrderAnswer, Outcome, Reply, StopRequested, Timer
from core.light import Colour
from core.orders import Evidence
from core.ports import Answered
from core.types import OrderStatus, Side
from exchange.binance.errors import UnknownOutcome, from_exception
from order_book_manager import OrderBookManager
from sim.faults import Kind
from tests.core.builders import D, Desk, error, facts, fill, report, want
from tests.museum.scenes import Stage, acknowledge, listed, ready
from tests.test_manager import FakeJournal, FakeVenue

S = OrderStatus


# -- row 1 ---------------------------------------------------------------------------------------
def test_row_01_a_create_that_timed_out_is_adopted() -> None:
    """hummingbot #493: create timed out, marked FAILED, rests, fills later. Ours: unknown, side red, funds reserved, queried, adopted."""
    desk = ready()
    place = desk.place()
    free = desk.books.account.available("USDT", desk.books.orders)
    desk.lose(place)
    order = desk.order(place.client_order_id)
    assert order.is_open
    assert desk.light().colour is Colour.RED
    assert desk.light().reason == f"outcome unknown: {place.client_order_id}"
    assert desk.books.account.available("USDT", desk.books.orders) == free == D(10_000) - D(99)
    query = desk.query()
    assert (query.client_order_id, query.venue_order_id) == (place.client_order_id, None)
    desk.reply(query, OrderAnswer(facts=facts(place.client_order_id, 11, price="99")))
    assert (order.status, order.venue_order_id, desk.light().is_green) == (S.NEW, 11, True)
    desk.step(report(place.client_order_id, 11, "FILLED", "1", trade=fill(4, 11, place.client_order_id, price="99"), price="99"))
    assert desk.books.fill_count() == 1, "filled later, and known"


def test_row_01_the_world_ends_equal() -> None:
    """hummingbot #493: the same over a whole venue: applied with the reply lost, applied late, and arrived too late, each three times."""
    stage = Stage().opened()
    for kind in (Kind.PLACE_REPLY_LOST, Kind.PLACE_LATE, Kind.PLACE_TOO_LATE):
        for _ in range(3):
            stage.strike(kind)
            stage.recovers()
    stage.ends_well()


def test_row_01_cancel_all_reaches_it() -> None:
    """hummingbot #493: cancel-all skips an order it believes FAILED. Ours: it reaches the order, even one that arrives after the sweep."""
    for kind in (Kind.PLACE_REPLY_LOST, Kind.PLACE_LATE):
        stage = Stage().opened()
        stage.strike(kind)
        assert stage.until(stage.unknown)
        stage.post(Operator(action=OperatorAction.CANCEL_ALL))
        stage.pass_s(stage.liveness_ms() / 1000)
        assert not stage.matching.open_orders()
        assert not list(stage.books.orders.open())
        assert stage.books.session.halted == "cancel-all"
        assert [failure for failure in stage.oracle.failures if "nobody asked for a cancel-all" not in failure] == []


# -- row 2 ---------------------------------------------------------------------------------------
def test_row_02_transport_errors_are_never_not_found() -> None:
    """hummingbot #8457: four DNS errors in polls made an order "lost", quotes came beside it, stop left it. Ours: open, asked for ever, stopped."""
    desk = ready()
    desk.script.places = [want()]
    desk.step(Timer())
    place = desk.one(Place)
    desk.lose(place)
    dns = requests.exceptions.ConnectionError("[Errno -3] Temporary failure in name resolution")
    for turn in range(40):
        outcome = Outcome.NOT_SENT if turn % 2 else Outcome.UNKNOWN
        desk.reply(desk.query(), outcome=outcome, note=str(from_exception(dns)))
    order = desk.order(place.client_order_id)
    assert order.is_open
    assert [place.client_order_id for place in desk.ever(Place)] == [order.client_order_id], "no second order beside it"
    desk.step(StopRequested(reason="operator"))
    desk.reply(desk.query(), OrderAnswer(facts=facts(place.client_order_id, 11, price="99")))
    assert desk.one(Cancel).venue_order_id == 11
    assert not desk.last.finished


def test_row_02_a_place_that_broke_on_the_way_is_not_failed() -> None:
    """hummingbot #8457: only a connection that was never made means "not sent"; one that broke after sending is unknown."""
    broke = requests.exceptions.ConnectionError("('Connection aborted.', RemoteDisconnected('Remote end closed connection'))")
    assert isinstance(from_exception(broke), UnknownOutcome)
    assert isinstance(from_exception(requests.exceptions.ReadTimeout("read timed out")), UnknownOutcome)
    assert not isinstance(from_exception(requests.exceptions.ConnectTimeout("no route")), UnknownOutcome)


# -- row 3 ---------------------------------------------------------------------------------------
def test_row_03_forgotten_buys_fill_hours_later() -> None:
    """hummingbot #3374: forgotten buys filled hours later. Ours: three hours without a word it is still ours; its fill is booked, once (I2, I10)."""
    desk = ready(timing=Timing(book_age_ms_max=24 * 3_600_000))
    place = desk.place()
    desk.lose(place)
    order = desk.order(place.client_order_id)
    for _ in range(3 * 360):
        desk.step(Timer(), after_ms=10_000)
        for query in desk.sent(Query):
            desk.lose(query)
    assert order.is_open
    assert desk.light().colour is Colour.RED
    trade = fill(4, 11, place.client_order_id, price="99")
    desk.step(report(place.client_order_id, 11, "FILLED", "1", trade=trade, price="99"))
    assert (order.status, order.booked) == (S.FILLED, D(1))
    assert desk.light().is_green
    assert not [command for command in desk.wait(5000) if isinstance(command, Query)], "nothing is left to ask"


def test_row_03_fills_of_an_outage_are_booked() -> None:
    """hummingbot #3374: nothing gets through for a minute while strangers take our quotes; afterwards every trade is in the books."""
    stage = Stage().opened()
    stage.faults.is_cut_off = True
    for order in stage.matching.open_orders():
        stage.market.hit(order, D("0.6"), stage.scheduler.now_ms)
    stage.publish()
    stage.pass_s(60)
    assert not stage.books.fills
    stage.faults.is_cut_off = False
    stage.recovers()
    assert len(stage.books.fills) + len(stage.books.recovered) >= 4
    stage.ends_well()


# -- row 5 ---------------------------------------------------------------------------------------
def test_row_05_a_reject_is_an_ending_without_an_id() -> None:
    """hummingbot #6968: a rejected order stood OPEN with id None and looped as lost. Ours: ended with evidence, no id invented, nothing asked."""
    desk = ready()
    place = desk.place()
    desk.refuse(place, error(-2010, "Account has insufficient balance for requested action."))
    order = desk.order(place.client_order_id)
    assert (order.status, order.evidence, order.is_open) == (S.REJECTED, Evidence.REFUSED, False)
    assert order.venue_order_id is None
    desk.step(report(place.client_order_id, -1, "REJECTED", execution_type="REJECTED", price="99"))
    assert not desk.books.orders.by_venue_id
    assert not [command for command in desk.wait(9000) if isinstance(command, Query | Cancel)]
    again = desk.place()
    assert again.client_order_id != place.client_order_id


# -- row 14 --------------------------------------------------------------------------------------
def test_row_14_a_silent_venue_ends_nothing() -> None:
    """nautilus #4152: after 36 s SUBMITTED became REJECTED and PENDING_CANCEL became CANCELED. Ours: ten silent minutes end nothing (I5)."""
    desk = ready(timing=Timing(book_age_ms_max=3_600_000))
    resting = desk.rest(want(Side.SELL, "101"))
    desk.cancel(resting)
    place = desk.place(want(Side.BUY, "99"))
    submitted = desk.order(place.client_order_id)
    last_query_ms = desk.ms
    for _ in range(600):
        desk.step(Timer(), after_ms=1000)
        for query in desk.sent(Query):
            last_query_ms = desk.ms
            desk.lose(query)
        assert submitted.is_open and resting.is_open
        assert resting.status is S.NEW
    assert {desk.light(side).colour for side in Side} == {Colour.RED}
    assert desk.ms - last_query_ms <= 3000, "still asking"
    assert len(desk.ever(Place)) == 2


# -- row 17 --------------------------------------------------------------------------------------
def test_row_17_status_unknown_is_queried_not_repeated() -> None:
    """nautilus #4215: -1007, accepted, retried -> duplicate id -> phantom reject. Ours: no re-create; a query first, one arrival per id (I11)."""
    stage = Stage().opened()
    for kind in (Kind.ERROR_1007_DONE, Kind.ERROR_5XX_DONE, Kind.ERROR_1007_NOT_DONE):
        for _ in range(2):
            stage.strike(kind)
            stage.recovers()
    stage.ends_well()
    assert stage.oracle.checks["I11"] > 10
    assert set(stage.oracle.requests.arrivals.values()) == {1}


def test_row_17_a_refused_duplicate_ends_nothing() -> None:
    """nautilus #4215: "Duplicate order sent." speaks of an order that is alive, so it is unknown and asked about, never a reject."""
    desk = ready()
    place = desk.place()
    desk.lose(place)
    query = desk.one(Query)
    desk.step(report(place.client_order_id, -1, "REJECTED", execution_type="REJECTED", price="99"))
    order = desk.order(place.client_order_id)
    assert order.is_open
    assert len(desk.ever(Place)) == 1
    desk.reply(query, OrderAnswer(facts=facts(place.client_order_id, 11, price="99")))
    assert order.is_working


# -- row 19 --------------------------------------------------------------------------------------
def test_row_19_the_right_id_is_asked_for() -> None:
    """nautilus #4958: a lookup by the wrong id gave -2013 and rejected a live order. Ours: by venue id once known, by client id before."""
    desk = ready()
    place = desk.place()
    desk.lose(place)
    first = desk.query()
    assert (first.venue_order_id, first.client_order_id) == (None, place.client_order_id)
    order = acknowledge(desk, place, 77)
    desk.reply(first, OrderAnswer(facts=None))
    assert order.is_open
    cancel = desk.cancel(order)
    desk.refuse(cancel, error(-2011, "Unknown order sent."))
    second = desk.query()
    assert (second.venue_order_id, second.client_order_id) == (77, place.client_order_id)
    desk.reply(second, OrderAnswer(facts=None))
    assert order.is_open, "-2013 to a query ends no order the venue once confirmed"
    desk.reply(desk.query(), OrderAnswer(facts=listed(order)))  # type: ignore[arg-type]
    assert order.is_open and order.venue_order_id == 77


# -- row 37 --------------------------------------------------------------------------------------
def test_row_37_a_caller_that_timed_out_knows_nothing() -> None:
    """python-binance's sync ws_*: the order was sent, then "timed out" in the caller. Ours: any exception of a call is an unknown outcome."""
    desk = Desk().connect()
    place = desk.place()
    replies: list[Reply] = []
    venue = TimesOut()
    now_ns = desk.ms * 1_000_000
    orders, light = desk.books.orders, desk.books.light
    lanes = (Inline(), Inline(), Inline())
    manager = OrderBookManager(venue, FakeJournal([]), replies.append, lambda: now_ns, lanes, lambda: orders, light)  # type: ignore[arg-type]
    manager.place_orders([place])
    assert venue.sent == [place.client_order_id]
    assert [(reply.outcome, reply.command_id) for reply in replies] == [(Outcome.UNKNOWN, place.command_id)]
    desk.step(*replies)
    assert desk.order(place.client_order_id).is_open
    assert desk.light().colour is Colour.RED


class Inline:
    """A lane that works at once."""

    def submit(self, call: object, command: object, /) -> object:
        from concurrent.futures import Future

        done: Future[object] = Future()
        assert callable(call)
        done.set_result(call(command))
        return done


class TimesOut(FakeVenue):
    """Sends, and never hears back."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer]:
        self.sent.append(command.client_order_id)
        raise TimeoutError("BinanceWebsocketUnableToConnect: request timed out")
