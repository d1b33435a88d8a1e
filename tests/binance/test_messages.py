"""Golden messages of binance-wire.md: shapes the observed messages do not cover, and round trips."""

import json
from decimal import Decimal as D
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.commands import Place
from core.events import AccountPosition, BalanceUpdate, BookTicker, DepthDiff, ExecutionReport, MarketTrade
from core.money import plain
from core.types import Liquidity, OrderType, RateLimit, Side, TimeInForce
from exchange.binance import frames, order_lists, symbols, wire

QUERY = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "orderListId": -1,
    "clientOrderId": "gl-1",
    "price": "60000.00000000",
    "origQty": "0.01000000",
    "executedQty": "0.00400000",
    "cummulativeQuoteQty": "240.00000000",
    "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT_MAKER",
    "side": "SELL",
    "stopPrice": "0.0",
    "time": 5,
    "updateTime": 6,
    "isWorking": True,
    "newFieldOfNextYear": {"a": [1]},
}
REPORT = {
    "e": "executionReport", "E": 2, "s": "BTCUSDT", "c": "gl-1", "S": "BUY", "o": "LIMIT_MAKER", "f": "GTC", "q": "0.01000000",
    "p": "60000.00000000", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": "TRADE", "X": "PARTIALLY_FILLED", "r": "NONE", "i": 28,
    "l": "0.00400000", "z": "0.00400000", "L": "60000.00000000", "n": "0.00000400", "N": "BTC", "T": 1, "t": 56, "I": 777, "w": True, "m": True,
    "M": False, "O": 1, "Z": "240.00000000", "Y": "240.00000000", "Q": "0.00000000", "W": 1, "V": "NONE",
}  # fmt: skip
prices = st.decimals(min_value=0, max_value=10**12, places=8, allow_nan=False, allow_infinity=False)

ODD_LIMIT = {"rateLimitType": "ORDERS", "interval": "AGE", "intervalNum": 1, "limit": 5}

def raw(value: object) -> bytes:
    return json.dumps(value).encode()


def wrapped(**changes: object) -> bytes:
    return raw({"subscriptionId": 0, "event": REPORT | changes})


def report(**changes: object) -> ExecutionReport:
    event = frames.user_message(wrapped(**changes), 9)
    assert isinstance(event, ExecutionReport)
    return event


def request(kind: OrderType = OrderType.LIMIT_MAKER) -> Place:
    return Place(
        command_id=1,
        reason="",
        timeout_ms=1,
        symbol="BTCUSDT",
        side=Side.BUY,
        type=kind,
        time_in_force=None,
        price=D("60000"),
        quantity=D("0.01"),
        client_order_id="gl-1",
        slot=None,
        not_after_ns=0,
    )


# -- orders --------------------------------------------------------------------------------------
def test_query_body() -> None:
    """A queried order keeps its times apart, and fields of the future are ignored."""
    facts = wire.order_facts(raw(QUERY))
    assert (facts.created_ms, facts.updated_ms, facts.executed, facts.cumulative_quote) == (5, 6, D("0.004"), D(240))
    assert (facts.side, facts.status, facts.type, facts.quantity) == (Side.SELL, "PARTIALLY_FILLED", "LIMIT_MAKER", D("0.01"))


def test_unknown_status_stays_raw() -> None:
    """A status nobody has heard of reaches the engine as it came."""
    assert wire.order_facts(raw(QUERY | {"status": "SLEEPING"})).status == "SLEEPING"


def test_ack_says_new_and_no_more() -> None:
    """An ACK carries no amounts: the facts are the request's, as NEW, with nothing executed."""
    facts = wire.placed(raw({"symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": "gl-1", "transactTime": 7}), request())
    assert (facts.venue_order_id, facts.status, facts.executed, facts.price, facts.quantity) == (28, "NEW", D(0), D(60000), D("0.01"))
    assert (facts.side, facts.type, facts.created_ms, facts.time_in_force) == (Side.BUY, "LIMIT_MAKER", 7, "")


def test_query_without_status_is_bad() -> None:
    """Only a placement may come as ACK; a query without a status says nothing and is no answer."""
    with pytest.raises(wire.BadBody):
        wire.order_facts(raw({key: QUERY[key] for key in ("symbol", "orderId", "clientOrderId")}))


def test_sweep_with_an_order_list() -> None:
    """DELETE /openOrders lists plain reports and order lists; the orders of both come back."""
    listed = {"orderListId": 3, "contingencyType": "OCO", "orders": [], "orderReports": [QUERY | {"orderId": 30}, QUERY | {"orderId": 31}]}
    assert [facts.venue_order_id for facts in order_lists.cancel_reports(raw([QUERY, listed]))] == [28, 30, 31]


def test_own_trades_are_sorted_and_named() -> None:
    """myTrades become fills in order of id; the client id is known only where the caller knows it."""
    trade = {
        "symbol": "BTCUSDT", "id": 9, "orderId": 28, "orderListId": -1, "price": "60000.1", "qty": "0.01", "quoteQty": "600.001",
        "commission": "0.6", "commissionAsset": "USDT", "time": 3, "isBuyer": False, "isMaker": True, "isBestMatch": True,
    }  # fmt: skip
    fills = wire.own_trades(raw([trade, trade | {"id": 8, "orderId": 27, "isBuyer": True, "isMaker": False}]), {28: "gl-1"})
    assert [(fill.trade_id, fill.client_order_id, fill.side, fill.liquidity) for fill in fills] == [
        (8, "", Side.BUY, Liquidity.TAKER),
        (9, "gl-1", Side.SELL, Liquidity.MAKER),
    ]
    assert (fills[1].fee, fills[1].fee_asset, fills[1].price, fills[1].time_ms) == (D("0.6"), "USDT", D("60000.1"), 3)


def test_a_trade_that_cost_nothing_may_name_no_asset() -> None:
    """Null for the asset of a commission that was none (N is null in reports) hides no trade, in myTrades and in an answer's fills."""
    cost = {"commission": "0", "commissionAsset": None}
    trade = {"symbol": "X", "id": 9, "orderId": 28, "price": "1", "qty": "2", "time": 3, "isBuyer": True, "isMaker": True, **cost}
    assert [(fill.fee, fill.fee_asset) for fill in wire.own_trades(raw([trade]))] == [(D(0), "")]
    filled = QUERY | {"status": "FILLED", "fills": [{"price": "1", "qty": "2", "tradeId": 9, **cost}]}
    assert [(fill.fee, fill.fee_asset) for fill in wire.order_facts(raw(filled)).fills] == [(D(0), "")]


@pytest.mark.parametrize("limits", [None, [], [{"rateLimitType": "ORDERS", "interval": "SECOND", "limit": 5}, ODD_LIMIT]])
def test_limits_without_an_interval_are_none(limits: object) -> None:
    """A rate limit of no length, of an unknown word, or none at all: the rules are read, and no window of zero seconds comes of it."""
    entry = {"symbol": "X", "status": "TRADING", "baseAsset": "A", "quoteAsset": "B"}
    rules, found = symbols.exchange_info(raw({"symbols": [entry], "rateLimits": limits}))
    assert (len(rules), found) == (1, ())


@given(price=prices, quantity=prices)
def test_decimals_survive_the_wire_exactly(price: D, quantity: D) -> None:
    """plain() text sent by us and echoed by the venue is the same number, to the last digit."""
    facts = wire.order_facts(raw(QUERY | {"price": plain(price), "origQty": plain(quantity)}))
    assert (facts.price, facts.quantity) == (price, quantity)
    assert "e" not in plain(price).lower() and "-" not in plain(price)


# -- account, depth, rules, limits -----------------------------------------------------------------
def test_depth_body() -> None:
    """A depth snapshot takes its symbol from the request."""
    book = wire.depth(b'{"lastUpdateId":1027024,"bids":[["60000.00000000","0.50000000"]],"asks":[["60000.01000000","1.20000000"]]}', "BTCUSDT")
    assert (book.symbol, book.last_update_id) == ("BTCUSDT", 1027024)
    assert (book.bids, book.asks) == (((D(60000), D("0.5")),), ((D("60000.01"), D("1.2")),))


def test_rules_of_today() -> None:
    """The testnet's exchangeInfo of 2026-09: NOTIONAL, PERCENT_PRICE_BY_SIDE, amends."""
    rules, _ = symbols.exchange_info((Path(__file__).parent / "data" / "exchange_info_testnet.json").read_bytes())
    (btc,) = rules
    assert (btc.tick, btc.step, btc.min_price, btc.max_price) == (D("0.01"), D("0.00001"), D("0.01"), D(1000000))
    assert (btc.min_quantity, btc.max_quantity, btc.min_notional, btc.max_notional) == (D("0.00001"), D(9000), D(5), D(9000000))
    multipliers = (btc.bid_multiplier_up, btc.bid_multiplier_down, btc.ask_multiplier_up, btc.ask_multiplier_down)
    assert multipliers == (D("1.2"), D("0.5"), D(2), D("0.8"))
    assert (btc.max_orders, btc.amend_allowed, btc.base, btc.quote, btc.status) == (200, True, "BTC", "USDT", "TRADING")


def test_filters_of_no_concern_are_not_read() -> None:
    """A filter we do not decide by may have any form, also one whose names we know; a torn one that decides is no message."""
    entry = {"symbol": "X", "status": "CANCEL_ONLY", "baseAsset": "A", "quoteAsset": "B", "orderTypes": ["PEGGED_OF_NEXT_YEAR"]}
    tick = {"filterType": "PRICE_FILTER", "tickSize": "0.01"}
    odd = {"filterType": "MAX_SOMETHING", "maxNumOrders": "many", "minQty": None, "limit": [1]}
    (rules,), _ = symbols.exchange_info(raw({"symbols": [{**entry, "filters": [odd, tick]}]}))
    assert (rules.tick, rules.status) == (D("0.01"), "CANCEL_ONLY")
    with pytest.raises(wire.BadBody):
        symbols.exchange_info(raw({"symbols": [{**entry, "filters": [{**tick, "tickSize": None}]}]}))


def test_header_limits() -> None:
    """X-MBX headers become counts; their limits come from exchangeInfo, other headers are none."""
    headers = [("X-MBX-USED-WEIGHT", "12"), ("x-mbx-used-weight-1m", "12"), ("X-MBX-ORDER-COUNT-10S", "3"), ("X-MBX-ORDER-COUNT-1D", "77")]
    assert wire.header_limits([*headers, ("Retry-After", "3")], {("REQUEST_WEIGHT", 60): 6000, ("ORDERS", 10): 50}) == (
        RateLimit("REQUEST_WEIGHT", 60, 6000, 12),
        RateLimit("ORDERS", 10, 50, 3),
        RateLimit("ORDERS", 86_400, 0, 77),
    )


def test_restrictions() -> None:
    """What a key may do, as apiRestrictions says it."""
    told = wire.restrictions(b'{"ipRestrict":true,"enableWithdrawals":true,"enableSpotAndMarginTrading":true,"createTime":1}')
    assert (told.ip_restrict, told.enable_withdrawals, told.enable_spot_and_margin_trading) == (True, True, True)
    assert not told.permits_universal_transfer


# -- market streams ------------------------------------------------------------------------------
def test_trade_frame() -> None:
    """A market trade: `m` is "the buyer was the maker", T its time."""
    body = {"e": "trade", "E": 3, "s": "BTCUSDT", "t": 5, "p": "1.5", "q": "2", "T": 4, "m": True, "M": True}
    trade = frames.market_message(raw({"stream": "btcusdt@trade", "data": body}), 8)
    assert trade == MarketTrade(symbol="BTCUSDT", trade_id=5, price=D("1.5"), quantity=D(2), buyer_is_maker=True, time_ms=4, received_ns=8)
    assert frames.market_message(raw(body), 8) == trade


def test_bare_book_ticker() -> None:
    """A raw (not combined) bookTicker has no event type; it is known by its `u`."""
    event = frames.market_message(b'{"u":400900217,"s":"BTCUSDT","b":"1.1","B":"2","a":"1.2","A":"3"}', 8)
    assert isinstance(event, BookTicker)
    assert (event.update_id, event.bid_price, event.ask_quantity) == (400900217, D("1.1"), D(3))


@pytest.mark.parametrize("body", ['{"e":"serverShutdown","E":7}', '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":7}}'])
def test_market_shutdown(body: str) -> None:
    """serverShutdown is heard raw and combined."""
    assert frames.market_message(body.encode(), 8) == frames.Shutdown(7)


def test_stream_errors() -> None:
    """Both forms of a refused stream request are replies with an error."""
    assert frames.market_message(b'{"code":3,"msg":"Invalid JSON: x"}', 8) == frames.StreamReply(None, "3 Invalid JSON: x")
    assert frames.market_message(b'{"error":{"code":2,"msg":"no"},"id":"a"}', 8) == frames.StreamReply("a", "2 no")
    assert frames.market_message(b'{"result":["btcusdt@trade"],"id":3}', 8) == frames.StreamReply(3)


@given(levels=st.lists(st.tuples(prices, prices), max_size=30), first=st.integers(0, 2**53), span=st.integers(0, 1000))
def test_depth_diff_round_trip(levels: list[tuple[D, D]], first: int, span: int) -> None:
    """Whatever levels the venue prints in 8 decimals are the levels we read, in their order."""
    texts = [[f"{price:.8f}", f"{quantity:.8f}"] for price, quantity in levels]
    body = {"e": "depthUpdate", "E": 1, "s": "X", "U": first, "u": first + span, "b": texts, "a": texts[::-1]}
    diff = frames.market_message(raw({"stream": "x@depth@100ms", "data": body}), 8)
    assert isinstance(diff, DepthDiff)
    assert (list(diff.bids), list(diff.asks), diff.first_id, diff.last_id) == (levels, levels[::-1], first, first + span)


# -- user data -----------------------------------------------------------------------------------
def test_partial_fill_report() -> None:
    """The golden executionReport of binance-wire 7, wrapped as the WS API sends it today."""
    event = report()
    assert event.fill is not None
    assert (event.client_order_id, event.executed, event.cumulative_quote, event.execution_id) == ("gl-1", D("0.004"), D(240), 777)
    assert (event.fill.trade_id, event.fill.fee, event.fill.fee_asset, event.fill.liquidity) == (56, D("0.000004"), "BTC", Liquidity.MAKER)
    assert event == frames.user_message(raw(REPORT), 9) == frames.user_message(raw({"stream": "<listen key>", "data": REPORT}), 9)


def test_second_fill_report() -> None:
    """A later trade of an order: `l` and `L` are this trade's quantity and price, `z` is what the order has executed in all, `p` its limit."""
    event = report(l="0.00300000", z="0.00700000", L="59999.50000000", t=57)
    assert event.fill is not None
    assert (event.executed, event.price, event.fill.quantity, event.fill.price) == (D("0.007"), D(60000), D("0.003"), D("59999.5"))


def test_cancel_report_names_the_order() -> None:
    """x=CANCELED speaks under the cancel's id; the order is the one in C."""
    event = report(x="CANCELED", X="CANCELED", c="gl-9c", C="gl-1", l="0.0", t=-1, n="0", N=None)
    assert (event.client_order_id, event.report_id, event.fill) == ("gl-1", "gl-9c", None)


def test_replaced_report_names_the_order() -> None:
    """x=REPLACED (an amend) names the former id in C too."""
    event = report(x="REPLACED", X="NEW", c="gl-2", C="gl-1", l="0.0", t=-1)
    assert (event.client_order_id, event.report_id) == ("gl-1", "gl-2")


def test_rejected_report_is_kept_apart() -> None:
    """x=REJECTED comes through with its reason and order id -1; it is no evidence for the engine to close anything."""
    event = report(x="REJECTED", X="REJECTED", r="INSUFFICIENT_BALANCES", i=-1, l="0", t=-1)
    assert (event.execution_type, event.reject_reason, event.venue_order_id, event.fill) == ("REJECTED", "INSUFFICIENT_BALANCES", -1, None)


@pytest.mark.parametrize("kind", ["EXPIRED", "TRADE_PREVENTION", "NEW"])
def test_only_trades_carry_a_fill(kind: str) -> None:
    """Reports that are no trade have no fill, also where `t` is set (TRADE_PREVENTION)."""
    assert report(x=kind).fill is None


def test_trade_without_its_id_is_bad() -> None:
    """A trade that cannot be deduplicated must not be booked: the message is refused and becomes a gap."""
    with pytest.raises(wire.BadBody):
        report(t=-1)


def test_nulls_where_there_is_nothing_to_say() -> None:
    """Null for an absent commission, former id or reason is read as their absence; a trade without its fee is a gap, for it would be booked free."""
    event = report(x="NEW", X="NEW", C=None, r=None, n=None, N=None, l="0.0", t=-1)
    assert (event.client_order_id, event.reject_reason, event.fill) == ("gl-1", "NONE", None)
    with pytest.raises(wire.BadBody):
        report(n=None)


def test_fields_may_come_in_any_order() -> None:
    """The names decide, not their places."""
    assert frames.user_message(raw({"event": dict(reversed(REPORT.items())), "subscriptionId": 0}), 9) == report()


@pytest.mark.parametrize("limits", [None, [{"rateLimitType": "NEW"}], [ODD_LIMIT], [{}]])
def test_limits_of_another_form_do_not_hide_the_reply(limits: object) -> None:
    """The outcome of an order is read whatever its rateLimits look like."""
    reply = frames.user_message(raw({"id": 1, "status": 200, "result": {"orderId": 5}, "error": None, "rateLimits": limits}), 9)
    assert isinstance(reply, frames.ApiReply) and (reply.request_id, reply.status, reply.limits) == (1, 200, ())
    assert json.loads(reply.result) == {"orderId": 5}


@pytest.mark.parametrize("when", ["soon", None, {"ms": 1}, 1.5])
def test_an_event_of_next_year_is_ignored_whatever_its_time(when: object) -> None:
    """A kind we do not know is no gap, also where its `E` is no number of ours."""
    assert frames.user_message(raw({"subscriptionId": 0, "event": {"e": "novelty", "E": when}}), 9) == frames.Ignored("novelty")


def test_balances_and_movements() -> None:
    """Positions are absolute, balance updates are movements, locks from outside are told apart."""
    position = frames.user_message(b'{"e":"outboundAccountPosition","E":2,"u":1,"B":[{"a":"USDT","f":"900.0","l":"100.0"}]}', 9)
    assert isinstance(position, AccountPosition)
    assert (position.update_ms, position.balances[0].free, position.balances[0].locked) == (1, D(900), D(100))
    moved = frames.user_message(b'{"subscriptionId":1,"event":{"e":"balanceUpdate","E":2,"a":"BTC","d":"-1.0","T":1}}', 9)
    assert moved == BalanceUpdate(asset="BTC", delta=D("-1.0"), time_ms=1)
    locked = frames.user_message(b'{"subscriptionId":1,"event":{"e":"externalLockUpdate","E":2,"a":"NEO","d":"10.0","T":1}}', 9)
    assert locked == frames.ExternalLock("NEO", D("10.0"), 1)


def test_user_side_notes() -> None:
    """listStatus is ignored; shutdown of the WS API carries no subscription id; a revoked key comes with id null."""
    assert frames.user_message(b'{"subscriptionId":0,"event":{"e":"listStatus","E":2,"s":"X","O":[]}}', 9) == frames.Ignored("listStatus")
    assert frames.user_message(b'{"event":{"e":"serverShutdown","E":4}}', 9) == frames.Shutdown(4)
    revoked = frames.user_message(b'{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key"}}', 9)
    assert isinstance(revoked, frames.ApiReply) and revoked.error is not None
    assert (revoked.request_id, revoked.status, revoked.error.code) == (None, 401, -2015)


def test_ban_data() -> None:
    """error.data.retryAfter is epoch ms."""
    reply = frames.user_message(b'{"id":"1","status":418,"error":{"code":-1003,"msg":"x","data":{"serverTime":1,"retryAfter":2}},"rateLimits":[]}', 9)
    assert isinstance(reply, frames.ApiReply) and reply.error is not None
    assert wire.ban_ends_ms(reply.error) == 2


@given(st.binary(max_size=60))
def test_garbage_never_escapes_as_another_error(junk: bytes) -> None:
    """Whatever bytes arrive, the parser answers with a message or BadBody; nothing else can reach a reader thread."""
    for parse in (frames.market_message, frames.user_message):
        try:
            parse(junk, 1)
        except wire.BadBody:
            continue


@given(cut=st.integers(0, len(wrapped())))
def test_torn_messages_are_bad(cut: int) -> None:
    """A message cut anywhere before its end is refused, never half read."""
    if cut < len(wrapped()):
        with pytest.raises(wire.BadBody):
            frames.user_message(wrapped()[:cut], 1)


def test_time_in_force_of_the_request_is_kept_in_an_ack() -> None:
    """An ACK of a LIMIT order keeps the request's time in force."""
    order = msgspec.structs.replace(request(OrderType.LIMIT), time_in_force=TimeInForce.IOC)
    assert wire.placed(b'{"symbol":"X","orderId":1,"clientOrderId":"a","transactTime":1}', order).time_in_force == "IOC"
