"""I16: replay from any checkpoint to the last whole record, or to a gap, gives the same state hash and the same commands."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from core import checkpoint
from core.events import BookTicker, ExecutionReport
from sim.replay import EXIT_DIFFERENT, EXIT_EQUAL, EXIT_UNREADABLE, Replay, main, replay
from sim.setup import Setup
from sim.taped import SEGMENT_STEPS, TapedWorld, write
from state.tape_file import Checked, Gap, Opened, Piece, Ready, Record, Stepped, TapeCorrupt, framed, read

SEEDS = (0, 7, 40)
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import hashlib
from sim.replay import Replay
from sim.setup import Setup
from sim.taped import TapedWorld
from state.tape_file import framed
world = TapedWorld(Setup.drawn(7))
world.run()
for records in world.segments:
    print(hashlib.sha256(b"".join(map(framed, records))).hexdigest(), Replay("x").run(records).words())
"""


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest) -> TapedWorld:
    """A whole world with faults, crashes included, and the tape of each boot."""
    taped = TapedWorld(Setup.drawn(request.param))
    assert taped.run().failures == ()
    return taped


@pytest.fixture(scope="module")
def one() -> TapedWorld:
    taped = TapedWorld(Setup.drawn(SEEDS[0]))
    taped.run()
    return taped


def steps_of(records: Sequence[Record]) -> list[Stepped]:
    return [record for record in records if isinstance(record, Stepped)]


def test_every_segment_replays_equal(world: TapedWorld) -> None:
    """From the first checkpoint of a boot and from each one in its middle: every digest of commands and every hash of the state is the same."""
    assert len(world.segments) > 2
    for number, records in enumerate(world.segments, 1):
        verdict = Replay(str(number)).run(records)
        assert verdict.different == ""
        assert verdict.steps == len(steps_of(records))
        assert verdict.hashes == 1 + sum(isinstance(record, Checked) for record in records)
    assert sum(len(steps_of(records)) for records in world.segments) == world.steps


def test_one_way_through(world: TapedWorld) -> None:
    """The first checkpoint of a boot leads, step by step, to the states that its later segments begin with."""
    through, compared = Replay(""), 0
    for records in world.segments:
        alone = Replay("")
        alone.run(record for record in records if isinstance(record, Opened | Piece | Ready))
        assert alone.engine is not None
        if alone.engine.books is None:  # a new boot
            through = Replay("")
            through.run(records)
        else:
            assert through.engine is not None
            assert checkpoint.hash_of(through.engine) == checkpoint.hash_of(alone.engine)
            compared += 1
            through.run(record for record in records if isinstance(record, Stepped | Checked))
    assert compared and through.engine is not None
    assert checkpoint.hash_of(through.engine) == checkpoint.hash_of(world.engine)


def test_a_tape_file_is_the_same(one: TapedWorld, tmp_path: Path) -> None:
    """Written and read again nothing is lost: records, events with their decimals, verdicts."""
    for path, records in zip(write(one, tmp_path), one.segments, strict=True):
        assert list(read(path)) == records
        assert replay(path).words() == Replay(path.name).run(records).words()


def test_hash_seed_does_not_matter() -> None:
    """Two processes with different hash seeds write the same bytes and replay them to the same hash."""
    outputs = []
    for hash_seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120, check=True)
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count("equal") > 2


# -- it can fail ---------------------------------------------------------------------------------
def test_a_lost_event_is_noticed(one: TapedWorld) -> None:
    """A tape without one execution report is different, and says at which step at the latest."""
    records = next(records for records in one.segments if any(_has_report(record) for record in records))
    at = next(at for at, record in enumerate(records) if _has_report(record))
    step = records[at]
    assert isinstance(step, Stepped)
    changed = msgspec.structs.replace(step, events=tuple(event for event in step.events if not isinstance(event, ExecutionReport)))
    verdict = Replay("").run([*records[:at], changed, *records[at + 1 :]])
    assert verdict.different.startswith("step ")
    assert verdict.steps <= sum(isinstance(record, Stepped) for record in records[: at + 1]) + 10


def _has_report(record: Record) -> bool:
    return isinstance(record, Stepped) and any(isinstance(event, ExecutionReport) for event in record.events)


def test_other_commands_are_noticed(one: TapedWorld) -> None:
    """A step whose commands had another digest is the first difference."""
    records = list(one.segments[0])
    at = next(at for at, record in enumerate(records) if isinstance(record, Stepped) and record.commands)
    step = records[at]
    assert isinstance(step, Stepped)
    records[at] = msgspec.structs.replace(step, digest="0" * 16)
    assert "commands" in Replay("").run(records).different


def test_a_changed_checkpoint_is_noticed(one: TapedWorld) -> None:
    """A checkpoint that does not match its hash is different before the first step."""
    records = next(list(records) for records in one.segments if any(_is_placed(record) for record in records))
    at = next(at for at, record in enumerate(records) if _is_placed(record))
    records[at] = Piece(name="books.placed", data=msgspec.msgpack.encode(999))
    assert Replay("").run(records).different.startswith("step 0")


def _is_placed(record: Record) -> bool:
    return isinstance(record, Piece) and record.name == "books.placed"


def test_replay_ends_at_a_gap(one: TapedWorld) -> None:
    """What follows a gap is not replayed, and the verdict says where it ended."""
    records = list(one.segments[0])
    middle = len(records) - SEGMENT_STEPS // 2
    before = len(steps_of(records[:middle]))
    verdict = Replay("").run([*records[:middle], Gap(why="the recorder was 8000 steps behind"), *records[middle + 5 :]])
    assert verdict.different == "" and verdict.steps == before
    assert "gap" in verdict.ended


def test_a_step_that_raised(one: TapedWorld) -> None:
    """A step that ended the run in an exception is replayed to the same exception; one that raises nothing is different."""
    records = list(one.segments[0])
    at = next(at for at, record in enumerate(records) if isinstance(record, Stepped))
    ticker = BookTicker(
        symbol="NOSUCH", update_id=1, bid_price=1, bid_quantity=1, ask_price=1, ask_quantity=1, received_ns=0  # type: ignore[arg-type]
    )
    broken = Stepped(time_ns=records[at].time_ns + 1, events=(ticker,), commands=0, digest="", fault="KeyError: 'NOSUCH'")  # type: ignore[union-attr]
    assert Replay("").run([*records[: at + 1], broken]).different == ""
    assert "KeyError" in Replay("").run([*records[: at + 1], broken]).ended
    unexplained = msgspec.structs.replace(broken, fault="")
    assert "raised KeyError" in Replay("").run([*records[: at + 1], unexplained]).different
    harmless = msgspec.structs.replace(broken, events=())
    assert "raised nothing" in Replay("").run([*records[: at + 1], harmless]).different


def test_exit_codes(one: TapedWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0: every segment equal; 1: one differs; 2: no tape, or of another version."""
    paths = write(one, tmp_path / "tape")
    assert main([str(tmp_path / "tape")]) == EXIT_EQUAL
    assert capsys.readouterr().out.count("equal") == len(paths)
    assert main([str(tmp_path)]) == EXIT_UNREADABLE
    (tmp_path / "x.tape").write_bytes(os.urandom(2000))
    assert main([str(tmp_path / "x.tape")]) == EXIT_UNREADABLE
    changed = [msgspec.structs.replace(record, digest="no") if isinstance(record, Stepped) else record for record in one.segments[0]]
    (tmp_path / "y.tape").write_bytes(b"".join(framed(record) for record in changed))
    assert main([str(tmp_path / "y.tape"), "--json"]) == EXIT_DIFFERENT


def test_another_version_is_refused(one: TapedWorld) -> None:
    """A tape of another version, one without its beginning, and foreign settings are refused in words."""
    first = one.segments[0][0]
    assert isinstance(first, Opened)
    for wrong in (msgspec.structs.replace(first, version=99), msgspec.structs.replace(first, settings=b"\xa1x")):
        with pytest.raises(TapeCorrupt, match="version"):
            Replay("").run([wrong, *one.segments[0][1:]])
    with pytest.raises(TapeCorrupt):
        Replay("").run(one.segments[0][1:])
