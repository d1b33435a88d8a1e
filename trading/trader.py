"""What the maker-first trader holds of one symbol: lots, the pending entry of each side, exits under way, the recheck flags, the tally.

Who calls it: trading.maker_first, on the trading thread. All of it is plain data: written down with every change (core.memory) and after a restart
brought up to date by what is told of its orders.
Never: a second truth: lots follow from fills alone, and an order's task stands in its memo, on disk before the order leaves.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from core.events import Told
from core.lots import Lot, Lots
from core.money import ZERO, plain
from core.types import Fill, Side, SymbolRules
from trading.chase import ENTRY, MS, Chase, Task, task_of
from trading.entry import Recheck
from trading.tally import Tally


def key_of(side: Side, number: int) -> str:
    return f"{side.value} {number}"


def _lot_shown(lot: Lot) -> dict[str, object]:
    best = plain(lot.best) if lot.best else None
    return {
        "id": lot.number,
        "quantity": plain(lot.quantity),
        "price": f"{lot.price:.8f}",
        "is_committed": lot.is_committed,
        "is_trailing": lot.is_trailing,
        "best": best,
        "opened_ns": lot.opened_ns,
    }


@dataclass(slots=True)
class Beat:
    """One pipeline's heart: when it last ran to its end, and the longest pause between two runs."""

    last_ns: int = 0
    pause_ns_max: int = 0


@dataclass(slots=True)
class Trader:
    lots: Lots
    quote: str
    entries: dict[Side, Chase] = field(default_factory=dict)
    exits: dict[str, Chase] = field(default_factory=dict)  # by key_of the lot
    recheck: dict[Side, Recheck] = field(default_factory=dict)
    rest_until_ns: dict[Side, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    beats: dict[str, Beat] = field(default_factory=dict)  # exits, entries of each side
    saved_ns: int = 0  # when it was last written down
    is_changed: bool = True  # since then

    @classmethod
    def of(cls, rules: SymbolRules) -> "Trader":
        return cls(lots=Lots(rules.symbol, rules.base), quote=rules.quote)

    # -- what is told ----------------------------------------------------------------------------
    def hear(self, told: Told, taker_fee_bps: Decimal) -> None:
        """An order of ours was made, or filled. An order heard of twice changes nothing; a fill is told once."""
        task = task_of(told.memo)
        if task is None:
            return
        chase = self._chase_of(task)
        if told.fill is None:
            if chase is not None:
                chase.saw(told.client_order_id, told.at_ns, told.price)
            return
        self.is_changed = True
        self.tally.add(task, told.fill, self.lots.base, self.quote, taker_fee_bps)
        if chase is not None:
            if not chase.filled:
                self.tally.of(task).tasks_filled += 1
            chase.filled += told.fill.quantity
            chase.filled_by = told.client_order_id
        if task.task == ENTRY:
            self._entered(task, told.fill, is_over=chase is None)
        else:
            self.lots.leave(task.side, task.number, told.fill, task.reason)

    def _chase_of(self, task: Task) -> Chase | None:
        """The chase of this very task. One that was begun after the last memory is begun again from its memo: the same entry goes on."""
        if task.task == ENTRY:
            if task.number >= self.lots.next_number[task.side]:
                self.lots.saw_number(task.side, task.number)
                self.tally.begin(task)
                self.entries[task.side] = Chase.of(task)
            chase = self.entries.get(task.side)
        else:
            key = key_of(task.side, task.number)
            chase = self.exits.get(key)
            is_newer = chase is None or chase.task.created_ns < task.created_ns
            if is_newer and self.lots.find(task.side, task.number) is not None:
                chase = self.exits[key] = Chase.of(task)
                self.tally.begin(task)
        return chase if chase is not None and chase.task == task else None

    def _entered(self, task: Task, fill: Fill, is_over: bool) -> None:
        lot = Lot(number=task.number, side=task.side, opened_ns=task.created_ns, take_profit_bps=task.take_profit_bps, reason=task.reason)
        self.lots.enter(lot, fill)
        if is_over:  # it came after the ending
            self.lots.commit(task.side, task.number, with_runner=False)

    def is_dust_taken(self, lot: Lot) -> bool:
        """The dust of a side leaves with one exit at a time."""
        return any(chase.task.side is lot.side and chase.task.number != lot.number for chase in self.exits.values())

    def beat(self, pipeline: str, now_ns: int) -> None:
        """A pause counts within a run; a new one begins afresh (core.memory brings none along)."""
        heart = self.beats.setdefault(pipeline, Beat(now_ns))
        heart.pause_ns_max = max(heart.pause_ns_max, now_ns - heart.last_ns)
        heart.last_ns = now_ns

    # -- what is promised without an order at the venue ------------------------------------------
    def to_sell(self) -> Decimal:
        """Base that BUY lots and their dust still have to sell, and what a pending sale may still need."""
        return self._held(Side.BUY) + self._pending(Side.SELL)

    def to_pay(self, price: Decimal | None) -> Decimal:
        """Quote that buying back the SELL lots takes at this price, and a pending purchase; where no price is known, at their own."""
        if price is not None:
            return (self._held(Side.SELL) + self._pending(Side.BUY)) * price
        pending, cost = self.entries.get(Side.BUY), sum((lot.held.cost for lot in self.lots.open[Side.SELL]), ZERO)
        return cost + (pending.left * pending.task.reference if pending is not None else ZERO)

    def _held(self, side: Side) -> Decimal:
        return max(ZERO, self.lots.quantity(side) + self.lots.dust[side].quantity)

    def _pending(self, side: Side) -> Decimal:
        pending = self.entries.get(side)
        return pending.left if pending is not None else ZERO

    # -- what a person may see -------------------------------------------------------------------
    def shown(self) -> dict[str, Any]:
        """Plain data for status and summary."""
        sides = {side.value: self._side_shown(side) for side in Side}
        return {**sides, "last_save_ns": self.saved_ns, "tally": self.tally.shown(), "beats": self._beats()}

    def _beats(self) -> dict[str, dict[str, int]]:
        return {name: {"last_ns": one.last_ns, "pause_ms_max": one.pause_ns_max // MS} for name, one in self.beats.items()}

    def _side_shown(self, side: Side) -> dict[str, object]:
        pending, lots = self.entries.get(side), self.lots
        return {
            "pending": pending
            and {
                "id": pending.task.number,
                "created_ns": pending.task.created_ns,
                "deadline_ns": pending.task.deadline_ns,
                "reprices": pending.reprices,
                "price": plain(pending.price) if pending.placed else None,
                "quantity": plain(pending.task.quantity),
                "quote_amount": plain(pending.task.quote_amount),
                "filled": plain(pending.filled),
                "take_profit_bps": plain(pending.task.take_profit_bps),
                "is_taker": pending.task.is_taker,
                "reason": pending.task.reason,
                "orders": list(pending.history),
            },
            "recheck": side in self.recheck,
            "lots": [_lot_shown(lot) for lot in lots.open[side]],
            "exits": [
                {"id": one.task.number, "why": one.task.reason, "left": plain(one.left), "is_taker": one.task.is_taker}
                for one in self.exits.values()
                if one.task.side is side
            ],
            "runner": lots.runner[side] or None,
            "next_lot": lots.next_number[side],
            "dust": plain(lots.dust[side].quantity),
        }
