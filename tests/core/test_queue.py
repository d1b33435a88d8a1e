"""core.queue: what is ahead of an order, by prints and by the depth book; judged by hand, by the paper exchange's truth, and by a recorded market."""

import csv
import lzma
from collections.abc import Iterator
from dataclasses import replace as changed
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from core.engine import Step
from core.queue import QueuePlace, joined, on_level, on_print
from sim.setup import Setup
from sim.world import World
from tests.core.builders import D

RECORDED = Path(__file__).resolve().parents[3] / "shared/data/l3/bitstamp_btcusd_orders_20150501_00-05h.csv.xz"
RECORDED_HERE = Path("/work/shared/data/l3") / RECORDED.name


def place(ahead: str = "4", others: str = "10", own: str = "1") -> QueuePlace:
    made = joined(D(others), D(others), D(own))
    return replace(on_level(made, D(others) + D(own), D(own)), ahead=D(ahead))


def test_joins_at_the_end() -> None:
    """A new order has the whole level ahead of it, whether the book shows the order itself already or not."""
    assert joined(D(10), D(10), D(1)).ahead == 10
    assert joined(D(11), D(10), D(1)).ahead == 10
    later = joined(D(10), D(10), D(1))
    later = on_level(later, D(14), D(1))
    assert (later.ahead, later.others) == (D(10), D(13))


def test_prints_take_from_the_front() -> None:
    """A trade at our price is ahead of us, and the fall of the level that follows is the same trade."""
    made = place()
    made = on_print(made, D(3))
    made = on_level(made, D(8), D(1))
    assert (made.ahead, made.others) == (D(1), D(7))


def test_a_book_that_is_first_is_corrected_by_its_print() -> None:
    """The fall came first and was taken for cancels, spread over the level; its print puts all of it ahead of us."""
    made = place()
    made = on_level(made, D(8), D(1))
    assert made.ahead == D(4) - D(3) * D(4) / D(10)
    made = on_print(made, D(3))
    assert made.ahead == 1


def test_cancels_are_spread() -> None:
    """Half of the level goes without a print: half of what is ahead goes with it."""
    made = place()
    made = on_level(made, D(6), D(1))
    assert (made.ahead, made.others) == (D(2), D(5))


def test_those_behind_do_not_matter() -> None:
    """What joins the level stands behind us, and what is ahead is never more than what the level holds."""
    made = place()
    made = on_level(made, D(31), D(1))
    assert made.ahead == 4
    made = on_level(made, D(1), D(1))
    assert made.ahead == 0


# -- the paper exchange's truth --------------------------------------------------------------------
class Watched(World):
    """A world without faults whose queue places are compared with the matching engine's after every step."""

    def watch(self) -> "Watched":
        self.pairs: list[tuple[Decimal, Decimal]] = []
        self._judge = self.oracle.after_step
        self.oracle.after_step = self._compare  # type: ignore[method-assign]
        return self

    def _compare(self, engine: object, events: object, step: Step) -> None:
        self._judge(engine, events, step)  # type: ignore[arg-type]
        books = self.engine.books
        for order in books.orders.open() if books is not None else ():
            archive = self.matching.archives[order.symbol]
            if order.queue is not None and order.venue_order_id in archive.open_ids:
                true = self.matching.books[order.symbol].lots_ahead(order.venue_order_id) * self.matching.rules[order.symbol].step
                self.pairs.append((order.queue.ahead, true))


def test_close_to_the_paper_exchange() -> None:
    """In markets of prints, joins and cancels the estimate is on average within a quarter of what really stands ahead (80 worlds: 0.19)."""
    pairs: list[tuple[Decimal, Decimal]] = []
    for seed in range(5, 17):
        world = Watched(changed(Setup.drawn(seed), with_faults=False)).watch()
        assert world.run().failures == ()
        pairs.extend(world.pairs)
    assert len(pairs) > 10_000
    error = sum(abs(guess - true) for guess, true in pairs)
    total = sum(true for _, true in pairs)
    assert error <= total / 4, f"{error / total:.3f}"


# -- an order-by-order recording -------------------------------------------------------------------
def recorded() -> Iterator[tuple[str, Decimal, Decimal, str, str]]:
    """(order id, price, what is left of it, action, side)."""
    path = RECORDED if RECORDED.exists() else RECORDED_HERE
    with lzma.open(path, "rt") as file:
        for row in csv.DictReader(file):
            yield row["id"], Decimal(row["price"]), Decimal(row["volume"]) / 10**8, row["action"], row["direction"]


class Tracked:
    """One recorded order followed by the estimate, and by two simpler rules: every cancel was ahead, every cancel was behind."""

    def __init__(self, order_id: str, queue: dict[str, Decimal]) -> None:
        self.order_id, self.own = order_id, queue[order_id]
        others = sum((left for name, left in queue.items() if name != order_id), Decimal(0))
        self.place = QueuePlace(ahead=others, others=others)
        self.front = self.back = others
        self.errors: list[tuple[Decimal, Decimal, Decimal]] = []

    def see(self, queue: dict[str, Decimal], printed: Decimal, canceled: Decimal) -> None:
        if printed:
            self.place = on_print(self.place, printed)
        level = sum(queue.values(), Decimal(0))
        self.place = on_level(self.place, level, queue[self.order_id])
        others = level - queue[self.order_id]
        self.front = min(others, max(Decimal(0), self.front - printed - canceled))
        self.back = min(others, max(Decimal(0), self.back - printed))
        true = Decimal(0)
        for name, left in queue.items():
            if name == self.order_id:
                break
            true += left
        self.errors.append((abs(self.place.ahead - true), abs(self.front - true), abs(self.back - true)))


def test_a_recorded_market() -> None:
    """Bitstamp order by order, five hours with quick cancels at the ends of queues: the estimate errs less than half as much as "cancels are ahead"
    and at most a third more than "cancels are behind".
    """
    if not (RECORDED.exists() or RECORDED_HERE.exists()):
        pytest.skip(f"no recording at {RECORDED}")
    levels: dict[tuple[str, Decimal], dict[str, Decimal]] = {}
    tracked: dict[tuple[str, Decimal], list[Tracked]] = {}
    done: list[Tracked] = []
    rng = Random(4)
    for order_id, price, left, action, side in recorded():
        key = (side, price)
        queue = levels.setdefault(key, {})
        before = queue.get(order_id)
        if action == "created":
            queue[order_id] = left
            if len(queue) > 2 and rng.random() < 0.5:
                tracked.setdefault(key, []).append(Tracked(order_id, queue))
            continue
        if before is None:
            continue
        printed = before - left if action == "changed" or left == 0 else Decimal(0)  # deleted with nothing left: filled
        if action == "changed":
            queue[order_id] = left
        else:
            del queue[order_id]
        canceled = before - printed if action == "deleted" else Decimal(0)
        for one in list(tracked.get(key, ())):
            if one.order_id not in queue:
                tracked[key].remove(one)
                done.append(one)
            elif one.order_id != order_id:
                one.see(queue, printed, canceled)
    errors = [error for one in done for error in one.errors]
    ours, front, back = (sum(column) for column in zip(*errors, strict=True))
    assert len(errors) > 300
    assert ours < front / 2, f"{ours} {front} {back}"
    assert ours < back * 4 / 3, f"{ours} {front} {back}"
