"""trading.risk: the venue's filters checked before sending, and our own limits (I13, I14)."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.types import Side, SymbolRules
from core.view import View
from tests.core.builders import BTC, D, Desk, fill, report, ticker, want
from trading.risk import Limits, RiskChecks, filter_denial

MID = D(100)


@pytest.mark.parametrize(
    ("price", "quantity", "reason"),
    [
        ("99.999", "1", "off the tick 0.01"),
        ("0", "1", "off the tick"),
        ("99", "1.0005", "off the step 0.001"),
        ("99", "0", "off the step"),
        ("1000000.01", "1", "outside the venue's range"),
        ("99", "1000.001", "above 1000"),
        ("99", "0.05", "notional 4.95 is below 5"),
        ("500.01", "1", "outside the venue's percent range"),
        ("19.99", "1", "outside the venue's percent range"),
    ],
)
@pytest.mark.parametrize("side", list(Side))
def test_each_filter_has_its_reason(side: Side, price: str, quantity: str, reason: str) -> None:
    """PRICE_FILTER, LOT_SIZE, NOTIONAL and PERCENT_PRICE_BY_SIDE are each denied with the value and the limit."""
    denial = filter_denial(want(side, price, quantity), BTC, MID)
    assert denial is not None
    assert reason in denial[0]
    assert denial[1] == "the next decision"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"min_quantity": D(2)}, "below 2"), ({"min_price": D(100)}, "venue's range"), ({"max_notional": D(50)}, "above 50")],
)
def test_other_minimums_and_maximums(changed: dict[str, Decimal], reason: str) -> None:
    """Minimum quantity, minimum price and maximum notional are checked too."""
    denial = filter_denial(want(), msgspec.structs.replace(BTC, **changed), MID)
    assert denial is not None
    assert reason in denial[0]


def test_zero_switches_a_filter_off() -> None:
    """Limits of 0 and an unknown mid test nothing."""
    off = SymbolRules(symbol="BTCUSDT", base="BTC", quote="USDT", tick=D(0), step=D(0))
    assert filter_denial(want(price="123.456789", quantity="99999"), off, MID) is None
    assert filter_denial(want(price="9999"), BTC, None) is None


def legal(price: Decimal, quantity: Decimal, side: Side) -> bool:
    """The filters as the venue documents them, written a second time."""
    up, down = (BTC.bid_multiplier_up, BTC.bid_multiplier_down) if side is Side.BUY else (BTC.ask_multiplier_up, BTC.ask_multiplier_down)
    return (
        (price * 100) % 1 == 0
        and (quantity * 1000) % 1 == 0
        and BTC.min_price <= price <= BTC.max_price
        and BTC.min_quantity <= quantity <= BTC.max_quantity
        and price * quantity >= BTC.min_notional
        and MID * down <= price <= MID * up
    )


@given(
    side=st.sampled_from(list(Side)),
    price=st.one_of(st.decimals(0, 600, places=2), st.decimals(0, 600, places=4)),
    quantity=st.one_of(st.decimals(0, 2, places=3), st.decimals(0, 1100, places=5)),
)
def test_passes_exactly_what_the_venue_takes(side: Side, price: Decimal, quantity: Decimal) -> None:
    """A place passes our checks exactly where the documented filters let it pass (I14)."""
    assert (filter_denial(want(side, str(price), str(quantity)), BTC, MID) is None) == legal(price, quantity, side)


# -- our own limits ------------------------------------------------------------------------------
def test_order_notional_limit() -> None:
    """One order above the configured notional is denied, at it allowed, and 0 switches the limit off."""
    view = View(Desk().connect().books)
    checks = RiskChecks(Limits(order_notional_max=D(99)))
    assert checks.check(want(price="99", quantity="1"), view) is None
    denial = checks.check(want(price="99", quantity="1.001"), view)
    assert denial is not None
    assert "risk.order_notional_max 99" in denial[0]
    assert RiskChecks(Limits()).check(want(price="99", quantity="50"), view) is None


@pytest.mark.parametrize(("ours", "venues", "most"), [(1, 200, 1), (20, 1, 1), (3, 200, 3)])
def test_open_orders_limit(ours: int, venues: int, most: int) -> None:
    """The smaller of our limit and the venue's MAX_NUM_ORDERS counts, undecided orders included."""
    desk = Desk(symbols=(msgspec.structs.replace(BTC, max_orders=venues),)).connect()
    checks = RiskChecks(Limits(open_orders_max=ours))
    for n in range(most):
        assert checks.check(want(), View(desk.books)) is None
        desk.place(want(price=f"{99 - n}", slot=(0, n)))
    assert checks.check(want(), View(desk.books)) == (f"{most} orders are open, the limit", "an order ends")


def test_loss_limit_halts() -> None:
    """A loss of quoting beyond the limit halts, a price move of what was held anyway does not."""
    desk = Desk().connect()
    checks = RiskChecks(Limits(loss_quote_max=D(5)))
    order = desk.rest(want(price="99", quantity="10"))
    desk.step(report(order.client_order_id, 11, "FILLED", "10", trade=fill(1, 11, price="106", quantity="10"), price="99", quantity="10"))
    reason = checks.halt(View(desk.books))
    assert reason is not None
    assert "lost 60.00, limit 5" in reason
    assert RiskChecks(Limits()).halt(View(desk.books)) is None


def test_holding_through_a_falling_market_is_no_loss_of_quoting() -> None:
    """P&L of quoting leaves out what holding the start would have made."""
    desk = Desk().connect()
    desk.step(ticker(900, "49.99", "50.01"))
    assert RiskChecks(Limits(loss_quote_max=D(5))).halt(View(desk.books)) is None
    assert desk.books.pnl()[0] == -500
