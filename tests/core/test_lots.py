"""core/lots.py: lots and dust conserve quantity, cost and fees exactly; numbers are never used twice; the runner stays with its lot."""

from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from core.lots import ExitRecord, Lot, Lots
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


QUANTITIES = st.integers(1, 10**6).map(lambda n: D(n).scaleb(-8) * 1000)
PRICES = st.integers(1, 10**9).map(lambda n: D(n).scaleb(-4))
FEES = st.integers(0, 10**4).map(lambda n: D(n).scaleb(-8))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("enter", "leave", "sweep")),
        st.sampled_from(Side),
        QUANTITIES,
        PRICES,
        FEES,
        st.sampled_from(("BTC", "USDT", "BNB")),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=40,
)


class Ledger:
    """The same money counted from the fills alone."""

    def __init__(self) -> None:
        self.lots = Lots("BTCUSDT", "BTC")
        self.base = ZERO
        self.cost = dict.fromkeys(Side, ZERO)
        self.proceeds = dict.fromkeys(Side, ZERO)
        self.fees: dict[str, Decimal] = {}
        self.records: list[ExitRecord] = []
        self.number = 0

    def fill(self, side: Side, quantity: Decimal, price: Decimal, fee: Decimal, asset: str) -> Fill:
        self.number += 1
        fee = min(fee, quantity / 2) if asset == "BTC" else fee
        self.base += (quantity if side is Side.BUY else -quantity) - (fee if asset == "BTC" else 0)
        if asset != "BTC":
            self.fees[asset] = self.fees.get(asset, ZERO) + fee
        return a_fill(self.number, side, quantity, price, fee, asset)

    def take(self, what: str, side: Side, quantity: Decimal, price: Decimal, fee: Decimal, asset: str, pick: int) -> None:
        standing = self.lots.open[side]
        lot = standing[pick % len(standing)] if standing else None
        if what == "enter":
            number = self.lots.number(side) if lot is None or pick > 2 else lot.number
            self.lots.enter(a_lot(number, side), self.fill(side, quantity, price, fee, asset))
            self.lots.commit(side, number, with_runner=True)
            self.cost[side] += price * quantity
        elif lot is not None and what == "leave":
            quantity = min(quantity, lot.quantity) if pick < 4 else quantity  # more than the lot: the dust pays or owes it
            self.proceeds[side] += price * quantity
            self.records += self.lots.leave(side, lot.number, self.fill(side.opposite, quantity, price, fee, asset), "x")
        elif lot is not None:
            self.lots.sweep(lot, BTC, price, 7)

    def check(self) -> None:
        lots = self.lots
        assert lots.net == self.base
        for side in Side:
            holdings = [*(lot.held for lot in lots.open[side]), lots.dust[side]]
            left = [record for record in self.records if record.side is side]
            assert sum((one.cost for one in holdings), ZERO) + sum((one.cost for one in left), ZERO) == self.cost[side]
            assert sum((one.proceeds for one in left), ZERO) == self.proceeds[side]
            assert all(lot.quantity > 0 for lot in lots.open[side])
            numbers = [lot.number for lot in lots.open[side]]
            assert len(set(numbers)) == len(numbers)
            assert (lots.runner[side] in numbers) == bool(numbers)
        for asset, paid in self.fees.items():
            held = [one.fees.get(asset, ZERO) for side in Side for one in (*(lot.held for lot in lots.open[side]), lots.dust[side])]
            out = [record.entry_fees.get(asset, ZERO) + record.exit_fees.get(asset, ZERO) for record in self.records]
            assert sum(held, ZERO) + sum(out, ZERO) == paid


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_lots_and_dust_conserve_quantity_cost_and_fees_exactly(steps: list[tuple[str, Side, Decimal, Decimal, Decimal, str, int]]) -> None:
    """Under any sequence of partial entries and exits: lots, dust and what the records took out add up to the fills, to the last digit."""
    ledger = Ledger()
    for step in steps:
        ledger.take(*step)
        ledger.check()


@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_lots_survive_being_written_down(steps: list[tuple[str, Side, Decimal, Decimal, Decimal, str, int]]) -> None:
    """What comes back from plain data is equal, with numbers, runner, trailing state and dust."""
    ledger = Ledger()
    for step in steps:
        ledger.take(*step)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(ledger.lots)), Lots) == ledger.lots
