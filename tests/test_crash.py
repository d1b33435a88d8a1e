"""A fault in the deciding half, in a real process: the person is told, and no order is left at the venue (I27)."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_bot import ROOT, settings

PLANTED = """
import sys
from core.engine import Engine
step = Engine.step
def broken(self, time_ns, events):
    if self.books is not None and sum(order.is_working for order in self.books.orders.open_ids.values()) >= 1:
        {fault}
    return step(self, time_ns, events)
Engine.step = broken
import bot
sys.exit(bot.main(sys.argv[1:]))
"""
DIES = "raise KeyError('planted')"
WAIT_S = 60.0
HANGS = """
        while True:
            pass
"""


def run(folder: Path, fault: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PLANTED.format(fault=fault), *settings(folder), "--ui", "plain", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False)


def is_swept(output: str) -> bool:
    """The stop canceled by the venue's list, and that shows nothing after it."""
    told = [line for line in output.splitlines() if "nobody decides any more" in line]
    return bool(told) and told[-1].endswith("none open by the venue's list")


@pytest.mark.side_by_side
def test_a_fault_in_the_engine_leaves_no_order(tmp_path: Path) -> None:
    """The trading thread dies with orders on the book: they are canceled, none is open by the venue's list, and exit 5: nothing is proven."""
    done = run(tmp_path, DIES)
    assert done.returncode == 5, done.stderr[-2000:]
    assert is_swept(done.stdout), done.stdout[-1500:]
    assert "clear with: python bot.py cancel-all" in done.stdout


@pytest.mark.side_by_side
def test_a_step_that_never_ends_leaves_no_order(tmp_path: Path) -> None:
    """A trading thread that hangs takes no stop: its orders are canceled all the same, within the five seconds, and the process ends with 5."""
    done = run(tmp_path, HANGS, "--run-for", "2")
    assert done.returncode == 5, done.stderr[-2000:]
    assert is_swept(done.stdout), done.stdout[-1500:]
