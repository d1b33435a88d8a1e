"""core/lots.py: what a partial exit leaves, what is dust, that numbers are never used twice and the runner stays with its lot."""

from decimal import Decimal

from core.lots import Lot, Lots
from core.money import ZERO
from core.types import Fill, Liquidity, Side
from tests.core.builders import BTC

D = Decimal
PRICE = D(100)


def a_fill(number: int, side: Side, quantity: Decimal, price: Decimal = PRICE, fee: Decimal = ZERO, asset: str = "USDT") -> Fill:
    return Fill("BTCUSDT", number, 1, "", side, price, quantity, fee, asset, Liquidity.MAKER, 0)


def a_lot(number: int, side: Side = Side.BUY) -> Lot:
    return Lot(number=number, side=side, opened_ns=0, take_profit_bps=D(10), reason="test")


def entered(lots: Lots, quantity: str = "1", side: Side = Side.BUY, fee: str = "0", asset: str = "USDT") -> Lot:
    number = lots.number(side)
    lots.enter(a_lot(number, side), a_fill(number, side, D(quantity), fee=D(fee), asset=asset))
    lot = lots.commit(side, number, with_runner=True)
    assert lot is not None
    return lot


def test_a_partial_exit_shrinks_the_lot_by_what_was_filled_with_its_share_of_the_fee() -> None:
    """A third out of a lot leaves two thirds of quantity, cost and fee; the record has the rest; the lot stays and so does the runner."""
    lots = Lots("BTCUSDT", "BTC")
    lot = entered(lots, "3", fee="0.9")
    (record,) = lots.leave(Side.BUY, lot.number, a_fill(9, Side.SELL, D(1), D(110), D("0.11")), "take-profit")
    assert (lot.quantity, lot.held.cost, lot.held.fees) == (D(2), D(200), {"USDT": D("0.6")})
    assert (record.quantity, record.cost, record.left) == (D(1), D(100), D(2))
    assert (record.entry_fees, record.exit_fees) == ({"USDT": D("0.3")}, {"USDT": D("0.11")})
    assert record.profit == D(10)
    assert lots.runner[Side.BUY] == lot.number


def test_only_a_full_fill_removes_the_lot_and_moves_the_runner() -> None:
    """The runner goes on to the next committed lot when its own is closed, not before."""
    lots = Lots("BTCUSDT", "BTC")
    first, second = entered(lots), entered(lots)
    lots.leave(Side.BUY, first.number, a_fill(9, Side.SELL, D("0.999")), "x")
    assert lots.runner[Side.BUY] == first.number
    lots.leave(Side.BUY, first.number, a_fill(10, Side.SELL, D("0.001")), "x")
    assert (lots.find(Side.BUY, first.number), lots.runner[Side.BUY]) == (None, second.number)


def test_the_runner_is_the_oldest_lot_also_where_there_was_none_before() -> None:
    """Two lots without a runner (it was switched off): with the next commit the first of them is let run. A pending entry's is passed over."""
    lots = Lots("BTCUSDT", "BTC")
    for number in (1, 2, 3):
        lots.enter(a_lot(number), a_fill(number, Side.BUY, D(1)))
    lots.commit(Side.BUY, 2, with_runner=False)
    assert lots.runner[Side.BUY] == 0
    lots.commit(Side.BUY, 3, with_runner=True)
    assert lots.runner[Side.BUY] == 2
    lots.leave(Side.BUY, 2, a_fill(9, Side.SELL, D(1)), "x")
    assert lots.runner[Side.BUY] == 3, "the entry of lot 1 goes on"


def test_a_lot_is_net_of_commission_paid_in_base() -> None:
    """Ten bought with one hundredth of base as commission is 9.99 to sell, at what the ten cost."""
    lots = Lots("BTCUSDT", "BTC")
    lot = entered(lots, "10", fee="0.01", asset="BTC")
    assert (lot.quantity, lot.held.cost, lot.held.fees) == (D("9.99"), D(1000), {})


def test_a_sell_lot_is_closed_by_buying_back() -> None:
    """The lot shrinks by the base that came back, commission in base taken off; its profit is what it brought less what it cost to buy back."""
    lots = Lots("BTCUSDT", "BTC")
    lot = entered(lots, "1", Side.SELL)
    (record,) = lots.leave(Side.SELL, lot.number, a_fill(9, Side.BUY, D(1), D(90), D("0.001"), "BTC"), "x")
    assert (record.quantity, lot.quantity) == (D("0.999"), D("0.001"))
    assert record.profit == D("99.9") - D(90)


def test_a_remainder_no_order_can_carry_goes_to_the_dust_at_cost_and_leaves_with_the_next_lot() -> None:
    """The lot is closed, its rest is dust at cost, and the exit of the next lot asks for both."""
    lots = Lots("BTCUSDT", "BTC")
    small = entered(lots, "0.0407", fee="0.0407")
    assert lots.sweep(small, BTC, PRICE, 7) is not None  # 4.07 USDT, the least is 5
    assert lots.open[Side.BUY] == []
    assert (lots.dust[Side.BUY].quantity, lots.dust[Side.BUY].cost, lots.dust[Side.BUY].fees) == (D("0.0407"), D("4.07"), {"USDT": D("0.0407")})
    lot = entered(lots, "0.0403")
    assert lots.sweep(lot, BTC, PRICE, 7) is None, "with the dust it is saleable"
    assert lots.leavable(lot, BTC) == D("0.081")
    own, dust = lots.leave(Side.BUY, lot.number, a_fill(9, Side.SELL, D("0.081")), "x")
    assert (own.quantity, dust.number, dust.quantity, lots.dust[Side.BUY].quantity) == (D("0.0403"), 0, D("0.0407"), ZERO)


def test_a_number_seen_in_an_earlier_run_is_never_given_again() -> None:
    """Numbers ascend past everything that was ever named, per side."""
    lots = Lots("BTCUSDT", "BTC")
    lots.saw_number(Side.BUY, 41)
    lots.saw_number(Side.BUY, 7)
    assert (lots.number(Side.BUY), lots.number(Side.BUY), lots.number(Side.SELL)) == (42, 43, 1)
