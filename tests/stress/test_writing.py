"""Intents, recorder, tape: what was given before the stop is on the disk once, and never in another file."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, func, select

from core.engine import Step
from core.events import Boot, Outcome, Reply, Timer
from core.ports import NotSent
from runtime.worker import Worker
from sim.replay import engine_of
from state import recorder as recorder_module
from state import tape as tape_module
from state.intents import FillRecord, IntentRecord, Intents, read
from state.keeper import Keeper
from state.recorder import Recorder
from state.rows import Rows
from state.schema import execution_reports
from state.store import Store
from state.tape import Tape
from state.tape_file import Closed, Opened, Stepped, segments
from state.tape_file import read as read_tape
from tests.state.store_builders import AT_NS, BOOT, RUN, TAG, filled, place, reported
from tests.state.test_tape import RECIPE
from tests.timing import SOON_S


def together(calls: list[Callable[[], None]]) -> None:
    """Each on a thread of its own; none may hang."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
        assert not thread.is_alive()


def test_a_record_goes_into_the_intents_or_nowhere(tmp_path: Path) -> None:
    """Closed under late workers, every record is whole in the file or refused, and the file that gets the descriptor's number next stays empty."""
    refused_in_all = 0
    for seed in range(60):
        rng = random.Random(seed)
        intents = Intents(tmp_path / f"{seed}.log")
        intents.start()
        went: list[int] = []
        refused: list[int] = []
        closing, closed, first = threading.Event(), threading.Event(), rng.randint(0, 60)

        def work(
            worker: int, intents: Intents = intents, went: list[int] = went, refused: list[int] = refused, first: int = first,
            closing: threading.Event = closing, closed: threading.Event = closed, waits: bool = seed % 4 == 0,
        ) -> None:  # fmt: skip
            for number in range(worker * 1000, worker * 1000 + 30):
                if len(went) >= first:
                    closing.set()
                    assert not waits or worker or closed.wait(SOON_S)  # in some rounds one of them is surely late
                try:
                    intents.intent(place(number))
                    went.append(number)
                except NotSent:
                    refused.append(number)
                intents.result(Reply(command_id=number, outcome=Outcome.DONE))  # never raises

        others: list[int] = []

        def close(
            intents: Intents = intents, closing: threading.Event = closing, closed: threading.Event = closed, others: list[int] = others
        ) -> None:
            assert closing.wait(SOON_S)
            intents.stop(time.monotonic() + SOON_S)
            closed.set()
            others.extend(os.open(tmp_path / "another", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for _ in range(3))

        together([*(partial(work, worker) for worker in range(3)), close])
        for number in others:
            os.close(number)
        records = list(read(intents.path))
        assert sorted(one.command.command_id for one in records if isinstance(one, IntentRecord)) == sorted(went)
        assert len(went) + len(refused) == 90 and len(records) == intents.written and intents.written + intents.failed == 180
        assert (tmp_path / "another").stat().st_size == 0
        refused_in_all += len(refused)
    assert refused_in_all, "the file was never closed under a worker"


def test_the_recorder_writes_each_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the stop comes, each fill and report taken before it is once in the intents and once in the store, in groups."""
    monkeypatch.setattr(recorder_module, "POLL_S", 0.002)
    monkeypatch.setattr(recorder_module, "GROUP_EVERY_S", 0.002)
    for seed in range(6):
        rng, folder = random.Random(seed), tmp_path / str(seed)
        intents = Intents(folder / "intents.log")
        intents.start()
        intents.boot(Boot(boot=BOOT, tag=TAG, venue="paper", instance="7", rules=(), limits=()), AT_NS)
        keeper = Keeper(Store(folder / "store.db"), intents.path, lambda reason: None)
        keeper.open(RUN)
        groups: list[int] = []
        write = keeper.store.write

        def counting(rows: Rows, *keys: object, write: Callable[..., None] = write, groups: list[int] = groups) -> None:
            groups.append(len(rows))
            write(rows, *keys)

        monkeypatch.setattr(keeper.store, "write", counting)
        recorder = Recorder(intents, keeper)
        writer = Worker("recorder", recorder.run)
        writer.start()
        taken = 0
        for _ in range(rng.randint(1, 60)):
            many = rng.randint(1, 8)
            recorder.take([filled(taken + n) for n in range(many)], [reported(1, 50_000 + taken + n) for n in range(many)], AT_NS)
            taken += many
            time.sleep(rng.choice((0, 0, 0.001, 0.004)))
        writer.stop(time.monotonic() + SOON_S)
        assert not writer.is_running
        intents.stop(time.monotonic() + SOON_S)
        written = Counter(one.fill.trade_id for one in read(intents.path) if isinstance(one, FillRecord))
        assert written == Counter(range(taken)) and recorder.left_out == keeper.left_out == 0
        with create_engine(f"sqlite:///{folder / 'store.db'}").connect() as connection:
            assert connection.execute(select(func.count()).select_from(execution_reports)).scalar_one() == 2 * taken
        assert len(groups) < taken or taken < 10, "a transaction for each"


def test_the_tape_holds_what_was_recorded_before_the_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However close to the stop a step is recorded, it is on the tape, in order, before the tape's own last word."""
    monkeypatch.setattr(tape_module, "POLL_S", 0.001)
    step = Step(commands=(), notices=(), finished=False)
    for seed in range(150):
        rng = random.Random(seed)
        tape = Tape(tmp_path / str(seed), "boot01", engine_of(RECIPE), msgspec.msgpack.encode(RECIPE), 32 << 20, 512 << 20)
        tape.begin()
        writer = Worker("tape", tape.run)
        writer.start()
        count = rng.randint(0, 20)
        for number in range(1, count + 1):
            tape.record(number, (Timer(),), step)
            time.sleep(rng.choice((0, 0, 0.0005, 0.001)))
        writer.stop(time.monotonic() + SOON_S)
        assert not writer.is_running and tape.lost_steps == 0
        (path,) = segments(tmp_path / str(seed))
        records = list(read_tape(path))
        assert [record.time_ns for record in records if isinstance(record, Stepped)] == list(range(1, count + 1))
        assert isinstance(records[-1], Closed)


def test_the_last_step_comes_between_the_last_look_and_the_stop(tmp_path: Path) -> None:
    """A step that is recorded after the tape's thread found nothing and before it hears of the stop is on the tape."""
    stopping = threading.Event()

    class Late(Tape):
        def _taken(self, wait_s: float) -> Any:
            batch = super()._taken(wait_s)
            if not batch and not stopping.is_set():
                self.record(7, (Timer(),), Step(commands=(), notices=(), finished=False))
                stopping.set()
            return batch

    tape = Late(tmp_path, "boot01", engine_of(RECIPE), msgspec.msgpack.encode(RECIPE), 32 << 20, 512 << 20)
    tape.begin()
    tape.run(stopping)
    (path,) = segments(tmp_path)
    assert [record.time_ns for record in read_tape(path) if isinstance(record, Stepped)] == [7]


def test_the_last_fill_comes_between_the_last_look_and_the_stop(tmp_path: Path) -> None:
    """A fill that is taken after the recorder found nothing and before it hears of the stop is in the intents."""
    stopping = threading.Event()

    class Late(Recorder):
        def _gather(self, wait_s: float) -> Any:
            group = super()._gather(wait_s)
            if not group and not stopping.is_set():
                self.take([filled(7)])
                stopping.set()
            return group

    intents = Intents(tmp_path / "intents.log")
    intents.start()
    Late(intents).run(stopping)
    intents.stop(time.monotonic() + SOON_S)
    assert [one.fill.trade_id for one in read(intents.path) if isinstance(one, FillRecord)] == [7]


def test_a_segment_that_cannot_begin_keeps_the_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk takes nothing, segments are tried in vain; the one that stands at last tells every step that is on no tape."""
    real, full = os.write, threading.Event()

    def write(file: int, data: bytes) -> int:
        if full.is_set():
            raise OSError(28, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(tape_module, "POLL_S", 0.001)
    tape = Tape(tmp_path / "tape", "boot01", engine_of(RECIPE), msgspec.msgpack.encode(RECIPE), 32 << 20, 512 << 20, retry_s=0.01)
    tape.begin()
    writer = Worker("tape", tape.run)
    writer.start()
    step, number = Step(commands=(), notices=(), finished=False), 0

    def drive(until: Callable[[], bool]) -> None:
        nonlocal number
        ends_s = time.monotonic() + SOON_S
        while not until():
            assert time.monotonic() < ends_s
            number += 1
            tape.record(number, (Timer(),), step)
            time.sleep(0.002)

    drive(lambda: tape.steps >= 5)
    full.set()
    drive(lambda: tape._failures >= 3)
    full.clear()
    drive(lambda: tape.steps >= 20)
    writer.stop(time.monotonic() + SOON_S)
    written, told = 0, 0
    for path in segments(tmp_path / "tape"):
        if path.stat().st_size:
            records = list(read_tape(path))
            written += sum(isinstance(record, Stepped) for record in records)
            told += sum(record.lost_steps for record in records if isinstance(record, Opened))
    assert written + told == number
