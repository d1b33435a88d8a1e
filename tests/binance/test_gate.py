"""exchange.binance.gate: what a ban holds back on every way to the venue, and the limit of raw requests that nobody counts for us."""

import random
import time
from collections.abc import Callable

import pytest

from core.events import BookTicker, Outcome, StreamDown, StreamUp
from core.light import Colour
from core.ports import NotSent, Refused
from core.types import RateLimit, VenueError
from exchange.binance import gate as gate_module
from exchange.binance.clock import VenueClock
from exchange.binance.errors import UnknownOutcome
from exchange.binance.gate import Gate
from exchange.binance.market_stream import market_stream
from exchange.binance.rest import Rest
from tests.binance.entry import Bench, Row, answering, no
from tests.binance.fake_http import FakeHttp, Reply
from tests.binance.fake_ws import FakeWs, Peer
from tests.binance.inbox import Heard
from tests.core.builders import Desk, error
from tests.timing import SOON_S

BAN_S = 0.3
PATHS = [("POST", "/api/v3/order"), ("DELETE", "/api/v3/order"), ("GET", "/api/v3/time"), ("GET", "/api/v3/depth")]


class Clock:
    """Stands in for the module `time`: only the test and its sleeps, which are over at once, move it."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The gate's clock."""
    made = Clock()
    monkeypatch.setattr(gate_module, "time", made)
    return made


def ban(ms: int = int(BAN_S * 1000), status: int = 418) -> VenueError:
    return error(-1003, http_status=status, retry_after_ms=ms)


def calls(rest: Rest) -> list[Callable[[], object]]:
    return [
        lambda: rest.send("post", "order", {}, SOON_S),
        lambda: rest.send("delete", "order", {}, SOON_S),
        lambda: rest.sync_clock(),
        lambda: rest.read("depth", {}, SOON_S, signed=False),
    ]


@pytest.mark.parametrize("status", [418, 429])
def test_after_a_ban_nothing_leaves_over_rest(clock: Clock, status: int) -> None:
    """The venue's no closes the gate for orders, reads and the clock's refresh alike; NotSent carries the no, so that the engine learns of it too."""
    refusal = Reply({"code": -1003, "msg": "Too much request weight used"}, status=status, headers={"Retry-After": "1"})
    with FakeHttp(dict.fromkeys(PATHS, refusal)) as server:
        rest = Rest(server.url, "key", "secret", VenueClock())
        with pytest.raises(Refused):
            rest.read("depth", {}, SOON_S, signed=False)
        for call in calls(rest):
            with pytest.raises(NotSent) as held:
                call()
            assert held.value.error is not None and held.value.error.http_status == status
            assert held.value.error.retry_after_ms == 1001
        assert len(server.requests) == 1
        clock.now_s += 1.0
        with pytest.raises(Refused):
            rest.send("post", "order", {}, SOON_S)


@pytest.mark.parametrize(("status", "code"), [(429, -1015), (400, -1003), (400, -2010)])
def test_other_refusals_leave_the_gate_open(status: int, code: int) -> None:
    """Too many orders is no ban: cancels and reads go on."""
    gate = Gate()
    gate.hear(error(code, http_status=status, retry_after_ms=5000))
    assert gate.left_s() == 0


def test_a_shorter_ban_does_not_end_a_longer_one(clock: Clock) -> None:
    """The end that lies furthest counts; a ban without Retry-After lasts a minute."""
    gate = Gate()
    gate.hear(ban(0))
    gate.hear(ban(100))
    assert gate.left_s() == 60


def test_after_a_ban_nothing_leaves_over_the_socket() -> None:
    """What the lanes still hold when the ban is heard is not sent, over neither way, and says so with the venue's no."""
    came: list[Row] = []
    with FakeWs(lambda peer: answering(peer, seen=came)) as server, Bench(server) as bench:
        bench.up()
        bench.gate.hear(ban(600_000))
        bench.place(1)
        bench.cancel(2)
        replies = [bench.reply(), bench.reply()]
        assert {reply.outcome for reply in replies} == {Outcome.NOT_SENT}
        assert all(reply.error is not None and reply.error.http_status == 418 for reply in replies)
        assert bench.rest.came == []
        assert came == []


def test_streams_open_no_connection_during_a_ban() -> None:
    """A stream that has to reconnect waits until the ban is over, and says how long."""

    def talk(peer: Peer) -> None:
        peer.say('{"stream":"btcusdt@bookTicker","data":{"u":7,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4"}}')
        peer.stay()

    heard, gate = Heard(), Gate()
    gate.hear(ban())
    begun_s = time.monotonic()
    with FakeWs(talk) as server:
        loop = market_stream(server.url, ["BTCUSDT"], heard, time.time_ns, random.Random(1), 10_000, gate)
        loop.start()
        try:
            down, up, _ = heard.expect(StreamDown, StreamUp, BookTicker)
        finally:
            loop.stop(time.monotonic() + SOON_S)
        assert len(server.peers) == 1
    assert isinstance(down, StreamDown) and "banned" in down.reason and isinstance(up, StreamUp)
    assert time.monotonic() - begun_s >= BAN_S


def test_the_engine_learns_of_a_ban_that_something_else_met() -> None:
    """The clock's refresh was banned; the first order that is held back for it turns everything red until the end."""
    desk = Desk().connect()
    place = desk.place()
    desk.reply(place, outcome=Outcome.NOT_SENT, note="held back", error=ban(5000))
    assert (desk.light().colour, "banned by the venue (418 -1003)" in desk.light().reason) == (Colour.RED, True)
    assert desk.wait(4500) == []


# -- raw requests --------------------------------------------------------------------------------
def test_reads_wait_for_their_turn_and_orders_do_not(clock: Clock) -> None:
    """Beyond the bucket a read waits within its time, or is not sent; an order leaves at once and takes its token all the same."""
    gate = Gate()
    gate.know_limits([RateLimit("RAW_REQUESTS", 1, 9)])  # five at once, one more each 200 ms
    begun_s = clock.now_s
    for _ in range(5):
        gate.take(begun_s + 5, is_read=True)
    gate.take(begun_s + 5, is_read=False)
    assert clock.now_s == begun_s
    gate.take(begun_s + 5, is_read=True)
    assert clock.now_s - begun_s >= 0.35
    with pytest.raises(NotSent, match="too many requests"):
        gate.take(clock.now_s + 0.05, is_read=True)


def test_the_bucket_is_that_of_exchange_info() -> None:
    """Rest hands the size on; without one nothing is held back."""
    with FakeHttp({("GET", "/api/v3/depth"): Reply()}) as server:
        rest = Rest(server.url, "key", "secret", VenueClock())
        for _ in range(5):
            rest.read("depth", {}, SOON_S, signed=False)
        rest.know_limits([RateLimit("RAW_REQUESTS", 60, 1)])
        rest.read("depth", {}, SOON_S, signed=False)
        with pytest.raises(NotSent):
            rest.read("depth", {}, 0.5, signed=False)


# -- what is held back without a ban -----------------------------------------------------------
@pytest.mark.parametrize("status", [403, 451])
def test_a_firewall_is_not_hammered(clock: Clock, status: int) -> None:
    """403 with HTML (binance-wire 0, 8), and 451: one request, then REST rests for five seconds, orders and reads alike; the WS API goes on."""
    held_back = Gate()
    with FakeHttp(dict.fromkeys(PATHS, Reply("<html>Request blocked</html>", status))) as server:
        rest = Rest(server.url, "key", "secret", VenueClock(), gate=held_back)
        with pytest.raises(Refused):
            rest.send("delete", "order", {}, SOON_S)
        for call in calls(rest):
            with pytest.raises(NotSent, match=str(status)):
                call()
        held_back.check()
        assert held_back.left_s() == 0
        assert len(server.requests) == 1
        clock.now_s += gate_module.WALL_S
        with pytest.raises(Refused):
            rest.send("delete", "order", {}, SOON_S)
        assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "code"), [(401, -2015), (401, -2014), (400, -2015), (400, -1002)])
def test_a_refused_key_is_not_shown_again_at_once(clock: Clock, status: int, code: int) -> None:
    """A credential fault (binance-wire 8, C) holds signed requests back on both ways; public reads, the clock and connections go on."""
    held_back = Gate()
    refusal = Reply({"code": code, "msg": "Invalid API-key, IP, or permissions for action."}, status)
    script = {PATHS[0]: refusal, PATHS[2]: Reply({"serverTime": 1}), PATHS[3]: Reply({})}
    with FakeHttp(script) as server:
        rest = Rest(server.url, "key", "secret", VenueClock(), gate=held_back)
        with pytest.raises(Refused):
            rest.send("post", "order", {}, SOON_S)
        with pytest.raises(NotSent):
            rest.send("post", "order", {}, SOON_S)
        with pytest.raises(NotSent):
            held_back.check()
        rest.read("depth", {}, SOON_S, signed=False)
        assert held_back.left_s() == 0
        assert len(server.of("POST", "/api/v3/order")) == 1
    clock.now_s += gate_module.KEY_REFUSED_S
    held_back.check()


def test_an_overloaded_venue_is_not_asked_again_at_once(clock: Clock) -> None:
    """-1008 to a read: one request, no second try, and reads rest for a while; an order leaves all the same, and its own -1008 is unknown."""
    overloaded = Reply({"code": -1008, "msg": "Server is currently overloaded with other requests."}, 503)
    with FakeHttp(dict.fromkeys(PATHS, overloaded)) as server:
        rest = Rest(server.url, "key", "secret", VenueClock())
        with pytest.raises(UnknownOutcome):
            rest.read("depth", {}, 3, signed=False)
        with pytest.raises(NotSent, match="1008"):
            rest.read("depth", {}, 3, signed=False)
        assert len(server.requests) == 1
        with pytest.raises(UnknownOutcome):
            rest.send("post", "order", {}, SOON_S)
        assert len(server.of("POST", "/api/v3/order")) == 1
        clock.now_s += gate_module.OVERLOADED_S
        with pytest.raises(UnknownOutcome):
            rest.read("depth", {}, 3, signed=False)


def test_a_key_refused_over_the_ws_api_is_not_shown_again_at_once() -> None:
    """401 to an order over the WS API: refused, and the next one does not leave over either way."""
    with FakeWs(lambda peer: answering(peer, lambda request: no(request, 401, -2015))) as server, Bench(server) as bench:
        bench.up().place(1)
        assert bench.reply().outcome is Outcome.REFUSED
        bench.place(2)
        reply = bench.reply()
        assert (reply.outcome, bench.rest.came) == (Outcome.NOT_SENT, [])
