"""Yardsticks of finished libraries: python-binance's AsyncClient over its WS API methods, and ccxt pro (createOrderWs, cancelOrderWs).

Run by benchmarks/children.py, each in its own process: `python -m benchmarks.yardsticks_async ccxt PORT`. Used as their manuals show.
Never: part of Greenlight.
"""

import asyncio
import sys
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import ccxt.pro
from binance import AsyncClient, BinanceSocketManager

from benchmarks.children import BURST, SINGLE
from benchmarks.quoter import KEY, SECRET, Quoter

_running: set["asyncio.Task[None]"] = set()


def begin(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)


# -- python-binance ------------------------------------------------------------------------------
async def by_python_binance(port: int) -> None:
    AsyncClient.API_URL = f"http://127.0.0.1:{port}/api"
    AsyncClient.WS_API_URL = f"ws://127.0.0.1:{port}/ws-api/v3"
    BinanceSocketManager.STREAM_URL = f"ws://127.0.0.1:{port}/"
    client = AsyncClient(KEY, SECRET.decode())
    quoter = Quoter()

    async def place(symbol: str, side: str, price: str, quantity: str) -> None:
        made = await client.ws_create_order(
            symbol=symbol, side=side, type="LIMIT_MAKER", price=price, quantity=quantity, newClientOrderId=f"y-{quoter.number()}"
        )
        quoter.placed(symbol, made["result"]["orderId"] if "result" in made else made["orderId"])

    async def cancel(symbol: str, order_id: int) -> None:
        await client.ws_cancel_order(symbol=symbol, orderId=order_id)

    names = [f"{symbol.lower()}@bookTicker" for symbol in (*SINGLE, *BURST)]
    async with BinanceSocketManager(client, max_queue_size=10_000).multiplex_socket(names) as stream:
        while True:
            data = (await stream.recv())["data"]
            places, cancels = quoter.wants(data["s"], Decimal(data["b"]), Decimal(data["a"]))
            for side, price, quantity in places:
                begin(place(data["s"], side, price, quantity))
            for order_id in cancels:
                begin(cancel(data["s"], order_id))


# -- ccxt pro ------------------------------------------------------------------------------------
async def by_ccxt(port: int) -> None:
    exchange = ccxt.pro.binance({"apiKey": KEY, "secret": SECRET.decode(), "enableRateLimit": False})
    exchange.options.update({"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["spot"]}})
    exchange.urls["api"]["public"] = exchange.urls["api"]["private"] = f"http://127.0.0.1:{port}/api/v3"
    exchange.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{port}/ws"
    exchange.urls["api"]["ws"]["ws-api"]["spot"] = f"ws://127.0.0.1:{port}/ws-api/v3"
    await exchange.load_markets()
    quoter = Quoter()
    names = {market["symbol"]: market["id"] for market in exchange.markets.values()}

    async def place(symbol: str, side: str, price: str, quantity: str) -> None:
        made = await exchange.create_order_ws(symbol, "LIMIT_MAKER", side.lower(), float(quantity), float(price))
        quoter.placed(names[symbol], int(made["id"]))

    async def cancel(symbol: str, order_id: int) -> None:
        await exchange.cancel_order_ws(str(order_id), symbol)

    wanted = [symbol for symbol, name in names.items() if name in (*SINGLE, *BURST)]
    while True:
        await exchange.watch_bids_asks(wanted)
        for symbol, seen in exchange.bidsasks.items():  # several frames may have come before this task ran
            places, cancels = quoter.wants(names[symbol], Decimal(str(seen["bid"])), Decimal(str(seen["ask"])))
            for side, price, quantity in places:
                begin(place(symbol, side, price, quantity))
            for order_id in cancels:
                begin(cancel(symbol, order_id))


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    asyncio.run({"python-binance": by_python_binance, "ccxt": by_ccxt}[name](port))


if __name__ == "__main__":
    main()
