"""Our orders: what the venue said of each (`status`), what we asked and got no word on (`asked`), and the evidence for every ending.

Who calls it: core.engine, on the trading thread; strategy and light read it through views. The transition tables below are total over
(status, word of the venue); an illegal pair is counted and reported, never raised and never believed.
Never: a terminal status without the venue's word (or proof that nothing left this process), a clock, a guess about funds.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from core.commands import Slot
from core.money import ZERO
from core.queue import QueuePlace
from core.types import Fill, OrderStatus, OrderType, Side

S = OrderStatus
SHORTFALL_GRACE_NS = 150_000_000
CLOSED_MAX = 5000
BOOKED_MAX = 20_000  # trade ids remembered one by one, besides those that the orders themselves remember
ORDER_TRADES_MAX = 1000  # trade ids that one order remembers, the newest
_LIVE = (S.UNSEEN, S.PENDING_NEW, S.NEW, S.PARTIALLY_FILLED)
_ENDED = (S.CANCELED, S.EXPIRED, S.EXPIRED_IN_MATCH)


class Evidence(StrEnum):
    """Why an order counts as ended (DESIGN 3, evidence rule)."""

    REPORT = "execution report"
    QUERY = "query answer"
    ANSWER = "answer to the request"
    REFUSED = "refused by the venue"
    NOT_FOUND = "not found by id nor in the order list"
    NOT_SENT = "never left this process"
    RESET = "denied by a venue that was reset"


NEVER_RESTED = (Evidence.REFUSED, Evidence.NOT_SENT, Evidence.NOT_FOUND)  # by these endings it never was on the book
ON_THE_BOOK = (S.NEW.value, S.PARTIALLY_FILLED.value)


def _transitions() -> dict[tuple[OrderStatus, OrderStatus], OrderStatus]:
    """(what we hold, what the venue says) -> what we hold then. Terminal absorbs; a late older word changes nothing."""
    table: dict[tuple[OrderStatus, OrderStatus], OrderStatus] = {}
    for held in S:
        for said in S:
            table[held, said] = held if held.is_terminal else said
    for said in S:
        table[S.PARTIALLY_FILLED, said] = said if said in (S.PARTIALLY_FILLED, S.FILLED, *_ENDED) else S.PARTIALLY_FILLED
    for held in _LIVE:
        table[held, S.UNSEEN] = held
    table[S.NEW, S.PENDING_NEW] = S.NEW
    table[S.NEW, S.REJECTED] = S.NEW  # may speak of a refused duplicate (binance-wire 7)
    for ended in (*_ENDED, S.REJECTED):
        table[ended, S.FILLED] = S.FILLED  # a fill outranks every other ending
    return table


TRANSITIONS = _transitions()
# Pairs that a correct venue cannot produce; they are counted and reported.
CONTRADICTIONS = frozenset(
    {(S.FILLED, said) for said in (*_ENDED, S.REJECTED)}
    | {(ended, said) for ended in (*_ENDED, S.REJECTED) for said in (S.FILLED,)}
    | {(S.NEW, S.REJECTED), (S.PARTIALLY_FILLED, S.REJECTED)}
)


@dataclass(slots=True)
class Asked:
    """One call without an answer."""

    command_id: int
    since_ns: int
    deadline_ns: int
    unknown: bool = False


@dataclass(slots=True)
class Order:
    symbol: str
    side: Side
    client_order_id: str
    price: Decimal
    quantity: Decimal
    created_ns: int
    slot: Slot | None = None
    venue_order_id: int | None = None
    status: OrderStatus = S.UNSEEN
    executed: Decimal = ZERO  # the venue's cumulative quantity, the largest ever reported
    booked: Decimal = ZERO  # what our own fills add up to
    place_asked: Asked | None = None
    cancel_asked: Asked | None = None
    amend_asked: Asked | None = None
    amends: int = 0  # so often amended; venues allow a few
    amend_quantity: Decimal = ZERO  # the total that the newest amendment asked for
    amend_stop: Decimal | None = None  # and the stop price
    grown_ms: int = 0  # venue time of the word that an amendment had made it larger
    cancel_wanted: str = ""  # the reason, as long as a cancel is wanted and none is under way
    cancel_not_before_ns: int = 0  # a refused cancel is tried again, not at once
    cancel_refusals: int = 0
    why_cancel: str = ""
    refusal: str = ""  # the venue's no to its place, where that is an error: neither a limit reached nor a post-only price that would take
    evidence: Evidence | None = None
    ended_ns: int = 0
    acked_ns: int = 0
    reported: bool = False  # the user stream has spoken of it
    owed_ns: int = 0  # since when the user stream, though it is up, owes a word of it; zero where it does not
    resolve: bool = False  # must be queried
    not_before_ns: int = 0  # earliest next query
    queries: int = 0
    query_asked: Asked | None = None
    unknown_word: str = ""
    level_when_sent: Decimal = ZERO  # what the book showed at its price
    queue: QueuePlace | None = None
    trades: tuple[int, ...] = ()  # ids of its booked trades
    denied_ns: int = 0  # since when the venue denies it, though it had acknowledged it
    type: OrderType = OrderType.LIMIT_MAKER
    stop_price: Decimal | None = None
    memo: str = ""  # what it is for, in its strategy's words
    partner: str = ""  # client id of the other leg of a pair of which one cancels the other
    is_listed: bool = False  # the venue knows the two as one list
    reduce_only: bool = False
    list_id: int = -1  # the venue's
    is_waiting: bool = False  # not triggered yet, as far as we know; an order that has been triggered never waits again

    @property
    def is_open(self) -> bool:
        """Live or undecided at the venue, as far as we know."""
        return not self.status.is_terminal

    @property
    def remaining(self) -> Decimal:
        left = self.quantity - (self.booked if self.booked > self.executed else self.executed)
        return left if left > ZERO else ZERO

    @property
    def has_begun(self) -> bool:
        """It has executed something, or was triggered: of a pair it is the one that stays."""
        return self.executed > ZERO or (self.type.waits and not self.is_waiting)

    @property
    def growth(self) -> Decimal:
        """What an amendment without an answer may add to it."""
        return max(ZERO, self.amend_quantity - self.quantity) if self.amend_asked is not None else ZERO

    @property
    def is_unknown_call(self) -> bool:
        """A place, cancel or amendment ended without an answer."""
        place, cancel, amend = self.place_asked, self.cancel_asked, self.amend_asked
        return (place is not None and place.unknown) or (cancel is not None and cancel.unknown) or (amend is not None and amend.unknown)

    def is_twin(self, price: Decimal, quantity: Decimal) -> bool:
        """It has no answer yet, and one of its side at this price and quantity would be just like it.

        No two such are asked: a stranger's cancel renames an order, and then its shape alone tells which one came (DESIGN 3).
        """
        return self.place_asked is not None and (self.price, self.quantity) == (price, quantity)

    @property
    def is_unknown(self) -> bool:
        """A call on it has no answer, or its fills do not add up to what the venue reported, or it must be asked about."""
        return self.is_unknown_call or self.resolve

    @property
    def is_leaving(self) -> bool:
        return (self.cancel_asked is not None or bool(self.cancel_wanted)) and self.is_open

    @property
    def is_working(self) -> bool:
        """On the book, or waiting for its stop price, by the venue's word, with nothing asked of it."""
        return self.status in (S.NEW, S.PARTIALLY_FILLED) and not self.is_leaving and self.amend_asked is None


@dataclass(slots=True)
class Orders:
    """All orders of this account that carry our tag, by client id and by (symbol, venue order id)."""

    closed_max: int = CLOSED_MAX
    by_client_id: dict[str, Order] = field(default_factory=dict)
    by_venue_id: dict[tuple[str, int], Order] = field(default_factory=dict)
    open_ids: dict[str, Order] = field(default_factory=dict)  # by client id, in the order of their making
    attention: dict[str, None] = field(default_factory=dict)  # client ids to query, open or not
    changed: dict[str, None] = field(default_factory=dict)  # client ids the step under way said something new about; the engine empties it
    booked_trades: dict[tuple[str, int], None] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)  # symbol -> client id of the order with the highest venue id
    forgotten: dict[str, int] = field(default_factory=dict)  # per symbol the newest trade id forgotten
    contradicted: dict[str, int] = field(default_factory=dict)  # what was held and what was said then: how often
    unknown_words: int = 0
    booked_max: int = BOOKED_MAX

    # -- reading ---------------------------------------------------------------------------------
    def open(self, symbol: str | None = None, side: Side | None = None) -> list[Order]:
        """As they are now, the oldest first. The most asked of all questions: hence no generator, and no test that is not needed."""
        if symbol is None:
            return [order for order in self.open_ids.values() if side is None or order.side is side]
        if side is None:
            return [order for order in self.open_ids.values() if order.symbol == symbol]
        return [order for order in self.open_ids.values() if order.side is side and order.symbol == symbol]

    def find(self, symbol: str, venue_order_id: int | None, client_order_id: str) -> Order | None:
        """By (symbol, venue id) first: a cancel renames the client id, the venue id stays."""
        if venue_order_id is not None and (order := self.by_venue_id.get((symbol, venue_order_id))):
            return order
        order = self.by_client_id.get(client_order_id)
        return order if order is not None and order.symbol == symbol else None

    def is_booked(self, fill: Fill) -> bool:
        """Booked already; so is every trade as old as those forgotten."""
        return fill.key in self.booked_trades or self._is_forgotten(fill)

    def _is_forgotten(self, fill: Fill) -> bool:
        return fill.trade_id <= self.forgotten.get(fill.symbol, -1)

    @property
    def contradictions(self) -> int:
        return sum(self.contradicted.values())

    def has_pending_cancels(self, symbol: str | None = None, side: Side | None = None) -> bool:
        """A question about the orders, not a counter: it cannot leak."""
        return any(order.is_leaving for order in self.open(symbol, side))

    # -- writing ---------------------------------------------------------------------------------
    def add(self, order: Order) -> Order:
        assert order.client_order_id not in self.by_client_id, f"client id {order.client_order_id} used twice"
        self.by_client_id[order.client_order_id] = order
        self.open_ids[order.client_order_id] = order
        if order.venue_order_id is not None:
            self.by_venue_id[order.symbol, order.venue_order_id] = order
        self.changed[order.client_order_id] = None
        return order

    def learn_venue_id(self, order: Order, venue_order_id: int) -> None:
        if order.venue_order_id is None and venue_order_id >= 0:
            order.venue_order_id = venue_order_id
            self.by_venue_id[order.symbol, venue_order_id] = order
            self.changed[order.client_order_id] = None
            self._watch_ids(order, venue_order_id)

    def _watch_ids(self, order: Order, venue_order_id: int) -> None:
        """Ids of a symbol ascend. One that is lower than that of an order acknowledged before this one was made: ask about that one (core.reset)."""
        newest = self.by_client_id.get(self.newest.get(order.symbol, ""))
        if newest is None or (newest.venue_order_id or 0) < venue_order_id:
            self.newest[order.symbol] = order.client_order_id
        elif 0 < newest.acked_ns < order.created_ns:
            self.want_attention(newest, 0)

    def learn_quantity(self, order: Order, quantity: Decimal, told_ms: int) -> None:
        """The smallest one heard is the newest, unless it is from before an amendment made the order grow. It grows only to what was asked."""
        is_growth = order.quantity < quantity == order.amend_quantity
        if is_growth or (0 < quantity < order.quantity and told_ms >= order.grown_ms):
            order.grown_ms = told_ms if is_growth else order.grown_ms
            order.quantity = quantity
            self.changed[order.client_order_id] = None

    def learn_list(self, order: Order, list_id: int) -> None:
        """The venue's list: two of ours in one are a pair, also where nothing else is known of them."""
        if list_id < 0 or order.list_id == list_id:
            return
        order.list_id, order.is_listed = list_id, True
        self.changed[order.client_order_id] = None
        for other in self.open_ids.values():
            if other.list_id == list_id and other is not order and not order.partner:
                order.partner, other.partner = other.client_order_id, order.client_order_id

    def learn_stop(self, order: Order, stop_price: Decimal) -> None:
        """Nobody but us moves it, so a new one is the one we asked for."""
        if order.stop_price != stop_price == order.amend_stop:
            order.stop_price = stop_price
            self.changed[order.client_order_id] = None

    def book(self, order: Order, fill: Fill) -> bool:
        """Book one trade once; True where it was new. A fill after an ending is booked like any other.

        A trade as old as those forgotten, which its order does not remember either, is new only where the venue says that the order has executed
        more than is booked: an order that rests for hours must not book its first fill twice.
        """
        if fill.key in self.booked_trades or fill.trade_id in order.trades:
            return False
        if self._is_forgotten(fill) and order.booked + fill.quantity > order.executed:
            return False
        order.trades = (*order.trades[-ORDER_TRADES_MAX:], fill.trade_id)
        self.booked_trades[fill.key] = None
        if len(self.booked_trades) > self.booked_max:
            symbol, trade_id = oldest = next(iter(self.booked_trades))
            self.forgotten[symbol] = max(trade_id, self.forgotten.get(symbol, -1))
            del self.booked_trades[oldest]
        order.booked += fill.quantity
        order.executed = max(order.executed, order.booked)
        self.changed[order.client_order_id] = None
        return True

    def hear(self, order: Order, status: str, executed: Decimal, evidence: Evidence, now_ns: int) -> bool:
        """Take the venue's word; True where the order has just ended. The caller books fills first."""
        self.changed[order.client_order_id] = None
        order.executed = max(order.executed, executed)
        try:
            said = OrderStatus(status)
        except ValueError:
            self.unknown_words += 1
            order.unknown_word = status
            said = order.status
        if (order.status, said) in CONTRADICTIONS:
            words = f"{order.status.value}, then {said.value}"
            self.contradicted[words] = self.contradicted.get(words, 0) + 1
        was_open = order.is_open
        order.status = TRANSITIONS[order.status, said]
        self._mark_shortfall(order, now_ns)
        if was_open and not order.is_open:
            self._end(order, evidence, now_ns)
            return True
        return False

    def refuse(self, order: Order, status: OrderStatus, evidence: Evidence, now_ns: int) -> None:
        """End an order that never rested: refused, not sent, or proven unknown to the venue."""
        assert status.is_terminal
        if order.is_open:
            order.status = status
            self._end(order, evidence, now_ns)

    def reopen(self, order: Order, status: str) -> bool:
        """True where an order that never rested, by our evidence, is on the book by the venue's word: that outranks it, and the order is open again.

        Its slot may be another order's by now.
        """
        if order.evidence not in NEVER_RESTED or status not in ON_THE_BOOK:
            return False
        order.status, order.evidence, order.ended_ns, order.slot = S.UNSEEN, None, 0, None
        self.open_ids[order.client_order_id] = order
        self.changed[order.client_order_id] = None
        return True

    def want_attention(self, order: Order, now_ns: int, soon: bool = True) -> None:
        """Put it on the resolve list; the engine queries it with back-off."""
        order.resolve = True
        if order.client_order_id not in self.attention:
            order.queries = 0
        if soon:
            order.not_before_ns = min(order.not_before_ns or now_ns, now_ns)
        self.attention[order.client_order_id] = None

    def settle(self, order: Order) -> None:
        """Take it off the resolve list."""
        order.resolve = False
        order.queries = 0
        order.not_before_ns = 0
        self.attention.pop(order.client_order_id, None)

    def _mark_shortfall(self, order: Order, now_ns: int) -> None:
        """I4: a report that says more was executed than our fills add up to puts the order on the resolve list in the same step.

        The stream and the reply race, so the first query waits a moment; fills that arrive meanwhile settle it.
        """
        if order.booked < order.executed:
            if not order.resolve:
                order.not_before_ns = now_ns + SHORTFALL_GRACE_NS
            order.resolve = True
            self.attention[order.client_order_id] = None
        elif order.resolve and not order.is_unknown_call:
            self.settle(order)

    def _end(self, order: Order, evidence: Evidence, now_ns: int) -> None:
        self.changed[order.client_order_id] = None
        order.evidence = evidence
        order.ended_ns = now_ns
        order.place_asked = None
        order.cancel_asked = None
        order.amend_asked = None
        order.queue = None
        order.cancel_wanted = ""
        self.open_ids.pop(order.client_order_id, None)
        self.by_client_id[order.client_order_id] = self.by_client_id.pop(order.client_order_id, order)  # what ended last is forgotten last
        if order.booked >= order.executed:
            self.settle(order)  # nothing is left to ask about: a lost call on an ended order no longer matters
        self._forget_old()

    def _forget_old(self) -> None:
        surplus = len(self.by_client_id) - len(self.open_ids) - self.closed_max
        if surplus < self.closed_max // 10:
            return
        for client_id in list(self.by_client_id):
            if surplus <= 0:
                return
            order = self.by_client_id[client_id]
            if order.is_open or client_id in self.attention:
                continue
            surplus -= 1
            del self.by_client_id[client_id]
            if order.venue_order_id is not None:
                self.by_venue_id.pop((order.symbol, order.venue_order_id), None)
