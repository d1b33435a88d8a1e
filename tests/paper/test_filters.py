"""Filters of the paper exchange beyond a limit order's price and quantity: what MARKET orders meet, and the largest position (binance-wire 2)."""

from __future__ import annotations

import pytest

from exchange.paper.model import SymbolRules
from tests.paper.engine import BTC, BUY, SELL, D, Engine


@pytest.mark.parametrize(("quantity", "kind"), [("0.001", "MARKET"), ("1.01", "MARKET"), ("0.015", "MARKET"), ("1.01", "STOP_LOSS")])
def test_market_lot_size_stands_beside_lot_size(quantity: str, kind: str) -> None:
    """What trades at the market's price must also fit MARKET_LOT_SIZE; a limit order of that quantity need not."""
    engine = Engine(market_min_quantity=D("0.01"), market_max_quantity=D(1), market_step=D("0.01"))
    more = {"stop": "99"} if kind == "STOP_LOSS" else {}
    assert engine.refuse(SELL, quantity, None, kind, **more) == (-1013, "Filter failure: MARKET_LOT_SIZE")
    engine.place(SELL, "0.1", None, kind, **more)
    engine.place(SELL, "1.01", "101")


def test_the_notional_filter_says_whether_it_holds_for_market_orders() -> None:
    """applyMinToMarket and applyMaxToMarket decide for MARKET orders; limit orders are always judged."""
    loose = Engine(min_notional=D(50), max_notional=D(80), min_notional_to_market=False)
    loose.place(BUY, "0.1", None, "MARKET")
    loose.place(BUY, "0.9", None, "MARKET")
    strict = Engine(min_notional=D(50), max_notional=D(80), max_notional_to_market=True)
    for quantity in ("0.1", "0.9"):
        assert strict.refuse(BUY, quantity, None, "MARKET") == (-1013, "Filter failure: NOTIONAL")
        assert loose.refuse(BUY, quantity, "100") == (-1013, "Filter failure: NOTIONAL")


def test_the_largest_position_counts_what_is_held_and_what_is_being_bought() -> None:
    """MAX_POSITION: base free and locked, plus what open orders still buy, plus this order; a sale is never refused by it."""
    engine = Engine(max_position=D(11))
    engine.place(BUY, "0.6", "99")
    assert engine.refuse(BUY, "0.5", "99") == (-2010, "Filter failure: MAX_POSITION")
    engine.place(SELL, "3", "101")
    assert engine.refuse(BUY, "0.5", "99")[1] == "Filter failure: MAX_POSITION"
    engine.place(BUY, "0.4", "99")


def test_filters_are_read_from_exchange_info() -> None:
    """MARKET_LOT_SIZE, the flags of NOTIONAL and MIN_NOTIONAL, and MAX_POSITION as Binance lists them."""
    entry: dict[str, object] = {"symbol": BTC, "baseAsset": "BTC", "quoteAsset": "USDT"}
    lot = {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "120.5", "stepSize": "0.00000000"}
    notional = {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": False, "maxNotional": "9", "applyMaxToMarket": True}
    rules = SymbolRules.from_exchange_info({**entry, "filters": [lot, notional, {"filterType": "MAX_POSITION", "maxPosition": "10"}]})
    assert (rules.market_max_quantity, rules.market_step, rules.max_position) == (D("120.5"), D(0), D(10))
    assert (rules.min_notional_to_market, rules.max_notional_to_market) == (False, True)
    older = SymbolRules.from_exchange_info({**entry, "filters": [{"filterType": "MIN_NOTIONAL", "minNotional": "5", "applyToMarket": False}]})
    assert (older.min_notional, older.min_notional_to_market) == (D(5), False)
