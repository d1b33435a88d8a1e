"""What survives a crash of the simulated bot: the bytes of its intents, written and read by the real state.intents and state.ledger.

Who calls it: sim.bot (one Journal per boot), sim.director (a kill in the middle of a write), sim.world at the end. On the one real thread.
Never: a record made or understood here; a byte changed once it is written.
"""

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


class Disk:
    """The one file. `torn_at` draws how many bytes of a record of this size are there when the process dies in the next write."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.torn_at: Callable[[int], int] | None = None

    def write(self, data: bytes, /) -> int:
        if self.torn_at is not None:
            keep, self.torn_at = self.torn_at(len(data)), None
            self.data += data[:keep]
            raise Killed
        self.data += data
        return len(data)

    def close(self) -> None:
        """The bytes stay."""


def torn_at(rng: Random, size: int) -> int:
    """Somewhere inside the record; every third time inside its head."""
    return rng.randint(1, HEAD_BYTES - 1) if rng.random() < 1 / 3 else rng.randint(HEAD_BYTES, size - 1)


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
        )

    def fills(self) -> list[Fill]:
        """Every fill that was written, by all boots."""
        return [record.fill for record in records_in(bytes(self.disk.data), PATH) if isinstance(record, FillRecord)]

    def forget(self) -> None:
        """In a long world without a crash nobody will read it."""
        self.disk.data.clear()


class Journal:
    """The Journal and the recorder of one boot; silent once the process is dead."""

    def __init__(self, memory: Memory, boot: Boot, scheduler: Scheduler, rng: Random, on_kill: Callable[[], None]) -> None:
        self._scheduler, self._rng, self._on_kill = scheduler, rng, on_kill
        self._intents = Intents(PATH, lambda path: memory.disk)
        self._intents.start()
        self._intents.boot(boot, scheduler.now_ns)
        self._recorder = Recorder(self._intents)
        self._written: set[int] = set()
        self._waiting: deque[tuple[int, Notice]] = deque()
        self._is_writing = False
        self.is_dead = False

    def intent(self, command: AnyCommand) -> None:
        """Before the send. The second run of a call (sim.executor) finds its intent written. Raises NotSent, Killed."""
        if command.command_id not in self._written:
            self._intents.intent(command)
            self._written.add(command.command_id)

    def result(self, reply: Reply) -> None:
        """Raises Killed."""
        self._written.discard(reply.command_id)
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
            for _ in range(self._rng.randint(1, len(self._waiting))):
                if not self.is_dead:
                    self._recorder.to_intents(*self._waiting.popleft())
        except Killed:
            self._on_kill()
        self._is_writing = bool(self._waiting) and not self.is_dead
        if self._is_writing:
            self._scheduler.after(self._lag_ms(), self._write)
