"""A paper exchange in a subprocess for clients that strangers wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.paper.exchange_client import Exchange


@pytest.fixture(scope="session")
def paper_process() -> Iterator[Exchange]:
    """Started once, with a living synthetic market."""
    exchange = Exchange("--balances", "USDT=1000000,BTC=10,ETH=100", "--seed", "11")
    yield exchange
    exchange.stop()


@pytest.fixture
def paper(paper_process: Exchange) -> Exchange:
    """The same, without open orders and with wide limits."""
    paper_process.reset()
    return paper_process
