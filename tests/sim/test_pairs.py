"""Worlds in which a second strategy wants pairs of which one cancels the other: stop orders wait, are triggered and take, and the oracle holds."""

from dataclasses import replace

import pytest

from core import pairing
from core.books import Books
from core.view import WantOco
from sim.setup import Setup
from sim.world import run_safely


@pytest.mark.parametrize("with_lists", [False, True])
@pytest.mark.parametrize("seed", [2, 4, 100])
def test_pairs_under_faults(seed: int, with_lists: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No fill lost or counted twice, no request above the funds, no place beside an undecided change (I2, I3, I6, I13), with many pairs placed."""
    placed: list[WantOco] = []
    place = pairing.place

    def counted(books: Books, want: WantOco) -> None:
        placed.append(want)
        place(books, want)

    monkeypatch.setattr(pairing, "place", counted)
    assert run_safely(replace(Setup.drawn(seed), with_pairs=True, with_lists=with_lists)).failures == ()
    assert len(placed) >= 5
