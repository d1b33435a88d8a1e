"""The way in for the verbs: a unix socket beside the state, one JSON line in, one out, then the connection ends.

Who calls it: bot.py starts `ControlServer` with its verbs; its one thread "control" answers one client after the other, so a verb must return at once
(read a snapshot, post an event). `ask` is the client, on the main thread of a one-shot verb.
Never: a client that can hold the server longer than a second, more than 64 KB from it, a socket others may open (0600).
"""

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from runtime.worker import Worker

Answer = dict[str, object]
Verb = Callable[[dict[str, object]], Answer]

REQUEST_BYTES_MAX = 65_536
ANSWER_BYTES_MAX = 8_000_000
CLIENT_S = 1.0
POLL_S = 0.2
WAITING_CLIENTS = 16
log = logging.getLogger("greenlight.control")


class ControlServer(Worker):
    """Resource. `verbs` maps a name to what it does; its answer goes back as JSON (Decimals as text)."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb]) -> None:
        super().__init__("control", self._run)
        self._path, self._verbs = path, verbs
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """Listen. What a killed bot left behind at this path is removed: the instance lock says that nobody else listens. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener = listener
        os.fchmod(listener.fileno(), 0o600)  # before bind, so that the file is born 0600 (Linux); a chmod afterwards would leave a gap
        with _short(self._path) as address:
            listener.bind(address)
        listener.listen(WAITING_CLIENTS)
        listener.settimeout(POLL_S)
        super().start()

    def stop(self, deadline: float) -> None:
        """Stop listening; the socket file goes. `deadline` is on time.monotonic()."""
        super().stop(deadline)
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()

    # -- the thread ------------------------------------------------------------------------------
    def _run(self, stopping: threading.Event) -> None:
        listener = self._listener
        assert listener is not None, "started without a listener"
        while not stopping.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                if stopping.wait(POLL_S):  # closed by stop, or out of descriptors: try again a little later
                    return
                continue
            with client:
                self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        try:
            until_s = time.monotonic() + CLIENT_S
            answer = self._answer(_read_line(client, until_s, REQUEST_BYTES_MAX))
            client.settimeout(CLIENT_S)
            client.sendall(json.dumps(answer, default=str).encode() + b"\n")
        except (OSError, ValueError) as error:
            log.debug("a control client went away: %s", error)

    def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):  # brackets without end
            return {"ok": False, "text": 'not JSON; one JSON object in one line, such as {"verb": "status"}'}
        name = request.get("verb") if isinstance(request, dict) else None
        verb = self._verbs.get(name) if isinstance(name, str) else None
        if verb is None:
            return {"ok": False, "text": f"no such verb: {name!r}; there are {', '.join(sorted(self._verbs))}"}
        try:
            return verb(request)
        except Exception as error:  # one verb's fault must not end the others
            log.exception("control verb %s failed", name)
            return {"ok": False, "text": f"{name} failed: {type(error).__name__}: {error}"}


def ask(path: Path, request: Mapping[str, object], timeout_s: float) -> Answer | None:
    """The running bot's answer; None where no bot listens at `path`, or none answered within `timeout_s` in all."""
    until_s = time.monotonic() + timeout_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client, _short(path) as address:
            client.settimeout(timeout_s)
            client.connect(address)
            client.sendall(json.dumps(request, default=str).encode() + b"\n")
            answer = json.loads(_read_line(client, until_s, ANSWER_BYTES_MAX))
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def _read_line(client: socket.socket, until_s: float, bytes_max: int) -> bytes:
    """One line, without its end. Raises TimeoutError past `until_s` (time.monotonic()), ValueError for one that is too long or cut off."""
    parts = bytearray()
    while b"\n" not in parts:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("no whole line in time")
        client.settimeout(left_s)
        part = client.recv(65_536)
        if not part:
            raise ValueError("the line was cut off")
        parts += part
        if len(parts) > bytes_max:
            raise ValueError(f"a line longer than {bytes_max} bytes")
    return bytes(parts[: parts.index(b"\n")])


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """An address for `path` that fits the 107 bytes of a unix socket's name: through /proc/self/fd where the folder's own name is too long."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
