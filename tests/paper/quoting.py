"""A plain two-sided quoter in virtual time, to see how a market treats a maker."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from exchange.paper.listing import default_rules, usd_worth
from exchange.paper.matching import Matching
from exchange.paper.model import OrderReport, PaperTrade, PlaceRequest, Reject
from exchange.paper.synthetic import SyntheticMarket, SyntheticSettings

MARK_OUT_MS = 5_000
LOOK_MS = 50
SIDES = ("BUY", "SELL")


@dataclass
class Quoter:
    """Holds one post-only order a side at `away_bps` from mid (0: at the touch) and renews it when it is off by `tolerance_bps`.

    `ahead_usd`: background that stands at our price before we join, and leaves when we do.
    """

    seed: int
    symbol: str = "BTCUSDT"
    away_bps: float = 2.0
    tolerance_bps: float = 2.0
    ahead_usd: int = 0
    settings: SyntheticSettings = field(default_factory=SyntheticSettings)
    fills: list[tuple[int, PaperTrade]] = field(default_factory=list)
    mids: dict[int, float] = field(default_factory=dict)  # in ticks

    def __post_init__(self) -> None:
        self.rules = default_rules(self.symbol)
        balances = {self.rules.quote: Decimal(10**9), self.rules.base: Decimal(10**6)}
        self.matching = Matching([self.rules], balances, Decimal(0), Decimal(0))
        self.market = SyntheticMarket([self.rules], self.seed, self.matching, self.settings)
        self._mine: dict[str, tuple[int, int]] = {}
        self._names = 0
        self._quantity = max(self.rules.step, Decimal(600) / usd_worth(self.rules.base) // self.rules.step * self.rules.step)

    def run(self, seconds: int) -> Quoter:
        book = self.matching.books[self.symbol]
        self.market.start(0)
        for now_ms in range(0, seconds * 1000, LOOK_MS):
            self.market.step(now_ms)
            bid, ask = book.best("BUY"), book.best("SELL")
            assert bid is not None and ask is not None and bid < ask
            self.mids[now_ms] = (bid + ask) / 2
            self._hear(now_ms)
            for side in SIDES:
                self._quote(side, bid, ask, now_ms)
            self.matching.drain_public_trades()
        return self

    def _hear(self, now_ms: int) -> None:
        for report in self.matching.drain_reports():
            if isinstance(report, OrderReport) and report.trade is not None:
                assert report.trade.is_maker
                self.fills.append((now_ms, report.trade))
                if not report.order.is_open:
                    _, tick = self._mine.pop(report.order.side)
                    self._crowd(report.order.side, tick, -1)

    def _quote(self, side: str, bid: int, ask: int, now_ms: int) -> None:
        sign, mid = (1 if side == "BUY" else -1), (bid + ask) / 2
        wanted = (bid if side == "BUY" else ask) if self.away_bps == 0 else round(mid * (1 - sign * self.away_bps / 1e4))
        if side in self._mine:
            order_id, tick = self._mine[side]
            if abs(tick - wanted) / mid * 1e4 > self.tolerance_bps:
                self.matching.cancel(self.symbol, now_ms, order_id=order_id)
                del self._mine[side]
                self._crowd(side, tick, -1)
            return
        self._names += 1
        request = PlaceRequest(self.symbol, side, "LIMIT_MAKER", None, self._quantity, None, wanted * self.rules.tick, f"q{self._names}")
        self._crowd(side, wanted, 1)
        try:
            self._mine[side] = self.matching.place(request, now_ms).order.order_id, wanted
        except Reject as reject:
            assert reject.message == "Order would immediately match and take."
            self._crowd(side, wanted, -1)

    def _crowd(self, side: str, tick: int, sign: int) -> None:
        book = self.matching.books[self.symbol]
        lots = self.ahead_usd * sign * int(1 / self.rules.step) // int(usd_worth(self.rules.base))
        if lots and not book.crosses(side, tick):
            self.matching.set_background_lots(self.symbol, side, tick, max(0, book.background_at(side, tick) + lots))

    # -- what came of it -------------------------------------------------------------------------
    @property
    def first_fill_s(self) -> float:
        return self.fills[0][0] / 1000 if self.fills else float("inf")

    def mark_outs_bps(self) -> list[float]:
        """What each fill was worth 5 s later against mid: positive is good for the maker."""
        found = []
        for now_ms, trade in self.fills:
            later = self.mids.get(now_ms + MARK_OUT_MS)
            if later is not None:
                price = float(trade.price / self.rules.tick)
                found.append((later - price) / price * 1e4 * (1 if trade.is_buyer else -1))
        return found
