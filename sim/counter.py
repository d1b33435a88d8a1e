"""One limit of the simulated venue, counted in windows aligned to the clock (binance-wire 4).

Who calls it: sim.venue. Never: a refusal; it counts.
"""

from dataclasses import dataclass

from core.types import RateLimit


@dataclass(slots=True)
class Counter:
    """One clock-aligned limit of the venue."""

    kind: str
    interval_s: int
    limit: int
    index: int = -1
    used: int = 0

    def add(self, now_ms: int, amount: int) -> int:
        index = now_ms // 1000 // self.interval_s
        if index != self.index:
            self.index, self.used = index, 0
        self.used = max(0, self.used + amount)
        return self.used

    def limit_fact(self) -> RateLimit:
        return RateLimit(kind=self.kind, interval_s=self.interval_s, limit=self.limit, count=self.used)
