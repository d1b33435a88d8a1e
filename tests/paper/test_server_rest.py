"""REST of the paper exchange over real sockets: signatures, timing, parameters, orders, market data."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from tests.paper.exchange_client import Exchange

PLACE = "symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER"
REST_OF_PLACE = "quantity=0.001&price=50000&newOrderRespType=RESULT"


def now_ms() -> int:
    return int(time.time() * 1000)


# --- who may call ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["query", "body", "both"])
def test_signature_covers_query_and_body_as_sent(exchange: Exchange, where: str) -> None:
    """The payload is the raw query then the raw body without separator, wherever the parameters are (binance-wire 1)."""
    rest = f"{REST_OF_PLACE}&timestamp={now_ms()}"
    query = {"query": f"{PLACE}&{rest}", "body": "", "both": PLACE}[where]
    body = {"query": "", "body": f"{PLACE}&{rest}", "both": rest}[where]
    signature = f"signature={exchange.sign(query + body)}"
    if body:
        body += "&" + signature
    else:
        query += "&" + signature
    assert exchange.raw("POST", "/api/v3/order", query, body).status == 200


def test_hex_case_of_the_signature_does_not_matter(exchange: Exchange) -> None:
    """HMAC signatures are hex, case-insensitive (binance-wire 1)."""
    query = f"timestamp={now_ms()}"
    assert exchange.raw("GET", "/api/v3/account", f"{query}&signature={exchange.sign(query).upper()}").status == 200


def test_a_name_twice_is_refused(exchange: Exchange) -> None:
    """The same parameter twice in the query (or twice in the body) is -1101; once in each is not."""
    query = f"symbol=BTCUSDT&symbol=ETHUSDT&timestamp={now_ms()}"
    answer = exchange.raw("GET", "/api/v3/openOrders", f"{query}&signature={exchange.sign(query)}")
    assert (answer.status, answer.json) == (400, {"code": -1101, "msg": "Duplicate values for a parameter detected."})


def test_signature_need_not_be_the_last(exchange: Exchange) -> None:
    """The payload is the rest of the query as sent, wherever in it the signature stands."""
    query = f"symbol=BTCUSDT&timestamp={now_ms()}"
    first, middle = f"signature={exchange.sign(query)}&{query}", query.replace("&", f"&signature={exchange.sign(query)}&")
    assert exchange.raw("GET", "/api/v3/openOrders", first).status == exchange.raw("GET", "/api/v3/openOrders", middle).status == 200


def test_query_wins_over_body(exchange: Exchange) -> None:
    """On duplicates the value of the query counts (binance-wire 1)."""
    query, body = f"{PLACE}&newClientOrderId=from-query", f"newClientOrderId=from-body&{REST_OF_PLACE}&timestamp={now_ms()}"
    answer = exchange.raw("POST", "/api/v3/order", query, f"{body}&signature={exchange.sign(query + body)}")
    assert answer.json["clientOrderId"] == "from-query"


def test_bad_signature_key_and_missing_key(exchange: Exchange) -> None:
    """-1022 for a wrong signature, -2015 for a wrong key, -2014 without one, the last two with HTTP 401."""
    query = f"timestamp={now_ms()}"
    assert exchange.raw("GET", "/api/v3/account", f"{query}&signature={'0' * 64}").code == -1022
    wrong = exchange.raw("GET", "/api/v3/account", f"{query}&signature={exchange.sign(query)}", key="nobody")
    assert (wrong.status, wrong.code) == (401, -2015)
    missing = exchange.raw("GET", "/api/v3/account", f"{query}&signature={exchange.sign(query)}", key="")
    assert (missing.status, missing.code) == (401, -2014)


def test_missing_timestamp_or_signature_is_1102(exchange: Exchange) -> None:
    """Both are mandatory on signed calls."""
    assert "'timestamp'" in exchange.raw("GET", "/api/v3/account", f"signature={exchange.sign('')}").json["msg"]
    assert "'signature'" in exchange.raw("GET", "/api/v3/account", f"timestamp={now_ms()}").json["msg"]


@pytest.mark.parametrize(
    ("shift_ms", "window", "code", "text"),
    [
        (-3000, 2000, -1021, "Timestamp for this request is outside of the recvWindow."),
        (-3000, None, None, ""),
        (2500, None, -1021, "Timestamp for this request was 1000ms ahead of the server's time."),
        (500, None, None, ""),
        (0, 60001, -1131, ""),
        (0, "2500.125", None, ""),
        (20_000, None, -1130, ""),
    ],
)
def test_timing(exchange: Exchange, shift_ms: int, window: object, code: int | None, text: str) -> None:
    """timestamp < serverTime+1000 and serverTime-timestamp <= recvWindow (default 5000, at most 60000)."""
    answer = exchange.call("GET", "/api/v3/account", timestamp=now_ms() + shift_ms, recvWindow=window)
    assert answer.code == code
    assert text in answer.text


def test_removed_and_unknown_paths(exchange: Exchange) -> None:
    """listenKey paths answer 410, paths that never were 404."""
    assert exchange.public("POST", "/api/v3/userDataStream").status == 410
    assert exchange.public("GET", "/api/v3/nothing").status == 404


# --- parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"price": None}, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
        ({"symbol": None}, -1102, "'symbol'"),
        ({"quantity": "1e-05"}, -1100, r"legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'"),
        ({"quantity": "-1"}, -1100, "'quantity'"),
        ({"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"symbol": "btcusdt"}, -1100, "'symbol'"),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "STOP"}, -1116, "Invalid orderType."),
        ({"stopPrice": "49000"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC"}, -1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!"),
        ({"type": "STOP_LOSS", "stopPrice": "70000"}, -1106, "Parameter 'price' sent when not required."),
        ({"type": "TAKE_PROFIT_LIMIT", "timeInForce": "GTC", "stopPrice": "90000"}, -2010, "Order would trigger immediately."),
        ({"icebergQty": "0.0005"}, -2010, "Iceberg orders are not supported for this symbol."),
        ({"pegPriceType": "PRIMARY_PEG", "price": None}, -2010, "Pegged orders are not supported for this symbol."),
        ({"strategyType": "5"}, -1134, "`strategyType` was less than 1000000."),
        ({"timeInForce": "GTC"}, -1106, "Parameter 'timeInForce' sent when not required."),
        ({"type": "LIMIT", "timeInForce": "XXX"}, -1115, "Invalid timeInForce."),
        ({"type": "LIMIT"}, -1102, "'timeInForce'"),
        ({"newClientOrderId": "a b"}, -1100, "'^[a-zA-Z0-9-_]{1,36}$'"),
        ({"newClientOrderId": "x" * 37}, -1100, "'newClientOrderId'"),
        ({"newClientOrderId": ""}, -1105, "Parameter 'newClientOrderId' was empty."),
        ({"symbol": ""}, -1105, "Parameter 'symbol' was empty."),
        ({"price": ""}, -1105, "Parameter 'price' was empty."),
        ({"strategyId": "9223372036854775808"}, -1108, "Parameter 'strategyId' overflowed."),
        ({"strategyId": "-1"}, -1100, "legal range is '^[0-9]{1,20}$'"),
        ({"surprise": "1"}, -1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."),
        ({"price": "50000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.000011"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "1000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "100"}, -2010, "Account has insufficient balance for requested action."),
        ({"price": "70000"}, -2010, "Order would immediately match and take."),
    ],
)
def test_refusals_of_a_placement(exchange: Exchange, change: dict[str, object], code: int, text: str) -> None:
    """Each refusal has Binance's code and words, and leaves no order behind."""
    answer = exchange.place(**change)
    assert (answer.status, answer.code) == (400, code)
    assert text in answer.text
    assert exchange.call("GET", "/api/v3/openOrders", symbol="BTCUSDT").json == []


# --- orders ---------------------------------------------------------------------------------------------------------


def test_default_response_types(exchange: Exchange) -> None:
    """LIMIT answers FULL, LIMIT_MAKER only ACK (binance-wire trap 9)."""
    ack = exchange.place(newOrderRespType=None).json
    assert set(ack) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    full = exchange.place(newOrderRespType=None, type="LIMIT", timeInForce="GTC").json
    assert full["fills"] == [] and full["status"] == "NEW" and full["price"] == "50000.00000000"


def test_market_order_fills_with_commission(exchange: Exchange) -> None:
    """A MARKET buy answers FULL; the commission is taken from what is received."""
    body = exchange.place(type="MARKET", price=None, quantity="0.01", newOrderRespType=None).json
    assert body["status"] == "FILLED" and body["fills"][0]["commissionAsset"] == "BTC"
    bought = sum(Decimal(fill["qty"]) for fill in body["fills"])
    fee = sum(Decimal(fill["commission"]) for fill in body["fills"])
    assert bought == Decimal("0.01") and fee == bought * Decimal("0.001")
    trades = exchange.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=body["orderId"]).json
    assert [row["id"] for row in trades] == [fill["tradeId"] for fill in body["fills"]]


def test_pages_of_own_trades(exchange: Exchange) -> None:
    """By id, by time or by order, ascending, at most `limit`; a time beside an id is -1128, more than 24 hours -1127."""
    for _ in range(3):
        exchange.place(type="MARKET", price=None, quantity="0.001")

    def ids(**params: object) -> list[int]:
        return [row["id"] for row in exchange.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", **params).json]

    newest = ids()
    assert newest == sorted(newest) and ids(limit=2) == newest[-2:]
    assert ids(fromId=newest[-3], limit=2) == newest[-3:-1] and ids(startTime=now_ms() - 86_000_000, endTime=now_ms() + 500)
    order = exchange.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", limit=1).json[0]
    assert order["id"] in ids(orderId=order["orderId"]) and ids(orderId=order["orderId"], fromId=order["id"])
    for beside in ({"fromId": 1}, {"orderId": 1}):
        assert exchange.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", startTime=now_ms(), **beside).code == -1128
    assert exchange.call("GET", "/api/v3/myTrades", symbol="BTCUSDT", startTime=1, endTime=86_400_002).code == -1127


def test_cancel_renames_the_order(exchange: Exchange) -> None:
    """After a cancel the order is found under the cancel's id; its own id is free again (binance-wire trap 3)."""
    order_id = exchange.place(newClientOrderId="mine").json["orderId"]
    duplicate = exchange.place(newClientOrderId="mine")
    assert duplicate.code == -2010 and "Duplicate order sent." in duplicate.text
    body = exchange.cancel(order_id, newClientOrderId="the-cancel").json
    assert (body["origClientOrderId"], body["clientOrderId"], body["status"]) == ("mine", "the-cancel", "CANCELED")
    assert exchange.query(orderId=order_id).json["clientOrderId"] == "the-cancel"
    assert exchange.query(origClientOrderId="mine").code == -2013
    assert exchange.place(newClientOrderId="mine").status == 200


def test_cancel_of_an_order_that_is_not_open(exchange: Exchange) -> None:
    """-2011, also for a second cancel and for cancel-all with nothing open."""
    order_id = exchange.place().json["orderId"]
    assert exchange.cancel(order_id).status == 200
    assert exchange.cancel(order_id).json == {"code": -2011, "msg": "Unknown order sent."}
    assert exchange.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT").code == -2011


def test_query_needs_an_id_and_both_must_agree(exchange: Exchange) -> None:
    """Neither id: -1102; an id and another order's client id: -2039 (binance-wire 2)."""
    order_id = exchange.place(newClientOrderId="one").json["orderId"]
    assert exchange.query().code == -1102
    assert exchange.query(orderId=order_id, origClientOrderId="two").code == -2039
    assert exchange.query(orderId=order_id, origClientOrderId="one").json["status"] == "NEW"


def test_amend_reduces_only(exchange: Exchange) -> None:
    """Less quantity keeps id and price; more, or no change, is -2038 and leaves the order (binance-wire 3)."""
    order_id = exchange.place(quantity="0.003", newClientOrderId="keep").json["orderId"]

    def amend(quantity: str) -> object:
        return exchange.call(
            "PUT", "/api/v3/order/amend/keepPriority", symbol="BTCUSDT", orderId=order_id, newQty=quantity,
            newClientOrderId="keep",
        )  # fmt: skip

    body = amend("0.002").json  # type: ignore[attr-defined]
    assert body["amendedOrder"]["qty"] == "0.00200000" and body["amendedOrder"]["clientOrderId"] == "keep"
    assert amend("0.003").code == -2038  # type: ignore[attr-defined]
    assert amend("0.002").code == -2038  # type: ignore[attr-defined]
    assert exchange.query(orderId=order_id).json["origQty"] == "0.00200000"
    rows = exchange.call("GET", "/api/v3/order/amendments", symbol="BTCUSDT", orderId=order_id).json
    assert [(row["origQty"], row["newQty"]) for row in rows] == [("0.00300000", "0.00200000")]


def test_order_test_places_nothing(exchange: Exchange) -> None:
    """order/test validates and answers {}."""
    answer = exchange.call(
        "POST", "/api/v3/order/test", symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER", quantity="0.001", price="50000"
    )
    assert answer.json == {}
    assert exchange.call("GET", "/api/v3/openOrders").json == []


def test_halted_symbol_cancels_but_does_not_place(exchange: Exchange) -> None:
    """In HALT a placement is -2010 `Market is closed.`, a cancel works."""
    order_id = exchange.place().json["orderId"]
    exchange.control("POST", "symbol", {"symbol": "BTCUSDT", "status": "HALT"})
    assert exchange.place().json == {"code": -2010, "msg": "Market is closed."}
    assert exchange.public("GET", "/api/v3/exchangeInfo", symbol="BTCUSDT").json["symbols"][0]["status"] == "HALT"
    assert exchange.cancel(order_id).status == 200


def test_equal_order_ids_occur_in_several_symbols(exchange: Exchange) -> None:
    """Ids are unique per symbol only: a query with the wrong symbol finds another order or none."""
    btc = [exchange.place().json["orderId"] for _ in range(6)]
    eth = [exchange.place(symbol="ETHUSDT", price="2500", quantity="0.01").json["orderId"] for _ in range(6)]
    assert max(btc) - min(btc) == 5 and max(eth) - min(eth) == 5


def test_all_orders_and_trades_by_id(exchange: Exchange) -> None:
    """allOrders from an id on, ascending; a window above 24 h is -1127."""
    first = exchange.place().json["orderId"]
    second = exchange.place(side="SELL", price="70000").json["orderId"]
    rows = exchange.call("GET", "/api/v3/allOrders", symbol="BTCUSDT", orderId=first).json
    assert [row["orderId"] for row in rows] == [first, second]
    late = exchange.call("GET", "/api/v3/allOrders", symbol="BTCUSDT", startTime=1, endTime=86_400_002)
    assert late.code == -1127


# --- public data ----------------------------------------------------------------------------------------------------


def test_market_data_shapes(exchange: Exchange) -> None:
    """Depth is ordered best first with 8-decimal texts; prints appear in trades, aggTrades, klines and tickers."""
    touch = exchange.touch()
    exchange.take("BUY", touch["askPrice"], "0.00002")
    depth = exchange.public("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5).json
    bids = [Decimal(row[0]) for row in depth["bids"]]
    assert bids == sorted(bids, reverse=True) and len(bids) == 5 and len(depth["bids"][0][1].split(".")[1]) == 8
    trade = exchange.public("GET", "/api/v3/trades", symbol="BTCUSDT", limit=1).json[0]
    assert (trade["price"], trade["qty"], trade["isBuyerMaker"]) == (touch["askPrice"], "0.00002000", False)
    assert exchange.public("GET", "/api/v3/aggTrades", symbol="BTCUSDT").json[-1]["l"] == trade["id"]
    bar = exchange.public("GET", "/api/v3/klines", symbol="BTCUSDT", interval="1m").json[-1]
    assert len(bar) == 12 and bar[4] == touch["askPrice"]
    assert exchange.public("GET", "/api/v3/ticker/price", symbol="BTCUSDT").json["price"] == touch["askPrice"]
    assert exchange.public("GET", "/api/v3/ticker/24hr", symbol="BTCUSDT").json["lastPrice"] == touch["askPrice"]
    assert exchange.public("GET", "/api/v3/avgPrice", symbol="BTCUSDT").json["mins"] == 5
    assert exchange.public("GET", "/api/v3/klines", symbol="BTCUSDT", interval="7m").code == -1120


def test_server_time_is_the_wall_clock(exchange: Exchange) -> None:
    """serverTime is the wall clock, whatever the market does."""
    assert abs(exchange.public("GET", "/api/v3/time").json["serverTime"] - now_ms()) < 10_000


def test_exchange_info_selects_symbols(exchange: Exchange) -> None:
    """One, several or all symbols; one that does not exist is -1121, one named twice -1151."""
    both = exchange.public("GET", "/api/v3/exchangeInfo", symbols='["BTCUSDT","ETHUSDT"]').json
    assert [entry["symbol"] for entry in both["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    assert exchange.public("GET", "/api/v3/exchangeInfo", symbol="NOPE").code == -1121
    assert exchange.public("GET", "/api/v3/exchangeInfo", symbols='["BTCUSDT","BTCUSDT"]').code == -1151
