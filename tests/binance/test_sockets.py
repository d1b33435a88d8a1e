"""The reader of one socket: pongs at once, silence noticed, one word per outage, reconnects, and a stop that never waits."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from core.events import BookTicker, StreamDown, StreamGap, StreamUp
from core.types import Connection
from exchange.binance import socket_loop
from exchange.binance.market_stream import market_stream
from exchange.binance.socket_loop import Backoff, SocketLoop
from tests.binance.fake_ws import PING, PONG, FakeWs, Peer
from tests.binance.inbox import Heard
from tests.timing import SOON_S, quickest_s

TICKER = '{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4"}}'
SILENCE_MS = 500
PINGS = 9
PATIENT_MS = 10_000  # for tests in which nobody is silent: a machine that stands still is not
STOP_S = 0.1  # 1 to 5 ms on a quiet machine


@pytest.fixture(autouse=True)
def quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """One hundredth of the real waits, so that outages of the tests are short."""
    monkeypatch.setattr(socket_loop, "BACKOFF_S_FIRST", 0.01)


@contextlib.contextmanager
def reading(server: FakeWs, heard: Heard, silence_ms: int = PATIENT_MS) -> Iterator[SocketLoop]:
    loop = market_stream(server.url, ["BTCUSDT", "ETHUSDT"], heard, time.time_ns, random.Random(1), silence_ms)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop(time.monotonic() + SOON_S)
        assert not loop.is_running


def talk(peer: Peer) -> None:
    """A healthy connection: one message, then answers to pings."""
    peer.say(TICKER % 7)
    peer.stay()


def test_market_stream_speaks() -> None:
    """All streams of all symbols are in the URL; an open socket is up; messages become events."""
    heard = Heard()
    with FakeWs(talk) as server, reading(server, heard):
        up, ticker = heard.expect(StreamUp, BookTicker)
        assert server.peers[0].path == (
            "/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms/btcusdt@trade/ethusdt@bookTicker/ethusdt@depth@100ms/ethusdt@trade"
        )
    assert up == StreamUp(connection=Connection.MARKET)
    assert isinstance(ticker, BookTicker) and ticker.update_id == 7


def test_pings_are_answered_at_once() -> None:
    """Server pings get their payload back as a pong, the most of them within 100 ms, and the worst delay is kept."""
    answers: SimpleQueue[float] = SimpleQueue()

    def ping(peer: Peer) -> None:
        for number in range(PINGS):
            sent_s = time.monotonic()
            peer.raw(peer.frame(PING, b"payload%d" % number))
            while (frame := peer.hear()) != (PONG, b"payload%d" % number):
                assert frame[0] != 8
            answers.put(time.monotonic() - sent_s)
        peer.stay()

    heard = Heard()
    with FakeWs(ping) as server, reading(server, heard) as loop:
        delays_s = sorted(answers.get(timeout=SOON_S) for _ in range(PINGS))
        assert delays_s[PINGS // 2] < 0.1
        assert loop.pong_ms_max is not None and 0 < loop.pong_ms_max <= delays_s[-1] * 1000


def test_silence_is_an_outage() -> None:
    """A peer that says nothing, not even a pong, is left after the silence limit, in one StreamDown, and a new connection is opened."""
    heard = Heard()
    with FakeWs(Peer.wait, talk) as server, reading(server, heard, SILENCE_MS):
        began = time.monotonic()
        heard.expect(StreamUp)
        down = heard.next()
        assert isinstance(down, StreamDown) and down.reason.startswith("silent ") and down.connection is Connection.MARKET
        assert time.monotonic() - began > 0.4
        heard.expect(StreamUp, BookTicker)


def test_pongs_are_signs_of_life() -> None:
    """A market without messages is not silent: our own pings and their pongs keep the connection."""
    heard, silence_ms = Heard(), 1500  # and not less: a machine that stands still for so long is silent too
    with FakeWs(Peer.stay) as server, reading(server, heard, silence_ms):
        heard.expect(StreamUp)
        assert heard.is_quiet(1.2 * silence_ms / 1000)


def half_frame(peer: Peer) -> None:
    whole = peer.frame(1, (TICKER % 7).encode())
    peer.raw(whole[: len(whole) // 2])
    peer.wait()


def dripping(peer: Peer) -> None:
    for byte in peer.frame(1, (TICKER % 7).encode()):
        peer.raw(bytes([byte]))
        if peer.done.wait(0.02):
            return


@pytest.mark.parametrize("script", [half_frame, dripping])
def test_a_frame_that_never_ends(script: object) -> None:
    """Half a frame, and a frame that drips in slower than the silence limit, count as silence; nothing of them is read."""
    heard = Heard()
    with FakeWs(script, talk) as server, reading(server, heard, SILENCE_MS):  # type: ignore[arg-type]
        _, down, _, ticker = heard.expect(StreamUp, StreamDown, StreamUp, BookTicker)
        assert isinstance(down, StreamDown) and down.reason.startswith("silent")


def test_a_frame_in_two_halves_is_one() -> None:
    """A message that pauses in the middle, within the limit, is whole."""

    def halves(peer: Peer) -> None:
        whole = peer.frame(1, (TICKER % 9).encode())
        peer.raw(whole[:5])
        peer.done.wait(0.15)
        peer.raw(whole[5:])
        peer.stay()

    heard = Heard()
    with FakeWs(halves) as server, reading(server, heard):
        _, ticker = heard.expect(StreamUp, BookTicker)
        assert isinstance(ticker, BookTicker) and ticker.update_id == 9


def test_one_word_per_outage() -> None:
    """However many tries an outage takes, it is told once; the next StreamUp ends it."""
    heard = Heard()

    def slam(peer: Peer) -> None:
        """Close without a word."""

    with FakeWs(slam, slam, slam, talk) as server, reading(server, heard):
        # Each of the three connections was up for a moment, so each is an outage of its own.
        heard.expect(StreamUp, StreamDown, StreamUp, StreamDown, StreamUp, StreamDown, StreamUp, BookTicker)
    with FakeWs(talk, refuse="HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") as server:
        heard = Heard()
        with reading(server, heard):
            (down,) = heard.expect(StreamDown)
            assert isinstance(down, StreamDown) and down.reason == "refused with HTTP 503"
            ends_s = time.monotonic() + SOON_S
            while server.tries < 4:
                assert time.monotonic() < ends_s
                assert heard.is_quiet(0.01)


@pytest.mark.parametrize("after", ["60", "epoch ms"])
def test_a_ban_is_waited_out(after: str) -> None:
    """HTTP 429 with Retry-After, a duration or a point in time: no second try before that time."""
    heard = Heard()
    value = after if after.isdigit() else str(int(time.time() * 1000) + 60_000)
    with FakeWs(talk, refuse=f"HTTP/1.1 429 X\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n") as server, reading(server, heard):
        (down,) = heard.expect(StreamDown)
        assert isinstance(down, StreamDown) and 30_000 < down.retry_in_ms <= 60_000
        assert heard.is_quiet(0.2) and server.tries == 1


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is told once with its reason; stop ends the back-off at once."""
    monkeypatch.setattr(socket_loop, "BACKOFF_S_FIRST", 2 * SOON_S)
    monkeypatch.setattr(socket_loop, "BACKOFF_S_MAX", 4 * SOON_S)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        heard = Heard()
        loop = market_stream(f"ws://127.0.0.1:{taken.getsockname()[1]}", ["X"], heard, time.time_ns, random.Random(1))
        loop.start()
        (down,) = heard.expect(StreamDown)
        assert isinstance(down, StreamDown) and "refused" in down.reason.lower()
        loop.stop(time.monotonic() + SOON_S)
        assert not loop.is_running


def test_close_codes_are_told() -> None:
    """A close frame's code and reason are the reason of the outage."""

    def close(peer: Peer) -> None:
        peer.raw(peer.frame(8, b"\x03\xf0too many"))
        peer.hear()

    heard = Heard()
    with FakeWs(close, talk) as server, reading(server, heard):
        _, down, *_ = heard.expect(StreamUp, StreamDown, StreamUp, BookTicker)
        assert isinstance(down, StreamDown) and down.reason == "closed by the venue (1008 too many)"


def test_shutdown_notice() -> None:
    """serverShutdown: leave and come back."""

    def leaving(peer: Peer) -> None:
        peer.say('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
        peer.stay()

    heard = Heard()
    with FakeWs(leaving, talk) as server, reading(server, heard):
        _, down, *_ = heard.expect(StreamUp, StreamDown, StreamUp, BookTicker)
        assert isinstance(down, StreamDown) and "shutdown" in down.reason


def test_reconnect_on_request() -> None:
    """reconnect() returns at once, gives its reason, and a new connection follows."""
    heard = Heard()
    with FakeWs(talk) as server, reading(server, heard) as loop:
        heard.expect(StreamUp, BookTicker)

        def reconnected_s() -> float:
            began = time.monotonic()
            loop.reconnect("asked by the engine")
            took_s = time.monotonic() - began
            down, *_ = heard.expect(StreamDown, StreamUp, BookTicker)
            assert isinstance(down, StreamDown) and down.reason == "asked by the engine"
            return took_s

        assert quickest_s(reconnected_s, 0.01) < 0.01


def test_unreadable_messages() -> None:
    """A message we cannot read is a gap; five in a row end the connection; good ones in between do not."""

    def babble(peer: Peer) -> None:
        peer.say('{"stream":"btcusdt@trade","data":{"e":"trade"}}')
        peer.say(TICKER % 1)
        for _ in range(5):
            peer.say("{")
        peer.stay()

    heard = Heard()
    with FakeWs(babble, talk) as server, reading(server, heard):
        heard.expect(StreamUp, StreamGap, BookTicker, StreamGap, StreamGap, StreamGap, StreamGap)
        down, *_ = heard.expect(StreamDown, StreamUp)
        assert isinstance(down, StreamDown) and "unreadable" in down.reason


def test_a_peer_that_stops_reading() -> None:
    """A server that pings for ever but reads nothing fills the line; the blocked pong ends the connection, not the thread."""

    def flood(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not peer.done.is_set():
            peer.raw(peer.frame(PING, b"x" * 125) * 500)

    heard = Heard()
    with FakeWs(flood, talk) as server, reading(server, heard):
        _, down = heard.next(), heard.next()
        assert isinstance(down, StreamDown) and "stopped reading" in down.reason


@pytest.mark.parametrize("script", [Peer.stay, Peer.wait, half_frame])
def test_stop_takes_no_time(script: object) -> None:
    """stop() ends the thread at once whatever the peer does, with a close frame where it can, and may be called again."""

    def stopped_s() -> float:
        heard = Heard()
        with FakeWs(script) as server:  # type: ignore[arg-type]
            loop = market_stream(server.url, ["X"], heard, time.time_ns, random.Random(1), PATIENT_MS)
            loop.start()
            heard.expect(StreamUp)
            assert any(thread.name == "market-stream" for thread in threading.enumerate())
            took_s = stop_s(loop)
            loop.stop(time.monotonic())
            assert heard.is_quiet(0.05)
        return took_s

    assert quickest_s(stopped_s, STOP_S) < STOP_S


def stop_s(loop: SocketLoop) -> float:
    began = time.monotonic()
    loop.stop(began + SOON_S)
    assert not loop.is_running
    return time.monotonic() - began


def test_stop_while_dialing() -> None:
    """A server that accepts but never shakes hands does not hold the stop."""

    def stopped_s() -> float:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            loop = market_stream(f"ws://127.0.0.1:{mute.getsockname()[1]}", ["X"], Heard(), time.time_ns, random.Random(1))
            loop.start()
            connection, _ = mute.accept()
            with connection:
                connection.recv(1)
                return stop_s(loop)

    assert quickest_s(stopped_s, STOP_S) < STOP_S


def test_stop_before_start() -> None:
    """A loop that never ran can be stopped."""
    loop = market_stream("ws://127.0.0.1:9", ["X"], Heard(), time.time_ns, random.Random(1))
    loop.stop(time.monotonic())
    assert not loop.is_running


def test_backoff_grows_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.25 s doubling to 8 s, shortened by at most half, the same for the same seed, and small again after a reset."""
    monkeypatch.setattr(socket_loop, "BACKOFF_S_FIRST", 0.25)
    waits = [(backoff := Backoff(random.Random(5))).next_s() for _ in range(1)]
    waits += [backoff.next_s() for _ in range(19)]
    full = [min(8.0, 0.25 * 2**number) for number in range(20)]
    assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, full, strict=True))
    backoff.reset()
    assert backoff.next_s() <= 0.25
    assert Backoff(random.Random(5)).next_s() == waits[0]
