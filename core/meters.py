"""How much of one limit is used: a clock-aligned window where the venue counts, a plain token bucket where it does not. One protocol.

Who calls it: core.budget, on the trading thread. Pure: time is an argument.
Never: a wait, a request.
Source: binance-wire 4 (windows are aligned to the venue's clock, not sliding).
"""

from dataclasses import dataclass
from typing import Protocol

NS_PER_MS, NS_PER_S = 1_000_000, 1_000_000_000


class Meter(Protocol):
    """One limit. Times are ours, in ns."""

    kind: str
    interval_s: int
    limit: int

    def used_at(self, now_ns: int) -> int: ...
    def spend(self, now_ns: int, amount: int) -> None: ...
    def clears_ns(self, now_ns: int, amount: int, percent: int) -> int:
        """0 where `amount` more stays within this share of the limit, else when it may."""


@dataclass(slots=True)
class Window:
    """One clock-aligned counter of the venue: `limit` per `interval_s`, as its clock runs (`ahead_ns` before ours)."""

    kind: str
    interval_s: int
    limit: int
    used: int = 0
    index: int = -1
    carried: int = 0  # places sent before this window began and not answered yet: they may be counted in it
    heard: int = 0  # the highest counter of the venue in this window
    ahead_ns: int = 0

    def index_of(self, venue_ns: int) -> int:
        return venue_ns // (self.interval_s * NS_PER_S)

    def roll(self, venue_ns: int, ahead_ns: int) -> bool:
        """True where a new window has begun."""
        self.ahead_ns = ahead_ns
        index = self.index_of(venue_ns)
        if index <= self.index:
            return False
        self.index, self.used, self.heard = index, 0, 0
        return True

    def ends_ns(self) -> int:
        return (self.index + 1) * self.interval_s * NS_PER_S - self.ahead_ns

    def used_at(self, now_ns: int) -> int:
        return self.used

    def spend(self, now_ns: int, amount: int) -> None:
        self.used += amount

    def clears_ns(self, now_ns: int, amount: int, percent: int) -> int:
        return self.ends_ns() if self.used + self.carried + amount > self.limit * percent // 100 else 0


@dataclass(slots=True)
class TokenBucket:
    """For a limit that nobody counts for us and whose windows may begin at any time.

    Half of the limit may leave at once, the other half comes back over the interval: so no window of that length holds more than the limit, wherever
    it begins. The state is one number: when the bucket will be full again.
    """

    kind: str
    interval_s: int
    limit: int
    full_ns: int = 0

    @property
    def burst(self) -> int:
        return (self.limit + 1) // 2

    @property
    def token_ns(self) -> int:
        """How long one token takes to come back."""
        return -(-self.interval_s * NS_PER_S // (self.limit - self.burst + 1))

    def used_at(self, now_ns: int) -> int:
        return -(-max(0, self.full_ns - now_ns) // self.token_ns)

    def spend(self, now_ns: int, amount: int) -> None:
        self.full_ns = max(self.full_ns, now_ns) + amount * self.token_ns

    def clears_ns(self, now_ns: int, amount: int, percent: int = 100) -> int:
        room = self.burst * percent // 100
        at_ns = max(self.full_ns, now_ns) + (min(amount, room) - room) * self.token_ns  # more than fits at all waits for a full bucket
        return at_ns if at_ns > now_ns else 0
