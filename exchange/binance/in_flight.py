"""The requests of one connection that have no answer yet. Whoever takes one out speaks for it, so each has exactly one outcome.

Who calls it: lane threads (`add`, `take` after a failed send) and the reader thread (`take`, `overdue`, `close`); one lock, memory only.
Never: an entry that outlives its connection; an entry added after the close.
"""

import threading
from enum import Enum

import msgspec

from core.commands import Request

IN_FLIGHT_MAX = 1024


class Waiting(msgspec.Struct, frozen=True):
    """A command that left at `sent_ns`, whose answer is owed at `due_ns`; at `until_ns` nobody waits for it any more. Engine clock."""

    command: Request
    sent_ns: int
    due_ns: int
    until_ns: int


class Added(Enum):
    YES = "yes"
    FULL = "full"
    CLOSED = "closed"


class InFlight:
    def __init__(self, most: int = IN_FLIGHT_MAX) -> None:
        self._memory_lock = threading.Lock()
        self._waiting: dict[int, Waiting] = {}
        self._is_closed = False
        self._most = most

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: Waiting) -> Added:
        with self._memory_lock:
            if self._is_closed:
                return Added.CLOSED
            if len(self._waiting) >= self._most:
                return Added.FULL
            assert waiting.command.command_id not in self._waiting, "a request id is used once"
            self._waiting[waiting.command.command_id] = waiting
            return Added.YES

    def take(self, number: int) -> Waiting | None:
        """The entry, for the one who speaks for it; None where somebody else did."""
        with self._memory_lock:
            return self._waiting.pop(number, None)

    def overdue(self, now_ns: int) -> list[Waiting]:
        """Take out what has waited too long. Entries came in about the order of their limits; each is looked at."""
        with self._memory_lock:
            late = [waiting for waiting in self._waiting.values() if now_ns >= waiting.until_ns]
            for waiting in late:
                del self._waiting[waiting.command.command_id]
            return late

    def is_owed(self, now_ns: int) -> bool:
        """An answer should have come by now."""
        with self._memory_lock:
            return any(now_ns >= waiting.due_ns for waiting in self._waiting.values())

    def close(self) -> list[Waiting]:
        """Take out everything; nothing can be added any more. Idempotent."""
        with self._memory_lock:
            self._is_closed = True
            left = list(self._waiting.values())
            self._waiting.clear()
            return left
