"""The venue says "too much" at full length: 429 -1003 for 30 s, then 418 for two minutes; then 429 -1015 for a whole window. Books compared.

Run: python benchmarks/drill_limits.py [--heavy-s 30] [--ban-s 120] [--orders-s 10]. Exit 1 where anything left too early or the books differ.
Never: the bot's own word as evidence: the venue's door log is.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.drills.limits import too_many_orders, too_much
from tests.drills.rig import rig


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heavy-s", type=int, default=30, help="seconds of 429 -1003 (default %(default)s)")
    parser.add_argument("--ban-s", type=int, default=120, help="seconds of 418 after it (default %(default)s)")
    parser.add_argument("--orders-s", type=int, default=10, help="seconds of 429 -1015 (default %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, rig(Path(folder) / "bot", "--state", f"{folder}/venue", wires=True) as drill:
        heavy, ban = too_much(drill, options.heavy_s, options.ban_s)
        print("\n".join(["429 -1003, then 418, every connection lost at the beginning", heavy.line(), ban.line()]), flush=True)
        drill.venue.clear()
        drill.venue.pause(False)
        print(f"  quoting again and books equal (orders, trades by id, balances, proof) {drill.check(bound_s=drill.bound_s):.1f} s later", flush=True)
        drill.settle()
        asked = Counter(too_many_orders(drill, options.orders_s))
        print(f"429 -1015 for {options.orders_s} s: until its end came {dict(asked)}", flush=True)
        print(f"  quoting again and books equal {drill.check():.1f} s later")
    is_silent = not heavy.came and not ban.came
    is_ordered = set(heavy.first) == {"order.cancel"} and set(ban.first[: ban.working]) == {"order.cancel"}
    return int(not (is_silent and is_ordered and not asked["order.place"] and asked["order.cancel"]))


if __name__ == "__main__":
    sys.exit(main())
