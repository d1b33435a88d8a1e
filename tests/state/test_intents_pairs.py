"""Pairs in the intents: written before they leave, and after a kill both orders are asked about unless the venue has spoken of them."""

from decimal import Decimal
from pathlib import Path

import pytest

from core.commands import Replace
from core.events import Half, Outcome, ReplaceAnswer, Reply
from core.notices import Sent
from core.ports import NotSent
from core.types import OrderFacts, OrderStatus, Side, VenueError
from state.intents import Intents, read
from state.ledger import recover
from state.rebuild import project
from state.rows import OrderRow, Rows, run_row, take
from state.words import lines
from tests.state.store_builders import RUN, SCOPE
from tests.state.test_intents import HERE, boot, cancel, intents, place, reply, undecided

__all__ = ["intents"]
OLD, NEW = "gl-1-1", "gl-1-2"


def pair(number: int = 2) -> Replace:
    """Order gl-1-1 gives way to gl-1-<number>."""
    return Replace(command_id=number, reason="price", timeout_ms=3000, cancel=cancel(number), place=place(number))


def half(name: str, status: str, order_id: int) -> Half:
    facts = OrderFacts(
        symbol="BTCUSDT", venue_order_id=order_id, client_order_id=name, side=Side.BUY, type="LIMIT_MAKER", time_in_force="GTC",
        price=Decimal(1), quantity=Decimal(1), executed=Decimal(0), cumulative_quote=Decimal(0), status=status, created_ms=1, updated_ms=1,
    )  # fmt: skip
    return Half(outcome=Outcome.DONE, facts=facts)


CANCELED = half(OLD + "c", "CANCELED", 5)
PLACED = half(NEW, "NEW", 6)
REFUSED = Half(outcome=Outcome.REFUSED, error=VenueError(code=-2010, message="Order would immediately match and take.", http_status=400))
NOT_ATTEMPTED = Half(outcome=Outcome.NOT_SENT)
UNKNOWN = Half(outcome=Outcome.UNKNOWN)


def answered(canceled: Half, placed: Half) -> Reply:
    return Reply(command_id=2, outcome=Outcome.DONE, answer=ReplaceAnswer(canceled=canceled, placed=placed), received_ns=7)


def begin(intents: Intents) -> None:
    intents.boot(boot("b1"), 1)
    intents.intent(place(1))
    intents.intent(pair())


def test_both_are_undecided(intents: Intents) -> None:
    """Killed before the answer: both ids are handed to the next run, which asks about both."""
    begin(intents)
    assert undecided(intents) == [OLD, NEW]
    assert recover(intents.path, HERE).last_number == 2


@pytest.mark.parametrize(
    ("canceled", "placed", "left"),
    [
        (CANCELED, PLACED, [OLD, NEW]),  # each until its ending is written: it may fill just before a crash
        (CANCELED, REFUSED, [OLD]),
        (REFUSED, NOT_ATTEMPTED, [OLD]),
        (CANCELED, UNKNOWN, [OLD, NEW]),
    ],
)
def test_what_the_answer_decides(intents: Intents, canceled: Half, placed: Half, left: list[str]) -> None:
    """A new order that was refused or not attempted is over; the old one waits for its own ending."""
    begin(intents)
    intents.result(answered(canceled, placed))
    assert undecided(intents) == left
    intents.end(OLD, "CANCELED", "answer")
    assert undecided(intents) == [name for name in left if name != OLD]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_SENT])
def test_nothing_was_done(intents: Intents, outcome: Outcome) -> None:
    """A no to the whole decides the new order and leaves the old one as it was."""
    begin(intents)
    intents.result(reply(2, outcome))
    assert undecided(intents) == [OLD]


def test_the_new_venue_id_is_remembered(intents: Intents) -> None:
    """The answer's venue id goes with the undecided new order, the one the pair was sent with goes with the old: both are asked about by id."""
    begin(intents)
    intents.result(answered(CANCELED, PLACED))
    found = recover(intents.path, HERE)
    assert {one.client_order_id: one.venue_order_id for one in found.undecided} == {OLD: 5, NEW: 6}


def test_not_sent_without_a_record(tmp_path: Path) -> None:
    """A pair whose intent cannot be written does not leave."""
    made = Intents(tmp_path / "log")
    with pytest.raises(NotSent):
        made.intent(pair())


def test_rebuilt_rows(intents: Intents) -> None:
    """The store rebuilt from the intents knows both orders and how they stand."""
    begin(intents)
    intents.result(answered(CANCELED, PLACED))
    rows: dict[str, OrderRow] = {}
    for group in project(read(intents.path)):
        rows.update({name: row for (_, name), row in group.orders.items()})
    assert (rows[OLD].status, rows[OLD].venue_order_id) == (OrderStatus.CANCELED.value, 5)
    assert (rows[NEW].status, rows[NEW].venue_order_id) == (OrderStatus.NEW.value, 6)


def test_told_rows() -> None:
    """A pair that leaves is a row of its new order for the store, as a place is."""
    rows = Rows()
    take(rows, run_row(RUN), 1, Sent(tag="REPRICE", symbol="BTCUSDT", order_id=NEW, command=pair()))
    row = rows.orders[SCOPE, NEW]
    assert (Decimal(row.price), row.status, row.reason) == (Decimal("60000.1"), OrderStatus.UNSEEN.value, "quote")


def test_in_words(intents: Intents) -> None:
    """The verb `tape` tells a pair in one line."""
    begin(intents)
    assert any(f"replace {OLD}: place BTCUSDT BUY 0.01 at 60000.1, {NEW}" in line for line in lines(intents.path))
