"""Public operations on prices: last, best, 24 hours, trading day and rolling window, for one symbol, several or all.

Called by the desk on the event loop; market_data.py and queries.py share the choice of symbols and the time zone. Never: a change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from exchange.paper import encode_market
from exchange.paper.candles import DAY_MS, MINUTE_MS, Statistics, bounds, flat
from exchange.paper.encode import Json, amount
from exchange.paper.model import Reject
from exchange.paper.operation import Operation, names
from exchange.paper.params import Params

if TYPE_CHECKING:
    from exchange.paper.desk import Desk

SYMBOL_STATUSES = ("TRADING", "HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY")
HOUR_MS = 60 * MINUTE_MS
WINDOWED_MAX = 100
_ZONE = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-9]{2}))?")
_ZONE_MS_MIN, _ZONE_MS_MAX = -12 * HOUR_MS, 14 * HOUR_MS
_WINDOW = re.compile(r"([1-9][0-9]?)([mhd])")
_WINDOW_UNITS = {"m": (MINUTE_MS, 59), "h": (HOUR_MS, 23), "d": (DAY_MS, 7)}
_BAD_COMBINATION = Reject(-1128, "Combination of optional parameters invalid.")
_BAD_TYPE = Reject(-1139, "Invalid ticker type.")
_BAD_STATUS = Reject(-1122, "Invalid symbolStatus.")


# -- what a call names ---------------------------------------------------------------------------
def chosen_symbols(desk: Desk, params: Params) -> tuple[list[str], bool]:
    """The symbols a call names by `symbol`, `symbols` or not at all, and whether it named exactly one."""
    if "symbol" in params and "symbols" in params:
        raise _BAD_COMBINATION
    if "symbol" in params:
        return [desk.known_symbol(params)], True
    text = params.text("symbols")
    if text is None:
        return desk.symbols(), False
    try:
        wanted = json.loads(text)
    except ValueError:
        wanted = None
    if not isinstance(wanted, list) or not wanted:
        raise Reject(-1100, "Illegal characters found in parameter 'symbols'; legal range is '[\"SYMBOL\",...]'.")
    if len(set(map(str, wanted))) != len(wanted):
        raise Reject(-1151, "Symbol is present multiple times in the list.")
    return [desk.known_symbol(Params({"symbol": str(name)})) for name in wanted], False


def wanted_status(params: Params) -> str | None:
    """`symbolStatus`, or None. Raises -1122."""
    return params.choice("symbolStatus", SYMBOL_STATUSES, _BAD_STATUS)


def check_status(desk: Desk, params: Params, symbol: str) -> None:
    """Raise -1220 when the named symbol is not in the status the call asks for."""
    status = wanted_status(params)
    if status is not None and desk.status[symbol] != status:
        raise Reject(-1220, "The symbol's status does not match the requested symbolStatus.")


def zone_ms(params: Params) -> int:
    """`timeZone` as what it is ahead of UTC: hours, or hours and minutes, from -12:00 to +14:00. Raises -1130."""
    text = params.text("timeZone")
    if text is None:
        return 0
    match = _ZONE.fullmatch(text)
    ahead_ms = 0 if match is None else int(match[2]) * HOUR_MS + int(match[3] or 0) * MINUTE_MS
    ahead_ms = -ahead_ms if match is not None and match[1] == "-" else ahead_ms
    if match is None or int(match[3] or 0) > 59 or not _ZONE_MS_MIN <= ahead_ms <= _ZONE_MS_MAX:
        raise Reject(-1130, "Data sent for parameter 'timeZone' is not valid.")
    return ahead_ms


def _window_ms(params: Params) -> int:
    """`windowSize`: 1m to 59m, 1h to 23h, 1d to 7d."""
    match = _WINDOW.fullmatch(params.text("windowSize") or "1d")
    length_ms, most = _WINDOW_UNITS[match[2]] if match else (0, 0)
    if match is None or int(match[1]) > most:
        raise Reject(-1130, "Data sent for parameter 'windowSize' is not valid.")
    return int(match[1]) * length_ms


def _is_mini(params: Params) -> bool:
    return params.choice("type", ("FULL", "MINI"), _BAD_TYPE) == "MINI"


def _per_symbol(desk: Desk, params: Params, row: Callable[[str], Json]) -> object:
    """One row where `symbol` names one; of all symbols those in the status asked for, of named ones each must be in it."""
    chosen, single = chosen_symbols(desk, params)
    if single or "symbols" in params:
        for symbol in chosen:
            check_status(desk, params, symbol)
    status = wanted_status(params)
    rows = [row(symbol) for symbol in chosen if status is None or desk.status[symbol] == status]
    return rows[0] if single else rows


def _named(desk: Desk, params: Params) -> None:
    """Raise when neither `symbol` nor `symbols` is sent, or too many are."""
    if "symbol" not in params and "symbols" not in params:
        raise Reject(-1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!")
    if len(chosen_symbols(desk, params)[0]) > WINDOWED_MAX:
        raise Reject(-1101, "Too many parameters sent for this endpoint.")


# -- the operations ------------------------------------------------------------------------------
def statistics(desk: Desk, symbol: str, since_ms: int, now_ms: int) -> Statistics:
    """Of a span of time; before the first print the middle of the book stands for every price."""
    found = desk.tapes[symbol].statistics(since_ms, now_ms)
    return found if found is not None else flat(desk.mid(symbol) or encode_market.NO_PRICE, now_ms)


def price(desk: Desk, params: Params, now_ms: int) -> object:
    """GET ticker/price: the last print, before any the middle of the book."""

    def row(symbol: str) -> Json:
        last = desk.tapes[symbol].last_price() or desk.mid(symbol)
        return {"symbol": symbol, "price": amount(last)}

    return _per_symbol(desk, params, row)


def book(desk: Desk, params: Params, now_ms: int) -> object:
    """GET ticker/bookTicker."""
    return _per_symbol(desk, params, lambda symbol: encode_market.book_ticker(symbol, desk.matching.touch(symbol)))


def day(desk: Desk, params: Params, now_ms: int) -> object:
    """GET ticker/24hr: the last 24 hours, or since the start."""
    is_mini = _is_mini(params)

    def row(symbol: str) -> Json:
        span = statistics(desk, symbol, now_ms - DAY_MS, now_ms)
        if is_mini:
            return encode_market.window_ticker(symbol, span, now_ms, is_mini)
        return encode_market.day_ticker(symbol, span, desk.matching.touch(symbol), desk.tapes[symbol].prints, now_ms)

    return _per_symbol(desk, params, row)


def trading_day(desk: Desk, params: Params, now_ms: int) -> object:
    """GET ticker/tradingDay: since midnight in the time zone asked for."""
    _named(desk, params)
    since_ms, is_mini = bounds("1d", now_ms, zone_ms(params))[0], _is_mini(params)
    return _per_symbol(
        desk, params, lambda symbol: encode_market.window_ticker(symbol, statistics(desk, symbol, since_ms, now_ms), now_ms, is_mini)
    )


def rolling(desk: Desk, params: Params, now_ms: int) -> object:
    """GET ticker: a window of minutes, hours or days that ends now."""
    _named(desk, params)
    since_ms, is_mini = now_ms - _window_ms(params), _is_mini(params)
    return _per_symbol(
        desk, params, lambda symbol: encode_market.window_ticker(symbol, statistics(desk, symbol, since_ms, now_ms), now_ms, is_mini)
    )


def _weight(one: int, several: int) -> Callable[[Params], int]:
    return lambda params: one if "symbol" in params else several


def _weight_each(params: Params) -> int:
    """4 for each symbol, 200 at most."""
    return min(200, 4 * (1 if "symbol" in params else (params.raw("symbols") or "").count(",") + 1))


def _weight_day(params: Params) -> int:
    """2 for up to 20 symbols, 40 for up to 100, 80 for more or all."""
    if "symbol" not in params and "symbols" not in params:
        return 80
    count = (params.raw("symbols") or "").count(",") + 1
    return 2 if count <= 20 else 40 if count <= 100 else 80


_SYMBOLS = names("symbol symbols symbolStatus")
OPERATIONS = (
    Operation("ticker.price", "GET", "/api/v3/ticker/price", price, _weight(2, 4), _SYMBOLS),
    Operation("ticker.book", "GET", "/api/v3/ticker/bookTicker", book, _weight(2, 4), _SYMBOLS),
    Operation("ticker.24hr", "GET", "/api/v3/ticker/24hr", day, _weight_day, _SYMBOLS | {"type"}),
    Operation("ticker.tradingDay", "GET", "/api/v3/ticker/tradingDay", trading_day, _weight_each, _SYMBOLS | {"type", "timeZone"}),
    Operation("ticker", "GET", "/api/v3/ticker", rolling, _weight_each, _SYMBOLS | {"type", "windowSize"}),
)
