"""WebSocket payloads of Binance -> core events: market streams, the user data stream, replies of the WS API. Pure.

Who calls it: market_stream.py and user_stream.py, on their reader threads, once per frame. Unknown kinds of message come back as Ignored, unknown
fields are skipped, an unknown order status is kept as it came. Never: a clock, a log line, a float. What does not fit its shape raises BadBody.
Source: binance-wire 5 (market), 6 (WS API), 7 (user data).
"""

from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from core.events import AccountPosition, BalanceUpdate, BookTicker, DepthDiff, ExecutionReport, Level, MarketTrade
from core.types import Balance, Fill, Liquidity, RateLimit, Side
from exchange.binance.wire import BadBody, ErrorBody, LimitBody, core_limits, decode


class Ignored(msgspec.Struct, frozen=True):
    """A message that says nothing about our orders, balances or books (listStatus, klines, LIST_SUBSCRIPTIONS)."""

    kind: str


class Shutdown(msgspec.Struct, frozen=True):
    """serverShutdown: open a new connection at once."""

    time_ms: int


class Terminated(msgspec.Struct, frozen=True):
    """eventStreamTerminated: this subscription speaks no more."""

    time_ms: int


class ExternalLock(msgspec.Struct, frozen=True):
    """externalLockUpdate: funds were locked or freed from outside; balances are to be read again."""

    asset: str
    delta: Decimal
    time_ms: int


class StreamReply(msgspec.Struct, frozen=True):
    """The market server's answer to a request of ours; `error` is None for `{"result":null}`."""

    request_id: int | str | None
    error: str | None = None


class ApiReply(msgspec.Struct, frozen=True):
    """A WS API reply. `status` is an HTTP code; exactly one of `result` and `error` is meant to be there."""

    request_id: int | str | None
    status: int
    result: bytes
    error: ErrorBody | None
    limits: tuple[RateLimit, ...]


MarketMessage: TypeAlias = BookTicker | DepthDiff | MarketTrade | Shutdown | StreamReply | Ignored
UserMessage: TypeAlias = ExecutionReport | AccountPosition | BalanceUpdate | ExternalLock | Terminated | Shutdown | ApiReply | Ignored

_NOTHING = msgspec.Raw(b"")
RENAMING = ("CANCELED", "REPLACED")


class _Frame(msgspec.Struct, frozen=True):
    """Any frame's outside: combined stream, wrapped user event, WS API reply or the bare message itself."""

    stream: str = ""
    data: msgspec.Raw = _NOTHING
    event: msgspec.Raw = _NOTHING
    e: str = ""
    id: int | str | None = None
    status: int = 0
    result: msgspec.Raw = _NOTHING
    error: ErrorBody | None = None
    code: int | None = None
    msg: str = ""
    rate_limits: tuple[LimitBody, ...] | None = msgspec.field(default=(), name="rateLimits")
    u: int | None = None


class _Kind(msgspec.Struct, frozen=True):
    """`E` of a kind we do not know may be anything; it is read where we need it."""

    e: str = ""
    E: Any = 0

    @property
    def time_ms(self) -> int:
        return self.E if isinstance(self.E, int) else 0


class _BookTicker(msgspec.Struct, frozen=True):
    u: int
    s: str
    b: Decimal
    B: Decimal
    a: Decimal
    A: Decimal


class _Depth(msgspec.Struct, frozen=True):
    E: int
    s: str
    U: int
    u: int
    b: tuple[Level, ...]
    a: tuple[Level, ...]


class _Trade(msgspec.Struct, frozen=True):
    s: str
    t: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


class _Report(msgspec.Struct, frozen=True):
    """executionReport by its one-letter names (binance-wire 7); the names are case-sensitive."""

    s: str
    c: str
    S: Side
    o: str
    q: Decimal
    p: Decimal
    x: str
    X: str
    i: int
    l: Decimal  # noqa: E741 - the venue's name
    z: Decimal
    L: Decimal
    n: Decimal | None
    T: int
    t: int
    I: int  # noqa: E741 - the venue's name
    O: int  # noqa: E741 - the venue's name
    Z: Decimal
    C: str | None = ""
    r: str | None = "NONE"
    N: str | None = None
    m: bool = False
    P: Decimal = Decimal(0)
    w: bool = True
    g: int = -1


class _PositionPart(msgspec.Struct, frozen=True):
    a: str
    f: Decimal
    l: Decimal  # noqa: E741 - the venue's name


class _Position(msgspec.Struct, frozen=True):
    u: int
    B: tuple[_PositionPart, ...]


class _Movement(msgspec.Struct, frozen=True):
    a: str
    d: Decimal
    T: int


_frame = msgspec.json.Decoder(_Frame)
_kind = msgspec.json.Decoder(_Kind)
_book_ticker = msgspec.json.Decoder(_BookTicker)
_depth = msgspec.json.Decoder(_Depth)
_trade = msgspec.json.Decoder(_Trade)
_report = msgspec.json.Decoder(_Report)
_position = msgspec.json.Decoder(_Position)
_movement = msgspec.json.Decoder(_Movement)


# -- market --------------------------------------------------------------------------------------
def market_message(raw: bytes, received_ns: int) -> MarketMessage:
    """One frame of a market stream, combined (`{"stream","data"}`) or bare. Raises BadBody."""
    frame = decode(raw, _frame)
    if not frame.stream:
        return _bare_market(frame, raw, received_ns)
    payload = bytes(frame.data)
    _, _, kind = frame.stream.partition("@")
    if kind == "bookTicker":
        return _top(payload, received_ns)
    return _market_event(decode(payload, _kind), payload, received_ns)


def _bare_market(frame: _Frame, raw: bytes, received_ns: int) -> MarketMessage:
    if frame.error is not None:
        return StreamReply(frame.id, f"{frame.error.code} {frame.error.msg}")
    if frame.code is not None:
        return StreamReply(frame.id, f"{frame.code} {frame.msg}")
    if bytes(frame.result):
        return StreamReply(frame.id)
    if not frame.e and frame.u is not None:
        return _top(raw, received_ns)
    return _market_event(decode(raw, _kind), raw, received_ns)


def _market_event(kind: _Kind, payload: bytes, received_ns: int) -> MarketMessage:
    if kind.e == "depthUpdate":
        diff = decode(payload, _depth)
        return DepthDiff(
            symbol=diff.s, first_id=diff.U, last_id=diff.u, bids=diff.b, asks=diff.a, event_ms=diff.E, received_ns=received_ns
        )
    if kind.e == "trade":
        trade = decode(payload, _trade)
        return MarketTrade(
            symbol=trade.s,
            trade_id=trade.t,
            price=trade.p,
            quantity=trade.q,
            buyer_is_maker=trade.m,
            time_ms=trade.T,
            received_ns=received_ns,
        )
    if kind.e == "serverShutdown":
        return Shutdown(kind.time_ms)
    return Ignored(kind.e)


def _top(payload: bytes, received_ns: int) -> BookTicker:
    top = decode(payload, _book_ticker)
    return BookTicker(
        symbol=top.s,
        update_id=top.u,
        bid_price=top.b,
        bid_quantity=top.B,
        ask_price=top.a,
        ask_quantity=top.A,
        received_ns=received_ns,
    )


# -- user data and the WS API --------------------------------------------------------------------
def user_message(raw: bytes, received_ns: int) -> UserMessage:
    """One frame of the WS API: a reply, an event (`{"subscriptionId","event"}`), or an event in an older wrapping. Raises BadBody."""
    frame = decode(raw, _frame)
    if frame.status:
        return ApiReply(frame.id, frame.status, bytes(frame.result), frame.error, core_limits(frame.rate_limits or ()))
    payload = bytes(frame.event) or bytes(frame.data) or raw
    kind = decode(payload, _kind)
    if kind.e == "executionReport":
        return _execution(decode(payload, _report), received_ns)
    if kind.e == "outboundAccountPosition":
        position = decode(payload, _position)
        balances = tuple(Balance(part.a, part.f, part.l) for part in position.B)
        return AccountPosition(balances=balances, update_ms=position.u, received_ns=received_ns)
    if kind.e == "balanceUpdate":
        moved = decode(payload, _movement)
        return BalanceUpdate(asset=moved.a, delta=moved.d, time_ms=moved.T)
    if kind.e == "externalLockUpdate":
        locked = decode(payload, _movement)
        return ExternalLock(locked.a, locked.d, locked.T)
    if kind.e == "eventStreamTerminated":
        return Terminated(kind.time_ms)
    if kind.e == "serverShutdown":
        return Shutdown(kind.time_ms)
    return Ignored(kind.e)


def _execution(report: _Report, received_ns: int) -> ExecutionReport:
    # A cancel or replace speaks under its own id `c` and names the order's in `C` (binance-wire 0.3).
    client_order_id = report.C if report.C and report.x in RENAMING else report.c
    return ExecutionReport(
        symbol=report.s,
        venue_order_id=report.i,
        client_order_id=client_order_id,
        report_id=report.c,
        side=report.S,
        type=report.o,
        price=report.p,
        quantity=report.q,
        execution_type=report.x,
        status=report.X,
        reject_reason=report.r or "NONE",
        executed=report.z,
        cumulative_quote=report.Z,
        execution_id=report.I,
        time_ms=report.T,
        created_ms=report.O,
        fill=_fill(report, client_order_id),
        received_ns=received_ns,
        stop_price=report.P,
        is_on_book=report.w,
        list_id=report.g,
    )


def _fill(report: _Report, client_order_id: str) -> Fill | None:
    if report.x != "TRADE":
        return None
    if report.t < 0 or report.l <= 0 or report.n is None:
        raise BadBody(f"a trade of order {report.i} without trade id, quantity or fee")
    return Fill(
        symbol=report.s,
        trade_id=report.t,
        venue_order_id=report.i,
        client_order_id=client_order_id,
        side=report.S,
        price=report.L,
        quantity=report.l,
        fee=report.n,
        fee_asset=report.N or "",
        liquidity=Liquidity.MAKER if report.m else Liquidity.TAKER,
        time_ms=report.T,
    )
