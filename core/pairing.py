"""Pairs of which one cancels the other (OCO): both legs leave together, and the end or the beginning of one ends the other.

Who calls it: core.engine, on the trading thread: `deny` and `place` with a strategy's wish, `advance` once per step. How far a pair has come is read
from its two orders as they are. A pair is a list of the venue's (`is_listed`), which then ends the other leg itself, or two orders that only this
file holds together. Here as there the first execution of a leg, part or whole, and the trigger of a stop end the other one.
Never: a leg canceled on anything but the venue's word about the other; a leg placed without the other having passed the same gates.
Source: binance-wire 2 (OCO), Binance's "when one leg is filled, partially filled or triggered, the other expires".
"""

import msgspec

from core import asking, hearing
from core.account import hold_of
from core.books import MS, Books
from core.commands import PlaceOco
from core.events import OcoAnswer, OrderAnswer, Outcome, Reply
from core.money import ZERO
from core.orders import Evidence, Order
from core.types import OrderStatus
from core.view import WantOco

LIST_GRACE_MS = 1000  # the venue's word on the second leg of a list travels with that on the first


def deny(books: Books, want: WantOco, risk: asking.Risk) -> tuple[str, str] | None:
    """(reason, clears when) where the pair may not leave: each gate for each leg, and funds for one where the venue locks them once."""
    profit, stop = want.profit, want.stop
    if (profit.symbol, profit.side, profit.quantity) != (stop.symbol, stop.side, stop.quantity) or profit.slot == stop.slot:
        return "the legs of a pair are of one symbol, side and quantity, in two slots", "the next decision"
    if denial := asking.deny_slot(books, profit) or asking.deny_slot(books, stop):
        return denial
    _, first = hold_of(profit.side, profit.price, profit.quantity, books.rules[profit.symbol])
    taken = ZERO if want.is_listed else -first
    return asking.deny_entry(books, profit, risk, orders=2) or asking.deny_entry(books, stop, risk, freed=taken, orders=2)


def place(books: Books, want: WantOco) -> None:
    """Both legs, marked as asked: in one command as the venue's list, else the stop first, so that nothing rests unguarded."""
    numbers = books.number(), books.number()
    stop, profit = (asking.name_of(books, number) for number in numbers)
    if want.is_listed:
        number = books.number()
        _, first = asking.mark_place(books, want.stop, numbers[0], profit, number)
        _, second = asking.mark_place(books, want.profit, numbers[1], stop, number)
        command = PlaceOco(
            command_id=number,
            reason=want.profit.reason,
            timeout_ms=first.timeout_ms,
            list_id=f"{asking.name_of(books, number)}l",
            stop=first,
            profit=second,
        )
        asking.leave(books, command, "PLACE")
        return
    asking.place(books, want.stop, numbers[0], partner=profit)
    asking.place(books, want.profit, numbers[1], partner=stop)


def on_reply(books: Books, command: PlaceOco, reply: Reply) -> None:
    """One answer for both legs: both stand, neither exists, or nobody knows of either."""
    answer = reply.answer
    if isinstance(answer, OcoAnswer):
        for leg, facts in ((command.stop, answer.stop), (command.profit, answer.profit)):
            hearing.on_place_reply(books, leg, msgspec.structs.replace(reply, answer=OrderAnswer(facts=facts, by_socket=answer.by_socket)))
        return
    hearing.on_place_reply(books, command.profit, reply)
    stop = books.orders.by_client_id.get(command.stop.client_order_id)
    if reply.outcome in (Outcome.REFUSED, Outcome.NOT_SENT) and stop is not None and stop.status is OrderStatus.UNSEEN:
        evidence = Evidence.REFUSED if reply.outcome is Outcome.REFUSED else Evidence.NOT_SENT
        books.orders.refuse(stop, OrderStatus.REJECTED, evidence, books.now_ns)  # said once, with the other leg, and counted once for the brake
    else:
        hearing.on_place_reply(books, command.stop, reply)


def advance(books: Books) -> None:
    """Want gone what its partner has made superfluous. What waits for an answer is left alone until that has come."""
    if not books.started:
        return
    for order in books.orders.open():
        if order.partner and order.place_asked is None and not order.is_leaving and (why := _why_over(books, order)):
            order.cancel_wanted = order.why_cancel = why


def _why_over(books: Books, order: Order) -> str:
    """Why this leg has to go; empty where it may stand.

    One that has begun stays, unless its partner has executed too (both were met before the word on either came): then what is left of both goes.
    A partner that is not known has ended in an earlier run.
    """
    partner = books.orders.by_client_id.get(order.partner)
    if partner is None:
        return "" if order.is_listed or order.has_begun else "the other leg of its pair has ended"
    if order.has_begun and not partner.executed:
        return ""
    if order.is_listed:
        is_overdue = not partner.is_open and books.now_ns - partner.ended_ns > LIST_GRACE_MS * MS
        return "the other leg of its list has ended, and the venue has not said so of this one" if is_overdue else ""
    if partner.is_open and not partner.has_begun:
        return ""
    return f"the other leg of its pair {'has begun' if partner.has_begun else f'ended {partner.status.value}'}"
