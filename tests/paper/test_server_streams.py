"""Market streams of the paper exchange: control frames, payloads, the official book rules, pings and limits."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
import websocket

from tests.paper.exchange_client import Exchange, Socket
from tests.timing import SOON_S

Book = dict[str, dict[str, Decimal]]


@pytest.fixture(scope="module")
def impatient() -> Iterator[Exchange]:
    """An exchange that pings every 0.2 s, waits 0.6 s for the pong, and has a moving market."""
    exchange = Exchange("--ping-period-s", "0.2", "--ping-deadline-s", "0.6", "--seed", "3", "--speed", "3")
    yield exchange
    exchange.stop()


def test_control_frames(exchange: Exchange) -> None:
    """SUBSCRIBE, LIST, UNSUBSCRIBE, properties and their errors (binance-wire 5)."""

    client: Socket

    def ask(value: object) -> Any:
        count = len(client.messages)
        client.send(value)
        return client.wait(lambda message: True, after=count)

    with exchange.connect("/ws") as client:
        names = ["btcusdt@trade", "btcusdt@depth@100ms"]
        assert ask({"method": "SUBSCRIBE", "params": names, "id": 1}) == {"result": None, "id": 1}
        assert ask({"method": "LIST_SUBSCRIPTIONS", "id": "a"}) == {"result": names, "id": "a"}
        assert ask({"method": "UNSUBSCRIBE", "params": names[:1], "id": 2}) == {"result": None, "id": 2}
        assert ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 3}) == {"result": False, "id": 3}
    with exchange.connect("/stream") as client:
        assert ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 4}) == {"result": True, "id": 4}
        refused = ask({"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 5})
        assert refused == {"error": {"code": 2, "msg": "Invalid request: streams must be an array"}, "id": 5}
        assert ask("{")["error"]["code"] == 3
        assert ask({"method": "SET_PROPERTY", "params": ["colour", 1], "id": 6})["error"]["code"] == 0
    with exchange.connect("/ws") as client:
        assert ask({"method": "GET_PROPERTY", "id": 7})["error"] == {"code": 2, "msg": "Invalid request: property name must be a string"}
        assert "unknown variant" in ask({"method": "SHOUT", "id": 8})["error"]["msg"] and "missing field `method`" in ask({"id": 9})["error"]["msg"]


def test_sweep_prints_before_the_touch(exchange: Exchange) -> None:
    """Trades of a sweep arrive before the touch is republished; one aggregate per price; all numbers agree."""
    names = ("btcusdt@trade", "btcusdt@aggTrade", "btcusdt@bookTicker")
    with exchange.stream(*names) as client:
        asks = exchange.public("GET", "/api/v3/depth", symbol="BTCUSDT", limit=3).json["asks"]
        exchange.take("BUY", asks[1][0])
        ticker = client.wait(lambda message: message["stream"].endswith("bookTicker"))["data"]
        kinds = [message["stream"].split("@")[1] for message in client.messages]
        prints = [m["data"] for m in client.messages if m["stream"].endswith("@trade")]
        aggregates = [m["data"] for m in client.messages if m["stream"].endswith("@aggTrade")]
    assert kinds[-1] == "bookTicker" and "trade" in kinds
    assert ticker["a"] == asks[2][0] and set(ticker) == {"u", "s", "b", "B", "a", "A"}
    assert {row["p"] for row in prints} == {asks[0][0], asks[1][0]} and not prints[0]["m"]
    assert [row["p"] for row in aggregates] == [asks[0][0], asks[1][0]]
    assert aggregates[1]["a"] == aggregates[0]["a"] + 1 and aggregates[-1]["l"] == prints[-1]["t"]


def test_raw_and_combined_form(exchange: Exchange) -> None:
    """/ws/<a>/<b> gives bare payloads, /stream wraps them; an unknown stream is accepted silently."""
    with exchange.connect("/ws/btcusdt@trade/nobody@nothing") as raw, exchange.stream("btcusdt@trade") as combined:
        exchange.take("BUY", exchange.touch()["askPrice"], "0.00001")
        bare = raw.wait(lambda message: True)
        wrapped = combined.wait(lambda message: True)
    assert bare["e"] == "trade" and wrapped == {"stream": "btcusdt@trade", "data": bare}


def _apply(book: Book, event: dict[str, Any]) -> None:
    for side, rows in (("bids", event["b"]), ("asks", event["a"])):
        for price, quantity in rows:
            if Decimal(quantity):
                book[side][price] = Decimal(quantity)
            else:
                book[side].pop(price, None)


def _synced_book(exchange: Exchange, client: Socket) -> tuple[Book, int, int]:
    """The official steps: (book, its update id, index of the next event)."""
    first = client.wait(lambda message: True)
    snapshot = exchange.public("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5000).json
    assert snapshot["lastUpdateId"] >= first["U"] - 1
    book: Book = {side: {row[0]: Decimal(row[1]) for row in snapshot[side]} for side in ("bids", "asks")}
    return book, snapshot["lastUpdateId"], 0


def test_book_by_the_official_steps(impatient: Exchange) -> None:
    """Snapshot plus buffered diffs gives the venue's book; U follows the previous u without a gap (I24)."""
    with impatient.connect("/ws/btcusdt@depth@100ms") as client:
        book, last_id, index = _synced_book(impatient, client)
        previous = None
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            event = client.wait(lambda message: True, after=index)
            index += 1
            assert previous is None or event["U"] == previous + 1
            previous = event["u"]
            if event["u"] <= last_id:
                continue
            assert event["U"] <= last_id + 1
            _apply(book, event)
            last_id = event["u"]
        impatient.control("POST", "market", {"pause": True})
        snapshot = impatient.public("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5000).json
        while last_id < snapshot["lastUpdateId"]:
            event = client.wait(lambda message: True, after=index)
            index += 1
            _apply(book, event)
            last_id = event["u"]
    impatient.control("POST", "market", {"pause": False})
    for side in ("bids", "asks"):
        assert book[side] == {row[0]: Decimal(row[1]) for row in snapshot[side]}
    assert last_id == snapshot["lastUpdateId"]


def test_slow_depth_stream_joins_ten_updates(impatient: Exchange) -> None:
    """@depth comes once a second and covers what @depth@100ms said meanwhile: U of the first, u of the last."""
    with impatient.stream("btcusdt@depth", "btcusdt@depth@100ms") as client:
        index, slow = 0, []
        for _ in range(2):
            slow.append(client.wait(lambda message: message["stream"] == "btcusdt@depth", after=index)["data"])
            index = len(client.messages)
        fast = [m["data"] for m in client.messages if m["stream"] == "btcusdt@depth@100ms"]
    assert slow[1]["U"] == slow[0]["u"] + 1
    joined = [event for event in fast if slow[1]["U"] <= event["U"] and event["u"] <= slow[1]["u"]]
    assert len(joined) > 5 and (joined[0]["U"], joined[-1]["u"]) == (slow[1]["U"], slow[1]["u"])
    last: dict[str, str] = {}
    for event in joined:
        last.update(event["b"])
    assert last == dict(slow[1]["b"])


def test_partial_books_and_bars(impatient: Exchange) -> None:
    """depth5 holds 5 levels a side without a symbol; kline and miniTicker come about every second."""
    with impatient.stream("btcusdt@depth5@100ms", "btcusdt@kline_1m", "btcusdt@miniTicker") as client:
        five = client.wait(lambda message: message["stream"] == "btcusdt@depth5@100ms")["data"]
        bar = client.wait(lambda message: message["stream"] == "btcusdt@kline_1m")["data"]
        mini = client.wait(lambda message: message["stream"] == "btcusdt@miniTicker")["data"]
    assert set(five) == {"lastUpdateId", "bids", "asks"} and len(five["bids"]) == 5
    assert bar["k"]["i"] == "1m" and bar["k"]["c"] == mini["c"]


def test_times_are_the_wall_clock(impatient: Exchange) -> None:
    """E and T are the wall clock, also when the market runs faster than time."""
    with impatient.stream("btcusdt@trade") as client:
        impatient.place(type="MARKET", price=None)
        event = client.wait(lambda message: True)["data"]
    assert abs(event["T"] - time.time() * 1000) < 10_000 and event["E"] >= event["T"]


def test_pongs_are_measured(impatient: Exchange) -> None:
    """A client that answers pings stays, and /paper/stats knows how long its pongs took."""
    with impatient.stream("btcusdt@bookTicker") as client:
        deadline = time.monotonic() + SOON_S
        while (row := impatient.control("GET", "stats")["connections"][-1])["pongs"] < 3 and time.monotonic() < deadline:
            client.closed.wait(0.05)
    assert not row["closed_because"] and row["pongs"] >= 3
    assert 0 < row["pong_ms_last"] <= row["pong_ms_max"]


@pytest.mark.parametrize("path", ["/stream?streams=btcusdt@trade", "/ws-api/v3"])
def test_no_pong_means_disconnect(impatient: Exchange, path: str) -> None:
    """A client that never answers is thrown out after the deadline, not before; own pings do not count."""
    with impatient.connect(path) as client:
        client.answer_pings = False
        began = time.monotonic()
        while not client.closed.wait(0.25) and time.monotonic() - began < SOON_S:
            with suppress(websocket.WebSocketException, OSError):
                client.ws.pong(b"unsolicited")
        assert time.monotonic() - began > 0.5
    assert impatient.control("GET", "stats")["connections"][-1]["closed_because"] == "Pong timeout"


def test_too_many_incoming_frames(exchange: Exchange) -> None:
    """More than 5 frames a second, pings and pongs included, ends a stream connection."""
    with exchange.stream("btcusdt@trade") as client:
        for _ in range(12):
            try:
                client.ws.ping(b"x")
            except (websocket.WebSocketException, OSError):
                break
        assert client.closed.wait(SOON_S)
    assert client.close_code == 1008


def test_client_pings_are_answered(exchange: Exchange) -> None:
    """A ping of the client comes back as a pong with its payload."""
    with exchange.ws_api() as client:
        client.ws.ping(b"hello")
        deadline = time.monotonic() + SOON_S
        while (websocket.ABNF.OPCODE_PONG, b"hello") not in client.frames and time.monotonic() < deadline:
            client.request("ping")
        assert (websocket.ABNF.OPCODE_PONG, b"hello") in client.frames


def test_slow_client_is_thrown_out_and_slows_nobody(exchange: Exchange) -> None:
    """A client that does not read what it asked for is disconnected; meanwhile calls are answered at once."""
    exchange.control("POST", "limits", {"frames_per_s": 100_000})
    slow: Any = websocket.create_connection(
        exchange.ready["stream"] + "/stream?streams=" + "/".join(f"btcusdt@nothing{n:015}" for n in range(1000)),
        timeout=SOON_S, http_no_proxy=["127.0.0.1"], sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),),
    )  # fmt: skip
    took_ms, reason = [], None
    for number in range(1000):
        with suppress(websocket.WebSocketException, OSError):
            slow.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        if number % 20 == 0:
            began = time.monotonic()
            reason = exchange.control("GET", "stats")["connections"][-1]["closed_because"]
            took_ms.append((time.monotonic() - began) * 1000)
        if reason:
            break
    exchange.control("POST", "limits", {"frames_per_s": 5})
    slow.shutdown()
    assert reason == "too slow: more than the buffer allows is unread"
    assert sorted(took_ms)[len(took_ms) // 2] < 500


def test_server_shutdown_event() -> None:
    """On SIGTERM every client hears serverShutdown, then the connection closes with 1001; exit code 0."""
    exchange = Exchange()
    with exchange.stream("btcusdt@trade") as stream, exchange.connect("/ws/btcusdt@trade") as raw, exchange.ws_api() as api:
        exchange.process.terminate()
        assert stream.wait(lambda m: m.get("stream") == "!serverShutdown")["data"]["e"] == "serverShutdown"
        assert raw.wait(lambda m: m.get("e") == "serverShutdown")
        assert api.wait(lambda m: m.get("event", {}).get("e") == "serverShutdown")
        assert stream.closed.wait(SOON_S) and stream.close_code == 1001
    assert exchange.stop() == 0


def test_many_subscribers_get_the_same_event(exchange: Exchange) -> None:
    """Every subscriber of a stream gets every event once."""
    sockets = [Socket(exchange.ready["stream"] + "/ws/btcusdt@trade", exchange) for _ in range(8)]
    try:
        exchange.take("BUY", exchange.touch()["askPrice"], "0.00001")
        ids = [client.wait(lambda message: True)["t"] for client in sockets]
    finally:
        closers = [threading.Thread(target=client.close) for client in sockets]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()
    assert len(set(ids)) == 1 and all(len(client.messages) == 1 for client in sockets)
