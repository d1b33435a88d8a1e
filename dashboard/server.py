"""The page's server: one thread, one selector, every socket non-blocking, 127.0.0.1 only.

Who makes it: page.py, where `dashboard.enabled`. Thread "dashboard": it samples the newest picture ten times a second while somebody looks,
and hands each client the newest one it can take. Built on the sans-I/O core of `websockets`, which python-binance brings anyway: its own sync server
needs two or three threads per client, and each would ask for the interpreter lock that the trading thread needs; here fifty clients are one thread
and one encoding.
Never: a wait for a client, a look into the engine, an action without the action token.
"""

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from websockets.http11 import Request, Response

from core.detail import Detail
from core.snapshot import Snapshot
from dashboard.client import Client
from dashboard.door import HOST, JSON, LIVE, TEXT, Door, Tokens
from dashboard.prometheus import KIND, metrics
from dashboard.story import Story

SAMPLE_S = 0.1
ANYWAY_S = 1.0  # a client hears from us this often, also where nothing is new
POINT_S = 1.0
CLIENTS_MAX = 64
ACCEPTS_MAX = 16  # in one turn
SOCKET_BYTES = 65_536  # what the kernel keeps for a client that does not read
log = logging.getLogger("greenlight.page")
Action = Callable[[], str]  # posts an event and says what was asked for, in words


class Bot(msgspec.Struct, frozen=True, kw_only=True):
    """What the page may know and ask of the bot; every call returns at once, on any thread."""

    facts: Mapping[str, Any]  # venue, strategy, run, symbols with their rules: never a secret
    settings: Callable[[], Mapping[str, Any]]  # what a saved config.yaml may change meanwhile
    snapshot: Callable[[], Snapshot | None]
    detail: Callable[[], Detail | None]
    is_alive: Callable[[], bool]
    actions: Mapping[str, Action]


class PageServer:
    """Resource. `start` raises OSError where the port is taken."""

    def __init__(self, bot: Bot, story: Story, tokens: Tokens, port: int) -> None:
        self._bot, self._story, self._tokens, self._asked_port = bot, story, tokens, port
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._clients: set[Client] = set()
        self._point_s = 0.0
        self.port = 0

    # -- Resource --------------------------------------------------------------------------------
    def start(self) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((HOST, self._asked_port))
            self._listener.listen(CLIENTS_MAX)
            self._listener.setblocking(False)
        except OSError:
            self._listener.close()
            raise
        self.port = self._listener.getsockname()[1]
        self._door = Door(self._tokens, self.port)
        self._wake, self._woken = socket.socketpair()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dashboard", daemon=True)
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Ask the thread to end and wait until `deadline` (time.monotonic()); it closes what it opened."""
        self._stopping.set()
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def address(self) -> str:
        """For the person: what stands behind # never leaves the browser."""
        return f"http://{HOST}:{self.port}/#{self._tokens.read}"

    # -- the thread ------------------------------------------------------------------------------
    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            try:
                while not self._stopping.is_set():
                    self._turn(selector)
            except Exception:  # the page ends, the trading goes on
                log.exception("the page has ended by a fault of its own")
            finally:
                for client in self._clients:
                    client.close()
                self._clients.clear()
                for sock in (self._listener, self._wake, self._woken):
                    sock.close()

    def _turn(self, selector: selectors.BaseSelector) -> None:
        looked_at = any(client.is_reader for client in self._clients)
        ready = selector.select(SAMPLE_S if looked_at else POINT_S)
        now_s = time.monotonic()
        for key, mask in ready:
            if key.fileobj is self._listener:
                self._accept(selector, now_s)
            elif isinstance(key.data, Client):
                self._serve(key.data, mask, now_s)
        self._remember(now_s)
        self._show(now_s)
        for client in list(self._clients):
            client.judge(now_s)
            if client.is_over:
                selector.unregister(client.sock)
                client.close()
                self._clients.discard(client)
            else:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.waits else 0)
                if selector.get_key(client.sock).events != wanted:
                    selector.modify(client.sock, wanted, client)

    def _accept(self, selector: selectors.BaseSelector, now_s: float) -> None:
        """New ones beyond the cap are let go at once; out of descriptors: the backlog is left to itself for a turn."""
        for _ in range(ACCEPTS_MAX):
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                time.sleep(SAMPLE_S)  # this thread alone; the listener stays readable and would spin
                return
            if len(self._clients) >= CLIENTS_MAX:
                sock.close()
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
            client = Client(sock, now_s)
            self._clients.add(client)
            selector.register(sock, selectors.EVENT_READ, client)

    def _serve(self, client: Client, mask: int, now_s: float) -> None:
        """One client's fault ends that client."""
        try:
            if mask & selectors.EVENT_WRITE:
                client.flush(now_s)
            for came in client.receive(now_s) if mask & selectors.EVENT_READ else ():
                if isinstance(came, Request):
                    self._requested(client, came, now_s)
                else:
                    self._told(client, came, now_s)
        except Exception:
            log.exception("a client of the page")
            client.is_over = True

    # -- GETs ------------------------------------------------------------------------------------
    def _requested(self, client: Client, request: Request, now_s: float) -> None:
        refusal, path = self._door.stranger(request), request.path.partition("?")[0]
        if refusal is None and path == LIVE:
            client.upgrade(request, now_s)
        else:
            client.respond(refusal or self._door.file(path) or self._read(request, path), now_s)

    def _read(self, request: Request, path: str) -> Response:
        if path == "/healthz":
            is_alive = self._bot.is_alive()
            return self._door.answer(200 if is_alive else 503, TEXT, b"ok\n" if is_alive else b"the trading thread does not beat\n")
        answers: dict[str, Callable[[], tuple[str, bytes]]] = {
            "/api/state": lambda: (JSON, self._state()),
            "/api/events": lambda: (JSON, msgspec.json.encode(self._story.since(0)[1]["lines"])),
            "/metrics": lambda: (KIND, metrics(self._bot.snapshot(), self._bot.is_alive(), self._story.place_latency()).encode()),
        }
        if path not in answers:
            return self._door.answer(404, TEXT, b"no such page\n")
        if not self._door.may_read(request):
            return self._door.answer(401, TEXT, b"send Authorization: Bearer TOKEN (page.token in state/run.json)\n")
        return self._door.answer(200, *answers[path]())

    def _state(self) -> bytes:
        return msgspec.json.encode(
            {
                "facts": self._bot.facts,
                "settings": self._bot.settings(),
                "alive": self._bot.is_alive(),
                "snapshot": self._bot.snapshot(),
                "detail": self._bot.detail(),
                "place_latency": self._story.place_latency(),
            }
        )

    # -- the live connection ---------------------------------------------------------------------
    def _told(self, client: Client, message: str, now_s: float) -> None:
        """First the token: {"token": ...}; then, from who has the other one, {"action": ..., "action_token": ...}."""
        try:
            said = msgspec.json.decode(message, type=dict[str, str])
        except (msgspec.MsgspecError, UnicodeError):
            client.refuse(1007, "one JSON object of texts", now_s)
            return
        if not client.is_reader:
            if self._tokens.may_read(said.get("token")):
                client.is_reader = True
            else:
                client.refuse(4401, "not the token of this start", now_s)
            return
        client.send(msgspec.json.encode(self._act(said)), now_s)

    def _act(self, said: Mapping[str, str]) -> dict[str, object]:
        name = said.get("action", "")
        action = self._bot.actions.get(name)
        if action is None:
            return {"kind": "answer", "ok": False, "action": "", "text": "no such action"}
        if not self._tokens.may_act(said.get("action_token")):
            return {"kind": "answer", "ok": False, "action": name, "needs_token": True, "text": "that is not the action token (state/run.json)"}
        log.warning("%s, from the page", name)
        return {"kind": "answer", "ok": True, "action": name, "text": action()}

    def _remember(self, now_s: float) -> None:
        if now_s - self._point_s >= POINT_S:
            self._point_s = now_s
            snapshot = self._bot.snapshot()
            if snapshot is not None:
                self._story.point(snapshot)

    def _show(self, now_s: float) -> None:
        """The newest picture to everyone who can take one; clients to whom the same is new are sent the same bytes."""
        due = [client for client in self._clients if client.takes_picture and now_s - client.picture_s >= SAMPLE_S * 0.9]
        if not due:
            return
        snapshot, made = self._bot.snapshot(), dict[tuple[int, bool], tuple[int, bytes]]()
        for client in due:
            is_new, told = snapshot is not client.shown, self._story.number
            if not is_new and told == client.seen and now_s - client.picture_s < ANYWAY_S:
                continue
            kind = (client.seen, is_new)
            if kind not in made:
                made[kind] = self._picture(snapshot, *kind)
            client.seen, picture = made[kind]
            client.shown, client.picture_s = snapshot, now_s
            client.send(picture, now_s)

    def _picture(self, snapshot: Snapshot | None, seen: int, is_new: bool) -> tuple[int, bytes]:
        """What is new since `seen`, and the state where that is new; the first one brings the facts along."""
        newest, story = self._story.since(seen)
        whole: dict[str, object] = {"kind": "picture", "at_ms": time.time_ns() // 1_000_000, "alive": self._bot.is_alive(), **story}
        if not seen:
            whole["facts"] = self._bot.facts
        if is_new:
            state = {"snapshot": snapshot, "detail": self._bot.detail(), "settings": self._bot.settings()}
            whole |= {**state, "place_latency": self._story.place_latency()}
        return newest, msgspec.json.encode(whole)
