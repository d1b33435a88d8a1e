"""What a bot can know of each market's freshness: the newest message of its stream that was delivered, or a whole book read since.

Who calls it: sim.oracle, and sim.world that says how long a stream has been silent.
Never: a judgement.
"""

from collections.abc import Callable

from core.commands import AnyCommand, ReadDepth
from core.events import Outcome, Reply
from core.market import SYNC_LEVELS
from sim.scheduler import MS, Scheduler


class MarketWord:
    """`stream_ms` tells of a symbol how long ago its stream was last heard."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.stream_ms: Callable[[str], int] = lambda symbol: 0
        self._reads: dict[int, str] = {}
        self._told_ns: dict[str, int] = {}  # symbol -> when the newest whole book was asked for

    def forget_reads(self) -> None:
        self._reads.clear()

    def asked(self, command: AnyCommand) -> None:
        if isinstance(command, ReadDepth) and command.limit >= SYNC_LEVELS:
            self._reads[command.command_id] = command.symbol

    def answered(self, reply: Reply) -> None:
        symbol = self._reads.pop(reply.command_id, None)
        if symbol is not None and reply.outcome is Outcome.DONE:
            self._told_ns[symbol] = reply.sent_ns

    def silent_ms(self, symbol: str) -> int:
        told_ms = (self._scheduler.now_ns - self._told_ns.get(symbol, 0)) // MS
        return min(self.stream_ms(symbol), told_ms)
