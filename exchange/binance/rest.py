"""Signed REST calls: python-binance's Client signs and sends, one Client per thread; this file bounds, classifies and scrubs.

Who calls it: venue.py, on lane threads (blocking). A mutating call leaves at most once. Reads are tried up to three times inside their timeout.
Never: a retry of POST, PUT or DELETE, a redirect, a proxy from the environment, a message with a key or a signature in it.
Source: binance-wire 1 (signing, timing), 4 (headers), 9 (python-binance: one Client per thread, forced recvWindow, no clock of its own).
"""

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
import requests
import tenacity
from requests.structures import CaseInsensitiveDict

from core.ports import NotSent, Refused
from core.types import RateLimit
from exchange.binance import errors, wire
from exchange.binance.client import Client
from exchange.binance.clock import VenueClock
from exchange.binance.gate import Gate
from exchange.binance.transport import Adapter, LiveSockets, begin_call

READ_TRIES_MAX = 3
RETRY_WAIT_S_FIRST = 0.05
RETRY_WAIT_S_MAX = 0.4
TRY_S_MIN = 0.02  # with less time left another try is pointless
CLOCK_TIMEOUT_S = 2.0
USER_AGENT = "greenlight"


class Answer(msgspec.Struct, frozen=True):
    """A 2xx answer: its body as it came and the limits its headers told."""

    body: bytes
    limits: tuple[RateLimit, ...] = ()


class _Client(Client):  # type: ignore[misc]
    """python-binance's Client that hands the answer back unread, so that this file judges it (its own judge fails on odd bodies)."""

    @staticmethod
    def _handle_response(response: requests.Response) -> requests.Response:
        return response


class _Session(requests.Session):
    """A Session that only sends: python-binance has ordered, encoded and signed already, and cookies, redirects, proxies and .netrc are not wanted.

    What is left out is half of the time of a call (docs/performance.md).
    """

    def request(self, method: str | bytes, url: str | bytes, *_: object, **given: Any) -> requests.Response:
        """The call as python-binance makes it; raises what the adapter raises."""
        prepared = requests.PreparedRequest()
        prepared.method = str(method).upper()
        prepared.url = f"{url!s}?{given['params']}" if given.get("params") else str(url)
        prepared.headers = CaseInsensitiveDict({**self.headers, **given.get("headers", {})})
        data = given.get("data")
        if data or prepared.method != "GET":
            prepared.body = data if isinstance(data, str) else urlencode(data or ())
            prepared.headers["Content-Length"] = str(len(prepared.body))
        prepared.hooks = {"response": []}
        response: requests.Response = self.get_adapter(prepared.url).send(prepared, timeout=given["timeout"])
        return response


class Rest:
    """Calls to one base address with one key.

    `base` is the address without /api; `private_key` an Ed25519 or RSA PEM text in place of the secret. Timeouts are in seconds.
    """

    def __init__(
        self,
        base: str,
        api_key: str,
        api_secret: str,
        clock: VenueClock,
        *,
        private_key: str = "",
        recv_window_ms: int = 3000,
        connect_timeout_s: float = 1.0,
        call_timeout_s: float = 10.0,
        gate: Gate | None = None,
    ) -> None:

        self.clock = clock
        self.api_key = api_key
        self._base = base.rstrip("/")
        self._secret = api_secret
        self._private_key = private_key.strip()  # python-binance tells the kinds of key by their length
        self._recv_window_ms = recv_window_ms
        self._connect_timeout_s = connect_timeout_s
        self._call_timeout_s = call_timeout_s  # one call of a read of several never takes the time of all
        self._gate = gate or Gate()
        self._mine = threading.local()
        self._live = LiveSockets()
        self._known_limits: dict[tuple[str, int], int] = {}
        self._shut = False

    # -- calls -----------------------------------------------------------------------------------
    def read(self, path: str, params: Mapping[str, str], timeout_s: float, *, signed: bool = True, sapi: bool = False) -> Answer:
        """GET, tried again within `timeout_s` where the line broke or the clock was off; never after a limit, a ban or any other refusal.

        Raises Refused, NotSent, errors.UnknownOutcome.
        """
        ends_s = time.monotonic() + timeout_s
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(READ_TRIES_MAX),
            wait=tenacity.wait_exponential(multiplier=RETRY_WAIT_S_FIRST, max=RETRY_WAIT_S_MAX),
            retry=tenacity.retry_if_exception(lambda error: _is_worth_another(error) and ends_s - time.monotonic() > RETRY_WAIT_S_MAX + TRY_S_MIN),
            reraise=True,
        )
        return retrying(lambda: self._call("get", path, params, ends_s, signed=signed, sapi=sapi))

    def send(self, method: str, path: str, params: Mapping[str, str], timeout_s: float, *, is_place: bool = False) -> Answer:
        """POST, PUT or DELETE: leaves once or not at all. Raises Refused, NotSent, errors.UnknownOutcome."""
        return self._call(method, path, params, time.monotonic() + timeout_s, signed=True, is_place=is_place)

    def sync_clock(self, timeout_s: float = CLOCK_TIMEOUT_S) -> int:
        """Measure the venue's clock over GET /time; returns the offset in ms. Call it every 60 s. Raises as `read` does.

        The first call of a connection pays for its making, which is not symmetric; so a pooled connection is warmed by a first try.
        """
        ends_s = time.monotonic() + timeout_s
        if not getattr(self._mine, "is_warm", False):
            self._call("get", "time", {}, ends_s, signed=False)
            self._mine.is_warm = True
        sent_ms = self.clock.local_ms()
        answer = self._call("get", "time", {}, ends_s, signed=False)
        self.clock.learn(wire.server_time_ms(answer.body), sent_ms, self.clock.local_ms())
        return self.clock.offset_ms

    def know_limits(self, limits: Iterable[RateLimit]) -> None:
        """The sizes of the limits (exchangeInfo); the headers tell only counts."""
        known = tuple(limits)
        self._known_limits = {(limit.kind, limit.interval_s): limit.limit for limit in known}
        self._gate.know_limits(known)

    def shut(self) -> None:
        """Shut all sockets and refuse further calls as not sent. Idempotent, any thread, returns at once."""
        self._shut = True
        self._live.shut_all()

    # -- one call --------------------------------------------------------------------------------
    def _call(
        self, method: str, path: str, params: Mapping[str, str], ends_s: float, *, signed: bool, sapi: bool = False, is_place: bool = False
    ) -> Answer:
        if signed and self.clock.suspect:
            self._mend_clock(ends_s)
        left_s = min(ends_s - time.monotonic(), self._call_timeout_s)
        if self._shut or left_s <= 0:
            raise NotSent("stopping" if self._shut else "no time left to send")
        self._gate.take(ends_s, is_read=method == "get", is_signed=signed)
        try:
            response = self._exchange(method, path, params, left_s, signed=signed, sapi=sapi)
            body = response.content
        except Exception as error:
            # `from None`: the original carries the signed URL.
            raise errors.from_exception(error) from None
        limits = wire.header_limits(response.headers.items(), self._known_limits)
        if 200 <= response.status_code < 300:
            return Answer(body, limits)
        told = errors.from_answer(response.status_code, body, response.headers.get("Retry-After"), self.clock.now_ms(), limits, is_place=is_place)
        if isinstance(told, Refused):
            hear = self._gate.hear_wall if response.status_code in (403, 451) else self._gate.hear
            hear(told.error)
            if errors.is_about_time(told.error.code, told.error.message):
                self.clock.doubt()
        elif isinstance(told, errors.Overloaded):
            self._gate.hear_overload()
        raise told

    def _exchange(self, method: str, path: str, params: Mapping[str, str], left_s: float, *, signed: bool, sapi: bool) -> requests.Response:
        client = self._client()
        client._requests_params = {"timeout": (min(self._connect_timeout_s, left_s), left_s), "allow_redirects": False}
        client.timestamp_offset = self.clock.now_ms() - int(time.time() * 1000)  # it adds the wall clock of this moment
        begin_call(left_s)
        request = client._request_margin_api if sapi else client._request_api
        version = 1 if sapi else client.PRIVATE_API_VERSION
        response: requests.Response = request(method, path, signed, version=version, data=dict(params))
        return response

    def _mend_clock(self, ends_s: float) -> None:
        try:
            self.sync_clock(ends_s - time.monotonic())
        except (Refused, NotSent, errors.UnknownOutcome) as error:
            held = error.error if isinstance(error, NotSent) else None
            raise NotSent(f"the venue's clock could not be measured: {error}", held) from None

    def _client(self) -> Client:
        client: Client | None = getattr(self._mine, "client", None)
        if client is None:
            client = self._mine.client = self._new_client()
        return client

    def _new_client(self) -> Client:
        # The constructor wants an event loop for sockets that are never used; it gets one that is closed again at once.
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            client = _Client(self.api_key, self._secret, private_key=self._private_key or None, ping=False)
        finally:
            asyncio.set_event_loop(None)
            loop.close()
        client.API_URL = f"{self._base}/api"
        client.MARGIN_API_URL = f"{self._base}/sapi"
        client.REQUEST_RECVWINDOW = self._recv_window_ms
        session = client.session = _Session()
        session.headers.update(client._get_headers())
        session.trust_env = False
        session.headers["User-Agent"] = USER_AGENT
        for prefix in ("http://", "https://"):
            session.mount(prefix, Adapter(self._live))
        return client


def _is_worth_another(error: BaseException) -> bool:
    """True for a read that met a broken line or an unmeasured clock; a refusal is an answer, and an overloaded venue is left alone."""
    if isinstance(error, Refused):
        return errors.is_about_time(error.error.code, error.error.message)
    if isinstance(error, errors.Overloaded):
        return False
    return isinstance(error, errors.UnknownOutcome) or (isinstance(error, NotSent) and error.error is None)
