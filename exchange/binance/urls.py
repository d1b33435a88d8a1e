"""Where Binance lives: one set of addresses per environment (binance-wire 1).

Who uses it: bot.py picks a set or builds its own from config (`exchange.urls`). Thread: any. Never: a network call.
"""

import msgspec


class Urls(msgspec.Struct, frozen=True):
    """`rest` without /api (http://127.0.0.1:9000), `stream` without /stream, `ws_api` with its whole path."""

    rest: str
    stream: str
    ws_api: str


LIVE = Urls(
    rest="https://api.binance.com",
    stream="wss://stream.binance.com:9443",
    ws_api="wss://ws-api.binance.com:443/ws-api/v3",
)
TESTNET = Urls(
    rest="https://testnet.binance.vision",
    stream="wss://stream.testnet.binance.vision",
    ws_api="wss://ws-api.testnet.binance.vision/ws-api/v3",
)
DEMO = Urls(
    rest="https://demo-api.binance.com",
    stream="wss://demo-stream.binance.com",
    ws_api="wss://demo-ws-api.binance.com/ws-api/v3",
)

BY_VENUE = {"binance": LIVE, "binance_testnet": TESTNET, "binance_demo": DEMO}
