"""Bands: per side a list {min, target, max, quantity}. An order inside its band is left alone; outside it is bad.

Who calls it: strategy.py, on the trading thread. All values are exact; distances are in bps of the reference or in ticks.
Never: an order, a price snapped to the grid (trading.quoting does that).
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from core.money import BPS, ZERO
from core.types import Side


class Unit(StrEnum):
    BPS = "bps"
    TICKS = "ticks"


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Distances from the reference, on the passive side; quantity in base, for the whole band."""

    min: Decimal
    target: Decimal
    max: Decimal
    quantity: Decimal
    unit: Unit = Unit.BPS

    def step_size(self, reference: Decimal, tick: Decimal) -> Decimal:
        """The price of one unit of distance."""
        return reference / BPS if self.unit is Unit.BPS else tick

    def price(self, side: Side, reference: Decimal, tick: Decimal) -> Decimal:
        """The target price, not yet snapped."""
        offset = self.target * self.step_size(reference, tick)
        return reference - offset if side is Side.BUY else reference + offset

    def distance(self, side: Side, price: Decimal, reference: Decimal, tick: Decimal) -> Decimal:
        """How far `price` stands from the reference, in the band's unit; negative on the wrong side."""
        gap = reference - price if side is Side.BUY else price - reference
        return gap / self.step_size(reference, tick)

    def slack(self, hysteresis: Decimal) -> Decimal:
        """How far an order may stray beyond the band before it is bad: a share of its width."""
        return (self.max - self.min) * hysteresis


def band_of(bands: Sequence[Band], side: Side, price: Decimal, reference: Decimal, tick: Decimal) -> int | None:
    """The first band that holds this price; None where no band wants it."""
    for index, band in enumerate(bands):
        if band.min <= band.distance(side, price, reference, tick) <= band.max:
            return index
    return None


def why_bad(band: Band, side: Side, price: Decimal, reference: Decimal, tick: Decimal, hysteresis: Decimal) -> str | None:
    """The reason an order of this band must go, or None while it may stay."""
    distance = band.distance(side, price, reference, tick)
    slack = band.slack(hysteresis)
    if band.min - slack <= distance <= band.max + slack:
        return None
    edge = f"band ends at {band.max}" if distance > band.max else f"band begins at {band.min}"
    return f"{distance:.1f} {band.unit} from the reference, {edge}"


def is_urgent(bands: Sequence[Band], side: Side, price: Decimal, reference: Decimal, tick: Decimal) -> bool:
    """Outside the outermost band, or on the wrong side of the reference: canceled even when a place is owed first."""
    outermost = max(bands, key=lambda band: band.max)
    distance = outermost.distance(side, price, reference, tick)
    return distance < ZERO or distance > outermost.max + outermost.slack(Decimal("0.5"))
