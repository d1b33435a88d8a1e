"""One intended order that is chased: post-only at a price that moves with the market, until it is filled, its deadline passes, or it is stopped.

Who calls it: trading.entry and trading.exits, on the trading thread, once per step. A small machine: what is open at the venue is read from the
orders as they are (they carry the task's memo); kept beside them is only what they cannot tell.
Never: a wait; two orders of one task at once; a change of an order whose last change has no answer; an end while an order may still fill.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

import msgspec

from core.money import ZERO
from core.orders import Order
from core.types import OrderType, Side, SymbolRules, TimeInForce
from core.view import View, WantPlace
from trading import story
from trading.quoting import fit_quantity

MS = 1_000_000
TAKER_MS = 1000  # so long an order at the market may be tried
HISTORY_KEPT = 40  # order ids of one task, the newest
ENTRY, EXIT = "entry", "exit"
TOO_LITTLE = "filled, but for less than the least order"
TASK_SLOT = {ENTRY: 0, EXIT: 1}


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What an order is for. It travels with every order as its memo, into the intents before the order leaves: a restart reads it back.

    `number` is the lot's; `side` is the lot's too, an exit's orders are of the other one.
    """

    task: str
    symbol: str
    side: Side
    number: int
    quantity: Decimal
    created_ns: int
    deadline_ns: int
    reason: str
    reference: Decimal = ZERO  # the mid when it was decided: what slippage counts from
    quote_amount: Decimal = ZERO  # what the quantity was worth then
    take_profit_bps: Decimal = ZERO
    is_taker: bool = False

    @property
    def order_side(self) -> Side:
        return self.side if self.task == ENTRY else self.side.opposite

    @property
    def name(self) -> str:
        return f"{self.side.value} {self.task} {self.number}"

    @property
    def memo(self) -> str:
        return msgspec.json.encode(self).decode()


def task_of(memo: str) -> Task | None:
    """None for the orders of others, and for what an older version wrote."""
    try:
        return msgspec.json.decode(memo, type=Task) if memo else None
    except msgspec.DecodeError:
        return None


class Act(StrEnum):
    WAIT = "wait"
    PLACE = "place"
    REPRICE = "reprice"
    CANCEL = "cancel"
    OVER = "over"


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What the task wants in this step."""

    act: Act
    reason: str = ""
    order: Order | None = None
    price: Decimal = ZERO
    quantity: Decimal = ZERO
    next_ns: int = 0  # no earlier reprice after this one


@dataclass(slots=True)
class Chase:
    """How far one task has come. `ending` is why no further order is placed; empty while it goes on."""

    task: Task
    memo: str
    filled: Decimal = ZERO  # quantity of its orders' fills
    placed: int = 0  # orders made for it
    placed_ns: int = 0  # when the newest of them was made
    price: Decimal = ZERO  # its limit
    next_ns: int = 0  # no earlier change
    aim: Decimal = ZERO  # where it was to go when its order was canceled for that; zero once the next is made
    is_tried: bool = False  # an order of it was asked for since the newest that was made: it was denied
    filled_by: str = ""  # the newest of them that filled
    ending: str = ""
    history: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, task: Task) -> "Chase":
        return cls(task=task, memo=task.memo)

    @property
    def left(self) -> Decimal:
        return max(ZERO, self.task.quantity - self.filled)

    @property
    def reprices(self) -> int:
        return max(0, self.placed - 1)

    def saw(self, client_order_id: str, at_ns: int, price: Decimal | None) -> None:
        """An order was made for the task: the next one waits for the interval."""
        if client_order_id not in self.history:
            self.history.append(client_order_id)
            del self.history[:-HISTORY_KEPT]
            self.placed += 1
            self.is_tried, self.aim = False, ZERO
            self.placed_ns = max(self.placed_ns, at_ns)
            self.price = price if price is not None else self.price

    def step(self, view: View, rules: SymbolRules, price: Decimal | None, interval_ms: int) -> Move:
        """One step of a maker task: `price` is where it wants to stand now, None where it wants to stand nowhere."""
        now_ns, orders = view.now_ns, view.orders_of(self.memo)
        if not self.ending:
            self.ending = self._why_over(view)
        if view.is_undecided(self.memo) and not orders:
            return Move(act=Act.WAIT, reason="fills are being asked for")
        if self.ending:
            return self._wind_up(orders)
        if not orders:
            return self._place(view, rules, price, interval_ms)
        order = orders[0]
        if len(orders) > 1 or not order.is_working or view.is_changing(self.task.symbol, order.side) or price is None:
            return Move(act=Act.WAIT, reason="waiting for the venue's word")
        if price == order.price or not self._is_due(now_ns, interval_ms):
            return Move(act=Act.WAIT)
        if not fit_quantity(self.left, price, rules):
            return self._leave_rest(orders)
        return Move(act=Act.REPRICE, order=order, price=price, quantity=order.quantity, next_ns=now_ns + interval_ms * MS)

    def _is_due(self, now_ns: int, interval_ms: int) -> bool:
        """The interval of now, not that of when it was placed: the order budget is shared with what has begun since."""
        return now_ns >= max(self.next_ns, self.placed_ns + interval_ms * MS if self.placed else 0)

    def _leave_rest(self, orders: tuple[Order, ...]) -> Move:
        """What is left is too little for another order. An entry ends with what was filled; an exit's rest stays at its price, it would be dust."""
        if self.task.task == ENTRY and self.filled:
            self.ending = TOO_LITTLE
            return self._wind_up(orders)
        return Move(act=Act.WAIT)

    def _why_over(self, view: View) -> str:
        """An error ends an entry and earns nothing. An exit goes on: its lot must be left, and the brake of its side slows it down."""
        if self.left <= ZERO:
            return "filled"
        if self.task.task == ENTRY and self.history and (refusal := view.refusal(self.history[-1])):
            return f"refused: {refusal}"
        if view.now_ns < self.task.deadline_ns:
            return ""
        return "deadline" if self.placed or self.task.task == EXIT else "never placed"

    def _wind_up(self, orders: tuple[Order, ...]) -> Move:
        """No order may be left that could still fill."""
        if self.left <= ZERO:
            self.ending = "filled"  # on the way of the cancel
        working = next((order for order in orders if not order.is_leaving), None)
        if working is not None:
            return Move(act=Act.CANCEL, order=working, reason=f"{self.task.task} {self.task.number}: {story.ending(self.ending)}")
        return Move(act=Act.WAIT, reason="waiting for the venue's word") if orders else Move(act=Act.OVER, reason=self.ending)

    def _place(self, view: View, rules: SymbolRules, price: Decimal | None, interval_ms: int) -> Move:
        if price is None or not self._is_due(view.now_ns, interval_ms) or view.is_changing(self.task.symbol, self.task.order_side):
            return Move(act=Act.WAIT)
        if price == self.price and self.aim:  # the canceled order may still stand in the book: it is nobody to stay beside
            price = (min if self.task.order_side is Side.BUY else max)(price, self.aim)
        quantity = fit_quantity(self.left, price, rules)
        if not quantity:
            self.ending = TOO_LITTLE if self.filled else "below the venue's least order"
            return Move(act=Act.OVER, reason=self.ending)
        return Move(act=Act.PLACE, price=price, quantity=quantity)

    def wish(self, move: Move) -> WantPlace:
        """The order a move asks for: post-only, or at once up to its price."""
        task = self.task
        return WantPlace(
            symbol=task.symbol,
            side=task.order_side,
            type=OrderType.LIMIT if task.is_taker else OrderType.LIMIT_MAKER,
            time_in_force=TimeInForce.IOC,  # of the taker's LIMIT; a post-only order has none
            price=move.price,
            quantity=move.quantity,
            slot=(TASK_SLOT[task.task], task.number),
            reason=f"{task.task} {task.number} · {task.reason}{' · at the market' if task.is_taker else ''}",
            memo=self.memo,
        )

    def step_taker(self, view: View, price: Decimal, quantity: Decimal) -> Move:
        """One step of a taker task: one order that takes at once or not at all; what is left is the caller's to think about."""
        orders = view.orders_of(self.memo)
        if orders or view.is_undecided(self.memo):
            return Move(act=Act.WAIT, reason="waiting for the venue's word")
        self.ending = ("" if self.left <= ZERO else self.ending) or self._why_over(view)
        if self.placed and not self.ending:
            self.ending = "taken what the price allowed" if self.filled else "nothing to take at the price"
        if self.ending:
            return Move(act=Act.OVER, reason=self.ending)
        return Move(act=Act.PLACE, price=price, quantity=quantity)
