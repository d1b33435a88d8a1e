"""The server: one port for REST, market streams, WS API and the /paper/ switches; timers; the end.

Built by build.py, run by __main__.py: one process, one event loop, 127.0.0.1 only. It owns the connections and the
tasks; what calls mean is the desk's business. Never: another address than this machine's.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from aiohttp import web

from exchange.paper import list_orders, market_data, orders, queries, tickers
from exchange.paper.connection import ConnectionSettings, Register
from exchange.paper.control import Control
from exchange.paper.desk import Desk
from exchange.paper.encode import encode
from exchange.paper.limits import Limited
from exchange.paper.model import Reject
from exchange.paper.operation import Operation
from exchange.paper.pacer import Pacer
from exchange.paper.persist import Saver
from exchange.paper.rest_api import RestApi
from exchange.paper.streams import Hub, StreamConnection
from exchange.paper.time_unit import wants_us
from exchange.paper.user_events import UserEvents
from exchange.paper.wirefaults import HOST, WireFaults
from exchange.paper.ws_api import Session

DEPTH_PERIOD_S = 0.1
SHUTDOWN_GRACE_S = 0.1
URL_BYTES_MAX = 65_536  # 1024 stream names in one URL
OPERATIONS: tuple[Operation, ...] = (*orders.OPERATIONS, *list_orders.OPERATIONS, *queries.OPERATIONS, *market_data.OPERATIONS, *tickers.OPERATIONS)


@dataclass(slots=True)
class Addresses:
    """Where clients connect: through the wire fault proxy when there is one."""

    port: int

    def as_json(self) -> dict[str, object]:
        """The addresses of the ready line."""
        host = f"{HOST}:{self.port}"
        return {"rest": f"http://{host}", "stream": f"ws://{host}", "ws_api": f"ws://{host}/ws-api/v3"}


class Server:
    """The paper exchange, running."""

    def __init__(self, desk: Desk, pacer: Pacer, settings: ConnectionSettings) -> None:
        self.desk = desk
        self.pacer = pacer
        self.settings = settings
        self.register = Register()
        self.hub = Hub(desk)
        self.events = UserEvents(desk.faults)
        self.wire: WireFaults | None = None
        self.saver: Saver | None = None
        desk.audience, desk.private_audience = self.hub, self.events
        self._rest = RestApi(desk, OPERATIONS)
        self._by_name = {operation.name: operation for operation in OPERATIONS}
        self._control = Control(self)
        self._runner: web.ServerRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._started_s = time.monotonic()

    # --- life -----------------------------------------------------------------------------------------------------

    async def open(self, port: int, wire_port: int | None) -> Addresses:
        """Open the port(s) and start the timers. Raises OSError when a port is taken."""
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None, max_line_size=URL_BYTES_MAX), handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        direct = int(self._runner.addresses[0][1])
        if wire_port is not None:
            self.wire = WireFaults(direct, wire_port).start()
        self._tasks = [
            asyncio.create_task(self.pacer.run(), name="market"),
            asyncio.create_task(self._every(DEPTH_PERIOD_S, self.hub.each_100_ms), name="depth"),
            asyncio.create_task(self._every(1.0, self.hub.each_second), name="bars"),
        ]
        if self.saver is not None:
            self._tasks.append(asyncio.create_task(self.saver.run(), name="saver"))
        for task in self._tasks:
            task.add_done_callback(self._on_task_end)
        return Addresses(self.wire.port if self.wire is not None else direct)

    @staticmethod
    def _on_task_end(task: asyncio.Task[None]) -> None:
        """A timer that dies is said and ends the process: an exchange that stands still would mislead every test."""
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"the {task.get_name()} task failed", "exception": task.exception(), "task": task}
            )

    @staticmethod
    async def _every(period_s: float, action: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + period_s, loop.time())
            await asyncio.sleep(due_s - loop.time())
            action()

    async def close(self) -> None:
        """Say serverShutdown, close everything, save."""
        for task in self._tasks:
            task.cancel()
        for connection in list(self.register.open.values()):
            connection.say_shutdown()
        await asyncio.sleep(SHUTDOWN_GRACE_S if self.register.open else 0)
        if self.wire is not None:
            self.wire.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        if self.saver is not None:
            self.saver.save(anyway=True)  # last of all: requests are answered until the cleanup ends

    # --- the door -------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path.startswith("/paper/"):
            return await self._control.handle(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._handle_websocket(request, path)
        return await self._rest.handle(request)

    async def _handle_websocket(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        kind = "ws_api" if path.startswith("/ws-api/") else "stream"
        now_ms, limits = self.desk.now_ms(), self.desk.limits
        self.desk.door.knocked(f"{kind} connect")
        try:
            limits.check_ban(now_ms)
        except Limited as banned:
            wait_s = -(-(banned.retry_at_ms - now_ms) // 1000)
            return web.Response(status=418, text=banned.message, headers={"Retry-After": str(wait_s)})
        if not limits.admit_connection(kind, now_ms):
            return web.Response(status=429, text="Too many connections", headers={"Retry-After": "300"})
        query = parse_qs(request.raw_path.partition("?")[2])
        try:
            in_us = wants_us(query.get("timeUnit", [None])[0])
        except Reject as reject:
            return web.Response(status=400, body=encode({"code": reject.code, "msg": reject.message}), content_type="application/json")
        arguments = (request, self.register, self.settings, self.desk.faults, self.desk.now_ms)
        if kind == "ws_api":
            if path.rstrip("/") != "/ws-api/v3":
                return web.Response(status=404)
            limits.refund_weight(-limits.settings.ws_connect_weight, now_ms)
            session = Session(*arguments)
            session.attach(self.desk, self._by_name, self.events, query.get("returnRateLimits") != ["false"], in_us)
            return await session.serve()
        if path == "/stream":
            names, combined = query.get("streams", [""])[0].split("/"), True
        elif path == "/ws" or path.startswith("/ws/"):
            names, combined = unquote(path[4:]).split("/"), False
        else:
            return web.Response(status=404)
        connection = StreamConnection(*arguments)
        sizes = limits.settings
        connection.attach(
            self.hub, [name for name in names if name], combined, in_us, sizes.streams_per_connection, sizes.frames_per_s
        )
        return await connection.serve()

    # --- what control.py asks -------------------------------------------------------------------------------------

    def apply_faults(self, body: object) -> None:
        """Switch faults on from JSON: one, a list, or an object with `faults`, `limits`, `wire`. Raises ValueError."""
        now_ms = self.desk.now_ms()
        if isinstance(body, dict) and "kind" not in body:
            unknown = set(body) - {"faults", "limits", "wire"}
            if unknown:
                raise ValueError(f"unknown key {', '.join(sorted(unknown))}; known: faults, limits, wire, or one fault")
            self.desk.limits.settings = self.desk.limits.settings.changed(body.get("limits", {}))
            wire = body.get("wire", [])
            for spec in wire if isinstance(wire, list) else [wire]:
                if self.wire is None:
                    raise ValueError("wire faults need --wire-faults-port")
                self.wire.apply(spec)
            body = body.get("faults", [])
        for spec in body if isinstance(body, list) else [body]:
            if not isinstance(spec, dict):
                raise ValueError("a fault must be a JSON object")
            self.desk.faults.add(spec, now_ms)

    def stats(self) -> dict[str, object]:
        """GET /paper/stats."""
        connections = self.register.stats()
        return {
            "uptime_s": time.monotonic() - self._started_s,
            "instance": self.desk.uid,
            "connections": connections,
            "open": {
                kind: sum(1 for each in self.register.open.values() if each.kind == kind) for kind in ("stream", "ws_api")
            },
            "user_subscriptions": self.events.count(),
            "pong_ms_max": max((c.figures.pong_ms_max or 0.0 for c in self.register.open.values()), default=0.0),
            "frames_out": sum(int(str(row["frames_out"])) for row in connections),
            "behind_ms": self.pacer.behind_ms,
            "market_over": self.pacer.over,
            "save_ms_max": None if self.saver is None else self.saver.duration_ms_max,
            "cpu_s": time.process_time(),
            "door_entries": self.desk.door.count,
        }


def complain(text: str) -> None:
    """One line for the person who started the exchange."""
    print(f"paper: {text}", file=sys.stderr, flush=True)
