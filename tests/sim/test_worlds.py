"""The quick sweep: three hundred seeded worlds, every invariant of DESIGN 11 marked S that they can show. What was found is retold in test_found."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sim.faults import Kind
from sim.fuzz import KINDS_DUE_SEEDS, Tally
from sim.setup import Setup
from sim.world import World

ROOT = Path(__file__).resolve().parents[2]
QUICK_SEEDS, JOBS = 300, 2
SWEEP_S_MAX = 900.0  # half a minute; it may run behind the rest of the suite


def swept(first: int, last: int, *more: str) -> dict[str, Any]:
    """The digest of `python -m sim.fuzz` over these seeds, none of which failed."""
    command = [sys.executable, "-m", "sim.fuzz", "--seeds", f"{first}:{last}", "--jobs", str(JOBS), "--json", *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SWEEP_S_MAX, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    digest: dict[str, Any] = json.loads(done.stdout)
    assert digest["worlds"] == last - first
    assert not digest["failures"] and not digest["missing_kinds"]
    return digest


@pytest.mark.side_by_side
def test_quick_sweep() -> None:
    """No world breaks an invariant, and every kind of fault occurs; that each is busy enough (30 s, 30 orders, 8 faults) is one of its checks."""
    swept(0, KINDS_DUE_SEEDS)
    swept(KINDS_DUE_SEEDS, QUICK_SEEDS)


def test_a_thin_world_is_a_failure() -> None:
    """A world that quotes for its whole time without the faults and orders due is not counted as passed."""
    world = World(Setup.drawn(3))
    world.director.start = lambda: None  # type: ignore[method-assign]
    assert any(failure.startswith("WORLD ") for failure in world.run().failures)


def test_a_kind_that_never_occurs_is_a_failure() -> None:
    """From 200 worlds on, the digest names every fault kind that did not occur."""
    tally = Tally(worlds=KINDS_DUE_SEEDS)
    tally.faults = dict.fromkeys(tally.faults, 1)
    assert tally.missing_kinds() == []
    tally.faults[Kind.PLACE_RENAMED.value] = 0
    assert tally.missing_kinds() == [Kind.PLACE_RENAMED.value]


def test_the_oracle_reads_the_venue_not_the_bot() -> None:
    """An order changed at the venue behind everybody's back is reported: the oracle's truth is the matching engine."""
    world = World(Setup.drawn(3))
    world.start()
    assert world.scheduler.run(world.scheduler.now_ns + 5_000_000_000, lambda: bool(world.matching.open_orders()))
    order = world.matching.open_orders()[0]
    world.oracle.look(world.engine, world.bot.calls())
    assert not world.oracle.failures
    assert world.engine.books is not None
    world.engine.books.orders.open_ids.clear()
    world.oracle.after_step(world.engine, (), world.engine.step(world.scheduler.now_ns, ()))
    assert any(failure.startswith("I5") and order.client_order_id in failure for failure in world.oracle.failures)
