"""One symbol's depth book, kept by the documented rules, and the touch.

Who calls it: core.engine, on the trading thread. It buffers diffs until a snapshot bridges them, notices every gap, and never guesses a level.
Never: I/O; while it is not `in_step` the engine asks for snapshots.
Source: binance-wire 5 (Local book), the exchange's "How to manage a local order book correctly".
"""

from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal

from sortedcontainers import SortedDict

from core.events import BookTicker, DepthDiff, DepthSnapshot, Level
from core.money import ZERO
from core.types import Side

BUFFERED_DIFFS_MAX = 1000  # beyond it the oldest goes, and a snapshot that does not bridge is read again
LEVELS_MAX = 10_000  # of one side; beyond it the levels furthest from the touch are forgotten down to LEVELS_KEPT
LEVELS_KEPT = 8_000


class DepthBook:
    """Bids are kept under negated prices so that both sides iterate best first."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.update_id = 0
        self.in_step = False
        self.gaps = 0
        self.crossed = 0
        self._bids: SortedDict = SortedDict()
        self._asks: SortedDict = SortedDict()
        self._waiting: deque[DepthDiff] = deque(maxlen=BUFFERED_DIFFS_MAX)

    def reset(self) -> None:
        """The stream broke: nothing in the book can be trusted any more."""
        self.in_step = False
        self._waiting.clear()
        self._bids.clear()
        self._asks.clear()

    def on_diff(self, diff: DepthDiff) -> bool:
        """Apply or buffer; False where a gap or a crossed book made it start over."""
        if not self.in_step:
            if self._waiting and diff.first_id > self._waiting[-1].last_id + 1:
                self._waiting.clear()
            self._waiting.append(diff)
            return True
        if diff.last_id <= self.update_id:
            return True
        if diff.first_id > self.update_id + 1:
            self.gaps += 1
            self.reset()
            self._waiting.append(diff)
            return False
        return self._apply(diff)

    def on_snapshot(self, snapshot: DepthSnapshot) -> bool:
        """Bridge the waiting diffs; False where the snapshot is too old or does not bridge (ask again)."""
        if self._waiting and snapshot.last_update_id < self._waiting[0].first_id - 1:
            return False
        self._bids.clear()
        self._asks.clear()
        self._set(self._bids, snapshot.bids, -1)
        self._set(self._asks, snapshot.asks, 1)
        self.update_id = snapshot.last_update_id
        self.in_step = True
        waiting = list(self._waiting)
        self._waiting.clear()
        whole = True
        for diff in waiting:
            whole = self.on_diff(diff) and whole
        return whole and self._stays_uncrossed()

    def best(self, side: Side) -> Level | None:
        return next(self.levels(side), None)

    def levels(self, side: Side) -> Iterator[Level]:
        """Best first."""
        if side is Side.BUY:
            return ((-price, quantity) for price, quantity in self._bids.items())
        return ((price, quantity) for price, quantity in self._asks.items())

    def quantity_at(self, side: Side, price: Decimal) -> Decimal:
        quantity: Decimal = self._bids.get(-price, ZERO) if side is Side.BUY else self._asks.get(price, ZERO)
        return quantity

    def depth(self, limit: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The first `limit` levels of bids and asks."""
        bids = tuple((-price, self._bids[price]) for price in self._bids.islice(stop=limit))
        return bids, tuple((price, self._asks[price]) for price in self._asks.islice(stop=limit))

    def __len__(self) -> int:
        return len(self._bids) + len(self._asks)

    def _apply(self, diff: DepthDiff) -> bool:
        self._set(self._bids, diff.bids, -1)
        self._set(self._asks, diff.asks, 1)
        self.update_id = diff.last_id
        return self._stays_uncrossed()

    def _stays_uncrossed(self) -> bool:
        """A crossed book is wrong somewhere: start over."""
        if self._bids and self._asks and -self._bids.keys()[0] >= self._asks.keys()[0]:
            self.crossed += 1
            self.reset()
            return False
        return True

    @staticmethod
    def _set(side: SortedDict, levels: Iterable[Level], sign: int) -> None:
        for price, quantity in levels:
            if quantity:
                side[sign * price] = quantity
            else:
                side.pop(sign * price, None)
        if len(side) > LEVELS_MAX:
            for key in list(side.islice(start=LEVELS_KEPT)):
                del side[key]


class Touch:
    """The newest best bid and ask, from bookTicker or from the depth book, whichever has the higher update id (one id space)."""

    __slots__ = ("update_id", "bid", "ask", "seen_ns")

    def __init__(self) -> None:
        self.update_id = 0
        self.bid: Level = (ZERO, ZERO)
        self.ask: Level = (ZERO, ZERO)
        self.seen_ns = 0

    @property
    def is_known(self) -> bool:
        return self.update_id > 0 and self.bid[0] > 0 and self.ask[0] > 0

    def on_ticker(self, ticker: BookTicker) -> None:
        if ticker.update_id >= self.update_id:
            self.update_id = ticker.update_id
            self.bid = (ticker.bid_price, ticker.bid_quantity)
            self.ask = (ticker.ask_price, ticker.ask_quantity)

    def on_book(self, book: DepthBook) -> None:
        if book.in_step and book.update_id > self.update_id:
            bid, ask = book.best(Side.BUY), book.best(Side.SELL)
            if bid is not None and ask is not None:
                self.update_id, self.bid, self.ask = book.update_id, bid, ask

    def forget(self) -> None:
        self.update_id = 0
