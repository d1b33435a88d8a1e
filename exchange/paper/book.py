"""One symbol's book in integer ticks and lots: price levels as first-in-first-out queues of background size and our orders.

Who calls it: matching.py and, through it, the market drivers. A queue place is real: size that stands ahead must be taken or leave before an order is
reached. Never: money, ids of trades, a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sortedcontainers import SortedDict

BACKGROUND = 0  # owner of a segment that is not one of our orders
BUY, SELL = "BUY", "SELL"
OPPOSITE = {BUY: SELL, SELL: BUY}


@dataclass(slots=True)
class Segment:
    lots: int
    order_id: int = BACKGROUND


@dataclass(slots=True)
class Level:
    queue: list[Segment] = field(default_factory=list)
    background: int = 0
    own: int = 0

    @property
    def lots(self) -> int:
        return self.background + self.own

    def ahead_of_own(self) -> int:
        """Background lots in front of the first order of ours."""
        ahead = 0
        for segment in self.queue:
            if segment.order_id != BACKGROUND:
                break
            ahead += segment.lots
        return ahead


class Book:
    """Bids are kept under negated ticks so that both sides iterate best first. `changed` holds the (side, tick) touched since the last drain."""

    def __init__(self, first_update_id: int) -> None:
        self.sides: dict[str, SortedDict] = {BUY: SortedDict(), SELL: SortedDict()}
        self.update_id = first_update_id
        self.drained_id = first_update_id
        self.changed: dict[tuple[str, int], None] = {}
        self._where: dict[int, tuple[str, int]] = {}
        self.withheld: dict[tuple[str, int], int] = {}  # background size that would cross one of our resting orders
        self.fallen: dict[tuple[str, int], tuple[int, int]] = {}  # where we rest: lots that left, and how many of them from ahead of us

    # -- reading ---------------------------------------------------------------------------------
    def best(self, side: str) -> int | None:
        keys = self.sides[side].keys()
        return abs(keys[0]) if keys else None

    def levels(self, side: str) -> Iterator[tuple[int, int]]:
        """(tick, lots), best first."""
        for key, level in self.sides[side].items():
            yield abs(key), level.lots

    def levels_apart(self, side: str) -> Iterator[tuple[int, int, int]]:
        """(tick, background lots, our lots), best first."""
        for key, level in self.sides[side].items():
            yield abs(key), level.background, level.own

    def lots_at(self, side: str, tick: int) -> int:
        level = self.sides[side].get(_key(side, tick))
        return level.lots if level is not None else 0

    def background_at(self, side: str, tick: int) -> int:
        level = self.sides[side].get(_key(side, tick))
        return level.background if level is not None else 0

    def has_own(self, side: str, tick: int) -> bool:
        level = self.sides[side].get(_key(side, tick))
        return level is not None and level.own > 0

    def lots_ahead(self, order_id: int) -> int:
        side, tick = self._where[order_id]
        ahead = 0
        for segment in self.sides[side][_key(side, tick)].queue:
            if segment.order_id == order_id:
                break
            ahead += segment.lots
        return ahead

    def best_own(self, side: str) -> int | None:
        """The best tick at which one of our orders of that side rests."""
        if not self._where:
            return None
        ticks = [tick for own_side, tick in self._where.values() if own_side == side]
        if not ticks:
            return None
        return max(ticks) if side == BUY else min(ticks)

    def own_ticks_before(self, side: str, tick: int) -> list[int]:
        """Ticks strictly better than `tick` at which orders of ours rest, best first."""
        ticks = {own for own_side, own in self._where.values() if own_side == side and (own > tick if side == BUY else own < tick)}
        return sorted(ticks, reverse=side == BUY)

    def crosses(self, side: str, tick: int) -> bool:
        """Would an order of `side` at `tick` meet the other side?"""
        best = self.best(OPPOSITE[side])
        return best is not None and (tick >= best if side == BUY else tick <= best)

    # -- our orders ------------------------------------------------------------------------------
    def join(self, side: str, tick: int, lots: int, order_id: int) -> None:
        """At the back of the queue."""
        level = self._level(side, tick)
        level.queue.append(Segment(lots, order_id))
        level.own += lots
        self._where[order_id] = (side, tick)
        self._touch(side, tick)

    def leave(self, order_id: int) -> None:
        side, tick = self._where.pop(order_id)
        level = self.sides[side][_key(side, tick)]
        for index, segment in enumerate(level.queue):
            if segment.order_id == order_id:
                level.own -= segment.lots
                del level.queue[index]
                break
        self._touch(side, tick)
        self._drop_if_empty(side, tick, level)

    def shrink(self, order_id: int, lots: int) -> None:
        """Keep the place, hold `lots` from now on."""
        side, tick = self._where[order_id]
        level = self.sides[side][_key(side, tick)]
        for segment in level.queue:
            if segment.order_id == order_id:
                level.own += lots - segment.lots
                segment.lots = lots
                break
        self._touch(side, tick)

    # -- the background --------------------------------------------------------------------------
    def set_background(self, side: str, tick: int, lots: int) -> None:
        """Absolute size without our orders. A rise joins the back; a fall leaves ahead and behind in proportion."""
        key = _key(side, tick)
        level = self.sides[side].get(key)
        held = level.background if level is not None else 0
        if lots == held:
            return
        if level is None:
            level = self._level(side, tick)
        if lots > held:
            self._join_background(level, lots - held)
        else:
            ahead = level.ahead_of_own() if level.own else 0
            _thin_out(level, held - lots)
            if level.own:
                left, left_ahead = self.fallen.get((side, tick), (0, 0))
                self.fallen[side, tick] = left + held - lots, left_ahead + ahead - level.ahead_of_own()
        level.background = lots
        self._touch(side, tick)
        self._drop_if_empty(side, tick, level)

    @staticmethod
    def _join_background(level: Level, lots: int) -> None:
        if level.queue and level.queue[-1].order_id == BACKGROUND:
            level.queue[-1].lots += lots
        else:
            level.queue.append(Segment(lots))

    def consume(self, side: str, tick: int, lots: int, own_only: bool = False) -> list[tuple[int, int]]:
        """Take up to `lots` from the front of the queue: [(order id or BACKGROUND, lots)]. `own_only` passes over the background."""
        level = self.sides[side].get(_key(side, tick))
        taken: list[tuple[int, int]] = []
        if level is None:
            return taken
        for segment in level.queue:
            if lots <= 0:
                break
            if own_only and segment.order_id == BACKGROUND:
                continue
            part = min(lots, segment.lots)
            segment.lots -= part
            lots -= part
            taken.append((segment.order_id, part))
            if segment.order_id == BACKGROUND:
                level.background -= part
            else:
                level.own -= part
                if not segment.lots:
                    del self._where[segment.order_id]
        if taken:
            level.queue[:] = [segment for segment in level.queue if segment.lots]
            self._touch(side, tick)
            self._drop_if_empty(side, tick, level)
        return taken

    def front(self, side: str, tick: int) -> Segment | None:
        level = self.sides[side].get(_key(side, tick))
        return level.queue[0] if level is not None and level.queue else None

    # -- updates ---------------------------------------------------------------------------------
    def drain(self) -> tuple[int, int, list[tuple[int, int]], list[tuple[int, int]]] | None:
        """(first id, last id, bids, asks) changed since the last drain, absolute lots; None where nothing changed."""
        if not self.changed:
            return None
        rows: dict[str, list[tuple[int, int]]] = {BUY: [], SELL: []}
        for side, tick in self.changed:
            rows[side].append((tick, self.lots_at(side, tick)))
        self.changed.clear()
        first, self.drained_id = self.drained_id + 1, self.update_id
        return first, self.update_id, sorted(rows[BUY], reverse=True), sorted(rows[SELL])

    def _touch(self, side: str, tick: int) -> None:
        self.update_id += 1
        self.changed[side, tick] = None

    def _level(self, side: str, tick: int) -> Level:
        key = _key(side, tick)
        level: Level | None = self.sides[side].get(key)
        if level is None:
            level = self.sides[side][key] = Level()
        return level

    def _drop_if_empty(self, side: str, tick: int, level: Level) -> None:
        if not level.queue:
            del self.sides[side][_key(side, tick)]


def _key(side: str, tick: int) -> int:
    return -tick if side == BUY else tick


def _thin_out(level: Level, lots: int) -> None:
    """Remove background lots from every segment in proportion to its size, the rounding from the back."""
    segments = [segment for segment in level.queue if segment.order_id == BACKGROUND]
    total = level.background
    left = lots
    for segment in segments:
        part = segment.lots * lots // total
        segment.lots -= part
        left -= part
    for segment in reversed(segments):
        part = min(left, segment.lots)
        segment.lots -= part
        left -= part
    level.queue[:] = [segment for segment in level.queue if segment.lots]
    assert left == 0
