"""Where every other thread leaves what the trading thread must know. Bounded, with a policy per kind of event.

Who calls it: socket readers, done-callbacks, timer, control (`post`, any thread); the trading thread alone calls `take`.
Per symbol one market slot: bookTicker latest-wins, contiguous depth diffs merged (levels last-wins, U of the first, u of the last), trades
appended and summarised per price above their cap. Private events keep their order; at the cap the backlog becomes one StreamGap. Replies, operator
and stop events are never dropped. What moves no price (a trade, a touch with other quantities) may rest: it goes with whatever wakes the trading
thread next, and wakes it itself after REST_MS. Never: I/O under its lock, a wait in `post`.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from queue import Empty, SimpleQueue

from core.events import (
    AccountPosition,
    AnyEvent,
    BalanceUpdate,
    BookTicker,
    DepthDiff,
    ExecutionReport,
    Level,
    MarketTrade,
    StreamDown,
    StreamGap,
    StreamUp,
    Timer,
)
from core.types import Connection

TRADES_MAX = 10_000
PRIVATE_MAX = 20_000
DIFFS_MAX = 200  # runs of contiguous diffs kept apart by gaps
LEVELS_MAX = 20_000  # of one waiting run; a longer one is continued by the next
REST_MS = 5  # while more comes; where nothing comes, until the next Timer
PRIVATE = (ExecutionReport, AccountPosition, BalanceUpdate)


class WaitingDiff:
    """Contiguous depth diffs of one symbol, merged while they wait."""

    __slots__ = ("first_id", "last_id", "bids", "asks", "event_ms", "received_ns", "symbol")

    def __init__(self, diff: DepthDiff) -> None:
        self.symbol, self.first_id, self.last_id = diff.symbol, diff.first_id, diff.last_id
        self.bids: dict[Decimal, Decimal] = dict(diff.bids)
        self.asks: dict[Decimal, Decimal] = dict(diff.asks)
        self.event_ms, self.received_ns = diff.event_ms, diff.received_ns

    def absorb(self, diff: DepthDiff) -> bool:
        """True where the diff follows directly; a gap must stay visible to the book."""
        if diff.first_id != self.last_id + 1 or len(self.bids) + len(self.asks) > LEVELS_MAX:
            return False
        self.last_id, self.event_ms = diff.last_id, diff.event_ms
        self.bids.update(diff.bids)
        self.asks.update(diff.asks)
        return True

    def event(self) -> DepthDiff:
        bids: tuple[Level, ...] = tuple(self.bids.items())
        return DepthDiff(
            symbol=self.symbol,
            first_id=self.first_id,
            last_id=self.last_id,
            bids=bids,
            asks=tuple(self.asks.items()),
            event_ms=self.event_ms,
            received_ns=self.received_ns,
        )


@dataclass(slots=True)
class MarketSlot:
    ticker: BookTicker | None = None
    diffs: list[DepthDiff | WaitingDiff] = field(default_factory=list)
    trades: list[MarketTrade] = field(default_factory=list)

    def add_diff(self, diff: DepthDiff) -> bool:
        """False where the cap of separate runs is reached: the book must be read anew."""
        if self.diffs:
            last = self.diffs[-1]
            if isinstance(last, DepthDiff):
                last = self.diffs[-1] = WaitingDiff(last)
            if last.absorb(diff):
                return True
        if len(self.diffs) >= DIFFS_MAX:
            return False
        self.diffs.append(diff)
        return True

    def add_trade(self, trade: MarketTrade) -> None:
        self.trades.append(trade)
        if len(self.trades) > TRADES_MAX:
            self.trades = summarise(self.trades)

    def drain(self) -> list[AnyEvent]:
        events: list[AnyEvent] = [diff if isinstance(diff, DepthDiff) else diff.event() for diff in self.diffs]
        events.extend(self.trades)
        if self.ticker is not None:
            events.append(self.ticker)
        return events


def summarise(trades: list[MarketTrade]) -> list[MarketTrade]:
    """One print per (price, side) with the summed quantity and count, under the newest id."""
    sums: dict[tuple[Decimal, bool], MarketTrade] = {}
    for trade in trades:
        key = (trade.price, trade.buyer_is_maker)
        known = sums.get(key)
        if known is None:
            sums[key] = trade
            continue
        sums[key] = MarketTrade(
            symbol=trade.symbol,
            trade_id=trade.trade_id,
            price=trade.price,
            quantity=known.quantity + trade.quantity,
            buyer_is_maker=trade.buyer_is_maker,
            time_ms=trade.time_ms,
            received_ns=known.received_ns,
            count=known.count + trade.count,
        )
    return sorted(sums.values(), key=lambda trade: trade.trade_id)[-TRADES_MAX // 2 :]


class Inbox:
    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._memory_lock = threading.Lock()  # guards memory only
        self._wake: SimpleQueue[None] = SimpleQueue()  # a token each time it was empty and is not: a condition takes far longer
        self._market: dict[str, MarketSlot] = {}
        self._others: list[AnyEvent] = []
        self._private_count = 0
        self._timer_waits = False
        self._newest: dict[str, BookTicker] = {}  # also those that were taken
        self._is_woken = False  # there is a token, or was one and nobody has looked yet
        self._oldest_ns = self._resting_ns = 0
        self.age_ms_max = 0.0
        self.gaps_made = 0

    def post(self, event: AnyEvent) -> None:
        """From any thread; never blocks on anything but memory."""
        with self._memory_lock:
            wakes = self._keep(event) or self._has_rested()
            wakes = wakes and not self._is_woken
            if wakes:
                self._is_woken, self._oldest_ns = True, self._clock_ns()
        if wakes:
            self._wake.put(None)

    def take(self, timeout_s: float) -> list[AnyEvent]:
        """All that waits, oldest private first, then market; empty where nothing has come by the time-out. The trading thread only."""
        with suppress(Empty):
            self._wake.get(timeout=timeout_s)
        with self._memory_lock:
            market, others = self._market, self._others
            self._market, self._others = {}, []
            self._private_count = 0
            self._timer_waits = self._is_woken = False
            if self._oldest_ns:
                self.age_ms_max = max(self.age_ms_max, (self._clock_ns() - self._oldest_ns) / 1e6)
            self._oldest_ns = self._resting_ns = 0
        for slot in market.values():
            others.extend(slot.drain())
        return others

    def _has_rested(self) -> bool:
        """What came does not wake the trading thread: has the first of its kind waited long enough?"""
        if self._is_woken:
            return False
        now_ns = self._clock_ns()
        self._resting_ns = self._resting_ns or now_ns
        return now_ns - self._resting_ns >= REST_MS * 1_000_000

    def __len__(self) -> int:
        with self._memory_lock:
            waiting = sum(len(slot.diffs) + len(slot.trades) + (slot.ticker is not None) for slot in self._market.values())
            return len(self._others) + waiting

    @property
    def age_ms(self) -> float:
        """How long the trading thread has been wanted; 0 where it is not."""
        oldest_ns = self._oldest_ns
        return (self._clock_ns() - oldest_ns) / 1e6 if oldest_ns else 0.0

    def _keep(self, event: AnyEvent) -> bool:
        """True where the trading thread is to look at once."""
        if isinstance(event, BookTicker):
            self._slot(event.symbol).ticker = event
            before, self._newest[event.symbol] = self._newest.get(event.symbol), event
            return before is None or before.bid_price != event.bid_price or before.ask_price != event.ask_price
        if isinstance(event, MarketTrade):
            self._slot(event.symbol).add_trade(event)
            return False
        if isinstance(event, DepthDiff):
            if not self._slot(event.symbol).add_diff(event):
                self._slot(event.symbol).diffs.clear()
                self._others.append(StreamGap(connection=Connection.MARKET, reason=f"{event.symbol}: more gaps than can wait"))
        elif isinstance(event, PRIVATE):
            self._keep_private(event)
        elif isinstance(event, Timer):
            if not self._timer_waits:
                self._timer_waits = True
                self._others.append(event)
        else:
            if isinstance(event, StreamUp | StreamDown) and event.connection is Connection.MARKET:
                self._market.clear()  # what came over the old socket says nothing about the new one
                self._newest.clear()
            self._others.append(event)
        return True

    def _keep_private(self, event: AnyEvent) -> None:
        self._private_count += 1
        if self._private_count <= PRIVATE_MAX:
            self._others.append(event)
        elif self._private_count == PRIVATE_MAX + 1:
            self.gaps_made += 1
            self._others = [kept for kept in self._others if not isinstance(kept, PRIVATE)]
            self._others.append(StreamGap(connection=Connection.USER, reason=f"more than {PRIVATE_MAX} private events waited"))

    def _slot(self, symbol: str) -> MarketSlot:
        slot = self._market.get(symbol)
        if slot is None:
            slot = self._market[symbol] = MarketSlot()
        return slot
