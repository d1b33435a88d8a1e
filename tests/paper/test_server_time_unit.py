"""Microseconds on all three doors of the paper exchange, for whoever asks (binance-wire 1, 5, 6)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.paper.exchange_client import TIMEOUT_S, Exchange

US = {"X-MBX-TIME-UNIT": "MICROSECOND"}


def is_us(value: Any) -> bool:
    """Whether this is a time of today in microseconds."""
    return isinstance(value, int) and abs(value / 1e6 - time.time()) < 86_400 * 2


def is_ms(value: Any) -> bool:
    """Whether this is a time of today in milliseconds."""
    return isinstance(value, int) and abs(value / 1e3 - time.time()) < 86_400 * 2


def rest_us(exchange: Exchange, path: str, **params: str) -> Any:
    return exchange.session.get(exchange.base + path, params=params, headers=US, timeout=TIMEOUT_S).json()


def test_rest_answers_in_the_unit_of_the_header(exchange: Exchange) -> None:
    """X-MBX-TIME-UNIT: MICROSECOND makes every time of a REST answer us, MILLISECOND or nothing ms; counts and ids stay."""
    exchange.take("BUY", exchange.touch()["askPrice"], "0.001")
    assert is_us(rest_us(exchange, "/api/v3/time")["serverTime"])
    plain = exchange.session.get(exchange.base + "/api/v3/time", headers={"X-MBX-TIME-UNIT": "MILLISECOND"}, timeout=TIMEOUT_S).json()
    assert is_ms(plain["serverTime"]) and is_ms(exchange.public("GET", "/api/v3/time").json["serverTime"])
    bar = rest_us(exchange, "/api/v3/klines", symbol="BTCUSDT", interval="1m", limit="1")[0]
    assert is_us(bar[0]) and is_us(bar[6]) and len(bar) == 12 and bar[8] < 1000
    row = rest_us(exchange, "/api/v3/aggTrades", symbol="BTCUSDT", limit="1")[0]
    same = exchange.public("GET", "/api/v3/aggTrades", symbol="BTCUSDT", limit=1).json[0]
    assert row == {**same, "T": same["T"] * 1000}


def test_an_unknown_unit_is_refused(exchange: Exchange) -> None:
    """Another word than MICROSECOND and MILLISECOND is -1194."""
    refused = exchange.session.get(exchange.base + "/api/v3/time", headers={"X-MBX-TIME-UNIT": "HOUR"}, timeout=TIMEOUT_S)
    assert (refused.status_code, refused.json()["code"]) == (400, -1194)


def test_times_sent_in_us_are_read(exchange: Exchange) -> None:
    """timestamp, startTime and endTime are taken in us as in ms."""
    order = exchange.place().json
    now_us = int(time.time() * 1e6)
    listed = exchange.call("GET", "/api/v3/allOrders", symbol="BTCUSDT", timestamp=now_us, startTime=now_us - 60_000_000, endTime=now_us + 1_000_000)
    assert order["orderId"] in [row["orderId"] for row in listed.json]


@pytest.mark.parametrize("word", ["MICROSECOND", "microsecond"])
def test_streams_in_the_unit_of_the_url(exchange: Exchange, word: str) -> None:
    """timeUnit=MICROSECOND in the URL makes E and T us, raw and combined; whoever listens beside it keeps ms."""
    with (
        exchange.connect(f"/ws/btcusdt@trade?timeUnit={word}") as raw,
        exchange.connect(f"/stream?streams=btcusdt@trade/btcusdt@kline_1s&timeUnit={word}") as combined,
        exchange.stream("btcusdt@trade") as plain,
    ):
        exchange.take("BUY", exchange.touch()["askPrice"], "0.00001")
        trade = raw.wait(lambda message: True)
        assert is_us(trade["E"]) and is_us(trade["T"])
        assert combined.wait(lambda message: message["data"]["e"] == "trade")["data"] == trade
        bar = combined.wait(lambda message: message["data"]["e"] == "kline")["data"]["k"]
        assert is_us(bar["t"]) and is_us(bar["T"]) and bar["n"] < 1000
        own = plain.wait(lambda message: True)["data"]
        assert own == {**trade, "E": trade["E"] // 1000, "T": trade["T"] // 1000}


def test_ws_api_in_the_unit_of_the_url(exchange: Exchange) -> None:
    """timeUnit=MICROSECOND makes the times of replies and of user events us; ids, trade ids and the -1 of an order that waits stay."""
    with exchange.ws_api("?timeUnit=MICROSECOND") as socket:
        assert is_us(socket.request("time")["result"]["serverTime"])
        socket.subscribe()
        order = socket.place()["result"]
        assert is_us(order["transactTime"]) and is_us(order["workingTime"]) and order["orderId"] < 1_000_000
        event = socket.event("executionReport", i=order["orderId"])
        assert all(is_us(event[name]) for name in "ETOW") and event["t"] == -1 and event["I"] < 1_000_000
        account = socket.event("outboundAccountPosition")
        assert is_us(account["E"]) and is_us(account["u"])
        waits = socket.place(side="SELL", type="STOP_LOSS_LIMIT", timeInForce="GTC", price="40000", stopPrice="40000")["result"]
        assert waits["workingTime"] == -1
        socket.request("userDataStream.unsubscribe")
        assert is_us(socket.event("eventStreamTerminated")["E"])
