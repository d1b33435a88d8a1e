"""One seeded world: the real engine, strategy, risk and manager against a faulty venue in virtual time, judged by an oracle.

Who calls it: sim.fuzz and the tests, on the one real thread. A world boots, quotes under faults, is left in peace until every side was green
again, stops, and must then agree with the venue to the last digit.
Never: a socket, a thread, the wall clock, an order of the venue changed outside the matching engine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

import msgspec

from core.commands import AnyCommand, Reconnect
from core.engine import Engine, Step
from core.events import AnyEvent, BookTicker, DepthDiff, MarketTrade, StopRequested, Timer
from core.types import Connection, Side
from exchange.paper.matching import Matching
from exchange.paper.model import SymbolRules as PaperRules
from sim.bot import Bot, engine_of
from sim.director import Director
from sim.facts import paper_rules
from sim.faults import Faults
from sim.feed import Feed
from sim.market import LightMarket
from sim.memory import Journal, Killed, Memory
from sim.oracle import Oracle
from sim.scheduler import MS, Scheduler
from sim.setup import RECV_WINDOW_MS, Setup
from sim.stranger import Stranger
from sim.streams import Link
from sim.venue import SimVenue

START_S_MAX = 20
STOP_S_MAX = 5
STOP_MS = 4500  # then the last line is printed and the process ends (DESIGN 7)
REBIRTH_MS_MAX = 2500
PAUSE_MS, PAUSES_MAX = 100, 200  # a stop and a new boot fit into all of them several times
REST_S = 6
TAKER_FEE = Decimal("0.001")
MAKER_CREDIT = 5  # of the unfilled order count, at the first fill of an order; a taker gives one back (binance-wire 4)


@dataclass(frozen=True, slots=True)
class Result:
    """What one world showed."""

    seed: int
    failures: tuple[str, ...]
    faults: dict[str, int]
    checks: dict[str, int]
    steps: int
    virtual_s: float
    orders: int = 0
    fills: int = 0
    uptime: dict[str, float] = field(default_factory=dict)
    digest: str = ""
    trace: tuple[str, ...] = ()
    schedule: tuple[str, ...] = ()  # the faults that struck, as sentences
    struck: tuple[int, ...] = ()  # their numbers
    quoted_ns: int = 0
    command: str = ""  # that runs it again


class World:
    def __init__(self, setup: Setup, verbose: bool = False) -> None:
        self.setup = setup
        seed = setup.seed
        self.scheduler = Scheduler(setup.start_ms * MS, Random(f"stalls-{seed}"))
        self.faults = Faults(seed, RECV_WINDOW_MS, setup.allowed, setup.fault_wait_ms, setup.only)
        paper = [paper_rules(rule) for rule in setup.rules]
        self.matching = Matching(paper, setup.balances, setup.maker_fee, TAKER_FEE)
        self.market = self._new_market(paper)
        self.memory = Memory()
        self.links = {
            connection: Link(connection, self.scheduler, self.post, self.faults, Random(f"{connection}-{seed}"), setup.stream_latency_ms)
            for connection in Connection
        }
        self.feed = Feed(self.matching, self.links, self.scheduler)
        self.oracle = Oracle(self.scheduler, self.matching, self.faults, RECV_WINDOW_MS)
        self.oracle.intents = self.memory.disk.data
        self.oracle.market_word.stream_ms = self.links[Connection.MARKET].silent_ms
        self.venue = SimVenue(
            self.matching, self.scheduler, self.faults, self.oracle, self.publish, Random(f"network-{seed}"), setup.order_latency_ms,
            setup.orders_per_10_s,
        )
        self.feed.on_balances = partial(setattr, self.venue, "balances_ms")
        self.feed.on_first_fill = lambda is_maker: self.venue.orders.add(self.scheduler.now_ms, -MAKER_CREDIT if is_maker else -1)
        self.stranger = Stranger(self.matching, self.market, self.scheduler, self.publish, Random(f"stranger-{seed}"))
        self.director = Director(setup, self.scheduler, self.faults, self.venue, self.links, self.stranger, self.memory.disk, self.post)
        self.director.crash, self.director.quit = self._crash, self._quit
        self._rng = Random(f"world-{seed}")
        self.steps = 0
        self.verbose = verbose
        self.trace: list[str] = []
        self._placed = self._filled = 0
        self._digest = sha256()
        self._market_goes, self._is_over = True, False
        self._quoted_ns = 0
        self._reborn_ns = 0
        self.bot = self._new_bot()

    @property
    def engine(self) -> Engine:
        return self.bot.engine

    # -- the bot's surroundings ------------------------------------------------------------------
    def _new_market(self, rules: list[PaperRules]) -> LightMarket:
        return LightMarket(self.matching, rules, self.setup.mids, self.setup.lots, Random(f"market-{self.setup.seed}"))

    def _new_bot(self) -> Bot:
        boot = self.memory.begin(self.setup)
        return Bot(
            engine_of(self.setup, self.venue), boot, lambda clock: Journal(self.memory, boot, clock, self._rng, self._killed), self.scheduler,
            self.venue, self._rng, self._after_step, self._reconnect, self._killed, self.setup.timer_ms,
        )  # fmt: skip

    def post(self, event: AnyEvent) -> None:
        self.bot.post(event)

    def publish(self) -> None:
        self.feed.publish()

    def _reconnect(self, command: Reconnect) -> None:
        self.links[command.connection].reconnect(command.reason)

    def _after_step(self, bot: Bot, batch: list[AnyEvent], step: Step) -> None:
        self.steps += 1
        if self.verbose:
            self._write(batch, step.commands, [f"{notice.tag} {notice.symbol} {notice.order_id} {notice.words()}" for notice in step.notices])
        self.oracle.after_step(bot.engine, batch, step)
        if step.finished and bot.is_quitting:
            self.scheduler.after(0, partial(self._leave, bot))
        for command in step.commands:
            self._digest.update(msgspec.json.encode(command))

    def _crash(self) -> int:
        """kill -9, and a new boot a little later; returns when (ns)."""
        if self.bot.is_dead or self.engine.books is None:
            return self.scheduler.now_ns
        self._add_up()
        self.bot.die()
        for link in self.links.values():
            link.abandon()
        if self.verbose:
            self.trace.append(f"{(self.scheduler.now_ms - self.setup.start_ms) / 1000:8.3f} XX killed")
        self._await_birth()
        return self._reborn_ns

    def _killed(self) -> None:
        """It died in the middle of a write."""
        assert self.director.tearing is not None
        self.faults.note(self.director.tearing, self._crash())

    def _quit(self) -> int:
        """A stop in the middle of everything, within its five seconds, and a new boot a little later (I27)."""
        bot = self.bot
        if bot.is_dead or bot.is_quitting or bot.engine.books is None:
            return self.scheduler.now_ns
        bot.is_quitting = True
        end_ns = self.scheduler.now_ns + STOP_MS * MS
        bot.manager.stop_by(self.scheduler.now_ns + STOP_S_MAX * 1000 * MS)
        self.post(StopRequested(reason="in the middle of everything"))
        self.scheduler.at(end_ns, partial(self._leave, bot))
        return end_ns + REBIRTH_MS_MAX * MS

    def _leave(self, bot: Bot) -> None:
        """Proven, or out of time: what waits is written, then the process ends."""
        if bot.is_dead:
            return
        try:
            bot.journal.close()
        except Killed:
            self._killed()
            return
        self.oracle.ended(bot.engine)
        self._crash()

    def _await_birth(self) -> None:
        self._reborn_ns = self.scheduler.now_ns + int(self._rng.uniform(50, REBIRTH_MS_MAX) * MS)
        self.scheduler.at(self._reborn_ns, self._reboot)

    def _reboot(self) -> None:
        """A process that cannot write its first record ends at once; the next one follows."""
        try:
            self.bot = self._new_bot()
        except (Killed, OSError) as why:
            self._await_birth()
            if isinstance(why, Killed) and self.director.tearing is not None:
                self.faults.note(self.director.tearing, self._reborn_ns)
            self.faults.last_ns = max(self.faults.last_ns, self._reborn_ns)
            return
        self.oracle.reborn()
        self.oracle.recovered(self.bot.boot)
        self._connect()

    def _connect(self) -> None:
        for link in self.links.values():
            link.connect(self._rng.uniform(5, 60))
        self.bot.start_timer(self._rng.uniform(10, self.setup.timer_ms))

    def _add_up(self) -> None:
        """What this boot did, before it is gone."""
        assert self.engine.books is not None
        self._placed += self.engine.books.placed
        self._filled += self.engine.books.fills_booked
        self._digest.update(self.bot.signature())

    def _write(self, events: list[AnyEvent], commands: tuple[AnyCommand, ...], notices: list[str]) -> None:
        at = f"{(self.scheduler.now_ms - self.setup.start_ms) / 1000:8.3f}"
        for event in events:
            if not isinstance(event, Timer | BookTicker | DepthDiff | MarketTrade):
                self.trace.append(f"{at} <- {event}")
        self.trace.extend(f"{at} -> {command}" for command in commands)
        self.trace.extend(f"{at}    {notice}" for notice in notices)

    def _market_step(self, symbol: str) -> None:
        if self._market_goes:
            self.market.step(symbol, self.scheduler.now_ms)
            self.publish()
            self.scheduler.after(self._rng.expovariate(1 / self.setup.market_wait_ms), partial(self._market_step, symbol))

    # -- the course of a world -------------------------------------------------------------------
    def start(self) -> None:
        """Boot is the first event; then the sockets open and the market begins."""
        self.market.start(self.scheduler.now_ms)
        self.publish()
        self._connect()
        self.scheduler.after(self._rng.uniform(0, PAUSE_MS), self.feed.publish_depth)
        for symbol in self.matching.rules:
            self.scheduler.after(self._rng.expovariate(1 / self.setup.market_wait_ms), partial(self._market_step, symbol))
        self.scheduler.after(1000, self._look)

    def _look(self) -> None:
        if not self._is_over:
            if not self.bot.is_dead and self.engine.books is not None:
                self.oracle.look(self.engine, self.bot.calls())
            self.scheduler.after(1000, self._look)

    def run(self) -> Result:
        """The whole course; every failure is a sentence in the result."""
        self.start()
        begun_ns = self.scheduler.now_ns
        if not self._run_until(START_S_MAX, self._all_green):
            self.oracle.fail("I7", f"not green {START_S_MAX} s after the start: {self._dark(begun_ns)}")
            return self._result()
        self._quote()
        if self.setup.stops_in_trouble:
            self._trouble()
        else:
            self._recover()
        self._stop()
        return self._result()

    def _quote(self) -> None:
        """At least 30 s of quoting, 30 own orders and 8 faults."""
        setup, begun_ns = self.setup, self.scheduler.now_ns
        self.director.start()

        def enough() -> bool:
            self._quoted_ns = self.scheduler.now_ns - begun_ns
            if setup.quote_ns is not None:
                return self._quoted_ns >= setup.quote_ns
            return self._quoted_ns >= setup.quote_s * 1000 * MS and (
                not setup.with_faults or (self.faults.total >= setup.faults_min and self._books_placed() >= setup.orders_min)
            )

        if not self._run_until(setup.quote_s_max, enough) and setup.with_faults:
            self.oracle.fail("WORLD", f"thin: {self.faults.total} faults, {self._books_placed()} orders in {setup.quote_s_max} s")
        self.director.stop()
        for _ in range(PAUSES_MAX):
            if self.bot.is_dead or self.bot.is_quitting:
                self.scheduler.run(self.scheduler.now_ns + PAUSE_MS * MS)

    def _books_placed(self) -> int:
        return self._placed + (self.engine.books.placed if self.engine.books and not self.bot.is_dead else 0)

    def liveness_ms(self) -> int:
        """max(2 x timeout, recv_window + 10 s) + 2 x resolver interval (DESIGN 4)."""
        timing = self.setup.timing
        return max(2 * timing.order_timeout_ms, RECV_WINDOW_MS + 10_000) + 2 * timing.resolver_interval_ms_max

    def _trouble(self) -> None:
        """Run on until a place is on its way that the bot will hear nothing of, or for a few seconds."""
        self.director.trouble()
        self._run_until(8, lambda: self.faults.last_ns > self.scheduler.now_ns)
        self.director.stop()

    def _recover(self) -> None:
        """I7: with the faults over, every side is green again within the bound."""
        quiet_ns, bound_s = max(self.faults.last_ns, self.scheduler.now_ns), self._trouble_s()
        came_back = self._run_until(bound_s, lambda: not self._dark(quiet_ns))
        self.oracle.check("I7", came_back, f"dark {bound_s} s after the last fault: {self._dark(quiet_ns)}")

    def _stop(self) -> None:
        """In peace: proof within 5 s. In trouble: no proof before the last doubt is gone, and that within the liveness bound."""
        stop_s = STOP_S_MAX + (self.setup.stops_in_trouble and self._trouble_s())
        if not self.setup.stops_in_trouble:
            self.bot.manager.stop_by(self.scheduler.now_ns + STOP_S_MAX * 1000 * MS)
        self.post(StopRequested(reason="end of the world"))
        finished = self._is_over = self._run_until(stop_s, lambda: self.engine.finished)
        verdict = self.engine.audit.stop_proof
        told = verdict.differences if verdict else self.engine.audit.suspicion or ("nothing was read",)
        proven = self.oracle.is_excused(told) and self.engine.books is not None and not self.engine.books.orders.open_ids
        self.oracle.check("STOP", proven, f"no proof of zero within {stop_s} s: {told}")
        self._market_goes, self.stranger.is_gone = False, finished
        self.scheduler.run(self.scheduler.now_ns + REST_S * 1000 * MS)
        if finished:
            self._judge_rest()

    def _judge_rest(self) -> None:
        self.bot.journal.close()
        self.oracle.at_rest(self.engine, self.memory.fills(), dict(self.setup.balances), self.stranger.foreign, self.bot.lane_calls())

    def _trouble_s(self) -> int:
        """What is left of the last fault, and then the liveness bound."""
        left_ns = max(0, self.faults.last_ns - self.scheduler.now_ns)
        return left_ns // (1000 * MS) + self.liveness_ms() // 1000 + 1

    # -- questions -------------------------------------------------------------------------------
    def _run_until(self, seconds: float, enough: Callable[[], bool]) -> bool:
        """Up to `seconds` of virtual time; asks after every step of the bot, not after every call of the scheduler."""
        steps = -1

        def asked() -> bool:
            nonlocal steps
            if steps == self.steps:
                return False
            steps = self.steps
            return enough()

        return self.scheduler.run(self.scheduler.now_ns + int(seconds * 1000 * MS), asked)

    def _all_green(self) -> bool:
        return not self._dark(0)

    def _dark(self, since_ns: int) -> list[str]:
        """Sides that were not green since then, with what their light says."""
        lights = self.engine.books.lights.shown if self.engine.books else {}
        return [
            f"{symbol} {side}: {light.reason if light else 'no light yet'}"
            for symbol in self.matching.rules
            for side in Side
            if self.oracle.green_ns.get((symbol, side), -1) < max(since_ns, 0)
            for light in (lights.get((symbol, side)),)
        ]

    def _result(self) -> Result:
        books = self.engine.books
        assert books is not None
        self._add_up()
        return self.told(
            orders=self._placed,
            fills=self._filled,
            uptime={f"{symbol} {side}": self.engine.uptime.share(symbol, side) for symbol in books.rules for side in Side},
            digest=self._digest.hexdigest(),
        )

    def told(self, *failures: str, **known: Any) -> Result:
        """What can be told of a world at any time, also of one that raised (`failures` then says so)."""
        struck = tuple(fault for _, fault in sorted(self.faults.struck.items()))
        return Result(
            seed=self.setup.seed,
            failures=(*self.oracle.failures, *failures),
            faults={kind.value: count for kind, count in self.faults.counts.items()},
            checks=dict(self.oracle.checks),
            steps=self.steps,
            virtual_s=(self.scheduler.now_ms - self.setup.start_ms) / 1000,
            trace=tuple(self.trace),
            schedule=tuple(f"{fault.number:4} · {fault.at_ms / 1000:6.2f} s · {fault.kind.value}" for fault in struck),
            struck=tuple(fault.number for fault in struck),
            quoted_ns=self._quoted_ns,
            command=self.setup.command,
            **known,
        )


def run_world(seed: int, verbose: bool = False) -> Result:
    """The world of a seed, from boot to the stop proof."""
    return World(Setup.drawn(seed), verbose).run()


def run_safely(setup: Setup, verbose: bool = False) -> Result:
    """A world that raises is a failed world, with the exception as its sentence."""
    world = World(setup, verbose)
    try:
        return world.run()
    except Exception as error:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "?"
        return world.told(f"RAISED {type(error).__name__}: {error} at {where}")
