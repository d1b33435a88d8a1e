"""core.depth: the documented sync of a local book, gaps, merged diffs, and the touch (binance-wire 5)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.depth import BUFFERED_DIFFS_MAX, DepthBook, Touch
from core.events import DepthDiff, DepthSnapshot, Level
from core.types import Side
from tests.core.builders import D, depth_snapshot, diff, ticker

# -- a naive exchange: the truth is a list of books, one per update id -----------------------------
Change = tuple[int, int, int]  # side (0 bid, 1 ask), price index, quantity
changes = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40)
History = list[dict[tuple[int, Decimal], Decimal]]


def price_of(side: int, index: int) -> Decimal:
    return D(100) - index if side == 0 else D(101) + index


def history_of(steps: list[Change]) -> History:
    books: History = [{}]
    for side, index, quantity in steps:
        book = dict(books[-1])
        if quantity:
            book[side, price_of(side, index)] = D(quantity)
        else:
            book.pop((side, price_of(side, index)), None)
        books.append(book)
    return books


def diff_of(steps: list[Change], first: int, last: int) -> DepthDiff:
    """The diff of updates first..last, levels last-wins: what a full market slot hands over after merging."""
    sides: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
    for side, index, quantity in steps[first - 1 : last]:
        sides[side][price_of(side, index)] = D(quantity)
    return DepthDiff(
        symbol="BTCUSDT", first_id=first, last_id=last, bids=tuple(sides[0].items()), asks=tuple(sides[1].items()), event_ms=0, received_ns=0
    )


def snapshot_of(books: History, at: int) -> DepthSnapshot:
    bids = tuple((price, quantity) for (side, price), quantity in books[at].items() if side == 0)
    asks = tuple((price, quantity) for (side, price), quantity in books[at].items() if side == 1)
    return DepthSnapshot(symbol="BTCUSDT", last_update_id=at, bids=bids, asks=asks)


def same(book: DepthBook, truth: dict[tuple[int, Decimal], Decimal]) -> bool:
    held: dict[tuple[int, Decimal], Decimal] = {(0, price): quantity for price, quantity in book.levels(Side.BUY)}
    held.update({(1, price): quantity for price, quantity in book.levels(Side.SELL)})
    return held == truth


@given(steps=changes, data=st.data())
def test_book_in_step_equals_the_naive_model(steps: list[Change], data: st.DataObject) -> None:
    """Whatever is merged, lost, repeated, and whenever the snapshot comes: a book in step equals the exchange's at its update id (I24)."""
    books, book = history_of(steps), DepthBook("BTCUSDT")
    at = 1
    while at <= len(steps):
        last = min(len(steps), at + data.draw(st.integers(0, 3), "merged"))
        fate = data.draw(st.sampled_from(["arrives", "arrives", "arrives", "lost", "twice"]), "fate")
        for _ in range({"arrives": 1, "lost": 0, "twice": 2}[fate]):
            book.on_diff(diff_of(steps, at, last))
        at = last + 1
        if not book.in_step and data.draw(st.booleans(), "read now"):
            book.on_snapshot(snapshot_of(books, data.draw(st.integers(0, last), "snapshot at")))
        if book.in_step:
            assert same(book, books[book.update_id])
    if not book.in_step:
        assert book.on_snapshot(snapshot_of(books, len(steps)))
        assert same(book, books[len(steps)])


def test_levels_are_best_first() -> None:
    """Bids descend and asks ascend."""
    book = DepthBook("BTCUSDT")
    book.on_snapshot(depth_snapshot(1, [("99", "1"), ("100", "2")], [("102", "1"), ("101", "2")]))
    assert [price for price, _ in book.levels(Side.BUY)] == [D(100), D(99)]
    assert [price for price, _ in book.levels(Side.SELL)] == [D(101), D(102)]
    assert (book.best(Side.BUY), book.quantity_at(Side.SELL, D(102)), len(book)) == ((D(100), D(2)), D(1), 4)
    assert book.depth(1) == (((D(100), D(2)),), ((D(101), D(2)),))


def test_snapshot_older_than_the_first_diff_is_refused() -> None:
    """A snapshot that ends before the buffered diffs begin does not bridge: ask again, keep the diffs."""
    book = DepthBook("BTCUSDT")
    book.on_diff(diff(10, 12, bids=[("99", "1")]))
    assert not book.on_snapshot(depth_snapshot(8))
    assert (book.in_step, book.gaps) == (False, 0)
    assert book.on_snapshot(depth_snapshot(9))
    assert book.update_id == 12


def test_diffs_before_the_snapshot_are_dropped() -> None:
    """Buffered diffs with u <= lastUpdateId change nothing."""
    book = DepthBook("BTCUSDT")
    book.on_diff(diff(5, 6, bids=[("1", "1")]))
    book.on_diff(diff(7, 9, bids=[("99.98", "7")]))
    assert book.on_snapshot(depth_snapshot(9))
    assert (book.update_id, book.quantity_at(Side.BUY, D(1)), book.quantity_at(Side.BUY, D("99.98"))) == (9, D(0), D(5))


def test_gap_starts_over_and_keeps_the_new_diff() -> None:
    """A diff that leaves a hole empties the book at once, is counted, and waits for the next snapshot."""
    book = DepthBook("BTCUSDT")
    book.on_snapshot(depth_snapshot(10))
    assert not book.on_diff(diff(12, 13, bids=[("99", "3")]))
    assert (book.in_step, book.gaps, len(book)) == (False, 1, 0)
    assert book.on_snapshot(depth_snapshot(12))
    assert (book.update_id, book.quantity_at(Side.BUY, D(99))) == (13, D(3))


def test_gap_inside_the_buffer_forgets_the_older_part() -> None:
    """Buffered diffs with a hole between them are useless before the hole."""
    book = DepthBook("BTCUSDT")
    book.on_diff(diff(1, 2))
    book.on_diff(diff(9, 9))
    assert not book.on_snapshot(depth_snapshot(2))
    assert book.on_snapshot(depth_snapshot(8))
    assert book.update_id == 9


def test_overlapping_diff_is_applied() -> None:
    """U <= last+1 <= u bridges, as after a merge that spans the snapshot."""
    book = DepthBook("BTCUSDT")
    book.on_snapshot(depth_snapshot(10))
    assert book.on_diff(diff(8, 12, bids=[("99.99", "0")]))
    assert (book.update_id, book.best(Side.BUY)) == (12, (D("99.98"), D(5)))


def test_crossed_book_is_never_shown() -> None:
    """A diff that crosses the book resets it, and is counted."""
    book = DepthBook("BTCUSDT")
    book.on_snapshot(depth_snapshot(10))
    assert not book.on_diff(diff(11, 11, bids=[("100.01", "1")]))
    assert (book.in_step, book.crossed, book.best(Side.BUY)) == (False, 1, None)


def test_buffer_is_bounded() -> None:
    """Without a snapshot only the newest diffs are kept (I25), and they still bridge."""
    book = DepthBook("BTCUSDT")
    for number in range(1, BUFFERED_DIFFS_MAX + 51):
        book.on_diff(diff(number, number))
    assert not book.on_snapshot(depth_snapshot(49))
    assert book.on_snapshot(depth_snapshot(50))


# -- the touch -----------------------------------------------------------------------------------
def test_touch_takes_the_newer_of_ticker_and_book() -> None:
    """Ticker and book share one id space; the higher update id wins."""
    touch, book = Touch(), DepthBook("BTCUSDT")
    assert not touch.is_known
    touch.on_ticker(ticker(20, "99", "101"))
    book.on_snapshot(depth_snapshot(19))
    touch.on_book(book)
    assert touch.bid[0] == D(99)
    book.on_diff(diff(20, 21))
    touch.on_book(book)
    assert touch.bid[0] == D("99.99")
    touch.on_ticker(ticker(20, "98", "102"))
    assert touch.bid[0] == D("99.99")


@pytest.mark.parametrize("level", [("0", "100"), ("99", "0")])
def test_touch_without_a_side_is_unknown(level: tuple[str, str]) -> None:
    """A market with one empty side has no touch."""
    touch = Touch()
    touch.on_ticker(ticker(1, *level))
    assert not touch.is_known


def test_forgotten_touch_is_unknown() -> None:
    """After the stream is gone the touch is not trusted."""
    touch = Touch()
    touch.on_ticker(ticker(1))
    touch.forget()
    assert not touch.is_known


def test_absolute_quantities() -> None:
    """A diff states the new quantity of a level, not a change of it."""
    book = DepthBook("BTCUSDT")
    book.on_snapshot(depth_snapshot(1))
    book.on_diff(diff(2, 2, asks=[("100.01", "2")]))
    best: Level | None = book.best(Side.SELL)
    assert best == (D("100.01"), D(2))
