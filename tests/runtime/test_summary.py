"""The pinned line of a terminal: what a person glances at."""

from decimal import Decimal

import msgspec

from core.snapshot import SideShown, Snapshot, SymbolShown
from core.types import Side
from runtime.summary import status_line


def side(symbol: str, which: Side, *prices: str, colour: str = "green") -> SideShown:
    blank = {field.name: {str: "", int: 0, float: 0.0}.get(field.type) for field in msgspec.structs.fields(SideShown)}
    orders = tuple({"price": price} for price in prices)
    return SideShown(**{**blank, "symbol": symbol, "side": which.value, "colour": colour, "orders": orders})  # type: ignore[arg-type]


def symbol(name: str, bid: str, ask: str) -> SymbolShown:
    blank = {field.name: {str: "0", int: 0}.get(field.type) for field in msgspec.structs.fields(SymbolShown)}
    return SymbolShown(**{**blank, "symbol": name, "bid": bid, "ask": ask, "inventory": "0.010", "book_age_ms": 120})  # type: ignore[arg-type]


def snapshot(**given: object) -> Snapshot:
    blank: dict[type, object] = {str: "0", int: 0}
    facts = {field.name: blank.get(field.type, ()) for field in msgspec.structs.fields(Snapshot) if field.required}
    return Snapshot(**{**facts, "halted": "", "pnl_quote": "1.5", "pnl_hold_quote": "1", **given})  # type: ignore[arg-type]


def test_the_pinned_line_shows_our_best_prices_and_every_symbol() -> None:
    """The best of each side whatever their order in our book, in fixed decimals, with the spread; others by colour; the time since the start."""
    shown = snapshot(
        sides=(
            side("BTCUSDT", Side.BUY, "59973.95", "59985.5"), side("BTCUSDT", Side.SELL, "60027", "60009.36"),
            side("ETHUSDT", Side.BUY, colour="red"), side("ETHUSDT", Side.SELL, colour="amber"),
        ),
        symbols=(symbol("BTCUSDT", "59987.3", "60000"), symbol("ETHUSDT", "3000", "3001")), ack_ms=(12.4, 41.6),
    )  # fmt: skip
    line = status_line(shown, 3725.9, {"BTCUSDT": Decimal("0.060")})
    assert line == (
        "green BTCUSDT 59987.30/60000.00  mine 59985.50/60009.36 4.0bp  inv +0.01/0.06  quoting +0.50  fills 0  pend 0p 0c 0?"
        "  ack 12/42ms  book 0.1s  red/amber ETHUSDT  weight 0/0  up 1:02:05"
    )


def test_a_halt_comes_first_and_no_order_is_a_dash() -> None:
    """What keeps the bot from quoting is not lost at the end of a narrow terminal."""
    shown = snapshot(sides=(side("BTCUSDT", Side.BUY), side("BTCUSDT", Side.SELL)), symbols=(symbol("BTCUSDT", "1", "2"),), halted="cancel-all")
    line = status_line(shown, 5, {})
    assert line.startswith("HALTED by cancel-all  green BTCUSDT 1.00/2.00  mine -/-  inv +0.01  quoting")
