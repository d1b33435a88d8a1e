"""Order entry under threads that are switched a million times a second: eight workers, one reader, connections that break at any moment."""

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from core.events import Outcome, Reply
from exchange.binance import socket_loop
from tests.binance.entry import Bench, Row, cancel, no, place, subscribed, yes
from tests.binance.fake_ws import FakeWs, Peer
from tests.timing import SOON_S

SERVER_THREADS_MAX = 30  # of the fake server, which keeps those of closed connections until its end
COMMANDS, ROUND = 3000, 50
COMMANDS_MAX = 10 * COMMANDS  # where the connection is slow to stand most of them go over REST
DONE_MIN = COMMANDS // 30


@pytest.fixture(autouse=True)
def frantic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The interpreter offers the turn to another thread as often as it can."""
    monkeypatch.setattr(socket_loop, "BACKOFF_S_FIRST", 0.005)
    monkeypatch.setattr(socket_loop, "AT_ONCE_LIFE_S", 0.0)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Fickle:
    """Answers in any order, yes or no, some never; breaks off with requests unanswered. Keeps what it was asked and what it answered."""

    def __init__(self, seed: int, life: int) -> None:
        self.rng = random.Random(seed)
        self.life = life
        self.arrived: Counter[int] = Counter()
        self.answered: dict[int, bool] = {}
        self.lock = threading.Lock()

    def __call__(self, peer: Peer) -> None:
        subscribed(peer)
        held: list[Row] = []
        for _ in range(self.life):
            request = peer.hear_json()
            if not request:
                return
            self.arrived[int(request["id"])] += 1  # type: ignore[call-overload]
            held.append(request)
            self.rng.shuffle(held)
            while held and self.rng.random() < 0.7:
                self.answer(peer, held.pop())

    def answer(self, peer: Peer, request: Row) -> None:
        is_yes = self.rng.random() < 0.8
        self.answered[int(request["id"])] = is_yes
        peer.say(yes(request) if is_yes else no(request, 400, -2010))


def until_waiting(bench: Bench, most: int) -> None:
    ends_s = time.monotonic() + SOON_S
    while max(lane.waiting for lane in bench.lanes) > most:
        assert time.monotonic() < ends_s, "the lanes never ran empty"
        time.sleep(0.01)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_reply_each_whatever_breaks(seed: int) -> None:
    """Each command gets exactly one Reply, reaches the venue at most once on all connections together, and a yes or no is one the venue gave."""
    threads = threading.active_count()
    venue = Fickle(seed, life=150)
    with FakeWs(venue) as server, Bench(server) as bench:
        bench.up()
        replies: dict[int, Reply] = {}
        for first in range(1, COMMANDS_MAX, ROUND):
            if first > COMMANDS and len(server.peers) > 3 and sum(venue.answered.copy().values()) > 2 * DONE_MIN:
                break
            asked = first + ROUND - 1
            numbers = range(first, first + ROUND)
            bench.manager.place_orders([place(number) for number in numbers if number % 3])
            bench.manager.cancel_orders([cancel(number) for number in numbers if not number % 3])
            time.sleep(random.Random(first).random() * 0.01)
            until_waiting(bench, 1000)  # a lane that is full refuses
        until_waiting(bench, 0)
        bench.stream.stop(time.monotonic() + SOON_S)  # ends what is still in flight: outcome unknown
        while len(replies) < asked:
            reply = bench.reply()
            assert reply.command_id not in replies, "two replies to one command"
            replies[reply.command_id] = reply
    assert bench.replies.empty()
    assert max(venue.arrived.values()) == 1, "sent twice"
    assert not set(venue.arrived) & set(bench.rest.came), "over both ways"
    assert len(server.peers) > 3, "the connections never broke"
    counts = Counter(reply.outcome for reply in replies.values())
    assert counts[Outcome.DONE] > DONE_MIN and counts[Outcome.REFUSED] and counts[Outcome.UNKNOWN]
    for number, reply in replies.items():
        if reply.outcome is Outcome.NOT_SENT:
            assert number in bench.rest.came and number not in venue.arrived
        elif reply.outcome is not Outcome.UNKNOWN:
            assert venue.answered[number] is (reply.outcome is Outcome.DONE)
    assert threading.active_count() <= threads + SERVER_THREADS_MAX
