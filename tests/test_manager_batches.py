"""Many commands of one decision over a venue that only sends: one worker, one after the other, and exactly one event for each command."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from core.commands import AnyCommand, Cancel, Place
from core.events import OrderAnswer, Outcome, Reply
from core.ports import Answered, NotSent, Underway
from order_book_manager import BATCH_FROM
from tests.test_manager import WAIT_S, Bench, FakeVenue, cancel, place, send

MANY = 4 * BATCH_FROM


class Sends(FakeVenue):
    """A venue whose requests leave at once; after `down_from` places they are answered in the call, as over REST."""

    only_sends = True
    down_from = MANY

    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer] | Underway:  # type: ignore[override]
        if command.command_id > self.down_from:
            return super().place(command, timeout_s)
        self.diary.append(f"sent {command.command_id}")
        self.threads.add(threading.get_ident())
        if self.fault is not None:
            raise self.fault
        return Underway()

    def cancel(self, command: Cancel, timeout_s: float) -> Underway:  # type: ignore[override]
        self.diary.append(f"sent {command.command_id}")
        return Underway()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.venue = Sends(made.diary)
    made.manager._venue = made.venue
    yield made
    made.close()
    assert made.posted.empty(), "more than one Reply for a command"


def places() -> list[Place]:
    return [place(number) for number in range(1, MANY + 1)]


def settle_all(bench: Bench) -> None:
    for pool in bench.pools:
        pool.shutdown(wait=True)


def test_one_worker_sends_them_in_their_order(bench: Bench) -> None:
    """Every intent stands before its send, in the order of the decision, on one thread; no event is posted for what is underway."""
    send(bench, *places())
    settle_all(bench)
    assert bench.diary == [f"{what} {number}" for number in range(1, MANY + 1) for what in ("intent", "sent")]
    assert len(bench.venue.threads) == 1 and bench.posted.empty()


def test_cancels_are_sent_the_same_way(bench: Bench) -> None:
    """A batch of cancels has one worker too."""
    send(bench, *[cancel(number) for number in range(1, MANY + 1)])
    settle_all(bench)
    assert [line for line in bench.diary if line.startswith("sent")] == [f"sent {number}" for number in range(1, MANY + 1)]


def test_nobody_waits_behind_an_answer_that_is_waited_for(bench: Bench) -> None:
    """Where the line goes down in the middle, the others are answered by workers of their own: two calls are under way at once."""
    bench.venue.down_from = 3  # type: ignore[attr-defined]
    send(bench, *places())
    assert {bench.reply().command_id for _ in range(MANY - 3)} == set(range(4, MANY + 1))
    assert len(bench.venue.threads) == 2


@pytest.mark.parametrize(("fault", "outcome"), [(TimeoutError(), Outcome.UNKNOWN), (NotSent("no route"), Outcome.NOT_SENT)])
def test_each_fault_is_its_own_commands(bench: Bench, fault: Exception, outcome: Outcome) -> None:
    """A fault in the middle ends in one event for each command, as it does for one."""
    bench.venue.fault = fault
    send(bench, *places())
    replies = [bench.reply() for _ in range(MANY)]
    assert {reply.command_id for reply in replies} == set(range(1, MANY + 1))
    assert {reply.outcome for reply in replies} == {outcome}


def test_a_batch_taken_back_was_not_sent(bench: Bench) -> None:
    """At the stop a batch that no worker has begun ends as NotSent, each command once."""
    bench.venue.gate.clear()
    bench.venue.down_from = 0  # type: ignore[attr-defined]
    send(bench, place(101), place(102))
    for _ in range(2):
        assert bench.venue.entered.acquire(timeout=WAIT_S)
    send(bench, *places())
    bench.pools[1].shutdown(wait=False, cancel_futures=True)
    assert [bench.reply().outcome for _ in range(MANY)] == [Outcome.NOT_SENT] * MANY
    bench.venue.gate.set()
    assert {bench.reply().command_id for _ in range(2)} == {101, 102}


def test_a_full_lane_refuses_the_whole_batch(bench: Bench) -> None:
    """A lane that takes nothing is a NotSent event for every command, never an exception on the trading thread."""

    class Full:
        def submit(self, call: object, command: AnyCommand, /) -> "Future[Reply]":
            raise RuntimeError("full")

    bench.manager._place_lane = Full()  # type: ignore[assignment]
    send(bench, *places())
    assert [bench.reply().outcome for _ in range(MANY)] == [Outcome.NOT_SENT] * MANY


def test_few_have_a_worker_each(bench: Bench) -> None:
    """Two orders of one decision leave side by side: the first is not made to wait for a batch."""
    bench.venue.down_from = 0  # type: ignore[attr-defined]
    bench.venue.gate.clear()
    send(bench, place(1), place(2))
    for _ in range(2):
        assert bench.venue.entered.acquire(timeout=WAIT_S)
    bench.venue.gate.set()
    assert {bench.reply().command_id for _ in range(2)} == {1, 2}
