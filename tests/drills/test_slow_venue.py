"""A slow venue does not make a slow bot (issue 2, "Must be seen" 3; DESIGN 11, I21)."""

from pathlib import Path

import pytest

from tests.drills.slow import slow_venue

SECONDS = 8.0  # four times what an answer takes, and what a silent connection is allowed


def test_pings_are_answered_while_rest_sleeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """REST answers after 2 s: no disconnect, pongs under 100 ms and steps under 20 ms beyond a control thread, orders come and go (field case 40)."""
    seen = slow_venue(tmp_path, SECONDS, from_start=False)
    with capsys.disabled():
        print("\n" + "\n".join(seen.lines()))
    assert seen.disconnects == 0
    assert seen.pings >= 2 * (SECONDS - 2), "two connections, one ping each per second"
    assert seen.pongs >= seen.pings - 2, "at most the last ping of each connection is on its way"
    assert seen.pong_beyond_ms < 100
    assert seen.step_beyond_ms < 20
    assert seen.placed > 0
    assert seen.canceled > 0
