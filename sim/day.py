"""`python -m sim.day`: a whole day of quoting in virtual time, and the proof that memory reaches a plateau and every container keeps its cap (I25).

Who calls it: a person, the tests (a short day). Per virtual hour it prints what happened, what the bot, the venue and the judge hold in memory, and
the budget used; at the end the slope of the bot's memory over the last two thirds, by least squares, and every container against its cap.
Exit code 1 where an invariant broke, a cap was passed, or a slope is above its bound.
Never: the wall clock, except for the line that says how long it took.
"""

import argparse
import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from core.light import Colour
from core.types import Side
from sim.day_world import TRADED, DayWorld, day_setup
from sim.footprint import Scale, in_child, resident_kb, slope

SETTLED_SHARE = 2 / 3  # of the day: by then every list that fills up has filled up
BOT_KB_PER_HOUR_MAX = 100.0  # of what the bot holds; one lost order an hour would be 1 KB
JUDGED_HOURS_MIN = 12  # a shorter day ends while the lists still fill up
RESIDENT_KB_PER_HOUR_MAX = 1024.0  # of the whole process: the allocator keeps pages of its own
CONTAINERS_IN_A_ROW = 6
FEW = 20


@dataclass(frozen=True, slots=True)
class Hour:
    """What one virtual hour did, and what is held at its end. Counts are of the hour, memory is a state."""

    hour: float
    steps: int
    frames: int
    orders: int
    fills: int
    faults: int
    weight: int
    weight_peak: int
    orders_peak: int
    bot_kb: float
    bot_objects: int
    venue_kb: float
    judge_kb: float
    resident_kb: int


@dataclass(frozen=True, slots=True)
class Day:
    """The verdict. `slope_*` in KB per virtual hour over the last two thirds."""

    hours: tuple[Hour, ...]
    failures: tuple[str, ...]
    slope_bot_kb: float
    slope_resident_kb: float

    @property
    def is_plateau(self) -> bool:
        return self.slope_bot_kb <= BOT_KB_PER_HOUR_MAX and self.slope_resident_kb <= RESIDENT_KB_PER_HOUR_MAX

    @property
    def is_long_enough(self) -> bool:
        return bool(self.hours) and self.hours[-1].hour >= JUDGED_HOURS_MIN

    @property
    def has_held(self) -> bool:
        return bool(self.hours) and not self.failures and (self.is_plateau or not self.is_long_enough)


class Observer:
    """Reads the world once an hour."""

    def __init__(self, world: DayWorld) -> None:
        self._world = world
        self._before = (0, 0, 0, 0, 0)

    def look(self, hour: float) -> Hour:
        world, books = self._world, self._world.engine.books
        assert books is not None
        now = world.steps, world.frames, books.placed, books.fills_booked, world.faults.total
        steps, frames, orders, fills, faults = (new - old for new, old in zip(now, self._before, strict=True))
        self._before = now
        gc.collect()
        resident = resident_kb()
        bot_bytes, objects, venue_bytes, judge_bytes = in_child(self._weigh)
        seen = Hour(
            hour=hour,
            steps=steps,
            frames=frames,
            orders=orders,
            fills=fills,
            faults=faults,
            weight=world.weight.total,
            weight_peak=world.weight.peak,
            orders_peak=world.order_count.peak,
            bot_kb=bot_bytes / 1024,
            bot_objects=objects,
            venue_kb=venue_bytes / 1024,
            judge_kb=judge_bytes / 1024,
            resident_kb=resident,
        )
        world.weight.begin()
        world.order_count.begin()
        return seen

    def _weigh(self) -> tuple[int, int, int, int]:
        """Bytes and objects of the bot, bytes of the venue, bytes of the judge."""
        world = self._world
        scale = Scale(apart=(world, world.scheduler))
        bot_bytes, objects = scale.weigh(world.engine, world.bot.inbox, *(lane.outstanding for lane in world.bot.lanes))
        venue_bytes, _ = scale.weigh(world.matching)
        judge_bytes, _ = scale.weigh(world.oracle.requests, world.trades)
        return bot_bytes, objects, venue_bytes, judge_bytes


def run(world: DayWorld, hours: float, minutes_per_look: int = 60) -> Iterator[Hour]:
    """The day, told hour by hour; the world is at rest afterwards, its failures in `world.oracle.failures`."""
    observer = Observer(world)
    if not world.begin():
        return
    left = round(hours * 60)
    done = 0
    while left > 0:
        minutes = min(minutes_per_look, left)
        world.quote(minutes)
        left, done = left - minutes, done + minutes
        yield observer.look(done / 60)
    world.end()


def verdict(world: DayWorld, hours: list[Hour]) -> Day:
    settled = hours[-max(2, round(len(hours) * SETTLED_SHARE)) :]
    return Day(
        hours=tuple(hours),
        failures=tuple(world.oracle.failures),
        slope_bot_kb=slope((one.hour, one.bot_kb) for one in settled),
        slope_resident_kb=slope((one.hour, float(one.resident_kb)) for one in settled),
    )


# -- words ---------------------------------------------------------------------------------------
HEAD = (
    f"{'hour':>5} {'steps':>7} {'frames/s':>8} {'orders':>6} {'fills':>6} {'faults':>6} {'weight':>7} {'peak/min':>8} {'orders/10s':>10}"
    f" {'bot KB':>8} {'objects':>8} {'venue KB':>9} {'judge KB':>9} {'RSS MB':>7}"
)


def row(one: Hour, frames_s: float) -> str:
    return (
        f"{one.hour:5g} {one.steps:7} {one.frames / frames_s:8.1f} {one.orders:6} {one.fills:6} {one.faults:6} {one.weight:7} {one.weight_peak:8}"
        f" {one.orders_peak:10} {one.bot_kb:8.0f} {one.bot_objects:8} {one.venue_kb:9.0f} {one.judge_kb:9.0f} {one.resident_kb / 1024:7.1f}"
    )


def held(world: DayWorld) -> list[str]:
    """What the containers hold now, against their caps; those with a few entries are left out."""
    shown = [f"{one.name} {one.size}/{one.cap}" for one in world.containers() if one.size > FEW and one.cap > FEW]
    return ["      " + " · ".join(shown[at : at + CONTAINERS_IN_A_ROW]) for at in range(0, len(shown), CONTAINERS_IN_A_ROW)]


def closing(world: DayWorld, day: Day, elapsed_s: float, cpu_s: float) -> list[str]:
    books, uptime = world.engine.books, world.engine.uptime
    assert books is not None
    seconds = (world.scheduler.now_ms - world.setup.start_ms) / 1000
    return [
        f"{seconds:.0f} virtual seconds in {elapsed_s:.0f} s ({cpu_s:.0f} s of CPU, {seconds / cpu_s:.0f} x real time) · {world.steps} steps"
        f" · {books.placed} orders · {books.fills_booked} fills · {world.faults.total} faults of {len(world.faults.counts)} kinds",
        "up-time: " + " · ".join(f"{symbol} {side} {uptime.share(symbol, side) * 100:.1f} %" for symbol in books.rules for side in Side),
        "lights: " + " · ".join(f"{colour} {share * 100:.1f} %" for colour, share in light_shares(world).items()),
        f"proofs equal: {world.engine.audit.equal_proofs} · account reads {world.engine.audit.reads}",
        budget_used(world, day, books.placed),
        "the bot's own refusals, by reason:",
        *(f"  {count:6} {reason}" for reason, count in sorted(world.denied.items(), key=lambda item: -item[1])),
        "every container: the most it held, looked at every minute, and its cap",
        *(f"  {one.name:<28} {one.size:>7} of {one.cap}" for one in world.sizes_max.values()),
        "checks: " + ", ".join(f"{name} {count}" for name, count in sorted(world.oracle.checks.items())),
        f"slope over the last two thirds: the bot {day.slope_bot_kb:+.1f} KB per virtual hour (at most {BOT_KB_PER_HOUR_MAX:g}),"
        f" the whole process {day.slope_resident_kb:+.1f} (at most {RESIDENT_KB_PER_HOUR_MAX:g})"
        + ("" if day.is_long_enough else f"; not judged in less than {JUDGED_HOURS_MIN} hours"),
        *day.failures,
        "all held" if day.has_held else "FAILED",
    ]


def budget_used(world: DayWorld, day: Day, placed: int) -> str:
    """Against the venue's limits; places and routine reads stop at 80 % of the weight by the bot's own will."""
    weight, orders = max(one.weight_peak for one in day.hours), max(one.orders_peak for one in day.hours)
    most_weight, most_orders = world.weight.limit, world.order_count.limit
    return (
        f"budget used on {len(world.setup.rules)} symbols: weight {sum(one.weight for one in day.hours)} in all, at most {weight} of {most_weight}"
        f" in a minute ({weight * 100 / most_weight:.0f} %) · {placed} orders, at most {orders} of {most_orders} counted in 10 s"
        f" ({orders * 100 / most_orders:.0f} %)"
    )


def light_shares(world: DayWorld) -> dict[str, float]:
    spent = {colour.value: sum(ns for (_, _, shown), ns in world.engine.uptime.light_ns.items() if shown is colour) for colour in Colour}
    total = sum(spent.values()) or 1
    return {colour: ns / total for colour, ns in spent.items()}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.day", description="A day of quoting in virtual time: memory, caps, budget.")
    parser.add_argument("--hours", type=float, default=24.0, help="virtual hours (default %(default)g)")
    parser.add_argument("--symbols", type=int, default=2, help=f"1 to {len(TRADED)} (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of market, faults and network (default %(default)s)")
    parser.add_argument("--look-every", type=int, default=60, metavar="MINUTES", help="a row per so many virtual minutes (default %(default)s)")
    options = parser.parse_args(argv)
    if options.hours <= 0 or options.look_every <= 0 or not 1 <= options.symbols <= len(TRADED):
        parser.error(f"--hours and --look-every above 0, --symbols 1 to {len(TRADED)}")
    begun, begun_cpu = time.perf_counter(), time.process_time()
    world = DayWorld(day_setup(options.hours, options.symbols, options.seed))
    hours: list[Hour] = []
    print(HEAD)
    for one in run(world, options.hours, options.look_every):
        span_s = (one.hour - (hours[-1].hour if hours else 0)) * 3600
        hours.append(one)
        print("\n".join([row(one, span_s), *held(world)]), flush=True)
    day = verdict(world, hours)
    print("\n".join(closing(world, day, time.perf_counter() - begun, time.process_time() - begun_cpu)))
    return 0 if day.has_held else 1


if __name__ == "__main__":
    sys.exit(main())
