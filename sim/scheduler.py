"""Virtual time: calls in the order (time, sequence), and nothing else moves the clock.

Who calls it: every part of a simulated world, on the one real thread. Never: the wall clock, a thread, a sleep.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

MS = 1_000_000
STALL_SHARE = 0.03  # without stalls virtual time makes code infinitely fast and timer races never happen (simulator-notes)
STALL_MS_MAX = 80
CALLS_MAX = 2_000_000


class Scheduler:
    """A clock in ns and a heap of calls that are due."""

    def __init__(self, now_ns: int, rng: Random) -> None:
        self.now_ns = now_ns
        self.stalls = 0
        self._rng = rng
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.calls_max = CALLS_MAX

    @property
    def now_ms(self) -> int:
        return self.now_ns // MS

    def at(self, time_ns: int, call: Callable[[], None]) -> None:
        """Run `call` at this time; a time that has passed means now, after what is already due."""
        self._count += 1
        heappush(self._heap, (max(time_ns, self.now_ns), self._count, call))

    def after(self, ms: float, call: Callable[[], None]) -> None:
        self.at(self.now_ns + int(ms * MS), call)

    def stall_ms(self) -> float:
        """The delay of one yield point: usually none, sometimes up to 80 ms."""
        if self._rng.random() >= STALL_SHARE:
            return 0.0
        self.stalls += 1
        return self._rng.random() * STALL_MS_MAX

    def run(self, until_ns: int, enough: Callable[[], bool] | None = None) -> bool:
        """Run what is due up to `until_ns`; True where `enough` ended it early. Raises RuntimeError where a world never comes to rest."""
        heap = self._heap
        while heap and heap[0][0] <= until_ns:
            self.now_ns, _, call = heappop(heap)
            call()
            if enough is not None and enough():
                return True
            if self._count > self.calls_max:
                raise RuntimeError(f"{self.calls_max} calls and no end")
        self.now_ns = max(self.now_ns, until_ns)
        return False
