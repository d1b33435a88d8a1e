"""REST bodies of Binance spot -> core facts. Pure: bytes in, frozen values out, prices straight from text to Decimal.

Who calls it: rest.py and venue.py on lane threads, frames.py on reader threads. Unknown fields are ignored, an unknown order status is kept as is.
Never: a clock, a network call, a float, a log line. A body that does not fit raises BadBody.
Source: binance-wire 2, 3, 4, 8.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec

from core.commands import Place
from core.events import DepthSnapshot, Level
from core.types import Balance, Fill, Liquidity, OrderFacts, RateLimit, Side

ZERO = Decimal(0)
INTERVAL_S = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}
HEADER_INTERVAL_S = {"S": 1, "M": 60, "H": 3600, "D": 86_400}
HEADER_KIND = {"USED-WEIGHT": "REQUEST_WEIGHT", "ORDER-COUNT": "ORDERS"}
LIMIT_HEADER = re.compile(r"x-mbx-(used-weight|order-count)-(\d+)([smhd])", re.IGNORECASE)


class UnknownOutcome(Exception):
    """The request may have been carried out. Never failure: the order is to be queried."""


class BadBody(UnknownOutcome):
    """The venue's bytes are not the message they should be; as an answer to a request that leaves its outcome unknown."""


class ErrorBody(msgspec.Struct, frozen=True):
    """`{"code":-1121,"msg":"Invalid symbol."}`; `data` holds epoch ms on a ban (WS API) or both halves of a cancelReplace."""

    code: int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class BanData(msgspec.Struct, frozen=True, rename="camel"):
    """`error.data` of a 418 or 429 on the WS API: both epoch ms (binance-wire 6)."""

    server_time: int = 0
    retry_after: int = 0


class LimitBody(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of `rateLimits`; one of a form we do not know has no interval of ours and is left out."""

    rate_limit_type: str = ""
    interval: str = ""
    interval_num: int = 0
    limit: int = 0
    count: int | None = None


class _Filled(msgspec.Struct, frozen=True, rename="camel"):
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str | None
    trade_id: int


class _Order(msgspec.Struct, frozen=True, rename="camel"):
    """ACK, RESULT, FULL, CANCEL and QUERY are one shape with parts missing."""

    symbol: str
    order_id: int
    client_order_id: str
    orig_client_order_id: str = ""
    transact_time: int = 0
    time: int = 0
    update_time: int = 0
    price: Decimal = ZERO
    orig_qty: Decimal = ZERO
    executed_qty: Decimal = ZERO
    cummulative_quote_qty: Decimal = ZERO
    status: str = ""
    time_in_force: str = ""
    type: str = ""
    side: Side | None = None
    fills: tuple[_Filled, ...] = ()
    stop_price: Decimal = ZERO
    is_working: bool | None = None  # queries only
    working_time: int = 0  # placements and queries: -1 while the order waits for its stop price
    order_list_id: int = -1


class _AmendedOrder(msgspec.Struct, frozen=True, rename="camel"):
    """Here Binance spells `qty` and `cumulativeQuoteQty`."""

    symbol: str
    order_id: int
    client_order_id: str
    price: Decimal
    qty: Decimal
    executed_qty: Decimal
    status: str
    side: Side
    type: str = ""
    time_in_force: str = ""
    cumulative_quote_qty: Decimal = ZERO
    stop_price: Decimal = ZERO
    working_time: int = 0
    order_list_id: int = -1


class _Amended(msgspec.Struct, frozen=True, rename="camel"):
    transact_time: int
    amended_order: _AmendedOrder


class _Trade(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    id: int
    order_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str | None  # null where nothing was charged, as in executionReport
    time: int
    is_buyer: bool
    is_maker: bool


class _Balance(msgspec.Struct, frozen=True):
    asset: str
    free: Decimal
    locked: Decimal


class AccountBody(msgspec.Struct, frozen=True, rename="camel"):
    """GET /account, the parts we use. `uid` is absent on old servers."""

    balances: tuple[_Balance, ...]
    update_time: int
    can_trade: bool = True
    uid: int | None = None

    def core_balances(self) -> tuple[Balance, ...]:
        return tuple(Balance(one.asset, one.free, one.locked) for one in self.balances)


class _Depth(msgspec.Struct, frozen=True, rename="camel"):
    last_update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class _Time(msgspec.Struct, frozen=True, rename="camel"):
    server_time: int


class Restrictions(msgspec.Struct, frozen=True, rename="camel"):
    """GET /sapi/v1/account/apiRestrictions (live only): what the key may do."""

    ip_restrict: bool = False
    enable_reading: bool = True
    enable_withdrawals: bool = False
    enable_internal_transfer: bool = False
    permits_universal_transfer: bool = False
    enable_spot_and_margin_trading: bool = False


T = TypeVar("T")


def decode(raw: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """Bytes -> the decoder's type; raises BadBody."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody(str(error)) from error


_error = msgspec.json.Decoder(ErrorBody)
_ban = msgspec.json.Decoder(BanData)
_order = msgspec.json.Decoder(_Order)
_orders = msgspec.json.Decoder(tuple[_Order, ...])
_amended = msgspec.json.Decoder(_Amended)
_trades = msgspec.json.Decoder(tuple[_Trade, ...])
_account = msgspec.json.Decoder(AccountBody)
_depth = msgspec.json.Decoder(_Depth)
_time = msgspec.json.Decoder(_Time)
_restrictions = msgspec.json.Decoder(Restrictions)


# -- orders --------------------------------------------------------------------------------------
def placed(raw: bytes | msgspec.Raw, command: Place) -> OrderFacts:
    """The answer to POST /order, whichever of ACK, RESULT or FULL the server chose (LIMIT_MAKER: ACK unless asked otherwise).

    An ACK carries neither status nor amounts. It says that the engine accepted the order, so the facts are those of the request with NEW, the
    first state every accepted order passes; what came after it is told by the stream.
    """
    order = decode(raw, _order)
    if order.status:
        return _facts(order)
    return OrderFacts(
        symbol=order.symbol,
        venue_order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=command.side,
        type=command.type.value,
        time_in_force=command.time_in_force.value if command.time_in_force else "",
        price=command.price,
        quantity=command.quantity,
        executed=ZERO,
        cumulative_quote=ZERO,
        status="NEW",
        created_ms=order.transact_time,
        updated_ms=order.transact_time,
        stop_price=command.stop_price or ZERO,
        is_working=not command.type.waits,
        list_id=order.order_list_id,
    )


def order_facts(raw: bytes | msgspec.Raw) -> OrderFacts:
    """A cancel report or a queried order. On a cancel `client_order_id` is the cancel's id and `orig_client_order_id` the order's."""
    return _facts(decode(raw, _order))


def amended(raw: bytes | msgspec.Raw) -> OrderFacts:
    """The answer to amend keepPriority, over REST or the WS API."""
    body = decode(raw, _amended)
    order = body.amended_order
    return OrderFacts(
        symbol=order.symbol,
        venue_order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        price=order.price,
        quantity=order.qty,
        executed=order.executed_qty,
        cumulative_quote=order.cumulative_quote_qty,
        status=order.status,
        created_ms=0,
        updated_ms=body.transact_time,
        stop_price=order.stop_price,
        is_working=order.working_time >= 0,
        list_id=order.order_list_id,
    )


def open_orders(raw: bytes | msgspec.Raw) -> tuple[OrderFacts, ...]:
    """GET /openOrders or /allOrders."""
    return tuple(_facts(order) for order in decode(raw, _orders))


def _facts(order: _Order) -> OrderFacts:
    if order.side is None or not order.status:
        raise BadBody(f"order {order.order_id} without side or status")
    updated_ms = order.update_time or order.transact_time
    # A cancel's transactTime is the cancel's own; only a fresh placement (no origClientOrderId) was created then.
    created_ms = order.time or (0 if order.orig_client_order_id else order.transact_time)
    return OrderFacts(
        symbol=order.symbol,
        venue_order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        price=order.price,
        quantity=order.orig_qty,
        executed=order.executed_qty,
        cumulative_quote=order.cummulative_quote_qty,
        status=order.status,
        created_ms=created_ms,
        updated_ms=updated_ms,
        fills=tuple(_taken(order, order.side, one) for one in order.fills),
        orig_client_order_id=order.orig_client_order_id,
        stop_price=order.stop_price,
        is_working=order.working_time >= 0 if order.is_working is None else order.is_working,
        list_id=order.order_list_id,
    )


def _taken(order: _Order, side: Side, one: _Filled) -> Fill:
    """A fill in a placement's own answer: the order met resting ones at once, so it was the taker."""
    return Fill(
        symbol=order.symbol,
        trade_id=one.trade_id,
        venue_order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=side,
        price=one.price,
        quantity=one.qty,
        fee=one.commission,
        fee_asset=one.commission_asset or "",
        liquidity=Liquidity.TAKER,
        time_ms=order.transact_time,
    )


# -- account, trades, depth ----------------------------------------------------------------------
def account(raw: bytes | msgspec.Raw) -> AccountBody:
    """GET /account."""
    return decode(raw, _account)


def own_trades(raw: bytes | msgspec.Raw, client_ids: Mapping[int, str] | None = None) -> tuple[Fill, ...]:
    """GET /myTrades, ascending by id. The venue does not name client ids; `client_ids` maps the order ids whose name is known."""
    names = client_ids or {}
    fills = (
        Fill(
            symbol=trade.symbol,
            trade_id=trade.id,
            venue_order_id=trade.order_id,
            client_order_id=names.get(trade.order_id, ""),
            side=Side.BUY if trade.is_buyer else Side.SELL,
            price=trade.price,
            quantity=trade.qty,
            fee=trade.commission,
            fee_asset=trade.commission_asset or "",
            liquidity=Liquidity.MAKER if trade.is_maker else Liquidity.TAKER,
            time_ms=trade.time,
        )
        for trade in decode(raw, _trades)
    )
    return tuple(sorted(fills, key=lambda fill: fill.trade_id))


def depth(raw: bytes | msgspec.Raw, symbol: str) -> DepthSnapshot:
    """GET /depth; the body does not name its symbol."""
    body = decode(raw, _depth)
    return DepthSnapshot(symbol=symbol, last_update_id=body.last_update_id, bids=body.bids, asks=body.asks)


# -- limits, time, errors -----------------------------------------------------------------
def core_limits(limits: Iterable[LimitBody]) -> tuple[RateLimit, ...]:
    """`rateLimits` entries -> core; an interval we do not know, or none, is left out."""
    return tuple(
        RateLimit(one.rate_limit_type, INTERVAL_S[one.interval] * one.interval_num, one.limit, one.count)
        for one in limits
        if one.interval in INTERVAL_S and one.interval_num > 0
    )


def header_limits(headers: Iterable[tuple[str, str]], known: Mapping[tuple[str, int], int]) -> tuple[RateLimit, ...]:
    """X-MBX-USED-WEIGHT-1M and X-MBX-ORDER-COUNT-10S/-1D -> counts; headers tell no limit, so it comes from `known` (0 where unknown)."""
    found = []
    for name, value in headers:
        match = LIMIT_HEADER.fullmatch(name)
        if match and value.isascii() and value.isdigit():
            kind = HEADER_KIND[match[1].upper()]
            interval_s = int(match[2]) * HEADER_INTERVAL_S[match[3].upper()]
            found.append(RateLimit(kind, interval_s, known.get((kind, interval_s), 0), int(value)))
    return tuple(found)


def server_time_ms(raw: bytes | msgspec.Raw) -> int:
    """GET /time."""
    return decode(raw, _time).server_time


def restrictions(raw: bytes | msgspec.Raw) -> Restrictions:
    """GET /sapi/v1/account/apiRestrictions."""
    return decode(raw, _restrictions)


def error_body(raw: bytes | msgspec.Raw) -> ErrorBody | None:
    """The venue's error, or None where the bytes are none (an HTML page of a proxy, a torn body)."""
    try:
        return _error.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def ban_ends_ms(error: ErrorBody) -> int:
    """`data.retryAfter` of a ban in epoch ms, 0 where it is not given."""
    try:
        return _ban.decode(error.data).retry_after
    except msgspec.DecodeError:
        return 0
