"""A seeded market for the paper exchange: makers, takers in clusters, and informed flow around a hidden fair value.

Who calls it: the server's pacer and the simulator, through `start`, `next_ms`, `step`. Same seed and same own orders, same market.
The random process is drawn in binary floating point; it becomes integer ticks and lots before it touches the book, never a balance.
Never: a clock, unseeded randomness, a crossed book. Our orders are filled only by takers that consume the queue in front of them.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, log, sqrt, tanh

from exchange.paper.book import BUY, OPPOSITE
from exchange.paper.listing import default_rules, opening_price, usd_worth
from exchange.paper.matching import Matching
from exchange.paper.model import SymbolRules

__all__ = ["SyntheticMarket", "SyntheticSettings", "default_rules"]
SELL = "SELL"
BPS = 1e-4
NEAR_LEVELS = 12
LEVELS_WITHIN_BPS = 20


@dataclass(frozen=True, slots=True)
class SyntheticSettings:
    """What a symbol's market is like. Rates are per second; sizes are notionals in USD."""

    levels: int = 250
    half_spread_bps: float = 0.9
    spread_swing: float = 0.35  # standard deviation of the logarithm of the half spread
    level_notional: float = 2500.0  # median of one level
    taker_notional: float = 500.0  # median of one taker
    maker_rate: float = 60.0
    taker_rate: float = 1.5
    informed_rate: float = 12.0
    large_share: float = 0.18  # takers that walk up the book
    large_factor: float = 100.0  # their size against the others'
    cluster_share: float = 0.5  # takers that follow another taker
    volatility_bps: float = 1.3  # of the fair value, per square root of a second, without drift and jumps
    drift_bps: float = 1.15  # standard deviation of the passing drift, per second
    jump_every_s: float = 25.0
    jump_bps: float = 4.0


DRIFT_LIFE_S = 2.5
SPREAD_LIFE_S = 20.0
CLUSTER_DECAY = 4.0  # per second
HOME_LIFE_S = 1800.0  # how slowly the fair value is drawn back to where it began
INFORMED_EDGE_BPS = 0.15
LARGE_REACH_BPS = 6.0


class SyntheticMarket:
    """All symbols of one synthetic market, driven on the server's clock (ms)."""

    notes: list[str]

    def __init__(self, rules: Iterable[SymbolRules], seed: int, matching: Matching, settings: SyntheticSettings | None = None) -> None:
        self.rules = list(rules)
        self.symbols = [rule.symbol for rule in self.rules]
        self.notes = [f"synthetic market, seed {seed}"]
        chosen = settings or SyntheticSettings()
        self.flows = {rule.symbol: SymbolFlow(rule, random.Random(f"{seed}:{rule.symbol}"), matching, chosen) for rule in self.rules}
        self._due: list[tuple[int, int, str]] = []

    def start(self, now_ms: int) -> None:
        """Build the opening books."""
        for index, (symbol, flow) in enumerate(self.flows.items()):
            flow.open_book(now_ms)
            heapq.heappush(self._due, (now_ms * 1000 + flow.wait_us(), index, symbol))

    def next_ms(self) -> int | None:
        """When the next event is due; never None, this market has no end."""
        return -(-self._due[0][0] // 1000) if self._due else None

    def step(self, now_ms: int) -> None:
        """Everything due up to `now_ms`."""
        while self._due and self._due[0][0] <= now_ms * 1000:
            due_us, index, symbol = self._due[0]
            flow = self.flows[symbol]
            flow.act(due_us)
            heapq.heapreplace(self._due, (due_us + flow.wait_us(), index, symbol))


class SymbolFlow:
    """One symbol: its hidden fair value and who acts around it."""

    def __init__(self, rules: SymbolRules, source: random.Random, matching: Matching, settings: SyntheticSettings) -> None:
        self._rules, self._random, self._matching, self._settings = rules, source, matching, settings
        self._book = matching.books[rules.symbol]
        self._home = self.fair = float(opening_price(rules.symbol) / rules.tick)  # in ticks
        self._lots_per_notional = 1.0 / float(usd_worth(rules.base) * rules.step)
        self._target = min(settings.levels, max(8, int(LEVELS_WITHIN_BPS * BPS * self.fair)))  # a coarse tick leaves room for few levels
        self._drift = 0.0  # bps per second
        self._spread_log = 0.0
        self._excited = 0.0  # takers per second on top of the base rate
        self._last_side = BUY
        self._last_us = 0

    # -- the clock -------------------------------------------------------------------------------
    def wait_us(self) -> int:
        """Until the next event of anyone."""
        settings = self._settings
        rate = settings.maker_rate + settings.taker_rate + settings.informed_rate + self._excited
        return 1 + int(self._random.expovariate(rate) * 1e6)

    def act(self, due_us: int) -> None:
        """One event: the fair value moves on, then a maker, an informed or another taker acts."""
        settings = self._settings
        wait_s = (due_us - self._last_us) / 1e6
        self._last_us = due_us
        excited_before = self._excited
        self._excited *= exp(-CLUSTER_DECAY * wait_s)
        self._move_fair(wait_s)
        now_ms = due_us // 1000
        draw = self._random.random() * (settings.maker_rate + settings.taker_rate + settings.informed_rate + excited_before)
        if draw < settings.maker_rate:
            self._maker(BUY if self._random.random() < 0.5 else SELL, now_ms)
        elif draw < settings.maker_rate + settings.informed_rate:
            self._informed(now_ms)
        elif draw < settings.maker_rate + settings.informed_rate + settings.taker_rate + self._excited:
            self._taker(now_ms)

    # -- the hidden state ------------------------------------------------------------------------
    def _move_fair(self, wait_s: float) -> None:
        settings, gauss = self._settings, self._random.gauss
        keep = exp(-wait_s / DRIFT_LIFE_S)
        self._drift = self._drift * keep + settings.drift_bps * sqrt(1 - keep * keep) * gauss(0, 1)
        keep = exp(-wait_s / SPREAD_LIFE_S)
        self._spread_log = self._spread_log * keep + settings.spread_swing * sqrt(1 - keep * keep) * gauss(0, 1)
        move_bps = self._drift * wait_s + settings.volatility_bps * sqrt(wait_s) * gauss(0, 1)
        if self._random.random() < wait_s / settings.jump_every_s:
            move_bps += gauss(0, settings.jump_bps)
        move_bps += (self._home / self.fair - 1) / BPS * wait_s / HOME_LIFE_S
        self.fair *= 1 + move_bps * BPS

    def _half_spread(self) -> float:
        """In ticks, at least one."""
        return max(1.0, self._settings.half_spread_bps * exp(self._spread_log) * BPS * self.fair)

    # -- makers ----------------------------------------------------------------------------------
    def open_book(self, now_ms: int) -> None:
        """A few hundred levels a side."""
        self._last_us = now_ms * 1000
        self._drift = self._settings.drift_bps * self._random.gauss(0, 1)
        for side in (BUY, SELL):
            for _ in range(self._settings.levels):
                self._add(side, near=self._random.random() < 0.2, now_ms=now_ms)

    def _maker(self, side: str, now_ms: int) -> None:
        """Pull what has become too good for the taker, close a gap at the touch, else add or cancel somewhere."""
        count = len(self._book.sides[side])
        half = self._half_spread()
        best = self._best_background(side)
        distance = half if best is None else (self.fair - best if side == BUY else best - self.fair)
        if best is not None and distance < half * 0.4 and self._random.random() < 0.6:
            self._set(side, best, 0, now_ms)
        elif count < self._target // 2:
            for _ in range(5):
                self._add(side, near=self._random.random() < 0.3, now_ms=now_ms)
        elif distance > half * 1.6:
            self._add(side, near=True, now_ms=now_ms)
        elif self._random.random() < 0.5 * self._target / max(1, count):
            self._add(side, near=self._random.random() < 0.4, now_ms=now_ms)
        else:
            self._cancel(side, now_ms)

    def _add(self, side: str, near: bool, now_ms: int) -> None:
        half, draw = self._half_spread(), self._random.expovariate
        distance = half * (0.8 + draw(2.0)) if near else half + draw(1 / 12.0) * BPS * self.fair
        tick = round(self.fair - distance if side == BUY else self.fair + distance)
        if tick < 1 or self._book.crosses(side, tick):
            return
        lots = self._lots(self._settings.level_notional * (1 + distance / (20 * BPS * self.fair)))
        self._set(side, tick, self._book.background_at(side, tick) + lots, now_ms)

    def _cancel(self, side: str, now_ms: int) -> None:
        """Half of the cancels are close to the touch; the rest anywhere, which also clears what the market has left behind."""
        keys = self._book.sides[side].keys()
        reach = min(NEAR_LEVELS, len(keys)) if self._random.random() < 0.5 else len(keys)
        if not reach:
            return
        tick = abs(keys[self._random.randrange(reach)])
        held = self._book.background_at(side, tick)
        if held:
            self._set(side, tick, 0 if self._random.random() < 0.6 else held // 2, now_ms)

    def _best_background(self, side: str) -> int | None:
        for key, level in self._book.sides[side].items():
            if level.background:
                return abs(int(key))
        return None

    def _set(self, side: str, tick: int, lots: int, now_ms: int) -> None:
        rules = self._rules
        self._matching.set_background(rules.symbol, side, tick * rules.tick, lots * rules.step, now_ms)

    # -- takers ----------------------------------------------------------------------------------
    def _informed(self, now_ms: int) -> None:
        """Takes what rests on the wrong side of the fair value, ours like anyone's: the maker's adverse selection."""
        edge = INFORMED_EDGE_BPS * BPS * self.fair
        ask, bid = self._book.best(SELL), self._book.best(BUY)
        if ask is not None and ask < self.fair - edge:
            self._aggress(BUY, self._lots(self._settings.taker_notional * 6), int(self.fair - edge), now_ms)
        elif bid is not None and bid > self.fair + edge:
            self._aggress(SELL, self._lots(self._settings.taker_notional * 6), int(self.fair + edge) + 1, now_ms)

    def _taker(self, now_ms: int) -> None:
        """Comes in clusters of one direction and leans towards where the fair value is going; now and then a large one."""
        settings = self._settings
        self._excited += settings.cluster_share * CLUSTER_DECAY
        if self._random.random() < 0.4:
            side = self._last_side
        else:
            lean = 0.45 * tanh(1.5 * self._drift / settings.drift_bps) if settings.drift_bps else 0.0
            side = BUY if self._random.random() < 0.5 + lean else SELL
        self._last_side = side
        is_large = self._random.random() < settings.large_share
        best = self._book.best(OPPOSITE[side])
        if best is None:
            return
        reach = round((LARGE_REACH_BPS if is_large else 1.0) * BPS * self.fair)
        lots = self._lots(settings.taker_notional * (settings.large_factor if is_large else 1))
        self._aggress(side, lots, best + reach if side == BUY else best - reach, now_ms)

    def _aggress(self, side: str, lots: int, limit: int, now_ms: int) -> None:
        rules = self._rules
        self._matching.aggress(rules.symbol, side, lots * rules.step, max(1, limit) * rules.tick, now_ms)

    def _lots(self, median_notional: float) -> int:
        """A size, log-normal around that notional."""
        return max(1, round(exp(log(median_notional) + 0.9 * self._random.gauss(0, 1)) * self._lots_per_notional))
