"""The door log: every request that could change an order, as it arrived, and what else came by name. The oracle of tests.

Event loop only; bounded. It records what reached the venue, whatever became of the reply.
Who calls it: desk.py and conduct.py. Never: a secret, an answer.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from exchange.paper.operation import Call

ENTRIES_MAX = 20_000
_NOT_LOGGED = frozenset({"signature", "apiKey", "timestamp", "recvWindow"})


@dataclass(slots=True)
class DoorEntry:
    """One arrival. `outcome` is `pending` until decided, then `200`, a code like `-2010`, or a word such as
    `dropped before executing`. `reply` says what became of the reply when a fault touched it."""

    sequence: int
    time_ns: int
    transport: str
    method: str
    params: dict[str, str]
    client_order_id: str | None
    order_id: int | None
    outcome: str = "pending"
    reply: str = "sent"

    def as_json(self) -> dict[str, object]:
        """What GET /paper/log shows."""
        return {
            "sequence": self.sequence,
            "time_ns": self.time_ns,
            "transport": self.transport,
            "method": self.method,
            "client_order_id": self.client_order_id,
            "order_id": self.order_id,
            "outcome": self.outcome,
            "reply": self.reply,
            "params": self.params,
        }


class DoorLog:
    """The newest arrivals, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[DoorEntry] = deque(maxlen=ENTRIES_MAX)
        self._knocks: deque[tuple[int, str]] = deque(maxlen=ENTRIES_MAX)
        self._sequence = 0

    def knocked(self, what: str) -> None:
        """Somebody came: any request, or a connection, whatever becomes of it."""
        self._knocks.append((time.time_ns(), what))

    def knocks(self, since_ns: int) -> list[dict[str, object]]:
        """Everything that came from this time on, oldest first."""
        return [{"time_ns": time_ns, "what": what} for time_ns, what in self._knocks if time_ns >= since_ns]

    def arrived(self, call: Call) -> DoorEntry:
        """Write one arrival down; the handler fills in the outcome."""
        values = call.params.values()
        order_id = values.get("orderId", values.get("cancelOrderId", ""))
        placed_id = values.get("newClientOrderId", values.get("listClientOrderId"))
        client_id = placed_id if call.operation.counts_orders else values.get("origClientOrderId")
        self._sequence += 1
        entry = DoorEntry(
            sequence=self._sequence,
            time_ns=time.time_ns(),
            transport=call.transport,
            method=call.operation.name,
            params={name: value for name, value in values.items() if name not in _NOT_LOGGED},
            client_order_id=client_id,
            order_id=int(order_id) if order_id.isdigit() else None,
        )
        self._entries.append(entry)
        return entry

    @property
    def count(self) -> int:
        """How many requests arrived since the start."""
        return self._sequence

    def since(self, sequence: int) -> list[dict[str, object]]:
        """Every entry after that sequence number, oldest first."""
        return [entry.as_json() for entry in self._entries if entry.sequence > sequence]
