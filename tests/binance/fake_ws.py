"""A raw WebSocket server for the tests of the sockets: each connection is played by a script, down to half frames and silence.

Who uses it: tests/binance. Binds 127.0.0.1 only. Scripts run on a thread per connection and end when the test does.
"""

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

from tests.timing import SOON_S

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, path: str, done: threading.Event) -> None:
        self.sock = sock
        self.path = path
        self.done = done

    def frame(self, opcode: int, payload: bytes) -> bytes:
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size) if size < 65536 else b"\x7f" + struct.pack("!Q", size)
        return bytes([0x80 | opcode]) + length + payload

    def say(self, message: object) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self.raw(self.frame(TEXT, text.encode()))

    def raw(self, content: bytes) -> None:
        self.sock.sendall(content)

    def hear(self) -> tuple[int, bytes]:
        """The client's next frame; (CLOSE, b"") at the end of the line."""
        head = self._exactly(2)
        if len(head) < 2:
            return CLOSE, b""
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        mask, body = self._exactly(4), self._exactly(size)
        return head[0] & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(body))

    def hear_json(self) -> dict[str, object]:
        """The next text frame, with pings answered on the way; {} at the end of the line."""
        while True:
            opcode, payload = self.hear()
            if opcode == TEXT:
                found = json.loads(payload)
                assert isinstance(found, dict)
                return found
            if opcode == CLOSE:
                return {}
            if opcode == PING:
                self.raw(self.frame(PONG, payload))

    def stay(self) -> None:
        """Answer pings until the client leaves."""
        while self.hear_json():
            continue

    def wait(self) -> None:
        """Say nothing, hear nothing, until the test ends."""
        self.done.wait(SOON_S)

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            try:
                part = self.sock.recv(size - len(found))
            except OSError:
                return b""
            if not part:
                return b""
            found += part
        return found


Script = Callable[[Peer], None]


class FakeWs:
    """`with FakeWs(script, script, ...)`: connection n is played by script n, later ones by the last."""

    def __init__(self, *scripts: Script, refuse: str = "") -> None:
        self.peers: list[Peer] = []
        self.closes: list[bytes] = []
        self._scripts = scripts
        self._refuse = refuse
        self._done = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._players: list[threading.Thread] = []
        self.tries = 0

    def __enter__(self) -> "FakeWs":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)  # ends a script that still listens
            peer.sock.close()
        self._thread.join(SOON_S)
        for player in self._players:
            player.join(SOON_S)

    def _accept(self) -> None:
        while not self._done.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.tries += 1
            player = threading.Thread(target=self._play, args=(sock, self.tries), daemon=True)
            self._players.append(player)
            player.start()

    def _play(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(SOON_S)
        request = b""
        while b"\r\n\r\n" not in request:
            part = sock.recv(4096)
            if not part:
                return
            request += part
        if self._refuse:
            sock.sendall(self._refuse.encode())
            sock.close()
            return
        lines = request.split(b"\r\n")
        key = next(line.split(b":", 1)[1].strip() for line in lines if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        sock.sendall(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        peer = Peer(sock, lines[0].split()[1].decode(), self._done)
        self.peers.append(peer)
        try:
            self._scripts[min(number, len(self._scripts)) - 1](peer)
        except OSError:
            return
        finally:
            sock.close()
