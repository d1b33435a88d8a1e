"""sim.recorded and benchmarks.queue_worth: the bot over a recording in virtual time, and what a kept queue place is worth there."""

from decimal import Decimal

import pytest

from benchmarks.queue_worth import Course, Run, once
from tests.paper.test_recording import depth, snapshot, trade, write

SECONDS = 13
SETTINGS = (
    "inventory.target=1",
    "inventory.cap=0.5",
    "paper.balances={USDT: 1000, BTC: 1}",
    "quoting.reference=touch",
    "quoting.bid_bands=[{min: 0, target: 0, max: 1, quantity: 0.4, unit: ticks}]",
    "quoting.ask_bands=[{min: 0, target: 0, max: 1, quantity: 0.4, unit: ticks}]",
    "quoting.skew_bps_max=0",
    "quoting.min_edge_bps=0",
)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """2 BTC on the best bid; a tenth is sold into it every half second, and comes back behind us. 0.3 BTC arrives from outside after six seconds."""
    lines: list[tuple[int, dict[str, object] | str]] = [(0, depth(1, 1, [], [])), (10, snapshot(1))]
    for number in range(2 * SECONDS):
        at_ms = 200 + 500 * number
        lines.append((at_ms, trade("100.00", "0.10000", buyer_is_maker=True, time_ms=at_ms)))
        lines.append((at_ms + 50, depth(number + 2, number + 2, [["100.00", "2.00000"]], [], at_ms)))
    path = write(tmp_path_factory.mktemp("recorded") / "btc.gz", lines)
    return Course((path,), SECONDS, Decimal(0), Decimal("0.3"), 6, SETTINGS)


def run(policy: str, course: Course) -> Run:
    made = once(policy, 1, course)
    assert made.failures == ()
    return made


def test_a_kept_place_is_filled_and_a_lost_one_is_not(course: Course) -> None:
    """The order that was shrunk in place stands where it stood; canceled and placed anew it waits behind what came after it."""
    kept, lost = run("amend", course), run("cancel+place", course)
    assert kept.kept > 0 and lost.kept == 0
    assert kept.quantity > lost.quantity, (kept, lost)


def test_the_same_recording_and_seed_give_the_same_run(course: Course) -> None:
    """Else the two policies could not be compared."""
    assert run("amend", course) == run("amend", course)
