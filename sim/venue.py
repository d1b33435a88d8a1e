"""The venue behind a bad network: requests travel, are executed on the real matching engine, and their answers travel back.

Who calls it: order_book_manager through the lanes (Venue protocol, run twice: see sim.executor), sim.scheduler for the rest.
Never: an answer the matching engine did not give, except where a fault says so and is counted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, TypeVar, cast

from core.commands import Amend, AnyCommand, Cancel, CancelAll, Place, PlaceOco, Query, ReadAccount, ReadDepth, Replace, Request, places_of
from core.events import AccountSnapshot, Answer, CancelAllAnswer, DepthSnapshot, OcoAnswer, OrderAnswer, ReplaceAnswer
from core.ports import Answered, Capabilities, Refused
from core.types import Balance, Fill, VenueError
from exchange.paper.matching import Matching
from exchange.paper.model import PaperOrder, Reject
from sim import entries
from sim.counter import Counter
from sim.executor import Leaving, Outcome
from sim.facts import facts_of, fill_of
from sim.faults import Fault, Faults, Kind, Plan, banned, limited, stale
from sim.scheduler import MS, Scheduler
from sim.setup import WEIGHT_PER_MINUTE

A = TypeVar("A", bound=Answer)
Stages = Iterator[None]


class Door(Protocol):
    """Who watches the venue's door (the oracle)."""

    def left(self, command: AnyCommand, plan: Plan) -> None: ...
    def arrived(self, command: AnyCommand) -> None: ...
    def decided(self, command: AnyCommand, error: VenueError | None) -> None: ...
    def used(self, kind: str, count: int, limit: int) -> None: ...


class TimedOutCall(Exception):
    """No answer in time: the outcome is unknown."""


@dataclass(slots=True)
class Ticket:
    """One request under way."""

    command: AnyCommand
    plan: Plan
    sent_ns: int
    deadline_ns: int
    done: Callable[[Outcome], None]
    is_over: bool = False
    answer: list[Answer] = field(default_factory=list)


class SimVenue:
    """core.ports.Venue over `Matching`; `publish` is called after everything that may have made events."""

    name = "sim"
    only_sends = False
    capabilities = Capabilities(cancel_replace=True, oco=True, cancel_all=True)

    def __init__(
        self,
        matching: Matching,
        scheduler: Scheduler,
        faults: Faults,
        door: Door,
        publish: Callable[[], None],
        rng: Random,
        latency_ms: float,
        orders_per_10_s: int,
    ) -> None:
        self.matching = matching
        self.after_place: Callable[[Fault, PaperOrder], None] = lambda fault, order: None
        self.before_cancel: Callable[[Fault, Cancel | Amend], None] = lambda fault, command: None
        self._scheduler, self._faults, self._door, self.publish = scheduler, faults, door, publish
        self._rng, self._latency_ms = rng, latency_ms
        self._outcomes: dict[int, Outcome] = {}
        self._banned_until_ns = 0
        self._places_until_ns = 0
        self.skewed_until_ns = 0  # until then its clock is out of step with ours by more than recvWindow
        self.weight = Counter("REQUEST_WEIGHT", 60, WEIGHT_PER_MINUTE)
        self.orders = Counter("ORDERS", 10, orders_per_10_s)
        self.twice: dict[int, None] = {}  # commands whose reply the world posts twice

    # -- core.ports.Venue ------------------------------------------------------------------------
    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer]:
        return self._call(command, timeout_s, OrderAnswer)

    def cancel(self, command: Cancel, timeout_s: float) -> Answered[OrderAnswer]:
        return self._call(command, timeout_s, OrderAnswer)

    def amend(self, command: Amend, timeout_s: float) -> Answered[OrderAnswer]:
        return self._call(command, timeout_s, OrderAnswer)

    def replace(self, command: Replace, timeout_s: float) -> Answered[ReplaceAnswer]:
        return self._call(command, timeout_s, ReplaceAnswer)

    def place_oco(self, command: PlaceOco, timeout_s: float) -> Answered[OcoAnswer]:
        return self._call(command, timeout_s, OcoAnswer)

    def cancel_all(self, command: CancelAll, timeout_s: float) -> Answered[CancelAllAnswer]:
        return self._call(command, timeout_s, CancelAllAnswer)

    def query(self, command: Query, timeout_s: float) -> Answered[OrderAnswer]:
        return self._call(command, timeout_s, OrderAnswer)

    def read_account(self, command: ReadAccount, timeout_s: float) -> Answered[AccountSnapshot]:
        return self._call(command, timeout_s, AccountSnapshot)

    def read_depth(self, command: ReadDepth, timeout_s: float) -> Answered[DepthSnapshot]:
        return self._call(command, timeout_s, DepthSnapshot)

    def _call(self, command: AnyCommand, timeout_s: float, kind: type[A]) -> Answered[A]:
        outcome = self._outcomes.pop(command.command_id, None)
        if outcome is None:
            raise Leaving(command, timeout_s)
        self.on_answer()
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome.answer, kind)
        return cast("Answered[A]", outcome)

    on_answer: Callable[[], None] = staticmethod(lambda: None)  # the world brings the manager's clock back to now

    # -- the way there ---------------------------------------------------------------------------
    def hand(self, command: AnyCommand, outcome: Outcome) -> None:
        """The answer for the second run of this call."""
        self._outcomes[command.command_id] = outcome

    def abandon(self, command: AnyCommand) -> None:
        """The manager ended the call without sending anything."""
        self._door.decided(command, None)

    def carry(self, leaving: Leaving, done: Callable[[Outcome], None]) -> None:
        command, now_ns = leaving.command, self._scheduler.now_ns
        plan = self._faults.plan(command, leaving.timeout_s, now_ns)
        if plan.kind is Kind.REPLY_TWICE:
            self.twice[command.command_id] = None
        ticket = Ticket(command, plan, now_ns, now_ns + int(leaving.timeout_s * 1e9), done)
        self._door.left(command, plan)
        if not plan.lost:
            self._scheduler.after(self._one_way_ms(command) + plan.late_ms, lambda: self._arrive(ticket))
        if not plan.reply_late_ms:
            self._scheduler.at(ticket.deadline_ns, lambda: self._end(ticket, TimedOutCall("no answer in time")))

    def _one_way_ms(self, command: AnyCommand | None = None) -> float:
        """Of this request, or, without one, of an answer."""
        return self._latency_ms * self._rng.uniform(0.7, 2.0) + self._scheduler.stall_ms()

    def _arrive(self, ticket: Ticket) -> None:
        self._door.arrived(ticket.command)
        try:
            self._gate(ticket)
            stages = self._stages(ticket)
        except Exception as error:
            self._decide(ticket, error)
            return
        self._stage(ticket, stages)

    def _gate(self, ticket: Ticket) -> None:
        """Limits, the time window and the fault's own answer come before execution. Raises the venue's no."""
        now_ns, command, plan = self._scheduler.now_ns, ticket.command, ticket.plan
        if now_ns < self._banned_until_ns:
            raise banned(429, (self._banned_until_ns - now_ns) // MS + 1)
        if plan.ban_ms:
            if plan.kind is Kind.LIMIT_1015:
                self._places_until_ns = now_ns + plan.ban_ms * MS
            else:
                self._banned_until_ns = now_ns + plan.ban_ms * MS
        if plan.before is not None:
            raise plan.before
        if now_ns < self.skewed_until_ns and not isinstance(command, ReadDepth):
            raise stale()
        mutates, places = isinstance(command, Request), len(places_of(command))
        if mutates and now_ns - ticket.sent_ns > self._faults.recv_window_ms * MS:
            raise stale()
        if places and now_ns < self._places_until_ns:
            raise limited((self._places_until_ns - now_ns) // MS + 1)
        for counter in (self.orders, self.weight):
            self._door.used(counter.kind, counter.add(now_ns // MS, 0), counter.limit)
        if places and self.orders.add(now_ns // MS, 0) + places > self.orders.limit:
            self._door.used(self.orders.kind, self.orders.used + places, self.orders.limit)
            raise limited(0)

    def _stage(self, ticket: Ticket, stages: Stages) -> None:
        """One sub-request at a time: a read of the account is several requests, and the world moves between them."""
        try:
            next(stages)
        except StopIteration:
            self._decide(ticket, None)
        except Reject as no:
            self._decide(ticket, Refused(VenueError(code=no.code, message=no.message, http_status=no.http_status)))
        else:
            if not ticket.is_over:
                self._scheduler.after(2 * self._one_way_ms(), lambda: self._stage(ticket, stages))
            else:
                self._decide(ticket, None)

    def _decide(self, ticket: Ticket, error: Exception | None) -> None:
        """The venue has done what it will do; the answer leaves."""
        self._door.decided(ticket.command, error.error if isinstance(error, Refused) else entries.half_refused(ticket.answer))
        self.publish()
        plan = ticket.plan
        placed = entries.placed(ticket.answer) if places_of(ticket.command) and error is None else None
        if plan.fault is not None and placed is not None:
            self.after_place(plan.fault, self.matching.order(placed.symbol, placed.venue_order_id))
        outcome: Outcome | None = error
        if plan.after is not None and error is None:
            outcome = plan.after
        if outcome is None and ticket.answer:
            told = (self.weight, self.orders) if places_of(ticket.command) else (self.weight,)
            outcome = Answered(answer=ticket.answer[0], limits=tuple(counter.limit_fact() for counter in told))
        if plan.reply_lost or outcome is None:
            return
        delay_ms = self._one_way_ms() + plan.reply_late_ms
        final = outcome
        self._scheduler.after(delay_ms, lambda: self._end(ticket, final))

    def _end(self, ticket: Ticket, outcome: Outcome) -> None:
        if ticket.is_over:
            return
        ticket.is_over = True
        ticket.done(outcome)

    # -- what the venue does ---------------------------------------------------------------------
    def _stages(self, ticket: Ticket) -> Stages:
        command, now_ms = ticket.command, self._scheduler.now_ms
        match command:
            case Place():
                return self._place(ticket, command)
            case Cancel():
                if ticket.plan.fault is not None:
                    self.before_cancel(ticket.plan.fault, command)
                return self._cancel(ticket, command)
            case Amend():
                if ticket.plan.fault is not None:
                    self.before_cancel(ticket.plan.fault, command)
                return self._amend(ticket, command)
            case Replace():
                if ticket.plan.fault is not None:
                    self.before_cancel(ticket.plan.fault, command.cancel)
                return self._replace(ticket, command)
            case PlaceOco():
                return self._place_oco(ticket, command)
            case Query():
                return self._query(ticket, command)
            case ReadAccount():
                return self._read_account(ticket, command)
            case ReadDepth():
                self.weight.add(now_ms, 5 if command.limit <= 100 else 50)
                return self._read_depth(ticket, command)
            case CancelAll():
                return self._cancel_all(ticket, command)
            case _:
                raise AssertionError(f"{command} is no request")

    def _place(self, ticket: Ticket, command: Place) -> Stages:
        self.weight.add(self._scheduler.now_ms, 1)
        facts = entries.enter(self.matching, command, self._scheduler.now_ms)
        self.orders.add(self._scheduler.now_ms, 1)
        ticket.answer.append(OrderAnswer(facts=facts))
        yield from ()

    def _place_oco(self, ticket: Ticket, command: PlaceOco) -> Stages:
        self.weight.add(self._scheduler.now_ms, 1)
        answer = entries.enter_list(self.matching, command, self._scheduler.now_ms)
        self.orders.add(self._scheduler.now_ms, len(command.legs))
        ticket.answer.append(answer)
        yield from ()

    def _replace(self, ticket: Ticket, command: Replace) -> Stages:
        """One unit of the order count in any case, once the filters have let it pass (binance-wire 3)."""
        now_ms = self._scheduler.now_ms
        self.weight.add(now_ms, 1)
        entries.check_filters(self.matching, command, now_ms)
        self.orders.add(now_ms, 1)
        is_refused = ticket.plan.kind is Kind.REPLACE_HALF
        ticket.answer.append(entries.replace(self.matching, command, now_ms, is_refused))
        yield from ()

    def _cancel(self, ticket: Ticket, command: Cancel) -> Stages:
        now_ms = self._scheduler.now_ms
        self.weight.add(now_ms, 1)
        order = self.matching.cancel(command.symbol, now_ms, order_id=command.venue_order_id, cancel_id=command.cancel_id)
        ticket.answer.append(OrderAnswer(facts=facts_of(order, original=order.original_client_order_id)))
        yield from ()

    def _amend(self, ticket: Ticket, command: Amend) -> Stages:
        now_ms = self._scheduler.now_ms
        self.weight.add(now_ms, 4)
        amended = self.matching.amend(
            command.symbol, now_ms, command.quantity, order_id=command.venue_order_id, new_client_order_id=command.client_order_id
        )
        ticket.answer.append(OrderAnswer(facts=facts_of(amended.order)))
        yield from ()

    def _cancel_all(self, ticket: Ticket, command: CancelAll) -> Stages:
        gone = []
        for order in self.matching.open_orders(command.symbol):
            if order.client_order_id.startswith(command.tag + "-"):
                name = f"{order.client_order_id}c"[-36:]
                yield
                try:
                    canceled = self.matching.cancel(order.symbol, self._scheduler.now_ms, order_id=order.order_id, cancel_id=name)
                except Reject:
                    continue
                gone.append(facts_of(canceled, original=canceled.original_client_order_id))
                self.publish()
        ticket.answer.append(CancelAllAnswer(canceled=tuple(gone), failed=()))

    def _query(self, ticket: Ticket, command: Query) -> Stages:
        self.weight.add(self._scheduler.now_ms, 4)
        by_id = command.venue_order_id
        order: PaperOrder | None = None
        try:
            order = self.matching.order(command.symbol, by_id, None if by_id is not None else command.client_order_id)
        except Reject as no:
            if no.code != -2013:
                raise
        searched = order is None and command.since_ms is not None
        if searched:
            yield
            order = self._search(command)
        if order is None:
            ticket.answer.append(OrderAnswer(facts=None, searched=searched))
            return
        fills: tuple[Fill, ...] = ()
        if order.executed > command.known_executed:
            yield
            fills = tuple(fill_of(trade) for trade in self.matching.trades(order.symbol) if trade.order_id == order.order_id)
        ticket.answer.append(OrderAnswer(facts=facts_of(order, fills), searched=searched))

    def _search(self, command: Query) -> PaperOrder | None:
        """The order list since then: by its name or its cancel's, else the one that a stranger's cancel renamed (as in exchange.binance.venue)."""
        assert command.since_ms is not None
        self.weight.add(self._scheduler.now_ms, 20)
        names = (command.client_order_id, command.client_order_id + "c", command.partner + "c")
        shape = (command.side.value, command.price, command.quantity, "CANCELED")
        ours = command.client_order_id.split("-")[0] + "-"
        found: PaperOrder | None = None
        for order in self.matching.all_orders(command.symbol):
            if order.created_ms < command.since_ms:
                continue
            if order.client_order_id in names and order.price == command.price:  # the cancel of a leg names both legs of its list alike
                return order
            alike = (order.side, order.price, order.quantity, order.status) == shape
            if alike and order.order_id not in command.attributed and not order.client_order_id.startswith(ours):
                found = found or order
        return found

    def _read_account(self, ticket: Ticket, command: ReadAccount) -> Stages:
        """Open orders, then balances, then trades, each its own request, as in exchange.binance.venue."""
        symbols = [symbol for symbol, _ in command.trades_after]
        self.weight.add(self._scheduler.now_ms, 26 * len(symbols) + 20)
        newest: dict[str, int] = {}
        for symbol, after in command.trades_after:
            if after is None:  # learned before the balances are read, so that no trade falls between the two
                newest[symbol] = max((trade.trade_id for trade in self.matching.trades(symbol)), default=-1)
                yield
        listed: list[PaperOrder] = []
        for symbol in symbols:
            listed.extend(self.matching.open_orders(symbol))
            yield
        balances = tuple(Balance(asset=asset, free=free, locked=locked) for asset, (free, locked) in self.matching.balances().items())
        update_ms = self.balances_ms
        trades: list[Fill] = []
        for symbol, after in command.trades_after:
            if after is not None:
                yield
                fresh = [trade for trade in self.matching.trades(symbol) if trade.trade_id > after]
                trades.extend(fill_of(trade) for trade in fresh)
                newest[symbol] = fresh[-1].trade_id if fresh else after
        ticket.answer.append(
            AccountSnapshot(
                open_orders=tuple(facts_of(order) for order in listed),
                balances=balances,
                balances_update_ms=update_ms,
                trades=tuple(trades),
                last_trade_ids=tuple(newest.items()),
            )
        )

    balances_ms: int = 0  # venue time of the newest change of any balance

    def _read_depth(self, ticket: Ticket, command: ReadDepth) -> Stages:
        update_id, bids, asks = self.matching.depth(command.symbol, command.limit)
        ticket.answer.append(DepthSnapshot(symbol=command.symbol, last_update_id=update_id, bids=tuple(bids), asks=tuple(asks)))
        yield from ()
