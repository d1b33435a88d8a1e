"""The trading thread's turn: commands leave first, and what was done is told before the next step in any case."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import pytest

from core.commands import AnyCommand, Cancel
from core.engine import Engine, Step
from core.events import AnyEvent, StopRequested, Timer
from core.types import Side
from runtime import loop
from runtime.inbox import Inbox
from runtime.loop import TradingLoop
from tests.runtime.bench import wait_for
from tests.timing import SOON_S

A_CANCEL = Cancel(
    command_id=1,
    reason="test",
    timeout_ms=1000,
    symbol="BTCUSDT",
    side=Side.BUY,
    price=cast(Any, 1),
    quantity=cast(Any, 1),
    venue_order_id=7,
    client_order_id="gl-1",
    cancel_id="gl-1c",
)


class Fake:
    """An engine whose Timer step has a command and whose stop ends the run; `story` is what happened, in order."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.inbox = Inbox(time.monotonic_ns)
        self.handed = threading.Event()
        self.loop = TradingLoop(
            cast(Engine, self), self.inbox.take, time.monotonic_ns, self.hand_over, lambda one: None, self.tell, lambda error: None, lambda: None
        )
        self.loop.record = self.record
        self.books = None

    def step(self, time_ns: int, events: Sequence[AnyEvent]) -> Step:
        self.story.append(f"step {type(events[0]).__name__}")
        is_last = isinstance(events[0], StopRequested)
        if is_last and events[0].reason == "fault":  # type: ignore[union-attr]
            raise ValueError("planted")
        return Step(() if is_last else (A_CANCEL,), (), is_last)

    def hand_over(self, commands: Iterable[AnyCommand]) -> None:
        self.story += [f"sent {command.reason}" for command in commands]
        self.handed.set()

    def tell(self, at_ns: int, step: Step) -> None:
        self.story.append("told")

    def record(self, at_ns: int, events: Sequence[AnyEvent], step: Step | None, fault: str) -> None:
        self.story.append(f"taped {type(events[0]).__name__}{' as the fault' if step is None else ''}")


def lived(monkeypatch: Any, aside_s: float, act: Callable[[Fake], None]) -> list[str]:
    """The story of a loop that steps aside for so long."""
    monkeypatch.setattr(loop, "STEP_ASIDE_S", aside_s)
    monkeypatch.setattr(loop, "picture", lambda engine: None)
    fake = Fake()
    fake.inbox.post(Timer())
    fake.loop.start()
    try:
        assert fake.handed.wait(SOON_S)
        act(fake)
    finally:
        fake.loop.stop(time.monotonic() + SOON_S)
    return fake.story


def test_commands_leave_before_anything_is_written_down(monkeypatch: Any) -> None:
    """After a step with commands the loop waits for news and gives the workers the interpreter; tape and person are served after that."""
    story = lived(monkeypatch, 0.01, lambda fake: time.sleep(0.05))
    assert story == ["step Timer", "sent test", "taped Timer", "told"]


def test_an_event_that_comes_at_once_finds_the_last_step_told(monkeypatch: Any) -> None:
    """The tape keeps the order of the steps: what was done is told before the next step, however soon that is."""

    def stop(fake: Fake) -> None:
        fake.inbox.post(StopRequested(reason="end"))
        assert fake.loop.finished.wait(SOON_S)

    assert lived(monkeypatch, SOON_S, stop) == ["step Timer", "sent test", "taped Timer", "told", "step StopRequested", "taped StopRequested"]


def test_no_idle_moment_while_orders_are_on_their_way(monkeypatch: Any) -> None:
    """Who looks for an idle moment (garbage is collected in one) finds none while the loop steps aside for its workers, and one after it has told."""
    seen: list[bool] = []

    def look(fake: Fake) -> None:
        time.sleep(0.05)  # long after the step, far inside its stepping aside
        seen.append(fake.loop.is_stepping)
        fake.inbox.post(StopRequested(reason="end"))
        assert fake.loop.finished.wait(SOON_S)
        seen.append(not wait_for(lambda: not fake.loop.is_stepping))

    lived(monkeypatch, SOON_S, look)
    assert seen == [True, False]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_in_the_next_step_loses_nothing(monkeypatch: Any) -> None:
    """A step that fails is the last one on the tape, after the one before it."""

    def fail(fake: Fake) -> None:
        fake.inbox.post(StopRequested(reason="fault"))
        fake.loop._thread.join(SOON_S)  # type: ignore[union-attr]

    story = lived(monkeypatch, SOON_S, fail)
    assert story == ["step Timer", "sent test", "taped Timer", "told", "step StopRequested", "taped StopRequested as the fault"]


def test_a_stop_right_after_the_commands_tells_them_too(monkeypatch: Any) -> None:
    """A loop that is stopped while it steps aside still tells the step."""
    assert lived(monkeypatch, 0.05, lambda fake: None) == ["step Timer", "sent test", "taped Timer", "told"]
