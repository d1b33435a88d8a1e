"""Faults below HTTP and WebSocket: the TCP proxy in front of the paper exchange."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
import requests
import websocket

from exchange.paper.wirefaults import WireFaults
from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S

GET = b"GET /api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def proxy(exchange: Exchange) -> Iterator[WireFaults]:
    with WireFaults(int(exchange.base.rsplit(":", 1)[1])) as running:
        yield running


def connect(proxy: WireFaults) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=SOON_S)


def is_mute(client: socket.socket) -> bool:
    """Nothing comes for a while."""
    client.settimeout(0.4)
    with pytest.raises(TimeoutError):
        client.recv(4096)
    client.settimeout(SOON_S)
    return True


def test_without_faults_it_is_transparent(proxy: WireFaults) -> None:
    """REST and WebSocket pass unchanged."""
    assert requests.get(f"http://127.0.0.1:{proxy.port}/api/v3/time", timeout=SOON_S).status_code == 200
    ws = websocket.create_connection(f"ws://127.0.0.1:{proxy.port}/ws-api/v3", timeout=SOON_S, http_no_proxy=["127.0.0.1"])
    ws.send('{"id":1,"method":"ping"}')
    assert '"status":200' in ws.recv()
    ws.close()


def test_reset_is_not_a_close(proxy: WireFaults) -> None:
    """reset_all gives ECONNRESET, no FIN and no close frame."""
    with connect(proxy) as client:
        client.sendall(GET)
        client.recv(4096)
        proxy.reset_all()
        with pytest.raises(ConnectionResetError):
            client.recv(4096)
    assert proxy.counts["reset"] == 1


def test_stalled_bytes_arrive_later(proxy: WireFaults) -> None:
    """A stall holds bytes back and then delivers them all."""
    with connect(proxy) as client:
        proxy.stall("down")
        client.sendall(GET)
        assert is_mute(client)
        proxy.stall("down", on=False)
        assert b"serverTime" in client.recv(4096)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_silence_swallows_for_good(proxy: WireFaults, direction: str) -> None:
    """One-way silence: the connection stays, the bytes are gone even after the switch is off."""
    with connect(proxy) as client:
        proxy.silence(direction)
        client.sendall(GET)
        assert is_mute(client)
        proxy.clear()
        client.sendall(GET)
        assert b"serverTime" in client.recv(4096)


def test_half_a_frame_then_nothing(proxy: WireFaults) -> None:
    """The reader gets half of a chunk and waits for ever; or half and a reset."""
    with connect(proxy) as client:
        proxy.half_frame("down")
        client.sendall(GET)
        assert 0 < len(client.recv(4096)) < 200
        assert is_mute(client)
    with connect(proxy) as client:
        proxy.half_frame("down", then="reset")
        client.sendall(GET)
        with pytest.raises(ConnectionResetError):
            while client.recv(4096):
                continue


def test_drop_after_apply(exchange: Exchange, proxy: WireFaults) -> None:
    """The request is executed, the reply is swallowed, the connection is reset: the order exists."""
    proxy.drop_after_apply(b"POST /api/v3/order")
    direct, exchange.base = exchange.base, f"http://127.0.0.1:{proxy.port}"
    try:
        with pytest.raises(requests.ConnectionError):
            exchange.place(newClientOrderId="applied")
    finally:
        exchange.base = direct
    assert exchange.query(origClientOrderId="applied").json["status"] == "NEW"
    assert proxy.counts["drop_after_apply"] == 1


def test_latency_and_refusal(proxy: WireFaults) -> None:
    """Latency delays each direction; refusal resets new connections."""
    proxy.latency("up", 60)
    proxy.latency("down", 60)
    began = time.monotonic()
    assert requests.get(f"http://127.0.0.1:{proxy.port}/api/v3/time", timeout=SOON_S).status_code == 200
    assert time.monotonic() - began >= 0.12
    proxy.refuse()
    with pytest.raises(OSError), connect(proxy) as client:
        client.sendall(GET)
        assert client.recv(10)
        raise AssertionError("the connection was served")


def test_as_an_option_of_the_exchange() -> None:
    """--wire-faults-port puts it in front of every address; POST /paper/faults switches it."""
    exchange = Exchange("--wire-faults-port", "0")
    try:
        exchange.control("POST", "faults", {"wire": {"action": "latency", "direction": "down", "latency_ms": 80}})
        began = time.monotonic()
        assert exchange.public("GET", "/api/v3/time").status == 200
        assert time.monotonic() - began >= 0.08
        with pytest.raises(AssertionError, match="unknown wire fault"):
            exchange.control("POST", "faults", {"wire": {"action": "explode"}})
    finally:
        assert exchange.stop() == 0
