"""Queue places are real: who stands ahead is served or leaves first, and recorded trades count once."""

from __future__ import annotations

import pytest

from exchange.paper.archive import SymbolArchive
from tests.paper.engine import BTC, BUY, SELL, D, Engine

LEVEL = "100.05"
TICK = 10_005


def _queued(ahead: str = "2", own: str = "1", behind: str = "3") -> tuple[Engine, int]:
    """One order of ours at 100.05 with background ahead of and behind it."""
    engine = Engine()
    engine.background(BUY, LEVEL, ahead)
    order_id = engine.place(BUY, own, LEVEL).order.order_id
    engine.background(BUY, LEVEL, D(ahead) + D(behind))
    return engine, order_id


def test_added_background_joins_the_back() -> None:
    """Size added after our order stands behind it."""
    engine, order_id = _queued()
    assert engine.matching.size_ahead(BTC, order_id) == 2
    assert engine.matching.depth(BTC, 1)[1] == [(D(LEVEL), D(6))]


def test_a_taker_serves_the_front_first() -> None:
    """A taker fills what stands ahead, then us, then what stands behind; the prints say so."""
    engine, order_id = _queued()
    engine.hit(SELL, "1.5", LEVEL)
    assert engine.matching.size_ahead(BTC, order_id) == D("0.5")
    assert engine.matching.trades(BTC) == []
    engine.hit(SELL, "1", LEVEL)
    assert engine.matching.order(BTC, order_id=order_id).executed == D("0.5")
    engine.hit(SELL, "1", LEVEL)
    assert engine.matching.order(BTC, order_id=order_id).status == "FILLED"
    prints = engine.matching.drain_public_trades()
    assert [trade.quantity for trade in prints] == [D("1.5"), D("0.5"), D("0.5"), D("0.5"), D("0.5")]
    assert [trade.trade_id for trade in prints] == list(range(prints[0].trade_id, prints[0].trade_id + 5))


def test_canceled_background_leaves_ahead_and_behind_in_proportion() -> None:
    """When background leaves, our place improves by its share of what stood ahead."""
    engine, order_id = _queued("2", "1", "3")
    engine.background(BUY, LEVEL, "2.5")
    assert engine.matching.size_ahead(BTC, order_id) == 1
    engine.background(BUY, LEVEL, 0)
    assert engine.matching.size_ahead(BTC, order_id) == 0
    assert engine.matching.depth(BTC, 1)[1] == [(D(LEVEL), D(1))]


def test_amend_keeps_the_place_and_replace_loses_it() -> None:
    """An amended order keeps what stands ahead of it; a canceled and re-placed one goes to the back."""
    engine, order_id = _queued()
    engine.matching.amend(BTC, 5, D("0.5"), order_id=order_id)
    assert engine.matching.size_ahead(BTC, order_id) == 2
    engine.matching.cancel(BTC, 6, order_id=order_id)
    again = engine.place(BUY, "0.5", LEVEL).order.order_id
    assert engine.matching.size_ahead(BTC, again) == 5


def test_two_orders_of_ours_at_one_price_fill_in_their_order() -> None:
    """Price, then time, also among our own orders."""
    engine = Engine()
    first, second = (engine.place(BUY, "1", LEVEL).order.order_id for _ in range(2))
    engine.hit(SELL, "1.5", LEVEL)
    assert [engine.matching.order(BTC, order_id=each).executed for each in (first, second)] == [D(1), D("0.5")]


# -- recorded trades -----------------------------------------------------------------------------


def test_a_recorded_trade_consumes_the_queue_at_its_price() -> None:
    """A recorded trade takes the front of its level; we are filled by what is left when it reaches us."""
    engine, order_id = _queued()
    engine.matching.replay_trade(BTC, SELL, TICK, 250_000, 7)
    order = engine.matching.order(BTC, order_id=order_id)
    assert (order.executed, order.status) == (D("0.5"), "PARTIALLY_FILLED")
    assert sum(trade.quantity for trade in engine.matching.drain_public_trades()) == D("2.5")


def test_a_recorded_trade_beyond_our_price_fills_us_first() -> None:
    """A trade that prints at a worse price passes our better-priced order first, at our price, and prints the rest at its own."""
    engine = Engine()
    order_id = engine.place(BUY, "1", LEVEL).order.order_id
    engine.matching.replay_trade(BTC, SELL, 9_998, 300_000, 7)
    assert engine.matching.order(BTC, order_id=order_id).status == "FILLED"
    prints = engine.matching.drain_public_trades()
    assert [(trade.price, trade.quantity, trade.buyer_is_maker) for trade in prints] == [(D(LEVEL), D(1), True), (D("99.98"), D(2), True)]
    assert dict(engine.matching.depth(BTC, 10)[1])[D("100.00")] == 1, "background beside the way is out of date, not taken"


def test_a_recorded_trade_at_a_worse_price_for_us_does_not_fill() -> None:
    """A trade that does not reach our price leaves us alone."""
    engine = Engine()
    order_id = engine.place(BUY, "1", "99.95").order.order_id
    engine.matching.replay_trade(BTC, SELL, 9_997, 900_000, 7)
    assert engine.matching.order(BTC, order_id=order_id).status == "NEW"


@pytest.mark.parametrize(("ahead", "behind", "traded"), [("2", "3", "1"), ("2", "3", "2.5"), ("4", "1", "3"), ("0", "2", "1"), ("1", "1", "2")])
def test_a_late_trade_counts_once(ahead: str, behind: str, traded: str) -> None:
    """Depth first and its trade after gives the same place, fill and level as the trade first and its depth after."""
    total, lots = D(ahead) + D(behind), int(D(traded) * 100_000)

    def places(engine: Engine, order_id: int) -> tuple[object, ...]:
        order = engine.matching.order(BTC, order_id=order_id)
        ahead_of_us = engine.matching.size_ahead(BTC, order_id) if order.is_open else None
        return order.executed, ahead_of_us, engine.matching.books[BTC].background_at(BUY, TICK)

    early, first = _queued(ahead, "1", behind)
    early.matching.replay_trade(BTC, SELL, TICK, lots, 7)
    early.background(BUY, LEVEL, total - D(traded))
    late, second = _queued(ahead, "1", behind)
    late.matching.books[BTC].fallen.clear()
    late.background(BUY, LEVEL, total - D(traded))
    late.matching.replay_trade(BTC, SELL, TICK, lots, 7, is_late=True)
    assert places(early, first) == places(late, second)


# -- never crossed -------------------------------------------------------------------------------


def test_background_that_would_cross_our_order_is_withheld_until_it_is_gone() -> None:
    """The shown book is never crossed: size through our order waits, and appears when the order is canceled or filled."""
    for ending in ("cancel", "fill"):
        engine = Engine(empty=True)
        engine.background(BUY, "99.98", 1)
        order_id = engine.place(BUY, "1", "100.00").order.order_id
        engine.background(SELL, "99.99", 2)
        engine.background(SELL, "100.00", 3)
        engine.background(SELL, "100.01", 4)
        assert engine.matching.touch(BTC)[2:4] == (D("100.01"), D(4))
        if ending == "cancel":
            engine.matching.cancel(BTC, 5, order_id=order_id)
        else:
            engine.hit(SELL, "1", "100.00")
        assert engine.matching.depth(BTC, 5)[2] == [(D("99.99"), D(2)), (D("100.00"), D(3)), (D("100.01"), D(4))]


def test_withheld_size_follows_the_recording() -> None:
    """A withheld level that the market changes or removes meanwhile appears with its newest size, or not at all."""
    engine = Engine(empty=True)
    first = engine.place(BUY, "1", "100.00").order.order_id
    second = engine.place(BUY, "1", "99.98").order.order_id
    engine.background(SELL, "99.99", 2)
    engine.background(SELL, "99.98", 2)
    engine.background(SELL, "99.97", 2)
    engine.background(SELL, "99.99", 5)
    engine.background(SELL, "99.97", 0)
    engine.matching.cancel(BTC, 5, order_id=first)
    assert engine.matching.depth(BTC, 5)[2] == [(D("99.99"), D(5))]
    engine.matching.cancel(BTC, 5, order_id=second)
    assert engine.matching.depth(BTC, 5)[2] == [(D("99.98"), D(2)), (D("99.99"), D(5))]


def test_a_halted_symbol_replays_no_trade() -> None:
    """While a symbol is halted recorded trades pass without a fill or a print."""
    engine, order_id = _queued()
    engine.matching.status[BTC] = "HALT"
    engine.matching.replay_trade(BTC, SELL, TICK, 900_000, 7)
    assert engine.matching.order(BTC, order_id=order_id).status == "NEW"
    assert engine.matching.drain_public_trades() == []


def test_what_ended_first_is_forgotten_first() -> None:
    """The archive is bounded; an order that rested long and has just ended is still known, however old its id is."""
    engine = Engine()
    archive = engine.matching.archives[BTC]
    archive.closed_max = 5
    old = engine.place(BUY, "0.1", "99.90").order
    ended = [engine.place(BUY, "0.1", "99.80").order for _ in range(8)]
    for order in ended:
        engine.matching.cancel(BTC, 1, order_id=order.order_id)
    engine.matching.cancel(BTC, 1, order_id=old.order_id)
    assert list(archive.orders) == [old.order_id, *(order.order_id for order in ended[-4:])]
    assert SymbolArchive.load(archive.dump()).closed_ids.keys() == archive.closed_ids.keys()
