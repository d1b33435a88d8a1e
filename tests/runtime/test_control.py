"""The control socket, the instance lock and run.json: what the verbs of another process rely on."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from runtime.control import REQUEST_BYTES_MAX, Answer, ControlServer, ask
from runtime.instance_lock import InstanceLock, LockHeld, RunFile, holder, read_run
from tests.timing import SOON_S, quickest_s

HOUSE = Path(__file__).resolve().parents[2]


def fails(request: Answer) -> Answer:
    raise RuntimeError("no picture yet")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A server with three verbs."""
    place = tmp_path / "control.sock"
    server = ControlServer(place, {"status": lambda request: {"ok": True, "pnl": Decimal("0.10")}, "echo": lambda request: request, "why": fails})
    server.start()
    yield place
    server.stop(time.monotonic() + SOON_S)
    assert not server.is_running and not place.exists()


def raw(path: Path, sent: bytes) -> Answer:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(SOON_S)
        client.connect(str(path))
        client.sendall(sent)
        answer = json.loads(client.makefile("rb").readline())
        assert isinstance(answer, dict)
        return answer


def test_one_line_in_one_line_out(path: Path) -> None:
    """A verb's answer comes back as JSON, Decimals as exact text; a large request and answer pass whole."""
    assert ask(path, {"verb": "status"}, SOON_S) == {"ok": True, "pnl": "0.10"}
    large = {"verb": "echo", "text": "x" * 60_000}
    assert ask(path, large, SOON_S) == large


NONSENSE = [b"\n", b"hello\n", b"[1]\n", b'"status"\n', b'{"verb": 3}\n', b'{"verb": "nope"}\n', b"\xff\xfe\n", b"{}\n", b"[" * 60_000 + b"\n"]


@pytest.mark.parametrize("sent", NONSENSE, ids=lambda sent: repr(sent[:20]))
def test_nonsense_gets_an_answer(path: Path, sent: bytes) -> None:
    """What is no known verb gets ok=false with a sentence, and the next client is served."""
    answer = raw(path, sent)
    assert answer["ok"] is False and answer["text"]
    assert ask(path, {"verb": "status"}, SOON_S) is not None


def test_a_failing_verb_does_not_end_the_server(path: Path) -> None:
    """An exception in a verb is an answer in words; the server goes on."""
    assert ask(path, {"verb": "why"}, SOON_S) == {"ok": False, "text": "why failed: RuntimeError: no picture yet"}
    assert ask(path, {"verb": "status"}, SOON_S) is not None


def test_a_silent_or_endless_client_holds_the_server_a_second_at_most(path: Path) -> None:
    """Clients that say nothing, or go on without a line's end, are left after a second or 64 KB."""

    def answered_s() -> float:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as endless:
            for client in (silent, endless):
                client.connect(str(path))
            endless.setblocking(False)
            endless.send(b"x" * (REQUEST_BYTES_MAX + 1))
            begun_s = time.monotonic()
            assert ask(path, {"verb": "status"}, SOON_S) == {"ok": True, "pnl": "0.10"}
            return time.monotonic() - begun_s

    assert quickest_s(answered_s, 2.5) < 2.5


def test_only_the_owner_may_connect(path: Path) -> None:
    """The socket file is 0600 from birth, whatever the umask."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_bot_is_no_answer(tmp_path: Path) -> None:
    """Without a listener, with a file left behind by a killed bot, or with one that never answers, `ask` gives None in time."""
    assert ask(tmp_path / "control.sock", {"verb": "status"}, SOON_S) is None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(tmp_path / "left.sock"))
    assert ask(tmp_path / "left.sock", {"verb": "status"}, SOON_S) is None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen(1)

        def given_up_s() -> float:
            begun_s = time.monotonic()
            assert ask(tmp_path / "mute.sock", {"verb": "status"}, 0.3) is None
            return time.monotonic() - begun_s

        assert quickest_s(given_up_s, 1.0) < 1.0


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    """The file of a killed bot does not keep the next one from listening, and a server can be started again."""
    place = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(place))
    server = ControlServer(place, {"status": lambda request: {"ok": True}})
    for _ in range(3):
        server.start()
        assert ask(place, {"verb": "status"}, SOON_S) == {"ok": True}
        server.stop(time.monotonic() + SOON_S)
    server.stop(time.monotonic() + SOON_S)
    assert "control" not in [thread.name for thread in threading.enumerate()]


def test_a_long_path_works(tmp_path: Path) -> None:
    """A state folder deeper than the 107 bytes of a unix address is reached all the same."""
    place = tmp_path / ("deep" * 40) / "control.sock"
    place.parent.mkdir()
    server = ControlServer(place, {"status": lambda request: {"ok": True}})
    server.start()
    assert ask(place, {"verb": "status"}, SOON_S) == {"ok": True}
    server.stop(time.monotonic() + SOON_S)
    assert not place.exists()


# -- the lock ------------------------------------------------------------------------------------
def test_a_second_bot_is_refused_with_the_holder_s_pid(tmp_path: Path) -> None:
    """One bot per state folder; the refusal comes at once and names the holder; a stopped one leaves the way free."""
    first, second = InstanceLock(tmp_path / "state"), InstanceLock(tmp_path / "state")
    first.start()
    first.stop(time.monotonic())
    (tmp_path / "state" / "lock").write_text("99999999999999\n")  # a longer pid of an earlier bot
    first.start()
    with pytest.raises(LockHeld, match=rf"pid {os.getpid()}\b.*state"):
        second.start()
    assert first.is_running and not second.is_running
    assert holder(tmp_path / "state") == str(os.getpid())
    second.stop(time.monotonic())
    first.stop(time.monotonic())
    second.start()
    second.stop(time.monotonic())
    assert holder(tmp_path / "state") == "" == holder(tmp_path / "none")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "lock").stat().st_mode) == 0o600


def test_a_killed_bot_leaves_no_lock(tmp_path: Path) -> None:
    """The lock dies with its process, even by SIGKILL."""
    script = (
        "import pathlib, sys, time; from runtime.instance_lock import InstanceLock\n"
        "lock = InstanceLock(pathlib.Path(sys.argv[1])); lock.start(); print(1, flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(HOUSE)})
    assert holder.stdout is not None and holder.stdout.readline()
    lock = InstanceLock(tmp_path)
    with pytest.raises(LockHeld, match=f"pid {holder.pid}"):
        lock.start()
    holder.send_signal(signal.SIGKILL)
    holder.wait(SOON_S)
    holder.stdout.close()
    lock.start()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.stop(time.monotonic())


def test_run_json_lives_as_long_as_the_run(tmp_path: Path) -> None:
    """run.json is written whole, 0600, with the pid, and removed at stop; a broken one reads as none."""
    run = RunFile(tmp_path, {"venue": "paper", "boot": "t5x9k1", "state": tmp_path})
    assert read_run(tmp_path) is None
    run.start()
    assert read_run(tmp_path) == {"pid": os.getpid(), "venue": "paper", "boot": "t5x9k1", "state": str(tmp_path)}
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
    (tmp_path / "run.json").write_text('{"pid": 1')
    assert read_run(tmp_path) is None
    run.stop(time.monotonic())
    run.stop(time.monotonic())
    assert list(tmp_path.iterdir()) == []
