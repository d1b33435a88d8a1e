"""What a strategy may see: read-only questions about the market, our orders and the light, at the time of the step.

Who calls it: strategy.py and trading/risk.py, on the trading thread. Never: a way to change anything.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from core.amendments import AmendmentResult, OnReject, Routing
from core.books import Books
from core.commands import Slot
from core.events import Level
from core.light import Light
from core.money import ZERO
from core.notices import Notice
from core.orders import Order
from core.refusing import WOULD_TAKE
from core.types import OrderType, Side, SymbolRules, TimeInForce


class WantPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One order the strategy would like on the book."""

    symbol: str
    side: Side
    type: OrderType
    price: Decimal
    quantity: Decimal
    slot: Slot
    reason: str
    stop_price: Decimal | None = None  # for the types that wait
    time_in_force: TimeInForce = TimeInForce.GTC  # of a LIMIT order
    memo: str = ""
    reduce_only: bool = False  # where the venue has the flag; elsewhere the strategy guards it (core.lots)


class WantOco(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of which one cancels the other: `profit` rests or waits, `stop` waits; one symbol, side and quantity, two slots.

    `is_listed`: as one list of the venue's (trading.pairs says where that can be); else the engine cancels the other leg on the venue's word.
    """

    profit: WantPlace
    stop: WantPlace
    is_listed: bool


class WantCancel(msgspec.Struct, frozen=True, kw_only=True):
    client_order_id: str
    reason: str


class WantAmend(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one working order: its new total, and another price only by CANCEL_REPLACE (one command) or CANCEL_RESUBMIT.

    The route is chosen by trading.amend. What was executed already counts against the total; what is left is placed anew.
    """

    client_order_id: str
    quantity: Decimal
    routing: Routing
    on_reject: OnReject
    reason: str
    price: Decimal | None = None
    stop_price: Decimal | None = None
    slot: Slot | None = None  # of the second order, where that is the route


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the strategy wants for one symbol. `idle` gives the reason for each side that has no quote and wants none."""

    cancels: tuple[WantCancel, ...] = ()
    amends: tuple[WantAmend, ...] = ()
    places: tuple[WantPlace, ...] = ()
    ocos: tuple[WantOco, ...] = ()
    idle: tuple[tuple[Side, str], ...] = ()
    said: tuple[Notice, ...] = ()  # for the person
    memory: str = ""  # where it has changed: all that must be known of the symbol after a restart (core.memory)


class View:
    """One decision's view: it is made for a decision and dropped after it, so what it computed once stays true."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._best: dict[tuple[str, Side], Decimal | None] = {}
        self._mids: dict[str, Decimal | None] = {}
        self._lights: dict[tuple[str, Side], Light] = {}
        self._open: dict[tuple[str, Side], list[Order]] = {}
        self._held: dict[tuple[str, Side | None], Decimal] = {}

    @property
    def now_ns(self) -> int:
        return self._books.now_ns

    def rules(self, symbol: str) -> SymbolRules:
        return self._books.rules[symbol]

    def light(self, symbol: str, side: Side) -> Light:
        if (symbol, side) not in self._lights:
            self._lights[symbol, side] = self._books.light(symbol, side)
        return self._lights[symbol, side]

    def has_pending_cancels(self, symbol: str, side: Side) -> bool:
        return any(order.is_leaving for order in self.open_orders(symbol, side))

    def open_orders(self, symbol: str, side: Side) -> Sequence[Order]:
        """Live or undecided orders of ours, pending ones included."""
        if (symbol, side) not in self._open:
            self._open[symbol, side] = self._books.orders.open(symbol, side)
        return self._open[symbol, side]

    def is_changing(self, symbol: str, side: Side) -> bool:
        """A change of an order of that side is not decided yet: what it will hold is not known."""
        return any(one.symbol == symbol and one.side is side for one in self._books.amendments.values())

    def amended(self, client_order_id: str) -> AmendmentResult | None:
        """The newest result of a change of that order."""
        return self._books.amended.get(client_order_id)

    @property
    def is_closing(self) -> bool:
        """The operator wants every position left."""
        return self._books.session.is_closing

    def orders_of(self, memo: str) -> tuple[Order, ...]:
        """Live or undecided orders with this memo."""
        return tuple(order for order in self._books.orders.open_ids.values() if order.memo == memo)

    def is_undecided(self, memo: str) -> bool:
        """An order with this memo, open or ended, has an outcome or fills that are still being asked for."""
        orders = self._books.orders
        return any(orders.by_client_id[client_id].memo == memo for client_id in orders.attention)

    def refusal(self, client_order_id: str) -> str:
        """The venue's no to an order of ours, where it was an error; empty where there was none."""
        order = self._books.orders.by_client_id.get(client_order_id)
        return order.refusal if order is not None else ""

    def available(self, asset: str) -> Decimal:
        """What a new order may promise of it."""
        return self._books.account.available(asset, self._books.orders)

    def last_trade(self, symbol: str) -> Decimal | None:
        """The price of the newest print, None before the first."""
        price: Decimal | None = self._books.market[symbol].last_trade
        return price

    def levels(self, symbol: str, side: Side) -> Iterator[Level]:
        """The depth book of that side, best first."""
        return self._books.market[symbol].depth.levels(side)

    def orders_per_s(self) -> Decimal:
        """How many orders a second the venue's windows allow; zero where it states no limit."""
        return self._books.budget.orders_per_s(self._books.now_ns)

    def best(self, symbol: str, side: Side) -> Decimal | None:
        """The best price of that side that is not ours alone: chasing our own quote would walk the market."""
        if (symbol, side) not in self._best:
            self._best[symbol, side] = self._find_best(symbol, side)
        return self._best[symbol, side]

    def _find_best(self, symbol: str, side: Side) -> Decimal | None:
        market = self._books.market[symbol]
        if not market.touch.is_known:
            return None
        price, quantity = market.touch.bid if side is Side.BUY else market.touch.ask
        if quantity > sum((order.remaining for order in self.open_orders(symbol, side) if order.price == price and _is_shown(order)), ZERO):
            return price
        ours = self._own_at(symbol, side)
        for price, quantity in market.depth.levels(side):
            if quantity > ours.get(price, ZERO):
                return price
        return price

    def touch_price(self, symbol: str, side: Side) -> Decimal | None:
        """The best price shown, ours included: what a post-only order must not cross."""
        touch = self._books.market[symbol].touch
        return (touch.bid[0] if side is Side.BUY else touch.ask[0]) if touch.is_known else None

    def mid(self, symbol: str) -> Decimal | None:
        if symbol not in self._mids:
            bid, ask = self.best(symbol, Side.BUY), self.best(symbol, Side.SELL)
            self._mids[symbol] = (bid + ask) / 2 if bid is not None and ask is not None else None
        return self._mids[symbol]

    def base_held(self, symbol: str, side: Side | None = None) -> Decimal:
        """The venue's balance. For a side: the greater (BUY) or smaller (SELL) of it and our own fills, which are known first (field case 30)."""
        if (symbol, side) not in self._held:
            account, base = self._books.account, self._books.rules[symbol].base
            held = account.total(base)
            if side is not None:
                held = (max if side is Side.BUY else min)(held, account.expected(base))
            self._held[symbol, side] = held
        return self._held[symbol, side]

    def base_at_start(self, symbol: str) -> Decimal:
        return self._books.account.baseline.get(self._books.rules[symbol].base, ZERO)

    def post_only_refusals(self, symbol: str, side: Side) -> int:
        """How many times in a row the venue said that an order of this side would have taken."""
        what, times = self._books.refusals.get((symbol, side), ("", 0))
        return (times if WOULD_TAKE in what else 0) + self._books.crossings.get((symbol, side), 0)

    def may_place(self) -> bool:
        """False while the venue's order count is used up: what is canceled now could not be replaced."""
        return self._books.budget.place_denied(self._books.now_ns) is None

    def loss_quote(self) -> Decimal:
        """Loss of quoting since the start, holding excluded, in quote; negative for a gain."""
        total, hold = self._books.pnl()
        return hold - total

    def open_count(self, symbol: str) -> int:
        return sum(1 for _ in self._books.orders.open(symbol))

    def _own_at(self, symbol: str, side: Side) -> dict[Decimal, Decimal]:
        ours: dict[Decimal, Decimal] = {}
        for order in self.open_orders(symbol, side):
            if _is_shown(order):
                ours[order.price] = ours.get(order.price, ZERO) + order.remaining
        return ours


def _is_shown(order: Order) -> bool:
    """It may stand in the market's book: the venue knows it, and it does not wait for a trigger."""
    return order.venue_order_id is not None and not order.is_waiting
