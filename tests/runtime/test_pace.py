"""The interpreter's settings while the bot trades, and when garbage is collected."""

import gc
import sys
import threading
import time
from collections.abc import Callable

import pytest

from runtime import pace
from runtime.pace import SWITCH_S, Pace
from tests.timing import SOON_S


def _garbage() -> list[list[int]]:
    """Enough new containers for a collection to be due; kept, so that they still count."""
    return [[number] for number in range(pace.DUE_OBJECTS + 1000)]


def test_settings_stand_while_it_runs_and_are_gone_after_its_stop() -> None:
    """From start to stop threads switch fast and nothing collects by itself; afterwards everything is as it was."""
    before = sys.getswitchinterval()
    made = Pace(lambda: True)
    made.start()
    try:
        assert (round(sys.getswitchinterval(), 6), gc.isenabled()) == (SWITCH_S, False)
        assert gc.get_freeze_count() > 1000
    finally:
        made.stop(time.monotonic() + SOON_S)
    assert (sys.getswitchinterval(), gc.isenabled(), gc.get_freeze_count()) == (before, True, 0)
    assert not made.is_running


def test_garbage_waits_for_an_idle_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """While events wait nothing is collected; the first idle moment does it."""
    monkeypatch.setattr(pace, "LOOK_EVERY_S", 0.002)
    asked, idle = threading.Event(), threading.Event()

    def is_idle() -> bool:
        asked.set()
        return idle.is_set()

    made = Pace(is_idle)
    made.start()
    try:
        kept = _garbage()
        assert asked.wait(SOON_S)
        assert made.collections == 0
        idle.set()
        _until(lambda: made.collections > 0)
        assert len(kept) > pace.DUE_OBJECTS
    finally:
        made.stop(time.monotonic() + SOON_S)


def test_a_busy_bot_collects_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that is never idle collects after the limit, so that its memory stays bounded."""
    monkeypatch.setattr(pace, "LOOK_EVERY_S", 0.002)
    monkeypatch.setattr(pace, "LATE_S_MAX", 0.02)
    made = Pace(lambda: False)
    made.start()
    try:
        kept = _garbage()
        _until(lambda: made.collections > 0)
        assert len(kept) > pace.DUE_OBJECTS
    finally:
        made.stop(time.monotonic() + SOON_S)


def _until(is_so: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < ends_s, "it never came"
        threading.Event().wait(0.002)
