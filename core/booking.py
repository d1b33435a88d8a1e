"""Booking trades: ours once each to their order, a stranger's as a foreign movement, and those whose order has no name yet.

Who calls it: core.hearing and core.resync, on the trading thread. A trade is known by (symbol, trade id), whoever tells of it first.
Never: a trade counted twice, or left out because it came after its order's ending.
"""

import msgspec

from core import queue
from core.books import MS, ORPHAN_TRADES_MAX, Books
from core.events import Told
from core.money import ZERO
from core.notices import Filled, Recovered, Said
from core.orders import Order
from core.types import Fill

FOREIGN_TRADES_MAX = 50_000


def book_fill(books: Books, order: Order, fill: Fill) -> None:
    """Book one trade of one of our orders, once."""
    named = fill if fill.client_order_id else _named(fill, order)
    if not books.orders.book(order, named):
        return
    if order.queue is not None:
        order.queue = queue.first(order.queue)
    books.touch_private()
    if order.memo:
        books.told.append(Told(symbol=order.symbol, memo=order.memo, client_order_id=order.client_order_id, at_ns=books.now_ns, fill=named))
    was_foreign = books.foreign_trades.pop(named.key, False) is None
    if not books.started or books.account.is_in_baseline(named):
        books.recovered.append(named)
        books.fills_recovered += 1
        books.notices.append(Recovered(tag="FILL", symbol=named.symbol, order_id=order.client_order_id, fill=named))
        return
    if was_foreign:  # a stranger had renamed the order; its trades were no foreign movement after all
        books.account.on_foreign_fill(named, taken_back=True)
    _count(books, named)
    books.session.cooldown_until_ns[named.symbol, named.side] = books.now_ns + books.timing.cooldown_ms * MS
    done = int(order.booked * 100 / order.quantity) if order.quantity else 100
    pnl, holding = books.pnl()
    books.notices.append(
        Filled(
            tag="FILL",
            symbol=named.symbol,
            order_id=order.client_order_id,
            fill=named,
            done_percent=done,
            inventory=books.position(named.symbol),
            pnl=pnl - holding,
        )
    )


def _count(books: Books, fill: Fill) -> None:
    books.fills.append(fill)
    books.fills_booked += 1
    books.fees[fill.fee_asset] = books.fees.get(fill.fee_asset, ZERO) + fill.fee
    books.account.on_own_fill(fill, books.now_ns)
    age_ns = books.now_ns + books.budget.ahead_ns - fill.time_ms * MS
    books.figures.add_fill(fill, books.mid(fill.symbol), books.rules[fill.symbol], books.now_ns, age_ns)
    books.totals[fill.symbol].add(fill)


def count_early_fills(books: Books) -> None:
    """Fills heard before the first balances were read, but later than those balances, are this run's after all."""
    found = list(books.recovered)
    books.recovered.clear()
    for fill in found:
        if books.account.is_in_baseline(fill):
            books.recovered.append(fill)
        else:
            books.fills_recovered -= 1
            _count(books, fill)


def _named(fill: Fill, order: Order) -> Fill:
    return msgspec.structs.replace(fill, client_order_id=order.client_order_id)


def note_foreign_fill(books: Books, fill: Fill) -> None:
    """A trade of an order that is not ours moves the account; count it once."""
    if fill.key in books.foreign_trades or books.orders.is_booked(fill):
        return
    if not books.started:  # whether the first balances contain it will be known once they are read
        keep_orphan(books, fill)
        return
    books.foreign_trades[fill.key] = None
    if len(books.foreign_trades) > FOREIGN_TRADES_MAX:
        del books.foreign_trades[next(iter(books.foreign_trades))]
    books.touch_private()
    books.account.on_foreign_fill(fill)


def keep_orphan(books: Books, fill: Fill) -> None:
    """A trade waits until the venue says whose order it was. Where no more can wait, trading halts until a person has looked (I25)."""
    waiting = books.orphans.setdefault((fill.symbol, fill.venue_order_id), [])
    if any(known.trade_id == fill.trade_id for known in waiting):
        return
    if books.orphan_trades < ORPHAN_TRADES_MAX:
        waiting.append(fill)
        books.orphan_trades += 1
        return
    if not waiting:
        del books.orphans[fill.symbol, fill.venue_order_id]
    if not books.session.halted:
        books.session.halted = f"more than {ORPHAN_TRADES_MAX} trades of orders we cannot name"
        text = f"halted by {books.session.halted} · trade {fill.trade_id} {fill.symbol} is left out"
        books.notices.append(Said(tag="RISK", symbol="all", text=text))


def claim_orphans(books: Books, order: Order) -> None:
    """Trades that waited for an order of this id are booked to it; what earlier runs booked of it counts as booked."""
    if order.venue_order_id is not None:
        order.booked += books.earlier.pop((order.symbol, order.venue_order_id), ZERO)
        books.orphan_not_before_ns.pop((order.symbol, order.venue_order_id), None)
        for fill in take_orphans(books, (order.symbol, order.venue_order_id)):
            book_fill(books, order, fill)


def take_orphans(books: Books, key: tuple[str, int]) -> list[Fill]:
    """The trades that waited for the name of this order; they wait no more."""
    waited = books.orphans.pop(key, [])
    books.orphan_trades -= len(waited)
    return waited
