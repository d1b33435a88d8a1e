"""A venue that can do everything: it amends in both directions and moves stop prices. It proves the rows of trading.amend that Binance has not.

Who uses it: the contract tests, through `Bench`: the real engine and the real manager over it, on one thread and a virtual clock. What it says is
the matching engine's word, told by the same reports as in the simulator. Never: a network, a rule of a real venue beyond those of exchange.paper.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from decimal import Decimal
from typing import TypeVar

from core.amendments import AmendmentResult
from core.asking import Risk
from core.books import MS, Books, Timing
from core.commands import Amend, AnyCommand, Cancel, CancelAll, Place, PlaceOco, Query, ReadAccount, ReadDepth, Replace
from core.engine import Engine, Step
from core.events import (
    AccountSnapshot,
    AnyEvent,
    Boot,
    CancelAllAnswer,
    DepthDiff,
    DepthSnapshot,
    Half,
    OcoAnswer,
    OrderAnswer,
    Outcome,
    ReplaceAnswer,
    Reply,
    StreamUp,
    Timer,
)
from core.light import Light
from core.notices import Amended
from core.orders import Order, Orders
from core.ports import Answered, Capabilities, NotSent, Refused, Strategy
from core.types import Balance, Connection, OrderFacts, RateLimit, Side, SymbolRules, VenueError
from exchange.paper.lists import ListRequest
from exchange.paper.matching import Matching
from exchange.paper.model import ListReport, OrderReport, PaperOrder, Reject
from order_book_manager import OrderBookManager
from sim.entries import request_of
from sim.facts import account_position, execution_report, facts_of, fill_of, paper_rules

T = TypeVar("T")
R = TypeVar("R")
START_MS = 1_800_000_000_000
BALANCES = {"USDT": Decimal(100_000), "BTC": Decimal(100)}
LIMITS = (RateLimit("REQUEST_WEIGHT", 60, 6000), RateLimit("ORDERS", 10, 1000))


class AblerMatching(Matching):
    """The paper exchange's matching, with amendments that Binance does not know."""

    def amend_terms(self, symbol: str, now_ms: int, order_id: int, quantity: Decimal, stop_price: Decimal | None) -> PaperOrder:
        """A new total in either direction (a larger one goes to the end of its queue), and a new stop price while the order waits."""
        order = self.archives[symbol].find(order_id, None, -2038, "Unknown order sent.")
        if not order.is_open:
            raise Reject(-2038, "Unknown order sent.")
        if stop_price is not None and not order.is_waiting:
            raise Reject(-2038, "The order has been triggered.")
        held = self._held(order)
        growth = quantity - order.quantity
        if growth > 0:
            need = growth * order.price if order.side == "BUY" else growth
            self.ledger.require(self._lock_asset(order), need)
        if growth > 0 and not order.is_waiting:
            self._leave_book(order)
        order.quantity, order.stop_price = quantity, stop_price or order.stop_price
        order.updated_ms, order.amend_count = now_ms, order.amend_count + 1
        if growth > 0:
            self.ledger.lock(self._lock_asset(order), self._held(order) - held)
        else:
            self.ledger.release(self._lock_asset(order), held - self._held(order))
            self._shrink_on_book(order)
        if growth > 0 and not order.is_waiting:
            self.books[symbol].join(order.side, self._tick(symbol, order.price), self._lots(symbol, order.remaining), order.order_id)
        self._report(order, "REPLACED", now_ms, original=order.client_order_id, on_book=not order.is_waiting)
        self._report_balances(symbol, now_ms)
        return order.snapshot()


class SimulatedVenue:
    """core.ports.Venue with every flag true. `before` runs ahead of each request, `fault` replaces the answer to what was carried out."""

    name = "simulated"
    only_sends = False
    capabilities = Capabilities(**dict.fromkeys(Capabilities.__struct_fields__, True))

    def __init__(self, matching: AblerMatching, now_ms: Callable[[], int]) -> None:
        self.matching, self._now_ms = matching, now_ms
        self.before: Callable[[AnyCommand], None] = lambda command: None
        self.fault: Callable[[AnyCommand], Exception | None] = lambda command: None
        self.by_socket = True

    def _answer(self, command: AnyCommand, call: Callable[[], R]) -> Answered[R]:
        """The venue's yes or no. A refused request left everything as it was."""
        try:
            self.before(command)
            answer = call()
        except Reject as no:
            raise Refused(VenueError(code=no.code, message=no.message, http_status=no.http_status)) from None
        if (fault := self.fault(command)) is not None:
            raise fault
        return Answered(answer)

    def _told(self, facts: OrderFacts) -> OrderAnswer:
        return OrderAnswer(facts=facts, by_socket=self.by_socket)

    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer]:
        return self._answer(command, lambda: self._place(command))

    def _place(self, command: Place) -> OrderAnswer:
        placed = self.matching.place(request_of(command), self._now_ms())
        return self._told(facts_of(placed.order, tuple(fill_of(trade, command.client_order_id) for trade in placed.trades)))

    def cancel(self, command: Cancel, timeout_s: float) -> Answered[OrderAnswer]:
        return self._answer(command, lambda: self._cancel(command))

    def _cancel(self, command: Cancel, restrictions: str | None = None) -> OrderAnswer:
        order = self.matching.cancel(
            command.symbol, self._now_ms(), order_id=command.venue_order_id, cancel_id=command.cancel_id, restrictions=restrictions
        )
        return self._told(facts_of(order, original=order.original_client_order_id))

    def amend(self, command: Amend, timeout_s: float) -> Answered[OrderAnswer]:
        def call() -> OrderAnswer:
            done = self.matching.amend_terms(command.symbol, self._now_ms(), command.venue_order_id, command.quantity, command.stop_price)
            return self._told(facts_of(done))

        return self._answer(command, call)

    def replace(self, command: Replace, timeout_s: float) -> Answered[ReplaceAnswer]:
        """The cancel, then the place; what the venue says to each."""

        def call() -> ReplaceAnswer:
            canceled = self._half(lambda: self._cancel(command.cancel, "ONLY_NEW"))
            placed = self._half(lambda: self._place(command.place)) if canceled.outcome is Outcome.DONE else Half(outcome=Outcome.NOT_SENT)
            return ReplaceAnswer(canceled=canceled, placed=placed, by_socket=self.by_socket)

        return self._answer(command, call)

    @staticmethod
    def _half(call: Callable[[], OrderAnswer]) -> Half:
        try:
            return Half(outcome=Outcome.DONE, facts=call().facts)
        except Reject as no:
            return Half(outcome=Outcome.REFUSED, error=VenueError(code=no.code, message=no.message, http_status=no.http_status))

    def place_oco(self, command: PlaceOco, timeout_s: float) -> Answered[OcoAnswer]:
        def call() -> OcoAnswer:
            legs = ListRequest(command.list_id, request_of(command.stop), request_of(command.profit))
            _, (stop, profit) = self.matching.place_pair(legs, self._now_ms())
            return OcoAnswer(stop=facts_of(stop), profit=facts_of(profit), by_socket=self.by_socket)

        return self._answer(command, call)

    def cancel_all(self, command: CancelAll, timeout_s: float) -> Answered[CancelAllAnswer]:
        def call() -> CancelAllAnswer:
            ours = [order for order in self.matching.open_orders(command.symbol) if order.client_order_id.startswith(command.tag + "-")]
            gone = [self.matching.cancel(one.symbol, self._now_ms(), order_id=one.order_id, cancel_id=f"{one.client_order_id}a") for one in ours]
            return CancelAllAnswer(canceled=tuple(facts_of(one, original=one.original_client_order_id) for one in gone), failed=())

        return self._answer(command, call)

    def query(self, command: Query, timeout_s: float) -> Answered[OrderAnswer]:
        def call() -> OrderAnswer:
            try:
                by_name = None if command.venue_order_id is not None else command.client_order_id
                order = self.matching.order(command.symbol, command.venue_order_id, by_name)
            except Reject:
                newest = max((order.order_id for order in self.matching.all_orders(command.symbol)), default=-1)
                backwards = command.venue_order_id is not None and newest < command.venue_order_id
                return OrderAnswer(facts=None, searched=command.since_ms is not None, ids_ran_backwards=backwards)
            trades = [trade for trade in self.matching.trades(command.symbol) if trade.order_id == order.order_id]
            return self._told(facts_of(order, tuple(fill_of(trade) for trade in trades)))

        return self._answer(command, call)

    def read_account(self, command: ReadAccount, timeout_s: float) -> Answered[AccountSnapshot]:
        def call() -> AccountSnapshot:
            after = {symbol: -1 if last is None else last for symbol, last in command.trades_after}
            fills = [fill_of(trade) for symbol in after for trade in self.matching.trades(symbol)]
            held = tuple(Balance(asset=asset, free=free, locked=locked) for asset, (free, locked) in self.matching.balances().items())
            return AccountSnapshot(
                open_orders=tuple(facts_of(order) for order in self.matching.open_orders()),
                balances=held,
                balances_update_ms=self._now_ms(),
                trades=tuple(fill for fill in fills if fill.trade_id > after[fill.symbol]),
                last_trade_ids=tuple((symbol, max((f.trade_id for f in fills if f.symbol == symbol), default=-1)) for symbol in after),
            )

        return self._answer(command, call)

    def read_depth(self, command: ReadDepth, timeout_s: float) -> Answered[DepthSnapshot]:
        def call() -> DepthSnapshot:
            last_id, bids, asks = self.matching.depth(command.symbol, command.limit)
            return DepthSnapshot(symbol=command.symbol, last_update_id=last_id, bids=tuple(bids), asks=tuple(asks))

        return self._answer(command, call)


class AtOnce:
    """A lane whose worker is the caller."""

    def submit(self, call: Callable[[T], R], what: T, /) -> Future[R]:
        future: Future[R] = Future()
        future.set_result(call(what))
        return future


class Diary:
    """A journal that keeps the commands."""

    def __init__(self) -> None:
        self.intents: list[AnyCommand] = []

    def intent(self, command: AnyCommand) -> None:
        self.intents.append(command)

    def result(self, reply: Reply) -> None:
        """Nobody reads it here."""


class Bench:
    """Engine, manager and venue on one thread; `run` lets virtual time pass until nothing more happens at once."""

    def __init__(
        self, strategy: Strategy, risk: Risk, rules: SymbolRules, timing: Timing | None = None, capabilities: Capabilities | None = None
    ) -> None:
        self.ms, self.rules = START_MS, rules
        self.matching = AblerMatching([paper_rules(rules)], BALANCES, Decimal(0), Decimal(0))
        self.venue = SimulatedVenue(self.matching, lambda: self.ms)
        if capabilities is not None:
            self.venue.capabilities = capabilities
        self.engine = Engine(strategy, risk, timing or Timing())
        self.events: list[AnyEvent] = []
        self.results: list[AmendmentResult] = []
        self.sent: list[AnyCommand] = []
        self.diary = Diary()
        lanes = AtOnce(), AtOnce(), AtOnce()
        self.manager = OrderBookManager(
            self.venue, self.diary, self.events.append, lambda: self.ms * MS, lanes, lambda: self.orders, lambda symbol, side: self.light(side)
        )
        for tick in range(1, 5):
            self.matching.set_background(rules.symbol, "BUY", 100 - tick * rules.tick, Decimal(5), self.ms)
            self.matching.set_background(rules.symbol, "SELL", 100 + tick * rules.tick, Decimal(5), self.ms)
        self.market("BUY", "0.001")
        self.market("SELL", "0.001")
        self.step(Boot(boot="m0", tag="glsim", venue="simulated", instance="i1", rules=(rules,), limits=LIMITS))
        self.step(StreamUp(connection=Connection.MARKET), StreamUp(connection=Connection.USER))
        self.run()

    # -- time ------------------------------------------------------------------------------------
    def step(self, *events: AnyEvent) -> Step:
        step = self.engine.step(self.ms * MS, events)
        self.sent.extend(step.commands)
        self.results.extend(notice.result for notice in step.notices if isinstance(notice, Amended))
        self.manager.hand_over(step.commands)
        return step

    def run(self, ms: int = 300, every_ms: int = 50) -> None:
        for _ in range(ms // every_ms):
            self.ms += every_ms
            self.hear()
            self.step(Timer())
            while self.events:
                events, self.events[:] = list(self.events), []
                self.hear()
                self.step(*events)

    def hear(self) -> None:
        """What the venue has to say since it was last heard."""
        for report in self.matching.drain_reports():
            if isinstance(report, OrderReport):
                self.events.append(execution_report(report, self.ms * MS))
            elif not isinstance(report, ListReport):
                self.events.append(account_position(report, self.ms * MS))
        levels = self.matching.drain_levels(self.rules.symbol)
        if levels is not None:
            first, last, bids, asks = levels
            self.events.append(
                DepthDiff(
                    symbol=self.rules.symbol,
                    first_id=first,
                    last_id=last,
                    bids=tuple(bids),
                    asks=tuple(asks),
                    event_ms=self.ms,
                    received_ns=self.ms * MS,
                )
            )

    # -- the world -------------------------------------------------------------------------------
    def market(self, side: str, quantity: str, limit: str | None = None) -> None:
        """Somebody takes."""
        self.matching.aggress(self.rules.symbol, side, Decimal(quantity), None if limit is None else Decimal(limit), self.ms)

    def truth(self, order: Order) -> PaperOrder:
        return self.matching.order(self.rules.symbol, order.venue_order_id)

    @property
    def books(self) -> Books:
        assert self.engine.books is not None
        return self.engine.books

    @property
    def orders(self) -> Orders:
        return self.books.orders

    def light(self, side: Side) -> Light:
        return self.books.light(self.rules.symbol, side)


__all__ = ["AblerMatching", "Bench", "NotSent", "SimulatedVenue"]
