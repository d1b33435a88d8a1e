"""Ctrl-C at some moment of a real `bot.py`: what it costs, what it leaves, what it says.

Who calls it: test_signals.py with a few moments, benchmarks/drill_signals.py with twenty. It measures and names what is wrong.
"""

import os
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.drills.harness import Late, Row, wait_until
from tests.drills.process import BotProcess

GONE_S = 5.0
READY_S, CYCLES_S = 15.0, 240.0
LOADING_S = 0.06  # before bot.py's first line runs, the interpreter itself dies of the signal; a shell shows 130 for that too


@dataclass(frozen=True)
class Moment:
    """When to interrupt: `kind` is starting, trading or silent; `after_s` counts from the process start, or from the first quote."""

    kind: str
    after_s: float


@dataclass(frozen=True)
class Stop:
    """What one interrupt led to."""

    moment: Moment
    code: int
    took_s: float
    kept_waiting_s: float  # of it, without a core on a busy machine
    children_left: int
    files_left: tuple[str, ...]
    last_line: str
    proof_equal: bool | None
    traceback: bool

    @property
    def wrong(self) -> list[str]:
        """What must not be."""
        found = []
        if self.took_s - self.kept_waiting_s >= GONE_S:
            found.append(f"took {self.took_s:.2f} s, {self.kept_waiting_s:.2f} of them without a core")
        if self.children_left:
            found.append(f"{self.children_left} child processes left")
        if self.code == 0 and self.proof_equal is not True:
            found.append("exit 0 without proof")
        if self.traceback and self.moment.after_s > LOADING_S:
            found.append("a traceback")
        if self.code not in self._codes():
            found.append(f"exit {self.code}")
        if self.code == 0 and self.files_left:
            found.append(f"left {self.files_left}")
        return found

    def _codes(self) -> tuple[int, ...]:
        if self.moment.kind == "starting":
            return (130, 0) if self.moment.after_s > LOADING_S else (130, -signal.SIGINT, 0)
        return (5,) if self.moment.kind == "silent" else (0,)

    def line(self) -> str:
        verdict = "ok" if not self.wrong else "WRONG: " + ", ".join(self.wrong)
        when = f"{self.moment.kind:<9} +{self.moment.after_s:5.2f} s"
        return f"{when} · exit {self.code:>3} after {self.took_s:.2f} s · {verdict} · {self.last_line[13:110]}"


def _settings(folder: str) -> list[str]:
    return ["--json", "--set", f"state.dir={folder}/state", "--set", f"log.dir={folder}/logs"]


def interrupt(moment: Moment) -> Stop:
    """Start a bot in a fresh state folder, interrupt its process group at that moment, look at what is left."""
    with tempfile.TemporaryDirectory() as folder:
        running = BotProcess(*_settings(folder))
        if moment.kind != "starting":
            wait_until(lambda: running.first_s("PLACE") is not None, READY_S, "the first quote")
        time.sleep(moment.after_s)
        if moment.kind == "silent":
            for child in running.see_children():
                os.kill(child, signal.SIGSTOP)
        before_s = running.kept_waiting_s()
        asked_s = running.interrupt_group()
        with suppress(Late):  # wait() says it
            wait_until(lambda: running.kept_waiting_s() >= 0.0 and running.process.poll() is not None, GONE_S + 5)
        took_s = time.monotonic() - asked_s
        code = running.wait(0.1)
        left = running.left_behind()
        state = Path(folder) / "state"
        files = tuple(name for name in ("control.sock", "run.json") if (state / name).exists())
        lines = running.lines
        objects = [line for line in lines if line.startswith("{")]
        words = [line for line in lines if not line.startswith("{")]
        equal = running.result()["proof"]["equal"] if objects else None
        has_traceback = any("Traceback" in line for line in lines)
        last_line = words[-1] if words else ""
        return Stop(moment, code, took_s, running.kept_waiting_s() - before_s, len(left), files, last_line, equal, has_traceback)


def cycles(count: int, *more: str) -> tuple[int, float, Row, list[str]]:
    """`bot.py --cycles N`, which ends by itself: exit code, seconds, JSON, refusals."""
    with tempfile.TemporaryDirectory() as folder:
        running = BotProcess("--cycles", str(count), *_settings(folder), *more)
        running_s = time.monotonic()
        code = running.wait(CYCLES_S)
        running.see_children()
        return code, time.monotonic() - running_s, running.result(), running.refusals
