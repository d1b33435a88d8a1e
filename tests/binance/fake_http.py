"""A small HTTP server for the tests of rest.py and venue.py: a scripted answer per (method, path), and faults of the line.

Who uses it: tests/binance. It keeps every request it received, body and headers as they came. Binds 127.0.0.1 only.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from tests.timing import SOON_S


@dataclass
class Request:
    """One request as received; `params` are those of the query and the body together."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]
    params: dict[str, str]
    thread: int = 0


@dataclass
class Reply:
    """`body` is sent as JSON unless it is text.

    `fault`: "" none, "reset" (RST, no answer), "close" (FIN, no answer), "drip" (a byte at a time), "halt" (half after 0.2 s, then nothing).
    """

    body: object = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""


Script = Callable[[Request], Reply]


class FakeHttp:
    """`with FakeHttp({("GET", "/api/v3/time"): script}) as server`; unscripted paths answer 404."""

    def __init__(self, scripts: Mapping[tuple[str, str], Script | Reply]) -> None:
        self.scripts: dict[tuple[str, str], Script | Reply] = dict(scripts)
        self.requests: list[Request] = []
        self.done = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeHttp":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.done.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(SOON_S)

    def of(self, method: str, path: str) -> list[Request]:
        return [one for one in self.requests if (one.method, one.path) == (method, path)]

    def _handler(fake: "FakeHttp") -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                params = dict(parse_qsl(parts.query) + parse_qsl(body))
                request = Request(self.command, parts.path, parts.query, body, dict(self.headers.items()), params, self.client_address[1])
                fake.requests.append(request)
                script = fake.scripts.get((self.command, parts.path), Reply({"code": -1, "msg": "unscripted"}, 404))
                fake._send(self, script if isinstance(script, Reply) else script(request))

            do_POST = do_PUT = do_DELETE = do_GET

        return Handler

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.fault in ("reset", "close"):
            if reply.fault == "reset":
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            return
        content = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
        head = [f"HTTP/1.1 {reply.status} X", f"Content-Length: {len(content)}", "Content-Type: application/json;charset=UTF-8"]
        head += [f"{name}: {value}" for name, value in reply.headers.items()]
        message = "\r\n".join([*head, "", ""]).encode() + content
        if reply.fault == "drip":
            self._drip(handler, message)
            return
        if reply.fault == "halt":
            self.done.wait(0.2)
            handler.wfile.write(message[: len(message) // 2])
            self.done.wait(SOON_S)
            handler.close_connection = True
            return
        handler.wfile.write(message)

    def _drip(self, handler: BaseHTTPRequestHandler, message: bytes) -> None:
        for byte in message:
            if self.done.wait(0.05):
                return
            try:
                handler.wfile.write(bytes([byte]))
            except OSError:
                return
