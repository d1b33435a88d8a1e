"""The trading thread: take a batch, stamp it, step, hand the commands over; then, once they are on their way, tell what was done.

Who starts it: runtime.lifecycle. It is the one thread that decides; everything it calls returns at once (memory, a bounded queue, a lane's submit).
Never: network, disk, sleep, formatting of console lines.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from core.commands import AnyCommand, Reconnect
from core.engine import Engine, Step
from core.events import AnyEvent
from core.ports import ClockNs
from core.snapshot import Snapshot, picture
from runtime.worker import Worker

PICTURE_EVERY_NS = 250_000_000
TAKE_TIMEOUT_S = 0.5
STEP_ASIDE_S = 0.001  # after commands were handed over: the workers have the interpreter first, what was done is written down after them
log = logging.getLogger("greenlight.loop")


class StepTimes:
    """How long steps took, in ms: the count, the sum, the worst and the newest few thousand; one writer, any reader."""

    KEPT_MAX = 20_000

    def __init__(self) -> None:
        self.count = 0
        self.worst_ms = 0.0
        self.worst_at_ns = 0
        self.recent: list[tuple[int, float]] = []

    def note(self, at_ns: int, elapsed_ms: float) -> None:
        self.count += 1
        if elapsed_ms > self.worst_ms:
            self.worst_ms, self.worst_at_ns = elapsed_ms, at_ns
        if len(self.recent) >= self.KEPT_MAX:
            del self.recent[: self.KEPT_MAX // 2]
        self.recent.append((at_ns, elapsed_ms))


class TradingLoop(Worker):
    """Resource: owns the engine while it runs. `snapshot` is replaced, never changed."""

    def __init__(
        self,
        engine: Engine,
        take: Callable[[float], Sequence[AnyEvent]],
        clock_ns: ClockNs,
        hand_over: Callable[[Iterable[AnyCommand]], None],
        reconnect: Callable[[Reconnect], None],
        tell: Callable[[int, Step], None],
        on_fault: Callable[[BaseException], None],
        beat: Callable[[], None],
    ) -> None:
        super().__init__("trading", self._run)
        self.engine = engine
        self._take, self._clock_ns = take, clock_ns
        self._hand_over, self._reconnect, self._tell = hand_over, reconnect, tell
        self._on_fault, self._beat = on_fault, beat
        self.record: Callable[[int, Sequence[AnyEvent], Step | None, str], None] = lambda at_ns, events, step, fault: None  # the tape's, if any
        self.on_picture: Callable[[Engine], None] = lambda engine: None  # told beside each snapshot: the page's, if it is on
        self.snapshot: Snapshot | None = None
        self.step_times = StepTimes()
        self.finished = threading.Event()
        self.is_stepping = False  # for who looks for an idle moment
        self._pictured_ns = 0
        self._untold: tuple[int, Sequence[AnyEvent], Step] | None = None  # a step whose commands are on their way

    def _run(self, stopping: threading.Event) -> None:
        """A stop is heard after the batch under way."""
        try:
            while not stopping.is_set():
                events = self._take(STEP_ASIDE_S if self._untold else TAKE_TIMEOUT_S)
                self._tell_now()
                if events:
                    self.is_stepping = True
                    self._step(events)
                self.is_stepping = self._untold is not None  # while orders are on their way is no idle moment
                self._beat()
            self._tell_now()
        except BaseException as error:  # a fault here ends trading; main learns of it and stops the rest
            log.exception("the trading thread failed")
            self._on_fault(error)
            raise

    def _step(self, events: Sequence[AnyEvent]) -> None:
        now_ns = self._clock_ns()
        begun = time.perf_counter_ns()
        try:
            step = self.engine.step(now_ns, events)
        except BaseException as error:  # the step that failed is the last one on the tape
            self.record(now_ns, events, None, f"{type(error).__name__}: {error}")
            raise
        if step.commands:
            self._dispatch(step.commands)
        self.step_times.note(now_ns, (time.perf_counter_ns() - begun) / 1e6)
        self._untold = (now_ns, events, step)
        if not step.commands or step.finished:
            self._tell_now()

    def _tell_now(self) -> None:
        """What the last step did, to the tape, to who asks for a picture, and to the person; before the next step in any case."""
        if self._untold is None:
            return
        now_ns, events, step = self._untold
        self._untold = None
        self.record(now_ns, events, step, "")
        if now_ns - self._pictured_ns >= PICTURE_EVERY_NS or step.finished:
            self._pictured_ns = now_ns
            self.on_picture(self.engine)
            self.snapshot = picture(self.engine)
        if step.commands or step.notices or step.facts:
            self._tell(now_ns, step)
        if step.finished:
            self.finished.set()

    def _dispatch(self, commands: Sequence[AnyCommand]) -> None:
        self._hand_over(command for command in commands if not isinstance(command, Reconnect))
        for command in commands:
            if isinstance(command, Reconnect):
                self._reconnect(command)
