"""What the maker-first trader says of its entries, exits and lots, so that their story can be read without the code.

Who calls it: trading.maker_first and trading.chase, on the trading thread; trading.wanted puts tag, side, task and id around it. Pure: words only.
Never: a decision; a number that is not in the facts it is given.
"""

from collections.abc import Mapping
from decimal import Decimal

from core.lots import Lot
from core.money import ZERO, plain

ENDINGS = {
    "deadline": "its time was up",
    "never placed": "no order could leave in time",
    "signal": "the signal turned",
    "stop": "what was filled reached its stop-loss",
    "operator": "the operator closes",
    "overtaken": "a stop takes over",
}
NS_PER_S = 1_000_000_000


def ending(why: str) -> str:
    return ENDINGS.get(why, why)


def seconds(ns: int) -> str:
    return f"{Decimal(ns) / NS_PER_S:.1f} s"


def reprices(count: int) -> str:
    return f"{count or 'no'} {'reprice' if count == 1 else 'reprices'}"


def at(price: Decimal, tick: Decimal) -> str:
    """A mean price has more places than the grid."""
    return plain(price.quantize(tick.normalize()))


def stretched(every_ms: int, wanted_ms: int) -> str:
    return f" · follows every {every_ms} ms, not {wanted_ms}: order budget" if every_ms > wanted_ms else ""


# -- entries -------------------------------------------------------------------------------------
def begun(quantity: Decimal, worth: str, within_ms: int, reason: str, stretched: str) -> str:
    return f"{plain(quantity)} for {worth} within {within_ms / 1000:g} s · {reason}{stretched}"


def taking(quantity: Decimal, expected_bps: Decimal, most_bps: Decimal, reason: str, age_ns: int) -> str:
    guard = f"{round(expected_bps, 1) or ZERO:.1f} bps expected, {plain(most_bps)} at most"
    return f"{plain(quantity)} at the market, {guard} · thought over {seconds(age_ns)} {reason}"


def entered(lot: Lot, price: str, is_taker: bool, count: int, why: str, took_ns: int) -> str:
    how = "taker" if is_taker else f"maker, {reprices(count)}"
    return f"lot of {plain(lot.quantity)} at {price} · {how} · {ending(why)} after {seconds(took_ns)}"


def timed_out(filled: Decimal, quantity: Decimal, count: int, took_ns: int, left: Decimal) -> str:
    done = f"{plain(filled)} of {plain(quantity)} filled" if filled else "not filled"
    then = f"{plain(left)} may be taken on a later tick" if left else "no fallback"
    return f"{done} in {seconds(took_ns)}, {reprices(count)} · {then}"


def given_up(why: str, took_ns: int) -> str:
    return f"over after {seconds(took_ns)}, nothing filled: {ending(why)} · no fallback"


# -- exits and lots ------------------------------------------------------------------------------
def leaving(quantity: Decimal, lot: Lot, why: str, gain_bps: Decimal, stretched: str) -> str:
    what = f"{plain(quantity)} of {plain(lot.quantity)}" if quantity <= lot.quantity else f"{plain(quantity)}, the lot and dust"
    return f"{what} · {why} at {gain_bps:+.1f} bps{stretched}"


def parted(filled: Decimal, is_taker: bool, count: int, took_ns: int, kept: Decimal) -> str:
    how = "at the market" if is_taker else f"as a maker, {reprices(count)}"
    return f"{plain(filled)} left {how}, in {seconds(took_ns)} · the lot keeps {plain(kept)}"


def closed(lot: Lot, base: str, quote: str, tick: Decimal) -> str:
    """A lot's whole life in a line."""
    dust = f"{plain(lot.dust)} {base} is too little to leave and goes to the dust at cost" if lot.dust else ""
    head = f"{lot.side:<4} lot {lot.number} closed"
    if not lot.exits or not lot.entered or not lot.exited:
        return f"{head} · {dust or 'empty'}"
    prices = f"in at {at(lot.paid / lot.entered, tick)}, out at {at(lot.proceeds / lot.exited, tick)}"
    parts = f" in {lot.exits} fills" if lot.exits > 1 else ""
    inside = f", {plain(lot.base_fees)} {base} of commission inside" if lot.base_fees else ""
    fees = _fees(lot.fees)
    profit = f"{lot.profit:+.4f} {quote}{' before fees' + fees if fees or not inside else ''}{inside}"
    age = seconds(max(0, lot.closed_ns - lot.opened_ns))
    return f"{head} by {lot.exit_reason} after {age} · {plain(lot.entered)} {prices}{parts} · {profit}{' · ' + dust if dust else ''}"


def _fees(fees: Mapping[str, Decimal]) -> str:
    paid = ", ".join(f"{plain(fee)} {asset}" for asset, fee in fees.items() if fee != ZERO)
    return f" of {paid}" if paid else ""
