"""Seconds per light colour and quoting up-time per side, added up from step to step.

Who calls it: core.engine at the start of each step that hears of more than market data (a timer comes at least every 100 ms). Never: a clock.
"""

from dataclasses import dataclass, field

from core.light import Colour
from core.orders import Orders
from core.types import OrderStatus, Side

ON_THE_BOOK = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass(slots=True)
class Uptime:
    last_ns: int = 0
    light_ns: dict[tuple[str, Side, Colour], int] = field(default_factory=dict)
    quoted_ns: dict[tuple[str, Side], int] = field(default_factory=dict)
    ready_ns: dict[tuple[str, Side], int] = field(default_factory=dict)
    ready: set[tuple[str, Side]] = field(default_factory=set)  # sides that were green at least once

    def advance(self, now_ns: int, shown: dict[tuple[str, Side], Colour], orders: Orders) -> None:
        """Credit the time since the last step to what was shown and quoted during it."""
        elapsed_ns = now_ns - self.last_ns if self.last_ns else 0
        self.last_ns = now_ns
        if elapsed_ns <= 0:
            return
        quoted = {(order.symbol, order.side) for order in orders.open() if order.status in ON_THE_BOOK}
        for key, colour in shown.items():
            self.light_ns[(*key, colour)] = self.light_ns.get((*key, colour), 0) + elapsed_ns
            if colour is Colour.GREEN:
                self.ready.add(key)
            if key in self.ready:
                self.ready_ns[key] = self.ready_ns.get(key, 0) + elapsed_ns
                if key in quoted:
                    self.quoted_ns[key] = self.quoted_ns.get(key, 0) + elapsed_ns

    def share(self, symbol: str, side: Side) -> float:
        """Part of the time since the side was first green during which a quote of ours stood on the book."""
        ready_ns = self.ready_ns.get((symbol, side), 0)
        return self.quoted_ns.get((symbol, side), 0) / ready_ns if ready_ns else 0.0
