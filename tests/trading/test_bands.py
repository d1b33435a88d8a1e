"""trading.bands: where an order is wanted, when it is bad, when it is urgent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.types import Side
from tests.core.builders import D
from trading.bands import Band, Unit, band_of, is_urgent, why_bad

REF, TICK, SLACK, ONE = D(10_000), D("0.01"), D("0.1"), D(1)
BPS = Band(min=D(5), target=D(10), max=D(20), quantity=D(1))  # 1 bp of the reference is 1.00
OUTER = Band(min=D(20), target=D(30), max=D(40), quantity=D(1))
TICKS = Band(min=D(5), target=D(10), max=D(20), quantity=D(1), unit=Unit.TICKS)


def at(side: Side, distance: Decimal, unit: Decimal = ONE) -> Decimal:
    return REF - distance * unit if side is Side.BUY else REF + distance * unit


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("band", "unit"), [(BPS, D(1)), (TICKS, TICK)])
def test_target_price(side: Side, band: Band, unit: Decimal) -> None:
    """The target stands on the passive side, in bps of the reference or in ticks."""
    assert band.price(side, REF, TICK) == at(side, D(10), unit)


@given(side=st.sampled_from(list(Side)), distance=st.decimals(-50, 50, places=2), band=st.sampled_from([BPS, OUTER, TICKS]))
def test_distance_inverts_price(side: Side, distance: Decimal, band: Band) -> None:
    """distance(price at d) is d, for both sides and units."""
    unit = band.step_size(REF, TICK)
    assert band.distance(side, at(side, distance, unit), REF, TICK) == distance


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("distance", "bad"), [("10", None), ("5", None), ("20", None), ("3.5", None), ("21.5", None), ("3.4", "begins at 5"), ("21.6", "ends at 20")]
)
def test_bad_has_hysteresis(side: Side, distance: str, bad: str | None) -> None:
    """An order is bad only beyond the band plus a share of its width (here 15 x 0.1 = 1.5 bps), and the reason names the edge."""
    reason = why_bad(BPS, side, at(side, D(distance)), REF, TICK, SLACK)
    assert reason is None if bad is None else reason is not None and bad in reason


@given(side=st.sampled_from(list(Side)), distance=st.decimals(-5, 45, places=2))
def test_inside_a_band_is_never_bad(side: Side, distance: Decimal) -> None:
    """What band_of finds a place for, that band does not call bad; prices on a shared edge go to the first band."""
    price = at(side, distance)
    index = band_of((BPS, OUTER), side, price, REF, TICK)
    assert index == (0 if 5 <= distance <= 20 else 1 if 20 < distance <= 40 else None)
    if index is not None:
        assert why_bad((BPS, OUTER)[index], side, price, REF, TICK, D(0)) is None


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("distance", "urgent"), [("-0.1", True), ("0", False), ("3", False), ("40", False), ("50", False), ("50.1", True)])
def test_urgent(side: Side, distance: str, urgent: bool) -> None:
    """Urgent is the wrong side of the reference, or well outside the outermost band."""
    assert is_urgent((BPS, OUTER), side, at(side, D(distance)), REF, TICK) is urgent
