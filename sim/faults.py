"""What can go wrong between the bot and the venue: seeded, armed one at a time, counted by kind.

Who calls it: sim.world arms, sim.venue asks for the plan of each request, sim.streams for the fate of each event. Pure but for its own seeded Random.
Never: an unbounded fault; every one has an end that `last_ns` covers.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from core.commands import Amend, AnyCommand, Cancel, CancelAll, Place, PlaceOco, Replace
from core.ports import Refused
from core.types import Connection, VenueError


class Kind(StrEnum):
    PLACE_LOST = "place lost before arrival"
    PLACE_REPLY_LOST = "place applied, reply lost"
    PLACE_LATE = "place applied after the bot's time-out"
    PLACE_TOO_LATE = "place arrives after its recvWindow"
    PLACE_FILLED = "place applied, filled before the query, reply lost"
    PLACE_RENAMED = "place reply lost, partly filled, canceled by a stranger"
    PLACE_REPLY_LATE = "place reply late"
    CANCEL_LOST = "cancel lost before arrival"
    CANCEL_REPLY_LOST = "cancel applied, reply lost"
    CANCEL_LATE = "cancel applied after the bot's time-out"
    CANCEL_FILLED = "order filled while its cancel is on the way"
    CANCEL_REPLY_LATE = "cancel reply late"
    AMEND_LOST = "amendment lost before arrival"
    AMEND_REPLY_LOST = "amendment applied, reply lost"
    AMEND_LATE = "amendment applied after the bot's time-out"
    AMEND_FILLED = "order filled while its amendment is on the way"
    AMEND_REFUSED = "amendment refused"
    REPLACE_LOST = "replacement lost before arrival"
    REPLACE_REPLY_LOST = "replacement applied, reply lost"
    REPLACE_LATE = "replacement applied after the bot's time-out"
    REPLACE_TOO_LATE = "replacement arrives after its recvWindow"
    REPLACE_OLD_FILLED = "order filled while its replacement is on the way"
    REPLACE_NEW_FILLED = "replacement applied, the new order filled before the query, reply lost"
    REPLACE_HALF = "order canceled and not replaced"
    REPLACE_REPLY_LATE = "replacement reply late"
    READ_LOST = "read lost"
    REPLY_TWICE = "reply delivered twice"
    ERROR_5XX_DONE = "503, executed"
    ERROR_5XX_NOT_DONE = "503, not executed"
    ERROR_1007_DONE = "-1007, executed"
    ERROR_1007_NOT_DONE = "-1007, not executed"
    ERROR_1021 = "-1021"
    BAN_429 = "429 -1003 with Retry-After"
    BAN_418 = "418 with Retry-After"
    LIMIT_1015 = "429 -1015"
    USER_TWICE = "user event twice"
    USER_REORDERED = "user events reordered"
    USER_MISSING = "user event missing"
    FILL_MISSING = "report of a fill missing"
    USER_DOWN = "user stream down"
    USER_SILENT = "user stream silent"
    USER_GAP = "user stream gap"
    MARKET_DOWN = "market stream down"
    MARKET_SILENT = "market stream silent"
    MARKET_GAP = "market event missing"
    STRANGER_ORDER = "order of a stranger"
    STRANGER_FILL = "order of a stranger fills"
    STRANGER_CANCEL = "our order canceled by a stranger"
    MOVEMENT = "deposit or withdrawal"
    CRASH = "crash and restart"
    CRASH_TORN = "crash in the middle of a write"
    QUIT = "stop in the middle of everything, and restart"
    DISK_FULL = "disk full"
    DISK_SLOW = "disk slow"
    CLOCK_SKEW = "venue's clock is off: -1021 to everything signed"
    OPERATOR_HALT = "operator halts, then resumes"
    OPERATOR_CANCEL_ALL = "operator cancels all, then resumes"
    OPERATOR_PROVE = "operator asks for a proof"


PLACE = (
    Kind.PLACE_LOST,
    Kind.PLACE_REPLY_LOST,
    Kind.PLACE_LATE,
    Kind.PLACE_TOO_LATE,
    Kind.PLACE_FILLED,
    Kind.PLACE_RENAMED,
    Kind.PLACE_REPLY_LATE,
    Kind.LIMIT_1015,
)
CANCEL = (Kind.CANCEL_LOST, Kind.CANCEL_REPLY_LOST, Kind.CANCEL_LATE, Kind.CANCEL_FILLED, Kind.CANCEL_REPLY_LATE)
AMEND = (Kind.AMEND_LOST, Kind.AMEND_REPLY_LOST, Kind.AMEND_LATE, Kind.AMEND_FILLED, Kind.AMEND_REFUSED)
REPLACE = (
    Kind.REPLACE_LOST,
    Kind.REPLACE_REPLY_LOST,
    Kind.REPLACE_LATE,
    Kind.REPLACE_TOO_LATE,
    Kind.REPLACE_OLD_FILLED,
    Kind.REPLACE_NEW_FILLED,
    Kind.REPLACE_HALF,
    Kind.REPLACE_REPLY_LATE,
)
EITHER = (
    Kind.REPLY_TWICE,
    Kind.ERROR_5XX_DONE,
    Kind.ERROR_5XX_NOT_DONE,
    Kind.ERROR_1007_DONE,
    Kind.ERROR_1007_NOT_DONE,
    Kind.ERROR_1021,
    Kind.BAN_429,
    Kind.BAN_418,
)
REQUEST = (*PLACE, *CANCEL, *AMEND, *REPLACE, *EITHER, Kind.READ_LOST)
FITTING: dict[type, tuple[Kind, ...]] = {
    Place: (*PLACE, *EITHER),
    Cancel: (*CANCEL, *EITHER),
    Amend: (*AMEND, *EITHER),
    Replace: (*REPLACE, *EITHER, Kind.LIMIT_1015),
    PlaceOco: (*PLACE, *EITHER),
    CancelAll: EITHER,
}
EVENT = {
    Connection.USER: (Kind.USER_TWICE, Kind.USER_REORDERED, Kind.USER_MISSING, Kind.FILL_MISSING),
    Connection.MARKET: (Kind.MARKET_GAP,),
}
FOREIGN = (Kind.STRANGER_ORDER, Kind.STRANGER_FILL, Kind.MOVEMENT)  # they move funds that are not ours to know
ARMED_MAX = 32
LAST_NUMBER = 0  # of the one more fault before a stop in trouble (sim.director.trouble)
BY_HAND = 100_000  # numbers of faults that a test arms begin here


class UnknownOutcome(Exception):
    """The venue, or something in front of it, answered in a way that proves nothing (5xx, -1007)."""


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """One fault of a schedule. Its number keys its randomness, so that leaving others out changes nothing about it."""

    number: int
    kind: Kind
    at_ms: float  # when it comes up, from the beginning of the quoting; it may strike later
    rng: Random


@dataclass(frozen=True, slots=True)
class Plan:
    """The fate of one request. `before` is answered instead of executing it, `after` instead of the truth."""

    fault: Fault | None = None
    lost: bool = False
    late_ms: float = 0.0
    reply_lost: bool = False
    reply_late_ms: float = 0.0
    before: Exception | None = None
    after: Exception | None = None
    ban_ms: int = 0

    @property
    def kind(self) -> Kind | None:
        return self.fault.kind if self.fault is not None else None


NO_FAULT = Plan()
CUT_OFF = Plan(lost=True)


class Faults:
    """The faults of one world. `recv_window_ms` bounds how late a request can still be taken."""

    def __init__(
        self, seed: int, recv_window_ms: int, allowed: Iterable[Kind] = tuple(Kind), wait_ms: float = 2000, only: frozenset[int] | None = None
    ) -> None:
        """`wait_ms` is the mean time between two faults; of the schedule only the numbers in `only` come up (None: all)."""
        self.recv_window_ms = recv_window_ms
        self.allowed = tuple(allowed)
        self.counts: dict[Kind, int] = {}
        self.struck: dict[int, Fault] = {}  # by number
        self.last_ns = 0
        self.stopped = False
        self.is_cut_off = False  # nothing reaches the venue any more
        self._seed, self._wait_ms, self._only = seed, wait_ms, only
        self._drawn_from = (*self.allowed, *(kind for kind in self.allowed if kind in (*AMEND, *REPLACE)))  # twice: such requests are rare
        self._schedule = Random(f"faults-{seed}")
        self._drawn, self._at_ms = LAST_NUMBER, 0.0
        self._armed: deque[Fault] = deque(maxlen=ARMED_MAX)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def next(self) -> tuple[float, Fault]:
        """The next one of the schedule, and how long after the one before it comes up (ms)."""
        self._drawn += 1
        wait_ms = self._schedule.expovariate(1 / self._wait_ms)
        self._at_ms += wait_ms
        return wait_ms, self.new(self._schedule.choice(self._drawn_from), self._drawn, self._at_ms)

    def new(self, kind: Kind, number: int, at_ms: float = 0.0) -> Fault:
        return Fault(number, kind, at_ms, Random(f"fault-{self._seed}-{number}"))

    def by_hand(self, kind: Kind) -> Fault:
        return self.new(kind, BY_HAND + self.total + len(self._armed))

    def is_due(self, fault: Fault) -> bool:
        return self._only is None or fault.number in self._only

    def arm(self, what: Fault | Kind) -> None:
        """It strikes the next request or event that it fits."""
        self._armed.append(what if isinstance(what, Fault) else self.by_hand(what))

    def stop(self) -> None:
        self.stopped = True
        self._armed.clear()

    def note(self, fault: Fault, end_ns: int) -> None:
        """Count one fault; its effects end at `end_ns`."""
        self.counts[fault.kind] = self.counts.get(fault.kind, 0) + 1
        self.struck[fault.number] = fault
        self.last_ns = max(self.last_ns, end_ns)

    def plan(self, command: AnyCommand, timeout_s: float, now_ns: int) -> Plan:
        """The fate of a request that leaves now."""
        if self.is_cut_off:
            return CUT_OFF
        fault = self._take(FITTING.get(type(command), (Kind.READ_LOST,)))
        if fault is None:
            return NO_FAULT
        plan = self._plan_of(fault, timeout_s * 1000)
        longest_ms = max(timeout_s * 1000, plan.late_ms, plan.reply_late_ms, plan.ban_ms)
        self.note(fault, now_ns + int(longest_ms * 1_000_000))
        return plan

    def strike(self, connection: Connection, is_fill: bool) -> Fault | None:
        """The fault that hits the next event of this connection, if any."""
        return self._take(tuple(kind for kind in EVENT[connection] if is_fill or kind is not Kind.FILL_MISSING))

    def _take(self, fitting: tuple[Kind, ...]) -> Fault | None:
        for fault in self._armed:
            if fault.kind in fitting:
                self._armed.remove(fault)
                return fault
        return None

    def _plan_of(self, fault: Fault, timeout_ms: float) -> Plan:
        uniform = fault.rng.uniform
        retry_ms = fault.rng.randint(1, 4) * 1000
        late_ms = uniform(timeout_ms, max(timeout_ms, self.recv_window_ms - 100))
        table: dict[Kind, Plan] = {
            Kind.PLACE_LOST: Plan(fault, lost=True),
            Kind.PLACE_REPLY_LOST: Plan(fault, reply_lost=True),
            Kind.PLACE_LATE: Plan(fault, late_ms=late_ms, reply_lost=True),
            Kind.PLACE_TOO_LATE: Plan(fault, late_ms=self.recv_window_ms + uniform(200, 4000), reply_lost=True),
            Kind.PLACE_FILLED: Plan(fault, reply_lost=True),
            Kind.PLACE_RENAMED: Plan(fault, reply_lost=True),
            Kind.PLACE_REPLY_LATE: Plan(fault, reply_late_ms=timeout_ms + uniform(10, 4000)),
            Kind.CANCEL_LOST: Plan(fault, lost=True),
            Kind.CANCEL_REPLY_LOST: Plan(fault, reply_lost=True),
            Kind.CANCEL_LATE: Plan(fault, late_ms=late_ms, reply_lost=True),
            Kind.CANCEL_FILLED: Plan(fault),
            Kind.CANCEL_REPLY_LATE: Plan(fault, reply_late_ms=timeout_ms + uniform(10, 4000)),
            Kind.AMEND_LOST: Plan(fault, lost=True),
            Kind.AMEND_REPLY_LOST: Plan(fault, reply_lost=True),
            Kind.AMEND_LATE: Plan(fault, late_ms=late_ms, reply_lost=True),
            Kind.AMEND_FILLED: Plan(fault),
            Kind.AMEND_REFUSED: Plan(fault, before=not_amended()),
            Kind.REPLACE_LOST: Plan(fault, lost=True),
            Kind.REPLACE_REPLY_LOST: Plan(fault, reply_lost=True),
            Kind.REPLACE_LATE: Plan(fault, late_ms=late_ms, reply_lost=True),
            Kind.REPLACE_TOO_LATE: Plan(fault, late_ms=self.recv_window_ms + uniform(200, 4000), reply_lost=True),
            Kind.REPLACE_OLD_FILLED: Plan(fault),
            Kind.REPLACE_NEW_FILLED: Plan(fault, reply_lost=True),
            Kind.REPLACE_HALF: Plan(fault),
            Kind.REPLACE_REPLY_LATE: Plan(fault, reply_late_ms=timeout_ms + uniform(10, 4000)),
            Kind.READ_LOST: Plan(fault, lost=True),
            Kind.REPLY_TWICE: Plan(fault),
            Kind.ERROR_5XX_DONE: Plan(fault, after=UnknownOutcome("503 Service Unavailable")),
            Kind.ERROR_5XX_NOT_DONE: Plan(fault, before=UnknownOutcome("503 Service Unavailable")),
            Kind.ERROR_1007_DONE: Plan(fault, after=UnknownOutcome("-1007 execution status unknown")),
            Kind.ERROR_1007_NOT_DONE: Plan(fault, before=UnknownOutcome("-1007 execution status unknown")),
            Kind.ERROR_1021: Plan(fault, before=stale()),
            Kind.BAN_429: Plan(fault, before=banned(429, retry_ms), ban_ms=retry_ms),
            Kind.BAN_418: Plan(fault, before=banned(418, retry_ms), ban_ms=retry_ms),
            Kind.LIMIT_1015: Plan(fault, before=limited(retry_ms), ban_ms=retry_ms),
        }
        return table[fault.kind]


def stale() -> Refused:
    return Refused(VenueError(code=-1021, message="Timestamp for this request is outside of the recvWindow.", http_status=400))


def not_amended() -> Refused:
    return Refused(VenueError(code=-2038, message="Filter failure: MAX_NUM_ORDER_AMENDS", http_status=400))


def banned(http_status: int, retry_after_ms: int) -> Refused:
    return Refused(VenueError(code=-1003, message="Too much request weight used.", http_status=http_status, retry_after_ms=retry_after_ms))


def limited(retry_after_ms: int) -> Refused:
    return Refused(VenueError(code=-1015, message="Too many new orders.", http_status=429, retry_after_ms=retry_after_ms))
