"""The tape: what is written is what happened; a full queue or disk costs the tape a gap and the bot nothing."""

import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.engine import Engine
from core.events import AnyEvent, BookTicker, DepthDiff, MarketTrade
from runtime.worker import Worker
from sim.replay import engine_of, replay
from sim.setup import AMENDING, Setup
from sim.taped import TapedWorld
from state import tape as tape_module
from state.tape import Tape
from state.tape_file import Checked, Closed, Gap, Opened, Ready, Record, Stepped, TapeCorrupt, read, segments
from tests.timing import SOON_S
from trading.recipe import Recipe
from trading.risk import Limits

MARKET = (BookTicker, DepthDiff, MarketTrade)
SEED = 4
SETUP = Setup.drawn(SEED)
RECIPE = Recipe(quoting=SETUP.quoting, limits=Limits(open_orders_max=20), timing=SETUP.timing, amending=AMENDING)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No orders are on their way here that the tape's thread would step aside for."""
    monkeypatch.setattr(tape_module, "ASIDE_S", 0.0)


@pytest.fixture(scope="module")
def history() -> list[tuple[int, tuple[AnyEvent, ...]]]:
    """The first boot of a simulated world: times and events."""
    world = TapedWorld(SETUP)
    world.run()
    steps: list[tuple[int, tuple[AnyEvent, ...]]] = []
    for records in world.segments:
        assert isinstance(records[0], Opened)
        for record in records:
            if isinstance(record, Stepped):
                if record.events and type(record.events[0]).__name__ == "Boot" and steps:
                    return steps
                steps.append((record.time_ns, record.events))
    return steps


class Counted(queue.SimpleQueue[Any]):
    """A queue that knows how much was ever put into it."""

    def __init__(self) -> None:
        self.puts = 0

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        self.puts += 1
        super().put(item, block, timeout)


class Watched(Tape):
    """A tape that tells when all it was handed is written, not only taken from the queue."""

    written = 0

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self._waiting = self.handed = Counted()

    def _write_batch(self, batch: Any) -> None:
        super()._write_batch(batch)
        self.written += len(batch)


class Gated(Watched):
    """A tape whose thread waits for `gate` before each batch; `is_there` once it does."""

    gate: threading.Event
    is_there: threading.Event

    def _write_batch(self, batch: Any) -> None:
        self.is_there.set()
        assert self.gate.wait(SOON_S)
        super()._write_batch(batch)


def new_tape(folder: Path, engine: Engine, kind: type[Watched] = Watched, **given: Any) -> Watched:
    settings = {"segment_bytes_max": 32 << 20, "total_bytes_max": 512 << 20, **given}
    return kind(folder / "tape", "boot01", engine, msgspec.msgpack.encode(RECIPE), **settings)


def drive(engine: Engine, tape: Tape, steps: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """What the trading loop does."""
    for time_ns, events in steps:
        tape.record(time_ns, events, engine.step(time_ns, events))


def until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.005)


def settle(tape: Watched) -> None:
    """Until everything handed over is written, or could not be."""
    until(lambda: tape.written >= tape.handed.puts)


def drive_calmly(engine: Engine, tape: Watched, steps: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """A few steps at a time: the thread keeps up."""
    for at in range(0, len(steps), 10):
        drive(engine, tape, steps[at : at + 10])
        settle(tape)


def begun(tape: Tape) -> Worker:
    tape.begin()
    writer = Worker("tape", tape.run)
    writer.start()
    return writer


def ended(writer: Worker) -> None:
    writer.stop(time.monotonic() + SOON_S)
    assert not writer.is_running


def all_records(folder: Path) -> Iterator[Record]:
    for path in segments(folder / "tape"):
        yield from read(path)


def test_the_tape_is_what_happened(tmp_path: Path, history: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """Every step with its time and events, in order, in a file that only its owner reads; replayed, it gives the same commands and state."""
    engine = engine_of(RECIPE)
    tape = new_tape(tmp_path, engine, hash_every_ns=1_000_000_000)
    writer = begun(tape)
    drive(engine, tape, history)
    ended(writer)
    steps = [(record.time_ns, record.events) for record in all_records(tmp_path) if isinstance(record, Stepped)]
    assert steps == history
    (path,) = segments(tmp_path / "tape")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    verdict = replay(path)
    assert verdict.different == "" and verdict.steps == len(history) and verdict.hashes > 5 and verdict.ended == "its end"


def test_segments_follow_each_other(tmp_path: Path, history: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """At its size a segment ends with the hash of the state that opens the next; each replays alone; the oldest go at the cap."""
    engine = engine_of(RECIPE)
    tape = new_tape(tmp_path, engine, segment_bytes_max=20_000, total_bytes_max=10 << 20)
    writer = begun(tape)
    drive_calmly(engine, tape, history)
    ended(writer)
    paths = segments(tmp_path / "tape")
    assert len(paths) > 3
    assert all(replay(path).different == "" for path in paths)
    assert sum(replay(path).steps for path in paths) == len(history)
    for before, after in zip(paths, paths[1:], strict=False):
        closing = [record for record in read(before) if isinstance(record, Checked)][-1]
        opening = next(record for record in read(after) if isinstance(record, Ready))
        assert closing.state_hash == opening.state_hash
        assert isinstance(list(read(before))[-1], Closed)


def test_retention(tmp_path: Path, history: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """All segments together stay under the cap, but for what the newest takes beyond its limit until its end is written; the newest are kept."""
    engine = engine_of(RECIPE)
    cap, segment = 120_000, 20_000
    tape = new_tape(tmp_path, engine, segment_bytes_max=segment, total_bytes_max=cap)
    writer = begun(tape)
    drive_calmly(engine, tape, history)
    ended(writer)
    paths = segments(tmp_path / "tape")
    assert sum(path.stat().st_size for path in paths) <= cap + max(0, paths[-1].stat().st_size - segment)
    opened = [record for record in all_records(tmp_path) if isinstance(record, Opened)]
    assert opened[0].segment > 1
    assert [record.segment for record in opened] == list(range(opened[0].segment, tape._segment + 1))


def test_a_full_queue_costs_market_events_first(tmp_path: Path, history: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """Behind, the tape leaves market events out, says Gap, keeps the private ones, and begins anew; `record` never waits and never grows."""
    engine = engine_of(RECIPE)
    warned: list[str] = []
    tape = new_tape(tmp_path, engine, Gated, waiting_max=100, warn=warned.append)
    assert isinstance(tape, Gated)
    tape.gate, tape.is_there = threading.Event(), threading.Event()
    writer = begun(tape)
    assert tape.is_there.wait(SOON_S), "from here on it takes nothing from the queue"
    drive(engine, tape, history[:300])
    assert tape._waiting.qsize() <= 110, "bounded, whatever the thread does"
    tape.gate.set()
    settle(tape)
    drive_calmly(engine, tape, history[300:])
    ended(writer)
    first, second = segments(tmp_path / "tape")
    records = list(read(first))
    at = next(at for at, record in enumerate(records) if isinstance(record, Gap))
    after = [record for record in records[at:] if isinstance(record, Stepped)]
    assert after and all(record.is_partial and not any(isinstance(event, MARKET) for event in record.events) for record in after)
    verdict = replay(first)
    assert verdict.different == "" and "gap" in verdict.ended and verdict.steps < 300
    opened = next(read(second))
    assert isinstance(opened, Opened) and opened.lost_steps > 0 and opened.lost_events > 0 and "behind" in opened.lost_why
    verdict = replay(second)
    assert verdict.different == "" and verdict.steps > 50 and verdict.ended == "its end"
    assert len(warned) == 1 and "orders are not affected" in warned[0]


def test_a_full_disk_costs_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """A disk that takes half a record and then none leaves a whole file; when it takes more, a new segment tells what is missing."""
    engine = engine_of(RECIPE)
    real, full = os.write, threading.Event()

    def write(file: int, data: bytes) -> int:
        return real(file, data[: len(data) // 2]) if full.is_set() else real(file, data)

    monkeypatch.setattr(os, "write", write)
    warned: list[str] = []
    tape = new_tape(tmp_path, engine, retry_s=3600.0, warn=warned.append)
    writer = begun(tape)
    drive(engine, tape, history[:100])
    settle(tape)
    full.set()
    drive(engine, tape, history[100:110])
    until(lambda: tape._failures > 0)
    drive(engine, tape, history[110:200])
    assert tape._waiting.qsize() < 20, "nothing piles up for a disk that takes nothing"
    full.clear()
    tape._retry_s = 0.0  # the hour is over
    until(lambda: tape._wants_segment)
    drive_calmly(engine, tape, history[200:])
    ended(writer)
    assert len(segments(tmp_path / "tape")) == 2
    verdicts = [replay(path) for path in segments(tmp_path / "tape") if path.stat().st_size]
    assert all(verdict.different == "" for verdict in verdicts)
    assert verdicts[0].steps >= 100 and verdicts[-1].steps > 20
    assert verdicts[-1].lost_before > 0
    assert "No space left" in warned[0]


def test_a_checkpoint_the_disk_cut_off_leaves_no_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: list[tuple[int, tuple[AnyEvent, ...]]]
) -> None:
    """A segment without a whole checkpoint could not be replayed: it is taken back, and the next one tells what was lost."""
    engine = engine_of(RECIPE)
    real, full = os.write, threading.Event()
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[: len(data) // 2] if full.is_set() and len(data) > 200 else data))
    full.set()
    tape = new_tape(tmp_path, engine, retry_s=0.05)
    writer = begun(tape)
    drive(engine, tape, history[:50])
    settle(tape)
    assert "No space left" in tape.last_error and not segments(tmp_path / "tape")
    full.clear()
    until(lambda: tape._wants_segment)
    drive_calmly(engine, tape, history[50:])
    ended(writer)
    (path,) = segments(tmp_path / "tape")
    verdict = replay(path)
    assert verdict.different == "" and verdict.steps > 20 and verdict.lost_before > 0


def test_a_torn_record_is_the_end(tmp_path: Path, history: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """Cut off anywhere, as by kill -9, a tape replays to its last whole record; a byte changed in its middle is refused."""
    engine = engine_of(RECIPE)
    tape = new_tape(tmp_path, engine)
    writer = begun(tape)
    drive(engine, tape, history)
    ended(writer)
    (path,) = segments(tmp_path / "tape")
    data = path.read_bytes()
    checkpoint_ends = next(at for at in range(len(data)) if data[at : at + 5] == b"ready") + 200
    for cut in range(checkpoint_ends, len(data), len(data) // 7):
        path.write_bytes(data[:cut])
        verdict = replay(path)
        assert verdict.different == "" and verdict.steps < len(history)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(TapeCorrupt, match="byte"):
        replay(path)


def test_the_step_that_failed_is_on_the_tape(tmp_path: Path, history: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """A step that raised is the last record, with its fault."""
    engine = engine_of(RECIPE)
    tape = new_tape(tmp_path, engine)
    writer = begun(tape)
    drive(engine, tape, history[:20])
    tape.record(history[20][0], history[20][1], None, "AssertionError: a planted fault")
    ended(writer)
    last = [record for record in all_records(tmp_path) if isinstance(record, Stepped)][-1]
    assert last.fault == "AssertionError: a planted fault" and last.events == history[20][1]


def test_the_stop_leaves_a_hash(tmp_path: Path, history: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """The step that proves the stop is followed by the hash of the final state, once."""
    engine = engine_of(RECIPE)
    tape = new_tape(tmp_path, engine, hash_every_ns=10**18)
    writer = begun(tape)
    time_ns, events = history[0]
    tape._hashed_ns = time_ns
    step = engine.step(time_ns, events)
    finished = msgspec.structs.replace(step, finished=True)
    tape.record(time_ns, events, finished)
    tape.record(time_ns, (), finished)
    ended(writer)
    assert [type(record).__name__ for record in all_records(tmp_path)][-4:] == ["Stepped", "Checked", "Stepped", "Closed"]


def test_a_state_that_cannot_be_copied(tmp_path: Path, history: list[tuple[int, tuple[AnyEvent, ...]]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the tape is never one of the trading thread: it is kept as its last error and the steps go on."""
    engine = engine_of(RECIPE)
    tape = new_tape(tmp_path, engine, hash_every_ns=1)
    writer = begun(tape)
    monkeypatch.setattr(engine.strategy, "save", lambda: 1 / 0)
    drive(engine, tape, history[:10])
    ended(writer)
    assert "ZeroDivisionError" in tape.last_error
    assert tape.steps == 10


def test_an_event_that_cannot_be_encoded(tmp_path: Path, history: list[tuple[int, tuple[AnyEvent, ...]]]) -> None:
    """An event the encoder refuses ends the segment where it is whole; the thread lives on and begins another."""
    engine = engine_of(RECIPE)
    tape = new_tape(tmp_path, engine, retry_s=0.01)
    writer = begun(tape)
    drive(engine, tape, history[:10])
    settle(tape)
    odd: Any = object()
    tape.record(history[10][0], (odd,), engine.step(*history[10]))
    until(lambda: tape._wants_segment)
    drive_calmly(engine, tape, history[11:])
    ended(writer)
    assert [replay(path).different for path in segments(tmp_path / "tape")] == ["", ""]
