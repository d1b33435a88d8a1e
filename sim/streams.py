"""Virtual sockets: events of the venue reach the inbox late, in order, and only while the connection lives.

Who calls it: sim.world sends, sim.director takes connections down, sim.scheduler delivers.
Never: an event of an older connection after a newer one is up.
"""

from collections.abc import Callable
from functools import partial
from random import Random

from core.events import AnyEvent, ExecutionReport, StreamDown, StreamGap, StreamUp
from core.types import Connection
from sim.faults import Faults, Kind
from sim.scheduler import MS, Scheduler

REORDER_HELD_MS = 30
SPLIT_SHARE = 0.2  # what is said at one moment travels together, but for so many splits
RETRY_MS = 1000  # between two tries to reach a venue that does not answer


class Link:
    """One connection. Its reader reconnects by itself, with back-off, like exchange.binance.socket_loop."""

    def __init__(
        self,
        connection: Connection,
        scheduler: Scheduler,
        post: Callable[[AnyEvent], None],
        faults: Faults,
        rng: Random,
        latency_ms: float,
    ) -> None:
        self.connection = connection
        self._scheduler, self._post, self._faults, self._rng = scheduler, post, faults, rng
        self._latency_ms = latency_ms
        self.is_up = False
        self.is_mute = False
        self._lost_since_ns: dict[str, int] = {}  # per symbol, when a silent socket first swallowed something
        self._epoch = 0
        self._arrives_ns = self._sent_ns = 0
        self._held: AnyEvent | None = None
        self.hushed: dict[tuple[str, int], None] = {}  # orders whose reports never arrive

    # -- the venue's side ------------------------------------------------------------------------
    def send(self, make: Callable[[int], AnyEvent]) -> None:
        """Hand one event to the network; `make` gets the time of receipt in ns."""
        if not self.is_up or self._faults.is_cut_off:
            return
        if self.is_mute:
            self._lost_since_ns.setdefault(getattr(make(0), "symbol", ""), self._scheduler.now_ns)
            return
        if self._sent_ns != self._scheduler.now_ns or self._rng.random() < SPLIT_SHARE:
            self._arrives_ns = max(self._arrives_ns, self._scheduler.now_ns + int(self._delay_ms() * MS))
        self._sent_ns = self._scheduler.now_ns
        event = make(self._arrives_ns)
        if isinstance(event, ExecutionReport) and (event.symbol, event.venue_order_id) in self.hushed:
            return
        strike = self._faults.strike(self.connection, isinstance(event, ExecutionReport) and event.fill is not None)
        if strike is not None:
            self._faults.note(strike, self._arrives_ns)
            if strike.kind in (Kind.USER_MISSING, Kind.FILL_MISSING, Kind.MARKET_GAP):
                return
            if strike.kind is Kind.USER_REORDERED and self._held is None:
                self._held = event
                self._scheduler.at(self._arrives_ns + REORDER_HELD_MS * MS, partial(self._release, self._epoch))
                return
        self._deliver_at(self._arrives_ns, event)
        if strike is not None and strike.kind is Kind.USER_TWICE:
            self._deliver_at(self._arrives_ns + int(self._rng.uniform(0, 50) * MS), event)

    def _delay_ms(self) -> float:
        return self._latency_ms * self._rng.uniform(0.7, 1.5) + self._scheduler.stall_ms()

    def _deliver_at(self, time_ns: int, event: AnyEvent) -> None:
        self._scheduler.at(time_ns, partial(self._deliver, self._epoch, event))

    def _deliver(self, epoch: int, event: AnyEvent) -> None:
        if epoch != self._epoch or self.is_mute:
            return
        self._post(event)
        self._release(epoch)

    def _release(self, epoch: int) -> None:
        """What was overtaken follows."""
        held, self._held = self._held, None
        if held is not None and epoch == self._epoch:
            self._post(held)

    # -- the connection --------------------------------------------------------------------------
    def connect(self, after_ms: float) -> None:
        self._epoch += 1
        self._scheduler.after(after_ms, partial(self._up, self._epoch))

    def _up(self, epoch: int) -> None:
        if epoch == self._epoch and self._faults.is_cut_off:
            self._scheduler.after(RETRY_MS, partial(self._up, epoch))
        elif epoch == self._epoch:
            self.is_up, self.is_mute, self._held = True, False, None
            self._arrives_ns = self._scheduler.now_ns
            self._lost_since_ns.clear()
            self._post(StreamUp(connection=self.connection))

    def drop(self, reason: str) -> int:
        """The socket dies now; the reader notices soon. Returns when the next one is up (ns)."""
        self.is_up = False
        self._epoch += 1
        notice_ms = self._rng.uniform(0, 300)
        retry_ms = self._rng.uniform(250, 1500)
        epoch = self._epoch
        self._scheduler.after(notice_ms, partial(self._down, epoch, reason))
        self._scheduler.after(notice_ms + retry_ms, partial(self._up, epoch))
        return self._scheduler.now_ns + int((notice_ms + retry_ms) * MS)

    def _down(self, epoch: int, reason: str) -> None:
        if epoch == self._epoch:
            self._post(StreamDown(connection=self.connection, reason=reason))

    def abandon(self) -> None:
        """The process behind the socket is gone."""
        self.is_up = False
        self._epoch += 1
        self._held = None

    def reconnect(self, reason: str) -> None:
        """The engine asked for a new socket."""
        if self.is_up:
            self.drop(reason)

    def gap(self, reason: str) -> None:
        """What is under way is lost and the reader knows it."""
        self._epoch += 1
        self._held = None
        self._post(StreamGap(connection=self.connection, reason=reason))

    def silent_ms(self, symbol: str) -> int:
        """For how long an open socket has kept something about this symbol to itself; 0 where it is honest."""
        since_ns = self._lost_since_ns.get(symbol)
        return (self._scheduler.now_ns - since_ns) // MS if since_ns is not None and self.is_up and self.is_mute else 0

    def unmute(self) -> None:
        self.is_mute = False
        self._lost_since_ns.clear()
