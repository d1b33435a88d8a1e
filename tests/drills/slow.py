"""The slow venue: REST answers after 2 s while the server pings every second and throws out who is silent for two (field case 40).

Orders go over REST here, so that every worker waits (over the WS API none ever does).
Who calls it: test_slow_venue.py for a few seconds, benchmarks/drill_slow_venue.py for a minute. It measures; the callers judge.
"""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tests.drills.harness import LateClock, Venue, venue, wait_until
from tests.drills.rig import Bot, Rig, bot

ANSWER_MS = 2000
FIRST_QUOTES_S = 45.0


@dataclass(frozen=True)
class Seen:
    """Figures of one run; times in ms unless said otherwise."""

    seconds: float
    first_quote_s: float
    disconnects: int
    pings: int
    pongs: int
    pong_ms_venue: float
    venue_late_ms: float
    pong_ms_bot: float
    step_ms: float
    step_late_ms: float
    control_ms: float
    steps: int
    placed: int
    canceled: int
    fills: int

    @property
    def pong_beyond_ms(self) -> float:
        return max(0.0, self.pong_ms_venue - self.control_ms - self.venue_late_ms)

    @property
    def step_beyond_ms(self) -> float:
        return max(0.0, self.step_ms - self.step_late_ms)

    def lines(self) -> list[str]:
        return [
            f"slow venue: REST answers after {ANSWER_MS} ms, {self.seconds:.0f} s measured, first quotes after {self.first_quote_s:.1f} s",
            f"  disconnects {self.disconnects} · pings {self.pings} · pongs {self.pongs}",
            f"  worst pong {self.pong_ms_venue:.1f} ms as the venue sees it, {self.pong_ms_bot:.2f} ms from reading the ping to sending the pong",
            f"  worst step {self.step_ms:.2f} ms (control thread at that moment late by {self.step_late_ms:.2f} ms), {self.steps} steps",
            f"  control thread: worst lateness {self.control_ms:.1f} ms · the venue was kept waiting for {self.venue_late_ms:.0f} ms",
            f"  beyond the control thread: pong {self.pong_beyond_ms:.1f} ms, step {self.step_beyond_ms:.2f} ms",
            f"  orders placed {self.placed} · canceled {self.canceled} · fills {self.fills}",
        ]


def slow_venue(folder: Path, seconds: float, from_start: bool) -> Seen:
    """Trade for `seconds` with a venue that is slow (from its first answer, or from our first quotes), compare the books, say what was seen."""
    fault = {"kind": "delay", "delay_ms": ANSWER_MS, "match": {"transport": "rest"}}
    faults = folder / "faults.json"
    faults.write_text(json.dumps({"faults": [fault] if from_start else []}))
    with venue("--faults", str(faults)) as at, bot(at, folder / "bot", ("exchange.order_entry=rest",)) as running:
        first_quote_s = wait_until(lambda: running.is_quoting, FIRST_QUOTES_S, f"the first quotes; {list(running.said)[-5:]}")
        if not from_start:
            at.exchange.control("POST", "faults", fault)
        with LateClock() as control:
            before = running.session.loop.step_times.count
            running.session.loop.step_times.worst_ms = 0.0
            placed, canceled = running.snapshot.orders_placed, running.snapshot.orders_canceled
            start_ms = worst_pong_ms(at)  # no control thread beside it
            kept_ms = at.kept_waiting_ms()
            time.sleep(seconds)
            kept_ms = at.kept_waiting_ms() - kept_ms
            seen = _seen(at, running, control, seconds, first_quote_s, before, placed, canceled)
            if seen.pong_ms_venue <= start_ms:
                seen = replace(seen, pong_ms_venue=0.0)
            seen = replace(seen, venue_late_ms=kept_ms)
        at.clear()
        Rig(at, running).check(bound_s=20.0)
        return seen


def worst_pong_ms(at: Venue) -> float:
    """Of all connections since they were opened."""
    return max((row["pong_ms_max"] or 0.0 for row in at.exchange.control("GET", "stats")["connections"]), default=0.0)


def _seen(at: Venue, running: Bot, control: LateClock, seconds: float, first_s: float, before: int, placed: int, canceled: int) -> Seen:
    connections = at.exchange.control("GET", "stats")["connections"]
    steps = running.session.loop.step_times
    step_at_ns = steps.worst_at_ns - (running.session.clock() - time.monotonic_ns())
    return Seen(
        seconds=seconds,
        first_quote_s=first_s,
        disconnects=sum(not row["open"] for row in connections),
        pings=sum(row["pings"] for row in connections),
        pongs=sum(row["pongs"] for row in connections),
        pong_ms_venue=worst_pong_ms(at),
        venue_late_ms=0.0,
        pong_ms_bot=running.session.pong_ms_max,
        step_ms=steps.worst_ms,
        step_late_ms=control.near_ms(step_at_ns),
        control_ms=control.worst_ms,
        steps=steps.count - before,
        placed=running.snapshot.orders_placed - placed,
        canceled=running.snapshot.orders_canceled - canceled,
        fills=running.snapshot.fills,
    )
