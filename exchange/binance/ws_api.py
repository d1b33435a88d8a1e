"""Orders over the WS API: a worker sends and is free, the reader of the connection hands the outcome on.

Who calls it: order_book_manager on lane threads (Venue); user_stream.py on the reader thread (`stands`). Nothing is waited for here, and nothing is
sent twice: REST is taken only where the WS API was down before the request left; what was sent on a connection that is then lost is unknown.
Never: a wait for an answer, a read (they go over REST), a decision about an order.
Source: binance-wire 6; DESIGN 4 and 5.
"""

import msgspec

from core.commands import Amend, Cancel, CancelAll, Place, PlaceOco, Query, ReadAccount, ReadDepth, Replace, Request
from core.events import AccountSnapshot, CancelAllAnswer, DepthSnapshot, OcoAnswer, OrderAnswer, ReplaceAnswer
from core.ports import Answered, ClockNs, NotSent, Underway
from exchange.binance.clock import VenueClock
from exchange.binance.gate import Gate
from exchange.binance.in_flight import Waiting
from exchange.binance.params import amend_params, cancel_params, oco_params, place_params, replace_params
from exchange.binance.user_stream import ApiSession
from exchange.binance.venue import BinanceVenue
from exchange.binance.ws_requests import Params

LATE_S_MAX = 12.0  # the venue itself gives up after 10 s with -1007 (binance-wire 8)
UNDERWAY = Underway()


class WsVenue:
    """core.ports.Venue: places, cancels, amendments and replacements over the connection that stands, everything else over `rest`.

    `session` is one reference, replaced whole by the reader thread; a worker looks once.
    """

    name = BinanceVenue.name
    only_sends = True
    capabilities = msgspec.structs.replace(BinanceVenue.capabilities, ws_amend=True)

    def __init__(self, rest: BinanceVenue, clock: VenueClock, clock_ns: ClockNs, gate: Gate | None = None) -> None:
        self._rest, self._clock, self._clock_ns, self._gate = rest, clock, clock_ns, gate or Gate()
        self._session: ApiSession | None = None

    def stands(self, session: ApiSession, is_standing: bool) -> None:
        """From the reader: this connection takes requests, or takes no more."""
        if is_standing:
            self._session = session
        elif self._session is session:
            self._session = None

    # -- core.ports.Venue ------------------------------------------------------------------------
    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer] | Underway:
        if self._sent(command, "order.place", place_params(command), timeout_s):
            return UNDERWAY
        return self._rest.place(command, timeout_s)

    def cancel(self, command: Cancel, timeout_s: float) -> Answered[OrderAnswer] | Underway:
        params = cancel_params(command.symbol, command.venue_order_id, command.cancel_id)
        if self._sent(command, "order.cancel", params, timeout_s):
            return UNDERWAY
        return self._rest.cancel(command, timeout_s)

    def amend(self, command: Amend, timeout_s: float) -> Answered[OrderAnswer] | Underway:
        if self._sent(command, "order.amend.keepPriority", amend_params(command), timeout_s):
            return UNDERWAY
        return self._rest.amend(command, timeout_s)

    def replace(self, command: Replace, timeout_s: float) -> Answered[ReplaceAnswer] | Underway:
        if self._sent(command, "order.cancelReplace", replace_params(command), timeout_s):
            return UNDERWAY
        return self._rest.replace(command, timeout_s)

    def place_oco(self, command: PlaceOco, timeout_s: float) -> Answered[OcoAnswer] | Underway:
        if self._sent(command, "orderList.place.oco", oco_params(command), timeout_s):
            return UNDERWAY
        return self._rest.place_oco(command, timeout_s)

    def cancel_all(self, command: CancelAll, timeout_s: float) -> Answered[CancelAllAnswer]:
        return self._rest.cancel_all(command, timeout_s)

    def query(self, command: Query, timeout_s: float) -> Answered[OrderAnswer]:
        return self._rest.query(command, timeout_s)

    def read_account(self, command: ReadAccount, timeout_s: float) -> Answered[AccountSnapshot]:
        return self._rest.read_account(command, timeout_s)

    def read_depth(self, command: ReadDepth, timeout_s: float) -> Answered[DepthSnapshot]:
        return self._rest.read_depth(command, timeout_s)

    def _sent(self, command: Request, method: str, params: Params, timeout_s: float) -> bool:
        """False where the connection is down, or where the venue's clock must be measured first, which REST does on the way. Raises NotSent."""
        self._gate.check()
        session = self._session
        if session is None or self._clock.suspect:
            return False
        now_ns = self._clock_ns()
        due_ns = now_ns + int(timeout_s * 1e9)
        waiting = Waiting(command, now_ns, due_ns, due_ns + int(LATE_S_MAX * 1e9))
        try:
            return session.send(waiting, method, params)
        except ValueError as error:
            raise NotSent(str(error)) from None
