"""The WS API of the paper exchange: requests, errors, rate limits, user data."""

from __future__ import annotations

from decimal import Decimal

import pytest
import websocket

from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S

ORDERS_AND_WEIGHT = ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]


def test_every_reply_carries_its_id_and_rate_limits(exchange: Exchange) -> None:
    """Placements list ORDERS and REQUEST_WEIGHT, other calls the weight only (binance-wire 6)."""
    with exchange.ws_api() as socket:
        pong = socket.request("ping")
        assert pong["status"] == 200 and pong["result"] == {}
        assert [row["rateLimitType"] for row in pong["rateLimits"]] == ["REQUEST_WEIGHT"]
        placed = socket.place()
        assert [row["rateLimitType"] for row in placed["rateLimits"]] == ORDERS_AND_WEIGHT
        assert "count" in placed["rateLimits"][0]


def test_rate_limits_can_be_switched_off(exchange: Exchange) -> None:
    """Per request or per connection."""
    with exchange.ws_api() as socket:
        assert "rateLimits" not in socket.request("time", returnRateLimits=False)
    with exchange.ws_api("?returnRateLimits=false") as socket:
        assert "rateLimits" not in socket.request("time")
        assert "rateLimits" in socket.request("time", returnRateLimits=True)


def test_order_life_over_ws(exchange: Exchange) -> None:
    """Place, query, amend, replace, cancel, all with REST's bodies; a method may carry the v3/ prefix."""
    with exchange.ws_api() as socket:
        order_id = socket.place(quantity="0.002", newClientOrderId="ws-1")["result"]["orderId"]
        found = socket.signed("v3/order.status", symbol="BTCUSDT", origClientOrderId="ws-1")["result"]
        assert found == exchange.query(orderId=order_id).json
        amended = socket.signed(
            "order.amend.keepPriority", symbol="BTCUSDT", orderId=order_id, newQty="0.001", newClientOrderId="ws-1"
        )
        assert amended["result"]["amendedOrder"]["qty"] == "0.00100000"
        replaced = socket.signed(
            "order.cancelReplace", symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER", quantity="0.001", price="50002",
            cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=order_id, newOrderRespType="RESULT",
        )  # fmt: skip
        new_id = replaced["result"]["newOrderResponse"]["orderId"]
        assert [row["orderId"] for row in socket.signed("openOrders.status", symbol="BTCUSDT")["result"]] == [new_id]
        assert socket.signed("openOrders.cancelAll", symbol="BTCUSDT")["result"][0]["status"] == "CANCELED"
        assert socket.signed("order.cancel", symbol="BTCUSDT", orderId=new_id)["error"]["code"] == -2011


def test_half_done_replace_is_409_with_data(exchange: Exchange) -> None:
    """The error object carries code, text and both halves."""
    with exchange.ws_api() as socket:
        order_id = socket.place()["result"]["orderId"]
        reply = socket.signed(
            "order.cancelReplace", symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER", quantity="0.001", price="70000",
            cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=order_id,
        )  # fmt: skip
    assert (reply["status"], reply["error"]["code"]) == (409, -2021)
    assert reply["error"]["data"]["cancelResult"] == "SUCCESS"


def test_bad_requests(exchange: Exchange) -> None:
    """Not JSON, brackets without end, no method, an unknown method, a bad signature: each is a refusal, the connection stays."""
    with exchange.ws_api() as socket:
        for text in ("{", "[" * 60_000):
            socket.send(text)
            assert socket.wait(lambda message: message["id"] is None)["error"]["code"] == -1135
            socket.messages.clear()
        assert socket.request("no.such.method")["error"]["code"] == -1020
        bad = socket.request("account.status", {**socket.with_signature(), "signature": "00"})
        assert (bad["status"], bad["error"]["code"]) == (400, -1022)
        no_key = socket.request("account.status", {"timestamp": 1})
        assert (no_key["status"], no_key["error"]["code"]) == (401, -2014)
        assert socket.request("ping")["status"] == 200


@pytest.mark.parametrize("request_id", [1.5, True, [1], {}, "x" * 37])
def test_an_id_that_cannot_be_echoed_is_refused(exchange: Exchange, request_id: object) -> None:
    """`id` is a whole number, a text of up to 36 characters or null; anything else is refused under null, and nothing is done."""
    with exchange.ws_api() as socket:
        order = socket.with_signature(symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER", quantity="0.001", price="50000")
        socket.send({"id": request_id, "method": "order.place", "params": order})
        refused = socket.wait(lambda message: True)
        assert (refused["id"], refused["status"], refused["error"]["code"]) == (None, 400, -1100)
        for good in (-5, "x" * 36, None):
            socket.send({"id": good, "method": "ping"})
            assert socket.wait(lambda message: message["status"] == 200)["result"] == {}
            assert socket.messages.pop()["id"] == good
    assert exchange.call("GET", "/api/v3/openOrders", symbol="BTCUSDT").json == []


def test_requests_in_binary_frames_and_in_fragments(exchange: Exchange) -> None:
    """JSON in a binary frame, or a text in several frames, is a request like any other: no client waits for an answer in vain."""
    with exchange.ws_api() as socket:
        socket.ws.send_binary(b'{"id":"bytes","method":"ping"}')
        assert socket.wait(lambda message: message["id"] == "bytes")["status"] == 200
        socket.ws.send_frame(websocket.ABNF.create_frame('{"id":"parts","met', websocket.ABNF.OPCODE_TEXT, 0))
        socket.ws.send_frame(websocket.ABNF.create_frame('hod":"ping"}', websocket.ABNF.OPCODE_CONT, 1))
        assert socket.wait(lambda message: message["id"] == "parts")["status"] == 200


def test_session_methods_with_an_hmac_key(exchange: Exchange) -> None:
    """session.logon is for Ed25519 keys: -1022 as observed; status says nobody is logged on."""
    with exchange.ws_api() as socket:
        assert socket.signed("session.logon")["error"]["code"] == -1022
        assert socket.request("session.status")["result"]["apiKey"] is None
        assert socket.request("userDataStream.subscribe")["status"] == 401


def test_exchange_info_over_ws_lists_connections(exchange: Exchange) -> None:
    """The WS API names CONNECTIONS where REST names RAW_REQUESTS."""
    with exchange.ws_api() as socket:
        limits = socket.request("exchangeInfo", {"symbols": ["BTCUSDT"]})["result"]["rateLimits"]
    assert [row["rateLimitType"] for row in limits] == ["REQUEST_WEIGHT", "ORDERS", "ORDERS", "CONNECTIONS"]


def test_old_trades_may_be_asked_for_with_a_key(exchange: Exchange) -> None:
    """binance-connector names its key with trades.historical, which needs none; other unread parameters are still refused."""
    with exchange.ws_api() as socket:
        assert socket.request("trades.historical", params={"symbol": "BTCUSDT", "limit": 1, "apiKey": exchange.ready["api_key"]})["status"] == 200
        assert socket.request("trades.historical", params={"symbol": "BTCUSDT", "postOnly": True})["error"]["code"] == -1104


def test_user_events_of_a_resting_order(exchange: Exchange) -> None:
    """NEW, TRADE, CANCELED, each followed by the balances it touched; c and C as on the wire (binance-wire 7)."""
    with exchange.ws_api() as socket:
        assert socket.subscribe()["result"] == {"subscriptionId": 0}
        price = str(Decimal(exchange.touch()["bidPrice"]) + Decimal("0.01"))
        order_id = exchange.place(price=price, quantity="0.002", newClientOrderId="life").json["orderId"]
        new = socket.event("executionReport", x="NEW", i=order_id)
        assert (new["c"], new["C"], new["w"], new["t"], new["N"], new["n"]) == ("life", "", True, -1, None, "0")
        exchange.take("SELL", price, "0.001")
        trade = socket.event("executionReport", x="TRADE", i=order_id)
        assert (trade["X"], trade["l"], trade["z"], trade["m"], trade["w"]) == (
            "PARTIALLY_FILLED", "0.00100000", "0.00100000", True, False,
        )  # fmt: skip
        exchange.cancel(order_id, newClientOrderId="end")
        ended = socket.event("executionReport", x="CANCELED", i=order_id)
        assert (ended["c"], ended["C"], ended["X"], ended["z"]) == ("end", "life", "CANCELED", "0.00100000")
        assert new["I"] < trade["I"] < ended["I"]
        socket.wait(lambda message: len(socket.events()) == 6)
        kinds = [event["e"] for event in socket.events()]
        assert kinds == ["executionReport", "outboundAccountPosition"] * 3


def test_amend_event(exchange: Exchange) -> None:
    """An amend reports x=REPLACED with the new quantity and the previous id in C."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        order_id = exchange.place(quantity="0.003", newClientOrderId="before").json["orderId"]
        exchange.call(
            "PUT", "/api/v3/order/amend/keepPriority", symbol="BTCUSDT", orderId=order_id, newQty="0.002",
            newClientOrderId="after",
        )  # fmt: skip
        event = socket.event("executionReport", x="REPLACED", i=order_id)
    assert (event["q"], event["c"], event["C"], event["X"]) == ("0.00200000", "after", "before", "NEW")


def test_market_order_events(exchange: Exchange) -> None:
    """MARKET: NEW with w true, then TRADE FILLED as a taker."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        order_id = exchange.place(type="MARKET", price=None, quantity="0.001").json["orderId"]
        assert socket.event("executionReport", x="NEW", i=order_id)["w"] is True
        trade = socket.event("executionReport", x="TRADE", i=order_id)
    assert (trade["X"], trade["m"], trade["N"], trade["f"]) == ("FILLED", False, "BTC", "GTC")


def test_unfilled_ioc_expires_with_its_reason(exchange: Exchange) -> None:
    """An IOC rest is EXPIRED with eR (binance-wire 3)."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        body = exchange.place(type="LIMIT", timeInForce="IOC").json
        event = socket.event("executionReport", x="EXPIRED", i=body["orderId"])
    assert body["status"] == "EXPIRED" and event["eR"] == "UNFILLED_IOC_QUANTITY_EXPIRED"


def test_subscriptions(exchange: Exchange) -> None:
    """One per account and connection (-2035); unsubscribe ends it with eventStreamTerminated; then -2036."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        assert socket.subscribe()["error"]["code"] == -2035
        assert socket.request("session.subscriptions")["result"] == [{"subscriptionId": 0}]
        assert socket.request("userDataStream.unsubscribe", {"subscriptionId": 0})["result"] == {}
        assert socket.event("eventStreamTerminated")["e"] == "eventStreamTerminated"
        assert socket.request("userDataStream.unsubscribe")["error"]["code"] == -2036
        assert socket.subscribe()["result"] == {"subscriptionId": 1}


def test_nothing_is_replayed_after_a_reconnect(exchange: Exchange) -> None:
    """Events of the time without a subscription are gone (binance-wire 6)."""
    exchange.place()
    with exchange.ws_api() as socket:
        socket.subscribe()
        exchange.place(newClientOrderId="second")
        assert socket.event("executionReport")["c"] == "second"


def test_deposit_makes_a_balance_update(exchange: Exchange) -> None:
    """balanceUpdate with the difference, then the absolute balances."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        exchange.control("POST", "deposit", {"asset": "USDT", "delta": "12.5"})
        assert socket.event("balanceUpdate")["d"] == "12.50000000"
        assert socket.event("outboundAccountPosition")["B"][0]["a"] == "USDT"


def test_a_shutdown_with_notice(exchange: Exchange) -> None:
    """POST /paper/disconnect with `notice_s`: serverShutdown at once, requests are answered meanwhile, then it is closed as going away."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        assert exchange.control("POST", "disconnect", {"kind": "ws_api", "notice_s": 0.5})["dropped"] >= 1
        assert socket.event("serverShutdown")["E"] > 0
        assert socket.place()["status"] == 200
        assert socket.closed.wait(SOON_S)
        assert socket.close_code == 1001
    with pytest.raises(AssertionError, match="notice_s must be"):
        exchange.control("POST", "disconnect", {"notice_s": 0})
