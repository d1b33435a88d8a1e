"""Orders and pairs of orders on their way in: every test the venue makes, then the order, its lock and its reports.

Who calls it: matching.py's callers through `place`, `place_pair` and their `check` twins. Pure. A refusal leaves nothing behind.
Source: binance-wire 2 (Filters), 3 (order semantics), 8 (codes); `POST /api/v3/orderList/oco` for pairs.
Never: an order of which only a part was tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from exchange.paper import filters, triggers
from exchange.paper.activation import Activation
from exchange.paper.book import BUY
from exchange.paper.lists import ListRequest, OrderList
from exchange.paper.model import (
    ALGO_TYPES,
    DEFAULT_STP,
    MARKET_TYPES,
    STP_MODES,
    ZERO,
    PaperOrder,
    PlacedOrder,
    PlaceRequest,
    Reject,
)

DUPLICATE = "Duplicate order sent."
WOULD_MATCH = "Order would immediately match and take."
BAD_PRICES = "The relationship of the prices for the orders is not correct."


class Placing(Activation):
    # -- one order -------------------------------------------------------------------------------
    def check(self, request: PlaceRequest, now_ms: int) -> None:
        """Everything short of entering the book. Raises Reject."""
        self._check_form([request])
        self._check_entry(request)
        self.ledger.require(*self._cost(request))

    def place(self, request: PlaceRequest, now_ms: int) -> PlacedOrder:
        """Enter, match, rest, wait or expire. Raises Reject and leaves nothing behind then."""
        self.check(request, now_ms)
        archive = self.archives[request.symbol]
        first_match_id = archive.next_match_id
        order = self._new_order(request, now_ms)
        self.ledger.lock(self._lock_asset(order), self._need(order))
        self._report(order, "NEW", now_ms, on_book=not order.is_waiting)
        self._report_balances(order.symbol, now_ms)
        trades = [] if order.is_waiting else self._enter(order, now_ms)
        preventions = archive.preventions[first_match_id - archive.next_match_id :] if archive.next_match_id > first_match_id else ()
        placed = PlacedOrder(order.snapshot(), tuple(trades), tuple(preventions))
        self._hear_prints(order.symbol, now_ms)
        return placed

    # -- a pair ----------------------------------------------------------------------------------
    def check_pair(self, wanted: ListRequest, now_ms: int) -> None:
        """The same for both legs at once; what they lock is locked once. Raises Reject."""
        self._check_form(wanted.legs)
        if self.lists.is_taken(wanted.client_id) or wanted.stop.client_order_id == wanted.profit.client_order_id:
            raise Reject(-2010, DUPLICATE)
        symbol, rules = wanted.stop.symbol, self.rules[wanted.stop.symbol]
        if rules.max_order_lists and self.lists.count_open(symbol) >= rules.max_order_lists:
            raise filters.failure("MAX_NUM_ORDER_LISTS", -2010)
        self._check_prices(wanted)
        for leg in wanted.legs:
            self._check_entry(leg)
        (asset, first), (_, second) = self._cost(wanted.stop), self._cost(wanted.profit)
        self.ledger.require(asset, max(first, second))

    def place_pair(self, wanted: ListRequest, now_ms: int) -> tuple[OrderList, list[PaperOrder]]:
        """Both legs, the stop loss first: one waits, the other rests or waits too. Raises Reject and leaves nothing behind then."""
        self.check_pair(wanted, now_ms)
        orders = [self._new_order(leg, now_ms) for leg in wanted.legs]
        made = self.lists.add(wanted.client_id, wanted.stop.symbol, [(order.order_id, order.client_order_id) for order in orders], now_ms)
        for order in orders:
            order.list_id = made.list_id
        self.ledger.lock(self._lock_asset(orders[0]), self._held(orders[0]))
        for order in orders:
            self._report(order, "NEW", now_ms, on_book=not order.is_waiting)
        self._reports.append(made.report("EXEC_STARTED", now_ms))
        self._report_balances(made.symbol, now_ms)
        for order in orders:
            if not order.is_waiting:
                self._enter(order, now_ms)
        return made, [order.snapshot() for order in orders]

    def _check_prices(self, wanted: ListRequest) -> None:
        """The last price lies between the legs: a limit maker's price and a stop price, each on its side. Raises -2010."""
        last = self.last_price(wanted.stop.symbol)
        if last is None:
            return
        profit = wanted.profit.price if wanted.profit.type == "LIMIT_MAKER" else wanted.profit.stop_price
        low, high = (wanted.stop.stop_price, profit) if wanted.stop.side == "SELL" else (profit, wanted.stop.stop_price)
        if (low is not None and low >= last) or (high is not None and high <= last):
            raise Reject(-2010, BAD_PRICES)

    # -- parts -----------------------------------------------------------------------------------
    def _check_form(self, requests: Sequence[PlaceRequest]) -> None:
        """Filters, ids and counts of what is placed together."""
        symbol = requests[0].symbol
        rules, archive = self.rules[symbol], self.archives[symbol]
        if self.status[symbol] != "TRADING":
            raise Reject(-2010, "Market is closed.")
        for request in requests:
            if request.stp_mode is not None and request.stp_mode not in STP_MODES:
                raise Reject(-1013, "This symbol does not allow the specified self-trade prevention mode.")
            filters.check_request(rules, request, self.average(symbol))
            triggers.check_delta(rules, request)
        if any(archive.is_taken(request.client_order_id) for request in requests):
            raise Reject(-2010, DUPLICATE)
        resting = sum(1 for request in requests if request.type != "MARKET")
        if resting and len(archive.open_ids) + resting > rules.max_orders:
            raise filters.failure("MAX_NUM_ORDERS", -2010)
        if rules.max_position and requests[0].side == BUY and self._position_with(requests[0]) > rules.max_position:
            raise filters.failure("MAX_POSITION", -2010)
        algo = sum(1 for request in requests if request.type in ALGO_TYPES)
        if algo and rules.max_algo_orders and algo + sum(1 for each in archive.open_ids if archive.orders[each].is_algo) > rules.max_algo_orders:
            raise filters.failure("MAX_NUM_ALGO_ORDERS", -2010)

    def _position_with(self, request: PlaceRequest) -> Decimal:
        """The base asset we hold, and could hold when everything bought is filled, this order included."""
        archive = self.archives[request.symbol]
        bought = sum((archive.orders[each].remaining for each in archive.open_ids if archive.orders[each].side == BUY), ZERO)
        wanted = request.quantity if request.quantity is not None else self._quantity_for(request)
        return sum(self.ledger.of(self.rules[request.symbol].base)[1:], bought) + wanted

    def _check_entry(self, request: PlaceRequest) -> None:
        """Against the book and the last price."""
        if request.type == "LIMIT_MAKER" and self.books[request.symbol].crosses(request.side, self._tick(request.symbol, request.price or ZERO)):
            raise Reject(-2010, WOULD_MATCH)
        triggers.check_stop(request, self.last_price(request.symbol))

    def _new_order(self, request: PlaceRequest, now_ms: int) -> PaperOrder:
        archive, waits = self.archives[request.symbol], request.type in ALGO_TYPES
        reserves = waits and request.type in MARKET_TYPES and request.side == BUY
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
            working_ms=-1 if waits else now_ms,
            stp_mode=request.stp_mode or DEFAULT_STP,
            quote_quantity=request.quote_quantity or ZERO,
            stop_price=request.stop_price or ZERO,
            trailing_delta=request.trailing_delta or 0,
            reserve_price=self._reserve_price(request) if reserves else ZERO,
            strategy_id=request.strategy_id,
            strategy_type=request.strategy_type,
        )
        archive.next_order_id += 1
        archive.add(order)
        if waits:
            triggers.begin_tracking(order, self.last_price(order.symbol), now_ms)
            self.waiting[order.symbol][order.order_id] = None
        return order

