"""Two hundred starts and stops of a session in one process: what is left, how memory moves, what the lifecycle costs.

Run: python benchmarks/drill_start_stop.py [--lives 200]. Exit 1 when anything was left. Never: a network beyond this machine.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.drills.lives import live

RSS_SLOPE_KB_MAX = 24.0  # most of it is the allocator's (docs/drills.md)
HEAP_SLOPE_KB_MAX = 2.0  # what is really held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lives = live(Path(folder), options.lives)
    print("\n".join(lives.lines()))
    clean = not lives.left and not lives.failures and not lives.waiting and lives.proven == lives.count
    grows = lives.rss_kb_per_life > RSS_SLOPE_KB_MAX or lives.heap_kb_per_life > HEAP_SLOPE_KB_MAX
    return int(not clean or lives.own_percent >= 1.0 or grows)


if __name__ == "__main__":
    sys.exit(main())
