"""A venue that was reset (a testnet wipe): it no longer knows our orders and its ids run backwards.

Who calls it: core.hearing, on the trading thread, with answers that deny an order the venue once acknowledged. One denial proves nothing: queries
may be served from a copy that lags. Denied twice, `CONFIRM_MS` apart, long after the order was placed, with every newer id of ours gone too, it is a
reset: the run ends (new orders canceled first) and the next one begins with a new account instance and an empty book (DESIGN 6).
Never: an ending for an order the venue did not deny by name.
"""

from core.books import MS, PLACE_GRACE_MS, Books
from core.notices import Said
from core.orders import Evidence, Order
from core.types import OrderStatus

CONFIRM_MS = 10_000
WHY = "the venue was reset: it no longer knows our orders and its ids run backwards"


def on_denied(books: Books, order: Order) -> None:
    """The venue denies an order it had acknowledged, and holds no order of ours as new as that one."""
    if order.denied_ns == 0:
        order.denied_ns = books.now_ns
    is_old = books.now_ns - order.created_ns > PLACE_GRACE_MS * MS
    if not books.was_reset and is_old and books.now_ns - order.denied_ns >= CONFIRM_MS * MS:
        _declare(books)
    if books.was_reset:
        books.orders.refuse(order, OrderStatus.EXPIRED, Evidence.RESET, books.now_ns)
        books.orders.settle(order)


def _declare(books: Books) -> None:
    books.was_reset = True
    books.session.stopping = books.session.stopping or WHY
    text = f"{WHY} · this account instance is closed, a new one begins with an empty book"
    books.notices.append(Said(tag="RISK", symbol="all", text=text))
