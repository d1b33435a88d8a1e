"""Life and death of parts: order, one deadline, undone starts, lanes that are warm and bounded, timers, the clock (DESIGN 2 and 7)."""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest

from core.events import AnyEvent, Timer
from runtime.clock import EngineClock, boot_id
from runtime.inbox import Inbox
from runtime.lanes import Lane, LaneFull
from runtime.lifecycle import Lifecycle
from runtime.timers import periodic, timer
from state.intents import Intents
from tests.timing import SOON_S


class Part:
    """A fake part that notes what happens to it."""

    def __init__(self, name: str, story: list[str], fails: str = "", takes_s: float = 0.0) -> None:
        self.name, self._story, self._fails, self._takes_s = name, story, fails, takes_s
        self.is_running = False
        self.left_s = 0.0

    def start(self) -> None:
        self._story.append(f"+{self.name}")
        self.is_running = True
        if self._fails == "start":
            raise RuntimeError("no socket")

    def stop(self, deadline: float) -> None:
        self._story.append(f"-{self.name}")
        self.left_s = deadline - time.monotonic()
        if self._fails == "stop":
            raise RuntimeError("broken")
        self.is_running = self._fails == "hangs"


# -- lifecycle -----------------------------------------------------------------------------------
def test_stops_in_reverse() -> None:
    """What was started last is stopped first, each once."""
    story: list[str] = []
    with Lifecycle(5.0) as parts:
        for name in "abc":
            parts.start(name, Part(name, story))
        assert parts.running == ["a", "b", "c"]
    assert story == ["+a", "+b", "+c", "-c", "-b", "-a"] and parts.failures == []
    parts.stop()
    assert story[-1] == "-a" and len(story) == 6


def test_failed_start_is_undone() -> None:
    """A start that fails half-way is stopped too, then everything before it, and the error goes on."""
    story: list[str] = []
    with pytest.raises(RuntimeError, match="no socket"), Lifecycle(5.0) as parts:
        parts.start("a", Part("a", story))
        parts.start("b", Part("b", story, fails="start"))
    assert story == ["+a", "+b", "-b", "-a"]


def test_failing_and_hanging_parts_are_named() -> None:
    """One part that fails to stop or still runs keeps nobody else alive, and both are named."""
    story: list[str] = []
    with Lifecycle(5.0) as parts:
        parts.start("a", Part("a", story))
        parts.start("b", Part("b", story, fails="stop"))
        parts.start("c", Part("c", story, fails="hangs"))
    assert story[-3:] == ["-c", "-b", "-a"]
    assert parts.failures == ["c still runs", "b: RuntimeError: broken", "b still runs"]


def test_one_deadline_for_all() -> None:
    """The stop has one deadline, fixed when it begins, however many parts there are."""
    story: list[str] = []
    parts = Lifecycle(5.0)
    made = [Part(name, story) for name in "ab"]
    for part in made:
        parts.start(part.name, part)
    deadline = parts.begin_stop()
    parts.stop()
    assert parts.deadline == deadline and all(part.left_s <= 5.0 for part in made)


def test_two_hundred_runs_leave_nothing_behind(tmp_path: Path) -> None:
    """200 starts and stops in one process: as many threads, descriptors and log handlers as before."""
    inbox = Inbox(EngineClock())

    def cycle() -> None:
        with Lifecycle(5.0) as parts:
            parts.start("intents", Intents(tmp_path / "intents.log"))
            for name in ("cancel", "place", "query"):
                parts.start(name, Lane(name, 2))
            parts.start("timer", timer(inbox.post))
            parts.start("clock", periodic("venue-clock", 60.0, lambda: None, lambda error: None))
        assert parts.failures == []

    cycle()
    before = (threading.active_count(), len(os.listdir("/proc/self/fd")), len(logging.getLogger().handlers))
    for _ in range(200):
        cycle()
    after = (threading.active_count(), len(os.listdir("/proc/self/fd")), len(logging.getLogger().handlers))
    assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)  # fewer: of an earlier test


# -- lanes ---------------------------------------------------------------------------------------
@pytest.fixture
def lane() -> "object":
    made = Lane("place", 2, waiting_max=3)
    made.start()
    yield made
    made.stop(time.monotonic() + SOON_S)


def held(lane: Lane, workers: int = 2) -> Callable[[], None]:
    """Keep every worker busy until the returned function is called."""
    gate, inside = threading.Event(), threading.Semaphore(0)

    def wait(_: int) -> None:
        inside.release()
        gate.wait(SOON_S)

    for number in range(workers):
        lane.submit(wait, number)
    for _ in range(workers):
        assert inside.acquire(timeout=SOON_S)
    return gate.set


def test_workers_run_before_the_first_order(lane: Lane) -> None:
    """All workers are alive and named after their lane once start has returned."""
    assert {thread.name for thread in threading.enumerate()} >= {"place_0", "place_1"} and lane.is_running and lane.waiting == 0


def test_every_worker_is_prepared_once() -> None:
    """Each worker has run `prepare` when start returns; one that fails does not stop the start."""
    prepared: list[str] = []

    def prepare() -> None:
        prepared.append(threading.current_thread().name)
        if len(prepared) == 2:
            raise OSError("no route")

    lane = Lane("query", 3, prepare=prepare)
    lane.start()
    assert sorted(prepared) == ["query_0", "query_1", "query_2"] and lane.submit(abs, -1).result(SOON_S) == 1
    lane.stop(time.monotonic() + SOON_S)


def test_submit_runs_off_the_callers_thread(lane: Lane) -> None:
    """The call runs on a worker, and its result or error is in the future."""
    assert lane.submit(lambda number: (number, threading.current_thread().name), 4).result(SOON_S)[1].startswith("place_")
    with pytest.raises(ZeroDivisionError):
        lane.submit(lambda number: 1 // number, 0).result(SOON_S)


def test_full_lane_refuses_at_once(lane: Lane) -> None:
    """Above its cap a lane refuses instead of queueing or waiting, and takes again once there is room."""
    release = held(lane)
    futures = [lane.submit(abs, -number) for number in range(3)]
    assert lane.waiting == 3
    with pytest.raises(LaneFull, match="3 calls waiting"):
        lane.submit(abs, 1)
    release()
    assert [future.result(SOON_S) for future in futures] == [0, 1, 2]
    assert lane.submit(abs, -5).result(SOON_S) == 5


def test_stop_takes_back_what_waits(lane: Lane) -> None:
    """At stop the waiting calls are canceled, each telling its callback, and a stopped lane refuses."""
    release = held(lane)
    told: list[bool] = []
    future = lane.submit(abs, 1)

    def heard(done: "Future[int]") -> None:
        told.append(done.cancelled())
        release()  # not before: a free worker would make the call

    future.add_done_callback(heard)
    lane.stop(time.monotonic() + SOON_S)
    assert told == [True] and not lane.is_running
    with pytest.raises(CancelledError):
        future.result(0)
    with pytest.raises(LaneFull, match="not running"):
        lane.submit(abs, 1)


def test_stop_does_not_outlast_its_deadline(lane: Lane) -> None:
    """A worker stuck in a call is left and reported as running, because the interpreter's exit would wait for it."""
    release = held(lane)
    lane.stop(time.monotonic() + 0.05)
    assert lane.is_running, "it waited for the worker, which is never released while the test stands here"
    release()


# -- timers and clock ----------------------------------------------------------------------------
def test_timer_posts_until_it_is_stopped() -> None:
    """Timer events come by themselves, and none after the stop."""
    events: list[AnyEvent] = []
    arrived = threading.Event()

    def post(event: AnyEvent) -> None:
        events.append(event)
        arrived.set()

    ticking = timer(post)
    ticking.start()
    assert arrived.wait(SOON_S) and ticking.is_running and isinstance(events[0], Timer)
    ticking.stop(time.monotonic() + SOON_S)
    count = len(events)
    assert not ticking.is_running and len(events) == count


def test_periodic_survives_its_call() -> None:
    """A failing call is reported and the next one is made all the same."""
    errors: list[Exception] = []
    enough = threading.Event()

    def report(error: Exception) -> None:
        errors.append(error)
        if len(errors) >= 3:
            enough.set()

    refresh = periodic("refresh", 0.001, lambda: 1 // 0, report)
    refresh.start()
    assert enough.wait(SOON_S)
    refresh.stop(time.monotonic() + SOON_S)
    assert not refresh.is_running and isinstance(errors[0], ZeroDivisionError)


def test_clock_is_the_wall_clock_that_never_jumps() -> None:
    """Nanoseconds since the epoch, never backwards, whatever the wall clock does later."""
    begun_ns = time.time_ns()
    clock = EngineClock()
    readings = [clock() for _ in range(1000)]
    assert begun_ns - 1_000_000 <= readings[0] <= time.time_ns() + 1_000_000 and readings == sorted(readings)


def test_boot_ids_are_ordered_and_short() -> None:
    """Start milliseconds in base 36: a later start has a later id, also within one second, and it fits a client order id."""
    ids = [boot_id(ms * 1_000_000) for ms in (1_790_000_000_000, 1_790_000_000_001, 1_900_000_000_000, 2_100_000_000_000)]
    assert ids == sorted(ids) and len(set(ids)) == 4 and all(len(one) == 8 and int(one, 36) for one in ids)
    older_version = "touooq"  # seconds
    assert int(ids[0], 36) > int(older_version, 36)


def test_a_boot_id_is_later_than_every_boot_before() -> None:
    """A clock that went back, or a restart within the same millisecond, still makes an id that was never used."""
    before = int(boot_id(1_790_000_000_000 * 1_000_000), 36)
    assert int(boot_id(1_700_000_000_000 * 1_000_000, after=before), 36) == before + 1
    assert int(boot_id(1_790_000_000_000 * 1_000_000, after=before), 36) == before + 1
    assert int(boot_id(1_800_000_000_000 * 1_000_000, after=before), 36) == 1_800_000_000_000
