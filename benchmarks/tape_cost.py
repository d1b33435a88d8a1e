"""What the tape costs the trading thread: `python -m benchmarks.tape_cost`. Prints the figures of docs/tape.md.

Real engine steps of a simulated world, with the tape's thread writing to a real disk; then one checkpoint of states of three sizes.
Never: a figure from a machine that others use; run it alone.
"""

import gc
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import msgspec

from core import checkpoint
from core.engine import Engine
from core.events import AnyEvent, Boot, DepthSnapshot
from core.orders import Order
from core.types import Fill, Liquidity, OrderStatus, Side
from runtime.worker import Worker
from sim.replay import engine_of
from sim.setup import AMENDING, ETH, SOL, Setup
from sim.taped import TapedWorld
from state.tape import Tape
from state.tape_file import Stepped
from trading.recipe import Recipe
from trading.risk import Limits

SEED = 4
ROUNDS = 5
PAUSE_S = 0.001  # between two steps, so that the tape's thread runs as it does live
SIZES = (("a 2,000-level book, 200 orders, 200 fills", 200, 200, 200), ("the same, 5,000 orders, 10,000 fills", 5000, 10_000, 20_000),
         ("every list at its cap", 5000, 20_000, 20_000))  # fmt: skip

Steps = list[tuple[int, tuple[AnyEvent, ...]]]


def recipe() -> Recipe:
    setup = Setup.drawn(SEED)
    return Recipe(quoting=setup.quoting, limits=Limits(open_orders_max=20), timing=setup.timing, amending=AMENDING)


def history() -> Steps:
    world = TapedWorld(Setup.drawn(SEED))
    world.run()
    return [(record.time_ns, record.events) for records in world.segments for record in records if isinstance(record, Stepped)]


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def steps_us(steps: Steps, tape_on: bool) -> tuple[list[float], list[float]]:
    """(whole step with `record`, `record` alone), in us."""
    engine = engine_of(recipe())
    whole, alone = [], []
    with tempfile.TemporaryDirectory() as folder:
        tape = Tape(Path(folder) / "tape", "bench", engine, msgspec.msgpack.encode(recipe()), 32 << 20, 512 << 20)
        writer = Worker("tape", tape.run)
        if tape_on:
            tape.begin()
            writer.start()
        for time_ns, events in steps:
            begun = time.perf_counter_ns()
            step = engine.step(time_ns, events)
            stepped = time.perf_counter_ns()
            if tape_on:
                tape.record(time_ns, events, step)
            ended = time.perf_counter_ns()
            whole.append((ended - begun) / 1000)
            alone.append((ended - stepped) / 1000)
            time.sleep(PAUSE_S)
        writer.stop(time.monotonic() + 10)
    return whole, alone


def full_engine(orders: int, fills: int, trades: int) -> Engine:
    engine = engine_of(recipe())
    engine.step(1, [Boot(boot="m1", tag="gl", venue="v", instance="i", rules=(ETH, SOL), limits=())])
    books = engine.books
    assert books is not None
    one = Decimal("1.5")
    for symbol, market in books.market.items():
        bids = tuple((Decimal(100_000 - at) / 100, one) for at in range(1, 501))
        asks = tuple((Decimal(100_000 + at) / 100, one) for at in range(500))
        market.depth.on_snapshot(DepthSnapshot(symbol=symbol, last_update_id=5, bids=bids, asks=asks))
    for number in range(orders):
        name = f"gl-m1-{number}"
        order = books.orders.add(Order("ETHUSDT", Side.BUY, name, Decimal("3000.12"), Decimal("0.012"), 5, slot=(0, 1), venue_order_id=number))
        if number >= 40:
            order.status = OrderStatus.CANCELED
            books.orders.open_ids.pop(name)
    for number in range(fills):
        fill = Fill("ETHUSDT", number, 1, "gl-m1-1", Side.BUY, Decimal("3000.1"), one, Decimal("0.0015"), "BNB", Liquidity.MAKER, 5)
        books.fills.append(fill)
    books.orders.booked_trades.update({("ETHUSDT", number): None for number in range(trades)})
    return engine


def checkpoints() -> None:
    for name, *sizes in SIZES:
        engine = full_engine(*sizes)
        gc.collect()
        copied, encoded, slowest, size = [], [], 0.0, 0
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            frozen = checkpoint.freeze(engine)
            copied.append((time.perf_counter() - begun) * 1000)
            size, total = 0, time.perf_counter()
            pieces, begun = checkpoint.parts(frozen), total
            for piece in pieces:
                slowest = max(slowest, (time.perf_counter() - begun) * 1000)
                size += len(piece[1])
                begun = time.perf_counter()
            encoded.append((time.perf_counter() - total) * 1000)
        print(
            f"checkpoint, {name}: {statistics.median(copied):.2f} ms on the trading thread (worst {max(copied):.2f}) · "
            f"{statistics.median(encoded):.1f} ms on the tape's, slowest piece {slowest:.2f} ms · {size / 1e6:.2f} MB"
        )


def main() -> None:
    steps = history()
    off, on, alone = [], [], []
    for _ in range(ROUNDS):  # paired: one round without, one with
        off += steps_us(steps, tape_on=False)[0]
        whole, only = steps_us(steps, tape_on=True)
        on += whole
        alone += only
    events = sum(len(events) for _, events in steps)
    print(f"{len(steps)} steps, {events} events, {ROUNDS} rounds each")
    print(f"record alone: median {statistics.median(alone):.1f} us · p99 {percentile(alone, 99):.1f} us")
    for percent in (50, 99):
        print(f"whole step p{percent}: {percentile(off, percent):.0f} us without the tape · {percentile(on, percent):.0f} us with it")
    checkpoints()


if __name__ == "__main__":
    main()
