"""A testnet is wiped: the account keeps its number and its key and loses its orders, trades and ids (DESIGN 6)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import assembly
from core.reset import WHY
from state.ledger import recover
from tests.drills.harness import LONG, SYMBOL, Venue, venue, wait_until
from tests.drills.process import BotProcess
from tests.drills.rig import Rig, bot
from tests.timing import SOON_S

QUICK = ("timing.order_timeout_ms=1000", "exchange.read_timeout_ms=1000", "exchange.silence_ms_max=1500", "quoting.cooldown_ms=50")
NOTICED_S = 60.0
FOREIGN_ORDERS = 300


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Venue]:
    with venue("--state", str(tmp_path / "venue")) as running:
        yield running


def test_a_wipe_between_two_runs(own: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start finds that its newest orders are denied and that the ids run backwards: a new account instance begins with an empty book."""
    monkeypatch.setattr(assembly, "RESET_SECOND_LOOK_S", 0.2)
    home = tmp_path / "bot"
    for _ in range(2):
        with bot(own, home, QUICK) as running:
            wait_until(lambda: running.is_quoting, SOON_S, "the first quotes")
            first = running.session.recovery.instance
    own.wipe()
    with bot(own, home, QUICK) as running:
        assert running.session.recovery.instance == f"{first}.2"
        assert any(WHY in note for note in running.session.boot_notes)
        wait_until(lambda: running.is_quoting, SOON_S, "quotes on the new instance")
        Rig(own, running).check(bound_s=6.0)
    with bot(own, home, QUICK) as running:
        assert running.session.recovery.instance == f"{first}.2", "the new instance goes on"
        assert not any(WHY in note for note in running.session.boot_notes)


@pytest.mark.skipif(not LONG, reason="about 40 s: an order must be denied twice, 10 s apart, in the long set")
def test_a_wipe_under_a_running_bot(own: Venue, tmp_path: Path) -> None:
    """The run ends by itself with its reason, and the next one begins in the same process on a new instance and quotes."""
    home = tmp_path / "bot"
    places = ("exchange.urls.rest", "exchange.urls.stream", "exchange.urls.ws_api")
    urls = [f"--set={name}={url}" for name, url in zip(places, (own.urls.rest, own.urls.stream, own.urls.ws_api), strict=True)]
    keys = {"GREENLIGHT_API_KEY": own.keys.api_key, "GREENLIGHT_API_SECRET": own.keys.api_secret}
    for _ in range(FOREIGN_ORDERS):  # a venue's ids are far along before it is wiped
        own.exchange.call("POST", "/api/v3/order", symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", price="50000.00", quantity="0.001")
        own.exchange.call("DELETE", "/api/v3/openOrders", symbol=SYMBOL)
    process = BotProcess("--set", f"state.dir={home}", *urls, env=keys)
    wait_until(lambda: process.first_s("PLACE"), SOON_S, "quotes")
    wait_until(lambda: len(own.open_orders()) >= 2, SOON_S, "resting orders")
    ids = max(own.open_orders())
    own.wipe()
    assert ids > FOREIGN_ORDERS
    wait_until(lambda: any(WHY in line for line in process.lines), NOTICED_S, "\n".join(process.lines[-5:]))
    wait_until(lambda: len(own.open_orders()) >= 2, SOON_S, "quotes on the new instance")
    process.interrupt_group()
    assert process.wait(SOON_S) == 0, "\n".join(process.lines[-20:])
    assert recover(home / "intents.log", str(own.exchange.ready["instance"])).instance.endswith(".2")
    assert own.open_orders() == {}
