"""runtime.sweep: what a stop does for orders whose trading thread has died."""

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial

from core.commands import CancelAll
from core.events import CancelAllAnswer
from core.ports import Answered, NotSent
from runtime.sweep import PASSES_MAX, sweep
from tests.core.builders import facts

Pass = CancelAllAnswer | Exception


class Venue:
    """Gives one prepared answer per pass on a clock by hand; a pass takes `takes_s`."""

    def __init__(self, *passes: Pass, takes_s: float = 0.1) -> None:
        self.passes, self.takes_s, self.now_s = list(passes), takes_s, 0.0
        self.asked: list[tuple[float, float]] = []  # when, and with how much time

    def cancel_all(self, command: CancelAll, timeout_s: float) -> Answered[CancelAllAnswer]:
        assert command.tag == "gl1" and command.symbol is None
        self.asked.append((self.now_s, timeout_s))
        self.now_s += self.takes_s
        answer = self.passes.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Answered(answer)

    def submit(self, call: "partial[Answered[CancelAllAnswer]]", command: CancelAll) -> "Future[Answered[CancelAllAnswer]]":
        future: Future[Answered[CancelAllAnswer]] = Future()
        try:
            future.set_result(call(command))
        except Exception as error:
            future.set_exception(error)
        return future

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def sweep(self, until_s: float = 4.0) -> str:
        return sweep(self, self.cancel_all, "gl1", until_s, lambda: self.now_s, self.sleep)  # type: ignore[arg-type]


def answer(canceled: int = 0, *failed: str) -> CancelAllAnswer:
    return CancelAllAnswer(canceled=tuple(facts(f"gl1-m0-{number}", number, "CANCELED") for number in range(canceled)), failed=failed)


def test_one_more_reading_after_the_last_cancel() -> None:
    """Passes go on until one after the first finds nothing: a place of the last step may have come in between."""
    venue = Venue(answer(3), answer(1), answer())
    assert venue.sweep() == "nobody decides any more: 4 orders with our tag canceled at the venue · none open by the venue's list"
    assert venue.passes == []


def test_nothing_open_at_first_is_looked_at_again() -> None:
    """An empty first reading proves nothing of a place that was on its way."""
    venue = Venue(answer(), answer())
    venue.sweep()
    (first, _), (second, _) = venue.asked
    assert second - first >= 0.25, "a place leaves within 250 ms of its decision or never"


def test_what_has_no_word_is_named_and_tried_again() -> None:
    """A pass that fails, in part or whole, is followed by the next; the last word says how it stands."""
    venue = Venue(answer(1, "gl1-m0-9"), NotSent("banned"), answer(1), answer())
    assert "2 orders" in venue.sweep()
    assert venue.passes == []
    stubborn = Venue(*(answer(0, "gl1-m0-9") for _ in range(PASSES_MAX)))
    assert stubborn.sweep().endswith("1 without the venue's word")


def test_it_keeps_to_its_time() -> None:
    """No pass begins after the time it was given, and each has no more than what is left of it; a silent venue is left alone after its time."""
    venue = Venue(answer(1), answer(1), answer(1), answer(1), takes_s=1.5)
    venue.sweep(until_s=4.0)
    assert all(at_s + time_s <= 4.0 for at_s, time_s in venue.asked)
    assert Venue().sweep(until_s=0.0).endswith("no time was left")
    assert Venue(FutureTimeout()).sweep().endswith("no answer in time")
