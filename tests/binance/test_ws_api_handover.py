"""Leaving a connection for the next one: the new one is subscribed first, the old one answers what it still owes, and no light turns red."""

import threading
import time

import pytest

from core.events import ExecutionReport, OrderAnswer, Outcome, StreamDown, StreamUp
from exchange.binance import handover, socket_loop
from tests.binance.entry import Bench, Row, answering, order_id, subscribed, yes
from tests.binance.fake_ws import FakeWs, Peer
from tests.binance.test_ws_api import FILLED
from tests.timing import SOON_S

SHUTDOWN = '{"event":{"e":"serverShutdown","E":1}}'
TERMINATED = '{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits between connections, and an old one that is left soon after it has answered."""
    monkeypatch.setattr(socket_loop, "BACKOFF_S_FIRST", 0.01)
    monkeypatch.setattr(handover, "EMPTY_S_MIN", 0.1)


class Leaving:
    """A venue's first connection: announces its end when told to, and answers what it was asked before only after that."""

    def __init__(self, announce: bool = True) -> None:
        self.asked: list[Row] = []
        self.has_request, self.may_answer, self.is_left = threading.Event(), threading.Event(), threading.Event()
        self.announce = announce

    def __call__(self, peer: Peer) -> None:
        subscribed(peer)
        self.asked.append(peer.hear_json())
        if self.announce:
            peer.say(SHUTDOWN)
        self.has_request.set()
        assert self.may_answer.wait(SOON_S)
        peer.say(FILLED)
        peer.say(yes(self.asked[0]))
        peer.say(TERMINATED)
        while request := peer.hear_json():
            self.asked.append(request)
        self.is_left.set()


def test_announced_shutdown() -> None:
    """serverShutdown: orders go to the new connection at once, the old one's answer and events still arrive, its eventStreamTerminated is no gap."""
    first = Leaving()
    with FakeWs(first, answering) as server, Bench(server) as bench:
        bench.up().place(1)
        moved = bench.event(StreamUp)
        assert isinstance(moved, StreamUp) and moved.moved
        bench.place(2)
        assert order_id(bench.reply()) == 1002
        first.may_answer.set()
        assert order_id(bench.reply()) == 1001
        bench.event(ExecutionReport)
        assert first.is_left.wait(SOON_S)
        bench.place(3)
        assert order_id(bench.reply()) == 1003
        assert bench.events.empty(), "neither StreamDown nor StreamGap"
        assert len(server.peers) == 2
    assert [request["id"] for request in first.asked] == [1]
    assert bench.rest.came == []


def test_the_end_of_a_long_life() -> None:
    """A connection near its 24 h is left the same way, without being told."""
    first = Leaving(announce=False)
    with FakeWs(first, answering) as server, Bench(server) as bench:
        bench.up().place(1)
        assert first.has_request.wait(SOON_S)
        bench.stream._life_s_max = 0.0
        moved = bench.event(StreamUp)
        assert isinstance(moved, StreamUp) and moved.moved
        first.may_answer.set()
        assert order_id(bench.reply()) == 1001


def test_an_old_connection_that_dies_owing() -> None:
    """After the move the old connection breaks: what it owed is unknown, and that is all."""

    def breaking(peer: Peer) -> None:
        subscribed(peer)
        peer.hear_json()
        peer.say(SHUTDOWN)
        may_break.wait(SOON_S)

    may_break = threading.Event()
    with FakeWs(breaking, answering) as server, Bench(server) as bench:
        bench.up().place(1)
        bench.event(StreamUp)
        may_break.set()
        assert bench.reply().outcome is Outcome.UNKNOWN
        bench.place(2)
        assert order_id(bench.reply()) == 1002
        assert bench.events.empty()


def test_an_old_connection_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left after a bounded time; what it owed is unknown."""
    monkeypatch.setattr(handover, "EMPTY_S_MAX", 0.2)
    first = Leaving()
    with FakeWs(first, answering) as server, Bench(server) as bench:
        bench.up().place(1)
        bench.event(StreamUp)
        assert bench.reply().outcome is Outcome.UNKNOWN
        first.may_answer.set()
        assert bench.events.empty()


def test_a_successor_that_is_refused_is_tried_again() -> None:
    """While no new connection stands the old one goes on; a successor that fails is followed by another."""
    first, tries = Leaving(), []

    def refusing(peer: Peer) -> None:
        tries.append(1)
        request = peer.hear_json()
        peer.say({"id": request["id"], "status": 400, "error": {"code": -1100, "msg": "not now"}})
        peer.stay()

    with FakeWs(first, refusing, refusing, answering) as server, Bench(server) as bench:
        bench.up().place(1)
        moved = bench.event(StreamUp)
        assert isinstance(moved, StreamUp) and moved.moved and len(tries) == 2
        first.may_answer.set()
        assert order_id(bench.reply()) == 1001


def test_an_old_connection_that_ends_too_early() -> None:
    """The venue closes before the successor stands: that is an outage, told once, and the stream comes back at once as a new one."""

    def curt(peer: Peer) -> None:
        subscribed(peer)
        peer.hear_json()
        peer.say(SHUTDOWN)

    def slow(peer: Peer) -> None:
        peer.wait()

    with FakeWs(curt, slow, answering) as server, Bench(server, silence_ms=1000) as bench:
        bench.up().place(1)
        assert bench.reply().outcome is Outcome.UNKNOWN
        bench.event(StreamDown)
        again = bench.event(StreamUp)
        assert isinstance(again, StreamUp) and not again.moved


def test_stop_in_the_middle_of_a_handover() -> None:
    """Stopping while a successor is dialed and while two connections are open ends every thread in time."""
    first = Leaving()
    with FakeWs(first, lambda peer: peer.wait()) as server, Bench(server) as bench:
        bench.up().place(1)
        assert first.has_request.wait(SOON_S)
        bench.stream.stop(time.monotonic() + SOON_S / 2)  # sooner than either peer says a word
        assert not bench.stream.is_running
        first.may_answer.set()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("ws-api")]


def test_answers_are_read_by_turns() -> None:
    """With both connections busy neither starves the other."""
    may_end = threading.Event()

    def chatty(peer: Peer) -> None:
        subscribed(peer)
        request = peer.hear_json()
        peer.say(SHUTDOWN)
        peer.say(yes(request))
        while not may_end.is_set():
            peer.say(FILLED)

    with FakeWs(chatty, answering) as server, Bench(server) as bench:
        bench.up().place(1)
        reply = bench.reply()
        assert isinstance(reply.answer, OrderAnswer)
        ends_s = time.monotonic() + SOON_S
        while not isinstance(bench.events.get(timeout=SOON_S), StreamUp):
            assert time.monotonic() < ends_s
        for number in range(2, 12):
            bench.place(number)
            assert order_id(bench.reply()) == 1000 + number
        may_end.set()
