"""I16, from every checkpoint to the end of its run: a live paper run of bot.py, a run on the recorded market, and worlds with faults and crashes.

The command of docs/tape.md: `python -m pytest tests/sim/test_replay_every_checkpoint.py`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sim.director import CRASHES
from sim.faults import Kind
from sim.replay import Verdict, paths_of, verdicts
from sim.setup import Setup
from sim.taped import TapedWorld, write
from state.tape_file import SUFFIX, Opened, Stepped, framed, read

ROOT = Path(__file__).resolve().parents[2]
DATA = (os.environ.get("GREENLIGHT_DATA") or ROOT.parent / "shared" / "data", "/work/shared/data")
RECORDED = tuple(Path(folder) / "binance_spot_l2" / "btcusdt_20240808.gz" for folder in DATA)
SEEDS = (2, 3)
WITH_CRASHES = (*CRASHES, Kind.USER_DOWN, Kind.PLACE_REPLY_LOST, Kind.CANCEL_LOST, Kind.MARKET_GAP, Kind.FILL_MISSING)
RUN_S_MAX, POLL_S, SEGMENTS = 45, 0.1, 2


def begun(folder: Path, *settings: str) -> "subprocess.Popen[str]":
    """bot.py on a market at many times its pace, so that segments of 1 MB are filled soon."""
    fixed = (f"state.dir={folder / 'state'}", f"log.dir={folder / 'logs'}", "tape.segment_mb_max=1", *settings)
    command = [sys.executable, str(ROOT / "bot.py"), "--config", str(ROOT / "config.yaml"), "--run-for", str(RUN_S_MAX), "--json"]
    for setting in fixed:
        command += ["--set", setting]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tapes of two runs side by side: on the synthetic market with three symbols, and on the recording where there is one."""
    recorded = next((path for path in RECORDED if path.exists()), None)
    folders = {"synthetic": tmp_path_factory.mktemp("synthetic"), "recorded": tmp_path_factory.mktemp("recorded")}
    runs = {"synthetic": begun(folders["synthetic"], "paper.speed=60", "symbols=[BTCUSDT, ETHUSDT, SOLUSDT]")}
    if recorded is not None:
        runs["recorded"] = begun(folders["recorded"], "paper.speed=80", f"paper.market=[{recorded}]")
    try:
        until_s = time.monotonic() + RUN_S_MAX
        for name, process in runs.items():
            while time.monotonic() < until_s and process.poll() is None and len(written(folders[name])) < SEGMENTS:
                time.sleep(POLL_S)
            process.send_signal(signal.SIGINT)
        for name, process in runs.items():
            told, _ = process.communicate(timeout=60)
            assert process.returncode == 0 and json.loads(told)["orders_placed"] > 0, name
    finally:
        for process in runs.values():
            process.kill()
    return {name: folders[name] / "state" / "tape" for name in runs}


def written(folder: Path) -> list[Path]:
    return list((folder / "state" / "tape").glob(f"*{SUFFIX}"))


def judged(tape: Path) -> list[Verdict]:
    """Every segment's verdict, from its checkpoint through all that follow in its run; each checkpoint on the way must be equal too."""
    paths = paths_of(tape)
    found = list(verdicts(paths, through=True))
    assert [verdict.different for verdict in found] == [""] * len(paths)
    steps = {path: sum(isinstance(record, Stepped) for record in read(path)) for path in paths}
    boots = {path: opened.boot for path in paths if isinstance(opened := next(read(path)), Opened)}
    for at, (path, verdict) in enumerate(zip(paths, found, strict=True)):
        rest = [later for later in paths[at:] if boots[later] == boots[path]]
        assert (verdict.checkpoints, verdict.steps) == (len(rest), sum(steps[later] for later in rest)), path.name
    ends: dict[str, set[str]] = {}
    for verdict in found:
        ends.setdefault(verdict.boot, set()).add(verdict.state_hash)
    assert all(len(hashes) == 1 for hashes in ends.values()), "every checkpoint of a run leads to the same end"
    return found


def test_a_paper_run_of_bot_py(tapes: dict[str, Path]) -> None:
    """A live run over sockets and threads, three symbols: the same commands and the same end from each of its checkpoints."""
    found = judged(tapes["synthetic"])
    assert len(found) >= 2 and found[0].checkpoints == len(found)
    assert found[0].ended == "its end" and found[0].commands > 20


def test_a_run_on_the_recording(tapes: dict[str, Path]) -> None:
    """The recorded BTCUSDT market at 80 times its pace: the same from each of its checkpoints."""
    if "recorded" not in tapes:
        pytest.skip(f"no recording at {RECORDED[0]}")
    found = judged(tapes["recorded"])
    assert len(found) >= 2 and found[0].checkpoints == len(found)
    assert found[0].ended == "its end" and found[0].commands > 10


def test_worlds_with_faults_and_crashes(tmp_path: Path) -> None:
    """Simulated worlds, crashes included: each boot is replayed from each of its checkpoints to its last step."""
    for seed in SEEDS:
        world = TapedWorld(replace(Setup.drawn(seed), allowed=WITH_CRASHES))
        assert world.run().failures == ()
        write(world, tmp_path)
    found = judged(tmp_path)
    assert len(found) > 6 and max(verdict.checkpoints for verdict in found) >= 3
    assert len({verdict.boot for verdict in found}) > len(SEEDS), "some of them crashed"


def test_a_difference_after_the_next_checkpoint_is_found(tmp_path: Path) -> None:
    """It can fail: a command changed in the last segment is noticed from each checkpoint before it, and a segment that is missing ends the way."""
    world = TapedWorld(replace(Setup.drawn(SEEDS[1]), with_faults=False))  # one boot: a segment is replayed into the next one of its boot
    world.run()
    paths = write(world, tmp_path)
    assert len(paths) > 2
    last = [*read(paths[-1])]
    at = next(at for at, record in enumerate(last) if isinstance(record, Stepped) and record.commands)
    last[at] = Stepped(time_ns=last[at].time_ns, events=last[at].events, commands=1, digest="0" * 16)  # type: ignore[union-attr]
    (tmp_path / f"s{SEEDS[1]}-{len(paths):05d}{SUFFIX}").write_bytes(b"".join(map(framed, last)))
    assert all("commands" in verdict.different for verdict in verdicts(paths, through=True))
    whole = paths[:1] + paths[2:]
    skipping = next(iter(verdicts(whole, through=True)))
    assert "the next checkpoint" in skipping.different
