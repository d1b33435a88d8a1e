"""The paper exchange as a child process: started in its own session, ended by the end of its stdin.

Who calls it: bot.py through the lifecycle, on the main thread. The child ignores SIGINT, so a Ctrl-C leaves the venue alive until our orders are
gone.
Never: a wait without a limit; a child left behind.
"""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

READY_TIMEOUT_S = 30.0
LINES_KEPT_MAX = 50
OVER, BROKEN = "the recording is over", "the book stands still"  # the child's own words


class PaperFailed(Exception):
    """The child ended or stayed silent before it was ready; the text is what it said."""

    def __init__(self, text: str, is_usage: bool) -> None:
        super().__init__(text)
        self.is_usage = is_usage


class PaperProcess:
    """Resource. `ready` holds the JSON line once started."""

    def __init__(self, arguments: Sequence[str], root: Path, on_line: Callable[[str, bool], None] = lambda line, is_detail: None) -> None:
        """`on_line` hears what the child says on stderr, on a thread of its own; the inside of a traceback is a detail."""
        self._on_line = on_line
        self.broken = ""  # what is wrong with the recording, once the child has met it
        self._command = [sys.executable, "-m", "exchange.paper", *arguments]
        self._root = root
        self._child: subprocess.Popen[str] | None = None
        self._errors: list[str] = []
        self.ready: dict[str, object] = {}

    def start(self) -> None:
        """Start and wait for the ready line. Raises PaperFailed with the child's own words."""
        self._child = subprocess.Popen(
            self._command,
            cwd=self._root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        first: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read_stdout, args=(first,), name="paper-stdout", daemon=True).start()
        errors = threading.Thread(target=self._read_stderr, name="paper-stderr", daemon=True)
        errors.start()
        try:
            line = first.get(timeout=READY_TIMEOUT_S)
        except queue.Empty:
            self.stop(time.monotonic() + 1.0)
            raise PaperFailed(f"the paper exchange was not ready within {READY_TIMEOUT_S:g} s", is_usage=False) from None
        if not line:
            code = self._child.wait(timeout=5)
            errors.join(1.0)  # it ends once it has taken the last line
            self.stop(time.monotonic() + 1.0)
            raise PaperFailed("\n".join(self._errors) or f"the paper exchange ended with code {code}", is_usage=code == 2)
        self.ready = json.loads(line)

    def stop(self, deadline: float) -> None:
        """Close stdin, which ends the child; terminate, then kill one that does not listen. `deadline` is on time.monotonic()."""
        child = self._child
        if child is None:
            return
        if child.stdin is not None and not child.stdin.closed:
            child.stdin.close()
        for sharper in (child.terminate, child.kill, None):
            try:
                child.wait(timeout=max(0.1, (deadline - time.monotonic()) / 2))
                break
            except subprocess.TimeoutExpired:
                if sharper is not None:
                    sharper()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None and child.poll() is not None:
                pipe.close()

    def kill(self) -> None:
        """At once, without waiting; a frozen child hears nothing else."""
        if self._child is not None:
            self._child.kill()

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def end(self) -> str:
        """How the child ended: the signal, or its code with its last words."""
        code = self._child.poll() if self._child is not None else None
        if code is None or code < 0:
            return f"killed by signal {-(code or 0)}"
        words = [line for line in self._errors if not _is_detail(line)]
        return f"code {code}{': ' + words[-1].removeprefix('paper: ') if words else ''}"

    def _read_stdout(self, first: "queue.SimpleQueue[str]") -> None:
        assert self._child is not None and self._child.stdout is not None
        try:
            first.put(self._child.stdout.readline())
            for _ in self._child.stdout:
                continue
        except ValueError:
            return  # the pipe was closed by stop

    def _read_stderr(self) -> None:
        assert self._child is not None and self._child.stderr is not None
        try:
            for line in self._child.stderr:
                self._hear(line.rstrip())
        except ValueError:
            return  # the pipe was closed by stop

    def _hear(self, line: str) -> None:
        self._errors.append(line)
        del self._errors[:-LINES_KEPT_MAX]
        if self.ready:
            said = line.removeprefix("paper: ")
            if said.endswith(BROKEN) and not said.startswith(OVER):
                self.broken = said
            self._on_line(said, _is_detail(line))


def _is_detail(line: str) -> bool:
    return not line or line.startswith((" ", "Traceback "))
