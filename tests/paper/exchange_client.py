"""A paper exchange in a subprocess and a plain client for it: what the server tests speak with.

Own words on purpose: it signs and parses by itself, with requests and websocket-client, and uses no code of the bot
and none of the exchange.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
import websocket

from tests.timing import SOON_S

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = SOON_S


class Answer:
    """One REST answer."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.text = response.text

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> int | None:
        body = self.json
        return body.get("code") if isinstance(body, dict) else None


class Exchange:
    """The subprocess. `ready` is its ready line."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "exchange.paper", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate(timeout=TIMEOUT_S)
            raise RuntimeError(f"the exchange ended with {self.process.returncode}: {errors}")
        self.ready: dict[str, Any] = json.loads(line)
        self.base = self.ready["rest"]
        self.session = requests.Session()
        self.session.trust_env = False

    def stop(self) -> int:
        """End it the polite way, by the end of its stdin; returns the exit code."""
        self.session.close()
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            code = self.process.wait(timeout=TIMEOUT_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return code

    # --- REST -----------------------------------------------------------------------------------------------------

    def sign(self, text: str) -> str:
        return hmac.new(self.ready["api_secret"].encode(), text.encode(), hashlib.sha256).hexdigest()

    def public(self, verb: str, path: str, **params: Any) -> Answer:
        return Answer(self.session.request(verb, self.base + path, params=params, timeout=TIMEOUT_S))

    def raw(self, verb: str, path: str, query: str, body: str = "", key: str | None = None) -> Answer:
        """Exactly these bytes, with the right key unless another is given."""
        headers = {"X-MBX-APIKEY": self.ready["api_key"] if key is None else key}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = f"{self.base}{path}" + (f"?{query}" if query else "")
        return Answer(self.session.request(verb, url, data=body or None, headers=headers, timeout=TIMEOUT_S))

    def call(self, verb: str, path: str, **params: Any) -> Answer:
        """A signed call with everything in the query; a None is left out."""
        params.setdefault("timestamp", int(time.time() * 1000))
        query = urlencode({name: value for name, value in params.items() if value is not None})
        return self.raw(verb, path, f"{query}&signature={self.sign(query)}")

    def place(self, **params: Any) -> Answer:
        """By default a bid far below the market that answers RESULT."""
        order = {
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.001", "price": "50000",
            "newOrderRespType": "RESULT",
        }  # fmt: skip
        return self.call("POST", "/api/v3/order", **{**order, **params})

    def cancel(self, order_id: int, **params: Any) -> Answer:
        return self.call("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=order_id, **params)

    def query(self, **params: Any) -> Answer:
        return self.call("GET", "/api/v3/order", **{"symbol": "BTCUSDT", **params})

    # --- switches -------------------------------------------------------------------------------------------------

    def control(self, verb: str, path: str, body: object = None) -> Any:
        answer = Answer(self.session.request(verb, f"{self.base}/paper/{path}", json=body, timeout=TIMEOUT_S))
        assert answer.status == 200, answer.text
        return answer.json

    def fault(self, kind: str, **rest: Any) -> int:
        added = self.control("POST", "faults", {"kind": kind, **rest})["added"]
        return int(added[0]["id"])

    def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "log")["log"]
        return found

    def touch(self, symbol: str = "BTCUSDT") -> dict[str, Any]:
        row: dict[str, Any] = self.public("GET", "/api/v3/ticker/bookTicker", symbol=symbol).json
        return row

    def take(self, side: str, price: str, quantity: str = "100000") -> None:
        """A stranger takes everything up to that price, our orders included."""
        self.control("POST", "aggress", {"symbol": "BTCUSDT", "side": side, "quantity": quantity, "price": price})

    def reset(self) -> None:
        """Between tests: no faults, no open orders, wide limits."""
        self.control("DELETE", "faults")
        self.control("POST", "limits", {"orders_10s": 100_000, "weight_1m": 1_000_000, "connections_5m": 100_000,
                                        "orders_1d": 1_000_000, "strikes_before_ban": 10})
        self.control("POST", "symbol", {"symbol": "BTCUSDT", "status": "TRADING"})
        self.call("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
        self.call("DELETE", "/api/v3/openOrders", symbol="ETHUSDT")

    # --- sockets --------------------------------------------------------------------------------------------------

    @contextmanager
    def connect(self, path: str) -> Iterator[Socket]:
        """A WebSocket to this path of the exchange."""
        opened = Socket(self.ready["stream"] + path, self)
        try:
            yield opened
        finally:
            opened.close()

    def stream(self, *names: str) -> Any:
        return self.connect("/stream?streams=" + "/".join(names))

    def ws_api(self, query: str = "") -> Any:
        return self.connect("/ws-api/v3" + query)


class Socket:
    """A WebSocket client; a reader thread keeps every message and answers pings unless told not to."""

    def __init__(self, url: str, exchange: Exchange) -> None:
        self._exchange = exchange
        self.messages: list[Any] = []
        self.frames: list[tuple[int, bytes]] = []
        self.answer_pings = True
        self.closed = threading.Event()
        self.close_code: int | None = None
        self._news = threading.Condition()
        self._next_id = 0
        self.ws: Any = websocket.create_connection(
            url, timeout=TIMEOUT_S, http_no_proxy=["127.0.0.1"], skip_utf8_validation=True
        )
        self.ws.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError, AttributeError):
            self.ws.sock.shutdown(socket.SHUT_RDWR)
        self.closed.wait(TIMEOUT_S)
        self.ws.shutdown()

    def _read(self) -> None:
        try:
            while True:
                frame = self.ws.recv_frame()
                if frame is None or frame.opcode == websocket.ABNF.OPCODE_CLOSE:
                    if frame is not None and len(frame.data) >= 2:
                        self.close_code = int.from_bytes(frame.data[:2], "big")
                    return
                if frame.opcode == websocket.ABNF.OPCODE_PING and self.answer_pings:
                    self.ws.pong(frame.data)
                with self._news:
                    self.frames.append((frame.opcode, frame.data))
                    if frame.opcode == websocket.ABNF.OPCODE_TEXT:
                        self.messages.append(_parse(frame.data))
                    self._news.notify_all()
        except (websocket.WebSocketException, OSError):
            return
        finally:
            self.closed.set()
            with self._news:
                self._news.notify_all()

    def send(self, value: object) -> None:
        self.ws.send(value if isinstance(value, str) else json.dumps(value))

    def wait(self, wanted: Callable[[Any], bool], timeout_s: float = TIMEOUT_S, after: int = 0) -> Any:
        """The first message (from number `after` on) that fits; fails when none comes in time."""
        deadline, seen = time.monotonic() + timeout_s, after
        with self._news:
            while True:
                for message in self.messages[seen:]:
                    if wanted(message):
                        return message
                seen = len(self.messages)
                left = deadline - time.monotonic()
                if left <= 0 or (self.closed.is_set() and seen == len(self.messages)):
                    raise AssertionError(f"no such message; the last were {self.messages[-3:]}")
                self._news.wait(left)

    # --- WS API ---------------------------------------------------------------------------------------------------

    def request(self, method: str, params: dict[str, Any] | None = None, **rest: Any) -> Any:
        """Send one request and wait for its reply."""
        self._next_id += 1
        request_id = f"r{self._next_id}"
        self.send({"id": request_id, "method": method, "params": params or {}, **rest})
        return self.wait(lambda message: isinstance(message, dict) and message.get("id") == request_id)

    def signed(self, method: str, **params: Any) -> Any:
        """The same, signed."""
        return self.request(method, self.with_signature(**params))

    def with_signature(self, **params: Any) -> dict[str, Any]:
        params.setdefault("timestamp", int(time.time() * 1000))
        params["apiKey"] = self._exchange.ready["api_key"]
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return {**params, "signature": self._exchange.sign(text)}

    def place(self, **params: Any) -> Any:
        order = {
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.001", "price": "50000",
            "newOrderRespType": "RESULT",
        }  # fmt: skip
        return self.signed("order.place", **{**order, **params})

    def subscribe(self) -> Any:
        return self.signed("userDataStream.subscribe.signature")

    def events(self) -> list[Any]:
        return [message["event"] for message in list(self.messages) if isinstance(message, dict) and "event" in message]

    def event(self, kind: str, timeout_s: float = TIMEOUT_S, **fields: Any) -> Any:
        """The first user event of that type with these fields."""

        def fits(message: Any) -> bool:
            event = (message.get("event") if isinstance(message, dict) else None) or {}
            return event.get("e") == kind and all(event.get(k) == v for k, v in fields.items())

        return self.wait(fits, timeout_s)["event"]


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data
