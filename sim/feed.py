"""What the venue tells by itself: everything the matching engine has to say, on the stream it belongs to.

Who calls it: sim.world and sim.venue after everything that may have made events, sim.scheduler for the depth.
Never: an event the engine did not make.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial

from core.events import BookTicker, DepthDiff
from core.types import Connection
from exchange.paper.matching import Matching
from exchange.paper.model import BalanceReport, OrderReport
from sim.facts import account_position, execution_report, market_trade
from sim.oracle import STRANGER
from sim.scheduler import Scheduler
from sim.streams import Link

DEPTH_EVERY_MS = 100
Touch = tuple[Decimal | None, Decimal, Decimal | None, Decimal, int]
Levels = tuple[int, int, list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]


class Feed:
    """`on_balances` is told the venue time of the newest change of any balance (ms), `on_first_fill` of each order of the bot that begins to fill."""

    def __init__(self, matching: Matching, links: Mapping[Connection, Link], scheduler: Scheduler) -> None:
        self._matching, self._scheduler = matching, scheduler
        self._user, self._market = links[Connection.USER], links[Connection.MARKET]
        self._touches: dict[str, tuple[object, ...]] = {}
        self.on_balances: Callable[[int], None] = lambda time_ms: None
        self.on_first_fill: Callable[[bool], object] = lambda is_maker: None

    def publish(self) -> None:
        """Reports, then trades, then the touch where it has changed."""
        for report in self._matching.drain_reports():
            if isinstance(report, BalanceReport):
                self.on_balances(report.time_ms)
                self._user.send(partial(account_position, report))
            elif isinstance(report, OrderReport):
                is_first = report.trade is not None and report.order.executed == report.trade.quantity
                if report.trade is not None and is_first and not (report.original_client_order_id or report.client_order_id).startswith(STRANGER):
                    self.on_first_fill(report.trade.is_maker)
                self._user.send(partial(execution_report, report))
        for trade in self._matching.drain_public_trades():
            self._market.send(partial(market_trade, trade))
        for symbol in self._matching.rules:
            touch = self._matching.touch(symbol)
            if touch[:4] != self._touches.get(symbol) and touch[0] is not None and touch[2] is not None:
                self._touches[symbol] = touch[:4]
                self._market.send(partial(_ticker, symbol, touch))

    def publish_depth(self) -> None:
        """Changed levels, ten times a second."""
        for symbol in self._matching.rules:
            levels = self._matching.drain_levels(symbol)
            if levels is not None:
                self._market.send(partial(_diff, symbol, levels, self._scheduler.now_ms))
        self._scheduler.after(DEPTH_EVERY_MS, self.publish_depth)


def _ticker(symbol: str, touch: Touch, received_ns: int) -> BookTicker:
    bid, bid_quantity, ask, ask_quantity, update_id = touch
    assert bid is not None and ask is not None
    return BookTicker(
        symbol=symbol,
        update_id=update_id,
        bid_price=bid,
        bid_quantity=bid_quantity,
        ask_price=ask,
        ask_quantity=ask_quantity,
        received_ns=received_ns,
    )


def _diff(symbol: str, levels: Levels, event_ms: int, received_ns: int) -> DepthDiff:
    first, last, bids, asks = levels
    return DepthDiff(symbol=symbol, first_id=first, last_id=last, bids=tuple(bids), asks=tuple(asks), event_ms=event_ms, received_ns=received_ns)
