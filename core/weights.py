"""The request weight of each command, as the venue charges it.

Who calls it: what asks (amending, audit, market, resolver) before it asks, and core.engine when the reply is there. Pure.
Source: binance-wire 2 and 3. Places and cancels count only where they fail; the reserve is for them. Never: a count of what was used (core.meters).
"""

from core.commands import Amend, AnyCommand, Query, ReadAccount, ReadDepth

AMEND = 4
QUERY = 9  # order 4 + trades of that order 5
DEPTH_FEW, DEPTH_MANY, FEW_LEVELS = 5, 50, 100
ALL_SYMBOLS_ABOVE = 13  # beyond it one call for all open orders is cheaper


def read_weight(symbols: int, with_trades: bool = True) -> int:
    """One account read: open orders 6 per symbol (80 for all above 13), account 20, trades 20 per symbol."""
    return (6 * symbols if symbols <= ALL_SYMBOLS_ABOVE else 80) + 20 + 20 * symbols * with_trades


def depth_weight(levels: int) -> int:
    return DEPTH_FEW if levels <= FEW_LEVELS else DEPTH_MANY


def weight_of(command: AnyCommand, symbols: int) -> int:
    """What was spent for it when it left. `symbols`: how many the bot trades."""
    if isinstance(command, Amend):
        return AMEND
    if isinstance(command, Query):
        return QUERY
    if isinstance(command, ReadAccount):
        return read_weight(symbols, bool(command.trades_after))
    return depth_weight(command.limit) if isinstance(command, ReadDepth) else 0
