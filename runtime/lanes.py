"""A lane: a ThreadPoolExecutor whose workers run before the first order needs them, with a bounded queue.

Who calls it: order_book_manager submits on the trading thread; bot.py starts and stops it. `submit` returns at once or raises LaneFull.
Never: a wait in submit; a stop that outlasts its deadline.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TypeVar

C = TypeVar("C")
R = TypeVar("R")
WARM_UP_S = 2.0


class LaneFull(Exception):
    """The queue of this lane is at its cap; nothing was submitted."""


class Lane:
    """Resource. Its threads are named after it: cancel_0, cancel_1 ..."""

    def __init__(self, name: str, workers: int, waiting_max: int = 2000, prepare: Callable[[], object] | None = None) -> None:
        """`prepare` runs once on every worker while starting (a connection opened, a clock read), so that the first order finds it done."""
        self.name = name
        self._prepare = prepare
        self._workers, self._waiting_max = workers, waiting_max
        self._pool: ThreadPoolExecutor | None = None
        self._threads: tuple[threading.Thread, ...] = ()

    def start(self) -> None:
        """Start every worker now: a cold submit costs a thread start (119-296 us against 3-4 us, DESIGN 2). Raises BrokenBarrierError.

        A preparation that fails or takes longer than WARM_UP_S costs its worker's first call some time, not the start.
        """
        pool = ThreadPoolExecutor(max_workers=self._workers, thread_name_prefix=self.name)
        gate = threading.Barrier(self._workers + 1)
        try:
            ready = [pool.submit(self._warm_up, gate) for _ in range(self._workers)]
            gate.wait(WARM_UP_S)
        except BaseException:
            gate.abort()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            self._threads = tuple(pool._threads)  # also of a start that failed: its stop waits for them
        self._pool = pool
        wait_for(ready, WARM_UP_S)

    def _warm_up(self, gate: threading.Barrier) -> None:
        """On each worker: nobody passes the gate before all run, so that each worker has exactly one of these."""
        gate.wait(WARM_UP_S)
        if self._prepare is not None:
            self._prepare()

    def submit(self, call: Callable[[C], R], command: C, /) -> "Future[R]":
        pool = self._pool
        if pool is None:
            raise LaneFull(f"lane {self.name} is not running")
        if self.waiting >= self._waiting_max:
            raise LaneFull(f"lane {self.name} has {self._waiting_max} calls waiting")
        return pool.submit(call, command)

    @property
    def waiting(self) -> int:
        """Calls that no worker has taken yet."""
        pool = self._pool
        return pool._work_queue.qsize() if pool is not None else 0

    def stop(self, deadline: float) -> None:
        """Take back what waits (each gets its NotSent event), then wait for the workers until `deadline` (time.monotonic())."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_running(self) -> bool:
        """While it takes calls, and after the stop while a worker is still in one: the interpreter's exit would wait for that worker."""
        return self._pool is not None or any(thread.is_alive() for thread in self._threads)
