"""A small world for the engine: rules, events and a desk that steps it by hand on a virtual clock.

Who uses it: the tests of core/, trading/ and strategy.py. Never: a thread, a socket, the wall clock.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from core.asking import Risk
from core.books import Books, Timing
from core.commands import AnyCommand, Cancel, Place, Purpose, Query, ReadAccount, ReadDepth
from core.engine import Engine, Step
from core.events import (
    AccountPosition,
    AccountSnapshot,
    AnyEvent,
    BookTicker,
    Boot,
    DepthDiff,
    DepthSnapshot,
    ExecutionReport,
    Level,
    OrderAnswer,
    Outcome,
    Reply,
    StreamUp,
    Timer,
    Undecided,
)
from core.light import Light
from core.orders import Order
from core.ports import Strategy
from core.types import Balance, Connection, Fill, Liquidity, OrderFacts, OrderType, RateLimit, Side, SymbolRules, VenueError
from core.view import Decision, View, WantCancel, WantPlace

D = Decimal
MS = 1_000_000
START_MS = 1_800_000_000_000  # a round minute and second, so that windows are easy to see
BOOT, OLDER_BOOT, LATER_BOOT, TAG = "m0", "lz", "m1", "gltest"
LIMITS = (
    RateLimit(kind="REQUEST_WEIGHT", interval_s=60, limit=6000),
    RateLimit(kind="ORDERS", interval_s=10, limit=50),
    RateLimit(kind="ORDERS", interval_s=86_400, limit=160_000),
)
C = TypeVar("C", bound=AnyCommand)


def rules(symbol: str = "BTCUSDT", base: str = "BTC", quote: str = "USDT") -> SymbolRules:
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=D("0.01"),
        step=D("0.001"),
        min_price=D("0.01"),
        max_price=D(1_000_000),
        min_quantity=D("0.001"),
        max_quantity=D(1000),
        min_notional=D(5),
        bid_multiplier_up=D(5),
        bid_multiplier_down=D("0.2"),
        ask_multiplier_up=D(5),
        ask_multiplier_down=D("0.2"),
    )


BTC, ETH = rules(), rules("ETHUSDT", "ETH")


def fill(
    trade_id: int,
    order_id: int,
    client_id: str = "",
    side: Side = Side.BUY,
    price: str = "100",
    quantity: str = "1",
    fee: str = "0",
    symbol: str = "BTCUSDT",
    time_ms: int = START_MS + 60_000,
) -> Fill:
    return Fill(
        symbol=symbol,
        trade_id=trade_id,
        venue_order_id=order_id,
        client_order_id=client_id,
        side=side,
        price=D(price),
        quantity=D(quantity),
        fee=D(fee),
        fee_asset="USDT",
        liquidity=Liquidity.MAKER,
        time_ms=time_ms,
    )


def facts(
    client_id: str,
    order_id: int,
    status: str = "NEW",
    executed: str = "0",
    side: Side = Side.BUY,
    price: str = "100",
    quantity: str = "1",
    symbol: str = "BTCUSDT",
    fills: tuple[Fill, ...] = (),
) -> OrderFacts:
    return OrderFacts(
        symbol=symbol,
        venue_order_id=order_id,
        client_order_id=client_id,
        side=side,
        type="LIMIT_MAKER",
        time_in_force="GTC",
        price=D(price),
        quantity=D(quantity),
        executed=D(executed),
        cumulative_quote=D(executed) * D(price),
        status=status,
        created_ms=START_MS,
        updated_ms=START_MS,
        fills=fills,
    )


def report(
    client_id: str,
    order_id: int,
    status: str = "NEW",
    executed: str = "0",
    execution_type: str = "",
    trade: Fill | None = None,
    side: Side = Side.BUY,
    price: str = "100",
    quantity: str = "1",
    symbol: str = "BTCUSDT",
) -> ExecutionReport:
    return ExecutionReport(
        symbol=symbol,
        venue_order_id=order_id,
        client_order_id=client_id,
        report_id=client_id,
        side=side,
        type="LIMIT_MAKER",
        price=D(price),
        quantity=D(quantity),
        execution_type=execution_type or ("TRADE" if trade else status),
        status=status,
        reject_reason="NONE",
        executed=D(executed),
        cumulative_quote=D(executed) * D(price),
        execution_id=1,
        time_ms=START_MS + 60_000,
        created_ms=START_MS,
        fill=trade,
        received_ns=0,
    )


def balances(usdt: str = "10000", btc: str = "10", usdt_locked: str = "0", btc_locked: str = "0", eth: str = "100") -> tuple[Balance, ...]:
    return (
        Balance(asset="USDT", free=D(usdt), locked=D(usdt_locked)),
        Balance(asset="BTC", free=D(btc), locked=D(btc_locked)),
        Balance(asset="ETH", free=D(eth), locked=D(0)),
    )


def diff(first: int, last: int, bids: Iterable[tuple[str, str]] = (), asks: Iterable[tuple[str, str]] = (), symbol: str = "BTCUSDT") -> DepthDiff:
    return DepthDiff(symbol=symbol, first_id=first, last_id=last, bids=levels(bids), asks=levels(asks), event_ms=START_MS, received_ns=0)


def levels(pairs: Iterable[tuple[str, str]]) -> tuple[Level, ...]:
    return tuple((D(price), D(quantity)) for price, quantity in pairs)


def depth_snapshot(
    last_id: int,
    bids: Iterable[tuple[str, str]] = (("99.99", "5"), ("99.98", "5")),
    asks: Iterable[tuple[str, str]] = (("100.01", "5"), ("100.02", "5")),
    symbol: str = "BTCUSDT",
) -> DepthSnapshot:
    return DepthSnapshot(symbol=symbol, last_update_id=last_id, bids=levels(bids), asks=levels(asks))


def ticker(update_id: int, bid: str = "99.99", ask: str = "100.01", symbol: str = "BTCUSDT", size: str = "5") -> BookTicker:
    return BookTicker(
        symbol=symbol, update_id=update_id, bid_price=D(bid), bid_quantity=D(size), ask_price=D(ask), ask_quantity=D(size), received_ns=0
    )


def want(side: Side = Side.BUY, price: str = "99", quantity: str = "1", slot: tuple[int, int] = (0, 0), symbol: str = "BTCUSDT") -> WantPlace:
    return WantPlace(symbol=symbol, side=side, type=OrderType.LIMIT_MAKER, price=D(price), quantity=D(quantity), slot=slot, reason="test")


def error(code: int, message: str = "no", http_status: int = 400, retry_after_ms: int = 0) -> VenueError:
    return VenueError(code=code, message=message, http_status=http_status, retry_after_ms=retry_after_ms)


class Script:
    """A strategy that wants what the test put into it; each want is offered again and again until it is taken out."""

    def __init__(self) -> None:
        self.places: list[WantPlace] = []
        self.cancels: list[WantCancel] = []
        self.fault: Exception | None = None
        self.calls = 0

    def decide(self, view: View, symbol: str) -> Decision:
        self.calls += 1
        if self.fault is not None:
            raise self.fault
        return Decision(
            cancels=tuple(self.cancels),
            places=tuple(place for place in self.places if place.symbol == symbol),
        )

    def rests_on(self, view: View, symbol: str) -> None:
        return None

    def save(self) -> object:
        return self.calls

    def load(self, saved: object) -> None:
        assert isinstance(saved, int)
        self.calls = saved


class NoRisk:
    """The Risk that allows everything, unless the test gives it a reason to halt."""

    halt_reason: str | None = None

    def check(self, want: WantPlace, view: View) -> tuple[str, str] | None:
        return None

    def halt(self, view: View) -> str | None:
        return self.halt_reason


class Desk:
    """The engine on a virtual clock, with a venue played by hand."""

    def __init__(
        self,
        strategy: Strategy | None = None,
        symbols: tuple[SymbolRules, ...] = (BTC,),
        timing: Timing | None = None,
        undecided: tuple[Undecided, ...] = (),
        risk: Risk | None = None,
    ) -> None:
        self.script = Script()
        self.risk = NoRisk()
        self.engine = Engine(strategy or self.script, risk or self.risk, timing or Timing())
        self.ms = START_MS
        self.log: list[AnyCommand] = []
        self.last = Step((), (), False)
        self.symbols = symbols
        self.step(
            Boot(boot=BOOT, tag=TAG, venue="paper", instance="i1", rules=symbols, limits=LIMITS, undecided=undecided),
        )

    # -- time and events -------------------------------------------------------------------------
    def step(self, *events: AnyEvent, after_ms: int = 0) -> Step:
        self.ms += after_ms
        self.last = self.engine.step(self.ms * MS, events)
        self.log.extend(self.last.commands)
        return self.last

    def wait(self, ms: int, every_ms: int = 100) -> list[AnyCommand]:
        """Timer events for this long; returns the commands that left meanwhile."""
        mark = len(self.log)
        for _ in range(ms // every_ms):
            self.step(Timer(), after_ms=every_ms)
        return self.log[mark:]

    def reply(self, command: AnyCommand, answer: object = None, **said: object) -> Step:
        return self.step(self.reply_event(command, answer, **said))

    def reply_event(self, command: AnyCommand, answer: object = None, **said: object) -> Reply:
        if isinstance(answer, OrderAnswer) and answer.facts is not None and answer.facts.updated_ms == START_MS:  # the venue's clock is the desk's
            answer = replace(answer, facts=replace(answer.facts, updated_ms=self.ms))
        kwargs: dict[str, object] = {"outcome": Outcome.DONE, "sent_ns": self.ms * MS, "received_ns": self.ms * MS, **said}
        return Reply(command_id=command.command_id, answer=answer, **kwargs)  # type: ignore[arg-type]

    def refuse(self, command: AnyCommand, why: VenueError) -> Step:
        return self.reply(command, outcome=Outcome.REFUSED, error=why)

    def lose(self, command: AnyCommand) -> Step:
        return self.reply(command, outcome=Outcome.UNKNOWN, note="read timeout")

    # -- what left -------------------------------------------------------------------------------
    def sent(self, kind: type[C]) -> list[C]:
        """Commands of the last step of this kind."""
        return [command for command in self.last.commands if isinstance(command, kind)]

    def ever(self, kind: type[C]) -> list[C]:
        return [command for command in self.log if isinstance(command, kind)]

    def one(self, kind: type[C]) -> C:
        (command,) = self.sent(kind)
        return command

    # -- what is known ---------------------------------------------------------------------------
    @property
    def books(self) -> Books:
        assert self.engine.books is not None
        return self.engine.books

    def light(self, side: Side = Side.BUY, symbol: str = "BTCUSDT") -> Light:
        return self.books.light(symbol, side)

    def order(self, client_id: str) -> Order:
        return self.books.orders.by_client_id[client_id]

    def words(self) -> str:
        return "\n".join(notice.words() for notice in self.last.notices)

    # -- the usual opening -----------------------------------------------------------------------
    def account(
        self,
        open_orders: tuple[OrderFacts, ...] = (),
        trades: tuple[Fill, ...] = (),
        held: tuple[Balance, ...] | None = None,
        update_ms: int = START_MS,
    ) -> AccountSnapshot:
        newest = tuple((rule.symbol, max((t.trade_id for t in trades if t.symbol == rule.symbol), default=0)) for rule in self.symbols)
        return AccountSnapshot(
            open_orders=open_orders,
            balances=balances() if held is None else held,
            balances_update_ms=update_ms,
            trades=trades,
            last_trade_ids=newest,
        )

    def connect(self, account: AccountSnapshot | None = None) -> "Desk":
        """Both streams up, the book read and in step, the account merged: every light green."""
        self.step(StreamUp(connection=Connection.MARKET), StreamUp(connection=Connection.USER))
        for command in list(self.last.commands):
            if isinstance(command, ReadDepth):
                self.reply(command, depth_snapshot(100, symbol=command.symbol))
            elif isinstance(command, ReadAccount):
                assert command.purpose is Purpose.RESYNC
                self.reply(command, account or self.account())
        return self

    def rest(self, wanted: WantPlace | None = None, order_id: int = 11) -> Order:
        """Place one order and let the venue acknowledge it by both channels."""
        wanted = wanted or want()
        place = self.place(wanted)
        shape = {"side": place.side, "price": str(place.price), "quantity": str(place.quantity), "symbol": place.symbol}
        self.step(
            self.reply_event(place, OrderAnswer(facts=facts(place.client_order_id, order_id, **shape))),  # type: ignore[arg-type]
            report(place.client_order_id, order_id, **shape),  # type: ignore[arg-type]
        )
        return self.order(place.client_order_id)

    def place(self, wanted: WantPlace | None = None) -> Place:
        self.script.places = [wanted or want()]
        self.step(Timer())
        self.script.places = []
        return self.one(Place)

    def cancel(self, order: Order) -> Cancel:
        self.script.cancels = [WantCancel(client_order_id=order.client_order_id, reason="test")]
        self.step(Timer())
        self.script.cancels = []
        return self.one(Cancel)

    def query(self, within_ms: int = 3000) -> Query:
        """A query of the last step, or the next one within this time."""
        mark = len(self.log) - len(self.last.commands)
        for _ in range(within_ms // 50 + 1):
            for command in self.log[mark:]:
                if isinstance(command, Query):
                    return command
            self.step(Timer(), after_ms=50)
        raise AssertionError(f"no query within {within_ms} ms")


def position(update_ms: int, *held: Balance) -> AccountPosition:
    return AccountPosition(balances=held, update_ms=update_ms, received_ns=0)
