"""The bot under rehearsal: engine, strategy, risk and manager as they are, with a virtual inbox, virtual lanes and intents in memory.

Who calls it: sim.world; its links and lanes post. One instance is one boot: a crash throws it away between two calls of the scheduler.
Never: a step with nothing in it, a step after the stop was proven.
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol

import msgspec

from core import ports
from core.commands import Reconnect
from core.engine import Engine, Step
from core.events import AnyEvent, Boot, Reply, Timer
from core.light import Light
from core.orders import Orders
from core.types import Side
from order_book_manager import OrderBookManager
from sim.executor import VirtualLane
from sim.lot_worlds import strategy_of
from sim.memory import CallClock
from sim.pairs import WithPairs
from sim.scheduler import Scheduler
from sim.setup import Setup
from sim.venue import SimVenue
from trading.risk import Limits, RiskChecks

WAKE_MS = 0.3
WORKERS = (4, 4, 2)


class Journal(ports.Journal, Protocol):
    """Intents and recorder of one boot; silent once `is_dead`."""

    is_dead: bool

    def tell(self, at_ns: int, step: Step) -> None: ...
    def close(self) -> None: ...


def engine_of(setup: Setup, venue: SimVenue) -> Engine:
    """The deciding half of a drawn world."""
    strategy = strategy_of(setup)
    if setup.with_pairs:
        strategy = WithPairs(strategy, msgspec.structs.replace(venue.capabilities, oco=setup.with_lists))
    return Engine(strategy, RiskChecks(Limits(open_orders_max=20)), setup.timing)


class Bot:
    """One boot. `on_step` sees every batch and step; `reconnect` carries out Reconnect commands; `on_kill` hears that it died in a write."""

    def __init__(
        self,
        engine: Engine,
        boot: Boot,
        new_journal: Callable[[CallClock], Journal],
        scheduler: Scheduler,
        venue: SimVenue,
        rng: Random,
        on_step: Callable[["Bot", list[AnyEvent], Step], None],
        reconnect: Callable[[Reconnect], None],
        on_kill: Callable[[], None],
        timer_ms: int,
        workers: tuple[int, int, int] = WORKERS,
    ) -> None:
        """`workers` of the lanes (cancel, place, query)."""
        self._scheduler, self._venue, self._rng = scheduler, venue, rng
        self._on_step, self._reconnect, self._timer_ms = on_step, reconnect, timer_ms
        self.engine, self.boot = engine, boot
        clock = CallClock(scheduler)
        venue.on_answer = partial(setattr, clock, "as_of_ns", None)
        self.lanes = tuple(VirtualLane(scheduler, venue, clock, count, on_kill) for count in workers)
        self.journal = new_journal(clock)
        cancel, place, query = self.lanes
        self.manager = OrderBookManager(venue, self.journal, self.post, clock, (cancel, place, query), self._orders, self._light)
        self.inbox: list[AnyEvent] = []
        self.is_dead = self.is_quitting = False
        self._awake = False
        self.post(self.boot)

    def _orders(self) -> Orders:
        assert self.engine.books is not None
        return self.engine.books.orders

    def _light(self, symbol: str, side: Side) -> Light:
        assert self.engine.books is not None
        return self.engine.books.look(symbol, side)

    def post(self, event: AnyEvent) -> None:
        """The inbox: one wake-up for all that waits."""
        if self.is_dead:
            return
        self.inbox.append(event)
        if isinstance(event, Reply) and event.command_id in self._venue.twice:
            del self._venue.twice[event.command_id]
            self._scheduler.after(self._rng.uniform(1, 500), partial(self.post, event))
        if not self._awake:
            self._awake = True
            self._scheduler.after(WAKE_MS + self._scheduler.stall_ms(), self._take)

    def _take(self) -> None:
        """The trading thread: one batch, one step."""
        self._awake = False
        batch, self.inbox = self.inbox, []
        if self.is_dead or self.engine.finished:
            return
        step = self.engine.step(self._scheduler.now_ns, batch)
        self._on_step(self, batch, step)
        self.journal.tell(self._scheduler.now_ns, step)
        self.manager.hand_over(command for command in step.commands if not isinstance(command, Reconnect))
        for command in step.commands:
            if isinstance(command, Reconnect):
                self._reconnect(command)

    def start_timer(self, after_ms: float) -> None:
        self._scheduler.after(after_ms, self._timer)

    def _timer(self) -> None:
        if self.is_dead or self.engine.finished:
            return
        if not any(isinstance(event, Timer) for event in self.inbox):
            self.post(Timer())
        self._scheduler.after(self._timer_ms, self._timer)

    def die(self) -> None:
        """kill -9: nothing of this process moves any more; requests on their way are not stopped by it."""
        self.is_dead = self.journal.is_dead = True
        self.inbox.clear()
        self._venue.twice.clear()
        for lane in self.lanes:
            lane.die()

    # -- questions -------------------------------------------------------------------------------
    def lane_calls(self) -> dict[int, None]:
        return {command_id: None for lane in self.lanes for command_id in lane.outstanding}

    def calls(self) -> dict[int, None]:
        """Every call without a word: in the lanes, or answered and waiting in the inbox."""
        held = self.lane_calls()
        held.update({event.command_id: None for event in self.inbox if isinstance(event, Reply) and event.command_id in self.engine.pending})
        return held

    def signature(self) -> bytes:
        """The final books as bytes, for the digest."""
        books = self.engine.books
        assert books is not None
        parts = [msgspec.json.encode(fill) for fill in books.fills]
        parts.extend(f"{order.client_order_id} {order.status} {order.booked}".encode() for order in books.orders.by_client_id.values())
        parts.extend(f"{asset} {held.free} {held.locked}".encode() for asset, held in books.account.holdings.items())
        return b"\n".join(parts)
