"""Signals: which side to enter now, if any, and why. A small one of our own; others can be brought behind the same protocol.

Who calls it: trading.maker_first, on the trading thread, with every known mid. Pure: time and prices are arguments.
Never: an order, a float, a look at our own orders (the mid given here leaves them out).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import msgspec

from core.money import BPS, ZERO
from core.types import Side

MS, NS_PER_S = 1_000_000, 1_000_000_000
PLACES = Decimal("1e-12")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a signal says of one symbol: a side or none, the reason in words, and how much the price moves (bps per sample)."""

    side: Side | None
    reason: str
    vol_bps: Decimal = ZERO


class Signal(Protocol):
    """`save` gives what it remembers as plain data, `load` takes it back; it may raise ValueError or msgspec.ValidationError."""

    def read(self, symbol: str, mid: Decimal, now_ns: int) -> Reading: ...
    def save(self) -> object: ...
    def load(self, saved: object) -> None: ...


class EwmaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Averages by time: after `fast_s` a step in the price has reached half of the fast one."""

    sample_ms: int = 250
    fast_s: Decimal = Decimal(5)
    slow_s: Decimal = Decimal(20)
    trend_bps_min: Decimal = Decimal("0.5")
    vol_bps_min: Decimal = ZERO
    vol_bps_max: Decimal = Decimal(20)


@dataclass(slots=True)
class Averages:
    fast: Decimal
    slow: Decimal
    last: Decimal
    sampled_ns: int
    begun_ns: int
    vol_bps: Decimal = ZERO


def toward(old: Decimal, new: Decimal, passed_s: Decimal, half_s: Decimal) -> Decimal:
    """The average after `passed_s`: the share of the new value is passed / (passed + half), which needs no exponential."""
    return (old + (new - old) * passed_s / (passed_s + half_s)).quantize(PLACES)


class EwmaCross:
    """A fast average above a slow one by at least the trend's minimum asks for BUY, below it for SELL; volatility outside its gate for nothing."""

    def __init__(self, settings: EwmaSettings) -> None:
        self.settings = settings
        self._averages: dict[str, Averages] = {}

    def read(self, symbol: str, mid: Decimal, now_ns: int) -> Reading:
        averages = self._averages.get(symbol)
        if averages is None:
            averages = self._averages[symbol] = Averages(mid, mid, mid, now_ns, now_ns)
        elif now_ns - averages.sampled_ns >= self.settings.sample_ms * MS:
            self._sample(averages, mid, now_ns)
        return self._judge(averages, now_ns)

    def _sample(self, averages: Averages, mid: Decimal, now_ns: int) -> None:
        settings = self.settings
        passed_s = Decimal(now_ns - averages.sampled_ns) / NS_PER_S
        moved_bps = abs(mid - averages.last) / averages.last * BPS
        averages.vol_bps = toward(averages.vol_bps, moved_bps, passed_s, settings.slow_s)
        averages.fast = toward(averages.fast, mid, passed_s, settings.fast_s)
        averages.slow = toward(averages.slow, mid, passed_s, settings.slow_s)
        averages.last, averages.sampled_ns = mid, now_ns

    def _judge(self, averages: Averages, now_ns: int) -> Reading:
        settings, vol = self.settings, averages.vol_bps
        apart_bps = (averages.fast - averages.slow) / averages.slow * BPS
        if now_ns - averages.begun_ns < int(settings.slow_s * NS_PER_S):
            left_s = settings.slow_s - Decimal(now_ns - averages.begun_ns) / NS_PER_S
            return Reading(side=None, reason=f"the signal warms up for another {left_s:.0f} s", vol_bps=vol)
        if not settings.vol_bps_min <= vol <= settings.vol_bps_max:
            return Reading(side=None, reason=f"no signal: volatility {vol:.2f} bps is outside its gate", vol_bps=vol)
        if abs(apart_bps) < settings.trend_bps_min:
            return Reading(side=None, reason=f"no signal: trend {apart_bps:+.2f} bps is below its gate", vol_bps=vol)
        side = Side.BUY if apart_bps > 0 else Side.SELL
        where = "above" if apart_bps > 0 else "below"
        return Reading(side=side, reason=f"fast average {abs(apart_bps):.1f} bps {where} slow, volatility {vol:.1f}", vol_bps=vol)

    def save(self) -> object:
        return msgspec.to_builtins(self._averages)

    def load(self, saved: object) -> None:
        self._averages = msgspec.convert(saved, dict[str, Averages])
