"""Planted one-line bugs must each be caught: a simulator that finds nothing proves nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sim.faults import Kind
from sim.setup import Setup
from sim.world import World
from tests.sim.mutations import ALL

SEEDS_MAX = 40
PLACES = (Kind.PLACE_LOST, Kind.PLACE_REPLY_LOST, Kind.PLACE_LATE, Kind.PLACE_FILLED, Kind.ERROR_5XX_DONE)
CANCELS = (Kind.CANCEL_LOST, Kind.CANCEL_REPLY_LOST, Kind.CANCEL_LATE, Kind.CANCEL_FILLED)
# Per bug: the faults that provoke it, and the invariant that must speak.
SHOWN: dict[str, tuple[tuple[Kind, ...], str]] = {
    "no_resolver": (PLACES, "I7"),
    "timeout_is_reject": (PLACES, "I5"),
    "no_dedupe": ((Kind.USER_TWICE, Kind.USER_DOWN, Kind.PLACE_FILLED, Kind.CANCEL_FILLED), "I3"),
    "no_finally": (PLACES, "I8"),
    "unknown_cancel_is_canceled": ((*CANCELS, Kind.FILL_MISSING, Kind.USER_SILENT), "I5"),
    "lost_cancel_is_forgotten": ((Kind.CANCEL_LATE,), "I6"),
    "not_found_at_once": (PLACES, "I5"),
    "no_resync": ((Kind.USER_DOWN, Kind.USER_GAP), "I23"),
    "no_ban": ((Kind.BAN_429, Kind.BAN_418), "I26"),
    "no_reservation": (CANCELS, "I13"),
    "ids_without_symbol": (PLACES, "I5"),
    "no_shortfall": ((Kind.FILL_MISSING,), "I4"),
    "not_post_only": (CANCELS, "I12"),
    "no_slot_check": (PLACES, "I9"),
    "gap_unnoticed": ((Kind.MARKET_GAP,), "I24"),
    "silence_unnoticed": ((Kind.MARKET_SILENT, Kind.STRANGER_CANCEL), "I22"),
    "unlisted_is_canceled": ((Kind.USER_DOWN, Kind.USER_GAP, *PLACES), "I5"),
    "stop_forgets_pending": ((Kind.PLACE_LATE,), "STOP"),
    "place_again": (PLACES, "I11"),
}


def failures_of(seed: int, allowed: tuple[Kind, ...]) -> list[str]:
    """What the oracle says of one world with only these faults; an exception counts as a failure without a number."""
    setup = replace(Setup.drawn(seed), allowed=allowed, stops_in_trouble=seed % 2 == 1)
    world = World(setup)
    try:
        return list(world.run().failures)
    except Exception as error:
        return [*world.oracle.failures, f"RAISED {error}"]


@pytest.mark.parametrize("plant", ALL, ids=lambda plant: str(plant.__name__))
def test_planted_bug_is_caught(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A world with this bug breaks the invariant that forbids it."""
    allowed, invariant = SHOWN[plant.__name__]
    plant(monkeypatch)
    for seed in range(SEEDS_MAX):
        if any(failure.startswith(f"{invariant} ") for failure in failures_of(seed, allowed)):
            return
    raise AssertionError(f"{plant.__doc__} went unnoticed in {SEEDS_MAX} worlds")


def test_the_same_worlds_pass_without_bugs() -> None:
    """What catches a planted bug says nothing about the honest bot."""
    for seed, (allowed, _) in enumerate(SHOWN.values()):
        assert failures_of(seed, allowed) == []
