"""ccxt, unmodified, against the paper exchange: its REST client, then ccxt pro over market streams, the WS API and the account's events.

Run by benchmarks/strangers.py in a process of its own: `strangers_ccxt.py READY`, the ready line of the exchange. Prints one JSON line a check.
Only the addresses are ours; what lies outside `/api/v3` (currencies, margin) is switched off, as ccxt does it for Binance's testnet.
Never: a changed method of theirs.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt
import ccxt.pro

READY = json.loads(sys.argv[1])
PAIR, OTHER, SYMBOL = "BTC/USDT", "ETH/USDT", "BTCUSDT"
OPTIONS = {
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "fetchCurrencies": False,
    "fetchMargins": False,
    "warnOnFetchOpenOrdersWithoutSymbol": False,
}
KEYS = {"apiKey": READY["api_key"], "secret": READY["api_secret"], "options": OPTIONS}
OCO = {
    "symbol": SYMBOL,
    "side": "SELL",
    "quantity": "0.001",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "200000",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "40000",
    "belowPrice": "39000",
    "belowTimeInForce": "GTC",
}


def say(check: str, error: str) -> None:
    print(json.dumps({"check": check, "error": error}), flush=True)


def at_our_exchange(exchange: Any) -> Any:
    for name in ("public", "private"):
        exchange.urls["api"][name] = READY["rest"] + "/api/v3"
    exchange.has["fetchCurrencies"] = False
    return exchange


# -- REST ----------------------------------------------------------------------------------------
def check(name: str, call: Callable[[], Any], is_right: Callable[[Any], bool] = bool) -> Any:
    try:
        value = call()
        say(f"rest {name}", "" if is_right(value) else f"unexpected: {value!s:.200}")
        return value
    except Exception as error:
        say(f"rest {name}", f"{type(error).__name__}: {error}"[:300])
        return {}


def refused(name: str, kind: type[Exception], call: Callable[[], Any]) -> None:
    try:
        say(f"rest {name}", f"not refused: {call()!s:.200}")
    except kind:
        say(f"rest {name}", "")
    except Exception as error:
        say(f"rest {name}", f"{type(error).__name__}: {error}"[:300])


def market_by_rest(exchange: Any) -> None:
    check(
        "markets", exchange.load_markets,
        lambda markets: markets[PAIR]["precision"] == {"amount": 1e-05, "price": 0.01, "base": 1e-08, "quote": 1e-08},
    )
    check("ticker", lambda: exchange.fetch_ticker(PAIR), lambda ticker: 0 < ticker["bid"] < ticker["ask"])
    check("tickers", lambda: exchange.fetch_tickers([PAIR, OTHER]), lambda found: len(found) == 2)
    check("best prices", lambda: exchange.fetch_bids_asks([PAIR]))
    check("last prices", lambda: exchange.fetch_last_prices([PAIR]))
    check("order book", lambda: exchange.fetch_order_book(PAIR, limit=5), lambda book: book["bids"][0][0] < book["asks"][0][0] and book["nonce"] > 0)
    check("trades", lambda: exchange.fetch_trades(PAIR, limit=5), lambda trades: len(trades) == 5)
    check("bars", lambda: exchange.fetch_ohlcv(PAIR, "1m", since=int(time.time() * 1000) - 300_000, limit=5), lambda bars: len(bars) >= 4)


def orders_by_rest(exchange: Any) -> None:
    before = check("balance", exchange.fetch_balance, lambda held: held["USDT"]["total"] > 0)
    placed = check(
        "post-only order", lambda: exchange.create_order(PAIR, "limit", "buy", 0.001, 50_000, {"postOnly": True}),
        lambda one: one["status"] == "open",
    )
    check(
        "order", lambda: exchange.fetch_order(placed["id"], PAIR),
        lambda one: one["status"] == "open" and one["type"] == "limit" and one["postOnly"],
    )
    check("open orders", lambda: exchange.fetch_open_orders(PAIR), lambda found: [one["id"] for one in found] == [placed["id"]])
    check("open orders of all", exchange.fetch_open_orders, lambda found: len(found) == 1)
    edited = check(
        "edit (cancelReplace)", lambda: exchange.edit_order(placed["id"], PAIR, "limit", "buy", 0.001, 50_001),
        lambda one: one["price"] == 50_001,
    )
    check("cancel", lambda: exchange.cancel_order(edited["id"], PAIR), lambda one: one["status"] == "canceled")
    refused("cancel again", ccxt.OrderNotFound, lambda: exchange.cancel_order(edited["id"], PAIR))
    bought = check(
        "market order", lambda: exchange.create_order(PAIR, "market", "buy", 0.001),
        lambda one: one["status"] == "closed" and one["filled"] == 0.001,
    )
    check("its trades", lambda: exchange.fetch_order_trades(bought["id"], PAIR), lambda trades: sum(trade["amount"] for trade in trades) == 0.001)
    check("market order by cost", lambda: exchange.create_market_buy_order_with_cost(PAIR, 100), lambda one: 90 < one["cost"] <= 100)
    check(
        "sale with its fee", lambda: exchange.create_order(PAIR, "market", "sell", 0.001),
        lambda one: one["fee"]["currency"] == "USDT" and one["fee"]["cost"] > 0,
    )
    check("IOC", lambda: exchange.create_order(PAIR, "limit", "buy", 0.001, 50_000, {"timeInForce": "IOC"}), lambda one: one["status"] == "expired")
    check(
        "stop order", lambda: exchange.create_order(PAIR, "limit", "sell", 0.001, 40_000, {"triggerPrice": 41_000}),
        lambda one: one["triggerPrice"] == 41_000,
    )
    check("pair (orderList/oco)", lambda: exchange.private_post_orderlist_oco(OCO), lambda answer: len(answer["orderReports"]) == 2)
    check("test order", lambda: exchange.create_order(PAIR, "limit", "buy", 0.001, 50_000, {"test": True}))
    check("cancel all", lambda: exchange.cancel_all_orders(PAIR), lambda found: len(found) >= 2)
    check("all orders", lambda: exchange.fetch_orders(PAIR), lambda found: len(found) >= 8)
    check("closed orders", lambda: exchange.fetch_closed_orders(PAIR), lambda found: len(found) >= 3)
    check("my trades", lambda: exchange.fetch_my_trades(PAIR), lambda found: len(found) >= 3)
    check("balance afterwards", exchange.fetch_balance, lambda held: held["USDT"]["total"] != before["USDT"]["total"] and held["USDT"]["used"] == 0)


def refusals_by_rest(exchange: Any) -> None:
    refused("too much", ccxt.InsufficientFunds, lambda: exchange.create_order(PAIR, "limit", "buy", 100, 50_000))
    refused(
        "post-only that would take", ccxt.OrderImmediatelyFillable,
        lambda: exchange.create_order(PAIR, "limit", "buy", 0.001, 100_000, {"postOnly": True}),
    )
    refused("unknown symbol", ccxt.BadSymbol, lambda: exchange.public_get_depth({"symbol": "NOPE"}))
    refused("unknown order", ccxt.OrderNotFound, lambda: exchange.fetch_order("999999999", PAIR))


# -- ccxt pro ------------------------------------------------------------------------------------
async def by_sockets() -> None:
    exchange = at_our_exchange(ccxt.pro.binance(KEYS))
    exchange.urls["api"]["ws"]["spot"] = READY["stream"] + "/ws"
    exchange.urls["api"]["ws"]["ws-api"]["spot"] = READY["ws_api"]

    async def watch(name: str, call: Callable[[], Awaitable[Any]], is_right: Callable[[Any], bool] = bool) -> Any:
        try:
            value = await asyncio.wait_for(call(), 10)
            say(f"pro {name}", "" if is_right(value) else f"unexpected: {value!s:.200}")
            return value
        except Exception as error:
            say(f"pro {name}", f"{type(error).__name__}: {error}"[:300])
            return {}

    async def heard(name: str, of: "asyncio.Future[Any]", is_right: Callable[[Any], bool] = bool) -> None:
        await watch(name, lambda: of, is_right)

    await watch("markets", exchange.load_markets)
    await watch("watch ticker", lambda: exchange.watch_ticker(PAIR))
    await watch("watch tickers", lambda: exchange.watch_tickers([PAIR, OTHER]))
    await watch("watch best prices", lambda: exchange.watch_bids_asks([PAIR]))
    await watch("watch order book", lambda: exchange.watch_order_book(PAIR), lambda book: book["bids"][0][0] < book["asks"][0][0])
    await watch("watch order books", lambda: exchange.watch_order_book_for_symbols([PAIR, OTHER]))
    await watch("watch trades", lambda: exchange.watch_trades(PAIR))
    await watch("watch bars", lambda: exchange.watch_ohlcv(PAIR, "1m"))
    await watch("unwatch", lambda: exchange.un_watch_ticker(PAIR))
    await watch("trades", lambda: exchange.fetch_trades_ws(PAIR))
    await watch("bars", lambda: exchange.fetch_ohlcv_ws(PAIR, "1m", None, 3), lambda bars: len(bars) == 3)
    orders = asyncio.ensure_future(exchange.watch_orders(PAIR))
    balance, trades = asyncio.ensure_future(exchange.watch_balance()), asyncio.ensure_future(exchange.watch_my_trades(PAIR))
    await watch("balance", exchange.fetch_balance_ws, lambda held: "balances" in held["info"])
    # postOnly=True would leave with the request (a slip of ccxt's), and Binance refuses what it does not read (-1104).
    placed = await watch("order", lambda: exchange.create_order_ws(PAIR, "LIMIT_MAKER", "buy", 0.001, 50_000))
    await heard("watch orders", orders, lambda found: found[0]["status"] == "open")
    await heard("watch balance", balance, lambda held: held["USDT"]["used"] >= 50)
    await watch("order status", lambda: exchange.fetch_order_ws(placed["id"], PAIR), lambda one: one["status"] == "open")
    await watch("open orders", lambda: exchange.fetch_open_orders_ws(PAIR), lambda found: len(found) == 1)
    edited = await watch("edit (cancelReplace)", lambda: exchange.edit_order_ws(placed["id"], PAIR, "limit", "buy", 0.001, 50_001))
    await watch("cancel", lambda: exchange.cancel_order_ws(edited["id"], PAIR))
    await watch("market order", lambda: exchange.create_order_ws(PAIR, "market", "buy", 0.001), lambda one: one["filled"] == 0.001)
    await heard("watch my trades", trades, lambda found: found[0]["amount"] == 0.001)
    await watch("my trades", lambda: exchange.fetch_my_trades_ws(PAIR))
    await watch("all orders", lambda: exchange.fetch_orders_ws(PAIR))
    await watch("closed orders", lambda: exchange.fetch_closed_orders_ws(PAIR))
    await watch("another order", lambda: exchange.create_order_ws(PAIR, "limit", "buy", 0.001, 50_000))
    await watch("cancel all", lambda: exchange.cancel_all_orders_ws(PAIR), lambda found: len(found) == 1)
    await exchange.close()


if __name__ == "__main__":
    rest = at_our_exchange(ccxt.binance(KEYS))
    rest.session.trust_env = False
    for part in (market_by_rest, orders_by_rest, refusals_by_rest):
        part(rest)
    asyncio.run(by_sockets())
