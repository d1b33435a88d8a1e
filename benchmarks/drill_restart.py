"""Three starts in a row in a copy of the project, the second killed with -9: proofs, fills, first FILL.

Run: python benchmarks/drill_restart.py [--seconds 60] [--times 1]. Exit 1 when anything was wrong. Never: the folders of this checkout.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.drills.restarts import three_starts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, wrong = random.Random(options.seed), 0
    for _ in range(options.times):
        with tempfile.TemporaryDirectory() as folder:
            seen = three_starts(Path(folder), options.seconds, rng.uniform(0, options.seconds / 2))
        print("\n".join(seen.summary()), flush=True)
        wrong += bool(seen.wrong)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
