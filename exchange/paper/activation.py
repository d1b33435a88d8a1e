"""Waiting orders: told of every print, and sent into the book when one triggers them.

Who calls it: matching.py's requests and the market drivers, through `aggress` and `replay_trade`. Orders that wait are not on the book; their
funds are locked. Pure. Never: a trigger in the middle of another order's match - prints are heard when that match is over.
Source: binance-wire 3 and 7 (w, W, eR), Binance's trailing stop FAQ.
"""

from __future__ import annotations

from decimal import Decimal

from exchange.paper import triggers
from exchange.paper.book import BUY
from exchange.paper.crossing import Crossing
from exchange.paper.model import ZERO, PaperOrder, PaperTrade


class Activation(Crossing):
    def aggress(self, symbol: str, side: str, quantity: Decimal, limit_price: Decimal | None, now_ms: int) -> Decimal:
        """As in `Crossing`; then the orders that waited for such a price enter."""
        done = super().aggress(symbol, side, quantity, limit_price, now_ms)
        self._hear_prints(symbol, now_ms)
        return done

    def replay_trade(self, symbol: str, side: str, tick: int, lots: int, now_ms: int, is_late: bool = False) -> None:
        """As in `Crossing`; then the orders that waited for such a price enter."""
        super().replay_trade(symbol, side, tick, lots, now_ms, is_late)
        self._hear_prints(symbol, self._stamp(now_ms))

    def _hear_prints(self, symbol: str, now_ms: int) -> None:
        """Every print in its order to every waiting order in its order. What enters may print again; each entry ends one wait, so this ends."""
        heard, waiting, orders = self._heard[symbol], self.waiting[symbol], self.archives[symbol].orders
        while heard:
            price = heard.popleft()
            for order_id in list(waiting):
                if order_id in waiting and triggers.hears(orders[order_id], price, now_ms):
                    self._activate(orders[order_id], now_ms)

    def _activate(self, order: PaperOrder, now_ms: int) -> None:
        """Into the book: reported NEW once more, now with its working time. The other leg of its pair ends first.

        A market order to buy takes its funds anew at the price of the book; where they do not suffice it expires as REJECTED.
        """
        self._expire_other_leg(order, now_ms)
        self._leave_book(order)
        if order.is_market and not self._can_pay(order):
            self._expire(order, "REJECTED", now_ms)
            return
        if order.is_market:
            self.ledger.release(self._lock_asset(order), self._need(order))
        order.working_ms = order.updated_ms = now_ms
        self._report(order, "NEW", now_ms, on_book=True)
        self._report_balances(order.symbol, now_ms)
        self._enter(order, now_ms)

    def _can_pay(self, order: PaperOrder) -> bool:
        """Whether its own lock and what is free pay for the book as it stands."""
        if order.side != BUY:
            return True
        free = self.ledger.free.get(self._lock_asset(order), ZERO)
        return self._sweep_cost(order.symbol, order.side, order.remaining, order.stp_mode) <= free + self._need(order)

    def _enter(self, order: PaperOrder, now_ms: int) -> list[PaperTrade]:
        """Match, then rest or expire."""
        if order.time_in_force == "FOK" and self._fillable(order) < order.remaining:
            self._expire(order, "UNFILLED_FOK_ORDER_EXPIRED", now_ms)
            return []
        trades = self._take(order, now_ms)
        self._settle_rest(order, now_ms)
        return trades
