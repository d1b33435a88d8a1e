"""trading/spare.py: what lots and pending entries still need is spare for nobody, whichever symbol would spend it; and nothing is held back twice."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from core.commands import Place
from core.events import Timer
from core.lots import Holding, Lot
from core.types import Side
from core.view import View
from tests.core.builders import rules
from tests.trading.floor import REPLACEABLE, D, Floor, Hand
from trading.chase import Chase, Task
from trading.signals import Reading
from trading.spare import promised, spare_base

SYMBOLS = (REPLACEABLE, rules("ETHUSDT", "ETH"), rules("ETHBTC", "ETH", "BTC"))  # one quote of two, and a base that is another's quote
FEE_BPS, FEE = D(10), D("1.001")
ASK = D("100.01")
Promise = Callable[[Floor, str, Side, str], None]


def floor(fund: str = "10000") -> Floor:
    desk = Floor(symbols=SYMBOLS)
    desk.connect()
    desk.books.account.holdings["USDT"].free = D(fund)
    return desk


def begun(desk: Floor, symbol: str, side: Side, quantity: str) -> None:
    """An entry without an order at the venue (409, or not placed yet)."""
    task = Task(task="entry", symbol=symbol, side=side, number=1, quantity=D(quantity), created_ns=0, deadline_ns=0, reason="", reference=D(100))
    desk.maker.traders[symbol].entries[side] = Chase.of(task)


def held(desk: Floor, symbol: str, side: Side, quantity: str) -> None:
    lot = Lot(number=1, side=side, opened_ns=0, take_profit_bps=D(0), reason="", held=Holding(D(quantity), D(quantity) * 100))
    desk.maker.traders[symbol].lots.open[side].append(lot)


def in_dust(desk: Floor, symbol: str, side: Side, quantity: str) -> None:
    desk.maker.traders[symbol].lots.dust[side] = Holding(D(quantity), D(0))


@pytest.mark.parametrize(
    ("what", "symbol", "side", "asset", "amount"),
    [
        (begun, "BTCUSDT", Side.BUY, "USDT", ASK * FEE / 2),
        (begun, "BTCUSDT", Side.SELL, "BTC", D("0.5")),
        (begun, "ETHBTC", Side.BUY, "BTC", ASK * FEE / 2),
        (begun, "ETHBTC", Side.SELL, "ETH", D("0.5")),
        (held, "BTCUSDT", Side.BUY, "BTC", D("0.5")),
        (held, "BTCUSDT", Side.SELL, "USDT", ASK * FEE / 2),
        (held, "ETHBTC", Side.BUY, "ETH", D("0.5")),
        (held, "ETHBTC", Side.SELL, "BTC", ASK * FEE / 2),
        (in_dust, "ETHUSDT", Side.BUY, "ETH", D("0.5")),
        (in_dust, "ETHUSDT", Side.SELL, "USDT", ASK * FEE / 2),
    ],
)
def test_each_promise_is_of_one_asset_and_lowers_it_for_every_symbol(what: Promise, symbol: str, side: Side, asset: str, amount: Decimal) -> None:
    """Half a unit: a purchase needs quote at the ask times the fee, a sale base; a BUY lot its base, a SELL lot the quote to buy it back."""
    desk = floor()
    desk.books.account.holdings["BTC"].free = D(1000)
    before = {one: promised(View(desk.books), desk.maker.traders, one, FEE_BPS) for one in ("USDT", "BTC", "ETH")}
    spare = {(one.symbol, way): spare_base(View(desk.books), desk.maker.traders, one.symbol, way, D(100), FEE_BPS) for one in SYMBOLS for way in Side}
    what(desk, symbol, side, "0.5")
    view, traders = View(desk.books), desk.maker.traders
    assert {one: promised(view, traders, one, FEE_BPS) - before[one] for one in before if promised(view, traders, one, FEE_BPS)} == {asset: amount}
    for rule in SYMBOLS:
        for way in Side:
            less = spare[rule.symbol, way] - spare_base(view, traders, rule.symbol, way, D(100), FEE_BPS)
            spends = rule.base if way is Side.SELL else rule.quote
            due = (amount if way is Side.SELL else amount / (D(100) * FEE)) if spends == asset else D(0)
            assert abs(less - due) < D("1e-20"), (rule.symbol, way)


def test_without_a_price_what_is_owed_counts_at_its_own() -> None:
    """No touch is known yet: a SELL lot at what it brought, a pending purchase at the mid of its decision."""
    desk = floor()
    held(desk, "BTCUSDT", Side.SELL, "0.5")
    begun(desk, "BTCUSDT", Side.BUY, "0.2")
    assert desk.trader.to_pay(None) == D("0.5") * 100 + D("0.2") * 100


def test_two_entries_of_one_step_share_their_quote() -> None:
    """300 USDT: the first symbol's entry takes 200 and its fee, the second gets what is left after both fees, in the same step; nothing is denied."""
    desk = floor(fund="300")
    desk.hand.side = Side.BUY
    desk.step(Timer(), after_ms=50)
    first, second = (place for place in desk.sent(Place) if place.symbol.endswith("USDT"))
    left = 300 - first.quantity * ASK * FEE
    assert (first.quantity, second.quantity) == (D("2.000"), (left / (D("99.99") * FEE)).quantize(D("0.001"), "ROUND_DOWN"))
    assert "denied" not in desk.words()


class OfBitcoin(Hand):
    """Speaks of one symbol only."""

    def read(self, symbol: str, mid: Decimal, now_ns: int) -> Reading:
        return Reading(side=self.side if symbol == "BTCUSDT" else None, reason="by hand")


@pytest.mark.parametrize(("side", "asset", "other"), [(Side.BUY, "USDT", "ETHUSDT"), (Side.SELL, "BTC", "ETHBTC")])
def test_an_order_at_the_venue_is_not_held_back_twice(side: Side, asset: str, other: str) -> None:
    """A pending entry takes the same from the other symbol while its order is asked for and while it rests: what it locks is promised no more."""
    desk = floor()
    desk.books.account.holdings["BTC"].free = D(1000)
    desk.maker.signal = OfBitcoin(side)

    def spare() -> Decimal:
        return spare_base(View(desk.books), desk.maker.traders, other, Side.BUY, D(100), FEE_BPS) * D(100) * FEE

    start = spare()
    desk.touch("99.99", "100.01")
    place = desk.one(Place)
    due = place.quantity * ASK * FEE if side is Side.BUY else place.quantity
    assert abs(start - spare() - due) < D("1e-20")
    desk.acknowledge(place)
    assert abs(start - spare() - due) < D("1e-20")
    assert desk.books.account.available(asset, desk.books.orders) < start, "its own lock is in it"
