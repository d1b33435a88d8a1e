"""Everything the engine can be told. The order in which the trading thread takes events is the history of the bot.

Who makes them: socket readers, done-callbacks, the timer, the operator. Who consumes them: core.engine, on the trading thread.
Never: a clock reading that decides (times here are data; `step` receives the one that counts).
"""

from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from core.types import Balance, Connection, Fill, OrderFacts, OrderType, RateLimit, Side, SymbolRules, VenueError

Level: TypeAlias = tuple[Decimal, Decimal]  # price, absolute quantity; quantity 0 deletes


class Event(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Base of all events."""


class Undecided(msgspec.Struct, frozen=True, kw_only=True):
    """A place found in the intents of an earlier boot whose end was never written."""

    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    client_order_id: str
    sent_ms: int
    venue_order_id: int | None = None  # where its answer was written: the query finds it under any name
    type: OrderType = OrderType.LIMIT_MAKER
    stop_price: Decimal | None = None
    slot: tuple[int, int] | None = None
    memo: str = ""
    partner: str = ""
    is_listed: bool = False
    reduce_only: bool = False


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An order with a memo was made (no `fill`), or one of its fills was booked (core.memory)."""

    symbol: str
    memo: str
    client_order_id: str
    at_ns: int
    fill: Fill | None = None
    price: Decimal | None = None  # of the order that was made


class Boot(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """First event of a run. `boot` is the start time in milliseconds in base 36; `tag` marks orders as ours."""

    boot: str
    tag: str
    venue: str
    instance: str
    rules: tuple[SymbolRules, ...]
    limits: tuple[RateLimit, ...]
    last_trade_ids: tuple[tuple[str, int], ...] = ()
    undecided: tuple[Undecided, ...] = ()
    known_fills: tuple[Fill, ...] = ()  # booked by earlier runs; never booked again
    attributed: tuple[tuple[str, int], ...] = ()  # (symbol, venue order id) of orders of earlier runs, so that no search takes one for another
    memories: tuple[tuple[str, str], ...] = ()  # (symbol, text): what the strategy wanted remembered, the newest of each
    told: tuple[Told, ...] = ()  # what happened to its orders since
    config_version: str = ""  # of the settings in force


class BookTicker(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Best bid and ask as republished by the venue (binance-wire 5)."""

    symbol: str
    update_id: int
    bid_price: Decimal
    bid_quantity: Decimal
    ask_price: Decimal
    ask_quantity: Decimal
    received_ns: int


class DepthDiff(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Changed levels `first_id`..`last_id` (U and u of depthUpdate); waiting diffs may have been merged into one."""

    symbol: str
    first_id: int
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    event_ms: int
    received_ns: int


class MarketTrade(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A print of the market. `count` is above 1 where waiting trades were summarised per price."""

    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    buyer_is_maker: bool
    time_ms: int
    received_ns: int
    count: int = 1


class StreamUp(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """The socket is open and its subscriptions are confirmed. `moved`: it took over from one that was still up, so nothing was missed."""

    connection: Connection
    pong_ms: float | None = None
    moved: bool = False


class StreamDown(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """The socket is gone or silent; the reader reconnects by itself with back-off and says so here once per outage."""

    connection: Connection
    reason: str
    retry_in_ms: int = 0


class StreamGap(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Messages of this connection were lost (a full backlog, a terminated subscription); the socket itself is up."""

    connection: Connection
    reason: str


class ExecutionReport(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """One executionReport of the account, ours or not (binance-wire 7).

    `client_order_id` is the id the order was placed with (C on a cancel or replace, else c); `report_id` is c as it came.
    `fill` is set on trades only. `status` is the raw word. `is_on_book` is the venue's `w`; trades and endings carry False.
    """

    symbol: str
    venue_order_id: int
    client_order_id: str
    report_id: str
    side: Side
    type: str
    price: Decimal
    quantity: Decimal
    execution_type: str
    status: str
    reject_reason: str
    executed: Decimal
    cumulative_quote: Decimal
    execution_id: int
    time_ms: int
    created_ms: int
    fill: Fill | None
    received_ns: int
    stop_price: Decimal = Decimal(0)
    is_on_book: bool = True
    list_id: int = -1


class AccountPosition(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Absolute balances of the assets that may have changed, as of `update_ms`."""

    balances: tuple[Balance, ...]
    update_ms: int
    received_ns: int


class BalanceUpdate(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A deposit, withdrawal or transfer: a foreign movement of `delta`."""

    asset: str
    delta: Decimal
    time_ms: int


class AccountSnapshot(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Answer to ReadAccount. `trades` are ascending by id per symbol; `last_trade_ids` are the newest ids seen at the venue."""

    open_orders: tuple[OrderFacts, ...]
    balances: tuple[Balance, ...]
    balances_update_ms: int
    trades: tuple[Fill, ...]
    last_trade_ids: tuple[tuple[str, int], ...]


class DepthSnapshot(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Answer to ReadDepth."""

    symbol: str
    last_update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class OrderAnswer(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Answer to Place, Cancel or Query: what the venue says of the order. None (Query only): the venue does not know it.

    `searched` tells that the order list since `since_ms` was read too, so a None is *not found* and not merely *not yet known*.
    `ids_ran_backwards` tells that the venue denies this venue order id and lists no order of ours in the symbol that is as new.
    """

    facts: OrderFacts | None
    searched: bool = False
    ids_ran_backwards: bool = False
    by_socket: bool = False  # answered over the WS API
    also: tuple[OrderFacts, ...] = ()  # other orders that the request changed: a cancel of one leg ends its whole list


class Outcome(StrEnum):
    """How a call ended. UNKNOWN is never failure: the request may have been carried out."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


class Half(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's word on one half of a pair: DONE with facts, REFUSED with its no, NOT_SENT where it was not attempted, else UNKNOWN."""

    outcome: Outcome
    facts: OrderFacts | None = None
    error: VenueError | None = None
    also: tuple[OrderFacts, ...] = ()  # of a cancel: the other orders of its list


class ReplaceAnswer(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Answer to Replace, also where only one half was done, or none: canceled and not replaced is a normal outcome (binance-wire 3)."""

    canceled: Half
    placed: Half
    by_socket: bool = False  # answered over the WS API


class OcoAnswer(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Answer to PlaceOco: both legs, as the venue took them."""

    stop: OrderFacts
    profit: OrderFacts
    by_socket: bool = False  # answered over the WS API


class CancelAllAnswer(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Answer to CancelAll: the final word on each order that was canceled; `failed` names those without one."""

    canceled: tuple[OrderFacts, ...]
    failed: tuple[str, ...]


RequestAnswer: TypeAlias = OrderAnswer | ReplaceAnswer | OcoAnswer  # to a core.commands.Request
Answer: TypeAlias = OrderAnswer | ReplaceAnswer | OcoAnswer | AccountSnapshot | DepthSnapshot | CancelAllAnswer


class Reply(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Exactly one per submitted command, whatever happened.

    DONE carries `answer`, REFUSED carries `error`, UNKNOWN and NOT_SENT carry `note`; NOT_SENT also the `error` of a ban that holds. Times are the
    engine clock's, in ns; `sent_ns` is 0 when nothing left.
    """

    command_id: int
    outcome: Outcome
    answer: Answer | None = None
    error: VenueError | None = None
    note: str = ""
    limits: tuple[RateLimit, ...] = ()
    sent_ns: int = 0
    received_ns: int = 0


class Timer(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Every 100 ms: deadlines, back-offs and cool-downs are judged."""


class OperatorAction(StrEnum):
    HALT = "halt"
    RESUME = "resume"
    CANCEL_ALL = "cancel-all"
    PROVE = "prove"
    CLOSE = "close"


class Operator(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A person's word, from the control socket."""

    action: OperatorAction
    note: str = ""


class ConfigChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A person's new settings, judged already: all that decide, as the msgpack of trading.recipe.Recipe; `changes` are `key old -> new`."""

    version: str
    settings: bytes
    changes: tuple[str, ...] = ()


class RulesChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """What the venue states now of symbols whose rules or status it has changed since it was last asked."""

    rules: tuple[SymbolRules, ...]


class StoreHealth(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """The recorder's word: why the database takes nothing (disk full, file gone); empty once it does again."""

    reason: str


class StopRequested(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """No new orders; cancel all own orders; prove zero; then the step says `finished`."""

    reason: str


AnyEvent: TypeAlias = (
    Boot
    | BookTicker
    | DepthDiff
    | MarketTrade
    | StreamUp
    | StreamDown
    | StreamGap
    | ExecutionReport
    | AccountPosition
    | BalanceUpdate
    | Reply
    | Timer
    | Operator
    | ConfigChanged
    | RulesChanged
    | StoreHealth
    | StopRequested
)
