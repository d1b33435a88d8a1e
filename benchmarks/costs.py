"""What single things cost, and what the whole bot costs: `python -m benchmarks.costs [--symbols 1,10,50] [--seconds 3]`.

Parts are timed in this process; the bot runs as `bot.py` against benchmarks/fast_venue.py, its CPU and memory read from /proc; engine steps are taken
again from the tape of that life. Prints the tables of docs/performance.md. Never: a figure from a machine that others use; run it alone.
"""

import argparse
import gc
import importlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from unittest.mock import sentinel

from benchmarks import venue_words as words
from benchmarks.children import Child, Greenlight, VenueChild, Yardstick
from core.commands import Place
from core.events import AnyEvent, BookTicker, OrderAnswer, Reply
from core.ports import Answered
from core.types import OrderType, Side
from exchange.binance import frames
from exchange.binance.params import place_params
from exchange.binance.signing import Signer
from exchange.binance.ws_requests import Requests
from order_book_manager import OrderBookManager
from runtime.lanes import Lane
from sim.replay import Replay
from state import tape_file
from state.intents import Intents
from state.tape_file import Stepped

REPEATS, BATCH = 200, 100
CALLS = 3000
PER_S, TOGGLE_EVERY = 1000, 100
ORDER = words.Order("BTCUSDT", 7, "glbench-abc-7", "BUY", "60000.00000000", "0.00100000")


def place(number: int) -> Place:
    return Place(
        command_id=number,
        reason="-1.4 bp of mid · maker only",
        timeout_ms=3000,
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT_MAKER,
        time_in_force=None,
        slot=(0, 0),
        price=Decimal("60000.12"),
        quantity=Decimal("0.001"),
        client_order_id=f"glbench-abc-{number}",
        not_after_ns=2**62,
    )


def percentile(values: list[float], percent: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def each_us(call: Callable[[int], object]) -> float:
    """Median over batches of the time of one call."""
    found = []
    for repeat in range(REPEATS):
        begun = time.perf_counter_ns()
        for number in range(BATCH):
            call(repeat * BATCH + number)
        found.append((time.perf_counter_ns() - begun) / BATCH / 1000)
    return statistics.median(found)


# -- single things -------------------------------------------------------------------------------
def parsing() -> dict[str, float]:
    combined = "/stream?streams="
    ticker = words.wrapped(combined, "btcusdt@bookTicker", '{"u":7,"s":"BTCUSDT","b":"60000.1","B":"1.5","a":"60000.2","A":"1.5"}')
    levels = ",".join(f'["{60_000 - step}.00000000","0.50000000"]' for step in range(10))
    diff = words.wrapped(combined, "btcusdt@depth@100ms", f'{{"e":"depthUpdate","E":7,"s":"BTCUSDT","U":1,"u":2,"b":[{levels}],"a":[{levels}]}}')
    trade = words.wrapped(combined, "btcusdt@trade", words.market_trade("BTCUSDT", 7))
    reply, report = words.reply(7, words.report(ORDER)), words.execution(ORDER, 8)
    return {
        "parse bookTicker": each_us(lambda _: frames.market_message(ticker, 0)),
        "parse depth, 20 levels": each_us(lambda _: frames.market_message(diff, 0)),
        "parse trade": each_us(lambda _: frames.market_message(trade, 0)),
        "parse order reply": each_us(lambda _: frames.user_message(reply, 0)),
        "parse executionReport": each_us(lambda _: frames.user_message(report, 0)),
    }


def sending(folder: Path) -> dict[str, float]:
    requests, params = Requests(Signer("bench-key", "bench-secret")), place_params(place(1))
    intents = Intents(folder / "intents.log")
    intents.start()
    command = place(1)
    found = {
        "sign and encode a place": each_us(lambda number: requests.signed(number, "order.place", params, 1_700_000_000_000)),
        "intent append": each_us(lambda _: intents.intent(command)),
    }
    intents.stop(time.monotonic() + 1)
    return found


def submit_to_callback() -> dict[str, float]:
    """One at a time, as a tick does: from `submit` on this thread to the done-callback on the worker's."""
    lane, found = Lane("bench", 4), list[float]()
    lane.start()
    for _ in range(CALLS):
        done = threading.Event()
        begun = time.perf_counter_ns()
        future = lane.submit(lambda what: what, 1)

        def called(_: object, begun: int = begun, done: threading.Event = done) -> None:
            found.append((time.perf_counter_ns() - begun) / 1000)
            done.set()

        future.add_done_callback(called)
        done.wait(1)
    lane.stop(time.monotonic() + 2)
    return {"submit to callback p50": percentile(found, 50), "submit to callback p99": percentile(found, 99)}


def collecting() -> dict[str, float]:
    """A full garbage collection with everything imported that bot.py needs, as the interpreter does it by itself, and once that heap is frozen."""
    importlib.import_module("bot")
    found = {}
    for what in ("full collection", "full collection, start frozen"):
        times = []
        for _ in range(7):
            begun = time.perf_counter_ns()
            gc.collect()
            times.append((time.perf_counter_ns() - begun) / 1000)
        found[what] = statistics.median(times)
        gc.freeze()
    gc.unfreeze()
    return found


class Stuck:
    """A venue whose calls end only when they are let go."""

    name, capabilities, only_sends = "stuck", sentinel.capabilities, True

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer]:
        self.let_go.wait(30)
        return Answered(OrderAnswer(facts=None))


def blocked_workers(folder: Path) -> dict[str, float]:
    """`place_orders` of one command while every worker is stuck, and how late this thread is anyway (the same loop around nothing)."""
    venue, posted = Stuck(), list[AnyEvent]()
    intents = Intents(folder / "stuck.log")
    intents.start()
    lanes = (Lane("cancel", 4), Lane("place", 4, waiting_max=CALLS + 10), Lane("query", 2))
    for lane in lanes:
        lane.start()
    manager = OrderBookManager(venue, intents, posted.append, time.monotonic_ns, lanes, lambda: sentinel.orders, lambda *_: sentinel.light)  # type: ignore[arg-type]
    manager.place_orders(place(number) for number in range(8))
    time.sleep(0.05)
    calls, control = [], []
    for number in range(CALLS):
        begun = time.perf_counter_ns()
        manager.place_orders((place(number + 10),))
        called = time.perf_counter_ns()
        sum(range(400))
        control.append((time.perf_counter_ns() - called) / 1000)
        calls.append((called - begun) / 1000)
        if number % 20 == 0:
            time.sleep(0.001)
    venue.let_go.set()
    for lane in lanes:
        lane.stop(time.monotonic() + 10)
    intents.stop(time.monotonic() + 1)
    assert all(isinstance(event, Reply) for event in posted)
    found = {f"place_orders, workers stuck, p{percent:g}": percentile(calls, percent) for percent in (50, 99)}
    return found | {"control thread p99 - p50": percentile(control, 99) - percentile(control, 50)}


# -- the whole bot -------------------------------------------------------------------------------
def whole(symbols: int, seconds: float, folder: Path) -> dict[str, float]:
    """One life of bot.py with so many symbols, from its start to SIGINT."""
    names = list(words.SYMBOLS[:symbols])
    with VenueChild(symbols, is_wide=True) as venue:
        assert isinstance(venue, VenueChild)
        bot = Greenlight(folder / f"bot{symbols}", venue.port, "ws", names, [])
        try:
            first_s = float(venue.wait_for(lambda state: state["first_order_s"], "the first order")["first_order_s"])
            venue.wait_for(lambda state: state["orders"] == 2 * symbols, "a quote on every side")
            time.sleep(1.0)
            told: dict[str, float] = {}
            rest = _flow(bot, lambda: _nothing(seconds))
            idle = _flow(bot, lambda: venue.ask("flow", seconds=seconds, per_s=PER_S, toggle_every=0))
            active = _flow(bot, lambda: _kept(told, venue.ask("flow", seconds=seconds, per_s=PER_S, toggle_every=TOGGLE_EVERY)))
            resident_mb = bot.resident_mb
            full = _flow(bot, lambda: venue.ask("flow", seconds=seconds, per_s=0, toggle_every=0))
            flooded_mb = bot.resident_mb
        finally:
            exit_s = bot.end()
    return {
        "start to first order s": first_s - bot.began_s,
        "CPU at rest, % of a core": rest[0] / seconds * 100,
        "CPU s per 1,000 updates, idle": idle[0] / idle[1] * 1000,
        "CPU s per 1,000 updates, active": active[0] / active[1] * 1000,
        "active: orders and cancels/s": told["actions"] / told["seconds"],
        "active: pong p50 ms": told["pong_ms_p50"],
        "active: pong max ms": told["pong_ms_max"],
        "updates/s, all that the socket takes": full[1] / full[2],
        "resident MB, active": resident_mb,
        "resident MB, after all that the socket takes": flooded_mb,
        "SIGINT to exit s": exit_s,
        "exit code": float(bot.process.returncode),
        **steps_us(folder / f"bot{symbols}" / "state" / "tape"),
    }


def bare_frame(seconds: float, folder: Path) -> dict[str, float]:
    """The same idle flow into the design's threads with nothing in them (yardsticks.py): what no bot of this design can be below."""
    with VenueChild(1, is_wide=True) as venue:
        assert isinstance(venue, VenueChild)
        with Yardstick(folder / "bare", venue.port, "benchmarks.yardsticks", "threads") as bare:
            venue.listened_to()
            time.sleep(1.0)
            idle = _flow(bare, lambda: venue.ask("flow", seconds=seconds, per_s=PER_S, toggle_every=0))
    return {"bare threads: CPU s per 1,000 updates, idle": idle[0] / idle[1] * 1000}


def steps_us(tape: Path) -> dict[str, float]:
    """Every step of the life's first segment, taken again by an engine loaded from its checkpoint."""
    replay, quiet, acting = Replay(), list[float](), list[float]()
    for record in tape_file.read(tape_file.segments(tape)[0]):
        if not isinstance(record, Stepped) or replay.engine is None:
            replay._take(record)
            continue
        begun = time.perf_counter_ns()
        step = replay.engine.step(record.time_ns, record.events)
        lasted_us = (time.perf_counter_ns() - begun) / 1000
        if step.commands:
            acting.append(lasted_us)
        elif len(record.events) == 1 and isinstance(record.events[0], BookTicker):
            quiet.append(lasted_us)
    return {
        "engine step, one ticker, nothing to do, p50 us": percentile(quiet, 50),
        "engine step with commands, p50 us": percentile(acting, 50),
        "engine step with commands, p99 us": percentile(acting, 99),
    }


def _kept(where: dict[str, float], answer: dict[str, float]) -> dict[str, float]:
    where.update(answer)
    return answer


def _nothing(seconds: float) -> dict[str, float]:
    time.sleep(seconds)
    return {"sent": 0}


def _flow(bot: Child, send: Callable[[], dict[str, float]]) -> tuple[float, float, float]:
    """(CPU seconds of the bot, updates, seconds) of what `send` did, with the time it takes to be digested."""
    before_s, begun_s = bot.cpu_s, time.monotonic()
    answer = send()
    lasted_s = time.monotonic() - begun_s
    time.sleep(0.2)
    return bot.cpu_s - before_s, answer["sent"], lasted_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", default="1,10,50")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each flow of updates")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        singles = parsing() | sending(folder) | collecting() | submit_to_callback() | blocked_workers(folder)
        print("| one call | us |\n|---|---:|")
        print("\n".join(f"| {what} | {cost:.1f} |" for what, cost in singles.items()), flush=True)
        counts = [int(count) for count in options.symbols.split(",")]
        print("\n".join(f"\n{what}: {cost:.3g}" for what, cost in bare_frame(options.seconds, folder).items()), flush=True)
        lives = [whole(count, options.seconds, folder) for count in counts]
        print("\n| the whole bot, symbols | " + " | ".join(map(str, counts)) + " |\n|---|" + "---:|" * len(counts))
        for what in lives[0]:
            print(f"| {what} | " + " | ".join(f"{life[what]:.3g}" for life in lives) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
