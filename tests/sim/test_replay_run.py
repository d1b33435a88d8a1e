"""I16 over real threads and sockets: runs of bot.py on the paper exchange, one of them killed, replay equal."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim.replay import replay
from state.tape_file import Opened, read, segments

ROOT = Path(__file__).resolve().parents[2]
RUN_S = 4
WAIT_S = 30.0


def command(folder: Path, *more: str) -> list[str]:
    settings = ["--config", str(ROOT / "config.yaml"), "--set", f"state.dir={folder / 'state'}", "--set", f"log.dir={folder / 'logs'}"]
    return [sys.executable, str(ROOT / "bot.py"), *settings, *more]


@pytest.mark.side_by_side
def test_a_run_replays_equal(tmp_path: Path) -> None:
    """A whole run, stop and proof included, gives the same commands and the same final state; the verb prints it; a killed run replays to its end."""
    done = subprocess.run(command(tmp_path, "--run-for", str(RUN_S), "--json"), cwd=ROOT, capture_output=True, text=True, timeout=180, check=True)
    (path,) = segments(tmp_path / "state" / "tape")
    verdict = replay(path)
    assert verdict.different == "" and verdict.ended == "its end"
    assert verdict.hashes >= 3, "the checkpoint, the first step, the proven stop"
    assert verdict.commands >= json.loads(done.stdout)["orders_placed"] + json.loads(done.stdout)["orders_canceled"] > 0
    told = subprocess.run(command(tmp_path, "tape", str(path)), cwd=ROOT, capture_output=True, text=True, timeout=180, check=True).stdout
    assert told.count(" step ") == verdict.steps and "StopRequested" in told and "ExecutionReport" in told
    intents = subprocess.run(command(tmp_path, "tape", str(tmp_path / "state" / "intents.log")), cwd=ROOT, capture_output=True, text=True, check=True)
    assert "intent 3: place BTCUSDT" in intents.stdout
    _killed(tmp_path)


def _killed(folder: Path) -> None:
    """kill -9 a moment after the first order; what was written by then replays equal, and so does the run after it."""
    before = len(segments(folder / "state" / "tape"))
    process = subprocess.Popen(command(folder, "--ui", "plain"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    until_s = time.monotonic() + WAIT_S
    for line in process.stdout:
        if "PLACE" in line or time.monotonic() > until_s:
            break
    time.sleep(1.0)  # some more steps
    os.kill(process.pid, signal.SIGKILL)
    process.wait(WAIT_S)
    process.stdout.close()
    killed = segments(folder / "state" / "tape")[before]
    verdict = replay(killed)
    assert verdict.different == "" and verdict.commands > 0 and verdict.ended == "the last whole record"
    subprocess.run(command(folder, "--run-for", "2"), cwd=ROOT, capture_output=True, timeout=180, check=True)
    paths = segments(folder / "state" / "tape")
    assert len(paths) == before + 2
    assert replay(paths[-1]).different == ""
    boots = [next(read(path)) for path in paths]
    assert len({boot.boot for boot in boots if isinstance(boot, Opened)}) == len(paths)
