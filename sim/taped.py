"""A world that keeps the tape of each of its boots, in memory: what replay is tested on, faults, crashes and restarts included.

Who calls it: tests, a person who wants a failing seed as a tape: `python -m sim.taped SEED FOLDER` writes its segments for `sim.replay`
(`A:B` for the seeds from A up to but not including B).
Never: a change to the course of the world it tapes.
"""

import argparse
import sys
from pathlib import Path

from core.checkpoint import freeze, parts, state_hash
from core.engine import Engine, Step
from core.events import AnyEvent
from sim.bot import Bot
from sim.setup import Setup
from sim.world import World
from state.tape_file import SUFFIX, VERSION, Checked, Closed, Opened, Piece, Ready, Record, Stepped, digest_of, framed
from trading.recipe import Recipe
from trading.risk import RiskChecks

SEGMENT_STEPS = 200
CHECKED_EVERY = 10


class TapedWorld(World):
    """`segments` are lists of records; every boot begins one, and so does every SEGMENT_STEPS-th step."""

    def __init__(self, setup: Setup) -> None:
        self.segments: list[list[Record]] = []
        self._boots = 0
        self._in_segment = 0
        super().__init__(setup)

    def _new_bot(self) -> Bot:
        bot = super()._new_bot()
        self._boots += 1
        self._begin(bot.engine, self.scheduler.now_ns)
        return bot

    def _begin(self, engine: Engine, at_ns: int) -> None:
        assert isinstance(engine.risk, RiskChecks)
        recipe = Recipe(quoting=self.setup.quoting, limits=engine.risk.limits, timing=engine.timing, amending=self.setup.amending)
        pieces = list(parts(freeze(engine)))
        number, settings = len(self.segments) + 1, recipe.written
        records: list[Record] = [Opened(version=VERSION, boot=f"s{self.setup.seed}b{self._boots}", segment=number, at_ns=at_ns, settings=settings)]
        records.extend(Piece(name=name, data=data) for name, data in pieces)
        records.append(Ready(state_hash=state_hash(pieces)))
        self.segments.append(records)
        self._in_segment = 0

    def _after_step(self, bot: Bot, batch: list[AnyEvent], step: Step) -> None:
        super()._after_step(bot, batch, step)
        records, now_ns = self.segments[-1], self.scheduler.now_ns
        records.append(Stepped(time_ns=now_ns, events=tuple(batch), commands=len(step.commands), digest=digest_of(step.commands)))
        self._in_segment += 1
        if self._in_segment % CHECKED_EVERY == 0 or step.finished:
            records.append(Checked(state_hash=state_hash(parts(freeze(bot.engine)))))
        if self._in_segment >= SEGMENT_STEPS:
            records.append(Closed(why="the next segment follows"))
            self._begin(bot.engine, now_ns)


def write(world: TapedWorld, folder: Path) -> list[Path]:
    """One file per segment, as the real tape names them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, records in enumerate(world.segments, 1):
        path = folder / f"s{world.setup.seed}-{number:05d}{SUFFIX}"
        path.write_bytes(b"".join(framed(record) for record in records))
        paths.append(path)
    return paths


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.taped", description="Runs one world and writes the tape of its boots.")
    parser.add_argument("seeds", metavar="SEED", help="a number, or A:B")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(argv)
    first, _, last = options.seeds.partition(":")
    if not first.isdigit() or not (last or "0").isdigit():
        parser.error("SEED is a number, or A:B")
    for seed in range(int(first), int(last or int(first) + 1)):
        world = TapedWorld(Setup.drawn(seed))
        result = world.run()
        for path in write(world, options.folder):
            print(path)
        print(f"seed {seed}: {'; '.join(result.failures) or 'no failure'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
