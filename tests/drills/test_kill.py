"""kill -9 again and again over real sockets: nothing lost, doubled or forgotten (issue 3, "Must be seen" 2; I17). Two hundred: drill_kill.py."""

from pathlib import Path

import pytest

from tests.drills.kills import Plan, live

KILLS = 10


@pytest.mark.side_by_side
def test_killed_again_and_again(tmp_path: Path) -> None:
    """After each kill all that the venue knows is booked within 10 s and the rest is named on a red side; at the end the whole history is equal."""
    seen = live(tmp_path, Plan(kills=KILLS, seed=4, replies_lost=0.2, requests_lost=0, trading_s_max=1.5))
    assert not seen.violations, "\n".join([*seen.lines(), *seen.evidence])
    assert seen.verdicts_s and seen.trades and seen.struck.get("drop_after"), "\n".join(seen.lines())


@pytest.mark.side_by_side
def test_killed_with_lots(tmp_path: Path) -> None:
    """The maker-first trader: after each kill the same entry goes on under its number; at the end lots and dust are what all trades add up to."""
    plan = Plan(kills=2, seed=4, replies_lost=0.1, requests_lost=0, trading_s_min=1.5, trading_s_max=2.2, how_often=(0, 0, 1), with_lots=True)
    seen = live(tmp_path, plan)
    assert not seen.violations, "\n".join([*seen.lines(), *seen.evidence])
    assert seen.verdicts_s and seen.trades, "\n".join(seen.lines())
