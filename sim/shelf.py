"""The books of a backtest on disk: intents and store in a folder of its own, written by the real journal, recorder and keeper.

Who calls it: sim.backtest (as the journal of its bot), sim.backtest_run. On the one real thread: what a recorder would write a moment later is
written at once. A later backtest of the same name takes the place of the earlier one.
Never: the books of a bot that trades; a fault of the disk that passes for one of the market.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from core.commands import AnyCommand
from core.engine import Step
from core.events import Boot, Reply
from core.notices import Notice
from runtime.instance_lock import LOCK_NAME, InstanceLock, LockHeld
from state.intents import Intents
from state.keeper import Keeper
from state.recorder import Recorder, recorded
from state.rows import RunStart
from state.store import FILE, Store

INTENTS = "intents.log"
FILES = (INTENTS, FILE, f"{FILE}-wal", f"{FILE}-shm")
GROUP = 500  # notices of one transaction
KEPT_MAX = 20
NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}-[A-Z0-9-]+-[0-9a-f]{8}")


class ShelfFull(Exception):
    """The books cannot be written; the text says why."""


def forget_oldest(shelves: Path) -> list[str]:
    """Of the folders of backtests the newest KEPT_MAX stay, and those one works on; the names of the others. Files that are none of ours stay too."""
    found = [path for path in shelves.iterdir() if NAME.fullmatch(path.name) and (path / INTENTS).is_file()]
    found.sort(key=lambda path: (path / INTENTS).stat().st_mtime_ns, reverse=True)
    gone = []
    for folder in found[KEPT_MAX:]:
        lock = InstanceLock(folder)
        try:
            lock.start()
        except LockHeld:
            continue
        for name in (*FILES, LOCK_NAME):
            (folder / name).unlink(missing_ok=True)
        lock.stop(0.0)
        if not any(folder.iterdir()):
            folder.rmdir()
        gone.append(folder.name)
    return gone


class Shelf:
    """`folder` is held by the caller's lock."""

    def __init__(self, folder: Path, boot: Boot, clock_ns: Callable[[], int]) -> None:
        """Raises OSError, StoreRefused, ShelfFull."""
        self.is_dead = False
        self._clock_ns = clock_ns
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        self._intents = Intents(folder / INTENTS)
        self._keeper = Keeper(Store(folder / FILE), self._intents.path, lambda reason: None)
        self._recorder = Recorder(self._intents, self._keeper)
        self._written: set[int] = set()
        self._waiting = 0
        self._intents.start()
        symbols = tuple((rule.symbol, rule.base, rule.quote) for rule in boot.rules)
        now_ns = clock_ns()
        run = RunStart(boot=boot.boot, venue=boot.venue, instance=boot.instance, order_tag=boot.tag, started_ns=now_ns, symbols=symbols)
        self._keeper.open(run)
        self._intents.boot(boot, now_ns)
        self._check()

    # -- the bot's journal -----------------------------------------------------------------------
    def intent(self, command: AnyCommand) -> None:
        """A call is run twice (sim.executor); its intent is written once. Raises NotSent."""
        if command.command_id not in self._written:
            self._intents.intent(command)
            self._written.add(command.command_id)

    def result(self, reply: Reply) -> None:
        self._written.discard(reply.command_id)
        self._intents.result(reply)

    def tell(self, at_ns: int, step: Step) -> None:
        """Raises ShelfFull."""
        for notice in recorded(step.notices, step.facts):
            self._take(at_ns, notice)
        if self._waiting >= GROUP:
            self._waiting = 0
            self._keeper.flush()
            self._check()

    def _take(self, at_ns: int, notice: Notice) -> None:
        self._recorder.to_intents(at_ns, notice)
        self._keeper.take(at_ns, notice)
        self._waiting += 1

    def finish(self, exit_code: int, reason: str, facts: Sequence[Notice]) -> None:
        """How it ended, and the last facts of it; on disk after `close`."""
        at_ns = self._clock_ns()
        for fact in facts:
            self._take(at_ns, fact)
        self._recorder.finish(at_ns, exit_code, reason)

    def close(self) -> None:
        """Raises ShelfFull."""
        self._recorder.close()
        self._check()

    def _check(self) -> None:
        if why := self._keeper.sick or self._intents.last_error:
            raise ShelfFull(why)
