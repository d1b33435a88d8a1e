"""Orders over the WS API against a scripted venue: one Reply per command, whatever the connection does; nothing is sent twice."""

import json
import threading

import pytest

from core.events import ExecutionReport, Outcome, StreamDown
from core.types import RateLimit
from exchange.binance import in_flight, socket_loop, user_stream, ws_api
from exchange.binance.in_flight import Added, InFlight, Waiting
from tests.binance.entry import Bench, Row, answering, cancel, no, order_id, place, subscribed, yes
from tests.binance.fake_ws import FakeWs, Peer
from tests.timing import SOON_S

IN_FLIGHT, WORKERS = 32, 4
FILLED = (
    '{"subscriptionId":0,"event":{"e":"executionReport","E":2,"s":"BTCUSDT","c":"gl-t3k-1","S":"BUY","o":"LIMIT_MAKER","f":"GTC","q":"0.00200000",'
    '"p":"50000.10","C":"","x":"NEW","X":"NEW","r":"NONE","i":1001,"l":"0","z":"0","L":"0","n":"0","N":null,"T":1,"t":-1,"I":7,"O":1,"Z":"0"}}'
)


@pytest.fixture(autouse=True)
def quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits between connections."""
    monkeypatch.setattr(socket_loop, "BACKOFF_S_FIRST", 0.01)


# -- sending -------------------------------------------------------------------------------------
def test_many_in_flight_with_few_workers() -> None:
    """32 requests are under way at once with 4 workers, because a worker only sends; each reply finds its command by its id, in any order."""
    seen: list[Row] = []
    all_here, may_answer = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        subscribed(peer)
        while len(seen) < IN_FLIGHT:
            seen.append(peer.hear_json())
        all_here.set()
        assert may_answer.wait(SOON_S)
        for request in reversed(seen):
            peer.say(yes(request))
        peer.stay()

    with FakeWs(slow) as server, Bench(server, WORKERS) as bench:
        bench.up()
        bench.manager.place_orders([place(number) for number in range(1, IN_FLIGHT + 1)])
        assert all_here.wait(SOON_S), "a worker waited for an answer"
        assert bench.replies.empty()
        may_answer.set()
        replies = [bench.reply() for _ in range(IN_FLIGHT)]
    assert [reply.command_id for reply in replies] == [request["id"] for request in reversed(seen)]
    assert all(reply.outcome is Outcome.DONE and order_id(reply) == 1000 + reply.command_id for reply in replies)
    assert all(0 < reply.sent_ns < reply.received_ns for reply in replies)
    assert bench.rest.came == []


def test_the_intent_is_written_before_the_request_leaves() -> None:
    """When the venue reads a request, its intent is in the journal; the result follows the reply."""
    written: list[list[str]] = []

    def noting(request: Row) -> Row:
        written.append(list(bench.diary.lines))
        return yes(request)

    with FakeWs(lambda peer: answering(peer, noting)) as server:
        bench = Bench(server)
        with bench:
            bench.up().place(5)
            bench.reply()
            bench.diary.wait_for("result 5 done")
            bench.cancel(6)
            bench.reply()
            bench.diary.wait_for("result 6 done")
    assert written == [["intent 5"], ["intent 5", "result 5 done", "intent 6"]]


def test_rate_limits_of_every_reply() -> None:
    """Yes or no, the `rateLimits` of the envelope come with the Reply."""
    wanted = (RateLimit("ORDERS", 10, 50, 12), RateLimit("REQUEST_WEIGHT", 60, 6000, 321))

    def venue(peer: Peer) -> None:
        answering(peer, lambda request: yes(request) if request["id"] == 1 else no(request, 400, -2010))

    with FakeWs(venue) as server, Bench(server) as bench:
        bench.up().place(1)
        assert bench.reply().limits == wanted
        bench.place(2)
        assert bench.reply().limits == wanted


def test_user_data_and_replies_share_the_connection() -> None:
    """Events and replies come over one socket, in the order in which they were sent."""

    def both(peer: Peer) -> None:
        subscribed(peer)
        request = peer.hear_json()
        peer.say(FILLED)
        peer.say(yes(request))
        peer.stay()

    with FakeWs(both) as server, Bench(server) as bench:
        bench.up().place(1)
        bench.event(ExecutionReport)
        assert order_id(bench.reply()) == 1001
        assert len(server.peers) == 1


# -- answers -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, -2010, Outcome.REFUSED),
        (400, -1013, Outcome.REFUSED),
        (401, -2015, Outcome.REFUSED),
        (403, -1002, Outcome.REFUSED),
        (400, -1021, Outcome.REFUSED),
        (429, -1003, Outcome.REFUSED),
        (429, -1015, Outcome.REFUSED),
        (400, -1000, Outcome.UNKNOWN),
        (400, -1006, Outcome.UNKNOWN),
        (504, -1007, Outcome.UNKNOWN),
        (503, -1008, Outcome.UNKNOWN),
        (500, -1001, Outcome.UNKNOWN),
        (409, -2021, Outcome.UNKNOWN),
    ],
)
def test_error_envelopes(status: int, code: int, outcome: Outcome) -> None:
    """A definite no is refused with the venue's own words; what may have been carried out is unknown (binance-wire 8, as for REST)."""
    with FakeWs(lambda peer: answering(peer, lambda request: no(request, status, code, "told"))) as server, Bench(server) as bench:
        bench.up().place()
        reply = bench.reply()
    assert reply.outcome is outcome
    if outcome is Outcome.REFUSED:
        assert reply.error is not None
        assert (reply.error.code, reply.error.http_status, reply.error.message) == (code, status, "told")
    assert bench.clock.suspect is (code == -1021)


def test_a_duplicate_id_is_alive() -> None:
    """"Duplicate order sent." to a place: an order with that id rests, so the outcome is unknown and will be asked for."""
    text = "Duplicate order sent."
    with FakeWs(lambda peer: answering(peer, lambda request: no(request, 400, -2010, text))) as server, Bench(server) as bench:
        bench.up().place()
        assert bench.reply().outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("result", ['"surprise"', "{}", '{"symbol":"BTCUSDT","orderId":"x","clientOrderId":1}'])
def test_a_yes_that_cannot_be_read(result: str) -> None:
    """Status 200 with a result of another shape: carried out, but how is unknown; the connection stays."""

    def venue(peer: Peer) -> None:
        answering(peer, lambda request: {"id": request["id"], "status": 200, "result": json.loads(result)})

    with FakeWs(venue) as server, Bench(server) as bench:
        bench.up().place()
        assert bench.reply().outcome is Outcome.UNKNOWN
        bench.place(2)
        assert bench.reply().outcome is Outcome.UNKNOWN
        assert len(server.peers) == 1


def test_limits_carry_their_waiting_time() -> None:
    """429 with `retryAfter` in epoch ms becomes a duration; the connection stays up."""

    def venue(peer: Peer) -> None:
        answering(peer, lambda request: no(request, 429, -1003, data={"serverTime": 1, "retryAfter": ends_ms}))

    with FakeWs(venue) as server, Bench(server) as bench:
        ends_ms = bench.clock.now_ms() + 70_000
        bench.up().place()
        error = bench.reply().error
        assert error is not None and 40_000 < error.retry_after_ms <= 70_000
        assert bench.events.empty()


def test_a_ban_ends_the_connection_for_its_time() -> None:
    """418: refused with the ban's length; everything else in flight is unknown; no new connection before the ban ends."""

    def banning(peer: Peer) -> None:
        subscribed(peer)
        first, second = peer.hear_json(), peer.hear_json()
        assert first["id"] != second["id"]
        peer.say(no(second, 418, -1003, "banned", data={"serverTime": 1, "retryAfter": ends_ms}))
        peer.stay()

    with FakeWs(banning) as server, Bench(server, workers=1) as bench:
        ends_ms = bench.clock.now_ms() + 60_000
        bench.up().place(1)
        bench.place(2)
        replies = {reply.command_id: reply for reply in (bench.reply(), bench.reply())}
        down = bench.event(StreamDown)
        assert isinstance(down, StreamDown) and 30_000 < down.retry_in_ms <= 60_500
    assert replies[1].outcome is Outcome.UNKNOWN
    assert replies[2].error is not None and replies[2].error.http_status == 418 and replies[2].error.retry_after_ms > 30_000


def test_a_late_reply_is_still_a_reply() -> None:
    """The engine's deadline is not the reader's: the answer that comes after it is delivered with what it says."""
    may_answer = threading.Event()

    def late(peer: Peer) -> None:
        subscribed(peer)
        request = peer.hear_json()
        may_answer.wait(SOON_S)
        peer.say(yes(request))
        peer.stay()

    with FakeWs(late) as server, Bench(server) as bench:
        bench.up().place(1, timeout_ms=1)
        may_answer.set()
        assert order_id(bench.reply()) == 1001


def test_an_answer_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long after the deadline the request is given up as unknown, once; an answer after that is not a second Reply."""
    monkeypatch.setattr(ws_api, "LATE_S_MAX", 0.05)
    monkeypatch.setattr(user_stream, "SWEEP_EVERY_NS", 10_000_000)
    given_up = threading.Event()

    def mute(peer: Peer) -> None:
        subscribed(peer)
        request = peer.hear_json()
        while not given_up.wait(0.02):
            peer.say(FILLED)
        peer.say(yes(request))
        peer.say(yes(peer.hear_json()))
        peer.stay()

    with FakeWs(mute) as server, Bench(server) as bench:
        bench.up().place(1, timeout_ms=100)
        reply = bench.reply()
        assert (reply.outcome, reply.note) == (Outcome.UNKNOWN, "UnknownOutcome: the venue never answered")
        given_up.set()
        bench.place(2)
        assert bench.reply().command_id == 2


# -- losing the connection -----------------------------------------------------------------------
def test_a_lost_connection_makes_everything_unknown() -> None:
    """All requests in flight on a socket that is lost are unknown, none is sent again, on no connection and not over REST."""
    seen: list[Row] = []
    all_here = threading.Event()

    def dying(peer: Peer) -> None:
        subscribed(peer)
        seen.extend(peer.hear_json() for _ in range(12))
        all_here.set()

    with FakeWs(dying, lambda peer: answering(peer, seen=seen)) as server, Bench(server) as bench:
        bench.up()
        bench.manager.place_orders([place(number) for number in range(1, 9)])
        bench.manager.cancel_orders([cancel(number) for number in range(9, 13)])
        assert all_here.wait(SOON_S)
        replies = [bench.reply() for _ in range(12)]
        bench.event(StreamDown)
        bench.up().place(13)
        assert order_id(bench.reply()) == 1013
    assert {reply.outcome for reply in replies} == {Outcome.UNKNOWN}
    assert sorted(reply.command_id for reply in replies) == list(range(1, 13))
    assert sorted(request["id"] for request in seen) == list(range(1, 14)), "each reached the venue once"
    assert bench.rest.came == []


def test_rest_only_where_the_connection_was_down_before() -> None:
    """Before the subscription stands an order goes over REST; afterwards over the WS API; after a loss over REST again."""
    may_subscribe, may_end = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        may_subscribe.wait(SOON_S)
        subscribed(peer)
        peer.say(yes(peer.hear_json()))
        may_end.wait(SOON_S)

    with FakeWs(slow, lambda peer: peer.wait()) as server, Bench(server) as bench:
        bench.place(1)
        assert bench.reply().outcome is Outcome.NOT_SENT
        may_subscribe.set()
        bench.up().place(2)
        assert order_id(bench.reply()) == 1002
        may_end.set()
        bench.event(StreamDown)
        bench.cancel(3)
        assert bench.reply().outcome is Outcome.NOT_SENT
    assert bench.rest.came == [1, 3]


def test_a_doubted_clock_is_measured_over_rest_first() -> None:
    """After a refused timestamp the next order does not go out with the same wrong one: REST takes it, which measures on the way."""
    with FakeWs(answering) as server, Bench(server) as bench:
        bench.up()
        bench.clock.doubt()
        bench.place(1)
        bench.reply()
        bench.clock.suspect = False
        bench.place(2)
        assert order_id(bench.reply()) == 1002
    assert bench.rest.came == [1]


def test_a_peer_that_reads_no_more() -> None:
    """A send that cannot leave ends within the socket's time-out: unknown, and nothing follows on that connection."""
    assert any(is_told_by_the_sender() for _ in range(5)), "each time by the reader, who may see the end first"


def is_told_by_the_sender() -> bool:
    def deaf(peer: Peer) -> None:
        subscribed(peer)
        peer.wait()

    later: list[Row] = []  # what a slow machine has not sent before the next connection is there
    with FakeWs(deaf, lambda peer: answering(peer, seen=later)) as server, Bench(server) as bench:
        bench.up()
        name = "x" * 60_000
        numbers = range(1, 200)
        bench.manager.place_orders([place(number, name=name) for number in numbers])
        replies = [bench.reply() for _ in numbers]
        down = bench.event(StreamDown)
        assert isinstance(down, StreamDown)
    on_the_next = {request["id"] for request in later}
    assert {reply.outcome for reply in replies if reply.command_id not in on_the_next} <= {Outcome.UNKNOWN, Outcome.NOT_SENT}
    assert sorted(reply.command_id for reply in replies) == list(numbers)
    return any("while sending" in reply.note for reply in replies)


# -- the map -------------------------------------------------------------------------------------
def test_in_flight_is_bounded_and_closes() -> None:
    """A full map takes nothing more; a closed one gives up everything once and takes nothing; each entry is taken once."""
    some = [Waiting(place(number), 1, 5 * number, 10 * number) for number in range(1, 5)]
    flight = InFlight(most=3)
    assert [flight.add(one) for one in some] == [Added.YES] * 3 + [Added.FULL]
    assert flight.take(2) is some[1] and flight.take(2) is None
    assert flight.overdue(10) == [some[0]]
    assert flight.is_owed(15) and not flight.is_owed(14)
    assert flight.close() == [some[2]] and flight.close() == []
    assert flight.add(some[3]) is Added.CLOSED


def test_a_full_map_leaves_orders_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the cap nothing goes over the WS API; nothing is lost either."""
    monkeypatch.setattr(in_flight.InFlight.__init__, "__defaults__", (2,))

    def silent(peer: Peer) -> None:
        subscribed(peer)
        peer.stay()

    with FakeWs(silent) as server, Bench(server, workers=1) as bench:
        bench.up()
        for number in range(1, 4):
            bench.place(number)
        assert bench.reply().outcome is Outcome.NOT_SENT
    assert bench.rest.came == [3]
    left = [bench.reply() for _ in range(2)]
    assert {reply.outcome for reply in left} == {Outcome.UNKNOWN}, "stopped with two in flight"
