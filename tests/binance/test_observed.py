"""Every message ever seen on the wire, field by field against values written by hand from its raw text."""

import json
from pathlib import Path

import pytest

from core.events import DepthDiff
from exchange.binance import frames, symbols, wire
from tests.binance import observed, observed_late

LINES = [json.loads(line) for line in (Path(__file__).parent / "data" / "observed_messages.jsonl").read_text().splitlines()]
EXPECTED = observed.EXPECTED | observed_late.EXPECTED


def _at(value: object, path: str) -> object:
    """The value at a dotted path of attributes and indexes."""
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else getattr(value, step)  # type: ignore[index]
    return value


def test_every_observed_line_has_expectations() -> None:
    """No observed message goes unread."""
    assert sorted(EXPECTED) == list(range(len(LINES))) == list(range(49))


@pytest.mark.parametrize("index", range(len(LINES)), ids=lambda index: f"{index}-{LINES[index]['kind'].replace(' ', '_')}")
def test_observed_message(index: int) -> None:
    """An observed message parses to exactly what its text says."""
    read, expected = EXPECTED[index]
    found = read(LINES[index]["raw"].encode())
    assert {path: _at(found, path) for path in expected} == expected


def test_a_body_that_is_no_message_of_ours_is_none() -> None:
    """The listenKey of old is no error body."""
    assert wire.error_body(LINES[4]["raw"].encode()) is None


def test_account_balances_in_full() -> None:
    """All 739 balances of the observed account come through, also the one whose name is not ASCII."""
    reply = frames.user_message(LINES[9]["raw"].encode(), 1)
    assert isinstance(reply, frames.ApiReply)
    balances = {balance.asset: balance for balance in wire.account(reply.result).core_balances()}
    assert len(balances) == 739
    assert str(balances["USDT"].free) == "291.16729644"
    assert str(balances["BTC"].free) == "0.00012672"
    assert balances["币安人生"].locked == 0


def test_exchange_info_limits() -> None:
    """The limits of the observed exchangeInfo, in seconds."""
    rules, limits = symbols.exchange_info(LINES[17]["raw"].encode())
    assert [rule.symbol for rule in rules] == ["ETHBTC", "LTCBTC"]
    assert [(one.kind, one.interval_s, one.limit, one.count) for one in limits] == [
        ("REQUEST_WEIGHT", 60, 1200, None),
        ("ORDERS", 10, 50, None),
        ("ORDERS", 86_400, 160_000, None),
        ("RAW_REQUESTS", 300, 6100, None),
    ]


def test_ws_api_limits_of_an_order() -> None:
    """A WS API order reply lists both order windows and the weight with their counts."""
    reply = frames.user_message(LINES[44]["raw"].encode(), 1)
    assert isinstance(reply, frames.ApiReply)
    assert [(one.kind, one.interval_s, one.limit, one.count) for one in reply.limits] == [
        ("ORDERS", 10, 100, 1),
        ("ORDERS", 86_400, 200_000, 2),
        ("REQUEST_WEIGHT", 60, 6000, 546),
    ]


def test_depth_levels_are_all_there() -> None:
    """The observed diff carries 21 bids and 26 asks; zero quantities (deletions) stay."""
    diff = frames.market_message(LINES[31]["raw"].encode(), 1)
    assert isinstance(diff, DepthDiff)
    assert (len(diff.bids), len(diff.asks)) == (21, 26)
    assert sum(1 for _, quantity in diff.asks if quantity == 0) == 16
