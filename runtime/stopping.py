"""Signals: the first Ctrl-C or SIGTERM asks for a stop, the second ends the process at once. The long waits of a start are interrupted by the first.
A closed terminal (SIGHUP) asks for a stop too, unless it is ignored (nohup); it may come twice, from kernel and shell, and never ends at once.
Ctrl-Z is not taken: a suspended bot would leave its orders alone at the venue.

Who calls it: bot.py and run.py; handlers run on the main thread. Never: a wait, a lock, an interrupt where a part is half started or half stopped.
"""

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_UNCLEAN = 5
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "the terminal was closed (SIGHUP)"}
AT_ONCE = "ended at once, asked twice: orders may be left at the venue; clear with: python bot.py cancel-all\n"


class Interrupted(BaseException):
    """A stop was asked for before trading began. No `except Exception` on the way (a REST call judges every one it sees) may take it for its own."""


class Stopper:
    """`asked` is set by a signal or by `ask`; `reason` says why, the first one wins."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.reason = ""
        self.suspends = 0  # times somebody pressed Ctrl-Z; run.py says why nothing happened
        self._starting = True
        self._may_interrupt = False
        self._signals = 0
        self._before: dict[int, object] = {}

    def listen(self) -> None:
        """Take the signals of NAMES; call from the main thread."""
        for number in NAMES:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._on_signal)
        self._before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._on_suspend)

    def unlisten(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Around a long wait of the start: a Ctrl-C in it raises Interrupted, one that came before it too. Main thread."""
        self._may_interrupt = True
        try:
            self._check()
            yield
        finally:
            self._may_interrupt = False

    def started(self) -> None:
        """Trading begins: a stop is asked for from here on, nothing is interrupted any more. Raises Interrupted where one was asked for before."""
        self._check()
        self._starting = False

    def _check(self) -> None:
        if self._starting and self.asked.is_set():
            raise Interrupted(self.reason)

    def ask(self, reason: str) -> None:
        """From any thread."""
        self.reason = self.reason or reason
        self.asked.set()

    def _on_suspend(self, number: int, frame: FrameType | None) -> None:
        self.suspends += 1

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += number != signal.SIGHUP
        if self._signals > 1:
            _last_word(AT_ONCE)
            os._exit(EXIT_UNCLEAN)
        self.ask(NAMES.get(signal.Signals(number), f"signal {number}"))
        if self._may_interrupt:
            self._check()


def _last_word(text: str) -> None:
    """To stderr where that takes it at once: a pipe that nobody reads must not hold up the end."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None and select.select([], [sys.stderr], [], 0)[1]:
            os.write(sys.stderr.fileno(), ("\n" + text if sys.stderr.isatty() else text).encode())  # below the pinned line
