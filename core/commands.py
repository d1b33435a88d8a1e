"""What the engine asks of the world. Every command has a number that is never used twice within a boot.

Who makes them: core.engine, on the trading thread. Who carries them out: order_book_manager (orders and reads) and the streams (Reconnect).
Never: a default for anything that decides money.
"""

from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from core.types import Connection, OrderType, Side, TimeInForce

Slot: TypeAlias = tuple[int, int]  # (band, n): one intended order


class Purpose(StrEnum):
    """Why the account is read: to merge after a (re)connect, or to prove the books."""

    RESYNC = "resync"
    PROOF = "proof"
    STOP = "stop"


class Command(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    command_id: int
    reason: str
    timeout_ms: int


class Place(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Create one order. Past `not_after_ns` (engine clock) it must not leave: the decision behind it is stale.

    With a `stop_price` it waits outside the book until a trade meets that price. `partner` is the client id of the other leg of a pair of which one
    cancels the other; `is_listed` says that the venue knows the two as one list.
    """

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce | None
    price: Decimal
    quantity: Decimal
    client_order_id: str
    slot: Slot | None
    not_after_ns: int
    stop_price: Decimal | None = None
    memo: str = ""  # the strategy's word for what the order is for (core.memory); it decides nothing here
    partner: str = ""
    is_listed: bool = False
    reduce_only: bool = False  # only towards no position; for venues that know the flag (core.ports)


class Cancel(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Cancel one order of ours by its venue id. The venue renames the order to `cancel_id` (binance-wire 0.3)."""

    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    venue_order_id: int
    client_order_id: str
    cancel_id: str


class Amend(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Change one order of ours to `quantity`, its new total, and where that is given to another stop price; it keeps its id and its name.

    A smaller total keeps its place in the queue, and is all that Binance can do (binance-wire 3).
    """

    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    venue_order_id: int
    client_order_id: str
    not_after_ns: int
    stop_price: Decimal | None = None


class Replace(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Cancel one order of ours and place another in its stead, in one request: `cancel` first, and `place` only where it succeeded.

    The venue cancels only an order of which nothing has filled (cancelRestrictions ONLY_NEW), so `place` never asks twice for a fill on the way.
    Both halves carry the number of the pair; it is the one that is answered (order.cancelReplace, STOP_ON_FAILURE; binance-wire 3).
    """

    cancel: Cancel
    place: Place

    @property
    def symbol(self) -> str:
        return self.place.symbol

    @property
    def side(self) -> Side:
        return self.place.side

    @property
    def price(self) -> Decimal:
        return self.place.price

    @property
    def quantity(self) -> Decimal:
        return self.place.quantity

    @property
    def client_order_id(self) -> str:
        return self.place.client_order_id

    @property
    def not_after_ns(self) -> int:
        return self.place.not_after_ns


class PlaceOco(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Place two orders as one list of the venue's, of which one cancels the other (orderList/oco; binance-wire 2).

    The command is answered once for both. Each leg has a number of its own, under which the intents know it, and names the other as its partner.
    """

    list_id: str
    stop: Place
    profit: Place

    @property
    def legs(self) -> tuple[Place, Place]:
        return self.stop, self.profit

    @property
    def symbol(self) -> str:
        return self.profit.symbol

    @property
    def side(self) -> Side:
        return self.profit.side

    @property
    def price(self) -> Decimal:
        return self.profit.price

    @property
    def quantity(self) -> Decimal:
        return self.profit.quantity

    @property
    def client_order_id(self) -> str:
        return self.profit.client_order_id

    @property
    def not_after_ns(self) -> int:
        return self.profit.not_after_ns


class CancelAll(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """One background task: read the open orders, keep those with our tag, cancel them by id. Foreign orders stay."""

    symbol: str | None
    tag: str


class Query(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Ask what became of one order; read its trades too when more was executed than `known_executed`.

    With `since_ms` the order list since then is read and matched as well (for a place that may have been renamed by a stranger's cancel).
    """

    symbol: str
    side: Side
    client_order_id: str
    venue_order_id: int | None
    known_executed: Decimal
    price: Decimal
    quantity: Decimal
    since_ms: int | None = None
    attributed: tuple[int, ...] = ()
    partner: str = ""  # of a leg of a list: the cancel of its partner renames both


class ReadAccount(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Read open orders, balances, and the trades after the last known trade id of each symbol (None: only learn the newest id)."""

    purpose: Purpose
    trades_after: tuple[tuple[str, int | None], ...]


class ReadDepth(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Read a depth snapshot of `limit` levels: to build the book, or to confirm a quiet one."""

    symbol: str
    limit: int


class Reconnect(Command, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Leave one socket and open a new one."""

    connection: Connection


Request: TypeAlias = Place | Cancel | Amend | Replace | PlaceOco  # about one order, one and its successor, or two
OrderCommand: TypeAlias = Request | CancelAll
ReadCommand: TypeAlias = Query | ReadAccount | ReadDepth
AnyCommand: TypeAlias = Place | Cancel | Amend | Replace | PlaceOco | CancelAll | Query | ReadAccount | ReadDepth | Reconnect


def places_of(command: object) -> tuple[Place, ...]:
    """The orders that a command may bring about."""
    if isinstance(command, Place):
        return (command,)
    if isinstance(command, Replace):
        return (command.place,)
    return command.legs if isinstance(command, PlaceOco) else ()
