"""Ctrl-C at any moment, and runs that end by themselves (issue 2, "Must be seen" 5; DESIGN 7, I27)."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from tests.drills.stops import Moment, cycles, interrupt

FIRST_BAND = Decimal("0.01")  # of config.yaml: a round trip is this much bought and sold
MOMENTS = (Moment("silent", 0.5), Moment("trading", 0.0), Moment("starting", 0.3), Moment("starting", 1.1), Moment("trading", 1.7))


def test_interrupt_of_the_process_group() -> None:
    """Gone in under 5 s whatever the moment; exit 0 only with proof, 130 while starting, 5 when the venue is silent; nothing is left behind."""
    with ThreadPoolExecutor(2) as pool:
        stops = list(pool.map(interrupt, MOMENTS))
    wrong = [stop.line() for stop in stops if stop.wrong]
    assert not wrong, "\n".join(wrong)
    silent = stops[0]
    assert silent.proof_equal is False, "a silent venue proves nothing"
    assert "cancel-all" in silent.last_line, "the last line names the command that clears what is undecided"


@pytest.mark.side_by_side
def test_cycles_end_by_themselves() -> None:
    """`--cycles 1` is one complete buy-and-sell round trip, then the normal stop with proof."""
    code, _, result, refusals = cycles(1, "--set", "paper.speed=3")
    assert code == 0
    assert result["proof"]["equal"] is True
    sides = [(fill["side"], Decimal(fill["quantity"])) for fill in result["books"]["fills"]]
    assert all(sum(quantity for side, quantity in sides if side == each) >= FIRST_BAND for each in ("BUY", "SELL"))
    assert refusals == [], "no refusal in a clean run (hummingbot #2416)"
