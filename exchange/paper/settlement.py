"""What every match and ending does to money, records and reports: one place where an order's numbers change.

Who calls it: crossing.py and matching.py, which stand on it. Pure. Never: a decision about who meets whom.
Source: binance-wire 2 (Commission), 7 (executionReport, then outboundAccountPosition).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal

from exchange.paper.archive import SymbolArchive
from exchange.paper.book import BUY, Book
from exchange.paper.ledger import Ledger, commission
from exchange.paper.lists import ListArchive
from exchange.paper.model import ZERO, BalanceReport, OrderReport, PaperOrder, PaperTrade, Prevention, PublicTrade, Report, SymbolRules


class Settlement:
    """Holds the rules, the ledger, the archives and the reports not yet drained."""

    def __init__(self, rules: Iterable[SymbolRules], balances: Mapping[str, Decimal], maker_fee: Decimal, taker_fee: Decimal) -> None:
        self.rules = {rule.symbol: rule for rule in rules}
        self.status = {symbol: rule.status for symbol, rule in self.rules.items()}
        self.maker_fee, self.taker_fee = maker_fee, taker_fee
        assets = {asset: ZERO for rule in self.rules.values() for asset in (rule.base, rule.quote)}
        self.ledger = Ledger({**assets, **balances})
        self.books: dict[str, Book] = {}
        self.archives: dict[str, SymbolArchive] = {}
        for index, symbol in enumerate(self.rules):
            # Overlapping number ranges on purpose: ids are unique only per symbol.
            self.books[symbol] = Book(1000 + 7 * index)
            self.archives[symbol] = SymbolArchive(101 + 3 * index, 501 + 3 * index, 1001 + 3 * index)
        self.lists = ListArchive()
        self.waiting: dict[str, dict[int, None]] = {symbol: {} for symbol in self.rules}  # orders that no print has triggered yet
        self._heard: dict[str, deque[Decimal]] = {symbol: deque() for symbol in self.rules}  # prints they have not been told of
        self._reports: list[Report] = []
        self._public: list[PublicTrade] = []

    # -- locks -----------------------------------------------------------------------------------
    def _need(self, order: PaperOrder) -> Decimal:
        """What an open order locks of `_lock_asset`; an order at the market's price locks only while it waits."""
        if order.is_market and not order.is_waiting:
            return ZERO
        return order.remaining * (order.reserve_price if order.is_market else order.price) if order.side == BUY else order.remaining

    def _held(self, order: PaperOrder) -> Decimal:
        """The lock an open order stands under: its own, or the greater one of the pair it belongs to."""
        other = self._other_leg(order)
        return self._need(order) if other is None else max(self._need(order), self._need(other))

    def _lock_asset(self, order: PaperOrder) -> str:
        rules = self.rules[order.symbol]
        return rules.quote if order.side == BUY else rules.base

    def _other_leg(self, order: PaperOrder) -> PaperOrder | None:
        """The other order of its list while that one is open: the two share one lock."""
        if order.list_id < 0:
            return None
        other = self.archives[order.symbol].orders.get(self.lists.lists[order.list_id].other(order.order_id))
        return other if other is not None and other.is_open else None

    def _book_trade(self, order: PaperOrder, trade_id: int, price: Decimal, quantity: Decimal, now_ms: int, is_maker: bool) -> PaperTrade:
        rules, notional = self.rules[order.symbol], price * quantity
        paid = (rules.quote, notional) if order.side == BUY else (rules.base, quantity)
        got = (rules.base, quantity) if order.side == BUY else (rules.quote, notional)
        fee = commission(got[1], self.maker_fee if is_maker else self.taker_fee)
        if order.is_market:
            self.ledger.pay_free(*paid)
        else:
            self.ledger.pay_locked(*paid)
            if order.side == BUY and price < order.price:
                self.ledger.release(rules.quote, (order.price - price) * quantity)
        self.ledger.receive(got[0], got[1] - fee)
        order.executed += quantity
        order.cumulative_quote += notional
        order.updated_ms = now_ms
        order.status = "PARTIALLY_FILLED" if order.remaining > 0 else "FILLED"
        trade = PaperTrade(order.symbol, trade_id, order.order_id, price, quantity, notional, fee, got[0], now_ms, order.side == BUY, is_maker)
        self.archives[order.symbol].note_trade(trade)
        return trade

    # -- endings and reports ---------------------------------------------------------------------
    def _end(self, order: PaperOrder, status: str, now_ms: int) -> None:
        other = self._other_leg(order)
        self.ledger.release(self._lock_asset(order), self._held(order) - (ZERO if other is None else self._need(other)))
        order.status, order.updated_ms = status, now_ms
        self.archives[order.symbol].close(order)

    def _expire(self, order: PaperOrder, reason: str | None, now_ms: int, status: str = "EXPIRED", prevention: Prevention | None = None) -> None:
        self._end(order, status, now_ms)
        self._note_prevented(order, prevention)
        order.expiry_reason = reason
        self._report(order, "TRADE_PREVENTION" if prevention else "EXPIRED", now_ms, prevention=prevention)
        self._report_balances(order.symbol, now_ms)

    @staticmethod
    def _note_prevented(order: PaperOrder, prevention: Prevention | None) -> None:
        if prevention is not None:
            order.prevented += prevention.lost(order.order_id)
            order.prevented_match_id = prevention.match_id

    def _print(self, symbol: str, price: Decimal, quantity: Decimal, taker_side: str, now_ms: int) -> int:
        archive = self.archives[symbol]
        trade_id = archive.next_trade_id
        archive.next_trade_id += 1
        archive.last_price = price
        if self.waiting[symbol]:
            self._heard[symbol].append(price)
        self._public.append(PublicTrade(symbol, trade_id, price, quantity, now_ms, taker_side != BUY))
        return trade_id

    def _report(
        self,
        order: PaperOrder,
        execution_type: str,
        now_ms: int,
        original: str = "",
        trade: PaperTrade | None = None,
        prevention: Prevention | None = None,
        on_book: bool = False,
    ) -> int:
        archive = self.archives[order.symbol]
        execution_id = archive.next_execution_id
        archive.next_execution_id += 1
        self._reports.append(
            OrderReport(order.snapshot(), execution_type, order.client_order_id, original, execution_id, now_ms, trade, prevention, on_book)
        )
        self._note_list_end(order, now_ms)
        return execution_id

    def _note_list_end(self, order: PaperOrder, now_ms: int) -> None:
        """The report that ended the last open order of a list is followed by the list's own."""
        if order.list_id < 0 or order.is_open or self._other_leg(order) is not None:
            return
        done = self.lists.lists[order.list_id]
        self.lists.close(done, now_ms)
        self._reports.append(done.report("ALL_DONE", now_ms))

    def _report_balances(self, symbol: str, now_ms: int) -> None:
        rules = self.rules[symbol]
        self._reports.append(BalanceReport(now_ms, (self.ledger.of(rules.base), self.ledger.of(rules.quote))))

    def _stamp(self, now_ms: int) -> int:
        """The time of what a market driver does; a server whose market has a timeline of its own overrides it."""
        return now_ms

    def _tick(self, symbol: str, price: Decimal) -> int:
        return int(price / self.rules[symbol].tick)

    def _lots(self, symbol: str, quantity: Decimal) -> int:
        return int(quantity / self.rules[symbol].step)
