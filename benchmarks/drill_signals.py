"""Twenty interrupts at random moments (three with a silent venue, three during start), and twenty runs of `--cycles 3`. Prints a line each.

Run: python benchmarks/drill_signals.py [--seed N] [--stops 20] [--cycles 20]. Exit 1 when anything was wrong. Never: the folders of this checkout.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.drills.stops import Moment, cycles, interrupt


def moments(count: int, rng: random.Random) -> list[Moment]:
    """Three silent, three while starting, the others while trading."""
    silent = [Moment("silent", rng.uniform(0, 4)) for _ in range(min(3, count))]
    starting = [Moment("starting", rng.uniform(0.02, 1.4)) for _ in range(min(3, count))]
    return [*silent, *starting, *(Moment("trading", rng.uniform(0, 8)) for _ in range(count - len(silent) - len(starting)))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--cycles", type=int, default=20)
    options = parser.parse_args()
    wrong, slowest_s = 0, 0.0
    for moment in moments(options.stops, random.Random(options.seed)):
        stop = interrupt(moment)
        wrong += bool(stop.wrong)
        slowest_s = max(slowest_s, stop.took_s)
        print(stop.line(), flush=True)
    print(f"stops: {options.stops - wrong} of {options.stops} as they must be, the slowest gone after {slowest_s:.2f} s", flush=True)
    ended = 0
    for number in range(options.cycles):
        code, seconds, result, _ = cycles(3, "--set", f"paper.seed={options.seed + number}")
        ended += code == 0 and result["proof"]["equal"]
        fills, trips = result["fills"], result["round_trip_quantity"]
        print(f"--cycles 3 · exit {code} after {seconds:.1f} s · fills {fills} · round trips {trips} · proof {result['proof']['equal']}", flush=True)
    print(f"--cycles 3: {ended} of {options.cycles} ended by themselves with proof")
    return int(wrong > 0 or ended < options.cycles)


if __name__ == "__main__":
    sys.exit(main())
