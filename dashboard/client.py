"""One connection of the page's server: the bytes in, the bytes that wait to leave, and the limits that end it.

Who uses it: dashboard.server, on its thread. The protocol is websockets' sans-I/O core; the socket never blocks.
Never: a second picture while the first one has not left (so the newest always wins and a reader that sleeps costs one picture of memory).
"""

import contextlib
import logging
import socket

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

RECEIVE_BYTES = 16_384
MESSAGE_BYTES_MAX = 4_096
WAITING_BYTES_MAX = 2_000_000  # one whole picture with its history is about 200 kB
OPEN_S = 5.0  # to ask, and to give the token
LEAVE_S = 1.0  # after the last byte of an answer
STALLED_S = 20.0  # nothing was taken for so long
FRAMES_MAX, FRAMES_S = 100, 10.0
SILENT = logging.getLogger("greenlight.page.wire")
SILENT.setLevel(logging.CRITICAL)  # what a stranger sends is no news


class Client:
    """`sock` is non-blocking. `is_reader`: its token was right, it gets pictures."""

    def __init__(self, sock: socket.socket, now_s: float) -> None:
        self.sock = sock
        self.is_reader = False
        self.seen = 0  # number of the newest thing of the story it was sent
        self.shown: object = self  # the snapshot it was sent last; None is one too
        self.picture_s = 0.0  # when that was
        self.is_over = False
        self._protocol = ServerProtocol(max_size=MESSAGE_BYTES_MAX, logger=SILENT)
        self._waiting = bytearray()
        self._opened_s = self._moved_s = now_s
        self._is_answered = False  # an answer was given, the connection only drains
        self._frames, self._frames_from_s = 0, now_s

    @property
    def waits(self) -> bool:
        """Bytes are waiting to leave."""
        return bool(self._waiting)

    @property
    def takes_picture(self) -> bool:
        return self.is_reader and not self._waiting and not self._is_answered and not self.is_over

    # -- in --------------------------------------------------------------------------------------
    def receive(self, now_s: float) -> list[Request | str]:
        """What came: the request, then whole text messages. Anything else ends it."""
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            self.is_over = True
            return []
        if not data or self._is_answered:  # the other side is done, or talks on after its answer
            self.is_over = self.is_over or not data
            return []
        self._protocol.receive_data(data)
        came = [one for event in self._protocol.events_received() if (one := self._taken(event, now_s)) is not None]
        self._collect(now_s)
        return came

    def _taken(self, event: object, now_s: float) -> Request | str | None:
        if isinstance(event, Request):
            return event
        if not isinstance(event, Frame):
            return None
        if now_s - self._frames_from_s > FRAMES_S:
            self._frames, self._frames_from_s = 0, now_s
        self._frames += 1
        if self._frames > FRAMES_MAX:
            self.refuse(1008, "too many messages", now_s)
        elif event.opcode is Opcode.TEXT and event.fin:
            try:
                return bytes(event.data).decode()
            except UnicodeDecodeError:
                self.refuse(1007, "not UTF-8", now_s)
        elif event.opcode in (Opcode.BINARY, Opcode.TEXT, Opcode.CONT):
            self.refuse(1003, "whole text messages only", now_s)
        return None

    # -- out -------------------------------------------------------------------------------------
    def respond(self, response: Response, now_s: float) -> None:
        """Answer a GET; the connection ends with it."""
        self._protocol.send_response(response)
        self._is_answered = True
        self._collect(now_s)

    def upgrade(self, request: Request, now_s: float) -> None:
        """Shake hands; a request that is no handshake is refused by the protocol itself."""
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        self._is_answered = response.status_code != 101
        self._collect(now_s)

    def send(self, message: bytes, now_s: float) -> None:
        """One text message; only while it may still be told something."""
        if not self._is_answered and not self.is_over:
            self._protocol.send_text(message)
            self._collect(now_s)

    def refuse(self, code: int, reason: str, now_s: float) -> None:
        """Close the WebSocket and say why."""
        if not self._is_answered:
            self._protocol.fail(code, reason)
            self._is_answered, self.is_reader = True, False
            self._collect(now_s)

    def flush(self, now_s: float) -> None:
        """As much as the socket takes now."""
        if not self._waiting:
            return
        try:
            sent = self.sock.send(self._waiting)
        except BlockingIOError:
            return
        except OSError:
            self.is_over = True
            return
        if sent:
            del self._waiting[:sent]
            self._moved_s = now_s

    def _collect(self, now_s: float) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._moved_s = self._moved_s if self._waiting else now_s
                self._waiting += data
            else:  # the protocol's end of its stream
                self._is_answered = True
        if len(self._waiting) > WAITING_BYTES_MAX:
            self.is_over = True
        self.flush(now_s)

    # -- limits ----------------------------------------------------------------------------------
    def judge(self, now_s: float) -> None:
        """End what asks nothing, takes nothing, or has its answer."""
        if self._waiting:
            self.is_over = self.is_over or now_s - self._moved_s > STALLED_S
        elif self._is_answered:
            self.is_over = self.is_over or now_s - self._moved_s > LEAVE_S
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
        elif not self.is_reader:
            self.is_over = self.is_over or now_s - self._opened_s > OPEN_S

    def close(self) -> None:
        self.is_over = True
        with contextlib.suppress(OSError):
            self.sock.close()
