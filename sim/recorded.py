"""A world whose market is a recording: the same bot, its lanes and its venue in virtual time, filled only by what was traded then.

Who calls it: benchmarks/queue_worth.py and a test. The market is the paper exchange's (exchange.paper.recording): our orders wait in its
queues, and its levels follow what was recorded. No faults. Same recording, same seed, same settings: the same orders and fills.
Never: a wall clock; a market that reacts to us beyond the size we take or show.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random

from core.events import BalanceUpdate
from core.types import Connection, SymbolRules
from exchange.paper.model import SymbolRules as PaperRules
from exchange.paper.recording import RecordedMarket, rules_of_recording
from sim.market import LightMarket
from sim.scheduler import MS
from sim.setup import Setup
from sim.world import START_S_MAX, World

CALLS_MAX = 50_000_000


def rules_of(files: Iterable[Path]) -> tuple[SymbolRules, ...]:
    """The rules of the recording's symbols, as the bot learns them. Raises RecordingError."""
    found, _ = rules_of_recording(files)
    return tuple(bot_rules(rule) for rule in found)


def bot_rules(rule: PaperRules) -> SymbolRules:
    """As the bot learns them from exchangeInfo."""
    return SymbolRules(
        symbol=rule.symbol,
        base=rule.base,
        quote=rule.quote,
        tick=rule.tick,
        step=rule.step,
        min_price=rule.min_price,
        max_price=rule.max_price,
        min_quantity=rule.min_quantity,
        max_quantity=rule.max_quantity,
        min_notional=rule.min_notional,
        bid_multiplier_up=rule.bid_multiplier_up,
        bid_multiplier_down=rule.bid_multiplier_down,
        ask_multiplier_up=rule.ask_multiplier_up,
        ask_multiplier_down=rule.ask_multiplier_down,
        max_orders=rule.max_orders,
        amend_allowed=True,
        replace_allowed=True,
    )


def _told(asset: str, delta: Decimal, time_ms: int, received_ns: int) -> BalanceUpdate:
    return BalanceUpdate(asset=asset, delta=delta, time_ms=time_ms)


class RecordedWorld(World):
    """`run_through` takes it from boot to the stop's proof; failures are in `oracle.failures`."""

    def __init__(self, setup: Setup, files: Sequence[Path], flow: Decimal = Decimal(0), flow_s: int = 60) -> None:
        """`flow`: so much of the first symbol's base comes onto the account from outside and leaves it again, by turns every `flow_s`."""
        super().__init__(setup)
        self._flow, self._flow_s = flow, flow_s
        self.scheduler.calls_max = CALLS_MAX
        self.recording = RecordedMarket(files, self.matching)

    def _new_market(self, rules: list[PaperRules]) -> LightMarket:
        """Nobody asks it anything: it only stands where the parts of a world with faults want one."""
        return LightMarket(self.matching, [], (), (), Random(0))

    def start(self) -> None:
        self.recording.start(self.scheduler.now_ms)
        super().start()
        if self._flow:
            self.scheduler.after(self._flow_s * 1000, self._move)

    def _move(self) -> None:
        if self._market_goes:
            base = self.setup.rules[0].base
            delta = -self._flow if self.stranger.moved_of(base) else self._flow
            self.matching.deposit(base, delta, self.scheduler.now_ms)
            self.stranger.note_moved(base, delta)
            self.links[Connection.USER].send(partial(_told, base, delta, self.scheduler.now_ms))
            self.publish()
            self.scheduler.after(self._flow_s * 1000, self._move)

    def _market_step(self, symbol: str) -> None:
        """All symbols of the recording move together, at the times that were recorded."""
        if self._market_goes and symbol == self.recording.symbols[0]:
            self.recording.step(self.scheduler.now_ms)
            self.publish()
            due_ms = self.recording.next_ms()
            if due_ms is not None:
                self.scheduler.at(max(due_ms * MS, self.scheduler.now_ns), partial(self._market_step, symbol))

    def run_through(self, seconds_max: float) -> bool:
        """Quote until the recording is over, or for so long; then stop. False where it never came to quote."""
        self.start()
        if not self._run_until(START_S_MAX, self._all_green):
            self.oracle.fail("I7", f"not green {START_S_MAX} s after the start: {self._dark(0)}")
            return False
        self._run_until(seconds_max, lambda: self.recording.next_ms() is None)
        self._stop()
        return True
