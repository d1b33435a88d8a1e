"""The nouns of the paper exchange: symbol rules, orders, trades, requests, refusals, reports.

Who uses it: every file of this room and the simulator. Pure data. Never: matching, encoding, a clock.
Source of names and shapes: binance-wire 2, 3, 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from operator import attrgetter
from typing import Any

ZERO = Decimal(0)
OPEN_STATUSES = ("NEW", "PARTIALLY_FILLED")
ALGO_TYPES = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")  # wait outside the book for the last price
ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET", *ALGO_TYPES)
MARKET_TYPES = ("MARKET", "STOP_LOSS", "TAKE_PROFIT")  # trade at the market's price; what is left over expires
STP_MODES = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT")
DEFAULT_STP = "EXPIRE_MAKER"


_OFFERED: dict[str, object] = {  # what this exchange can do, whatever the exchangeInfo it was given says
    "orderTypes": list(ORDER_TYPES),
    "icebergAllowed": False,
    "ocoAllowed": True,
    "otoAllowed": False,
    "opoAllowed": False,
    "quoteOrderQtyMarketAllowed": True,
    "allowTrailingStop": True,
    "cancelReplaceAllowed": True,
    "amendAllowed": True,
    "pegInstructionsAllowed": False,
    "isSpotTradingAllowed": True,
    "isMarginTradingAllowed": False,
}
_STP: dict[str, object] = {
    "defaultSelfTradePreventionMode": DEFAULT_STP,
    "allowedSelfTradePreventionModes": list(STP_MODES),
}


class Reject(Exception):
    """The venue's no: code and text as Binance writes them (binance-wire 8)."""

    def __init__(self, code: int, message: str, http_status: int = 400) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.http_status = code, message, http_status


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """One symbol's filters; 0 switches a maximum or multiplier off. `raw` is the exchangeInfo entry it came from, if any."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    min_quantity: Decimal = ZERO
    max_quantity: Decimal = ZERO
    min_notional: Decimal = ZERO
    max_notional: Decimal = ZERO
    min_price: Decimal = ZERO
    max_price: Decimal = ZERO
    bid_multiplier_up: Decimal = ZERO
    bid_multiplier_down: Decimal = ZERO
    ask_multiplier_up: Decimal = ZERO
    ask_multiplier_down: Decimal = ZERO
    max_orders: int = 200
    max_amends: int = 10
    max_algo_orders: int = 5
    market_min_quantity: Decimal = ZERO
    market_max_quantity: Decimal = ZERO
    market_step: Decimal = ZERO
    min_notional_to_market: bool = True
    max_notional_to_market: bool = False
    max_position: Decimal = ZERO
    max_order_lists: int = 20
    trailing_above: tuple[int, int] = (10, 2000)  # least and most bips of a trailing delta; (0, 0) is off
    trailing_below: tuple[int, int] = (10, 2000)
    status: str = "TRADING"
    raw: dict[str, object] | None = field(default=None, compare=False)

    @classmethod
    def from_exchange_info(cls, entry: Mapping[str, object]) -> SymbolRules:
        """From one `symbols` entry; takes NOTIONAL and MIN_NOTIONAL, PERCENT_PRICE and PERCENT_PRICE_BY_SIDE."""
        listed = entry.get("filters")
        assert isinstance(listed, list)
        filters: dict[str, dict[str, object]] = {str(one["filterType"]): one for one in listed}

        def value(kind: str, name: str) -> Decimal:
            return Decimal(str(filters.get(kind, {}).get(name, 0)))

        def applies(kind: str, name: str, default: bool) -> bool:
            return bool(filters.get(kind, {}).get(name, default))

        sided, plain_, trailing = "PERCENT_PRICE_BY_SIDE", "PERCENT_PRICE", "TRAILING_DELTA"
        return cls(
            symbol=str(entry["symbol"]),
            base=str(entry["baseAsset"]),
            quote=str(entry["quoteAsset"]),
            tick=value("PRICE_FILTER", "tickSize").normalize(),
            step=value("LOT_SIZE", "stepSize").normalize(),
            min_quantity=value("LOT_SIZE", "minQty"),
            max_quantity=value("LOT_SIZE", "maxQty"),
            min_notional=value("NOTIONAL", "minNotional") or value("MIN_NOTIONAL", "minNotional"),
            max_notional=value("NOTIONAL", "maxNotional"),
            min_price=value("PRICE_FILTER", "minPrice"),
            max_price=value("PRICE_FILTER", "maxPrice"),
            bid_multiplier_up=value(sided, "bidMultiplierUp") or value(plain_, "multiplierUp"),
            bid_multiplier_down=value(sided, "bidMultiplierDown") or value(plain_, "multiplierDown"),
            ask_multiplier_up=value(sided, "askMultiplierUp") or value(plain_, "multiplierUp"),
            ask_multiplier_down=value(sided, "askMultiplierDown") or value(plain_, "multiplierDown"),
            max_orders=int(value("MAX_NUM_ORDERS", "maxNumOrders")) or 200,
            max_amends=int(value("MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends")) or 10,
            max_algo_orders=int(value("MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders")),
            market_min_quantity=value("MARKET_LOT_SIZE", "minQty"),
            market_max_quantity=value("MARKET_LOT_SIZE", "maxQty"),
            market_step=value("MARKET_LOT_SIZE", "stepSize").normalize(),
            min_notional_to_market=applies("NOTIONAL", "applyMinToMarket", default=applies("MIN_NOTIONAL", "applyToMarket", default=True)),
            max_notional_to_market=applies("NOTIONAL", "applyMaxToMarket", default=False),
            max_position=value("MAX_POSITION", "maxPosition"),
            max_order_lists=int(value("MAX_NUM_ORDER_LISTS", "maxNumOrderLists")),
            trailing_above=(int(value(trailing, "minTrailingAboveDelta")), int(value(trailing, "maxTrailingAboveDelta"))),
            trailing_below=(int(value(trailing, "minTrailingBelowDelta")), int(value(trailing, "maxTrailingBelowDelta"))),
            status=str(entry.get("status", "TRADING")),
            raw=dict(entry),
        )

    def to_exchange_info(self) -> dict[str, object]:
        """One `symbols` entry in today's form."""
        if self.raw is not None:
            return {**self.raw, "status": self.status, **_OFFERED, **_STP}
        return {
            "symbol": self.symbol,
            "status": self.status,
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            **_OFFERED,
            "filters": self._filters(),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            **_STP,
        }

    def _filters(self) -> list[dict[str, object]]:
        def text(value: Decimal) -> str:
            return f"{value:.8f}"

        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": text(self.min_price or self.tick),
                "maxPrice": text(self.max_price or Decimal(10_000_000)),
                "tickSize": text(self.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": text(self.min_quantity or self.step),
                "maxQty": text(self.max_quantity or Decimal(9_000_000)),
                "stepSize": text(self.step),
            },
            {"filterType": "MARKET_LOT_SIZE", "minQty": text(ZERO), "maxQty": text(self.max_quantity or Decimal(9_000_000)), "stepSize": text(ZERO)},
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": str(self.bid_multiplier_up or 5),
                "bidMultiplierDown": str(self.bid_multiplier_down or "0.2"),
                "askMultiplierUp": str(self.ask_multiplier_up or 5),
                "askMultiplierDown": str(self.ask_multiplier_down or "0.2"),
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": text(self.min_notional),
                "applyMinToMarket": True,
                "maxNotional": text(self.max_notional or Decimal(9_000_000)),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.max_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": self.max_algo_orders},
            {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": self.max_order_lists},
            {
                "filterType": "TRAILING_DELTA",
                "minTrailingAboveDelta": self.trailing_above[0],
                "maxTrailingAboveDelta": self.trailing_above[1],
                "minTrailingBelowDelta": self.trailing_below[0],
                "maxTrailingBelowDelta": self.trailing_below[1],
            },
            {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": self.max_amends},
        ]


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    symbol: str
    side: str
    type: str
    time_in_force: str | None
    quantity: Decimal | None
    quote_quantity: Decimal | None
    price: Decimal | None
    client_order_id: str
    stp_mode: str | None = None
    stop_price: Decimal | None = None
    trailing_delta: int | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None


@dataclass(slots=True)
class PaperOrder:
    """An order as the venue holds it. `original_client_order_id` is the name it had before a cancel renamed it.

    `working_ms` is -1 while it waits for its trigger. `trailing_ms` is when it began to follow the price (-1: not yet), `trailing_extreme` the best
    price since then. `reserve_price` is what a waiting market order to buy locks per unit. `list_id` is -1 outside of an order list.
    """

    symbol: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    price: Decimal
    quantity: Decimal
    created_ms: int
    updated_ms: int
    working_ms: int
    original_client_order_id: str = ""
    executed: Decimal = ZERO
    cumulative_quote: Decimal = ZERO
    prevented: Decimal = ZERO
    prevented_match_id: int | None = None
    status: str = "NEW"
    stp_mode: str = DEFAULT_STP
    amend_count: int = 0
    expiry_reason: str | None = None
    quote_quantity: Decimal = ZERO
    stop_price: Decimal = ZERO
    trailing_delta: int = 0
    trailing_ms: int = -1
    trailing_extreme: Decimal = ZERO
    reserve_price: Decimal = ZERO
    list_id: int = -1
    strategy_id: int | None = None
    strategy_type: int | None = None

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed - self.prevented

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def is_algo(self) -> bool:
        return self.type in ALGO_TYPES

    @property
    def is_waiting(self) -> bool:
        """Open, and not on the book before the last price triggers it."""
        return self.working_ms < 0 and self.is_open

    @property
    def is_market(self) -> bool:
        return self.type in MARKET_TYPES

    def snapshot(self) -> PaperOrder:
        """A copy of the order as it is now; every report takes one, and dataclasses.replace costs seven times as much."""
        return PaperOrder(*_values_of(self))


_values_of: attrgetter[tuple[Any, ...]] = attrgetter(*(each.name for each in fields(PaperOrder)))


@dataclass(frozen=True, slots=True)
class PaperTrade:
    symbol: str
    trade_id: int
    order_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    time_ms: int
    is_buyer: bool
    is_maker: bool


@dataclass(frozen=True, slots=True)
class PublicTrade:
    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class Prevention:
    """One match of two orders of ours that was prevented. `quantity` would have traded; the taker and the maker lost what their mode takes, or 0."""

    symbol: str
    match_id: int
    mode: str
    taker_order_id: int
    maker_order_id: int
    price: Decimal
    quantity: Decimal
    taker_lost: Decimal
    maker_lost: Decimal
    time_ms: int

    def lost(self, order_id: int) -> Decimal:
        """What this order lost by it."""
        return self.taker_lost if order_id == self.taker_order_id else self.maker_lost

    def other(self, order_id: int) -> int:
        """The order it would have traded with."""
        return self.maker_order_id if order_id == self.taker_order_id else self.taker_order_id


@dataclass(frozen=True, slots=True)
class OrderReport:
    """One executionReport: the order as it is after the change."""

    order: PaperOrder
    execution_type: str
    client_order_id: str
    original_client_order_id: str
    execution_id: int
    time_ms: int
    trade: PaperTrade | None = None
    prevention: Prevention | None = None
    on_book: bool = False


@dataclass(frozen=True, slots=True)
class BalanceReport:
    """One outboundAccountPosition: absolute balances of the assets that may have changed."""

    time_ms: int
    balances: tuple[tuple[str, Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class ListReport:
    """One listStatus. `legs` are (order id, client order id); the words are those of binance-wire 7."""

    symbol: str
    list_id: int
    client_id: str
    status_type: str
    order_status: str
    time_ms: int
    legs: tuple[tuple[int, str], ...]


Report = OrderReport | BalanceReport | ListReport


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    order: PaperOrder
    trades: tuple[PaperTrade, ...]
    preventions: tuple[Prevention, ...] = ()


@dataclass(frozen=True, slots=True)
class AmendedOrder:
    order: PaperOrder
    execution_id: int
    previous_client_order_id: str
