"""What one call is: its names on both transports, its price in weight, who may make it, and what carries it out.

The tables of operations live in orders.py, queries.py and market_data.py; rest_api.py and ws_api.py look them up.
Event loop only. Never: an operation's own work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exchange.paper.model import Reject
from exchange.paper.params import Params

if TYPE_CHECKING:
    from exchange.paper.desk import Desk

Handler = Callable[["Desk", Params, int], object]
Weight = Callable[[Params], int]
SIGNED = frozenset({"timestamp", "recvWindow", "signature", "apiKey"})
# When a call costs no weight after all (binance-wire 2); an amend only when it ends the order.
NEVER_FREE, FREE_ON_SUCCESS, FREE_WHEN_ENDED = "never", "on_success", "when_ended"


def names(text: str) -> frozenset[str]:
    """A set of parameter names from a space-separated text."""
    return frozenset(text.split())


def fixed(weight: int) -> Weight:
    """The weight of a call that costs the same whatever its parameters."""
    return lambda params: weight


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `handler(desk, params, now_ms)` returns the body or raises `Reject`.

    name: the WS API method; verb and path: the REST twin; `signed` calls need key, timestamp and signature;
    `changes` marks calls that can change orders: they are written into the door log.
    """

    name: str
    verb: str
    path: str
    handler: Handler
    weight: Weight
    accepts: frozenset[str]
    signed: bool = False
    changes: bool = False
    free: str = NEVER_FREE
    counts_orders: bool = False

    @property
    def accepted(self) -> frozenset[str]:
        """Every parameter name the call reads."""
        return self.accepts | SIGNED if self.signed else self.accepts


@dataclass(slots=True)
class Call:
    """One request on its way: the operation, its parameters and what was signed.

    `logged_on`: session.logon has vouched for the connection, key and signature may be missing.
    """

    operation: Operation
    params: Params
    transport: str
    api_key: str | None
    payload: bytes
    signature: str | None
    window: tuple[float, float] | None = None
    logged_on: bool = False


@dataclass(slots=True)
class Answer:
    """What goes back: HTTP status and body; `retry_at_ms` with 429 and 418."""

    status: int
    body: object
    retry_at_ms: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


class RejectWithData(Reject):
    """A refusal that also carries a `data` object (-2021, -2022)."""

    def __init__(self, code: int, message: str, http_status: int, data: object) -> None:
        super().__init__(code, message, http_status)
        self.data = data
