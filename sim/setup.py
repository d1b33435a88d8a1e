"""What a world is made of before it runs: symbols, balances, bands, time-outs and latencies, drawn from the seed.

Who calls it: sim.world, sim.fuzz and the tests. Pure. Never: a clock.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from core.books import Timing
from core.ports import Capabilities
from core.types import RateLimit, SymbolRules
from sim.faults import FOREIGN, REPLACE, Kind
from trading.amend import Amending, Policy, PriceMove
from trading.bands import Band, Unit
from trading.maker_first import MakerFirst
from trading.quoting import SymbolQuoting
from trading.recipe import MakerFirstSettings

D = Decimal
RECV_WINDOW_MS = 3000
START_MS = 1_800_000_000_000
WEIGHT_PER_MINUTE = 6000
CAN = Capabilities(ws_amend=True, cancel_replace=True)
AMENDING = Amending(can=CAN)
REPLACING = Amending(can=CAN, policy=Policy(price=PriceMove.REPLACE))


def limits(setup: "Setup") -> tuple[RateLimit, ...]:
    """What exchangeInfo states; the venue enforces it."""
    return (
        RateLimit(kind="REQUEST_WEIGHT", interval_s=60, limit=WEIGHT_PER_MINUTE),
        RateLimit(kind="ORDERS", interval_s=10, limit=setup.orders_per_10_s),
    )


def rules(symbol: str, base: str, tick: str, step: str) -> SymbolRules:
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote="USDT",
        tick=D(tick),
        step=D(step),
        min_price=D(tick),
        max_price=D(1_000_000),
        min_quantity=D(step),
        max_quantity=D(9000),
        min_notional=D(5),
        bid_multiplier_up=D(5),
        bid_multiplier_down=D("0.2"),
        ask_multiplier_up=D(5),
        ask_multiplier_down=D("0.2"),
        amend_allowed=True,
        oco_allowed=True,
        replace_allowed=True,
    )


ETH = rules("ETHUSDT", "ETH", "0.01", "0.0001")
SOL = rules("SOLUSDT", "SOL", "0.01", "0.001")
SYMBOLS = (ETH, SOL)
MIDS = (300_000, 20_000)  # in ticks
LOTS = (200, 300)  # size of one background level, in steps


def ticks(low: str, target: str, high: str, quantity: str) -> Band:
    return Band(min=D(low), target=D(target), max=D(high), quantity=D(quantity), unit=Unit.TICKS)


def quoting(sizes: tuple[str, str], cap: str) -> SymbolQuoting:
    """Two bands per side, close enough to be filled and narrow enough to be left behind."""
    bands = (ticks("1", "2", "4", sizes[0]), ticks("5", "7", "10", sizes[1]))
    return SymbolQuoting(bid_bands=bands, ask_bands=bands, inventory_cap=D(cap), skew_bps_max=D("0.2"))


@dataclass(frozen=True, slots=True)
class Setup:
    """One world's constants. Latencies are one way, in ms."""

    seed: int
    timing: Timing
    balances: dict[str, Decimal]
    quoting: dict[str, SymbolQuoting]
    order_latency_ms: float
    stream_latency_ms: float
    market_wait_ms: float  # mean time between two happenings of one symbol
    fault_wait_ms: float  # mean time between two faults
    allowed: tuple[Kind, ...] = tuple(Kind)
    orders_per_10_s: int = 100
    timer_ms: int = 100
    quote_s: int = 30
    quote_s_max: int = 75
    orders_min: int = 30
    faults_min: int = 8
    with_faults: bool = True
    stops_in_trouble: bool = False  # the stop comes while the outcome of orders may be unknown
    only: frozenset[int] | None = None  # of the schedule only these faults (sim.shrink)
    quote_ns: int | None = None  # quote for exactly so long, however little happens
    rules: tuple[SymbolRules, ...] = SYMBOLS
    mids: tuple[int, ...] = MIDS
    lots: tuple[int, ...] = LOTS
    start_ms: int = START_MS
    maker_fee: Decimal = D("0.001")
    amending: Amending = AMENDING
    with_pairs: bool = False  # a second strategy wants pairs of which one cancels the other
    with_lists: bool = False  # and places them as the venue's lists
    maker_first: MakerFirstSettings | None = None  # None: the market maker (sim.lot_worlds)
    trader: type[MakerFirst] = MakerFirst  # who has these settings
    signal_slice_ms: int = 3000  # its signal is drawn anew this often
    shared: dict[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """What runs this world again."""
        return f"python -m sim.fuzz {'--maker-first ' * (self.maker_first is not None)}--seeds {self.seed}:{self.seed + 1}"

    @classmethod
    def drawn(cls, seed: int) -> "Setup":
        """The world of a seed: one in three has hardly enough funds, and then nobody else moves them; one in four replaces quotes in one command.

        One in eight wants pairs of which one cancels the other, half of those as lists of the venue's.
        """
        rng = Random(f"setup-{seed}")
        is_tight = rng.random() < 0.33
        fast = rng.random() < 0.7
        timing = Timing(
            order_timeout_ms=rng.choice((600, 1000, 2000)),
            read_timeout_ms=rng.choice((1000, 2000)) if fast else 3000,  # an account read is seven requests in a row
            book_age_ms_max=rng.choice((3000, 5000)),
            resolver_interval_ms_max=1000,
            proof_every_ms=rng.choice((3000, 10_000)),
            cooldown_ms=rng.choice((0, 0, 200)),
            echo_ms_max=rng.choice((2000, 5000)),
        )
        tight = {"USDT": D(150), "ETH": D("0.04"), "SOL": D("0.9")}
        rich = {"USDT": D(10_000), "ETH": D(4), "SOL": D(60)}
        replaces = seed % 8 in (6, 7)
        caps = ("0.035", "0.54") if seed % 4 == 1 else ("0.06", "0.9")  # near the cap orders are amended all the time
        return cls(
            seed=seed,
            timing=timing,
            balances=tight if is_tight else rich,
            quoting={"ETHUSDT": quoting(("0.012", "0.02"), caps[0]), "SOLUSDT": quoting(("0.2", "0.3"), caps[1])},
            order_latency_ms=rng.uniform(1, 12) if fast else rng.uniform(30, 120),
            stream_latency_ms=rng.uniform(1, 10) if fast else rng.uniform(10, 120),
            market_wait_ms=rng.uniform(500, 900),
            fault_wait_ms=rng.uniform(1500, 2500),
            orders_per_10_s=rng.choice((100, 100, 100, 20)),
            timer_ms=100 if seed % 3 == 0 else 250,  # every third as it is; half of all steps are the timer's, and a slow one misses more
            stops_in_trouble=rng.random() < 0.25,
            allowed=tuple(kind for kind in Kind if not (is_tight and kind in FOREIGN) and (replaces or kind not in REPLACE)),
            amending=REPLACING if replaces else AMENDING,
            with_pairs=seed % 8 == 5,
            with_lists=seed % 16 == 5,
        )
