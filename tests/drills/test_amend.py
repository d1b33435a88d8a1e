"""Orders shrunk in place over real sockets: over the WS API, over REST, refused, and without an answer (DESIGN 5)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.amendments import AmendmentResult, AmendOutcome, Routing
from core.notices import Amended
from tests.drills.harness import Venue, venue, wait_until
from tests.drills.rig import Bot, Rig, bot
from tests.timing import SOON_S

BANDS = "quoting.bid_bands=[{min: 2, target: 4, max: 20, quantity: 0.01}, {min: 20, target: 30, max: 400, quantity: 0.02}]"
AMEND = "order.amend.keepPriority"
SETTINGS = (
    "timing.order_timeout_ms=1000",
    "exchange.read_timeout_ms=1000",
    "quoting.cooldown_ms=0",
    "inventory.cap=0.025",
    "quoting.skew_bps_max=0",
    BANDS,
    BANDS.replace("bid", "ask"),
)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Venue]:
    with venue("--state", str(tmp_path / "venue"), wires=True) as running:
        yield running


class Watched:
    """A quoting bot whose amendments are remembered."""

    def __init__(self, running: Bot) -> None:
        self.bot = running
        self.results: list[AmendmentResult] = []
        before = running.session._tell_person

        def tell(at_ns: int, step: object) -> None:
            self.results.extend(notice.result for notice in step.notices if isinstance(notice, Amended))  # type: ignore[attr-defined]
            before(at_ns, step)  # type: ignore[arg-type]

        running.session._tell_person = tell
        wait_until(lambda: running.is_quoting, SOON_S, "the first quotes")

    def squeeze(self, at: Venue) -> AmendmentResult:
        """Base arrives from outside: the bids could now pass the cap."""
        wait_until(lambda: len(at.open_orders()) == 4, SOON_S, "four quotes")
        at.pause(True)
        at.exchange.control("POST", "deposit", {"asset": "BTC", "delta": "0.00500000"})
        wait_until(lambda: self.results, SOON_S, f"an amendment; {self.bot.said}")
        return self.results[0]


@pytest.mark.parametrize(("entry", "routing"), [("ws", Routing.WS_AMEND), ("rest", Routing.REST_AMEND)])
def test_shrunk_in_place(own: Venue, tmp_path: Path, entry: str, routing: Routing) -> None:
    """Base from outside eats into the inventory cap: the outer bid is shrunk to what is left, keeps its id and its queue place; books equal."""
    with bot(own, tmp_path / "bot", (*SETTINGS, f"exchange.order_entry={entry}")) as running:
        result = Watched(running).squeeze(own)
        assert (result.routing, result.outcome, result.queue_kept) == (routing, AmendOutcome.DONE, True)
        assert result.order_id in own.open_orders().values()
        Rig(own, running).check(bound_s=6.0)


def test_refused_and_resubmitted(own: Venue, tmp_path: Path) -> None:
    """The venue's no: cancel, its word, a new order of what is left, all within the light."""
    own.exchange.fault("reject", code=-2038, text="Order amend is not supported for this symbol.", count=1, match={"operation": AMEND})
    with bot(own, tmp_path / "bot", SETTINGS) as running:
        result = Watched(running).squeeze(own)
        assert result.routing is Routing.CANCEL_RESUBMIT
        assert "not supported" in result.error
        Rig(own, running).check(bound_s=6.0)


def test_no_answer(own: Venue, tmp_path: Path) -> None:
    """Applied and its answer lost: the query tells the quantity, and the change is done."""
    own.exchange.fault("drop_after", count=1, close=False, match={"operation": AMEND})
    with bot(own, tmp_path / "bot", SETTINGS) as running:
        result = Watched(running).squeeze(own)
        assert result.outcome is AmendOutcome.DONE
        assert any("no answer to the amendment" in said for said in running.said)
        Rig(own, running).check(bound_s=6.0)
