"""Lanes without threads: `submit` gives a real Future that the scheduler resolves later, so that the manager's real done-callbacks run.

Who calls it: order_book_manager (submit), sim.scheduler (the rest). A call of the manager is a blocking function, so it is run twice: the first
run ends where the request leaves (the venue raises `Leaving`, which no handler of the manager catches), the second has the answer at hand. With a
slow disk there is one more run, which ends where the intent is written (sim.memory raises `Blocked`). The clock the manager reads is turned back to
the time of the first run, then of the write, until the answer is taken, so `sent_ns` and `received_ns` are true.
Never: a thread, a call to the venue that is counted twice.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar, cast

from core.commands import AnyCommand
from core.events import Answer, Reply
from core.ports import Answered
from sim.memory import Blocked, CallClock, Killed
from sim.scheduler import Scheduler

Outcome = Answered[Answer] | Exception
T = TypeVar("T")
R = TypeVar("R")
PICK_UP_MS = 0.05
QUEUE_MAX = 10_000


class Leaving(BaseException):
    """The request leaves this process; the worker waits. A BaseException so that the manager's handlers let it through."""

    def __init__(self, command: AnyCommand, timeout_s: float) -> None:
        super().__init__()
        self.command, self.timeout_s = command, timeout_s


class Carrier(Protocol):
    """What carries a request to the venue and calls `done` exactly once, when the worker has its answer or its time-out.

    `hand` lays that answer ready for the second run of the call; `abandon` tells of a call that ended without sending anything.
    """

    def carry(self, leaving: Leaving, done: Callable[[Outcome], None]) -> None: ...
    def hand(self, command: AnyCommand, outcome: Outcome) -> None: ...
    def abandon(self, command: AnyCommand) -> None: ...


Job = tuple[Callable[[AnyCommand], Reply], AnyCommand, "Future[Reply]"]


class VirtualLane:
    """A pool of `workers`; what finds none waits in a queue, as in runtime.lanes."""

    def __init__(self, scheduler: Scheduler, carrier: Carrier, clock: CallClock, workers: int, on_kill: Callable[[], None]) -> None:
        self._scheduler, self._carrier, self._clock, self._on_kill = scheduler, carrier, clock, on_kill
        self._free = workers
        self._queue: deque[Job] = deque()
        self.outstanding: dict[int, None] = {}
        self._is_dead = False

    def submit(self, call: Callable[[T], R], what: T, /) -> "Future[R]":
        if len(self._queue) >= QUEUE_MAX:
            raise RuntimeError("lane is full")
        future: Future[R] = Future()
        command = cast("AnyCommand", what)  # every call of the simulated venue is waited for, so nothing but commands comes here
        self.outstanding[command.command_id] = None
        self._queue.append((cast("Callable[[AnyCommand], Reply]", call), command, cast("Future[Any]", future)))
        self._assign()
        return future

    def _assign(self) -> None:
        while self._free and self._queue:
            self._free -= 1
            job = self._queue.popleft()
            self._scheduler.after(PICK_UP_MS + self._scheduler.stall_ms(), lambda job=job: self._work(job))  # type: ignore[misc]

    def _work(self, job: Job, picked_ns: int | None = None) -> None:
        call, command, _ = job
        if self._is_dead:
            self._carrier.abandon(command)
            return
        self._clock.as_of_ns, picked_ns = picked_ns, picked_ns or self._scheduler.now_ns
        try:
            reply = call(command)
        except Blocked as blocked:
            self._scheduler.after(blocked.ms, lambda: self._work(job, picked_ns))
            return
        except Leaving as leaving:
            self._carrier.carry(leaving, lambda outcome: self._return(job, picked_ns, outcome))
            return
        except Killed:
            self._carrier.abandon(command)
            self._on_kill()
            return
        finally:
            self._clock.as_of_ns = None
        self._carrier.abandon(command)
        self._finish(job, reply)

    def _return(self, job: Job, picked_ns: int, outcome: Outcome) -> None:
        call, command, _ = job
        if self._is_dead:
            return
        self._carrier.hand(command, outcome)
        self._clock.as_of_ns = picked_ns
        try:
            reply = call(command)
        except Killed:
            self._on_kill()
            return
        finally:
            self._clock.as_of_ns = None
        self._finish(job, reply)

    def _finish(self, job: Job, reply: Reply) -> None:
        _, command, future = job
        self.outstanding.pop(command.command_id, None)
        self._free += 1
        future.set_result(reply)
        self._assign()

    def die(self) -> None:
        """The process is gone: what waits here never leaves, what comes back finds nobody."""
        self._is_dead = True
        for _, command, _ in self._queue:
            self._carrier.abandon(command)
        self._queue.clear()
        self.outstanding.clear()
