"""The recorder: writes fills and endings to the intents, off the trading thread.

Who calls it: the trading loop's `tell` (`take`, which never blocks); its own thread writes. Bounded: what does not fit is counted and left out - a
fill that was not written is read again from the venue at the next start.
Never: a write on the caller's thread.
"""

import queue
import threading
import time
from collections.abc import Sequence

from core.notices import Ended, Filled, Notice, Recovered
from state.intents import Intents

WAITING_MAX = 20_000
POLL_S = 0.2


class Recorder:
    """Resource."""

    def __init__(self, intents: Intents) -> None:
        self._intents = intents
        self._waiting: queue.Queue[Notice] = queue.Queue(WAITING_MAX)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.left_out = 0

    def take(self, notices: Sequence[Notice]) -> None:
        """From the trading thread: keep what must be written."""
        for notice in notices:
            if isinstance(notice, Filled | Recovered | Ended):
                try:
                    self._waiting.put_nowait(notice)
                except queue.Full:
                    self.left_out += 1

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Write what waits, then end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                notice = self._waiting.get(timeout=POLL_S)
            except queue.Empty:
                if self._stopping.is_set():
                    return
                continue
            if isinstance(notice, Ended):
                self._intents.end(notice.order_id, notice.status, notice.evidence)
            elif isinstance(notice, Filled | Recovered):
                self._intents.fill(notice.fill)
