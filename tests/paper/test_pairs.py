"""One-cancels-the-other pairs: one lock for both, one of them at most ever trades, and the list says when it is done."""

from __future__ import annotations

import pytest

from exchange.paper.lists import CLOSED_MAX, ListArchive, OrderList
from exchange.paper.matching import Matching
from exchange.paper.model import BalanceReport, ListReport, OrderReport, Reject
from tests.paper.engine import BTC, BUY, SELL, D, Engine

STOP = {"kind": "STOP_LOSS_LIMIT", "price": "99.90", "stop": "99.95"}
LIMIT = {"kind": "LIMIT_MAKER", "price": "100.50"}


def opened() -> Engine:
    """Last price 100.05, between bid 100 and ask 100.10."""
    engine = Engine()
    engine.print_at("100.05")
    engine.matching.drain_reports()
    return engine


def words(engine: Engine, listed: OrderList) -> list[str]:
    return [f"{leg.status} {leg.executed.normalize():f}" for leg in engine.legs(listed)]


def test_a_sell_pair_locks_once() -> None:
    """The base is locked once for both legs; both are NEW, the stop loss first and off the book, then the list, then the balances."""
    engine = opened()
    listed = engine.pair(SELL, "1", STOP, LIMIT)
    assert engine.heard() == ["NEW:NEW", "NEW:NEW", "list EXEC_STARTED:EXECUTING", "balances"]
    stop, limit = engine.legs(listed)
    assert (stop.type, stop.is_waiting, limit.type, limit.is_waiting) == ("STOP_LOSS_LIMIT", True, "LIMIT_MAKER", False)
    assert engine.balance("BTC") == (D(9), D(1))


def test_a_buy_pair_locks_the_greater_price() -> None:
    """Of two prices to buy at the higher one is locked; when that leg ends the difference is free."""
    engine = opened()
    listed = engine.pair(BUY, "1", {"kind": "STOP_LOSS_LIMIT", "price": "101", "stop": "100.50"}, {"kind": "LIMIT_MAKER", "price": "99"})
    assert engine.balance("USDT")[1] == D(101)
    engine.print_at("100.60")  # taken in at 101, the stop leg works off the asks of the book
    assert words(engine, listed) == ["FILLED 1", "EXPIRED 0"]
    assert engine.balance("USDT") == (100_000 - D("100.10"), D(0))


@pytest.mark.parametrize("legs", [("101", "99"), ("90", "99")])
def test_a_pair_needs_funds_for_its_dearer_leg(legs: tuple[str, str]) -> None:
    """Whichever leg is dearer decides, to the last cent."""
    stop, limit = {"kind": "STOP_LOSS_LIMIT", "price": legs[0], "stop": "100.50"}, {"kind": "LIMIT_MAKER", "price": legs[1]}
    engine = opened()
    engine.matching.deposit("USDT", max(map(D, legs)) - 100_000 - D("0.01"), engine.now_ms)
    before = engine.matching.dump()
    with pytest.raises(Reject, match="insufficient balance"):
        engine.pair(BUY, "1", stop, limit)
    assert engine.matching.dump() == before
    engine.matching.deposit("USDT", D("0.01"), engine.now_ms)
    engine.pair(BUY, "1", stop, limit)
    assert engine.balance("USDT")[0] == 0


def test_the_first_fill_of_the_limit_ends_the_stop() -> None:
    """A part fill is enough: the stop expires by OCO_TRIGGER before the trade is told, the rest of the limit stays; the list ends with it."""
    engine = opened()
    listed = engine.pair(SELL, "1", STOP, LIMIT)
    engine.heard()
    engine.hit(BUY, "5.4", "100.50")
    assert words(engine, listed) == ["EXPIRED 0", "PARTIALLY_FILLED 0.4"]
    assert engine.legs(listed)[0].expiry_reason == "OCO_TRIGGER"
    assert engine.heard() == ["EXPIRED:EXPIRED", "balances", "TRADE:PARTIALLY_FILLED", "balances"]
    assert listed.is_open and engine.balance("BTC") == (D(9), D("0.6"))
    engine.print_at("99")
    engine.hit(BUY, "0.6", "100.50")
    assert engine.heard() == ["TRADE:FILLED", "list ALL_DONE:ALL_DONE", "balances"]
    assert not listed.is_open and engine.balance("BTC") == (D(9), D(0))


def test_the_trigger_of_the_stop_ends_the_limit() -> None:
    """The limit leaves the book before the stop enters it; then NEW on the book, trades, and the list is done."""
    engine = opened()
    listed = engine.pair(SELL, "1", STOP, LIMIT)
    engine.heard()
    engine.print_at("99.95")
    assert words(engine, listed) == ["FILLED 1", "EXPIRED 0"]
    assert engine.heard() == [
        "EXPIRED:EXPIRED", "balances", "NEW:NEW", "balances", "TRADE:FILLED", "list ALL_DONE:ALL_DONE", "balances",
    ]  # fmt: skip
    assert engine.balance("BTC") == (D(9), D(0)) and engine.matching.open_orders() == []


@pytest.mark.parametrize("by", ["stop", "limit", "list", "client id", "all"])
def test_canceling_one_leg_cancels_both(by: str) -> None:
    """By either leg, by the list's id or name, or with everything else: both are CANCELED under one new name, and all is free."""
    engine = opened()
    listed = engine.pair(SELL, "1", STOP, LIMIT, name="mine")
    engine.heard()
    if by == "all":
        assert len(engine.matching.cancel_all(BTC, 5)) == 1
    elif by in ("stop", "limit"):
        engine.matching.cancel(BTC, 5, order_id=listed.order_ids[("stop", "limit").index(by)], cancel_id="c")
    else:
        engine.matching.cancel_list(BTC, 5, **({"list_id": listed.list_id} if by == "list" else {"client_id": "mine"}), cancel_id="c")
    assert words(engine, listed) == ["CANCELED 0", "CANCELED 0"]
    assert by == "all" or {leg.client_order_id for leg in engine.legs(listed)} == {"c"}
    reports = engine.matching.drain_reports()
    assert [report.order.order_id for report in reports if isinstance(report, OrderReport)] == listed.order_ids  # the stop loss first, as placed
    assert [type(report) for report in reports] == [OrderReport, OrderReport, ListReport, BalanceReport]
    assert engine.balance("BTC") == (D(10), D(0))
    with pytest.raises(Reject, match="-2011 Unknown order sent"):
        engine.matching.cancel_list(BTC, 6, listed.list_id)
    engine.pair(SELL, "1", STOP, LIMIT, name="mine")  # the name of a list that is done is free


def test_amending_one_leg_amends_both() -> None:
    """Both legs always have one quantity; the amended one gets its new name, in the list too, the other keeps its own."""
    engine = opened()
    listed = engine.pair(SELL, "1", STOP, LIMIT)
    names = dict(listed.legs)
    engine.heard()
    engine.matching.amend(BTC, 5, D("0.4"), order_id=listed.order_ids[0], new_client_order_id="less")
    assert [leg.quantity for leg in engine.legs(listed)] == [D("0.4"), D("0.4")]
    assert engine.heard() == ["REPLACED:NEW", "REPLACED:NEW", "list UPDATED:EXECUTING", "balances"]
    assert dict(listed.legs) == {**names, listed.order_ids[0]: "less"}
    assert engine.balance("BTC") == (D("9.6"), D("0.4"))
    assert engine.matching.depth(BTC, 50)[2][-1] == (D("100.50"), D("0.4"))


def test_two_that_both_wait() -> None:
    """A take profit and a stop loss wait both; whichever is triggered ends the other."""
    for price, expected in (("100.50", ["EXPIRED 0", "FILLED 1"]), ("99.95", ["FILLED 1", "EXPIRED 0"])):
        engine = opened()
        listed = engine.pair(SELL, "1", {"kind": "STOP_LOSS", "stop": "99.95"}, {"kind": "TAKE_PROFIT", "stop": "100.50"})
        engine.print_at(price)
        assert words(engine, listed) == expected and not listed.is_open


def test_self_trade_prevention_of_the_limit_ends_the_pair() -> None:
    """Our own taker meets the limit leg: it expires in the match and the stop with it."""
    engine = opened()
    listed = engine.pair(SELL, "1", STOP, LIMIT)
    engine.place(BUY, "6", "100.50", stp="EXPIRE_MAKER")
    assert [leg.status for leg in engine.legs(listed)] == ["EXPIRED", "EXPIRED_IN_MATCH"]
    assert not listed.is_open and engine.balance("BTC")[1] == 0


@pytest.mark.parametrize(
    ("stop", "limit", "text"),
    [
        ({**STOP, "stop": "100.05"}, LIMIT, "The relationship of the prices for the orders is not correct."),
        (STOP, {**LIMIT, "price": "100.05"}, "The relationship of the prices for the orders is not correct."),
        ({**STOP, "name": "twice"}, {**LIMIT, "name": "twice"}, "Duplicate order sent."),
    ],
)
def test_refused_pairs(stop: dict[str, str], limit: dict[str, str], text: str) -> None:
    """The last price lies between the legs, and they have two names; a refusal leaves nothing behind."""
    engine = opened()
    before = engine.matching.dump()
    with pytest.raises(Reject) as refusal:
        engine.pair(SELL, "1", stop, limit)
    assert (refusal.value.code, refusal.value.message) == (-2010, text)
    assert engine.matching.dump() == before and engine.heard() == []


def test_a_limit_that_would_take_refuses_the_pair() -> None:
    """Above the last price but not above the best bid: the limit maker's own refusal."""
    engine = opened()
    engine.print_at("99.98")
    with pytest.raises(Reject, match="would immediately match"):
        engine.pair(SELL, "1", STOP, {**LIMIT, "price": "100"})


def test_limits_of_number() -> None:
    """MAX_NUM_ORDER_LISTS counts open lists, MAX_NUM_ORDERS both legs; a done list makes room."""
    engine = Engine(max_order_lists=1, max_orders=4)
    engine.print_at("100.05")
    listed = engine.pair(SELL, "1", STOP, LIMIT)
    with pytest.raises(Reject, match="-2010 Filter failure: MAX_NUM_ORDER_LISTS"):
        engine.pair(SELL, "1", STOP, LIMIT)
    engine.matching.cancel_list(BTC, 5, listed.list_id)
    for _ in range(3):
        engine.place(SELL, "1", "101")
    with pytest.raises(Reject, match="-2010 Filter failure: MAX_NUM_ORDERS"):
        engine.pair(SELL, "1", STOP, LIMIT)


def test_pairs_survive_a_restart() -> None:
    """After dump and load the pair is one still: ids go on, one lock, and a trigger ends the other leg."""
    engine = opened()
    listed = engine.pair(SELL, "1", STOP, LIMIT)
    engine.matching = Matching.load(engine.matching.dump(), engine.matching.rules.values(), D(0), D(0))
    again = engine.matching.lists.lists[listed.list_id]
    assert again == listed and engine.balance("BTC") == (D(9), D(1))
    for step in range(5):
        engine.background(BUY, D(100) - step * D("0.01"), 1)
    engine.print_at("99.95")
    assert words(engine, again) == ["FILLED 1", "EXPIRED 0"]
    engine.print_at("100.05")
    assert engine.pair(SELL, "1", {**STOP, "price": "99.5", "stop": "99.6"}, LIMIT).list_id == listed.list_id + 1


def test_done_lists_are_forgotten_at_the_limit() -> None:
    """The archive of lists is bounded: what ended first is forgotten first, open lists never."""
    archive = ListArchive()
    stays = archive.add("stays", BTC, [(1, "a"), (2, "b")], 0)
    for number in range(CLOSED_MAX + 5):
        archive.close(archive.add(f"l{number}", BTC, [(3, "c"), (4, "d")], 0), 1)
    assert len(archive.lists) == CLOSED_MAX + 1 and stays.list_id in archive.lists
    assert "l4" not in archive.by_client_id and "l5" in archive.by_client_id
    assert ListArchive.load(archive.dump()).lists[stays.list_id] == stays
