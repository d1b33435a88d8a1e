"""Three starts in one clone, the second killed (issue 2, "Must be seen" 1)."""

from pathlib import Path

import pytest

from tests.drills.restarts import three_starts


@pytest.mark.side_by_side
def test_three_starts_the_second_killed(tmp_path: Path) -> None:
    """Each proof equal, no fill lost or doubled over the three, no order left, first FILL within 10 s (hummingbot #2642, #2955, nautilus #5000)."""
    seen = three_starts(tmp_path, 2.5, 0.3, "--set", "paper.speed=3")
    assert not seen.wrong, "\n".join([*seen.summary(), *seen.lines[-40:]])
