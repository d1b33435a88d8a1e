"""A recorded market for the paper exchange: snapshot and diffs set the background, recorded trades consume the queues.

Who calls it: the server's pacer and sim.backtest, through `start`, `next_ms`, `step`. Files are read lazily; faults are RecordingError.
How our orders are filled: only by recorded trades, at their own price and queue place, or before a trade that prints beyond them; never from the
touch alone. Between trades a level follows its recorded absolute size: a rise joins the back of the queue, a fall leaves in proportion. Recorded
size that would cross an order of ours is withheld until that order is gone. What our takers take is gone until the recording speaks of it again.
Never: a clock, a network; recorded times only set the pace (local time), `now_ms` is the caller's.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from exchange.paper.book import BUY
from exchange.paper.matching import Matching
from exchange.paper.recorded_files import Line, RecordingError, SymbolFiles, group_files
from exchange.paper.recorded_rules import rules_of_recording

__all__ = ["RecordedMarket", "RecordingError", "rules_of_recording"]
SELL = "SELL"
SNAPSHOT_WITHIN_LINES = 5000
_SCALE = 100_000_000
Rows = list[tuple[str, str]]


class _Depth(msgspec.Struct, rename={"time_ms": "E", "first": "U", "last": "u", "bids": "b", "asks": "a"}):
    time_ms: int
    first: int
    last: int
    bids: Rows
    asks: Rows


class _Trade(msgspec.Struct, rename={"trade_id": "t", "time_ms": "T", "price": "p", "quantity": "q", "buyer_is_maker": "m"}):
    time_ms: int
    price: str
    quantity: str
    buyer_is_maker: bool
    trade_id: int = -1


class _DepthFrame(msgspec.Struct):
    data: _Depth


class _TradeFrame(msgspec.Struct):
    data: _Trade


class _Snapshot(msgspec.Struct, rename={"last": "lastUpdateId"}):
    last: int
    bids: Rows
    asks: Rows


Message = _Depth | _Trade | _Snapshot | None
_depth = msgspec.json.Decoder(_DepthFrame)
_trade = msgspec.json.Decoder(_TradeFrame)
_snapshot = msgspec.json.Decoder(_Snapshot)
_anything = msgspec.json.Decoder()


def _decode(line: Line) -> Message:
    """None for streams that play no part here."""
    head = line.message[:80]
    try:
        if b"@depth" in head:
            return _depth.decode(line.message).data
        if b"@trade" in head:
            return _trade.decode(line.message).data
        if b'"stream"' not in head and b'"lastUpdateId"' in head:
            return _snapshot.decode(line.message)
        _anything.decode(line.message)
    except msgspec.MsgspecError as error:
        raise line.error(f"not a message of Binance spot ({error}); cut this line out or record again") from None
    return None


class RecordedMarket:
    """All symbols of one recording. `speed`: recorded seconds per second of the server's clock."""

    def __init__(self, files: Iterable[Path | str], matching: Matching, speed: float = 1.0) -> None:
        groups = group_files(files)
        self.symbols = [group.symbol for group in groups]
        self.notes: list[str] = []
        self._speed = speed
        self._feeds = [SymbolFeed(group, matching) for group in groups]
        self._pending: list[tuple[int, int, Line]] = []
        self._start_ms = 0
        self._start_us = 0

    def start(self, now_ms: int | None = None) -> None:
        """Build the opening books from the snapshots; the recording begins at the latest of them. Raises RecordingError.

        Without `now_ms` it runs at its own local time.
        """
        self._start_us = max(feed.open_book() for feed in self._feeds)
        self._start_ms = now_ms if now_ms is not None else self._start_us // 1000
        for index, feed in enumerate(self._feeds):
            feed.course.begin(self._start_us)
            line = feed.skip_to(self._start_us)
            if line is not None:
                heapq.heappush(self._pending, (line.time_us, index, line))

    @property
    def begun_ms(self) -> int:
        """When it began, on the caller's clock."""
        return self._start_ms

    @property
    def courses(self) -> dict[str, Course]:
        """What was heard so far, per symbol."""
        return {feed.course.symbol: feed.course for feed in self._feeds}

    def next_ms(self) -> int | None:
        """When the next line is due on the server's clock; None when the recording is over (the last book stays)."""
        if not self._pending:
            return None
        passed_us = self._pending[0][0] - self._start_us
        return self._start_ms + -int(-passed_us / 1000 / self._speed // 1)

    def step(self, now_ms: int) -> None:
        """Every line due up to `now_ms`. Raises RecordingError."""
        until_us = self._start_us + int((now_ms - self._start_ms) * 1000 * self._speed) + 1
        pending = self._pending
        while pending and pending[0][0] <= until_us:
            _, index, line = pending[0]
            feed = self._feeds[index]
            feed.apply(line, now_ms)
            following = feed.next_line()
            if following is None:
                heapq.heappop(pending)
            else:
                heapq.heapreplace(pending, (following.time_us, index, following))


@dataclass(slots=True)
class Course:
    """What was heard of one symbol since the opening: how much, the longest silence, and trades whose numbers are left out."""

    symbol: str
    begun_us: int = 0
    newest_us: int = 0
    lines: int = 0
    trades: int = 0
    missing: int = 0
    missing_at: str = ""  # file:line of the first trade after missing ones
    silence_us: int = 0
    silence_at_us: int = 0
    _trade_id: int = -1

    def begin(self, time_us: int) -> None:
        self.begun_us = self.newest_us = time_us

    def note(self, line: Line, message: Message) -> None:
        self.lines += 1
        if line.time_us - self.newest_us > self.silence_us:
            self.silence_us, self.silence_at_us = line.time_us - self.newest_us, self.newest_us
        self.newest_us = line.time_us
        if isinstance(message, _Trade):
            self.trades += 1
            if self._trade_id >= 0 and message.trade_id > self._trade_id + 1:
                self.missing += message.trade_id - self._trade_id - 1
                self.missing_at = self.missing_at or f"{line.path.name}:{line.number}"
            self._trade_id = max(self._trade_id, message.trade_id)


class SymbolFeed:
    """One symbol's lines and the state of its recorded book."""

    def __init__(self, files: SymbolFiles, matching: Matching) -> None:
        self._symbol, self._matching = files.symbol, matching
        self.course = Course(files.symbol)
        self._lines: Iterator[Line] = files.lines()
        self._book = matching.books[files.symbol]
        rules = matching.rules[files.symbol]
        self._tick_units, self._step_units = int(rules.tick * _SCALE), int(rules.step * _SCALE)
        self._last_update_id: int | None = None
        self._bridged = False
        self._depth_time_ms = 0

    def next_line(self) -> Line | None:
        return next(self._lines, None)

    # -- the opening -----------------------------------------------------------------------------
    def open_book(self) -> int:
        """Read up to the snapshot and apply what bridges it. Returns the snapshot's local time (us). Raises RecordingError."""
        early: list[tuple[Line, _Depth]] = []
        line: Line | None = None
        for _ in range(SNAPSHOT_WITHIN_LINES):
            line = self.next_line() or line
            assert line is not None, "a file that group_files accepted has a line"
            message = _decode(line)
            if isinstance(message, _Depth):
                early.append((line, message))
            elif isinstance(message, _Snapshot):
                self._fill(line, message)
                for before, depth in early:
                    self._follow(before, depth)
                return line.time_us
        assert line is not None
        raise line.error(f"no depth snapshot in the first {SNAPSHOT_WITHIN_LINES} lines; put the REST answer of GET /depth after the first diffs")

    def _fill(self, line: Line, snapshot: _Snapshot) -> None:
        for side, rows in ((BUY, snapshot.bids), (SELL, snapshot.asks)):
            for tick, lots in self._whole(line, rows):
                self._matching.set_background_lots(self._symbol, side, tick, lots)
        self._last_update_id = snapshot.last

    def skip_to(self, start_us: int) -> Line | None:
        """Bring the book up to `start_us` without its trades (another symbol's snapshot came later); the first line after it."""
        while (line := self.next_line()) is not None:
            if line.time_us > start_us:
                return line
            message = _decode(line)
            if isinstance(message, _Depth):
                self._follow(line, message)
        return None

    # -- the course ------------------------------------------------------------------------------
    def apply(self, line: Line, now_ms: int) -> None:
        message = _decode(line)
        self.course.note(line, message)
        if isinstance(message, _Depth):
            self._follow(line, message)
        elif isinstance(message, _Trade):
            ((tick, lots),) = self._whole(line, [(message.price, message.quantity)])
            taker = SELL if message.buyer_is_maker else BUY
            self._matching.replay_trade(self._symbol, taker, tick, lots, now_ms, is_late=message.time_ms < self._depth_time_ms)

    def _follow(self, line: Line, depth: _Depth) -> None:
        """The sync rule (binance-wire 5): drop what the snapshot holds, the first kept event must bridge it, then no gap."""
        last = self._last_update_id
        assert last is not None
        if depth.last <= last:
            return
        if depth.first > last + 1:
            if self._bridged:
                raise line.error(f"depth updates {last + 1} to {depth.first - 1} are missing; cut the recording here or record again")
            raise line.error(f"the snapshot (update {last}) is older than the diffs (from {depth.first}); fetch it after subscribing")
        self._bridged, self._last_update_id, self._depth_time_ms = True, depth.last, depth.time_ms
        self._book.fallen.clear()
        rises: list[tuple[str, int, int]] = []
        for side, rows in ((BUY, depth.bids), (SELL, depth.asks)):
            for tick, lots in self._whole(line, rows):
                if lots <= self._book.background_at(side, tick):
                    self._matching.set_background_lots(self._symbol, side, tick, lots)
                else:
                    rises.append((side, tick, lots))
        for side, tick, lots in rises:  # after all that left, so that the book is not crossed in between
            self._matching.set_background_lots(self._symbol, side, tick, lots)

    def _whole(self, line: Line, rows: Rows) -> list[tuple[int, int]]:
        """Prices in ticks, exactly, and sizes in whole lots: crumbs of a finer step of old are not shown. Raises RecordingError."""
        whole: list[tuple[int, int]] = []
        for price, quantity in rows:
            ticks, off_tick = divmod(_units(price), self._tick_units)
            if off_tick:
                raise line.error(f"the price {price} is off the symbol's tick; give its own rules with --exchange-info")
            whole.append((ticks, _units(quantity) // self._step_units))
        return whole


def _units(text: str) -> int:
    """Decimal text in units of 1e-8, exactly."""
    integer, _, fraction = text.partition(".")
    return int(integer + fraction[:8].ljust(8, "0"))
