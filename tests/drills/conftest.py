"""One bot lives through all unplug drills: recovery without a restart is part of each of them."""

from collections.abc import Iterator

import pytest

from tests.drills.rig import Rig, rig

QUICK = ("timing.order_timeout_ms=1000", "exchange.read_timeout_ms=1000", "exchange.silence_ms_max=1500", "quoting.cooldown_ms=50")


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Paper exchange with pings every 1 s and a 2 s deadline, three wire proxies, one bot."""
    folder = tmp_path_factory.mktemp("drill")
    with rig(folder / "bot", "--state", str(folder / "venue"), overrides=QUICK, wires=True) as running:
        yield running


@pytest.fixture(scope="module")
def living_over_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The same with orders over REST."""
    folder = tmp_path_factory.mktemp("drill-rest")
    overrides = (*QUICK, "exchange.order_entry=rest")
    with rig(folder / "bot", "--state", str(folder / "venue"), overrides=overrides, wires=True) as running:
        yield running


@pytest.fixture
def drill_over_rest(living_over_rest: Rig) -> Iterator[Rig]:
    living_over_rest.settle()
    yield living_over_rest
    living_over_rest.venue.clear()
    living_over_rest.venue.pause(True)  # nobody looks at it any more, and the cores are shared


@pytest.fixture
def drill(living: Rig) -> Iterator[Rig]:
    """The living pair, quoting and without faults."""
    living.settle()
    yield living
    print(*list(living.bot.said)[-40:], sep="\n")  # pytest shows it where the drill failed
    living.venue.clear()
    living.venue.pause(False)
