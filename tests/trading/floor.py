"""A desk for the maker-first trader: the engine on a virtual clock, a signal played by hand, and a venue that answers as it is told.

Who uses it: the tests of trading.maker_first and its parts. Never: a thread, the wall clock.
"""

from decimal import Decimal

from msgspec import structs

from core.commands import Amend, AnyCommand, Cancel, Place, Replace
from core.events import Half, MarketTrade, OrderAnswer, Outcome, ReplaceAnswer, Timer
from core.lots import Lot
from core.orders import Order
from core.types import Fill, Liquidity, OrderFacts, Side
from tests.core.builders import BTC, MS, START_MS, Desk, diff, error, facts, report
from trading.amend import Amending
from trading.entry import EntrySettings
from trading.exits import ExitSettings
from trading.maker_first import MakerFirst
from trading.recipe import MakerFirstSettings
from trading.signals import Reading
from trading.trader import Trader

D = Decimal
ENTRY = EntrySettings(
    quote_amount=D(200), deadline_ms=2000, chase_bps_max=D(0), reprice_ms=400, rest_ms=1000, slippage_bps_max=D(5), take_profit_bps=D(10)
)
EXITS = ExitSettings(stop_loss_bps=D(30), trail_bps=D(0), time_limit_s=0, runner=False, share=D(1), deadline_ms=1000, stop_deadline_ms=300)


REPLACEABLE = structs.replace(BTC, replace_allowed=True)


class Hand:
    """The signal of a test: `side` is what it says."""

    def __init__(self, side: Side | None = None) -> None:
        self.side, self.vol_bps = side, D(0)

    def read(self, symbol: str, mid: Decimal, now_ns: int) -> Reading:
        return Reading(side=self.side, reason="by hand", vol_bps=self.vol_bps)

    def save(self) -> object:
        return self.side and self.side.value

    def load(self, saved: object) -> None:
        self.side = Side(str(saved)) if saved else None


class Floor(Desk):
    """One symbol, BTCUSDT at 99.99/100.01, tick 0.01, step 0.001, least order 5 USDT."""

    def __init__(self, entry: EntrySettings = ENTRY, exits: ExitSettings = EXITS, amending: Amending | None = None, **given: object) -> None:
        self.hand = Hand()
        self.maker = MakerFirst(MakerFirstSettings(entry=entry, exits=exits), amending, self.hand)
        super().__init__(strategy=self.maker, **{"symbols": (REPLACEABLE,), **given})  # type: ignore[arg-type]
        self.update, self.trade_id, self.order_id = 100, 0, 10

    @property
    def trader(self) -> Trader:
        return self.maker.traders["BTCUSDT"]

    def touch(self, bid: str, ask: str, after_ms: int = 0, size: str = "5") -> list[AnyCommand]:
        """The market moves: one level on each side, a print in the middle of them, and the timer with it."""
        self.update += 1
        self.trade_id += 1
        printed = MarketTrade(
            symbol="BTCUSDT",
            trade_id=10_000 + self.trade_id,
            price=(D(bid) + D(ask)) / 2,
            quantity=D(1),
            buyer_is_maker=True,
            time_ms=START_MS,
            received_ns=0,
        )
        depth = self.books.market["BTCUSDT"].depth
        bids, asks = [(str(p), "0") for p, _ in depth.levels(Side.BUY)], [(str(p), "0") for p, _ in depth.levels(Side.SELL)]
        moved = diff(self.update, self.update, [*bids, (bid, size)], [*asks, (ask, size)])
        return list(self.step(printed, moved, Timer(), after_ms=after_ms).commands)

    # -- the venue -------------------------------------------------------------------------------
    def shape(self, place: Place) -> dict[str, object]:
        return {"side": place.side, "price": str(place.price), "quantity": str(place.quantity)}

    def acknowledge(self, place: Place) -> Order:
        self.order_id += 1
        self.step(self.reply_event(place, OrderAnswer(facts=facts(place.client_order_id, self.order_id, **self.shape(place)))))  # type: ignore[arg-type]
        self.step(report(place.client_order_id, self.order_id, **self.shape(place)))  # type: ignore[arg-type]
        return self.order(place.client_order_id)

    def trade(self, order: Order, quantity: str, price: str = "", liquidity: Liquidity = Liquidity.MAKER, fee: str = "0") -> None:
        """The user stream tells of one fill."""
        self.trade_id += 1
        done = order.executed + D(quantity)
        fill = Fill(
            "BTCUSDT", self.trade_id, order.venue_order_id or 0, order.client_order_id, order.side, D(price) if price else order.price, D(quantity),
            D(fee), "USDT", liquidity, START_MS + 60_000 + self.trade_id,
        )  # fmt: skip
        status = "FILLED" if done >= order.quantity else "PARTIALLY_FILLED"
        shape = {"side": order.side, "price": str(order.price), "quantity": str(order.quantity)}
        self.step(report(order.client_order_id, order.venue_order_id or 0, status, str(done), trade=fill, **shape))  # type: ignore[arg-type]

    def canceled(self, cancel: Cancel, status: str = "CANCELED") -> None:
        order = self.order(cancel.client_order_id)
        self.reply(cancel, OrderAnswer(facts=self._ended(order, status)))

    def _ended(self, order: Order, status: str) -> OrderFacts:
        return facts(order.client_order_id, order.venue_order_id or 0, status, str(order.executed), order.side, str(order.price), str(order.quantity))

    def replaced(self, pair: Replace, placed: bool = True) -> Order:
        """Both halves done, or only the cancel (409: the new one would have crossed)."""
        old = self.order(pair.cancel.client_order_id)
        self.order_id += 1
        new = Half(outcome=Outcome.DONE, facts=facts(pair.place.client_order_id, self.order_id, **self.shape(pair.place)))  # type: ignore[arg-type]
        no = Half(outcome=Outcome.REFUSED, error=error(-2010, "Order would immediately match and take."))
        self.reply(pair, ReplaceAnswer(canceled=Half(outcome=Outcome.DONE, facts=self._ended(old, "CANCELED")), placed=new if placed else no))
        return self.order(pair.place.client_order_id)

    def restricted(self, pair: Replace) -> None:
        """The old order has begun to fill: it stays, and the new one is not attempted."""
        no = Half(outcome=Outcome.REFUSED, error=error(-2011, "Order was not canceled due to cancel restrictions."))
        self.reply(pair, ReplaceAnswer(canceled=no, placed=Half(outcome=Outcome.NOT_SENT)))

    def enter(self, side: Side = Side.BUY) -> Order:
        """An entry of that side, resting."""
        self.hand.side = side
        self.touch("99.99", "100.01")
        return self.acknowledge(self.one(Place))

    def lot(self, side: Side = Side.BUY) -> Order:
        """An entry of that side, filled; its lot is committed."""
        order = self.enter(side)
        self.hand.side = None
        self.trade(order, str(order.quantity))
        self.touch("99.99", "100.01")
        return order

    def held(self, quantity: str, side: Side = Side.BUY, price: str = "99.99") -> Lot:
        """A committed lot, however it came to be."""
        lots = self.trader.lots
        lot = Lot(number=lots.number(side), side=side, opened_ns=self.ms * MS, take_profit_bps=D(10), reason="", entered=D(quantity))
        lot.held.quantity, lot.held.cost, lot.paid = D(quantity), D(quantity) * D(price), D(quantity) * D(price)
        lots.open[side].append(lot)
        lots.commit(side, lot.number, with_runner=False)
        return lot

    def changes(self) -> list[AnyCommand]:
        return [command for command in self.last.commands if isinstance(command, Amend | Replace | Cancel | Place)]
