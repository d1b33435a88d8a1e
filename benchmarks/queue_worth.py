"""What kept queue places are worth: the market maker twice over one recording and seed, shrinking orders in place, and canceling and placing.

Run: python -m benchmarks.queue_worth [--files A.gz B.gz] [--seeds 1:6] [--seconds 600] [--maker-fee 0] [--flow 0.045] [--set key=value]
In virtual time (sim.recorded): the quoting of config.yaml, orders 10 ms away. Per run: places kept, orders, fills, quantity, fees, and the change
of the account at the last mid. Seeds differ only in the network's delays, so their spread is the noise that a difference has to stand out from.
Never: a clock, a network.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import mean, stdev

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from assembly import quoting_of, timing_of
from core.money import ZERO, plain
from runtime.config import load
from sim.recorded import RecordedWorld, rules_of
from sim.setup import AMENDING, Setup
from trading.amend import Amending

ROOT = Path(__file__).resolve().parents[1]
DATA = next((one for one in (ROOT.parent / "shared/data/binance_spot_l2", Path("/work/shared/data/binance_spot_l2")) if one.is_dir()), None)
DEMO = ("btcusdt_20240808.gz", "btcusdt_20240809.gz")
POLICIES = {"amend": AMENDING, "cancel+place": Amending()}
HEAD = f"{'policy':<13} {'seed':>4} {'kept':>6} {'placed':>7} {'fills':>6} {'quantity':>12} {'turnover':>12} {'fees':>9} {'P&L':>10}"


@dataclass(frozen=True, slots=True)
class Run:
    """One way through the recording. Money in the quote asset, at the last mid."""

    policy: str
    seed: int
    kept: int
    placed: int
    fills: int
    quantity: Decimal
    turnover: Decimal
    fees: Decimal
    pnl: Decimal
    failures: tuple[str, ...]

    def line(self) -> str:
        return (
            f"{self.policy:<13} {self.seed:>4} {self.kept:>6} {self.placed:>7} {self.fills:>6} {plain(self.quantity):>12} {self.turnover:>12.2f}"
            f" {self.fees:>9.4f} {self.pnl:>+10.4f}"
        )


@dataclass(frozen=True, slots=True)
class Course:
    """What both policies go through."""

    files: Sequence[Path]
    seconds: float
    maker_fee: Decimal
    flow: Decimal
    flow_s: int
    settings: Sequence[str]


def once(policy: str, seed: int, course: Course) -> Run:
    files, maker_fee = course.files, course.maker_fee
    rules = rules_of(files)
    symbols = ",".join(rule.symbol for rule in rules)
    config = load(ROOT / "config.yaml", [f"symbols=[{symbols}]", f"paper.maker_fee={maker_fee}", *course.settings], {}).config
    setup = Setup(
        seed=seed,
        timing=timing_of(config),
        balances={**{rule.base: ZERO for rule in rules}, **config.paper.balances},
        quoting={rule.symbol: quoting_of(config, rule.symbol) for rule in rules},
        order_latency_ms=10,
        stream_latency_ms=10,
        market_wait_ms=10,
        fault_wait_ms=1,
        with_faults=False,
        rules=rules,
        maker_fee=maker_fee,
        amending=POLICIES[policy],
    )
    world = RecordedWorld(setup, files, course.flow, course.flow_s)
    world.run_through(course.seconds)
    return _told(world, policy, setup)


def _told(world: RecordedWorld, policy: str, setup: Setup) -> Run:
    books, matching = world.engine.books, world.matching
    assert books is not None
    worth = {rule.quote: Decimal(1) for rule in setup.rules}
    for rule in setup.rules:
        bid, _, ask, _, _ = matching.touch(rule.symbol)
        assert bid is not None and ask is not None
        worth[rule.base] = (bid + ask) / 2
    trades = [trade for rule in setup.rules for trade in matching.trades(rule.symbol)]
    held = {asset: free + locked for asset, (free, locked) in matching.balances().items()}
    return Run(
        policy=policy,
        seed=setup.seed,
        kept=books.queue_places_kept,
        placed=books.placed,
        fills=len(trades),
        quantity=sum((trade.quantity for trade in trades), ZERO),
        turnover=sum((trade.quote_quantity for trade in trades), ZERO),
        fees=sum((trade.commission * worth[trade.commission_asset] for trade in trades), ZERO),
        pnl=sum(((held[asset] - setup.balances[asset] - world.stranger.moved_of(asset)) * price for asset, price in worth.items()), ZERO),
        failures=tuple(world.oracle.failures),
    )


def difference(runs: Sequence[Run]) -> list[str]:
    """With minus without, per seed: mean and spread."""
    lines = []
    for what in ("fills", "quantity", "pnl"):
        by_seed: dict[int, dict[str, float]] = {}
        for run in runs:
            by_seed.setdefault(run.seed, {})[run.policy] = float(getattr(run, what))
        gains = [one["amend"] - one["cancel+place"] for one in by_seed.values()]
        spread = f" ± {stdev(gains):.4f}" if len(gains) > 1 else ""
        more = sum(gain > 0 for gain in gains)
        lines.append(f"amend minus cancel+place, {what}: {mean(gains):+.4f}{spread} a run, more in {more} of {len(gains)} seeds")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", nargs="+", type=Path, help="of one recording (default: BTCUSDT around midnight, eleven minutes)")
    parser.add_argument("--seeds", default="1:6", help="from:to, the last one left out (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1e6, help="of the recording at most (default: all)")
    parser.add_argument("--maker-fee", type=Decimal, default=Decimal(0), help="part of the notional (default %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another setting of config.yaml")
    parser.add_argument("--flow", type=Decimal, default=Decimal(0), help="base that comes from outside and leaves, by turns (default %(default)s)")
    parser.add_argument("--flow-s", type=int, default=20, help="seconds between the two (default %(default)s)")
    options = parser.parse_args()
    if options.files is None and DATA is None:
        print(f"skipped: no recordings beside the project ({ROOT.parent / 'shared/data'}); name files with --files")
        return 0
    files = options.files or [Path(str(DATA)) / name for name in DEMO]
    first, last = map(int, options.seeds.split(":"))
    course = Course(files, options.seconds, options.maker_fee, options.flow, options.flow_s, options.set)
    flow = f"{plain(course.flow)} in and out every {course.flow_s} s" if course.flow else "nothing moved from outside"
    print(f"{' '.join(path.name for path in files)} · maker fee {course.maker_fee} · {flow} · {' '.join(course.settings)}\n{HEAD}")
    runs: list[Run] = []
    began_s = time.monotonic()
    for seed in range(first, last):
        for policy in POLICIES:
            runs.append(once(policy, seed, course))
            print("\n".join([runs[-1].line(), *runs[-1].failures]), flush=True)
    print("\n".join(difference(runs)))
    print(f"{len(runs)} runs in {time.monotonic() - began_s:.0f} s")
    return int(any(run.failures for run in runs))


if __name__ == "__main__":
    sys.exit(main())
