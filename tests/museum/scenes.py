"""The museum's stages: small worlds in virtual time, and questions about them.

Who uses it: the rows of this folder. Never: a verdict; a wait on the wall clock.
"""

from decimal import Decimal
from functools import partial
from random import Random

from core.books import Books, Timing
from core.commands import Place
from core.engine import Step
from core.light import Colour
from core.notices import Notice
from core.orders import Order
from sim.faults import Kind
from sim.scheduler import MS
from sim.setup import Setup, ticks
from sim.world import World
from strategy import MarketMaker
from tests.core.builders import BTC, Desk, facts, report
from trading.bands import Band
from trading.quoting import SymbolQuoting

SECOND = 1000 * MS
DRIFT_MS = 700
NEVER_MS = 1e9
RICH = {"USDT": Decimal(1_000_000), "ETH": Decimal(400), "SOL": Decimal(6000)}
BAND = Band(min=Decimal(5), target=Decimal(10), max=Decimal(20), quantity=Decimal(1))


# -- worlds --------------------------------------------------------------------------------------
def setup(**changed: object) -> Setup:
    """No market of its own, no faults of its own: the row brings both. 20 ms to the venue and back."""
    band = (ticks("1", "3", "5", "0.2"),)
    quoting = SymbolQuoting(bid_bands=band, ask_bands=band)
    common: dict[str, object] = {
        "seed": 1,
        "timing": Timing(),
        "balances": dict(RICH),
        "quoting": {"ETHUSDT": quoting, "SOLUSDT": quoting},
        "order_latency_ms": 7.5,
        "stream_latency_ms": 9.0,
        "market_wait_ms": NEVER_MS,
        "fault_wait_ms": NEVER_MS,
        "with_faults": False,
    }
    return Setup(**{**common, **changed})  # type: ignore[arg-type]


class Stage(World):
    """A world that keeps what was said, and whose market walks one tick now and then."""

    def __init__(self, made: Setup | None = None, drift_ms: float = DRIFT_MS) -> None:
        super().__init__(made or setup())
        self.said: list[Notice] = []
        self._judge = self.oracle.after_step
        self.oracle.after_step = self._listen  # type: ignore[method-assign]
        self.scheduler.after(500, partial(self._drift, Random("museum"), drift_ms))

    def _listen(self, engine: object, events: object, step: Step) -> None:
        self.said.extend(step.notices)
        self._judge(engine, events, step)  # type: ignore[arg-type]

    def _drift(self, rng: Random, drift_ms: float) -> None:
        if self._market_goes:
            for symbol in self.matching.rules:
                self.market.move(symbol, rng.choice((-1, 1)), self.scheduler.now_ms)
            self.publish()
            self.scheduler.after(drift_ms, partial(self._drift, rng, drift_ms))

    @property
    def books(self) -> Books:
        assert self.engine.books is not None
        return self.engine.books

    def opened(self, seconds: float = 3) -> "Stage":
        """Started and quoting on every side."""
        self.start()
        self.pass_s(seconds)
        assert self.colours() == {Colour.GREEN}, self.oracle.failures
        return self

    def pass_s(self, seconds: float) -> None:
        self.scheduler.run(self.scheduler.now_ns + int(seconds * SECOND))

    def until(self, condition: "partial[bool] | object", seconds: float = 30) -> bool:
        assert callable(condition)
        return self.scheduler.run(self.scheduler.now_ns + int(seconds * SECOND), lambda: bool(condition()))

    def strike(self, kind: Kind, times: int = 1) -> None:
        """Arm a fault and run until it has struck so many times."""
        aimed = self.faults.counts.get(kind, 0) + times
        for _ in range(times):
            self.faults.arm(kind)
        assert self.until(lambda: self.faults.counts.get(kind, 0) >= aimed), f"{kind} never struck"

    def colours(self) -> set[Colour]:
        return {light.colour for light in self.books.lights.shown.values()}

    def unknown(self) -> list[Order]:
        return [order for order in self.books.orders.open() if order.is_unknown]

    def look(self) -> None:
        """The oracle's now-and-then questions (I8, I10, I22, I24, I28), asked now."""
        if not self.bot.is_dead and self.engine.books is not None:
            self.oracle.look(self.engine, self.bot.calls())

    def killed(self) -> None:
        """kill -9 now; returns when the next boot runs."""
        reborn_ns = self._crash()
        self.scheduler.run(reborn_ns + SECOND)

    def recovers(self) -> None:
        """Every side green again within the liveness bound (I7), with no invariant broken on the way."""
        since_ns = max(self.scheduler.now_ns, self.faults.last_ns)
        self.scheduler.run(since_ns + self.liveness_ms() * MS)
        dark = self._dark(since_ns)
        assert not dark, dark
        assert not self.oracle.failures, self.oracle.failures

    def ends_well(self) -> None:
        """Stopped with proof of zero; fills, money, calls and orders agree with the venue to the last digit (I1-I3, I5, I8, I10)."""
        self._stop()
        assert not self.oracle.failures, self.oracle.failures
        assert self.engine.finished


# -- desks ---------------------------------------------------------------------------------------
def maker(**changed: object) -> MarketMaker:
    """The real strategy with one band: 10 bps from mid, 1 BTC."""
    return MarketMaker({"BTCUSDT": SymbolQuoting(bid_bands=(BAND,), ask_bands=(BAND,), **changed)})  # type: ignore[arg-type]


def acknowledge(desk: Desk, place: Place, order_id: int = 0, status: str = "NEW", executed: str = "0") -> Order:
    """The venue's report on a place; its id is the command number unless given."""
    words: dict[str, object] = {"side": place.side, "price": str(place.price), "quantity": str(place.quantity), "symbol": place.symbol}
    desk.step(report(place.client_order_id, order_id or place.command_id, status, executed, **words))  # type: ignore[arg-type]
    return desk.order(place.client_order_id)


def listed(order: Order, status: str = "NEW", executed: str = "0", **more: object) -> object:
    """OrderFacts of one of our orders, as the venue would answer."""
    words: dict[str, object] = {"side": order.side, "price": str(order.price), "quantity": str(order.quantity), "symbol": order.symbol}
    return facts(order.client_order_id, order.venue_order_id or 0, status, executed, **{**words, **more})  # type: ignore[arg-type]


def ready(strategy: object = None, **changed: object) -> Desk:
    """A desk with every light green."""
    return Desk(strategy, **changed).connect()  # type: ignore[arg-type]


__all__ = ["BAND", "BTC", "MS", "SECOND", "Stage", "acknowledge", "listed", "maker", "ready", "setup"]
