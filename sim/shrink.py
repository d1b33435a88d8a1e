"""Shrinks the fault schedule of a failing world: leaves faults out, by halves and then one by one, as long as the same invariant still breaks.

Who calls it: sim.fuzz --shrink, tests. A fault's randomness hangs on its number alone (sim.faults), so leaving one out changes the others only
through what the bot does next. Never: another seed, another length of the quoting than that of the world that failed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sim.setup import Setup
from sim.world import Result, run_safely

RUNS_MAX = 300
Run = Callable[[Setup], Result]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest schedule found, and what the world with it says. `invariant` is empty where the world does not fail."""

    setup: Setup
    invariant: str
    before: int
    result: Result
    runs: int

    def lines(self) -> list[str]:
        """For a person."""
        if not self.invariant:
            return [f"seed {self.setup.seed} passes: nothing to shrink"]
        numbers = ",".join(map(str, self.result.struck))
        return [
            f"seed {self.setup.seed} · {self.invariant} still breaks with {len(self.result.struck)} of {self.before} faults ({self.runs} runs):",
            *(f"  {line}" for line in self.result.schedule),
            *(f"    {failure}" for failure in self.result.failures if invariant_of(failure) == self.invariant),
            f"{self.setup.command} --only-faults '{numbers}' --quote-ns {self.setup.quote_ns} -v",
        ]


def invariant_of(failure: str) -> str:
    """I5 of "I5 at 31240 ms: ..."; of an exception also its name."""
    words = failure.split()
    return " ".join(words[:2]) if words[0] == "RAISED" else words[0]


class _Trials:
    """Runs the world with fewer faults and remembers the smallest that broke the same invariant."""

    def __init__(self, setup: Setup, first: Result, run: Run) -> None:
        self.setup, self.best, self.runs = setup, first, 0
        self.invariant = invariant_of(first.failures[0])
        self._run = run

    def breaks(self, numbers: Sequence[int]) -> bool:
        """False also where the runs are used up."""
        if self.runs >= RUNS_MAX:
            return False
        self.runs += 1
        result = self._run(replace(self.setup, only=frozenset(numbers)))
        broken = any(invariant_of(failure) == self.invariant for failure in result.failures)
        if broken and len(result.struck) <= len(self.best.struck):
            self.best = result
        return broken


def shrink(setup: Setup, run: Run = run_safely) -> Shrunk:
    """Delta debugging: complements of ever smaller parts, until no single fault can be left out."""
    first = run(setup)
    if not first.failures:
        return Shrunk(setup, "", len(first.struck), first, 1)
    trials = _Trials(replace(setup, quote_ns=first.quoted_ns), first, run)
    kept, parts = list(first.struck), 2
    if trials.breaks(()):
        kept = []
    while kept:
        size = -(-len(kept) // parts)
        pieces = [kept[at : at + size] for at in range(0, len(kept), size)]
        smaller = next((rest for piece in pieces if trials.breaks(rest := [one for one in kept if one not in piece])), None)
        if smaller is not None:
            kept, parts = smaller, max(parts - 1, 2)
        elif size == 1:
            break
        else:
            parts = min(len(kept), parts * 2)
    only = frozenset(trials.best.struck)
    return Shrunk(replace(trials.setup, only=only), trials.invariant, len(first.struck), trials.best, trials.runs + 1)
