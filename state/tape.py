"""The tape: every event exactly as the engine took it, in segments that begin with a checkpoint, so that any of them can be replayed (I16).

Who calls it: the trading loop (`record`, after each step: a put into memory and, seldom, a copy of the state). Its own thread `tape` encodes and
writes, several records per system call. Where its queue is full, market events are left out first; where the disk refuses, everything is; both are a
Gap, and a new segment with a new checkpoint follows as soon as it can. Orders are never affected.
Never: a write, a wait or an encoding on the trading thread.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from core.checkpoint import Frozen, freeze, parts, state_hash
from core.engine import Engine, Step
from core.events import AnyEvent, BookTicker, DepthDiff, MarketTrade
from state.tape_file import SUFFIX, VERSION, Checked, Closed, Gap, Opened, Piece, Ready, Record, Stepped, digest_of, framed, segments

WAITING_MAX = 10_000  # steps
MARKET_WAITING_MAX = 8_000  # beyond this, steps wait without their market events
BATCH = 200  # records of one write
POLL_S = 0.2
ASIDE_S = 0.02  # only one thread at a time runs Python, and a step is told of while its orders are on their way (docs/performance.md)
DISK_RETRY_S = 5.0
HASH_EVERY_NS = 60_000_000_000
MARKET = (BookTicker, DepthDiff, MarketTrade)

Taken = tuple[int, Sequence[AnyEvent], Step | None, str, bool]  # time, events, step, fault, is partial


class Begin:
    """From the trading thread: a segment begins with this state; what was lost before it."""

    def __init__(self, at_ns: int, frozen: Frozen, lost_steps: int, lost_events: int) -> None:
        self.at_ns, self.frozen = at_ns, frozen
        self.lost_steps, self.lost_events = lost_steps, lost_events


class Tape:
    """`engine` is read by `begin` and by `record`, on the trading thread. `run` is for a worker (runtime.worker), which this room may not import."""

    def __init__(
        self,
        folder: Path,
        boot: str,
        engine: Engine,
        settings: bytes,
        segment_bytes_max: int,
        total_bytes_max: int,
        hash_every_ns: int = HASH_EVERY_NS,
        waiting_max: int = WAITING_MAX,
        retry_s: float = DISK_RETRY_S,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder, self.boot, self._engine, self._settings = folder, boot, engine, settings
        self._segment_bytes_max, self._total_bytes_max = segment_bytes_max, total_bytes_max
        self._hash_every_ns, self._waiting_max, self._retry_every_s = hash_every_ns, waiting_max, retry_s
        self._warn = warn  # on the tape's own thread
        self._market_waiting_max = waiting_max * MARKET_WAITING_MAX // WAITING_MAX
        self._waiting: queue.SimpleQueue[Taken | Begin | Frozen | Gap] = queue.SimpleQueue()  # bounded by `record`, its only writer
        self._hashed_ns = 0
        self._is_gapped = False
        self._is_finished = False
        self._failures_seen = 0
        self._lost_steps = self._lost_events = 0
        # the thread's own
        self._file: int | None = None
        self._size = 0
        self._segment = 0
        self._retry_s = 0.0
        self._unwritten_steps = self._unwritten_events = 0
        # from the thread to `record`, single words
        self._wants_segment = False
        self._failures = 0
        self.lost_steps = 0
        self.steps = 0
        self.last_error = ""

    def begin(self) -> None:
        """The first segment begins with the state as it is now: before the first event, before the trading thread runs."""
        self._waiting.put(Begin(0, freeze(self._engine), 0, 0))

    # -- the trading thread ----------------------------------------------------------------------
    def record(self, time_ns: int, events: Sequence[AnyEvent], step: Step | None, fault: str = "") -> None:
        """One step, right after it was taken; `step` None and a `fault` where it raised. Never waits, never raises."""
        waiting = self._waiting.qsize()
        has_failed = self._failures != self._failures_seen
        if self._is_gapped or has_failed or waiting >= self._market_waiting_max:
            self._record_gapped(waiting, has_failed, (time_ns, events, step, fault, True))
        else:
            self._waiting.put((time_ns, events, step, fault, False))
        if step is None:
            return
        if self._wants_segment or (self._is_gapped and not has_failed and waiting < self._market_waiting_max // 2):
            self._begin_segment(time_ns)
        elif not self._is_gapped and (time_ns - self._hashed_ns >= self._hash_every_ns or step.finished > self._is_finished):
            self._hashed_ns, self._is_finished = time_ns, step.finished
            if frozen := self._frozen():
                self._waiting.put(frozen)

    def _begin_segment(self, time_ns: int) -> None:
        self._wants_segment = False
        if frozen := self._frozen():
            self._waiting.put(Begin(time_ns, frozen, self._lost_steps, self._lost_events))
            self._failures_seen, self._is_gapped = self._failures, False
            self._hashed_ns, self._lost_steps, self._lost_events = time_ns, 0, 0

    def _frozen(self) -> Frozen:
        """The state, or nothing where it cannot be copied: a fault of the tape must not become one of the trading thread."""
        try:
            return freeze(self._engine)
        except Exception as error:
            self.last_error = f"the state cannot be copied: {type(error).__name__}: {error}"
            return []

    def _record_gapped(self, waiting: int, has_failed: bool, taken: Taken) -> None:
        """Behind: market events are left out, and the rest too where even that does not fit, or where nothing is written."""
        time_ns, events, step, fault, _ = taken
        if not self._is_gapped:
            self._is_gapped = True
            self._waiting.put(Gap(why=self.last_error if has_failed else f"the recorder was {waiting} steps behind"))
        kept = [] if has_failed or waiting >= self._waiting_max else [event for event in events if not isinstance(event, MARKET)]
        self._lost_events += len(events) - len(kept)
        if kept or fault:
            self._waiting.put((time_ns, kept, step, fault, True))
        else:
            self._lost_steps += 1
            self.lost_steps += 1

    # -- the tape's thread -----------------------------------------------------------------------
    def run(self, stopping: threading.Event) -> None:
        """Write until `stopping` is set and nothing waits."""
        while True:
            is_last = stopping.is_set()  # asked before the queue is: what was put before the stop is written
            batch = self._taken(0.0 if is_last else POLL_S)
            if batch:
                self._write_batch(batch)
            elif is_last:
                self._close("the run ended")
                return
            if self._failures and self._file is None and time.monotonic() >= self._retry_s:
                self._retry_s = time.monotonic() + self._retry_every_s
                self._wants_segment = True

    def _taken(self, wait_s: float) -> "list[Taken | Begin | Frozen | Gap]":
        """Up to BATCH of what waits; empty after `wait_s` of nothing."""
        batch: list[Taken | Begin | Frozen | Gap] = []
        try:
            batch.append(self._waiting.get(timeout=wait_s))
            if wait_s:
                time.sleep(ASIDE_S)  # what it was put with leaves first: the orders of that step
            while len(batch) < BATCH:
                batch.append(self._waiting.get_nowait())
        except queue.Empty:
            return batch
        return batch

    def _write_batch(self, batch: "list[Taken | Begin | Frozen | Gap]") -> None:
        """What cannot be written, or encoded, is counted; a new segment tells how much it was."""
        frames: list[bytes] = []
        waiting: list[Taken] = []
        for one in batch:
            try:
                if isinstance(one, Begin):
                    self._flush(frames, waiting)
                    self._begin(one)
                    continue
                if isinstance(one, Gap):
                    self._warn(f"the tape has a gap: {one.why} · orders are not affected")
                elif isinstance(one, tuple):
                    waiting.append(one)
                if self._file is not None:
                    frames.append(framed(_record_of(one)))
            except (OSError, TypeError, ValueError, OverflowError) as error:
                self._fail(error)
        try:
            self._flush(frames, waiting)
        except OSError as error:
            self._fail(error)
        if self._size > self._segment_bytes_max:
            self._size = 0  # asked once per segment
            self._wants_segment = True

    def _flush(self, frames: list[bytes], steps: list[Taken]) -> None:
        """Raises OSError; the steps then count as unwritten."""
        self._unwritten_steps += len(steps)
        self._unwritten_events += sum(len(taken[1]) for taken in steps)
        written = len(steps), sum(len(taken[1]) for taken in steps)
        steps.clear()
        if self._file is None:
            return
        try:
            self._write(frames)
        finally:
            frames.clear()
        self.steps += written[0]
        self._unwritten_steps -= written[0]
        self._unwritten_events -= written[1]

    def _begin(self, begin: Begin) -> None:
        """Close the segment under way with the state that opens the new one. Raises OSError."""
        pieces = [Piece(name=name, data=data) for name, data in parts(begin.frozen)]
        hashed = state_hash((piece.name, piece.data) for piece in pieces)
        self._unwritten_steps += begin.lost_steps  # kept until this segment stands, so that the next one tells it where this one fails
        self._unwritten_events += begin.lost_events
        lost_steps, lost_events = self._unwritten_steps, self._unwritten_events
        is_whole = not lost_steps and not lost_events
        if self._file is not None:
            if is_whole:
                self._write([framed(Checked(state_hash=hashed))])
            self._close("the next segment follows")
        self._segment += 1
        self._make_room()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = Opened(
            version=VERSION,
            boot=self.boot,
            segment=self._segment,
            at_ns=begin.at_ns,
            settings=self._settings,
            lost_steps=lost_steps,
            lost_events=lost_events,
            lost_why="" if is_whole else self.last_error or "the recorder was behind",
        )
        self._open(opened, pieces, Ready(state_hash=hashed))
        self._unwritten_steps = self._unwritten_events = 0

    def _open(self, opened: Opened, pieces: list[Piece], ready: Ready) -> None:
        """The new file with its checkpoint; without a whole one nothing can be replayed, and no file is left. Raises OSError."""
        path = self.folder / f"{self.boot}-{self._segment:05d}{SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._size = 0
        try:
            self._write([framed(opened)])
            for at in range(0, len(pieces), BATCH):
                self._write([framed(piece) for piece in pieces[at : at + BATCH]])
            self._write([framed(ready)])
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def _make_room(self) -> None:
        """The oldest segments go until a whole new one fits."""
        kept = segments(self.folder)
        sizes = {path: path.stat().st_size for path in kept}
        while kept and sum(sizes[path] for path in kept) + self._segment_bytes_max > self._total_bytes_max:
            kept.pop(0).unlink(missing_ok=True)

    def _write(self, frames: list[bytes]) -> None:
        """All or nothing: what a full disk cut off is taken back. Raises OSError."""
        if not frames or self._file is None:
            return
        data = b"".join(frames)
        written = os.write(self._file, data)
        if written != len(data):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(28, "No space left on device")
        self._size += written

    def _fail(self, error: Exception) -> None:
        """Leave the segment where it is whole; `record` drops what comes until a new segment may be tried."""
        self.last_error = f"the tape cannot be written: {getattr(error, 'strerror', None) or error}"
        self._retry_s = time.monotonic() + self._retry_every_s
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
        self._failures += 1

    def _close(self, why: str) -> None:
        if self._file is not None:
            try:
                self._write([framed(Closed(why=why))])
            except OSError as error:
                self._fail(error)
                return
            os.close(self._file)
            self._file = None


def _record_of(one: Taken | Frozen | Gap) -> Record:
    if isinstance(one, Gap):
        return one
    if isinstance(one, list):
        return Checked(state_hash=state_hash(parts(one)))
    time_ns, events, step, fault, is_partial = one
    commands = step.commands if step is not None else ()
    return Stepped(
        time_ns=time_ns, events=tuple(events), commands=len(commands), digest=digest_of(commands), fault=fault, is_partial=is_partial
    )
