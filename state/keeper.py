"""The store's side of the recorder: groups of rows, and what happens when the database is gone, full or damaged.

Who calls it: bot.py at start (`open`, main thread), then the recorder's thread alone. Nothing here raises into the recorder: that the store fails is
told (`on_health`: no new orders until it is well again), writing is tried again with a back-off, and a file that is gone is rebuilt from the intents.
Rows that cannot be written wait here, merged by key, up to a limit; beyond it they are left out and counted.
Never: the trading thread; an order held up by a row.
"""

import time
from collections.abc import Callable
from pathlib import Path

from core.notices import ConfigTaken, Notice
from core.orders import Evidence
from state import settings
from state.intents import IntentsCorrupt
from state.keyvalue import KeyValue, KeyValueFull
from state.rebuild import rebuild
from state.rows import Rows, RunRow, RunStart, run_row, take
from state.store import Store, StoreFailed, StoreRefused

ROWS_WAITING_MAX = 20_000
RETRY_S_FIRST, RETRY_S_MAX = 0.5, 10.0
NO_END = "its end was not recorded"
FAULTS = (StoreFailed, StoreRefused, IntentsCorrupt)


class Keeper:
    def __init__(self, store: Store, intents_path: Path, on_health: Callable[[str], None]) -> None:
        self.store = store
        self.keys = KeyValue({})
        self.left_out = 0
        self.rebuilds = 0
        self.sick = ""  # why the store takes nothing; empty while it does
        self._intents_path = intents_path
        self._on_health = on_health
        self._run: RunRow | None = None
        self._rows = Rows()
        self._retry_s, self._retry_at_s = RETRY_S_FIRST, 0.0
        self._said = ""  # what on_health was told last

    # -- main thread, before the recorder starts -------------------------------------------------
    def open(self, run: RunStart) -> None:
        """Open, bring up to date, catch up with the intents. Raises StoreRefused for a newer schema; any other fault only keeps new orders back."""
        self._run = row = run_row(run)
        self._rows.runs[row.venue_instance, row.boot] = row
        try:
            is_new = self.store.open()
            if is_new or self.store.unfinished_runs():
                rebuild(self.store, self._intents_path, from_empty=is_new)
                self.store.close_unfinished(NO_END, but_boot=row.boot)
            self.store.close_instances_before(row.venue_instance, Evidence.RESET)
            self.keys = KeyValue(self.store.keys(row.venue_instance))
        except (StoreFailed, IntentsCorrupt) as error:
            self.sick = str(error)

    # -- the recorder's thread -------------------------------------------------------------------
    def take(self, at_ns: int, notice: Notice) -> None:
        """Keep what the next group will write."""
        if self._run is None:
            return
        if len(self._rows) >= ROWS_WAITING_MAX:
            self.left_out += 1
            return
        take(self._rows, self._run, at_ns, notice)
        if isinstance(notice, ConfigTaken):
            one = settings.InForce(self._run.boot, notice.version, at_ns)
            try:
                self.keys.set(settings.KEY, settings.added(self.keys.get(settings.KEY), one), at_ns)
            except KeyValueFull:
                self.left_out += 1

    def end(self, at_ns: int, exit_code: int, reason: str) -> None:
        """The last row of a run: how it ended."""
        if self._run is not None:
            self._run.ended_ns, self._run.exit_code, self._run.end_reason = at_ns, exit_code, reason
            self._rows.runs[self._run.venue_instance, self._run.boot] = self._run

    def flush(self) -> None:
        """Write what waits, in one transaction; on the way, notice a database that is gone and make it anew."""
        if self._run is None or (self.sick and time.monotonic() < self._retry_at_s):
            self._tell()
            return
        try:
            if self.store.is_gone or not self.store.is_open:
                self.sick = self.sick or f"the database is gone ({self.store.path.name})"
                self._tell()
                self._renew()
            self._write()
        except FAULTS as error:
            self.sick = str(error)
            self._retry_at_s = time.monotonic() + self._retry_s
            self._retry_s = min(RETRY_S_MAX, 2 * self._retry_s)
        else:
            self.sick, self._retry_s = "", RETRY_S_FIRST
        self._tell()

    @property
    def is_waiting(self) -> bool:
        return len(self._rows) > 0

    def close(self) -> None:
        self.store.close()

    def _tell(self) -> None:
        if self.sick != self._said:
            self._said = self.sick
            self._on_health(self.sick)

    def _renew(self) -> None:
        """A new file, filled from the intents; run and key-value pairs come from memory."""
        assert self._run is not None
        rebuild(self.store, self._intents_path, from_empty=self.store.open())
        self.store.close_instances_before(self._run.venue_instance, Evidence.RESET)
        self.rebuilds += 1
        self._rows.runs[self._run.venue_instance, self._run.boot] = self._run
        self.keys.mark_all()

    def _write(self) -> None:
        assert self._run is not None
        scope = self._run.venue_instance
        put, dropped = self.keys.changes()
        if not len(self._rows) and not put and not dropped:
            if self.sick:
                self.store.probe()
            return
        try:
            self.store.write(self._rows, [(scope, key, *entry) for key, entry in put.items()], [(scope, key) for key in dropped])
        except StoreFailed:
            self.keys.mark_again([*put, *dropped])
            raise
        self._rows = Rows()
