"""The client against the paper exchange as a process: a whole session, and every way in which a reply can be lost. No code is shared by the two."""

import random
import time
from collections.abc import Iterator
from decimal import Decimal as D

import pytest

from core.commands import Cancel, CancelAll, Place, Purpose, Query, ReadAccount, ReadDepth
from core.events import AccountPosition, AnyEvent, BookTicker, DepthDiff, DepthSnapshot, ExecutionReport, OrderAnswer, StreamDown, StreamUp
from core.ports import Answered, NotSent, Refused
from core.types import OrderFacts, OrderType, Side, TimeInForce
from exchange.binance.clock import VenueClock
from exchange.binance.errors import UnknownOutcome
from exchange.binance.market_stream import market_stream
from exchange.binance.rest import Rest
from exchange.binance.signing import Signer
from exchange.binance.socket_loop import SocketLoop
from exchange.binance.user_stream import user_stream
from exchange.binance.venue import BinanceVenue
from exchange.paper.wirefaults import WireFaults
from tests.binance.inbox import Heard
from tests.drills.harness import LateClock
from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S

TAG = "glpapr"
ORDER = {"path": "/api/v3/order"}
BID = D("50000")  # far below the market: it rests


class Desk:
    """The client's parts over one address, with short names for what the tests do."""

    def __init__(self, exchange: Exchange, base: str = "") -> None:
        self.exchange = exchange
        self.clock = VenueClock()
        self.base = base or exchange.base
        self.rest = Rest(self.base, exchange.ready["api_key"], exchange.ready["api_secret"], self.clock)
        self.venue = BinanceVenue(self.rest, ["BTCUSDT", "ETHUSDT"])
        self.number = int(time.monotonic() * 1000)

    def name(self) -> str:
        self.number += 1
        return f"{TAG}-t3k-{self.number}"

    def place(self, name: str, price: D = BID, kind: OrderType = OrderType.LIMIT_MAKER, timeout_s: float = SOON_S) -> Answered[OrderAnswer]:
        command = Place(
            command_id=1,
            reason="test",
            timeout_ms=1000,
            symbol="BTCUSDT",
            side=Side.BUY,
            type=kind,
            time_in_force=TimeInForce.IOC if kind is OrderType.LIMIT else None,
            price=price,
            quantity=D("0.002"),
            client_order_id=name,
            slot=None,
            not_after_ns=0,
        )
        return self.venue.place(command, timeout_s)

    def cancel(self, facts: OrderFacts, timeout_s: float = SOON_S) -> OrderFacts:
        command = Cancel(
            command_id=2,
            reason="test",
            timeout_ms=1000,
            symbol="BTCUSDT",
            side=Side.BUY,
            price=facts.price,
            quantity=facts.quantity,
            venue_order_id=facts.venue_order_id,
            client_order_id=facts.client_order_id,
            cancel_id=self.name() + "c",
        )
        answer = self.venue.cancel(command, timeout_s).answer.facts
        assert answer is not None
        return answer

    def query(self, name: str, order_id: int | None = None, since_ms: int | None = None) -> OrderAnswer:
        command = Query(
            command_id=3,
            reason="test",
            timeout_ms=1000,
            symbol="BTCUSDT",
            side=Side.BUY,
            client_order_id=name,
            venue_order_id=order_id,
            known_executed=D(0),
            price=BID,
            quantity=D("0.002"),
            since_ms=since_ms,
        )
        return self.venue.query(command, SOON_S).answer

    def ask(self) -> D:
        book = self.venue.read_depth(ReadDepth(command_id=4, reason="", timeout_ms=1, symbol="BTCUSDT", limit=5), SOON_S).answer
        return book.asks[0][0]

    def market(self, heard: Heard, silence_ms: int = 10_000) -> SocketLoop:
        return market_stream(self.base.replace("http", "ws"), ["BTCUSDT", "ETHUSDT"], heard, time.time_ns, random.Random(1), silence_ms)

    def user(self, heard: Heard, silence_ms: int = 10_000) -> SocketLoop:
        signer = Signer(self.exchange.ready["api_key"], self.exchange.ready["api_secret"])
        url = self.base.replace("http", "ws") + "/ws-api/v3"
        return user_stream(url, signer, self.clock, heard, time.time_ns, random.Random(2), silence_ms)


def facts_of(answer: Answered[OrderAnswer]) -> OrderFacts:
    assert answer.answer.facts is not None
    return answer.answer.facts


def until(heard: Heard, kind: type[AnyEvent]) -> AnyEvent:
    """The next event of this kind, others passed over."""
    ends_s = time.monotonic() + SOON_S
    while time.monotonic() < ends_s:
        event = heard.next()
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__}")


@pytest.fixture(scope="module")
def paper() -> Iterator[Exchange]:
    exchange = Exchange("--balances", "USDT=100000,BTC=1,ETH=10", "--seed", "3", "--ping-period-s", "0.3", "--taker-fee", "0.001")
    yield exchange
    exchange.stop()


@pytest.fixture
def desk(paper: Exchange) -> Iterator[Desk]:
    desk = Desk(paper)
    yield desk
    paper.control("DELETE", "faults")
    Desk(paper).venue.cancel_all(CancelAll(command_id=9, reason="", timeout_ms=1, symbol=None, tag=TAG), SOON_S)  # its own gate is open


def test_a_session(desk: Desk) -> None:
    """Place, hear of it, take, read the account, cancel all: REST answers, user events and the account agree to the last digit."""
    heard = Heard()
    user = desk.user(heard)
    user.start()
    try:
        until(heard, StreamUp)
        before = desk.venue.read_account(
            ReadAccount(command_id=5, reason="", timeout_ms=1, purpose=Purpose.RESYNC, trades_after=(("BTCUSDT", None),)), SOON_S
        ).answer
        resting = facts_of(desk.place(desk.name()))
        said = until(heard, ExecutionReport)
        assert isinstance(said, ExecutionReport)
        assert (said.venue_order_id, said.client_order_id, said.status) == (resting.venue_order_id, resting.client_order_id, "NEW")
        taken = facts_of(desk.place(desk.name(), desk.ask() + 100, OrderType.LIMIT))
        assert taken.status == "FILLED" and sum(fill.quantity for fill in taken.fills) == taken.executed == D("0.002")
        after = desk.venue.read_account(
            ReadAccount(command_id=6, reason="", timeout_ms=1, purpose=Purpose.RESYNC, trades_after=before.last_trade_ids), SOON_S
        ).answer
        assert [fill.trade_id for fill in after.trades] == [fill.trade_id for fill in taken.fills]
        assert [facts.venue_order_id for facts in after.open_orders] == [resting.venue_order_id]
        base_before = next(one.free + one.locked for one in before.balances if one.asset == "BTC")
        base_after = next(one.free + one.locked for one in after.balances if one.asset == "BTC")
        assert base_after - base_before == taken.executed - sum(fill.fee for fill in taken.fills if fill.fee_asset == "BTC")
        canceled = desk.venue.cancel_all(CancelAll(command_id=7, reason="", timeout_ms=1, symbol=None, tag=TAG), SOON_S).answer
        assert [facts.orig_client_order_id for facts in canceled.canceled] == [resting.client_order_id] and canceled.failed == ()
        reports = [until(heard, ExecutionReport) for _ in range(2 + len(taken.fills))]
        last = reports[-1]
        assert isinstance(last, ExecutionReport) and (last.status, last.client_order_id) == ("CANCELED", resting.client_order_id)
        assert isinstance(until(heard, AccountPosition), AccountPosition)
    finally:
        user.stop(time.monotonic() + SOON_S)


def test_book_and_stream_share_their_ids(desk: Desk) -> None:
    """A depth snapshot read after the stream is up lies within the diffs, and the diffs are contiguous (binance-wire 5)."""
    heard = Heard()
    market = desk.market(heard)
    market.start()
    try:
        until(heard, StreamUp)
        until(heard, BookTicker)
        snapshot = DepthSnapshot(symbol="", last_update_id=-1, bids=(), asks=())
        diffs: list[DepthDiff] = []
        while len(diffs) < 5 or diffs[-1].last_id <= snapshot.last_update_id:
            event = until(heard, DepthDiff)
            assert isinstance(event, DepthDiff)
            if event.symbol == "BTCUSDT":
                if not diffs:
                    snapshot = desk.venue.read_depth(ReadDepth(command_id=1, reason="", timeout_ms=1, symbol="BTCUSDT", limit=100), SOON_S).answer
                diffs.append(event)
        assert diffs[0].first_id <= snapshot.last_update_id + 1
        assert all(later.first_id == earlier.last_id + 1 for earlier, later in zip(diffs, diffs[1:], strict=False))
    finally:
        market.stop(time.monotonic() + SOON_S)


def test_server_pings_are_met(desk: Desk) -> None:
    """The server pings every 0.3 s; over two seconds each socket answers all of them, the worst within 100 ms of what a control thread suffers."""
    heard = Heard()
    loops = [desk.market(heard), desk.user(heard)]
    with LateClock() as control:
        for loop in loops:
            loop.start()
        ends_s = time.monotonic() + 1.5
        while time.monotonic() < ends_s or not all(loop.pong_ms_max for loop in loops):
            assert not isinstance(heard.next(), StreamDown)
            assert time.monotonic() < ends_s + SOON_S, "a socket that was never pinged"
    for loop in loops:
        assert loop.is_running and loop.pong_ms_max is not None and loop.pong_ms_max - control.worst_ms < 100
        loop.stop(time.monotonic() + SOON_S)


def test_refusals(desk: Desk) -> None:
    """The paper exchange's refusals come out as the venue's own codes."""
    with pytest.raises(Refused) as crossed:
        desk.place(desk.name(), desk.ask() + 100)
    assert crossed.value.error.code == -2010 and "immediately match" in crossed.value.error.message
    facts = facts_of(desk.place(desk.name()))
    desk.cancel(facts)
    with pytest.raises(Refused) as gone:
        desk.cancel(facts)
    assert gone.value.error.code == -2011
    name = desk.name()
    desk.place(name)
    with pytest.raises(UnknownOutcome, match="alive"):
        desk.place(name)


@pytest.mark.parametrize(
    ("kind", "extra", "executed"),
    [
        ("drop_before", {}, False),
        ("drop_after", {}, True),
        ("silent", {"executed": True}, True),
        ("unknown", {"executed": True}, True),
        ("unknown", {"executed": False}, False),
        ("server_error", {"executed": True, "html": True}, True),
        ("malformed", {}, True),
        ("delay", {"delay_ms": 900, "apply": "late"}, True),
    ],
)
def test_a_lost_reply_is_unknown_and_the_query_knows(desk: Desk, kind: str, extra: dict[str, object], executed: bool) -> None:
    """However the reply to a place is lost, the outcome is unknown (never refused, never not-sent), it left once, and the query tells the truth."""
    desk.exchange.fault(kind, match=ORDER | {"method": "POST"}, count=1, **extra)
    name = desk.name()
    since_ms = int(time.time() * 1000) - 1000
    with pytest.raises(Exception) as lost:
        desk.place(name, timeout_s=0.5)
    assert not isinstance(lost.value, Refused | NotSent)
    if executed:  # at the latest now; the venue may be slower than our patience
        ends_s = time.monotonic() + SOON_S
        while desk.query(name).facts is None:
            assert time.monotonic() < ends_s
    answer = desk.query(name, since_ms=since_ms)
    assert (answer.facts is not None) is executed
    assert answer.searched is not executed
    assert sum(1 for entry in desk.exchange.log() if name in str(entry) and entry["method"] == "order.place") <= 1


def test_a_strangers_cancel_is_found_by_search(desk: Desk) -> None:
    """Reply lost, then a stranger cancels the order, which renames it: only the search finds it, by side, price and quantity."""
    desk.exchange.fault("drop_after", match=ORDER | {"method": "POST"}, count=1)
    name = desk.name()
    since_ms = int(time.time() * 1000) - 1000
    with pytest.raises(UnknownOutcome):
        desk.place(name)
    order_id = desk.query(name).facts
    assert order_id is not None
    desk.exchange.cancel(order_id.venue_order_id, newClientOrderId="stranger-1")
    assert desk.query(name).facts is None
    found = desk.query(name, since_ms=since_ms).facts
    assert found is not None and (found.venue_order_id, found.status) == (order_id.venue_order_id, "CANCELED")


def test_drop_after_apply_on_the_wire(desk: Desk) -> None:
    """The proxy lets the place through and cuts the line before the reply: unknown, then found."""
    with WireFaults(int(desk.base.rsplit(":", 1)[1])) as proxy:
        behind = Desk(desk.exchange, f"http://127.0.0.1:{proxy.port}")
        behind.rest.sync_clock()
        proxy.drop_after_apply(b"POST /api/v3/order")
        name = behind.name()
        with pytest.raises(UnknownOutcome):
            behind.place(name)
        assert behind.query(name).facts is not None
        proxy.refuse()
        proxy.reset_all()
        with pytest.raises((NotSent, UnknownOutcome)):
            behind.place(behind.name())


@pytest.mark.parametrize("fault", ["stall", "silence", "half_frame", "reset"])
def test_streams_survive_the_line(desk: Desk, fault: str) -> None:
    """Stalled, one-way silent, cut in mid-frame or reset: one StreamDown, then StreamUp once the line is well."""
    with WireFaults(int(desk.base.rsplit(":", 1)[1])) as proxy:
        behind = Desk(desk.exchange, f"http://127.0.0.1:{proxy.port}")
        heard = Heard()
        user = behind.user(heard, silence_ms=600)
        user.start()
        try:
            until(heard, StreamUp)
            if fault == "reset":
                proxy.reset_all()
            elif fault == "half_frame":
                proxy.half_frame("down")
            else:
                getattr(proxy, fault)("down")
            assert isinstance(until(heard, StreamDown), StreamDown)
            proxy.clear()
            assert isinstance(until(heard, StreamUp), StreamUp)
        finally:
            user.stop(time.monotonic() + SOON_S)


def test_clock_skew(desk: Desk) -> None:
    """A venue whose clock jumps by 10 s refuses one order; the next one measures first and passes."""
    desk.exchange.fault("clock_skew", skew_ms=10_000)
    with pytest.raises(Refused) as late:
        desk.place(desk.name())
    assert late.value.error.code == -1021
    assert facts_of(desk.place(desk.name())).status == "NEW"
    assert abs(desk.clock.offset_ms - 10_000) < 5000


def test_limits_and_bans(desk: Desk) -> None:
    """429 and 418 come out with their waiting time, and reads are not repeated into them."""
    desk.exchange.fault("too_heavy", match={"path": "/api/v3/account"}, retry_after_s=7, count=5)
    with pytest.raises(Refused) as heavy:
        desk.venue.account_identity()
    assert (heavy.value.error.http_status, heavy.value.error.code, heavy.value.error.retry_after_ms) == (429, -1003, 7000)
    remaining = desk.exchange.control("GET", "faults")["faults"]
    assert remaining[0]["count"] == 4
