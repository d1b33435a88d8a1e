"""What every match and ending does to money, records and reports: one place where an order's numbers change.

Who calls it: crossing.py and matching.py, which stand on it. Pure. Never: a decision about who meets whom.
Source: binance-wire 2 (Commission), 7 (executionReport, then outboundAccountPosition).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from exchange.paper.archive import SymbolArchive
from exchange.paper.book import BUY, Book
from exchange.paper.ledger import Ledger, commission
from exchange.paper.model import ZERO, BalanceReport, OrderReport, PaperOrder, PaperTrade, PublicTrade, SymbolRules

Report = OrderReport | BalanceReport


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
        self._reports: list[Report] = []
        self._public: list[PublicTrade] = []

    def _need(self, order: PaperOrder, quantity: Decimal) -> tuple[str, Decimal]:
        rules = self.rules[order.symbol]
        return (rules.quote, order.price * quantity) if order.side == BUY else (rules.base, quantity)

    def _lock(self, order: PaperOrder) -> None:
        if order.type != "MARKET":
            self.ledger.lock(*self._need(order, order.quantity))

    def _unlock(self, order: PaperOrder, quantity: Decimal) -> None:
        if order.type != "MARKET" and quantity > 0:
            self.ledger.release(*self._need(order, quantity))

    def _book_trade(self, order: PaperOrder, trade_id: int, price: Decimal, quantity: Decimal, now_ms: int, is_maker: bool) -> PaperTrade:
        rules, notional = self.rules[order.symbol], price * quantity
        paid = (rules.quote, notional) if order.side == BUY else (rules.base, quantity)
        got = (rules.base, quantity) if order.side == BUY else (rules.quote, notional)
        fee = commission(got[1], self.maker_fee if is_maker else self.taker_fee)
        if order.type == "MARKET":
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
        self._unlock(order, order.remaining)
        order.status, order.updated_ms = status, now_ms
        self.archives[order.symbol].close(order)

    def _expire(self, order: PaperOrder, reason: str | None, now_ms: int, status: str = "EXPIRED", prevented: Decimal = ZERO) -> None:
        self._end(order, status, now_ms)
        order.prevented += prevented
        order.expiry_reason = reason
        self._report(order, "TRADE_PREVENTION" if prevented else "EXPIRED", now_ms, prevented=prevented)
        self._report_balances(order.symbol, now_ms)

    def _print(self, symbol: str, price: Decimal, quantity: Decimal, taker_side: str, now_ms: int) -> int:
        archive = self.archives[symbol]
        trade_id = archive.next_trade_id
        archive.next_trade_id += 1
        self._public.append(PublicTrade(symbol, trade_id, price, quantity, now_ms, taker_side != BUY))
        return trade_id

    def _report(
        self,
        order: PaperOrder,
        execution_type: str,
        now_ms: int,
        original: str = "",
        trade: PaperTrade | None = None,
        prevented: Decimal = ZERO,
        on_book: bool = False,
    ) -> int:
        archive = self.archives[order.symbol]
        execution_id = archive.next_execution_id
        archive.next_execution_id += 1
        self._reports.append(
            OrderReport(replace(order), execution_type, order.client_order_id, original, execution_id, now_ms, trade, prevented, on_book)
        )
        return execution_id

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
