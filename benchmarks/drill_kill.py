"""Two hundred lives of bot.py on one state folder, each killed with -9, against one venue that runs on and loses replies (I17).

Run: python benchmarks/drill_kill.py [--kills 200] [--seed 1] [--keep FOLDER] [--set KEY=VALUE] [--lots].
Exit 1 when anything was wrong; the evidence stays in the folder.
One process that judges, one that trades, one venue. Never: the bot's own word as evidence.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.drills.kills import Plan, live

LONG_LIVES = 6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep state, door log and every life's lines here (default: a folder that goes when all was well)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="as for bot.py: exchange.order_entry=ws")
    parser.add_argument("--lots", action="store_true", help="the maker-first trader: its entries and lots are judged too")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="drill-kill-"))
    folder.mkdir(parents=True, exist_ok=True)
    long_every = max(1, options.kills // LONG_LIVES)
    plan = Plan(kills=options.kills, seed=options.seed, long_every=long_every, settings=tuple(options.settings), with_lots=options.lots)
    seen = live(folder, plan)
    print("\n".join(seen.lines()), flush=True)
    if seen.violations:
        print(f"evidence in {folder}")
        return 1
    if options.keep is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
