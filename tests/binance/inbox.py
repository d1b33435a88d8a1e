"""A stand-in for the inbox in tests of the streams: events are awaited, never slept for. Used by tests/binance."""

from queue import Empty, SimpleQueue

from core.events import AnyEvent
from tests.timing import SOON_S


class Heard:
    """Call it to post; `expect` awaits the next events and checks their types."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[AnyEvent] = SimpleQueue()

    def __call__(self, event: AnyEvent) -> None:
        self._queue.put(event)

    def next(self, timeout_s: float = SOON_S) -> AnyEvent:
        return self._queue.get(timeout=timeout_s)

    def expect(self, *kinds: type[AnyEvent]) -> list[AnyEvent]:
        found = [self.next() for _ in kinds]
        assert [type(event) for event in found] == list(kinds)
        return found

    def is_quiet(self, for_s: float) -> bool:
        try:
            self._queue.get(timeout=for_s)
        except Empty:
            return True
        return False
