"""Looks for the first world that breaks an invariant: `python hunt.py FIRST:LAST:INVARIANT ...`, in the tree it lies in.

Who runs it: trees.py, in a copy of the sources. Exit code 1 and the failure's sentence where one is found; 0 where every world passed.
Never: a world after the first that broke it.
"""

import gc
import sys

from sim.setup import Setup
from sim.world import run_safely


def main(hunts: list[str]) -> int:
    gc.disable()  # a few worlds, then the process ends
    tried: dict[int, None] = {}
    for hunt in hunts:
        first, last, invariant = hunt.split(":")
        for seed in range(int(first), int(last)):
            if seed in tried:
                continue
            tried[seed] = None
            for failure in run_safely(Setup.drawn(seed)).failures:
                if failure.startswith(f"{invariant} ") or invariant == "ANY":
                    print(f"seed {seed}, world {len(tried)}: {failure}")
                    return 1
            if len(tried) % 10 == 0:
                gc.collect()
    print(f"{len(tried)} worlds passed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
