"""One call from arrival to outcome, with the faults of meaning that strike it.

Called by rest_api.py and ws_api.py on the event loop. Without faults everything happens at once in `conduct_now`;
only a fault makes a call wait. The transports turn an `Outcome` into bytes, silence or a closed connection. Never: a fault that was not asked for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from exchange.paper.auth import AHEAD_TEXT, LATE_TEXT
from exchange.paper.desk import Desk
from exchange.paper.doorlog import DoorEntry
from exchange.paper.faults import Fault, Subject
from exchange.paper.model import Reject
from exchange.paper.operation import Answer, Call

UNKNOWN_TEXT = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
SERVER_ERROR_TEXT = "An unknown error occurred while processing the request."
# In this order; the first that strikes decides the reply.
REFUSING_KINDS = ("banned", "too_heavy", "too_many_orders", "timestamp", "reject")
REPLY_KINDS = ("drop_before", "drop_after", "silent", "unknown", "server_error", "malformed")


@dataclass(slots=True)
class Outcome:
    """What the transport has to do: send `answer`, or close (`drop`), or stay silent while `silent` is on."""

    answer: Answer | None
    drop: bool = False
    close: bool = True
    malformed: bool = False
    silent: Fault | None = None


@dataclass(slots=True)
class Plan:
    """The faults that strike one call."""

    reply: Fault | None
    delay: Fault | None


def conduct_now(desk: Desk, call: Call) -> Outcome:
    """Admit and perform at once."""
    entry = desk.door.arrived(call) if call.operation.changes else None
    return Outcome(_run(desk, call, entry))


def _run(desk: Desk, call: Call, entry: DoorEntry | None) -> Answer:
    try:
        desk.admit(call)
    except Reject as reject:
        answer = desk.refusal(reject)
    else:
        answer = desk.perform(call)
    _note(entry, answer)
    return answer


def _note(entry: DoorEntry | None, answer: Answer) -> None:
    """Write the outcome, and the ids the venue gave, into the door log."""
    if entry is None:
        return
    body = answer.body if isinstance(answer.body, dict) else {}
    entry.outcome = str(answer.status) if answer.status == 200 else str(body.get("code", answer.status))
    named = body.get("newOrderResponse") or body.get("amendedOrder") or body
    if answer.status == 200 and isinstance(named, dict) and isinstance(named.get("orderId"), int):
        if entry.order_id is None or "newOrderResponse" not in body:
            entry.order_id = named["orderId"]
        if entry.method == "order.place":
            entry.client_order_id = str(named.get("clientOrderId"))


def subject_of(call: Call) -> Subject:
    """What faults may select on for this call."""
    params, operation = call.params, call.operation
    client_id = params.raw("newClientOrderId") or params.raw("listClientOrderId") if operation.counts_orders else params.raw("origClientOrderId")
    return Subject(
        transport=call.transport,
        operation=operation.name,
        method=operation.verb,
        path=operation.path,
        symbol=params.raw("symbol") or "",
        side=params.raw("side") or "",
        client_order_id=client_id or "",
    )


def plan(desk: Desk, call: Call) -> Plan | None:
    """The faults for this call; None (almost always) means `conduct_now`."""
    desk.door.knocked(f"{call.transport} {call.operation.name}")
    faults = desk.faults
    if not faults.any_on():
        return None
    subject, now_ms = subject_of(call), desk.now_ms()
    reply = None
    for kind in (*REFUSING_KINDS, *REPLY_KINDS):
        reply = faults.take(kind, subject, now_ms)
        if reply is not None:
            break
    delay = faults.take("delay", subject, now_ms)
    return Plan(reply, delay) if reply or delay else None


async def conduct_faulty(desk: Desk, call: Call, planned: Plan) -> Outcome:
    """The same with faults: refuse, wait, lose the request or the reply."""
    entry = desk.door.arrived(call) if call.operation.changes else None
    fault, delay = planned.reply, planned.delay
    delay_s = delay.number("delay_ms", 1000) / 1000 if delay else 0.0
    if fault is not None and not _executes(fault):
        if entry is not None:
            entry.outcome, entry.reply = f"not executed: {fault.kind}", fault.kind
        await asyncio.sleep(delay_s)
        return _without_execution(desk, fault)
    if delay is not None and delay.word("apply", "early") == "late":
        answer = await _run_late(desk, call, entry, delay_s)
    else:
        answer = _run(desk, call, entry)
        await asyncio.sleep(delay_s)
    if entry is not None:
        entry.reply = fault.kind if fault else "delayed"
    if fault is None:
        return Outcome(answer)
    if fault.kind == "drop_after":
        return Outcome(None, drop=True, close=fault.flag("close", True))
    if fault.kind == "malformed":
        return Outcome(answer, malformed=True)
    return _without_execution(desk, fault)


async def _run_late(desk: Desk, call: Call, entry: DoorEntry | None, delay_s: float) -> Answer:
    """Admitted at once, executed after the delay: the second timing test may refuse it then."""
    try:
        desk.admit(call)
    except Reject as reject:
        await asyncio.sleep(delay_s)
        answer = desk.refusal(reject)
    else:
        await asyncio.sleep(delay_s)
        answer = desk.perform(call)
    _note(entry, answer)
    return answer


def _executes(fault: Fault) -> bool:
    if fault.kind in ("drop_after", "malformed"):
        return True
    return fault.kind in ("silent", "unknown", "server_error") and fault.flag("executed", False)


def _without_execution(desk: Desk, fault: Fault) -> Outcome:
    """The reply of a fault that replaces the true one."""
    if fault.kind in ("drop_before", "drop_after"):
        return Outcome(None, drop=True)
    if fault.kind == "silent":
        return Outcome(None, silent=fault)
    return Outcome(_refused_by(desk, fault))


def _refused_by(desk: Desk, fault: Fault) -> Answer:
    now_ms, limits = desk.now_ms(), desk.limits
    if fault.kind == "unknown":
        return Answer(504, {"code": -1007, "msg": UNKNOWN_TEXT})
    if fault.kind == "server_error":
        status = int(fault.number("status", 503))
        page = f"<html><body><h1>{status}</h1></body></html>"
        return Answer(status, page if fault.flag("html", False) else {"code": -1000, "msg": SERVER_ERROR_TEXT})
    if fault.kind == "banned":
        until_ms = now_ms + int(fault.number("ban_s", 120) * 1000)
        limits.ban(until_ms)
        return desk.refusal(limits.banned(until_ms))
    retry_at_ms = now_ms + int(fault.number("retry_after_s", 1) * 1000)
    if fault.kind == "too_heavy":
        return desk.refusal(limits.too_heavy(retry_at_ms))
    if fault.kind == "too_many_orders":
        return desk.refusal(limits.too_many_orders(limits.settings.orders_10s, "10 SECOND", retry_at_ms))
    if fault.kind == "timestamp":
        return desk.refusal(Reject(-1021, AHEAD_TEXT if fault.flag("ahead", False) else LATE_TEXT))
    code, status = int(fault.number("code", -1000)), int(fault.number("status", 400))
    return desk.refusal(Reject(code, fault.word("text", SERVER_ERROR_TEXT), status))
