"""Liveness beside safety: a dead bot breaks no rule, so quoting up-time, recovery and the silent venue are measured."""

from decimal import Decimal
from functools import partial
from random import Random

import pytest

from core.books import Timing
from core.commands import Query
from core.light import Colour
from core.types import Side
from sim.scheduler import MS
from sim.setup import Setup, ticks
from sim.world import Result, World
from trading.quoting import SymbolQuoting

D = Decimal
DRIFT_MS = 50
SECOND = 1000 * MS
NEVER_MS = 1e9
RICH = {"USDT": D(1_000_000), "ETH": D(400), "SOL": D(6000)}


def clean(latency_ms: float, low: str, target: str, high: str) -> Setup:
    """No faults; `latency_ms` is the round trip. Links add their own jitter around the mean."""
    band = (ticks(low, target, high, "0.2"),)
    quoting = SymbolQuoting(bid_bands=band, ask_bands=band)
    return Setup(
        seed=1,
        timing=Timing(),
        balances=dict(RICH),
        quoting={"ETHUSDT": quoting, "SOLUSDT": quoting},
        order_latency_ms=latency_ms / 2 / 1.35,
        stream_latency_ms=latency_ms / 2 / 1.1,
        market_wait_ms=NEVER_MS,
        fault_wait_ms=NEVER_MS,
        with_faults=False,
    )


def drift(world: World, rng: Random) -> None:
    """The mid walks one tick every 50 ms, either way."""
    for symbol in world.matching.rules:
        world.market.move(symbol, rng.choice((-1, 1)), world.scheduler.now_ms)
    world.publish()
    world.scheduler.after(DRIFT_MS, partial(drift, world, rng))


def drifting(latency_ms: float) -> Result:
    world = World(clean(latency_ms, "1", "3", "5"))
    world.scheduler.after(500, partial(drift, world, Random("drift")))
    return world.run()


@pytest.mark.parametrize(("latency_ms", "least"), [(20, 0.80), (200, 0.50)])
def test_quoting_up_time(latency_ms: float, least: float) -> None:
    """With the mid drifting one tick every 50 ms each side is quoted for 80 % of the time at 20 ms round trip, 50 % at 200 ms (I7)."""
    result = drifting(latency_ms)
    assert not result.failures
    assert min(result.uptime.values()) >= least, result.uptime


def lights(world: World) -> set[Colour]:
    assert world.engine.books is not None
    return {light.colour for light in world.engine.books.lights.shown.values()}


def quoting_world() -> World:
    """A clean world with quotes on all sides and a market that moves now and then."""
    world = World(clean(20, "1", "3", "5"))
    world.scheduler.after(500, partial(drift_slowly, world, Random("slow")))
    world.start()
    world.scheduler.run(world.scheduler.now_ns + 3 * SECOND)
    assert lights(world) == {Colour.GREEN}
    return world


def drift_slowly(world: World, rng: Random) -> None:
    for symbol in world.matching.rules:
        world.market.move(symbol, rng.choice((-1, 1)), world.scheduler.now_ms)
    world.publish()
    world.scheduler.after(700, partial(drift_slowly, world, rng))


def test_ten_silent_minutes() -> None:
    """Field case 14 (nautilus #4152): a venue that says nothing for ten minutes ends no order; lights are red, and the asking goes on."""
    world = quoting_world()
    assert world.engine.books is not None
    orders = world.engine.books.orders
    world.faults.is_cut_off = True
    world.scheduler.run(world.scheduler.now_ns + 9 * 60 * SECOND)
    undecided = list(orders.open_ids)
    assert undecided
    assert lights(world) == {Colour.RED}
    queries = count_queries(world)
    world.scheduler.run(world.scheduler.now_ns + 60 * SECOND)
    assert list(orders.open_ids) == undecided
    assert count_queries(world) > queries
    assert not world.oracle.failures

    world.faults.is_cut_off = False
    back_ns = world.scheduler.now_ns
    world.scheduler.run(back_ns + world.liveness_ms() * MS)
    assert all(world.oracle.green_ns[symbol, side] > back_ns for symbol in world.matching.rules for side in Side)
    assert not world.oracle.failures


def count_queries(world: World) -> int:
    """Commands are numbered without gaps, so the venue's counter of reads is not needed: the newest outstanding query tells."""
    return max((number for number, command in world.engine.pending.items() if isinstance(command, Query)), default=0)


def test_a_known_order_clears_sooner() -> None:
    """Where the venue knows the order, the side is green again within 2 x time-out + the resolver interval (DESIGN 4)."""
    from sim.faults import Kind

    world = quoting_world()
    timing = world.setup.timing
    world.faults.arm(Kind.PLACE_REPLY_LOST)
    assert world.scheduler.run(world.scheduler.now_ns + 30 * SECOND, lambda: bool(world.faults.counts))
    assert world.engine.books is not None
    bound_ms = 2 * timing.order_timeout_ms + timing.resolver_interval_ms_max
    struck_ns = world.scheduler.now_ns
    world.scheduler.run(struck_ns + bound_ms * MS)
    assert all(at_ns > struck_ns for at_ns in world.oracle.green_ns.values())
    assert not world.oracle.failures
