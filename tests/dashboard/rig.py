"""A page's server with a bot that is a fake: its snapshot is the test's, its actions are remembered; and clients of every kind.

Who uses it: the tests of dashboard/. Never: an engine's thread, a port of the person's, a wait without a limit.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace
from websockets.sync.client import ClientConnection, connect

from core.detail import Detail, detail
from core.snapshot import Snapshot, picture
from dashboard.door import Tokens
from dashboard.server import Bot, PageServer
from dashboard.story import Story
from tests.core.builders import Desk
from tests.timing import SOON_S

WAIT_S = SOON_S


def wait_until(is_so: Callable[[], object], what: str, wait_s: float = WAIT_S) -> None:
    ends_s = time.monotonic() + wait_s
    while not is_so():
        assert time.monotonic() < ends_s, f"never came: {what}"
        time.sleep(0.01)


class Rig:
    """`publish` is what the trading thread does: another snapshot, to be seen by its `fills`."""

    def __init__(self, port: int = 0) -> None:
        desk = Desk().connect()
        desk.rest()
        first, more = picture(desk.engine), detail(desk.engine, over_ws=True)
        assert first is not None and more is not None
        self.snapshot: Snapshot | None = first
        self.detail: Detail | None = more
        self.is_alive = True
        self.asked: list[str] = []
        self.story, self.tokens = Story(), Tokens.drawn()
        bot = Bot(
            facts={"run": "m0", "venue": "paper", "strategy": "market_maker", "symbols": {}},
            settings=lambda: {"version": "v1", "caps": {}},
            snapshot=lambda: self.snapshot,
            detail=lambda: self.detail,
            is_alive=lambda: self.is_alive,
            actions={"halt": lambda: self._act("halt"), "resume": lambda: self._act("resume")},
        )
        self.server = PageServer(bot, self.story, self.tokens, port)

    def _act(self, name: str) -> str:
        self.asked.append(name)
        return f"{name} asked for"

    def publish(self, fills: int) -> None:
        assert self.snapshot is not None
        self.snapshot = replace(self.snapshot, fills=fills)

    # -- clients ---------------------------------------------------------------------------------
    @property
    def here(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def raw(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=WAIT_S)
        sock.settimeout(WAIT_S)
        return sock

    def send_request(self, text: str) -> bytes:
        """Everything that is answered to these bytes."""
        with self.raw() as sock:
            sock.sendall(text.encode())
            return read_all(sock)

    def get(self, path: str, token: str = "", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body). A header given as an argument replaces the usual one; `_` stands for `-`."""
        wanted = {"Host": self.here, **({"Authorization": f"Bearer {token}"} if token else {})}
        wanted |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in wanted.items()), "", ""]
        head, _, body = self.send_request("\r\n".join(lines)).partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        return int(first.split()[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in rest)}, body

    @contextmanager
    def live(self, token: str | None = None, **more: Any) -> Iterator[ClientConnection]:
        """A WebSocket that has given its token."""
        with connect(f"ws://{self.here}/live", compression=None, close_timeout=1, **more) as client:
            client.send(json.dumps({"token": self.tokens.read if token is None else token}))
            yield client


def read_all(sock: socket.socket) -> bytes:
    parts = []
    try:
        while part := sock.recv(65_536):
            parts.append(part)
    except ConnectionResetError:  # what the server did not want to read any more
        parts.append(b"")
    return b"".join(parts)


def next_picture(client: ClientConnection) -> dict[str, Any]:
    while True:
        told = json.loads(client.recv(timeout=WAIT_S))
        if told["kind"] == "picture":
            return dict(told)


def picture_with(client: ClientConnection, fills: int) -> dict[str, Any]:
    """The first picture that shows so many fills."""
    ends_s = time.monotonic() + WAIT_S
    while time.monotonic() < ends_s:
        told = next_picture(client)
        if (told.get("snapshot") or {}).get("fills") == fills:
            return told
    raise AssertionError(f"no picture with {fills} fills")


@contextmanager
def serving(port: int = 0) -> Iterator[Rig]:
    rig = Rig(port)
    rig.server.start()
    try:
        yield rig
    finally:
        rig.server.stop(time.monotonic() + WAIT_S)
        assert not rig.server.is_running, "the page did not stop"
