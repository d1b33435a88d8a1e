"""Orders over the WS API behind a bad line: the paper exchange over real sockets, with a proxy that stalls, cuts, resets and swallows."""

import time
from collections.abc import Iterator

import pytest

from core.events import OrderAnswer, Outcome, Reply, StreamDown
from exchange.paper.wirefaults import WireFaults
from tests.contract.test_venue_paths import Way
from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S

REQUESTS = 12
TIMEOUT_MS = 1000  # when an answer is overdue


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    made = Exchange("--balances", "USDT=1000000,BTC=10", "--seed", "5", "--ping-period-s", "0.3")
    yield made
    made.stop()


@pytest.fixture
def proxy(exchange: Exchange) -> Iterator[WireFaults]:
    exchange.reset()
    with WireFaults(int(exchange.base.rsplit(":", 1)[1])) as running:
        yield running


@pytest.fixture
def way(exchange: Exchange, proxy: WireFaults) -> Iterator[Way]:
    """The WS API through the proxy, REST directly."""
    made = Way(exchange, True, ws_port=proxy.port, silence_ms=600)
    made.start()
    yield made
    proxy.clear()
    made.stop()
    made.sweep()


def places(way: Way) -> list[str]:
    return [way.place(timeout_ms=TIMEOUT_MS).client_order_id for _ in range(REQUESTS)]


def check(way: Way, names: list[str]) -> list[str]:
    """Every request has one Reply; what was not unknown is as it says; each reached the venue at most once, over one way. The unknown ones."""
    replies: dict[int, Reply] = {}
    for _ in names:
        reply = way.replies.get(timeout=SOON_S)
        assert reply.command_id not in replies
        replies[reply.command_id] = reply
    assert way.replies.empty()
    rows = [row for row in way.exchange.log() if row["method"] == "order.place" and row["client_order_id"] in names]
    arrived = [row["client_order_id"] for row in rows]
    assert len(arrived) == len(set(arrived)), "sent twice"
    for reply in replies.values():
        assert reply.outcome in (Outcome.UNKNOWN, Outcome.DONE)
        if reply.outcome is Outcome.DONE:
            assert isinstance(reply.answer, OrderAnswer) and reply.answer.facts is not None
            assert reply.answer.facts.client_order_id in arrived
    first = min(replies)  # numbered in the order of their names
    return [names[number - first] for number, reply in replies.items() if reply.outcome is Outcome.UNKNOWN]


def goes_on(way: Way) -> None:
    """After the line is well the next order goes over the WS API again."""
    way.until_up()
    before = len(way.exchange.log())
    assert way.done(way.place()).status == "NEW"
    assert way.transports(before) == {"ws"}


def test_reset_in_mid_flight(way: Way, proxy: WireFaults) -> None:
    """RST while requests are held back on their way: all unknown at once, none sent again."""
    proxy.stall("up")
    names = places(way)
    way.wait_for_intents(len(names))
    proxy.reset_all()
    check(way, names)
    proxy.clear()
    goes_on(way)


def test_replies_swallowed(way: Way, proxy: WireFaults) -> None:
    """One-way silence: carried out, not a word comes back; the silence limit ends the connection and with it the waiting."""
    proxy.silence("down")
    names = places(way)
    check(way, names)
    assert any(isinstance(event, StreamDown) for event in list(way.events.queue))
    assert all(way.truth(name) is not None for name in names), "the venue has them all"
    proxy.clear()
    goes_on(way)


def test_requests_swallowed(way: Way, proxy: WireFaults) -> None:
    """One-way silence the other way, while its pings still come: answers overdue and no pong to ours end the connection."""
    proxy.silence("up")
    unknown = check(way, places(way))  # on a slow machine the last of them find the connection ended, and go over REST
    assert unknown and all(way.truth(name) is None for name in unknown)
    proxy.clear()
    goes_on(way)


@pytest.mark.parametrize(("direction", "then"), [("down", "stall"), ("down", "reset"), ("up", "reset")])
def test_half_a_frame(way: Way, proxy: WireFaults, direction: str, then: str) -> None:
    """A reply or a request cut in its middle: unknown, a new connection, each request at the venue at most once."""
    proxy.half_frame(direction, then)
    names = places(way)
    ends_s = time.monotonic() + SOON_S
    while not proxy.counts.get("half_frame"):
        assert time.monotonic() < ends_s
        time.sleep(0.005)
    check(way, names)
    proxy.clear()
    goes_on(way)


def test_applied_and_cut(way: Way, proxy: WireFaults) -> None:
    """The proxy finds the request in its masked frame, lets it through and cuts the line before the reply: unknown, and the order rests."""
    proxy.drop_after_apply(b"order.place")
    place = way.place()
    assert way.reply(place).outcome is Outcome.UNKNOWN
    found = way.truth(place.client_order_id)
    assert found is not None and found.status == "NEW"
    assert proxy.counts["drop_after_apply"] == 1
    goes_on(way)
