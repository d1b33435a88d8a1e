"""Our own no: filters of the venue checked before sending, size and count limits, the loss limit.

Who calls it: core.engine through the Risk protocol, on the trading thread. Every refusal names its reason and what clears it.
Never: a change to an order; it denies, it does not mend.
"""

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


def filter_denial(want: WantPlace, rules: SymbolRules, mid: Decimal | None) -> Denial | None:
    """PRICE_FILTER, LOT_SIZE, NOTIONAL and PERCENT_PRICE_BY_SIDE (binance-wire 2), with mid standing for the average price."""
    price, quantity = want.price, want.quantity
    notional = price * quantity
    tests = (
        (price > 0 and is_multiple(price, rules.tick), f"price {plain(price)} is off the tick {plain(rules.tick)}"),
        (quantity > 0 and is_multiple(quantity, rules.step), f"quantity {plain(quantity)} is off the step {plain(rules.step)}"),
        (price >= rules.min_price and (not rules.max_price or price <= rules.max_price), f"price {plain(price)} is outside the venue's range"),
        (quantity >= rules.min_quantity, f"quantity {plain(quantity)} is below {plain(rules.min_quantity)}"),
        (not rules.max_quantity or quantity <= rules.max_quantity, f"quantity {plain(quantity)} is above {plain(rules.max_quantity)}"),
        (notional >= rules.min_notional, f"notional {plain(notional)} is below {plain(rules.min_notional)}"),
        (not rules.max_notional or notional <= rules.max_notional, f"notional {plain(notional)} is above {plain(rules.max_notional)}"),
        (mid is None or _inside_percent(want, rules, mid), f"price {plain(price)} is outside the venue's percent range"),
        (not rules.order_types or want.type.value in rules.order_types, f"{want.type.value} orders are not taken for {want.symbol}"),
        (want.type.waits == (want.stop_price is not None), f"a stop price belongs to the orders that wait for one, not to {want.type.value}"),
        (want.stop_price is None or _is_on_grid(want.stop_price, rules), f"stop price {plain(want.stop_price or ZERO)} is off the tick or the range"),
    )
    return next(((reason, NEXT_DECISION) for passed, reason in tests if not passed), None)


def _is_on_grid(price: Decimal, rules: SymbolRules) -> bool:
    """PRICE_FILTER holds for a stop price too."""
    return price > 0 and is_multiple(price, rules.tick) and price >= rules.min_price and (not rules.max_price or price <= rules.max_price)


def _inside_percent(want: WantPlace, rules: SymbolRules, mid: Decimal) -> bool:
    up, down = (
        (rules.bid_multiplier_up, rules.bid_multiplier_down) if want.side is Side.BUY else (rules.ask_multiplier_up, rules.ask_multiplier_down)
    )
    return (not up or want.price <= mid * up) and (not down or want.price >= mid * down)


class RiskChecks:
    """The Risk protocol of core.asking."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

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
