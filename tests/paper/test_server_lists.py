"""Stops and order lists on the wire: bodies and events field by field as Binance documents them, on REST and the WS API."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.paper.exchange_client import Exchange

LIST_FIELDS = [
    "orderListId", "contingencyType", "listStatusType", "listOrderStatus", "listClientOrderId", "transactionTime", "symbol", "orders",
]  # fmt: skip
STOP_REPORT = [  # POST /api/v3/orderList/oco, RESULT, the stop leg
    "symbol", "orderId", "orderListId", "clientOrderId", "transactTime", "price", "origQty", "executedQty", "origQuoteOrderQty",
    "cummulativeQuoteQty", "status", "timeInForce", "type", "side", "stopPrice", "workingTime", "selfTradePreventionMode",
]  # fmt: skip
LIST_STATUS = ["e", "E", "s", "g", "c", "l", "L", "r", "C", "T", "O"]


@pytest.fixture
def last(exchange: Exchange) -> Iterator[Decimal]:
    """The last price, made by a stranger's smallest trade."""
    exchange.take("BUY", exchange.touch()["askPrice"], "0.00001")
    yield Decimal(exchange.public("GET", "/api/v3/ticker/price", symbol="BTCUSDT").json["price"])
    exchange.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")


def pair(last: Decimal, **more: Any) -> dict[str, Any]:
    """A sell pair 1 % around the last price."""
    return {
        "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.001", "newOrderRespType": "RESULT",
        "aboveType": "LIMIT_MAKER", "abovePrice": f"{last * Decimal('1.01'):.2f}",
        "belowType": "STOP_LOSS_LIMIT", "belowPrice": f"{last * Decimal('0.98'):.2f}",
        "belowStopPrice": f"{last * Decimal('0.99'):.2f}", "belowTimeInForce": "GTC", **more,
    }  # fmt: skip


def place_pair(exchange: Exchange, last: Decimal, **more: Any) -> dict[str, Any]:
    answer = exchange.call("POST", "/api/v3/orderList/oco", **pair(last, **more))
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.json
    return body


def test_exchange_info_tells_what_is_served(exchange: Exchange) -> None:
    """orderTypes, ocoAllowed, allowTrailingStop and the filters of stops and lists are true here."""
    entry = exchange.public("GET", "/api/v3/exchangeInfo", symbol="BTCUSDT").json["symbols"][0]
    assert entry["orderTypes"] == ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
    assert entry["ocoAllowed"] and entry["allowTrailingStop"] and not entry["otoAllowed"]
    filters = {one["filterType"]: one for one in entry["filters"]}
    assert filters["TRAILING_DELTA"]["maxTrailingBelowDelta"] == 2000
    assert (filters["MAX_NUM_ALGO_ORDERS"]["maxNumAlgoOrders"], filters["MAX_NUM_ORDER_LISTS"]["maxNumOrderLists"]) == (5, 20)


def test_a_stop_order_on_the_wire(exchange: Exchange, last: Decimal) -> None:
    """Waiting: stopPrice in answer and query, workingTime -1, isWorking false, `w` false without `W`. Triggered: NEW again with both."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        bid = Decimal(exchange.touch()["bidPrice"])
        placed = exchange.place(
            side="SELL", type="STOP_LOSS_LIMIT", timeInForce="GTC", quantity="0.001", price=str(bid - 500), stopPrice=str(bid),
            strategyId=7, strategyType=1_000_000,
        ).json  # fmt: skip
        number = placed["orderId"]
        assert [name for name in placed if not name.startswith("strategy")] == STOP_REPORT
        assert (placed["stopPrice"], placed["workingTime"], placed["orderListId"]) == (f"{bid:.8f}", -1, -1)
        event = socket.event("executionReport", i=number, x="NEW")
        assert (event["P"], event["w"], event["g"], event["j"], event["J"]) == (f"{bid:.8f}", False, -1, 7, 1_000_000) and "W" not in event
        row = exchange.query(orderId=number).json
        assert (row["isWorking"], row["workingTime"], row["status"], row["stopPrice"]) == (False, -1, "NEW", f"{bid:.8f}")
        exchange.take("SELL", str(bid), "0.00001")
        again = socket.event("executionReport", i=number, x="NEW", w=True)
        assert again["W"] == again["T"] and socket.event("executionReport", i=number, x="TRADE")
        row = exchange.query(orderId=number).json
        assert (row["isWorking"], row["status"]) == (True, "FILLED")


def test_a_trailing_order_on_the_wire(exchange: Exchange, last: Decimal) -> None:
    """trailingDelta and trailingTime in answers, `d` and `D` in events; -1 while the stop price has not been met."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        order = {"side": "SELL", "type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "price": "50000", "trailingDelta": 100}
        follows = exchange.place(**order).json
        assert follows["trailingDelta"] == 100 and follows["trailingTime"] == follows["transactTime"] and follows["stopPrice"] == "0.00000000"
        waits = exchange.place(**order, stopPrice=f"{last - 100:.2f}").json
        assert waits["trailingTime"] == -1
        event = socket.event("executionReport", i=waits["orderId"])
        assert (event["d"], event["D"]) == (100, -1)
    assert exchange.place(**{**order, "trailingDelta": 5}).json == {"code": -1013, "msg": "Filter failure: TRAILING_DELTA"}


def test_a_pair_on_the_wire(exchange: Exchange, last: Decimal) -> None:
    """The answer of orderList/oco, its events, the queries, and the two orders it counts as."""
    before = exchange.call("GET", "/api/v3/rateLimit/order").json[1]["count"]
    with exchange.ws_api() as socket:
        socket.subscribe()
        body = place_pair(exchange, last, listClientOrderId="both", aboveClientOrderId="up", belowClientOrderId="down")
        assert list(body) == [*LIST_FIELDS, "orderReports"]
        assert {name: body[name] for name in LIST_FIELDS[1:5]} == {
            "contingencyType": "OCO", "listStatusType": "EXEC_STARTED", "listOrderStatus": "EXECUTING", "listClientOrderId": "both",
        }  # fmt: skip
        stop, limit = body["orderReports"]
        assert list(stop) == STOP_REPORT and (stop["type"], stop["workingTime"]) == ("STOP_LOSS_LIMIT", -1)
        assert list(limit) == [name for name in STOP_REPORT if name != "stopPrice"] and limit["workingTime"] == limit["transactTime"]
        assert stop["orderListId"] == limit["orderListId"] == body["orderListId"]
        assert [leg["clientOrderId"] for leg in body["orders"]] == ["down", "up"]
        event = socket.event("listStatus")
        assert list(event) == LIST_STATUS and (event["l"], event["L"], event["r"], event["C"]) == ("EXEC_STARTED", "EXECUTING", "NONE", "both")
        assert event["O"] == [{"s": "BTCUSDT", "i": leg["orderId"], "c": leg["clientOrderId"]} for leg in body["orders"]]
        assert socket.event("executionReport", c="down")["g"] == body["orderListId"]
    assert exchange.call("GET", "/api/v3/rateLimit/order").json[1]["count"] == before + 2
    listed = exchange.call("GET", "/api/v3/orderList", orderListId=body["orderListId"]).json
    assert listed == {name: body[name] for name in LIST_FIELDS}
    assert exchange.call("GET", "/api/v3/orderList", origClientOrderId="both").json == listed
    assert exchange.call("GET", "/api/v3/openOrderList").json == [listed]
    assert exchange.call("GET", "/api/v3/allOrderList", fromId=listed["orderListId"]).json == [listed]
    assert exchange.call("GET", "/api/v3/orderList", orderListId=999_999).code == -2013
    assert exchange.call("GET", "/api/v3/orderList").code == -1102


def test_ends_of_a_pair_on_the_wire(exchange: Exchange, last: Decimal) -> None:
    """Cancel of a leg, of the list and of everything answer with the whole list; a trigger expires the other leg with its reason."""
    body = place_pair(exchange, last)
    gone = exchange.cancel(body["orders"][0]["orderId"], newClientOrderId="off").json
    assert list(gone) == [*LIST_FIELDS, "orderReports"] and gone["listStatusType"] == gone["listOrderStatus"] == "ALL_DONE"
    assert gone["orders"] == body["orders"] and {row["clientOrderId"] for row in gone["orderReports"]} == {"off"}
    assert [row["origClientOrderId"] for row in gone["orderReports"]] == [leg["clientOrderId"] for leg in body["orders"]]
    body = place_pair(exchange, last)
    gone = exchange.call("DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId=body["orderListId"]).json
    assert [row["status"] for row in gone["orderReports"]] == ["CANCELED", "CANCELED"]
    again = exchange.call("DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId=body["orderListId"])
    assert (again.status, again.code) == (400, -2011)
    place_pair(exchange, last)
    assert [row["listOrderStatus"] for row in exchange.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT").json] == ["ALL_DONE"]
    with exchange.ws_api() as socket:
        socket.subscribe()
        bid = Decimal(exchange.touch()["bidPrice"])
        stop, limit = place_pair(exchange, last, belowStopPrice=str(bid), belowPrice=str(bid - 500))["orders"]
        exchange.take("SELL", str(bid), "0.00001")
        ended = socket.event("executionReport", i=limit["orderId"], x="EXPIRED")
        assert (ended["X"], ended["eR"]) == ("EXPIRED", "OCO_TRIGGER")
        assert socket.event("executionReport", i=stop["orderId"], x="TRADE")
        assert socket.event("listStatus", l="ALL_DONE")["L"] == "ALL_DONE"
    assert exchange.query(orderId=limit["orderId"]).json["expiryReason"] == "OCO_TRIGGER"


def test_amend_and_replace_a_leg(exchange: Exchange, last: Decimal) -> None:
    """keepPriority answers with the list it belongs to; cancelReplace of a leg takes the whole list down and may place another stop."""
    body = place_pair(exchange, last, quantity="0.002")
    stop = body["orders"][0]["orderId"]
    amended = exchange.call("PUT", "/api/v3/order/amend/keepPriority", symbol="BTCUSDT", orderId=stop, newQty="0.001").json
    assert amended["amendedOrder"]["orderListId"] == amended["listStatus"]["orderListId"] == body["orderListId"]
    assert list(amended["listStatus"]) == [name for name in LIST_FIELDS if name not in ("listStatusType", "transactionTime")]
    assert [row["origQty"] for row in exchange.call("GET", "/api/v3/openOrders", symbol="BTCUSDT").json] == ["0.00100000"] * 2
    replaced = exchange.call(
        "POST", "/api/v3/order/cancelReplace", symbol="BTCUSDT", side="SELL", type="STOP_LOSS_LIMIT", timeInForce="GTC", quantity="0.001",
        price=f"{last * Decimal('0.9'):.2f}", stopPrice=f"{last * Decimal('0.95'):.2f}", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=stop,
    ).json  # fmt: skip
    assert replaced["cancelResponse"]["orderListId"] == body["orderListId"] and replaced["newOrderResult"] == "SUCCESS"
    assert [row["type"] for row in exchange.call("GET", "/api/v3/openOrders", symbol="BTCUSDT").json] == ["STOP_LOSS_LIMIT"]


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"aboveType": "LIMIT"}, -1158, "Order type not supported in OCO."),
        ({"aboveType": "SURPRISE"}, -1116, "Invalid orderType."),
        ({"belowType": "LIMIT_MAKER"}, -1168, "At least one OCO order must be contingent."),
        ({"side": "BUY"}, -1165, "A limit order in a buy OCO must be below."),
        ({"aboveType": "TAKE_PROFIT", "side": "BUY"}, -1198, "A take profit order in a buy OCO must be below."),
        ({"aboveType": "STOP_LOSS"}, -1197, "A stop loss order in a sell OCO must be below."),
        ({"belowTimeInForce": None}, -1102, "'belowTimeInForce'"),
        ({"belowStopPrice": None}, -1102, "Param 'belowStopPrice' or 'belowTrailingDelta' must be sent, but both were empty/null!"),
        ({"aboveStopPrice": "70000"}, -1106, "Parameter 'aboveStopPrice' sent when not required."),
        ({"aboveIcebergQty": "1"}, -2010, "Iceberg orders are not supported for this symbol."),
        ({"belowStopPrice": "90000"}, -2010, "The relationship of the prices for the orders is not correct."),
        ({"quantity": "11"}, -2010, "Account has insufficient balance for requested action."),
        ({"newClientOrderId": "x"}, -1104, "Not all sent parameters were read"),
    ],
)
def test_refusals_of_a_pair(exchange: Exchange, last: Decimal, change: dict[str, Any], code: int, text: str) -> None:
    """Each mistake has its own code and words, and leaves no order behind."""
    answer = exchange.call("POST", "/api/v3/orderList/oco", **pair(last, **change))
    assert (answer.status, answer.code) == (400, code), answer.text
    assert text in answer.text
    assert exchange.call("GET", "/api/v3/openOrders", symbol="BTCUSDT").json == []


@pytest.mark.parametrize("side", ["SELL", "BUY"])
def test_the_deprecated_form_of_a_pair(exchange: Exchange, last: Decimal, side: str) -> None:
    """POST order/oco: a limit maker at `price`, a stop loss at `stopPrice`, with a limit at stopLimitPrice where given; orderList.place too."""
    near, far = ("1.03", "0.97") if side == "SELL" else ("0.97", "1.03")
    wanted = {
        "symbol": "BTCUSDT", "side": side, "quantity": "0.001", "price": f"{last * Decimal(near):.2f}", "stopPrice": f"{last * Decimal(far):.2f}",
        "limitClientOrderId": f"old-limit-{side}", "stopClientOrderId": f"old-stop-{side}",
    }  # fmt: skip
    body = exchange.call("POST", "/api/v3/order/oco", **wanted).json
    assert list(body) == [*LIST_FIELDS, "orderReports"] and body["contingencyType"] == "OCO"
    assert [(row["type"], row["clientOrderId"]) for row in body["orderReports"]] == [
        ("STOP_LOSS", f"old-stop-{side}"), ("LIMIT_MAKER", f"old-limit-{side}")
    ]  # fmt: skip
    exchange.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    limited = {**wanted, "stopLimitPrice": wanted["stopPrice"]}
    assert "'stopLimitTimeInForce'" in exchange.call("POST", "/api/v3/order/oco", **limited).json["msg"]
    with exchange.ws_api() as socket:
        result = socket.signed("orderList.place", **limited, stopLimitTimeInForce="GTC")["result"]
    assert [(row["type"], row["price"]) for row in result["orderReports"]][0] == ("STOP_LOSS_LIMIT", f"{Decimal(wanted['stopPrice']):.8f}")


def test_other_kinds_of_list_are_refused_in_words(exchange: Exchange) -> None:
    """OTO, OTOCO, OPO and OPOCO exist as calls; exchangeInfo says that no symbol allows them, and so does the refusal."""
    working = {"symbol": "BTCUSDT", "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "50000", "workingQuantity": "0.001"}
    for kind in ("oto", "otoco", "opo", "opoco"):
        answer = exchange.call("POST", f"/api/v3/orderList/{kind}", **working)
        assert (answer.status, answer.json["code"]) == (400, -2010) and "orders are not supported for this symbol" in answer.json["msg"]
    with exchange.ws_api() as socket:
        assert socket.signed("orderList.place.oto", **working)["error"]["code"] == -2010
    assert exchange.call("GET", "/api/v3/myAllocations", symbol="BTCUSDT").json == []


def test_a_pair_needs_room_for_two_orders(exchange: Exchange, last: Decimal) -> None:
    """With one order left in the window a pair is -1015, a single order is not."""
    used = exchange.call("GET", "/api/v3/rateLimit/order").json[0]["count"]
    exchange.control("POST", "limits", {"orders_10s": used + 1, "orders_1d": 1_000_000})
    answer = exchange.call("POST", "/api/v3/orderList/oco", **pair(last))
    assert (answer.status, answer.code) == (429, -1015)


def test_ws_api_twins(exchange: Exchange, last: Decimal) -> None:
    """orderList.place.oco, orderList.status, openOrderLists.status, allOrderLists and orderList.cancel answer as REST does."""
    with exchange.ws_api() as socket:
        placed = socket.signed("orderList.place.oco", **pair(last))
        body = placed["result"]
        assert list(body) == [*LIST_FIELDS, "orderReports"]
        assert [row["rateLimitType"] for row in placed["rateLimits"]] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
        head = {name: body[name] for name in LIST_FIELDS}
        assert socket.signed("orderList.status", orderListId=body["orderListId"])["result"] == head
        assert socket.signed("openOrderLists.status")["result"] == [head]
        assert socket.signed("allOrderLists", limit=1)["result"] == [head]
        gone = socket.signed("orderList.cancel", symbol="BTCUSDT", orderListId=body["orderListId"])["result"]
        assert [row["status"] for row in gone["orderReports"]] == ["CANCELED", "CANCELED"]
