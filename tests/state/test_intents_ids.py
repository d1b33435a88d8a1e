"""What the intents tell of an order's venue id where the answer to its place never came."""

from pathlib import Path

import pytest

from state.intents import Intents
from state.ledger import recover
from tests.state.test_intents import HERE, boot, cancel, fill, place


@pytest.fixture
def intents(tmp_path: Path) -> Intents:
    made = Intents(tmp_path / "intents.log")
    made.start()
    made.boot(boot(), 1)
    return made


def test_a_fill_tells_the_venue_id_of_its_place(intents: Intents) -> None:
    """The answer to a place was lost, a fill written before the kill: the next start asks by the venue's id, which no rename hides (seed 2286)."""
    intents.intent(place(1))
    intents.fill(fill(9))
    recovery = recover(intents.path, HERE)
    (left,) = recovery.undecided
    assert left.venue_order_id == 5
    assert ("BTCUSDT", 5) not in recovery.attributed


def test_a_cancel_tells_the_venue_id_of_its_place(intents: Intents) -> None:
    """The answer to a place was lost, a cancel was written with the id a report told: the next start asks by that id (seed 6966)."""
    intents.intent(place(1))
    intents.intent(cancel(2))
    (left,) = recover(intents.path, HERE).undecided
    assert left.venue_order_id == 5
