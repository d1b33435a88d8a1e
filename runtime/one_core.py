"""All threads of the bot on one processor core: a hand-over between threads that wakes no second core takes less time.

One interpreter runs one of its threads at a time, wherever they are; on two cores each hand-over only adds the waking of a sleeping core,
and what the last thread had in its caches is left behind. What it is worth: docs/performance.md.
Who starts it: run.py, once all threads run; its own thread is "one-core". It stays where the system put the main thread, and moves on where
other programs crowd that core. Where a program may not choose, it does nothing.
Never: a choice that outlasts its stop, a core outside those the process was given.
"""

import os
import threading
import time
from pathlib import Path

from runtime.worker import Worker

LOOK_EVERY_S = 2.0
CROWDED = 0.25  # of a core's time taken by others: two looks in a row, then another core is looked for
BETTER_BY = 0.15  # a core must have this much less to do, or the bot would wander
STAT, SELF, THREADS = Path("/proc/stat"), Path("/proc/self/stat"), Path("/proc/self/task")
PROCESSOR = 36  # field 39 of /proc/self/stat, counted after the name in parentheses
IDLE, IO_WAIT, GUEST = 3, 4, 8  # fields of a cpu line: user nice system idle iowait irq softirq steal guest ...

Busy = dict[int, float]  # core -> seconds of work since the machine's start


def read_busy(text: str, ticks_per_s: int) -> Busy:
    """From the text of /proc/stat (man proc_stat): the lines cpu0, cpu1 ... without idle and waiting time."""
    busy: Busy = {}
    for line in text.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit():
            counts = [int(field) for field in fields[:GUEST]]  # a guest's time is in the user's already
            busy[int(name[3:])] = (sum(counts) - counts[IDLE] - counts[IO_WAIT]) / ticks_per_s
    return busy


def core_of(text: str) -> int:
    """From the text of /proc/self/stat: the core the main thread ran on last."""
    return int(text.rpartition(")")[2].split()[PROCESSOR])


def better_core(core: int, others: Busy) -> int:
    """`others`: share of each core's time that other programs took. The least busy one where ours is crowded, else ours."""
    best = min(others, key=lambda one: others[one])
    is_crowded = others.get(core, 1.0) > CROWDED
    return best if is_crowded and others[best] + BETTER_BY <= others.get(core, 1.0) else core


class OneCore(Worker):
    """Resource. `core` is where the bot's threads are; None where they are left alone."""

    def __init__(self) -> None:
        super().__init__("one-core", self._run)
        self.core: int | None = None
        self.moves = 0
        self._allowed: set[int] = set()
        self._seen: tuple[float, float, Busy] = (0.0, 0.0, {})

    def start(self) -> None:
        """Move every thread at once; threads made later are where their maker is."""
        try:
            self._allowed = os.sched_getaffinity(0)
            here = core_of(SELF.read_text(encoding="utf-8"))
            self._look()
        except (AttributeError, OSError, ValueError, IndexError):  # not Linux, or /proc is not to be read
            return
        if len(self._allowed) > 1 and here in self._allowed:
            self._move(here)
            super().start()

    def stop(self, deadline: float) -> None:
        """Every thread may be anywhere again; also where nothing was moved."""
        super().stop(deadline)
        if self.core is not None:
            self._put(self._allowed)
            self.core = None

    def _run(self, stopping: threading.Event) -> None:
        wanted_before = self.core
        while not stopping.wait(LOOK_EVERY_S):
            try:
                wanted = better_core(self.core, self._others()) if self.core is not None else None
                if wanted is not None and wanted != self.core and wanted == wanted_before:
                    self._move(wanted)
                wanted_before = wanted
            except (OSError, ValueError, IndexError):  # /proc did not answer: stay
                wanted_before = self.core

    def _look(self) -> tuple[float, float, Busy]:
        """(now, our CPU time, what each core did), the two latter in seconds; remembered for the next look."""
        busy = read_busy(STAT.read_text(encoding="ascii"), os.sysconf("SC_CLK_TCK"))
        self._seen = (time.monotonic(), time.process_time(), busy)
        return self._seen

    def _others(self) -> Busy:
        """The share of each allowed core's time since the last look that was not ours."""
        then_s, ours_then_s, busy_then = self._seen
        now_s, ours_now_s, busy_now = self._look()
        elapsed_s = max(now_s - then_s, 1e-3)
        worked = {core: busy_now[core] - busy_then[core] for core in self._allowed & busy_now.keys() & busy_then.keys()}
        if self.core in worked:
            worked[self.core] -= ours_now_s - ours_then_s
        return {core: min(1.0, max(0.0, work_s / elapsed_s)) for core, work_s in worked.items()}

    def _move(self, core: int) -> None:
        if self._put({core}):
            self.moves += self.core is not None
            self.core = core

    @staticmethod
    def _put(cores: set[int]) -> bool:
        """True where at least the calling thread may be moved; a thread that has just ended needs none."""
        try:
            os.sched_setaffinity(0, cores)
        except OSError:  # forbidden (a sandbox), or the core went away
            return False
        for thread in THREADS.iterdir():
            try:
                os.sched_setaffinity(int(thread.name), cores)
            except OSError:
                continue
        return True
