"""One paper exchange with wire proxies and one bot live through all rows that are marked W."""

from collections.abc import Iterator

import pytest

from tests.drills.rig import Rig, rig

QUICK = ("timing.order_timeout_ms=1000", "exchange.read_timeout_ms=1000", "exchange.silence_ms_max=1500", "quoting.cooldown_ms=50")


@pytest.fixture(scope="module")
def exhibit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Pings every 1 s with a 2 s deadline, three wire proxies, one bot; recovery without a restart is part of every row."""
    folder = tmp_path_factory.mktemp("museum")
    with rig(folder / "bot", "--state", str(folder / "venue"), overrides=QUICK, wires=True) as running:
        yield running


@pytest.fixture
def live(exhibit: Rig) -> Iterator[Rig]:
    """The living pair, quoting and without faults."""
    exhibit.settle()
    yield exhibit
    exhibit.venue.clear()
    exhibit.venue.pause(False)
