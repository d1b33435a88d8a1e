"""A side that may quote and does not is told, once, with its reason."""

import msgspec

from core.snapshot import Snapshot
from core.types import Side
from runtime.idle import Idle
from tests.runtime.test_summary import side, snapshot


def seen(colour: str, why: str) -> Snapshot:
    return snapshot(sides=(msgspec.structs.replace(side("BTCUSDT", Side.BUY, colour=colour), no_quote_because=why),), symbols=())


def test_a_green_side_without_a_quote_is_told_once_each_time() -> None:
    """After 5 s, with the reason; not again while it lasts, again after it quoted; red and amber have their own line."""
    idle, below = Idle(), seen("green", "below the venue's minimum order")
    assert [idle.judge(below, now_s) for now_s in (0.0, 4.9)] == [[], []]
    assert idle.judge(below, 5.0) == [("BTCUSDT", "BUY  green for 5 s and no quote: below the venue's minimum order")]
    assert [idle.judge(below, now_s) for now_s in (5.1, 500.0)] == [[], []]
    assert idle.judge(seen("green", ""), 501.0) == [] and idle.judge(below, 502.0) == []
    assert len(idle.judge(below, 507.0)) == 1
    assert idle.judge(seen("red", "stream down"), 508.0) == [] and idle.judge(seen("red", "stream down"), 600.0) == []
