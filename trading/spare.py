"""Funds that an entry may use: what the venue has for us, less what lots still have to sell or buy back and what pending entries may still need.

Who calls it: trading.maker_first, on the trading thread, when it thinks of an entry. Pure.
Never: an amount held back twice: what an open order locks is no longer `available`, so only what goes beyond it is promised here.
"""

from collections.abc import Mapping
from decimal import Decimal

from core.money import BPS, ONE, ZERO
from core.types import Side
from core.view import View
from trading.trader import Trader

Traders = Mapping[str, Trader]


def spare_base(view: View, traders: Traders, symbol: str, side: Side, price: Decimal, fee_bps: Decimal) -> Decimal:
    """In base: what an entry of this side, at this price, may be for. A purchase carries its fee."""
    rules = view.rules(symbol)
    asset = rules.base if side is Side.SELL else rules.quote
    spare = max(ZERO, view.available(asset) - promised(view, traders, asset, fee_bps))
    return spare if side is Side.SELL else spare / (price * (ONE + fee_bps / BPS))


def promised(view: View, traders: Traders, asset: str, fee_bps: Decimal) -> Decimal:
    """Of an asset, by every symbol that has it as base or quote, beyond what its open orders lock."""
    total = ZERO
    for symbol, trader in traders.items():
        rules = view.rules(symbol)
        if rules.base == asset:
            locked = sum((order.remaining for order in view.open_orders(symbol, Side.SELL)), ZERO)
            total += max(ZERO, trader.to_sell() - locked)
        if rules.quote == asset:
            locked = sum((order.remaining * order.price for order in view.open_orders(symbol, Side.BUY)), ZERO)
            total += max(ZERO, trader.to_pay(view.touch_price(symbol, Side.SELL)) * (ONE + fee_bps / BPS) - locked)
    return total
