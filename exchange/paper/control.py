"""The exchange's own switches and figures under /paper/: faults, wire faults, market, symbols, log, stats.

aiohttp calls `handle` on the event loop. Not part of Binance's protocol: tests and drills use it. Never: a change of the account, an order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from aiohttp import web

from exchange.paper.encode import encode
from exchange.paper.model import Reject

if TYPE_CHECKING:
    from exchange.paper.server import Server

STATUSES = ("TRADING", "END_OF_DAY", "HALT", "BREAK", "CANCEL_ONLY")
Query = Mapping[str, str]


class ControlError(Exception):
    """The request was not understood; the text says why."""


class Control:
    """The /paper/ door."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._routes: dict[tuple[str, str], Callable[[object, Query], object]] = {
            ("GET", "/paper/stats"): self._stats,
            ("GET", "/paper/log"): self._log,
            ("GET", "/paper/knocks"): self._knocks,
            ("GET", "/paper/faults"): self._list_faults,
            ("POST", "/paper/faults"): self._add_faults,
            ("DELETE", "/paper/faults"): self._clear_faults,
            ("POST", "/paper/limits"): self._change_limits,
            ("POST", "/paper/market"): self._market,
            ("POST", "/paper/aggress"): self._aggress,
            ("POST", "/paper/symbol"): self._symbol,
            ("POST", "/paper/deposit"): self._deposit,
            ("POST", "/paper/disconnect"): self._disconnect,
        }

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one control request; what is not understood is a 400 with its reason."""
        path, _, query_text = request.raw_path.partition("?")
        route = self._routes.get((request.method, path))
        if route is None:
            return self._response(404, {"error": f"no {request.method} {path}"})
        query = {name: values[0] for name, values in parse_qs(query_text).items()}
        try:
            text = await request.read()
            body = json.loads(text) if text else {}
            return self._response(200, route(body, query))
        except (ControlError, ValueError, RecursionError, Reject) as error:
            return self._response(400, {"error": str(error)})

    @staticmethod
    def _response(status: int, body: object) -> web.Response:
        return web.Response(status=status, body=encode(body), content_type="application/json")

    # --- figures --------------------------------------------------------------------------------------------------

    def _stats(self, body: object, query: Query) -> object:
        return self._server.stats()

    def _log(self, body: object, query: Query) -> object:
        return {"log": self._server.desk.door.since(int(query.get("after", "0")))}

    def _knocks(self, body: object, query: Query) -> object:
        return {"knocks": self._server.desk.door.knocks(int(query.get("since_ns", "0")))}

    # --- faults ---------------------------------------------------------------------------------------------------

    def _list_faults(self, body: object, query: Query) -> object:
        faults = self._server.desk.faults
        wire = self._server.wire
        return {
            "faults": faults.listed(),
            "struck": faults.struck,
            "wire_struck": {} if wire is None else wire.counts,
        }

    def _add_faults(self, body: object, query: Query) -> object:
        """One fault, a list, or `{"faults": [...], "limits": {...}, "wire": {...}}`."""
        before = self._server.desk.faults.listed()
        self._server.apply_faults(body)
        known = {fault["id"] for fault in before}
        return {"added": [fault for fault in self._server.desk.faults.listed() if fault["id"] not in known]}

    def _clear_faults(self, body: object, query: Query) -> object:
        fault_id = int(query["id"]) if "id" in query else None
        if fault_id is None:
            self._server.desk.limits.ban(0)
            if self._server.wire is not None:
                self._server.wire.clear()
        return {"cleared": self._server.desk.faults.clear(fault_id)}

    def _change_limits(self, body: object, query: Query) -> object:
        limits = self._server.desk.limits
        limits.settings = limits.settings.changed(_object(body))
        return {name: getattr(limits.settings, name) for name in limits.settings.__slots__}

    # --- the market -----------------------------------------------------------------------------------------------

    def _market(self, body: object, query: Query) -> object:
        wanted = _object(body)
        speed, paused = wanted.get("speed"), wanted.get("pause")
        if speed is not None and (not isinstance(speed, int | float) or isinstance(speed, bool) or speed <= 0):
            raise ControlError("speed must be a number above 0")
        if paused is not None and not isinstance(paused, bool):
            raise ControlError("pause must be true or false")
        pacer = self._server.pacer
        pacer.change(paused, None if speed is None else float(speed))
        return {"paused": pacer.paused, "speed": pacer.speed, "behind_ms": pacer.behind_ms, "over": pacer.over}

    def _aggress(self, body: object, query: Query) -> object:
        """A background taker: `{"symbol", "side", "quantity", "price"?}`; says how much was done."""
        wanted, desk = _object(body), self._server.desk
        symbol = self._known(wanted)
        side = wanted.get("side")
        if side not in ("BUY", "SELL"):
            raise ControlError("side must be BUY or SELL")
        price = _decimal(wanted, "price") if "price" in wanted else None
        now_ms = desk.now_ms()
        done = desk.matching.aggress(symbol, str(side), _decimal(wanted, "quantity"), price, now_ms)
        desk.publish(now_ms)
        return {"done": str(done)}

    def _symbol(self, body: object, query: Query) -> object:
        wanted = _object(body)
        symbol, status = self._known(wanted), wanted.get("status")
        if status not in STATUSES:
            raise ControlError(f"status must be one of {', '.join(STATUSES)}")
        self._server.desk.status[symbol] = str(status)
        return {"symbol": symbol, "status": status}

    def _deposit(self, body: object, query: Query) -> object:
        """Money from outside, or to it: `{"asset", "delta"}`."""
        wanted, desk = _object(body), self._server.desk
        asset, delta, now_ms = str(wanted.get("asset", "")), _decimal(wanted, "delta"), desk.now_ms()
        if not asset:
            raise ControlError("asset is missing")
        desk.matching.deposit(asset, delta, now_ms)
        self._server.events.balance_update(asset, delta, now_ms)
        desk.publish(now_ms)
        return {"asset": asset, "delta": str(delta)}

    def _disconnect(self, body: object, query: Query) -> object:
        """Drop connections without a close frame: `{"kind": "stream"|"ws_api"}`, without a kind all. With `notice_s`: announced, then closed."""
        wanted = _object(body)
        kind, notice_s = wanted.get("kind"), wanted.get("notice_s")
        if notice_s is not None and (not isinstance(notice_s, int | float) or isinstance(notice_s, bool) or notice_s <= 0):
            raise ControlError("notice_s must be a number above 0")
        found = [each for each in self._server.register.open.values() if kind in (None, each.kind)]
        for connection in found:
            if notice_s is None:
                connection.drop("dropped by POST /paper/disconnect")
            else:
                connection.say_shutdown(float(notice_s))
        return {"dropped": len(found)}

    def _known(self, wanted: Mapping[str, object]) -> str:
        symbol = wanted.get("symbol")
        if symbol not in self._server.desk.rules:
            raise ControlError(f"unknown symbol {symbol!r}")
        return str(symbol)


def _object(body: object) -> dict[str, object]:
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body


def _decimal(wanted: Mapping[str, object], name: str) -> Decimal:
    try:
        value = Decimal(str(wanted[name]))
    except (KeyError, InvalidOperation):
        raise ControlError(f"{name} must be a decimal number") from None
    if not value.is_finite():
        raise ControlError(f"{name} must be a decimal number")
    return value
