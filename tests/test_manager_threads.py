"""order_book_manager: which thread does what. The caller hands over, workers call the venue, lanes write."""

import threading
from collections.abc import Callable, Iterator

import pytest

from core.commands import Cancel, Place
from core.events import Outcome, Reply
from tests.test_manager import EVERY, WAIT_S, Bench, cancel, place, send


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_calls_run_on_workers_only(bench: Bench) -> None:
    """submit(f, x), never submit(f(x)): no call of the venue runs on the thread that hands commands over."""
    send(bench, *[make() for make in EVERY])
    assert {bench.reply().outcome for _ in EVERY} == {Outcome.DONE}
    assert bench.venue.threads and threading.get_ident() not in bench.venue.threads


@pytest.mark.parametrize("make", [place, cancel])
def test_settle_leaves_the_writing_to_a_lane(bench: Bench, make: Callable[[], Place | Cancel]) -> None:
    """The thread that reads the socket posts the Reply and writes nothing: the journal hears of it on a lane, here once that has a free worker."""
    bench.venue.gate.clear()
    send(bench, place(3), place(4), cancel(5), cancel(6))
    for _ in range(4):
        assert bench.venue.entered.acquire(timeout=WAIT_S)
    bench.manager.settle(make(), TimeoutError("lost"), 1, 2)
    assert bench.reply() == Reply(command_id=make().command_id, outcome=Outcome.UNKNOWN, note="TimeoutError: lost", sent_ns=1, received_ns=2)
    written = f"result {make().command_id} {Outcome.UNKNOWN}"
    assert written not in bench.diary
    bench.venue.gate.set()
    assert {bench.reply().outcome for _ in range(4)} == {Outcome.DONE}
    for pool in bench.pools:
        pool.shutdown(wait=True)
    assert bench.diary.count(written) == 1


def test_an_answer_that_no_lane_writes_is_counted(bench: Bench) -> None:
    """A full or stopped lane costs the record of an answer, never its Reply; the count is told at the end of a run."""
    for pool in bench.pools:
        pool.shutdown(wait=True)
    bench.manager.settle(place(), TimeoutError("lost"), 1, 2)
    assert bench.reply().outcome is Outcome.UNKNOWN
    assert bench.manager.unwritten_results == 1
