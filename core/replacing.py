"""One order in the stead of another by one command: cancel the old, place the new, linked by the number of the pair (order.cancelReplace).

Who calls it: core.amending and core.engine, on the trading thread. While the pair has no answer the old order has a cancel and the new one a place
asked under the same number, so light, deadlines and queries need no rule of their own; slot and light count the two as one (I6, I9).
Never: an order of which something has filled (the venue holds us to it: ONLY_NEW); a new order believed gone because the old one stands, or the
other way round, before the venue has said so of each; funds of the old order freed before the venue's word (only the question whether the pair
fits may count them: the venue cancels first).
Source: binance-wire 3 (cancelReplace, its table of halves) and 8 (unknown: query both ids).
"""

from core import asking, hearing, refusing
from core.account import hold_of
from core.amendments import Amendment
from core.books import Books
from core.commands import Cancel, Place, Replace
from core.events import Half, OrderAnswer, Outcome, ReplaceAnswer, Reply
from core.orders import Evidence, Order
from core.types import OrderStatus
from core.view import WantPlace

RESTRICTED = "cancel restrictions"  # in the venue's no (-2011) to the cancel of an order that has begun to fill: it still stands


def deny(books: Books, order: Order, want: WantPlace, risk: asking.Risk) -> tuple[str, str] | None:
    """(reason, clears when) where the pair may not leave. The caller has seen the light; the slot is the old order's own."""
    if order.executed or order.booked:
        return "partly filled: what is left is known only after its cancel", "the venue's word on that"
    _, freed = hold_of(order.side, order.price, order.remaining, books.rules[order.symbol])
    return asking.deny_entry(books, want, risk, freed)


def send(books: Books, amendment: Amendment, order: Order, want: WantPlace) -> None:
    """Mark both orders; the pair leaves with this step."""
    number = amendment.request_id
    cancel = asking.mark_cancel(books, order, want.reason, number)
    new, place = asking.mark_place(books, want, number)
    amendment.is_replacing, amendment.new_order_id = True, new.client_order_id
    pair = Replace(command_id=number, reason=want.reason, timeout_ms=place.timeout_ms, cancel=cancel, place=place)
    asking.leave(books, pair, "REPRICE")


def on_reply(books: Books, command: Replace, reply: Reply) -> None:
    """The venue's word on both halves, its no to the whole (nothing was done), or no word (both are unknown)."""
    _note(books, command, reply)
    if isinstance(reply.answer, ReplaceAnswer):
        _hear_cancel(books, command.cancel, reply.answer.canceled)
        _hear_place(books, command.place, reply.answer.placed)
        return
    if reply.outcome in (Outcome.REFUSED, Outcome.NOT_SENT):
        _keep(books, command.cancel)
    else:
        hearing.on_cancel_reply(books, command.cancel, reply)
    hearing.on_place_reply(books, command.place, reply)


def _note(books: Books, command: Replace, reply: Reply) -> None:
    """What the result of the change will say."""
    amendment = books.amendments.get(command.command_id)
    if amendment is None:
        return
    answer, error = reply.answer, reply.error
    if isinstance(answer, ReplaceAnswer):
        amendment.by_socket = answer.by_socket
        error = answer.canceled.error or answer.placed.error
    amendment.is_refused = reply.outcome is Outcome.REFUSED and error is not None and error.http_status not in (418, 429)
    amendment.error = f"{error.message.rstrip('.')} ({error.code})" if error is not None else reply.note


def _hear_cancel(books: Books, cancel: Cancel, half: Half) -> None:
    if half.outcome is Outcome.NOT_SENT:
        _keep(books, cancel)
    elif half.error is not None and RESTRICTED in half.error.message:
        _keep(books, cancel)
        _expect_fill(books, cancel)
    else:
        hearing.on_cancel_reply(books, cancel, _reply_of(cancel.command_id, half))


def _hear_place(books: Books, place: Place, half: Half) -> None:
    """Not attempted is the venue's word too: the order never existed. That is nobody's fault and brakes no side."""
    order = books.orders.by_client_id.get(place.client_order_id)
    is_unseen = order is not None and order.status is OrderStatus.UNSEEN
    if order is not None and is_unseen and half.outcome is Outcome.REFUSED and refusing.would_take(half.error):
        books.touch_private()
        refusing.cross(books, order)
    elif half.outcome is not Outcome.NOT_SENT:
        hearing.on_place_reply(books, place, _reply_of(place.command_id, half))
    elif order is not None and is_unseen:
        books.touch_private()
        books.orders.refuse(order, OrderStatus.REJECTED, Evidence.REFUSED, books.now_ns)
    elif order is not None:
        books.orders.want_attention(order, books.now_ns)


def _keep(books: Books, cancel: Cancel) -> None:
    """Nothing was done: the old order stands as before, and whether it is still wanted is decided anew."""
    order = books.orders.find(cancel.symbol, cancel.venue_order_id, cancel.client_order_id)
    if order is not None and order.cancel_asked is not None and order.cancel_asked.command_id == cancel.command_id:
        order.cancel_asked = None
        order.why_cancel = ""


def _expect_fill(books: Books, cancel: Cancel) -> None:
    """The venue says that something has filled; where the user stream has not told of it yet, the venue is asked."""
    order = books.orders.find(cancel.symbol, cancel.venue_order_id, cancel.client_order_id)
    if order is not None and order.is_open and not order.executed:
        books.orders.want_attention(order, books.now_ns)


def _reply_of(number: int, half: Half) -> Reply:
    """One half as the reply to a command of its own."""
    answer = OrderAnswer(facts=half.facts, also=half.also) if half.facts is not None else None
    return Reply(command_id=number, outcome=half.outcome, answer=answer, error=half.error)
