"""The manager and its lanes while the stop falls anywhere: exactly one Reply a command, and what it says is what happened."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from queue import SimpleQueue

import pytest

from core.commands import AnyCommand
from core.events import AnyEvent, Outcome, Reply
from core.orders import Orders
from core.ports import Answered, NotSent, Refused
from order_book_manager import OrderBookManager
from runtime.lanes import Lane, LaneFull
from tests.core.builders import Desk, error
from tests.runtime.test_parts import held
from tests.state.store_builders import place as new_place
from tests.test_manager import A, FakeVenue
from tests.test_manager import cancel as new_cancel
from tests.timing import SOON_S

ROUNDS, COMMANDS = 150, 60


class Venue(FakeVenue):
    """Ends each call in one of the four ways a call can end, by its number."""

    def __init__(self) -> None:
        super().__init__([])
        self.called: SimpleQueue[int] = SimpleQueue()

    def _say(self, command: AnyCommand, timeout_s: float, answer: A) -> Answered[A]:
        self.called.put(command.command_id)
        way = command.command_id % 4
        if way == 1:
            raise NotSent("no route")
        if way == 2:
            raise Refused(error(-2010, "no"))
        if way == 3:
            raise TimeoutError("no word")
        return Answered(answer)


class Journal:
    """Notes in order; the notes of one command all come from one worker."""

    def __init__(self) -> None:
        self.intents: SimpleQueue[int] = SimpleQueue()
        self.results: SimpleQueue[int] = SimpleQueue()

    def intent(self, command: AnyCommand) -> None:
        self.intents.put(command.command_id)

    def result(self, reply: Reply) -> None:
        self.results.put(reply.command_id)


def all_of(queue: "SimpleQueue[int]") -> Counter[int]:
    found: Counter[int] = Counter()
    while not queue.empty():
        found[queue.get()] += 1
    return found


class Bench:
    def __init__(self, waiting_max: int = 2000) -> None:
        self.venue, self.journal = Venue(), Journal()
        self.posted: SimpleQueue[AnyEvent] = SimpleQueue()
        self.lanes = Lane("cancel", 2, waiting_max), Lane("place", 2, waiting_max), Lane("query", 2, waiting_max)
        light_of = Desk().connect().books.light
        self.manager = OrderBookManager(self.venue, self.journal, self.posted.put, lambda: 1, self.lanes, Orders, light_of)
        for lane in self.lanes:
            lane.start()

    def stop(self) -> None:
        for lane in self.lanes:
            lane.stop(time.monotonic() + SOON_S)
        assert not any(lane.is_running for lane in self.lanes)

    def replies(self) -> dict[int, Reply]:
        """What was posted so far, one a command."""
        found: dict[int, Reply] = {}
        while not self.posted.empty():
            reply = self.posted.get()
            assert isinstance(reply, Reply) and reply.command_id not in found, "two replies to one command"
            found[reply.command_id] = reply
        return found


def hand_over(manager: OrderBookManager, rng: random.Random, between: Callable[[], object]) -> None:
    """COMMANDS commands in batches, as the trading thread does."""
    numbers = iter(range(1, COMMANDS + 1))
    while batch := list(islice(numbers, rng.randint(1, 9))):
        manager.hand_over([new_place(number) if number % 2 else new_cancel(number) for number in batch])
        between()


def test_one_reply_each_wherever_the_stop_falls() -> None:
    """A stop between any two submits: each command has one Reply; called means journaled before and after; not called means NOT_SENT."""
    taken_back = 0
    for seed in range(ROUNDS):
        rng, bench = random.Random(seed), Bench()
        go, left = threading.Event(), [rng.randint(1, 12)]

        def stop(bench: Bench = bench, go: threading.Event = go) -> None:
            assert go.wait(SOON_S)
            bench.stop()

        stopper = threading.Thread(target=stop)
        stopper.start()

        def between(left: list[int] = left, go: threading.Event = go, stopper: threading.Thread = stopper, waits: bool = seed % 4 == 0) -> None:
            left[0] -= 1
            if left[0] == 0:
                go.set()
                stopper.join(SOON_S if waits else 0.0)  # in some rounds the rest surely comes after the stop
            time.sleep(0)

        hand_over(bench.manager, rng, between)
        go.set()
        stopper.join(SOON_S)
        assert not stopper.is_alive()
        replies = bench.replies()
        assert set(replies) == set(range(1, COMMANDS + 1))
        called, intents, results = all_of(bench.venue.called), all_of(bench.journal.intents), all_of(bench.journal.results)
        assert set(called.values()) <= {1} and called == intents == results
        for number, reply in replies.items():
            if number not in called:
                assert reply.outcome is Outcome.NOT_SENT
                taken_back += 1
            else:
                assert reply.outcome is (Outcome.DONE, Outcome.NOT_SENT, Outcome.REFUSED, Outcome.UNKNOWN)[number % 4]
    assert 0 < taken_back < ROUNDS * COMMANDS, "the stop never fell between two submits"


def test_a_full_lane_is_a_reply_too() -> None:
    """With room for three calls a lane, what it refuses and what it takes are together every command, each with one Reply."""
    refused = 0
    for seed in range(20):
        bench = Bench(waiting_max=3)
        release = [held(lane) for lane in bench.lanes] if seed == 0 else []  # at least once it is full for certain
        hand_over(bench.manager, random.Random(seed), lambda: None)
        for let_go in release:
            let_go()
        ends_s = time.monotonic() + SOON_S
        while bench.posted.qsize() < COMMANDS and time.monotonic() < ends_s:
            time.sleep(0.001)
        bench.stop()
        replies, called = bench.replies(), all_of(bench.venue.called)
        assert set(replies) == set(range(1, COMMANDS + 1))
        full = {number for number, reply in replies.items() if reply.note.startswith("lane refused")}
        assert not full & set(called) and len(full) + len(called) == COMMANDS
        refused += len(full)
    assert refused, "no lane was ever full"


def test_a_lane_that_cannot_start_leaves_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no more threads half-way, the start fails, its stop waits for the workers there are, and the lane takes nothing."""
    start = threading.Thread.start
    left = [2]

    def scarce(thread: threading.Thread) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("can't start new thread")
        start(thread)

    class Slow(Lane):
        def _warm_up(self, gate: threading.Barrier) -> None:
            try:
                super()._warm_up(gate)
            finally:
                time.sleep(0.05)

    lane = Slow("scarce", 4)
    monkeypatch.setattr(threading.Thread, "start", scarce)
    with pytest.raises(RuntimeError, match="can't start"):
        lane.start()
    monkeypatch.undo()
    lane.stop(time.monotonic() + SOON_S)
    assert not lane.is_running and not [thread for thread in threading.enumerate() if thread.name.startswith("scarce")]
    with pytest.raises(LaneFull):
        lane.submit(abs, 1)
