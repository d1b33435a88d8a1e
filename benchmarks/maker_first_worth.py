"""What following the price is worth: the maker-first trader over one recording, with the same seed of signals, against never following and taking.

Run: python -m benchmarks.maker_first_worth [--files A.gz B.gz] [--seeds 1:4] [--seconds 600] [--deadline-ms 8000] [--slice-s 20]
In virtual time (sim.recorded), orders 10 ms away, maker fee 0.075 %, taker fee 0.1 %. The signal is drawn from the seed per slice of time, the
same for every policy. Per policy, over all seeds: entries begun and filled as a maker, the share of the entered quantity that a maker brought, the
mean cost of entries against the mid at their decision (what was taken after a timeout counts from the first one's), in bps, before fees and after.
Last, the fees of all fills, exits too, beside those of the run that takes everything on the same input.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.queue_worth import DATA, DEMO
from core.books import Timing
from core.commands import Place, Replace
from core.money import BPS, ZERO
from core.types import Fill, Liquidity, Side
from core.view import View
from sim.memory import PATH
from sim.recorded import RecordedWorld, rules_of
from sim.setup import AMENDING, Setup, quoting
from state.intents import FillRecord, IntentRecord, records_in
from trading.chase import ENTRY, Chase, Task, task_of
from trading.entry import EntrySettings, Recheck
from trading.exits import ExitSettings
from trading.maker_first import MakerFirst
from trading.recipe import MakerFirstSettings
from trading.signals import Reading
from trading.trader import Trader
from trading.wanted import Wanted

QUOTE = "USDT"
MAKER_FEE, TAKER_FEE = Decimal("0.00075"), Decimal("0.001")
FULL = Decimal(1000)  # bps: no guard
BOUND = Decimal("0.5")  # bps: how far `bound` follows


TAKER = "taker"


def policies(base: EntrySettings) -> dict[str, EntrySettings]:
    """`fixed` is where the entry was placed, for good; `bound` follows so far and no further; `taker` gives up at once and takes next."""
    change = msgspec.structs.replace
    return {
        "follow": change(base, fallback=False),
        "bound": change(base, fallback=False, chase_bps_max=BOUND),
        "fixed": change(base, fallback=False, reprice=False),
        "follow + market": change(base, fallback=True),
        "bound + market": change(base, fallback=True, chase_bps_max=BOUND),
        "fixed + market": change(base, fallback=True, reprice=False),
        TAKER: change(base, fallback=True, deadline_ms=0, slippage_bps_max=FULL),
    }


class Taking(MakerFirst):
    """Takes at once what the trader would offer: an entry begins where the fallback of a timeout does."""

    def _open(self, view: View, trader: Trader, symbol: str, side: Side, reading: Reading, mid: Decimal, wanted: Wanted) -> tuple[str, Chase | None]:
        price = view.touch_price(symbol, side.opposite)
        if price is None or view.now_ns < trader.rest_until_ns.get(side, 0):
            return "resting after the last entry", None
        trader.recheck[side] = Recheck(quantity=self.settings.entry.quote_amount / price, number=0, since_ns=view.now_ns - 1)
        return super()._open(view, trader, symbol, side, reading, mid, wanted)


@dataclass
class Sums:
    """Over the seeds of one policy."""

    entries: int = 0
    filled: int = 0
    reprices: int = 0
    maker: Decimal = ZERO  # quote entered as a maker
    taker: Decimal = ZERO
    slipped: Decimal = ZERO  # quote lost against the mid at the decision
    fees: Decimal = ZERO
    turnover: Decimal = ZERO  # quote of all fills, exits too
    paid: Decimal = ZERO  # commission of all fills
    failures: list[str] = field(default_factory=list)

    def add(self, world: RecordedWorld) -> None:
        strategy = world.engine.strategy
        assert isinstance(strategy, MakerFirst)
        for trader in strategy.traders.values():
            self.entries += trader.tally.entries or trader.tally.fallbacks  # who takes at once has only those
            self.filled += trader.tally.filled
            self.reprices += trader.tally.reprices
        tasks: dict[str, Task] = {}
        first: dict[tuple[str, str, int], Decimal] = {}  # the mid when the entry was first decided, also for what was taken after its timeout
        for record in records_in(bytes(world.memory.disk.data), PATH):
            if isinstance(record, IntentRecord) and isinstance(record.command, Place | Replace):
                place = record.command.place if isinstance(record.command, Replace) else record.command
                if (task := task_of(place.memo)) is not None and task.task == ENTRY:
                    tasks[place.client_order_id] = task
                    first.setdefault((task.symbol, task.side.value, task.number), task.reference)
            if isinstance(record, FillRecord):
                self._pay(record.fill)
            if isinstance(record, FillRecord) and (task := tasks.get(record.fill.client_order_id)) is not None:
                fill = record.fill
                number = int(task.reason.rpartition(" ")[2]) if task.is_taker else task.number
                reference = first.get((task.symbol, task.side.value, number), task.reference)
                worth = fill.price * fill.quantity
                self.slipped += (1 if task.side is Side.BUY else -1) * (worth - reference * fill.quantity)
                is_maker = fill.liquidity is Liquidity.MAKER
                self.fees += worth * (MAKER_FEE if is_maker else TAKER_FEE)
                self.maker += worth if is_maker else ZERO
                self.taker += ZERO if is_maker else worth
        self.failures += world.oracle.failures

    def _pay(self, fill: Fill) -> None:
        """The venue's own figure; commission in base at the price of its fill."""
        self.turnover += fill.price * fill.quantity
        self.paid += fill.fee if fill.fee_asset == QUOTE else fill.fee * fill.price

    def saved(self, name: str, taker: "Sums") -> str:
        """Against the run that took everything, at this run's turnover."""
        rate = taker.paid / taker.turnover if taker.turnover else ZERO
        own = self.paid / self.turnover if self.turnover else ZERO
        saved = rate * self.turnover - self.paid
        return f"{name:<16} {self.paid:>9.2f} USDT fees on {self.turnover:.0f} ({own * BPS:.2f} bp), saved {saved:+.2f} USDT"

    def line(self, name: str) -> str:
        whole = self.maker + self.taker
        share = self.maker / whole if whole else ZERO
        cost = self.slipped / whole * BPS if whole else ZERO
        ratio = Decimal(self.filled) / self.entries if self.entries else ZERO
        return (
            f"{name:<16} {self.entries:>7} {self.filled:>7} {ratio:>8.1%} {self.reprices:>9} {whole:>12.0f} {share:>8.1%} {cost:>+9.3f}"
            f" {cost + (self.fees / whole * BPS if whole else ZERO):>+9.3f}"
        )


HEAD = f"{'policy':<16} {'entries':>7} {'filled':>7} {'ratio':>8} {'reprices':>9} {'entered':>12} {'maker':>8} {'cost bps':>9} {'with fee':>9}"


def once(entry: EntrySettings, seed: int, options: argparse.Namespace, files: Sequence[Path]) -> RecordedWorld:
    rules = rules_of(files)
    wait_ms = 5000 if entry.deadline_ms else 0  # who takes the entries takes the exits
    exits = ExitSettings(stop_loss_bps=ZERO, trail_bps=ZERO, time_limit_s=60, runner=False, deadline_ms=wait_ms, slippage_bps_max=FULL)
    rich = {rule.base: Decimal(10**6) for rule in rules} | {rule.quote: Decimal(10**8) for rule in rules}
    setup = Setup(
        seed=seed,
        timing=Timing(book_age_ms_max=120_000, proof_every_ms=600_000),
        balances=rich,
        quoting={rule.symbol: quoting(("1", "1"), "1") for rule in rules},
        order_latency_ms=10,
        stream_latency_ms=10,
        market_wait_ms=10,
        fault_wait_ms=1,
        timer_ms=options.timer_ms,
        with_faults=False,
        rules=rules,
        maker_fee=MAKER_FEE,
        amending=AMENDING,
        maker_first=MakerFirstSettings(entry=entry, exits=exits),
        trader=MakerFirst if entry.deadline_ms else Taking,
        signal_slice_ms=options.slice_s * 1000,
    )
    world = RecordedWorld(setup, files)
    world.run_through(options.seconds)
    return world


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", nargs="+", type=Path, help="of one recording (default: BTCUSDT around midnight, eleven minutes)")
    parser.add_argument("--seeds", default="1:4", help="from:to, the last one left out (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1e6, help="of the recording at most (default: all)")
    parser.add_argument("--slice-s", type=int, default=20, help="the signal is drawn anew this often (default %(default)s)")
    parser.add_argument("--timer-ms", type=int, default=100)
    parser.add_argument("--deadline-ms", type=int, default=8000)
    parser.add_argument("--reprice-ms", type=int, default=400)
    parser.add_argument("--offset-bps", type=Decimal, default=ZERO)
    parser.add_argument("--per-spread", type=Decimal, default=ZERO, help="bps of offset per bps of spread; below 0 it improves on the touch")
    parser.add_argument("--quote", type=Decimal, default=Decimal(200), help="of one entry")
    parser.add_argument("--policies", default="", help="names, comma between them (default: all)")
    options = parser.parse_args()
    if options.files is None and DATA is None:
        print("skipped: no recordings beside the project; name files with --files")
        return 0
    files = options.files or [Path(str(DATA)) / name for name in DEMO]
    base = EntrySettings(
        quote_amount=options.quote,
        lots_max=100,
        offset_bps=options.offset_bps,
        offset_per_spread=options.per_spread,
        deadline_ms=options.deadline_ms,
        chase_bps_max=ZERO,
        reprice_ms=options.reprice_ms,
        rest_ms=options.slice_s * 600,
    )
    first, last = map(int, options.seeds.split(":"))
    spread = f"{base.offset_bps} bps {base.offset_per_spread:+f} a bp of spread"
    print(f"{' '.join(path.name for path in files)} · deadline {base.deadline_ms} ms · offset {spread} · seeds {options.seeds}\n{HEAD}")
    began_s, broken, done = time.monotonic(), False, dict[str, Sums]()
    for name, entry in policies(base).items():
        if options.policies and name not in options.policies.split(","):
            continue
        sums = done[name] = Sums()
        for seed in range(first, last):
            sums.add(once(entry, seed, options, files))
        print("\n".join([sums.line(name), *sums.failures[:5]]), flush=True)
        broken = broken or bool(sums.failures)
    if TAKER in done:
        print("fees saved against the run that takes everything, on the same input:")
        print("\n".join(sums.saved(name, done[TAKER]) for name, sums in done.items()))
    print(f"{time.monotonic() - began_s:.0f} s")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
