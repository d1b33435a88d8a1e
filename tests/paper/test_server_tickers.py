"""Bars, tickers, averages and symbol choices of the paper exchange (binance-wire 2 and 5), over real sockets."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from exchange.paper.candles import INTERVALS, Print, Tape, bounds
from tests.paper.exchange_client import Exchange

DOCUMENTED = ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]  # binance-wire 2
MINI = {"symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume", "openTime", "closeTime", "firstId", "lastId", "count"}
FULL = MINI | {"priceChange", "priceChangePercent", "weightedAvgPrice"}


@pytest.fixture(scope="module")
def lively() -> Iterator[Exchange]:
    """An exchange whose market moves."""
    exchange = Exchange("--seed", "5", "--speed", "4")
    yield exchange
    exchange.stop()


def get(exchange: Exchange, path: str, **params: Any) -> Any:
    return exchange.public("GET", f"/api/v3/{path}", **params).json


# --- bars -----------------------------------------------------------------------------------------------------------


def test_every_documented_interval_is_there(exchange: Exchange) -> None:
    """klines and uiKlines know the sixteen intervals, one second to one month, and refuse others with -1120."""
    exchange.take("BUY", exchange.touch()["askPrice"], "0.001")
    assert list(INTERVALS) == DOCUMENTED
    for interval in DOCUMENTED:
        asked_ms = int(time.time() * 1000)
        bar = get(exchange, "klines", symbol="BTCUSDT", interval=interval)[-1]
        assert len(bar) == 12 and asked_ms <= bar[6] and bar[0] <= time.time() * 1000
        assert len(get(exchange, "uiKlines", symbol="BTCUSDT", interval=interval)[-1]) == 12
    assert get(exchange, "klines", symbol="BTCUSDT", interval="7m") == {"code": -1120, "msg": "Invalid interval."}


def test_bars_go_back_before_the_first_trade(exchange: Exchange) -> None:
    """As many bars as asked for, one after the other, from the start: those before the first trade are flat and empty."""
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for interval in ("1m", "1w", "1M"):
            rows = get(exchange, "klines", symbol=symbol, interval=interval, limit=100)
            assert len(rows) == 100 and all(then[0] == bar[6] + 1 for bar, then in itertools.pairwise(rows))
            assert rows[0][1] == rows[0][2] == rows[0][3] == rows[0][4] and (rows[0][5], rows[0][8]) == ("0.00000000", 0)
    since = get(exchange, "klines", symbol="ETHUSDT", interval="1m", limit=10)[0][0]
    assert get(exchange, "klines", symbol="ETHUSDT", interval="1m", startTime=since, limit=2)[0][0] == since
    assert len(get(exchange, "klines", symbol="ETHUSDT", interval="1d", startTime=0, limit=1)) == 1


@pytest.mark.parametrize(
    ("interval", "opens", "next_opens"),
    [
        ("1w", (2026, 11, 16), (2026, 11, 23)),
        ("1M", (2026, 11, 1), (2026, 12, 1)),
        ("1d", (2026, 11, 21), (2026, 11, 22)),
    ],
)
def test_long_bars_open_on_the_calendar(interval: str, opens: tuple[int, int, int], next_opens: tuple[int, int, int]) -> None:
    """A week opens on Monday, a month on its first day, a day at midnight; in another time zone at that zone's midnight."""
    when = int(datetime(2026, 11, 21, 20, tzinfo=UTC).timestamp() * 1000)
    for hours in (0, 3, -5):
        zone = timezone(timedelta(hours=hours))
        wanted = tuple(int(datetime(*day, tzinfo=zone).timestamp() * 1000) for day in (opens, next_opens))
        assert bounds(interval, when, hours * 3_600_000) == wanted


def test_december_is_followed_by_january() -> None:
    """The month bar of December ends with the year."""
    when = int(datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp() * 1000)
    assert bounds("1M", when)[1] == int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000)


def test_bars_of_another_zone_hold_the_same_trades() -> None:
    """A day bar of UTC+8 is made of the bars since 16:00 UTC: its volume, trades and ids are theirs."""
    tape, start = Tape(1), int(datetime(2026, 11, 20, 15, 50, tzinfo=UTC).timestamp() * 1000)
    for number in range(40):  # one a minute, ten before 16:00
        tape.add([Print(number, Decimal(100 + number), Decimal(1), start + number * 60_000, buyer_is_maker=False)])
    first, second = tape.candles("1d", start + 39 * 60_000, 8 * 3_600_000)
    assert (first.trades, first.first_id, first.last_id, first.open, first.close) == (10, 0, 9, Decimal(100), Decimal(109))
    assert (second.trades, second.first_id, second.last_id, second.high, second.volume) == (30, 10, 39, Decimal(139), Decimal(30))
    assert second.open_ms == first.close_ms + 1 == start + 10 * 60_000


def test_time_zone_of_klines(exchange: Exchange) -> None:
    """`timeZone` takes hours, or hours and minutes, from -12:00 to +14:00; days then open at that midnight."""
    exchange.take("BUY", exchange.touch()["askPrice"], "0.001")
    for text, hours in (("8", 8), ("-1:00", -1), ("05:45", 5.75), ("0", 0)):
        opens = get(exchange, "klines", symbol="BTCUSDT", interval="1d", timeZone=text)[-1][0]
        assert (opens + hours * 3_600_000) % 86_400_000 == 0
    for text in ("15", "-13", "8:99", "noon"):
        assert get(exchange, "klines", symbol="BTCUSDT", interval="1d", timeZone=text)["code"] == -1130


# --- tickers --------------------------------------------------------------------------------------------------------


def test_day_ticker_before_the_first_trade(exchange: Exchange) -> None:
    """ticker/24hr answers from the start: before any trade the middle of the book stands for every price."""
    row = get(exchange, "ticker/24hr", symbol="ETHUSDT")
    assert Decimal(row["lastPrice"]) > 0 and set(row) > FULL


def test_full_and_mini_tickers(exchange: Exchange) -> None:
    """24hr, tradingDay and the rolling window have their documented fields, MINI fewer; another type is -1139."""
    exchange.take("BUY", exchange.touch()["askPrice"], "0.001")
    for path in ("ticker/tradingDay", "ticker"):
        row = get(exchange, path, symbol="BTCUSDT")
        assert set(row) == FULL and row["count"] >= 1 and Decimal(row["lastPrice"]) > 0
        assert [set(each) for each in get(exchange, path, symbols='["BTCUSDT","ETHUSDT"]', type="MINI")] == [MINI, MINI]
        assert get(exchange, path)["code"] == -1102
    assert set(get(exchange, "ticker/24hr", symbol="BTCUSDT", type="MINI")) == MINI
    assert get(exchange, "ticker/24hr", symbol="BTCUSDT", type="LARGE") == {"code": -1139, "msg": "Invalid ticker type."}
    for window in ("0m", "60m", "24h", "8d", "1d2h", "1w"):
        assert get(exchange, "ticker", symbol="BTCUSDT", windowSize=window)["code"] == -1130
    assert get(exchange, "ticker", symbol="BTCUSDT", windowSize="7d")["count"] >= 1


def test_ticker_streams(lively: Exchange) -> None:
    """ticker, avgPrice and referencePrice come every second with the documented fields."""
    with lively.stream("btcusdt@ticker", "btcusdt@avgPrice", "btcusdt@referencePrice", "btcusdt@kline_1M") as client:
        names = ("ticker", "avgPrice", "referencePrice", "kline_1M")
        ticker, average, reference, bar = (client.wait(lambda message, name=name: message["stream"].endswith(name))["data"] for name in names)
    assert list(ticker) == list("eEspPwxcQbBaAohlvqOCFLn") and ticker["e"] == "24hrTicker"
    assert list(average) == list("eEsiwT") and (average["e"], average["i"], average["s"]) == ("avgPrice", "5m", "BTCUSDT")
    assert list(reference) == list("esrt") and reference["r"] is None
    assert bar["k"]["i"] == "1M" and bar["k"]["t"] <= bar["E"] <= bar["k"]["T"]


def test_rolling_window_streams(lively: Exchange) -> None:
    """ticker_1h, 4h and 1d of a symbol, and of all that changed, about every second with the documented fields."""
    with lively.stream("btcusdt@ticker_1h", "btcusdt@ticker_4h", "!ticker_1d@arr") as client:
        hour, four = (client.wait(lambda message, name=name: message["stream"].endswith(name))["data"] for name in ("_1h", "_4h"))
        every = client.wait(lambda message: message["stream"] == "!ticker_1d@arr")["data"]
    assert list(hour) == list("eEspPohlcwvqOCFLn") and (hour["e"], four["e"], every[0]["e"]) == ("1hTicker", "4hTicker", "1dTicker")
    assert hour["O"] < hour["C"] and hour["n"] >= 1 and hour["F"] <= hour["L"]


# --- which symbols --------------------------------------------------------------------------------------------------


def test_exchange_info_by_permission_and_status(exchange: Exchange) -> None:
    """permissions and symbolStatus select among all symbols, not together with named ones; showPermissionSets=false empties that field."""

    def symbols(**params: str) -> list[str]:
        return [entry["symbol"] for entry in get(exchange, "exchangeInfo", **params)["symbols"]]

    assert symbols(permissions="SPOT") == symbols(permissions='["MARGIN","SPOT"]') == symbols(symbolStatus="TRADING") == ["BTCUSDT", "ETHUSDT"]
    assert symbols(permissions="LEVERAGED") == symbols(symbolStatus="HALT") == []
    exchange.control("POST", "symbol", {"symbol": "BTCUSDT", "status": "HALT"})
    assert symbols(symbolStatus="HALT") == ["BTCUSDT"]
    assert get(exchange, "exchangeInfo", permissions="SPOT", symbol="BTCUSDT")["code"] == -1128
    assert get(exchange, "exchangeInfo", symbolStatus="ASLEEP")["code"] == -1122
    assert get(exchange, "exchangeInfo", showPermissionSets="false")["symbols"][0]["permissionSets"] == []
    assert get(exchange, "depth", symbol="BTCUSDT", symbolStatus="TRADING")["code"] == -1220
    assert [row["symbol"] for row in get(exchange, "ticker/price", symbolStatus="TRADING")] == ["ETHUSDT"]


def test_reference_prices_and_execution_rules(exchange: Exchange) -> None:
    """No symbol has a reference price (-2043) or an execution rule; executionRules takes one parameter at most."""
    for path in ("referencePrice", "referencePrice/calculation"):
        assert get(exchange, path, symbol="BTCUSDT") == {"code": -2043, "msg": "This symbol doesn't have a reference price."}
    assert get(exchange, "executionRules", symbol="BTCUSDT") == {"symbolRules": [{"symbol": "BTCUSDT", "rules": []}]}
    assert get(exchange, "executionRules", symbol="BTCUSDT", symbolStatus="TRADING")["code"] == -1128


def test_my_filters(exchange: Exchange) -> None:
    """myFilters has the three lists; the symbol's are those of exchangeInfo."""
    found = exchange.call("GET", "/api/v3/myFilters", symbol="BTCUSDT").json
    assert list(found) == ["exchangeFilters", "symbolFilters", "assetFilters"]
    assert found["symbolFilters"] == get(exchange, "exchangeInfo", symbol="BTCUSDT")["symbols"][0]["filters"]


def test_fields_of_exchange_info_stand_in_the_documented_order(exchange: Exchange) -> None:
    """One symbol entry, field by field, as binance-wire 2 prints it."""
    assert list(get(exchange, "exchangeInfo", symbol="BTCUSDT")["symbols"][0]) == [
        "symbol", "status", "baseAsset", "baseAssetPrecision", "quoteAsset", "quotePrecision", "quoteAssetPrecision", "baseCommissionPrecision",
        "quoteCommissionPrecision", "orderTypes", "icebergAllowed", "ocoAllowed", "otoAllowed", "opoAllowed", "quoteOrderQtyMarketAllowed",
        "allowTrailingStop", "cancelReplaceAllowed", "amendAllowed", "pegInstructionsAllowed", "isSpotTradingAllowed", "isMarginTradingAllowed",
        "filters", "permissions", "permissionSets", "defaultSelfTradePreventionMode", "allowedSelfTradePreventionModes",
    ]  # fmt: skip
