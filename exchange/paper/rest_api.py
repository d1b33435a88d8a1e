"""REST: from an HTTP request to the desk and back (binance-wire 1, 2, 8).

aiohttp calls `handle` on the event loop. Parameters come from query and body, the signature is verified over the raw
bytes as received. It keeps no state of its own. Never: a decision about the call.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from exchange.paper import auth
from exchange.paper.conduct import Outcome, conduct_faulty, conduct_now, plan
from exchange.paper.desk import Desk
from exchange.paper.encode import encode
from exchange.paper.model import Reject
from exchange.paper.operation import Answer, Call, Operation
from exchange.paper.params import Params
from exchange.paper.time_unit import body_in_us, wants_us

JSON_TYPE = "application/json;charset=UTF-8"
SILENCE_STEP_S = 0.05
GONE_PATHS = ("/api/v3/userDataStream", "/api/v1/userDataStream")


class RestApi:
    """The REST door."""

    def __init__(self, desk: Desk, operations: tuple[Operation, ...]) -> None:
        self._desk = desk
        self._by_path = {(operation.verb, operation.path): operation for operation in operations}
        self._paths = {operation.path for operation in operations}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; a fault may leave it without an answer."""
        path, _, query = request.raw_path.partition("?")
        operation = self._by_path.get((request.method, path))
        if operation is None:
            return self._unknown(path)
        body = await request.read() if request.can_read_body else b""
        call = self._call(operation, request, query, body)
        try:
            in_us = wants_us(request.headers.get("X-MBX-TIME-UNIT"))
        except Reject as reject:
            return self._response(call, self._desk.refusal(reject), False)
        planned = plan(self._desk, call)
        if planned is None:
            return self._response(call, conduct_now(self._desk, call).answer, in_us)
        return await self._finish(request, call, await conduct_faulty(self._desk, call, planned), in_us)

    def _call(self, operation: Operation, request: web.BaseRequest, query: str, body: bytes) -> Call:
        params = Params.from_rest(query, body.decode("utf-8", "replace"))
        payload = auth.rest_payload(query, body) if operation.signed else b""
        api_key = request.headers.get("X-MBX-APIKEY")
        return Call(operation, params, "rest", api_key, payload, params.raw("signature"))

    def _unknown(self, path: str) -> web.Response:
        if path in GONE_PATHS:
            return web.Response(status=410, text="<html><body><h1>410 Gone</h1></body></html>", content_type="text/html")
        status = 405 if path in self._paths else 404
        return web.Response(status=status, text=f"<html><body><h1>{status}</h1></body></html>", content_type="text/html")

    async def _finish(self, request: web.BaseRequest, call: Call, outcome: Outcome, in_us: bool) -> web.StreamResponse:
        fault = outcome.silent
        while fault is not None and self._desk.faults.is_on(fault, self._desk.now_ms()):
            if request.transport is None or request.transport.is_closing():
                break
            await asyncio.sleep(SILENCE_STEP_S)
        if outcome.answer is None:
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=500)
        response = self._response(call, outcome.answer, in_us)
        if outcome.malformed and isinstance(response.body, bytes):
            response.body = response.body[: len(response.body) // 2]
        return response

    def _response(self, call: Call, answer: Answer | None, in_us: bool) -> web.Response:
        assert answer is not None, "only a fault leaves a call without an answer"
        now_ms = self._desk.now_ms()
        counts = call.operation.counts_orders and answer.status == 200
        headers = self._desk.limits.headers(now_ms, counts)
        if isinstance(answer.body, str):
            return web.Response(status=answer.status, text=answer.body, content_type="text/html", headers=headers)
        headers["Content-Type"] = JSON_TYPE
        if answer.retry_at_ms is not None:
            headers["Retry-After"] = str(max(1, -(-(answer.retry_at_ms - now_ms) // 1000)))
        return web.Response(status=answer.status, body=encode(body_in_us(answer.body) if in_us else answer.body), headers=headers)
