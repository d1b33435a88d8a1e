"""A world that lasts a day: calm faults, a market that drifts, midnight, and a venue that forgets old orders as a real one would archive them.

Who calls it: sim.day. The bot, its manager, the venue and the judge are those of sim.world; what only looks back at the whole world (all orders, all
trades) is summed up every minute instead, so that nothing but the bot itself could grow.
Never: a crash (a new process would hide what the old one kept).
"""

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from core.books import Timing
from core.engine import Step
from core.events import AnyEvent, BookTicker, DepthDiff, MarketTrade
from core.notices import Denied
from core.sizes import Size, sizes
from core.types import Connection, SymbolRules
from exchange.paper.matching import Matching
from exchange.paper.model import SymbolRules as PaperRules
from runtime.inbox import PRIVATE_MAX
from sim.bot import Bot
from sim.counter import Counter
from sim.director import CRASHES
from sim.executor import QUEUE_MAX
from sim.faults import Kind
from sim.market import LightMarket
from sim.oracle import STRANGER
from sim.scheduler import MS
from sim.setup import ETH, SOL, Setup, quoting, rules
from sim.world import START_S_MAX, World

MIDNIGHT_MS = 1_800_057_600_000  # 2027-01-16 00:00 UTC
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
FAULT_WAIT_MS = 60_000  # one fault a minute
MARKET_WAIT_MS = 1000  # between two happenings of one symbol: about four frames a second and symbol (touch, depth, trades)
SWING, SWING_TICKS_MAX, SWING_HOURS = 0.005, 1500, 6  # the market's home goes half a per cent up and down, as far as a quoter can follow
ARCHIVE_MAX = 6000  # ended orders the venue keeps per symbol: more than the bot remembers
CALLS_MAX = 200_000_000
REASONS_MAX = 50
MARKET_EVENTS = (BookTicker, DepthDiff, MarketTrade)
_DIGITS = re.compile(r"[\d.]*\d")


@dataclass(frozen=True, slots=True)
class Traded:
    """One symbol of the day: its rules, where its mid begins (ticks), the size of a background level (steps), our two sizes, our inventory cap."""

    rules: SymbolRules
    mid: int
    lots: int
    sizes: tuple[str, str]
    cap: str
    held: str  # of the base asset at the beginning


TRADED = (
    Traded(ETH, 300_000, 200, ("0.012", "0.02"), "0.06", "4"),
    Traded(SOL, 20_000, 300, ("0.2", "0.3"), "0.9", "60"),
    Traded(rules("BTCUSDT", "BTC", "1.00", "0.00001"), 90_000, 67, ("0.0004", "0.0006"), "0.002", "0.2"),
    Traded(rules("BNBUSDT", "BNB", "0.01", "0.001"), 60_000, 100, ("0.06", "0.1"), "0.3", "20"),
    Traded(rules("XRPUSDT", "XRP", "0.0001", "0.1"), 5000, 1200, ("72", "120"), "360", "20000"),
    Traded(rules("ADAUSDT", "ADA", "0.0001", "0.1"), 4000, 1500, ("90", "150"), "450", "20000"),
)


def day_setup(hours: float, symbols: int, seed: int) -> Setup:
    """The settings of config.yaml where they have a name there; midnight at half-time. Raises ValueError for more symbols than TRADED has."""
    if not 1 <= symbols <= len(TRADED):
        raise ValueError(f"1 to {len(TRADED)} symbols, not {symbols}")
    traded = TRADED[:symbols]
    return Setup(
        seed=seed,
        timing=Timing(),
        balances={"USDT": Decimal(20_000), **{one.rules.base: Decimal(one.held) for one in traded}},
        quoting={one.rules.symbol: quoting(one.sizes, one.cap) for one in traded},
        order_latency_ms=10,
        stream_latency_ms=10,
        market_wait_ms=MARKET_WAIT_MS,
        fault_wait_ms=FAULT_WAIT_MS,
        allowed=tuple(kind for kind in Kind if kind not in CRASHES),
        rules=tuple(one.rules for one in traded),
        mids=tuple(one.mid for one in traded),
        lots=tuple(one.lots for one in traded),
        start_ms=MIDNIGHT_MS - int(hours * HOUR_MS / 2),
    )


class DriftingMarket(LightMarket):
    """The light market of a world, whose home swings slowly, each symbol in its own time."""

    def __init__(self, matching: Matching, rules: list[PaperRules], setup: Setup, rng: Random) -> None:
        super().__init__(matching, rules, setup.mids, setup.lots, rng)
        self._homes: dict[str, int] = {}

    def step(self, symbol: str, now_ms: int) -> None:
        names = list(self._rules)
        turn = (now_ms - MIDNIGHT_MS) / (SWING_HOURS * HOUR_MS) + names.index(symbol) / len(names)
        first = self._homes.setdefault(symbol, self._home[symbol])
        self._home[symbol] = first + int(min(first * SWING, SWING_TICKS_MAX) * math.sin(2 * math.pi * turn))
        super().step(symbol, now_ms)


@dataclass
class Meter(Counter):
    """A limit of the venue that also knows its sum, and its peak in one window, since `begin`."""

    total: int = 0
    peak: int = 0

    def add(self, now_ms: int, amount: int) -> int:
        used = Counter.add(self, now_ms, amount)
        self.total += max(0, amount)
        self.peak = max(self.peak, used)
        return used

    def begin(self) -> None:
        self.total = self.peak = 0


@dataclass
class Trades:
    """What the venue's trades of this account add up to, ours and the stranger's; taken every minute, then the venue may forget them."""

    matching: Matching
    own: int = 0
    takers: int = 0
    ours: dict[str, Decimal] = field(default_factory=dict)
    foreign: dict[str, Decimal] = field(default_factory=dict)
    _newest: dict[str, int] = field(default_factory=dict)

    def take(self) -> None:
        for symbol, rule in self.matching.rules.items():
            archive = self.matching.archives[symbol]
            after = self._newest.get(symbol, -1)
            for trade in reversed(archive.trades):
                if trade.trade_id <= after:
                    break
                order = archive.orders[trade.order_id]
                is_foreign = (order.original_client_order_id or order.client_order_id).startswith(STRANGER)
                sums, sign = self.foreign if is_foreign else self.ours, 1 if trade.is_buyer else -1
                self.own += not is_foreign
                self.takers += not is_foreign and not trade.is_maker
                moved = (rule.base, sign * trade.quantity), (rule.quote, -sign * trade.quote_quantity), (trade.commission_asset, -trade.commission)
                for asset, delta in moved:
                    sums[asset] = sums.get(asset, Decimal(0)) + delta
            if archive.trades:
                self._newest[symbol] = archive.trades[-1].trade_id


class DayWorld(World):
    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.scheduler.calls_max = CALLS_MAX
        self.trades = Trades(self.matching)
        self.weight, self.order_count = (Meter(one.kind, one.interval_s, one.limit) for one in (self.venue.weight, self.venue.orders))
        self.venue.weight, self.venue.orders = self.weight, self.order_count
        self.frames = 0
        self.denied: dict[str, int] = {}
        self.sizes_max: dict[str, Size] = {}
        for archive in self.matching.archives.values():
            archive.closed_max = ARCHIVE_MAX

    def _new_market(self, rules: list[PaperRules]) -> LightMarket:
        return DriftingMarket(self.matching, rules, self.setup, Random(f"market-{self.setup.seed}"))

    def _after_step(self, bot: Bot, batch: list[AnyEvent], step: Step) -> None:
        super()._after_step(bot, batch, step)
        self.frames += sum(isinstance(event, MARKET_EVENTS) for event in batch)
        for notice in step.notices:
            if isinstance(notice, Denied):
                reason = _DIGITS.sub("#", notice.reason)
                if reason in self.denied or len(self.denied) < REASONS_MAX:
                    self.denied[reason] = self.denied.get(reason, 0) + 1

    # -- the course of the day -------------------------------------------------------------------
    def begin(self) -> bool:
        """Up to the first green of every side."""
        self.start()
        self.scheduler.at(MIDNIGHT_MS * MS, self._midnight)
        if not self._run_until(START_S_MAX, self._all_green):
            self.oracle.fail("I7", f"not green {START_S_MAX} s after the start")
            return False
        self.director.start()
        return True

    def _midnight(self) -> None:
        """Both connections are 24 hours old: the venue ends them."""
        for connection in Connection:
            if self.links[connection].is_up:
                self.links[connection].drop("closed by the venue after 24 h")

    def quote(self, minutes: int) -> None:
        for _ in range(minutes):
            self.scheduler.run(self.scheduler.now_ns + MINUTE_MS * MS)
            self._each_minute()

    def _each_minute(self) -> None:
        """Sum up and forget, as a disk, an archive and a judge of the last hours would; look at every container of the bot."""
        self.trades.take()
        assert self.engine.books is not None
        self.oracle.forget(self.engine.books.orders.by_client_id)
        self.memory.forget()
        for one in self.containers():
            if one.name not in self.sizes_max or one.size > self.sizes_max[one.name].size:
                self.sizes_max[one.name] = one
            self.oracle.check("I25", not one.is_over, f"{one.name} {one.size} of {one.cap}")

    def containers(self) -> list[Size]:
        """The deciding half, the inbox and the lanes of the bot, each with its cap."""
        lanes = zip(("cancel", "place", "query"), self.bot.lanes, strict=True)
        waiting = [Size(f"lane.{name}", len(lane.outstanding), QUEUE_MAX) for name, lane in lanes]
        return [*sizes(self.engine), Size("inbox", len(self.bot.inbox), PRIVATE_MAX), *waiting]

    def end(self) -> None:
        """Faults stop, every side becomes green, the bot stops with its proof."""
        self.director.stop()
        self._recover()
        self._stop()

    def _judge_rest(self) -> None:
        """The day's sums to the last digit: every trade of ours booked once, money as the venue has it, nothing open, nothing under way."""
        self.trades.take()
        books, oracle = self.engine.books, self.oracle
        assert books is not None
        oracle.judge_sizes(self.engine)
        oracle.check("I8", not self.bot.lane_calls(), "calls left")
        oracle.check("I2", books.fill_count() == self.trades.own, f"{books.fill_count()} fills booked, the venue has {self.trades.own}")
        oracle.check("I12", not self.trades.takers, f"a post-only order took {self.trades.takers} times")
        for asset, (free, locked) in self.matching.balances().items():
            venue = free + locked
            traded = sum(sums.get(asset, Decimal(0)) for sums in (self.trades.ours, self.trades.foreign))
            ours = self.setup.balances[asset] + self.stranger.moved_of(asset) + traded
            oracle.check("I1", ours == venue, f"{asset}: {ours} by all trades, {venue} at the venue")
            oracle.check("I1", books.account.expected(asset) == venue, f"{asset}: {books.account.expected(asset)} expected, {venue} at the venue")
            booked, sold = books.account.own_change.get(asset, Decimal(0)), self.trades.ours.get(asset, Decimal(0))
            oracle.check("I3", booked == sold, f"{asset}: our fills moved {booked}, the venue says {sold}")
        still = [order.client_order_id for order in self.matching.open_orders() if not order.client_order_id.startswith(STRANGER)]
        oracle.check("I10", not still, f"open after the stop: {still}")
