"""The symbol's filters, judged as Binance judges them: code, text and order of the tests.

Who calls it: matching.py before an order enters. Pure. Source: binance-wire 2 (Filters) and 8 (codes).
Never: a balance, a book; the average price is an argument.
"""

from __future__ import annotations

from decimal import Decimal

from exchange.paper.model import MARKET_TYPES, PlaceRequest, Reject, SymbolRules

PRECISION_MAX = 8


def failure(name: str, code: int = -1013) -> Reject:
    return Reject(code, f"Filter failure: {name}")


def check_precision(value: Decimal | None, name: str) -> None:
    """-1111 above 8 decimals."""
    if value is not None and -int(value.as_tuple().exponent) > PRECISION_MAX and value != value.quantize(Decimal("1e-8")):
        raise Reject(-1111, f"Parameter '{name}' has too much precision.")


def check_price(rules: SymbolRules, price: Decimal) -> None:
    inside = (not rules.min_price or price >= rules.min_price) and (not rules.max_price or price <= rules.max_price)
    if price <= 0 or not inside or price % rules.tick:
        raise failure("PRICE_FILTER")


def check_quantity(rules: SymbolRules, quantity: Decimal) -> None:
    inside = quantity >= rules.min_quantity and (not rules.max_quantity or quantity <= rules.max_quantity)
    if quantity <= 0 or not inside or quantity % rules.step:
        raise failure("LOT_SIZE")


def check_market_quantity(rules: SymbolRules, quantity: Decimal) -> None:
    """MARKET_LOT_SIZE stands beside LOT_SIZE; each of its parts may be 0, which is off."""
    is_above = rules.market_max_quantity and quantity > rules.market_max_quantity
    if quantity < rules.market_min_quantity or is_above or (rules.market_step and quantity % rules.market_step):
        raise failure("MARKET_LOT_SIZE")


def check_notional(rules: SymbolRules, notional: Decimal, is_market: bool = False) -> None:
    is_below = (rules.min_notional_to_market or not is_market) and notional < rules.min_notional
    is_above = (rules.max_notional_to_market or not is_market) and rules.max_notional and notional > rules.max_notional
    if is_below or is_above:
        raise failure("NOTIONAL")


def check_percent(rules: SymbolRules, side: str, price: Decimal, average: Decimal | None) -> None:
    if average is None:
        return
    up, down = (rules.bid_multiplier_up, rules.bid_multiplier_down) if side == "BUY" else (rules.ask_multiplier_up, rules.ask_multiplier_down)
    if (up and price > average * up) or (down and price < average * down):
        raise failure("PERCENT_PRICE_BY_SIDE")


def check_request(rules: SymbolRules, request: PlaceRequest, average: Decimal | None) -> None:
    """All filters of one order, before any balance is looked at."""
    for value, name in ((request.price, "price"), (request.quantity, "quantity"), (request.quote_quantity, "quoteOrderQty"),
                        (request.stop_price, "stopPrice")):
        check_precision(value, name)
    if request.stop_price is not None:
        check_price(rules, request.stop_price)
    if request.type in MARKET_TYPES:
        if request.quantity is not None:
            check_quantity(rules, request.quantity)
            check_market_quantity(rules, request.quantity)
        if request.quote_quantity is not None:
            check_notional(rules, request.quote_quantity, is_market=True)
        elif request.quantity is not None and average is not None:
            check_notional(rules, request.quantity * average, is_market=True)
        return
    assert request.price is not None and request.quantity is not None
    check_price(rules, request.price)
    check_percent(rules, request.side, request.price, average)
    check_quantity(rules, request.quantity)
    check_notional(rules, request.price * request.quantity)
