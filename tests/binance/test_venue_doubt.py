"""What a query proves and what it does not: refusals that are no word about the order, lists that were not read to their end."""

import pytest

from core.events import OrderAnswer
from core.ports import Refused
from exchange.binance import venue as venue_module
from tests.binance.fake_http import FakeHttp, Reply, Request
from tests.binance.test_venue import ALL, NOT_KNOWN, ORDER, order, query, venue


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
