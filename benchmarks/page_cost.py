"""What the page costs the bot: CPU per 1,000 updates and memory, off and with 0, 1 and 10 readers: `python -m benchmarks.page_cost [--rounds 3]`.

Each life is `bot.py` against benchmarks/fast_venue.py with 1,000 updates a second, every tenth of a second a price that moves its orders; its CPU and
memory are read from /proc. The readers live in this process. The order of lives turns with every round, the median counts.
Never: a figure from a machine that others use; run it alone.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from benchmarks.children import SINGLE, Greenlight, VenueChild

WAYS = ("off", "0 readers", "1 reader", "10 readers")
PER_S, TOGGLE_EVERY = 1000, 100
WAIT_S = 10.0


def life(way: str, seconds: float, folder: Path) -> dict[str, float]:
    """One bot from its start to its end."""
    overrides = [] if way == "off" else ["dashboard.enabled=true", "dashboard.port=0"]
    with VenueChild(1, is_wide=True) as venue, ExitStack() as stack:
        assert isinstance(venue, VenueChild)
        bot = stack.enter_context(Greenlight(folder, venue.port, "ws", list(SINGLE), [], overrides=overrides))
        venue.wait_for(lambda state: state["orders"] == 2, "a quote on both sides")
        readers = [reading(stack, folder) for _ in range(0 if way == "off" else int(way.split()[0]))]
        time.sleep(2.0)
        before_s, messages = bot.cpu_s, sum(one[0] for one in readers)
        answer = venue.ask("flow", seconds=seconds, per_s=PER_S, toggle_every=TOGGLE_EVERY)
        time.sleep(0.2)
        told = {"CPU s per 1,000 updates": (bot.cpu_s - before_s) / answer["sent"] * 1000, "resident MB": bot.resident_mb}
        return told | {"messages per reader and s": (sum(one[0] for one in readers) - messages) / max(1, len(readers)) / seconds}


def reading(stack: ExitStack, folder: Path) -> list[int]:
    """A reader on a thread of its own; the number of messages it has had."""
    page = json.loads((folder / "state" / "run.json").read_text())["page"]
    client = stack.enter_context(connect(page["url"].split("/#")[0].replace("http", "ws") + "/live", max_size=None, compression=None))
    client.send(json.dumps({"token": page["token"]}))
    counted = [0]
    threading.Thread(target=_count, args=(client, counted), daemon=True).start()
    ends_s = time.monotonic() + WAIT_S
    while not counted[0]:
        assert time.monotonic() < ends_s, "no picture came"
        time.sleep(0.01)
    return counted


def _count(client: ClientConnection, counted: list[int]) -> None:
    try:
        for _ in client:
            counted[0] += 1
    except ConnectionClosed:
        counted.append(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    lives: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for number in range(options.rounds):
            for way in (*WAYS[number % len(WAYS) :], *WAYS[: number % len(WAYS)]):
                lives[way].append(life(way, options.seconds, Path(name) / f"{number}-{WAYS.index(way)}"))
    print("| the page | " + " | ".join(WAYS) + " |\n|---|" + "---:|" * len(WAYS))
    for what in lives["off"][0]:
        medians = [statistics.median(one[what] for one in lives[way]) for way in WAYS]
        print(f"| {what} | " + " | ".join(f"{value:.3g}" for value in medians) + " |")
        if medians[0]:
            print(f"| {what}, ratio to off | " + " | ".join(f"{value / medians[0]:.2f}" for value in medians) + " |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
