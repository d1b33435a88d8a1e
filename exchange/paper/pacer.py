"""Drives the market in time: runs its steps when they are due, and slows it down when the machine cannot follow.

One task on the event loop. The market has its own timeline (speed, pauses and lost time shift it against the wall
clock); what it does to the book is stamped with the wall clock by `WallClockMatching`. Never: a step before it is due, a step left out.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from exchange.paper.matching import Matching
from exchange.paper.recorded_files import RecordingError

SLICE_MS = 50
LAG_MAX_MS = 250
NAP_S_MIN = 0.002
NAP_S_MAX = 0.25
COMPLAIN_EVERY_S = 10.0
HALTED = ("HALT", "BREAK")


class Market(Protocol):
    """What drives the background: synthetic.py or recording.py."""

    def start(self, now_ms: int) -> None: ...

    def next_ms(self) -> int | None: ...

    def step(self, now_ms: int) -> None: ...


class WallClockMatching(Matching):
    """`Matching` for market drivers: background changes carry the wall clock, and a halted symbol does not trade."""

    wall_ms: Callable[[], int] | None = None

    def _stamp(self, now_ms: int) -> int:
        return now_ms if self.wall_ms is None else self.wall_ms()

    def aggress(
        self, symbol: str, side: str, quantity: Decimal, limit_price: Decimal | None, now_ms: int
    ) -> Decimal:
        """As in `Matching`, at the wall clock's time; nothing while the symbol is halted."""
        if self.status[symbol] in HALTED:
            return Decimal(0)
        return super().aggress(symbol, side, quantity, limit_price, self._stamp(now_ms))

    def replay_trade(
        self, symbol: str, side: str, tick: int, lots: int, now_ms: int, is_late: bool = False
    ) -> None:
        """As in `Matching`, at the wall clock's time; nothing while the symbol is halted."""
        if self.status[symbol] not in HALTED:
            super().replay_trade(symbol, side, tick, lots, self._stamp(now_ms), is_late)


class Pacer:
    """The market's clock. `behind_ms` is how much market time was lost because the server was too slow."""

    def __init__(self, market: Market, after_step: Callable[[], None], speed: float) -> None:
        self._market = market
        self._after_step = after_step
        self._speed = speed
        self._base_market_ms = 0.0
        self._base_s = 0.0
        self._complained_s = -COMPLAIN_EVERY_S
        self.paused = False
        self.over = False
        self.behind_ms = 0.0

    @property
    def speed(self) -> float:
        """Market seconds per second."""
        return self._speed

    def start(self, now_ms: int) -> None:
        """Build the opening book."""
        self._market.start(now_ms)
        self._base_market_ms, self._base_s = float(now_ms), time.monotonic()
        self._after_step()

    def market_ms(self) -> float:
        """The market's own time."""
        if self.paused:
            return self._base_market_ms
        return self._base_market_ms + (time.monotonic() - self._base_s) * 1000 * self._speed

    def change(self, paused: bool | None, speed: float | None) -> None:
        """Pause, go on, or change the speed from now on."""
        self._base_market_ms, self._base_s = self.market_ms(), time.monotonic()
        if paused is not None:
            self.paused = paused
        if speed is not None:
            self._speed = speed

    async def run(self) -> None:
        """Until the recording is over or the task is canceled."""
        while True:
            if self.paused:
                await asyncio.sleep(NAP_S_MAX)
                continue
            due_ms = self._market.next_ms()
            if due_ms is None:
                self.over = True
                print("paper: the recording is over; the book stands still", file=sys.stderr, flush=True)
                return
            ahead_s = (due_ms - self.market_ms()) / 1000 / self._speed
            if ahead_s > 0:
                await asyncio.sleep(min(max(ahead_s, NAP_S_MIN), NAP_S_MAX))
                continue
            target_ms = min(int(self.market_ms()), due_ms + SLICE_MS)
            if not self._step(target_ms):
                return
            self._keep_pace(target_ms)
            await asyncio.sleep(NAP_S_MIN if self._speed <= 1 else 0)

    def _step(self, target_ms: int) -> bool:
        """One step; False when the recording turns out to be broken, which is said."""
        try:
            self._market.step(target_ms)
        except RecordingError as error:
            self.over = True
            print(f"paper: {error}; the book stands still", file=sys.stderr, flush=True)
        self._after_step()
        return not self.over

    def _keep_pace(self, reached_ms: int) -> None:
        """Give up the time that cannot be made good: the schedule shifts, nothing is skipped."""
        lag_ms = self.market_ms() - reached_ms
        if lag_ms <= LAG_MAX_MS:
            return
        self._base_market_ms -= lag_ms
        self.behind_ms += lag_ms
        now_s = time.monotonic()
        if now_s - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = now_s
            print(f"paper: too slow for the market, {self.behind_ms:.0f} ms behind in all", file=sys.stderr, flush=True)
