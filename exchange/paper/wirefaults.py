"""Faults below HTTP and WebSocket: a small TCP proxy that stands in front of the paper exchange.

`with WireFaults(target_port) as proxy:` runs it on its own thread (named `wire-faults`) with its own event loop; the
switches are methods that any thread may call. It never looks inside the bytes beyond searching a request for a
text (a WebSocket client's frames are masked, so they are searched unmasked), and never invents any.
Directions: `up` is client to server, `down` is server to client.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

HOST = "127.0.0.1"
CHUNK_BYTES = 65536
QUEUE_CHUNKS = 4096
DIRECTIONS = ("up", "down")
_LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Switches:
    """What the proxy does wrong at the moment; written by any thread, read by the proxy's loop."""

    stalled: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, False))
    silent: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, False))
    latency_ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, 0.0))
    refusing: bool = False
    half_count: int = 0
    half_direction: str = "down"
    half_then: str = "stall"
    drop_count: int = 0
    drop_text: bytes = b""


class Link:
    """One client connection and its twin to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.swallowing = False
        self.frozen = {"up": False, "down": False}
        self.ended: set[str] = set()

    def reset(self) -> None:
        """RST to both sides: no FIN, no close frame."""
        for writer in (self.client, self.server):
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            writer.transport.abort()


class WireFaults:
    """The proxy. `port` is where clients connect; `counts` says how often each fault struck."""

    def __init__(self, target_port: int, port: int = 0) -> None:
        self._target_port = target_port
        self._wanted_port = port
        self.port = 0
        self.counts: dict[str, int] = {}
        self._switches = Switches()
        self._links: set[Link] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="wire-faults", daemon=True)

    def start(self) -> WireFaults:
        """Listen; returns when the port is open. Raises OSError when it cannot be opened."""
        self._thread.start()
        if not self._ready.wait(5):
            raise OSError("the wire fault proxy did not start within 5 s")
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Close every connection and the port."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(5)

    def __enter__(self) -> WireFaults:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- switches, callable from any thread -----------------------------------------------------------------------

    def clear(self) -> None:
        """Everything works again; stalled bytes flow on. Bytes swallowed by silence are gone."""
        self._switches = Switches()

    def stall(self, direction: str, on: bool = True) -> None:
        """Hold the bytes of one direction back; they are delivered when the stall ends."""
        self._switches.stalled[_checked(direction)] = on

    def silence(self, direction: str, on: bool = True) -> None:
        """Swallow the bytes of one direction for good while on; the connections stay open."""
        self._switches.silent[_checked(direction)] = on

    def latency(self, direction: str, latency_ms: float) -> None:
        """Deliver the bytes of one direction this much later, in order."""
        self._switches.latency_ms[_checked(direction)] = latency_ms

    def refuse(self, on: bool = True) -> None:
        """Reset every new connection at once."""
        self._switches.refusing = on

    def half_frame(self, direction: str = "down", then: str = "stall", count: int = 1) -> None:
        """Of the next chunk only the first half is forwarded; then that connection is frozen or reset."""
        if then not in ("stall", "reset"):
            raise ValueError(f"then must be stall or reset, not {then!r}")
        switches = self._switches
        switches.half_direction, switches.half_then, switches.half_count = _checked(direction), then, count

    def drop_after_apply(self, text: bytes = b"", count: int = 1) -> None:
        """Forward the next request that contains `text`, swallow its reply and reset."""
        self._switches.drop_text, self._switches.drop_count = text, count

    def reset_all(self) -> None:
        """Reset every open connection now, without FIN or close frame."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._reset_links)

    def apply(self, spec: Mapping[str, object]) -> None:
        """One switch from its JSON form, `{"action": "stall", "direction": "down", ...}`. Raises ValueError."""
        action = spec.get("action")
        direction = str(spec.get("direction", "down"))
        on = bool(spec.get("on", True))
        count = spec.get("count", 1)
        latency = spec.get("latency_ms", 0)
        if not isinstance(count, int) or not isinstance(latency, int | float):
            raise ValueError("count and latency_ms must be numbers")
        actions: dict[str, Callable[[], None]] = {
            "clear": self.clear,
            "reset": self.reset_all,
            "refuse": lambda: self.refuse(on),
            "stall": lambda: self.stall(direction, on),
            "silence": lambda: self.silence(direction, on),
            "latency": lambda: self.latency(direction, float(latency)),
            "half_frame": lambda: self.half_frame(direction, str(spec.get("then", "stall")), count),
            "drop_after_apply": lambda: self.drop_after_apply(str(spec.get("text", "")).encode(), count),
        }
        if action not in actions:
            raise ValueError(f"unknown wire fault {action!r}; known: {', '.join(sorted(actions))}")
        actions[str(action)]()

    # --- the proxy's own thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, HOST, self._wanted_port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        self._reset_links()

    def _reset_links(self) -> None:
        for link in list(self._links):
            self._count("reset")
            link.reset()

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(HOST, self._target_port)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, server_writer)
        if self._switches.refusing:
            self._count("refuse")
            link.reset()
            return
        for side in (writer, server_writer):
            side.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(link, "up", reader, server_writer), self._pump(link, "down", server_reader, writer)
            )
        finally:
            self._links.discard(link)
            writer.transport.abort()
            server_writer.transport.abort()

    async def _pump(
        self, link: Link, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUE_CHUNKS)
        feeder = asyncio.create_task(self._feed(link, direction, reader, queue))
        try:
            while True:
                due, data = await queue.get()
                await self._wait(link, direction, due)
                if not data:
                    break
                if self._switches.silent[direction]:
                    self._count("silence")
                    continue
                if not await self._forward(link, direction, data, writer):
                    return
            if writer.can_write_eof():
                writer.write_eof()
        except (OSError, RuntimeError):
            link.reset()
        finally:
            feeder.cancel()

    async def _feed(
        self, link: Link, direction: str, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        loop = asyncio.get_running_loop()
        data = b"first"
        while data:
            try:
                data = await reader.read(CHUNK_BYTES)
            except ConnectionError:
                data = b""
            if not data:
                link.ended.add(direction)
            await queue.put((loop.time() + self._switches.latency_ms[direction] / 1000, data))

    async def _wait(self, link: Link, direction: str, due: float) -> None:
        """Until the chunk's time has come and nothing holds it back."""
        left = due - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)
        while (self._switches.stalled[direction] or link.frozen[direction]) and not writer_closed(link):
            await asyncio.sleep(0.005)

    async def _forward(self, link: Link, direction: str, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Forward one chunk as the switches say; False when the connection was reset."""
        switches = self._switches
        if direction == "down" and link.swallowing:
            self._count("drop_after_apply")
            link.reset()
            return False
        if switches.half_count > 0 and switches.half_direction == direction:
            switches.half_count -= 1
            self._count("half_frame")
            writer.write(data[: max(1, len(data) // 2)])
            await writer.drain()
            if switches.half_then == "reset":
                link.reset()
                return False
            link.frozen[direction] = True
            return True
        if direction == "up" and switches.drop_count > 0 and _speaks_of(switches.drop_text, data):
            switches.drop_count -= 1
            link.swallowing = True
        writer.write(data)
        await writer.drain()
        return True


def writer_closed(link: Link) -> bool:
    """Whether either side of the link is gone, so that holding bytes back makes no difference any more."""
    return len(link.ended) == 2 or link.client.transport.is_closing() or link.server.transport.is_closing()


def _speaks_of(text: bytes, data: bytes) -> bool:
    """Whether a request in this chunk contains the text: as it stands, or in one of its whole masked frames."""
    if text in data:
        return True
    at = 0
    while at + 6 <= len(data) and data[at + 1] & 0x80:
        size, head = data[at + 1] & 0x7F, 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[at + 2 : at + head], "big")
        mask = data[at + head : at + head + 4]
        body = data[at + head + 4 : at + head + 4 + size]
        if text in bytes(byte ^ mask[index % 4] for index, byte in enumerate(body)):
            return True
        at += head + 4 + size
    return False


def _checked(direction: str) -> str:
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be up or down, not {direction!r}")
    return direction
