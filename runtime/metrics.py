"""Numbers about the run itself: counters, latency histograms, and a control thread that knows how late this machine is anyway.

Who writes: one thread per counter or histogram; who reads: any, any time (each number is replaced, never half written). Bounded in memory.
Never: a lock, a label that grows with the data.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping

from core.histogram import Histogram
from runtime.worker import Worker


class Counter:
    """Counts up. One writer."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, count: int = 1) -> None:
        self.value += count


class Metrics:
    """The named counters and histograms of a run; names are asked for while the parts are built, not while they run."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def counter(self, name: str) -> Counter:
        return self._counters.setdefault(name, Counter())

    def histogram(self, name: str) -> Histogram:
        return self._histograms.setdefault(name, Histogram())

    def as_dict(self) -> Mapping[str, object]:
        """JSON-ready."""
        counted: dict[str, object] = {name: counter.value for name, counter in self._counters.items()}
        return {**counted, **{name: histogram.as_dict() for name, histogram in self._histograms.items()}}


class ControlThread(Worker):
    """Resource: sleeps 1 ms again and again and notes how late it woke: the lateness of the machine and the interpreter themselves.

    Drills subtract it: a pong may be 100 ms late beyond the lateness seen here. Keeps the newest 60,000 samples (about a minute).
    """

    PERIOD_S = 0.001
    KEPT_MAX = 60_000

    def __init__(self) -> None:
        super().__init__("control-thread", self._run)
        self.lateness = Histogram()
        self._samples: deque[tuple[int, float]] = deque(maxlen=self.KEPT_MAX)

    @property
    def samples(self) -> list[tuple[int, float]]:
        """(time.monotonic_ns() of the wake-up, lateness in ms), oldest first; a copy."""
        return list(self._samples)

    def worst_ms(self, from_ns: int = 0, until_ns: int | None = None) -> float:
        """The worst lateness of wake-ups whose sleep touched the span (time.monotonic_ns()), 0 where there was none."""
        touching = (late_ms for at_ns, late_ms in self.samples if at_ns >= from_ns and (until_ns is None or at_ns - late_ms * 1e6 <= until_ns))
        return max(touching, default=0.0)

    def _run(self, stopping: threading.Event) -> None:
        period_ns = int(self.PERIOD_S * 1e9)
        while not stopping.is_set():
            begun_ns = time.monotonic_ns()
            time.sleep(self.PERIOD_S)
            woke_ns = time.monotonic_ns()
            late_ms = max(0.0, (woke_ns - begun_ns - period_ns) / 1e6)
            self._samples.append((woke_ns, late_ms))
            self.lateness.note(late_ms)
