"""Durations in fixed buckets: how long places, cancels and sleeps took, in bounded memory.

Who writes: one thread per histogram (the engine's are state of the run). Who reads: any, any time; each number is replaced, never half written.
Never: a lock, a list that grows.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from operator import mul

SMALLEST_MS, RATIO, BUCKETS = 0.001, 1.2, 110  # 1 us to about 7 minutes; a percentile is at most 20 % too high
_EDGES = tuple(accumulate(repeat(RATIO, BUCKETS - 1), mul, initial=SMALLEST_MS))


@dataclass(slots=True)
class Histogram:
    """Durations in ms in fixed buckets, each 1.2 times the last. One writer."""

    count: int = 0
    sum_ms: float = 0.0
    max_ms: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (BUCKETS + 1))

    def note(self, elapsed_ms: float) -> None:
        self.buckets[bisect_left(_EDGES, elapsed_ms)] += 1
        self.count += 1
        self.sum_ms += elapsed_ms
        if elapsed_ms > self.max_ms:
            self.max_ms = elapsed_ms

    def percentile_ms(self, percent: float) -> float:
        """The upper edge of the bucket that holds it, never above the maximum; 0 where nothing was noted. `percent` is above 0, at most 100."""
        buckets = list(self.buckets)
        wanted = sum(buckets) * percent / 100
        if not wanted:
            return 0.0
        for index, reached in enumerate(accumulate(buckets)):
            if reached >= wanted:
                return min(self.max_ms, _EDGES[index]) if index < BUCKETS else self.max_ms
        return self.max_ms

    def as_dict(self) -> dict[str, float]:
        return {
            "count": self.count,
            "p50_ms": round(self.percentile_ms(50), 3),
            "p90_ms": round(self.percentile_ms(90), 3),
            "p99_ms": round(self.percentile_ms(99), 3),
            "max_ms": round(self.max_ms, 3),
        }
