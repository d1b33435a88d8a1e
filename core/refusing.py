"""A place that came to nothing: refused by the venue, or never sent. Its order ends, and after two equal refusals in a row its side waits.

And a cancel that came to nothing: its order stands, and the cancel is tried again, later each time the venue says no (a failed call costs weight).

Who calls it: core.hearing and core.replacing, on the trading thread, with the reply to a place or a cancel.
Never: an ending for an order that the venue has spoken of.
"""

from core.books import MS, Books
from core.notices import Refusal, Said
from core.orders import Evidence, Order
from core.types import OrderStatus, Side, VenueError

BRAKE_AFTER_EQUAL_REJECTS = 2
BRAKE_MS_FIRST, BRAKE_MS_MAX = 1000, 8_000  # inside the liveness bound of DESIGN 4
CANCEL_RETRY_MS = 250
COUNT_MAX = 64
WOULD_TAKE = "immediately match"  # of a post-only order (-2010, binance-wire 5)


def drop(books: Books, order: Order, evidence: Evidence, note: str) -> None:
    if order.status is not OrderStatus.UNSEEN:
        books.orders.want_attention(order, books.now_ns)
        return
    books.orders.refuse(order, OrderStatus.REJECTED, evidence, books.now_ns)
    waits = brake(books, order.symbol, order.side, note, "not sent")
    text = f"{order.side:<4} place did not leave: {note} · {waits}"
    books.notices.append(Said(tag="PENDING", symbol=order.symbol, text=text, order_id=order.client_order_id))


def refuse(books: Books, order: Order, error: VenueError) -> None:
    key = f"{error.http_status}/{error.code}"
    if key in books.rejects or len(books.rejects) < COUNT_MAX:
        books.rejects[key] = books.rejects.get(key, 0) + 1
    limited = error.http_status in (418, 429)
    order.refusal = "" if limited or would_take(error) else f"{error.message.rstrip('.')} ({error.code})"
    what_next = "waiting for the limit to clear" if limited else _brake_for(books, order, error)
    books.orders.refuse(order, OrderStatus.REJECTED, Evidence.REFUSED, books.now_ns)
    books.notices.append(
        Refusal(
            tag="REJECT",
            symbol=order.symbol,
            order_id=order.client_order_id,
            side=order.side,
            price=order.price,
            quantity=order.quantity,
            error=error,
            what_next=what_next,
        )
    )


def put_off_cancel(books: Books, order: Order, error: VenueError | None) -> None:
    """In a moment again where it never left or a limit was in the way; another no of the venue (`error`) will be heard again, and puts it off."""
    wait_ms = CANCEL_RETRY_MS
    if error is not None and error.http_status not in (418, 429):
        wait_ms = min(BRAKE_MS_MAX, CANCEL_RETRY_MS << min(order.cancel_refusals, 10))
        order.cancel_refusals += 1
        text = f"{order.side:<4} cancel refused: {error.message.rstrip('.')} ({error.code}) · again in {wait_ms / 1000:g} s"
        books.notices.append(Said(tag="REJECT", symbol=order.symbol, text=text, order_id=order.client_order_id))
    order.cancel_not_before_ns = books.now_ns + (CANCEL_RETRY_MS if books.session.stopping else wait_ms) * MS


def is_put_off(books: Books, order: Order) -> bool:
    """A stop does not wait out what was put off before it."""
    left_ns = order.cancel_not_before_ns - books.now_ns
    return left_ns > 0 and not (books.session.stopping and left_ns > CANCEL_RETRY_MS * MS)


def would_take(error: VenueError | None) -> bool:
    return error is not None and WOULD_TAKE in error.message


def cross(books: Books, order: Order) -> None:
    """Canceled, not replaced (409): the market came too near. A normal outcome, neither an error nor a brake; the next order stands a tick back."""
    side = (order.symbol, order.side)
    books.crossings[side] = min(books.crossings.get(side, 0) + 1, COUNT_MAX)
    books.orders.refuse(order, OrderStatus.REJECTED, Evidence.REFUSED, books.now_ns)


def _brake_for(books: Books, order: Order, error: VenueError) -> str:
    """Both legs of a pair refused are one refusal."""
    partner = books.orders.by_client_id.get(order.partner)
    if partner is not None and partner.evidence is Evidence.REFUSED:
        return "like the other leg of its pair"
    return brake(books, order.symbol, order.side, f"{error.code} {error.message}", str(error.code))


def brake(books: Books, symbol: str, side: Side, why: str, short: str) -> str:
    """After two equal refusals in a row, the venue's or our own, the side waits, twice as long each time (field case 7)."""
    times = books.count_refusal(symbol, side, why)
    if times < BRAKE_AFTER_EQUAL_REJECTS:
        return "one tick back next time" if WOULD_TAKE in why else "next decision starts afresh"
    wait_ms = min(BRAKE_MS_MAX, BRAKE_MS_FIRST << min(times - BRAKE_AFTER_EQUAL_REJECTS, 10))
    books.session.brake_until_ns[symbol, side] = (books.now_ns + wait_ms * MS, f"{times} equal refusals ({short})")
    return f"{times} times in a row, side waits {wait_ms / 1000:g} s"
