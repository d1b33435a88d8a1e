"""core.light: each reason, its colour, and the order in which reasons outrank each other (DESIGN 4)."""

from collections.abc import Callable

import pytest

from core.books import Timing
from core.checkpoint import hash_of
from core.light import Colour, Lights
from core.orders import Asked
from core.types import Connection, OrderStatus, Side, VenueError
from tests.core.builders import BTC, ETH, MS, Desk, balances, fill, report, want

Trouble = Callable[[Desk], None]


def stopping(desk: Desk) -> None:
    desk.books.session.stopping = "signal"


def banned(desk: Desk) -> None:
    desk.books.budget.on_refusal(VenueError(code=-1003, message="", http_status=418, retry_after_ms=5000), desk.ms * MS)


def halted(desk: Desk) -> None:
    desk.books.session.halted = "the operator"


def market_down(desk: Desk) -> None:
    desk.books.session.up[Connection.MARKET] = False


def user_down(desk: Desk) -> None:
    desk.books.session.up[Connection.USER] = False


def resyncing(desk: Desk) -> None:
    desk.books.session.resyncing = True


def not_trading(desk: Desk) -> None:
    desk.books.session.symbols["BTCUSDT"].trading = False


def out_of_step(desk: Desk) -> None:
    desk.books.session.symbols["BTCUSDT"].book_in_step = False


def stale(desk: Desk) -> None:
    desk.books.session.symbols["BTCUSDT"].book_seen_ns -= 20_000 * MS


def unknown_place(desk: Desk) -> None:
    desk.order(CLIENT).place_asked = Asked(1, 0, 0, unknown=True)


def incomplete(desk: Desk) -> None:
    order = desk.order(CLIENT)
    desk.books.orders.want_attention(order, desk.ms * MS)
    order.status = OrderStatus.CANCELED
    del desk.books.orders.open_ids[CLIENT]


def leaving(desk: Desk) -> None:
    desk.order(CLIENT).cancel_wanted = "bad"


def cooling(desk: Desk) -> None:
    desk.books.session.cooldown_until_ns["BTCUSDT", Side.BUY] = desk.ms * MS + 1


def braked(desk: Desk) -> None:
    desk.books.session.brake_until_ns["BTCUSDT", Side.BUY] = (desk.ms * MS + 1, "2 equal refusals (-2010)")


CLIENT = "gltest-m0-3"
# In the order in which they outrank each other.
REASONS: list[tuple[Trouble, Colour, str]] = [
    (stopping, Colour.RED, "stopping: signal"),
    (banned, Colour.RED, "banned by the venue (418 -1003)"),
    (halted, Colour.RED, "halted by the operator"),
    (market_down, Colour.RED, "market stream down"),
    (user_down, Colour.RED, "user stream down"),
    (resyncing, Colour.RED, "resync running"),
    (not_trading, Colour.RED, "symbol is not TRADING"),
    (out_of_step, Colour.RED, "book not in step"),
    (stale, Colour.RED, "book is stale"),
    (unknown_place, Colour.RED, "outcome unknown: gltest-m0-3"),
    (leaving, Colour.AMBER, "1 cancel pending"),
    (cooling, Colour.AMBER, "cool-down after a fill"),
    (braked, Colour.AMBER, "brake: 2 equal refusals (-2010)"),
]
names = [trouble.__name__ for trouble, _, _ in REASONS]


def ready() -> Desk:
    """A desk in which all is well and one bid rests."""
    desk = Desk().connect()
    assert desk.rest().client_order_id == CLIENT
    return desk


def test_green_when_all_is_known() -> None:
    """Funds, book and orders known, nothing pending: green, with nothing to clear."""
    light = ready().light()
    assert (light.colour, light.clears_when, light.is_green) == (Colour.GREEN, "", True)


@pytest.mark.parametrize(("trouble", "colour", "reason"), REASONS, ids=names)
def test_each_reason(trouble: Trouble, colour: Colour, reason: str) -> None:
    """Each trouble alone gives its colour, its reason in words and the condition that clears it."""
    desk = ready()
    trouble(desk)
    light = desk.light()
    assert light.colour is colour
    assert light.reason.startswith(reason)
    assert light.clears_when


@pytest.mark.parametrize("index", range(len(REASONS) - 1), ids=names[:-1])
def test_first_reason_wins(index: int) -> None:
    """With this trouble and every lesser one, this reason is shown: red before amber."""
    desk = ready()
    for trouble, _, _ in REASONS[index:]:
        trouble(desk)
    assert desk.light().reason.startswith(REASONS[index][2])


def test_incomplete_fills_of_an_ended_order_are_red() -> None:
    """An ended order whose fills do not add up keeps its side red, and only its side."""
    desk = ready()
    incomplete(desk)
    assert desk.light().reason == "fills of gltest-m0-3 not complete"
    assert desk.light(Side.SELL).is_green


def test_order_troubles_stay_on_their_side() -> None:
    """An unknown or leaving bid does not colour the ask."""
    for trouble in (unknown_place, leaving):
        desk = ready()
        trouble(desk)
        assert desk.light(Side.SELL).is_green


def test_funds_held_by_a_pending_cancel_elsewhere_are_amber() -> None:
    """When a pending cancel on another symbol holds the last of the quote, the bid waits and names amount, symbol and side."""
    desk = Desk(symbols=(BTC, ETH)).connect()
    order = desk.rest(want(symbol="ETHUSDT", price="99", quantity="1"))
    desk.books.account.on_position(balances(usdt="0", usdt_locked="99"), desk.ms)
    assert desk.light().is_green
    order.cancel_wanted = "bad"
    light = desk.light()
    assert (light.colour, light.reason) == (Colour.AMBER, "99 USDT held by a pending cancel, ETHUSDT BUY")


def test_stale_limit_is_the_configured_one() -> None:
    """The book's allowed age comes from the timing settings."""
    desk = Desk(timing=Timing(book_age_ms_max=500)).connect()
    state = desk.books.session.symbols["BTCUSDT"]
    state.book_seen_ns = (desk.ms - 500) * MS
    assert desk.light().is_green
    state.book_seen_ns -= MS
    assert desk.light().reason == "book is stale, limit 500 ms"


def test_since_counts_from_the_colours_change() -> None:
    """A new reason of the same colour keeps its age; a new colour starts afresh; the clearing condition follows the facts."""
    lights = Lights()
    key = ("BTCUSDT", Side.BUY)
    first, before = lights.show(*key, (Colour.RED, "a", "x"), 10)
    assert (first.since_ns, before) == (10, None)
    second, before = lights.show(*key, (Colour.RED, "b", "x"), 20)
    assert (second.since_ns, before) == (10, first)
    assert lights.show(*key, (Colour.RED, "b", "y"), 30)[0].since_ns == 10
    assert lights.shown[key].clears_when == "y"
    assert lights.show(*key, (Colour.GREEN, "c", ""), 40)[0].since_ns == 40


def test_looking_changes_nothing() -> None:
    """Who asks between two steps (OrderBookManager.light) sees the light as it is now; the engine's state and what it tells are as before."""
    desk = Desk(timing=Timing(cooldown_ms=500)).connect()
    order = desk.rest()
    desk.step(report(order.client_order_id, 11, "FILLED", "1", trade=fill(1, 11, order.client_order_id)))
    assert desk.books.look("BTCUSDT", Side.BUY).colour is Colour.AMBER
    desk.books.now_ns += 600 * MS
    before = hash_of(desk.engine)
    assert desk.books.look("BTCUSDT", Side.BUY).is_green
    assert desk.books.lights.shown["BTCUSDT", Side.BUY].colour is Colour.AMBER
    assert not desk.books.notices and hash_of(desk.engine) == before
    assert desk.light().is_green and desk.books.notices, "the step that shows it tells it"
