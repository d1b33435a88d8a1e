"""One-cancels-the-other to the same end in both ways: as the venue's list, and held together by the engine over a venue that has no lists."""

from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from core.commands import Cancel, Place, PlaceOco
from core.ports import Capabilities
from core.types import OrderType, Side
from core.view import Decision, View, WantOco, WantPlace
from tests.contract.simulated import Bench, SimulatedVenue
from tests.core.builders import BTC, NoRisk
from trading.pairs import pair

RULES = replace(BTC, oco_allowed=True)
PROFIT = WantPlace(
    symbol="BTCUSDT", side=Side.SELL, type=OrderType.LIMIT_MAKER, price=D("100.05"), quantity=D(1), slot=(0, 0), reason="test"
)
STOP = replace(PROFIT, type=OrderType.STOP_LOSS_LIMIT, price=D("99"), stop_price=D("99.97"), slot=(0, 1))


class OnePair:
    """A strategy that wants one pair."""

    def __init__(self, can: Capabilities) -> None:
        self.ocos: tuple[WantOco, ...] = (pair(PROFIT, STOP, can, RULES),)

    def decide(self, view: View, symbol: str) -> Decision:
        wanted, self.ocos = self.ocos if view.light(symbol, Side.SELL).is_green else (), ()
        return Decision(ocos=wanted)

    def rests_on(self, view: View, symbol: str) -> None:
        """Every event asks."""

    def save(self) -> object:
        return None

    def load(self, saved: object) -> None:
        """Nothing is remembered."""


@pytest.fixture(params=["list", "held together"])
def bench(request: pytest.FixtureRequest) -> Bench:
    can = replace(SimulatedVenue.capabilities, oco=request.param == "list")
    strategy = OnePair(can)
    wanted, strategy.ocos = strategy.ocos, ()
    made = Bench(strategy, NoRisk(), RULES, capabilities=can)
    strategy.ocos = wanted
    made.run(200)
    assert [type(command) for command in made.sent if isinstance(command, Place | PlaceOco)] == ([PlaceOco] if can.oco else [Place, Place])
    return made


def ended(bench: Bench, remaining: str) -> None:
    """What is open of the pair is the same in the book and at the venue; no side is in doubt, and every fill is booked."""
    bench.run(1500)
    theirs = bench.matching.open_orders("BTCUSDT")
    assert [order.remaining for order in bench.orders.open()] == [order.remaining for order in theirs] == ([D(remaining)] if remaining else [])
    assert bench.light(Side.SELL).is_green
    assert all(order.booked == order.executed for order in bench.orders.by_client_id.values())


def test_the_profit_fills(bench: Bench) -> None:
    """The stop is gone."""
    bench.market("BUY", "30", "100.05")
    ended(bench, "")


def test_the_profit_fills_in_part(bench: Bench) -> None:
    """The stop is gone, what is left of the profit stands."""
    bench.market("BUY", "20.399", "100.05")
    ended(bench, "0.6")


def test_the_stop_is_triggered(bench: Bench) -> None:
    """It sells; the profit is gone."""
    bench.market("SELL", "12", "99.97")
    ended(bench, "")
    sold = sum((fill.quantity for fill in bench.books.fills), D(0))
    assert sold == 1


def test_somebody_cancels_a_leg(bench: Bench) -> None:
    """A pair stands together or not at all."""
    order = bench.matching.open_orders("BTCUSDT")[-1]
    bench.matching.cancel("BTCUSDT", bench.ms, order_id=order.order_id, cancel_id="web_1")
    ended(bench, "")


def test_no_cancel_where_the_venue_ends_it(bench: Bench) -> None:
    """Of a list nothing needs to be canceled by us; held together, exactly the other leg is."""
    bench.market("BUY", "30", "100.05")
    ended(bench, "")
    assert len([command for command in bench.sent if isinstance(command, Cancel)]) == (0 if bench.venue.capabilities.oco else 1)
