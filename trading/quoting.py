"""Where to quote: the reference, its shift with inventory, the least distance after fees, and the snap to the grid.

Who calls it: strategy.py, on the trading thread. Pure arithmetic over Decimals.
Never: a cross of the touch (post-only quotes are held one tick off it), a price off the tick grid.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from core.money import BPS, ONE, ZERO, away_from_mid, floor_to
from core.types import Side, SymbolRules
from core.view import View
from trading.bands import Band


class Reference(StrEnum):
    MID = "mid"
    TOUCH = "touch"


class SymbolQuoting(msgspec.Struct, frozen=True, kw_only=True):
    """What the market maker wants of one symbol. Quantities and the cap are in base; `inventory_target` None = what was held at start."""

    bid_bands: tuple[Band, ...]
    ask_bands: tuple[Band, ...]
    reference: Reference = Reference.MID
    inventory_target: Decimal | None = None
    inventory_cap: Decimal = ZERO
    skew_bps_max: Decimal = ZERO
    min_edge_bps: Decimal = ZERO
    maker_fee_bps: Decimal = ZERO
    hysteresis: Decimal = Decimal("0.1")
    order_age_s_max: int = 0
    orders_per_band_max: int = 3

    def bands(self, side: Side) -> tuple[Band, ...]:
        return self.bid_bands if side is Side.BUY else self.ask_bands


def inventory(view: View, symbol: str, quoting: SymbolQuoting, side: Side | None = None) -> Decimal:
    """Base held above (+) or below (-) the target; for a side the worse of balance and booked fills, so that no cap is passed meanwhile."""
    target = view.base_at_start(symbol) if quoting.inventory_target is None else quoting.inventory_target
    return view.base_held(symbol, side) - target


def reference_price(view: View, symbol: str, side: Side, quoting: SymbolQuoting) -> Decimal | None:
    """Mid or own touch, shifted against the inventory: long lowers both sides, short lifts them."""
    base = view.mid(symbol) if quoting.reference is Reference.MID else view.best(symbol, side)
    if base is None or not quoting.inventory_cap:
        return base
    share = max(-ONE, min(ONE, inventory(view, symbol, quoting) / quoting.inventory_cap))
    return base * (1 - quoting.skew_bps_max * share / BPS)


def quote_price(view: View, symbol: str, side: Side, band: Band, reference: Decimal, quoting: SymbolQuoting) -> Decimal | None:
    """The target price of the band on the grid: at least fee + edge from mid, never through the touch. None without a touch."""
    rules = view.rules(symbol)
    mid, opposite = view.mid(symbol), view.touch_price(symbol, side.opposite)
    if mid is None or opposite is None:
        return None
    price = band.price(side, reference, rules.tick)
    least = mid * (quoting.maker_fee_bps + quoting.min_edge_bps) / BPS
    back = rules.tick * (1 + view.post_only_refusals(symbol, side))
    price = min(price, mid - least, opposite - back) if side is Side.BUY else max(price, mid + least, opposite + back)
    return away_from_mid(price, rules.tick, side)


def room(view: View, symbol: str, side: Side, quoting: SymbolQuoting) -> Decimal:
    """Base quantity this side may still add, open and undecided orders counted; without a cap there is no bound but funds."""
    if not quoting.inventory_cap:
        return Decimal("Infinity")
    held = inventory(view, symbol, quoting, side)
    open_quantity = sum((order.remaining for order in view.open_orders(symbol, side)), ZERO)
    toward = held if side is Side.BUY else -held
    return max(ZERO, quoting.inventory_cap - toward - open_quantity)


def fit_quantity(quantity: Decimal, price: Decimal, rules: SymbolRules) -> Decimal:
    """Snap down to the step; zero where it is below the venue's minimum quantity or notional."""
    snapped = floor_to(quantity, rules.step)
    if snapped <= 0 or snapped < rules.min_quantity or snapped * price < rules.min_notional:
        return ZERO
    return snapped
