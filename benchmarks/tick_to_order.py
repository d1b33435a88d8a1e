"""From a market frame leaving the venue to the request arriving there, for Greenlight and for clients made of public tools, interleaved.

Run: python -m benchmarks.tick_to_order [--rounds 5] [--ticks 200] [--bursts 10] [--only NAME,NAME]   (needs requirements-bench.txt)
Two versions in pairs: python -m benchmarks.tick_to_order --only greenlight,beside --beside OTHER_CHECKOUT [KEY=VALUE ...]
Every client is a process with a venue process of its own; in each round each is driven once, the others rest. A client's figure is the median of its
rounds' figures, a ratio the median of the rounds' ratios. Greenlight runs as `bot.py`: intents, risk, evidence, tape, store, console and metrics on.
Never: two clients at once; a figure from a machine that others use.
"""

import argparse
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.children import BURST, BURST_EACH, ROOT, SINGLE, SINGLE_EACH, Child, Greenlight, VenueChild, Yardstick

BY_HAND, LIBRARIES = "benchmarks.yardsticks", "benchmarks.yardsticks_async"
CLIENTS: dict[str, str] = {
    "greenlight": "ws",
    "greenlight-rest": "rest",
    "picows": BY_HAND,
    "picows-rest": BY_HAND,
    "websocket-client": BY_HAND,
    "threads": BY_HAND,
    "python-binance": LIBRARIES,
    "ccxt": LIBRARIES,
    "busy": "ws",  # with a computing thread in the process
    "beside": "ws",  # another checkout, or another setting (--beside)
    "beside-busy": "ws",
}
AGAINST = (
    ("greenlight", "picows"),
    ("greenlight-rest", "picows-rest"),
    ("greenlight-rest", "picows"),
    ("greenlight", "websocket-client"),
    ("greenlight", "threads"),
    ("threads", "picows"),
    ("greenlight", "python-binance"),
    ("greenlight", "ccxt"),
    ("busy", "greenlight"),
    ("beside-busy", "beside"),
    ("greenlight", "beside"),
    ("busy", "beside-busy"),
)  # fmt: skip
WARM_UP_TICKS = 20
BURST_ACTIONS = len(BURST) * BURST_EACH
Figures = dict[str, float]


def started(name: str, folder: Path, port: int, beside: list[str]) -> Child:
    if CLIENTS[name] in ("ws", "rest"):
        root, settings = (Path(beside[0]), beside[1:]) if name.startswith("beside") else (ROOT, [])
        return Greenlight(folder / name, port, CLIENTS[name], SINGLE, BURST, root, settings, name.endswith("busy"))
    return Yardstick(folder / name, port, CLIENTS[name], name)


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)] if values else float("nan")


def drive(venue: VenueChild, ticks: int, bursts: int) -> Figures:
    """One round of one client: single frames, then frames of several symbols at once."""
    one = venue.ask("drive", ticks=ticks, symbols=SINGLE, each=SINGLE_EACH)
    many = venue.ask("drive", ticks=bursts * 2, symbols=BURST, each=BURST_EACH)
    return {
        "order p50 us": percentile(one["order_us"], 50),
        "order p99 us": percentile(one["order_us"], 99),
        "cancel p50 us": percentile(one["cancel_us"], 50),
        "cancel p99 us": percentile(one["cancel_us"], 99),
        "burst places/s": _rate(many["order_last_us"]),
        "burst cancels/s": _rate(many["cancel_last_us"]),
        "missed": one["missed"] + many["missed"],
    }


def _rate(last_us: list[float]) -> float:
    """Actions per second from the frame to the last of its requests, median of the bursts."""
    return BURST_ACTIONS / statistics.median(last_us) * 1e6 if last_us else float("nan")


def measured(names: list[str], rounds: int, ticks: int, bursts: int, beside: list[str]) -> dict[str, list[Figures]]:
    found: dict[str, list[Figures]] = {name: [] for name in names}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        venues: dict[str, VenueChild] = {}
        for name in names:
            venue = venues[name] = VenueChild()
            stack.enter_context(venue)
            stack.enter_context(started(name, folder, venue.port, beside))
            venue.listened_to()
            _warm_up(name, venue, folder)
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:  # another one begins each round
                found[name].append(drive(venues[name], ticks, bursts))
    return found


def _warm_up(name: str, venue: VenueChild, folder: Path) -> None:
    """Until it answers every frame; a client that never does is named with its last words."""
    for _ in range(5):
        missed = venue.ask("drive", ticks=WARM_UP_TICKS, symbols=SINGLE, each=SINGLE_EACH)["missed"]
        missed += venue.ask("drive", ticks=2, symbols=BURST, each=BURST_EACH)["missed"]
        if not missed:
            return
    words = (folder / name / "out.txt").read_text(errors="replace")
    raise AssertionError(f"{name} does not trade:\n{words[-3000:]}")


def summed(found: dict[str, list[Figures]]) -> dict[str, Any]:
    """Medians of rounds, and the ratios of Greenlight to each yardstick."""
    clients = {name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]} for name, rounds in found.items()}
    for name, rounds in found.items():
        clients[name]["missed"] = sum(one["missed"] for one in rounds)
    ratios: dict[str, Figures] = {}
    for mine, theirs in AGAINST:
        if mine in found and theirs in found:
            pairs = list(zip(found[mine], found[theirs], strict=True))
            keys = [key for key in pairs[0][0] if key != "missed"]
            ratios[f"{mine} / {theirs}"] = {key: statistics.median(a[key] / b[key] for a, b in pairs) for key in keys}
    return {"clients": clients, "ratios": ratios}


def table(title: str, rows: dict[str, Figures], form: str) -> str:
    keys = list(next(iter(rows.values())))
    lines = [f"| {title} | " + " | ".join(keys) + " |", "|---|" + "---:|" * len(keys)]
    lines += [f"| {name} | " + " | ".join(format(row[key], form) for key in keys) + " |" for name, row in rows.items()]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ticks", type=int, default=200, help="frames per round and client, half of them places, half cancels")
    parser.add_argument("--bursts", type=int, default=10)
    parser.add_argument("--only", default=",".join(name for name in CLIENTS if not name.startswith("beside")))
    parser.add_argument("--beside", nargs="+", default=[str(ROOT)], metavar="WORD", help="checkout and settings of the client `beside`")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = summed(measured(options.only.split(","), options.rounds, options.ticks, options.bursts, options.beside))
    if options.json:
        print(json.dumps(result))
        return 0
    print(table("client", result["clients"], ".0f"))
    if result["ratios"]:
        print("\n" + table("ratio", result["ratios"], ".2f"))
    return int(any(row["missed"] for row in result["clients"].values()))


if __name__ == "__main__":
    sys.exit(main())
