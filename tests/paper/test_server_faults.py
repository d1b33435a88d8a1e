"""Faults of meaning: each kind does what it says, the door log tells what was executed, and the rest stays healthy."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S

ORDER = {"path": "/api/v3/order", "method": "POST"}


def open_ids(exchange: Exchange) -> list[str]:
    return [row["clientOrderId"] for row in exchange.call("GET", "/api/v3/openOrders", symbol="BTCUSDT").json]


def last_entry(exchange: Exchange, method: str = "order.place") -> dict[str, Any]:
    return [entry for entry in exchange.log() if entry["method"] == method][-1]


def test_unknown_faults_are_refused(exchange: Exchange) -> None:
    """A wrong kind, argument or selector is a 400 that says what is known; nothing is switched on."""
    for spec in ({"kind": "nonsense"}, {"kind": "delay", "delay": 1}, {"kind": "delay", "match": {"colour": "red"}}):
        answer = requests.post(f"{exchange.base}/paper/faults", json=spec, timeout=5)
        assert answer.status_code == 400 and "known" in answer.text or "unknown" in answer.text
    assert exchange.control("GET", "faults")["faults"] == []


def test_delay_early_executes_at_once(exchange: Exchange) -> None:
    """apply early: the order is on the book long before the reply."""
    exchange.fault("delay", delay_ms=400, match=ORDER, count=1)
    with exchange.ws_api() as socket:
        socket.subscribe()
        began = time.monotonic()
        answer = exchange.place(newClientOrderId="slow")
        took = time.monotonic() - began
        event = socket.event("executionReport", c="slow")
    assert answer.status == 200 and took >= 0.4
    assert answer.json["transactTime"] == event["T"] and event["E"] - event["T"] < 400


def test_delay_late_executes_after_the_delay_or_never(exchange: Exchange) -> None:
    """apply late: executed after the delay; with a short recvWindow the second timing test refuses it then."""
    exchange.fault("delay", delay_ms=300, apply="late", match=ORDER, count=2)
    began_ms = time.time() * 1000
    assert exchange.place().json["transactTime"] >= began_ms + 290
    late = exchange.place(recvWindow=200)
    assert late.code == -1021 and last_entry(exchange)["outcome"] == "-1021"


@pytest.mark.parametrize(("kind", "executed"), [("drop_before", False), ("drop_after", True)])
def test_dropped_connections(exchange: Exchange, kind: str, executed: bool) -> None:
    """The client sees a broken connection; the door log and the book know whether the order was executed."""
    exchange.fault(kind, match=ORDER, count=1)
    with pytest.raises(requests.ConnectionError):
        exchange.place(newClientOrderId="lost")
    assert open_ids(exchange) == (["lost"] if executed else [])
    entry = last_entry(exchange)
    assert entry["client_order_id"] == "lost" and entry["reply"] == kind
    assert entry["outcome"] == ("200" if executed else "not executed: drop_before")


@pytest.mark.parametrize("executed", [False, True])
def test_unknown_outcome(exchange: Exchange, executed: bool) -> None:
    """-1007 with and without execution."""
    exchange.fault("unknown", executed=executed, match={"operation": "order.place"}, count=1)
    answer = exchange.place(newClientOrderId="u")
    assert answer.code == -1007 and "execution status unknown" in answer.text
    assert open_ids(exchange) == (["u"] if executed else [])


def test_server_errors(exchange: Exchange) -> None:
    """5xx with a JSON or an HTML body, with and without execution."""
    exchange.fault("server_error", status=502, html=True, executed=True, match=ORDER, count=1)
    answer = exchange.place(newClientOrderId="html")
    assert answer.status == 502 and answer.text.startswith("<html>") and open_ids(exchange) == ["html"]
    exchange.fault("server_error", match=ORDER, count=1)
    assert (exchange.place().status, len(open_ids(exchange))) == (503, 1)


def test_too_heavy_too_many_and_banned(exchange: Exchange) -> None:
    """429 -1003 and -1015 with Retry-After; 418 stays until the ban ends, on both transports."""
    exchange.fault("too_heavy", retry_after_s=3, count=1)
    heavy = exchange.place()
    assert (heavy.status, heavy.code, heavy.headers["Retry-After"]) == (429, -1003, "3")
    exchange.fault("too_many_orders", retry_after_s=2, count=1, match=ORDER)
    many = exchange.place()
    assert (many.status, many.code) == (429, -1015) and "Too many new orders" in many.text
    exchange.fault("banned", ban_s=1.5, count=1)
    with exchange.ws_api() as socket:
        assert exchange.place().status == 418
        again = exchange.public("GET", "/api/v3/time")
        assert (again.status, again.code) == (418, -1003) and "IP banned until" in again.text
        reply = socket.request("ping")
        assert reply["status"] == 418 and reply["error"]["data"]["retryAfter"] > reply["error"]["data"]["serverTime"]
        assert socket.closed.wait(SOON_S)
    time.sleep(1.6)
    assert exchange.place().status == 200


def test_timestamp_reject_and_malformed(exchange: Exchange) -> None:
    """-1021 without reason; any refusal by code; a reply that is half a JSON text although executed."""
    exchange.fault("timestamp", count=1, match=ORDER)
    assert exchange.place().code == -1021
    exchange.fault("reject", code=-2010, text="Rest API trading is not enabled.", count=1, match=ORDER)
    assert exchange.place().json == {"code": -2010, "msg": "Rest API trading is not enabled."}
    exchange.fault("malformed", count=1, match=ORDER)
    broken = exchange.place(newClientOrderId="m")
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken.text)
    assert open_ids(exchange) == ["m"]


def test_clock_skew_moves_the_servers_clock(exchange: Exchange) -> None:
    """While it lives, serverTime is off and honest timestamps are refused; /time tells by how much."""
    exchange.fault("clock_skew", skew_ms=-5000)
    assert exchange.public("GET", "/api/v3/time").json["serverTime"] < time.time() * 1000 - 4900
    assert "ahead of the server's time" in exchange.place().text
    exchange.control("DELETE", "faults")
    assert exchange.place().status == 200


def test_silent_venue_until_cleared(exchange: Exchange) -> None:
    """Accepted, never answered: the client times out, the order was not executed, other paths work."""
    exchange.fault("silent", match=ORDER)
    with pytest.raises(requests.ReadTimeout):
        requests.post(exchange.base + "/api/v3/order?timestamp=1", timeout=0.4)
    assert exchange.public("GET", "/api/v3/time").status == 200
    exchange.control("DELETE", "faults")
    assert exchange.place().status == 200


def test_ws_replies_can_be_lost_with_or_without_the_connection(exchange: Exchange) -> None:
    """drop_after with close false swallows one reply and keeps the socket; by default the socket goes too."""
    with exchange.ws_api() as socket:
        exchange.fault("drop_after", close=False, match={"transport": "ws", "operation": "order.place"}, count=1)
        socket.send({"id": 1, "method": "order.place", "params": socket.with_signature(
            symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER", quantity="0.001", price="50000", newClientOrderId="w")})
        assert socket.request("ping")["status"] == 200
        assert open_ids(exchange) == ["w"] and all(message.get("id") != 1 for message in socket.messages)
        exchange.fault("drop_before", match={"transport": "ws"}, count=1)
        socket.send({"id": 2, "method": "ping"})
        assert socket.closed.wait(SOON_S)


def test_delayed_ws_reply_does_not_hold_up_others(exchange: Exchange) -> None:
    """Replies are matched by id: a slow one comes later than a quick one asked after it."""
    with exchange.ws_api() as socket:
        exchange.fault("delay", delay_ms=300, match={"operation": "time"}, count=1)
        socket.send({"id": "slow", "method": "time"})
        assert socket.request("ping")["status"] == 200
        assert socket.wait(lambda message: message["id"] == "slow")["status"] == 200
        assert [message["id"] for message in socket.messages] == ["r1", "slow"]


def test_user_event_faults(exchange: Exchange) -> None:
    """Events are duplicated, lost, late, swapped or muted, as switched; the connection stays."""
    with exchange.ws_api() as socket:
        socket.subscribe()

        def reports(client_id: str, due: int = 0) -> int:
            """So many have come, and what follows at once."""
            exchange.place(newClientOrderId=client_id)
            if due:
                socket.wait(lambda message: sum(event.get("c") == client_id for event in socket.events()) >= due)
            time.sleep(0.2)
            return sum(event.get("c") == client_id for event in socket.events())

        exchange.fault("events_duplicate", match={"event": "NEW"}, count=1)
        assert reports("twice", 2) == 2
        exchange.fault("events_drop", match={"operation": "executionReport"}, count=1)
        assert reports("never") == 0
        exchange.fault("events_delay", delay_ms=400, match={"event": "NEW"}, count=1)
        began_s = time.monotonic()
        exchange.place(newClientOrderId="late")
        assert socket.event("executionReport", c="late")
        assert time.monotonic() - began_s >= 0.4
        exchange.fault("events_mute", duration_s=60)
        assert reports("muted") == 0
        exchange.control("DELETE", "faults")
        assert reports("back", 1) == 1


def test_user_events_reordered(exchange: Exchange) -> None:
    """The struck event comes after the next one."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        exchange.fault("events_reorder", hold_ms=60_000, match={"event": "NEW"}, count=1)
        exchange.place(newClientOrderId="swapped")
        socket.event("executionReport", c="swapped")
        socket.event("outboundAccountPosition")
        assert [event["e"] for event in socket.events()] == ["outboundAccountPosition", "executionReport"]


def test_cancel_race(exchange: Exchange) -> None:
    """The order fills in part just before its cancel is processed, or whole, and then the cancel is -2011."""
    price = str(Decimal(exchange.touch()["bidPrice"]) + Decimal("0.01"))
    order_id = exchange.place(price=price, quantity="0.002").json["orderId"]
    exchange.fault("cancel_race", fraction=0.5, count=1)
    body = exchange.cancel(order_id).json
    assert (body["status"], body["executedQty"]) == ("CANCELED", "0.00100000")
    order_id = exchange.place(price=price, quantity="0.002").json["orderId"]
    exchange.fault("cancel_race", fraction=1, count=1)
    assert exchange.cancel(order_id).code == -2011
    assert exchange.query(orderId=order_id).json["status"] == "FILLED"


def test_stream_faults(exchange: Exchange) -> None:
    """A depth update is lost (a gap in U/u), bookTicker is muted, a frame is half a JSON text."""
    with exchange.stream("btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@trade") as socket:
        def print_one() -> int:
            seen = len(socket.messages)
            exchange.take("BUY", exchange.touch()["askPrice"], "0.00001")
            return seen

        def depth(after: int) -> Any:
            return socket.wait(lambda m: isinstance(m, dict) and "depth" in m["stream"], after=after)["data"]

        exchange.fault("book_ticker_mute")
        first = depth(print_one())
        exchange.fault("depth_gap", count=1)
        print_one()
        deadline = time.monotonic() + SOON_S
        while not exchange.control("GET", "faults")["struck"].get("depth_gap") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert depth(print_one())["U"] > first["u"] + 1
        assert not any("bookTicker" in message["stream"] for message in socket.messages)
        exchange.fault("malformed", match={"operation": "trade"}, count=1)
        print_one()
        assert socket.wait(lambda message: isinstance(message, bytes))


def test_pings_and_pongs_can_stop() -> None:
    """no_pings: the server sends none; no_pongs: it does not answer ours. The connection stays open."""
    exchange = Exchange("--ping-period-s", "0.1", "--ping-deadline-s", "0.5")
    try:
        exchange.fault("no_pings")
        exchange.fault("no_pongs")
        with exchange.ws_api() as socket:
            socket.ws.ping(b"hello")
            assert not socket.closed.wait(0.7)
            assert {opcode for opcode, _ in socket.frames} == set()
    finally:
        exchange.stop()


def test_probability_count_skip_and_duration(exchange: Exchange) -> None:
    """skip lets the first pass, count limits, probability is a share, duration ends it; hits are counted."""
    exchange.fault("reject", code=-1, skip=1, count=2, match={"operation": "time"})
    codes = [exchange.public("GET", "/api/v3/time").code for _ in range(4)]
    assert codes == [None, -1, -1, None]
    assert exchange.control("GET", "faults")["faults"][0]["hits"] == 2
    exchange.control("DELETE", "faults")
    exchange.fault("reject", code=-1, probability=0.5, match={"operation": "time"})
    struck = sum(exchange.public("GET", "/api/v3/time").code == -1 for _ in range(100))
    assert 25 < struck < 75
    exchange.control("DELETE", "faults")
    exchange.fault("reject", code=-1, duration_s=0, match={"operation": "time"})
    assert exchange.public("GET", "/api/v3/time").status == 200
