"""All threads on one core: which one, when it moves on, and that nothing is left behind."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from runtime import one_core
from runtime.one_core import OneCore, better_core, core_of, read_busy
from tests.timing import SOON_S

MANY = pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two cores to choose from")
STAT = """cpu  300 0 100 5000 50 0 10 40 7 0
cpu0 100 0 50 2500 25 0 5 20 7 0
cpu1 200 0 50 2500 25 0 5 20 0 0
intr 12345 0 9
"""


def places() -> set[frozenset[int]]:
    """Where the threads of this process may run; one may end while they are listed."""
    found = set()
    for thread in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):
            found.add(frozenset(os.sched_getaffinity(int(thread))))
    return found


def test_work_is_told_from_waiting() -> None:
    """A core's work is user, system, interrupts and stolen time; neither idle time nor waiting for a disk, and a guest's time once."""
    assert read_busy(STAT, 100) == {0: 1.75, 1: 2.75}


def test_the_core_is_read_behind_any_name() -> None:
    """The fields are counted behind the name, which may hold blanks and parentheses."""
    assert core_of("12 (a (strange) name) S " + " ".join(str(number) for number in range(4, 60))) == 39


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ({0: 0.0, 1: 0.0}, 0),
        ({0: 0.2, 1: 0.0}, 0),  # not crowded
        ({0: 0.9, 1: 0.1}, 1),
        ({0: 0.9, 1: 0.8}, 0),  # not better by enough: it would wander
        ({0: 0.6, 1: 0.5, 2: 0.1}, 2),
        ({1: 0.3, 2: 0.1}, 2),  # ours has gone
    ],
)
def test_a_crowded_core_is_left_for_a_clearly_better_one(others: dict[int, float], wanted: int) -> None:
    """The bot stays where it is unless others take a good part of that core and another one has clearly less to do."""
    assert better_core(0, others) == wanted


@MANY
def test_every_thread_is_moved_and_set_free_again() -> None:
    """From start to stop each thread, also one made later, is on that one core; after the stop each is where it might be before."""
    before, release = places(), threading.Event()
    early, late = (threading.Thread(target=release.wait, args=(SOON_S,), daemon=True) for _ in range(2))
    early.start()
    made = OneCore()
    made.start()
    try:
        late.start()
        assert made.core is not None
        assert places() == {frozenset({made.core})}
    finally:
        made.stop(time.monotonic() + SOON_S)
        release.set()
    assert places() == before
    assert made.core is None


@MANY
def test_it_moves_on_where_others_crowd_its_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other programs' work on our core, seen twice in a row, sends all threads to the free one."""
    monkeypatch.setattr(one_core, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(one_core, "STAT", tmp_path / "stat")
    made, allowed = OneCore(), os.sched_getaffinity(0)
    ticks = os.sysconf("SC_CLK_TCK")

    def machine(busy_s: float) -> None:
        """The core the bot is on has worked so long, no other core at all."""
        lines = [f"cpu{core} {int(busy_s * ticks) if core == made.core else 0} 0 0 0 0 0 0 0 0 0" for core in allowed]
        (tmp_path / "new").write_text("\n".join(lines))
        (tmp_path / "new").replace(tmp_path / "stat")

    (tmp_path / "stat").write_text("\n".join(f"cpu{core} 0 0 0 0 0 0 0 0 0 0" for core in allowed))
    made.start()
    try:
        first = made.core
        until_s = time.monotonic() + SOON_S
        while made.core == first and time.monotonic() < until_s:
            machine(time.monotonic())
            time.sleep(0.005)
        assert made.moves >= 1
        assert places() == {frozenset({made.core})}
    finally:
        made.stop(time.monotonic() + SOON_S)
    assert places() == {frozenset(allowed)}


def test_where_nothing_may_be_chosen_nothing_is_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without /proc the threads are left alone, and the stop has nothing to undo."""
    monkeypatch.setattr(one_core, "STAT", tmp_path / "none")
    before = places()
    made = OneCore()
    made.start()
    made.stop(time.monotonic() + SOON_S)
    assert (made.core, made.is_running, places()) == (None, False, before)
