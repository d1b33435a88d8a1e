"""The one thread that writes to the terminal (or to whatever stdout is): lines, and on a TTY one pinned status line, at most 4 frames a second.

Who calls it: runtime.console. A stdout that is blocked, slow or closed holds up this daemon thread and nobody else; its queue is bounded.
Never: the interpreter's buffered stdout (a thread blocked inside its lock would abort the interpreter's exit),
a stop that waits for a blocked reader.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

from runtime.worker import Worker

WAITING_MAX = 5_000
WAITING_KEPT_MAX = 20_000  # lines that must not be lost may use this much
FRAME_S = 0.25
STOP_S_MAX = 1.0
CLEAR = "\r\x1b[2K"


class Terminal(Worker):
    """Resource. `stream` None is a closed stdout. `status` gives the pinned line; it is called on this thread."""

    def __init__(self, stream: TextIO | None, pinned: bool, status: Callable[[], str]) -> None:
        super().__init__("terminal", self._run)
        self._stream, self.pinned, self._status = stream, pinned, status
        self._fd = _descriptor(stream)
        self._waiting: deque[str] = deque()
        self._wake = threading.Event()
        self._shown = ""
        self.dropped = 0
        self.gone = stream is None

    def write(self, line: str, keep: bool) -> None:
        """Queue one line; above the cap it is dropped and counted, later if `keep`. Returns at once. One caller thread."""
        if self.gone or len(self._waiting) >= (WAITING_KEPT_MAX if keep else WAITING_MAX):
            self.dropped += 1
            return
        self._waiting.append(line)
        if not self.pinned:
            self._wake.set()

    @property
    def has_room(self) -> bool:
        """Somebody reads, and most of the queue is free."""
        return not self.gone and len(self._waiting) < WAITING_MAX // 2

    def stop(self, deadline: float) -> None:
        """Write what waits, clear the pinned line; a blocked stdout is given up after 1 s or at `deadline` (time.monotonic())."""
        self._stopping.set()
        self._wake.set()
        super().stop(min(deadline, time.monotonic() + STOP_S_MAX))

    # -- the thread ------------------------------------------------------------------------------
    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            if self.pinned:
                stopping.wait(FRAME_S)
            else:
                self._wake.wait(FRAME_S)
                self._wake.clear()
            self._frame()
        self._frame(last=True)

    def _frame(self, last: bool = False) -> None:
        lines: list[str] = []
        while self._waiting and len(lines) < WAITING_MAX:
            lines.append(self._waiting.popleft() + "\n")
        status = self._fitted() if self.pinned and not last else ""
        if not lines and status == self._shown:
            return
        clear = CLEAR if self._shown else ""
        self._shown = status
        self._out(clear + "".join(lines) + status)

    def _fitted(self) -> str:
        """The status in one row of the terminal, so that clearing it clears all of it."""
        columns = 80
        with contextlib.suppress(OSError, ValueError):
            columns = os.get_terminal_size(self._fd if self._fd is not None else 1).columns or columns
        return self._status()[: columns - 1]

    def _out(self, text: str) -> None:
        if self.gone:
            return
        try:
            if self._fd is None:
                assert self._stream is not None
                self._stream.write(text)
                self._stream.flush()
                return
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            left = memoryview(text.encode(encoding, errors="replace"))
            while left:
                left = left[os.write(self._fd, left) :]
        except (OSError, ValueError):
            self.gone = True  # the reader went away (EPIPE, EIO) or the stream was closed: the files go on


def _descriptor(stream: TextIO | None) -> int | None:
    """The stream's file descriptor, None where it has none (a test's stream)."""
    try:
        return stream.fileno() if stream is not None else None
    except (OSError, ValueError):
        return None


def is_tty(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False  # closed
