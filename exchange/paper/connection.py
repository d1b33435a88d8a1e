"""One WebSocket connection as the server sees it: outbox, pings with a deadline, limits, figures.

Event loop only; the base of the market stream connections (streams.py) and the WS API sessions (ws_api.py). A slow
client never slows the server: frames wait in the transport's buffer up to a bound, then the client is thrown out.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from exchange.paper import framing
from exchange.paper.faults import Faults, Subject

CLOSED_KEPT = 200
FRAME_BYTES_MAX = 1 << 20
POLICY, GOING_AWAY = 1008, 1001


@dataclass(slots=True)
class ConnectionSettings:
    """How the server treats its WebSocket clients. Seconds and bytes."""

    ping_period_s: float = 20.0
    ping_deadline_s: float = 60.0
    life_s: float = 86_400.0
    buffer_bytes_max: int = 1 << 20


@dataclass(slots=True)
class Figures:
    """What GET /paper/stats shows of one connection; latencies from our ping to its pong."""

    connection: int
    kind: str
    opened_ms: int
    frames_out: int = 0
    frames_in: int = 0
    pings: int = 0
    pongs: int = 0
    pong_ms_last: float | None = None
    pong_ms_max: float | None = None
    open: bool = True
    closed_because: str | None = None

    def as_json(self) -> dict[str, object]:
        """The figures under their own names."""
        return {name: getattr(self, name) for name in self.__slots__}


class Register:
    """All connections: the open ones, and the figures of the newest closed ones."""

    def __init__(self) -> None:
        self._next = 1
        self.open: dict[int, Connection] = {}
        self.closed: deque[Figures] = deque(maxlen=CLOSED_KEPT)

    def number(self) -> int:
        """The next connection number."""
        self._next += 1
        return self._next - 1

    def stats(self) -> list[dict[str, object]]:
        """Figures of closed and open connections, oldest first."""
        return [*(f.as_json() for f in self.closed), *(c.figures.as_json() for c in self.open.values())]


class Connection:
    """One accepted WebSocket. Subclasses answer texts and say goodbye."""

    kind = "stream"
    frames_per_s_max: int | None = None

    def __init__(
        self,
        request: web.BaseRequest,
        register: Register,
        settings: ConnectionSettings,
        faults: Faults,
        now_ms: Callable[[], int],
    ) -> None:
        self._request = request
        self._register = register
        self._settings = settings
        self._faults = faults
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._outbox: list[bytes] = []
        self._flush_due = False
        self._unanswered: dict[bytes, float] = {}
        self._second, self._in_second = 0, 0
        self.figures = Figures(register.number(), self.kind, now_ms())
        self._timers: list[asyncio.TimerHandle] = []

    # --- sending --------------------------------------------------------------------------------------------------

    def send_text(self, payload: bytes) -> None:
        """Queue one text message."""
        self.send_frame(framing.text_frame(payload))

    def send_frame(self, frame: bytes) -> None:
        """Queue one ready frame; everything queued in one turn of the loop leaves in one write."""
        self._outbox.append(frame)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        transport = self._request.transport
        if transport is None or transport.is_closing() or not self.figures.open:
            self._outbox.clear()
            return
        self.figures.frames_out += len(self._outbox)
        transport.write(b"".join(self._outbox))
        self._outbox.clear()
        write_transport = transport
        if write_transport.get_write_buffer_size() > self._settings.buffer_bytes_max:
            self.drop("too slow: more than the buffer allows is unread")

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with a close frame, then end the connection."""
        self.figures.closed_because = self.figures.closed_because or reason
        self._outbox.append(framing.close_frame(code, reason))
        self._flush()
        self.figures.open = False
        if self._request.transport is not None:
            self._request.transport.close()

    def drop(self, reason: str) -> None:
        """End the connection without a word."""
        self.figures.closed_because = self.figures.closed_because or reason
        self.figures.open = False
        if self._request.transport is not None:
            self._request.transport.abort()

    # --- receiving ------------------------------------------------------------------------------------------------

    async def serve(self) -> web.StreamResponse:
        """Shake hands and read until the connection ends."""
        websocket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=FRAME_BYTES_MAX, timeout=1.0)
        try:
            await websocket.prepare(self._request)
        except ConnectionResetError:
            return web.Response()  # for nobody: the client went away before its handshake was answered
        self._register.open[self.figures.connection] = self
        self._timers = [self._loop.call_later(self._settings.life_s, self.close, GOING_AWAY, "24 hours are over")]
        self._schedule_ping()
        try:
            self.on_open()
            await self._read(websocket)
        finally:
            self._end()
        return websocket

    async def _read(self, websocket: web.WebSocketResponse) -> None:
        while True:
            message = await websocket.receive()
            kind = message.type
            if kind in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            self.figures.frames_in += 1
            if self._too_many_frames():
                self.close(POLICY, "Too many requests")
                return
            if kind is WSMsgType.TEXT:
                self.on_text(message.data)
            elif kind is WSMsgType.BINARY:  # from a client that encodes before it sends
                self.on_text(bytes(message.data).decode("utf-8", "replace"))
            elif kind is WSMsgType.PING:
                if self._faults.take("no_pongs", Subject(transport=self.kind), self._now_ms()) is None:
                    self.send_frame(framing.pong_frame(bytes(message.data)))
            elif kind is WSMsgType.PONG:
                self._on_pong(bytes(message.data))

    def _too_many_frames(self) -> bool:
        if self.frames_per_s_max is None:
            return False
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second > self.frames_per_s_max

    def _end(self) -> None:
        self._outbox.clear()
        for timer in self._timers:
            timer.cancel()
        self.figures.open = False
        self.figures.closed_because = self.figures.closed_because or "closed by the client"
        if self._register.open.pop(self.figures.connection, None) is not None:
            self._register.closed.append(self.figures)
        self.on_end()

    # --- pings ----------------------------------------------------------------------------------------------------

    def _schedule_ping(self) -> None:
        self._timers[1:] = [self._loop.call_later(self._settings.ping_period_s, self._ping)]

    def _ping(self) -> None:
        now = time.monotonic()
        oldest = next(iter(self._unanswered.values()), None)
        if oldest is not None and now - oldest >= self._settings.ping_deadline_s:
            self.close(POLICY, "Pong timeout")
            return
        if self._faults.take("no_pings", Subject(transport=self.kind), self._now_ms()) is None:
            payload = str(self._now_ms()).encode()
            self._unanswered.setdefault(payload, now)
            self.figures.pings += 1
            self.send_frame(framing.ping_frame(payload))
        self._schedule_ping()
        if len(self._timers) == 2 and self._unanswered:
            left = next(iter(self._unanswered.values())) + self._settings.ping_deadline_s - now
            self._timers.append(self._loop.call_later(max(0.0, left), self._check_deadline))

    def _check_deadline(self) -> None:
        oldest = next(iter(self._unanswered.values()), None)
        if oldest is not None and time.monotonic() - oldest >= self._settings.ping_deadline_s:
            self.close(POLICY, "Pong timeout")

    def _on_pong(self, payload: bytes) -> None:
        """Only the answer to one of our pings counts; it also settles the pings before it."""
        sent = self._unanswered.get(payload)
        if sent is None:
            return
        latency_ms = (time.monotonic() - sent) * 1000
        while self._unanswered:
            settled = next(iter(self._unanswered))
            del self._unanswered[settled]
            if settled == payload:
                break
        self.figures.pongs += 1
        self.figures.pong_ms_last = latency_ms
        self.figures.pong_ms_max = max(self.figures.pong_ms_max or 0.0, latency_ms)

    # --- for subclasses -------------------------------------------------------------------------------------------

    def on_open(self) -> None:
        """The handshake is done."""

    def on_text(self, text: str) -> None:
        """One text message came."""

    def on_end(self) -> None:
        """The connection is gone."""

    def shutdown_event(self) -> bytes:
        """serverShutdown as this kind of connection says it."""
        raise NotImplementedError

    def say_shutdown(self, notice_s: float = 0.0) -> None:
        """serverShutdown, and the end of the connection after this notice (Binance states no fixed one)."""
        self.send_text(self.shutdown_event())
        self._flush()
        if not notice_s:
            self.close(GOING_AWAY, "server shutdown")
        elif self._timers:
            self._timers[0].cancel()
            self._timers[0] = self._loop.call_later(notice_s, self.close, GOING_AWAY, "server shutdown")
