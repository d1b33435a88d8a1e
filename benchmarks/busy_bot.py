"""`bot.py` with a thread beside it that computes without end: `python benchmarks/busy_bot.py CHECKOUT [arguments of bot.py]`.

Run by benchmarks/children.py, to see what a computing thread costs a thread-based bot. Never: part of Greenlight.
"""

import sys
import threading
from pathlib import Path


def compute() -> None:
    number = 1
    while True:
        number = number * 1_103_515_245 % 2_147_483_647 + 1


if __name__ == "__main__":
    root = sys.argv.pop(1)
    sys.path.insert(0, root)
    sys.argv[0] = str(Path(root) / "bot.py")
    import bot

    threading.Thread(target=compute, name="computing", daemon=True).start()
    sys.exit(bot.main())
