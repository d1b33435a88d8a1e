"""`python -m sim.fuzz --seeds A:B`: runs worlds, adds up what happened, and prints the command that replays each failure.

Who calls it: a person, CI, tests/sim. Exit code 0 only when every world passed and, from 200 seeds on, every kind of fault occurred.
Never: a world that shares anything with another (each job is its own process).
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from sim import lot_worlds
from sim.faults import AMEND, Kind
from sim.setup import Setup
from sim.shrink import shrink
from sim.world import Result, run_safely

KINDS_DUE_SEEDS = 200  # a fault kind that never occurred in so many worlds is a failure of the simulator
CHUNK = 20
Change = Callable[[Setup], Setup]


@dataclass
class Tally:
    """Sums over worlds."""

    worlds: int = 0
    virtual_s: float = 0.0
    orders: int = 0
    fills: int = 0
    steps: int = 0
    faults: dict[str, int] = field(default_factory=lambda: {kind.value: 0 for kind in Kind})
    checks: dict[str, int] = field(default_factory=dict)
    failures: dict[int, tuple[str, ...]] = field(default_factory=dict)
    commands: dict[int, str] = field(default_factory=dict)  # of each failing world
    traces: dict[int, tuple[str, ...]] = field(default_factory=dict)
    not_due: frozenset[str] = frozenset()  # kinds of fault that these worlds cannot have

    def add(self, result: Result) -> None:
        self.worlds += 1
        self.virtual_s += result.virtual_s
        self.orders += result.orders
        self.fills += result.fills
        self.steps += result.steps
        for name, count in result.faults.items():
            self.faults[name] += count
        for name, count in result.checks.items():
            self.checks[name] = self.checks.get(name, 0) + count
        if result.failures:
            self.failures[result.seed] = result.failures
            self.commands[result.seed] = result.command
        if result.trace:
            self.traces[result.seed] = result.trace

    def missing_kinds(self) -> list[str]:
        due = self.worlds >= KINDS_DUE_SEEDS
        return [name for name, count in self.faults.items() if not count and name not in self.not_due] if due else []


def run_seeds(seeds: Iterable[int], verbose: bool = False, change: Change | None = None) -> list[Result]:
    """Worlds one after the other; garbage of one is not collected during the next. `change` is made to each drawn setup."""
    results = []
    gc.collect()
    gc.disable()
    try:
        for seed in seeds:
            setup = Setup.drawn(seed)
            results.append(run_safely(change(setup) if change is not None else setup, verbose))
            if len(results) % CHUNK == 0:
                gc.collect()
    finally:
        gc.enable()
    return results


def changed(setup: Setup, only: frozenset[int] | None, quote_ns: int | None, maker_first: bool) -> Setup:
    """The drawn setup as the command line wants it."""
    return replace(lot_worlds.drawn(setup.seed) if maker_first else setup, only=only, quote_ns=quote_ns)


def chunks(first: int, last: int) -> Iterator[range]:
    for begin in range(first, last, CHUNK):
        yield range(begin, min(last, begin + CHUNK))


def run_range(first: int, last: int, jobs: int, verbose: bool = False, change: Change | None = None) -> Tally:
    tally = Tally()
    work = partial(run_seeds, verbose=verbose, change=change)
    if jobs <= 1:
        for part in chunks(first, last):
            for result in work(part):
                tally.add(result)
        return tally
    with ProcessPoolExecutor(jobs) as pool:
        for results in pool.map(work, chunks(first, last)):
            for result in results:
                tally.add(result)
    return tally


def report(tally: Tally, elapsed_s: float, as_json: bool) -> str:
    """The digest of a run, as lines or as one JSON object."""
    if as_json:
        return json.dumps(
            {
                "worlds": tally.worlds,
                "elapsed_s": round(elapsed_s, 2),
                "virtual_hours": round(tally.virtual_s / 3600, 3),
                "orders": tally.orders,
                "fills": tally.fills,
                "faults": tally.faults,
                "checks": tally.checks,
                "missing_kinds": tally.missing_kinds(),
                "failures": {str(seed): list(lines) for seed, lines in tally.failures.items()},
            }
        )
    lines = [line for seed in sorted(tally.traces) for line in tally.traces[seed]]
    speed = tally.virtual_s / elapsed_s if elapsed_s else 0.0
    lines.append(f"{tally.worlds} worlds in {elapsed_s:.1f} s · {tally.virtual_s / 3600:.2f} virtual hours · {speed:.0f} x real time")
    lines.append(f"{tally.steps} steps · {tally.orders} orders · {tally.fills} fills · {sum(tally.faults.values())} faults")
    lines.extend(f"  {count:6} {name}" for name, count in sorted(tally.faults.items(), key=lambda item: -item[1]))
    lines.append("checks: " + ", ".join(f"{name} {count}" for name, count in sorted(tally.checks.items())))
    lines.extend(f"a fault kind never occurred: {name}" for name in tally.missing_kinds())
    for seed, sentences in sorted(tally.failures.items()):
        lines.append(f"seed {seed} FAILED · {tally.commands[seed]} -v · with --shrink instead of -v: the faults that matter")
        lines.extend(f"    {sentence}" for sentence in sentences)
    lines.append("all passed" if not tally.failures else f"{len(tally.failures)} of {tally.worlds} worlds failed")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.fuzz", description="Seeded worlds: the real bot in virtual time against a faulty venue.")
    parser.add_argument("--seeds", default="0:200", help="A:B, from A up to but not including B (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("-v", "--verbose", action="store_true", help="the whole story of each world")
    parser.add_argument("--shrink", action="store_true", help="of each failing world, leave out every fault that its failure does not need")
    parser.add_argument("--only-faults", metavar="N,N", help="of the schedule only these numbers (as --shrink prints them)")
    parser.add_argument("--quote-ns", type=int, help="quote for so long, however little happens (as --shrink prints it)")
    parser.add_argument("--maker-first", action="store_true", help="worlds of the maker-first trader (sim.lot_worlds)")
    options = parser.parse_args(argv)
    first, _, last = options.seeds.partition(":")
    if not first.isdigit() or not last.isdigit() or int(first) >= int(last):
        parser.error("--seeds wants A:B with A below B")
    only = None if options.only_faults is None else frozenset(int(number) for number in options.only_faults.split(",") if number)
    begun = time.perf_counter()
    change = partial(changed, only=only, quote_ns=options.quote_ns, maker_first=options.maker_first)
    tally = run_range(int(first), int(last), options.jobs, options.verbose, change)
    tally.not_due = frozenset(kind.value for kind in AMEND) if options.maker_first else frozenset()
    print(report(tally, time.perf_counter() - begun, options.json))
    if options.shrink:
        for seed in sorted(tally.failures):
            print("\n".join(shrink(change(Setup.drawn(seed))).lines()))
    return 1 if tally.failures or tally.missing_kinds() else 0


if __name__ == "__main__":
    sys.exit(main())
