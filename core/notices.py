"""What the engine has to tell a person: facts, put into words only when a console thread asks for them.

Who makes them: core.engine and its parts. Who reads them: runtime.console, off the trading thread. `tag` is one of the documented set.
Never: formatting at construction.
"""

from decimal import Decimal

import msgspec

from core.commands import Cancel, Place
from core.light import Light
from core.money import plain
from core.types import Fill, Side, VenueError


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


class Sent(Notice, frozen=True, kw_only=True):
    """An order command, at its place in the story of the step."""

    command: Place | Cancel

    def words(self) -> str:
        command = self.command
        return f"{command.side:<4} {plain(command.quantity)} @ {plain(command.price)} · {command.reason}"


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

    def words(self) -> str:
        return f"{self.side:<4} {plain(self.quantity)} @ {plain(self.price)} · on the book after {self.elapsed_ms:.0f} ms"


class Ended(Notice, frozen=True, kw_only=True):
    """`is_complete` is False where the venue has reported more fills than are booked: the order is still being asked about."""

    side: Side
    price: Decimal
    status: str
    evidence: str
    is_complete: bool = True

    def words(self) -> str:
        return f"{self.side:<4} @ {plain(self.price)} {self.status} · evidence: {self.evidence}"


class Filled(Notice, frozen=True, kw_only=True):
    fill: Fill
    done_percent: int
    inventory: Decimal
    pnl: Decimal

    def words(self) -> str:
        fill = self.fill
        part = "whole" if self.done_percent >= 100 else f"part {self.done_percent} %"
        return (
            f"{fill.side:<4} {plain(fill.quantity)} @ {plain(fill.price)} · {part} · {fill.liquidity.value} · fee {plain(fill.fee)} {fill.fee_asset}"
            f" · inv {self.inventory.normalize():+f} · pnl {self.pnl:+.2f}"
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
        head = f"{self.side:<4} {plain(self.quantity)} @ {plain(self.price)}"
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

    def words(self) -> str:
        head = "books equal" if self.equal else "BOOKS DIFFER"
        return f"{head}: {', '.join(self.lines)} ({self.purpose})"
