"""Who must be asked about, and when: overdue calls, orders on the resolve list or kept silent about, trades of orders we cannot name.

Who calls it: core.engine once per step, on the trading thread. It turns doubts into Query commands with back-off inside the request budget.
Never: a verdict; only answers change an order.
"""

from decimal import Decimal

from core.books import ATTRIBUTED_MAX, MS, PLACE_GRACE_MS, Books
from core.commands import Query
from core.hearing import mark_unknown
from core.money import ZERO
from core.notices import Said
from core.orders import Asked, Order
from core.types import Connection, OrderStatus, Side
from core.weights import QUERY

QUERY_CALLS = 2  # the order, then its trades, one after the other; each may take its whole time-out
BACKOFF_MS_FIRST = 250
QUERIES_PER_STEP_MAX = 20
SILENT_SHARE = Decimal("0.5")  # of the weight, for orders the user stream is silent about


def judge_deadlines(books: Books) -> None:
    """No reply by the deadline: the outcome is unknown (never failed)."""
    for order in books.orders.open():
        place, cancel = order.place_asked, order.cancel_asked
        if place is not None and not place.unknown and books.now_ns >= place.deadline_ns:
            mark_unknown(books, order, "place", f"{books.timing.order_timeout_ms} ms")
        if cancel is not None and not cancel.unknown and books.now_ns >= cancel.deadline_ns:
            mark_unknown(books, order, "cancel", f"{books.timing.order_timeout_ms} ms")
        amend = order.amend_asked
        if amend is not None and not amend.unknown and books.now_ns >= amend.deadline_ns:
            mark_unknown(books, order, "amendment", f"{books.timing.order_timeout_ms} ms")
        _expect_echo(books, order)
    if books.unheard_since_ns and books.now_ns - books.unheard_since_ns > books.timing.echo_ms_max * MS:
        books.unheard_since_ns = 0
        books.want_user_reconnect = f"orders came and went for {books.timing.echo_ms_max} ms without a report"


def _expect_echo(books: Books, order: Order) -> None:
    """A place answered by the request but never mentioned by the user stream: that stream has gone deaf (field case 36)."""
    overdue_ns = books.timing.echo_ms_max * MS
    is_owed = order.acked_ns and not order.reported and order.created_ns >= books.user_gap_ns
    if is_owed and books.now_ns - order.acked_ns > overdue_ns:
        order.reported = True
        books.want_user_reconnect = f"no report of {order.client_order_id} in {books.timing.echo_ms_max} ms"


def ask(books: Books) -> None:
    """Queries that are due. Nothing is asked while banned."""
    sent = 0
    unheard = _unheard(books)
    for client_id in dict.fromkeys((*books.orders.attention, *unheard)):
        order = books.orders.by_client_id[client_id]
        if order.query_asked is not None:
            if books.now_ns < order.query_asked.deadline_ns:
                continue
            order.query_asked = None
        if (books.now_ns < order.not_before_ns and client_id not in unheard) or sent >= QUERIES_PER_STEP_MAX:
            continue
        if books.budget.reads_denied(books.now_ns, QUERY):
            return
        sent += 1
        _query_order(books, order)
    for key in list(books.orphans):
        if sent >= QUERIES_PER_STEP_MAX or books.budget.reads_denied(books.now_ns, QUERY, is_routine=True):
            return  # an outage may leave thousands of a stranger's orders: what is doubtful of our own comes first, and the limit before both
        if books.now_ns >= books.orphan_not_before_ns.get(key, 0):
            sent += 1
            _query_orphan(books, key)


def _unheard(books: Books) -> tuple[str, ...]:
    """Orders with a memo whose venue's word does not come by the user stream, where it is time to ask about them: a task waits for it (core.memory).

    All together at `silent_ask_ms`, stretched so that they use at most half of the weight. One answer in doubt is waited for as ever.
    """
    is_silent = not books.session.up[Connection.USER] or books.session.resyncing
    known = [order for order in books.orders.open() if order.memo and order.venue_order_id is not None]
    owed = [order.client_order_id for order in known if _owes(books, order) or is_silent]
    if is_silent:
        owed += [client_id for client_id in books.orders.attention if books.orders.by_client_id[client_id].memo and client_id not in owed]
    if not owed or books.now_ns < books.silent_ask_ns:
        return ()
    _, limit = books.budget.used_weight()
    least_ms = int(len(owed) * QUERY * 60_000 / (limit * SILENT_SHARE)) if limit else 0
    books.silent_ask_ns = books.now_ns + max(books.timing.silent_ask_ms, least_ms) * MS
    return tuple(owed)


def _owes(books: Books, order: Order) -> bool:
    """The stream is up, but the venue acknowledged the order and it says nothing, or the market's touch shows that the order is gone, for so long."""
    touch = books.market[order.symbol].touch
    best = touch.bid[0] if order.side is Side.BUY else touch.ask[0]
    is_gone = touch.is_known and not order.is_waiting and (best < order.price if order.side is Side.BUY else best > order.price)
    if not is_gone and (order.reported or not order.acked_ns):
        order.owed_ns = 0
        return False
    order.owed_ns = order.owed_ns or books.now_ns
    return books.now_ns - order.owed_ns >= books.timing.silent_ask_ms * MS


def _query_order(books: Books, order: Order) -> None:
    wait_ms = min(books.timing.resolver_interval_ms_max, BACKOFF_MS_FIRST << min(order.queries, 8))
    order.queries += 1
    order.not_before_ns = books.now_ns + wait_ms * MS
    age_ms = (books.now_ns - order.created_ns) // MS
    search = order.status is OrderStatus.UNSEEN and order.venue_order_id is None and age_ms > PLACE_GRACE_MS + books.timing.place_not_after_ms
    timeout_ms = books.timing.read_timeout_ms * (QUERY_CALLS + search)
    command = Query(
        command_id=books.number(),
        reason=_why(order),
        timeout_ms=timeout_ms,
        symbol=order.symbol,
        side=order.side,
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        known_executed=order.booked,
        price=order.price,
        quantity=order.quantity,
        since_ms=order.created_ns // MS - 1000 if search else None,
        attributed=_attributed(books, order) if search else (),
        partner=order.partner if order.is_listed else "",
    )
    order.query_asked = Asked(command.command_id, books.now_ns, books.now_ns + (timeout_ms + 500) * MS)
    books.budget.spend(books.now_ns, weight=QUERY)
    books.commands.append(command)


def _why(order: Order) -> str:
    if not order.is_open:
        return "fills incomplete"
    return "outcome unknown" if order.is_unknown else "the user stream is silent"


def _attributed(books: Books, order: Order) -> tuple[int, ...]:
    """Venue ids of this symbol that belong to other orders of ours, of earlier runs too."""
    known = (*books.attributed, *books.earlier, *books.orders.by_venue_id)
    return tuple(venue_id for symbol, venue_id in known if symbol == order.symbol)[-ATTRIBUTED_MAX:]


def _query_orphan(books: Books, key: tuple[str, int]) -> None:
    symbol, venue_order_id = key
    timeout_ms = books.timing.read_timeout_ms * QUERY_CALLS
    books.orphan_not_before_ns[key] = books.now_ns + (timeout_ms + 1000) * MS
    books.notices.append(Said(tag="PENDING", symbol=symbol, text=f"asking whose order {venue_order_id} is: it has trades we did not book"))
    books.budget.spend(books.now_ns, weight=QUERY)
    books.commands.append(
        Query(
            command_id=books.number(),
            reason="trades of an order we cannot name",
            timeout_ms=timeout_ms,
            symbol=symbol,
            side=Side.BUY,
            client_order_id="",
            venue_order_id=venue_order_id,
            known_executed=ZERO,
            price=ZERO,
            quantity=ZERO,
        )
    )
