"""The traffic light: per (symbol, side) a colour, the reason in words, since when, and what will clear it.

Who calls it: core.engine and, through it, the strategy, the manager and the status verb. Pure: `judge` is a function of the facts it is given.
Never: a counter that could leak; every answer is computed from the orders and the session as they are.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from core.account import Account
from core.budget import Budget
from core.orders import Orders
from core.types import CONNECTIONS, Connection, Side


class Colour(StrEnum):
    RED = "red"
    AMBER = "amber"
    GREEN = "green"


class Light(msgspec.Struct, frozen=True):
    colour: Colour
    reason: str
    since_ns: int
    clears_when: str

    @property
    def is_green(self) -> bool:
        return self.colour is Colour.GREEN


Verdict = tuple[Colour, str, str]  # colour, reason, clears_when
MS = 1_000_000
NOT_YET = "not connected yet"
REASONS_MAX = 24  # kinds of reason a side may have had, over its colours
GREEN: Verdict = (Colour.GREEN, "book fresh, funds free, nothing pending", "")


@dataclass(slots=True)
class SymbolState:
    """What the light needs to know of one symbol besides its orders."""

    trading: bool = True
    book_in_step: bool = False
    book_seen_ns: int = 0


@dataclass(slots=True)
class Session:
    """The health of everything that is not an order."""

    up: dict[Connection, bool] = field(default_factory=lambda: dict.fromkeys(Connection, False))
    down_reason: dict[Connection, str] = field(default_factory=lambda: dict.fromkeys(Connection, NOT_YET))
    resyncing: bool = True
    halted: str = ""
    stopping: str = ""
    cancel_all_wanted: bool = False  # the operator's, until it leaves
    is_closing: bool = False  # the operator wants every position left, until resume
    store_fault: str = ""  # why the database takes nothing
    symbols: dict[str, SymbolState] = field(default_factory=dict)
    cooldown_until_ns: dict[tuple[str, Side], int] = field(default_factory=dict)
    brake_until_ns: dict[tuple[str, Side], tuple[int, str]] = field(default_factory=dict)
    book_age_ms_max: int = 10_000


def _session_red(session: Session, budget: Budget, symbol: str, now_ns: int) -> Verdict | None:
    if session.stopping:
        return Colour.RED, f"stopping: {session.stopping}", "never in this run"
    if budget.is_banned(now_ns):
        left_s = (budget.banned_until_ns - now_ns) // 1_000_000_000 + 1
        return Colour.RED, f"banned by the venue ({budget.ban_reason})", f"Retry-After ends in {left_s} s"
    if session.halted:
        return Colour.RED, f"halted by {session.halted}", "python bot.py resume"
    if session.store_fault:
        return Colour.RED, f"no record: {session.store_fault}", "the database takes writes again"
    for connection in CONNECTIONS:
        if not session.up[connection]:
            return Colour.RED, f"{connection} stream down: {session.down_reason[connection]}", "reconnect and resync"
    if session.resyncing:
        return Colour.RED, "resync running", "the venue's answer to the account read"
    state = session.symbols[symbol]
    if not state.trading:
        return Colour.RED, "symbol is not TRADING", "the venue opens the symbol"
    if not state.book_in_step:
        return Colour.RED, "book not in step", "a depth snapshot that bridges the stream"
    age_ms = (now_ns - state.book_seen_ns) // MS
    if age_ms > session.book_age_ms_max:
        return Colour.RED, f"book is stale, limit {session.book_age_ms_max} ms", "the next book update, or a snapshot that confirms the book"
    return None


def judge(symbol: str, side: Side, orders: Orders, account: Account, session: Session, budget: Budget, now_ns: int) -> Verdict:
    """The colour for one (symbol, side), the first reason that holds (DESIGN 4)."""
    if verdict := _session_red(session, budget, symbol, now_ns):
        return verdict
    leaving = amending = 0
    for order in orders.open(symbol, side):
        if order.resolve or order.is_unknown_call:
            return Colour.RED, f"outcome unknown: {order.client_order_id}", "the venue's answer to the order query"
        leaving += order.cancel_asked is not None or bool(order.cancel_wanted)
        amending += order.amend_asked is not None
    for client_id in orders.attention:
        order = orders.by_client_id[client_id]
        if order.symbol == symbol and order.side is side:
            return Colour.RED, f"fills of {order.client_order_id} not complete", "the venue's answer to the order query"
    if leaving:
        return Colour.AMBER, f"{leaving} cancel{'s' if leaving > 1 else ''} pending", "the venue's word on the cancel"
    if amending:
        return Colour.AMBER, f"{amending} amendment{'s' if amending > 1 else ''} pending", "the venue's word on the amendment"
    rules = account.rules[symbol]
    asset = rules.quote if side is Side.BUY else rules.base
    held, first = account.held_by_leaving(asset, orders)
    if first is not None and account.available(asset, orders) <= 0:
        return Colour.AMBER, f"{held.normalize():f} {asset} held by a pending cancel, {first.symbol} {first.side}", "that cancel's answer"
    if now_ns < session.cooldown_until_ns.get((symbol, side), 0):
        return Colour.AMBER, "cool-down after a fill", "the cool-down's end"
    until_ns, why = session.brake_until_ns.get((symbol, side), (0, ""))
    if now_ns < until_ns:
        return Colour.AMBER, f"brake: {why}", "the brake's end"
    return GREEN


def kind_of(reason: str) -> str:
    """A reason without its ids and numbers: a closed set, so that time can be added up by it."""
    if reason.startswith("fills of "):
        return "fills not complete"
    if " held by a pending cancel" in reason:
        return "funds held by a pending cancel"
    if reason.endswith(" pending") and reason[0].isdigit():
        return f"{reason.split(' ')[1].rstrip('s')} pending"
    for stop in (":", ",", " ("):
        reason = reason.partition(stop)[0]
    return reason


@dataclass(slots=True)
class Lights:
    """Remembers since when each light shows what it shows."""

    shown: dict[tuple[str, Side], Light] = field(default_factory=dict)
    since_ns: dict[tuple[str, Side], int] = field(default_factory=dict)  # the reason that is shown; a light's own time runs on over reasons
    spent_ns: dict[tuple[str, Side, Colour, str], int] = field(default_factory=dict)  # by colour and kind of reason

    def show(self, symbol: str, side: Side, verdict: Verdict, now_ns: int) -> tuple[Light, Light | None]:
        """(the light now, the light before)."""
        before = self.shown.get((symbol, side))
        light = self.shown[symbol, side] = self.of(symbol, side, verdict, now_ns)
        if before is None or (before.colour, before.reason) != (light.colour, light.reason):
            if before is not None:
                self._spend(symbol, side, before, now_ns - self.since_ns[symbol, side])
            self.since_ns[symbol, side] = now_ns
        return light, before

    def of(self, symbol: str, side: Side, verdict: Verdict, now_ns: int) -> Light:
        """What this verdict shows; nothing is remembered. A light's time runs on while only its reason changes."""
        colour, reason, clears_when = verdict
        before = self.shown.get((symbol, side))
        if before is None or before.colour is not colour:
            return Light(colour, reason, now_ns, clears_when)
        if (before.reason, before.clears_when) == (reason, clears_when):
            return before
        return Light(colour, reason, before.since_ns, clears_when)

    def _spend(self, symbol: str, side: Side, light: Light, ns: int) -> None:
        key = (symbol, side, light.colour, kind_of(light.reason))
        if key not in self.spent_ns and len(self.spent_ns) >= REASONS_MAX * len(self.shown):
            key = (symbol, side, light.colour, "another reason")
        self.spent_ns[key] = self.spent_ns.get(key, 0) + ns

    def spent(self, symbol: str, side: Side, now_ns: int) -> dict[tuple[Colour, str], int]:
        """Until now: (colour, kind of reason) -> ns."""
        found = {(colour, kind): ns for (of, which, colour, kind), ns in self.spent_ns.items() if (of, which) == (symbol, side)}
        if (light := self.shown.get((symbol, side))) is not None:
            key = light.colour, kind_of(light.reason)
            found[key] = found.get(key, 0) + now_ns - self.since_ns[symbol, side]
        return found
