"""The slow venue for a minute: REST answers after 2 s, pings every second with a 2 s deadline. Prints pongs, steps and the control thread.

Run: python benchmarks/drill_slow_venue.py [--seconds 60]. Exit 1 when a limit was passed.
Never: a limit that the machine's own lateness could pass: the control thread's is told beside it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.drills.slow import slow_venue


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = slow_venue(Path(folder), options.seconds, from_start=True)
    print("\n".join(seen.lines()))
    good = seen.disconnects == 0 and seen.pong_beyond_ms < 100 and seen.step_beyond_ms < 20 and seen.placed > 0 and seen.canceled > 0
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
