"""Every request about an order against every way in which its socket can fail it: 20 cells, at the end of each the books equal the venue's truth
(issue 4, "Must be seen" 6; DESIGN 5: unknown when lost after sending, REST only where the WS API was down before).
"""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from core.amendments import AmendOutcome, Routing
from core.view import Decision
from tests.drills.by_hand import BID, SETTLED_S, WHOLE, D, Stage, Wish, stage_in, want_cancel, want_change, want_place
from tests.drills.harness import wait_until

LOWER, HALF = D("29000.00"), D("0.00100")
LATE_MS = 450  # past the time-out
ARMED_MS = 100  # the line is ready to halve the answer
METHODS = {"place": "order.place", "cancel": "order.cancel", "amend": "order.amend.keepPriority", "replace": "order.cancelReplace"}
WISHES: dict[str, Wish] = {
    "place": lambda orders: Decision(places=(want_place(),)),
    "cancel": lambda orders: Decision(cancels=(want_cancel(orders[0]),)),
    "amend": lambda orders: Decision(amends=(want_change(orders[0], HALF),)),
    "replace": lambda orders: Decision(amends=(want_change(orders[0], WHOLE, Routing.CANCEL_REPLACE, LOWER),)),
}
FAULTS = ("drop before", "drop after", "late", "half frame", "5xx")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_in(tmp_path_factory.mktemp("matrix")) as made:
        yield made


AFTER = {"place": [(BID, WHOLE)], "cancel": [], "amend": [(BID, HALF)], "replace": [(LOWER, WHOLE)]}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("what", list(METHODS))
def test_cell(stage: Stage, what: str, fault: str) -> None:
    """Carried out once whatever becomes of the answer; believed only by the venue's word; the books equal the venue's in the end."""
    if what == "place":
        stage.prepare()
    else:
        stage.prepare((BID, WHOLE), places=[want_place()])
    method, after = METHODS[what], stage.rig.came()
    stage.bot.said.clear()
    stage.venue.exchange.fault("events_delay", delay_ms=LATE_MS)  # else the user stream would tell before the answer is missed
    if fault == "late":
        stage.venue.exchange.fault("delay", delay_ms=LATE_MS, count=1, match={"operation": method})
    elif fault == "half frame":
        stage.venue.exchange.fault("delay", delay_ms=ARMED_MS, count=1, match={"operation": method})
    elif fault == "5xx":
        stage.venue.exchange.fault("server_error", executed=True, status=502, count=1, match={"operation": method})
    stage.line.fault = fault
    is_told = fault == "drop before"  # over REST, and answered there
    with stage.patient() if is_told else nullcontext():  # a slow machine's answer may come late, and is none that was lost
        stage.do(WISHES[what])
    wait_until(lambda: stage.door(after, method), SETTLED_S, f"the {what} at the venue's door")
    if not is_told:
        wait_until(lambda: any("no answer to the" in said for said in list(stage.bot.said)), SETTLED_S, "the outcome is unknown")
    stage.settle()
    first = stage.door(after, method)[0]
    assert first["transport"] == ("rest" if fault in ("drop before", "5xx") else "ws")
    assert stage.venue.created_twice() == []
    if is_told:
        assert not any(f"no answer to the {what}" in said for said in stage.bot.said)
    if fault in ("late", "5xx"):  # the socket stood: no quote was pulled, and what stands is what was asked for
        assert stage.open_at_venue() == AFTER[what]
        assert len(stage.door(after, method)) == 1
    assert not stage.bot.faults


def test_all_results_were_delivered(stage: Stage) -> None:
    """Every change ended in a result, none is left under way; those over a standing socket were done by their own route."""
    books = stage.bot.session.engine.books
    assert books is not None
    stage.settle()
    assert not books.amendments
    results = list(books.amended.values())
    assert len(results) == 2 * len(FAULTS)
    done = {result.routing for result in results if result.outcome is AmendOutcome.DONE}
    assert done >= {Routing.CANCEL_REPLACE, Routing.WS_AMEND}
