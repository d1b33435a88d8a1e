"""Slow disk, slow venue and a stopped reader at once freeze nothing (issue 5, "Must be seen" 5)."""

from pathlib import Path

import pytest

from tests.drills.freeze import freeze
from tests.drills.harness import LONG
from trading.chase import task_of

SECONDS = 60.0 if LONG else 8.0
PAUSE_MS_MAX = 1000


def test_pipelines_keep_their_heartbeats_and_every_id_is_on_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Entries of both sides and exits run on without a pause of a second; every order id at the venue is on disk with its task; lots equal trades."""
    seen = freeze(tmp_path, SECONDS)
    with capsys.disabled():
        print("\n" + "\n".join(seen.lines()))
    assert set(seen.pauses_ms) == {"exits", "BUY entries", "SELL entries"}
    assert max(seen.pauses_ms.values()) - seen.control_ms < PAUSE_MS_MAX
    assert [name for name in seen.at_venue if name not in seen.on_disk] == []
    assert all(task_of(seen.on_disk[name]) is not None for name in seen.at_venue)
    assert seen.reprices > 0
    assert seen.held == seen.traded
    assert seen.proven
