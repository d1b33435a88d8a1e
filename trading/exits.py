"""When a lot is left: take-profit, stop-loss, trailing stop with activation, time limit, a person's word. And how urgently.

Who calls it: trading.maker_first, on the trading thread, for every committed lot in every step, before any entry. Pure.
Never: an exit of more than the lot and its dust (reduce-only on spot is ours: core.lots.Lots.leavable); an entry.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from core.lots import Lot
from core.money import BPS, ZERO
from core.types import Side

S = 1_000_000_000


class Why(StrEnum):
    TAKE_PROFIT = "take-profit"
    STOP_LOSS = "stop-loss"
    TRAILING = "trailing stop"
    TIME = "time limit"
    OPERATOR = "operator"


URGENCY = {Why.TAKE_PROFIT: 0, Why.TIME: 1, Why.OPERATOR: 1, Why.STOP_LOSS: 2, Why.TRAILING: 2}


class ExitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Distances from the lot's price, in bps; 0 switches one off. After its deadline an exit takes, a take-profit only where it still pays."""

    stop_loss_bps: Decimal = Decimal(30)
    trail_from_bps: Decimal = Decimal(6)
    trail_bps: Decimal = Decimal(4)
    time_limit_s: int = 120
    runner: bool = True  # the oldest lot of a side has no take-profit: its trailing stop carries it
    share: Decimal = Decimal("0.5")  # of what a lot was given, that one take-profit leaves; every other reason leaves whole
    deadline_ms: int = 4000
    stop_deadline_ms: int = 500
    reprice_ms: int = 400
    slippage_bps_max: Decimal = Decimal(20)


def gain_bps(lot: Lot, price: Decimal) -> Decimal:
    """What leaving at this price would bring against the lot's price, before the exit's fee."""
    sign = 1 if lot.side is Side.BUY else -1
    return sign * (price - lot.price) / lot.price * BPS


def watch(lot: Lot, price: Decimal, settings: ExitSettings) -> bool:
    """Follow the best price, from when the trailing stop is active on that since then; True where it has just become active."""
    better = price > lot.best if lot.side is Side.BUY else price < lot.best
    if not lot.best or better:
        lot.best = price
    if lot.is_trailing or not settings.trail_bps or gain_bps(lot, price) < settings.trail_from_bps:
        return False
    lot.is_trailing, lot.best = True, price
    return True


def why_leave(lot: Lot, price: Decimal, settings: ExitSettings, now_ns: int, is_runner: bool, is_closing: bool) -> Why | None:
    """The first reason that holds at this price, the one at which the lot could be left at once."""
    gain = gain_bps(lot, price)
    fallen = (lot.best - price if lot.side is Side.BUY else price - lot.best) / lot.best * BPS if lot.best else ZERO
    tests = (
        (is_closing, Why.OPERATOR),
        (bool(settings.stop_loss_bps) and gain <= -settings.stop_loss_bps, Why.STOP_LOSS),
        (lot.is_trailing and bool(settings.trail_bps) and fallen >= settings.trail_bps, Why.TRAILING),
        (bool(settings.time_limit_s) and now_ns - lot.opened_ns >= settings.time_limit_s * S, Why.TIME),
        (bool(lot.take_profit_bps) and not is_runner and gain >= lot.take_profit_bps, Why.TAKE_PROFIT),
    )
    return next((why for holds, why in tests if holds), None)


def overtakes(why: Why | None, reason: str) -> bool:
    """An exit under way for a lesser reason ends for this one: a take-profit that follows a falling price holds no stop-loss up."""
    return why is not None and URGENCY[why] > URGENCY[Why(reason)]


def deadline_ms(why: Why, settings: ExitSettings) -> int:
    """How long it is tried as a maker."""
    return settings.stop_deadline_ms if why in (Why.STOP_LOSS, Why.TRAILING) else settings.deadline_ms


def may_take(why: Why, lot: Lot, price: Decimal) -> bool:
    """After the deadline: a take-profit that no longer pays waits for the next chance, everything else must go."""
    return why is not Why.TAKE_PROFIT or gain_bps(lot, price) >= lot.take_profit_bps
