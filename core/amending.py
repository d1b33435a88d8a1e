"""Changing an order that stands: shrink it in place, replace it by one command, or cancel, wait for the venue's word, and place what is left.

Who calls it: core.engine, on the trading thread: `start` with a strategy's wishes, `advance` once per step. How far a change has come is read from
the orders as they are; the only thing kept beside them is the wish itself. Which route a change takes is data in trading.amend.
Never: a place apart from its cancel before the venue's word on that; a second change of an order that has one under way; a result before it is
decided.
Source: binance-wire 3 (amend keepPriority), DESIGN 5.
"""

from collections.abc import Sequence

import msgspec

from core import asking, replacing
from core.account import hold_of
from core.amendments import Amendment, AmendmentResult, AmendOutcome, OnReject, Routing
from core.books import MS, Books
from core.commands import Amend
from core.light import Colour, Light
from core.money import ZERO, plain
from core.notices import Amended, Said
from core.orders import Asked, Evidence, Order
from core.types import OrderStatus, OrderType, Side
from core.view import WantAmend, WantPlace
from core.weights import AMEND

AMENDED_KEPT = 200  # results a strategy may still ask about
RESUBMIT_MS_MAX = 5000  # so long a resubmission may wait for a green light


def start(books: Books, wishes: Sequence[WantAmend], risk: asking.Risk) -> None:
    """Mark the orders and send, or begin to cancel and resubmit. On a red side, or for an order that is leaving, nothing happens.

    Replacements come last and need a green side: all of one side are judged by the light before the first of them.
    """
    for want in wishes:
        order = _changeable(books, want)
        if want.routing is Routing.CANCEL_REPLACE or order is None or books.light(order.symbol, order.side).colour is Colour.RED:
            continue
        amendment = _begin(books, order, want)
        if want.routing is Routing.NOT_CHANGED:
            _decide(books, amendment, AmendOutcome.DONE, Routing.NOT_CHANGED, order.client_order_id, queue_kept=True)
        elif want.routing in (Routing.WS_AMEND, Routing.REST_AMEND):
            _send(books, order, amendment, want.reason)
        elif want.routing is Routing.SECOND_ORDER:
            _add_second(books, order, amendment, want, risk)
        else:
            _resubmit(books, order, amendment, want.reason)
    lights: dict[tuple[str, Side], Light] = {}
    for want in wishes:
        order = _changeable(books, want)
        if want.routing is not Routing.CANCEL_REPLACE or order is None:
            continue
        if (order.symbol, order.side) not in lights:
            lights[order.symbol, order.side] = books.light(order.symbol, order.side)
        if lights[order.symbol, order.side].is_green:
            _replace(books, order, _begin(books, order, want), want.reason, risk)


def _changeable(books: Books, want: WantAmend) -> Order | None:
    order = books.orders.by_client_id.get(want.client_order_id)
    if order is None or order.partner:  # a pair is canceled and placed anew, as a pair
        return None
    if not order.is_working or order.venue_order_id is None or is_under_way(books, order):
        return None
    return order


def _begin(books: Books, order: Order, want: WantAmend) -> Amendment:
    number = books.number()
    amendment = Amendment(
        request_id=number,
        symbol=order.symbol,
        side=order.side,
        client_order_id=order.client_order_id,
        price=want.price if want.price is not None else order.price,
        quantity=want.quantity,
        slot=order.slot,
        since_ns=books.now_ns,
        on_reject=want.on_reject,
        by_socket=want.routing is Routing.WS_AMEND,  # until the answer says which way it went
        keeps_queue=want.quantity <= order.quantity and want.stop_price is None,
        stop_price=want.stop_price,
    )
    books.amendments[number] = amendment
    return amendment


def is_under_way(books: Books, order: Order) -> bool:
    return any(order.client_order_id in (one.client_order_id, one.new_order_id) for one in books.amendments.values())


def _send(books: Books, order: Order, amendment: Amendment, reason: str) -> None:
    assert order.venue_order_id is not None
    timing = books.timing
    if lacking := _lacking_funds(books, order, amendment):
        _decide(books, amendment, AmendOutcome.REJECTED, Routing.NOT_CHANGED, order.client_order_id, error=lacking)
        return
    order.amend_quantity, order.amend_stop = amendment.quantity, amendment.stop_price
    order.amend_asked = Asked(amendment.request_id, books.now_ns, books.now_ns + timing.order_timeout_ms * MS)
    order.amends += 1
    books.budget.spend(books.now_ns, weight=AMEND)
    command = Amend(
        command_id=amendment.request_id,
        reason=reason,
        timeout_ms=timing.order_timeout_ms,
        symbol=order.symbol,
        side=order.side,
        price=order.price,
        quantity=amendment.quantity,
        venue_order_id=order.venue_order_id,
        client_order_id=order.client_order_id,
        not_after_ns=books.now_ns + timing.place_not_after_ms * MS,
        stop_price=amendment.stop_price,
    )
    asking.leave(books, command, "AMEND")


def _lacking_funds(books: Books, order: Order, amendment: Amendment) -> str:
    """Why a larger total cannot be promised; empty where it can."""
    if amendment.quantity <= order.quantity:
        return ""
    asset, amount = hold_of(order.side, order.price, amendment.quantity - order.quantity, books.rules[order.symbol])
    available = books.account.available(asset, books.orders)
    return f"needs {plain(amount)} {asset} more, {plain(available)} available" if amount > available else ""


def _add_second(books: Books, order: Order, amendment: Amendment, want: WantAmend, risk: asking.Risk) -> None:
    """The difference as an order of its own, in its own slot and through every gate; the first one keeps its place in the queue."""
    amendment.is_second = True
    second = msgspec.structs.replace(
        _successor(order, amendment, want.reason),
        quantity=amendment.quantity - order.quantity,
        slot=want.slot or (0, amendment.request_id),
    )
    denial = asking.deny(books, second, risk, amendment)
    if denial is None:
        amendment.new_order_id = asking.place(books, second).client_order_id
    else:
        _decide(books, amendment, AmendOutcome.REJECTED, Routing.NOT_CHANGED, order.client_order_id, queue_kept=True, error=denial[0])


def _replace(books: Books, order: Order, amendment: Amendment, reason: str, risk: asking.Risk) -> None:
    """One command for what is left; where it may not leave the order stays, and the result says why."""
    want = _successor(order, amendment, reason)
    denial = replacing.deny(books, order, want, risk) if want.quantity > ZERO else ("nothing would be left to execute", "")
    if denial is None:
        replacing.send(books, amendment, order, want)
    else:
        _decide(books, amendment, AmendOutcome.REJECTED, Routing.NOT_CHANGED, order.client_order_id, error=denial[0])


def _successor(order: Order, amendment: Amendment, reason: str) -> WantPlace:
    """What is left of the order, at the price and in the slot of the change; one that still waits for its stop price goes on waiting."""
    return WantPlace(
        symbol=order.symbol,
        side=order.side,
        type=order.type if order.is_waiting else OrderType.LIMIT_MAKER,
        stop_price=(amendment.stop_price or order.stop_price) if order.is_waiting else None,
        price=amendment.price,
        quantity=amendment.quantity - max(order.executed, order.booked),
        slot=amendment.slot or (0, amendment.request_id),
        reason=reason,
        reduce_only=order.reduce_only,
        memo=order.memo,
    )


def _resubmit(books: Books, order: Order, amendment: Amendment, reason: str) -> None:
    amendment.is_resubmitting = True
    if not order.is_leaving:
        order.cancel_wanted = order.why_cancel = reason


def advance(books: Books, risk: asking.Risk) -> None:
    """Look at each change under way; decided ones leave with their result."""
    for amendment in list(books.amendments.values()):
        order = books.orders.by_client_id.get(amendment.client_order_id)
        if order is None:
            _decide(books, amendment, AmendOutcome.UNKNOWN, Routing.NOT_CHANGED, error="its order is forgotten")
        elif amendment.is_second:
            _after_second(books, amendment, order)
        elif amendment.is_replacing:
            _after_replace(books, amendment, order)
        elif not amendment.is_resubmitting:
            _after_amend(books, amendment, order)
        elif not amendment.new_order_id:
            _after_cancel(books, amendment, order, risk)
        else:
            _after_place(books, amendment)


def _after_amend(books: Books, amendment: Amendment, order: Order) -> None:
    if order.amend_asked is not None:
        return
    routing = Routing.WS_AMEND if amendment.by_socket else Routing.REST_AMEND
    if amendment.is_shown_by(order.quantity, order.stop_price):
        books.queue_places_kept += order.is_open and amendment.keeps_queue and not order.is_waiting
        _decide(books, amendment, AmendOutcome.DONE, routing, order.client_order_id, queue_kept=amendment.keeps_queue)
    elif order.evidence is Evidence.RESET:  # nobody can say any more what became of it
        _decide(books, amendment, AmendOutcome.UNKNOWN, routing, error=order.evidence.value)
    elif amendment.is_refused and amendment.on_reject is OnReject.RESUBMIT and order.is_open and not order.resolve:
        text = f"{order.side:<4} amendment to {plain(amendment.quantity)} refused: {amendment.error} · canceling and placing what is left"
        books.notices.append(Said(tag="REJECT", symbol=order.symbol, text=text, order_id=order.client_order_id))
        _resubmit(books, order, amendment, f"amendment refused: {amendment.error}")
    elif not order.resolve:
        why = amendment.error or ("not carried out" if order.is_open else f"the order was {order.status.value} first")
        _decide(books, amendment, AmendOutcome.REJECTED, Routing.NOT_CHANGED, order.client_order_id * order.is_open, error=why)


def _after_second(books: Books, amendment: Amendment, order: Order) -> None:
    """Decided with the venue's word on the second order; the first one stands as it did."""
    new = books.orders.by_client_id.get(amendment.new_order_id)
    if new is not None and new.place_asked is not None:
        return
    standing = order.client_order_id * order.is_open
    if new is None or (new.evidence is not None and not new.acked_ns):
        why = amendment.error or f"the second order ended: {new.evidence.value if new is not None and new.evidence else 'forgotten'}"
        _decide(books, amendment, AmendOutcome.REJECTED, Routing.NOT_CHANGED, standing, queue_kept=order.is_open, error=why)
    else:
        _decide(books, amendment, AmendOutcome.DONE, Routing.SECOND_ORDER, new.client_order_id, queue_kept=order.is_open)


def _after_replace(books: Books, amendment: Amendment, order: Order) -> None:
    """Decided once the venue has spoken of both orders. Canceled and not replaced is a normal outcome: the change ends without an order."""
    new = books.orders.by_client_id.get(amendment.new_order_id)
    if order.is_leaving or order.resolve or (new is not None and new.place_asked is not None):
        return
    if new is not None and (new.acked_ns or new.is_open):
        _decide(books, amendment, AmendOutcome.DONE, Routing.CANCEL_REPLACE, new.client_order_id)
    elif order.is_open and amendment.is_refused and amendment.on_reject is OnReject.RESUBMIT:
        text = f"{order.side:<4} replacement refused: {amendment.error} · canceling and placing what is left"
        books.notices.append(Said(tag="REJECT", symbol=order.symbol, text=text, order_id=order.client_order_id))
        amendment.is_replacing, amendment.new_order_id = False, ""
        _resubmit(books, order, amendment, f"replacement refused: {amendment.error}")
    elif order.status is OrderStatus.CANCELED:
        error = f"canceled, not replaced: {amendment.error or 'the new order was not found'}"
        _decide(books, amendment, AmendOutcome.REJECTED, Routing.CANCEL_REPLACE, error=error)
    else:
        why = amendment.error if order.is_open else f"the order was {order.status.value} first"
        _decide(books, amendment, AmendOutcome.REJECTED, Routing.NOT_CHANGED, order.client_order_id * order.is_open, error=why)


def _after_cancel(books: Books, amendment: Amendment, order: Order, risk: asking.Risk) -> None:
    if order.is_open or order.resolve:
        return
    want = _successor(order, amendment, f"resubmitted for {order.client_order_id}")
    if want.quantity <= ZERO:
        _decide(books, amendment, AmendOutcome.DONE, Routing.NOT_CHANGED, error="filled before it could be changed")
        return
    amendment.place_until_ns = amendment.place_until_ns or books.now_ns + RESUBMIT_MS_MAX * MS
    denial = asking.deny(books, want, risk, amendment)
    if denial is None:
        amendment.new_order_id = asking.place(books, want).client_order_id
    elif books.now_ns >= amendment.place_until_ns or books.session.stopping or books.session.halted:
        _decide(books, amendment, AmendOutcome.REJECTED, Routing.CANCEL_RESUBMIT, error=f"canceled, not placed again: {denial[0]}")


def _after_place(books: Books, amendment: Amendment) -> None:
    order = books.orders.by_client_id.get(amendment.new_order_id)
    if order is not None and order.place_asked is not None:
        return
    if order is None or (order.evidence is not None and not order.acked_ns):
        error = amendment.error or f"the new order ended: {order.evidence.value if order is not None and order.evidence else 'forgotten'}"
        _decide(books, amendment, AmendOutcome.REJECTED, Routing.CANCEL_RESUBMIT, error=error)
    else:
        _decide(books, amendment, AmendOutcome.DONE, Routing.CANCEL_RESUBMIT, order.client_order_id, error=amendment.error)


def _decide(
    books: Books,
    amendment: Amendment,
    outcome: AmendOutcome,
    routing: Routing,
    order_id: str = "",
    queue_kept: bool = False,
    error: str = "",
) -> None:
    del books.amendments[amendment.request_id]
    result = AmendmentResult(
        symbol=amendment.symbol,
        side=amendment.side,
        request_id=amendment.request_id,
        routing=routing,
        outcome=outcome,
        elapsed_ms=(books.now_ns - amendment.since_ns) / MS,
        queue_kept=queue_kept,
        order_id=order_id,
        error=error,
    )
    books.amended[amendment.client_order_id] = result
    if len(books.amended) > AMENDED_KEPT:
        del books.amended[next(iter(books.amended))]
    order_id = order_id or amendment.new_order_id or amendment.client_order_id
    is_said = outcome is AmendOutcome.DONE and routing is Routing.CANCEL_REPLACE  # by REPRICE, when it left: with the same id
    books.notices.append(Amended(tag="ACK" if is_said else "AMEND", symbol=amendment.symbol, order_id=order_id, result=result))
