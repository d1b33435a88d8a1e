"""What the oracle knows of every request: seen leaving, seen arriving, decided by the venue, or no longer able to arrive.

Who calls it: sim.oracle. Pure. Never: the bot's own opinion of a request.
"""

import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from core.commands import Amend, AnyCommand, Cancel, Place, PlaceOco, Replace, Request, places_of
from core.types import Side, VenueError
from exchange.paper.matching import Matching
from exchange.paper.model import Reject
from sim.faults import Plan
from sim.scheduler import MS

INTENT_REACH = 8192  # bytes; an intent stands at the end of the file when its place leaves


def is_written(intents: bytearray, client_order_id: str) -> bool:
    """Does the end of these bytes hold a whole intent of this id? Read here from the format's description alone (state.intents)."""
    at = intents.rfind(b'"client_order_id":"%b"' % client_order_id.encode(), max(0, len(intents) - INTENT_REACH))
    begin = intents.rfind(b'{"record":"intent"', 0, max(at, 0))
    if begin < 8:
        return False
    payload = intents[begin : begin + int.from_bytes(intents[begin - 8 : begin - 4], "big")]
    return begin + len(payload) > at and zlib.crc32(payload) == int.from_bytes(intents[begin - 4 : begin], "big")


@dataclass(slots=True)
class Sent:
    """One request about an order on its way to the venue."""

    command: Request
    expires_ns: int | None = None  # after this the venue refuses it; None while it waits in a lane
    is_orphaned: bool = False  # its process is dead; the next one cannot know of it
    is_settled: bool = False  # lost, refused or executed: it can change nothing any more

    @property
    def has_left(self) -> bool:
        return self.expires_ns is not None

    def may_arrive(self, now_ns: int) -> bool:
        return not self.is_settled and (self.expires_ns is None or now_ns <= self.expires_ns)


def name_of(command: AnyCommand) -> str:
    """Unique over all boots; empty for a read."""
    if isinstance(command, Place | Replace | PlaceOco):
        return command.client_order_id
    if isinstance(command, Amend):
        return f"{command.client_order_id}/{command.command_id}"
    return f"{command.cancel_id}/{command.command_id}" if isinstance(command, Cancel) else ""


@dataclass(slots=True)
class Requests:
    """All requests about orders of one world; unsettled ones apart."""

    matching: Matching
    recv_window_ms: int
    places: dict[str, Sent] = field(default_factory=dict)  # by client order id
    alive: dict[str, Sent] = field(default_factory=dict)  # places not known to be over
    unsettled: dict[str, Sent] = field(default_factory=dict)  # by name: command numbers begin anew with each boot
    arrivals: dict[str, int] = field(default_factory=dict)  # how often each client id reached the create endpoint
    venue_ids: dict[str, int] = field(default_factory=dict)  # client id -> order id, for executed places

    def emit(self, command: Request) -> None:
        request = Sent(command)
        self.unsettled[name_of(command)] = request
        for place in places_of(command):
            self.places[place.client_order_id] = self.alive[place.client_order_id] = request

    def left(self, command: AnyCommand, plan: Plan, now_ns: int) -> None:
        if request := self.unsettled.get(name_of(command)):
            request.expires_ns = now_ns + self.recv_window_ms * MS
            if plan.lost:
                self._settle(request)

    def orphan(self) -> None:
        """The process that sent them is gone. What still waited in its lanes (a slow disk holds the write of an intent) never leaves."""
        for request in list(self.unsettled.values()):
            request.is_orphaned = True
            if not request.has_left:
                self._settle(request)

    def arrived(self, command: AnyCommand) -> int:
        """How often this client id has reached the create endpoint, this time included; 0 for what is no place."""
        for place in places_of(command):
            self.arrivals[place.client_order_id] = self.arrivals.get(place.client_order_id, 0) + 1
        return max((self.arrivals[place.client_order_id] for place in places_of(command)), default=0)

    def decided(self, command: AnyCommand, error: VenueError | None) -> None:
        if request := self.unsettled.get(name_of(command)):
            self._settle(request)
        for place in places_of(command) if error is None else ():
            try:
                order = self.matching.order(place.symbol, client_order_id=place.client_order_id)
            except Reject:
                continue
            self.venue_ids[place.client_order_id] = order.order_id

    def _settle(self, request: Sent) -> None:
        request.is_settled = True
        self.unsettled.pop(name_of(request.command), None)

    def forget(self, known: Container[str]) -> None:
        """Places that are over, except those whose client ids are `known`."""
        for name in [name for name in self.places if name not in self.alive and name not in known]:
            del self.places[name]
            self.arrivals.pop(name, None)
            self.venue_ids.pop(name, None)

    # -- questions -------------------------------------------------------------------------------
    def is_open(self, symbol: str, client_order_id: str) -> bool:
        """Open at the venue, by its own record."""
        order_id = self.venue_ids.get(client_order_id)
        return order_id is not None and order_id in self.matching.archives[symbol].open_ids

    def may_live(self, symbol: str, client_order_id: str, now_ns: int) -> bool:
        """Open at the venue, or still able to become so."""
        request = self.places.get(client_order_id)
        return self.is_open(symbol, client_order_id) or (request is not None and request.may_arrive(now_ns))

    def pending_changes(self, symbol: str, side: Side, now_ns: int) -> Iterator[Cancel | Amend | Replace]:
        """Cancels, amendments and replacements of this side that can still change an open order."""
        for request in self.unsettled.values():
            command = request.command
            fits = command.symbol == symbol and command.side is side
            if not isinstance(command, Place | PlaceOco) and fits and not request.is_orphaned and request.may_arrive(now_ns):
                changed = command.cancel if isinstance(command, Replace) else command
                if changed.venue_order_id in self.matching.archives[symbol].open_ids:
                    yield command
