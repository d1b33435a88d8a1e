"""The symbols of the synthetic market: their rules and the price they open at.

Who calls it: build.py and the simulator. Pure data. Prices are round figures of 2024-2026, tick and step as Binance lists them where we know them.
Never: a random number, a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from exchange.paper.model import SymbolRules

_USD: dict[str, Decimal] = {
    name: Decimal(price)
    for name, price in {
        "USDT": "1", "USDC": "1", "FDUSD": "1", "TUSD": "1", "USD": "1", "EUR": "1.1", "BTC": "60000", "ETH": "3000", "BNB": "600",
        "SOL": "150", "XRP": "0.5", "ADA": "0.4", "DOGE": "0.1", "LTC": "80", "TRX": "0.12", "LINK": "14", "AVAX": "30", "NEXO": "1.2",
    }.items()
}  # fmt: skip
_GRID: dict[str, tuple[str, str]] = {  # symbol: (tick, step)
    "BTCUSDT": ("0.01", "0.00001"),
    "ETHUSDT": ("0.01", "0.0001"),
    "SOLUSDT": ("0.01", "0.001"),
    "BNBUSDT": ("0.01", "0.001"),
    "XRPUSDT": ("0.0001", "0.1"),
    "ETHBTC": ("0.00001", "0.001"),
}
_QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BTC", "ETH", "BNB", "EUR", "USD")
_OTHER_USD = Decimal(10)
_FINEST = Decimal("0.00000001")
MIN_NOTIONAL_USD = Decimal(5)


def split_symbol(symbol: str) -> tuple[str, str]:
    """(base, quote). Raises ValueError where the quote is none we know."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol[: -len(quote)], quote
    raise ValueError(f"{symbol}: cannot tell the quote asset; known are {', '.join(_QUOTES)}")


def opening_price(symbol: str) -> Decimal:
    """A round price in the quote asset."""
    base, quote = split_symbol(symbol)
    return usd_worth(base) / _USD[quote]


def usd_worth(asset: str) -> Decimal:
    """Roughly, in USD: sizes of the market are set in it."""
    return _USD.get(asset, _OTHER_USD)


def rules_for(symbols: Iterable[str]) -> list[SymbolRules]:
    """Rules of those symbols, in order. Raises ValueError for a name that cannot be split or is given twice."""
    names = [symbol.upper() for symbol in symbols]
    if len(set(names)) < len(names):
        raise ValueError("a symbol is named twice")
    return [default_rules(symbol) for symbol in names]


def default_rules(symbol: str) -> SymbolRules:
    """Rules as Binance has them, or plausible ones. Raises ValueError where base and quote cannot be told apart."""
    base, quote = split_symbol(symbol)
    price = opening_price(symbol)
    tick, step = (Decimal(text) for text in _GRID.get(symbol, _generic_grid(price)))
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=tick,
        step=step,
        min_quantity=step,
        max_quantity=Decimal(9000) if symbol == "BTCUSDT" else Decimal(9_000_000),
        min_notional=_round_down(MIN_NOTIONAL_USD / _USD[quote]),
        max_notional=Decimal(9_000_000),
        min_price=tick,
        max_price=tick * 1_000_000_000,
        bid_multiplier_up=Decimal(5),
        bid_multiplier_down=Decimal("0.2"),
        ask_multiplier_up=Decimal(5),
        ask_multiplier_down=Decimal("0.2"),
    )


def _generic_grid(price: Decimal) -> tuple[str, str]:
    """A tick of about a tenth to one basis point and a step worth roughly one unit of the quote asset."""
    tick = max(_FINEST, Decimal(10) ** (price.adjusted() - 5))
    step = min(Decimal(1), max(_FINEST, Decimal(10) ** (-1 - price.adjusted())))
    return str(tick), str(step)


def _round_down(value: Decimal) -> Decimal:
    """The leading digit only: 0.0000833 becomes 0.00008."""
    unit = Decimal(10) ** value.adjusted()
    return value // unit * unit
