"""One open WebSocket: dialing with a bounded time, frames out of a buffer, pongs sent the moment a ping is read, leaving without waiting.

Who calls it: talk.py, on a reader thread; `send`, `leave` and `abort` also from other threads. Never: a parse of a payload, a reconnect.
Half a frame, dripping bytes and a peer that stops reading all end in Gone within the silence limit. Source: binance-wire 5 (liveness), 9.
"""

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import certifi
import websocket
from websocket import ABNF, WebSocketException, WebSocketTimeoutException

from exchange.binance.errors import retry_after_ms_of

CHUNK_BYTES = 65_536
FRAME_BYTES_MAX = 16 * 1024 * 1024
POLL_S_MAX = 1.0
LOCK_WAIT_S = 0.02
NS_PER_MS = 1_000_000
WHOLE_TEXT, LENGTH_IN_TWO_BYTES = 0x81, 126  # RFC 6455 5.2: FIN and the text opcode; a length of 127 or more means eight bytes, or a mask


class Gone(Exception):
    """The connection is of no use any more; the text says why in plain words. `retry_after_s` is what the venue asked for, else 0;
    `http_status` is that of a refused handshake, else 0."""

    def __init__(self, reason: str, retry_after_s: float = 0.0, http_status: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.http_status = reason, http_status
        self.retry_after_s = retry_after_s


class NeverLeft(Gone):
    """Nothing of this message left: the connection had been given up before."""


class _Bounded:
    """A socket during the handshake, whose reads all end by one deadline."""

    def __init__(self, sock: socket.socket, ends_s: float) -> None:
        self._sock = sock
        self._ends_s = ends_s

    def recv(self, size: int) -> bytes:
        left_s = self._ends_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("handshake")
        self._sock.settimeout(left_s)
        return self._sock.recv(size)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class _Socket(websocket.WebSocket):
    """websocket-client's frames over a buffer of our own (one system call for many frames) with an end to every wait."""

    def __init__(self, silence_ms_max: int) -> None:
        super().__init__(skip_utf8_validation=True, enable_multithread=True)
        self._silence_ns = silence_ms_max * NS_PER_MS
        self._chunk = b""
        self._at = 0
        self.is_broken = False  # a message left in part, or the socket was shut: nothing may follow
        self.read_ns = self.heard_ns = time.monotonic_ns()

    def _recv(self, bufsize: int) -> bytes:
        if self._at >= len(self._chunk):
            self._fill()
        part = self._chunk[self._at : self._at + bufsize]
        self._at += len(part)
        return part

    def _fill(self) -> None:
        """Read what is there. A frame that does not become whole within the silence limit counts as silence, however many bytes drip in."""
        if time.monotonic_ns() - self.heard_ns > self._silence_ns:
            raise Gone(f"silent {(time.monotonic_ns() - self.heard_ns) / 1e9:.1f} s")
        length = self.frame_buffer.length
        if length is not None and length > FRAME_BYTES_MAX:
            raise Gone(f"a frame of {length} bytes")
        self._chunk, self._at = super()._recv(CHUNK_BYTES), 0  # type: ignore[no-untyped-call]
        self.read_ns = time.monotonic_ns()

    def whole_text(self) -> bytes | None:
        """The next message where it is one unmasked text frame in the buffer: nearly always, in a seventh of websocket-client's time. Else None."""
        if self.frame_buffer.header is not None or self.frame_buffer.recv_buffer or self.cont_frame.cont_data is not None:
            return None
        if self._at >= len(self._chunk):
            self._fill()
        chunk, at = self._chunk, self._at + 2
        if len(chunk) < at or chunk[at - 2] != WHOLE_TEXT:
            return None
        length = chunk[at - 1]
        if length == LENGTH_IN_TWO_BYTES and len(chunk) >= at + 2:
            length, at = int.from_bytes(chunk[at : at + 2]), at + 2
        elif length >= LENGTH_IN_TWO_BYTES:
            return None
        if len(chunk) < at + length:
            return None
        self._at = at + length
        return chunk[at : self._at]

    @property
    def has_more(self) -> bool:
        """Bytes were read that no frame was made of yet."""
        return self._at < len(self._chunk)

    def _send(self, data: str | bytes) -> int:
        """Called under websocket-client's lock, so a message that broke off is known before the next begins."""
        if self.is_broken:
            raise NeverLeft("the connection was given up")
        try:
            return int(super()._send(data))
        except BaseException:
            self.is_broken = True
            shut(self.sock)
            raise

    def send_frame(self, frame: ABNF) -> int:
        try:
            return int(super().send_frame(frame))
        except WebSocketTimeoutException:
            raise Gone("the venue stopped reading") from None


class Link:
    """An open connection. `pong_ms_max` is the worst time from reading a ping off the socket to having sent its pong."""

    def __init__(self, sock: _Socket) -> None:
        self._ws = sock
        self.pong_ms_max: float | None = None
        self.pong_s = 0.0  # when the last answer to a ping of ours was read, on time.monotonic()

    @property
    def is_broken(self) -> bool:
        return self._ws.is_broken

    @property
    def has_more(self) -> bool:
        sock = self._ws.sock
        return self._ws.has_more or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)

    def fileno(self) -> int:
        """-1 once it is closed."""
        return self._ws.sock.fileno() if self._ws.sock is not None else -1

    def hurry(self, poll_s: float) -> None:
        """Wait no longer than this for bytes (and to send): for a connection that is read beside another."""
        if self._ws.sock is not None:
            self._ws.sock.settimeout(poll_s)

    @property
    def heard_s(self) -> float:
        """When the last whole frame was read, on time.monotonic()."""
        return self._ws.heard_ns / 1e9

    def next(self) -> bytes | None:
        """The next message, or None after a control frame or when nothing came for a while. Raises Gone."""
        try:
            if (text := self._ws.whole_text()) is not None:
                self._ws.heard_ns = time.monotonic_ns()
                return text
            opcode, frame = self._ws.recv_data_frame(control_frame=True)
        except WebSocketTimeoutException:
            return None
        except (WebSocketException, OSError, AttributeError) as error:
            # AttributeError: another thread closed the socket while websocket-client was about to use it.
            raise Gone(f"connection lost ({_short(error)})") from None
        now_ns = time.monotonic_ns()
        self._ws.heard_ns = now_ns
        if opcode == ABNF.OPCODE_PING:
            took_ms = (now_ns - self._ws.read_ns) / NS_PER_MS
            self.pong_ms_max = max(self.pong_ms_max or 0.0, took_ms)
            return None
        if opcode == ABNF.OPCODE_PONG:
            self.pong_s = now_ns / 1e9
        if opcode == ABNF.OPCODE_CLOSE:
            raise Gone(_closing(frame.data))
        return bytes(frame.data) if opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY) else None

    def send(self, text: str) -> None:
        """One text frame; raises Gone."""
        self._out(lambda: self._ws.send(text))

    def ping(self) -> None:
        """A ping of our own; its pong counts as a sign of life. Raises Gone."""
        self._out(lambda: self._ws.ping(b"gl"))

    def _out(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (WebSocketException, OSError, AttributeError) as error:
            self.abort()
            raise Gone(f"connection lost ({_short(error)})") from None

    def leave(self) -> None:
        """Say goodbye if that is possible at once, then shut the socket; a blocked reader wakes. Any thread, never waits above 20 ms."""
        if self._ws.lock.acquire(timeout=LOCK_WAIT_S):
            self._ws.lock.release()
            with contextlib.suppress(WebSocketException, OSError, AttributeError, Gone):
                self._ws.send_close(websocket.STATUS_NORMAL)
        self.abort()

    def abort(self) -> None:
        """Shut the socket without a word. Any thread."""
        self._ws.is_broken = True
        shut(self._ws.sock)

    def close(self) -> None:
        """Free the socket; the reader thread's last act."""
        self._ws.shutdown()  # type: ignore[no-untyped-call]


def shut(sock: socket.socket | None) -> None:
    """Wake whoever waits on this socket, connected or still connecting."""
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def dial(url: str, timeout_s: float, silence_ms_max: int, on_socket: Callable[[socket.socket], None]) -> Link:
    """Connect within `timeout_s` and shake hands; `on_socket` hears of the socket before it connects, so that it can be shut. Raises Gone."""
    ends_s = time.monotonic() + timeout_s
    ws = _Socket(silence_ms_max)
    sock: socket.socket | None = None
    try:
        sock = _connect(url, ends_s, on_socket)
        ws.connect(url, socket=_Bounded(sock, ends_s), redirect_limit=0, suppress_origin=True)  # type: ignore[no-untyped-call]
    except websocket.WebSocketBadStatusException as error:
        _free(sock)
        raise Gone(f"refused with HTTP {error.status_code}", _retry_after_s(error.resp_headers), error.status_code) from None
    except (WebSocketException, OSError, ValueError) as error:
        _free(sock)
        raise Gone(f"cannot connect ({_short(error)})") from None
    sock.settimeout(min(POLL_S_MAX, silence_ms_max / 5000))
    ws.sock = sock
    ws.heard_ns = time.monotonic_ns()
    return Link(ws)


def _connect(url: str, ends_s: float, on_socket: Callable[[socket.socket], None]) -> socket.socket:
    parts = urlsplit(url)
    host, is_secure = parts.hostname or "", parts.scheme == "wss"
    problem: OSError = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, parts.port or (443 if is_secure else 80), type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            on_socket(sock)
            sock.settimeout(max(0.001, ends_s - time.monotonic()))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
            return _secure(sock, host, on_socket) if is_secure else sock
        except OSError as error:
            sock.close()
            problem = error
            if time.monotonic() >= ends_s:
                break
    raise problem


def _secure(sock: socket.socket, host: str, on_socket: Callable[[socket.socket], None]) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=certifi.where())
    wrapped = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    on_socket(wrapped)
    try:
        wrapped.do_handshake()
    except OSError:
        wrapped.close()
        raise
    return wrapped


def _free(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:120]


def _closing(data: bytes) -> str:
    if len(data) < 2:
        return "closed by the venue"
    reason = data[2:].decode("utf-8", "replace")[:100]
    return f"closed by the venue ({struct.unpack('!H', data[:2])[0]}{' ' if reason else ''}{reason})"


def _retry_after_s(headers: dict[str, str] | None) -> float:
    return retry_after_ms_of((headers or {}).get("retry-after"), int(time.time() * 1000)) / 1000
