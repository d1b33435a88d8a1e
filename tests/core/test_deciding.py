"""When core.engine asks the strategy: what of the market a decision rests on, lights that turn, and time; and wishes that cannot be carried out."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from core.commands import Cancel, Place
from core.events import AnyEvent, Operator, OperatorAction, Timer
from core.types import Side
from core.view import View, WantCancel
from tests.core.builders import BTC, ETH, Desk, Script, diff, error, ticker, want


class Rests(Script):
    """Asked again only where the best bid moved."""

    def rests_on(self, view: View, symbol: str) -> tuple[Decimal | None, ...]:  # type: ignore[override]
        return (view.best(symbol, Side.BUY),)


@pytest.mark.parametrize(
    ("event", "is_asked"),
    [
        (ticker(900, size="7"), False),
        (ticker(900, ask="100.02"), False),
        (ticker(900, bid="99.98"), True),
        (diff(101, 102, bids=(("90", "1"),)), False),
        (Timer(), True),
    ],
)
def test_market_data_asks_only_where_a_decision_rests_on_it(event: AnyEvent, is_asked: bool) -> None:
    """While what a decision rests on stays equal, market data asks for no other one; a timer always does."""
    script = Rests()
    desk = Desk(script, symbols=(BTC,)).connect()
    desk.step(ticker(899))
    calls = script.calls
    desk.step(event)
    assert (script.calls > calls) == is_asked


def test_a_strategy_that_names_nothing_is_always_asked() -> None:
    """Without a basis every event of the market asks."""
    desk = Desk().connect()
    desk.step(ticker(899))
    calls = desk.script.calls
    desk.step(ticker(900))
    assert desk.script.calls == calls + 1


def test_a_light_that_turns_asks() -> None:
    """What turns a light is a reason to decide in the same step, also where it was market data that leaves the best prices alone."""
    script = Rests()
    desk = Desk(script, symbols=(BTC,)).connect()
    desk.wait(10_500)  # the book grows stale
    assert desk.light().reason.startswith("book is stale")
    calls = script.calls
    desk.step(diff(101, 102, bids=(("90", "1"),)))
    assert desk.light().is_green and script.calls == calls + 1


def test_the_end_of_a_ban_asks() -> None:
    """During a ban nothing is decided; its end is a reason to decide, though the market stands where it stood (seed 16847)."""
    script = Rests()
    desk = Desk(script, symbols=(BTC,)).connect()
    script.places = [want()]
    desk.step(ticker(899), Timer())
    desk.refuse(desk.one(Place), error(-1003, http_status=429, retry_after_ms=2000))
    desk.step(Timer(), after_ms=1000)
    calls = script.calls
    desk.step(ticker(900), after_ms=1500)
    assert desk.light().is_green and script.calls == calls + 1


def test_the_whole_house_waits_for_more_than_market_data() -> None:
    """A halt pulls quotes in its own step; the market alone moves nothing that hangs on time or on our orders."""
    desk = Desk().connect()
    order = desk.rest()
    desk.step(Operator(action=OperatorAction.HALT))
    assert order.is_leaving
    advanced_ns = desk.engine.uptime.last_ns
    desk.step(ticker(901, bid="99.97"), after_ms=50)
    assert desk.engine.uptime.last_ns == advanced_ns
    desk.step(Timer(), after_ms=50)
    assert desk.engine.uptime.last_ns > advanced_ns


WRONG = (
    {"cancels": [WantCancel(client_order_id="gltest-m0-99", reason="never placed")]},
    {"places": [replace(want(slot=(0, 5)), price="99")]},
    {"places": [replace(want(slot=(0, 5)), quantity=None)]},
)


@pytest.mark.parametrize("wrong", WRONG, ids=["cancel of nobody", "a text for a price", "no quantity"])
def test_what_a_strategy_wants_wrongly_is_its_error(wrong: dict[str, list[object]]) -> None:
    """A wish that cannot be carried out halts quoting and cancels, as an error in the strategy does; the engine goes on (I27)."""
    desk = Desk().connect()
    desk.rest()
    for name, wishes in wrong.items():
        setattr(desk.script, name, wishes)
    desk.step(Timer())
    assert desk.one(Cancel).venue_order_id == 11
    assert desk.light().reason.startswith("halted by an error in the strategy: ")


@pytest.mark.parametrize(
    ("quantity", "reason", "clears"),
    [
        ("100", "8910 USDT held by a pending cancel, ETHUSDT BUY", "that cancel's answer"),
        ("102", "needs 10098 USDT, 1090 available", "funds are freed"),
    ],
)
def test_a_cancel_is_waited_for_only_where_it_frees_enough(quantity: str, reason: str, clears: str) -> None:
    """A place that would not fit even with what pending cancels free is denied by name, and not told to wait for them (DESIGN 3)."""
    desk = Desk(symbols=(BTC, ETH)).connect()
    order = desk.rest(want(price="99", quantity="90", symbol="ETHUSDT"))
    desk.cancel(order)
    desk.script.places = [want(price="99", quantity=quantity)]
    desk.step(Timer())
    assert desk.engine.denials["BTCUSDT", Side.BUY] == (reason, clears)
