"""One WS API connection from the reader's side: log on or sign, subscribe to the account's own events, take events and replies as they come.

Who builds it: assembly.py. Thread: "ws-api" parses and posts; `send` is called by lane threads. The venue's clock is shared with REST; when a
timestamp is refused at the subscription it is measured over this same socket, so the reader never waits for another.
Never: a second sending of a request, a wait, a key in a message.
Source: binance-wire 6 (session.logon, userDataStream.subscribe.signature, what a lost connection means), 7 (events), 8 (codes).
"""

import random
from collections.abc import Callable
from typing import Protocol

import msgspec

from core.commands import Amend, Place, PlaceOco, Replace, Request
from core.events import OrderAnswer, RequestAnswer, StreamGap
from core.ports import Answered, ClockNs, Post, Refused, Settle
from core.types import Connection, RateLimit
from exchange.binance import errors, frames, order_lists, wire, wire_pairs
from exchange.binance.clock import VenueClock
from exchange.binance.errors import HalfDone, UnknownOutcome
from exchange.binance.gate import Gate
from exchange.binance.in_flight import Added, InFlight, Waiting
from exchange.binance.link import Gone, Link, NeverLeft
from exchange.binance.signing import Signer
from exchange.binance.socket_loop import SocketLoop
from exchange.binance.talk import Confirmed, Feed, Leave, Move, Word
from exchange.binance.ws_requests import Params, Requests

THREAD = "ws-api"
KEY_REFUSED_CODES = (-1002, -1022, -2014, -2015)
KEY_REFUSED_WAIT_S = 30.0
ALREADY_SUBSCRIBED = -2035
CLOCK_TRIES_MAX = 3
SWEEP_EVERY_NS = 1_000_000_000
LIFE_S_MAX, LIFE_S_SPREAD = 23.0 * 3600, 1800.0  # the venue ends a connection after 24 h
TIME, LOG_ON, SUBSCRIBE = "time", "logon", "subscribe"


class OrderEntry(Protocol):
    """Who sends orders over the connection that stands."""

    def stands(self, session: "ApiSession", is_standing: bool) -> None: ...


class ApiSession(Feed):
    """The feed of one connection. `settle` hears the outcome of every request that `send` took, `entry` when requests may come and when no more."""

    def __init__(
        self,
        requests: Requests,
        clock: VenueClock,
        post: Post,
        clock_ns: ClockNs,
        settle: Settle,
        entry: "OrderEntry | None",
        gate: Gate,
    ) -> None:
        self._requests, self._clock, self._post, self._clock_ns = requests, clock, post, clock_ns
        self._settle, self._entry, self._gate = settle, entry, gate
        self._link: Link | None = None
        self._in_flight = InFlight()
        self._asked: dict[str, str] = {}  # own requests without an answer: id -> what
        self._number = 0
        self._time_sent_ms = 0.0
        self._clock_tries = 0
        self._is_logged_on = False
        self._is_retired = self._is_owed = False
        self._sweep_ns = 0

    # -- lane threads ----------------------------------------------------------------------------
    def send(self, waiting: Waiting, method: str, params: Params) -> bool:
        """Send one request, once. False: nothing left, and another way may be taken. Raises NotSent, errors.UnknownOutcome, ValueError."""
        number = waiting.command.command_id
        link = self._link
        if link is None or link.is_broken or self._is_retired:
            return False
        text = self._text(number, method, params)
        if self._in_flight.add(waiting) is not Added.YES:
            return False
        try:
            link.send(text)
        except NeverLeft:
            return self._in_flight.take(number) is None  # where the reader was quicker, it has spoken for it
        except Gone as gone:
            if self._in_flight.take(number) is not None:
                raise UnknownOutcome(f"{gone.reason} while sending") from None
        return True

    def _stands(self, is_standing: bool) -> None:
        if self._entry is not None:
            self._entry.stands(self, is_standing)

    def _text(self, number: int | str, method: str, params: Params) -> str:
        make = self._requests.vouched if self._is_logged_on else self._requests.signed
        return make(number, method, params, self._clock.now_ms())

    # -- Feed: the reader thread -----------------------------------------------------------------
    def opened(self, link: Link) -> None:
        self._link = link
        if self._clock.suspect:
            self._ask_time()
        else:
            self._begin()

    def heard(self, payload: bytes, received_ns: int) -> Word | None:
        message = frames.user_message(payload, received_ns)
        if isinstance(message, frames.ApiReply):
            return self._on_reply(message, received_ns)
        if isinstance(message, frames.Terminated):
            return self._on_terminated()
        if isinstance(message, frames.Shutdown):
            return Move("the venue announced a shutdown")
        if isinstance(message, frames.ExternalLock):
            # No message states the balance itself, so the account is read again.
            self._post(StreamGap(connection=Connection.USER, reason=f"{message.asset} locked or freed from outside"))
        elif not isinstance(message, frames.Ignored):
            self._post(message)
        return None

    def tick(self, now_ns: int) -> None:
        """Whose answer has not come long after its deadline is given up: its outcome stays unknown, and nothing waits for ever."""
        if now_ns < self._sweep_ns:
            return
        self._sweep_ns = now_ns + SWEEP_EVERY_NS
        for waiting in self._in_flight.overdue(now_ns):
            self._tell(waiting, UnknownOutcome("the venue never answered"), now_ns)
        self._is_owed = self._in_flight.is_owed(now_ns)

    @property
    def is_owed(self) -> bool:
        return self._is_owed

    def retire(self) -> None:
        self._is_retired = True
        self._stands(False)

    @property
    def is_settled(self) -> bool:
        return not len(self._in_flight)

    def ended(self, reason: str) -> None:
        """All that was sent here and not answered is unknown; nothing of it is sent again."""
        self._stands(False)
        now_ns = self._clock_ns()
        for waiting in self._in_flight.close():
            self._tell(waiting, UnknownOutcome(f"the connection was lost before the answer came ({reason})"), now_ns)

    # -- replies ---------------------------------------------------------------------------------
    def _on_reply(self, reply: frames.ApiReply, received_ns: int) -> Word | None:
        if isinstance(reply.request_id, int):
            return self._on_answer(reply.request_id, reply, received_ns)
        if reply.request_id is None and reply.status != 200:
            return self._refused(reply)  # the key was revoked in mid-session, or the venue could not read us
        what = self._asked.pop(str(reply.request_id), "")
        if what == TIME:
            return self._on_time(reply)
        if what == LOG_ON and reply.status == 200:
            self._is_logged_on = True
            self._subscribe()
            return None
        if what == SUBSCRIBE and (reply.status == 200 or (reply.error is not None and reply.error.code == ALREADY_SUBSCRIBED)):
            self._stands(True)
            return Confirmed()
        if not what:
            return None
        if reply.error is not None and errors.is_about_time(reply.error.code, reply.error.msg) and self._clock_tries < CLOCK_TRIES_MAX:
            self._clock.doubt()
            self._ask_time()
            return None
        return self._refused(reply)

    def _on_answer(self, number: int, reply: frames.ApiReply, received_ns: int) -> Leave | None:
        waiting = self._in_flight.take(number)
        if waiting is not None:  # else it was given up long ago
            self._tell(waiting, self._outcome(waiting, reply), received_ns)
        if reply.status == 418:
            return self._refused(reply)  # the venue closes the connection, and a new one before the ban's end would prolong it
        return None

    def _outcome(self, waiting: Waiting, reply: frames.ApiReply) -> Answered[RequestAnswer] | Exception:
        command = waiting.command
        if reply.status == 200:
            return _answered(command, reply.result, reply.limits)
        if reply.error is None:
            return UnknownOutcome(f"status {reply.status} without a venue error")
        if errors.is_about_time(reply.error.code, reply.error.msg):
            self._clock.doubt()
        is_place = isinstance(command, Place | Replace | PlaceOco)
        told = errors.from_error(reply.status, reply.error, 0, self._clock.now_ms(), reply.limits, is_place=is_place)
        if isinstance(told, Refused):
            self._gate.hear(told.error)
        if isinstance(told, HalfDone):
            return _answered(command, told.error.data, told.limits)
        return told

    def _tell(self, waiting: Waiting, outcome: Answered[RequestAnswer] | Exception, known_ns: int) -> None:
        self._settle(waiting.command, outcome, waiting.sent_ns, known_ns)

    def _on_terminated(self) -> Leave:
        """The end of the subscription here; where a newer connection has taken over, no loss."""
        if not self._is_retired:
            self._post(StreamGap(connection=Connection.USER, reason="the venue ended the subscription"))
        return Leave("the venue ended the subscription", at_once=True)

    def _on_time(self, reply: frames.ApiReply) -> Leave | None:
        if reply.status != 200:
            return self._refused(reply)
        self._clock.learn(wire.server_time_ms(reply.result), self._time_sent_ms, self._clock.local_ms())
        self._begin()
        return None

    def _refused(self, reply: frames.ApiReply) -> Leave:
        error = reply.error
        if error is None:
            return Leave(f"user stream refused with status {reply.status}")
        told = errors.scrub(f"{error.code} {error.msg}")
        if error.code in KEY_REFUSED_CODES or reply.status == 401:
            return Leave(f"the venue does not accept the API key for user data ({told})", wait_s=KEY_REFUSED_WAIT_S)
        wait_ms = 0
        if reply.status in (418, 429):
            refusal = errors.from_error(reply.status, error, 0, self._clock.now_ms())
            if isinstance(refusal, Refused):
                self._gate.hear(refusal.error)
                wait_ms = refusal.error.retry_after_ms
        return Leave(f"user stream refused ({told})", wait_s=wait_ms / 1000)

    # -- own requests ----------------------------------------------------------------------------
    def _begin(self) -> None:
        if self._requests.can_log_on and not self._is_logged_on:
            self._ask(LOG_ON, lambda number: self._requests.signed(number, "session.logon", {}, self._clock.now_ms()))
        else:
            self._subscribe()

    def _subscribe(self) -> None:
        method = "userDataStream.subscribe"
        if self._is_logged_on:
            self._ask(SUBSCRIBE, lambda number: self._requests.plain(number, method, {}))
        else:
            self._ask(SUBSCRIBE, lambda number: self._requests.signed(number, f"{method}.signature", {}, self._clock.now_ms()))

    def _ask_time(self) -> None:
        self._clock_tries += 1
        self._time_sent_ms = self._clock.local_ms()
        self._ask(TIME, lambda number: self._requests.plain(number, "time", {}))

    def _ask(self, what: str, text_of: Callable[[str], str]) -> None:
        """Own requests have text ids, orders their command numbers: the two never meet."""
        assert self._link is not None
        self._number += 1
        number = f"{what}-{self._number}"
        self._asked[number] = what
        self._link.send(text_of(number))


def no_requests(*told: object) -> None:
    """The `settle` of a connection that carries no orders."""


def user_stream(
    ws_api_url: str,
    signer: Signer,
    clock: VenueClock,
    post: Post,
    clock_ns: ClockNs,
    rng: random.Random,
    silence_ms_max: int = 5000,
    settle: Settle = no_requests,
    entry: OrderEntry | None = None,
    gate: Gate | None = None,
) -> SocketLoop:
    """The reader of `ws_api_url` (Urls.ws_api); StreamUp is posted only after the subscription was answered with status 200."""
    requests = Requests(signer)
    held = gate or Gate()
    life_s = LIFE_S_MAX + rng.uniform(0, LIFE_S_SPREAD)

    def new_session() -> ApiSession:
        return ApiSession(requests, clock, post, clock_ns, settle, entry, held)

    return SocketLoop(THREAD, Connection.USER, ws_api_url, new_session, post, clock_ns, rng, silence_ms_max, life_s, held)


def _answered(command: Request, result: bytes | msgspec.Raw, limits: tuple[RateLimit, ...]) -> Answered[RequestAnswer] | UnknownOutcome:
    try:
        return Answered(_answer(command, result), limits)
    except wire.BadBody as bad:
        return bad


def _answer(command: Request, result: bytes | msgspec.Raw) -> RequestAnswer:
    """What the answer says of the order, by the kind of request. Raises BadBody."""
    if isinstance(command, Place):
        return OrderAnswer(facts=wire.placed(result, command), by_socket=True)
    if isinstance(command, Amend):
        return OrderAnswer(facts=wire.amended(result), by_socket=True)
    if isinstance(command, PlaceOco):
        return order_lists.placed(result, command, by_socket=True)
    if isinstance(command, Replace):
        return wire_pairs.replaced(result, command, by_socket=True)
    facts, also = order_lists.canceled(result, command.venue_order_id)
    return OrderAnswer(facts=facts, by_socket=True, also=also)
