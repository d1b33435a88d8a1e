"""What survives a crash of the simulated bot: the bytes of its intents, written and read by the real state.intents and state.ledger.

Who calls it: sim.bot (one Journal per boot), sim.director (a kill in the middle of a write), sim.world at the end. On the one real thread.
Never: a record made or understood here; a byte changed once it is written.
"""

import errno
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random

from core.commands import AnyCommand
from core.engine import Step
from core.events import Boot, Reply
from core.notices import Notice
from core.types import Fill
from sim.scheduler import Scheduler
from sim.setup import Setup, limits
from state.intents import FillRecord, Intents, records_in
from state.ledger import add_up
from state.recorder import Recorder

TAG = "glsim"
INSTANCE = "sim-1"
PATH = Path("intents.log")  # a name for messages; nothing is opened
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
RECORDER_MS_MAX = 200  # how far the recorder may lag behind the trading thread; what it has not written dies with the process
HEAD_BYTES = 8


def boot_name(number: int) -> str:
    """Stands for the start time in base 36; later boots sort after earlier ones."""
    return f"m{DIGITS[number]}"


class Killed(BaseException):
    """The process dies inside a write. A BaseException, so that no handler of the bot lets it live on."""


class Blocked(BaseException):
    """The worker hangs in a write for so long; then its call goes on (sim.executor)."""

    def __init__(self, ms: float) -> None:
        super().__init__()
        self.ms = ms


class Disk:
    """The one file. Of a record of so many bytes, `torn_at` draws how many are there when the process dies in the next write,
    `keeps` how many a full disk takes; `slow_ms` how long an intent takes to write."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.torn_at: Callable[[int], int] | None = None
        self.keeps: Callable[[int], int] | None = None
        self.slow_ms: Callable[[], float] | None = None

    @property
    def is_full(self) -> bool:
        return self.keeps is not None

    def heal(self) -> None:
        self.keeps = self.slow_ms = None

    def write(self, data: bytes, /) -> int:
        if self.torn_at is not None:
            keep, self.torn_at = self.torn_at(len(data)), None
            self.data += data[:keep]
            raise Killed
        if self.keeps is not None:
            keep = self.keeps(len(data))
            if not keep:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.data += data[:keep]
            return keep
        self.data += data
        return len(data)

    def is_empty(self) -> bool:
        return not self.data

    def close(self) -> None:
        """The bytes stay."""


def torn_at(rng: Random, size: int) -> int:
    """Somewhere inside the record; every third time inside its head."""
    return rng.randint(1, HEAD_BYTES - 1) if rng.random() < 1 / 3 else rng.randint(HEAD_BYTES, size - 1)


class CallClock:
    """The clock the manager reads: the scheduler's, except while a call is run again (sim.executor)."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.as_of_ns: int | None = None

    def __call__(self) -> int:
        return self.scheduler.now_ns if self.as_of_ns is None else self.as_of_ns


class Memory:
    """The disk and the number of boots so far."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.boots = 0

    def begin(self, setup: Setup) -> Boot:
        """Boot of the next run, with what the earlier ones left."""
        recovery = add_up(records_in(bytes(self.disk.data), PATH), INSTANCE)
        self.boots += 1
        return Boot(
            boot=boot_name(self.boots),
            tag=TAG,
            venue="sim",
            instance=INSTANCE,
            rules=setup.rules,
            limits=limits(setup),
            last_trade_ids=recovery.last_trade_ids,
            undecided=recovery.undecided,
            known_fills=recovery.known_fills,
            attributed=recovery.attributed,
            memories=recovery.memories,
            told=recovery.told,
        )

    def fills(self) -> list[Fill]:
        """Every fill that was written, by all boots."""
        return [record.fill for record in records_in(bytes(self.disk.data), PATH) if isinstance(record, FillRecord)]

    def forget(self) -> None:
        """In a long world without a crash nobody will read it."""
        self.disk.data.clear()


class Journal:
    """The Journal and the recorder of one boot; silent once the process is dead."""

    def __init__(self, memory: Memory, boot: Boot, clock: CallClock, rng: Random, on_kill: Callable[[], None]) -> None:
        """Raises Killed, and OSError where the disk is full: the process ends before it began."""
        self._scheduler, self._clock, self._rng, self._on_kill = clock.scheduler, clock, rng, on_kill
        self._disk = memory.disk
        self._intents = Intents(PATH, lambda path: memory.disk)
        self._intents.start()
        self._intents.boot(boot, clock())
        self._recorder = Recorder(self._intents)
        self._blocked: set[int] = set()
        self._written: dict[int, int] = {}  # command id -> when its intent was there (ns)
        self._waiting: deque[tuple[int, Notice]] = deque()
        self._is_writing = False
        self.is_dead = False

    def intent(self, command: AnyCommand) -> None:
        """Before the send. A call is run several times (sim.executor): only once does it wait, and write. Raises NotSent, Killed, Blocked."""
        number = command.command_id
        if number not in self._written:
            if self._disk.slow_ms is not None and number not in self._blocked:
                self._blocked.add(number)
                raise Blocked(self._disk.slow_ms())
            self._clock.as_of_ns = None
            self._intents.intent(command)
            self._written[number] = self._scheduler.now_ns
        elif self._clock.as_of_ns is not None:
            self._clock.as_of_ns = self._written[number]

    def result(self, reply: Reply) -> None:
        """Raises Killed."""
        self._written.pop(reply.command_id, None)
        self._blocked.discard(reply.command_id)
        self._intents.result(reply)

    def tell(self, at_ns: int, step: Step) -> None:
        """The recorder takes what happened and writes it in order, some of it now, the rest a little later."""
        self._waiting.extend((at_ns, notice) for notice in (*step.notices, *step.facts))
        if self._waiting and not self._is_writing:
            self._is_writing = True
            self._scheduler.after(self._lag_ms(), self._write)

    def _lag_ms(self) -> float:
        return self._rng.random() * RECORDER_MS_MAX

    def _write(self) -> None:
        """A kill may come between any two of them."""
        try:
            for _ in range(self._rng.randint(0, len(self._waiting))):
                if not self.is_dead:
                    self._recorder.to_intents(*self._waiting.popleft())
        except Killed:
            self._on_kill()
        self._is_writing = bool(self._waiting) and not self.is_dead
        if self._is_writing:
            self._scheduler.after(self._lag_ms(), self._write)

    def close(self) -> None:
        """An orderly end: what waits is written. Raises Killed."""
        while self._waiting:
            self._recorder.to_intents(*self._waiting.popleft())
        self._intents.write_late()
