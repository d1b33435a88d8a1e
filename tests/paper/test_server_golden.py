"""Our words against messages seen on Binance's own wire: same fields, same kinds of values, same order where it is known.

The observed messages are data outside this repository; without them the tests are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.paper.exchange_client import Exchange

OBSERVED = Path("/work/shared/data/binance_api_messages/observed_messages.jsonl")
pytestmark = pytest.mark.skipif(not OBSERVED.exists(), reason="the observed messages are not on this machine")
# Fields of one account or order kind only: strategy ids, and what Binance says when it pays the fee in BNB.
ACCOUNT_ONLY = {"j", "J"}


def observed(kind: str, **fields: Any) -> list[dict[str, Any]]:
    """Messages of that kind (unwrapped) whose fields have these values, oldest first."""
    found = []
    for line in OBSERVED.read_text().splitlines():
        row = json.loads(line)
        message = json.loads(row["raw"])
        if isinstance(message, dict):
            message = message.get("event") or (message.get("data") if "stream" in message else None) or message
        if kind in row["kind"] and isinstance(message, dict) and all(message.get(name) == value for name, value in fields.items()):
            found.append(message)
    assert found, f"nothing observed of {kind} {fields}"
    return found


def kinds(message: dict[str, Any]) -> dict[str, str]:
    return {name: type(value).__name__ for name, value in message.items()}


def assert_alike(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Same fields in the same order with values of the same kind; texts of numbers equally long in decimals."""
    theirs = {name: value for name, value in theirs.items() if name not in ACCOUNT_ONLY}
    assert list(ours) == list(theirs)
    assert kinds(ours) == kinds(theirs)
    for name, value in theirs.items():
        if isinstance(value, str) and value.replace(".", "").isdigit():
            assert len(ours[name].partition(".")[2]) == len(value.partition(".")[2]), name


def test_execution_reports(exchange: Exchange) -> None:
    """NEW, TRADE and CANCELED of a limit order, NEW and TRADE of a market order."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        resting = exchange.place(type="LIMIT", timeInForce="GTC").json["orderId"]
        assert_alike(socket.event("executionReport", x="NEW", i=resting), observed("executionReport", x="NEW", o="LIMIT")[-1])
        exchange.cancel(resting)
        ours = socket.event("executionReport", x="CANCELED", i=resting)
        assert_alike(ours, observed("executionReport", x="CANCELED")[-1])
        taken = exchange.place(type="MARKET", price=None).json["orderId"]
        assert_alike(socket.event("executionReport", x="NEW", i=taken), observed("executionReport", x="NEW", o="MARKET")[-1])
        ours = socket.event("executionReport", x="TRADE", i=taken)
        theirs = observed("executionReport", x="TRADE", o="MARKET", V="EXPIRE_MAKER")[-1]
        assert_alike(ours, theirs)
        assert {name: ours[name] for name in ("w", "m", "M", "r", "g", "C")} == {
            name: theirs[name] for name in ("w", "m", "M", "r", "g", "C")
        }


def test_account_position(exchange: Exchange) -> None:
    """outboundAccountPosition, wrapped with its subscription."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        exchange.place()
        ours = socket.event("outboundAccountPosition")
    theirs = observed("outboundAccountPosition")[-1]
    assert_alike(ours, theirs)
    assert_alike(ours["B"][0], theirs["B"][0])


def test_termination_event(exchange: Exchange) -> None:
    """eventStreamTerminated."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        socket.request("userDataStream.unsubscribe")
        assert_alike(socket.event("eventStreamTerminated"), observed("eventStreamTerminated")[-1])


def test_ws_api_replies(exchange: Exchange) -> None:
    """order.place (FULL), order.cancel, openOrders.status, account.status, a refused session.logon."""
    with exchange.ws_api() as socket:
        placed = socket.place(type="LIMIT", timeInForce="GTC", newOrderRespType="FULL")
        theirs = observed("ws-api order.place")[-1]
        assert_alike(placed, theirs)
        assert_alike(placed["result"], theirs["result"])
        assert [kinds(row) for row in placed["rateLimits"]] == [kinds(row) for row in theirs["rateLimits"]]
        canceled = socket.signed("order.cancel", symbol="BTCUSDT", orderId=placed["result"]["orderId"])
        assert_alike(canceled["result"], observed("ws-api order.cancel")[-1]["result"])
        assert_alike(socket.signed("openOrders.status"), observed("ws-api openOrders.status")[-1])
        account = socket.signed("account.status")["result"]
        wanted = observed("ws-api account.status")[-1]["result"]
        assert set(wanted) <= set(account) and list(account["balances"][0]) == list(wanted["balances"][0])
        refused = socket.signed("session.logon")
        assert_alike(refused, observed("ws-api session.logon", status=400)[-1])


def test_stream_payloads(exchange: Exchange) -> None:
    """bookTicker, depthUpdate, aggTrade, 24hrMiniTicker, SUBSCRIBE and its refusal."""
    names = [f"btcusdt@{kind}" for kind in ("bookTicker", "depth@100ms", "aggTrade", "miniTicker")]
    with exchange.connect("/stream") as socket:
        socket.send({"method": "SUBSCRIBE", "params": names, "id": 5_000_001})
        assert socket.wait(lambda message: message.get("id")) == observed("stream SUBSCRIBE ack")[-1]
        socket.send({"method": "SUBSCRIBE", "params": "x", "id": 5_000_001})
        assert socket.wait(lambda message: "error" in message) == observed("stream SUBSCRIBE error")[-1]
        exchange.take("BUY", exchange.touch()["askPrice"], "0.00001")
        for name in names:
            ours = socket.wait(lambda message, name=name: message.get("stream") == name)["data"]  # type: ignore[misc]
            assert_alike(ours, observed(f"stream {name.split('@', 1)[1]}")[-1])


def test_rest_bodies(exchange: Exchange) -> None:
    """Each field Binance sent, we send: POST, DELETE, openOrders, account, cancelReplace (newer fields may be added)."""
    placed = exchange.place(type="LIMIT", timeInForce="GTC", newOrderRespType="FULL").json
    assert set(observed("rest POST order", type="LIMIT")[-1]) - {"isIsolated"} <= set(placed)
    opened = exchange.call("GET", "/api/v3/openOrders", symbol="BTCUSDT").json[0]
    for line in OBSERVED.read_text().splitlines():
        row = json.loads(line)
        if row["kind"] == "rest GET openOrders":
            assert set(json.loads(row["raw"])[0]) <= set(opened)
    replaced = exchange.call(
        "POST", "/api/v3/order/cancelReplace", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC",
        quantity="0.001", price="50001", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=placed["orderId"],
    ).json  # fmt: skip
    theirs = observed("rest POST order/cancelReplace")[-1]
    assert list(replaced) == list(theirs)
    for half in ("cancelResponse", "newOrderResponse"):
        assert set(theirs[half]) <= set(replaced[half])
    canceled = exchange.cancel(replaced["newOrderResponse"]["orderId"]).json
    assert set(observed("rest DELETE order")[-1]) <= set(canceled)
    assert set(observed("rest GET account")[-1]) <= set(exchange.call("GET", "/api/v3/account").json)
