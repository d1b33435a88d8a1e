"""core/lots.py: quantity, cost and fees are conserved to the last digit under any sequence of entries, exits, dust and restarts."""

from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.lots import ExitRecord, Holding, Lot, Lots, moved
from core.money import ZERO
from core.types import Fill, Liquidity, Side
from tests.core.builders import BTC

D = Decimal
RULES = replace(BTC, step=D("0.00001"))
# Price and quantity have eight places each, as the venue's; large ones of the one go with small ones of the other.
EVEN = (st.integers(1, 10**9).map(lambda n: D(n).scaleb(-4)), st.integers(1, 10**6).map(lambda n: D(n).scaleb(-5)))
DEAR = (st.integers(1, 10**16).map(lambda n: D(n).scaleb(-8)), st.integers(1, 10**5).map(lambda n: D(n).scaleb(-8)))
CHEAP = (st.integers(1, 10**5).map(lambda n: D(n).scaleb(-8)), st.integers(1, 10**15).map(lambda n: D(n).scaleb(-8)))
FEES = st.integers(0, 10**6).map(lambda n: D(n).scaleb(-8))
DOINGS = ("enter", "enter", "leave", "leave", "leave whole", "sweep", "restart")
Step = tuple[str, Side, tuple[Decimal, Decimal], Decimal, str, int]


def steps_of(prices: st.SearchStrategy[Decimal], quantities: st.SearchStrategy[Decimal]) -> st.SearchStrategy[list[Step]]:
    amounts = st.tuples(prices, quantities)
    one = st.tuples(st.sampled_from(DOINGS), st.sampled_from(Side), amounts, FEES, st.sampled_from(("BTC", "USDT", "BNB")), st.integers(0, 5))
    return st.lists(one, min_size=1, max_size=40)


STEPS = st.one_of(steps_of(*EVEN), steps_of(*DEAR), steps_of(*CHEAP))


class Ledger:
    """The same money counted from the fills alone."""

    def __init__(self) -> None:
        self.lots = Lots("BTCUSDT", "BTC")
        self.base = ZERO
        self.cost = dict.fromkeys(Side, ZERO)
        self.proceeds = dict.fromkeys(Side, ZERO)
        self.fees: dict[str, Decimal] = {}
        self.records: list[ExitRecord] = []
        self.swept: dict[tuple[Side, int], Decimal] = {}  # lot -> cost that went to the dust
        self.number = 0

    def fill(self, side: Side, quantity: Decimal, price: Decimal, fee: Decimal, asset: str) -> Fill:
        self.number += 1
        fee = min(fee, quantity / 2) if asset == "BTC" else fee
        self.base += (quantity if side is Side.BUY else -quantity) - (fee if asset == "BTC" else 0)
        if asset != "BTC":
            self.fees[asset] = self.fees.get(asset, ZERO) + fee
        return Fill("BTCUSDT", self.number, 1, "", side, price, quantity, fee, asset, Liquidity.MAKER, 0)

    def take(self, what: str, side: Side, amounts: tuple[Decimal, Decimal], fee: Decimal, asset: str, pick: int) -> None:
        price, quantity = amounts
        standing = self.lots.open[side]
        lot = standing[pick % len(standing)] if standing else None
        if what == "restart":
            self.lots = msgspec.json.decode(msgspec.json.encode(self.lots), type=Lots)
        elif what == "enter":
            number = self.lots.number(side) if lot is None or pick > 2 else lot.number
            new = Lot(number=number, side=side, opened_ns=0, take_profit_bps=D(10), reason="test")
            self.lots.enter(new, self.fill(side, quantity, price, fee, asset))
            self.lots.commit(side, number, with_runner=True)
            self.cost[side] += price * quantity
        elif lot is not None and what in ("leave", "leave whole"):
            quantity = min(quantity, lot.quantity) if pick < 4 else quantity  # more than the lot: the dust pays or owes it
            quantity = self.lots.leavable(lot, RULES) if what == "leave whole" else quantity
            if quantity:
                self.proceeds[side] += price * quantity
                made, before = self.fill(side.opposite, quantity, price, fee, asset), lot.quantity
                self.records += self.lots.leave(side, lot.number, made, "x")
                assert lot.quantity == max(ZERO, before - moved(made, "BTC")), "the lot shrinks by what moved, before the dust does"
        elif lot is not None:
            rest = self.lots.sweep(lot, RULES, price, 7)
            if rest is not None:
                self.swept[side, lot.number] = rest.cost

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
        for lot in (*lots.open[Side.BUY], *lots.open[Side.SELL], *lots.closed):
            self.check_lot(lot)

    def check_lot(self, lot: Lot) -> None:
        """What one lot was given is what left it, what went to the dust, and what it still has."""
        own = [record for record in self.records if (record.side, record.number) == (lot.side, lot.number)]
        assert lot.entered == lot.exited + lot.dust + lot.quantity
        assert lot.exited == sum((record.quantity for record in own), ZERO)
        assert lot.paid == sum((record.cost for record in own), ZERO) + self.swept.get((lot.side, lot.number), ZERO) + lot.held.cost
        assert (lot.proceeds, lot.profit) == (sum((one.proceeds for one in own), ZERO), sum((one.profit for one in own), ZERO))


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_lots_and_dust_conserve_quantity_cost_and_fees_exactly(steps: list[Step]) -> None:
    """Entries, exits in parts or whole with the dust, sweeps and restarts in any order, whatever the commission is paid in: lots, dust and what the
    records took out add up to the fills, each lot for itself and all together, to the last digit."""
    ledger = Ledger()
    for step in steps:
        ledger.take(*step)
        ledger.check()


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_what_is_written_down_between_any_two_steps_comes_back_equal(steps: list[Step]) -> None:
    """Numbers, runner, trailing state, dust, records: a restart after each step sees the very same books."""
    ledger = Ledger()
    for step in steps:
        ledger.take(*step)
        assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(ledger.lots)), Lots) == ledger.lots


@settings(max_examples=100, deadline=None)
@given(EVEN[0], EVEN[1], EVEN[1], FEES)
def test_dust_leaves_with_the_next_lot_at_its_own_cost(price: Decimal, small: Decimal, large: Decimal, fee: Decimal) -> None:
    """A rest below a step and the next lot leave with one exit: both records together have the quantity, the cost and the fees of both."""
    lots, rest = Lots("BTCUSDT", "BTC"), small.scaleb(-6)
    lots.dust[Side.BUY] = Holding(rest, D("0.5"), {"BNB": D("0.3")})
    lots.enter(
        Lot(number=1, side=Side.BUY, opened_ns=0, take_profit_bps=ZERO, reason=""),
        Fill("BTCUSDT", 1, 1, "", Side.BUY, price, large, fee, "USDT", Liquidity.MAKER, 0),
    )
    whole = large + rest
    lots.leave(Side.BUY, 1, Fill("BTCUSDT", 2, 1, "", Side.SELL, price, whole, fee, "BNB", Liquidity.MAKER, 0), "x")
    own, dust = lots.records
    assert (own.number, dust.number, own.quantity, dust.quantity) == (1, 0, large, rest)
    assert (own.cost, dust.cost, dust.entry_fees) == (price * large, D("0.5"), {"BNB": D("0.3")})
    assert own.proceeds + dust.proceeds == price * whole
    assert own.exit_fees.get("BNB", ZERO) + dust.exit_fees.get("BNB", ZERO) == fee
    assert (lots.open[Side.BUY], lots.dust[Side.BUY].quantity, lots.net) == ([], ZERO, ZERO)
