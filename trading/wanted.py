"""What one decision of the maker-first trader has come to so far: orders, changes, words.

Who calls it: trading.maker_first, on the trading thread; it lives for one decision. Never: a decision of its own but the route of a change of price.
"""

from dataclasses import dataclass, field

from core.amendments import OnReject, Routing
from core.money import ZERO, plain
from core.notices import Fresh, Notice
from core.types import Side, SymbolRules
from core.view import WantAmend, WantCancel, WantPlace
from trading.amend import Amending
from trading.chase import EXIT, Act, Chase, Move


@dataclass(slots=True)
class Wanted:
    """`urgent`: sides on which an exit wants to place; no entry may hold them up with a cancel."""

    amending: Amending
    rules: SymbolRules
    cancels: list[WantCancel] = field(default_factory=list)
    amends: list[WantAmend] = field(default_factory=list)
    places: list[WantPlace] = field(default_factory=list)
    idle: dict[Side, str] = field(default_factory=dict)
    said: list[Notice] = field(default_factory=list)
    urgent: set[Side] = field(default_factory=set)

    def carry_out(self, chase: Chase, move: Move) -> None:
        if move.act is Act.PLACE and move.quantity > ZERO:
            if chase.task.task == EXIT:
                self.urgent.add(chase.task.order_side)
            self.places.append(chase.wish(move))
        elif move.act is Act.CANCEL and move.order is not None:
            self.cancels.append(WantCancel(client_order_id=move.order.client_order_id, reason=move.reason))
        elif move.act is Act.REPRICE:
            self._reprice(chase, move)

    def _reprice(self, chase: Chase, move: Move) -> None:
        """By the best route of the table. One command says REPRICE itself, when it leaves.

        Where that is not one command (none at this venue, or something has filled) the order is canceled, and the task places what is left after the
        venue's word, at the price of then. Nobody else may do that for it, not even after a venue's no to the one command: a task that has ended
        meanwhile would find an order of its own.
        """
        assert move.order is not None
        order_id, task = move.order.client_order_id, chase.task
        reason = f"{task.task} {task.number} repriced from {plain(move.order.price)}"
        if self.amending.reprices(move.order, self.rules) is not Routing.CANCEL_REPLACE:
            self.cancels.append(WantCancel(client_order_id=order_id, reason=reason))
            self.say("REPRICE", chase, f"{plain(move.order.price)} -> {plain(move.price)}", order_id)
            return
        chase.next_ns = move.next_ns
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
        order_id = order_id or (chase.history[-1] if chase.history else "")
        self.said.append(Fresh(tag=tag, symbol=task.symbol, order_id=order_id, text=f"{task.side:<4} {task.task} {task.number} · {text}"))
