"""Pairs of which one cancels the other (OCO): both legs leave together, and the end or the beginning of one ends the other.

Who calls it: core.engine, on the trading thread: `deny` and `place` with a strategy's wish, `advance` once per step. How far a pair has come is read
from its two orders as they are. A pair is a list of the venue's (`is_listed`), which then ends the other leg itself, or two orders that only this
file holds together. Here as there the first execution of a leg, part or whole, and the trigger of a stop end the other one.
Never: a leg canceled on anything but the venue's word about the other; a leg placed without the other having passed the same gates.
Source: binance-wire 2 (OCO), Binance's "when one leg is filled, partially filled or triggered, the other expires".
"""

from core import asking
from core.account import hold_of
from core.books import MS, Books
from core.money import ZERO
from core.orders import Order
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
    """Both legs, marked as asked; the stop first, so that nothing rests unguarded."""
    numbers = books.number(), books.number()
    stop, profit = (asking.name_of(books, number) for number in numbers)
    asking.place(books, want.stop, numbers[0], partner=profit)
    asking.place(books, want.profit, numbers[1], partner=stop)


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
