"""Two venues at once: a tick on A, orders on A and on B, both sessions in one process; beside it one session alone on a venue of its own.

Run: python -m benchmarks.two_venues [--rounds 5] [--frames 120] [--json]
A session has one venue, so a process holds two of them, each with everything of its own: engine, trading thread, lanes, intents, tape, store. What
there is once per process is shared: console, `pace`, one core. The best prices that A's stream brings go into both inboxes, A's first. B's market is
silent; its book is B's own snapshot, and A's depth, which counts in A's update ids, is not given to it. So one frame of A makes both engines place,
and the next one makes both cancel.
Two processes, *alone* and *both*, are driven in turns of ten frames, another one first each time. A figure is the median of the rounds' figures, a
ratio the median of the rounds' ratios. All stamps are of one clock: a frame leaves A, the first request arrives at A or B.
Never: an order beyond this machine.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from assembly import Session, urls_of
from benchmarks.children import ROOT, SINGLE, SINGLE_EACH, Child, VenueChild, greenlight_config
from benchmarks.tick_to_order import Figures, percentile, table
from core.events import AnyEvent, BookTicker, StopRequested
from core.ports import Post
from exchange.binance.market_stream import market_stream
from run import Run
from runtime.config import load
from runtime.console import Console
from runtime.keys import Keys
from runtime.lifecycle import Lifecycle
from runtime.one_core import OneCore
from runtime.pace import Pace
from runtime.stopping import Stopper

VENUES = {"alone": 1, "both": 2}
TURN_FRAMES = 10  # even: the first of a turn makes places, the next one cancels
WARM_UP_FRAMES, WARM_UPS_MAX = 20, 4
RATIOS = (("A, both", "A, alone"), ("B, both", "A, both"), ("B, both", "A, alone"))
STOP_S = 4.0
Times = dict[str, tuple[list[float], list[float]]]  # "A, both" -> us to the first place, to the first cancel


# -- the process with the sessions ---------------------------------------------------------------
def shared(first: Post, second: Post) -> Post:
    """A post for the first one's market stream: best prices go to both, everything else is the first one's alone."""

    def post(event: AnyEvent) -> None:
        first(event)
        if isinstance(event, BookTicker):
            second(event)

    return post


def sessions(folder: Path, ports: list[int], parts: Lifecycle, stopper: Stopper) -> list[Session]:
    """One per venue, all running; as run.py makes and starts one, without its watchdog and control socket."""
    made: list[Session] = []
    console: Console | None = None
    for port in ports:
        own = folder / str(port)
        (own / "state").mkdir(parents=True)
        loaded = load(greenlight_config(own, port, "ws", SINGLE, []), (), {})
        if console is None:
            console = Console(loaded.config, root=ROOT)
            parts.start("console", console)
        made.append(Run(loaded, own / "state", Namespace(overrides=[]), parts, console, stopper, {}, Keys("bench-key", "bench-secret")).session)
    if len(made) > 1:
        a, b = made
        both = shared(a.inbox.post, b.inbox.post)
        a.market = market_stream(urls_of(a.config, {}).stream, SINGLE, both, a.clock, random.Random(a.boot))
    for session in reversed(made):  # B first: its Boot is in its inbox before anything of A's stream
        session.start(parts, *session.learn())
    parts.start("pace", Pace(lambda: all(session.inbox.age_ms == 0.0 and not session.loop.is_stepping for session in made)))
    parts.start("one core", OneCore())
    return made


def end(running: list[Session], parts: Lifecycle) -> None:
    """Every session cancels what it has and proves its books; the other parts are the lifecycle's to stop."""
    deadline_s = parts.begin_stop()
    for session in running:
        session.inbox.post(StopRequested(reason="end of the measurement"))
    for session in running:
        session.loop.finished.wait(max(0.0, deadline_s - 1.0 - time.monotonic()))
        session.rest.shut()
        session.loop.stop(deadline_s - 0.5)


def trade(folder: Path, ports: list[int]) -> None:
    """Until Ctrl-C."""
    os.umask(0o077)
    stopper = Stopper()
    stopper.listen()
    with Lifecycle(STOP_S) as parts:
        running = sessions(folder, ports, parts, stopper)
        stopper.asked.wait()
        end(running, parts)


# -- the measurement -----------------------------------------------------------------------------
class Way:
    """The venues of one process of sessions; the first venue's frames drive them all."""

    def __init__(self, name: str, venues: list[VenueChild]) -> None:
        self.name, self.venues, self.missed = name, venues, 0

    def warm_up(self) -> None:
        """Until every frame is answered; asked little at first, since a missed frame takes seconds."""
        for frames in (*[2] * WARM_UPS_MAX, WARM_UP_FRAMES, WARM_UP_FRAMES):
            self.missed = 0
            self.drive(frames)
            if frames == WARM_UP_FRAMES and not self.missed:
                return
        raise AssertionError(f"{self.name} does not trade")

    def drive(self, frames: int) -> Times:
        """One frame after the other; one that not every venue's session answers in full is missed and counted."""
        times: Times = {f"{letter}, {self.name}": ([], []) for letter, _ in zip("AB", self.venues, strict=False)}
        for number in range(frames):
            tick = self.venues[0].ask("drive", ticks=1, symbols=SINGLE, each=SINGLE_EACH)
            left_ns = tick["left_ns"][0]
            others = [venue.ask("requests", count=SINGLE_EACH)["stamps_ns"] for venue in self.venues[1:]]
            if tick["missed"] or any(len(stamps_ns) != SINGLE_EACH for stamps_ns in others):
                self.missed += 1
                continue
            took_us = [tick["order_us"][0], *((stamps_ns[0] - left_ns) / 1000 for stamps_ns in others)]
            for found, one_us in zip(times.values(), took_us, strict=True):
                found[number % 2].append(one_us)
        return times


def a_round(ways: list[Way], frames: int) -> dict[str, Figures]:
    """Both ways in turns; percentiles of each session's times."""
    found: Times = {}
    for turn in range(max(1, frames // TURN_FRAMES)):
        for way in ways if turn % 2 else reversed(ways):
            for name, (orders_us, cancels_us) in way.drive(TURN_FRAMES).items():
                found.setdefault(name, ([], []))[0].extend(orders_us)
                found[name][1].extend(cancels_us)
    kinds = (("order", 0), ("cancel", 1))
    return {name: {f"{kind} p{p} us": percentile(times[at], p) for kind, at in kinds for p in (50, 99)} for name, times in sorted(found.items())}


def summed(rounds: list[dict[str, Figures]]) -> dict[str, Any]:
    """Medians of the rounds, and of the rounds' ratios."""
    keys = list(rounds[0]["A, both"])
    figures = {name: {key: statistics.median(one[name][key] for one in rounds) for key in keys} for name in rounds[0]}
    ratios = {
        f"({mine}) / ({theirs})": {key: statistics.median(one[mine][key] / one[theirs][key] for one in rounds) for key in keys}
        for mine, theirs in RATIOS
    }
    return {"figures": figures, "ratios": ratios}


def started(name: str, folder: Path, stack: ExitStack) -> Way:
    """Venues and the process of sessions that trades on them; it has connected to all of them."""
    venues = [stack.enter_context(VenueChild(symbols=1)) for _ in range(VENUES[name])]
    words = [str(folder / name), *(str(venue.port) for venue in venues)]
    stack.enter_context(Child([sys.executable, "-u", "-m", "benchmarks.two_venues", "--bot", *words], None, folder / f"{name}.txt"))
    for venue in venues:
        venue.listened_to()
    return Way(name, venues)


def measured(rounds: int, frames: int) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        ways = [started(name, folder, stack) for name in VENUES]
        for way in ways:  # after all have started: a book that heard prices and then rests for seconds is taken for deaf
            way.warm_up()
        return {**summed([a_round(ways, frames) for _ in range(rounds)]), "missed": {way.name: way.missed for way in ways}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=120, help="per round and way, half of them places, half cancels")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bot", nargs="+", metavar="WORD", help="what the script calls itself with: folder and ports of the venues")
    options = parser.parse_args()
    if options.bot:
        trade(Path(options.bot[0]), [int(port) for port in options.bot[1:]])
        return 0
    assert time.get_clock_info("perf_counter").implementation == "clock_gettime(CLOCK_MONOTONIC)", "the stamps of two processes cannot be compared"
    result = measured(options.rounds, options.frames)
    if options.json:
        print(json.dumps(result))
    else:
        print(table("session", result["figures"], ".0f"), table("ratio", result["ratios"], ".2f"), sep="\n\n")
        print(f"\nframes missed: {result['missed']} · load {os.getloadavg()[0]:.1f}")
    return int(any(result["missed"].values()))


if __name__ == "__main__":
    sys.exit(main())
