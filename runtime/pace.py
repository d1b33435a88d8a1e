"""How the interpreter shares itself while the bot trades: threads hand over soon, and garbage is collected while nothing else is to be done.

Who starts it: run.py, last of all, so that everything a start made is frozen; its thread is "pace". What each lever is worth: docs/performance.md.
Never: a collection while events wait, unless it was put off for LATE_S_MAX; settings that outlast its stop.
"""

import gc
import sys
import threading
import time
from collections.abc import Callable

from runtime.worker import Worker

SWITCH_S = 0.0002  # the interpreter's own 5 ms are what a lane's worker may wait for its turn while another thread computes
LOOK_EVERY_S = 0.05
DUE_OBJECTS = 5_000  # new containers since the last collection; the interpreter's own threshold is 700
LATE_S_MAX = 2.0
FULL_EVERY = 20  # every so many collections look at all generations; what was there at the start is frozen and costs nothing


class Pace(Worker):
    """Resource. `is_idle` is asked before each collection: True where the trading thread has nothing to do."""

    def __init__(self, is_idle: Callable[[], bool]) -> None:
        super().__init__("pace", self._run)
        self._is_idle = is_idle
        self._switch_s_before = sys.getswitchinterval()
        self.collections = 0
        self.longest_ms = 0.0

    def start(self) -> None:
        """A full collection first: some 100 ms, before the first order."""
        self._switch_s_before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        gc.collect()
        gc.freeze()
        gc.disable()
        super().start()

    def stop(self, deadline: float) -> None:
        """As before the start; also where the thread never ran."""
        super().stop(deadline)
        sys.setswitchinterval(self._switch_s_before)
        gc.unfreeze()
        gc.enable()

    def _run(self, stopping: threading.Event) -> None:
        due_s = 0.0
        while not stopping.wait(LOOK_EVERY_S):
            if gc.get_count()[0] < DUE_OBJECTS:
                due_s = 0.0
                continue
            now_s = time.monotonic()
            due_s = due_s or now_s
            if self._is_idle() or now_s - due_s >= LATE_S_MAX:
                self._collect()
                due_s = 0.0

    def _collect(self) -> None:
        self.collections += 1
        begun_s = time.perf_counter()
        gc.collect(2 if self.collections % FULL_EVERY == 0 else 1)
        self.longest_ms = max(self.longest_ms, (time.perf_counter() - begun_s) * 1000)
