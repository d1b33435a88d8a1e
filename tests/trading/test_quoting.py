"""trading.quoting: the reference, the skew, the grid, the touch, the room under the cap."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import is_multiple
from core.types import Side
from core.view import View
from tests.core.builders import BTC, START_MS, D, Desk, balances, error, ticker, want
from trading.bands import Band
from trading.quoting import Reference, SymbolQuoting, fit_quantity, quote_price, reference_price, room

BAND = Band(min=D(5), target=D(10), max=D(20), quantity=D(1))


def quoting(**settings: object) -> SymbolQuoting:
    return SymbolQuoting(bid_bands=(BAND,), ask_bands=(BAND,), **settings)  # type: ignore[arg-type]


def desk(bid: str = "99.99", ask: str = "100.01") -> Desk:
    made = Desk().connect()
    made.step(ticker(500, bid, ask))
    return made


def hold(made: Desk, btc: str) -> View:
    made.books.account.on_position(balances(btc=btc), START_MS + 1)
    made.books.account.move("BTC", D(btc) - made.books.account.expected("BTC"))
    return View(made.books)


@given(
    side=st.sampled_from(list(Side)),
    bid_ticks=st.integers(500, 5000),
    spread_ticks=st.integers(1, 400),
    target=st.decimals(-300, 300, places=1),
    skewed=st.decimals(-500, 500, places=1),
    edge=st.integers(0, 30),
)
def test_quote_never_crosses_and_lies_on_the_grid(
    side: Side, bid_ticks: int, spread_ticks: int, target: Decimal, skewed: Decimal, edge: int
) -> None:
    """Whatever the band and the reference say, a quote is a multiple of the tick, off the opposite touch, and its fee and edge away from mid."""
    bid, ask = BTC.tick * bid_ticks, BTC.tick * (bid_ticks + spread_ticks)
    view = View(desk(str(bid), str(ask)).books)
    band = Band(min=target - 5, target=target, max=target + 5, quantity=D(1))
    reference = (bid + ask) / 2 * (1 + skewed / 10_000)
    price = quote_price(view, "BTCUSDT", side, band, reference, quoting(min_edge_bps=D(edge)))
    assert price is not None
    assert is_multiple(price, BTC.tick)
    assert price < ask if side is Side.BUY else price > bid
    gap = (bid + ask) / 2 * edge / 10_000
    assert price <= (bid + ask) / 2 - gap if side is Side.BUY else price >= (bid + ask) / 2 + gap


def test_each_post_only_refusal_moves_one_tick_back() -> None:
    """After n equal refusals the quote keeps 1 + n ticks from the opposite touch."""
    made = desk()
    aggressive = Band(min=D(-50), target=D(-50), max=D(0), quantity=D(1))
    prices = []
    for _ in range(3):
        prices.append(quote_price(View(made.books), "BTCUSDT", Side.BUY, aggressive, D("100.01"), quoting(reference=Reference.TOUCH)))
        made.step(after_ms=3000)
        made.refuse(made.place(want(price="1", quantity="5")), error(-2010, "Order would immediately match and take."))
    assert prices == [D("100.00"), D("99.99"), D("99.98")]


def test_no_touch_no_price() -> None:
    """Without a market there is neither a reference nor a quote."""
    view = View(Desk().books)
    assert reference_price(view, "BTCUSDT", Side.BUY, quoting()) is None
    assert quote_price(view, "BTCUSDT", Side.BUY, BAND, D(100), quoting()) is None


@pytest.mark.parametrize(("side", "expected"), [(Side.BUY, "99.99"), (Side.SELL, "100.01")])
def test_touch_reference_is_the_own_side(side: Side, expected: str) -> None:
    """Reference touch means the best price of the quoted side."""
    assert reference_price(View(desk().books), "BTCUSDT", side, quoting(reference=Reference.TOUCH)) == D(expected)


@pytest.mark.parametrize(
    ("held", "expected"), [("10", "100"), ("11", "99.90"), ("12", "99.80"), ("50", "99.80"), ("9", "100.10"), ("0", "100.20")]
)
def test_skew_leans_against_the_inventory(held: str, expected: str) -> None:
    """Long lowers the reference, short lifts it, in proportion to the cap and never beyond skew_bps_max."""
    view = hold(desk(), held)
    settings = quoting(inventory_cap=D(2), skew_bps_max=D(20))
    assert reference_price(view, "BTCUSDT", Side.BUY, settings) == D(expected)


def test_without_a_cap_there_is_no_skew() -> None:
    """Skew needs a cap to measure by."""
    assert reference_price(hold(desk(), "99"), "BTCUSDT", Side.BUY, quoting(skew_bps_max=D(20))) == D(100)


@pytest.mark.parametrize(
    ("held", "side", "expected"),
    [("10", Side.BUY, "2"), ("11", Side.BUY, "1"), ("11", Side.SELL, "3"), ("13", Side.BUY, "0"), ("8", Side.SELL, "0"), ("8", Side.BUY, "4")],
)
def test_room_under_the_cap(held: str, side: Side, expected: str) -> None:
    """A side may add what is left between inventory and cap, never less than nothing."""
    assert room(hold(desk(), held), "BTCUSDT", side, quoting(inventory_cap=D(2))) == D(expected)


def test_room_counts_open_and_undecided_orders() -> None:
    """What stands on the book or is on its way takes room too (I13)."""
    made = desk()
    made.rest(want(quantity="0.5"))
    made.place(want(quantity="0.7", slot=(0, 1)))
    assert room(View(made.books), "BTCUSDT", Side.BUY, quoting(inventory_cap=D(2))) == D("0.8")


def test_room_without_a_cap_is_unbounded() -> None:
    """Without a cap only funds bound a side."""
    assert room(View(desk().books), "BTCUSDT", Side.BUY, quoting()) == D("Infinity")


def test_inventory_target_replaces_the_start() -> None:
    """A configured target counts instead of what was held at the start."""
    assert room(View(desk().books), "BTCUSDT", Side.BUY, quoting(inventory_cap=D(2), inventory_target=D(9))) == D(1)


@given(quantity=st.decimals(-5, 2000, places=5), price=st.decimals("0.01", 5000, places=2))
def test_fit_quantity(quantity: Decimal, price: Decimal) -> None:
    """Snapped down to the step and never above what was asked; zero exactly where the venue's minimum would not be met (I14)."""
    fitted = fit_quantity(quantity, price, BTC)
    assert is_multiple(fitted, BTC.step)
    snapped = quantity // BTC.step * BTC.step if quantity > 0 else D(0)
    fits = snapped >= BTC.min_quantity and snapped * price >= BTC.min_notional
    assert fitted == (snapped if fits else 0)
    assert 0 <= fitted <= max(quantity, D(0))
