"""The judge of the maker-first trader in the kill drill: the same entry goes on under its number, no number is used twice, no lot is lost or doubled.

Who calls it: kills.py. What an order is for is read from its memo in the intents; what was traded from the venue; the lots from the status verb while
it runs, and at the end from the files, as the next start would read them.
Never: a verdict from the bot's word alone.
"""

import sqlite3
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.types import SymbolRules
from state.ledger import account_of, recover
from tests.drills.harness import SYMBOL, Venue
from tests.drills.truth import BASE, QUOTE, Known, Tail
from trading.chase import ENTRY, Task, task_of
from trading.maker_first import MakerFirst
from trading.recipe import MakerFirstSettings

RULES = SymbolRules(SYMBOL, BASE, QUOTE, tick=Decimal("0.01"), step=Decimal("0.00001"))
SETTINGS = (
    "strategy=maker_first", "maker_first.signal.sample_ms=50", "maker_first.signal.fast_s=0.1", "maker_first.signal.slow_s=0.4",
    "maker_first.signal.trend_bps_min=0", "maker_first.entry.rest_ms=50", "maker_first.entry.deadline_ms=20000", "maker_first.entry.reprice_ms=150",
    "maker_first.entry.take_profit_bps=1", "maker_first.exits.time_limit_s=2",
    "maker_first.exits.deadline_ms=400", "maker_first.entry.chase_bps_max=0",
)  # fmt: skip


def tasks_in(tail: Tail) -> dict[str, Task]:
    """By client id, of every order that left."""
    return {name: task for name, place in tail.places.items() if (task := task_of(place["memo"])) is not None}


def judge(at: Venue, before: Known, tail: Tail, shown: Any) -> list[str]:
    """What contradicts a status: an order of an entry or exit that rested before the kill and still does belongs to that one still."""
    still_open, tasks, wrong = at.open_orders(), tasks_in(tail), []
    position = shown["positions"].get(SYMBOL)
    if position is None:
        return ["the status shows no positions"]
    for order_id, name in before.open_orders.items():
        task = tasks.get(name)
        if task is None or order_id not in still_open:
            continue
        side = position[task.side.value]
        pending = side["pending"] or {"id": 0, "orders": []}
        going_on = [pending["id"]] if task.task == ENTRY else [one["id"] for one in side["exits"]]
        if task.number not in going_on:
            wrong.append(f"{name} rests for {task.name}, which does not go on: {going_on}")
        elif task.task == ENTRY and name not in pending["orders"]:
            wrong.append(f"{name} rests for {task.name}, which does not know it: {pending['orders']}")
        elif task.number >= side["next_lot"]:
            wrong.append(f"{task.name} is under way and {side['next_lot']} comes next")
    return wrong


def continued(tail: Tail) -> int:
    """Entries with orders of more than one life."""
    lives: dict[tuple[str, int], set[str]] = {}
    for name, task in tasks_in(tail).items():
        if task.task == ENTRY:
            lives.setdefault((task.side.value, task.number), set()).add(name.split("-")[1])
    return sum(len(boots) > 1 for boots in lives.values())


def history(everything: Known, tail: Tail, home: Path, instance: str) -> list[str]:
    """After the last life: every number is one entry's, and lots and dust add up to all trades; in the files that a start reads, and in the store."""
    entries = {(task.side.value, task.number, task.memo) for task in tasks_in(tail).values() if task.task == ENTRY}
    numbers = Counter((side, number) for side, number, _ in entries)
    wrong = [f"{side} entry {number} was begun {count} times" for (side, number), count in numbers.items() if count > 1]
    traded = sum((quantity if side == "BUY" else -quantity for _, side, _, quantity in everything.trades.values()), Decimal(0))
    traded -= sum((fee for fee, asset in everything.fees.values() if asset == BASE), Decimal(0))
    found = recover(home / "intents.log", account_of(instance))
    maker = MakerFirst(MakerFirstSettings())
    maker.resume((RULES,), dict(found.memories), found.told)
    held = maker.traders[SYMBOL].lots.net
    wrong += [] if held == traded else [f"lots and dust make {held}, all trades {traded}"]
    with sqlite3.connect(f"file:{home / 'store.db'}?mode=ro", uri=True) as store:
        rows = store.execute("SELECT side, quantity_left FROM lots WHERE closed_ns IS NULL").fetchall()
    stored = sum((Decimal(left) if side == "BUY" else -Decimal(left) for side, left in rows), Decimal(0))
    return wrong + ([] if stored == traded else [f"store: lots and dust make {stored}, all trades {traded}"])
