"""What a maker wants to know of a run, counted as it happens: spread captured, mark-outs, fees by class, how long the venue's word took.

Who calls it: core.booking (a fill), core.hearing (a word of the venue), core.audit (a proof) and core.engine (what is due), on the trading thread.
A mark-out is what a fill has gained against the mid so many seconds later; below zero the market knew better (adverse selection). At zero seconds it
is the spread captured. O(1) for an event; every list has a cap, and what is left out is counted. core.figures_told makes the picture of it.
Never: a decision, a clock, a float near money.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from core.histogram import Histogram
from core.money import ZERO
from core.types import Fill, Liquidity, Side, SymbolRules

HORIZONS_S = (1, 5, 30)
AWAITED_MAX = 5_000  # fills of one horizon that wait for their mid; the next ones are not marked at it
LATE_NS = 1_000_000_000  # a fill heard of later (a resync, a query) has no mid of its own time
NS_PER_S = 1_000_000_000
NEVER_NS = 2**63 - 1
Key = tuple[str, Side, Liquidity]


class Awaited(msgspec.Struct, frozen=True):
    """A fill whose mid at `due_ns` is not known yet. `quantity` is below zero for a sale."""

    due_ns: int
    key: Key
    price: Decimal
    quantity: Decimal


@dataclass(slots=True)
class Mark:
    """Fills that were marked, what they were worth, and what they had gained, both in quote."""

    fills: int = 0
    quote: Decimal = ZERO
    gain: Decimal = ZERO

    def add(self, price: Decimal, quantity: Decimal, mid: Decimal) -> None:
        self.fills += 1
        self.quote += price * abs(quantity)
        self.gain += (mid - price) * quantity


@dataclass(slots=True)
class FillClass:
    """Fills of one symbol, side and liquidity."""

    fills: int = 0
    quote: Decimal = ZERO
    fees: Decimal = ZERO  # in quote; of base at the price of the fill
    fees_elsewhere: int = 0  # fills whose fee was in a third asset: not valued
    marks: dict[int, Mark] = field(default_factory=lambda: {seconds: Mark() for seconds in (0, *HORIZONS_S)})


@dataclass(slots=True)
class Figures:
    classes: dict[Key, FillClass] = field(default_factory=dict)
    awaited: dict[int, list[Awaited]] = field(default_factory=lambda: {seconds: [] for seconds in HORIZONS_S})  # by horizon, the oldest first
    due_ns: int = NEVER_NS  # of the first of them
    late: int = 0  # fills heard of too late to be marked
    unmarked: int = 0  # (fill, horizon) without a mid, or beyond the cap
    place_ms: Histogram = field(default_factory=Histogram)  # from the decision to the venue's word
    cancel_ms: Histogram = field(default_factory=Histogram)
    weight_max: int = 0  # the most that was used of one window
    proofs: dict[str, tuple[int, bool, tuple[str, ...]]] = field(default_factory=dict)  # purpose -> the newest: time, equal, its lines
    proofs_different: int = 0
    told_ns: int = 0

    def add_fill(self, fill: Fill, mid: Decimal | None, rules: SymbolRules, now_ns: int, age_ns: int) -> None:
        """`mid` as the fill is heard of, `age_ns` after it happened."""
        key = fill.symbol, fill.side, fill.liquidity
        one = self.classes.get(key)
        if one is None:
            one = self.classes[key] = FillClass()
        one.fills += 1
        one.quote += fill.price * fill.quantity
        if fill.fee_asset == rules.quote:
            one.fees += fill.fee
        elif fill.fee_asset == rules.base:
            one.fees += fill.fee * fill.price
        else:
            one.fees_elsewhere += bool(fill.fee)
        if age_ns > LATE_NS:
            self.late += 1
            return
        signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
        if mid is None:
            self.unmarked += 1
        else:
            one.marks[0].add(fill.price, signed, mid)
        for seconds, waiting in self.awaited.items():
            if len(waiting) >= AWAITED_MAX:
                self.unmarked += 1
                continue
            waiting.append(Awaited(now_ns + seconds * NS_PER_S, key, fill.price, signed))
            self.due_ns = min(self.due_ns, waiting[0].due_ns)

    def settle(self, now_ns: int, mid_of: Callable[[str], Decimal | None]) -> None:
        """Mark what is due; called before a step hears anything new, so the mid is that of the moment it was due."""
        first_ns = NEVER_NS
        for seconds, waiting in self.awaited.items():
            count = 0
            for one in waiting:
                if one.due_ns > now_ns:
                    break
                count += 1
                if (mid := mid_of(one.key[0])) is None:
                    self.unmarked += 1
                else:
                    self.classes[one.key].marks[seconds].add(one.price, one.quantity, mid)
            del waiting[:count]
            if waiting:
                first_ns = min(first_ns, waiting[0].due_ns)
        self.due_ns = first_ns

    def add_proof(self, purpose: str, at_ns: int, equal: bool, lines: tuple[str, ...]) -> None:
        self.proofs[purpose] = (at_ns, equal, lines)
        self.proofs_different += not equal
