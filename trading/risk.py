"""Our own no: filters of the venue checked before sending, size and count limits, the loss limit.

Who calls it: core.engine through the Risk protocol, on the trading thread. Every refusal names its reason and what clears it.
Never: a change to an order; it denies, it does not mend.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from core.money import ZERO, is_multiple, plain
from core.types import Side, SymbolRules
from core.view import View, WantPlace

NEXT_DECISION = "the next decision"
Denial = tuple[str, str]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts in quote; 0 switches a limit off."""

    order_notional_max: Decimal = ZERO
    open_orders_max: int = 20
    loss_quote_max: Decimal = ZERO


class _Share(msgspec.Struct, frozen=True):
    """What is ours of a recipe."""

    limits: Limits


def filter_denial(want: WantPlace, rules: SymbolRules, mid: Decimal | None) -> Denial | None:
    """The first filter of the venue that this place does not pass, with mid standing for the average price."""
    for is_passed, words in FILTERS:
        if not is_passed(want, rules, mid):
            return words(want, rules), NEXT_DECISION
    return None


def _is_on_grid(price: Decimal, rules: SymbolRules) -> bool:
    """PRICE_FILTER holds for a stop price too."""
    return price > 0 and is_multiple(price, rules.tick) and price >= rules.min_price and (not rules.max_price or price <= rules.max_price)


def _inside_percent(want: WantPlace, rules: SymbolRules, mid: Decimal) -> bool:
    up, down = (
        (rules.bid_multiplier_up, rules.bid_multiplier_down) if want.side is Side.BUY else (rules.ask_multiplier_up, rules.ask_multiplier_down)
    )
    return (not up or want.price <= mid * up) and (not down or want.price >= mid * down)


# PRICE_FILTER, LOT_SIZE, NOTIONAL, PERCENT_PRICE_BY_SIDE (binance-wire 2), types and stop prices: the test, and what is said where it is not passed
FILTERS: tuple[tuple[Callable[[WantPlace, SymbolRules, Decimal | None], bool], Callable[[WantPlace, SymbolRules], str]], ...] = (
    (
        lambda want, rules, mid: want.price > 0 and is_multiple(want.price, rules.tick),
        lambda want, rules: f"price {plain(want.price)} is off the tick {plain(rules.tick)}",
    ),
    (
        lambda want, rules, mid: want.quantity > 0 and is_multiple(want.quantity, rules.step),
        lambda want, rules: f"quantity {plain(want.quantity)} is off the step {plain(rules.step)}",
    ),
    (
        lambda want, rules, mid: want.price >= rules.min_price and (not rules.max_price or want.price <= rules.max_price),
        lambda want, rules: f"price {plain(want.price)} is outside the venue's range",
    ),
    (
        lambda want, rules, mid: want.quantity >= rules.min_quantity,
        lambda want, rules: f"quantity {plain(want.quantity)} is below {plain(rules.min_quantity)}",
    ),
    (
        lambda want, rules, mid: not rules.max_quantity or want.quantity <= rules.max_quantity,
        lambda want, rules: f"quantity {plain(want.quantity)} is above {plain(rules.max_quantity)}",
    ),
    (
        lambda want, rules, mid: want.price * want.quantity >= rules.min_notional,
        lambda want, rules: f"notional {plain(want.price * want.quantity)} is below {plain(rules.min_notional)}",
    ),
    (
        lambda want, rules, mid: not rules.max_notional or want.price * want.quantity <= rules.max_notional,
        lambda want, rules: f"notional {plain(want.price * want.quantity)} is above {plain(rules.max_notional)}",
    ),
    (
        lambda want, rules, mid: mid is None or _inside_percent(want, rules, mid),
        lambda want, rules: f"price {plain(want.price)} is outside the venue's percent range",
    ),
    (
        lambda want, rules, mid: not rules.order_types or want.type.value in rules.order_types,
        lambda want, rules: f"{want.type.value} orders are not taken for {want.symbol}",
    ),
    (
        lambda want, rules, mid: want.type.waits == (want.stop_price is not None),
        lambda want, rules: f"a stop price belongs to the orders that wait for one, not to {want.type.value}",
    ),
    (
        lambda want, rules, mid: want.stop_price is None or _is_on_grid(want.stop_price, rules),
        lambda want, rules: f"stop price {plain(want.stop_price or ZERO)} is off the tick or the range",
    ),
)


class RiskChecks:
    """The Risk protocol of core.asking."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def adopt(self, settings: bytes) -> None:
        self.limits = msgspec.msgpack.decode(settings, type=_Share).limits

    def check(self, want: WantPlace, view: View) -> Denial | None:
        rules = view.rules(want.symbol)
        if denial := filter_denial(want, rules, view.mid(want.symbol)):
            return denial
        notional, ceiling = want.price * want.quantity, self.limits.order_notional_max
        if ceiling and notional > ceiling:
            return f"order of {plain(notional)} {rules.quote} is above risk.order_notional_max {plain(ceiling)}", "a smaller quantity"
        most = min(self.limits.open_orders_max, rules.max_orders)
        if view.open_count(want.symbol) >= most:
            return f"{most} orders are open, the limit", "an order ends"
        return None

    def halt(self, view: View) -> str | None:
        ceiling = self.limits.loss_quote_max
        if ceiling and (loss := view.loss_quote()) > ceiling:
            return f"quoting has lost {loss:.2f}, limit {plain(ceiling)}"
        return None
