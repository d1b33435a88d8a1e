"""Commands as REST calls and answers as facts: BinanceVenue against a scripted server."""

import time
from decimal import Decimal as D

import msgspec
import pytest

from core.commands import Cancel, CancelAll, Place, Purpose, Query, ReadAccount, ReadDepth
from core.events import OrderAnswer
from core.ports import NotSent, Refused
from core.types import Liquidity, OrderType, RateLimit, Side, TimeInForce
from exchange.binance.clock import VenueClock
from exchange.binance.errors import UnknownOutcome
from exchange.binance.rest import Rest
from exchange.binance.venue import BinanceVenue
from tests.binance.fake_http import FakeHttp, Reply, Request
from tests.timing import SOON_S, quickest_s

ORDER, OPEN, ALL, TRADES, ACCOUNT = "/api/v3/order", "/api/v3/openOrders", "/api/v3/allOrders", "/api/v3/myTrades", "/api/v3/account"
NOT_KNOWN = Reply({"code": -2013, "msg": "Order does not exist."}, 400)
Json = dict[str, object]


def order(order_id: int, name: str, **changes: object) -> Json:
    base: Json = {
        "symbol": "BTCUSDT", "orderId": order_id, "orderListId": -1, "clientOrderId": name, "price": "60000.00", "origQty": "0.01000000",
        "executedQty": "0.00000000", "cummulativeQuoteQty": "0.00000000", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT_MAKER",
        "side": "BUY", "time": 1000, "updateTime": 1000,
    }  # fmt: skip
    return base | changes


def trade(trade_id: int, order_id: int, symbol: str = "BTCUSDT") -> Json:
    return {
        "symbol": symbol, "id": trade_id, "orderId": order_id, "orderListId": -1, "price": "60000", "qty": "0.004", "quoteQty": "240",
        "commission": "0.1", "commissionAsset": "USDT", "time": 3, "isBuyer": True, "isMaker": True, "isBestMatch": True,
    }  # fmt: skip


def venue(server: FakeHttp, *symbols: str, clock: VenueClock | None = None) -> BinanceVenue:
    return BinanceVenue(Rest(server.url, "key", "secret", clock or VenueClock()), symbols or ("BTCUSDT",))


def place(kind: OrderType = OrderType.LIMIT_MAKER, tif: TimeInForce | None = None, price: str = "60000.10") -> Place:
    return Place(
        command_id=1,
        reason="",
        timeout_ms=1,
        symbol="BTCUSDT",
        side=Side.BUY,
        type=kind,
        time_in_force=tif,
        price=D(price),
        quantity=D("1E-7"),
        client_order_id="glabcd-t3k-1",
        slot=None,
        not_after_ns=0,
    )


def query(venue_order_id: int | None = None, known: str = "0", since_ms: int | None = None, attributed: tuple[int, ...] = ()) -> Query:
    return Query(
        command_id=1,
        reason="",
        timeout_ms=1,
        symbol="BTCUSDT",
        side=Side.BUY,
        client_order_id="glabcd-t3k-1",
        venue_order_id=venue_order_id,
        known_executed=D(known),
        price=D(60000),
        quantity=D("0.01"),
        since_ms=since_ms,
        attributed=attributed,
    )


def cancel_report(request: Request) -> Reply:
    name = f"glabcd-t3k-{request.params['orderId']}"
    report = order(int(request.params["orderId"]), request.params["newClientOrderId"], status="CANCELED", origClientOrderId=name, transactTime=5)
    del report["time"], report["updateTime"]
    return Reply(report)


# -- place and cancel ----------------------------------------------------------------------------
def test_place_post_only() -> None:
    """LIMIT_MAKER leaves without timeInForce, with plain numbers, our id, and FULL asked for."""
    with FakeHttp({("POST", ORDER): Reply(order(28, "glabcd-t3k-1", transactTime=7))}) as server:
        answer = venue(server).place(place(), SOON_S)
        sent = server.requests[0].params
    assert {key: sent[key] for key in ("symbol", "side", "type", "price", "quantity", "newClientOrderId", "newOrderRespType")} == {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "price": "60000.1", "quantity": "0.0000001",
        "newClientOrderId": "glabcd-t3k-1", "newOrderRespType": "FULL",
    }  # fmt: skip
    assert "timeInForce" not in sent
    assert answer.answer.facts is not None and answer.answer.facts.venue_order_id == 28


def test_place_other_types() -> None:
    """LIMIT carries its timeInForce; MARKET neither price nor timeInForce."""
    with FakeHttp({("POST", ORDER): Reply(order(28, "x", transactTime=7))}) as server:
        venue(server).place(place(OrderType.LIMIT, TimeInForce.IOC), SOON_S)
        venue(server).place(place(OrderType.MARKET, TimeInForce.GTC), SOON_S)
        limit, market = (request.params for request in server.requests)
    assert (limit["timeInForce"], limit["price"]) == ("IOC", "60000.1")
    assert "timeInForce" not in market and "price" not in market


def test_place_endings() -> None:
    """A refusal is Refused; a duplicate id and a torn 2xx leave the outcome open (never Refused, never NotSent)."""
    answers = iter(
        (
            Reply({"code": -2010, "msg": "Order would immediately match and take."}, 400),
            Reply({"code": -2010, "msg": "Duplicate order sent."}, 400),
            Reply('{"symbol":"BTC'),
        )
    )
    with FakeHttp({("POST", ORDER): lambda request: next(answers)}) as server:
        with pytest.raises(Refused):
            venue(server).place(place(), SOON_S)
        with pytest.raises(UnknownOutcome):
            venue(server).place(place(), SOON_S)
        with pytest.raises(Exception) as torn:
            venue(server).place(place(), SOON_S)
    assert not isinstance(torn.value, Refused | NotSent)


def test_cancel_by_order_id() -> None:
    """A cancel goes by order id alone and under our cancel id; both names come back."""
    command = Cancel(
        command_id=2,
        reason="",
        timeout_ms=1,
        symbol="BTCUSDT",
        side=Side.BUY,
        price=D(1),
        quantity=D(1),
        venue_order_id=28,
        client_order_id="glabcd-t3k-28",
        cancel_id="glabcd-t3k-2c",
    )
    with FakeHttp({("DELETE", ORDER): cancel_report}) as server:
        facts = venue(server).cancel(command, SOON_S).answer.facts
        sent = server.requests[0].params
    assert (sent["orderId"], sent["newClientOrderId"]) == ("28", "glabcd-t3k-2c") and "origClientOrderId" not in sent
    assert facts is not None
    assert (facts.client_order_id, facts.orig_client_order_id, facts.status) == ("glabcd-t3k-2c", "glabcd-t3k-28", "CANCELED")


# -- cancel all ----------------------------------------------------------------------------------
def sweep(symbol: str | None = None) -> CancelAll:
    return CancelAll(command_id=3, reason="", timeout_ms=1, symbol=symbol, tag="glabcd")


def test_cancel_all_leaves_foreign_orders() -> None:
    """With a foreign order among them only ours are canceled, one by one, and the venue's own sweep is not used."""
    mine = [order(number, f"glabcd-t3k-{number}") for number in (1, 2, 3, 4)]
    foreign = [order(9, "stranger"), order(10, "glabcdx-t3k-1")]
    with FakeHttp({("GET", OPEN): Reply(mine + foreign), ("DELETE", ORDER): cancel_report}) as server:
        answer = venue(server).cancel_all(sweep(), SOON_S).answer
        touched = sorted(int(request.params["orderId"]) for request in server.of("DELETE", ORDER))
        renamed = {request.params["newClientOrderId"] for request in server.of("DELETE", ORDER)}
        assert server.of("DELETE", OPEN) == []
    assert touched == [1, 2, 3, 4]
    assert renamed == {f"glabcd-t3k-{number}a" for number in (1, 2, 3, 4)}
    assert sorted(facts.orig_client_order_id for facts in answer.canceled) == [f"glabcd-t3k-{number}" for number in (1, 2, 3, 4)]
    assert answer.failed == ()


def test_cancel_all_sweeps_where_all_is_ours() -> None:
    """Where every open order of a symbol is ours one call ends them all; what it leaves out is canceled by id."""
    mine = [order(number, f"glabcd-t3k-{number}") for number in (1, 2, 3)]
    swept = [one | {"status": "CANCELED", "origClientOrderId": one["clientOrderId"], "clientOrderId": "random"} for one in mine[:2]]
    with FakeHttp({("GET", OPEN): Reply(mine), ("DELETE", OPEN): Reply(swept), ("DELETE", ORDER): cancel_report}) as server:
        answer = venue(server).cancel_all(sweep("BTCUSDT"), SOON_S).answer
        assert [request.params["orderId"] for request in server.of("DELETE", ORDER)] == ["3"]
    assert sorted(facts.venue_order_id for facts in answer.canceled) == [1, 2, 3]


def test_cancel_all_names_what_failed() -> None:
    """An order without a final word is named, whatever the reason, and the others are still canceled."""

    def judge(request: Request) -> Reply:
        return Reply({"code": -2011, "msg": "Unknown order sent."}, 400) if request.params["orderId"] == "2" else cancel_report(request)

    mine = [order(number, f"glabcd-t3k-{number}") for number in (1, 2, 3)]
    with FakeHttp({("GET", OPEN): Reply([*mine, order(9, "stranger")]), ("DELETE", ORDER): judge}) as server:
        answer = venue(server).cancel_all(sweep(), SOON_S).answer
    assert answer.failed == ("glabcd-t3k-2",)
    assert len(answer.canceled) == 2


def test_cancel_all_ends_in_time() -> None:
    """With a venue that stops answering the whole task ends within its timeout; nothing is claimed canceled."""
    mine = [order(number, f"glabcd-t3k-{number}") for number in range(1, 9)]
    with FakeHttp({("GET", OPEN): Reply([*mine, order(99, "stranger")])}) as server:
        server.scripts["DELETE", ORDER] = lambda request: Reply(fault="close") if server.done.wait(SOON_S) else Reply()

        def ended_s() -> float:
            began = time.monotonic()
            answer = venue(server).cancel_all(sweep(), 0.4).answer
            assert len(answer.failed) == 8 and answer.canceled == ()
            return time.monotonic() - began

        assert quickest_s(ended_s, 0.8) < 0.8


# -- query ---------------------------------------------------------------------------------------
def test_query_reads_missing_fills() -> None:
    """When more was executed than we know, the order's trades come along under our id; when not, they are not read."""
    filled = order(28, "glabcd-t3k-1", executedQty="0.004", status="PARTIALLY_FILLED")
    with FakeHttp({("GET", ORDER): Reply(filled), ("GET", TRADES): Reply([trade(56, 28)])}) as server:
        facts = venue(server).query(query(28), SOON_S).answer.facts
        assert server.requests[0].params["orderId"] == "28" and "origClientOrderId" not in server.requests[0].params
        assert server.requests[1].params["orderId"] == "28"
        known = venue(server).query(query(28, known="0.004"), SOON_S).answer.facts
        assert len(server.of("GET", TRADES)) == 1
    assert facts is not None and known is not None
    assert [(fill.trade_id, fill.client_order_id, fill.liquidity) for fill in facts.fills] == [(56, "glabcd-t3k-1", Liquidity.MAKER)]
    assert known.fills == ()


def test_query_not_known_is_not_not_found() -> None:
    """-2013 without a search says only "not yet known"."""
    with FakeHttp({("GET", ORDER): NOT_KNOWN}) as server:
        assert venue(server).query(query(), SOON_S).answer == OrderAnswer(facts=None, searched=False)
        assert server.requests[0].params["origClientOrderId"] == "glabcd-t3k-1"


def searched(*orders: Json, attributed: tuple[int, ...] = (), partner: str = "") -> OrderAnswer:
    with FakeHttp({("GET", ORDER): NOT_KNOWN, ("GET", ALL): Reply(list(orders))}) as server:
        asked = msgspec.structs.replace(query(since_ms=500, attributed=attributed), partner=partner)
        return venue(server).query(asked, SOON_S).answer


def test_search_finds_by_name() -> None:
    """The order list names our order, or the name our own cancel-all gave it."""
    for name in ("glabcd-t3k-1", "glabcd-t3k-1a"):
        answer = searched(order(7, "stranger", status="CANCELED"), order(8, name, price="1.0"))
        assert answer.facts is not None and answer.facts.venue_order_id == 8 and answer.searched


def test_search_finds_a_renamed_order() -> None:
    """A stranger's cancel renamed it: side, price, quantity and CANCELED tell it, unless it is another order of ours or older than the place."""
    alike = order(8, "web_123", status="CANCELED")
    assert (found := searched(alike).facts) is not None and found.venue_order_id == 8
    others = [
        order(9, "web_1", status="CANCELED", side="SELL"),
        order(10, "web_2", status="CANCELED", price="60000.01"),
        order(11, "web_3", status="CANCELED", origQty="0.02"),
        order(12, "web_4"),
        order(13, "glabcd-t3k-77c", status="CANCELED"),
        order(14, "web_5", status="CANCELED", time=499),
    ]
    assert searched(*others) == OrderAnswer(facts=None, searched=True)
    assert searched(alike, attributed=(8,)) == OrderAnswer(facts=None, searched=True)


def test_search_reads_to_the_end() -> None:
    """A full page is not the end: the list is read on from the last order id, and times are the venue's clock."""
    page = [order(number, f"web_{number}") for number in range(1, 1001)]

    def listed(request: Request) -> Reply:
        return Reply([order(1001, "glabcd-t3k-1")]) if request.params.get("orderId") == "1001" else Reply(page)

    clock = VenueClock()
    clock.offset_ms = 100
    with FakeHttp({("GET", ORDER): NOT_KNOWN, ("GET", ALL): listed}) as server:
        answer = venue(server, clock=clock).query(query(since_ms=500), SOON_S).answer
        assert server.of("GET", ALL)[0].params["startTime"] == "600"
    assert answer.facts is not None and answer.facts.venue_order_id == 1001


# -- account and depth -----------------------------------------------------------------------------
def read(*after: tuple[str, int | None]) -> ReadAccount:
    return ReadAccount(command_id=4, reason="", timeout_ms=1, purpose=Purpose.RESYNC, trades_after=after)


ACCOUNT_BODY = Reply({"updateTime": 77, "uid": 5, "balances": [{"asset": "BTC", "free": "1.5", "locked": "0.5"}], "canTrade": True})


def test_account_is_read_trades_last() -> None:
    """Open orders, then balances, then trades: a fill the first two show is always among the third."""
    scripts = {("GET", OPEN): Reply([order(1, "glabcd-t3k-1")]), ("GET", ACCOUNT): ACCOUNT_BODY, ("GET", TRADES): Reply([trade(8, 1), trade(9, 5)])}
    with FakeHttp(scripts) as server:
        told = venue(server).read_account(read(("BTCUSDT", 7)), SOON_S).answer
        assert [request.path for request in server.requests] == [OPEN, ACCOUNT, TRADES]
        assert server.requests[2].params["fromId"] == "8"
    assert [(fill.trade_id, fill.client_order_id) for fill in told.trades] == [(8, "glabcd-t3k-1"), (9, "")]
    assert (told.last_trade_ids, told.balances_update_ms, told.balances[0].locked) == ((("BTCUSDT", 9),), 77, D("0.5"))
    assert told.open_orders[0].client_order_id == "glabcd-t3k-1"


def test_first_read_learns_only_the_newest_trade() -> None:
    """Without a known trade id nothing is booked: the newest id is learned before the balances, -1 where the account never traded."""

    def newest(request: Request) -> Reply:
        assert request.params["limit"] == "1" and "fromId" not in request.params
        return Reply([trade(70, 1)] if request.params["symbol"] == "BTCUSDT" else [])

    with FakeHttp({("GET", OPEN): Reply([]), ("GET", ACCOUNT): ACCOUNT_BODY, ("GET", TRADES): newest}) as server:
        told = venue(server, "BTCUSDT", "ETHUSDT").read_account(read(("BTCUSDT", None), ("ETHUSDT", None)), SOON_S).answer
        assert [request.path for request in server.requests] == [TRADES, TRADES, OPEN, OPEN, ACCOUNT]
    assert (told.trades, told.last_trade_ids) == ((), (("BTCUSDT", 70), ("ETHUSDT", -1)))


def test_trades_come_in_pages() -> None:
    """More than a page of trades is read on until a page is not full."""

    def pages(request: Request) -> Reply:
        first = int(request.params["fromId"])
        return Reply([trade(number, 1) for number in range(first, min(first + 1000, 1501))])

    with FakeHttp({("GET", OPEN): Reply([]), ("GET", ACCOUNT): ACCOUNT_BODY, ("GET", TRADES): pages}) as server:
        told = venue(server).read_account(read(("BTCUSDT", -1)), 3).answer
        assert [request.params["fromId"] for request in server.of("GET", TRADES)] == ["0", "1000"]
    assert (len(told.trades), told.last_trade_ids) == (1501, (("BTCUSDT", 1500),))


def test_many_symbols_are_one_read() -> None:
    """Above 13 symbols one read of all open orders is cheaper; orders of other symbols are left out."""
    symbols = [f"S{number}USDT" for number in range(14)]
    with FakeHttp({("GET", OPEN): Reply([order(1, "a", symbol="S3USDT"), order(2, "b")]), ("GET", ACCOUNT): ACCOUNT_BODY}) as server:
        told = venue(server, *symbols).read_account(read(), SOON_S).answer
        assert len(server.of("GET", OPEN)) == 1 and "symbol" not in server.requests[0].params
    assert [facts.venue_order_id for facts in told.open_orders] == [1]


def test_depth_read() -> None:
    """A depth read is unsigned and bounded by its limit."""
    with FakeHttp({("GET", "/api/v3/depth"): Reply({"lastUpdateId": 5, "bids": [["1", "2"]], "asks": []})}) as server:
        book = venue(server).read_depth(ReadDepth(command_id=5, reason="", timeout_ms=1, symbol="BTCUSDT", limit=100), SOON_S).answer
        assert server.requests[0].params == {"symbol": "BTCUSDT", "limit": "100"}
    assert (book.last_update_id, book.bids, book.asks) == (5, ((D(1), D(2)),), ())


# -- boot ----------------------------------------------------------------------------------------
def test_boot_calls() -> None:
    """Rules in the configured order, limits remembered for the headers, the account's uid or a hash of the key."""
    info = {
        "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}],
        "symbols": [{"symbol": name, "status": "TRADING", "baseAsset": name[:3], "quoteAsset": "USDT"} for name in ("ETHUSDT", "BTCUSDT")],
    }
    accounts = iter((Reply({"updateTime": 1, "balances": [], "uid": 42}), Reply({"updateTime": 1, "balances": []})))
    with FakeHttp({("GET", "/api/v3/exchangeInfo"): Reply(info), ("GET", ACCOUNT): lambda request: next(accounts)}) as server:
        one = venue(server, "BTCUSDT", "ETHUSDT")
        rules, limits = one.exchange_info()
        assert server.requests[0].params == {"symbols": '["BTCUSDT","ETHUSDT"]'}
        assert one.account_identity() == "42"
        assert one.account_identity() == "key-2c70e12b7a06"
    assert [rule.symbol for rule in rules] == ["BTCUSDT", "ETHUSDT"]
    assert limits == (RateLimit("REQUEST_WEIGHT", 60, 6000),)


def test_key_powers() -> None:
    """A key that may withdraw or transfer is refused; one without an address restriction is warned about."""
    answers = iter(
        (
            {"ipRestrict": False, "enableWithdrawals": True, "permitsUniversalTransfer": True, "enableSpotAndMarginTrading": True},
            {"ipRestrict": True, "enableSpotAndMarginTrading": True},
        )
    )
    with FakeHttp({("GET", "/sapi/v1/account/apiRestrictions"): lambda request: Reply(next(answers))}) as server:
        bad, good = venue(server).key_powers(), venue(server).key_powers()
    assert len(bad.refusals) == 2 and len(bad.warnings) == 1
    assert good.refusals == () and good.warnings == ()


# -- a venue that forgets --------------------------------------------------------------------------
@pytest.mark.parametrize(("newest", "backwards"), [([order(9, "web")], True), ([], True), ([order(29, "glabcd-t3k-2")], False)])
def test_denied_order_tells_whether_ids_ran_backwards(newest: list[Json], backwards: bool) -> None:
    """-2013 for a venue id comes with the answer whether the account's newest order is older (core.reset)."""
    with FakeHttp({("GET", ORDER): NOT_KNOWN, ("GET", ALL): Reply(newest)}) as server:
        answer = venue(server).query(query(28), SOON_S).answer
    assert answer.facts is None
    assert answer.ids_ran_backwards is backwards


def test_archived_order_is_over() -> None:
    """-2026: canceled or expired more than 90 days ago without a fill (binance-wire 8)."""
    with FakeHttp({("GET", ORDER): Reply({"code": -2026, "msg": "Order was canceled or expired over 90 days ago."}, 400)}) as server:
        facts = venue(server).query(query(28), SOON_S).answer.facts
    assert facts is not None
    assert (facts.venue_order_id, facts.status, facts.executed) == (28, "EXPIRED", D(0))


def test_order_counts() -> None:
    """GET /rateLimit/order: what already counts against the account."""
    rows = [{"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 7}]
    with FakeHttp({("GET", "/api/v3/rateLimit/order"): Reply(rows)}) as server:
        counts = venue(server).order_counts()
    assert counts == (RateLimit(kind="ORDERS", interval_s=10, limit=50, count=7),)
