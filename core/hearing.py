"""How the venue's word about one order changes the books: reports, replies to place, cancel and query.

Who calls it: core.engine, on the trading thread. Every function takes the books and one event; none asks the world for anything except by putting an
order on the resolve list. Never: a terminal status without evidence, a fill counted twice, funds freed by assumption.
"""

from decimal import Decimal

from core import queue, refusing, reset
from core.account import hold_of
from core.booking import book_fill, claim_orphans, note_foreign_fill, take_orphans
from core.books import MS, Books
from core.commands import Amend, Cancel, Place, Query
from core.events import CancelAllAnswer, ExecutionReport, OrderAnswer, Outcome, Reply
from core.money import plain
from core.notices import Acked, Ended, Reported, Said, TimedOut
from core.orders import Evidence, Order
from core.types import Fill, OrderFacts, OrderStatus, OrderType

STANDS = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)  # only of these an answer says whether the order works
NOT_OPEN = "Unknown order sent"  # of an amendment: perhaps filled


# -- the user stream -----------------------------------------------------------------------------
def on_report(books: Books, report: ExecutionReport) -> None:
    order = books.orders.find(report.symbol, report.venue_order_id, report.client_order_id)
    if order is None:
        _on_unknown_order(books, report)
        return
    books.notices.append(Reported(symbol=order.symbol, order_id=order.client_order_id, report=report))
    if report.execution_type == "REJECTED":
        return  # may speak of a refused duplicate; the request's own reply is the authority
    books.touch_private()
    order.reported = True
    books.unheard_since_ns = 0
    books.orders.learn_venue_id(order, report.venue_order_id)
    books.orders.learn_quantity(order, report.quantity, report.time_ms)
    books.orders.learn_stop(order, report.stop_price)
    books.orders.learn_list(order, report.list_id)
    claim_orphans(books, order)
    if report.fill is not None:
        _book_told(books, order, report.fill)
    _hear(books, order, report.status, report.executed, Evidence.REPORT, report.is_on_book)


def _book_told(books: Books, order: Order, fill: Fill) -> None:
    book_fill(books, order, fill)
    books.account.on_told(fill)


def _on_unknown_order(books: Books, report: ExecutionReport) -> None:
    """A foreign order, or one of ours that this book never heard of (an earlier boot's)."""
    if books.is_ours(report.client_order_id) and report.venue_order_id >= 0 and books.started:
        order = adopt(books, _facts_of(report))
        if order is not None:
            books.notices.append(Reported(symbol=order.symbol, order_id=order.client_order_id, report=report))
            if report.fill is not None:
                _book_told(books, order, report.fill)
        return
    rules = books.rules.get(report.symbol)
    if rules is None or report.venue_order_id < 0:
        return
    key = (report.symbol, report.venue_order_id)
    if report.fill is not None:
        note_foreign_fill(books, report.fill)
    if report.status in ("NEW", "PARTIALLY_FILLED"):
        books.account.note_foreign(key, hold_of(report.side, report.price, report.quantity - report.executed, rules))
    else:
        books.account.foreign.pop(key, None)


def adopt(books: Books, facts: OrderFacts) -> Order | None:
    """Take an order with our tag that this book does not hold. A later boot in its id means a second bot: halt instead."""
    client_id = facts.orig_client_order_id if books.is_ours(facts.orig_client_order_id) else placed_as(books, facts.client_order_id)
    if books.boot_of(client_id) > int(books.boot, 36):
        books.session.halted = f"a second bot with our tag ({client_id})"
        books.notices.append(Said(tag="RISK", text=f"an order of a later boot carries our tag: {client_id}; a second bot runs on this account"))
        return None
    if client_id in books.orders.by_client_id or facts.symbol not in books.rules:
        return None
    order = books.orders.add(
        Order(
            symbol=facts.symbol,
            side=facts.side,
            client_order_id=client_id,
            price=facts.price,
            quantity=facts.quantity,
            created_ns=facts.created_ms * MS,
            venue_order_id=facts.venue_order_id,
            acked_ns=books.now_ns,
            reported=True,
            type=_type_of(facts.type),
            stop_price=facts.stop_price or None,
            is_waiting=_type_of(facts.type).waits and not facts.is_working,
        )
    )
    books.account.foreign.pop((facts.symbol, facts.venue_order_id), None)
    books.orders.learn_list(order, facts.list_id)
    claim_orphans(books, order)
    for fill in facts.fills:
        book_fill(books, order, fill)
    _hear(books, order, facts.status, facts.executed, Evidence.QUERY, facts.is_working)
    return order


def _type_of(word: str) -> OrderType:
    """Of an order with our tag: one of the types we place."""
    return next((one for one in OrderType if one.value == word), OrderType.LIMIT)


def placed_as(books: Books, client_order_id: str) -> str:
    """The name under which an order of ours was placed: a cancel of ours adds `c` to it, a cancel-all `a` (core.asking, DESIGN 3)."""
    return client_order_id.rstrip("ac") if books.is_ours(client_order_id) and client_order_id.count("-") == 2 else client_order_id


def _facts_of(report: ExecutionReport) -> OrderFacts:
    return OrderFacts(
        symbol=report.symbol,
        venue_order_id=report.venue_order_id,
        client_order_id=report.client_order_id,
        side=report.side,
        type=report.type,
        time_in_force="",
        price=report.price,
        quantity=report.quantity,
        executed=report.executed,
        cumulative_quote=report.cumulative_quote,
        status=report.status,
        created_ms=report.created_ms,
        updated_ms=report.time_ms,
        stop_price=report.stop_price,
        is_working=report.is_on_book,
        list_id=report.list_id,
    )


def _hear(books: Books, order: Order, status: str, executed: Decimal, evidence: Evidence, is_working: bool) -> None:
    """The venue has spoken of the order: its place is answered, it may have been triggered, and it may have ended."""
    note_alive(books, order, status)
    note_trigger(books, order, is_working and status in STANDS, executed)
    unknown_before, contradicted_before = books.orders.unknown_words, len(books.orders.contradicted)
    was_canceled = order.cancel_asked is not None or bool(order.cancel_wanted)
    if order.place_asked is not None:
        _ack(books, order)
    asked = order.cancel_asked
    if books.orders.hear(order, status, executed, evidence, books.now_ns):
        if asked is not None and order.status is OrderStatus.CANCELED:
            books.figures.cancel_ms.note((books.now_ns - asked.since_ns) / MS)
        if not order.reported and order.acked_ns and order.created_ns >= books.user_gap_ns and not books.unheard_since_ns:
            books.unheard_since_ns = books.now_ns
        if order.status is OrderStatus.CANCELED and was_canceled:
            books.canceled += 1
        books.notices.append(
            Ended(
                tag="ACK",
                symbol=order.symbol,
                order_id=order.client_order_id,
                side=order.side,
                price=order.price,
                status=order.status.value,
                evidence=evidence.value,
                is_complete=order.booked >= order.executed,
            )
        )
    if len(books.orders.contradicted) > contradicted_before:
        text = f"words of the venue that cannot both be: {next(reversed(books.orders.contradicted))} · counted from now on, and not said again"
        books.notices.append(Said(tag="RISK", symbol=order.symbol, text=text, order_id=order.client_order_id))
    if books.orders.unknown_words > unknown_before:
        text = f"unknown order status {status!r} kept as not terminal"
        books.notices.append(Said(tag="RISK", symbol=order.symbol, text=text, order_id=order.client_order_id))


def note_alive(books: Books, order: Order, status: str) -> None:
    """It stands at the venue, though our evidence had ended it: back into the books and canceled, or nobody would ever ask for it again (I10)."""
    evidence = order.evidence
    if evidence is not None and books.orders.reopen(order, status):
        order.acked_ns = books.now_ns
        order.cancel_wanted = order.why_cancel = f"it had ended: {evidence.value}"
        text = f"{order.side:<4} is on the book, though it had ended: {evidence.value} · canceling it"
        books.notices.append(Said(tag="RISK", symbol=order.symbol, text=text, order_id=order.client_order_id))


def note_trigger(books: Books, order: Order, is_working: bool, executed: Decimal) -> None:
    """A waiting order that works or has executed was triggered: a limit order from now on, at the end of its queue."""
    if not order.is_waiting or not (is_working or executed):
        return
    order.is_waiting = False
    depth = books.market[order.symbol].depth
    if depth.in_step and order.place_asked is None:
        level = depth.quantity_at(order.side, order.price)
        order.queue = queue.joined(level, level, order.quantity)
    stop = "" if order.stop_price is None else f" at {plain(order.stop_price)}"
    books.notices.append(Said(tag="ACK", symbol=order.symbol, text=f"{order.side:<4} triggered{stop}", order_id=order.client_order_id))


def _ack(books: Books, order: Order) -> None:
    order.place_asked = None
    order.acked_ns = books.now_ns
    market = books.market[order.symbol]
    if market.depth.in_step and not order.is_waiting:
        order.queue = queue.joined(market.depth.quantity_at(order.side, order.price), order.level_when_sent, order.quantity)
    books.clear_refusals(order.symbol, order.side)
    elapsed_ms = (books.now_ns - order.created_ns) / MS
    if order.created_ns >= books.started_ns:  # an earlier run's place was not waited for all the time
        books.figures.place_ms.note(elapsed_ms)
    books.notices.append(
        Acked(
            tag="ACK",
            symbol=order.symbol,
            order_id=order.client_order_id,
            side=order.side,
            price=order.price,
            quantity=order.quantity,
            elapsed_ms=elapsed_ms,
            is_waiting=order.is_waiting,
        )
    )


# -- replies -------------------------------------------------------------------------------------
def on_place_reply(books: Books, command: Place, reply: Reply) -> None:
    order = books.orders.by_client_id.get(command.client_order_id)
    if order is None:
        return
    books.touch_private()
    if reply.outcome is Outcome.DONE and isinstance(reply.answer, OrderAnswer) and reply.answer.facts is not None:
        _take_facts(books, order, reply.answer.facts, Evidence.ANSWER)
    elif reply.outcome is Outcome.NOT_SENT:
        refusing.drop(books, order, Evidence.NOT_SENT, reply.note)
    elif reply.outcome is Outcome.REFUSED and reply.error is not None and order.status is OrderStatus.UNSEEN:
        refusing.refuse(books, order, reply.error)
    else:
        mark_unknown(books, order, "place", reply.note or "an answer that contradicts the stream")


def on_cancel_reply(books: Books, command: Cancel, reply: Reply) -> None:
    order = books.orders.find(command.symbol, command.venue_order_id, command.client_order_id)
    if order is None:
        return
    books.touch_private()
    current = order.cancel_asked is not None and order.cancel_asked.command_id == command.command_id
    if reply.outcome is Outcome.DONE and isinstance(reply.answer, OrderAnswer) and reply.answer.facts is not None:
        _take_facts(books, order, reply.answer.facts, Evidence.ANSWER)
        for facts in reply.answer.also:
            if other := books.orders.find(facts.symbol, facts.venue_order_id, facts.orig_client_order_id):
                _take_facts(books, other, facts, Evidence.ANSWER)
        if current and order.is_open:
            mark_unknown(books, order, "cancel", f"the venue answers {reply.answer.facts.status}")
    elif not current or not order.is_open:
        return
    elif reply.outcome is Outcome.UNKNOWN or (reply.error is not None and reply.error.code == -2011):
        mark_unknown(books, order, "cancel", reply.note or "the venue says it is not open: perhaps filled")
    else:
        order.cancel_asked = None
        order.cancel_wanted = order.why_cancel
        refusing.put_off_cancel(books, order, reply.error if reply.outcome is Outcome.REFUSED else None)


def mark_unknown(books: Books, order: Order, what: str, note: str) -> None:
    """A call ended without the venue's word: the side turns red and the order is queried."""
    asked = {"place": order.place_asked, "cancel": order.cancel_asked, "amendment": order.amend_asked}[what]
    if asked is not None and not asked.unknown:
        asked.unknown = True
        books.notices.append(
            TimedOut(tag="TIMEOUT", symbol=order.symbol, order_id=order.client_order_id, what=what, side=order.side, note=note)
        )
    books.orders.want_attention(order, books.now_ns)


def _take_facts(books: Books, order: Order, facts: OrderFacts, evidence: Evidence) -> None:
    books.orders.learn_venue_id(order, facts.venue_order_id)
    books.orders.learn_quantity(order, facts.quantity, facts.updated_ms)
    books.orders.learn_stop(order, facts.stop_price)
    books.orders.learn_list(order, facts.list_id)
    claim_orphans(books, order)
    for fill in facts.fills:
        book_fill(books, order, fill)
    _hear(books, order, facts.status, facts.executed, evidence, facts.is_working)


def on_amend_reply(books: Books, command: Amend, reply: Reply) -> None:
    """The venue's word on an amendment; core.amending reads from the order what came of it."""
    order = books.orders.find(command.symbol, command.venue_order_id, command.client_order_id)
    amendment = books.amendments.get(command.command_id)
    if order is None or amendment is None or order.amend_asked is None or order.amend_asked.command_id != command.command_id:
        return
    books.touch_private()
    if isinstance(reply.answer, OrderAnswer):
        amendment.by_socket = reply.answer.by_socket
    if reply.outcome is Outcome.UNKNOWN:
        mark_unknown(books, order, "amendment", reply.note)
        return
    order.amend_asked = None
    amendment.error = reply.note
    if reply.outcome is Outcome.REFUSED and reply.error is not None:
        amendment.error = f"{reply.error.message.rstrip('.')} ({reply.error.code})"
        amendment.is_refused = reply.error.http_status not in (418, 429)
        if NOT_OPEN in reply.error.message:
            books.orders.want_attention(order, books.now_ns)
    if isinstance(reply.answer, OrderAnswer) and reply.answer.facts is not None:
        _take_facts(books, order, reply.answer.facts, Evidence.ANSWER)


def on_query_reply(books: Books, command: Query, reply: Reply) -> None:
    if not command.client_order_id:
        _on_orphan_answer(books, command, reply)
        return
    order = books.orders.find(command.symbol, command.venue_order_id, command.client_order_id)
    if order is None or order.query_asked is None or order.query_asked.command_id != command.command_id:
        return
    order.query_asked = None
    if reply.outcome is not Outcome.DONE or not isinstance(reply.answer, OrderAnswer):
        return
    books.touch_private()
    facts = reply.answer.facts
    if facts is not None and order.venue_order_id is None and books.orders.by_venue_id.get((order.symbol, facts.venue_order_id), order) is not order:
        return  # found by its shape, like a twin of it meanwhile: the next search leaves the twin's out
    if facts is not None and (facts.side, facts.price) != (order.side, order.price):
        reset.on_denied(books, order)  # its id belongs to another order now
    elif facts is not None:
        order.denied_ns = 0
        _take_facts(books, order, facts, Evidence.QUERY)
        _after_answer(books, order)
    elif reply.answer.searched and order.status is OrderStatus.UNSEEN and order.venue_order_id is None:
        books.orders.refuse(order, OrderStatus.REJECTED, Evidence.NOT_FOUND, books.now_ns)
        books.orders.settle(order)
        books.notices.append(Said(tag="ACK", symbol=order.symbol, text=f"{order.side:<4} {Evidence.NOT_FOUND.value}", order_id=order.client_order_id))
    elif reply.answer.ids_ran_backwards:
        reset.on_denied(books, order)


def _after_answer(books: Books, order: Order) -> None:
    """The venue has answered: what is still open and was to be canceled is canceled again (harmless); complete books settle it."""
    if order.is_open and order.cancel_asked is not None and order.cancel_asked.unknown:
        order.cancel_asked = None
        order.cancel_wanted = order.why_cancel
    if order.amend_asked is not None and order.amend_asked.unknown:
        _settle_amendment(books, order)
    if order.booked >= order.executed:
        books.orders.settle(order)


def _settle_amendment(books: Books, order: Order) -> None:
    """Its quantity tells whether the amendment was carried out. Where not it still may be, for as long as its request may arrive: the order goes."""
    assert order.amend_asked is not None
    amendment = books.amendments.get(order.amend_asked.command_id)
    if amendment is None or amendment.is_shown_by(order.quantity, order.stop_price):
        order.amend_asked = None
    elif order.is_open and not order.is_leaving:
        order.cancel_wanted = order.why_cancel = "its amendment has no answer"


def _on_orphan_answer(books: Books, command: Query, reply: Reply) -> None:
    """Whose trades are these? Ours are adopted; anybody else's moved the account."""
    key = (command.symbol, command.venue_order_id or 0)
    answer = reply.answer
    if reply.outcome is not Outcome.DONE or not isinstance(answer, OrderAnswer):
        if key in books.orphans:
            books.orphan_not_before_ns[key] = books.now_ns + 1000 * MS
        return
    books.orphan_not_before_ns.pop(key, None)
    facts = answer.facts
    known = books.orders.find(facts.symbol, facts.venue_order_id, placed_as(books, facts.client_order_id)) if facts is not None else None
    if facts is not None and known is not None:  # its place has no answer yet, or had none when the trades were read
        _take_facts(books, known, facts, Evidence.QUERY)
        return
    ours = facts is not None and (books.is_ours(facts.client_order_id) or books.is_ours(facts.orig_client_order_id))
    if facts is not None and ours and adopt(books, facts) is not None:
        return
    for fill in take_orphans(books, key):
        note_foreign_fill(books, fill)


def on_cancel_all_reply(books: Books, reply: Reply) -> None:
    """What it did not reach is canceled by id as everything in the book is; an order that is not in it is found by the proof that follows."""
    if not isinstance(reply.answer, CancelAllAnswer):
        why = f"{reply.error.code} {reply.error.message.rstrip('.')}" if reply.error is not None else reply.note or "no answer"
        text = f"cancel-all has no answer ({why}) · every order of the book is canceled by its id, and a proof looks for others"
        books.notices.append(Said(tag="RISK", symbol="all", text=text))
    else:
        if strange := [name for name in reply.answer.failed if name not in books.orders.by_client_id]:
            text = f"cancel-all got no word on {', '.join(strange[:5])}, {len(strange)} in all and not in the book · a proof looks for them"
            books.notices.append(Said(tag="RISK", symbol="all", text=text))
        for facts in reply.answer.canceled:
            order = books.orders.find(facts.symbol, facts.venue_order_id, facts.orig_client_order_id or facts.client_order_id)
            if order is not None:
                _take_facts(books, order, facts, Evidence.ANSWER)
    for order in books.orders.open():
        if order.venue_order_id is not None:
            books.orders.want_attention(order, books.now_ns)

