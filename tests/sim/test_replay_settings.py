"""I16 with new settings in the middle: a ConfigChanged is an event like any other, so tape, replay and world agree, from every checkpoint."""

from dataclasses import replace
from functools import partial

import msgspec
import pytest

from core import checkpoint
from core.engine import Engine
from core.events import ConfigChanged
from sim.replay import Replay
from sim.setup import Setup, ticks
from sim.taped import TapedWorld
from state.tape_file import Opened, Piece, Ready, Record, Stepped
from trading.recipe import Recipe
from trading.risk import Limits

SEEDS = (7, 40)
AFTER_S = (7, 14, 21, 28)


class ChangedWorld(TapedWorld):
    """The settings change four times: wider, narrower, one band less, as they were."""

    def start(self) -> None:
        super().start()
        for number, after_s in enumerate(AFTER_S):
            self.scheduler.after(after_s * 1000, partial(self._change, number))

    def _change(self, number: int) -> None:
        setup, quoting = self.setup, {}
        for symbol, own in setup.quoting.items():
            near, far = (band.quantity for band in own.bid_bands)
            bands = (
                (ticks("2", "3", "5", str(near)), ticks("6", "8", "11", str(far))),
                (ticks("1", "1", "3", str(near)), ticks("4", "6", "9", str(far))),
                (ticks("1", "2", "4", str(near)),),
                own.bid_bands,
            )[number]
            quoting[symbol] = msgspec.structs.replace(own, bid_bands=bands, ask_bands=bands)
        recipe = Recipe(quoting=quoting, limits=Limits(open_orders_max=20), timing=setup.timing, amending=setup.amending)
        self.post(ConfigChanged(version=f"v{number}", settings=recipe.written, changes=("bands old -> new",)))


@pytest.fixture(scope="module", params=SEEDS)
def world(request: pytest.FixtureRequest) -> ChangedWorld:
    """A world with faults and crashes (a new boot begins with the settings it was started with)."""
    made = ChangedWorld(Setup.drawn(request.param))
    assert made.run().failures == ()
    return made


def test_every_segment_replays_equal(world: ChangedWorld) -> None:
    """From each checkpoint, also those taken between two changes, every digest of commands and every hash of the state is the same."""
    changes = with_settings = 0
    for number, records in enumerate(world.segments):
        verdict = Replay(str(number)).run(records)
        assert verdict.different == "", verdict.words()
        changes += sum(isinstance(event, ConfigChanged) for record in records if isinstance(record, Stepped) for event in record.events)
        with_settings += has_settings(loaded(records))
    assert changes == len(AFTER_S) and with_settings


def has_settings(engine: Engine) -> bool:
    return engine.books is not None and engine.books.config is not None


def loaded(records: list[Record]) -> Engine:
    alone = Replay("")
    alone.run(record for record in records if isinstance(record, Opened | Piece | Ready))
    assert alone.engine is not None
    return alone.engine


def test_a_checkpoint_brings_the_settings_of_its_moment(world: ChangedWorld) -> None:
    """The engine that is loaded in the middle quotes by the bands of then; with those of the start it would differ."""
    records = next(records for records in world.segments if has_settings(loaded(records)))
    engine = loaded(records)
    assert engine.books is not None and engine.books.config is not None
    recipe = Recipe.read(engine.books.config.settings)
    assert engine.strategy.symbols == recipe.quoting and engine.timing == recipe.timing  # type: ignore[attr-defined]
    assert checkpoint.hash_of(engine) == next(record.state_hash for record in records if isinstance(record, Ready))


def test_quoting_goes_on_through_the_changes() -> None:
    """Without faults four changes cost little: every side has a quote more than half of the time, and no bound is broken."""
    result = ChangedWorld(replace(Setup.drawn(3), with_faults=False, stops_in_trouble=False)).run()
    assert result.failures == ()
    assert min(result.uptime.values()) > 0.5, result.uptime
