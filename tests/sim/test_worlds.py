"""The quick sweep: a hundred seeded worlds, every invariant of DESIGN 11 marked S that they can show. What was found is retold in test_found."""

from sim.faults import Kind
from sim.fuzz import KINDS_DUE_SEEDS, Tally, run_seeds
from sim.setup import Setup
from sim.world import World

QUICK_SEEDS = range(100)

def test_quick_sweep() -> None:
    """No world breaks an invariant, and each is as busy as the contract demands (30 s, 30 orders, 8 faults)."""
    tally = Tally()
    for result in run_seeds(QUICK_SEEDS):
        tally.add(result)
        assert result.orders >= 30
        assert sum(result.faults.values()) >= 8
        assert result.virtual_s >= 30
    assert not tally.failures, tally.failures
    missing = [name for name, count in tally.faults.items() if not count]
    assert not missing, f"kinds that never occurred in {len(QUICK_SEEDS)} worlds: {missing}"


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
