"""Things that happen again and again: the Timer event every 100 ms, so that deadlines and cool-downs are judged even when nothing else happens.

Who calls it: assembly.py makes the workers, runtime.lifecycle starts them; each on its own thread. Never: a decision.
"""

import threading
from collections.abc import Callable

from core.events import Timer
from core.ports import Post
from runtime.worker import Worker

PERIOD_S = 0.1


def timer(post: Post) -> Worker:
    """Posts a Timer every 100 ms."""
    event = Timer()

    def run(stopping: threading.Event) -> None:
        while not stopping.wait(PERIOD_S):
            post(event)

    return Worker("timer", run)


def periodic(name: str, every_s: float, call: Callable[[], object], on_error: Callable[[Exception], None]) -> Worker:
    """Calls `call` every `every_s`; a failing call is reported, not fatal."""

    def run(stopping: threading.Event) -> None:
        while not stopping.wait(every_s):
            try:
                call()
            except Exception as error:  # a failing refresh must not end the refreshing
                on_error(error)

    return Worker(name, run)
