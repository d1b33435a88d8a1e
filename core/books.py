"""Everything the engine knows, in one place: orders, account, limits, books of the market, session, and the running totals.

Who owns it: core.engine, on the trading thread only; the other core parts (hearing, resync, resolver, proof) are functions of it.
Never: I/O, a clock; `now_ns` is the time of the step under way.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

import msgspec

from core.account import Account, FillTotals
from core.amendments import Amendment, AmendmentResult
from core.budget import Budget
from core.commands import AnyCommand, Reconnect
from core.depth import DepthBook, Touch
from core.events import ConfigChanged, Told
from core.figures import Figures
from core.light import Light, Lights, Session, SymbolState, Verdict, judge
from core.money import ZERO
from core.notices import Holdings, LightChanged, Notice
from core.orders import Orders
from core.types import Balance, Connection, Fill, Side, SymbolRules

FILLS_KEPT_MAX = 20_000  # the newest; the store has all of them
ORPHAN_TRADES_MAX = 10_000  # beyond it trading halts: a trade nobody can name must not be forgotten
ATTRIBUTED_MAX = 5000
RECV_WINDOW_MS = 3000
PLACE_GRACE_MS = RECV_WINDOW_MS + 10_000  # after this a place that left can no longer reach the engine (binance-wire 8)
MS = 1_000_000


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of time, all in ms."""

    place_not_after_ms: int = 250
    order_timeout_ms: int = 3000
    read_timeout_ms: int = 3000
    book_age_ms_max: int = 10_000
    resolver_interval_ms_max: int = 2000
    proof_every_ms: int = 30_000
    cooldown_ms: int = 0
    echo_ms_max: int = 5000
    silent_ask_ms: int = 200  # while the user stream is down or silent, an order with a memo is asked about so often


@dataclass(slots=True)
class SymbolBook:
    """One symbol's market: depth, touch, and the depth read under way."""

    depth: DepthBook
    touch: Touch = field(default_factory=Touch)
    read_asked: int | None = None  # command id of the depth read under way
    read_deadline_ns: int = 0
    read_not_before_ns: int = 0
    read_fails: int = 0
    behind_id: int = 0  # a snapshot showed this update id, the stream has not brought it yet
    behind_since_ns: int = 0
    last_trade: Decimal | None = None  # the price of the newest print


@dataclass(slots=True)
class Books:
    boot: str
    tag: str
    timing: Timing
    rules: dict[str, SymbolRules]
    account: Account
    orders: Orders = field(default_factory=Orders)
    budget: Budget = field(default_factory=Budget)
    session: Session = field(default_factory=Session)
    lights: Lights = field(default_factory=Lights)
    market: dict[str, SymbolBook] = field(default_factory=dict)
    totals: dict[str, FillTotals] = field(default_factory=dict)
    fills: deque[Fill] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT_MAX))
    recovered: deque[Fill] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT_MAX))
    proven_trade_id: dict[str, int | None] = field(default_factory=dict)
    orphans: dict[tuple[str, int], list[Fill]] = field(default_factory=dict)  # trades of orders we cannot name yet
    orphan_trades: int = 0  # all of them; counted anew for each trade, thousands would stop the trading thread
    orphan_not_before_ns: dict[tuple[str, int], int] = field(default_factory=dict)
    earlier: dict[tuple[str, int], Decimal] = field(default_factory=dict)  # quantity booked by earlier runs, per (symbol, venue order id)
    attributed: dict[tuple[str, int], None] = field(default_factory=dict)  # (symbol, venue order id) of orders of earlier runs
    foreign_trades: dict[tuple[str, int], None] = field(default_factory=dict)
    amendments: dict[int, Amendment] = field(default_factory=dict)  # by command id, until decided
    amended: dict[str, AmendmentResult] = field(default_factory=dict)  # newest results, by the client id of the order they were about
    queue_places_kept: int = 0
    start_mids: dict[str, Decimal] = field(default_factory=dict)
    was_reset: bool = False  # the venue has forgotten our orders (core.reset)
    started: bool = False  # the books have been merged once
    started_ns: int = 0  # when that was
    user_gap_ns: int = 0  # when the user stream last came up or had a gap; it owes no report of an older order
    rejects: dict[str, int] = field(default_factory=dict)
    refusals: dict[tuple[str, Side], tuple[str, int]] = field(default_factory=dict)  # (what, how many times in a row)
    crossings: dict[tuple[str, Side], int] = field(default_factory=dict)  # replacements in a row that would have taken, and were not placed
    placed: int = 0
    canceled: int = 0
    fills_booked: int = 0  # since the start, also beyond what `fills` keeps
    fills_recovered: int = 0  # of earlier runs, also beyond what `recovered` keeps
    fees: dict[str, Decimal] = field(default_factory=dict)  # paid by the fills of this run, per asset
    figures: Figures = field(default_factory=Figures)
    unheard_since_ns: int = 0  # an order was acknowledged and ended by replies, and the user stream has said nothing of any order since
    want_user_reconnect: str = ""  # the reason, once the user stream has gone deaf
    silent_ask_ns: int = 0  # when orders the user stream is silent about are asked about next
    touched_ns: int = 0  # last time a private fact changed anything
    now_ns: int = 0
    config: ConfigChanged | None = None  # the newest change of the settings; a checkpoint brings it back
    config_versions: list[tuple[str, int]] = field(default_factory=list)  # in force since, the newest last
    told: list[Told] = field(default_factory=list)  # for the strategy, within the step under way (core.memory)
    commands: list[AnyCommand] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    @classmethod
    def new(cls, boot: str, tag: str, rules: tuple[SymbolRules, ...], timing: Timing) -> "Books":
        by_symbol = {rule.symbol: rule for rule in rules}
        books = cls(boot=boot, tag=tag, timing=timing, rules=by_symbol, account=Account(rules=by_symbol))
        books.session.book_age_ms_max = timing.book_age_ms_max
        for symbol, rule in by_symbol.items():
            books.session.symbols[symbol] = SymbolState(trading=rule.status == "TRADING")
            books.market[symbol] = SymbolBook(depth=DepthBook(symbol))
            books.totals[symbol] = FillTotals()
        return books

    # -- small questions -------------------------------------------------------------------------
    def is_ours(self, client_order_id: str) -> bool:
        return client_order_id.startswith(self.tag + "-")

    def boot_of(self, client_order_id: str) -> int:
        """The start time, in milliseconds, of the boot that made this id; 0 where the id is not of our form."""
        parts = client_order_id.split("-")
        try:
            return int(parts[1], 36) if len(parts) == 3 else 0
        except ValueError:
            return 0

    def number(self) -> int:
        return next(self.numbers)

    def light(self, symbol: str, side: Side) -> Light:
        """The light now; a change becomes a notice."""
        light, before = self.lights.show(symbol, side, self._judged(symbol, side), self.now_ns)
        if before is None or before.colour is not light.colour:
            waited_ms = (self.now_ns - before.since_ns) // MS if before else 0
            self.notices.append(LightChanged(tag="LIGHT", symbol=symbol, side=side, before=before, light=light, waited_ms=waited_ms))
        return light

    def look(self, symbol: str, side: Side) -> Light:
        """The light now, for who only asks, between two steps too: nothing is noted, nothing changes."""
        return self.lights.of(symbol, side, self._judged(symbol, side), self.now_ns)

    def _judged(self, symbol: str, side: Side) -> Verdict:
        return judge(symbol, side, self.orders, self.account, self.session, self.budget, self.now_ns)

    def mid(self, symbol: str) -> Decimal | None:
        touch = self.market[symbol].touch
        return (touch.bid[0] + touch.ask[0]) / 2 if touch.is_known else None

    def position(self, symbol: str) -> Decimal:
        """Base bought less base sold by our fills, fees in base taken off: the inventory against the start, known at once."""
        return self.account.own_change.get(self.rules[symbol].base, ZERO)

    def value(self, totals: dict[str, Decimal], mids: dict[str, Decimal]) -> Decimal:
        """Quote value of the traded assets at these mids. Symbols that share a quote asset count it once."""
        assets: dict[str, Decimal] = {}
        for symbol, rule in self.rules.items():
            assets[rule.quote] = Decimal(1)
            assets[rule.base] = mids.get(symbol, ZERO)
        return sum((totals.get(asset, ZERO) * price for asset, price in assets.items()), ZERO)

    def mids(self) -> dict[str, Decimal]:
        return {symbol: mid for symbol in self.rules if (mid := self.mid(symbol)) is not None}

    def pnl(self) -> tuple[Decimal, Decimal]:
        """(cash + inventory at mid - start at start mid, the part of it that holding the start would have made), in quote."""
        now = {asset: self.account.expected(asset) for asset in self.account.baseline}
        mids = {**self.start_mids, **self.mids()}
        start = self.account.baseline
        begun = self.value(start, self.start_mids)
        return self.value(now, mids) - begun, self.value(start, mids) - begun

    def fill_count(self) -> int:
        return self.fills_booked + self.fills_recovered

    # -- small writings --------------------------------------------------------------------------
    def reconnect(self, connection: Connection, reason: str) -> None:
        """Ask for a new socket; its reader says StreamDown and StreamUp."""
        self.commands.append(Reconnect(command_id=self.number(), reason=reason, timeout_ms=self.timing.read_timeout_ms, connection=connection))

    def tell_holdings(self) -> None:
        """For the store."""
        self.notices.append(self.holdings())

    def holdings(self) -> Holdings:
        """What is held of the traded assets, and what the P&L of the run is counted from."""
        account, traded = self.account, dict.fromkeys(asset for rule in self.rules.values() for asset in (rule.quote, rule.base))
        return Holdings(
            balances=tuple(Balance(name, held.free, held.locked) for name, held in account.holdings.items() if name in traded),
            start=tuple((name, account.baseline[name], account.baseline_ms.get(name, -1)) for name in traded if name in account.baseline),
            movements=tuple((name, delta) for name, delta in account.movements.items() if name in traded),
            start_mids=tuple(self.start_mids.items()),
            mids=tuple({**self.start_mids, **self.mids()}.items()),
        )

    def touch_private(self) -> None:
        self.touched_ns = self.now_ns

    def count_refusal(self, symbol: str, side: Side, what: str) -> int:
        before, times = self.refusals.get((symbol, side), ("", 0))
        times = times + 1 if before == what else 1
        self.refusals[symbol, side] = (what, times)
        return times

    def clear_refusals(self, symbol: str, side: Side) -> None:
        self.refusals.pop((symbol, side), None)
        self.crossings.pop((symbol, side), None)
