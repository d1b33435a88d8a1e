"""The server's side of HTTP/1.1 and WebSocket on one poll loop, as plain and as fast as Python allows: it must not drown what is measured.

Who uses it: benchmarks/fast_venue.py, on the one thread of its process. A chunk of bytes is stamped the moment `recv` returns.
Never: TLS, compression, fragments, a check of what a client sends beyond what framing needs.
"""

import base64
import hashlib
import select
import socket
import time
from collections.abc import Callable

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CHUNK_BYTES = 65_536
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SEND_S_MAX = 5.0


class Peer:
    """One connection. `path` is where its WebSocket was opened; empty while it speaks HTTP."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.path = ""
        self.names: set[str] = set()  # streams it asked for
        self.is_user = False  # it takes the account's own events
        self.buffer = bytearray()

    def text(self, payload: bytes) -> None:
        self.sock.sendall(frame(TEXT, payload))


Request = Callable[[Peer, str, str, bytes, int], bytes]
Message = Callable[[Peer, bytes, int], None]


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole unmasked frame, as servers send it."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2) + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8) + payload


def take_frame(buffer: bytearray) -> tuple[int, bytes] | None:
    """(opcode, payload unmasked) of the first whole frame, taken off the buffer."""
    if len(buffer) < 2:
        return None
    size, at = buffer[1] & 0x7F, 2
    if size == 126:
        size, at = int.from_bytes(buffer[2:4]), 4
    elif size == 127:
        size, at = int.from_bytes(buffer[2:10]), 10
    masked = buffer[1] & 0x80
    end = at + (4 if masked else 0) + size
    if len(buffer) < end:
        return None
    payload = bytes(buffer[end - size : end])
    if masked and size:
        key = bytes(buffer[at : at + 4]) * (size // 4 + 1)
        payload = (int.from_bytes(payload) ^ int.from_bytes(key[:size])).to_bytes(size)
    opcode = buffer[0] & 0x0F
    del buffer[:end]
    return opcode, payload


class Loop:
    """Accepts, reads, answers. `on_request` returns the JSON body of an answer, `on_message` takes a WebSocket message; both get the stamp in ns."""

    def __init__(self, on_request: Request, on_message: Message, on_open: Callable[[Peer], None]) -> None:
        self._on_request, self._on_message, self._on_open = on_request, on_message, on_open
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.peers: dict[int, Peer] = {}
        self.status = 200  # of the next HTTP answer
        self.pongs_ms: list[float] = []  # from our pings, which carry their time, to their pongs
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._extra: dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, readable: Callable[[], None]) -> None:
        """Call this when the descriptor can be read: for a pipe of commands."""
        self._extra[descriptor] = readable
        self._poll.register(descriptor, select.POLLIN)

    def ping(self) -> None:
        """One to every WebSocket."""
        for peer in list(self.peers.values()):
            if peer.path:
                peer.sock.sendall(frame(PING, str(time.perf_counter_ns()).encode()))

    def turn(self, timeout_s: float) -> None:
        """Wait for whatever comes first, at most this long, and deal with it.

        A command comes last: it may take turns of its own, and a socket that is read in those has nothing left here; its `recv` would wait.
        """
        commands = []
        for descriptor, _ in self._poll.poll(timeout_s * 1000):
            peer = self.peers.get(descriptor)
            if peer is not None:
                self._read(peer)
            elif descriptor in self._extra:
                commands.append(self._extra[descriptor])
            else:
                self._accept()
        for command in commands:
            command()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(SEND_S_MAX)
        self.peers[sock.fileno()] = Peer(sock)
        self._poll.register(sock, select.POLLIN)

    def drop(self, peer: Peer) -> None:
        if self.peers.pop(peer.sock.fileno(), None) is not None:
            self._poll.unregister(peer.sock)
        peer.sock.close()

    def _read(self, peer: Peer) -> None:
        try:
            chunk = peer.sock.recv(CHUNK_BYTES)
            stamp_ns = time.perf_counter_ns()
            peer.buffer += chunk
            alive = bool(chunk)
            while alive and (self._take_message(peer, stamp_ns) if peer.path else self._take_request(peer, stamp_ns)):
                alive = peer.sock.fileno() >= 0
        except OSError:
            alive = False
        if not alive and peer.sock.fileno() >= 0:
            self.drop(peer)

    def _take_message(self, peer: Peer, stamp_ns: int) -> bool:
        taken = take_frame(peer.buffer)
        if taken is None:
            return False
        opcode, payload = taken
        if opcode == PING:
            peer.sock.sendall(frame(PONG, payload))
        elif opcode == CLOSE:
            peer.sock.sendall(frame(CLOSE, payload))
            self.drop(peer)
        elif opcode == PONG and payload.isdigit():
            self.pongs_ms.append((stamp_ns - int(payload)) / 1e6)
        elif opcode == TEXT:
            self._on_message(peer, payload, stamp_ns)
        return True

    def _take_request(self, peer: Peer, stamp_ns: int) -> bool:
        end = peer.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = bytes(peer.buffer[:end]).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        if len(peer.buffer) < end + 4 + size:
            return False
        body = bytes(peer.buffer[end + 4 : end + 4 + size])
        del peer.buffer[: end + 4 + size]
        method, path, _ = first.split(" ", 2)
        if "sec-websocket-key" in headers:
            self._upgrade(peer, path, headers["sec-websocket-key"])
            return True
        self.status = 200
        answer = self._on_request(peer, method, path, body, stamp_ns)
        head = f"HTTP/1.1 {self.status} OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {len(answer)}\r\n\r\n"
        peer.sock.sendall(head.encode() + answer)
        return True

    def _upgrade(self, peer: Peer, path: str, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()
        head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        peer.sock.sendall(head.encode())
        peer.path = path
        self._on_open(peer)
