"""Many amendments at once, and many of one order: each answer finds its intent, the venue's limit is never met (issue 4, "Must be seen" 4)."""

from collections.abc import Iterator
from typing import TypeVar

import pytest

from core.amendments import AmendOutcome
from core.commands import Amend
from core.view import Decision
from state.intents import IntentRecord, ResultRecord, read
from tests.drills.by_hand import BID, SETTLED_S, WHOLE, D, Stage, stage_in, want_change, want_place
from tests.drills.harness import wait_until
from trading.amend import Amending, Policy

AMEND = "order.amend.keepPriority"
RACING = 10
STEP = D("0.00005")
R = TypeVar("R", IntentRecord, ResultRecord)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_in(tmp_path_factory.mktemp("races")) as made:
        yield made


def records(stage: Stage, kind: type[R]) -> list[R]:
    return [one for one in read(stage.bot.session.intents.path) if isinstance(one, kind)]


def test_ten_racing_amendments(stage: Stage) -> None:
    """Ten orders are shrunk in one decision, the answers come in the reverse order: each order gets its own total, in books, venue and intents."""
    stage.prepare(*((BID - number, WHOLE) for number in range(RACING)), places=[want_place(number) for number in range(RACING)])
    after, totals = stage.rig.came(), [WHOLE - STEP * (number + 1) for number in range(RACING)]
    for number in range(RACING):
        stage.venue.exchange.fault("delay", delay_ms=20 * (RACING - number), count=1, match={"operation": AMEND})
    stage.do(lambda orders: Decision(amends=tuple(want_change(order, total) for order, total in zip(orders, totals, strict=True))))
    wait_until(lambda: len(stage.door(after, AMEND)) == RACING, SETTLED_S, "ten amendments at the door")
    stage.settle()
    assert stage.open_at_venue() == [(BID - number, total) for number, total in enumerate(totals)]
    books = stage.bot.session.engine.books
    assert books is not None
    assert [order.quantity for order in books.orders.open()] == totals
    results = list(books.amended.values())[-RACING:]
    assert all(result.outcome is AmendOutcome.DONE and result.queue_kept for result in results)
    asked = {one.command.command_id: one.command.client_order_id for one in records(stage, IntentRecord) if isinstance(one.command, Amend)}
    assert len(asked) == RACING

    def told() -> dict[int, str]:
        return {one.command_id: one.order[2] for one in records(stage, ResultRecord) if one.order is not None and one.command_id in asked}

    wait_until(lambda: len(told()) == RACING, SETTLED_S, "a result beside each intent")  # a lane writes them after the reply was posted
    assert told() == asked


def test_the_venues_limit_of_amendments(stage: Stage) -> None:
    """An order is amended ten times and no more: the eleventh change has no amending route, and the venue never had to refuse."""
    stage.prepare((BID, WHOLE), places=[want_place()])
    books = stage.bot.session.engine.books
    assert books is not None
    (order,) = books.orders.open()
    amending, rules = Amending(can=stage.bot.session.recipe.amending.can, policy=Policy()), books.rules[order.symbol]
    while (routing := amending.shrinks(order, order.quantity - STEP, rules)) is not None:
        total = order.quantity - STEP
        stage.do(lambda orders, total=total, routing=routing: Decision(amends=(want_change(orders[0], total, routing),)))  # type: ignore[misc]
        wait_until(lambda total=total: order.quantity == total and order.amend_asked is None, SETTLED_S, "the amendment's word")  # type: ignore[misc]
    stage.settle()
    assert order.amends == amending.policy.amends_max
    assert stage.open_at_venue() == [(BID, WHOLE - STEP * amending.policy.amends_max)]
    refused = [row for row in stage.venue.log() if row["method"] == AMEND and row["outcome"] != "200"]
    assert refused == []
