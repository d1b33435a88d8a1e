"""The market maker beside a small strategy that now and then wants a pair of which one cancels the other.

Who calls it: sim.bot, in worlds whose setup says so. The maker does not see the legs, nor the legs the maker: each side of the book has both.
Never: a clock, randomness, anything remembered from step to step.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from core.books import Books
from core.money import floor_to
from core.orders import Order
from core.ports import Capabilities, Strategy
from core.types import OrderType, Side
from core.view import Decision, View, WantOco, WantPlace
from trading.pairs import pair

TURN_NS = 3_000_000_000  # so long one side may have a pair, then the other
PROFIT_TICKS, TRIGGER_TICKS, LIMIT_TICKS = 2, 4, 30
NOTIONAL = Decimal(12)
BAND = 90  # no band of the maker's


class _WithoutLegs(View):
    """The maker's view: legs of pairs are somebody else's."""

    def __init__(self, books: Books) -> None:
        super().__init__(books)
        self.books = books

    def open_orders(self, symbol: str, side: Side) -> Sequence[Order]:
        return [order for order in super().open_orders(symbol, side) if not order.partner]


class WithPairs:
    """core.engine.Strategy around another one."""

    def __init__(self, inner: Strategy, can: Capabilities) -> None:
        self.inner, self.can = inner, can

    def decide(self, view: View, symbol: str) -> Decision:
        decision = self.inner.decide(_WithoutLegs(view._books), symbol)
        side = Side.SELL if view.now_ns // TURN_NS % 2 else Side.BUY
        if any(order.partner for order in view.open_orders(symbol, side)) or not view.light(symbol, side).is_green:
            return decision
        wanted = self._pair(view, symbol, side)
        return decision if wanted is None else msgspec.structs.replace(decision, ocos=(wanted,))

    def _pair(self, view: View, symbol: str, side: Side) -> WantOco | None:
        """A profit a little outside the touch, a stop on the other side of the market."""
        bid, ask, rules = view.touch_price(symbol, Side.BUY), view.touch_price(symbol, Side.SELL), view.rules(symbol)
        if bid is None or ask is None:
            return None
        out, near, far = (1, ask, bid) if side is Side.SELL else (-1, bid, ask)
        quantity = floor_to(NOTIONAL / near, rules.step)
        trigger = far - out * TRIGGER_TICKS * rules.tick
        profit = WantPlace(
            symbol=symbol,
            side=side,
            type=OrderType.LIMIT_MAKER,
            price=near + out * PROFIT_TICKS * rules.tick,
            quantity=quantity,
            slot=(BAND, 0),
            reason="profit of a pair",
        )
        stop = WantPlace(
            symbol=symbol,
            side=side,
            type=OrderType.STOP_LOSS_LIMIT,
            price=trigger - out * LIMIT_TICKS * rules.tick,
            quantity=quantity,
            slot=(BAND, 1),
            reason="stop of a pair",
            stop_price=trigger,
        )
        return pair(profit, stop, self.can, rules)

    def rests_on(self, view: View, symbol: str) -> None:
        """On the touch and on the time: every event asks."""

    def save(self) -> object:
        return self.inner.save()

    def load(self, saved: object) -> None:
        """Raises ValueError or msgspec.ValidationError for what `save` never gave."""
        self.inner.load(saved)
