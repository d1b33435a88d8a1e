"""What one decision of the maker-first trader has come to so far: orders, changes, words.

Who calls it: trading.maker_first, on the trading thread; it lives for one decision. Never: a decision of its own but the route of a change of price.
"""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from core.amendments import OnReject, Routing
from core.money import ONE, ZERO, ceil_to, plain
from core.notices import Fresh, Notice
from core.orders import Order
from core.types import SIDES, Side
from core.view import View, WantAmend, WantCancel, WantPlace
from trading import story
from trading.amend import Amending
from trading.chase import EXIT, Act, Chase, Move
from trading.quoting import fit_quantity
from trading.trader import Trader


@dataclass(slots=True)
class Wanted:
    """`urgent`: sides on which an exit wants to place; no entry may hold them up with a change."""

    amending: Amending
    view: View
    symbol: str
    notional_max: Decimal = ZERO  # the person's largest single order; zero for none
    cancels: list[WantCancel] = field(default_factory=list)
    amends: list[WantAmend] = field(default_factory=list)
    places: list[WantPlace] = field(default_factory=list)
    idle: dict[Side, str] = field(default_factory=dict)
    said: list[Notice] = field(default_factory=list)
    urgent: set[Side] = field(default_factory=set)
    changing: set[Side] = field(default_factory=set)  # sides of the cancels and changes wanted so far
    shapes: set[tuple[Side, Decimal, Decimal]] = field(default_factory=set)  # of the orders wanted so far

    def leave_nobodys(self, known: set[str]) -> None:
        """Cancel an order that no task under way has made: another strategy's of an earlier run, or the state folder is gone."""
        for side in SIDES:
            for order in self.view.open_orders(self.symbol, side):
                if order.memo not in known and not order.is_leaving:
                    self.cancel(order, "no entry and no exit wants it")

    def tell_closed(self, trader: Trader) -> None:
        """Lots closed since the newest memory. What a stop did not come to tell is told at the next start, by that memory."""
        for lot in trader.lots.closed:
            if not lot.is_told:
                lot.is_told = True
                text = story.closed(lot, trader.lots.base, trader.quote, self.view.rules(self.symbol).tick)
                self.said.append(Fresh(tag="FILL", symbol=self.symbol, text=text))

    def carry_out(self, chase: Chase, move: Move) -> None:
        side = chase.task.order_side
        if move.act is Act.PLACE:
            self._place(chase, move, side)
        elif move.act is Act.CANCEL and move.order is not None:
            self.cancel(move.order, move.reason)
        elif move.act is Act.REPRICE and not self._has_twin(side, move.price, move.quantity):
            self._reprice(chase, move)

    def _place(self, chase: Chase, move: Move, side: Side) -> None:
        """Where the side is amber, with this decision or before it, the light says so, and it is asked for again in the next step.

        An exit is urgent until its order was asked for and denied: what denies it may be the very order that it would hold up.
        """
        is_exit = chase.task.task == EXIT
        if not move.quantity or side in self.changing or not self.view.light(self.symbol, side).is_green:
            return
        move = msgspec.structs.replace(move, quantity=self._part(move))
        has_twin = self._has_twin(side, move.price, move.quantity)
        if is_exit and (has_twin or not chase.is_tried):
            self.urgent.add(side)
        if not has_twin:
            chase.is_tried = True
            self.places.append(msgspec.structs.replace(chase.wish(move), reduce_only=is_exit and self.amending.can.reduce_only))

    def _part(self, move: Move) -> Decimal:
        """What is worth more than the person's largest order goes in equal parts, one after the other: else its exit would be denied for ever."""
        parts = ceil_to(move.quantity * move.price / self.notional_max, ONE) if self.notional_max else ONE
        return fit_quantity(move.quantity / parts, move.price, self.view.rules(self.symbol)) or move.quantity

    def cancel(self, order: Order, reason: str) -> None:
        """A place of that side would be denied beside it."""
        self._change(order.side)
        self.cancels.append(WantCancel(client_order_id=order.client_order_id, reason=reason))

    def _change(self, side: Side) -> None:
        self.changing.add(side)
        self.places = [one for one in self.places if one.side is not side]

    def _has_twin(self, side: Side, price: Decimal, quantity: Decimal) -> bool:
        """One just like it has no answer yet, or leaves with this decision: this one goes in the step of that answer.

        It loses no interval by it: were it denied (core.asking), two equal exits that move in step would lose the same one each time.
        """
        shape = (side, price, quantity)
        if shape in self.shapes:
            return True
        self.shapes.add(shape)
        return any(order.is_twin(price, quantity) for order in self.view.open_orders(self.symbol, side))

    def _reprice(self, chase: Chase, move: Move) -> None:
        """By the best route of the table. One command says REPRICE itself, when it leaves.

        Where that is not one command (none at this venue, or something has filled) the order is canceled, and the task places what is left after the
        venue's word, at the price of then. Nobody else may do that for it, not even after a venue's no to the one command: a task that has ended
        meanwhile would find an order of its own.
        """
        assert move.order is not None
        order_id, task = move.order.client_order_id, chase.task
        reason = f"{task.task} {task.number} repriced from {plain(move.order.price)}"
        if self.amending.reprices(move.order, self.view.rules(self.symbol)) is not Routing.CANCEL_REPLACE:
            chase.aim = move.price
            self.cancel(move.order, reason)
            self.say("REPRICE", chase, f"{plain(move.order.price)} -> {plain(move.price)}: canceled first, then placed anew", order_id)
            return
        chase.next_ns = move.next_ns
        self._change(move.order.side)
        self.amends.append(
            WantAmend(
                client_order_id=order_id,
                quantity=move.quantity,
                price=move.price,
                routing=Routing.CANCEL_REPLACE,
                on_reject=OnReject.KEEP,
                reason=reason,
            )
        )

    def say(self, tag: str, chase: Chase, text: str, order_id: str = "") -> None:
        task = chase.task
        order_id = order_id or (chase.filled_by if tag == "FILL" else "") or (chase.history[-1] if chase.history else "")
        self.said.append(Fresh(tag=tag, symbol=task.symbol, order_id=order_id, text=f"{task.side:<4} {task.task} {task.number} · {text}"))
