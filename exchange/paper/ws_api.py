"""The WS API: requests and user data on one socket (binance-wire 6).

Event loop only. One `Session` per connection; replies carry `rateLimits` unless switched off. It shares every
operation with REST and keeps only what belongs to the connection: subscriptions and the rate limit switch. Never: an operation of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

from exchange.paper import auth
from exchange.paper.conduct import Outcome, Plan, conduct_faulty, conduct_now, plan
from exchange.paper.connection import POLICY, Connection
from exchange.paper.desk import Desk
from exchange.paper.encode import Json, encode
from exchange.paper.model import Reject
from exchange.paper.operation import Answer, Call, Operation, fixed, names
from exchange.paper.params import Params
from exchange.paper.time_unit import body_in_us, event_in_us
from exchange.paper.user_events import UserEvents

RequestId = int | str | None
SUBSCRIPTIONS_MAX = 65_535
WAITING_MAX = 1000
ID_CHARACTERS_MAX = 36
_BAD_ID = Reject(-1100, "Illegal characters found in parameter 'id'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.")
_BAD_REQUEST = Reject(-1135, "Invalid JSON Request")


class _Fraction(str):
    """A number with a fraction, as the text that was signed."""


def _is_id(value: object) -> bool:
    """A whole number, a text of at most 36 characters, or null. Anything else is refused unread: its reply could not be told by the client."""
    if isinstance(value, str):
        return len(value) <= ID_CHARACTERS_MAX and not isinstance(value, _Fraction)
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _as_text(value: object) -> str:
    """A parameter as it was signed: the text on the wire."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, separators=(",", ":"))


class Session(Connection):
    """One WS API connection."""

    kind = "ws_api"

    def attach(
        self, desk: Desk, operations: dict[str, Operation], events: UserEvents, return_rate_limits: bool, in_us: bool
    ) -> None:
        """Set up before `serve`."""
        self._desk = desk
        self._operations = operations
        self._events = events
        self._return_rate_limits, self._in_us = return_rate_limits, in_us
        self._opened_ms = desk.now_ms()
        self._logged_on_ms: int | None = None
        self._subscription: int | None = None
        self._by_logon = False
        self._next_subscription = 0
        self._waiting: set[asyncio.Task[None]] = set()

    def on_end(self) -> None:
        """Subscriptions are lost with the connection; requests under way run on without a reply."""
        self._events.remove(self)

    def shutdown_event(self) -> bytes:
        """Without a subscription id."""
        return b'{"event":%b}' % self._in_its_time(encode({"e": "serverShutdown", "E": self._now_ms()}))

    # --- requests -------------------------------------------------------------------------------------------------

    def on_text(self, text: str) -> None:
        """One request."""
        try:
            request = json.loads(text, parse_float=_Fraction)
        except (ValueError, RecursionError):  # brackets without end
            request = None
        if not isinstance(request, dict):
            self._reply(None, Answer(400, {"code": _BAD_REQUEST.code, "msg": _BAD_REQUEST.message}), True, False)
            return
        request_id = request.get("id")
        if not _is_id(request_id):
            self._reply(None, self._desk.refusal(_BAD_ID), True, False)
            return
        params = request.get("params", {})
        method = request.get("method")
        with_limits = request.get("returnRateLimits", self._return_rate_limits) is not False
        if not isinstance(params, dict) or not isinstance(method, str):
            self._reply(request_id, self._desk.refusal(_BAD_REQUEST), with_limits, False)
            return
        values = {str(name): _as_text(value) for name, value in params.items()}
        if "returnRateLimits" in params:  # the official SDK puts the switch here, and signs it
            with_limits = params["returnRateLimits"] is not False
        self._dispatch(request_id, method.removeprefix("v3/"), values, with_limits)

    def _dispatch(self, request_id: RequestId, method: str, values: dict[str, str], with_limits: bool) -> None:
        special = _SPECIAL.get(method)
        operation = special[0] if special else self._operations.get(method)
        if operation is None:
            unknown = self._desk.refusal(Reject(-1020, "This operation is not supported."))
            self._reply(request_id, unknown, with_limits, False)
            return
        payload = auth.ws_payload(values) if operation.signed else b""
        params = Params({name: value for name, value in values.items() if name != "returnRateLimits"})
        call = Call(operation, params, "ws", params.raw("apiKey"), payload, params.raw("signature"))
        call.logged_on = self._logged_on_ms is not None
        planned = plan(self._desk, call)
        if planned is not None:
            self._wait_for(asyncio.create_task(self._faulty(request_id, call, planned, with_limits, special)))
            return
        answer = self._run_special(call, special[1]) if special else conduct_now(self._desk, call).answer
        self._finish(request_id, call, Outcome(answer), with_limits)

    def _wait_for(self, task: asyncio.Task[None]) -> None:
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        if len(self._waiting) > WAITING_MAX:
            self.close(POLICY, "Too many requests under way")

    async def _faulty(
        self, request_id: RequestId, call: Call, planned: Plan, with_limits: bool, special: Special | None
    ) -> None:
        if special is not None:
            delay = planned.delay
            await asyncio.sleep(delay.number("delay_ms", 1000) / 1000 if delay else 0)
            if planned.reply is None:
                self._finish(request_id, call, Outcome(self._run_special(call, special[1])), with_limits)
                return
        self._finish(request_id, call, await conduct_faulty(self._desk, call, planned), with_limits)

    def _finish(self, request_id: RequestId, call: Call, outcome: Outcome, with_limits: bool) -> None:
        if outcome.silent is not None or (outcome.drop and not outcome.close):
            return
        if outcome.drop or outcome.answer is None:
            self.drop("fault: dropped")
            return
        answer = outcome.answer
        if call.operation.name == "exchangeInfo" and isinstance(answer.body, dict) and answer.status == 200:
            answer.body["rateLimits"] = self._desk.limits.published(ws_api=True)
        self._reply(request_id, answer, with_limits, call.operation.counts_orders, outcome.malformed)
        if answer.status == 418:
            self.close(POLICY, "IP banned")

    def _reply(
        self, request_id: RequestId, answer: Answer, with_limits: bool, with_orders: bool, malformed: bool = False
    ) -> None:
        now_ms = self._desk.now_ms()
        if self._in_us:
            answer = replace(answer, body=body_in_us(answer.body))
        reply: Json = {"id": request_id, "status": answer.status}
        if answer.status == 200:
            reply["result"] = answer.body
        else:
            reply["error"] = self._error(answer, now_ms)
        if with_limits:
            orders = self._desk.limits.order_entries(now_ms) if with_orders else []
            reply["rateLimits"] = [*orders, self._desk.limits.weight_entry(now_ms)]
        payload = encode(reply)
        self.send_text(payload[: len(payload) // 2] if malformed else payload)

    @staticmethod
    def _error(answer: Answer, now_ms: int) -> Json:
        body = answer.body if isinstance(answer.body, dict) else {"code": -1000, "msg": str(answer.body)}
        error: Json = dict(body)
        if answer.retry_at_ms is not None:
            error["data"] = {"serverTime": now_ms, "retryAfter": answer.retry_at_ms}
        return error

    # --- the session's own methods --------------------------------------------------------------------------------

    def _run_special(self, call: Call, method: SpecialMethod) -> Answer:
        try:
            self._desk.admit(call)
            return Answer(200, method(self, call.params))
        except Reject as reject:
            return self._desk.refusal(reject)

    def deliver(self, event: bytes) -> None:
        """One user event, wrapped for this connection's subscription."""
        if self._subscription is not None:
            self.send_text(b'{"subscriptionId":%d,"event":%b}' % (self._subscription, self._in_its_time(event)))

    def _in_its_time(self, event: bytes) -> bytes:
        return event_in_us(event) if self._in_us else event

    def subscribe(self, params: Params) -> Json:
        """userDataStream.subscribe.signature: one subscription per account and connection."""
        if self._subscription is not None:
            raise Reject(-2035, "User Data Stream subscription already active.")
        if self._next_subscription >= SUBSCRIPTIONS_MAX:
            raise Reject(-2042, "Maximum subscription ID reached for this connection.")
        self._subscription = self._next_subscription
        self._next_subscription += 1
        self._events.add(self, self.deliver)
        return {"subscriptionId": self._subscription}

    def unsubscribe(self, params: Params) -> Json:
        """userDataStream.unsubscribe: by id, or all."""
        wanted = params.integer("subscriptionId")
        if self._subscription is None or (wanted is not None and wanted != self._subscription):
            raise Reject(-2036, "User Data Stream subscription not active.")
        self._terminate()
        return {}

    def _terminate(self) -> None:
        """The subscription ends; eventStreamTerminated follows the reply."""
        event = self._in_its_time(encode({"e": "eventStreamTerminated", "E": self._now_ms()}))
        self._events.remove(self)
        self._loop.call_soon(self.send_text, b'{"subscriptionId":%d,"event":%b}' % (self._subscription or 0, event))
        self._subscription, self._by_logon = None, False

    def subscriptions(self, params: Params) -> list[Json]:
        """session.subscriptions."""
        return [] if self._subscription is None else [{"subscriptionId": self._subscription}]

    def status(self, params: Params) -> Json:
        """session.status: who is logged on, since when."""
        return {
            "apiKey": None if self._logged_on_ms is None else self._desk.credentials.api_key,
            "authorizedSince": self._logged_on_ms,
            "connectedSince": self._opened_ms,
            "returnRateLimits": self._return_rate_limits,
            "serverTime": self._now_ms(),
            "userDataStream": self._subscription is not None,
        }

    def logon(self, params: Params) -> Json:
        """session.logon takes Ed25519 keys only; with an HMAC key the venue says -1022 (observed)."""
        if not self._desk.credentials.can_log_on:
            raise Reject(-1022, "Signature for this request is not valid.")
        self._logged_on_ms = self._now_ms()
        return self.status(params)

    def logout(self, params: Params) -> Json:
        """session.logout: later calls need key and signature again; a subscription that rests on the logon ends."""
        self._logged_on_ms = None
        if self._by_logon:
            self._terminate()
        return self.status(params)

    def subscribe_logged_on(self, params: Params) -> Json:
        """userDataStream.subscribe: only after session.logon."""
        if self._logged_on_ms is None:
            raise Reject(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        made = self.subscribe(params)
        self._by_logon = True
        return made


SpecialMethod = Callable[[Session, Params], object]
Special = tuple[Operation, SpecialMethod]


def _special(name: str, method: SpecialMethod, accepts: str = "", signed: bool = False) -> tuple[str, Special]:
    operation = Operation(name, "", "", lambda desk, params, now_ms: None, fixed(2), names(accepts), signed=signed)
    return name, (operation, method)


_SPECIAL: dict[str, Special] = dict(
    [
        _special("userDataStream.subscribe.signature", Session.subscribe, signed=True),
        _special("userDataStream.subscribe", Session.subscribe_logged_on),
        _special("userDataStream.unsubscribe", Session.unsubscribe, "subscriptionId"),
        _special("session.subscriptions", Session.subscriptions),
        _special("session.status", Session.status),
        _special("session.logout", Session.logout),
        _special("session.logon", Session.logon, signed=True),
    ]
)
