"""Planted bugs: each replaces one function of the bot by a plausible wrong one. The simulator must notice every one of them.

Who uses it: test_mutations.py. Each is a function of pytest's MonkeyPatch; nothing outlives the test.
"""

from collections.abc import Callable
from concurrent.futures import Future
from decimal import Decimal

import pytest

from core import asking, engine, hearing, market, resolver, resync
from core.account import Account
from core.audit import Audit
from core.books import Books
from core.budget import Budget
from core.commands import AnyCommand, Cancel, Place, Purpose
from core.depth import DepthBook
from core.events import DepthDiff, Outcome, Reply
from core.light import Session
from core.orders import Evidence, Order, Orders
from core.types import Connection, Fill, OrderStatus, OrderType, Side, VenueError
from core.view import View, WantPlace
from order_book_manager import OrderBookManager

Patch = pytest.MonkeyPatch


def no_resolver(patch: Patch) -> None:
    """Nobody asks what became of an order without an answer."""
    patch.setattr(resolver, "ask", lambda books: None)


def timeout_is_reject(patch: Patch) -> None:
    """A place without an answer counts as refused (field case 1)."""
    honest = hearing.mark_unknown

    def wrong(books: Books, order: Order, what: str, note: str) -> None:
        if what == "place" and order.status is OrderStatus.UNSEEN:
            books.orders.refuse(order, OrderStatus.REJECTED, Evidence.REFUSED, books.now_ns)
        else:
            honest(books, order, what, note)

    patch.setattr(hearing, "mark_unknown", wrong)
    patch.setattr(resolver, "mark_unknown", wrong)


def no_dedupe(patch: Patch) -> None:
    """A trade reported twice is booked twice."""

    def wrong(self: Orders, order: Order, fill: Fill) -> bool:
        self.booked_trades[fill.key] = None
        order.booked += fill.quantity
        order.executed = max(order.executed, order.booked)
        return True

    patch.setattr(Orders, "book", wrong)


def no_finally(patch: Patch) -> None:
    """The done-callback says nothing when the call failed."""

    def wrong(self: OrderBookManager, command: AnyCommand, future: "Future[Reply]") -> None:
        reply = future.result()
        if reply.outcome is not Outcome.UNKNOWN:
            self._deliver(reply)

    patch.setattr(OrderBookManager, "_on_done", wrong)


def unknown_cancel_is_canceled(patch: Patch) -> None:
    """-2011 on a cancel counts as canceled, its funds as free (field case 4)."""
    honest = hearing.on_cancel_reply

    def wrong(books: Books, command: Cancel, reply: Reply) -> None:
        order = books.orders.find(command.symbol, command.venue_order_id, command.client_order_id)
        if reply.error is not None and reply.error.code == -2011 and order is not None:
            books.orders.refuse(order, OrderStatus.CANCELED, Evidence.REFUSED, books.now_ns)
        else:
            honest(books, command, reply)

    patch.setattr(hearing, "on_cancel_reply", wrong)


def lost_cancel_is_forgotten(patch: Patch) -> None:
    """The light turns green when a cancel's answer is lost (field case 15)."""
    honest = hearing.mark_unknown

    def wrong(books: Books, order: Order, what: str, note: str) -> None:
        if what == "cancel":
            order.cancel_asked = None
        else:
            honest(books, order, what, note)

    patch.setattr(hearing, "mark_unknown", wrong)
    patch.setattr(resolver, "mark_unknown", wrong)


def not_found_at_once(patch: Patch) -> None:
    """Not found counts before the request can no longer arrive (field case 14)."""
    patch.setattr(resolver, "PLACE_GRACE_MS", 0)


def no_resync(patch: Patch) -> None:
    """Quoting goes on after a reconnect without reading the account (field case 21)."""

    def wrong(self: engine.Engine, books: Books, reason: str) -> None:
        books.session.resyncing = not books.started

        if not books.started:
            self.audit.want(Purpose.RESYNC, books.now_ns)

    patch.setattr(engine.Engine, "_gap", wrong)


def no_ban(patch: Patch) -> None:
    """429 is an error like any other (field case 7)."""

    def wrong(self: Budget, error: VenueError, now_ns: int) -> bool:
        return False

    patch.setattr(Budget, "on_refusal", wrong)


def no_reservation(patch: Patch) -> None:
    """What open and pending orders hold is not counted; the venue's free balance is believed (field case 6)."""

    def wrong(self: Account, asset: str, orders: Orders) -> Decimal:
        holding = self.holdings.get(asset)
        return holding.total if holding else Decimal(0)

    patch.setattr(Account, "available", wrong)


def ids_without_symbol(patch: Patch) -> None:
    """Orders are found by venue id alone, as if it were unique."""

    def wrong(self: Orders, symbol: str, venue_order_id: int | None, client_order_id: str) -> Order | None:
        for (_, order_id), order in self.by_venue_id.items():
            if order_id == venue_order_id:
                return order
        return self.by_client_id.get(client_order_id)

    patch.setattr(Orders, "find", wrong)


def no_shortfall(patch: Patch) -> None:
    """Nobody compares booked fills with the venue's cumulative quantity."""

    def wrong(self: Orders, order: Order, now_ns: int) -> None:
        if order.resolve and not order.is_unknown_call:
            self.settle(order)

    patch.setattr(Orders, "_mark_shortfall", wrong)


def not_post_only(patch: Patch) -> None:
    """Quotes are plain limit orders."""
    honest = asking.place

    def wrong(books: Books, want: WantPlace) -> None:
        crossing = want.price * (Decimal("1.0005") if want.side is Side.BUY else Decimal("0.9995"))
        tick = books.rules[want.symbol].tick
        price = (crossing / tick).to_integral_value() * tick
        honest(
            books,
            WantPlace(symbol=want.symbol, side=want.side, type=OrderType.LIMIT, price=price, quantity=want.quantity, slot=want.slot, reason="x"),
        )

    patch.setattr(asking, "place", wrong)


def no_slot_check(patch: Patch) -> None:
    """An order whose place has no answer yet does not fill its slot (field case 30)."""
    honest = View.open_orders

    def wrong(self: View, symbol: str, side: Side) -> object:
        return (order for order in honest(self, symbol, side) if order.place_asked is None)

    patch.setattr(View, "open_orders", wrong)
    patch.setattr(asking, "deny", _deny_without_slots(asking.deny))


def _deny_without_slots(honest: Callable[..., tuple[str, str] | None]) -> Callable[..., tuple[str, str] | None]:
    def wrong(books: Books, want: WantPlace, risk: asking.Risk) -> tuple[str, str] | None:
        denial = honest(books, want, risk)
        return None if denial is not None and denial[0].startswith("slot") else denial

    return wrong


def gap_unnoticed(patch: Patch) -> None:
    """Depth diffs are applied without looking at their ids (field case 32)."""
    honest = DepthBook.on_diff

    def wrong(self: DepthBook, diff: DepthDiff) -> bool:
        if not self.in_step:
            return honest(self, diff)
        return self._apply(diff)

    patch.setattr(DepthBook, "on_diff", wrong)


def silence_unnoticed(patch: Patch) -> None:
    """A market stream that says nothing counts as a quiet market."""
    patch.setattr(market, "_needs_confirmation", lambda books, symbol, book: False)

    def wrong(session: Session, budget: Budget, symbol: str, now_ns: int) -> None:
        return None

    patch.setattr("core.light._session_red", _without_staleness)
    patch.setattr(asking, "_symbol_out", lambda books, symbol: "")


def _without_staleness(session: Session, budget: Budget, symbol: str, now_ns: int) -> object:
    from core.light import Colour

    if session.stopping or session.resyncing or not all(session.up[connection] for connection in Connection) or budget.is_banned(now_ns):
        return Colour.RED, "not connected", ""
    return None if session.symbols[symbol].book_in_step else (Colour.RED, "book not in step", "")


def unlisted_is_canceled(patch: Patch) -> None:
    """An order that the account read does not list counts as gone."""

    def wrong(books: Books, listed: set[tuple[str, int]], read_sent_ns: int) -> None:
        for order in list(books.orders.open()):
            if order.venue_order_id is not None and (order.symbol, order.venue_order_id) not in listed:
                books.orders.refuse(order, OrderStatus.CANCELED, Evidence.QUERY, books.now_ns)

    patch.setattr(resync, "_doubt_unlisted", wrong)


def stop_forgets_pending(patch: Patch) -> None:
    """The stop neither waits for orders whose place has no answer nor asks about them (field case 1)."""

    def wrong(self: Audit, books: Books) -> None:
        quiet = not any(order.venue_order_id is not None for order in books.orders.open())
        books.orders.attention.clear()
        if self.stop_proof is None and quiet and self.wanted is not Purpose.STOP:
            self.want(Purpose.STOP, books.now_ns)

    patch.setattr(Audit, "_want_stop_proof", wrong)


def place_again(patch: Patch) -> None:
    """A place is sent a second time under the same id."""
    honest = OrderBookManager.place_orders

    def wrong(self: OrderBookManager, commands: object) -> None:
        kept = list(commands)  # type: ignore[call-overload]
        honest(self, kept)
        honest(self, (command for command in kept if isinstance(command, Place) and command.command_id % 7 == 0))

    patch.setattr(OrderBookManager, "place_orders", wrong)


ALL = (
    no_resolver,
    timeout_is_reject,
    no_dedupe,
    no_finally,
    unknown_cancel_is_canceled,
    lost_cancel_is_forgotten,
    not_found_at_once,
    no_resync,
    no_ban,
    no_reservation,
    ids_without_symbol,
    no_shortfall,
    not_post_only,
    no_slot_check,
    gap_unnoticed,
    silence_unnoticed,
    unlisted_is_canceled,
    stop_forgets_pending,
    place_again,
)
