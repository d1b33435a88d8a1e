"""The account's own events over the WS API: subscribe with a signature, then executions and balances as they come.

Who builds it: bot.py. Thread: "ws-api" parses and posts. The venue's clock is shared with REST; when a timestamp is refused it is measured over this
same socket, so the reader never waits for another. Never: an order (they go over REST in this issue), a wait, a key in a message.
Source: binance-wire 6 (userDataStream.subscribe.signature), 7 (events), 8 (codes). The listenKey of old is gone.
"""

import random
import time

import msgspec

from core.events import StreamGap
from core.ports import ClockNs, Post, Refused
from core.types import Connection
from exchange.binance import errors, frames, wire
from exchange.binance.clock import VenueClock
from exchange.binance.link import Link
from exchange.binance.signing import Signer
from exchange.binance.socket_loop import Confirmed, Leave, SocketLoop

THREAD = "ws-api"
RECV_WINDOW_MS = 3000
KEY_REFUSED_CODES = (-1002, -1022, -2014, -2015)
KEY_REFUSED_WAIT_S = 30.0
ALREADY_SUBSCRIBED = -2035
CLOCK_TRIES_MAX = 3


class _Feed:
    def __init__(self, signer: Signer, clock: VenueClock, post: Post) -> None:
        self._signer = signer
        self._clock = clock
        self._post = post
        self._link: Link | None = None
        self._number = 0
        self._subscribing = 0  # id of the subscribe request without an answer, 0 = none
        self._timing = 0  # id of the time request without an answer, 0 = none
        self._time_sent_ms = 0.0
        self._clock_tries = 0

    def opened(self, link: Link) -> None:
        self._link = link
        self._clock_tries = self._subscribing = self._timing = 0
        if self._clock.suspect:
            self._ask_time()
        else:
            self._subscribe()

    def heard(self, payload: bytes, received_ns: int) -> Leave | Confirmed | None:
        message = frames.user_message(payload, received_ns)
        if isinstance(message, frames.ApiReply):
            return self._on_reply(message)
        if isinstance(message, frames.Terminated):
            self._post(StreamGap(connection=Connection.USER, reason="the venue ended the subscription"))
            return Leave("the venue ended the subscription", at_once=True)
        if isinstance(message, frames.Shutdown):
            return Leave("the venue announced a shutdown", at_once=True)
        if isinstance(message, frames.ExternalLock):
            # No message states the balance itself, so the account is read again.
            self._post(StreamGap(connection=Connection.USER, reason=f"{message.asset} locked or freed from outside"))
        elif not isinstance(message, frames.Ignored):
            self._post(message)
        return None

    def _on_reply(self, reply: frames.ApiReply) -> Leave | Confirmed | None:
        if reply.request_id is None and reply.status != 200:
            return self._refused(reply)  # the key was revoked in mid-session
        if self._timing and reply.request_id == self._timing:
            self._timing = 0
            if reply.status != 200:
                return self._refused(reply)
            self._clock.learn(wire.server_time_ms(reply.result), self._time_sent_ms, time.time() * 1000)
            self._subscribe()
            return None
        if not self._subscribing or reply.request_id != self._subscribing:
            return None
        self._subscribing = 0
        if reply.status == 200 or (reply.error is not None and reply.error.code == ALREADY_SUBSCRIBED):
            return Confirmed()
        if reply.error is not None and reply.error.code == errors.TIMESTAMP_CODE and self._clock_tries < CLOCK_TRIES_MAX:
            self._clock.doubt()
            self._ask_time()
            return None
        return self._refused(reply)

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
            wait_ms = refusal.error.retry_after_ms if isinstance(refusal, Refused) else 0
        return Leave(f"user stream refused ({told})", wait_s=wait_ms / 1000)

    def _subscribe(self) -> None:
        params = self._signer.signed({"recvWindow": RECV_WINDOW_MS}, self._clock.now_ms())
        self._subscribing = self._send("userDataStream.subscribe.signature", params)

    def _ask_time(self) -> None:
        self._clock_tries += 1
        self._time_sent_ms = time.time() * 1000
        self._timing = self._send("time", {})

    def _send(self, method: str, params: dict[str, str | int]) -> int:
        assert self._link is not None
        self._number += 1
        self._link.send(msgspec.json.encode({"id": self._number, "method": method, "params": params}).decode())
        return self._number


def user_stream(
    ws_api_url: str, signer: Signer, clock: VenueClock, post: Post, clock_ns: ClockNs, rng: random.Random, silence_ms_max: int = 5000
) -> SocketLoop:
    """The reader of `ws_api_url` (Urls.ws_api); StreamUp is posted only after the subscription was answered with status 200."""
    return SocketLoop(THREAD, Connection.USER, ws_api_url, _Feed(signer, clock, post), post, clock_ns, rng, silence_ms_max)
