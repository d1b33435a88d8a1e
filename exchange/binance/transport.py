"""The HTTP connections under rest.py: nothing is ever sent twice, every read obeys one deadline, and all sockets can be shut at once.

Who calls it: rest.py, on lane threads; `shut_all` may be called from any thread (stop). requests' own read timeout starts anew with each received
byte, so a server that drips would hold a worker for ever; here the time that is left is set before each read. Never: a retry, a redirect, a proxy.
"""

import http.client
import io
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

POOL_SIZE = 2  # one call at a time per thread; one spare
_call = threading.local()


def begin_call(timeout_s: float) -> None:
    """Start this thread's deadline; every read of its answer ends by then."""
    _call.deadline_s = time.monotonic() + timeout_s


def _left_s() -> float:
    return float(_call.deadline_s) - time.monotonic()


class _DeadlineReader(io.RawIOBase):
    """The receiving half of a socket, each read bounded by the time left of the call."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        left_s = _left_s()
        if left_s <= 0:
            raise TimeoutError("the answer did not end within its time")
        self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer read through `_DeadlineReader`."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_DeadlineReader(sock), 65536)


class LiveSockets:
    """Every open socket of one Rest, so that stop can free all workers at once."""

    def __init__(self) -> None:
        self._memory_lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def add(self, sock: socket.socket) -> None:
        with self._memory_lock:
            self._sockets.add(sock)

    def shut_all(self) -> None:
        """Shut every socket; blocked reads end at once with an error (outcome unknown). Safe to call again."""
        with self._memory_lock:
            sockets = list(self._sockets)
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # already closed: nothing waits on it


def _pools(live: LiveSockets) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """Pool classes whose connections report their sockets to `live`."""

    class Plain(HTTPConnection):
        response_class = _Response

        def connect(self) -> None:
            super().connect()
            _prepare(self.sock, live)

    class Secure(HTTPSConnection):
        response_class = _Response

        def connect(self) -> None:
            super().connect()
            _prepare(self.sock, live)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _prepare(sock: socket.socket | None, live: LiveSockets) -> None:
    assert sock is not None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    live.add(sock)


class Adapter(HTTPAdapter):
    """requests' transport with retries off: no request body may leave twice."""

    def __init__(self, live: LiveSockets) -> None:
        self._live = live
        super().__init__(pool_connections=POOL_SIZE, pool_maxsize=POOL_SIZE, max_retries=urllib3.Retry(0, read=False))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._live)
