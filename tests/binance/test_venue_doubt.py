"""What a query proves and what it does not: refusals that are no word about the order, lists that were not read to their end,
legs of a list under one name."""

import pytest

from core.events import OrderAnswer
from core.ports import Refused
from exchange.binance import venue as venue_module
from tests.binance.fake_http import FakeHttp, Reply, Request
from tests.binance.test_venue import ALL, NOT_KNOWN, ORDER, order, query, searched, venue


def test_only_2013_is_not_known() -> None:
    """Any other refusal of a query says nothing about the order: it is Refused, and no order list is read on the strength of it."""
    with FakeHttp({("GET", ORDER): Reply({"code": -1100, "msg": "Illegal characters found in parameter."}, 400)}) as server:
        with pytest.raises(Refused):
            venue(server).query(query(since_ms=500), 1)
        assert not server.of("GET", ALL)


def test_half_a_list_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the list is longer than we read it, an order that was not among its first pages is not *not found*."""
    monkeypatch.setattr(venue_module, "PAGES_MAX", 2)
    monkeypatch.setattr(venue_module, "PAGE", 3)

    def listed(request: Request) -> Reply:
        first = int(request.params.get("orderId", "1"))
        return Reply([order(number, f"web_{number}") for number in range(first, first + 3)])

    with FakeHttp({("GET", ORDER): NOT_KNOWN, ("GET", ALL): listed}) as server:
        assert venue(server).query(query(since_ms=500), 2).answer == OrderAnswer(facts=None, searched=False)
        assert len(server.of("GET", ALL)) == 2


def test_search_tells_the_legs_of_a_list_apart() -> None:
    """The cancel of one leg gave both its name; the price says which of them was asked about."""
    legs = order(7, "glabcd-t3k-1c", status="CANCELED", price="59000.00"), order(8, "glabcd-t3k-1c", status="CANCELED")
    assert (found := searched(*legs).facts) is not None and found.venue_order_id == 8


@pytest.mark.parametrize("suffix", ["c", "a"])
def test_search_finds_a_leg_named_by_its_partners_cancel(suffix: str) -> None:
    """The partner was canceled, and that named both legs (seed 2757): the one at our price is ours, the partner itself never."""
    legs = order(7, f"glabcd-t3k-2{suffix}", status="CANCELED", price="59000.00"), order(8, f"glabcd-t3k-2{suffix}", status="CANCELED")
    assert (found := searched(*legs, partner="glabcd-t3k-2").facts) is not None and found.venue_order_id == 8
    assert searched(legs[0], partner="glabcd-t3k-2").facts is None
    assert searched(*legs).facts is None
