"""Merging an account read into the books: the same function at boot, after every reconnect, and after every gap.

Who calls it: core.engine, on the trading thread, with the reply to ReadAccount (`merge`), and at boot with what the intents name
(`take_undecided`). Everything `merge` does is idempotent: fills are booked once by trade id, balances yield to
newer ones, statuses follow the tables. An order the venue did not list is never closed here: it is queried.
Never: a terminal status.
Source: binance-wire 6 ("subscribe first, then snapshot, then apply events newer than the snapshot").
"""

from core.account import hold_of
from core.booking import book_fill, claim_orphans, count_early_fills, keep_orphan
from core.books import Books
from core.events import AccountSnapshot
from core.hearing import adopt, note_alive, note_trigger
from core.orders import Evidence, Order
from core.types import Fill, OrderFacts


def merge(books: Books, snapshot: AccountSnapshot, read_sent_ns: int) -> int:
    """Take the snapshot; returns how many orders of earlier boots were adopted."""
    listed: set[tuple[str, int]] = set()
    foreign: dict[tuple[str, int], OrderFacts] = {}
    adopted = 0
    for facts in snapshot.open_orders:
        key = (facts.symbol, facts.venue_order_id)
        listed.add(key)
        order = books.orders.find(facts.symbol, facts.venue_order_id, facts.client_order_id)
        if order is not None:
            adopted += not books.started  # known from the intents of an earlier run
            _hear_listed(books, order, facts)
        elif books.is_ours(facts.client_order_id):
            adopted += adopt(books, facts) is not None
        else:
            foreign[key] = facts
    _take_foreign(books, foreign)
    for fill in snapshot.trades:
        _take_trade(books, fill)
    for symbol, trade_id in snapshot.last_trade_ids:
        known = books.proven_trade_id.get(symbol)
        books.proven_trade_id[symbol] = trade_id if known is None else max(known, trade_id)
    _doubt_unlisted(books, listed, read_sent_ns)
    books.unheard_since_ns = 0
    books.account.on_position(snapshot.balances, snapshot.balances_update_ms, read_sent_ns)
    if not books.started:
        books.started, books.started_ns = True, books.now_ns
        books.account.begin()
        count_early_fills(books)
        books.start_mids = books.mids()
    books.tell_holdings()
    return adopted


def _hear_listed(books: Books, order: Order, facts: OrderFacts) -> None:
    books.orders.learn_venue_id(order, facts.venue_order_id)
    books.orders.learn_quantity(order, facts.quantity, facts.updated_ms)
    books.orders.learn_stop(order, facts.stop_price)
    books.orders.learn_list(order, facts.list_id)
    claim_orphans(books, order)
    if order.place_asked is not None:
        order.place_asked = None
        order.acked_ns = books.now_ns
    note_alive(books, order, facts.status)
    note_trigger(books, order, facts.is_working, facts.executed)
    books.orders.hear(order, facts.status, facts.executed, Evidence.QUERY, books.now_ns)
    if order.booked >= order.executed and not order.is_unknown_call:
        books.orders.settle(order)


def _take_foreign(books: Books, foreign: dict[tuple[str, int], OrderFacts]) -> None:
    books.account.foreign.clear()
    for key, facts in foreign.items():
        rules = books.rules.get(facts.symbol)
        if rules is not None:
            books.account.note_foreign(key, hold_of(facts.side, facts.price, facts.quantity - facts.executed, rules))


def _take_trade(books: Books, fill: Fill) -> None:
    if fill.key in books.orders.booked_trades or fill.key in books.foreign_trades:
        return
    order = books.orders.find(fill.symbol, fill.venue_order_id, fill.client_order_id)
    if order is not None:
        book_fill(books, order, fill)
        if order.booked >= order.executed and not order.is_unknown_call:
            books.orders.settle(order)
    elif not books.orders.is_booked(fill):
        keep_orphan(books, fill)


def _doubt_unlisted(books: Books, listed: set[tuple[str, int]], read_sent_ns: int) -> None:
    """Believed open, answered before the read was sent, yet not listed: something was missed, so ask."""
    for order in books.orders.open():
        if order.venue_order_id is None:
            continue
        if (order.symbol, order.venue_order_id) not in listed and 0 < order.acked_ns < read_sent_ns:
            books.orders.want_attention(order, books.now_ns)
