"""The books as a run begins with them: what earlier runs booked, and the orders whose outcome nobody knows.

Who calls it: core.engine with its first event, on the trading thread. What the venue says comes with the first account read (core.resync).
Never: a terminal status.
"""

from core.books import ATTRIBUTED_MAX, MS, Books, Timing
from core.events import Boot
from core.money import ZERO
from core.orders import Asked, Order


def books_of(boot: Boot, timing: Timing, time_ns: int, with_slots: bool) -> Books:
    """`with_slots`: the strategy remembers what its slots meant (core.memory)."""
    books = Books.new(boot.boot, boot.tag, boot.rules, timing)
    books.now_ns = time_ns
    books.budget.learn(boot.limits, time_ns)
    books.budget.count(boot.limits, time_ns)
    books.proven_trade_id.update({rule.symbol: None for rule in boot.rules})
    books.proven_trade_id.update(dict(boot.last_trade_ids))
    books.attributed = dict.fromkeys(boot.attributed[-ATTRIBUTED_MAX:])
    for fill in boot.known_fills:
        books.orders.booked_trades[fill.key] = None
        key = (fill.symbol, fill.venue_order_id)
        books.earlier[key] = books.earlier.get(key, ZERO) + fill.quantity
    _take_undecided(books, boot, with_slots)
    return books


def _take_undecided(books: Books, boot: Boot, with_slots: bool) -> None:
    """Places of earlier runs whose end was never written: each is asked about before anything is believed of it.

    `with_slots`: the strategy remembers what its slots meant (core.memory); to another they say nothing.
    """
    for undecided in boot.undecided:
        order = Order(
            symbol=undecided.symbol,
            side=undecided.side,
            client_order_id=undecided.client_order_id,
            price=undecided.price,
            quantity=undecided.quantity,
            created_ns=undecided.sent_ms * MS,
            venue_order_id=undecided.venue_order_id,
            type=undecided.type,
            stop_price=undecided.stop_price,
            is_waiting=undecided.type.waits,
            slot=undecided.slot if with_slots and undecided.memo else None,
            memo=undecided.memo,
            partner=undecided.partner,
            is_listed=undecided.is_listed,
            reduce_only=undecided.reduce_only,
            place_asked=Asked(0, undecided.sent_ms * MS, 0, unknown=True),
        )
        books.orders.want_attention(books.orders.add(order), 0)
