"""Everything that decides: `step(time_ns, events) -> Step`. Deterministic: same events and times, same commands.

Who calls it: the trading loop (runtime.loop), the simulator and replay, on one thread. It marks what it asks *before* a command leaves.
Never: a clock, a socket, a file, a log line, randomness; never a second thread.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from core import amending, asking, audit, figures_told, hearing, listing, market, memory, opening, pairing, replies, resolver, resync, settings
from core.books import MS, Books, Timing
from core.commands import AnyCommand, CancelAll, Purpose, ReadAccount, Reconnect
from core.events import (
    AccountPosition,
    AccountSnapshot,
    AnyEvent,
    BalanceUpdate,
    BookTicker,
    Boot,
    ConfigChanged,
    DepthDiff,
    ExecutionReport,
    MarketTrade,
    Operator,
    OperatorAction,
    Reply,
    RulesChanged,
    StopRequested,
    StoreHealth,
    StreamDown,
    StreamGap,
    StreamUp,
    Timer,
)
from core.notices import Cause, Denied, Fact, Fresh, Notice, Over, Remembered, Said, standing
from core.ports import Basis, Strategy
from core.types import SIDES, Connection, Side
from core.uptime import Uptime
from core.view import Decision, View
from core.where import where

PENDING_MAX = 10_000
MARKET_DATA = frozenset({BookTicker, DepthDiff, MarketTrade})


class Step(msgspec.Struct, frozen=True):
    commands: tuple[AnyCommand, ...]
    notices: tuple[Notice, ...]
    finished: bool
    facts: tuple[Notice, ...] = ()  # for the store, in the order they became known; orders as they stand at the end of the step come last


class Engine:
    def __init__(self, strategy: Strategy, risk: asking.Risk, timing: Timing) -> None:
        self.strategy = strategy
        self.risk = risk
        self.timing = timing
        self.uptime = Uptime()
        self.audit = audit.Audit()
        self.books: Books | None = None
        self.pending: dict[int, AnyCommand] = {}
        self.denials: dict[tuple[str, Side], tuple[str, str]] = {}
        self.idle: dict[tuple[str, Side], str] = {}
        self.finished = False
        self.decided_on: dict[str, Basis | None] = {}  # until a light turns
        self._changed: dict[str, None] = {}
        self._handlers: dict[type, Callable[[Books, AnyEvent], None]] = self._table()

    # -- the step --------------------------------------------------------------------------------
    def step(self, time_ns: int, events: Sequence[AnyEvent]) -> Step:
        """One drained batch: take every event, then decide each changed symbol once. What hangs on time waits while there is only market data."""
        if self.books is None:
            self.books, events = self._opened(time_ns, events[0]), events[1:]
        books = self.books
        books.now_ns = time_ns
        if time_ns >= books.figures.due_ns:
            books.figures.settle(time_ns, books.mid)
        is_market_only = bool(events) and all(type(event) in MARKET_DATA for event in events)
        if not is_market_only:
            self.uptime.advance(time_ns, {key: light.colour for key, light in books.lights.shown.items()}, books.orders)
        for event in events:
            self._handlers[type(event)](books, event)
        if is_market_only:
            self._after_market_data(books)
        else:
            self._after_events(books)
        self._changed.clear()
        return self._drain(books)

    def _opened(self, time_ns: int, event: AnyEvent) -> Books:
        if not isinstance(event, Boot):
            raise ValueError(f"the first event of a run is Boot, not {type(event).__name__}")
        memory.begin(self.strategy, event)
        books = opening.books_of(event, self.timing, time_ns, isinstance(self.strategy, memory.Remembering))
        if event.config_version:
            settings.note(books, event.config_version)
        return books

    def _after_events(self, books: Books) -> None:
        memory.tell(self.strategy, books)
        if books.want_user_reconnect:
            books.reconnect(Connection.USER, books.want_user_reconnect)
            self._gap(books, f"deaf: {books.want_user_reconnect}")
            books.want_user_reconnect = ""
        if books.budget.is_banned(books.now_ns):
            self._show_lights(books, books.rules)
            return
        asking.pull_quotes(books)
        pairing.advance(books)
        amending.advance(books, self.risk)
        asking.send_cancels(books)
        asking.send_cancel_all(books)
        if books.started:
            resolver.ask(books)
        market.ask(books, books.rules)
        self.audit.ask(books, bool(books.session.stopping))
        self._show_lights(books, books.rules)
        self._decide_changed(books, is_market_only=False)
        self.finished = self.audit.stop_proof is not None

    def _after_market_data(self, books: Books) -> None:
        market.ask(books, self._changed)
        self._show_lights(books, self._changed)
        if not books.budget.is_banned(books.now_ns):
            self._decide_changed(books, is_market_only=True)

    def _drain(self, books: Books) -> Step:
        memory.tell(self.strategy, books)
        memory.conclude(self.strategy, books)
        commands, facts = tuple(books.commands), [notice for notice in books.notices if isinstance(notice, Fact)]
        notices = tuple(notice for notice in books.notices if not isinstance(notice, Fact))
        by_id = books.orders.by_client_id
        facts.extend(standing(by_id[client_id]) for client_id in books.orders.changed if client_id in by_id)
        books.orders.changed.clear()
        books.commands.clear()
        books.notices.clear()
        for command in commands:
            if not isinstance(command, Reconnect):  # its answer is StreamDown and StreamUp, not a Reply
                self.pending[command.command_id] = command
        assert len(self.pending) <= PENDING_MAX, "more calls without an answer than the lanes can hold"
        return Step(commands, notices, self.finished, tuple(facts))

    # -- events ----------------------------------------------------------------------------------
    def _table(self) -> dict[type, Callable[[Books, AnyEvent], None]]:
        return {
            BookTicker: self._on_market,
            DepthDiff: self._on_market,
            MarketTrade: self._on_market,
            StreamUp: self._on_up,
            StreamDown: self._on_down,
            StreamGap: self._on_gap,
            ExecutionReport: self._on_report,
            AccountPosition: self._on_position,
            BalanceUpdate: self._on_balance_update,
            Reply: self._on_reply,
            Timer: self._on_timer,
            Operator: self._on_operator,
            ConfigChanged: self._on_config,
            RulesChanged: listing.on_rules,
            StoreHealth: self._on_store_health,
            StopRequested: self._on_stop,
        }

    def _on_market(self, books: Books, event: AnyEvent) -> None:
        if isinstance(event, BookTicker):
            market.on_ticker(books, event)
        elif isinstance(event, DepthDiff):
            market.on_diff(books, event)
        elif isinstance(event, MarketTrade):
            market.on_trade(books, event)
        self._changed[event.symbol] = None  # type: ignore[union-attr]

    def _on_up(self, books: Books, event: AnyEvent) -> None:
        assert isinstance(event, StreamUp)
        if event.moved and books.session.up[event.connection]:
            books.notices.append(Said(tag="WS", text=f"{event.connection} stream moved to a new connection"))
            return
        books.session.up[event.connection] = True
        books.session.down_reason[event.connection] = ""
        books.notices.append(Over(tag="WS", text=f"{event.connection} stream connected", cause=f"{event.connection} stream"))
        if event.connection is Connection.USER:
            self._gap(books, "connected")
        else:
            market.forget(books)
        self._change_all(books)

    def _on_down(self, books: Books, event: AnyEvent) -> None:
        assert isinstance(event, StreamDown)
        books.session.up[event.connection] = False
        books.session.down_reason[event.connection] = event.reason
        if event.connection is Connection.MARKET:
            market.forget(books)
        count = sum(1 for _ in books.orders.open())
        retry = f" · reconnect in {event.retry_in_ms / 1000:g} s" if event.retry_in_ms else ""
        text = f"{event.connection} stream {event.reason.removeprefix(f'{event.connection} stream ')} · all red · {count} orders to cancel{retry}"
        books.notices.append(Cause(tag="DOWN", symbol="all", text=text, cause=f"{event.connection} stream"))
        self._change_all(books)

    def _on_gap(self, books: Books, event: AnyEvent) -> None:
        assert isinstance(event, StreamGap)
        if event.connection is Connection.MARKET:
            market.forget(books)
        else:
            self._gap(books, event.reason)
        self._change_all(books)

    def _gap(self, books: Books, reason: str) -> None:
        """Private events may be missing: read the account before anything else is decided."""
        books.session.resyncing = True
        books.user_gap_ns = books.now_ns
        self.audit.want(Purpose.RESYNC, books.now_ns)
        books.notices.append(Said(tag="WS", text=f"user stream: {reason} · reading orders, balances, trades"))

    def _on_report(self, books: Books, event: AnyEvent) -> None:
        assert isinstance(event, ExecutionReport)
        hearing.on_report(books, event)
        if event.symbol in books.rules:
            self._changed[event.symbol] = None

    def _on_position(self, books: Books, event: AnyEvent) -> None:
        assert isinstance(event, AccountPosition)
        if books.account.is_repeated(event.balances, event.update_ms):
            return
        if books.account.on_position(event.balances, event.update_ms):
            books.touch_private()
            books.tell_holdings()
            self._change_all(books)

    def _on_balance_update(self, books: Books, event: AnyEvent) -> None:
        assert isinstance(event, BalanceUpdate)
        if books.started and books.account.is_after_baseline(event.asset, event.time_ms):
            books.account.move(event.asset, event.delta)
            books.touch_private()

    def _on_reply(self, books: Books, event: AnyEvent) -> None:
        """Exactly one reply per command; a second one is ignored."""
        assert isinstance(event, Reply)
        command = self.pending.pop(event.command_id, None)
        if command is None:
            return
        replies.hear_limits(books, command, event)
        if event.error is not None:
            replies.hear_refusal(books, event.error)
        if heard := replies.HEARERS.get(type(command)):
            heard(books, command, event)
        elif isinstance(command, ReadAccount):
            self._on_account(books, command, event)
        elif isinstance(command, CancelAll):
            hearing.on_cancel_all_reply(books, event)
            self.audit.want(Purpose.PROOF, books.now_ns)
        symbol = getattr(command, "symbol", None)
        self._changed.update({symbol: None} if symbol else dict.fromkeys(books.rules))

    def _on_account(self, books: Books, command: ReadAccount, reply: Reply) -> None:
        if isinstance(reply.answer, AccountSnapshot):
            adopted = resync.merge(books, reply.answer, reply.sent_ns)
            if adopted:
                text = f"{adopted} open orders of an earlier run adopted; they keep their queue place where a band wants them"
                books.notices.append(Said(tag="BOOT", text=text))
        self.audit.on_reply(books, command, reply)

    def _on_timer(self, books: Books, event: AnyEvent) -> None:
        resolver.judge_deadlines(books)
        figures_told.keep(books, self.uptime, self.audit)
        self._judge_risk(books)
        self._change_all(books)

    def _judge_risk(self, books: Books) -> None:
        if books.started and not books.session.halted and (reason := self.risk.halt(View(books))):
            self._halt(books, f"risk: {reason}")

    def _on_operator(self, books: Books, event: AnyEvent) -> None:
        assert isinstance(event, Operator)
        if event.action is OperatorAction.RESUME:
            books.session.halted, books.session.cancel_all_wanted, books.session.is_closing = "", False, False
            books.notices.append(Fresh(tag="RISK", symbol="all", text="resumed by the operator"))
            self._judge_risk(books)  # a limit that is still broken halts again before anything is placed (field case 9)
        elif event.action is OperatorAction.CLOSE:
            books.session.is_closing = True
            books.notices.append(Fresh(tag="RISK", symbol="all", text="closing all lots, by the operator · no new ones until resume"))
        elif event.action is OperatorAction.PROVE:
            self.audit.want(Purpose.PROOF, books.now_ns)
        else:
            self._halt(books, event.action.value if event.action is OperatorAction.CANCEL_ALL else "the operator")
        books.session.cancel_all_wanted = books.session.cancel_all_wanted or event.action is OperatorAction.CANCEL_ALL
        self._change_all(books)

    def _on_config(self, books: Books, event: AnyEvent) -> None:
        """One swap at this tick; the decision of this step rests on the new settings already."""
        assert isinstance(event, ConfigChanged)
        self.adopt(books, event)
        self.audit.next_proof_ns = min(self.audit.next_proof_ns, books.now_ns + self.timing.proof_every_ms * MS)
        settings.note(books, event.version, event.changes)
        self._change_all(books)

    def adopt(self, books: Books, change: ConfigChanged) -> None:
        """Also after a checkpoint was loaded: the settings of that moment."""
        self.timing = settings.adopt((self.strategy, self.risk), books, change)

    def _on_store_health(self, books: Books, event: AnyEvent) -> None:
        """Disk full or database gone: keep canceling, stop opening, say so (DESIGN 6)."""
        assert isinstance(event, StoreHealth)
        books.session.store_fault = event.reason
        text = f"{event.reason} · no new orders, cancels go on · writing is tried again" if event.reason else "the database is whole again"
        kind = Cause if event.reason else Over
        books.notices.append(kind(tag="RISK", symbol="all", text=text, cause="database"))
        self._change_all(books)

    def _halt(self, books: Books, why: str) -> None:
        books.session.halted = why
        books.notices.append(Fresh(tag="RISK", symbol="all", text=f"halted by {why} · canceling {sum(1 for _ in books.orders.open())} orders"))

    def _on_stop(self, books: Books, event: AnyEvent) -> None:
        assert isinstance(event, StopRequested)
        if not books.session.stopping:
            books.session.stopping = event.reason
            count = sum(1 for _ in books.orders.open())
            books.notices.append(Said(tag="EXIT", text=f"{event.reason} · no new orders · canceling {count} and waiting for the venue's word"))

    def _change_all(self, books: Books) -> None:
        self._changed.update(dict.fromkeys(books.rules))

    # -- deciding --------------------------------------------------------------------------------
    def _show_lights(self, books: Books, symbols: Iterable[str]) -> None:
        """A light that turns is a reason to decide."""
        for symbol in tuple(symbols):
            for side in SIDES:
                before = books.lights.shown.get((symbol, side))
                if books.light(symbol, side) is not before:
                    self._changed[symbol] = None
                    self.decided_on.pop(symbol, None)

    def _decide_changed(self, books: Books, is_market_only: bool) -> None:
        if not books.started or books.session.stopping:
            return
        for symbol in self._changed:
            self._decide(books, symbol, is_market_only)

    def _decide(self, books: Books, symbol: str, is_market_only: bool) -> None:
        try:
            view = View(books)
            basis = self.strategy.rests_on(view, symbol)
            if is_market_only and basis is not None and basis == self.decided_on.get(symbol):
                return
            self.decided_on[symbol] = basis
            books.budget.carry(books.now_ns, (order.created_ns for order in books.orders.open() if order.place_asked is not None))
            self._carry_out(books, symbol, self.strategy.decide(view, symbol))
        except Exception as error:  # a fault in a strategy, or in what it wants, halts quoting; orders are canceled and the bot stays up
            if not books.session.halted:  # said once, not at every step
                self._halt(books, f"an error in the strategy: {type(error).__name__}: {error} ({where(error)})")
            asking.pull_quotes(books)
            asking.send_cancels(books)

    def _carry_out(self, books: Books, symbol: str, decision: Decision) -> None:
        for want in decision.cancels:
            order = books.orders.by_client_id[want.client_order_id]
            if order.is_open and not order.is_leaving:
                order.cancel_wanted = order.why_cancel = want.reason
        amending.start(books, decision.amends, self.risk)
        if decision.cancels or decision.amends:
            asking.send_cancels(books)
        for side in SIDES:
            self.idle.pop((symbol, side), None)
        self.idle.update({(symbol, side): reason for side, reason in decision.idle})
        books.notices.extend(decision.said)
        if decision.memory:
            books.notices.append(Remembered(symbol=symbol, text=decision.memory))
        self._note_denials(books, symbol, self._place(books, decision))

    def _place(self, books: Books, decision: Decision) -> dict[Side, tuple[str, str]]:
        """One after the other: each is judged with those before it marked. Returns who was denied, and why."""
        denied: dict[Side, tuple[str, str]] = {}
        for pair in decision.ocos:
            if (denial := pairing.deny(books, pair, self.risk)) is None:
                pairing.place(books, pair)
            else:
                denied[pair.profit.side] = denial
        for place in decision.places:
            if (denial := asking.deny(books, place, self.risk)) is None:
                asking.place(books, place)
            else:
                denied[place.side] = denial
        return denied

    def _note_denials(self, books: Books, symbol: str, denied: dict[Side, tuple[str, str]]) -> None:
        for side in SIDES:
            before = self.denials.get((symbol, side))
            if (denial := denied.get(side)) is None:
                self.denials.pop((symbol, side), None)
                continue
            self.denials[symbol, side] = denial
            if before is None or before[0] != denial[0]:
                books.notices.append(Denied(tag="RISK", symbol=symbol, side=side, reason=denial[0], clears_when=denial[1]))
