"""A bot whose strategy is played by hand, over real sockets and a wire proxy, with faults switched on between the decision and the send.

Who uses it: test_matrix.py, test_amend_races.py. Never: a verdict; the venue's own lists are the truth (rig.py).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.amendments import OnReject, Routing
from core.orders import Order
from core.types import OrderType, Side
from core.view import Decision, View, WantAmend, WantCancel, WantPlace
from exchange.binance import socket_loop
from exchange.binance.ws_api import WsVenue
from tests.drills.harness import SYMBOL, Row, Venue, venue, wait_until
from tests.drills.rig import Bot, Rig
from tests.timing import SOON_S

D = Decimal
BID = D("30000.00")  # far below the market, inside the venue's percent range: nobody takes it
WHOLE = D("0.00200")
ORDER_TIMEOUT_MS = 300
SETTINGS = (f"timing.order_timeout_ms={ORDER_TIMEOUT_MS}", "exchange.read_timeout_ms=1000", "exchange.silence_ms_max=1500")
SETTLED_S = SOON_S
Wish = Callable[[Sequence[Order]], Decision]


class ByHand:
    """Wants what the test asks for, once, as soon as the side is green."""

    def __init__(self) -> None:
        self.wish: Wish | None = None

    def decide(self, view: View, symbol: str) -> Decision:
        wish = self.wish
        if wish is None or not view.light(symbol, Side.BUY).is_green:
            return Decision(idle=((Side.BUY, "nothing wanted"), (Side.SELL, "nothing wanted")))
        self.wish = None
        return wish(view.open_orders(symbol, Side.BUY))

    def rests_on(self, view: View, symbol: str) -> None:
        """Every trade and every change of the book counts."""

    def save(self) -> object:
        return None

    def load(self, saved: object) -> None:
        """Nothing is remembered."""


def want_place(number: int = 0) -> WantPlace:
    """A bid in a slot of its own, a little lower with each number."""
    price = BID - number
    return WantPlace(symbol=SYMBOL, side=Side.BUY, type=OrderType.LIMIT_MAKER, price=price, quantity=WHOLE, slot=(number, 0), reason="by hand")


def want_cancel(order: Order) -> WantCancel:
    return WantCancel(client_order_id=order.client_order_id, reason="by hand")


def want_change(order: Order, quantity: Decimal, routing: Routing = Routing.WS_AMEND, price: Decimal | None = None) -> WantAmend:
    return WantAmend(
        client_order_id=order.client_order_id, quantity=quantity, routing=routing, on_reject=OnReject.KEEP, reason="by hand", price=price
    )


class Line:
    """The way of the requests to the venue, with what goes wrong on it next. On the lanes."""

    def __init__(self, at: Venue, entry: WsVenue) -> None:
        self._at, self._entry, self._send = at, entry, entry._sent
        self.fault = ""
        entry._sent = self._sent_with_fault  # type: ignore[method-assign, assignment]

    def _sent_with_fault(self, command: Any, method: str, *rest: Any) -> bool:
        fault, self.fault = self.fault, ""
        if fault == "drop before":
            self._at.user_wire.reset_all()
            wait_until(lambda: self._entry._session is None, SOON_S, "the reader has seen the end of its socket")
        elif fault == "drop after":
            self._at.user_wire.drop_after_apply(method.encode())
        elif fault == "5xx":
            return False  # as if the WS API had been down before: the 5xx is REST's
        sent = self._send(command, method, *rest)
        if fault == "half frame":  # armed before, it could halve a ping and lose the connection before the request
            self._at.user_wire.half_frame("down", "reset")
        return sent


class Stage:
    """Venue, bot and line, and one order more or less."""

    def __init__(self, at: Venue, running: Bot, line: Line, hand: ByHand) -> None:
        self.venue, self.bot, self.line, self.hand, self.rig = at, running, line, hand, Rig(at, running)

    def settle(self) -> None:
        """Green, no fault, as many orders in the books as at the venue."""
        self.venue.clear()
        self.bot.session.user._backoff.reset()
        wait_until(lambda: self.is_green and not self.rig.differences(), SETTLED_S, f"a quiet start; {self.rig.differences()}")

    @property
    def is_green(self) -> bool:
        shown = self.bot.session.loop.snapshot
        return shown is not None and all(side.colour == "green" for side in shown.sides)

    def do(self, wish: Wish) -> None:
        self.hand.wish = wish
        wait_until(lambda: self.hand.wish is None, SETTLED_S, "a green side")

    @contextmanager
    def patient(self) -> Iterator[None]:
        """What is asked meanwhile may take its time."""
        engine = self.bot.session.engine
        assert engine.books is not None
        before = engine.timing
        engine.timing = engine.books.timing = replace(before, order_timeout_ms=int(SOON_S * 1000))
        try:
            yield
        finally:
            engine.timing = engine.books.timing = before

    def door(self, after: int, method: str) -> list[Row]:
        return [row for row in self.rig.door(after) if row["method"] == method]

    def open_at_venue(self) -> list[tuple[Decimal, Decimal]]:
        rows = self.venue.exchange.call("GET", "/api/v3/openOrders", symbol=SYMBOL).json
        return sorted(((D(row["price"]), D(row["origQty"])) for row in rows), reverse=True)

    def prepare(self, *wanted: tuple[Decimal, Decimal], places: Sequence[WantPlace] = ()) -> None:
        """These (price, quantity) stand at the venue: what is there is canceled, `places` are made."""
        self.settle()
        if self.open_at_venue() != list(wanted):
            self.do(lambda orders: Decision(cancels=tuple(want_cancel(order) for order in orders)))
            self.settle()
            self.do(lambda orders: Decision(places=tuple(places)))
            self.settle()
        assert self.open_at_venue() == list(wanted)


@contextmanager
def stage_in(folder: Path) -> Iterator[Stage]:
    """Venue and bot on this folder."""
    patch = pytest.MonkeyPatch()
    patch.setattr(socket_loop, "BACKOFF_S_FIRST", 0.02)
    with venue("--state", str(folder / "venue"), wires=True) as at:
        running, hand = Bot(at.urls, at.keys, folder / "bot", SETTINGS), ByHand()
        running.session.engine.strategy = hand
        entry = running.session.manager._venue
        assert isinstance(entry, WsVenue)
        line = Line(at, entry)
        try:
            running.start()
            yield Stage(at, running, line, hand)
        finally:
            running.stop()
            patch.undo()
