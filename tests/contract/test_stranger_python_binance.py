"""python-binance's own Client, unmodified, against the paper exchange (binance-wire 9)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from binance import AsyncClient, Client
from binance.exceptions import BinanceAPIException

from tests.paper.exchange_client import Exchange

FAR = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.001", "price": "50000"}


@pytest.fixture
def client(paper: Exchange) -> Iterator[Any]:
    """Only the addresses are ours."""

    class Loopback(Client):  # type: ignore[misc]
        API_URL = paper.base + "/api"
        WS_API_URL = paper.ready["ws_api"]

    made = Loopback(paper.ready["api_key"], paper.ready["api_secret"], ping=False, requests_params={"timeout": 30})
    made.session.trust_env = False
    yield made
    made.session.close()
    leftovers = asyncio.all_tasks(made.loop)  # its sync ws_* calls leave a reader on a loop of their own
    for task in leftovers:
        task.cancel()
    if leftovers:
        made.loop.run_until_complete(asyncio.gather(*leftovers, return_exceptions=True))


def test_public_calls(client: Any) -> None:
    """Everything a market maker reads without a key."""
    assert client.ping() == {}
    assert client.get_server_time()["serverTime"] > 1_600_000_000_000
    assert [entry["symbol"] for entry in client.get_exchange_info()["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    book = client.get_order_book(symbol="BTCUSDT", limit=5)
    assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])
    assert client.get_orderbook_ticker(symbol="BTCUSDT")["symbol"] == "BTCUSDT"
    assert len(client.get_orderbook_tickers()) == 2
    assert isinstance(client.get_klines(symbol="BTCUSDT", interval="1m"), list)
    assert client.get_avg_price(symbol="BTCUSDT")["mins"] == 5
    assert client.get_symbol_ticker(symbol="BTCUSDT")["symbol"] == "BTCUSDT"
    assert isinstance(client.get_recent_trades(symbol="BTCUSDT"), list)
    assert isinstance(client.get_aggregate_trades(symbol="BTCUSDT"), list)


def test_order_life(client: Any) -> None:
    """Place, query, list, amend, replace, cancel."""
    placed = client.create_order(**FAR, newClientOrderId="pb-1", newOrderRespType="RESULT")
    assert placed["status"] == "NEW"
    assert client.get_order(symbol="BTCUSDT", origClientOrderId="pb-1")["orderId"] == placed["orderId"]
    assert [order["clientOrderId"] for order in client.get_open_orders(symbol="BTCUSDT")] == ["pb-1"]
    amended = client._put(
        "order/amend/keepPriority", True,
        data={"symbol": "BTCUSDT", "orderId": placed["orderId"], "newQty": "0.0005", "newClientOrderId": "pb-1"},
    )  # fmt: skip
    assert amended["amendedOrder"]["qty"] == "0.00050000"
    replaced = client.cancel_replace_order(
        **{**FAR, "price": "50001"}, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=placed["orderId"],
        newClientOrderId="pb-2",
    )  # fmt: skip
    assert replaced["newOrderResult"] == "SUCCESS"
    assert client.cancel_order(symbol="BTCUSDT", origClientOrderId="pb-2")["status"] == "CANCELED"
    client.create_order(**FAR)
    assert len(client.cancel_all_open_orders(symbol="BTCUSDT")) == 1
    assert len(client.get_all_orders(symbol="BTCUSDT")) >= 3
    assert client.create_test_order(**FAR) == {}


def test_market_order_and_account(client: Any) -> None:
    """A fill is in the answer, in the trades and in the balances, exactly."""

    def free(asset: str) -> Decimal:
        return Decimal(client.get_asset_balance(asset=asset)["free"])

    before = free("BTC")
    order = client.order_market_buy(symbol="BTCUSDT", quantity="0.01")
    got = sum(Decimal(fill["qty"]) - Decimal(fill["commission"]) for fill in order["fills"])
    assert free("BTC") - before == got
    trades = client.get_my_trades(symbol="BTCUSDT", orderId=order["orderId"])
    assert sum(Decimal(trade["qty"]) for trade in trades) == Decimal("0.01")
    assert client.v3_get_account_commission(symbol="BTCUSDT")["standardCommission"]["taker"] == "0.00100000"
    assert [row["rateLimitType"] for row in client.get_current_order_count()] == ["ORDERS", "ORDERS"]


def sell_pair(client: Any) -> dict[str, str]:
    """A pair 3 % around the last price, in the newer form that create_oco_order sends."""
    last = Decimal(client.get_symbol_ticker(symbol="BTCUSDT")["price"])
    low, high = f"{last * Decimal('0.97'):.2f}", f"{last * Decimal('1.03'):.2f}"
    return {
        "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.001", "aboveType": "LIMIT_MAKER", "abovePrice": high,
        "belowType": "STOP_LOSS_LIMIT", "belowPrice": low, "belowStopPrice": low, "belowTimeInForce": "GTC",
    }  # fmt: skip


def test_stops_and_pairs(client: Any) -> None:
    """create_order with a stop, create_oco_order, get_open_oco_orders, the list by id and its cancel; a leg's cancel ends the list."""
    pair = sell_pair(client)
    stop = client.create_order(
        symbol="BTCUSDT", side="SELL", type="STOP_LOSS_LIMIT", timeInForce="GTC", quantity="0.001", price=pair["belowPrice"],
        stopPrice=pair["belowStopPrice"], newOrderRespType="RESULT",
    )  # fmt: skip
    assert (stop["status"], stop["workingTime"]) == ("NEW", -1)
    assert client.get_order(symbol="BTCUSDT", orderId=stop["orderId"])["isWorking"] is False
    made = client.create_oco_order(**pair)
    assert [row["type"] for row in made["orderReports"]] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]
    assert [row["orderListId"] for row in client.get_open_oco_orders()] == [made["orderListId"]]
    assert client.v3_get_order_list(orderListId=made["orderListId"])["orders"] == made["orders"]
    gone = client.v3_delete_order_list(symbol="BTCUSDT", orderListId=made["orderListId"])
    assert gone["listOrderStatus"] == "ALL_DONE"
    second = client.order_oco_sell(**{name: value for name, value in pair.items() if name != "side"})
    canceled = client.cancel_order(symbol="BTCUSDT", orderId=second["orders"][1]["orderId"])
    assert [row["status"] for row in canceled["orderReports"]] == ["CANCELED", "CANCELED"]
    assert {row["orderListId"] for row in client.v3_get_all_order_list()} >= {made["orderListId"], second["orderListId"]}
    client.cancel_order(symbol="BTCUSDT", orderId=stop["orderId"])


def test_sync_ws_list_methods(client: Any) -> None:
    """ws_create_oco_order, ws_get_oco_order, ws_get_oco_open_orders, ws_cancel_oco_order."""
    made = client.ws_create_oco_order(**sell_pair(client))
    assert client.ws_get_oco_order(orderListId=made["orderListId"])["listOrderStatus"] == "EXECUTING"
    assert [row["orderListId"] for row in client.ws_get_oco_open_orders()] == [made["orderListId"]]
    assert client.ws_cancel_oco_order(symbol="BTCUSDT", orderListId=made["orderListId"])["listOrderStatus"] == "ALL_DONE"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": "70000"}, -2010),
        ({"quantity": 0.00001}, -1100),  # python-binance writes a float as 1e-05
        ({"symbol": "NOPE"}, -1121),
    ],
)
def test_errors_become_its_exception(client: Any, change: dict[str, Any], code: int) -> None:
    """Code, text and HTTP status arrive in BinanceAPIException."""
    with pytest.raises(BinanceAPIException) as caught:
        client.create_order(**{**FAR, **change})
    assert (caught.value.code, caught.value.status_code) == (code, 400)


def test_seldom_reads(client: Any) -> None:
    """Bars for charts, tickers of every window, prevented matches and allocations."""
    assert client.get_ui_klines(symbol="BTCUSDT", interval="1w")
    assert client.get_ticker(symbol="BTCUSDT")["symbol"] == "BTCUSDT" and len(client.get_ticker()) == 2
    assert client.get_symbol_ticker_window(symbol="BTCUSDT", windowSize="7d")["symbol"] == "BTCUSDT"
    assert client.v3_get_ticker_trading_day(symbol="BTCUSDT")["symbol"] == "BTCUSDT"
    assert client.get_prevented_matches(symbol="BTCUSDT", orderId=1) == client.get_allocations(symbol="BTCUSDT") == []


def test_its_time_unit(paper: Exchange) -> None:
    """time_unit="MICROSECOND" goes out as a header, and times come back in us."""

    class Loopback(Client):  # type: ignore[misc]
        API_URL = paper.base + "/api"

    made = Loopback(paper.ready["api_key"], paper.ready["api_secret"], ping=False, time_unit="MICROSECOND")
    made.session.trust_env = False
    assert abs(made.get_server_time()["serverTime"] / 1e6 - time.time()) < 60
    assert abs(made.create_order(**FAR)["transactTime"] / 1e6 - time.time()) < 60
    made.session.close()


def test_html_errors_are_code_zero(client: Any, paper: Exchange) -> None:
    """A 5xx with HTML is an exception with code 0: outcome unknown."""
    paper.fault("server_error", html=True, status=502, match={"operation": "order.place"}, count=1)
    with pytest.raises(BinanceAPIException) as caught:
        client.create_order(**FAR)
    assert (caught.value.code, caught.value.status_code) == (0, 502)


def test_sync_ws_methods(client: Any) -> None:
    """Its WS API calls work when made from the creating thread; close in time."""
    placed = client.ws_create_order(**FAR, newClientOrderId="pb-ws", newOrderRespType="RESULT")
    assert placed["clientOrderId"] == "pb-ws"
    assert client.ws_get_order(symbol="BTCUSDT", orderId=placed["orderId"])["status"] == "NEW"
    assert client.ws_cancel_order(symbol="BTCUSDT", orderId=placed["orderId"])["status"] == "CANCELED"
    assert client.ws_ping() == {}


def test_market_sockets(paper: Exchange) -> None:
    """BinanceSocketManager's market sockets, one after the other, each bring their payload."""
    from binance import BinanceSocketManager

    class Loopback(AsyncClient):  # type: ignore[misc]
        API_URL = paper.base + "/api"

    class Sockets(BinanceSocketManager):  # type: ignore[misc]
        STREAM_URL = paper.ready["stream"] + "/"

    async def first(socket: Any) -> Any:
        async with socket as opened:
            return await asyncio.wait_for(opened.recv(), 5)

    async def scene() -> list[Any]:
        client = Loopback(paper.ready["api_key"], paper.ready["api_secret"])
        manager = Sockets(client)
        try:
            wanted = (
                manager.kline_socket("BTCUSDT", interval="1w"), manager.symbol_ticker_socket("BTCUSDT"), manager.miniticker_socket(1000),
                manager.depth_socket("BTCUSDT", depth="5"), manager.multiplex_socket(["btcusdt@avgPrice", "ethusdt@bookTicker"]),
            )  # fmt: skip
            return list(await asyncio.gather(*map(first, wanted)))
        finally:
            await client.close_connection()

    bar, ticker, all_mini, depth, wrapped = asyncio.run(scene())
    assert (bar["k"]["i"], ticker["e"], all_mini[0]["e"]) == ("1w", "24hrTicker", "24hrMiniTicker")
    assert len(depth["bids"]) == 5 and wrapped["stream"] in ("btcusdt@avgPrice", "ethusdt@bookTicker")


def test_async_user_socket(paper: Exchange) -> None:
    """BinanceSocketManager's user socket subscribes by signature and hears the life of an order."""
    from binance import BinanceSocketManager

    class Loopback(AsyncClient):  # type: ignore[misc]
        API_URL = paper.base + "/api"
        WS_API_URL = paper.ready["ws_api"]

    class Sockets(BinanceSocketManager):  # type: ignore[misc]
        STREAM_URL = paper.ready["stream"] + "/"

    async def scene() -> tuple[list[Any], Any]:
        client = Loopback(paper.ready["api_key"], paper.ready["api_secret"])
        manager = Sockets(client)
        try:
            async with manager.user_socket() as user, manager.trade_socket("BTCUSDT") as market:
                order = await client.create_order(**FAR, newClientOrderId="pb-us", newOrderRespType="RESULT")
                await client.cancel_order(symbol="BTCUSDT", orderId=order["orderId"])
                events = [await asyncio.wait_for(user.recv(), 5) for _ in range(4)]
                await client.order_market_buy(symbol="BTCUSDT", quantity="0.001")
                print_ = await asyncio.wait_for(market.recv(), 5)
        finally:
            with suppress(asyncio.TimeoutError):  # its own closing takes 10 s after a user socket (binance-wire 9)
                await asyncio.wait_for(client.close_connection(), 0.5)
        return events, print_

    events, print_ = asyncio.run(scene())
    found = [event.get("event", event) for event in events]
    assert [event["e"] for event in found] == ["executionReport", "outboundAccountPosition"] * 2
    assert found[0]["c"] == "pb-us" and found[2]["x"] == "CANCELED"
    assert print_["e"] == "trade" and print_["s"] == "BTCUSDT"
