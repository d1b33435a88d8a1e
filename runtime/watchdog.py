"""Heartbeats of threads and the age of queues, judged from outside; a stall leaves the stacks of all threads in the log folder.

Who calls it: a hot thread calls the function that `heart` gave it (one assignment); bot.py starts and stops it. Its own thread "watchdog" judges.
SIGQUIT (Ctrl-\\) writes the stacks at any time, from C, even where every Python thread is stuck.
Never: an action on a stalled thread; it tells `on_stall`, which posts or prints.
"""

import faulthandler
import logging
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from runtime.worker import Worker

PERIOD_S = 0.25
HELD_S = 2.0  # the watchdog itself was this late: the process was stopped or starved, no thread is to blame
DUMPS_MAX = 20
STACKS_NAME = "stacks.txt"
FILE_BYTES_MAX = 5_000_000
log = logging.getLogger("greenlight.watchdog")


class _Heart:
    def __init__(self, name: str, limit_s: float, now_s: float) -> None:
        self.name, self.limit_s = name, limit_s
        self.beat_s = now_s
        self.stalled_s: float | None = None


class _Gauge:
    def __init__(self, name: str, read_ms: Callable[[], float], limit_ms: float) -> None:
        self.name, self.read_ms, self.limit_ms = name, read_ms, limit_ms
        self.is_over = False


class Watchdog(Worker):
    """Resource. `on_stall(name, text)` and `on_recovery(name, text)` are called on the watchdog's thread, once per stall."""

    def __init__(
        self,
        folder: Path,
        on_stall: Callable[[str, str], None],
        on_recovery: Callable[[str, str], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("watchdog", self._run)
        self._folder = folder
        self._on_stall, self._on_recovery, self._clock_s = on_stall, on_recovery, clock_s
        self._hearts: dict[str, _Heart] = {}
        self._gauges: list[_Gauge] = []
        self._judged_s = clock_s()
        self._file: TextIO | None = None
        self._is_resting = False
        self.dumps = 0
        self.stalls = 0

    def heart(self, name: str, limit_s: float) -> Callable[[], None]:
        """Register a thread or a pipeline before `start`; it must call the returned function at least every `limit_s`."""
        heart = self._hearts[name] = _Heart(name, limit_s, self._clock_s())
        clock_s = self._clock_s

        def beat() -> None:
            heart.beat_s = clock_s()

        return beat

    def age_s(self, name: str) -> float:
        """Since the last beat of a registered heart; for ever where there is none. Any thread."""
        heart = self._hearts.get(name)
        return float("inf") if heart is None else self._clock_s() - heart.beat_s

    def gauge(self, name: str, read_ms: Callable[[], float], limit_ms: float) -> None:
        """Watch a number, such as the age of the oldest waiting event, against its limit. `read_ms` must return at once."""
        self._gauges.append(_Gauge(name, read_ms, limit_ms))

    def rest(self) -> None:
        """What it watched has ended in order: nothing is judged any more; SIGQUIT still works. Any thread."""
        self._is_resting = True

    # -- Resource --------------------------------------------------------------------------------
    def start(self) -> None:
        """Open the stack file (an old one above 5 MB is begun anew), listen to SIGQUIT, start judging. Without a folder it judges all the same."""
        try:
            self._file = self._open()
            faulthandler.register(signal.SIGQUIT, file=self._file, all_threads=True, chain=False)
        except OSError as error:
            log.warning("no stacks will be written: %s: %s", error.filename, error.strerror)
        now_s = self._judged_s = self._clock_s()
        for heart in self._hearts.values():
            heart.beat_s, heart.stalled_s = now_s, None
        super().start()

    def _open(self) -> TextIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / STACKS_NAME
        is_big = path.exists() and path.stat().st_size > FILE_BYTES_MAX
        return path.open("w" if is_big else "a", encoding="utf-8")

    def stop(self, deadline: float) -> None:
        """`deadline` is on time.monotonic(). SIGQUIT gets its usual meaning back."""
        super().stop(deadline)
        file, self._file = self._file, None
        if file is not None:
            faulthandler.unregister(signal.SIGQUIT)
            file.close()

    # -- the thread ------------------------------------------------------------------------------
    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(PERIOD_S):
            try:
                self.judge()
            except Exception:  # a listener's fault must not end the watch
                log.exception("the watchdog's round failed")

    def judge(self) -> None:
        """One round; on the watchdog's thread, or by a test's hand."""
        if self._is_resting:
            return
        now_s = self._clock_s()
        held_s, self._judged_s = now_s - self._judged_s, now_s
        if held_s > HELD_S:
            log.warning("the whole process was held up for %.1f s (stopped, suspended or starved of CPU)", held_s)
            for heart in self._hearts.values():
                heart.beat_s = max(heart.beat_s, now_s - heart.limit_s / 2) if heart.stalled_s is None else heart.beat_s
        for heart in self._hearts.values():
            self._judge_heart(heart, now_s)
        for gauge in self._gauges:
            self._judge_gauge(gauge)

    def _judge_heart(self, heart: _Heart, now_s: float) -> None:
        age_s = now_s - heart.beat_s
        if heart.stalled_s is None and age_s > heart.limit_s:
            heart.stalled_s = heart.beat_s
            self._stall(heart.name, f"{heart.name} has not moved for {age_s:.1f} s, limit {heart.limit_s:g}")
        elif heart.stalled_s is not None and heart.beat_s > heart.stalled_s and age_s <= heart.limit_s:
            text = f"{heart.name} moves again after {heart.beat_s - heart.stalled_s:.1f} s"
            heart.stalled_s = None
            self._on_recovery(heart.name, text)

    def _judge_gauge(self, gauge: _Gauge) -> None:
        value_ms = gauge.read_ms()
        if value_ms > gauge.limit_ms and not gauge.is_over:
            gauge.is_over = True
            self._stall(gauge.name, f"{gauge.name} at {value_ms:.0f} ms, limit {gauge.limit_ms:g}")
        elif gauge.is_over and value_ms <= gauge.limit_ms / 2:
            gauge.is_over = False
            self._on_recovery(gauge.name, f"{gauge.name} back at {value_ms:.0f} ms")

    def _stall(self, name: str, text: str) -> None:
        self.stalls += 1
        told = self._dump(text)
        self._on_stall(name, f"{text} · {told}")

    def _dump(self, why: str) -> str:
        """The stacks of all threads, at most 20 times a run; says where they are."""
        if self._file is None:
            return "no stack file is open"
        if self.dumps >= DUMPS_MAX:
            return f"stacks written {DUMPS_MAX} times already"
        self.dumps += 1
        try:
            self._file.write(f"\n== {time.strftime('%Y-%m-%d %H:%M:%S')} {why}\n")
            self._file.flush()
            faulthandler.dump_traceback(file=self._file, all_threads=True)
        except OSError as error:
            return f"stacks could not be written: {error}"
        return f"stacks in {self._folder / STACKS_NAME}"
