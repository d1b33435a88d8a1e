"""A backtest: the bot as it is over a recording, in virtual time, on a venue that is so many milliseconds away and makes no mistakes.

Who calls it: sim.backtest_run (the verb `backtest`), tests. Single-threaded. The market and its matching are the paper exchange's
(exchange.paper.recording): our orders wait in its queues, and only recorded trades fill them. Nothing is drawn: the same files and settings give the
same commands and fills, of which `digest` is the sum.
Never: a wall clock, chance, a fault, a market that answers our orders.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random

import msgspec

from core.commands import AnyCommand, Cancel, CancelAll, Reconnect
from core.engine import Engine, Step
from core.events import AnyEvent, Boot, StopRequested
from core.notices import Filled, Recovered
from core.snapshot import Snapshot, picture
from core.types import Connection, RateLimit, VenueError
from exchange.paper.matching import Matching
from exchange.paper.model import SymbolRules as PaperRules
from exchange.paper.recording import RecordedMarket, RecordingError
from runtime.clock import boot_id
from sim.bot import Bot, Journal
from sim.faults import Faults, Plan
from sim.feed import DEPTH_EVERY_MS, Feed
from sim.recorded import bot_rules
from sim.scheduler import MS, Scheduler
from sim.setup import RECV_WINDOW_MS, WEIGHT_PER_MINUTE
from sim.streams import Link
from sim.venue import SimVenue
from sim.world import MAKER_CREDIT, STOP_MS
from strategy import strategy_of
from trading.recipe import Recipe
from trading.risk import RiskChecks

ORDERS_PER_10_S = 50
TIMER_MS = 100
CONNECT_MS = 1
ARCHIVE_MAX = 6000  # ended orders the venue keeps per symbol: more than the bot remembers
CALLS_MAX = 10**12
SLICE_S = 10  # virtual seconds between two looks at the caller
TAG, VENUE = "glbt", "backtest"


@dataclass(frozen=True, slots=True)
class Latency:
    """Ways between bot and venue, in ms; constant. `answer_ms` is also the way of the user stream."""

    place_ms: int
    cancel_ms: int
    answer_ms: int
    market_data_ms: int


@dataclass(frozen=True, slots=True)
class Plot:
    """What a backtest is made of."""

    files: Sequence[Path]
    rules: tuple[PaperRules, ...]
    recipe: Recipe
    balances: Mapping[str, Decimal]
    maker_fee: Decimal
    taker_fee: Decimal
    latency: Latency
    workers: tuple[int, int, int]
    config_version: str = ""


class EvenTime(Scheduler):
    """Nothing ever stalls."""

    def stall_ms(self) -> float:
        return 0.0


class EvenLink(Link):
    def _delay_ms(self) -> float:
        return self._latency_ms


class EvenVenue(SimVenue):
    latency = Latency(0, 0, 0, 0)

    def _one_way_ms(self, command: AnyCommand | None = None) -> float:
        if command is None:
            return self.latency.answer_ms
        return self.latency.cancel_ms if isinstance(command, Cancel | CancelAll) else self.latency.place_ms


class OpenDoor:
    """Nobody watches."""

    def left(self, command: AnyCommand, plan: Plan) -> None:
        """Not counted."""

    def arrived(self, command: AnyCommand) -> None:
        """Not counted."""

    def decided(self, command: AnyCommand, error: VenueError | None) -> None:
        """Not judged."""

    def used(self, kind: str, count: int, limit: int) -> None:
        """Not judged."""


class Backtest:
    """Made, it stands at the opening of the recording; then `begin`, `run`, `stop`. What it showed stands in `engine`, `market` and `digest`."""

    def __init__(self, plot: Plot) -> None:
        """Reads up to the snapshots. Raises RecordingError."""
        self.plot = plot
        self.matching = Matching(plot.rules, dict(plot.balances), plot.maker_fee, plot.taker_fee)
        for archive in self.matching.archives.values():
            archive.closed_max = ARCHIVE_MAX
        self.market = RecordedMarket(plot.files, self.matching)
        self.market.start()
        self.begun_ms = self.market.begun_ms
        self.scheduler = EvenTime(self.begun_ms * MS, chance := Random(0))  # nothing here hangs on what it draws
        self.scheduler.calls_max = CALLS_MAX
        faults = Faults(0, RECV_WINDOW_MS, allowed=())
        ways_ms = {Connection.MARKET: plot.latency.market_data_ms, Connection.USER: plot.latency.answer_ms}
        self.links = {one: EvenLink(one, self.scheduler, self._post, faults, chance, ms) for one, ms in ways_ms.items()}
        self.feed = Feed(self.matching, self.links, self.scheduler)
        self.venue = EvenVenue(self.matching, self.scheduler, faults, OpenDoor(), self.feed.publish, chance, 0, ORDERS_PER_10_S)
        self.venue.latency = plot.latency
        self.feed.on_balances = partial(setattr, self.venue, "balances_ms")
        self.feed.on_first_fill = lambda is_maker: self.venue.orders.add(self.scheduler.now_ms, -MAKER_CREDIT if is_maker else -1)
        self.engine = Engine(strategy_of(plot.recipe), RiskChecks(plot.recipe.limits), plot.recipe.timing)
        self.boot = self._boot()
        self.steps = self.ended_ms = 0
        self.is_over = False
        self.broken: RecordingError | None = None
        self.before_stop: Snapshot | None = None
        self._digest = sha256()
        self._chance = chance

    def _boot(self) -> Boot:
        plot, boot = self.plot, boot_id(self.begun_ms * MS)
        limits = (
            RateLimit(kind="REQUEST_WEIGHT", interval_s=60, limit=WEIGHT_PER_MINUTE),
            RateLimit(kind="ORDERS", interval_s=10, limit=ORDERS_PER_10_S),
        )
        rules = tuple(bot_rules(rule) for rule in plot.rules)
        return Boot(boot=boot, tag=TAG, venue=VENUE, instance=boot, rules=rules, limits=limits, config_version=plot.config_version)

    # -- the bot's surroundings ------------------------------------------------------------------
    def _post(self, event: AnyEvent) -> None:
        self.bot.post(event)

    def _reconnect(self, command: Reconnect) -> None:
        self.links[command.connection].reconnect(command.reason)

    def _killed(self) -> None:
        raise AssertionError("nothing kills a backtest's bot")

    def _after_step(self, bot: Bot, batch: list[AnyEvent], step: Step) -> None:
        self.steps += 1
        for command in step.commands:
            self._digest.update(msgspec.json.encode(command))
        for notice in step.notices:
            if isinstance(notice, Filled | Recovered):
                self._digest.update(msgspec.json.encode(notice.fill))

    def _market_step(self) -> None:
        """What is due by now; a fault in the recording ends it where it stands."""
        if self.is_over:
            return
        try:
            self.market.step(self.scheduler.now_ms)
        except RecordingError as error:
            self.broken = error
        self.feed.publish()
        self._await_market()

    def _await_market(self) -> None:
        due_ms = None if self.broken else self.market.next_ms()
        self.is_over = due_ms is None
        if due_ms is not None:
            self.scheduler.at(max(due_ms * MS, self.scheduler.now_ns), self._market_step)

    # -- the course ------------------------------------------------------------------------------
    def begin(self, new_journal: Callable[[Callable[[], int]], Journal]) -> None:
        """Boot is the first event; then the sockets open and the market begins. The journal gets the clock."""
        self.bot = Bot(
            self.engine, self.boot, new_journal, self.scheduler, self.venue, self._chance, self._after_step, self._reconnect, self._killed,
            TIMER_MS, self.plot.workers,
        )  # fmt: skip
        self.feed.publish()
        for link in self.links.values():
            link.connect(CONNECT_MS)
        self.bot.start_timer(TIMER_MS)
        self.scheduler.after(DEPTH_EVERY_MS, self.feed.publish_depth)
        self._await_market()

    def run(self, seconds_max: float | None, look: Callable[[], bool]) -> None:
        """To the end of the recording, for so long, or until `look`, asked every few virtual seconds, says that it is enough."""
        end_ns = self.scheduler.now_ns + int(seconds_max * 1000 * MS) if seconds_max else None
        while not self.is_over and not look() and (end_ns is None or self.scheduler.now_ns < end_ns):
            until_ns = self.scheduler.now_ns + SLICE_S * 1000 * MS
            self.scheduler.run(until_ns if end_ns is None else min(until_ns, end_ns), lambda: self.is_over)

    def stop(self, reason: str) -> bool:
        """With the market as it stands: cancel, the venue's word, the proof. False without one."""
        self.before_stop = picture(self.engine)
        self.is_over, self.ended_ms = True, self.scheduler.now_ms
        self.bot.manager.stop_by(self.scheduler.now_ns + STOP_MS * MS)
        self._post(StopRequested(reason=reason))
        self.scheduler.run(self.scheduler.now_ns + STOP_MS * MS, lambda: self.engine.finished)
        proof = self.engine.audit.stop_proof
        return proof is not None and proof.equal and self.engine.books is not None and not self.engine.books.orders.open_ids

    @property
    def digest(self) -> str:
        """Of every command and fill, in their order."""
        return self._digest.hexdigest()
