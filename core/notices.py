"""What the engine has to tell a person: facts, put into words only when a console thread asks for them.

Who makes them: core.engine and its parts. Who reads them: runtime.console, off the trading thread. `tag` is one of the documented set.
A `Fact` is for the store alone: the engine hands facts over apart from what is said. Never: formatting at construction.
"""

from decimal import Decimal

import msgspec

from core.amendments import AmendmentResult, AmendOutcome, Routing
from core.commands import Request
from core.events import ExecutionReport
from core.light import Light
from core.money import at_least, plain
from core.orders import Order
from core.types import Balance, Fill, Side, VenueError


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    tag: str
    symbol: str = ""
    order_id: str = ""

    def words(self) -> str:
        raise NotImplementedError


class Said(Notice, frozen=True, kw_only=True):
    """A fact that is already words."""

    text: str

    def words(self) -> str:
        return self.text


class Fresh(Said, frozen=True, kw_only=True):
    """A fact of trading in words: said each time, also where it differs from the last one in numbers alone."""


class Cause(Said, frozen=True, kw_only=True):
    """Something is away, and many lines will say so: `cause` names it (a stream, a book, the ban). `until_ns`: it is over by itself then."""

    cause: str
    until_ns: int = 0


class Over(Said, frozen=True, kw_only=True):
    """What was away is back."""

    cause: str


class Sent(Notice, frozen=True, kw_only=True):
    """An order command, at its place in the story of the step."""

    command: Request

    def words(self) -> str:
        command = self.command
        stop = getattr(command, "stop_price", None)
        trigger = f" once a trade is at {plain(stop)}" if stop is not None else ""
        return f"{command.side:<4} {plain(command.quantity)} @ {plain(command.price)}{trigger} · {command.reason}"


class Amended(Notice, frozen=True, kw_only=True):
    """A change of an order is decided."""

    result: AmendmentResult

    def words(self) -> str:
        result = self.result
        queue = " · queue place kept" if result.queue_kept else ""
        error, after = f" · {result.error}" if result.error else "", f"after {result.elapsed_ms:.0f} ms"
        if result.outcome is AmendOutcome.REJECTED:
            return f"{result.side:<4} " + (f"not changed {after}{error}" if result.routing is Routing.NOT_CHANGED else f"{result.error} · {after}")
        return f"{result.side:<4} {result.outcome.value} by {result.routing.value} {after}{queue}{error}"


class LightChanged(Notice, frozen=True, kw_only=True):
    side: Side
    before: Light | None
    light: Light
    waited_ms: int

    def words(self) -> str:
        was = self.before.colour.value if self.before else "dark"
        tail = f" · waited {self.waited_ms} ms" if self.light.is_green and self.before is not None else ""
        return f"{self.side:<4} {was} -> {self.light.colour.value} · {self.light.reason}{tail}"


class Acked(Notice, frozen=True, kw_only=True):
    side: Side
    price: Decimal
    quantity: Decimal
    elapsed_ms: float
    is_waiting: bool = False

    def words(self) -> str:
        where = "waits for its stop price" if self.is_waiting else "on the book"
        return f"{self.side:<4} {at_least(self.quantity, 5)} @ {at_least(self.price, 2)} · {where} after {self.elapsed_ms:.0f} ms"


class Ended(Notice, frozen=True, kw_only=True):
    """`is_complete` is False where the venue has reported more fills than are booked: the order is still being asked about."""

    side: Side
    price: Decimal
    status: str
    evidence: str
    is_complete: bool = True

    def words(self) -> str:
        return f"{self.side:<4} @ {at_least(self.price, 2)} {self.status} · evidence: {self.evidence}"


class Filled(Notice, frozen=True, kw_only=True):
    fill: Fill
    done_percent: int
    inventory: Decimal
    pnl: Decimal  # without that of the holding: the summary calls it quoting

    def words(self) -> str:
        fill = self.fill
        part = "whole" if self.done_percent >= 100 else f"part {self.done_percent} %"
        return (
            f"{fill.side:<4} {at_least(fill.quantity, 5)} @ {at_least(fill.price, 2)} · {part} · {fill.liquidity.value}"
            f" · fee {plain(fill.fee)} {fill.fee_asset} · inv {self.inventory.normalize():+f} · quoting {self.pnl:+.2f}"
        )


class Recovered(Notice, frozen=True, kw_only=True):
    """A fill from before this run's books begin: it happened while no bot was looking."""

    fill: Fill

    def words(self) -> str:
        fill = self.fill
        return f"{fill.side:<4} {plain(fill.quantity)} @ {plain(fill.price)} · recovered: filled before this run · {fill.liquidity.value}"


class Refusal(Notice, frozen=True, kw_only=True):
    side: Side
    price: Decimal
    quantity: Decimal
    error: VenueError
    what_next: str

    def words(self) -> str:
        head = f"{self.side:<4} {at_least(self.quantity, 5)} @ {at_least(self.price, 2)}"
        return f"{head} · {self.error.message.rstrip('.')} ({self.error.code}) · {self.what_next}"


class TimedOut(Notice, frozen=True, kw_only=True):
    what: str
    side: Side
    note: str

    def words(self) -> str:
        return f"{self.side:<4} no answer to the {self.what} · outcome unknown, side red, asking the venue · {self.note}"


class Denied(Notice, frozen=True, kw_only=True):
    side: Side
    reason: str
    clears_when: str

    def words(self) -> str:
        return f"{self.side:<4} denied: {self.reason} · clears: {self.clears_when}"


class ProofDone(Notice, frozen=True, kw_only=True):
    purpose: str
    equal: bool
    lines: tuple[str, ...]
    request_weight: int = 0

    def words(self) -> str:
        head = "books equal" if self.equal else "BOOKS DIFFER"
        return f"{head}: {', '.join(self.lines)} ({self.purpose}, weight {self.request_weight})"


# -- for the store -------------------------------------------------------------------------------
class Fact(Notice, frozen=True, kw_only=True):
    """What the store keeps and no person reads."""

    tag: str = "FACT"


class Reported(Fact, frozen=True, kw_only=True):
    """An execution report of one of our orders, of any type, as it came. `order_id` is the name the order was placed with."""

    report: ExecutionReport


class Standing(Fact, frozen=True, kw_only=True):
    """An order as the books hold it at the end of the step in which something about it changed. `evidence` is empty while it is open."""

    side: Side
    price: Decimal
    quantity: Decimal
    venue_order_id: int | None
    status: str
    evidence: str


class Holdings(Fact, frozen=True, kw_only=True):
    """The traded assets as they are, as they were when the books began, and what strangers moved: enough for the P&L of the run.

    `start` is (asset, total, venue time in ms of that balance); mids are per symbol, in its quote asset.
    """

    balances: tuple[Balance, ...]
    start: tuple[tuple[str, Decimal, int], ...]
    movements: tuple[tuple[str, Decimal], ...]
    start_mids: tuple[tuple[str, Decimal], ...]
    mids: tuple[tuple[str, Decimal], ...]


class ConfigTaken(Fact, frozen=True, kw_only=True):
    """From the step on that told this, the settings are of this version."""

    version: str


class Counted(Fact, frozen=True, kw_only=True):
    """The figures of the run so far, as plain data (core.figures_told)."""

    figures: dict[str, object]


class Remembered(Fact, frozen=True, kw_only=True):
    """What a strategy wants known of a symbol after a restart (core.memory)."""

    text: str


def standing(order: Order) -> Standing:
    return Standing(
        symbol=order.symbol,
        order_id=order.client_order_id,
        side=order.side,
        price=order.price,
        quantity=order.quantity,
        venue_order_id=order.venue_order_id,
        status=order.status.value,
        evidence=order.evidence.value if order.evidence is not None else "",
    )
