"""What the matching engine does with requests: entering, filling, ending, refusing, reporting (binance-wire 2, 3, 7, 8)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.paper.matching import Matching
from exchange.paper.model import OrderReport, Reject
from tests.paper.engine import BTC, BUY, SELL, D, Engine

# -- resting and filling -------------------------------------------------------------------------


def test_a_resting_buy_reports_new_then_its_lock() -> None:
    """A resting order is reported NEW on the book and then the balances with its funds locked."""
    engine = Engine()
    placed = engine.place(BUY, "0.5", "99.99", "LIMIT_MAKER")
    assert (placed.order.status, placed.trades, placed.order.time_in_force) == ("NEW", (), "GTC")
    assert engine.balance("USDT") == (D("99950.005"), D("49.995"))
    reports = engine.matching.drain_reports()
    assert isinstance(reports[0], OrderReport)
    assert reports[0].on_book
    assert (reports[0].client_order_id, reports[0].original_client_order_id) == (placed.order.client_order_id, "")
    assert [type(report).__name__ for report in reports] == ["OrderReport", "BalanceReport"]


def test_a_maker_fill_is_at_its_own_price_with_the_fee_in_the_received_asset() -> None:
    """A maker's fill has its own price, is_maker, and pays its fee rounded down from the asset it receives."""
    engine = Engine(maker_fee="0.00015")
    placed = engine.place(BUY, "0.33333", "100.05", "LIMIT_MAKER")
    engine.heard()
    assert engine.hit(SELL, "1", "100.05") == D("0.33333")
    (trade,) = engine.matching.trades(BTC)
    assert (trade.price, trade.quantity, trade.is_maker, trade.is_buyer) == (D("100.05"), D("0.33333"), True, True)
    assert (trade.commission, trade.commission_asset) == (D("0.00004999"), "BTC")
    assert engine.balance("BTC") == (D(10) + D("0.33333") - D("0.00004999"), D(0))
    assert engine.order(placed).status == "FILLED"
    assert engine.heard() == ["TRADE:FILLED", "balances"]
    (public,) = engine.matching.drain_public_trades()
    assert (public.price, public.buyer_is_maker, public.trade_id) == (D("100.05"), True, trade.trade_id)


def test_a_taker_walks_the_book_best_first_and_gets_the_difference_back() -> None:
    """A crossing LIMIT takes level by level at the makers' prices, pays the taker fee, releases what a better price saves, and rests."""
    engine = Engine(taker_fee="0.001")
    placed = engine.place(BUY, "2.5", "100.11")
    assert [(trade.price, trade.quantity) for trade in placed.trades] == [(D("100.10"), D(1)), (D("100.11"), D(1))]
    assert all(not trade.is_maker and trade.commission == D("0.001") for trade in placed.trades)
    assert (placed.order.status, placed.order.executed, placed.order.cumulative_quote) == ("PARTIALLY_FILLED", D(2), D("200.21"))
    free, locked = engine.balance("USDT")
    assert locked == D("100.11") * D("0.5")
    assert free + locked == D(100_000) - D("200.21")
    assert engine.heard() == ["NEW:NEW", "balances", "TRADE:PARTIALLY_FILLED", "balances", "TRADE:PARTIALLY_FILLED", "balances"]
    assert engine.matching.touch(BTC)[:2] == (D("100.11"), D("0.5"))


def test_limit_maker_that_would_cross_is_refused_and_leaves_nothing() -> None:
    """Post-only: touching the other side is -2010 with Binance's text, and no order exists afterwards."""
    engine = Engine()
    assert engine.refuse(BUY, "0.1", "100.10", "LIMIT_MAKER") == (-2010, "Order would immediately match and take.")
    assert engine.refuse(SELL, "0.1", "100.00", "LIMIT_MAKER") == (-2010, "Order would immediately match and take.")
    engine.place(SELL, "0.1", "100.05", "LIMIT_MAKER")
    answer = engine.refuse(BUY, "0.1", "100.05", "LIMIT_MAKER", stp="EXPIRE_MAKER")
    assert answer == (-2010, "Order would immediately match and take."), "post-only comes before self-trade prevention"


def test_ioc_fok_and_market_remainders_expire_with_their_reason() -> None:
    """IOC, FOK and MARKET never rest: the remainder is EXPIRED with the documented reason, after the trades."""
    engine = Engine()
    ioc = engine.place(BUY, "1.5", "100.10", tif="IOC").order
    assert (ioc.status, ioc.executed, ioc.expiry_reason) == ("EXPIRED", D(1), "UNFILLED_IOC_QUANTITY_EXPIRED")
    assert engine.heard()[-4:] == ["TRADE:PARTIALLY_FILLED", "balances", "EXPIRED:EXPIRED", "balances"]
    fok = engine.place(BUY, "1.5", "100.11", tif="FOK").order
    assert (fok.status, fok.executed, fok.expiry_reason) == ("EXPIRED", D(0), "UNFILLED_FOK_ORDER_EXPIRED")
    assert engine.place(BUY, "1", "100.11", tif="FOK").order.status == "FILLED"
    market = engine.place(SELL, "7", None, "MARKET").order
    assert (market.status, market.executed, market.expiry_reason) == ("EXPIRED", D(5), "INSUFFICIENT_LIQUIDITY")
    assert engine.balance("USDT")[1] == engine.balance("BTC")[1] == 0


def test_market_by_quote_amount_spends_at_most_that() -> None:
    """quoteOrderQty buys the largest whole number of steps the amount pays for."""
    engine = Engine()
    order = engine.place(BUY, None, None, "MARKET", quote="150").order
    assert order.status == "FILLED"
    assert order.cumulative_quote <= 150 < order.cumulative_quote + engine.rules.step * D("100.11")
    assert order.executed == order.quantity == D("1.49845")
    assert engine.refuse(BUY, None, None, "MARKET", quote="4") == (-1013, "Filter failure: NOTIONAL")
    assert Engine(empty=True).refuse(BUY, None, None, "MARKET", quote="40")[0] == -2010


# -- refusals ------------------------------------------------------------------------------------

FILTERS = [
    ("0.1", "99.995", -1013, "Filter failure: PRICE_FILTER"),
    ("0.1", "0.001", -1013, "Filter failure: PRICE_FILTER"),
    ("0.000015", "99", -1013, "Filter failure: LOT_SIZE"),
    ("9001", "99", -1013, "Filter failure: LOT_SIZE"),
    ("0.05", "99.99", -1013, "Filter failure: NOTIONAL"),
    ("0.1", "501", -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ("1", "19.99", -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ("0.1", "99.999999999", -1111, "Parameter 'price' has too much precision."),
    ("0.123456789", "99", -1111, "Parameter 'quantity' has too much precision."),
    ("1001", "99.99", -2010, "Account has insufficient balance for requested action."),
]


@pytest.mark.parametrize(("quantity", "price", "code", "text"), FILTERS)
def test_filters_refuse_with_binance_code_and_text(quantity: str, price: str, code: int, text: str) -> None:
    """Each filter refuses with the code and text of binance-wire 2 and 8; the book and the money stay as they were."""
    assert Engine().refuse(BUY, quantity, price) == (code, text)


def test_max_num_orders_counts_open_orders_of_the_symbol() -> None:
    """MAX_NUM_ORDERS refuses under -2010 while so many are open, and no longer after one is gone."""
    engine = Engine(max_orders=2)
    first = engine.place(BUY, "0.1", "99")
    engine.place(BUY, "0.1", "99")
    assert engine.refuse(BUY, "0.1", "99") == (-2010, "Filter failure: MAX_NUM_ORDERS")
    engine.matching.cancel(BTC, engine.now_ms, order_id=first.order.order_id)
    assert engine.place(BUY, "0.1", "99").order.status == "NEW"


def test_a_client_id_is_unique_among_open_orders_only() -> None:
    """A client id in use by an open order is refused; once that order is filled it is accepted again."""
    engine = Engine()
    engine.place(BUY, "0.1", "99", name="same")
    assert engine.refuse(BUY, "0.1", "98", name="same") == (-2010, "Duplicate order sent.")
    engine.hit(SELL, "10", "99")
    again = engine.place(BUY, "0.1", "98", name="same")
    assert engine.matching.order(BTC, client_order_id="same").order_id == again.order.order_id


@pytest.mark.parametrize("status", ["HALT", "BREAK", "CANCEL_ONLY", "END_OF_DAY"])
def test_a_closed_symbol_takes_no_orders_but_cancels_work(status: str) -> None:
    """Outside TRADING a placement is -2010 Market is closed. and a cancel succeeds."""
    engine = Engine()
    placed = engine.place(BUY, "0.1", "99")
    engine.matching.status[BTC] = status
    assert engine.refuse(BUY, "0.1", "99") == (-2010, "Market is closed.")
    assert engine.matching.cancel(BTC, engine.now_ms, order_id=placed.order.order_id).status == "CANCELED"


def test_check_judges_without_entering() -> None:
    """order/test applies every rule and changes nothing, also for an order that would be accepted."""
    engine = Engine()
    before = engine.matching.dump()
    engine.matching.check(engine.request(BUY, "0.1", "99"), engine.now_ms)
    with pytest.raises(Reject):
        engine.matching.check(engine.request(BUY, "0.1", "99.995"), engine.now_ms)
    assert engine.matching.dump() == before


# -- cancel and query ----------------------------------------------------------------------------


def test_a_cancel_renames_the_order_and_frees_its_funds() -> None:
    """After a cancel the order answers to the cancel's id; c is the cancel's id and C the order's; funds are free."""
    engine = Engine()
    placed = engine.place(BUY, "0.5", "99", name="mine")
    engine.matching.drain_reports()
    canceled = engine.matching.cancel(BTC, 2000, client_order_id="mine", cancel_id="mine-c")
    assert (canceled.status, canceled.client_order_id, canceled.original_client_order_id) == ("CANCELED", "mine-c", "mine")
    assert engine.balance("USDT") == (D(100_000), D(0))
    report = engine.matching.drain_reports()[0]
    assert isinstance(report, OrderReport)
    assert (report.execution_type, report.client_order_id, report.original_client_order_id) == ("CANCELED", "mine-c", "mine")
    with pytest.raises(Reject) as gone:
        engine.matching.order(BTC, client_order_id="mine")
    assert (gone.value.code, gone.value.message) == (-2013, "Order does not exist.")
    assert engine.matching.order(BTC, order_id=placed.order.order_id).client_order_id == "mine-c"


def test_cancel_of_what_is_not_open_is_2011() -> None:
    """-2011 Unknown order sent. for filled, canceled, never existing orders and for a client id that does not match."""
    engine = Engine()
    filled = engine.place(BUY, "0.1", "100.10").order
    resting = engine.place(BUY, "0.1", "99").order
    for arguments in ({"order_id": filled.order_id}, {"order_id": 999_999}, {"client_order_id": "never"}):
        with pytest.raises(Reject) as refusal:
            engine.matching.cancel(BTC, 1, **arguments)
        assert (refusal.value.code, refusal.value.message) == (-2011, "Unknown order sent.")
    with pytest.raises(Reject) as refusal:
        engine.matching.cancel(BTC, 1, order_id=resting.order_id, client_order_id="other")
    assert refusal.value.code == -2011
    with pytest.raises(Reject) as mismatch:
        engine.matching.order(BTC, order_id=resting.order_id, client_order_id="other")
    assert mismatch.value.code == -2039


def test_cancel_restrictions_keep_the_order() -> None:
    """ONLY_NEW and ONLY_PARTIALLY_FILLED refuse with their own text and leave the order open."""
    engine = Engine()
    placed = engine.place(BUY, "0.5", "100.05")
    with pytest.raises(Reject) as refusal:
        engine.matching.cancel(BTC, 1, order_id=placed.order.order_id, restrictions="ONLY_PARTIALLY_FILLED")
    assert (refusal.value.code, refusal.value.message) == (-2011, "Order was not canceled due to cancel restrictions.")
    engine.hit(SELL, "0.2", "100.05")
    with pytest.raises(Reject):
        engine.matching.cancel(BTC, 1, order_id=placed.order.order_id, restrictions="ONLY_NEW")
    done = engine.matching.cancel(BTC, 1, order_id=placed.order.order_id, restrictions="ONLY_PARTIALLY_FILLED")
    assert (done.status, done.executed) == ("CANCELED", D("0.2"))


def test_ids_repeat_across_symbols() -> None:
    """Order and trade ids are counted per symbol from overlapping bases: the same number can name orders of two symbols."""
    engine = Engine()
    engine.matching.set_background("ETHUSDT", SELL, D(3000), D(9), 1)
    btc = [engine.place(BUY, "0.1", "99").order.order_id for _ in range(8)]
    eth = [engine.place(BUY, "0.1", "2999", symbol="ETHUSDT").order.order_id for _ in range(8)]
    assert set(btc) & set(eth)
    assert btc == sorted(btc)


# -- amend ---------------------------------------------------------------------------------------


def test_amend_shrinks_quantity_lock_and_nothing_else() -> None:
    """keepPriority sets the new total, keeps id, price and place, shrinks the lock, and reports REPLACED with c new and C previous."""
    engine = Engine()
    engine.place(BUY, "1", "100.05", name="first")
    behind = engine.place(BUY, "1", "100.05")
    engine.heard()
    done = engine.matching.amend(BTC, 3000, D("0.4"), client_order_id="first", new_client_order_id="second")
    assert (done.order.quantity, done.order.client_order_id, done.previous_client_order_id) == (D("0.4"), "second", "first")
    assert engine.balance("USDT")[1] == D("1.4") * D("100.05")
    assert engine.matching.size_ahead(BTC, done.order.order_id) == 0
    assert engine.matching.size_ahead(BTC, behind.order.order_id) == D("0.4")
    report = engine.matching.drain_reports()[0]
    assert isinstance(report, OrderReport)
    assert (report.execution_type, report.client_order_id, report.original_client_order_id) == ("REPLACED", "second", "first")
    assert report.execution_id == done.execution_id


AMENDS = [
    ("1.5", -2038, "Order amend (quantity increase) is not supported."),
    ("1", -2038, "The requested action would change no state; rejecting."),
    ("0.04", -1013, "Filter failure: NOTIONAL"),
    ("0.500001", -1013, "Filter failure: LOT_SIZE"),
    ("0.5000000001", -1111, "Parameter 'newQty' has too much precision."),
]


@pytest.mark.parametrize(("quantity", "code", "text"), AMENDS)
def test_a_refused_amend_leaves_the_order(quantity: str, code: int, text: str) -> None:
    """Each refusal of an amend has its text, and the order is as it was."""
    engine = Engine()
    placed = engine.place(BUY, "1", "100.05")
    before = engine.matching.dump()
    with pytest.raises(Reject) as refusal:
        engine.matching.amend(BTC, 3000, D(quantity), order_id=placed.order.order_id)
    assert (refusal.value.code, refusal.value.message) == (code, text)
    assert engine.matching.dump() == before


def test_amend_at_most_ten_times_and_only_open_orders() -> None:
    """The eleventh amend is -2038 MAX_NUM_ORDER_AMENDS; an unknown or ended order is -2038 Unknown order sent."""
    engine = Engine()
    placed = engine.place(BUY, "1", "100.05")
    for tenth in range(10):
        engine.matching.amend(BTC, 1, D("0.9") - tenth * D("0.01"), order_id=placed.order.order_id)
    with pytest.raises(Reject) as refusal:
        engine.matching.amend(BTC, 1, D("0.5"), order_id=placed.order.order_id)
    assert (refusal.value.code, refusal.value.message) == (-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
    engine.matching.cancel(BTC, 1, order_id=placed.order.order_id)
    with pytest.raises(Reject) as ended:
        engine.matching.amend(BTC, 1, D("0.5"), order_id=placed.order.order_id)
    assert (ended.value.code, ended.value.message) == (-2038, "Unknown order sent.")


def test_amend_to_what_is_executed_ends_the_order() -> None:
    """When nothing is left to execute the order ends EXPIRED with its fills, and nothing stays locked."""
    engine = Engine()
    placed = engine.place(BUY, "1", "100.05")
    engine.hit(SELL, "0.4", "100.05")
    done = engine.matching.amend(BTC, 1, D("0.4"), order_id=placed.order.order_id)
    assert (done.order.status, done.order.executed, done.order.quantity) == ("EXPIRED", D("0.4"), D("0.4"))
    assert engine.balance("USDT")[1] == 0
    assert engine.matching.open_orders(BTC) == []


# -- self-trade prevention -----------------------------------------------------------------------

STP = [
    ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "NEW"),
    ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH"),
    ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
    ("DECREMENT", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
    ("NONE", "FILLED", "FILLED"),
]


@pytest.mark.parametrize(("mode", "maker_status", "taker_status"), STP)
def test_self_trade_prevention_follows_the_takers_mode(mode: str, maker_status: str, taker_status: str) -> None:
    """The taker's mode decides which of our two orders expires in match; NONE lets them trade."""
    engine = Engine()
    maker = engine.place(SELL, "0.3", "100.05", stp="EXPIRE_TAKER")
    engine.heard()
    taker = engine.place(BUY, "0.3", "100.05", stp=mode)
    assert (engine.order(maker).status, engine.order(taker).status) == (maker_status, taker_status)
    assert ("TRADE_PREVENTION:EXPIRED_IN_MATCH" in engine.heard()) == (mode != "NONE")
    for asset, total in (("BTC", D(10)), ("USDT", D(100_000))):
        free, locked = engine.balance(asset)
        assert free + locked == total
    open_locked = sum((order.price * order.remaining for order in engine.matching.open_orders(BTC) if order.side == BUY), Decimal(0))
    assert engine.balance("USDT")[1] == open_locked


@pytest.mark.parametrize(("maker_quantity", "taker_quantity"), [("0.6", "0.2"), ("0.2", "0.6")])
def test_decrement_takes_the_same_from_both(maker_quantity: str, taker_quantity: str) -> None:
    """DECREMENT prevents the smaller quantity on both sides: the smaller order expires, the other goes on with the rest and keeps its queue place."""
    engine = Engine()
    maker = engine.place(SELL, maker_quantity, "100.05")
    taker = engine.place(BUY, taker_quantity, "100.05", stp="DECREMENT")
    orders = {"maker": engine.order(maker), "taker": engine.order(taker)}
    small, large = ("taker", "maker") if D(taker_quantity) < D(maker_quantity) else ("maker", "taker")
    assert (orders[small].status, orders[large].status) == ("EXPIRED_IN_MATCH", "NEW")
    assert orders["maker"].prevented == orders["taker"].prevented == D("0.2")
    assert orders[large].remaining == D("0.4") and orders[large].prevented_match_id == 0
    _, bids, asks = engine.matching.depth(BTC, 1)
    assert (bids if large == "taker" else asks)[0] == (D("100.05"), D("0.4"))
    asset, locked = ("USDT", D("0.4") * D("100.05")) if large == "taker" else ("BTC", D("0.4"))
    assert engine.balance(asset)[1] == locked


def test_expiring_makers_lose_all_that_was_left_of_them() -> None:
    """EXPIRE_MAKER: each maker on the way loses its whole rest, not only what the taker would have taken; the taker loses nothing (STP FAQ, B)."""
    engine = Engine(empty=True)
    makers = [engine.place(BUY, quantity, price) for quantity, price in (("1.2", "12"), ("1.3", "11"), ("8.1", "10"))]
    taker = engine.place(SELL, "3", "10", stp="EXPIRE_MAKER")
    assert [engine.order(maker).prevented for maker in makers] == [D("1.2"), D("1.3"), D("8.1")]
    assert (taker.order.status, taker.order.prevented) == ("NEW", D(0))
    lost = [(each.match_id, each.maker_lost, each.taker_lost) for each in taker.preventions]
    assert lost == [(0, D("1.2"), D(0)), (1, D("1.3"), D(0)), (2, D("8.1"), D(0))]


FOK = [("EXPIRE_TAKER", "EXPIRED"), ("EXPIRE_BOTH", "EXPIRED"), ("EXPIRE_MAKER", "FILLED"), ("NONE", "FILLED")]


@pytest.mark.parametrize(("mode", "status"), FOK)
def test_fill_or_kill_counts_what_its_mode_lets_it_trade_with(mode: str, status: str) -> None:
    """FOK is all or nothing also where an own order stands in the way: a mode that stops there kills it before any trade."""
    engine = Engine()
    engine.place(SELL, "0.3", "100.10", stp="NONE")
    order = engine.place(BUY, "2", "100.12", tif="FOK", stp=mode).order
    assert order.status == status
    assert order.executed in (D(0), D(2))


def test_our_own_orders_are_no_liquidity_for_a_market_order() -> None:
    """A MARKET order is priced on what it can trade with, so that expiring own orders on the way never makes it overspend."""
    engine = Engine(empty=True)
    engine.background(SELL, "200", 600)
    engine.place(SELL, "5", "100")
    assert engine.refuse(BUY, "501", None, "MARKET")[0] == -2010
    order = engine.place(BUY, "499", None, "MARKET").order
    assert (order.status, order.cumulative_quote) == ("FILLED", D(499 * 200))


def test_a_mode_this_exchange_does_not_offer_is_refused() -> None:
    """TRANSFER is not offered: -1013 with the documented text."""
    answer = Engine().refuse(BUY, "0.1", "99", stp="TRANSFER")
    assert answer == (-1013, "This symbol does not allow the specified self-trade prevention mode.")


# -- life on disk --------------------------------------------------------------------------------


def test_a_dumped_exchange_continues() -> None:
    """After dump and load money, open orders, ids, names, trades and queries are the same, and new ids go on."""
    engine = Engine(maker_fee="0.001")
    resting = engine.place(BUY, "0.5", "100.05", name="rest")
    engine.hit(SELL, "0.2", "100.05")
    gone = engine.place(BUY, "0.5", "99")
    engine.matching.cancel(BTC, 5, order_id=gone.order.order_id, cancel_id="c-1")
    loaded = Matching.load(engine.matching.dump(), [engine.rules, engine.matching.rules["ETHUSDT"]], D("0.001"), D(0))
    assert loaded.dump() == engine.matching.dump()
    assert loaded.order(BTC, client_order_id="rest") == engine.order(resting)
    assert loaded.touch(BTC)[:2] == (D("100.05"), D("0.3"))
    before = {order.order_id for order in loaded.all_orders(BTC)}
    assert loaded.place(engine.request(BUY, "0.1", "99"), 9).order.order_id not in before
    loaded.aggress(BTC, SELL, D(1), D("100.05"), 9)
    assert loaded.order(BTC, client_order_id="rest").status == "FILLED"
