"""The matching engine: price-time priority, real queue places, exact balances, reports in the venue's order.

Who calls it: desk.py (requests), the market drivers (background), and the simulator. Pure: time is an argument, ids are counters.
Never: a clock, randomness, I/O, a crossed book.
Source: binance-wire 2 (order responses), 3 (order semantics), 7 (reports).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from exchange.paper import filters
from exchange.paper.archive import SymbolArchive
from exchange.paper.book import BUY
from exchange.paper.crossing import Crossing
from exchange.paper.model import (
    DEFAULT_STP,
    STP_MODES,
    ZERO,
    AmendedOrder,
    BalanceReport,
    PaperOrder,
    PaperTrade,
    PlacedOrder,
    PlaceRequest,
    PublicTrade,
    Reject,
    SymbolRules,
)
from exchange.paper.settlement import Report

UNKNOWN_ORDER = "Unknown order sent."
WOULD_MATCH = "Order would immediately match and take."


class Matching(Crossing):
    # -- requests --------------------------------------------------------------------------------
    def check(self, request: PlaceRequest, now_ms: int) -> None:
        """Everything short of entering the book. Raises Reject."""
        rules = self.rules[request.symbol]
        if self.status[request.symbol] != "TRADING":
            raise Reject(-2010, "Market is closed.")
        if request.stp_mode is not None and request.stp_mode not in STP_MODES:
            raise Reject(-1013, "This symbol does not allow the specified self-trade prevention mode.")
        filters.check_request(rules, request, self.average(request.symbol))
        archive = self.archives[request.symbol]
        if archive.is_taken(request.client_order_id):
            raise Reject(-2010, "Duplicate order sent.")
        if len(archive.open_ids) >= rules.max_orders and request.type != "MARKET":
            raise filters.failure("MAX_NUM_ORDERS", -2010)
        if request.type == "LIMIT_MAKER" and self.books[request.symbol].crosses(request.side, self._tick(request.symbol, request.price or ZERO)):
            raise Reject(-2010, WOULD_MATCH)
        self.ledger.require(*self._cost(request))

    def place(self, request: PlaceRequest, now_ms: int) -> PlacedOrder:
        """Enter, match, rest or expire. Raises Reject and leaves nothing behind then."""
        self.check(request, now_ms)
        archive = self.archives[request.symbol]
        order = PaperOrder(
            symbol=request.symbol,
            order_id=archive.next_order_id,
            client_order_id=request.client_order_id,
            side=request.side,
            type=request.type,
            time_in_force=request.time_in_force or "GTC",
            price=request.price or ZERO,
            quantity=request.quantity if request.quantity is not None else self._quantity_for(request),
            created_ms=now_ms,
            updated_ms=now_ms,
            working_ms=now_ms,
            stp_mode=request.stp_mode or DEFAULT_STP,
            quote_quantity=request.quote_quantity or ZERO,
        )
        archive.next_order_id += 1
        archive.add(order)
        self._lock(order)
        self._report(order, "NEW", now_ms, on_book=True)
        self._report_balances(order.symbol, now_ms)
        if order.time_in_force == "FOK" and self._fillable(order) < order.remaining:
            self._expire(order, "UNFILLED_FOK_ORDER_EXPIRED", now_ms)
            return PlacedOrder(replace(order), ())
        trades = self._take(order, now_ms)
        self._settle_rest(order, now_ms)
        return PlacedOrder(replace(order), tuple(trades))

    def cancel(
        self,
        symbol: str,
        now_ms: int,
        order_id: int | None = None,
        client_order_id: str | None = None,
        cancel_id: str | None = None,
        restrictions: str | None = None,
    ) -> PaperOrder:
        """End an open order and rename it to `cancel_id`. Raises -2011."""
        order = self.archives[symbol].find(order_id, client_order_id, -2011, UNKNOWN_ORDER)
        if not order.is_open:
            raise Reject(-2011, UNKNOWN_ORDER)
        needed = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}.get(restrictions or "")
        if needed is not None and order.status != needed:
            raise Reject(-2011, "Order was not canceled due to cancel restrictions.")
        previous = order.client_order_id
        self._leave_book(order)
        self._end(order, "CANCELED", now_ms)
        order.original_client_order_id = previous
        self.archives[symbol].rename(order, cancel_id or f"auto-{order.order_id}-{now_ms}")
        self._report(order, "CANCELED", now_ms, original=previous)
        self._report_balances(symbol, now_ms)
        return replace(order)

    def cancel_all(self, symbol: str, now_ms: int) -> list[PaperOrder]:
        """Every open order of the symbol, whoever placed it. Raises -2011 where there is none."""
        ids = list(self.archives[symbol].open_ids)
        if not ids:
            raise Reject(-2011, UNKNOWN_ORDER)
        return [self.cancel(symbol, now_ms, order_id=order_id) for order_id in ids]

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

        An order with nothing left to execute ends EXPIRED, its quantity what was executed (the docs name no status; this is our choice).
        """
        rules, archive = self.rules[symbol], self.archives[symbol]
        order = archive.find(order_id, client_order_id, -2038, UNKNOWN_ORDER)
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
        filters.check_notional(rules, order.price * new_quantity)
        if new_client_order_id not in (None, order.client_order_id) and archive.is_taken(new_client_order_id or ""):
            raise Reject(-2038, "Duplicate order sent.")
        previous = order.client_order_id
        self._unlock(order, order.quantity - max(new_quantity, order.executed + order.prevented))
        order.quantity = max(new_quantity, order.executed + order.prevented)
        order.amend_count += 1
        order.updated_ms = now_ms
        archive.rename(order, new_client_order_id or f"amend-{order.order_id}-{order.amend_count}")
        if order.remaining > 0:
            self.books[symbol].shrink(order.order_id, self._lots(symbol, order.remaining))
        else:
            self._leave_book(order)
            self._end(order, "EXPIRED", now_ms)
        execution_id = self._report(order, "REPLACED" if order.is_open else "EXPIRED", now_ms, original=previous, on_book=order.is_open)
        self._report_balances(symbol, now_ms)
        return AmendedOrder(replace(order), execution_id, previous)

    # -- questions -------------------------------------------------------------------------------
    def order(self, symbol: str, order_id: int | None = None, client_order_id: str | None = None) -> PaperOrder:
        return replace(self.archives[symbol].find(order_id, client_order_id))

    def open_orders(self, symbol: str | None = None) -> list[PaperOrder]:
        names = [symbol] if symbol is not None else list(self.archives)
        return [replace(self.archives[name].orders[order_id]) for name in names for order_id in self.archives[name].open_ids]

    def all_orders(self, symbol: str) -> list[PaperOrder]:
        return [replace(order) for order in self.archives[symbol].orders.values()]

    def trades(self, symbol: str) -> list[PaperTrade]:
        return list(self.archives[symbol].trades)

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """asset -> (free, locked)."""
        return self.ledger.both()

    def average(self, symbol: str) -> Decimal | None:
        """Mid of the book, standing for the average price of the percent filters; None on an empty side."""
        bid, ask = self.books[symbol].best(BUY), self.books[symbol].best("SELL")
        return None if bid is None or ask is None else (bid + ask) * self.rules[symbol].tick / 2

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
        return {"balances": balances, "symbols": {symbol: archive.dump() for symbol, archive in self.archives.items()}}

    @classmethod
    def load(cls, data: Mapping[str, object], rules: Iterable[SymbolRules], maker_fee: Decimal, taker_fee: Decimal) -> Matching:
        """Continue from `dump`: open orders rest again at the back of the queue at their price."""
        balances, symbols = data["balances"], data["symbols"]
        assert isinstance(balances, dict) and isinstance(symbols, dict)
        matching = cls(rules, {}, maker_fee, taker_fee)
        for asset, (free, locked) in balances.items():
            matching.ledger.free[asset], matching.ledger.locked[asset] = Decimal(free), Decimal(locked)
        for symbol, dumped in symbols.items():
            matching.archives[symbol] = archive = SymbolArchive.load(dumped)
            for order_id in archive.open_ids:
                order = archive.orders[order_id]
                tick, lots = matching._tick(symbol, order.price), matching._lots(symbol, order.remaining)
                matching.books[symbol].join(order.side, tick, lots, order_id)
        return matching
