"""Orders that wait for a price: when they trigger, what they lock, what is said of them. The trailing scenarios are those of Binance's FAQ."""

from __future__ import annotations

import pytest

from exchange.paper.matching import Matching
from exchange.paper.model import OrderReport
from tests.paper.engine import BTC, BUY, SELL, D, Engine

BELOW = {"kind": "STOP_LOSS_LIMIT", "price": "99.90", "stop": "99.95"}  # a stop loss to sell under the market of 100 / 100.10


def wide() -> Engine:
    """An empty book around the FAQ's last price of 40,000, with money enough."""
    engine = Engine(empty=True, bid_multiplier_up=D(0), bid_multiplier_down=D(0), ask_multiplier_up=D(0), ask_multiplier_down=D(0))
    engine.print_at("40000")
    return engine


@pytest.mark.parametrize(
    ("side", "kind", "price", "stop", "delta", "quiet", "trigger"),
    [
        (BUY, "STOP_LOSS_LIMIT", "45000", "44000", "500", ["37000", "44000", "45000", "46000", "42000", "44099.99"], "44100"),
        (SELL, "STOP_LOSS_LIMIT", "38000", "39000", "1000", ["41500", "39000", "37000", "41000", "36900.01"], "36900"),
        (BUY, "TAKE_PROFIT_LIMIT", "38500", "38000", "850", ["42000", "38000", "37000", "39000", "38000", "40144.99"], "40145"),
        (SELL, "TAKE_PROFIT_LIMIT", "41000", "42000", "750", ["41500", "39000", "42000", "45000", "44000", "46500", "43012.51"], "43012.5"),
        (SELL, "STOP_LOSS_LIMIT", "39000", None, "700", ["42000", "39500", "45500", "42315.01"], "42315"),
    ],
    ids=["A", "B", "C", "D", "E"],
)
def test_trailing_scenarios(side: str, kind: str, price: str, stop: str | None, delta: str, quiet: list[str], trigger: str) -> None:
    """Every scenario of the trailing stop FAQ: no print before the last triggers, the last one does."""
    engine = wide()
    more = {"delta": delta, **({} if stop is None else {"stop": stop})}
    placed = engine.place(side, "0.01", price, kind, **more)
    for quoted in quiet:
        engine.print_at(quoted)
        assert engine.order(placed).is_waiting, quoted
    engine.print_at(trigger)
    assert engine.order(placed).working_ms == engine.now_ms


@pytest.mark.parametrize(
    ("side", "kind", "stop", "before", "at"),
    [
        (BUY, "STOP_LOSS_LIMIT", "41000", "40999.99", "41000"),
        (SELL, "STOP_LOSS_LIMIT", "39000", "39000.01", "38000"),
        (BUY, "TAKE_PROFIT_LIMIT", "39000", "39000.01", "39000"),
        (SELL, "TAKE_PROFIT_LIMIT", "41000", "40999.99", "42000"),
    ],
)
def test_triggers_at_or_beyond_the_stop_price(side: str, kind: str, stop: str, before: str, at: str) -> None:
    """The last trade price decides, at the stop price or beyond it; a price that is met already is refused."""
    engine = wide()
    placed = engine.place(side, "0.01", "40000", kind, stop=stop)
    engine.print_at(before)
    assert engine.order(placed).is_waiting
    assert engine.order(placed).working_ms == -1
    engine.print_at(at)
    assert not engine.order(placed).is_waiting
    assert engine.refuse(side, "0.01", "40000", kind, stop=stop) == (-2010, "Order would trigger immediately.")
    assert engine.refuse(side, "0.01", "40000", kind, stop=at) == (-2010, "Order would trigger immediately.")


def test_life_of_a_stop_loss_limit() -> None:
    """Not on the book and funds locked from the placing; on the trigger NEW once more, now on the book with its working time, then trades."""
    engine = Engine()
    engine.print_at("100.05")
    engine.matching.drain_reports()
    placed = engine.place(SELL, "0.5", **BELOW)
    first = engine.matching.drain_reports()[0]
    assert isinstance(first, OrderReport) and (first.execution_type, first.on_book, first.order.working_ms) == ("NEW", False, -1)
    assert engine.matching.touch(BTC)[2] == D("100.10") and engine.balance("BTC") == (D("9.5"), D("0.5"))
    engine.hit(SELL, "5")  # the bids down to 99.96 are gone
    assert engine.order(placed).is_waiting
    engine.background(BUY, "99.95", "1")
    engine.background(BUY, "99.92", "0.2")
    engine.hit(SELL, "1")
    second = engine.matching.drain_reports()[0]
    assert isinstance(second, OrderReport)
    assert (second.execution_type, second.order.status, second.on_book, second.order.working_ms) == ("NEW", "NEW", True, engine.now_ms)
    order = engine.order(placed)
    assert (order.status, order.executed, order.cumulative_quote) == ("PARTIALLY_FILLED", D("0.2"), D("0.2") * D("99.92"))
    assert engine.matching.touch(BTC)[2] == D("99.90")  # the rest stands at its own price
    assert engine.balance("BTC") == (D("9.5"), D("0.3"))


def test_stop_loss_sells_at_the_market() -> None:
    """A STOP_LOSS becomes a market order: it takes what is there, and what is left over expires."""
    engine = Engine()
    engine.print_at("100.05")
    placed = engine.place(SELL, "7", None, "STOP_LOSS", stop="99.99")
    assert engine.balance("BTC") == (D(3), D(7))
    engine.hit(SELL, "1.5")
    order = engine.order(placed)
    assert (order.status, order.executed, order.expiry_reason) == ("EXPIRED", D("3.5"), "INSUFFICIENT_LIQUIDITY")
    assert engine.balance("BTC") == (D("6.5"), D(0))


def test_stop_loss_to_buy_locks_at_its_stop_price() -> None:
    """Quantity times stop price is locked while it waits; at the trigger the book's own price is paid and the rest is free."""
    engine = Engine()
    engine.print_at("100.05")
    placed = engine.place(BUY, "2", None, "STOP_LOSS", stop="100.11")
    assert engine.balance("USDT") == (100_000 - D("200.22"), D("200.22"))
    engine.hit(BUY, "1.5")
    assert engine.order(placed).status == "FILLED"
    cost = D("0.5") * D("100.11") + D("100.12") + D("0.5") * D("100.13")
    assert engine.balance("USDT") == (100_000 - cost, D(0))


def test_its_own_lock_pays() -> None:
    """What a waiting market order has locked is enough for its stop price, with nothing else free."""
    engine = Engine()
    engine.print_at("100.05")
    engine.matching.deposit("USDT", D("-99899.89"), engine.now_ms)
    placed = engine.place(BUY, "1", None, "STOP_LOSS", stop="100.11")
    assert engine.balance("USDT") == (D(0), D("100.11"))
    engine.hit(BUY, "1")
    engine.background(SELL, "100.10", "1")
    engine.hit(BUY, "0.5")
    assert engine.order(placed).is_waiting  # 100.10 is not its price yet
    engine.print_at("100.11", "0.00001")
    assert engine.order(placed).status == "FILLED"
    assert engine.balance("USDT")[1] == 0


def test_stop_that_cannot_pay_expires_as_rejected() -> None:
    """When the book has run beyond what was locked and nothing else is free, the order expires REJECTED and its lock is free again."""
    engine = Engine()
    engine.print_at("100.05")
    engine.matching.deposit("USDT", D("-99799"), engine.now_ms)
    placed = engine.place(BUY, "2", None, "STOP_LOSS", stop="100.11")
    for step in range(5):
        engine.background(SELL, D("100.10") + step * D("0.01"), 0)
    engine.background(SELL, "110", 5)
    engine.print_at("105")
    order = engine.order(placed)
    assert (order.status, order.expiry_reason, order.working_ms) == ("EXPIRED", "REJECTED", -1)
    assert engine.balance("USDT") == (D(201), D(0))


def test_one_trigger_sets_off_the_next() -> None:
    """The trades of a triggered order are prints too: stops fall like dominoes, in the order of their prices, and the cascade ends."""
    engine = Engine()
    engine.print_at("100.05")
    stops = [engine.place(SELL, "1", None, "STOP_LOSS", stop=stop) for stop in ("99.98", "99.99", "100")]
    engine.hit(SELL, "1")
    assert [engine.order(each).cumulative_quote for each in stops] == [D("99.97"), D("99.98"), D("99.99")]


def test_cancel_and_amend_of_a_waiting_order() -> None:
    """A waiting order can be reduced and canceled like any other; its lock follows, the book never knew it."""
    engine = Engine()
    engine.print_at("100.05")
    placed = engine.place(SELL, "0.5", **BELOW)
    depth = engine.matching.depth(BTC, 50)
    engine.matching.amend(BTC, 9, D("0.2"), order_id=placed.order.order_id)
    assert engine.balance("BTC") == (D("9.8"), D("0.2"))
    engine.matching.cancel(BTC, 9, order_id=placed.order.order_id)
    assert engine.balance("BTC") == (D(10), D(0)) and engine.matching.depth(BTC, 50) == depth
    engine.print_at("99")
    assert engine.order(placed).status == "CANCELED"


@pytest.mark.parametrize(("tif", "reason"), [("IOC", "UNFILLED_IOC_QUANTITY_EXPIRED"), ("FOK", "UNFILLED_FOK_ORDER_EXPIRED")])
def test_time_in_force_counts_from_the_trigger(tif: str, reason: str) -> None:
    """IOC and FOK wait as well, and are immediate once triggered."""
    engine = Engine()
    engine.print_at("100.05")
    placed = engine.place(SELL, "0.5", "100.02", "STOP_LOSS_LIMIT", stop="100.03", tif=tif)
    assert engine.order(placed).is_waiting
    engine.print_at("100.03")
    assert (engine.order(placed).status, engine.order(placed).expiry_reason) == ("EXPIRED", reason)


@pytest.mark.parametrize(
    ("more", "code", "text"),
    [
        ({"stop": "99.951"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"delta": "9"}, -1013, "Filter failure: TRAILING_DELTA"),
        ({"delta": "2001"}, -1013, "Filter failure: TRAILING_DELTA"),
        ({"quantity": "11"}, -2010, "Account has insufficient balance for requested action."),
    ],
)
def test_refusals(more: dict[str, str], code: int, text: str) -> None:
    """Stop price on the tick, trailing delta within its range, funds for all of it."""
    engine = Engine()
    engine.print_at("100.05")
    wanted = {"quantity": "0.5", **BELOW, **more}
    assert engine.refuse(SELL, **wanted) == (code, text)


def test_only_so_many_may_wait() -> None:
    """MAX_NUM_ALGO_ORDERS counts stops and take profits; other orders are still welcome."""
    engine = Engine()
    engine.print_at("100.05")
    for _ in range(engine.rules.max_algo_orders):
        engine.place(SELL, "0.1", **BELOW)
    assert engine.refuse(SELL, "0.1", **BELOW) == (-2010, "Filter failure: MAX_NUM_ALGO_ORDERS")
    engine.place(SELL, "0.1", "101")


def test_waiting_orders_survive_a_restart() -> None:
    """After dump and load an order waits on, a trailing one with the extreme it had reached."""
    engine = wide()
    trailing = engine.place(SELL, "0.01", "39000", "STOP_LOSS_LIMIT", delta="700")
    engine.print_at("45500")
    engine.matching = Matching.load(engine.matching.dump(), engine.matching.rules.values(), D(0), D(0))
    assert engine.matching.last_price(BTC) == 45_500 and engine.order(trailing).is_waiting
    engine.print_at("42315")
    assert not engine.order(trailing).is_waiting
