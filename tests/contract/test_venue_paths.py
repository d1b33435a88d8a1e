"""One contract for every way orders take to a venue: the same command gives the same Reply over REST, over the WS API, and with either kind of key.

Each path is the real manager over the real client against the paper exchange as a process.
"""

import random
import time
from collections.abc import Iterator
from queue import Empty, Queue

import pytest

from core.commands import Cancel, CancelAll, Place, PlaceOco, Query
from core.events import AnyEvent, OcoAnswer, OrderAnswer, Outcome, Reply, StreamUp
from core.orders import Orders
from core.types import OrderFacts, OrderType, Side, TimeInForce
from exchange.binance import user_stream as session
from exchange.binance import ws_api
from exchange.binance.clock import VenueClock
from exchange.binance.gate import Gate
from exchange.binance.rest import Rest
from exchange.binance.signing import Signer
from exchange.binance.user_stream import user_stream
from exchange.binance.venue import BinanceVenue
from exchange.binance.ws_api import WsVenue
from order_book_manager import OrderBookManager
from runtime.lanes import Lane
from tests.binance.entry import Diary
from tests.core.builders import D, Desk
from tests.paper.exchange_client import Exchange
from tests.paper.test_server_ed25519 import KeyHolder
from tests.timing import SOON_S

TAG = "glpath"
TIMEOUT_MS, SHORT_MS = int(SOON_S * 1000), 100
WAYS = ("rest-hmac", "rest-ed25519", "ws-hmac", "ws-ed25519")
ONE_KEY = pytest.mark.parametrize("path", ["rest-hmac", "ws-hmac"], indirect=True)  # where the key makes no difference, and waiting costs time
BID = D("50000")  # far below the market: it rests
PLACES, CANCELS = {"operation": "order.place"}, {"operation": "order.cancel"}


class Way:
    """One way to the venue. `over_ws` tells which."""

    def __init__(self, exchange: Exchange, over_ws: bool, ws_port: int = 0, silence_ms: int = 10_000) -> None:
        self.exchange, self.over_ws, self.clock = exchange, over_ws, VenueClock()
        key, secret = exchange.ready["api_key"], exchange.ready["api_secret"]
        pem = exchange.key.export_key(format="PEM") if isinstance(exchange, KeyHolder) else ""
        self.rest = Rest(exchange.base, key, "" if pem else secret, self.clock, private_key=pem)
        self.reads = BinanceVenue(self.rest, ["BTCUSDT", "ETHUSDT"])
        entry = WsVenue(self.reads, self.clock, time.time_ns) if over_ws else None
        self.diary = Diary()
        self.replies: Queue[Reply] = Queue()
        self.events: Queue[AnyEvent] = Queue()
        self.lanes = tuple(Lane(name, 4, prepare=self.reads.sync_clock) for name in ("cancel", "place", "query"))
        cancel, place, query = self.lanes
        orders, light = Orders(), Desk().connect().books.light
        self.manager = OrderBookManager(
            entry or self.reads, self.diary, self._post, time.time_ns, (cancel, place, query), lambda: orders, light
        )
        url = f"ws://127.0.0.1:{ws_port}/ws-api/v3" if ws_port else exchange.ready["ws_api"]
        signer = Signer(key, secret, pem)
        self.user = user_stream(url, signer, self.clock, self._post, time.time_ns, random.Random(2), silence_ms, self.manager.settle, entry)
        self.number = 0
        self.boot = int(time.monotonic() * 1000)

    def _post(self, event: AnyEvent) -> None:
        (self.replies if isinstance(event, Reply) else self.events).put(event)  # type: ignore[arg-type]

    def start(self) -> None:
        for lane in self.lanes:
            lane.start()
        self.user.start()
        self.until_up()

    def until_up(self) -> None:
        while not isinstance(self.events.get(timeout=SOON_S), StreamUp):
            continue

    def stop(self) -> None:
        deadline = time.monotonic() + SOON_S
        self.user.stop(deadline)
        for lane in self.lanes:
            lane.stop(deadline)

    def sweep(self) -> None:
        """Nothing of this test stays at the venue."""
        self.reads.cancel_all(CancelAll(command_id=9, reason="", timeout_ms=1, symbol=None, tag=TAG), SOON_S)

    def wait_for_intents(self, count: int) -> None:
        ends_s = time.monotonic() + SOON_S
        while len([line for line in self.diary.lines if line.startswith("intent")]) < count:
            assert time.monotonic() < ends_s
            time.sleep(0.002)

    # -- asking ----------------------------------------------------------------------------------
    def next_number(self) -> int:
        self.number += 1
        return self.number

    def place(
        self, price: object = BID, kind: OrderType = OrderType.LIMIT_MAKER, quantity: str = "0.002", name: str = "", timeout_ms: int = TIMEOUT_MS
    ) -> Place:
        number = self.next_number()
        command = Place(
            command_id=number,
            reason="test",
            timeout_ms=timeout_ms,
            symbol="BTCUSDT",
            side=Side.BUY,
            type=kind,
            time_in_force=TimeInForce.IOC if kind is OrderType.LIMIT else None,
            price=D(str(price)),
            quantity=D(quantity),
            client_order_id=name or f"{TAG}-{self.boot}-{number}",
            slot=None,
            not_after_ns=2**62,
        )
        self.manager.place_orders([command])
        return command

    def cancel(self, facts: OrderFacts) -> Cancel:
        number = self.next_number()
        command = Cancel(
            command_id=number,
            reason="test",
            timeout_ms=TIMEOUT_MS,
            symbol="BTCUSDT",
            side=Side.BUY,
            price=facts.price,
            quantity=facts.quantity,
            venue_order_id=facts.venue_order_id,
            client_order_id=facts.client_order_id,
            cancel_id=f"{facts.client_order_id}c",
        )
        self.manager.cancel_orders([command])
        return command

    def reply(self, command: Place | Cancel | PlaceOco, timeout_s: float = SOON_S) -> Reply:
        reply = self.replies.get(timeout=timeout_s)
        assert reply.command_id == command.command_id
        return reply

    def done(self, command: Place | Cancel) -> OrderFacts:
        reply = self.reply(command)
        assert reply.outcome is Outcome.DONE, reply
        assert isinstance(reply.answer, OrderAnswer) and reply.answer.facts is not None
        return reply.answer.facts

    def truth(self, name: str) -> OrderFacts | None:
        """What the venue says of this order now."""
        command = Query(
            command_id=self.next_number(),
            reason="test",
            timeout_ms=2000,
            symbol="BTCUSDT",
            side=Side.BUY,
            client_order_id=name,
            venue_order_id=None,
            known_executed=D(0),
            price=BID,
            quantity=D("0.002"),
        )
        return self.reads.query(command, SOON_S).answer.facts

    def until_known(self, name: str) -> None:
        ends_s = time.monotonic() + SOON_S
        while self.truth(name) is None:
            assert time.monotonic() < ends_s, f"{name} never reached the venue"

    def arrivals(self, name: str) -> int:
        return sum(1 for row in self.exchange.log() if row["method"] == "order.place" and row["params"].get("newClientOrderId") == name)

    def transports(self, after: int) -> set[str]:
        return {row["transport"] for row in self.exchange.log()[after:]}


@pytest.fixture(scope="module")
def exchanges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Exchange]]:
    """One with an HMAC key, one with an Ed25519 key."""
    made: dict[str, Exchange] = {"hmac": Exchange("--balances", "USDT=1000000,BTC=10", "--seed", "11")}
    try:
        made["ed25519"] = KeyHolder(tmp_path_factory.mktemp("key"))
        yield made
    finally:
        for exchange in made.values():
            exchange.stop()


@pytest.fixture(params=WAYS)
def path(request: pytest.FixtureRequest, exchanges: dict[str, Exchange], monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    monkeypatch.setattr(ws_api, "LATE_S_MAX", 0.25)
    monkeypatch.setattr(session, "SWEEP_EVERY_NS", 50_000_000)
    way, key = request.param.split("-")
    exchange = exchanges[key]
    exchange.reset()
    made = Way(exchange, way == "ws")
    made.start()
    yield made
    exchange.control("DELETE", "faults")
    made.stop()
    made.sweep()


def test_place_and_cancel(path: Way) -> None:
    """The order's own facts come back, with the limits; the cancel answers under its own id and names the order's."""
    before = len(path.exchange.log())
    place = path.place()
    reply = path.reply(place)
    assert isinstance(reply.answer, OrderAnswer) and reply.answer.facts is not None, reply
    facts = reply.answer.facts
    assert (facts.client_order_id, facts.status, facts.price, facts.quantity) == (place.client_order_id, "NEW", BID, D("0.002"))
    assert {(limit.kind, limit.interval_s) for limit in reply.limits} >= {("ORDERS", 10), ("REQUEST_WEIGHT", 60)}
    assert all(limit.count is not None for limit in reply.limits)
    assert 0 < reply.sent_ns < reply.received_ns
    gone = path.done(path.cancel(facts))
    assert (gone.status, gone.venue_order_id) == ("CANCELED", facts.venue_order_id)
    assert (gone.client_order_id, gone.orig_client_order_id) == (f"{place.client_order_id}c", place.client_order_id)
    assert path.transports(before) == {"ws" if path.over_ws else "rest"}


def pair_around(path: Way, last: D, side: Side = Side.SELL) -> PlaceOco:
    """One per cent around the last price; `last` itself for a pair whose prices are wrong."""
    out = D("0.01") if side is Side.SELL else D("-0.01")
    number, legs = path.next_number(), []
    for kind, price, stop in (
        (OrderType.STOP_LOSS_LIMIT, last * (1 - 2 * out), last * (1 - out)),
        (OrderType.LIMIT_MAKER, last * (1 + out), None),
    ):
        leg = path.next_number()
        legs.append(
            Place(
                command_id=leg,
                reason="test",
                timeout_ms=TIMEOUT_MS,
                symbol="BTCUSDT",
                side=side,
                type=kind,
                time_in_force=TimeInForce.GTC if stop else None,
                price=price.quantize(D("0.01")),
                quantity=D("0.002"),
                client_order_id=f"{TAG}-{path.boot}-{leg}",
                slot=None,
                not_after_ns=2**62,
                stop_price=stop.quantize(D("0.01")) if stop else None,
            )
        )
    command = PlaceOco(
        command_id=number, reason="test", timeout_ms=TIMEOUT_MS, list_id=f"{TAG}-{path.boot}-{number}l", stop=legs[0], profit=legs[1]
    )
    path.manager.place_ocos([command])
    return command


@pytest.mark.parametrize("side", list(Side))
def test_a_pair_as_one_list(path: Way, side: Side) -> None:
    """Both legs come back in one answer, of one list, the stop waiting; the cancel of one ends both; wrong prices are a definite no."""
    path.exchange.take("BUY", path.exchange.touch()["askPrice"], "0.00001")
    last = D(path.exchange.public("GET", "/api/v3/ticker/price", symbol="BTCUSDT").json["price"])
    command = pair_around(path, last, side)
    reply = path.reply(command)
    assert isinstance(reply.answer, OcoAnswer), reply
    stop, profit = reply.answer.stop, reply.answer.profit
    assert [one.client_order_id for one in (stop, profit)] == [leg.client_order_id for leg in command.legs]
    assert (stop.is_working, profit.is_working, stop.stop_price) == (False, True, command.stop.stop_price)
    assert stop.list_id == profit.list_id >= 0 and reply.answer.by_socket is path.over_ws
    gone = path.reply(path.cancel(profit))
    assert isinstance(gone.answer, OrderAnswer) and gone.answer.facts is not None
    assert [one.status for one in (gone.answer.facts, *gone.answer.also)] == ["CANCELED", "CANCELED"]
    refused = path.reply(pair_around(path, last * D("0.9"), Side.SELL))
    assert refused.outcome is Outcome.REFUSED and refused.error is not None and refused.error.code == -2010


def test_fills_come_with_the_answer(path: Way) -> None:
    """A taker's fills add up to what was executed."""
    ask = D(path.exchange.touch()["askPrice"])
    facts = path.done(path.place(ask + 100, OrderType.LIMIT))
    assert facts.status == "FILLED"
    assert sum(fill.quantity for fill in facts.fills) == facts.executed == D("0.002")


def test_refusals(path: Way) -> None:
    """A definite no has the venue's code; an id that is alive is no refusal but an unknown outcome."""
    ask = D(path.exchange.touch()["askPrice"])
    crossing = path.reply(path.place(ask + 100))
    assert crossing.outcome is Outcome.REFUSED and crossing.error is not None
    assert crossing.error.code == -2010 and "immediately match" in crossing.error.message
    filtered = path.reply(path.place(quantity="0.0020001"))
    assert filtered.error is not None and filtered.error.code == -1013
    facts = path.done(path.place())
    assert path.reply(path.place(name=facts.client_order_id)).outcome is Outcome.UNKNOWN
    path.done(path.cancel(facts))
    again = path.reply(path.cancel(facts))
    assert again.error is not None and again.error.code == -2011


@ONE_KEY
@pytest.mark.parametrize(
    ("kind", "extra", "executed"),
    [
        ("drop_before", {}, False),
        ("drop_after", {}, True),
        ("silent", {"executed": True}, True),
        ("silent", {"executed": False}, False),
        ("unknown", {"executed": True}, True),
        ("unknown", {"executed": False}, False),
        ("server_error", {"executed": True, "html": True}, True),
        ("malformed", {}, True),
    ],
)
def test_a_lost_answer_is_unknown(path: Way, kind: str, extra: dict[str, object], executed: bool) -> None:
    """However the answer to a place is lost: one Reply, unknown; it reached the venue at most once, and the query tells what became of it."""
    path.exchange.fault(kind, match=PLACES, count=1, **extra)
    place = path.place(timeout_ms=SHORT_MS)
    reply = path.reply(place)
    assert reply.outcome is Outcome.UNKNOWN, reply
    if executed:  # at the latest now; the venue may be slower than our patience
        path.until_known(place.client_order_id)
    else:
        assert path.truth(place.client_order_id) is None
    assert path.arrivals(place.client_order_id) <= 1
    with pytest.raises(Empty):
        path.replies.get(timeout=0.05)


@ONE_KEY
def test_a_late_answer(path: Way) -> None:
    """After the time-out REST has given up (unknown); the WS API still delivers what comes. Either way there is one Reply and one order."""
    path.exchange.fault("delay", delay_ms=SHORT_MS + 100, match=PLACES, count=1)
    place = path.place(timeout_ms=SHORT_MS)
    reply = path.reply(place)
    assert reply.outcome is (Outcome.DONE if path.over_ws else Outcome.UNKNOWN)
    path.until_known(place.client_order_id)
    assert path.arrivals(place.client_order_id) == 1


@ONE_KEY
def test_a_lost_answer_to_a_cancel(path: Way) -> None:
    """The same for a cancel: unknown, and the order is gone."""
    facts = path.done(path.place())
    path.exchange.fault("drop_after", match=CANCELS, count=1)
    assert path.reply(path.cancel(facts)).outcome is Outcome.UNKNOWN
    found = path.truth(f"{facts.client_order_id}c")
    assert found is not None and found.status == "CANCELED"


def test_limits(path: Way) -> None:
    """429 and -1015 are refusals with their waiting time, and a ban too."""
    for kind, code, status in (("too_heavy", -1003, 429), ("too_many_orders", -1015, 429)):
        path.exchange.fault(kind, match=PLACES, count=1, retry_after_s=7)
        error = path.reply(path.place()).error
        assert error is not None and (error.code, error.http_status) == (code, status)
        assert 0 < error.retry_after_ms <= 7100
        path.rest._gate = Gate()  # as if the time had passed
    path.exchange.fault("banned", match=PLACES, count=1, ban_s=30)
    error = path.reply(path.place()).error
    assert error is not None and (error.code, error.http_status) == (-1003, 418)
    assert 10_000 < error.retry_after_ms <= 30_100
    path.rest._gate = Gate()


def test_a_clock_that_jumps(path: Way) -> None:
    """A refused timestamp refuses one order; the next one is sent with a measured clock and passes. Too late is -1021, far ahead is -1130."""
    path.exchange.fault("clock_skew", skew_ms=15_000)
    error = path.reply(path.place()).error
    assert error is not None and error.code == -1021
    assert path.done(path.place()).status == "NEW"
    assert abs(path.clock.offset_ms - 15_000) < 5000
    path.exchange.control("DELETE", "faults")
    error = path.reply(path.place()).error
    assert error is not None and error.code == -1130
    assert path.done(path.place()).status == "NEW"
    assert abs(path.clock.offset_ms) < 5000
