"""Life and death of everything with a thread, a socket or a timer: started in order, stopped in reverse under one deadline.

Who calls it: bot.py, on the main thread. A start that fails half-way is undone. Never: a stop without a limit, a part stopped twice.
"""

import logging
import threading
import time
from types import TracebackType
from typing import Protocol

log = logging.getLogger("greenlight.lifecycle")


class Resource(Protocol):
    """`stop` takes a deadline on time.monotonic() and may be called on a part that never ran."""

    def start(self) -> None: ...
    def stop(self, deadline: float) -> None: ...

    @property
    def is_running(self) -> bool: ...


class Lifecycle:
    """Context manager: `with Lifecycle(stop_s=5.0) as parts: parts.start("lanes", lane)`."""

    def __init__(self, stop_s: float) -> None:
        self._stop_s = stop_s
        self._started: list[tuple[str, Resource]] = []
        self.deadline: float | None = None
        self.failures: list[str] = []

    def start(self, name: str, part: Resource) -> None:
        """Start one part. Where that fails, it is stopped (it may be half started) and the error goes on."""
        self._started.append((name, part))
        part.start()

    def begin_stop(self) -> float:
        """Fix the one deadline of the whole stop; later calls return the same."""
        if self.deadline is None:
            self.deadline = time.monotonic() + self._stop_s
        return self.deadline

    def stop(self) -> None:
        """Stop every part in reverse order; a part that fails to stop is named and the others still are stopped."""
        deadline = self.begin_stop()
        while self._started:
            name, part = self._started.pop()
            try:
                part.stop(deadline)
            except Exception as error:  # one part's fault must not keep the others alive
                self.failures.append(f"{name}: {type(error).__name__}: {error}")
                log.exception("stopping %s failed", name)
            if part.is_running:
                self.failures.append(f"{name} still runs")

    @property
    def running(self) -> list[str]:
        return [name for name, part in self._started if part.is_running]

    @staticmethod
    def threads() -> list[str]:
        """Names of all live threads but main."""
        return sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())

    def __enter__(self) -> "Lifecycle":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
