"""Signals ask for a stop; only an impatient person's second one ends the process at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.stopping import Stopper
from tests.timing import SOON_S

HOUSE = Path(__file__).resolve().parents[2]
TWICE = """
import os, signal, time
from runtime.stopping import Stopper
stopper = Stopper()
stopper.listen()
stopper.started()
for number in (signal.SIGTERM, signal.SIGINT):
    os.kill(os.getpid(), number)
    time.sleep(0.05)
"""


@pytest.fixture
def stopper() -> Iterator[Stopper]:
    made = Stopper()
    yield made
    made.unlisten()


def test_a_closed_terminal_asks_for_a_stop(stopper: Stopper) -> None:
    """SIGHUP is a stop with cancels and proof, also where kernel and shell both send it."""
    stopper.listen()
    stopper.started()
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGHUP)
    assert stopper.asked.wait(SOON_S) and "SIGHUP" in stopper.reason


def test_nohup_is_respected(stopper: Stopper) -> None:
    """Where SIGHUP is ignored already it stays so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stopper.listen()
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stopper.asked.is_set()
        stopper.unlisten()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_ctrl_z_suspends_nothing(stopper: Stopper) -> None:
    """A suspended bot would leave its orders alone at the venue: the signal is counted, for a line, and the process runs on."""
    stopper.listen()
    os.kill(os.getpid(), signal.SIGTSTP)
    assert stopper.suspends == 1 and not stopper.asked.is_set()
    stopper.unlisten()
    assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL


@pytest.mark.parametrize("how", ["read", "full", "closed"])
def test_the_second_one_ends_at_once_and_says_what_may_be_left(how: str) -> None:
    """Exit 5 with one line that names the command; a stderr that is full or closed holds nothing up."""
    reader, writer = os.pipe()
    if how == "full":
        os.set_blocking(writer, False)
        while True:
            try:
                os.write(writer, b"x" * 4096)
            except BlockingIOError:
                break
        os.set_blocking(writer, True)
    shell = f'exec {sys.executable} -c "$SCRIPT"' + (" 2>&-" if how == "closed" else "")
    environ = {**os.environ, "SCRIPT": TWICE, "PYTHONPATH": str(HOUSE)}
    done = subprocess.run(["sh", "-c", shell], stderr=writer, env=environ, timeout=2 * SOON_S, check=False)
    os.close(writer)
    said = b"" if how == "full" else os.read(reader, 4096)
    os.close(reader)
    assert done.returncode == 5
    assert how != "read" or b"python bot.py cancel-all" in said
