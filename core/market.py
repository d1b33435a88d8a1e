"""Market events into the depth books and touches; when a snapshot must be read; when a quiet book must be confirmed.

Who calls it: core.engine, on the trading thread. A book counts as fresh by evidence: a message of the
stream, or a snapshot whose update id the stream has reached. Never: a decision about orders.
"""

from collections.abc import Iterable

from core import queue
from core.books import MS, Books, SymbolBook
from core.commands import ReadDepth
from core.events import BookTicker, DepthDiff, DepthSnapshot, MarketTrade, Reply
from core.notices import Cause, Over
from core.types import Connection, Side
from core.weights import depth_weight

SYNC_LEVELS, CONFIRM_LEVELS = 1000, 5
RETRY_MS_FIRST, RETRY_MS_MAX = 250, 5000
DEAF_MS_MAX = 2000  # how long the stream may lag behind a snapshot before it counts as deaf


def on_ticker(books: Books, event: BookTicker) -> None:
    books.market[event.symbol].touch.on_ticker(event)
    _seen(books, event.symbol)


def on_trade(books: Books, event: MarketTrade) -> None:
    books.market[event.symbol].last_trade = event.price
    hit = Side.BUY if event.buyer_is_maker else Side.SELL
    for order in books.orders.open(event.symbol, hit):
        if order.queue is not None and order.price == event.price:
            order.queue = queue.on_print(order.queue, event.quantity)
    _seen(books, event.symbol)


def on_diff(books: Books, event: DepthDiff) -> None:
    market = books.market[event.symbol]
    crossed = market.depth.crossed
    if not market.depth.on_diff(event):
        what = "crossed" if market.depth.crossed > crossed else f"gap at update {event.first_id}"
        books.session.symbols[event.symbol].book_in_step = False
        # A confirming read may have put the next read off for seconds; a broken book cannot wait for it.
        market.read_not_before_ns = min(market.read_not_before_ns, books.now_ns + RETRY_MS_FIRST * MS)
        text = f"book {what} · reading a new snapshot"
        books.notices.append(Cause(tag="WS", symbol=event.symbol, text=text, cause=f"book {event.symbol}"))
    market.touch.on_book(market.depth)
    _follow_queues(books, event.symbol, market)
    _seen(books, event.symbol)


def _follow_queues(books: Books, symbol: str, market: SymbolBook) -> None:
    if market.depth.in_step:
        for order in books.orders.open(symbol):
            if order.queue is not None:
                order.queue = queue.on_level(order.queue, market.depth.quantity_at(order.side, order.price), order.remaining)


def _seen(books: Books, symbol: str) -> None:
    state = books.session.symbols[symbol]
    if state.book_in_step:
        state.book_seen_ns = books.now_ns
    _note_start_mid(books, symbol)


def _note_start_mid(books: Books, symbol: str) -> None:
    if books.started and symbol not in books.start_mids and (mid := books.mid(symbol)) is not None:
        books.start_mids[symbol] = mid


def forget(books: Books) -> None:
    """The market stream is gone: no book can be trusted."""
    for symbol, market in books.market.items():
        market.depth.reset()
        market.touch.forget()
        market.behind_id = 0
        market.read_asked = None
        books.session.symbols[symbol].book_in_step = False


def on_depth_reply(books: Books, command: ReadDepth, reply: Reply) -> None:
    market = books.market[command.symbol]
    if market.read_asked != command.command_id:
        return
    market.read_asked = None
    if not isinstance(reply.answer, DepthSnapshot):
        _retry_later(books, market)
        return
    if market.depth.in_step:
        _confirm(books, command.symbol, market, reply)
        return
    if command.limit < SYNC_LEVELS:
        return  # asked to confirm a book that broke meanwhile: too few levels to build one; the next step asks for a whole one
    if not market.depth.on_snapshot(reply.answer):
        _retry_later(books, market)
        return
    market.read_fails = 0
    state = books.session.symbols[command.symbol]
    state.book_in_step, state.book_seen_ns = True, reply.sent_ns  # as fresh as its sending, like a book that is confirmed
    market.touch.on_book(market.depth)
    text = f"book in step at update {market.depth.update_id} · {len(market.depth)} levels"
    books.notices.append(Over(tag="WS", symbol=command.symbol, text=text, cause=f"book {command.symbol}"))
    _note_start_mid(books, command.symbol)


def _retry_later(books: Books, market: SymbolBook) -> None:
    wait_ms = min(RETRY_MS_MAX, RETRY_MS_FIRST << min(market.read_fails, 8))
    market.read_fails += 1
    market.read_not_before_ns = books.now_ns + wait_ms * MS


def _confirm(books: Books, symbol: str, market: SymbolBook, reply: Reply) -> None:
    """A snapshot shows the book as it was when the request was under way: it makes the book as fresh as its sending, not as its arrival."""
    assert isinstance(reply.answer, DepthSnapshot)
    snapshot, state = reply.answer, books.session.symbols[symbol]
    if snapshot.last_update_id <= market.depth.update_id:
        state.book_seen_ns = max(state.book_seen_ns, reply.sent_ns)
        market.behind_id = 0
    elif not market.behind_id:
        market.behind_id, market.behind_since_ns = snapshot.last_update_id, books.now_ns


def ask(books: Books, symbols: Iterable[str]) -> None:
    """Depth reads of these symbols that are due: to build a book, or to confirm one that has been silent for half its allowed age."""
    if not books.session.up[Connection.MARKET] or books.session.stopping:
        return
    for symbol in symbols:
        market = books.market[symbol]
        if market.read_asked is not None and books.now_ns < market.read_deadline_ns:
            continue
        if books.now_ns < market.read_not_before_ns:
            continue
        if not market.depth.in_step:
            _read(books, symbol, market, SYNC_LEVELS, "book not in step")
        elif _needs_confirmation(books, symbol, market):
            market.read_not_before_ns = books.now_ns + books.timing.book_age_ms_max * MS // 4
            _read(books, symbol, market, CONFIRM_LEVELS, "book silent")


def _needs_confirmation(books: Books, symbol: str, market: SymbolBook) -> bool:
    if market.behind_id:
        if market.depth.update_id >= market.behind_id:
            market.behind_id = 0
        elif books.now_ns - market.behind_since_ns > DEAF_MS_MAX * MS:
            market.behind_id = 0
            books.reconnect(Connection.MARKET, f"{symbol} stream is deaf: a snapshot is newer and its updates never came")
            return False
    return books.now_ns - books.session.symbols[symbol].book_seen_ns > books.timing.book_age_ms_max * MS // 2


def _read(books: Books, symbol: str, market: SymbolBook, levels: int, reason: str) -> None:
    weight = depth_weight(levels)
    if books.budget.reads_denied(books.now_ns, weight, is_routine=True):
        return
    command = ReadDepth(command_id=books.number(), reason=reason, timeout_ms=books.timing.read_timeout_ms, symbol=symbol, limit=levels)
    market.read_asked = command.command_id
    market.read_deadline_ns = books.now_ns + (books.timing.read_timeout_ms + 500) * MS
    books.budget.spend(books.now_ns, weight=weight)
    books.commands.append(command)


