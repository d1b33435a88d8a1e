"""Binance's own SDK (binance-sdk-spot), unmodified: its pydantic models judge our payloads on all three interfaces."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import BadRequestError, TooManyRequestsError, UnauthorizedError
from binance_sdk_spot.spot import Spot

from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S

FAR: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.001", "price": "50000"}
RESULT = {"new_order_resp_type": "RESULT"}


@pytest.fixture
def rest(paper: Exchange) -> Any:
    configuration = ConfigurationRestAPI(
        paper.ready["api_key"], paper.ready["api_secret"], base_path=paper.base, timeout=30_000, retries=0
    )
    return Spot(config_rest_api=configuration).rest_api


def test_public_calls(rest: Any) -> None:
    """Every public answer fits its model."""
    info = rest.exchange_info(symbol="BTCUSDT").data()
    assert info.symbols[0].symbol == "BTCUSDT" and info.symbols[0].amend_allowed
    assert rest.time().data().server_time > 0
    book = rest.depth("BTCUSDT", limit=5).data()
    assert len(book.bids) == 5 and Decimal(book.bids[0][0]) < Decimal(book.asks[0][0])
    assert isinstance(rest.get_trades("BTCUSDT").data(), list)
    assert isinstance(rest.agg_trades("BTCUSDT").data(), list)
    assert isinstance(rest.klines("BTCUSDT", "1m").data(), list)
    assert rest.avg_price("BTCUSDT").data().mins == 5
    assert rest.ticker_book_ticker(symbol="BTCUSDT").data()
    assert rest.ticker_price(symbol="BTCUSDT").data()


def test_order_life(rest: Any) -> None:
    """Place, query, amend, replace, cancel, lists; parameters come in the query."""
    placed = rest.new_order(**FAR, **RESULT, new_client_order_id="sdk-1").data()
    assert placed.status == "NEW" and placed.client_order_id == "sdk-1"
    assert rest.get_order("BTCUSDT", order_id=placed.order_id).data().orig_qty == "0.00100000"
    amended = rest.order_amend_keep_priority("BTCUSDT", "0.0005", order_id=placed.order_id, new_client_order_id="sdk-1")
    assert amended.data().amended_order.qty == "0.00050000"
    rows = rest.order_amendments("BTCUSDT", placed.order_id).data()
    assert [row.new_qty for row in rows] == ["0.00050000"]
    replaced = rest.order_cancel_replace(
        **{**FAR, "price": "50001"}, cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=placed.order_id, **RESULT
    ).data()
    assert replaced.cancel_result == "SUCCESS"
    new_id = replaced.new_order_response.order_id
    assert [order.order_id for order in rest.get_open_orders("BTCUSDT").data()] == [new_id]
    assert rest.delete_order("BTCUSDT", order_id=new_id).data().status == "CANCELED"
    rest.new_order(**FAR)
    assert rest.delete_open_orders("BTCUSDT").data()
    assert len(rest.all_orders("BTCUSDT").data()) >= 3
    assert rest.order_test(**FAR).data() is not None


def sell_pair(rest: Any) -> dict[str, Any]:
    """A pair 3 % around the last price."""
    last = Decimal(rest.ticker_price(symbol="BTCUSDT").data().actual_instance.price)
    low, high = f"{last * Decimal('0.97'):.2f}", f"{last * Decimal('1.03'):.2f}"
    return {
        "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.001", "above_type": "LIMIT_MAKER", "above_price": high,
        "below_type": "STOP_LOSS_LIMIT", "below_price": low, "below_stop_price": low, "below_time_in_force": "GTC",
    }  # fmt: skip


def test_stops_and_pairs(rest: Any) -> None:
    """A trailing stop, a pair, its queries and its cancel fit their models."""
    pair = sell_pair(rest)
    stop = rest.new_order(
        "BTCUSDT", "SELL", "STOP_LOSS_LIMIT", time_in_force="GTC", quantity="0.001", price=pair["below_price"],
        stop_price=pair["below_stop_price"], trailing_delta=100, **RESULT,
    ).data()  # fmt: skip
    conditional = {"stopPrice": f"{pair['below_stop_price']}000000", "trailingDelta": 100, "trailingTime": -1}  # documented, in no model of theirs
    assert stop.working_time == -1 and stop.additional_properties == conditional
    made = rest.order_list_oco(**pair, **RESULT).data()
    assert [row.type for row in made.order_reports] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"] and not made.order_reports[0].additional_properties
    assert rest.get_order_list(order_list_id=made.order_list_id).data().list_order_status == "EXECUTING"
    assert [row.order_list_id for row in rest.open_order_list().data()] == [made.order_list_id]
    assert made.order_list_id in [row.order_list_id for row in rest.all_order_list().data()]
    amended = rest.order_amend_keep_priority("BTCUSDT", "0.0005", order_id=made.orders[1].order_id).data()
    assert amended.list_status.order_list_id == made.order_list_id
    gone = rest.delete_order_list("BTCUSDT", order_list_id=made.order_list_id).data()
    assert [row.status for row in gone.order_reports] == ["CANCELED", "CANCELED"]
    assert rest.delete_order("BTCUSDT", order_id=stop.order_id).data().status == "CANCELED"


def test_account(rest: Any) -> None:
    """Account, commission, trades, order counts fit their models."""
    order = rest.new_order("BTCUSDT", "BUY", "MARKET", quantity="0.01").data()
    assert order.fills and order.status == "FILLED"
    assert rest.my_trades("BTCUSDT", order_id=order.order_id).data()[0].order_id == order.order_id
    assert {row.asset for row in rest.get_account().data().balances} >= {"BTC", "USDT"}
    assert rest.account_commission("BTCUSDT").data().standard_commission.taker == "0.00100000"
    assert [row.rate_limit_type for row in rest.rate_limit_order().data()] == ["ORDERS", "ORDERS"]


@pytest.mark.parametrize("unit", ["MILLISECOND", "MICROSECOND"])
def test_every_other_read_fits_its_model(paper: Exchange, unit: str) -> None:
    """The reads a market maker seldom makes, in both time units: bars of any zone, tickers of any window, filters, prevented matches, allocations."""
    configuration = ConfigurationRestAPI(
        paper.ready["api_key"], paper.ready["api_secret"], base_path=paper.base, timeout=30_000, retries=0, time_unit=unit
    )
    rest: Any = Spot(config_rest_api=configuration).rest_api
    factor = 1000 if unit == "MICROSECOND" else 1
    assert abs(rest.time().data().server_time / factor - time.time() * 1000) < 60_000
    assert rest.exchange_info(permissions=["SPOT"]).data().symbols
    assert rest.ui_klines("BTCUSDT", "1M", time_zone="8").data()[0][0] > 0
    assert isinstance(rest.historical_trades("BTCUSDT").data(), list)
    for ticker in (
        rest.ticker24hr(symbol="BTCUSDT"), rest.ticker24hr(symbols=["BTCUSDT"], type="MINI"), rest.ticker_trading_day(symbol="BTCUSDT"),
        rest.ticker(symbol="BTCUSDT", window_size="1h"), rest.execution_rules(symbol="BTCUSDT"),
    ):  # fmt: skip
        assert ticker.data()
    assert rest.my_filters("BTCUSDT").data().symbol_filters
    assert rest.my_prevented_matches("BTCUSDT", order_id=1).data() == rest.my_allocations("BTCUSDT").data() == []
    pair = rest.order_oco("BTCUSDT", "SELL", quantity=0.001, price=90000.0, stop_price=30000.0).data()
    assert abs(pair.transaction_time / factor - time.time() * 1000) < 60_000
    rest.delete_open_orders("BTCUSDT")


def test_errors(rest: Any, paper: Exchange) -> None:
    """Refusals become its error classes."""
    with pytest.raises(BadRequestError):
        rest.new_order(**{**FAR, "price": "70000"})
    paper.control("POST", "limits", {"orders_10s": 0})
    with pytest.raises(TooManyRequestsError):
        rest.new_order(**FAR)
    stranger = ConfigurationRestAPI("nobody", "nothing", base_path=paper.base, timeout=30_000, retries=0)
    with pytest.raises(UnauthorizedError):
        Spot(config_rest_api=stranger).rest_api.get_account()


def websocket_api(paper: Exchange) -> Any:
    configuration = ConfigurationWebSocketAPI(
        paper.ready["api_key"], paper.ready["api_secret"], stream_url=paper.ready["ws_api"]
    )
    return Spot(config_ws_api=configuration).websocket_api


def test_websocket_api(paper: Exchange) -> None:
    """The twins of the REST calls, and user data by signature, through its asyncio client."""

    async def scene() -> list[Any]:
        api = websocket_api(paper)
        await api.create_connection()
        events: list[Any] = []
        heard = asyncio.Event()
        try:
            subscribed = await api.user_data_stream_subscribe_signature()

            def hear(event: Any) -> None:
                events.append(event)
                heard.set()

            subscribed.stream.on("message", hear)
            placed = (await api.order_place(**FAR, **RESULT)).data().result
            assert placed.status == "NEW"
            status = (await api.order_status("BTCUSDT", order_id=placed.order_id)).data().result
            assert status.order_id == placed.order_id
            amended = await api.order_amend_keep_priority("BTCUSDT", "0.0005", order_id=placed.order_id)
            assert amended.data().result.amended_order.qty == "0.00050000"
            replaced = await api.order_cancel_replace(
                "BTCUSDT", "STOP_ON_FAILURE", "BUY", "LIMIT_MAKER", cancel_order_id=placed.order_id, quantity="0.001",
                price="50001", **RESULT,
            )  # fmt: skip
            new_id = replaced.data().result.new_order_response.order_id
            assert (await api.order_cancel("BTCUSDT", order_id=new_id)).data().result.status == "CANCELED"
            assert (await api.account_status()).data().result.account_type == "SPOT"
            assert (await api.open_orders_status()).data().result == []
            assert len((await api.depth("BTCUSDT", limit=5)).data().result.bids) == 5
            assert (await api.time()).rate_limits
            await asyncio.wait_for(heard.wait(), SOON_S)
            async with asyncio.timeout(SOON_S):
                while len(events) < 8:
                    await asyncio.sleep(0.02)
        finally:
            await api.close_connection(close_session=True)
        return events

    events = asyncio.run(scene())
    kinds = [getattr(event, "actual_instance", event).__class__.__name__ for event in events]
    assert len(events) >= 8, kinds
    assert {"ExecutionReport", "OutboundAccountPosition"} <= set(kinds), kinds


def kinds_of(events: list[Any], *names: str) -> list[str]:
    return [kind for event in events if (kind := event.__class__.__name__) in names]


def test_pairs_over_the_websocket_api(paper: Exchange, rest: Any) -> None:
    """Placing, status and cancel of a pair, and its listStatus among the events, all through its models."""
    pair = sell_pair(rest)

    async def scene() -> list[Any]:
        api = websocket_api(paper)
        await api.create_connection()
        events: list[Any] = []
        done = asyncio.Event()

        def hear(event: Any) -> None:
            events.append(getattr(event, "actual_instance", event))
            if getattr(events[-1], "l", None) == "ALL_DONE":
                done.set()

        try:
            (await api.user_data_stream_subscribe_signature()).stream.on("message", hear)
            made = (await api.order_list_place_oco(**pair)).data().result
            assert [row.type for row in made.order_reports] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]
            assert (await api.order_list_status(order_list_id=made.order_list_id)).data().result.orders[0].order_id == made.orders[0].order_id
            assert [row.order_list_id for row in (await api.open_order_lists_status()).data().result] == [made.order_list_id]
            gone = (await api.order_list_cancel("BTCUSDT", order_list_id=made.order_list_id)).data().result
            assert gone.list_status_type == "ALL_DONE"
            await asyncio.wait_for(done.wait(), SOON_S)
            async with asyncio.timeout(SOON_S):
                while len(kinds_of(events, "ListStatus", "ExecutionReport")) < 6:
                    await asyncio.sleep(0.02)
        finally:
            await api.close_connection(close_session=True)
        return events

    kinds = [event.__class__.__name__ for event in asyncio.run(scene())]
    assert kinds.count("ListStatus") == 2 and kinds.count("ExecutionReport") == 4, kinds


def test_market_streams(paper: Exchange) -> None:
    """Its stream client receives and models depth, bookTicker, trades and bars."""

    async def scene() -> dict[str, Any]:
        configuration = ConfigurationWebSocketStreams(stream_url=paper.ready["stream"])
        streams: Any = Spot(config_ws_streams=configuration).websocket_streams
        await streams.create_connection()
        first: dict[str, Any] = {}
        try:
            for name, handle in (
                ("depth", await streams.diff_book_depth("btcusdt", update_speed="100ms")),
                ("ticker", await streams.book_ticker("btcusdt")),
                ("trade", await streams.trade("btcusdt")),
                ("bar", await streams.kline("btcusdt", "1m")),
                ("partial", await streams.partial_book_depth("btcusdt", "5", update_speed="100ms")),
            ):
                handle.on("message", partial(first.setdefault, name))
            paper.place(type="MARKET", price=None)
            for _ in range(600):
                if len(first) == 5:
                    break
                await asyncio.sleep(0.05)
        finally:
            await streams.close_connection(close_session=True)
        return first

    first = asyncio.run(scene())
    assert set(first) == {"depth", "ticker", "trade", "bar", "partial"}
    assert first["depth"].s == "BTCUSDT" and first["ticker"].u > 0 and first["trade"].t > 0
    assert first["bar"].k.i == "1m" and len(first["partial"].bids) == 5
