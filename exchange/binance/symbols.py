"""exchangeInfo -> the rules of each symbol and the limits of the account and the address. Pure.

Who calls it: venue.py at start. Filters that do not decide about our orders are not even read; 0 switches a test off.
Where the grid is switched off (a tick or step of 0, or no such filter) the asset's precision is the grid: more decimals are refused (-1111).
Never: a clock, a network call, a float.
Source: binance-wire 2 (filters), 4 (limits).
"""

from decimal import Decimal

import msgspec

from core.types import RateLimit, SymbolRules
from exchange.binance.wire import LimitBody, core_limits, decode

ZERO = Decimal(0)
DECIDING = frozenset({"PRICE_FILTER", "LOT_SIZE", "NOTIONAL", "MIN_NOTIONAL", "PERCENT_PRICE_BY_SIDE", "PERCENT_PRICE", "MAX_NUM_ORDERS"})
MAX_NUM_ORDERS_FALLBACK = 200  # where a symbol states none (binance-wire 2)


class Filter(msgspec.Struct, frozen=True, rename="camel"):
    """Any one of a symbol's filters; parts that another kind of filter has are absent."""

    filter_type: str
    min_price: Decimal = ZERO
    max_price: Decimal = ZERO
    tick_size: Decimal = ZERO
    min_qty: Decimal = ZERO
    max_qty: Decimal = ZERO
    step_size: Decimal = ZERO
    min_notional: Decimal = ZERO
    max_notional: Decimal = ZERO
    multiplier_up: Decimal = ZERO
    multiplier_down: Decimal = ZERO
    bid_multiplier_up: Decimal = ZERO
    bid_multiplier_down: Decimal = ZERO
    ask_multiplier_up: Decimal = ZERO
    ask_multiplier_down: Decimal = ZERO
    max_num_orders: int = 0


class _FilterKind(msgspec.Struct, frozen=True, rename="camel"):
    filter_type: str = ""


class _Symbol(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    base_asset_precision: int = 8
    quote_asset_precision: int = 8
    filters: tuple[msgspec.Raw, ...] = ()
    order_types: tuple[str, ...] = ()
    amend_allowed: bool = False
    cancel_replace_allowed: bool = False
    oco_allowed: bool = False


class _ExchangeInfo(msgspec.Struct, frozen=True, rename="camel"):
    symbols: tuple[_Symbol, ...]
    rate_limits: tuple[LimitBody, ...] | None = ()


_filter = msgspec.json.Decoder(Filter)
_filter_kind = msgspec.json.Decoder(_FilterKind)
_info = msgspec.json.Decoder(_ExchangeInfo)
_limits = msgspec.json.Decoder(tuple[LimitBody, ...])
_filters = msgspec.json.Decoder(tuple[Filter, ...])


def exchange_info(raw: bytes | msgspec.Raw) -> tuple[tuple[SymbolRules, ...], tuple[RateLimit, ...]]:
    """GET /exchangeInfo -> (rules of each symbol, the account's and the address's limits)."""
    body = decode(raw, _info)
    return tuple(_rules(symbol) for symbol in body.symbols), core_limits(body.rate_limits or ())


def order_counts(raw: bytes | msgspec.Raw) -> tuple[RateLimit, ...]:
    """GET /rateLimit/order: the ORDERS limits with what counts against the account now."""
    limits = decode(raw, _limits)
    return core_limits(limits)


def filters(raw: bytes | msgspec.Raw) -> tuple[Filter, ...]:
    """A bare list of filters."""
    return decode(raw, _filters)


def _rules(symbol: _Symbol) -> SymbolRules:
    """The filters that decide about our orders; MIN_NOTIONAL and PERCENT_PRICE are the older forms of NOTIONAL and PERCENT_PRICE_BY_SIDE."""
    by_type = {kind: decode(one, _filter) for one in symbol.filters if (kind := decode(one, _filter_kind).filter_type) in DECIDING}
    none = Filter("")
    price = by_type.get("PRICE_FILTER", none)
    lot = by_type.get("LOT_SIZE", none)
    notional = by_type.get("NOTIONAL") or by_type.get("MIN_NOTIONAL", none)
    by_side = by_type.get("PERCENT_PRICE_BY_SIDE")
    both = by_type.get("PERCENT_PRICE", none)
    return SymbolRules(
        symbol=symbol.symbol,
        base=symbol.base_asset,
        quote=symbol.quote_asset,
        tick=price.tick_size or Decimal(1).scaleb(-symbol.quote_asset_precision),
        step=lot.step_size or Decimal(1).scaleb(-symbol.base_asset_precision),
        min_price=price.min_price,
        max_price=price.max_price,
        min_quantity=lot.min_qty,
        max_quantity=lot.max_qty,
        min_notional=notional.min_notional,
        max_notional=notional.max_notional,
        bid_multiplier_up=by_side.bid_multiplier_up if by_side else both.multiplier_up,
        bid_multiplier_down=by_side.bid_multiplier_down if by_side else both.multiplier_down,
        ask_multiplier_up=by_side.ask_multiplier_up if by_side else both.multiplier_up,
        ask_multiplier_down=by_side.ask_multiplier_down if by_side else both.multiplier_down,
        max_orders=by_type["MAX_NUM_ORDERS"].max_num_orders if "MAX_NUM_ORDERS" in by_type else MAX_NUM_ORDERS_FALLBACK,
        status=symbol.status,
        amend_allowed=symbol.amend_allowed,
        replace_allowed=symbol.cancel_replace_allowed,
        oco_allowed=symbol.oco_allowed,
        order_types=symbol.order_types,
    )
