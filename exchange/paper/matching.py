"""The matching engine: price-time priority, real queue places, exact balances, reports in the venue's order.

Who calls it: desk.py (requests), the market drivers (background), and the simulator. Pure: time is an argument, ids are counters.
Never: a clock, randomness, I/O, a crossed book.
Source: binance-wire 2 (order responses), 3 (order semantics), 7 (reports).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from exchange.paper import filters
from exchange.paper.archive import SymbolArchive
from exchange.paper.book import BUY
from exchange.paper.lists import ListArchive, OrderList
from exchange.paper.model import ZERO, AmendedOrder, BalanceReport, PaperOrder, PaperTrade, PublicTrade, Reject, Report, SymbolRules
from exchange.paper.placing import DUPLICATE, Placing

UNKNOWN_ORDER = "Unknown order sent."
RESTRICTIONS = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}


class Matching(Placing):
    # -- requests --------------------------------------------------------------------------------
    def cancel(
        self,
        symbol: str,
        now_ms: int,
        order_id: int | None = None,
        client_order_id: str | None = None,
        cancel_id: str | None = None,
        restrictions: str | None = None,
    ) -> PaperOrder:
        """End an open order and rename it to `cancel_id`; a leg of a pair takes the other one along. Raises -2011."""
        order = self.archives[symbol].find(order_id, client_order_id, -2011, UNKNOWN_ORDER)
        if not order.is_open:
            raise Reject(-2011, UNKNOWN_ORDER)
        if order.status != RESTRICTIONS.get(restrictions or "", order.status):
            raise Reject(-2011, "Order was not canceled due to cancel restrictions.")
        self._cancel_legs(order, cancel_id, now_ms)
        return order.snapshot()

    def cancel_list(
        self, symbol: str, now_ms: int, list_id: int | None = None, client_id: str | None = None, cancel_id: str | None = None
    ) -> OrderList:
        """End what is open of a list. Raises -2011."""
        found = self.lists.find(list_id, client_id, Reject(-2011, UNKNOWN_ORDER))
        if not found.is_open or found.symbol != symbol:
            raise Reject(-2011, UNKNOWN_ORDER)
        orders = [self.archives[symbol].orders[order_id] for order_id in found.order_ids]
        self._cancel_legs(next(order for order in orders if order.is_open), cancel_id, now_ms)
        return found

    def _cancel_legs(self, order: PaperOrder, cancel_id: str | None, now_ms: int) -> None:
        other = self._other_leg(order)
        both = sorted([order, *([] if other is None else [other])], key=lambda leg: leg.order_id)  # as placed: the stop loss first
        for leg in both:
            previous = leg.client_order_id
            self._leave_book(leg)
            self._end(leg, "CANCELED", now_ms)
            leg.original_client_order_id = previous
            self.archives[leg.symbol].rename(leg, cancel_id or f"auto-{leg.order_id}-{now_ms}")
            self._report(leg, "CANCELED", now_ms, original=previous)
        self._report_balances(order.symbol, now_ms)

    def cancel_all(self, symbol: str, now_ms: int) -> list[PaperOrder]:
        """Every open order of the symbol, whoever placed it; of a pair one stands for both. Raises -2011 where there is none."""
        archive = self.archives[symbol]
        ids = list(archive.open_ids)
        if not ids:
            raise Reject(-2011, UNKNOWN_ORDER)
        return [self.cancel(symbol, now_ms, order_id=order_id) for order_id in ids if order_id in archive.open_ids]

    def amend(
        self,
        symbol: str,
        now_ms: int,
        new_quantity: Decimal,
        order_id: int | None = None,
        client_order_id: str | None = None,
        new_client_order_id: str | None = None,
    ) -> AmendedOrder:
        """Reduce the total quantity; price and queue place stay. Raises -2038, -1013 or -1111 and leaves the order as it was (binance-wire 3).

        The other leg of a pair shrinks with it and keeps its name. An order with nothing left to execute ends EXPIRED, its quantity what was
        executed (the docs name no status; this is our choice).
        """
        archive = self.archives[symbol]
        order = archive.find(order_id, client_order_id, -2038, UNKNOWN_ORDER)
        self._check_amend(order, new_quantity)
        if new_client_order_id not in (None, order.client_order_id) and archive.is_taken(new_client_order_id or ""):
            raise Reject(-2038, DUPLICATE)
        previous, other, held = order.client_order_id, self._other_leg(order), self._held(order)
        for leg in (order, other):
            if leg is not None:
                leg.quantity = max(new_quantity, leg.executed + leg.prevented)
                leg.updated_ms = now_ms
        self.ledger.release(self._lock_asset(order), held - self._held(order))
        order.amend_count += 1
        archive.rename(order, new_client_order_id or f"amend-{order.order_id}-{order.amend_count}")
        if order.remaining > 0:
            self._shrink_on_book(order)
        else:
            self._leave_book(order)
            self._end(order, "EXPIRED", now_ms)
        execution_id = self._report(
            order, "REPLACED" if order.is_open else "EXPIRED", now_ms, original=previous, on_book=order.is_open and not order.is_waiting
        )
        if other is not None:
            self._shrink_on_book(other)
            self._report(other, "REPLACED", now_ms, original=other.client_order_id, on_book=not other.is_waiting)
        if order.list_id >= 0 and order.client_order_id != previous:
            self._rename_in_list(order, now_ms)
        self._report_balances(symbol, now_ms)
        return AmendedOrder(order.snapshot(), execution_id, previous)

    def _check_amend(self, order: PaperOrder, new_quantity: Decimal) -> None:
        rules = self.rules[order.symbol]
        if not order.is_open:
            raise Reject(-2038, UNKNOWN_ORDER)
        if new_quantity > order.quantity:
            raise Reject(-2038, "Order amend (quantity increase) is not supported.")
        if new_quantity == order.quantity:
            raise Reject(-2038, "The requested action would change no state; rejecting.")
        if order.amend_count >= rules.max_amends:
            raise Reject(-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
        filters.check_precision(new_quantity, "newQty")
        filters.check_quantity(rules, new_quantity)
        for leg in (order, self._other_leg(order)):
            if leg is not None and not leg.is_market:
                filters.check_notional(rules, leg.price * new_quantity)

    def _shrink_on_book(self, order: PaperOrder) -> None:
        if not order.is_waiting:
            self.books[order.symbol].shrink(order.order_id, self._lots(order.symbol, order.remaining))

    def _rename_in_list(self, order: PaperOrder, now_ms: int) -> None:
        renamed = self.lists.lists[order.list_id]
        renamed.rename(order.order_id, order.client_order_id)
        if renamed.is_open:
            renamed.updated_ms = now_ms
            self._reports.append(renamed.report("UPDATED", now_ms))

    # -- questions -------------------------------------------------------------------------------
    def order(self, symbol: str, order_id: int | None = None, client_order_id: str | None = None) -> PaperOrder:
        return self.archives[symbol].find(order_id, client_order_id).snapshot()

    def open_orders(self, symbol: str | None = None) -> list[PaperOrder]:
        names = [symbol] if symbol is not None else list(self.archives)
        return [self.archives[name].orders[order_id].snapshot() for name in names for order_id in self.archives[name].open_ids]

    def all_orders(self, symbol: str) -> list[PaperOrder]:
        return [order.snapshot() for order in self.archives[symbol].orders.values()]

    def trades(self, symbol: str) -> list[PaperTrade]:
        return list(self.archives[symbol].trades)

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """asset -> (free, locked)."""
        return self.ledger.both()

    def size_ahead(self, symbol: str, order_id: int) -> Decimal:
        return self.books[symbol].lots_ahead(order_id) * self.rules[symbol].step

    def depth(self, symbol: str, limit: int) -> tuple[int, list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """(last update id, bids, asks), best first."""
        book, rules = self.books[symbol], self.rules[symbol]
        rows: list[list[tuple[Decimal, Decimal]]] = []
        for side in (BUY, "SELL"):
            levels: list[tuple[Decimal, Decimal]] = []
            for tick, lots in book.levels(side):
                if len(levels) >= limit:
                    break
                levels.append((tick * rules.tick, lots * rules.step))
            rows.append(levels)
        return book.update_id, rows[0], rows[1]

    def touch(self, symbol: str) -> tuple[Decimal | None, Decimal, Decimal | None, Decimal, int]:
        """(bid price, bid quantity, ask price, ask quantity, update id); None on an empty side."""
        book, rules = self.books[symbol], self.rules[symbol]
        bid, ask = book.best(BUY), book.best("SELL")
        return (
            None if bid is None else bid * rules.tick,
            ZERO if bid is None else book.lots_at(BUY, bid) * rules.step,
            None if ask is None else ask * rules.tick,
            ZERO if ask is None else book.lots_at("SELL", ask) * rules.step,
            book.update_id,
        )

    def drain_reports(self) -> list[Report]:
        reports, self._reports = self._reports, []
        return reports

    def drain_public_trades(self) -> list[PublicTrade]:
        public, self._public = self._public, []
        return public

    def drain_levels(self, symbol: str) -> tuple[int, int, list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]] | None:
        drained = self.books[symbol].drain()
        if drained is None:
            return None
        rules = self.rules[symbol]
        first, last, bids, asks = drained

        def scaled(rows: list[tuple[int, int]]) -> list[tuple[Decimal, Decimal]]:
            return [(tick * rules.tick, lots * rules.step) for tick, lots in rows]

        return first, last, scaled(bids), scaled(asks)

    # -- from outside ----------------------------------------------------------------------------
    def deposit(self, asset: str, delta: Decimal, now_ms: int) -> None:
        """A foreign movement: positive in, negative out."""
        if delta >= 0:
            self.ledger.receive(asset, delta)
        else:
            self.ledger.require(asset, -delta)
            self.ledger.pay_free(asset, -delta)
        self._reports.append(BalanceReport(now_ms, (self.ledger.of(asset),)))

    def dump(self) -> dict[str, object]:
        """Account, orders, trades and counters as plain JSON; decimals as text. The background is the market's, not ours."""
        balances = {asset: [str(free), str(locked)] for asset, (free, locked) in self.balances().items()}
        symbols = {symbol: archive.dump() for symbol, archive in self.archives.items()}
        return {"balances": balances, "symbols": symbols, "lists": self.lists.dump()}

    @classmethod
    def load(cls, data: Mapping[str, object], rules: Iterable[SymbolRules], maker_fee: Decimal, taker_fee: Decimal) -> Matching:
        """Continue from `dump`: open orders rest again at the back of the queue at their price, or wait again for theirs."""
        balances, symbols = data["balances"], data["symbols"]
        assert isinstance(balances, dict) and isinstance(symbols, dict)
        matching = cls(rules, {}, maker_fee, taker_fee)
        for asset, (free, locked) in balances.items():
            matching.ledger.free[asset], matching.ledger.locked[asset] = Decimal(free), Decimal(locked)
        lists = data.get("lists")
        if isinstance(lists, dict):
            matching.lists = ListArchive.load(lists)
        for symbol, dumped in symbols.items():
            matching.archives[symbol] = archive = SymbolArchive.load(dumped)
            for order_id in archive.open_ids:
                order = archive.orders[order_id]
                if order.is_waiting:
                    matching.waiting[symbol][order_id] = None
                    continue
                tick, lots = matching._tick(symbol, order.price), matching._lots(symbol, order.remaining)
                matching.books[symbol].join(order.side, tick, lots, order_id)
        return matching
