"""What 5,000 execution reports a second cost the thread that decides: `python -m benchmarks.recorder_load`.

Phases of two seconds, in pairs: the engine steps a thousand times a second with the recorder idle, then with 5,000 reports a second put into its
queue between the steps - each a fill, the order as it stands, and a report that is no trade, so 15,000 items and 10,000 rows. Printed: the step's
p50 and p99 of both, their ratio, the cost of the put, and that every row is in the database at the end. Never: a figure without its pair beside it.
"""

import tempfile
import time
from decimal import Decimal
from pathlib import Path

from sqlalchemy import create_engine, func, select

from core.events import Boot, Timer
from core.notices import Filled, Reported, Standing
from runtime.worker import Worker
from state.intents import Intents
from state.keeper import Keeper
from state.recorder import Recorder
from state.schema import execution_reports
from state.store import FILE, Store
from strategy import MarketMaker
from tests.core.builders import Desk, ticker
from tests.state.store_builders import AT_NS, BOOT, RUN, TAG, filled, reported, standing
from trading.bands import Band, Unit
from trading.quoting import SymbolQuoting

PHASE_S, PAIRS, REPORTS_PER_S, STEP_EVERY_S = 2.0, 5, 5000, 0.001
Facts = tuple[Filled, Standing, Reported]


def maker() -> MarketMaker:
    bands = (Band(min=Decimal(1), target=Decimal(2), max=Decimal(50), quantity=Decimal(1), unit=Unit.BPS),)
    return MarketMaker({"BTCUSDT": SymbolQuoting(bid_bands=bands, ask_bands=bands)})


def desk() -> Desk:
    """A market maker whose two quotes rest."""
    made = Desk(maker()).connect()
    made.step(ticker(1000), Timer(), after_ms=100)
    return made


def phase(made: Desk, recorder: Recorder, prepared: list[Facts]) -> tuple[list[float], list[float], int]:
    """(step times, put times per report, reports put); times in us."""
    steps, puts, given, begun = [], [], 0, time.perf_counter()
    while (now := time.perf_counter()) - begun < PHASE_S:
        update = 2000 + int(now * 1000) % 1_000_000_000
        before = time.perf_counter_ns()
        made.step(ticker(update), Timer(), after_ms=1)
        steps.append((time.perf_counter_ns() - before) / 1e3)
        due = prepared[given : int((now - begun) * REPORTS_PER_S)] if prepared else []
        if due:
            before = time.perf_counter_ns()
            for fill, stands, report in due:
                recorder.take((fill,), (stands, report), AT_NS)
            puts.append((time.perf_counter_ns() - before) / 1e3 / len(due))
            given += len(due)
        time.sleep(STEP_EVERY_S)
    return steps, puts, given


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    intents = Intents(folder / "intents.log")
    intents.start()
    intents.boot(Boot(boot=BOOT, tag=TAG, venue="paper", instance="7", rules=(), limits=()), AT_NS)
    keeper = Keeper(Store(folder / FILE), intents.path, print)
    keeper.open(RUN)
    ratios: list[float]
    recorder, made, ratios, number, put = Recorder(intents, keeper), desk(), [], 0, 0
    writer = Worker("recorder", recorder.run)
    writer.start()
    for _ in range(PAIRS):
        idle, _, _ = phase(made, recorder, [])
        count = int(PHASE_S * REPORTS_PER_S)
        prepared = [(filled(n), standing(1, "PARTIALLY_FILLED"), reported(1, n)) for n in range(number, number + count)]
        loaded, puts, given = phase(made, recorder, prepared)
        put += given
        number += count
        ratios.append(quantile(loaded, 0.99) / quantile(idle, 0.99))
        print(
            f"step idle p50 {quantile(idle, 0.5):.0f} p99 {quantile(idle, 0.99):.0f} us · loaded p50 {quantile(loaded, 0.5):.0f}"
            f" p99 {quantile(loaded, 0.99):.0f} us · p99 ratio {ratios[-1]:.2f} · put {quantile(puts, 0.5):.1f} us per report"
        )
    writer.stop(time.monotonic() + 30)
    with create_engine(f"sqlite:///{folder / FILE}").connect() as connection:
        rows = connection.execute(select(func.count()).select_from(execution_reports)).scalar_one()
    left_out = recorder.left_out + keeper.left_out
    print(f"median p99 ratio {quantile(ratios, 0.5):.2f} · {rows} rows of {put} fills and as many other reports · left out {left_out}")


if __name__ == "__main__":
    main()
