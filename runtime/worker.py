"""One thread with a name: started, asked to end, waited for under a deadline. Every thread of runtime/ and state/ is one of these.

Who makes it: parts of this room inherit or hold one; assembly.py wraps the `run` of state/'s recorder and tape, so that state/, which may not import
this room, needs no thread of its own. Thread: start and stop on the main thread, `run` on its own.
Never: a thread that would keep the interpreter alive, a wait without a limit, a second life while the first one lasts.
"""

import threading
import time
from collections.abc import Callable


class Worker:
    """Resource: `run(stopping)` on a daemon thread; it returns soon after `stopping` is set, or earlier by itself."""

    def __init__(self, name: str, run: Callable[[threading.Event], None]) -> None:
        self.name, self._work = name, run
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Raises RuntimeError where the system gives no thread; `stop` is then still allowed."""
        assert not self.is_running, f"{self.name} runs already"
        self._stopping = threading.Event()  # one per life: a thread that outlasted its stop is not revived by the next start
        self._thread = threading.Thread(target=self._work, args=(self._stopping,), name=self.name, daemon=True)
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Ask it to end and wait for that until `deadline` (time.monotonic()). Again, before start and on its own thread: no harm."""
        self._stopping.set()
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()
