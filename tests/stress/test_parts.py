"""Starts that fail half-way, stops that come twice, together or in the middle of a start; many clients and writers at once."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest

import bot
from runtime.command_line import parse
from runtime.config import Config, Loaded
from runtime.console import Console
from runtime.control import Answer, ControlServer, ask
from runtime.inbox import Inbox
from runtime.instance_lock import InstanceLock, LockHeld, RunFile
from runtime.lanes import Lane
from runtime.lifecycle import Lifecycle, Resource
from runtime.stopping import Interrupted, Stopper
from runtime.timers import periodic, timer
from runtime.watchdog import Watchdog
from runtime.worker import Worker
from state.intents import Intents
from tests.drills.lives import Held
from tests.runtime.bench import Bench, wait_for
from tests.timing import SOON_S


def parts_of(folder: Path, lanes: bool = True) -> list[tuple[str, Resource]]:
    """What a run starts, in its order, without a venue."""
    inbox = Inbox(time.monotonic_ns)
    console = Console(Config(), root=folder, stream=StringIO(), environ={})
    watchdog = Watchdog(folder, lambda name, text: None, lambda name, text: None)
    watchdog.heart("trading", 5.0)
    made: list[tuple[str, Resource]] = [
        ("console", console),
        ("lock", InstanceLock(folder)),
        ("control", ControlServer(folder / "control.sock", {"status": lambda request: {"ok": True}})),
        ("run file", RunFile(folder, {"boot": "b1"})),
        ("watchdog", watchdog),
    ]
    if lanes:
        made += [("intents", Intents(folder / "intents.log"))]
        made += [(name, Lane(name, 2)) for name in ("cancel", "place", "query")]
        made += [("timer", timer(inbox.post)), ("venue-clock", periodic("venue-clock", 60.0, lambda: None, lambda error: None))]
    return made


@pytest.fixture
def nothing_stays() -> Iterator[None]:
    """No thread, descriptor, log handler or signal handler more than before."""
    Held.now()
    before = Held.now()
    yield
    assert wait_for(lambda: Held.now().beyond(before) == []), Held.now().beyond(before)


# -- starts that fail ----------------------------------------------------------------------------
def test_a_start_that_gets_no_thread_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_stays: None) -> None:
    """Whichever thread the system refuses, the start fails with its error, all that was started is stopped, and no stop complains."""
    start, files = threading.Thread.start, len(os.listdir("/proc/self/fd"))
    allowed = 0
    while True:
        made = parts_of(tmp_path)
        left = [allowed]

        def scarce(thread: threading.Thread, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", scarce)
        parts = Lifecycle(SOON_S)
        try:
            with parts:
                for name, part in made:
                    parts.start(name, part)
        except RuntimeError as error:
            assert str(error) == "can't start new thread"
        assert parts.failures == []
        assert len(os.listdir("/proc/self/fd")) <= files, "left open until somebody collects the garbage"
        if left[0] >= 0:
            break
        allowed += 1
    assert allowed == 12, "console 2, control, watchdog, six lane workers, two timers"


def test_a_ctrl_c_anywhere_in_the_start_leaves_nothing(tmp_path: Path, nothing_stays: None) -> None:
    """A Ctrl-C at any moment of a start (before any order could be sent) is obeyed before trading, and every part that stood is stopped."""
    interrupted = Counter[str]()
    for seed in range(25):
        stopper, wait_s, is_waiting = Stopper(), random.Random(seed).random() * 0.012, threading.Event()

        def ctrl_c(wait_s: float = wait_s, is_waiting: threading.Event | None = is_waiting if seed == 0 else None) -> None:
            assert is_waiting is None or is_waiting.wait(SOON_S)  # at least once in the middle of the start, however slow the machine
            time.sleep(wait_s)
            os.kill(os.getpid(), signal.SIGINT)

        killer = threading.Thread(target=ctrl_c)
        parts, made = Lifecycle(SOON_S), parts_of(tmp_path, lanes=False)
        moment = "building"
        stopper.listen()
        try:
            killer.start()
            with suppress(Interrupted), parts:
                for name, part in made[:2]:
                    parts.start(name, part)
                moment = "waiting"
                with stopper.interruptible():
                    is_waiting.set()
                    threading.Event().wait(0.003 if seed else SOON_S)
                moment = "starting"
                for name, part in made[2:]:
                    parts.start(name, part)
                stopper.started()
                moment = "trading"
        finally:
            killer.join(SOON_S)
            stopper.unlisten()
        interrupted[moment] += 1
        assert parts.failures == [] and stopper.reason == "Ctrl-C"
        assert not (tmp_path / "control.sock").exists() and not (tmp_path / "run.json").exists()
    assert interrupted["waiting"] or interrupted["starting"], interrupted


@pytest.mark.parametrize("moment", ["console", "refused"])
def test_a_ctrl_c_around_the_start_has_its_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, nothing_stays: None) -> None:
    """While the console starts a Ctrl-C means 130; while a refused start is being undone it changes nothing; never a traceback."""
    struck: list[str] = []
    start, stop = Console.start, InstanceLock.stop

    def ctrl_c() -> None:
        struck.append(moment)
        os.kill(os.getpid(), signal.SIGINT)

    def struck_start(console: Console) -> None:
        ctrl_c()
        start(console)

    def struck_stop(lock: InstanceLock, deadline: float) -> None:
        ctrl_c()
        stop(lock, deadline)

    def refused(*arguments: object) -> None:
        raise LockHeld("another bot works here")

    monkeypatch.setattr(bot, "open_venue", refused)
    if moment == "console":
        monkeypatch.setattr(Console, "start", struck_start)
    else:
        monkeypatch.setattr(InstanceLock, "stop", struck_stop)
    config = Config.model_validate({"log": {"dir": str(tmp_path / "logs")}})
    code = bot.trade(Loaded(config, {}, "v"), tmp_path, parse(["--ui", "plain"]))
    assert (code, struck) == (130 if moment == "console" else 2, [moment])


# -- stops ---------------------------------------------------------------------------------------
def test_stops_may_come_together_and_again(tmp_path: Path, nothing_stays: None) -> None:
    """Before the start, from two threads at once and afterwards, a stop raises nothing and the part is stopped."""
    faults: list[BaseException] = []

    def stop(part: Resource) -> None:
        try:
            part.stop(time.monotonic() + SOON_S)
        except BaseException as error:
            faults.append(error)

    for _ in range(8):
        for _, part in parts_of(tmp_path):
            stop(part)
            part.start()
            stoppers = [threading.Thread(target=stop, args=(part,)) for _ in range(2)]
            for stopper in stoppers:
                stopper.start()
            for stopper in stoppers:
                stopper.join(SOON_S)
            stop(part)
            assert faults == [] and not part.is_running


def test_a_thread_that_outlasted_its_stop_is_not_revived() -> None:
    """A worker stuck past its deadline ends when it can, although the part was started again meanwhile."""
    gate = threading.Event()
    lives: list[threading.Event] = []

    def run(stopping: threading.Event) -> None:
        lives.append(stopping)
        if len(lives) == 1:
            gate.wait(SOON_S)
        stopping.wait(SOON_S)

    worker = Worker("stuck", run)
    worker.start()
    assert wait_for(lambda: len(lives) == 1)
    first = worker._thread
    worker.stop(time.monotonic())
    assert worker.is_running and first is not None
    worker._thread = None  # what a part that gives the thread up does
    worker.start()
    gate.set()
    first.join(SOON_S)
    assert not first.is_alive() and worker.is_running and [life.is_set() for life in lives] == [True, False]
    worker.stop(time.monotonic() + SOON_S)
    assert not worker.is_running


# -- many at once --------------------------------------------------------------------------------
def test_every_client_gets_a_whole_answer_or_none(tmp_path: Path, nothing_stays: None) -> None:
    """Clients that come while the server stops and starts have the whole answer to their own question, or None; nobody hangs."""
    path = tmp_path / "control.sock"
    told: Counter[str] = Counter()
    over = threading.Event()

    def echo(request: Answer) -> Answer:
        return {"ok": True, "text": request["text"] * 50}  # type: ignore[operator]

    def client(number: int) -> None:
        count = 0
        while not over.is_set():
            count += 1
            answer = ask(path, {"verb": "echo", "text": f"{number}/{count} "}, timeout_s=SOON_S)
            told["none" if answer is None else "whole" if answer == {"ok": True, "text": f"{number}/{count} " * 50} else "other"] += 1

    clients = [threading.Thread(target=client, args=(number,)) for number in range(5)]
    for one in clients:
        one.start()
    server = ControlServer(path, {"echo": echo})
    for seed in range(4):
        server.start()
        time.sleep(random.Random(seed).random() * 0.1)
        assert seed or wait_for(lambda: told["whole"] > 0)
        server.stop(time.monotonic() + SOON_S)
        assert not server.is_running and not path.exists()
        assert seed or wait_for(lambda: told["none"] > 0)
    over.set()
    for one in clients:
        one.join(SOON_S)
        assert not one.is_alive()
    assert told["whole"] and told["none"] and not told["other"]


def test_every_line_that_may_not_be_lost_is_written_once(tmp_path: Path) -> None:
    """Fills told by eight threads until the stop are each in the log once, each thread's in its order; what was skipped is counted."""
    bench = Bench(tmp_path)
    bench.console.start()

    def tell(worker: int) -> None:
        for number in range(250):
            bench.console.line("FILL", "BTCUSDT", f"w{worker} n{number}", level=20)
            bench.console.line("ACK", "BTCUSDT", f"w{worker} detail {number}", level=10)
            assert bench.console.skipped >= 0

    tellers = [threading.Thread(target=tell, args=(worker,)) for worker in range(8)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join(SOON_S)
    bench.stop()
    lines = [line for line in bench.events_log.splitlines() if '"FILL"' in line]
    assert len(lines) == 8 * 250
    for worker in range(8):
        mine = [int(line.split(f"w{worker} n")[1].split('"')[0]) for line in lines if f"w{worker} n" in line]
        assert mine == list(range(250))
