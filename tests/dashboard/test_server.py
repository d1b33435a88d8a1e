"""dashboard.server: the newest picture reaches whoever reads, and no client can slow the others, the start or the stop."""

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from core.notices import Said
from dashboard import client as client_module
from dashboard.client import WAITING_BYTES_MAX, Client
from dashboard.server import CLIENTS_MAX
from runtime.console_lines import Line
from runtime.lifecycle import Lifecycle
from tests.dashboard.rig import WAIT_S, Rig, next_picture, picture_with, read_all, serving, wait_until
from tests.timing import quickest_s


def line(text: str, at_ns: int = 1_800_000_000_000_000_000) -> Line:
    return Line(at_ns=at_ns, tag="WS", text=text, level=20)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "dashboard"]


# -- what is shown ---------------------------------------------------------------------------------
def test_a_reader_gets_the_picture_and_what_follows() -> None:
    """The first picture is whole; later ones bring the newer snapshot, and each line once."""
    with serving() as rig:
        rig.story.line(line("before"))
        with rig.live() as client:
            first = next_picture(client)
            assert first["facts"]["run"] == "m0" and first["snapshot"]["sides"] and first["detail"]["ladders"] and first["alive"]
            assert [one["text"] for one in first["lines"]] == ["before"]
            rig.publish(7)
            rig.story.line(line("after"))
            later = picture_with(client, 7)
            texts = [one["text"] for one in later["lines"]]
            while "after" not in texts:
                texts += [one["text"] for one in next_picture(client)["lines"]]
            assert texts == ["after"] and "facts" not in later


def test_a_reader_hears_from_us_also_where_nothing_is_new() -> None:
    """A page can tell a quiet bot from a dead connection: at least one message a second, and it says whether the trading thread beats."""
    with serving() as rig, rig.live() as client:
        next_picture(client)
        rig.is_alive = False
        wait_until(lambda: not next_picture(client)["alive"], "a picture that says it")


def test_before_boot_there_is_a_page_without_a_picture() -> None:
    """A snapshot that does not exist yet is told as such."""
    with serving() as rig:
        rig.snapshot = rig.detail = None
        with rig.live() as client:
            assert next_picture(client)["snapshot"] is None
        assert json.loads(rig.get("/api/state", token=rig.tokens.read)[2])["snapshot"] is None
        assert rig.get("/metrics", token=rig.tokens.read)[2].startswith(b"# HELP greenlight_up")


def test_state_events_and_health() -> None:
    """The JSON of the newest snapshot, the console's lines, and 200 only while the trading thread beats."""
    with serving() as rig:
        rig.story.line(line("said"))
        assert json.loads(rig.get("/api/state", token=rig.tokens.read)[2])["snapshot"]["boot"] == "m0"
        assert [one["text"] for one in json.loads(rig.get("/api/events", token=rig.tokens.read)[2])] == ["said"]
        assert rig.get("/healthz")[0] == 200
        rig.is_alive = False
        assert rig.get("/healthz")[0] == 503


# -- who may act -----------------------------------------------------------------------------------
def test_a_wrong_token_is_shown_out() -> None:
    """A token of another start, none at all or no JSON: the connection is closed with a reason, and no picture was sent."""
    with serving() as rig:
        for first in ('{"token": "x"}', "{}", "not json", '["token"]', '{"token": "\\ud800"}', '{"action": "halt", "action_token": "x"}'):
            with connect(f"ws://{rig.here}/live", close_timeout=1) as client:
                client.send(first)
                with pytest.raises(ConnectionClosed) as closed:
                    client.recv(timeout=WAIT_S)
                assert closed.value.rcvd is not None and closed.value.rcvd.code in (4401, 1007), first
        assert rig.asked == []


def test_acting_needs_the_action_token() -> None:
    """The reading token asks in vain; the action token is heard, for the actions there are."""
    with serving() as rig, rig.live() as client:

        def say(**said: str) -> dict[str, object]:
            client.send(json.dumps(said))
            while (told := json.loads(client.recv(timeout=WAIT_S)))["kind"] != "answer":
                continue
            return dict(told)

        for token in ("", "x", rig.tokens.read):
            answer = say(action="halt", action_token=token)
            assert not answer["ok"] and answer["needs_token"]
        assert not say(action="halt")["ok"] and rig.asked == []
        assert say(action="halt", action_token=rig.tokens.act) == {"kind": "answer", "ok": True, "action": "halt", "text": "halt asked for"}
        assert not say(action="stop", action_token=rig.tokens.act)["ok"]
        assert rig.asked == ["halt"]


# -- nobody slows anybody --------------------------------------------------------------------------
def asleep(rig: Rig) -> socket.socket:
    """A client that gives its token and never reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", rig.server.port))
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    head = f"GET /live HTTP/1.1\r\nHost: {rig.here}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    sock.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    assert b" 101 " in sock.recv(400)
    said = json.dumps({"token": rig.tokens.read}).encode()
    sock.sendall(bytes([0x81, 0x80 | len(said), 0, 0, 0, 0]) + said)
    return sock


def messages(sock: socket.socket) -> Iterator[dict[str, Any]]:
    """The messages that wait in a sleeper's socket, and those that follow."""
    file = sock.makefile("rb")
    while True:
        length = file.read(2)[1]
        length = int.from_bytes(file.read({126: 2, 127: 8}[length])) if length > 125 else length
        yield json.loads(file.read(length))


def test_who_never_reads_holds_nobody_up() -> None:
    """Beside ten clients that never read, another one gets every newer picture, and each sleeper costs one picture of memory at most."""
    with serving() as rig, ExitStack() as stack:
        for _ in range(10):
            stack.callback(asleep(rig).close)
        with rig.live() as client:
            for fills in range(1, 30):
                for _ in range(40):
                    rig.story.line(line("x" * 2000))
                rig.publish(fills)
                picture_with(client, fills)
            waiting = [len(one._waiting) for one in rig.server._clients]
            assert len(waiting) == 11 and sum(size > 0 for size in waiting) >= 10, "the sleepers' sockets were never full"
            assert max(waiting) < 1_000_000


def test_who_was_asleep_sees_the_newest() -> None:
    """A reader that comes back is not led through the past: after what was under way comes the newest picture."""
    with serving() as rig, asleep(rig) as sleeper, rig.live() as awake:
        for fills in range(1, 25):
            for _ in range(100):
                rig.story.line(line("y" * 2000))
            rig.publish(fills)
            picture_with(awake, fills)
        pictures = messages(sleeper)
        seen = [-1]
        while seen[-1] != 24:
            seen.append(next(pictures).get("snapshot", {}).get("fills", -1))
        assert len(seen) <= 8, seen


def test_who_takes_nothing_for_long_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sleeper whose socket stays full is closed after the limit."""
    monkeypatch.setattr(client_module, "STALLED_S", 0.5)
    with serving() as rig:
        sock = asleep(rig)
        for _ in range(400):
            rig.story.line(line("z" * 4000))
        wait_until(lambda: not rig.server._clients, "the sleeper's end")
        sock.close()


def test_fifty_readers() -> None:
    """Fifty clients see the newest picture, served by the one thread."""
    with serving() as rig, ExitStack() as stack:
        before = len(threading.enumerate())
        clients = [stack.enter_context(rig.live()) for _ in range(50)]
        rig.publish(9)
        for client in clients:
            picture_with(client, 9)
        own = [thread for thread in threading.enumerate() if "dashboard" in thread.name]
        assert len(own) == 1 and len(rig.server._clients) == 50 and before


def test_more_than_the_cap_are_let_go() -> None:
    """Beyond the cap a connection is closed at once; those inside are served on."""
    with serving() as rig, ExitStack() as stack, rig.live() as client:
        next_picture(client)
        for _ in range(CLIENTS_MAX - 1):
            stack.enter_context(rig.raw())
        wait_until(lambda: len(rig.server._clients) == CLIENTS_MAX, "a full house")
        with rig.raw() as one_more:
            assert read_all(one_more) == b""
        rig.publish(3)
        picture_with(client, 3)


def test_garbage_ends_only_its_sender() -> None:
    """Random bytes, half requests, endless headers, bodies, binary, huge and broken frames: the sender is let go, the reader sees on."""
    rng = random.Random(7)
    with serving() as rig, rig.live() as client:
        shake = f"GET /live HTTP/1.1\r\nHost: {rig.here}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        shake += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        junk = [
            rng.randbytes(5000), b"\r\n\r\n", b"GET", b"\x16\x03\x01" + rng.randbytes(200), b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000,
            b"GET /" + b"a" * 100_000, b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", shake.encode() + rng.randbytes(300),
            shake.encode() + b"\x82\x80\0\0\0\0", shake.encode() + b"\x81\xff" + b"\x7f" * 8, shake.encode() + b"\x01\x80\0\0\0\0",
            shake.encode() + b"\x81\x81\0\0\0\0\xff", shake.encode() + b"\x89\x80\0\0\0\0" * 3000,
            shake.replace("Upgrade: websocket", "Upgrade: no").encode(),
        ]  # fmt: skip
        for fills, data in enumerate(junk, 1):
            with rig.raw() as sock:
                try:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                except OSError:
                    assert True, "it was shown out while it still spoke"
                rig.publish(fills)
                picture_with(client, fills)
        wait_until(lambda: len(rig.server._clients) == 1, "only the reader is left")
        assert rig.get("/healthz")[0] == 200


def flood(client: ClientConnection) -> None:
    for _ in range(200):
        client.send("{}")


def test_each_wrong_message_has_its_reason() -> None:
    """A reader that sends bytes, pieces, too much at once or too much in all is told why it is closed."""
    wrong: list[tuple[int, Callable[[ClientConnection], None]]] = [
        (1003, lambda client: client.send(b"{}")),
        (1003, lambda client: client.send(["{", "}"])),
        (1009, lambda client: client.send("x" * 5000)),
        (1008, flood),
    ]
    with serving() as rig:
        for code, send in wrong:
            with rig.live() as client:
                next_picture(client)
                with pytest.raises(ConnectionClosed) as closed:
                    send(client)
                    for _ in range(400):
                        client.recv(timeout=WAIT_S)
                assert closed.value.rcvd is not None and closed.value.rcvd.code == code


def test_who_asks_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection without a request, and a WebSocket without a token, end at the limit."""
    monkeypatch.setattr(client_module, "OPEN_S", 1.0)
    with serving() as rig, rig.raw() as silent, connect(f"ws://{rig.here}/live", close_timeout=1):
        assert read_all(silent) == b""
        wait_until(lambda: not rig.server._clients, "both are let go")


def test_pongs_do_not_pile_up() -> None:
    """A client that pings and never reads is closed before its answers fill the memory."""
    here, there = socket.socketpair()
    here.setblocking(False)
    one = Client(here, 0.0)
    one._waiting += b"x" * (WAITING_BYTES_MAX + 1)
    one._collect(0.0)
    assert one.is_over
    there.close()
    one.close()


# -- life ------------------------------------------------------------------------------------------
def test_twenty_starts_leave_nothing() -> None:
    """Start and stop with a reader connected, twenty times: each stop is quick, no thread and no socket stays."""
    rig, took_s = Rig(), list[float]()
    for _ in range(20):
        rig.server.start()
        with rig.live() as client:
            next_picture(client)
            begun_s = time.monotonic()
            rig.server.stop(begun_s + WAIT_S)
            took_s.append(time.monotonic() - begun_s)
            assert not rig.server.is_running
    assert threads() == [] and sorted(took_s)[15] < 1
    with pytest.raises(OSError):
        rig.raw()


def test_a_stop_with_sleepers_is_as_quick() -> None:
    """Clients that never read do not hold the stop."""

    def stopped_s() -> float:
        with serving() as rig:
            socks = [asleep(rig) for _ in range(5)]
            for _ in range(400):
                rig.story.line(line("z" * 4000))
            wait_until(lambda: sum(one.waits for one in rig.server._clients) == 5, "five full sockets")
            begun_s = time.monotonic()
            rig.server.stop(begun_s + WAIT_S)
            took_s = time.monotonic() - begun_s
            assert not rig.server.is_running
            for sock in socks:
                sock.close()
        return took_s

    assert quickest_s(stopped_s, 1.0) < 1


def test_the_same_port_at_once_again() -> None:
    """A bot that is restarted gets its port back though old connections linger."""
    with serving() as rig:
        port = rig.server.port
        with rig.live() as client:
            next_picture(client)
            rig.server.stop(time.monotonic() + WAIT_S)
    with serving(port) as rig:
        assert rig.get("/healthz")[0] == 200


def test_a_taken_port_is_an_error_and_leaves_nothing() -> None:
    """The start raises OSError inside a lifecycle, which stops cleanly afterwards."""
    with serving() as rig, Lifecycle(5.0) as parts:
        with pytest.raises(OSError):
            parts.start("dashboard", Rig(rig.server.port).server)
        parts.stop()
        assert parts.failures == [] and len(threads()) == 1


def test_a_notice_that_is_no_fill_is_not_kept() -> None:
    """What is said as a line is not kept twice."""
    rig = Rig()
    rig.story.notice(Said(tag="WS", text="x"))
    assert rig.story.number == 0
