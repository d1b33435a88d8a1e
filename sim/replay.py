"""`python -m sim.replay TAPE`: loads the checkpoint a tape begins with, takes its steps again, and compares commands and state with what it tells.

Who calls it: a person, tests. TAPE is one segment or a folder of them; each segment is replayed by itself, from its own checkpoint to its last whole
record or its first Gap (I16); with --through from every checkpoint on to the end of its run, past all that follow.
Exit code 0: equal, 1: different, 2: not a tape of this version.
Never: a venue, a clock, an order.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from core import checkpoint
from core.checkpoint import CheckpointError, Part
from core.engine import Engine
from state import tape_file
from state.tape_file import Checked, Closed, Gap, Opened, Piece, Ready, Record, Stepped, TapeCorrupt
from strategy import strategy_of
from trading.recipe import Recipe
from trading.risk import RiskChecks

EXIT_EQUAL, EXIT_DIFFERENT, EXIT_UNREADABLE = 0, 1, 2
AT_ITS_END = "its end"


def engine_of(recipe: Recipe) -> Engine:
    return Engine(strategy_of(recipe), RiskChecks(recipe.limits), recipe.timing)


@dataclass
class Verdict:
    """What one segment showed. `different` is empty where every command and every hash was equal."""

    name: str = ""
    boot: str = ""
    segment: int = 0
    checkpoints: int = 0  # loaded, or met on the way and equal
    steps: int = 0
    events: int = 0
    commands: int = 0
    hashes: int = 0
    ended: str = "the last whole record"
    state_hash: str = ""
    lost_before: int = 0
    different: str = ""

    def words(self) -> str:
        """One line for a person."""
        passed = f"{self.checkpoints} checkpoints · " if self.checkpoints > 1 else ""
        what = f"{passed}{self.steps} steps · {self.events} events · {self.commands} commands · {self.hashes} state hashes"
        lost = f" · {self.lost_before} steps lost before it" if self.lost_before else ""
        verdict = f"DIFFERENT: {self.different}" if self.different else "equal"
        return f"{self.name}: {what} · to {self.ended}{lost} · {verdict} · {self.state_hash[:16]}"


class Replay:
    """One segment, record by record. The engine may be asked about when it has ended."""

    def __init__(self, name: str = "") -> None:
        self.verdict = Verdict(name=name)
        self.engine: Engine | None = None
        self._pieces: list[Part] = []
        self._recipe: Recipe | None = None

    def run(self, records: Iterable[Record]) -> Verdict:
        """The whole segment, or the one that follows the last. Raises TapeCorrupt, CheckpointError."""
        self.verdict.ended = Verdict.ended
        for record in records:
            if isinstance(record, Gap | Closed):
                self.verdict.ended = f"a gap ({record.why})" if isinstance(record, Gap) else AT_ITS_END
                break
            if not self._take(record):
                break
        if self.engine is None:
            raise TapeCorrupt(f"{self.verdict.name}: no whole checkpoint at its beginning")
        self.verdict.state_hash = checkpoint.hash_of(self.engine)
        return self.verdict

    def _take(self, record: Record) -> bool:
        """False where it differs: what follows a difference differs too."""
        if isinstance(record, Opened):
            self._open(record)
        elif isinstance(record, Piece):
            if self.engine is None:
                self._pieces.append((record.name, record.data))
        elif isinstance(record, Ready):
            return self._load(record) if self.engine is None else self._same_hash(record.state_hash, "the next checkpoint", is_checkpoint=True)
        elif isinstance(record, Stepped):
            return self._step(record)
        elif isinstance(record, Checked):
            return self._check(record)
        return True

    def _open(self, opened: Opened) -> None:
        if opened.version != tape_file.VERSION:
            raise TapeCorrupt(f"{self.verdict.name}: a tape of version {opened.version}, this is {tape_file.VERSION}")
        if self.engine is not None:
            return  # a later segment of the same run: its checkpoint is compared, not loaded
        self.verdict.boot, self.verdict.segment, self.verdict.lost_before = opened.boot, opened.segment, opened.lost_steps
        try:
            self._recipe = msgspec.msgpack.decode(opened.settings, type=Recipe)
        except msgspec.DecodeError as error:
            raise TapeCorrupt(f"{self.verdict.name}: settings of another version ({error})") from error

    def _load(self, ready: Ready) -> bool:
        if self._recipe is None:
            raise TapeCorrupt(f"{self.verdict.name}: its first record is missing")
        self.engine = engine_of(self._recipe)
        checkpoint.load(self.engine, self._pieces)
        self._pieces.clear()
        return self._same_hash(ready.state_hash, "the checkpoint itself", is_checkpoint=True)

    def _step(self, step: Stepped) -> bool:
        if self.engine is None:
            raise TapeCorrupt(f"{self.verdict.name}: a step before the checkpoint")
        self.verdict.steps += 1
        self.verdict.events += len(step.events)
        try:
            commands = self.engine.step(step.time_ns, step.events).commands
        except Exception as error:  # the tape says whether the engine raised it live as well
            if step.fault:
                self.verdict.ended = f"the fault of the run itself ({step.fault})"
            else:
                self._differ(f"raised {type(error).__name__}: {error}")
            return False
        self.verdict.commands += len(commands)
        digest = tape_file.digest_of(commands)
        if step.fault:
            return self._differ(f"raised nothing; the run raised {step.fault}")
        if (len(commands), digest) != (step.commands, step.digest):
            return self._differ(f"{len(commands)} commands {digest or '-'}, the tape says {step.commands} {step.digest or '-'}")
        return True

    def _check(self, checked: Checked) -> bool:
        return self._same_hash(checked.state_hash, "the state")

    def _same_hash(self, told: str, what: str, is_checkpoint: bool = False) -> bool:
        assert self.engine is not None
        self.verdict.hashes += 1
        self.verdict.checkpoints += is_checkpoint
        found = checkpoint.hash_of(self.engine)
        return found == told or self._differ(f"{what} is {found[:16]}, the tape says {told[:16]}")

    def _differ(self, text: str) -> bool:
        self.verdict.different = f"step {self.verdict.steps}: {text}"
        return False


def replay(path: Path) -> Verdict:
    """One segment. Raises TapeCorrupt, CheckpointError, OSError."""
    return Replay(path.name).run(tape_file.read(path))


def replay_through(path: Path, later: Iterable[Path]) -> Verdict:
    """From the checkpoint of one segment to the end of its run, or to what is missing in it. Raises TapeCorrupt, CheckpointError, OSError."""
    one = Replay(path.name)
    one.run(tape_file.read(path))
    for following in later:
        opened = next(iter(tape_file.read(following)), None)
        if one.verdict.different or one.verdict.ended != AT_ITS_END or not isinstance(opened, Opened):
            break
        if opened.boot != one.verdict.boot or opened.lost_steps or opened.lost_events:
            break
        one.run(tape_file.read(following))
    return one.verdict


def paths_of(tape: Path) -> list[Path]:
    return tape_file.segments(tape) if tape.is_dir() else [tape]


def verdicts(paths: Sequence[Path], through: bool = False) -> Iterator[Verdict]:
    for at, path in enumerate(paths, 1):
        yield replay_through(path, paths[at:]) if through else replay(path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.replay", description="Takes the steps of a tape again and compares commands and state.")
    parser.add_argument("tape", type=Path, metavar="TAPE", help="a segment (state/tape/BOOT-NUMBER.tape), or the folder of all")
    parser.add_argument("--through", action="store_true", help="from every checkpoint to the end of its run, not only to the next one")
    parser.add_argument("--json", action="store_true", help="one JSON object per segment")
    options = parser.parse_args(argv)
    paths = paths_of(options.tape)
    if not paths:
        print(f"{options.tape}: no tape in it", file=sys.stderr)
        return EXIT_UNREADABLE
    code = EXIT_EQUAL
    try:
        for verdict in verdicts(paths, options.through):
            print(json.dumps(asdict(verdict)) if options.json else verdict.words(), flush=True)
            code = EXIT_DIFFERENT if verdict.different else code
    except (TapeCorrupt, CheckpointError, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_UNREADABLE
    return code


if __name__ == "__main__":
    sys.exit(main())
