"""Decides when which fault strikes, and plays the scenes that need more than one hand.

Who calls it: sim.world. Seeded. Never: a fault after `stop`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial

from core.commands import Amend, Cancel
from core.events import BalanceUpdate
from core.types import Connection
from exchange.paper.model import PaperOrder
from sim.faults import Faults, Kind
from sim.memory import Disk, torn_at
from sim.scheduler import MS, Scheduler
from sim.setup import Setup
from sim.stranger import Stranger
from sim.streams import Link
from sim.venue import SimVenue

DOWN = {Kind.USER_DOWN: Connection.USER, Kind.MARKET_DOWN: Connection.MARKET}
SILENT = {Kind.USER_SILENT: Connection.USER, Kind.MARKET_SILENT: Connection.MARKET}
CRASHES, CRASHES_MAX = (Kind.CRASH, Kind.CRASH_TORN), 3
SILENCE_MS_MAX = 5000  # then the reader itself leaves the socket (exchange.silence_ms_max)


class Director:
    def __init__(
        self,
        setup: Setup,
        scheduler: Scheduler,
        faults: Faults,
        venue: SimVenue,
        links: Mapping[Connection, Link],
        stranger: Stranger,
        disk: Disk,
    ) -> None:
        self._setup, self._scheduler, self._faults, self._venue = setup, scheduler, faults, venue
        self._links, self._stranger, self._disk = links, stranger, disk
        self.crash: Callable[[], int] | None = None  # kills the bot; returns when the next one starts (ns)
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
        self._faults.arm(self._faults.rng.choice((Kind.PLACE_LATE, Kind.PLACE_REPLY_LOST, Kind.PLACE_LOST, Kind.PLACE_TOO_LATE)))

    def _wait(self) -> None:
        self._scheduler.after(self._faults.rng.expovariate(1 / self._setup.fault_wait_ms), self._strike)

    def _strike(self) -> None:
        if self._faults.stopped:
            return
        self.play(self._faults.draw())
        self._wait()

    def play(self, kind: Kind) -> None:
        """Let one fault happen now, or arm it for the next request or event that it fits."""
        now_ns = self._scheduler.now_ns
        if kind in DOWN:
            link = self._links[DOWN[kind]]
            if link.is_up:
                self._faults.note(kind, link.drop("reset by the peer"))
        elif kind in SILENT:
            self._silence(kind, self._links[SILENT[kind]])
        elif kind is Kind.USER_GAP:
            link = self._links[Connection.USER]
            if link.is_up:
                link.gap("backlog full")
                self._faults.note(kind, now_ns)
        elif kind in (Kind.STRANGER_ORDER, Kind.STRANGER_FILL):
            if self._stranger.order(fills=kind is Kind.STRANGER_FILL):
                self._faults.note(kind, now_ns)
        elif kind is Kind.STRANGER_CANCEL:
            if self._stranger.cancel_one_of_ours():
                self._faults.note(kind, now_ns)
        elif kind is Kind.MOVEMENT:
            self._move()
        elif kind in CRASHES:
            self._crash(kind)
        else:
            self._faults.arm(kind)

    def _crash(self, kind: Kind) -> None:
        """At once, or in the middle of the next write (the world counts that one when it strikes)."""
        if self.crash is None or sum(self._faults.counts.get(one, 0) for one in CRASHES) >= CRASHES_MAX:
            return
        if kind is Kind.CRASH:
            self._faults.note(kind, self.crash())
        else:
            self._disk.torn_at = partial(torn_at, self._faults.rng)

    def _silence(self, kind: Kind, link: Link) -> None:
        """Nothing arrives, nothing closes. Half of the readers notice by themselves; the others leave it to the engine."""
        if not link.is_up or link.is_mute:
            return
        link.is_mute = True
        self._faults.note(kind, self._scheduler.now_ns + SILENCE_MS_MAX * MS)
        if self._faults.rng.random() < 0.5:
            self._scheduler.after(SILENCE_MS_MAX, partial(self._give_up, link))

    def _give_up(self, link: Link) -> None:
        if link.is_mute and link.is_up:
            link.drop(f"silent {SILENCE_MS_MAX / 1000:.1f} s")

    def _move(self) -> None:
        delta = self._stranger.move()
        if delta is None:
            return
        time_ms = self._scheduler.now_ms
        self._faults.note(Kind.MOVEMENT, self._scheduler.now_ns)
        self._links[Connection.USER].send(lambda received_ns: BalanceUpdate(asset="USDT", delta=delta, time_ms=time_ms))
        self._venue.publish()

    # -- scenes ----------------------------------------------------------------------------------
    def _after_place(self, kind: Kind, order: PaperOrder) -> None:
        rng = self._faults.rng
        if kind is Kind.PLACE_FILLED:
            self._scheduler.after(rng.uniform(0, 40), partial(self._stranger.hit, order, Decimal(1)))
        elif kind is Kind.PLACE_RENAMED:
            if rng.random() < 0.5:
                self._links[Connection.USER].hushed[order.symbol, order.order_id] = None
            self._scheduler.after(rng.uniform(0, 30), partial(self._stranger.hit, order, Decimal("0.4")))
            self._scheduler.after(rng.uniform(40, 100), partial(self._stranger.cancel, order))

    def _before_cancel(self, kind: Kind, command: Cancel | Amend) -> None:
        """The order fills a moment before its cancel or amendment is taken."""
        archive = self._venue.matching.archives[command.symbol]
        if kind in (Kind.CANCEL_FILLED, Kind.AMEND_FILLED) and command.venue_order_id in archive.open_ids:
            order = self._venue.matching.order(command.symbol, command.venue_order_id)
            self._stranger.hit(order, self._faults.rng.choice((Decimal(1), Decimal("0.5"))))
