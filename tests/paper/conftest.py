"""One paper exchange with a standing market for all server tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.paper.exchange_client import Exchange

BALANCES = "USDT=1000000,BTC=10,ETH=100"


@pytest.fixture(scope="session")
def shared_exchange() -> Iterator[Exchange]:
    """Started once; its market stands still, so that only the test moves the book."""
    exchange = Exchange("--balances", BALANCES, "--seed", "7")
    exchange.control("POST", "market", {"pause": True})
    yield exchange
    exchange.stop()


@pytest.fixture
def exchange(shared_exchange: Exchange) -> Exchange:
    """The shared exchange, without open orders, faults or narrow limits."""
    shared_exchange.reset()
    return shared_exchange
