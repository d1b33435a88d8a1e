"""order_book_manager: it returns at once, and exactly one Reply comes back per command, whatever happens in between.

Real ThreadPoolExecutor lanes, a fake venue held by events; no sleeps.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from typing import TypeVar

import pytest

from core.commands import Amend, AnyCommand, Cancel, CancelAll, Place, PlaceOco, Purpose, Query, ReadAccount, ReadDepth, Replace
from core.events import AccountSnapshot, AnyEvent, CancelAllAnswer, DepthSnapshot, Half, OcoAnswer, OrderAnswer, Outcome, ReplaceAnswer, Reply
from core.orders import Order, Orders
from core.ports import Answered, Capabilities, NotSent, Refused
from core.types import OrderType, RateLimit, Side
from order_book_manager import OrderBookManager
from tests.core.builders import D, Desk, depth_snapshot, error, facts
from tests.timing import SOON_S

WAIT_S = SOON_S
A = TypeVar("A")
LIMIT, NOTHING = RateLimit(kind="ORDERS", interval_s=10, limit=50, count=3), Half(outcome=Outcome.NOT_SENT)


class FakeVenue:
    """Answers with whatever the test put under `fault`; every call waits for `gate`."""

    name, only_sends, capabilities = "fake", False, Capabilities()

    def __init__(self, diary: list[str]) -> None:
        self.gate, self.entered = threading.Event(), threading.Semaphore(0)
        self.gate.set()
        self.fault: BaseException | None = None
        self.timeouts_s: list[float] = []
        self.threads, self.diary = set[int](), diary

    def _say(self, command: AnyCommand, timeout_s: float, answer: A) -> Answered[A]:
        self.diary.append(f"send {command.command_id}")
        self.threads.add(threading.get_ident())
        self.timeouts_s.append(timeout_s)
        self.entered.release()
        assert self.gate.wait(WAIT_S)
        if self.fault is not None:
            raise self.fault
        return Answered(answer, (LIMIT,))

    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer]:
        return self._say(command, timeout_s, OrderAnswer(facts=facts(command.client_order_id, 11)))

    def cancel(self, command: Cancel, timeout_s: float) -> Answered[OrderAnswer]:
        return self._say(command, timeout_s, OrderAnswer(facts=facts(command.client_order_id, 11, "CANCELED")))

    def amend(self, command: Amend, timeout_s: float) -> Answered[OrderAnswer]:
        return self._say(command, timeout_s, OrderAnswer(facts=facts(command.client_order_id, 11, quantity="0.5")))

    def replace(self, command: Replace, timeout_s: float) -> Answered[ReplaceAnswer]:
        return self._say(command, timeout_s, ReplaceAnswer(canceled=NOTHING, placed=NOTHING))

    def place_oco(self, command: PlaceOco, timeout_s: float) -> Answered[OcoAnswer]:
        return self._say(command, timeout_s, OcoAnswer(stop=facts("s", 1), profit=facts("p", 2)))

    def cancel_all(self, command: CancelAll, timeout_s: float) -> Answered[CancelAllAnswer]:
        return self._say(command, timeout_s, CancelAllAnswer(canceled=(), failed=()))

    def query(self, command: Query, timeout_s: float) -> Answered[OrderAnswer]:
        return self._say(command, timeout_s, OrderAnswer(facts=None))

    def read_account(self, command: ReadAccount, timeout_s: float) -> Answered[AccountSnapshot]:
        return self._say(command, timeout_s, Desk().account())

    def read_depth(self, command: ReadDepth, timeout_s: float) -> Answered[DepthSnapshot]:
        return self._say(command, timeout_s, depth_snapshot(1))


class FakeJournal:
    def __init__(self, diary: list[str]) -> None:
        self.diary = diary

    def intent(self, command: AnyCommand) -> None:
        self.diary.append(f"intent {command.command_id}")

    def result(self, reply: Reply) -> None:
        self.diary.append(f"result {reply.command_id} {reply.outcome}")


class Bench:
    """A manager with real lanes of two workers each, and a queue of what it posted."""

    def __init__(self) -> None:
        self.diary: list[str] = []
        self.venue = FakeVenue(self.diary)
        self.posted: Queue[AnyEvent] = Queue()
        self.now_ns = 1_000_000_000
        self.orders = Orders()
        self.pools = tuple(ThreadPoolExecutor(2, thread_name_prefix=name) for name in ("cancel", "place", "query"))
        cancel, place, query = self.pools
        journal, light_of = FakeJournal(self.diary), Desk().connect().books.light
        self.manager = OrderBookManager(
            self.venue, journal, self.posted.put, lambda: self.now_ns, (cancel, place, query), lambda: self.orders, light_of
        )

    def reply(self) -> Reply:
        event = self.posted.get(timeout=WAIT_S)
        assert isinstance(event, Reply)
        return event

    def close(self) -> None:
        self.venue.gate.set()
        for pool in self.pools:
            pool.shutdown(wait=True)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()
    assert made.posted.empty(), "more than one Reply for a command"


def place(number: int = 1, not_after_ns: int = 2_000_000_000) -> Place:
    return Place(
        command_id=number,
        reason="test",
        timeout_ms=3000,
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT_MAKER,
        time_in_force=None,
        price=D(100),
        quantity=D(1),
        client_order_id=f"gl-{number}",
        slot=(0, 0),
        not_after_ns=not_after_ns,
    )


def cancel(number: int = 2) -> Cancel:
    return Cancel(
        command_id=number,
        reason="test",
        timeout_ms=3000,
        symbol="BTCUSDT",
        side=Side.BUY,
        price=D(100),
        quantity=D(1),
        venue_order_id=11,
        client_order_id="gl-1",
        cancel_id="gl-2c",
    )


def query(number: int = 3) -> Query:
    return Query(
        command_id=number,
        reason="test",
        timeout_ms=3000,
        symbol="BTCUSDT",
        side=Side.BUY,
        client_order_id="gl-1",
        venue_order_id=None,
        known_executed=D(0),
        price=D(100),
        quantity=D(1),
    )


def cancel_all(number: int = 4) -> CancelAll:
    return CancelAll(command_id=number, reason="test", timeout_ms=3000, symbol=None, tag="gl")


def read_account(number: int = 5) -> ReadAccount:
    return ReadAccount(command_id=number, reason="test", timeout_ms=3000, purpose=Purpose.PROOF, trades_after=())


def read_depth(number: int = 6) -> ReadDepth:
    return ReadDepth(command_id=number, reason="test", timeout_ms=3000, symbol="BTCUSDT", limit=5)


EVERY: list[Callable[[], AnyCommand]] = [place, cancel, query, cancel_all, read_account, read_depth]
EACH = pytest.mark.parametrize("make", EVERY, ids=lambda make: make.__name__)


def send(bench: Bench, *commands: AnyCommand) -> None:
    bench.manager.hand_over(commands)


# -- it never waits ------------------------------------------------------------------------------
def test_returns_at_once_while_every_worker_is_blocked(bench: Bench) -> None:
    """With all workers waiting for the venue, a hundred further commands are taken without a wait, and each is answered later."""
    bench.venue.gate.clear()
    send(bench, place(1), place(2))
    for _ in range(2):
        assert bench.venue.entered.acquire(timeout=WAIT_S)
    send(bench, *[place(3 + n) for n in range(100)])
    assert bench.posted.empty()
    assert len(bench.venue.timeouts_s) == 2
    bench.venue.gate.set()
    assert {bench.reply().command_id for _ in range(102)} == set(range(1, 103))


def test_lanes_do_not_hold_each_other_up(bench: Bench) -> None:
    """A cancel and a query are answered while every place waits."""
    bench.venue.gate.clear()
    send(bench, place(1), place(2), place(3))
    for _ in range(2):
        assert bench.venue.entered.acquire(timeout=WAIT_S)
    send(bench, cancel(8), query(9))
    for _ in range(2):
        assert bench.venue.entered.acquire(timeout=WAIT_S / 2)  # before the places give up waiting and free their workers
    bench.venue.gate.set()
    assert {bench.reply().command_id for _ in range(5)} == {1, 2, 3, 8, 9}


def test_cancels_are_handed_over_first() -> None:
    """In one batch cancels are submitted before places, and places before reads."""

    class Recording:
        taken: list[str] = []

        def submit(self, call: Callable[[AnyCommand], Reply], command: AnyCommand, /) -> "Future[Reply]":
            self.taken.append(type(command).__name__)
            return Future()

    lane = Recording()
    bench = Bench()
    manager = bench.manager
    manager._cancel_lane = manager._place_lane = manager._query_lane = lane  # type: ignore[assignment]
    send(bench, read_depth(), query(), place(), cancel_all(), cancel())
    assert lane.taken == ["Cancel", "CancelAll", "Place", "ReadDepth", "Query"]
    bench.close()


# -- exactly one reply ---------------------------------------------------------------------------
@EACH
def test_success(bench: Bench, make: Callable[[], AnyCommand]) -> None:
    """The venue's yes becomes DONE with the answer, the limits and both times."""
    send(bench, make())
    reply = bench.reply()
    assert (reply.command_id, reply.outcome, reply.limits) == (make().command_id, Outcome.DONE, (LIMIT,))
    assert reply.answer is not None
    assert reply.sent_ns == reply.received_ns == bench.now_ns


@EACH
def test_refused(bench: Bench, make: Callable[[], AnyCommand]) -> None:
    """The venue's no becomes REFUSED with its error and limits."""
    bench.venue.fault = Refused(error(-2010), (LIMIT,))
    send(bench, make())
    reply = bench.reply()
    assert (reply.outcome, reply.error, reply.limits) == (Outcome.REFUSED, error(-2010), (LIMIT,))


@EACH
def test_not_sent(bench: Bench, make: Callable[[], AnyCommand]) -> None:
    """NotSent is the only exception that means nothing left; its sent time is 0."""
    bench.venue.fault = NotSent("connection refused")
    send(bench, make())
    reply = bench.reply()
    assert (reply.outcome, reply.note, reply.sent_ns) == (Outcome.NOT_SENT, "connection refused", 0)


@EACH
@pytest.mark.parametrize("fault", [TimeoutError("read timed out"), ValueError("half an answer"), KeyError("status")])
def test_any_other_exception_is_unknown(bench: Bench, make: Callable[[], AnyCommand], fault: Exception) -> None:
    """A transport error, or a fault in reading the answer, never means failed: the request may have been carried out."""
    bench.venue.fault = fault
    send(bench, make())
    reply = bench.reply()
    assert (reply.outcome, reply.sent_ns) == (Outcome.UNKNOWN, bench.now_ns)
    assert type(fault).__name__ in reply.note


@EACH
def test_base_exception_in_a_worker_is_unknown(bench: Bench, make: Callable[[], AnyCommand]) -> None:
    """Even what no `except Exception` catches gives its one Reply."""
    bench.venue.fault = SystemExit(3)
    send(bench, make())
    assert bench.reply().outcome is Outcome.UNKNOWN


def test_canceled_future_is_not_sent(bench: Bench) -> None:
    """What a shutdown takes back from the pool's queue never left."""
    bench.venue.gate.clear()
    send(bench, place(1), place(2), place(3))
    for _ in range(2):
        assert bench.venue.entered.acquire(timeout=WAIT_S)
    bench.pools[1].shutdown(wait=False, cancel_futures=True)
    taken_back = bench.reply()
    assert (taken_back.command_id, taken_back.outcome) == (3, Outcome.NOT_SENT)
    bench.venue.gate.set()
    assert {bench.reply().outcome for _ in range(2)} == {Outcome.DONE}


@EACH
def test_refusing_executor_is_not_sent(bench: Bench, make: Callable[[], AnyCommand]) -> None:
    """A lane that refuses (shut down, full) is a NotSent event, never an exception on the trading thread."""
    for pool in bench.pools:
        pool.shutdown()
    send(bench, make())
    reply = bench.reply()
    assert reply.outcome is Outcome.NOT_SENT
    assert "lane refused" in reply.note


def test_callback_on_an_already_finished_future(bench: Bench) -> None:
    """A future that ends before the callback is added posts from the submitting thread, still exactly once."""

    class Finished:
        def submit(self, call: Callable[[Place], Reply], command: Place, /) -> "Future[Reply]":
            future: Future[Reply] = Future()
            future.set_result(call(command))
            return future

    bench.manager._place_lane = Finished()  # type: ignore[assignment]
    send(bench, place())
    assert bench.posted.qsize() == 1
    assert bench.reply().outcome is Outcome.DONE


# -- stale, intents, stop ------------------------------------------------------------------------
def test_stale_place_never_leaves(bench: Bench) -> None:
    """Picked up after its not_after, a place is NotSent: no intent, no call."""
    send(bench, place(not_after_ns=bench.now_ns - 1))
    reply = bench.reply()
    assert (reply.outcome, bench.diary) == (Outcome.NOT_SENT, [])
    assert "stale" in reply.note


@pytest.mark.parametrize("make", [place, cancel, cancel_all])
@pytest.mark.parametrize("fault", [None, TimeoutError(), Refused(error(-1)), NotSent("no route")])
def test_intent_before_the_send_and_result_after(bench: Bench, make: Callable[[], AnyCommand], fault: Exception | None) -> None:
    """Every command that moves orders is written before it leaves, and its outcome after."""
    bench.venue.fault = fault
    send(bench, make())
    reply = bench.reply()
    number = make().command_id
    assert bench.diary == [f"intent {number}", f"send {number}", f"result {number} {reply.outcome}"]


@pytest.mark.parametrize("make", [query, read_account, read_depth])
def test_reads_are_not_journaled(bench: Bench, make: Callable[[], AnyCommand]) -> None:
    """Reads change nothing, so they leave no intent."""
    send(bench, make())
    bench.reply()
    assert bench.diary == [f"send {make().command_id}"]


def test_a_read_that_waited_too_long_is_not_asked(bench: Bench) -> None:
    """A read whose time-out passed while it waited for a worker ends unasked: the engine asks again, and a silent venue cannot fill the lane."""
    bench.venue.gate.clear()
    send(bench, query(1), query(2))
    for _ in range(2):
        assert bench.venue.entered.acquire(timeout=WAIT_S)
    send(bench, read_depth(3))
    bench.now_ns += 3_000_000_000
    bench.venue.gate.set()
    outcomes = {reply.command_id: reply.outcome for reply in (bench.reply() for _ in range(3))}
    assert outcomes == {1: Outcome.DONE, 2: Outcome.DONE, 3: Outcome.NOT_SENT}
    assert len(bench.venue.timeouts_s) == 2


@pytest.mark.parametrize(("left_ms", "timeout_s"), [(10_000, 3.0), (2000, 1.5), (600, 0.1)])
def test_stop_by_bounds_every_timeout(bench: Bench, left_ms: int, timeout_s: float) -> None:
    """After stop_by a call's time-out ends half a second before the deadline, so that no worker outlives the stop."""
    bench.manager.stop_by(bench.now_ns + left_ms * 1_000_000)
    send(bench, cancel())
    assert bench.reply().outcome is Outcome.DONE
    assert bench.venue.timeouts_s == [pytest.approx(timeout_s)]


def test_no_time_left_is_not_sent(bench: Bench) -> None:
    """Within the last half second nothing is sent any more."""
    bench.manager.stop_by(bench.now_ns + 400_000_000)
    send(bench, cancel())
    reply = bench.reply()
    assert (reply.outcome, bench.venue.timeouts_s) == (Outcome.NOT_SENT, [])


# -- questions -----------------------------------------------------------------------------------
def test_pending_cancels_is_a_question_about_orders(bench: Bench) -> None:
    """The answer follows the orders and nothing else: no call changes it, no lost reply can leak."""
    assert not bench.manager.has_pending_cancels
    send(bench, cancel())
    assert not bench.manager.has_pending_cancels
    bench.reply()
    order = bench.orders.add(Order(symbol="BTCUSDT", side=Side.BUY, client_order_id="gl-1", price=D(1), quantity=D(1), created_ns=1))
    order.cancel_wanted = "bad"
    assert bench.manager.has_pending_cancels
    order.cancel_wanted = ""
    assert not bench.manager.has_pending_cancels


def test_light_is_the_engines(bench: Bench) -> None:
    """The manager's light is the engine's light."""
    assert bench.manager.light("BTCUSDT", Side.BUY).is_green
