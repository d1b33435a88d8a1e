"""Exact decimals: snapping to tick and step, plain text for the wire, basis points.

Who uses it: every room. Thread: any. Never: float, exponent notation, rounding that nobody asked for.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from core.types import Side

ZERO, ONE = Decimal(0), Decimal(1)
BPS = Decimal(10_000)


def plain(value: Decimal) -> str:
    """Decimal -> text without exponent and without trailing zeros: what the wire accepts (binance-wire 2: no sign, no exponent)."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def at_least(value: Decimal, places: int) -> str:
    """Exact, with at least so many decimals, so that columns line up."""
    whole, _, rest = plain(value).partition(".")
    return f"{whole}.{rest:0<{places}}"


def floor_to(value: Decimal, unit: Decimal) -> Decimal:
    """The largest multiple of `unit` that is not above `value`."""
    return (value / unit).to_integral_value(ROUND_FLOOR) * unit


def ceil_to(value: Decimal, unit: Decimal) -> Decimal:
    """The smallest multiple of `unit` that is not below `value`."""
    return (value / unit).to_integral_value(ROUND_CEILING) * unit


def away_from_mid(price: Decimal, tick: Decimal, side: Side) -> Decimal:
    """Snap a quote to the grid on its passive side: a bid down, an ask up."""
    return floor_to(price, tick) if side is Side.BUY else ceil_to(price, tick)


def is_multiple(value: Decimal, unit: Decimal) -> bool:
    """True where `value % unit == 0`; a unit of 0 switches the test off (binance-wire 2, PRICE_FILTER)."""
    return unit == 0 or value % unit == 0


def distance_bps(price: Decimal, reference: Decimal, side: Side) -> Decimal:
    """How far a quote stands away from the reference on its own side, in bps; negative = on the wrong side of it."""
    gap = reference - price if side is Side.BUY else price - reference
    return gap / reference * BPS
