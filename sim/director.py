"""Decides when which fault strikes, and plays the scenes that need more than one hand.

Who calls it: sim.world. Seeded. Never: a fault after `stop`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial

from core.commands import Amend, Cancel
from core.events import AnyEvent, BalanceUpdate, Operator, OperatorAction, StoreHealth
from core.types import Connection
from exchange.paper.model import PaperOrder
from sim.faults import LAST_NUMBER, Fault, Faults, Kind
from sim.memory import Disk, torn_at
from sim.scheduler import MS, Scheduler
from sim.setup import Setup
from sim.stranger import Stranger
from sim.streams import Link
from sim.venue import SimVenue

DOWN = {Kind.USER_DOWN: Connection.USER, Kind.MARKET_DOWN: Connection.MARKET}
SILENT = {Kind.USER_SILENT: Connection.USER, Kind.MARKET_SILENT: Connection.MARKET}
OPERATOR = {
    Kind.OPERATOR_HALT: OperatorAction.HALT,
    Kind.OPERATOR_CANCEL_ALL: OperatorAction.CANCEL_ALL,
    Kind.OPERATOR_PROVE: OperatorAction.PROVE,
}
DISK = (Kind.DISK_FULL, Kind.DISK_SLOW)
CRASHES, CRASHES_MAX = (Kind.CRASH, Kind.CRASH_TORN, Kind.QUIT), 3
SILENCE_MS_MAX = 5000  # then the reader itself leaves the socket (exchange.silence_ms_max)
KEEPER_MS_MAX = 500  # until the store notices that the disk is full, or that it is not any more
FULL = "disk full"


class Director:
    """`crash` and `quit` end the process, kill -9 or in its five seconds; they return when the next one runs (ns). `post` is the bot's inbox."""

    def __init__(
        self,
        setup: Setup,
        scheduler: Scheduler,
        faults: Faults,
        venue: SimVenue,
        links: Mapping[Connection, Link],
        stranger: Stranger,
        disk: Disk,
        post: Callable[[AnyEvent], None],
    ) -> None:
        self._setup, self._scheduler, self._faults, self._venue = setup, scheduler, faults, venue
        self._links, self._stranger, self._disk, self._post = links, stranger, disk, post
        self.crash: Callable[[], int] | None = None
        self.quit: Callable[[], int] | None = None
        self.tearing: Fault | None = None  # the kill that waits for the next write
        venue.after_place, venue.before_cancel = self._after_place, self._before_cancel

    def start(self) -> None:
        if self._setup.with_faults:
            self._wait()

    def stop(self) -> None:
        """No new faults; silent streams speak again, and what they missed stays missed."""
        self._faults.stop()
        self._disk.torn_at = None
        for link in self._links.values():
            link.unmute()

    def trouble(self) -> None:
        """One more fault, after `stop`: a place whose answer never comes."""
        drawn = self._faults.new(Kind.PLACE_LATE, LAST_NUMBER)
        kind = drawn.rng.choice((Kind.PLACE_LATE, Kind.PLACE_REPLY_LOST, Kind.PLACE_LOST, Kind.PLACE_TOO_LATE))
        if self._faults.is_due(drawn):
            self._faults.arm(self._faults.new(kind, LAST_NUMBER))

    def _wait(self) -> None:
        wait_ms, fault = self._faults.next()
        self._scheduler.after(wait_ms, partial(self._strike, fault))

    def _strike(self, fault: Fault) -> None:
        if self._faults.stopped:
            return
        if self._faults.is_due(fault):
            self.play(fault)
        self._wait()

    def play(self, what: Fault | Kind) -> None:
        """Let one fault happen now, or arm it for the next request or event that it fits."""
        fault = what if isinstance(what, Fault) else self._faults.by_hand(what)
        kind = fault.kind
        if kind in DOWN or kind is Kind.USER_GAP:
            self._break(fault)
        elif kind in SILENT:
            self._silence(fault, self._links[SILENT[kind]])
        elif kind in (Kind.STRANGER_ORDER, Kind.STRANGER_FILL):
            self._note_if(fault, self._stranger.order(fills=kind is Kind.STRANGER_FILL))
        elif kind is Kind.STRANGER_CANCEL:
            self._note_if(fault, self._stranger.cancel_one_of_ours())
        elif kind is Kind.MOVEMENT:
            self._move(fault)
        elif kind in CRASHES:
            self._crash(fault)
        elif kind in DISK:
            self._hurt_disk(fault)
        elif kind is Kind.CLOCK_SKEW:
            self._venue.skewed_until_ns = self._scheduler.now_ns + int(fault.rng.uniform(300, 4000) * MS)
            self._faults.note(fault, self._venue.skewed_until_ns)
        elif kind in OPERATOR:
            self._operate(fault)
        else:
            self._faults.arm(fault)

    def _note_if(self, fault: Fault, happened: bool) -> None:
        if happened:
            self._faults.note(fault, self._scheduler.now_ns)

    # -- connections -----------------------------------------------------------------------------
    def _break(self, fault: Fault) -> None:
        link = self._links[DOWN.get(fault.kind, Connection.USER)]
        if not link.is_up:
            return
        if fault.kind in DOWN:
            self._faults.note(fault, link.drop("reset by the peer"))
        else:
            link.gap("backlog full")
            self._faults.note(fault, self._scheduler.now_ns)

    def _silence(self, fault: Fault, link: Link) -> None:
        """Nothing arrives, nothing closes. Half of the readers notice by themselves; the others leave it to the engine."""
        if not link.is_up or link.is_mute:
            return
        link.is_mute = True
        self._faults.note(fault, self._scheduler.now_ns + SILENCE_MS_MAX * MS)
        if fault.rng.random() < 0.5:
            self._scheduler.after(SILENCE_MS_MAX, partial(self._give_up, link))

    def _give_up(self, link: Link) -> None:
        if link.is_mute and link.is_up:
            link.drop(f"silent {SILENCE_MS_MAX / 1000:.1f} s")

    # -- the bot's own house ---------------------------------------------------------------------
    def _crash(self, fault: Fault) -> None:
        """At once, or in the middle of the next write (the world counts that one when it strikes)."""
        if self.crash is None or self.quit is None or sum(self._faults.counts.get(one, 0) for one in CRASHES) >= CRASHES_MAX:
            return
        if fault.kind is Kind.CRASH_TORN:
            self.tearing, self._disk.torn_at = fault, partial(torn_at, fault.rng)
        else:
            self._faults.note(fault, self.crash() if fault.kind is Kind.CRASH else self.quit())

    def _hurt_disk(self, fault: Fault) -> None:
        """Full: writes fail or are cut off, and the store says so a little later. Slow: every write of an intent takes its time."""
        if self._disk.is_full or self._disk.slow_ms is not None:
            return
        rng = fault.rng
        lasts_ms = rng.uniform(300, 5000)
        if fault.kind is Kind.DISK_SLOW:
            self._disk.slow_ms = partial(rng.uniform, 1, rng.choice((50, 400, 2000)))
        else:
            self._disk.keeps = lambda size: rng.randrange(size) if rng.random() < 0.5 else 0
            self._scheduler.after(rng.uniform(0, KEEPER_MS_MAX), partial(self._post, StoreHealth(reason=FULL)))
            self._scheduler.after(lasts_ms + KEEPER_MS_MAX, partial(self._post, StoreHealth(reason="")))
        self._scheduler.after(lasts_ms, self._disk.heal)
        self._faults.note(fault, self._scheduler.now_ns + int((lasts_ms + KEEPER_MS_MAX + 2000) * MS))

    def _operate(self, fault: Fault) -> None:
        """A person acts, and takes it back a little later."""
        action, lasts_ms = OPERATOR[fault.kind], fault.rng.uniform(0, 4000)
        self._post(Operator(action=action))
        if action is not OperatorAction.PROVE:
            self._scheduler.after(lasts_ms, partial(self._post, Operator(action=OperatorAction.RESUME)))
        self._faults.note(fault, self._scheduler.now_ns + int(lasts_ms * MS))

    # -- scenes ----------------------------------------------------------------------------------
    def _move(self, fault: Fault) -> None:
        delta = self._stranger.move()
        if delta is None:
            return
        time_ms = self._scheduler.now_ms
        self._faults.note(fault, self._scheduler.now_ns)
        self._links[Connection.USER].send(lambda received_ns: BalanceUpdate(asset="USDT", delta=delta, time_ms=time_ms))
        self._venue.publish()

    def _after_place(self, fault: Fault, order: PaperOrder) -> None:
        rng = fault.rng
        if fault.kind in (Kind.PLACE_FILLED, Kind.REPLACE_NEW_FILLED):
            self._scheduler.after(rng.uniform(0, 40), partial(self._stranger.hit, order, Decimal(1)))
        elif fault.kind is Kind.PLACE_RENAMED:
            if rng.random() < 0.5:
                self._links[Connection.USER].hushed[order.symbol, order.order_id] = None
            self._scheduler.after(rng.uniform(0, 30), partial(self._stranger.hit, order, Decimal("0.4")))
            self._scheduler.after(rng.uniform(40, 100), partial(self._stranger.cancel, order))

    def _before_cancel(self, fault: Fault, command: Cancel | Amend) -> None:
        """The order fills a moment before its cancel or amendment is taken."""
        archive = self._venue.matching.archives[command.symbol]
        if fault.kind in (Kind.CANCEL_FILLED, Kind.AMEND_FILLED, Kind.REPLACE_OLD_FILLED) and command.venue_order_id in archive.open_ids:
            order = self._venue.matching.order(command.symbol, command.venue_order_id)
            self._stranger.hit(order, fault.rng.choice((Decimal(1), Decimal("0.5"))))
