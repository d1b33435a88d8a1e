"""The simulated day in short (I25): with small caps a quarter of an hour shows what 24 hours show with the real ones; a leak is caught."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core import sizes
from core.orders import Orders
from core.sizes import Cap
from sim import day
from sim.day import Day, Hour, verdict
from sim.day_world import DayWorld, day_setup
from sim.footprint import Scale, slope

HOURS = 0.15
KEPT = 40  # of everything the bot remembers
SMALL_CAPS = {"orders.by_client_id": Cap(KEPT + KEPT // 10 + 40), "orders.booked_trades": Cap(KEPT), "books.fills": Cap(KEPT)}


@contextmanager
def small_caps() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        for name, cap in SMALL_CAPS.items():
            patch.setitem(sizes.CAPS, name, cap)
        yield patch


def small_day(hours: float, seed: int = 3) -> tuple[DayWorld, list[Hour]]:
    """A day looked at every virtual minute, of a bot that remembers little."""
    world = DayWorld(day_setup(hours, 2, seed))
    world.verbose = True
    rows: list[Hour] = []
    begun = False
    for row in day.run(world, hours, minutes_per_look=1):
        rows.append(row)
        if not begun:
            begun = True
            forget_early(world)
    return world, rows


def forget_early(world: DayWorld) -> None:
    books = world.engine.books
    assert books is not None
    books.orders.closed_max = books.orders.booked_max = KEPT
    books.fills = deque(books.fills, maxlen=KEPT)
    while len(books.orders.booked_trades) > KEPT:
        del books.orders.booked_trades[next(iter(books.orders.booked_trades))]
    books.orders._forget_old()
    world.oracle.failures.clear()  # the caps were passed before they were made small


@pytest.fixture(scope="module")
def whole() -> tuple[DayWorld, Day]:
    with small_caps():
        world, rows = small_day(HOURS)
    return world, verdict(world, rows)


def test_memory_reaches_a_plateau(whole: tuple[DayWorld, Day]) -> None:
    """Orders and fills come by the hundred, no invariant breaks, every container keeps its cap, and what the bot holds does not grow."""
    world, seen = whole
    books = world.engine.books
    assert books is not None and books.placed > 400 and books.fills_booked > 200
    assert seen.failures == ()
    last = seen.hours[-1]
    settled_kb = [hour.bot_kb for hour in seen.hours[4:]]
    assert max(settled_kb) - min(settled_kb) < 60, settled_kb
    assert abs(seen.slope_bot_kb) * HOURS < 30
    assert last.bot_kb < 500 and last.venue_kb > last.bot_kb
    assert max(one.size / one.cap for one in world.sizes_max.values() if one.cap) <= 3, "only before the caps were made small"


def test_every_trade_of_the_day_is_booked_once(whole: tuple[DayWorld, Day]) -> None:
    """Though most trades are forgotten by then, their count and their sums agree with the venue's to the last digit."""
    world, _ = whole
    assert {"I1", "I2", "I3", "I12", "STOP"} <= world.oracle.checks.keys()
    assert world.engine.books is not None
    assert world.trades.own == world.engine.books.fill_count() > 5 * len(world.engine.books.fills)


def test_midnight(whole: tuple[DayWorld, Day]) -> None:
    """Both connections are closed by the venue at midnight, and every side is quoted again afterwards."""
    world, seen = whole
    told = [line for line in world.trace if "closed by the venue after 24 h" in line and "StreamDown" in line]
    assert len(told) == 2 and all(abs(float(line.split()[0]) - HOURS * 1800) < 1 for line in told)
    books = world.engine.books
    assert books is not None
    assert all(hour.orders for hour in seen.hours)


def test_the_same_seed_is_the_same_day() -> None:
    """A day is as deterministic as a world."""
    digests = []
    for _ in range(2):
        world = DayWorld(day_setup(0.02, 1, 5))
        list(day.run(world, 0.02, 1))
        digests.append(world._digest.hexdigest())
    assert digests[0] == digests[1]


def test_six_symbols() -> None:
    """Six symbols share one account: weight and order count stay under the venue's limits, and every side is quoted."""
    world = DayWorld(day_setup(0.03, 6, 1))
    rows = list(day.run(world, 0.03, 1))
    assert world.oracle.failures == []
    assert all(0 < row.weight_peak < world.weight.limit and 0 < row.orders_peak <= world.order_count.limit for row in rows)
    books = world.engine.books
    assert books is not None and len(books.rules) == 6 and all(totals.maker for totals in books.totals.values())
    with pytest.raises(ValueError, match="symbols"):
        day_setup(1, 7, 1)


# -- it can fail ---------------------------------------------------------------------------------
def test_a_leak_is_caught() -> None:
    """A bot that never forgets an ended order passes its cap and grows."""
    with small_caps() as patch:
        patch.setattr(Orders, "_forget_old", lambda self: None)
        world, rows = small_day(0.1)
    seen = verdict(world, rows)
    assert any("I25" in line and "orders.by_client_id" in line for line in seen.failures)
    assert seen.slope_bot_kb > day.BOT_KB_PER_HOUR_MAX and not seen.is_plateau


def test_a_scale_weighs_once() -> None:
    """Bytes and objects are those that can be reached; what was weighed, or is kept apart, counts no more."""
    shared, apart = [b"x" * 1000], [b"y" * 5000]
    scale = Scale(apart=[apart])
    size, count = scale.weigh([shared, apart])
    assert 1000 < size < 1500 and count == 3
    assert scale.weigh(shared) == (0, 0)
    longer = Scale().weigh([bytes([at]) * 100 for at in range(200)])
    assert longer[0] > 20_000 and longer[1] == 201


def test_a_slope_is_least_squares() -> None:
    """A line gives its own slope, noise around a level almost none, one point none."""
    assert slope([(1, 5), (2, 7), (3, 9)]) == 2
    assert abs(slope([(0, 1), (1, -1), (2, 1), (3, -1), (4, 1)])) < 0.1
    assert slope([(1, 1)]) == 0
