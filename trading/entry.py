"""Where an entry stands, when it ends, and when the market may be taken instead: price, size, the reprice interval, and the guard of the price.

Who calls it: trading.maker_first, on the trading thread. Arithmetic over a View; the machine that is advanced is trading.chase.
Never: a price that crosses the touch for a maker order; a taker order without its limit price; a fallback in the step of a timeout.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from core.events import Level
from core.money import BPS, ZERO, away_from_mid
from core.types import Side, SymbolRules
from core.view import View
from trading.quoting import fit_quantity

MS = 1_000_000


class EntrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How positions are taken. Offsets count away from the own side's best price; the interval is stretched where the order budget is small."""

    quote_amount: Decimal = Decimal(200)
    lots_max: int = 5  # per side
    offset_bps: Decimal = ZERO
    offset_per_spread: Decimal = ZERO
    offset_per_vol: Decimal = ZERO
    deadline_ms: int = 2000
    reprice: bool = True
    chase_bps_max: Decimal = Decimal("0.5")  # no further from the mid at the decision than this; zero for no bound
    reprice_ms: int = 400
    reprice_budget_share: Decimal = Decimal("0.3")
    rest_ms: int = 2000  # after an entry is over, before the next one of the side
    fallback: bool = True
    recheck_ms_max: int = 30_000
    slippage_bps_max: Decimal = Decimal(3)
    fee_bps: Decimal = Decimal(10)  # reserved on top of a purchase
    take_profit_bps: Decimal = Decimal(8)


@dataclass(slots=True)
class Recheck:
    """A timeout earned one more thought: on a later tick, once, and only if every gate passes again."""

    quantity: Decimal
    number: int  # the entry that timed out
    since_ns: int


class Protected(msgspec.Struct, frozen=True, kw_only=True):
    """What may be taken now: up to this price, this much; `expected_bps` is what the whole was expected to cost against the touch."""

    price: Decimal
    quantity: Decimal
    expected_bps: Decimal
    is_whole: bool


def offset_bps(settings: EntrySettings, spread_bps: Decimal, vol_bps: Decimal) -> Decimal:
    return settings.offset_bps + settings.offset_per_spread * spread_bps + settings.offset_per_vol * vol_bps


def offset_now(settings: EntrySettings, view: View, symbol: str, vol_bps: Decimal) -> Decimal:
    bid, ask = view.best(symbol, Side.BUY), view.best(symbol, Side.SELL)
    return offset_bps(settings, (ask - bid) / bid * BPS if bid and ask else ZERO, vol_bps)


def maker_price(view: View, symbol: str, side: Side, offset: Decimal) -> Decimal | None:
    """That many bps from the own touch, on the grid; one tick off the other side's best, and one more for each post-only refusal in a row."""
    rules = view.rules(symbol)
    touch, opposite = view.best(symbol, side), view.touch_price(symbol, side.opposite)
    if touch is None or opposite is None:
        return None
    back = rules.tick * (1 + view.post_only_refusals(symbol, side))
    away = touch * offset / BPS
    price = min(touch - away, opposite - back) if side is Side.BUY else max(touch + away, opposite + back)
    snapped = away_from_mid(price, rules.tick, side)
    return snapped if snapped > ZERO else None


def bounded(price: Decimal, side: Side, reference: Decimal, chase_bps_max: Decimal, tick: Decimal) -> Decimal:
    """The price, but no worse than so many bps from the mid at the decision: what has run further is not chased, it may come back."""
    if not chase_bps_max or not reference:
        return price
    bound = away_from_mid(reference * (1 + (1 if side is Side.BUY else -1) * chase_bps_max / BPS), tick, side)
    return min(price, bound) if side is Side.BUY else max(price, bound)


def interval_ms(reprice_ms: int, budget_share: Decimal, orders_per_s: Decimal, chasing: int) -> int:
    """The configured interval, stretched so that all that is chased together uses at most its share of the venue's order budget."""
    if not orders_per_s or not chasing:
        return reprice_ms
    return max(reprice_ms, int(1000 * chasing / (orders_per_s * budget_share)))


def size(settings: EntrySettings, price: Decimal, spare: Decimal, rules: SymbolRules) -> Decimal:
    """Base for one entry: the quote amount at this price, bounded by what is spare (in base), on the step; zero where it is below the minimum."""
    return fit_quantity(min(settings.quote_amount / price, spare), price, rules)


def protect(view: View, symbol: str, side: Side, quantity: Decimal, slippage_bps_max: Decimal, needs_print: bool = True) -> Protected | None:
    """The guard of a taker order: the whole where depth book and last trade allow it, a part up to the protected price, or None.

    The price bound counts from the touch and from the last trade, whichever is stricter: neither a thin book nor a stale one is paid for.
    Before the first print nothing may be taken, but by who must leave: there the touch alone is the measure.
    """
    rules, touch, last = view.rules(symbol), view.touch_price(symbol, side.opposite), view.last_trade(symbol)
    if touch is None or (last is None and needs_print):
        return None
    sign = 1 if side is Side.BUY else -1
    bounds = [base * (1 + sign * slippage_bps_max / BPS) for base in (touch, last) if base is not None]
    bound = min(bounds) if side is Side.BUY else max(bounds)
    price = away_from_mid(bound, rules.tick, side)
    available, paid = walk(view.levels(symbol, side.opposite), side, price, quantity)
    if not available:
        return None
    expected = sign * (paid / available - touch) / touch * BPS
    fitted = fit_quantity(min(available, quantity), price, rules)  # the venue judges the least order at the order's own price
    return Protected(price=price, quantity=fitted, expected_bps=expected, is_whole=fitted == quantity) if fitted else None


def walk(levels: Iterable[Level], side: Side, price: Decimal, quantity: Decimal) -> tuple[Decimal, Decimal]:
    """(base to be had up to this price and quantity, what it costs in quote)."""
    taken, paid = ZERO, ZERO
    for level, amount in levels:
        if (level > price if side is Side.BUY else level < price) or taken >= quantity:
            break
        part = min(amount, quantity - taken)
        taken, paid = taken + part, paid + part * level
    return taken, paid
