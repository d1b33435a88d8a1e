"""core.booking and core.resolver: trades of orders nobody can name yet - after an outage there may be thousands, a stranger's mostly."""

import pytest

from core import booking
from core.commands import Query
from core.events import OrderAnswer
from core.types import Fill
from tests.core.builders import TAG, Desk, facts, fill, want

WEIGHT_MAX = 6000


def theirs(count: int) -> tuple[Fill, ...]:
    return tuple(fill(number, 1000 + number, f"web_{number}") for number in range(1, count + 1))


def waiting(desk: Desk) -> int:
    return sum(len(fills) for fills in desk.books.orphans.values())


def test_thousands_of_nameless_trades_stay_within_the_weight() -> None:
    """I26: asking whose order each is stops at the share of routine reads, long before the limit, and goes on with the next window."""
    desk = Desk()
    desk.connect(desk.account(trades=theirs(2000)))
    most = 0
    for _ in range(20):
        desk.wait(1000)
        most = max(most, desk.books.budget.used_weight()[0])
    assert 0.7 * WEIGHT_MAX < most <= 0.8 * WEIGHT_MAX
    asked = len(desk.ever(Query))
    desk.wait(60_000, every_ms=1000)
    assert len(desk.ever(Query)) > asked


def test_a_doubt_of_our_own_is_asked_about_beside_them() -> None:
    """With the share of the nameless ones used up, an order of ours without an answer is still queried."""
    desk = Desk()
    desk.connect(desk.account(trades=theirs(2000)))
    place = desk.place(want())
    desk.wait(2900)
    assert desk.books.budget.used_weight()[0] > 0.79 * WEIGHT_MAX
    desk.wait(2000)
    assert any(one.client_order_id == place.client_order_id for one in desk.ever(Query))


def test_their_number_is_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count beside the nameless trades is their sum after each came, was refused for want of room, was named ours or a stranger's."""
    monkeypatch.setattr(booking, "ORPHAN_TRADES_MAX", 4)
    desk = Desk()
    ours = fill(1, 70)
    desk.connect(desk.account(trades=(ours, fill(2, 70), *(fill(number, 80) for number in range(3, 7)))))
    assert desk.books.orphan_trades == waiting(desk) == 4
    queries = {one.venue_order_id: one for one in (desk.query(), *desk.ever(Query))}
    desk.reply(queries[70], OrderAnswer(facts=facts(f"{TAG}-lz-3", 70, "FILLED", "2", quantity="2")))
    assert desk.books.orphan_trades == waiting(desk) == 2
    desk.reply(queries[80], OrderAnswer(facts=facts("web_1", 80, "FILLED", "2", quantity="2")))
    assert desk.books.orphan_trades == waiting(desk) == 0
