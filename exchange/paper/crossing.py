"""Who meets whom: our takers against the book, background takers against our orders, and the background's own changes.

Who calls it: matching.py (requests) and the market drivers. Pure. Never: a crossed book, a fill without a queue place.
Source: binance-wire 3 (time in force, STP).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from exchange.paper.book import BACKGROUND, BUY, OPPOSITE, Book
from exchange.paper.model import DEFAULT_STP, ZERO, PaperOrder, PaperTrade, PlaceRequest, Prevention, Reject
from exchange.paper.settlement import Settlement

HALTED = ("HALT", "BREAK")
THIN_BOOK = "Order book liquidity is less than LOT_SIZE filter minimum quantity."


class Crossing(Settlement):
    # -- the market side -------------------------------------------------------------------------
    def set_background(self, symbol: str, side: str, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Absolute size without our orders. Size that would cross one of our resting orders is withheld until that order is gone."""
        self.set_background_lots(symbol, side, self._tick(symbol, price), int(quantity // self.rules[symbol].step))

    def set_background_lots(self, symbol: str, side: str, tick: int, lots: int) -> None:
        """The same in whole ticks and lots."""
        book = self.books[symbol]
        book.withheld.pop((side, tick), None)
        if lots:
            own = book.best_own(OPPOSITE[side])
            if own is not None and (tick >= own if side == BUY else tick <= own):
                book.set_background(side, tick, 0)
                book.withheld[side, tick] = lots
                return
            self._clear_crossed(book, side, tick)
        book.set_background(side, tick, lots)

    def _clear_crossed(self, book: Book, side: str, tick: int) -> None:
        """The other side's background that this level would cross is out of date."""
        while book.crosses(side, tick):
            best = book.best(OPPOSITE[side])
            assert best is not None
            assert not book.has_own(OPPOSITE[side], best), "size that would cross an order of ours is withheld"
            book.set_background(OPPOSITE[side], best, 0)

    def _restore_withheld(self, symbol: str) -> None:
        for (side, tick), lots in list(self.books[symbol].withheld.items()):
            self.set_background_lots(symbol, side, tick, lots)

    def aggress(self, symbol: str, side: str, quantity: Decimal, limit_price: Decimal | None, now_ms: int) -> Decimal:
        """A background taker: consumes queues front first, fills our orders on the way; returns the quantity done."""
        book, rules = self.books[symbol], self.rules[symbol]
        wanted = left = int(quantity // rules.step)
        limit = None if limit_price is None else self._tick(symbol, limit_price)
        maker_side = OPPOSITE[side]
        while left > 0:
            best = book.best(maker_side)
            if best is None or (limit is not None and (best > limit if side == BUY else best < limit)):
                break
            for owner, lots in book.consume(maker_side, best, left):
                left -= lots
                self._fill_maker(symbol, owner, best, lots, side, now_ms)
        return (wanted - left) * rules.step

    def replay_trade(self, symbol: str, side: str, tick: int, lots: int, now_ms: int, is_late: bool = False) -> None:
        """A recorded trade of a `side` taker, in whole ticks and lots: it prints at its own price and consumes that queue front first.

        Orders of ours at better prices stand in its way and are filled before; the background beside them is out of date, not taken.
        `is_late`: the recorded book already shows the level without what was traded. What that fall took from ahead of us is
        credited, so that nothing is counted twice, and the level keeps its recorded size.
        """
        if self.status[symbol] in HALTED:
            return
        book, now_ms = self.books[symbol], self._stamp(now_ms)
        maker_side, left = OPPOSITE[side], lots
        for own in book.own_ticks_before(maker_side, tick):
            for owner, part in book.consume(maker_side, own, left, own_only=True):
                left -= part
                self._fill_maker(symbol, owner, own, part, side, now_ms)
        if is_late and not book.has_own(maker_side, tick):
            self._print_background(symbol, tick, left, side, now_ms)
            return
        shown = book.background_at(maker_side, tick)
        parts = book.consume(maker_side, tick, self._not_yet_seen(book, maker_side, tick, left) if is_late else left)
        printed = 0
        for owner, part in parts:
            if owner == BACKGROUND:
                printed += part
                continue
            left -= part
            left -= self._print_background(symbol, tick, min(printed, left), side, now_ms)
            printed = 0
            self._fill_maker(symbol, owner, tick, part, side, now_ms)
        self._print_background(symbol, tick, left, side, now_ms)
        if is_late:
            self.set_background_lots(symbol, maker_side, tick, shown)

    @staticmethod
    def _not_yet_seen(book: Book, side: str, tick: int, lots: int) -> int:
        """What of a late trade the fall of its level has not yet taken from ahead of us."""
        fallen, fallen_ahead = book.fallen.get((side, tick), (0, 0))
        if not fallen:
            return lots
        known = min(lots, fallen)
        credited = known * fallen_ahead // fallen
        book.fallen[side, tick] = fallen - known, fallen_ahead - credited
        return lots - credited

    def _print_background(self, symbol: str, tick: int, lots: int, taker_side: str, now_ms: int) -> int:
        if lots > 0:
            self._fill_maker(symbol, BACKGROUND, tick, lots, taker_side, now_ms)
        return lots

    def _fill_maker(self, symbol: str, owner: int, tick: int, lots: int, taker_side: str, now_ms: int) -> None:
        rules = self.rules[symbol]
        price, quantity = tick * rules.tick, lots * rules.step
        trade_id = self._print(symbol, price, quantity, taker_side, now_ms)
        if owner == BACKGROUND:
            return
        order = self.archives[symbol].orders[owner]
        self._expire_other_leg(order, now_ms)
        trade = self._book_trade(order, trade_id, price, quantity, now_ms, is_maker=True)
        if not order.is_open:
            self.archives[symbol].close(order)
            self._restore_withheld(symbol)
        self._report(order, "TRADE", now_ms, trade=trade)
        self._report_balances(symbol, now_ms)

    # -- taking ----------------------------------------------------------------------------------
    def _take(self, order: PaperOrder, now_ms: int) -> list[PaperTrade]:
        book = self.books[order.symbol]
        trades: list[PaperTrade] = []
        maker_side = OPPOSITE[order.side]
        limit = self._tick(order.symbol, order.price) if not order.is_market else None
        while order.is_open and order.remaining > 0:
            best = book.best(maker_side)
            if best is None or (limit is not None and (best > limit if order.side == BUY else best < limit)):
                break
            front = book.front(maker_side, best)
            assert front is not None
            if front.order_id != BACKGROUND and order.stp_mode != "NONE":
                self._prevent(order, self.archives[order.symbol].orders[front.order_id], now_ms)
                continue
            lots = min(front.lots, self._lots(order.symbol, order.remaining))
            for owner, part in book.consume(maker_side, best, lots):
                trades.append(self._trade_both(order, owner, best, part, now_ms))
        return trades

    def _trade_both(self, order: PaperOrder, owner: int, tick: int, lots: int, now_ms: int) -> PaperTrade:
        rules = self.rules[order.symbol]
        price, quantity = tick * rules.tick, lots * rules.step
        trade_id = self._print(order.symbol, price, quantity, order.side, now_ms)
        trade = self._book_trade(order, trade_id, price, quantity, now_ms, is_maker=False)
        self._report(order, "TRADE", now_ms, trade=trade)
        if owner != BACKGROUND:
            maker = self.archives[order.symbol].orders[owner]
            self._expire_other_leg(maker, now_ms)
            made = self._book_trade(maker, trade_id, price, quantity, now_ms, is_maker=True)
            if not maker.is_open:
                self.archives[order.symbol].close(maker)
                self._restore_withheld(order.symbol)
            self._report(maker, "TRADE", now_ms, trade=made)
        self._report_balances(order.symbol, now_ms)
        return trade

    def _prevent(self, taker: PaperOrder, maker: PaperOrder, now_ms: int) -> None:
        """Self-trade prevention by the taker's mode (binance-wire 3, STP)."""
        mode, overlap = taker.stp_mode, min(taker.remaining, maker.remaining)
        taker_lost = {"EXPIRE_MAKER": ZERO, "DECREMENT": overlap}.get(mode, taker.remaining)
        maker_lost = {"EXPIRE_TAKER": ZERO, "DECREMENT": overlap}.get(mode, maker.remaining)
        prevention = self.archives[taker.symbol].note_prevention(
            taker, maker, quantity=overlap, taker_lost=taker_lost, maker_lost=maker_lost, time_ms=now_ms
        )
        if maker_lost == maker.remaining:
            self._leave_book(maker)
            self._expire(maker, None, now_ms, "EXPIRED_IN_MATCH", prevention)
            self._expire_other_leg(maker, now_ms)
        elif maker_lost:
            self._expire_other_leg(maker, now_ms)  # as a trade of that part would have done
            self._decrement(maker, prevention, now_ms)
            self.books[maker.symbol].shrink(maker.order_id, self._lots(maker.symbol, maker.remaining))
        if taker_lost == taker.remaining:
            self._expire(taker, None, now_ms, "EXPIRED_IN_MATCH", prevention)
        elif taker_lost:
            self._decrement(taker, prevention, now_ms)

    def _decrement(self, order: PaperOrder, prevention: Prevention, now_ms: int) -> None:
        """An order loses a part of what it could still trade, and goes on."""
        needed = self._need(order)
        self._note_prevented(order, prevention)
        self.ledger.release(self._lock_asset(order), needed - self._need(order))
        order.updated_ms = now_ms
        self._report(order, "TRADE_PREVENTION", now_ms, prevention=prevention, on_book=True)
        self._report_balances(order.symbol, now_ms)

    def _settle_rest(self, order: PaperOrder, now_ms: int) -> None:
        """What was not filled rests, or expires with its reason."""
        archive = self.archives[order.symbol]
        if not order.is_open:
            archive.close(order)
        elif order.is_market:
            self._expire(order, "INSUFFICIENT_LIQUIDITY", now_ms)
        elif order.time_in_force == "IOC":
            self._expire(order, "UNFILLED_IOC_QUANTITY_EXPIRED", now_ms)
        else:
            self.books[order.symbol].join(
                order.side, self._tick(order.symbol, order.price), self._lots(order.symbol, order.remaining), order.order_id
            )

    def _reachable(self, symbol: str, side: str, stp_mode: str) -> Iterator[tuple[int, int]]:
        """(tick, lots) a taker of `side` can trade with, best first: past our own orders or up to the first of them, as its mode says."""
        for tick, background, own in self.books[symbol].levels_apart(OPPOSITE[side]):
            if stp_mode in ("NONE", "DECREMENT"):  # what is decremented counts as traded: never too little is asked for
                yield tick, background + own
            elif own and stp_mode != "EXPIRE_MAKER":
                return
            elif background:
                yield tick, background

    def _fillable(self, order: PaperOrder) -> Decimal:
        found = 0
        limit = self._tick(order.symbol, order.price)
        for tick, lots in self._reachable(order.symbol, order.side, order.stp_mode):
            if tick > limit if order.side == BUY else tick < limit:
                break
            found += lots
        return found * self.rules[order.symbol].step

    def _leave_book(self, order: PaperOrder) -> None:
        """Off the book, or off the list of those that wait for the last price."""
        if order.is_waiting:
            del self.waiting[order.symbol][order.order_id]
            return
        self.books[order.symbol].leave(order.order_id)
        self._restore_withheld(order.symbol)

    def _expire_other_leg(self, order: PaperOrder, now_ms: int) -> None:
        """One leg of a pair trades, starts to work or ends: the other one ends."""
        other = self._other_leg(order)
        if other is not None:
            self._leave_book(other)
            self._expire(other, "OCO_TRIGGER", now_ms)

    # -- what it would cost
    def _cost(self, request: PlaceRequest) -> tuple[str, Decimal]:
        """(asset, amount) that must be free."""
        rules = self.rules[request.symbol]
        if request.side != BUY:
            return rules.base, request.quantity if request.quantity is not None else self._quantity_for(request)
        if request.quantity is None:
            return rules.quote, request.quote_quantity or ZERO
        if request.type == "MARKET":
            stp_mode = request.stp_mode or DEFAULT_STP
            return rules.quote, self._sweep_cost(request.symbol, request.side, request.quantity, stp_mode)
        return rules.quote, (request.price if request.price is not None else self._reserve_price(request)) * request.quantity

    def _reserve_price(self, request: PlaceRequest) -> Decimal:
        """What a waiting market order to buy locks per unit: its stop price, without one the last price (the docs say nothing)."""
        price = request.stop_price or self.last_price(request.symbol)
        if price is None:
            raise Reject(-2010, THIN_BOOK)
        return price

    def _sweep_cost(self, symbol: str, side: str, quantity: Decimal, stp_mode: str) -> Decimal:
        rules, cost = self.rules[symbol], ZERO
        left = self._lots(symbol, quantity)
        for tick, lots in self._reachable(symbol, side, stp_mode):
            part = min(left, lots)
            cost += part * rules.step * tick * rules.tick
            left -= part
            if not left:
                break
        return cost

    def average(self, symbol: str) -> Decimal | None:
        """Mid of the book, standing for the average price of the percent filters; None on an empty side."""
        bid, ask = self.books[symbol].best(BUY), self.books[symbol].best("SELL")
        return None if bid is None or ask is None else (bid + ask) * self.rules[symbol].tick / 2

    def last_price(self, symbol: str) -> Decimal | None:
        """Of the newest trade; before the first one the mid of the book stands for it."""
        return self.archives[symbol].last_price or self.average(symbol)

    def _quantity_for(self, request: PlaceRequest) -> Decimal:
        """The base quantity a quote amount buys or sells from the book as it stands; a book too thin for all of it gives what it has."""
        rules, left, quantity = self.rules[request.symbol], request.quote_quantity or ZERO, ZERO
        for tick, lots in self._reachable(request.symbol, request.side, request.stp_mode or DEFAULT_STP):
            price = tick * rules.tick
            part = min(lots, int(left / price // rules.step))
            quantity += part * rules.step
            left -= part * rules.step * price
            if part < lots:
                break
        if quantity <= 0:
            raise Reject(-2010, THIN_BOOK)
        return quantity
