"""binance-connector, Binance's older library for Python, unmodified, against the paper exchange: REST, WS API, market streams.

Run by benchmarks/strangers.py in a process of its own: `strangers_connector.py READY`, the ready line of the exchange. Prints one JSON line a check.
It must not be installed beside python-binance: both call themselves `binance`.
Never: a changed method of theirs.
"""

import json
import sys
import time
from collections.abc import Callable
from queue import Empty, Queue
from typing import Any

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

READY = json.loads(sys.argv[1])
SYMBOL = "BTCUSDT"
FAR: dict[str, Any] = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 0.001, "price": 50_000}
PAIR: dict[str, Any] = {
    "symbol": SYMBOL,
    "side": "SELL",
    "quantity": 0.001,
    "aboveType": "LIMIT_MAKER",
    "abovePrice": 200_000,
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": 40_000,
    "belowPrice": 39_000,
    "belowTimeInForce": "GTC",
}
TICKERS = ("ticker_24hr", "ticker", "ticker_price", "ticker_book")
STREAM_S = 4.0
FRAME_EVERY_S = 0.3  # five a second are too many


def say(check: str, error: str) -> None:
    print(json.dumps({"check": check, "error": error}), flush=True)


def check(name: str, call: Callable[[], Any], is_right: Callable[[Any], bool] = lambda value: True) -> Any:
    try:
        value = call()
        say(name, "" if is_right(value) else f"unexpected: {value!s:.200}")
        return value
    except Exception as error:
        say(name, f"{type(error).__name__}: {error}"[:300])
        return {}


def refused(name: str, code: int, call: Callable[[], Any]) -> None:
    try:
        say(name, f"not refused: {call()!s:.200}")
    except ClientError as error:
        say(name, "" if error.error_code == code else f"{error.error_code} instead of {code}")


def by_rest() -> None:
    client = Spot(READY["api_key"], READY["api_secret"], base_url=READY["rest"], timeout=5)
    client.session.trust_env = False
    for name in ("ping", "time", "exchange_info", "book_ticker", "ticker_price", "ticker_24hr", "account", "get_order_rate_limit"):
        check(f"rest {name}", getattr(client, name))
    for name in ("trades", "historical_trades", "agg_trades", "avg_price", "rolling_window_ticker", "trading_day_ticker", "query_commission_rates"):
        check(f"rest {name}", lambda name=name: getattr(client, name)(symbol=SYMBOL))  # type: ignore[misc]
    for name in ("klines", "ui_klines"):
        check(f"rest {name}", lambda name=name: getattr(client, name)(symbol=SYMBOL, interval="1m", limit=2), lambda bars: len(bars) == 2)  # type: ignore[misc]
    check("rest depth", lambda: client.depth(SYMBOL, limit=5), lambda book: len(book["bids"]) == 5)
    check("rest test order", lambda: client.new_order_test(**FAR), lambda answer: answer == {})
    placed = check("rest order", lambda: client.new_order(**FAR), lambda one: one["status"] == "NEW" and one["fills"] == [])
    number = placed["orderId"]
    check("rest its status", lambda: client.get_order(SYMBOL, orderId=number), lambda one: one["orderId"] == number)
    check("rest open orders", lambda: client.get_open_orders(SYMBOL), lambda found: len(found) == 1)
    pair = {**FAR, "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": number, "price": 50_001}
    replaced = check("rest cancelReplace", lambda: client.cancel_and_replace(**pair), lambda both: both["newOrderResult"] == "SUCCESS")
    refused("rest cancelReplace of what is gone", -2022, lambda: client.cancel_and_replace(**pair))
    number = replaced["newOrderResponse"]["orderId"]
    check("rest cancel", lambda: client.cancel_order(SYMBOL, orderId=number), lambda one: one["status"] == "CANCELED")
    refused("rest cancel again", -2011, lambda: client.cancel_order(SYMBOL, orderId=number))
    listed = check("rest pair", lambda: client.new_oco_order(**PAIR), lambda answer: len(answer["orderReports"]) == 2)
    check("rest pair's status", lambda: client.get_oco_order(orderListId=listed["orderListId"]))
    check("rest open pairs", client.get_oco_open_orders, lambda found: len(found) == 1)
    check("rest pairs", client.get_oco_orders)
    check("rest cancel of the pair", lambda: client.cancel_oco_order(SYMBOL, orderListId=listed["orderListId"]))
    check("rest orders", lambda: client.get_orders(SYMBOL), lambda found: len(found) >= 4)
    check("rest trades of mine", lambda: client.my_trades(SYMBOL))
    refused("rest cancel of nothing", -2011, lambda: client.cancel_open_orders(SYMBOL))


def by_ws_api() -> None:
    heard: Queue[dict[str, Any]] = Queue()
    client = SpotWebsocketAPIClient(
        stream_url=READY["ws_api"],
        api_key=READY["api_key"],
        api_secret=READY["api_secret"],
        on_message=lambda _, message: heard.put(json.loads(message)),
    )

    def ask(name: str, call: Callable[[], Any], code: int = 0) -> None:
        call()
        try:
            reply = heard.get(timeout=5)
        except Empty:
            say(f"ws-api {name}", "no answer")
            return
        found = reply.get("error", {}).get("code", 0)
        say(f"ws-api {name}", "" if found == code and (code or reply["status"] == 200) else f"{reply!s:.250}")

    key = READY["api_key"]
    ask("ping", client.ping_connectivity)
    ask("time", client.server_time)
    for name in ("exchange_info", "order_book", "recent_trades", "aggregate_trades", "avg_price", *TICKERS):
        ask(name, lambda name=name: getattr(client, name)(symbol=SYMBOL))  # type: ignore[misc]
    ask("historical_trades, with a key", lambda: client.historical_trades(symbol=SYMBOL, apiKey=key))
    ask("klines", lambda: client.klines(symbol=SYMBOL, interval="1m", limit=1))
    ask("order", lambda: client.new_order(**FAR, newClientOrderId="bc-1", newOrderRespType="RESULT"))
    ask("test order", lambda: client.new_order_test(**FAR))
    ask("order status", lambda: client.get_order(symbol=SYMBOL, origClientOrderId="bc-1"))
    ask("cancelReplace", lambda: client.cancel_replace_order(**FAR, cancelReplaceMode="ALLOW_FAILURE", cancelOrigClientOrderId="bc-1"))
    ask("cancel of what is gone", lambda: client.cancel_order(symbol=SYMBOL, origClientOrderId="bc-1"), code=-2011)
    ask("pair", lambda: client.new_oco_order(**PAIR))
    ask("open orders", lambda: client.get_open_orders(symbol=SYMBOL))
    ask("open pairs", client.get_open_oco_orders)
    ask("cancel all", lambda: client.cancel_open_orders(symbol=SYMBOL))
    ask("account", client.account)
    ask("order counts", client.order_rate_limit)
    ask("orders", lambda: client.order_history(symbol=SYMBOL))
    ask("trades of mine", lambda: client.my_trades(symbol=SYMBOL))
    client.stop()


def by_streams() -> None:
    heard: Queue[Any] = Queue()
    client = SpotWebsocketStreamClient(stream_url=READY["stream"], on_message=lambda _, message: heard.put(json.loads(message)))
    small = SYMBOL.lower()
    for name, more in (
        ("book_ticker", {}),
        ("diff_book_depth", {"speed": 100}),
        ("partial_book_depth", {"level": 5, "speed": 100}),
        ("trade", {}),
        ("agg_trade", {}),
        ("kline", {"interval": "1m"}),
        ("mini_ticker", {}),
        ("ticker", {}),
        ("rolling_window_ticker", {"windowSize": "1h"}),
    ):
        time.sleep(FRAME_EVERY_S)
        getattr(client, name)(symbol=small, **more)
    wanted = {"u", "depthUpdate", "lastUpdateId", "trade", "aggTrade", "kline", "24hrMiniTicker", "24hrTicker", "1hTicker"}
    ends_s, seen = time.monotonic() + STREAM_S, set[str]()
    while wanted - seen and (left_s := ends_s - time.monotonic()) > 0:
        try:
            message = heard.get(timeout=left_s)
        except Empty:
            break
        seen.add(str(message.get("e") or next((name for name in ("lastUpdateId", "u") if name in message), "")))
    say("streams", f"not heard: {', '.join(sorted(wanted - seen))}" if wanted - seen else "")
    client.stop()


if __name__ == "__main__":
    by_rest()
    by_ws_api()
    by_streams()
