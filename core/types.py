"""The words every room shares: sides, statuses, symbol rules, fills, order facts.

Who uses it: everyone. Thread: any (all values are frozen). Never: behaviour beyond simple questions about one value.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


SIDES = tuple(Side)  # an enum is slow to walk, and every step walks it


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"

    @property
    def waits(self) -> bool:
        """It stands outside the book until a trade meets its stop price; then it is a limit order (binance-wire 3)."""
        return self in (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """What the venue last said of an order (binance-wire 3). UNSEEN = it has said nothing yet."""

    UNSEEN = "UNSEEN"
    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
        OrderStatus.EXPIRED_IN_MATCH,
    }
)


class Liquidity(StrEnum):
    MAKER = "maker"
    TAKER = "taker"


class Connection(StrEnum):
    """The two sockets whose health the light depends on."""

    MARKET = "market"
    USER = "user"


CONNECTIONS = tuple(Connection)


class SymbolRules(msgspec.Struct, frozen=True):
    """One symbol's filters (exchangeInfo, binance-wire 2). A multiplier or maximum of 0 switches that test off."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    min_price: Decimal = Decimal(0)
    max_price: Decimal = Decimal(0)
    min_quantity: Decimal = Decimal(0)
    max_quantity: Decimal = Decimal(0)
    min_notional: Decimal = Decimal(0)
    max_notional: Decimal = Decimal(0)
    bid_multiplier_up: Decimal = Decimal(0)
    bid_multiplier_down: Decimal = Decimal(0)
    ask_multiplier_up: Decimal = Decimal(0)
    ask_multiplier_down: Decimal = Decimal(0)
    max_orders: int = 200
    status: str = "TRADING"
    amend_allowed: bool = False
    replace_allowed: bool = False
    oco_allowed: bool = False
    order_types: tuple[str, ...] = ()


class Balance(msgspec.Struct, frozen=True):
    asset: str
    free: Decimal
    locked: Decimal


class Fill(msgspec.Struct, frozen=True):
    """One trade of one of the account's orders; trade and order ids are unique only per symbol."""

    symbol: str
    trade_id: int
    venue_order_id: int
    client_order_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    liquidity: Liquidity
    time_ms: int

    @property
    def key(self) -> tuple[str, int]:
        return (self.symbol, self.trade_id)


class OrderFacts(msgspec.Struct, frozen=True):
    """What one answer of the venue says about one order. `status` is the raw word; it may be one we do not know.

    `is_working` is False where the answer says that the order waits for its stop price; `list_id` is the venue's, -1 outside of an order list.
    """

    symbol: str
    venue_order_id: int
    client_order_id: str
    side: Side
    type: str
    time_in_force: str
    price: Decimal
    quantity: Decimal
    executed: Decimal
    cumulative_quote: Decimal
    status: str
    created_ms: int
    updated_ms: int
    fills: tuple[Fill, ...] = ()
    orig_client_order_id: str = ""
    stop_price: Decimal = Decimal(0)
    is_working: bool = True
    list_id: int = -1


class RateLimit(msgspec.Struct, frozen=True):
    """One entry of `rateLimits`: kind REQUEST_WEIGHT, ORDERS or RAW_REQUESTS; count is None where this message gave none.

    `is_counted` is False for a limit of a source that never tells its counts.
    """

    kind: str
    interval_s: int
    limit: int
    count: int | None = None
    is_counted: bool = True


class VenueError(msgspec.Struct, frozen=True):
    """A definite no of the venue. `retry_after_ms` is a duration, 0 where none was given."""

    code: int
    message: str
    http_status: int
    retry_after_ms: int = 0
