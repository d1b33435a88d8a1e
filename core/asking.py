"""How orders and cancels leave: what is wanted gone, what may be placed, and the marks made before a command goes.

Who calls it: core.engine, on the trading thread. `deny` is the one gate every place passes: light, slot, risk, budget, funds.
Never: a network call; a command that the books do not already show as asked.
"""

from decimal import Decimal
from typing import Protocol

from core import refusing
from core.account import hold_of
from core.amendments import Amendment
from core.books import MS, Books
from core.commands import Cancel, CancelAll, Place, Request
from core.events import Told
from core.light import NOT_YET, Colour
from core.money import ZERO, plain
from core.notices import Sent
from core.orders import Asked, Order
from core.types import CONNECTIONS, OrderType
from core.view import View, WantPlace

BOOK_OUT_MS_MAX = 2000  # a book out of step for longer pulls the quotes


class Risk(Protocol):
    """Our own no. `check` judges one place, `halt` the whole run; both return None or the reason (with what clears it)."""

    def check(self, want: WantPlace, view: View) -> tuple[str, str] | None: ...
    def halt(self, view: View) -> str | None: ...


def pull_quotes(books: Books) -> None:
    """Where no quote may stand, every open order is wanted gone."""
    session = books.session
    everywhere = f"stop: {session.stopping}" if session.stopping else f"halted by {session.halted}" if session.halted else ""
    for connection in CONNECTIONS:
        if not everywhere and not session.up[connection] and not (session.down_reason[connection] == NOT_YET and _is_starting(books)):
            everywhere = f"{connection} stream down"
    reasons = {symbol: everywhere or _symbol_out(books, symbol) for symbol in books.rules}
    if not any(reasons.values()):
        return
    for order in books.orders.open():
        reason = reasons[order.symbol]
        if reason and not order.is_leaving:
            order.cancel_wanted = order.why_cancel = reason


def _is_starting(books: Books) -> bool:
    """An adopted order waits a moment for the first socket and the first book, or every restart would cost its queue place (field case 18)."""
    return not books.started or books.now_ns - books.started_ns <= BOOK_OUT_MS_MAX * MS


def _symbol_out(books: Books, symbol: str) -> str:
    state = books.session.symbols[symbol]
    if not state.book_seen_ns and _is_starting(books):
        return ""
    age_ms = (books.now_ns - state.book_seen_ns) // MS
    if state.book_in_step and age_ms > books.timing.book_age_ms_max:
        return f"book is stale ({age_ms} ms)"
    if not state.book_in_step and age_ms > BOOK_OUT_MS_MAX:
        return "book out of step"
    return ""


def send_cancels(books: Books) -> None:
    """Wanted cancels leave as soon as the place has the venue's word, in the same step."""
    for order in books.orders.open():
        if not order.cancel_wanted or order.place_asked is not None or order.venue_order_id is None:
            continue
        if order.cancel_asked is not None or refusing.is_put_off(books, order) or _is_ending_with_its_list(books, order):
            continue
        leave(books, mark_cancel(books, order, order.cancel_wanted, books.number()), "CANCEL")


def _is_ending_with_its_list(books: Books, order: Order) -> bool:
    """The cancel of the other leg is under way and ends this one too; without an answer to it this one is canceled as well."""
    other = books.orders.open_ids.get(order.partner) if order.is_listed else None
    return other is not None and other.cancel_asked is not None and not other.cancel_asked.unknown


def mark_cancel(books: Books, order: Order, reason: str, number: int) -> Cancel:
    """The cancel of an order that has a venue id, marked as asked."""
    assert order.venue_order_id is not None
    order.cancel_asked = Asked(number, books.now_ns, books.now_ns + books.timing.order_timeout_ms * MS)
    order.why_cancel, order.cancel_wanted = reason, ""
    return Cancel(
        command_id=number,
        reason=order.why_cancel,
        timeout_ms=books.timing.order_timeout_ms,
        symbol=order.symbol,
        side=order.side,
        price=order.price,
        quantity=order.remaining,
        venue_order_id=order.venue_order_id,
        client_order_id=order.client_order_id,
        cancel_id=f"{order.client_order_id}c",  # the venue renames the order to this: a search must still know it
    )


def send_cancel_all(books: Books) -> None:
    """The operator's word leaves once; a ban may have kept it back."""
    if books.session.cancel_all_wanted:
        books.session.cancel_all_wanted = False
        timeout_ms = books.timing.read_timeout_ms
        books.commands.append(CancelAll(command_id=books.number(), reason="operator", timeout_ms=timeout_ms, symbol=None, tag=books.tag))


def deny(books: Books, want: WantPlace, risk: Risk, amendment: Amendment | None = None) -> tuple[str, str] | None:
    """(reason, clears when) where this place may not leave now. A slot whose order is being resubmitted belongs to that `amendment`."""
    return deny_slot(books, want, amendment) or deny_entry(books, want, risk)


def deny_slot(books: Books, want: WantPlace, amendment: Amendment | None = None) -> tuple[str, str] | None:
    """The light, and whose the slot is."""
    light = books.light(want.symbol, want.side)
    if light.colour is not Colour.GREEN:
        return light.reason, light.clears_when
    if any(order.slot == want.slot for order in books.orders.open(want.symbol, want.side)):
        return f"slot {want.slot} is taken", "its order ends"
    for one in books.amendments.values():
        if one is not amendment and one.is_resubmitting and (one.symbol, one.side, one.slot) == (want.symbol, want.side, want.slot):
            return f"slot {want.slot} is being changed", "the amendment's result"
    return None


def deny_entry(books: Books, want: WantPlace, risk: Risk, freed: Decimal = ZERO, orders: int = 1) -> tuple[str, str] | None:
    """Risk, budget, funds, and no twin. `freed` of the funds is held by the order that this place replaces, which the venue cancels first.

    `orders` leave together, this one among them.
    """
    if denial := risk.check(want, View(books)):
        return denial
    if budget := books.budget.place_denied(books.now_ns, orders):
        return budget[0], f"in {(budget[1] - books.now_ns) // 1_000_000_000 + 1} s"
    asset, amount = hold_of(want.side, want.price, want.quantity, books.rules[want.symbol])
    available = books.account.available(asset, books.orders) + freed
    if amount > available:
        held, first = books.account.held_by_leaving(asset, books.orders)
        if first is not None and amount <= available + held:
            return f"{plain(held)} {asset} held by a pending cancel, {first.symbol} {first.side}", "that cancel's answer"
        return f"needs {plain(amount)} {asset}, {plain(available)} available", "funds are freed"
    return _deny_twin(books, want)


def _deny_twin(books: Books, want: WantPlace) -> tuple[str, str] | None:
    for order in books.orders.open(want.symbol, want.side):
        if order.is_twin(want.price, want.quantity):
            return f"{order.client_order_id} is alike and has no answer yet", "its answer"
    return None


def place(books: Books, want: WantPlace, number: int | None = None, partner: str = "") -> Order:
    order, command = mark_place(books, want, books.number() if number is None else number, partner)
    leave(books, command, "PLACE")
    return order


def name_of(books: Books, number: int) -> str:
    """The client id of the order that is placed under this number."""
    return f"{books.tag}-{books.boot}-{number}"


def mark_place(books: Books, want: WantPlace, number: int, partner: str = "", list_number: int | None = None) -> tuple[Order, Place]:
    """A new order, marked as asked: its funds, its slot and its share of the budget are taken from now on.

    `list_number` is the number of the command that asks for it, where that is one for both legs of a list.
    """
    timing = books.timing
    client_order_id = name_of(books, number)
    asked = Asked(number if list_number is None else list_number, books.now_ns, books.now_ns + timing.order_timeout_ms * MS)
    order = Order(
        symbol=want.symbol,
        side=want.side,
        client_order_id=client_order_id,
        price=want.price,
        quantity=want.quantity,
        created_ns=books.now_ns,
        slot=want.slot,
        place_asked=asked,
        level_when_sent=books.market[want.symbol].depth.quantity_at(want.side, want.price),
        type=want.type,
        stop_price=want.stop_price,
        is_waiting=want.type.waits,
        memo=want.memo,
        partner=partner,
        is_listed=list_number is not None,
        reduce_only=want.reduce_only,
    )
    books.orders.add(order)
    books.budget.spend(books.now_ns, orders=1)
    books.placed += 1
    books.touch_private()
    command = Place(
        command_id=number,
        reason=want.reason,
        timeout_ms=timing.order_timeout_ms,
        symbol=want.symbol,
        side=want.side,
        type=want.type,
        time_in_force=None if want.type is OrderType.LIMIT_MAKER else want.time_in_force,
        price=want.price,
        quantity=want.quantity,
        client_order_id=client_order_id,
        slot=want.slot,
        not_after_ns=books.now_ns + timing.place_not_after_ms * MS,
        stop_price=want.stop_price,
        memo=want.memo,
        partner=partner,
        is_listed=list_number is not None,
        reduce_only=want.reduce_only,
    )
    if want.memo:
        books.told.append(Told(symbol=want.symbol, memo=want.memo, client_order_id=client_order_id, at_ns=books.now_ns, price=want.price))
    return order, command


def leave(books: Books, command: Request, tag: str) -> None:
    """The command goes with this step, at its place in the story."""
    books.commands.append(command)
    books.notices.append(Sent(tag=tag, symbol=command.symbol, order_id=command.client_order_id, command=command))
