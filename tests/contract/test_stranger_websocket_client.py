"""websocket-client's own WebSocketApp: its reader thread keeps a depth book by the official steps and places orders."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
import websocket

from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S


@contextmanager
def app(url: str) -> Iterator[tuple[Any, queue.SimpleQueue[Any]]]:
    """A running WebSocketApp and the queue its on_message fills."""
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    opened = threading.Event()
    running: Any = websocket.WebSocketApp(
        url, on_open=lambda _: opened.set(), on_message=lambda _, text: messages.put(json.loads(text))
    )
    thread = threading.Thread(
        target=running.run_forever, kwargs={"skip_utf8_validation": True, "http_no_proxy": ["127.0.0.1"]}, daemon=True
    )
    thread.start()
    assert opened.wait(SOON_S)
    try:
        yield running, messages
    finally:
        running.keep_running = False
        left = running.sock  # run_forever forgets it as soon as the venue answers the close
        left.send_close(1000)
        with contextlib.suppress(OSError, AttributeError):  # the reader may have closed it already
            left.sock.shutdown(socket.SHUT_RDWR)
        thread.join(SOON_S)


def test_depth_book_by_the_official_steps(paper: Exchange) -> None:
    """Buffered diffs, snapshot, contiguity, absolute sizes: equal to the venue's book, also while orders come and go."""
    book: dict[str, dict[str, Decimal]] = {}
    with app(paper.ready["stream"] + "/ws/btcusdt@depth@100ms") as (_, messages):
        buffered = [messages.get(timeout=SOON_S)]
        while True:
            snapshot = paper.public("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5000).json
            if snapshot["lastUpdateId"] >= buffered[0]["U"]:
                break
        for side in ("bids", "asks"):
            book[side] = {price: Decimal(quantity) for price, quantity in snapshot[side]}
        last_id, covered = snapshot["lastUpdateId"], False
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            event = buffered.pop() if buffered else messages.get(timeout=SOON_S)
            paper.place(price=str(50000 + event["u"] % 100))
            if event["u"] <= last_id:
                continue
            assert event["U"] <= last_id + 1 if not covered else event["U"] == last_id + 1
            covered, last_id = True, event["u"]
            _apply(book, event)
        paper.control("POST", "market", {"pause": True})
        paper.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
        snapshot = paper.public("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5000).json
        while last_id < snapshot["lastUpdateId"]:
            event = messages.get(timeout=SOON_S)
            last_id = event["u"]
            _apply(book, event)
        paper.control("POST", "market", {"pause": False})
    assert last_id == snapshot["lastUpdateId"]
    for side in ("bids", "asks"):
        assert book[side] == {price: Decimal(quantity) for price, quantity in snapshot[side]}


def _apply(book: dict[str, dict[str, Decimal]], event: Any) -> None:
    for side, name in (("bids", "b"), ("asks", "a")):
        for price, quantity in event[name]:
            book[side][price] = Decimal(quantity)
            if not book[side][price]:
                del book[side][price]


def test_orders_and_user_events_on_one_socket(paper: Exchange) -> None:
    """Replies are matched by id among user events of the same connection."""
    with paper.ws_api() as signer, app(paper.ready["ws_api"]) as (running, messages):

        def ask(request_id: int, method: str, **params: Any) -> None:
            running.send(json.dumps({"id": request_id, "method": method, "params": signer.with_signature(**params)}))

        ask(1, "userDataStream.subscribe.signature")
        ask(2, "order.place", symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER", quantity="0.001", price="50000",
            newClientOrderId="wc-1", newOrderRespType="RESULT")  # fmt: skip
        ask(3, "order.cancel", symbol="BTCUSDT", origClientOrderId="wc-1")
        got: list[Any] = []

        def came(kind: str) -> list[Any]:
            return [message[kind] for message in got if kind in message]

        while len(came("id")) < 3 or [event["e"] for event in came("event")].count("executionReport") < 2:
            got.append(messages.get(timeout=SOON_S))
        with pytest.raises(queue.Empty):
            while True:  # and nothing twice
                got.append(messages.get(timeout=0.3))
    replies = {message["id"]: message for message in got if "id" in message}
    events = came("event")
    assert {number: reply["status"] for number, reply in replies.items()} == {1: 200, 2: 200, 3: 200}
    assert [event.get("x") for event in events if event["e"] == "executionReport"] == ["NEW", "CANCELED"]
