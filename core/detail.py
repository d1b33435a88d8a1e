"""What the page shows beyond the snapshot: the ladder around the touch with our orders in it, and every call without an answer.

Who makes it: the trading loop, on the trading thread, beside each picture, and only while the page is on. Who reads it: any thread, it never changes.
Never: a way back into the engine, a walk through the whole book.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from core.books import MS, Books
from core.commands import Amend, AnyCommand, Cancel, Place, PlaceOco, Replace
from core.engine import Engine
from core.money import BPS, plain
from core.orders import Asked, Order
from core.types import SIDES, Connection, Side

RUNGS = 7  # of one side; a ladder never changes its height
CALLS_MAX = 40
QUERY = "query"
TENTH = Decimal("0.1")
WORDS: dict[type, str] = {
    Place: "place", Cancel: "cancel", Amend: "amend, keeps its place", Replace: "cancel and replace", PlaceOco: "place a pair",
}  # fmt: skip


class RungShown(msgspec.Struct, frozen=True, kw_only=True):
    """One price. `quantity` is the level's, ours included, empty where the book is not in step; `orders` are client ids of ours."""

    price: str
    quantity: str
    bps: str
    orders: tuple[str, ...] = ()


class LadderShown(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    bids: tuple[RungShown, ...]
    asks: tuple[RungShown, ...]


class CallShown(msgspec.Struct, frozen=True, kw_only=True):
    """One call about an order that has no answer yet."""

    what: str
    symbol: str
    side: str
    price: str
    client_order_id: str
    age_ms: int
    unknown: bool
    route: str


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    at_ns: int
    ladders: tuple[LadderShown, ...]
    calls: tuple[CallShown, ...]
    calls_more: int
    reads_pending: int


def detail(engine: Engine, over_ws: bool) -> Detail | None:
    """The engine as it is now; None before Boot. `over_ws`: orders go over the WS API while it is up."""
    books = engine.books
    if books is None:
        return None
    calls = [
        _call(engine, books, order, asked, what, over_ws)
        for order in _asked_orders(books)
        for what, asked in (("place", order.place_asked), ("amend", order.amend_asked), ("cancel", order.cancel_asked), (QUERY, order.query_asked))
        if asked is not None
    ]
    calls.sort(key=lambda call: -call.age_ms)
    return Detail(
        at_ns=books.now_ns,
        ladders=tuple(_ladder(books, symbol) for symbol in books.rules),
        calls=tuple(calls[:CALLS_MAX]),
        calls_more=max(0, len(calls) - CALLS_MAX),
        reads_pending=sum(not hasattr(command, "client_order_id") for command in engine.pending.values()),
    )


def _asked_orders(books: Books) -> Iterator[Order]:
    """Open ones, and ended ones of which fills are still missing."""
    yield from books.orders.open_ids.values()
    for client_id in books.orders.attention:
        if client_id not in books.orders.open_ids:
            yield books.orders.by_client_id[client_id]


def _call(engine: Engine, books: Books, order: Order, asked: Asked, what: str, over_ws: bool) -> CallShown:
    """A question always goes over REST; so does what leaves while the WS API is down. A call that has timed out is no longer among the pending."""
    command: AnyCommand | None = engine.pending.get(asked.command_id)
    routed = over_ws and what != QUERY and books.session.up[Connection.USER]
    return CallShown(
        what=WORDS.get(type(command), what),
        symbol=order.symbol,
        side=order.side.value,
        price=plain(order.price),
        client_order_id=order.client_order_id,
        age_ms=(books.now_ns - asked.since_ns) // MS,
        unknown=asked.unknown,
        route="WS API" if routed else "REST",
    )


def _ladder(books: Books, symbol: str) -> LadderShown:
    bids, asks = (_rungs(books, symbol, side) for side in SIDES)
    return LadderShown(symbol=symbol, bids=bids, asks=asks)


def _rungs(books: Books, symbol: str, side: Side) -> tuple[RungShown, ...]:
    """Best first: the prices of our orders, nearest first, and the best levels for the rows that are left."""
    market, own = books.market[symbol], dict[Decimal, list[str]]()
    for order in books.orders.open(symbol, side):
        own.setdefault(order.price, []).append(order.client_order_id)
    nearest_first = sorted(own, reverse=side is Side.BUY)
    prices = set(nearest_first[:RUNGS])
    if market.depth.in_step:
        for price, _ in market.depth.depth(RUNGS)[SIDES.index(side)]:
            if len(prices) >= RUNGS:
                break
            prices.add(price)
    mid = (market.touch.bid[0] + market.touch.ask[0]) / 2 if market.touch.is_known else None
    return tuple(
        RungShown(
            price=plain(price),
            quantity=plain(market.depth.quantity_at(side, price)) if market.depth.in_step else "",
            bps=f"{((price - mid) / mid * BPS).quantize(TENTH):+f}" if mid else "",
            orders=tuple(own.get(price, ())),
        )
        for price in sorted(prices, reverse=side is Side.BUY)
    )
