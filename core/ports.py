"""The seams: what siblings must offer each other. bot.py hands the concrete objects over.

Who implements them: exchange/ (Venue), state/ (Journal), strategy.py (Strategy). Never: an implementation.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Generic, Protocol, TypeAlias, TypeVar

import msgspec

from core.commands import Amend, AnyCommand, Cancel, CancelAll, Place, PlaceOco, Query, ReadAccount, ReadDepth, Replace, Request
from core.events import AccountSnapshot, AnyEvent, CancelAllAnswer, DepthSnapshot, OcoAnswer, OrderAnswer, ReplaceAnswer, Reply, RequestAnswer
from core.types import RateLimit, VenueError
from core.view import Decision, View


class NotSent(Exception):
    """Nothing left this process. Raised by a venue or by the manager's own checks; the only exception that is not *unknown*.

    `error` is an earlier no of the venue that still holds (a ban), where that is why.
    """

    def __init__(self, note: str, error: VenueError | None = None) -> None:
        super().__init__(note)
        self.error = error


class Refused(Exception):
    """The venue answered with a definite no."""

    def __init__(self, error: VenueError, limits: tuple[RateLimit, ...] = ()) -> None:
        super().__init__(f"{error.http_status} {error.code} {error.message}")
        self.error = error
        self.limits = limits


T = TypeVar("T")
Basis: TypeAlias = tuple[Decimal | None, ...]


class Answered(msgspec.Struct, Generic[T], frozen=True):
    """The venue's yes: the answer and the limits it reported with it."""

    answer: T
    limits: tuple[RateLimit, ...] = ()


class Underway(msgspec.Struct, frozen=True):
    """The request has left and nobody waits for it: whoever reads that socket hands its outcome to `Settle`, exactly once."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    ws_amend: bool = False
    rest_amend: bool = False
    amend_quantity_up: bool = False
    cancel_replace: bool = False
    amend_trigger_price: bool = False
    oco: bool = False
    post_only: bool = True
    reduce_only: bool = False
    cancel_all: bool = False
    outside_rth: bool = False


class Venue(Protocol):
    """Blocking; called on lanes only. Returns the venue's yes, raises Refused for its no and NotSent when nothing left.

    Any other exception means the outcome is unknown. `timeout_s` bounds the whole call. A request about an order may also return Underway: it
    has been sent, and its outcome comes later by another thread.
    """

    name: str
    capabilities: Capabilities
    only_sends: bool  # requests about orders are usually Underway: a call takes no longer than their sending

    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer] | Underway: ...
    def cancel(self, command: Cancel, timeout_s: float) -> Answered[OrderAnswer] | Underway: ...
    def amend(self, command: Amend, timeout_s: float) -> Answered[OrderAnswer] | Underway: ...
    def replace(self, command: Replace, timeout_s: float) -> Answered[ReplaceAnswer] | Underway: ...
    def place_oco(self, command: PlaceOco, timeout_s: float) -> Answered[OcoAnswer] | Underway: ...
    def cancel_all(self, command: CancelAll, timeout_s: float) -> Answered[CancelAllAnswer]: ...
    def query(self, command: Query, timeout_s: float) -> Answered[OrderAnswer]: ...
    def read_account(self, command: ReadAccount, timeout_s: float) -> Answered[AccountSnapshot]: ...
    def read_depth(self, command: ReadDepth, timeout_s: float) -> Answered[DepthSnapshot]: ...


class Journal(Protocol):
    """Where intents go before their command leaves, and results after. Called on lane threads; bounded time, no locks held by callers."""

    def intent(self, command: AnyCommand) -> None: ...
    def result(self, reply: Reply) -> None: ...


Post: TypeAlias = Callable[[AnyEvent], None]
ClockNs: TypeAlias = Callable[[], int]
# The outcome of a request that was underway: the answer, or what a call would have raised; when it was sent; when it was known (engine clock, ns).
Settle: TypeAlias = Callable[[Request, "Answered[RequestAnswer] | Exception", int, int], None]


class Strategy(Protocol):
    """`save` gives what it remembers from step to step as plain data (lists, dicts, texts, whole numbers), `load` takes it back.

    `rests_on` names the market data a decision rests on: while it stays equal, market data alone does not ask again. None: every event asks.
    """

    def decide(self, view: View, symbol: str) -> Decision: ...
    def rests_on(self, view: View, symbol: str) -> Basis | None: ...
    def save(self) -> object: ...
    def load(self, saved: object) -> None: ...
