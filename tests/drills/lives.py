"""Many lives of a session in one process: what is there after them that was not there before.

Who calls it: test_start_stop.py for a few lives, benchmarks/drill_start_stop.py for two hundred.
"""

import ctypes
import gc
import logging
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from runtime.lifecycle import Lifecycle, Resource
from tests.drills.harness import READY_S, Late, Venue, venue, wait_until
from tests.drills.rig import Bot

PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
OVERRIDES = ("paper.seed=7",)


class Measured(Lifecycle):
    """A lifecycle that knows how much CPU its parts' own starts and stops took, so that the rest is its own."""

    def __init__(self, stop_s: float) -> None:
        super().__init__(stop_s)
        self.parts_cpu_s = 0.0
        self.whole_cpu_s = 0.0

    def start(self, name: str, part: Resource) -> None:
        began_s = time.thread_time()
        super().start(name, _Timed(part, self))
        self.whole_cpu_s += time.thread_time() - began_s

    def stop(self) -> None:
        began_s = time.thread_time()
        super().stop()
        self.whole_cpu_s += time.thread_time() - began_s


class _Timed:
    def __init__(self, part: Resource, owner: Measured) -> None:
        self._part, self._owner = part, owner

    def start(self) -> None:
        began_s = time.thread_time()
        self._part.start()
        self._owner.parts_cpu_s += time.thread_time() - began_s

    def stop(self, deadline: float) -> None:
        began_s = time.thread_time()
        self._part.stop(deadline)
        self._owner.parts_cpu_s += time.thread_time() - began_s

    @property
    def is_running(self) -> bool:
        return self._part.is_running


class _Malloc(ctypes.Structure):
    """glibc's mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def handed_out_kb() -> int:
    """What malloc has handed out and not got back, in all its arenas: unlike resident memory it does not count what the allocator keeps."""
    gc.collect()
    mallinfo2 = ctypes.CDLL("libc.so.6").mallinfo2
    mallinfo2.restype = _Malloc
    return int(mallinfo2().uordblks) // 1024


@dataclass(frozen=True)
class Held:
    """What this process holds at one moment."""

    threads: Counter[str]
    descriptors: Counter[str]
    handlers: tuple[str, ...]

    @staticmethod
    def now() -> "Held":
        gc.collect()
        links: Counter[str] = Counter()
        for descriptor in os.listdir("/proc/self/fd"):
            try:
                links[os.readlink(f"/proc/self/fd/{descriptor}").split(":")[0]] += 1
            except FileNotFoundError:
                continue  # the one that listed the folder
        loggers = [logging.getLogger(), *(one for one in logging.Logger.manager.loggerDict.values() if isinstance(one, logging.Logger))]
        handlers = [f"{one.name} {handler!r}" for one in loggers for handler in one.handlers]
        signals = [f"{number} {signal.getsignal(number)!r}" for number in (signal.SIGINT, signal.SIGTERM)]
        return Held(Counter(thread.name for thread in threading.enumerate()), links, tuple(sorted([*handlers, *signals])))

    def beyond(self, before: "Held") -> list[str]:
        """What is here and was not there before."""
        found = [f"thread {name} x{count}" for name, count in (self.threads - before.threads).items()]
        found += [f"descriptor {name} x{count}" for name, count in (self.descriptors - before.descriptors).items()]
        return found + [f"handler {name}" for name in sorted(set(self.handlers) - set(before.handlers))]


@dataclass
class Lives:
    """Figures of all lives together."""

    count: int = 0
    proven: int = 0
    left: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    waiting: int = 0  # calls and records: must be none
    unread: int = 0  # a timer's or a socket's last event, after the trading thread had ended; it goes with its inbox
    rss_kb: list[int] = field(default_factory=list)
    heap_kb: list[int] = field(default_factory=list)
    seconds: float = 0.0
    cpu_s: float = 0.0
    own_cpu_s: float = 0.0
    worst_stop_s: float = 0.0

    @property
    def rss_kb_per_life(self) -> float:
        return self._slope(self.rss_kb)

    @property
    def heap_kb_per_life(self) -> float:
        return self._slope(self.heap_kb)

    @staticmethod
    def _slope(values: list[int]) -> float:
        """Of the second half, by least squares: the first half may still fill caches."""
        kept = values[len(values) // 2 :]
        middle, mean = (len(kept) - 1) / 2, sum(kept) / len(kept)
        spread = sum((index - middle) ** 2 for index in range(len(kept)))
        return sum((index - middle) * (value - mean) for index, value in enumerate(kept)) / spread if spread else 0.0

    @property
    def own_percent(self) -> float:
        """The lifecycle's own CPU, of all CPU this process used."""
        return 100 * self.own_cpu_s / self.cpu_s if self.cpu_s else 0.0

    def lines(self) -> list[str]:
        return [
            f"{self.count} lives in {self.seconds:.0f} s · {self.proven} ended with proof · worst stop {self.worst_stop_s:.2f} s",
            f"  left behind: {self.left or 'nothing'} · stop failures: {self.failures or 'none'}",
            f"  calls without an answer and records not written: {self.waiting} · events that came after the last step: {self.unread}",
            f"  memory {self.rss_kb[0]} KB after the first, {self.rss_kb[-1]} KB after the last life, slope {self.rss_kb_per_life:+.1f} KB per life",
            f"  handed out by malloc {self.heap_kb[0]} KB, then {self.heap_kb[-1]} KB, slope {self.heap_kb_per_life:+.1f} KB per life",
            f"  lifecycle's own CPU {self.own_cpu_s * 1000:.1f} ms of {self.cpu_s:.1f} s = {self.own_percent:.3f} %",
        ]


def _one(at: Venue, state_dir: Path, lives: Lives) -> None:
    made = Bot(at.urls, at.keys, state_dir, OVERRIDES)
    made.parts = parts = Measured(made.config.timing.stop_s)
    made.start()
    try:
        wait_until(lambda: made.is_quoting, READY_S, "quotes")
    except Late as late:
        shown = made.session.loop.snapshot
        raise Late(f"{late}; {shown and [side.no_quote_because for side in shown.sides]}; {list(made.said)[-10:]}") from None
    began_s = time.monotonic()
    lives.proven += made.stop()
    lives.worst_stop_s = max(lives.worst_stop_s, time.monotonic() - began_s)
    session = made.session
    lives.unread += len(session.inbox)
    lives.waiting += len(session.engine.pending) + session.recorder._waiting.qsize()
    lives.waiting += sum(lane.waiting for lane in session.lanes)
    lives.own_cpu_s += parts.whole_cpu_s - parts.parts_cpu_s
    lives.failures += parts.failures


def live(folder: Path, count: int) -> Lives:
    """Start and stop a session `count` times on one venue, after two that warm up what Python loads once."""
    lives = Lives()
    with venue() as at:
        warm = Lives()
        for _ in range(2):
            _one(at, folder / "bot", warm)
        before, began_s, cpu_s = Held.now(), time.monotonic(), time.process_time()
        for _ in range(count):
            _one(at, folder / "bot", lives)
            lives.count += 1
            lives.heap_kb.append(handed_out_kb())
            lives.rss_kb.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KB)
        lives.seconds, lives.cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        lives.left = Held.now().beyond(before)
    return lives
