"""The bot under rehearsal: engine, strategy, risk and manager as they are, with a virtual inbox, virtual lanes and a memory that survives a crash.

Who calls it: sim.world; its links and lanes post. One instance is one boot: a crash throws it away between two calls of the scheduler.
Never: a step with nothing in it, a step after the stop was proven.
"""

from collections.abc import Callable
from functools import partial
from random import Random

import msgspec

from core.commands import AnyCommand, Place, Reconnect
from core.engine import Engine, Step
from core.events import AnyEvent, Boot, OrderAnswer, Outcome, Reply, Timer, Undecided
from core.light import Light
from core.notices import Ended, Filled, Notice, Recovered
from core.orders import Orders
from core.types import Fill, Side
from order_book_manager import OrderBookManager
from sim.executor import CallClock, VirtualLane
from sim.scheduler import MS, Scheduler
from sim.setup import AMENDING, Setup, limits
from sim.venue import SimVenue
from strategy import MarketMaker
from trading.risk import Limits, RiskChecks

TAG = "glsim"
TIMER_MS = 100
WAKE_MS = 0.3
RECORDER_MS_MAX = 200  # how far the recorder may lag behind the trading thread; what it has not written dies with the process
WORKERS = (4, 4, 2)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def boot_name(number: int) -> str:
    """Stands for the start time in base 36; later boots sort after earlier ones."""
    return f"m{DIGITS[number]}"


class Memory:
    """What survives a crash. A place stays undecided until it was refused, never left, or ended with all its fills written."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.fills: list[Fill] = []
        self.venue_ids: dict[str, tuple[str, int]] = {}  # client id -> (symbol, venue order id)
        self.boots = 0

    def begin(self, setup: Setup) -> Boot:
        """Boot of the next run, with what the earlier ones left."""
        newest: dict[str, int] = {}
        for fill in self.fills:
            newest[fill.symbol] = max(fill.trade_id, newest.get(fill.symbol, -1))
        self.boots += 1
        return Boot(
            boot=boot_name(self.boots),
            tag=TAG,
            venue="sim",
            instance="sim-1",
            rules=setup.rules,
            limits=limits(setup),
            last_trade_ids=tuple(newest.items()),
            undecided=tuple(self._undecided(place) for place in self.places.values()),
            known_fills=tuple(self.fills),
            attributed=tuple(key for name, key in self.venue_ids.items() if name not in self.places),
        )

    def _undecided(self, place: Place) -> Undecided:
        return Undecided(
            symbol=place.symbol,
            side=place.side,
            price=place.price,
            quantity=place.quantity,
            client_order_id=place.client_order_id,
            sent_ms=place.not_after_ns // MS,
            venue_order_id=self.venue_ids.get(place.client_order_id, ("", None))[1],
        )


class Journal:
    """The Journal and the recorder of one boot; silent once the process is dead."""

    def __init__(self, memory: Memory, scheduler: Scheduler, rng: Random) -> None:
        self._memory, self._scheduler, self._rng = memory, scheduler, rng
        self._names: dict[int, str] = {}
        self._free_ns = 0
        self.is_dead = False

    def intent(self, command: AnyCommand) -> None:
        """Before the send. The second run of a call (sim.executor) finds its intent written."""
        if isinstance(command, Place) and command.command_id not in self._names:
            self._names[command.command_id] = command.client_order_id
            self._memory.places[command.client_order_id] = command

    def result(self, reply: Reply) -> None:
        if reply.outcome in (Outcome.REFUSED, Outcome.NOT_SENT):
            self._memory.places.pop(self._names.get(reply.command_id, ""), None)
        elif isinstance(reply.answer, OrderAnswer) and reply.answer.facts is not None and reply.command_id in self._names:
            facts = reply.answer.facts
            self._memory.venue_ids[self._names[reply.command_id]] = (facts.symbol, facts.venue_order_id)

    def tell(self, notices: tuple[Notice, ...]) -> None:
        """The recorder: in order, a little later."""
        for notice in notices:
            if isinstance(notice, Filled | Recovered | Ended):
                self._free_ns = max(self._free_ns, self._scheduler.now_ns + int(self._rng.random() * RECORDER_MS_MAX * MS))
                self._scheduler.at(self._free_ns, partial(self._write, notice))

    def _write(self, notice: Notice) -> None:
        if self.is_dead:
            return
        if isinstance(notice, Filled | Recovered):
            self._memory.fills.append(notice.fill)
        elif isinstance(notice, Ended) and notice.is_complete:
            self._memory.places.pop(notice.order_id, None)


class Bot:
    """One boot. `on_step` sees every batch and step; `reconnect` carries out Reconnect commands."""

    def __init__(
        self,
        setup: Setup,
        scheduler: Scheduler,
        venue: SimVenue,
        memory: Memory,
        rng: Random,
        on_step: Callable[["Bot", list[AnyEvent], Step], None],
        reconnect: Callable[[Reconnect], None],
    ) -> None:
        self._scheduler, self._venue, self._rng = scheduler, venue, rng
        self._on_step, self._reconnect = on_step, reconnect
        maker = MarketMaker(setup.quoting, AMENDING)
        self.engine = Engine(maker, RiskChecks(Limits(open_orders_max=20)), setup.timing)
        clock = CallClock(scheduler)
        venue.on_answer = partial(setattr, clock, "as_of_ns", None)
        self.lanes = tuple(VirtualLane(scheduler, venue, clock, workers) for workers in WORKERS)
        self.journal = Journal(memory, scheduler, rng)
        cancel, place, query = self.lanes
        self.manager = OrderBookManager(venue, self.journal, self.post, clock, (cancel, place, query), self._orders, self._light)
        self.inbox: list[AnyEvent] = []
        self.is_dead = False
        self._awake = False
        self.post(memory.begin(setup))

    def _orders(self) -> Orders:
        assert self.engine.books is not None
        return self.engine.books.orders

    def _light(self, symbol: str, side: Side) -> Light:
        assert self.engine.books is not None
        return self.engine.books.light(symbol, side)

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
        self.journal.tell(step.notices)
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
        self._scheduler.after(TIMER_MS, self._timer)

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
