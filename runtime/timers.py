"""A Timer event every 100 ms, so that deadlines and cool-downs are judged even when nothing else happens.

Who starts it: runtime.lifecycle; its own thread. Never: a decision.
"""

import threading
import time
from collections.abc import Callable

from core.events import Timer
from core.ports import Post

PERIOD_S = 0.1


class TimerThread:
    """Resource."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)
        self._thread.start()

    def stop(self, deadline: float) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        event = Timer()
        while not self._stopping.wait(PERIOD_S):
            self._post(event)


class Periodic:
    """Resource: calls `call` every `every_s` on a thread of its own; a failing call is reported, not fatal."""

    def __init__(self, name: str, every_s: float, call: Callable[[], object], on_error: Callable[[Exception], None]) -> None:
        self._name, self._every_s = name, every_s
        self._call, self._on_error = call, on_error
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, deadline: float) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self._call()
            except Exception as error:  # a failing refresh must not end the refreshing
                self._on_error(error)
