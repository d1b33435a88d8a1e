"""core.detail: the ladder shows our orders where they stand, and every call without an answer is listed with its age and route."""

from core.books import Timing
from core.commands import Amend, Cancel, Place, PlaceOco, Replace
from core.detail import CALLS_MAX, RUNGS, WORDS, Detail, LadderShown, detail
from core.engine import Engine
from core.events import StreamDown
from core.types import Connection, Side
from tests.core.builders import Desk, NoRisk, Script, want


def shown(desk: Desk, over_ws: bool = True) -> Detail:
    made = detail(desk.engine, over_ws)
    assert made is not None
    return made


def ladder(desk: Desk) -> LadderShown:
    return shown(desk).ladders[0]


def test_nothing_before_boot() -> None:
    """An engine without books has no detail."""
    assert detail(Engine(Script(), NoRisk(), Timing()), over_ws=True) is None


def test_the_ladder_is_ordered_and_holds_our_orders() -> None:
    """Best first on both sides, never more rungs than the page has rows, our order among them however far it stands."""
    desk = Desk().connect()
    order = desk.rest(want(price="90"))
    made = ladder(desk)
    bids, asks = [[float(rung.price) for rung in side] for side in (made.bids, made.asks)]
    assert bids == sorted(bids, reverse=True) and asks == sorted(asks) and 0 < len(bids) <= RUNGS and bids[0] < asks[0]
    (own,) = [rung for rung in made.bids if rung.orders]
    assert own.orders == (order.client_order_id,) and own.price == "90" and own.bps == "-1000.0"


def test_a_book_out_of_step_shows_no_quantities() -> None:
    """While the book cannot be trusted only our own prices are shown, without a quantity."""
    desk = Desk().connect()
    desk.rest(want(price="90"))
    desk.step(StreamDown(connection=Connection.MARKET, reason="test"))
    made = ladder(desk)
    assert [(rung.price, rung.quantity) for rung in made.bids] == [("90", "")] and made.asks == ()


def test_a_place_waits_with_its_age_and_route() -> None:
    """From the sending to the answer a place is listed, over the WS API or over REST; afterwards it is not."""
    desk = Desk().connect()
    place = desk.place()
    desk.wait(300)
    (call,) = shown(desk).calls
    assert (call.what, call.client_order_id, call.route, call.unknown) == ("place", place.client_order_id, "WS API", False)
    assert 300 <= call.age_ms < 500 and shown(desk, over_ws=False).calls[0].route == "REST"
    other = Desk().connect()
    other.rest()
    assert shown(other).calls == ()


def test_an_unknown_place_and_its_query_are_two_calls() -> None:
    """A place without an answer stays listed as unknown beside the question about it, which goes over REST."""
    desk = Desk().connect()
    desk.place()
    desk.query(within_ms=20_000)
    calls = {call.what: call for call in shown(desk).calls}
    assert calls["place"].unknown and calls["query"].route == "REST" and calls["place"].age_ms > calls["query"].age_ms


def test_a_call_keeps_its_word_after_its_time() -> None:
    """A place whose answer never came is still called a place once the engine has given the call up."""
    desk = Desk().connect()
    place = desk.place()
    desk.lose(place)
    assert [call.what for call in shown(desk).calls if call.unknown] == ["place"] and place.command_id not in desk.engine.pending


def test_a_cancel_is_listed() -> None:
    """A cancel without an answer is a call on the same order."""
    desk = Desk().connect()
    order = desk.rest()
    desk.cancel(order)
    (call,) = shown(desk).calls
    assert (call.what, call.side) == ("cancel", Side.BUY)


def test_there_is_a_cap_and_a_word_for_each_command() -> None:
    """The list is bounded, and no command about an order is without its word."""
    assert CALLS_MAX <= 100 and set(WORDS) == {Place, Cancel, Amend, Replace, PlaceOco}
