"""How lots are left, in one decision: an exit is begun for the first reason that holds, followed, overtaken, taken to the market, dropped.

Who calls it: trading.maker_first, on the trading thread, before any entry; it lives for one decision. When and how urgently is trading.exits.
Never: an exit of more than its lot and the dust of its side; an entry; a wait.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from core.light import Colour
from core.lots import Lot
from core.money import BPS, ZERO, floor_to, plain
from core.types import SIDES
from core.view import View
from trading import entry, exits, story
from trading.chase import EXIT, MS, TAKER_MS, Act, Chase, Move, Task
from trading.exits import ExitSettings, Why
from trading.quoting import fit_quantity
from trading.trader import Trader, key_of
from trading.wanted import Wanted

SHUT = "no order may leave"
REMEMBER_BEST = Decimal("0.25")  # a trailing stop's best price is written down again after moving by this part of the trail


@dataclass(slots=True)
class Leaving:
    """`interval_ms` stretches the configured one where the order budget is small."""

    view: View
    trader: Trader
    wanted: Wanted
    settings: ExitSettings
    interval_ms: Callable[[int], int]

    def advance(self, mid: Decimal | None) -> None:
        """Every committed lot, then the exits of lots that are closed."""
        for side in SIDES:
            for lot in list(self.trader.lots.open[side]):
                if lot.is_committed and mid is not None:
                    self._leave(lot, mid)
        self._drop()
        self.trader.beat("exits", self.view.now_ns)

    def _leave(self, lot: Lot, mid: Decimal) -> None:
        price = self.view.touch_price(self.trader.lots.symbol, lot.side)  # where it could be left at once
        if price is None:
            return
        self._watch(lot, price)
        key = key_of(lot.side, lot.number)
        chase = self.trader.exits.get(key)
        if self._is_shut(lot, chase):
            if chase is None:
                return
            chase.ending = chase.ending or SHUT
        if chase is None:
            why = self._why_leave(lot, price)
            if why is None:
                return
            chase = self._begin(lot, why, price, mid)
        elif not chase.ending and exits.overtakes(self._reason(lot, price), chase.task.reason):
            chase.ending = "overtaken"
        move = self._move(lot, chase)
        if move.act is not Act.OVER:
            self.wanted.carry_out(chase, move)
            return
        del self.trader.exits[key]
        self.trader.is_changed = True
        self._over(lot, chase, price, mid)

    def _is_shut(self, lot: Lot, chase: Chase | None) -> bool:
        """The side is red and the exit has no order at the venue: an outage or a halt is no time in which nobody took it."""
        is_red = self.view.light(self.trader.lots.symbol, lot.side.opposite).colour is Colour.RED
        return is_red and (chase is None or not (self.view.orders_of(chase.memo) or self.view.is_undecided(chase.memo)))

    def _over(self, lot: Lot, chase: Chase, price: Decimal, mid: Decimal) -> None:
        """No order of it is left. A maker exit that is late goes on at the market, unless it is a take-profit that no longer pays."""
        task, now_ns, most, rest = chase.task, self.view.now_ns, plain(self.settings.slippage_bps_max), "the rest" if chase.filled else "it"
        took_ns = now_ns - task.created_ns
        if chase.filled:
            self.wanted.say("FILL", chase, story.parted(chase.filled, task.is_taker, chase.reprices, took_ns, lot.quantity))
        elif task.is_taker and chase.ending != SHUT:
            self.wanted.say("TIMEOUT", chase, f"nothing could be taken within {most} bps in {story.seconds(took_ns)} · begins anew as a maker")
        late = chase.ending == "deadline" and not task.is_taker and bool(fit_quantity(chase.left, price, self.view.rules(task.symbol)))
        if late and not exits.may_take(Why(task.reason), lot, price):
            self.wanted.say("TIMEOUT", chase, f"no maker took {rest} in {story.seconds(took_ns)} · it no longer pays, and waits for the next chance")
        elif late:
            deadline_ns = now_ns + TAKER_MS * MS
            task = msgspec.structs.replace(task, quantity=chase.left, created_ns=now_ns, deadline_ns=deadline_ns, reference=mid, is_taker=True)
            text = f"no maker took {rest} in {story.seconds(took_ns)} · {plain(chase.left)} at the market, {most} bps at most"
            self.wanted.say("TIMEOUT", chase, text)
            self.trader.exits[key_of(lot.side, lot.number)] = chase = Chase.of(task)
            self.trader.tally.begin(task)
            self.wanted.carry_out(chase, self._move(lot, chase))

    def _watch(self, lot: Lot, price: Decimal) -> None:
        """Counted from what was written down: many small steps are a large one."""
        active = exits.watch(lot, price, self.settings)
        trail_bps, moved_bps = self.settings.trail_bps, abs(lot.best - lot.best_written) / lot.best * BPS
        is_new = lot.is_trailing and bool(trail_bps) and moved_bps > trail_bps * REMEMBER_BEST
        self.trader.is_changed = self.trader.is_changed or active or is_new

    def _why_leave(self, lot: Lot, price: Decimal) -> Why | None:
        """None too where no order could be made of it: then it goes to the dust, or waits while another exit has the dust that it needs."""
        lots, rules, least = self.trader.lots, self.view.rules(self.trader.lots.symbol), self._least(lot, price)
        if lots.sweep(lot, rules, least, self.view.now_ns) is not None:
            self.trader.is_changed = True
            return None
        return self._reason(lot, price) if fit_quantity(self._whole(lot), least, rules) else None

    def _least(self, lot: Lot, price: Decimal) -> Decimal:
        """The lower of the prices at which its exit may stand: at the market, or as a maker. The venue's least order counts there."""
        return min(price, entry.maker_price(self.view, self.trader.lots.symbol, lot.side.opposite, ZERO) or price)

    def _whole(self, lot: Lot) -> Decimal:
        """All that an exit of it may ask for now. The dust of its side leaves with one exit at a time."""
        rules = self.view.rules(self.trader.lots.symbol)
        most = self.trader.lots.leavable(lot, rules)
        return min(most, floor_to(lot.quantity, rules.step)) if self.trader.is_dust_taken(lot) else most

    def _reason(self, lot: Lot, price: Decimal) -> Why | None:
        is_runner = self.settings.runner and self.trader.lots.runner[lot.side] == lot.number
        return exits.why_leave(lot, price, self.settings, self.view.now_ns, is_runner, self.view.is_closing)

    def _begin(self, lot: Lot, why: Why, price: Decimal, mid: Decimal) -> Chase:
        rules, settings, least, whole = self.view.rules(self.trader.lots.symbol), self.settings, self._least(lot, price), self._whole(lot)
        part = floor_to(min(lot.quantity, lot.entered * settings.share), rules.step) if why is Why.TAKE_PROFIT else whole
        rest = fit_quantity(whole - part, least, rules)
        task = Task(
            task=EXIT,
            symbol=rules.symbol,
            side=lot.side,
            number=lot.number,
            quantity=part if rest and fit_quantity(part, least, rules) else whole,
            created_ns=self.view.now_ns,
            deadline_ns=self.view.now_ns + exits.deadline_ms(why, settings) * MS,
            reason=why.value,
            reference=mid,
        )
        self.trader.is_changed = True
        self.trader.tally.begin(task)
        chase = self.trader.exits[key_of(lot.side, lot.number)] = Chase.of(task)
        slow = story.stretched(self.interval_ms(settings.reprice_ms), settings.reprice_ms)
        self.wanted.say("PENDING", chase, story.leaving(task.quantity, lot, why.value, exits.gain_bps(lot, price), slow))
        return chase

    def _move(self, lot: Lot, chase: Chase) -> Move:
        """Reduce-only on spot is ours: never more than the lot and the dust of its side."""
        rules, side, settings = self.view.rules(self.trader.lots.symbol), chase.task.order_side, self.settings
        if chase.task.is_taker:
            guard = entry.protect(self.view, rules.symbol, side, chase.left, settings.slippage_bps_max, needs_print=False)
            move = chase.step_taker(self.view, guard.price if guard else ZERO, guard.quantity if guard else ZERO)
        else:
            price = entry.maker_price(self.view, rules.symbol, side, ZERO)
            move = chase.step(self.view, rules, price, self.interval_ms(settings.reprice_ms))
        if move.act is not Act.PLACE:
            return move
        quantity = min(move.quantity, self.trader.lots.leavable(lot, rules))
        return msgspec.structs.replace(move, quantity=quantity) if quantity > ZERO else Move(act=Act.WAIT, reason="nothing to take at the price")

    def _drop(self) -> None:
        """A lot that was closed has nothing to leave any more; what an order of its exit still asks for is the dust's, and can wait."""
        for key, chase in list(self.trader.exits.items()):
            if self.trader.lots.find(chase.task.side, chase.task.number) is not None:
                continue
            orders = self.view.orders_of(chase.memo)
            for order in orders:
                if not order.is_leaving:
                    self.wanted.cancel(order, f"{chase.task.name}: the lot is closed")
            if not orders and not self.view.is_undecided(chase.memo):
                del self.trader.exits[key]
                self.trader.is_changed = True
