"""Worlds of the maker-first trader: seeds with every fault, and a kill at every step of an entry and of an exit. The judge is sim.lot_worlds."""

from dataclasses import replace

import pytest

from core.engine import Step
from core.events import AnyEvent
from core.types import Side
from sim import lot_worlds
from sim.bot import Bot
from sim.setup import Setup
from sim.world import World
from tests.sim.test_worlds import swept
from trading.chase import Task, task_of
from trading.maker_first import MakerFirst

MS = 1_000_000
QUICK_SEEDS = 60
STEPS = 120
CONTINUED_MIN = 20  # entries that rested when the kill came


@pytest.mark.side_by_side
def test_quick_sweep() -> None:
    """No world breaks an invariant: one order per task, one entry per side (I9); post-only never takes (I12); funds, lots (I13); lots = trades."""
    digest = swept(0, QUICK_SEEDS, "--maker-first")
    assert digest["checks"]["LOTS"] >= 6 * QUICK_SEEDS
    assert digest["fills"] > 10 * QUICK_SEEDS


class Killed(World):
    """A calm world whose bot is killed with -9 after a given one of its steps; the next boot must go on with the same entries."""

    def __init__(self, setup: Setup, at_step: int) -> None:
        self.at_step, self.seen, self.was_killed = at_step, 0, False
        self.before: dict[tuple[str, Side], Task] = {}
        super().__init__(setup)

    def _after_step(self, bot: Bot, batch: list[AnyEvent], step: Step) -> None:
        super()._after_step(bot, batch, step)
        if not bot.engine.books or not bot.engine.books.started:
            return
        self.seen += 1
        if self.seen == self.at_step:
            self.was_killed = True
            strategy = bot.engine.strategy
            assert isinstance(strategy, MakerFirst)
            open_memos = {order.memo for order in bot.engine.books.orders.open() if order.venue_order_id is not None}
            pending = (chase.task for trader in strategy.traders.values() for chase in trader.entries.values() if chase.memo in open_memos)
            self.before = {(task.symbol, task.side): task for task in pending}
            self.scheduler.after(0, self._die)

    def _die(self) -> None:
        self._crash()

    def _reboot(self) -> None:
        super()._reboot()
        strategy = self.bot.engine.strategy
        assert isinstance(strategy, MakerFirst)
        self.bot._take()  # the first step: Boot, with what the intents say
        for (symbol, side), task in self.before.items():
            chase = strategy.traders[symbol].entries.get(side)
            self.oracle.check("I17", chase is not None and chase.task == task, f"{task.name} rested and is not continued")
        at_venue = {order.client_order_id for order in self.matching.open_orders()}
        for order in self.bot.engine.books.orders.open() if self.bot.engine.books else ():
            if order.client_order_id in at_venue:
                self.oracle.check("I17", task_of(order.memo) is not None, f"{order.client_order_id} has lost its task")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_kill_at_any_step_loses_no_entry_no_exit_and_no_fill(seed: int) -> None:
    """Killed after any of the first steps of a world - entries placed, repriced, filled, timed out, exits likewise - the next boot continues the same
    entry with its order at the venue, and at the end lots and trades agree."""
    setup = replace(lot_worlds.drawn(seed), with_faults=False, quote_s=6, quote_s_max=7, orders_min=0, stops_in_trouble=False, timer_ms=100)
    kills = continued = 0
    for at_step in range(1, STEPS, 2):
        world = Killed(setup, at_step)
        world.director.start = lambda: None  # type: ignore[method-assign]
        result = world.run()
        assert not result.failures, f"killed after step {at_step}: {result.failures}"
        kills += world.was_killed
        continued += len(world.before)
    assert kills == len(range(1, STEPS, 2))
    assert continued >= CONTINUED_MIN


@pytest.mark.parametrize("slow_ms", [0, 8000])
def test_a_place_that_waited_for_the_disk_when_its_process_died_never_lives(slow_ms: int) -> None:
    """Seeds 3513, 4807: of a dead process's places only those that had left may still arrive; the tasks of the others are placed for anew."""
    world = World(replace(lot_worlds.drawn(1), with_faults=False))
    world.start()
    world.memory.disk.slow_ms = (lambda: slow_ms) if slow_ms else None
    requests, latest_ns = world.oracle.requests, world.scheduler.now_ns + 20_000 * MS
    while not (waiting := [name for name, sent in requests.alive.items() if not sent.is_settled and sent.has_left == (not slow_ms)]):
        assert world.scheduler.now_ns < latest_ns
        world.scheduler.run(world.scheduler.now_ns + MS)
    reborn_ns = world._crash()
    world.oracle.reborn()
    for name in waiting:
        symbol = requests.alive[name].command.symbol
        assert requests.may_live(symbol, name, world.scheduler.now_ns) == (not slow_ms)
    world.memory.disk.heal()
    world.scheduler.run(reborn_ns + 5_000 * MS)
    assert world.bot.boot.boot == "m2" and world.oracle.checks["I9"] and not world.oracle.failures, world.oracle.failures
