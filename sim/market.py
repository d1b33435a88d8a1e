"""A light background market: a few moves, aggressors and size changes a second, enough to fill and to outdate quotes.

Who calls it: sim.world, through the scheduler. Seeded; ticks and lots are integers. Never: an order of ours, a crossed book.
"""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from exchange.paper.book import OPPOSITE
from exchange.paper.matching import Matching
from exchange.paper.model import PaperOrder, SymbolRules

LEVELS = 4
BUY, SELL = "BUY", "SELL"


class LightMarket:
    """Per symbol a mid in ticks with four levels of background on either side of it."""

    def __init__(self, matching: Matching, rules: Sequence[SymbolRules], mids: Sequence[int], lots: Sequence[int], rng: Random) -> None:
        """`mids` in ticks, `lots` = typical size of one level, in steps."""
        self._matching, self._rng = matching, rng
        self._rules = {rule.symbol: rule for rule in rules}
        self._mid = {rule.symbol: mid for rule, mid in zip(rules, mids, strict=True)}
        self._home = dict(self._mid)
        self._lots = {rule.symbol: size for rule, size in zip(rules, lots, strict=True)}
        self._shown: dict[str, dict[tuple[str, int], None]] = {rule.symbol: {} for rule in rules}

    def start(self, now_ms: int) -> None:
        for symbol in self._rules:
            self._show(symbol, now_ms)

    def step(self, symbol: str, now_ms: int) -> None:
        """One thing happens."""
        draw = self._rng.random()
        if draw < 0.35:
            self.move(symbol, self._rng.choice((-2, -1, -1, 1, 1, 2)), now_ms)
        elif draw < 0.40:
            self.move(symbol, self._rng.choice((-1, 1)) * self._rng.randint(6, 14), now_ms)
        elif draw < 0.85:
            size = self._lots[symbol] * self._rng.randint(1, 40) // 10
            self._aggress(symbol, self._rng.choice((BUY, SELL)), size, None, now_ms)
            self._show(symbol, now_ms)
        else:
            side, tick = self._rng.choice(list(self._shown[symbol]))
            self._set(symbol, side, tick, self._size(symbol), now_ms)

    def move(self, symbol: str, ticks: int, now_ms: int) -> None:
        """Take what stands in the way, then show the new levels. The mid is pulled home so that a long world stays inside the filters."""
        away = self._mid[symbol] - self._home[symbol]
        if abs(away) > 60 and away * ticks > 0:
            ticks = -ticks
        mid = self._mid[symbol] = self._mid[symbol] + ticks
        limit = mid * self._rules[symbol].tick
        self._aggress(symbol, BUY if ticks > 0 else SELL, self._lots[symbol] * 20, limit, now_ms)
        self._show(symbol, now_ms)

    def hit(self, order: PaperOrder, share: Decimal, now_ms: int) -> None:
        """Trade as much as reaches `share` of what is left of this resting order, taking all that stands before it; one that waits is not met."""
        if order.is_waiting:
            return
        rules = self._rules[order.symbol]
        book = self._matching.books[order.symbol]
        tick = int(order.price / rules.tick)
        before = sum(lots for level, lots in book.levels(order.side) if (level > tick if order.side == BUY else level < tick))
        part = max(1, int(order.remaining / rules.step * share))
        lots = before + int(self._matching.size_ahead(order.symbol, order.order_id) / rules.step) + part
        self._aggress(order.symbol, OPPOSITE[order.side], lots, order.price, now_ms)
        self._show(order.symbol, now_ms)

    def _aggress(self, symbol: str, side: str, lots: int, limit: Decimal | None, now_ms: int) -> None:
        rules = self._rules[symbol]
        if limit is None:
            reach = (2 * LEVELS + 2) * (1 if side == BUY else -1)
            limit = (self._mid[symbol] + reach) * rules.tick
        self._matching.aggress(symbol, side, lots * rules.step, limit, now_ms)

    def _show(self, symbol: str, now_ms: int) -> None:
        """Levels around the mid; what is missing is filled up, what lies outside goes."""
        mid, book = self._mid[symbol], self._matching.books[symbol]
        wanted: dict[tuple[str, int], None] = {}
        for away in range(1, LEVELS + 1):
            wanted[BUY, mid - away] = None
            wanted[SELL, mid + away] = None
        for side, tick in self._shown[symbol]:
            if (side, tick) not in wanted:
                self._set(symbol, side, tick, 0, now_ms)
        for side, tick in wanted:
            if not book.background_at(side, tick):
                self._set(symbol, side, tick, self._size(symbol), now_ms)
        self._shown[symbol] = wanted

    def _set(self, symbol: str, side: str, tick: int, lots: int, now_ms: int) -> None:
        rules = self._rules[symbol]
        self._matching.set_background(symbol, side, tick * rules.tick, lots * rules.step, now_ms)

    def _size(self, symbol: str) -> int:
        return self._lots[symbol] * self._rng.randint(3, 15) // 10
