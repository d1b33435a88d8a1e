"""Private events to every user data subscription, and the faults that strike them on the way.

Event loop only. The desk tells it what happened; ws_api.py sessions register here. Nothing is replayed to a
subscription that begins later (binance-wire 6). Never: an event of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

from exchange.paper import encode, encode_lists
from exchange.paper.faults import Faults, Subject
from exchange.paper.model import BalanceReport, ListReport, OrderReport, Report

Deliver = Callable[[bytes], None]
HELD_MAX = 100


class UserEvents:
    """The subscriptions of the account. A subscriber is a callable that takes one encoded event."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._subscribers: dict[object, Deliver] = {}
        self._held: list[bytes] = []

    def add(self, key: object, deliver: Deliver) -> None:
        """Begin one subscription."""
        self._subscribers[key] = deliver

    def remove(self, key: object) -> None:
        """End it."""
        self._subscribers.pop(key, None)

    def count(self) -> int:
        """How many subscriptions there are."""
        return len(self._subscribers)

    def on_reports(self, reports: list[Report], now_ms: int) -> None:
        """executionReport, listStatus and outboundAccountPosition, in the order in which they happened."""
        if not self._subscribers:
            return
        for report in reports:
            if isinstance(report, OrderReport):
                order = report.order
                event = encode.execution_report(report, now_ms)
                subject = Subject(
                    "user", "executionReport", symbol=order.symbol, side=order.side,
                    client_order_id=report.client_order_id, event=report.execution_type,
                )
            else:
                event, subject = self._without_order(report, now_ms)
            self._send(encode.encode(event), subject, now_ms)

    @staticmethod
    def _without_order(report: BalanceReport | ListReport, now_ms: int) -> tuple[encode.Json, Subject]:
        if isinstance(report, ListReport):
            return encode_lists.list_status(report, now_ms), Subject("user", "listStatus", symbol=report.symbol, event="listStatus")
        return encode.account_position(report, now_ms), Subject("user", "outboundAccountPosition", event="outboundAccountPosition")

    def balance_update(self, asset: str, delta: Decimal, now_ms: int) -> None:
        """A deposit or withdrawal made through POST /paper/deposit."""
        event = encode.encode(encode.balance_update(asset, delta, now_ms))
        self._send(event, Subject("user", "balanceUpdate", event="balanceUpdate"), now_ms)

    def _send(self, event: bytes, subject: Subject, now_ms: int) -> None:
        take = self._faults.take
        if take("silent", subject, now_ms) or take("events_mute", subject, now_ms):
            return
        if take("events_drop", subject, now_ms):
            return
        reorder = take("events_reorder", subject, now_ms)
        if reorder is not None and len(self._held) < HELD_MAX:
            self._held.append(event)
            asyncio.get_running_loop().call_later(reorder.number("hold_ms", 500) / 1000, self._release)
            return
        delay = take("events_delay", subject, now_ms)
        if delay is not None:
            later_s = delay.number("delay_ms", 1000) / 1000
            asyncio.get_running_loop().call_later(later_s, self._deliver, event)
            return
        duplicate = take("events_duplicate", subject, now_ms)
        copies = 1 + int(duplicate.number("copies", 1)) if duplicate is not None else 1
        for _ in range(min(copies, HELD_MAX)):
            self._deliver(event)
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for event in held:
            self._deliver(event)

    def _deliver(self, event: bytes) -> None:
        for deliver in list(self._subscribers.values()):
            deliver(event)
