"""Somebody else on the same account: orders, fills, deposits, and cancels of our orders.

Who calls it: sim.world, when a fault says so. Never: an order that carries our tag.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from random import Random

from exchange.paper.matching import Matching
from exchange.paper.model import PaperOrder, PlaceRequest, Reject
from sim.market import LightMarket
from sim.oracle import STRANGER
from sim.scheduler import Scheduler

OWN_ORDERS_MAX = 4


class Stranger:
    """`foreign` is what its trades and movements did to the account, exactly."""

    def __init__(self, matching: Matching, market: LightMarket, scheduler: Scheduler, publish: Callable[[], None], rng: Random) -> None:
        self._matching, self._market, self._scheduler = matching, market, scheduler
        self._publish, self._rng = publish, rng
        self._number = 0
        self.is_gone = False  # once the bot has finished, nobody may move what it has proven
        self.moved: list[tuple[int, str, Decimal]] = []  # venue time in ms, asset, by how much

    def name(self) -> str:
        self._number += 1
        return f"{STRANGER}{self._number}"

    def mine(self) -> list[PaperOrder]:
        return [order for order in self._matching.open_orders() if order.client_order_id.startswith(STRANGER)]

    def order(self, fills: bool) -> bool:
        """Rest one order away from the market; `fills` lets the market take half of it a little later. False where there is no room."""
        if len(self.mine()) >= OWN_ORDERS_MAX:
            self.leave()
        symbol = self._rng.choice(list(self._matching.rules))
        side = self._rng.choice(("BUY", "SELL"))
        rules = self._matching.rules[symbol]
        bid, _, ask, _, _ = self._matching.touch(symbol)
        if bid is None or ask is None:
            return False
        away = rules.tick * self._rng.randint(3, 40)
        price = bid - away if side == "BUY" else ask + away
        quantity = (Decimal(40) / price) // rules.step * rules.step
        request = PlaceRequest(symbol, side, "LIMIT", "GTC", quantity, None, price, self.name())
        try:
            placed = self._matching.place(request, self._scheduler.now_ms)
        except Reject:
            return False
        self._publish()
        if fills:
            self._scheduler.after(self._rng.uniform(0, 800), partial(self._fill, placed.order))
        return True

    def _fill(self, order: PaperOrder) -> None:
        self.hit(order, Decimal("0.5"))

    def hit(self, order: PaperOrder, share: Decimal) -> None:
        """The market trades against this order, if it still rests."""
        if order.order_id in self._matching.archives[order.symbol].open_ids and not self.is_gone:
            self._market.hit(self._matching.order(order.symbol, order.order_id), share, self._scheduler.now_ms)
            self._publish()

    def leave(self) -> None:
        """Cancel the oldest order of its own."""
        for order in self.mine()[:1]:
            self._matching.cancel(order.symbol, self._scheduler.now_ms, order_id=order.order_id, cancel_id=self.name())
            self._publish()

    def cancel(self, order: PaperOrder) -> None:
        """Cancel an order of ours; it takes the stranger's name."""
        if order.order_id in self._matching.archives[order.symbol].open_ids:
            self._matching.cancel(order.symbol, self._scheduler.now_ms, order_id=order.order_id, cancel_id=self.name())
            self._publish()

    def cancel_one_of_ours(self) -> bool:
        ours = [order for order in self._matching.open_orders() if not order.client_order_id.startswith(STRANGER)]
        if ours:
            self.cancel(self._rng.choice(ours))
        return bool(ours)

    def move(self) -> Decimal | None:
        """A deposit or a small withdrawal; returns what was moved of USDT."""
        delta = Decimal(self._rng.choice((-20, 25, 100)))
        try:
            self._matching.deposit("USDT", delta, self._scheduler.now_ms)
        except Reject:
            return None
        self.note_moved("USDT", delta)
        return delta

    def note_moved(self, asset: str, delta: Decimal) -> None:
        self.moved.append((self._scheduler.now_ms, asset, delta))

    def moved_of(self, asset: str) -> Decimal:
        return sum((delta for _, name, delta in self.moved if name == asset), Decimal(0))

    def foreign(self, after_ms: Mapping[str, int] | None = None) -> dict[str, Decimal]:
        """Movements and what its own trades did, per asset; of each asset only what came after that venue time, if one is given."""
        total: dict[str, Decimal] = {}
        for at_ms, asset, delta in (*self.moved, *self._by_trades()):
            if after_ms is None or at_ms > after_ms[asset]:
                total[asset] = total.get(asset, Decimal(0)) + delta
        return total

    def _by_trades(self) -> Iterator[tuple[int, str, Decimal]]:
        for symbol, rules in self._matching.rules.items():
            for trade in self._matching.trades(symbol):
                order = self._matching.order(symbol, trade.order_id)
                if not (order.original_client_order_id or order.client_order_id).startswith(STRANGER):
                    continue
                sign = 1 if trade.is_buyer else -1
                yield trade.time_ms, rules.base, sign * trade.quantity
                yield trade.time_ms, rules.quote, -sign * trade.quote_quantity
                yield trade.time_ms, trade.commission_asset, -trade.commission
