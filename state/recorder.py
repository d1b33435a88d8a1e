"""The recorder: the one thread that writes what happened - fills, endings and holdings to the intents, everything else to the store.

Who calls it: the trading loop's `tell` (`take`, a queue put that never blocks); its own thread writes. Intents first, then the store in groups.
Bounded: what does not fit is counted and left out - with a fill all that follow it, so that the next start reads them again from the venue.
Never: a write on the caller's thread.
"""

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from core.notices import Ended, Filled, Holdings, Notice, Recovered, Remembered, Sent, Standing
from core.orders import Evidence
from core.types import Fill
from state.intents import Intents
from state.keeper import Keeper

WAITING_MAX = 20_000
POLL_S = 0.2
ASIDE_S = 0.005  # only one thread at a time runs Python, and a step is told of while its orders are on their way (docs/performance.md)
GROUP_MAX = 500  # notices of one turn
GROUP_EVERY_S = 0.02  # the store gets one transaction for all that happened in it
YIELD_EVERY = 16  # notices between two offers of the interpreter to whoever waits for it
HOLDINGS_EVERY_NS = 30_000_000_000
LAST = Notice(tag="FACT")  # nothing of the run comes after it
Item = tuple[int, Notice]


def recorded(notices: Iterable[Notice], facts: Iterable[Notice]) -> Iterator[Notice]:
    """Of what a step told, what is written: of the lines for a person those that are facts too, then every fact."""
    yield from (notice for notice in notices if isinstance(notice, Filled | Recovered | Ended | Sent))
    yield from facts


class Recorder:
    """Without a keeper it writes the intents alone. `run` is for a worker (runtime.worker), which this room may not import."""

    def __init__(self, intents: Intents, keeper: Keeper | None = None) -> None:
        self._intents = intents
        self._keeper = keeper
        self._waiting: queue.Queue[Item] = queue.Queue(WAITING_MAX)
        self._holdings: tuple[int, Holdings] | None = None  # the newest, not yet in the intents
        self._holdings_ns = 0
        self._flushed_s = 0.0
        self._end: tuple[int, int, str] | None = None
        self.written = threading.Event()
        self.left_out = 0

    # -- the trading thread ----------------------------------------------------------------------
    def take(self, notices: Sequence[Notice], facts: Sequence[Notice] = (), at_ns: int = 0) -> None:
        """Keep what must be written."""
        for notice in recorded(notices, facts):
            self._put(at_ns, notice)

    def _put(self, at_ns: int, notice: Notice) -> None:
        try:
            self._waiting.put_nowait((at_ns, notice))
        except queue.Full:
            self.left_out += 1
            if isinstance(notice, Filled | Recovered | Ended | Remembered):
                self._intents.leave_out()

    # -- the main thread -------------------------------------------------------------------------
    def finish(self, at_ns: int, exit_code: int, reason: str, facts: Sequence[Notice] = ()) -> None:
        """How the run ended, and the last facts of it; `written` is set once all of it is on disk, by the stop that follows at the latest."""
        self.take((), facts, at_ns)
        self._end = (at_ns, exit_code, reason)
        self.take((), [LAST], at_ns)

    # -- the recorder's own thread ---------------------------------------------------------------
    def run(self, stopping: threading.Event) -> None:
        """Write until `stopping` is set and nothing waits."""
        while True:
            is_last = stopping.is_set()  # asked before the queue is: what was taken before the stop is written
            group = self._gather(0.0 if is_last else GROUP_EVERY_S if self._has_rows else POLL_S)
            for number, (at_ns, notice) in enumerate(group):
                if notice is LAST:
                    self._conclude()
                    continue
                self.to_intents(at_ns, notice)
                if self._keeper is not None:
                    self._keeper.take(at_ns, notice)
                if number % YIELD_EVERY == YIELD_EVERY - 1:
                    time.sleep(0)  # lets the trading thread in: only one thread at a time runs Python
            if is_last and not group:
                break
            self._flush()
        self.close()

    def _gather(self, wait_s: float) -> list[Item]:
        """What waits, up to the size of a group; empty after `wait_s` without anything."""
        try:
            group = [self._waiting.get(timeout=wait_s)]
            if wait_s:
                time.sleep(ASIDE_S)  # the orders of the step that told it leave first
        except queue.Empty:
            return []
        while len(group) < GROUP_MAX:
            try:
                group.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return group

    @property
    def _has_rows(self) -> bool:
        return self._keeper is not None and self._keeper.is_waiting

    def _flush(self) -> None:
        """Often under load, seldom when idle: then it only asks whether the file is still there."""
        now_s = time.monotonic()
        if self._keeper is not None and now_s - self._flushed_s >= (GROUP_EVERY_S if self._has_rows else POLL_S):
            self._keeper.flush()
            self._flushed_s = now_s

    def _conclude(self) -> None:
        self._intents.write_late()
        self._write_holdings()
        if self._keeper is not None:
            if self._end is not None:
                self._keeper.end(*self._end)
            self._keeper.flush()
        self.written.set()

    def close(self) -> None:
        """The end: what is still to be written. Called by the thread, and by a backtest in its stead."""
        self._conclude()
        if self._keeper is not None:
            self._keeper.close()

    def to_intents(self, at_ns: int, notice: Notice) -> None:
        """Write what the intents keep of it. Called by the thread, and by the simulator in its stead."""
        if isinstance(notice, Ended):
            self._intents.end(notice.order_id, notice.status, notice.evidence, notice.is_complete)
        elif isinstance(notice, Standing) and notice.evidence == Evidence.NOT_FOUND.value:
            self._intents.end(notice.order_id, notice.status, notice.evidence)  # the venue never saw it: nobody needs to ask again
        elif isinstance(notice, Filled | Recovered):
            fill = notice.fill
            named = fill if not notice.order_id or fill.client_order_id == notice.order_id else _renamed(notice)
            self._intents.fill(named)
        elif isinstance(notice, Remembered):
            self._intents.memory(notice.symbol, notice.text)
        elif isinstance(notice, Holdings) and notice.start:
            self._holdings = (at_ns, notice)
            if at_ns - self._holdings_ns >= HOLDINGS_EVERY_NS:
                self._write_holdings()

    def _write_holdings(self) -> None:
        if self._holdings is not None:
            self._holdings_ns = self._holdings[0]
            self._intents.holdings(*self._holdings)
            self._holdings = None


def _renamed(notice: Filled | Recovered) -> Fill:
    """The fill under the name its order was placed with: a cancel renames the order at the venue."""
    return msgspec.structs.replace(notice.fill, client_order_id=notice.order_id)
