"""exchange.binance.rules_watch: exchangeInfo is read again while the bot runs, and only what changed is told."""

from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from core.events import AnyEvent, RulesChanged
from core.types import SymbolRules
from exchange.binance import symbols
from exchange.binance.rules_watch import READ_EVERY_LOOKS, RulesWatch
from tests.binance.test_messages import raw
from tests.core.builders import BTC, ETH

HALTED = replace(BTC, status="HALT")


class Venue:
    """States `rules`; counts how often it was asked."""

    def __init__(self, *rules: SymbolRules) -> None:
        self.rules = rules
        self.asked = 0
        self.told: list[AnyEvent] = []
        self.warned: list[str] = []

    def read(self) -> tuple[SymbolRules, ...]:
        self.asked += 1
        return self.rules

    def watched(self) -> RulesWatch:
        return RulesWatch(self.read, self.told.append, self.rules, self.warned.append)


def test_only_what_changed_is_told_and_once() -> None:
    """A coarser tick of one symbol is one event about that symbol."""
    venue = Venue(BTC, ETH)
    watch = venue.watched()
    venue.rules = (BTC, coarse := replace(ETH, tick=D("0.1")))
    for _ in range(3 * READ_EVERY_LOOKS):
        watch.look()
    assert venue.told == [RulesChanged(rules=(coarse,))]
    assert venue.asked == 3


def test_a_halted_symbol_is_looked_at_every_time() -> None:
    """While a side waits for the venue to open the symbol, the venue is asked at every look."""
    venue = Venue(HALTED)
    watch = venue.watched()
    watch.look()
    assert (venue.asked, venue.told) == (1, [])
    venue.rules = (BTC,)
    watch.look()
    watch.look()
    assert (venue.asked, venue.told) == (2, [RulesChanged(rules=(BTC,))])


def test_a_failing_read_is_tried_at_the_next_look() -> None:
    """What could not be read changes nothing; the worker that calls goes on."""
    venue = Venue(HALTED)
    watch = venue.watched()
    venue.rules = ()
    watch.look()

    def fail() -> tuple[SymbolRules, ...]:
        raise OSError("down")

    watch._read = fail
    with pytest.raises(OSError):
        watch.look()
    watch._read, venue.rules = venue.read, (BTC,)
    watch.look()
    assert venue.told == [RulesChanged(rules=(BTC,))]


@pytest.mark.parametrize("filters", [[], [{"filterType": "PRICE_FILTER", "tickSize": "0"}, {"filterType": "LOT_SIZE", "stepSize": "0.00000000"}]])
def test_without_a_grid_the_precision_is_the_grid(filters: list[object]) -> None:
    """A tick of 0 switches the filter off (binance-wire 2): nothing divides by it, and no more decimals leave than the asset has."""
    entry = {"symbol": "X", "status": "TRADING", "baseAsset": "A", "quoteAsset": "B", "baseAssetPrecision": 5, "quoteAssetPrecision": 8}
    (rules,), _ = symbols.exchange_info(raw({"symbols": [{**entry, "filters": filters}]}))
    assert (rules.tick, rules.step) == (D("0.00000001"), D("0.00001"))


def test_what_cannot_be_read_is_told_once_for_as_long_as_it_lasts() -> None:
    """One lost read is nothing; three in a row are a line, the next ones none, and after a read that came it counts anew."""
    venue = Venue(HALTED)
    watch = venue.watched()
    for _ in range(5):
        watch.failed(OSError("no route"))
    assert venue.warned == ["the symbols' rules cannot be read again: no route · those read last stand"]
    watch.look()
    watch.failed(OSError("no route"))
    assert len(venue.warned) == 1
    for _ in range(2):
        watch.failed(OSError("no route"))
    assert len(venue.warned) == 2
