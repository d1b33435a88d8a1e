"""order/cancelReplace: every row of the table of binance-wire 3, over real sockets."""

from __future__ import annotations

from typing import Any

from tests.paper.exchange_client import Answer, Exchange

GONE = 999_999_999


def replace(exchange: Exchange, cancel_id: int, mode: str = "STOP_ON_FAILURE", **params: Any) -> Answer:
    order = {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.001", "price": "50001",
        "newOrderRespType": "RESULT", "cancelReplaceMode": mode, "cancelOrderId": cancel_id,
    }  # fmt: skip
    return exchange.call("POST", "/api/v3/order/cancelReplace", **{**order, **params})


def open_prices(exchange: Exchange) -> list[str]:
    return [row["price"] for row in exchange.call("GET", "/api/v3/openOrders", symbol="BTCUSDT").json]


def test_success_success(exchange: Exchange) -> None:
    """Both halves succeed: 200 with both reports; the new order may reuse the client id."""
    old = exchange.place(newClientOrderId="again").json
    answer = replace(exchange, old["orderId"], newClientOrderId="again", cancelNewClientOrderId="the-cancel")
    body = answer.json
    assert (answer.status, body["cancelResult"], body["newOrderResult"]) == (200, "SUCCESS", "SUCCESS")
    assert body["cancelResponse"]["origClientOrderId"] == "again"
    assert body["cancelResponse"]["clientOrderId"] == "the-cancel"
    assert body["newOrderResponse"]["orderId"] != old["orderId"]
    assert open_prices(exchange) == ["50001.00000000"]


def test_failure_not_attempted(exchange: Exchange) -> None:
    """STOP_ON_FAILURE and the cancel fails: 400, -2022, the new order is not attempted."""
    answer = replace(exchange, GONE)
    data = answer.json["data"]
    assert (answer.status, answer.code) == (400, -2022)
    assert (data["cancelResult"], data["newOrderResult"]) == ("FAILURE", "NOT_ATTEMPTED")
    assert data["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."} and data["newOrderResponse"] is None
    assert open_prices(exchange) == []


def test_failure_failure(exchange: Exchange) -> None:
    """ALLOW_FAILURE and both fail: 400, -2022 with both refusals."""
    answer = replace(exchange, GONE, "ALLOW_FAILURE", price="70000")
    data = answer.json["data"]
    assert (answer.status, answer.code, data["newOrderResult"]) == (400, -2022, "FAILURE")
    assert data["newOrderResponse"]["msg"] == "Order would immediately match and take."


def test_success_failure(exchange: Exchange) -> None:
    """The cancel succeeds, the new order does not: 409, -2021, the old order is gone."""
    old = exchange.place().json["orderId"]
    answer = replace(exchange, old, price="70000")
    data = answer.json["data"]
    assert (answer.status, answer.code) == (409, -2021)
    assert (data["cancelResult"], data["newOrderResult"]) == ("SUCCESS", "FAILURE")
    assert data["cancelResponse"]["status"] == "CANCELED"
    assert open_prices(exchange) == []


def test_failure_success(exchange: Exchange) -> None:
    """ALLOW_FAILURE: the cancel fails, the new order lives: 409, -2021."""
    answer = replace(exchange, GONE, "ALLOW_FAILURE")
    data = answer.json["data"]
    assert (answer.status, answer.code) == (409, -2021)
    assert (data["cancelResult"], data["newOrderResult"]) == ("FAILURE", "SUCCESS")
    assert open_prices(exchange) == ["50001.00000000"]


def test_filters_are_judged_before_the_cancel(exchange: Exchange) -> None:
    """A new order that fails a filter leaves the old one open."""
    old = exchange.place().json["orderId"]
    answer = replace(exchange, old, price="50001.001")
    assert (answer.status, answer.code) == (400, -1013)
    assert open_prices(exchange) == ["50000.00000000"]


def test_order_limit_does_nothing_or_cancels_only(exchange: Exchange) -> None:
    """Over the ORDERS limit: by default 429 and nothing done; with CANCEL_ONLY the cancel is done."""
    old = exchange.place().json["orderId"]
    exchange.control("POST", "limits", {"orders_10s": 0})
    refused = replace(exchange, old)
    assert (refused.status, refused.code) == (429, -1015)
    assert open_prices(exchange) == ["50000.00000000"]
    done = replace(exchange, old, orderRateLimitExceededMode="CANCEL_ONLY")
    assert (done.status, done.code) == (409, -2021)
    assert done.json["data"]["newOrderResponse"]["code"] == -1015
    assert open_prices(exchange) == []


def test_cancel_restrictions(exchange: Exchange) -> None:
    """ONLY_PARTIALLY_FILLED on an untouched order: refused, nothing changes; a bad word is -1145."""
    old = exchange.place().json["orderId"]
    answer = replace(exchange, old, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert answer.json["data"]["cancelResponse"]["msg"] == "Order was not canceled due to cancel restrictions."
    refused = replace(exchange, old, cancelRestrictions="WHENEVER").json
    assert refused == {"code": -1145, "msg": "`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`."}
    assert exchange.cancel(old, cancelRestrictions="ONLY_NEW").status == 200


def test_mode_and_target_are_mandatory(exchange: Exchange) -> None:
    """Without cancelReplaceMode or without a target: -1102."""
    assert replace(exchange, GONE, cancelReplaceMode=None).code == -1102
    assert replace(exchange, GONE, cancelOrderId=None).code == -1102
