"""A pair of orders of which one cancels the other, as a strategy's wish: as the venue's own list where it has such, else held together by the engine.

Who calls it: strategies, on the trading thread. Pure. Never: a guess about the venue.
Source: DESIGN 5 (capabilities.oco), binance-wire 2 (OCO).
"""

from core.ports import Capabilities
from core.types import OrderType, SymbolRules
from core.view import WantOco, WantPlace


def pair(profit: WantPlace, stop: WantPlace, can: Capabilities, rules: SymbolRules) -> WantOco:
    """`profit` is a maker or a take profit, `stop` a stop loss; a list of Binance knows no other pair."""
    fits = profit.type in (OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT_LIMIT) and stop.type is OrderType.STOP_LOSS_LIMIT
    return WantOco(profit=profit, stop=stop, is_listed=can.oco and rules.oco_allowed and fits)
