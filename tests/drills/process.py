"""The bot as a person starts it: `bot.py` as a process of its own group, its lines with their times, its children.

Who uses it: stops.py, restarts.py. Never: an end without a limit, a child left alive.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.drills.harness import POLL_S, Late, Row
from tests.paper.exchange_client import ROOT
from tests.timing import SOON_S


class BotProcess:
    """`bot.py` as a person starts it, in its own process group."""

    def __init__(self, *arguments: str, root: Path = ROOT, env: dict[str, str] | None = None) -> None:
        self.began_s = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(root / "bot.py"), *arguments],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", **(env or {})},
        )
        self.out: list[tuple[float, str]] = []
        self.err: list[tuple[float, str]] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.out), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.children: set[int] = set()
        self._kept_waiting_ns = 0

    def _read(self, pipe: Any, into: list[tuple[float, str]]) -> None:
        for line in pipe:
            into.append((time.monotonic() - self.began_s, line.rstrip("\n")))

    @property
    def lines(self) -> list[str]:
        return [line for _, line in sorted([*self.out, *self.err])]

    def first_s(self, tag: str) -> float | None:
        """Seconds from the start of the process to the first console line with this tag."""
        for at_s, line in sorted([*self.out, *self.err]):
            if f" {tag} " in f"{line[:30]} ":
                return at_s
        return None

    @property
    def refusals(self) -> list[str]:
        """Places the venue refused, but not those that came too late to rest: a post-only price may be crossed on its way."""
        return [line for line in self.lines if " REJECT " in line and "immediately match" not in line]

    def see_children(self) -> set[int]:
        """Child processes now; remembered, so that they can be looked for after the end."""
        self.children |= children_of(self.process.pid)
        return self.children

    def interrupt_group(self) -> float:
        """What Ctrl-C does: SIGINT to the whole group. Returns when, on time.monotonic()."""
        self.see_children()
        os.killpg(self.process.pid, signal.SIGINT)
        return time.monotonic()

    def wait(self, timeout_s: float) -> int:
        """The exit code, all output read."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            raise Late("\n".join(["the bot did not end", *self.lines[-20:]])) from None
        for reader in self._readers:
            reader.join(SOON_S)
        return code

    def kept_waiting_s(self) -> float:
        """How long its main thread was ready to run and got no core, since its start; the last known where it has ended."""
        with suppress(OSError, IndexError):
            self._kept_waiting_ns = int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[1])
        return self._kept_waiting_ns / 1e9

    def left_behind(self, grace_s: float = 1.0) -> list[int]:
        """Children that outlive the bot by more than the grace; they are ended here."""
        ends_s = time.monotonic() + grace_s
        while (alive := [pid for pid in self.children if is_alive(pid)]) and time.monotonic() < ends_s:
            time.sleep(POLL_S)
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        return alive

    def result(self) -> Row:
        """The JSON object of --json."""
        found = [line for _, line in self.out if line.startswith("{")]
        assert found, "\n".join(self.lines[-20:])
        result: Row = json.loads(found[-1])
        return result


def children_of(pid: int) -> set[int]:
    """Direct children, from /proc."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found.update(int(child) for child in task.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def is_alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False
