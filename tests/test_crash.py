"""A fault in the deciding half, in a real process: the person is told, and no order is left at the venue (I27)."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_bot import ROOT, WAIT_S, settings

CRASHING = """
import sys
from core.engine import Engine
step = Engine.step
def broken(self, time_ns, events):
    if self.books is not None and sum(order.is_working for order in self.books.orders.open_ids.values()) >= 3:
        raise KeyError("planted")
    return step(self, time_ns, events)
Engine.step = broken
import bot
sys.exit(bot.main(sys.argv[1:]))
"""


@pytest.mark.side_by_side
def test_a_fault_in_the_engine_leaves_no_order(tmp_path: Path) -> None:
    """The trading thread dies with orders on the book: they are canceled, none is open by the venue's list, and exit 5: nothing is proven."""
    command = [sys.executable, "-c", CRASHING, *settings(tmp_path), "--ui", "plain"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 5, done.stderr[-2000:]
    told = next(line for line in done.stdout.splitlines() if "nobody decides any more" in line)
    assert int(told.partition("any more: ")[2].split()[0]) >= 1, "three stood; one or two may have filled meanwhile"
    assert told.endswith("none open by the venue's list")
    assert "clear with: python bot.py cancel-all" in done.stdout.splitlines()[-1]
