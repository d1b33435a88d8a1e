"""strategy.MarketMaker: the four ticks as a habit, bands, top-ups, no starvation, and a reason for every empty side."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.commands import Cancel, Place, ReadDepth
from core.events import AnyEvent, OrderAnswer, Outcome, StreamDown, StreamUp, Timer
from core.light import Colour
from core.money import is_multiple
from core.orders import Order
from core.snapshot import SideShown, picture
from core.types import Connection, Side
from core.view import View
from strategy import MarketMaker
from tests.core.builders import BTC, OLDER_BOOT, START_MS, TAG, D, Desk, balances, depth_snapshot, diff, error, facts, fill, report, ticker
from trading.bands import Band
from trading.quoting import SymbolQuoting

BAND = Band(min=D(5), target=D(10), max=D(20), quantity=D(1))
OUTER = Band(min=D(20), target=D(30), max=D(40), quantity=D(2))


def maker(*bands: Band, **changed: object) -> MarketMaker:
    bands = bands or (BAND,)
    return MarketMaker({"BTCUSDT": SymbolQuoting(bid_bands=bands, ask_bands=bands, **changed)})  # type: ignore[arg-type]


def quoting_desk(strategy: MarketMaker | None = None) -> Desk:
    """A desk whose first quotes have just left, market 99.99 / 100.01."""
    return Desk(strategy or maker()).connect()


def answer(desk: Desk, *places: Place) -> list[Order]:
    """The venue acknowledges these places (default: those of the last step); venue ids follow the command numbers."""
    for place in places or desk.sent(Place):
        shape = {"side": place.side, "price": str(place.price), "quantity": str(place.quantity)}
        made = OrderAnswer(facts=facts(place.client_order_id, place.command_id, **shape))  # type: ignore[arg-type]
        desk.step(desk.reply_event(place, made), report(place.client_order_id, place.command_id, **shape))  # type: ignore[arg-type]
    return list(desk.books.orders.open())


def confirm(desk: Desk, cancel: Cancel) -> None:
    word = facts(cancel.client_order_id, cancel.venue_order_id, "CANCELED", side=cancel.side, price=str(cancel.price), quantity=str(cancel.quantity))
    desk.reply(cancel, OrderAnswer(facts=word))


def move(desk: Desk, bid: str, ask: str) -> None:
    desk.step(ticker(desk.books.market["BTCUSDT"].touch.update_id + 1, bid, ask), after_ms=10)


def side_of(desk: Desk, side: Side) -> SideShown:
    shown = picture(desk.engine)
    assert shown is not None
    return next(line for line in shown.sides if line.side == side)


# -- quoting -------------------------------------------------------------------------------------
def test_green_places_every_band_at_its_target() -> None:
    """On green each band gets one order at its target: 10 and 30 bps from mid, its whole quantity."""
    desk = quoting_desk(maker(BAND, OUTER))
    placed = [(place.side, place.price, place.quantity, place.slot) for place in desk.sent(Place)]
    assert placed == [
        (Side.BUY, D("99.90"), D(1), (0, 0)),
        (Side.BUY, D("99.70"), D(2), (1, 0)),
        (Side.SELL, D("100.10"), D(1), (0, 0)),
        (Side.SELL, D("100.30"), D(2), (1, 0)),
    ]


def test_orders_inside_their_band_are_left_alone() -> None:
    """A drift inside the band moves nothing: queue place is worth money."""
    desk = quoting_desk()
    answer(desk)
    move(desk, "100.03", "100.05")
    assert not desk.last.commands


def test_bad_orders_are_canceled_then_replaced_when_the_side_is_green() -> None:
    """A drift beyond the band cancels first, waits for the venue's word, and only then places at the new target."""
    desk = quoting_desk()
    answer(desk)
    move(desk, "100.19", "100.21")
    cancels = desk.sent(Cancel)
    assert {cancel.side for cancel in cancels} == {Side.BUY, Side.SELL}
    assert not desk.sent(Place)
    move(desk, "100.20", "100.22")
    assert not desk.last.commands
    for cancel in cancels:
        confirm(desk, cancel)
    assert {place.price for place in desk.ever(Place)[-2:]} == {D("100.10"), D("100.32")}


def test_pending_cancels_mean_wait() -> None:
    """The strategy itself wants no place on a side with a pending cancel, and gives the light's reason."""
    strategy = maker()
    desk = Desk(strategy).connect()
    answer(desk)
    move(desk, "100.19", "100.21")
    decision = strategy.decide(View(desk.books), "BTCUSDT")
    assert (decision.places, decision.cancels) == ((), ())
    assert dict(decision.idle) == dict.fromkeys(Side, "1 cancel pending")


def test_one_lost_cancel_keeps_its_side_empty_only() -> None:
    """A cancel without an answer stops its own side; the other goes on."""
    desk = quoting_desk()
    answer(desk)
    move(desk, "100.19", "100.21")
    buy, sell = sorted(desk.sent(Cancel), key=lambda cancel: cancel.side)
    desk.lose(buy)
    confirm(desk, sell)
    move(desk, "100.20", "100.22")
    assert {place.side for place in desk.ever(Place)[2:]} == {Side.SELL}


def test_partial_fill_is_topped_up_in_a_new_slot() -> None:
    """What a fill took is placed again beside the rest, in its own slot."""
    desk = quoting_desk()
    bid = answer(desk)[0]
    trade = fill(1, bid.venue_order_id or 0, price="99.90", quantity="0.4")
    desk.step(report(bid.client_order_id, bid.venue_order_id or 0, "PARTIALLY_FILLED", "0.4", trade=trade, price="99.90"))
    (place,) = desk.sent(Place)
    assert (place.side, place.quantity, place.slot) == (Side.BUY, D("0.4"), (0, 1))


def test_missing_part_below_the_minimum_waits() -> None:
    """A top-up smaller than the venue's minimum is not placed, and the side is not called empty."""
    desk = quoting_desk()
    bid = answer(desk)[0]
    trade = fill(1, bid.venue_order_id or 0, price="99.90", quantity="0.01")
    desk.step(report(bid.client_order_id, bid.venue_order_id or 0, "PARTIALLY_FILLED", "0.01", trade=trade, price="99.90"))
    assert not desk.sent(Place)
    assert side_of(desk, Side.BUY).no_quote_because == ""


def test_own_quote_is_not_chased() -> None:
    """Where our own order is alone at the best price, the next level counts: quoting must not walk the market."""
    desk = quoting_desk(maker(Band(min=D(0), target=D("0.5"), max=D(20), quantity=D(1))))
    answer(desk)
    bid = desk.books.orders.open("BTCUSDT", Side.BUY)[0]
    assert bid.price == D("99.99")
    desk.step(diff(101, 101, bids=[("99.99", "1")]), ticker(101, size="1"), after_ms=10)
    view = View(desk.books)
    assert (view.touch_price("BTCUSDT", Side.BUY), view.best("BTCUSDT", Side.BUY)) == (bid.price, D("99.98"))
    desk.step(ticker(102, size="1.5"), after_ms=10)
    assert View(desk.books).best("BTCUSDT", Side.BUY) == bid.price


def test_quotes_of_the_two_sides_never_meet() -> None:
    """A target where our other side stands is not quoted."""
    inside = Band(min=D(-30), target=D(-20), max=D(30), quantity=D(1))
    strategy = MarketMaker({"BTCUSDT": SymbolQuoting(bid_bands=(inside,), ask_bands=(inside,), maker_fee_bps=D(0))})
    desk = Desk(strategy).connect()
    bids = {order.price for order in desk.books.orders.open("BTCUSDT", Side.BUY)}
    asks = {order.price for order in desk.books.orders.open("BTCUSDT", Side.SELL)}
    assert (bids, asks) == ({D("100.00")}, set())
    assert side_of(desk, Side.SELL).no_quote_because == "the target is where our other side stands"


# -- limits with reasons -------------------------------------------------------------------------
def test_edge_outside_the_band_is_idle_with_the_reason() -> None:
    """When fees and edge push the quote out of its band, nothing is placed and the side says why."""
    desk = quoting_desk(maker(min_edge_bps=D(25), maker_fee_bps=D(10)))
    assert not desk.ever(Place)
    for side in Side:
        assert side_of(desk, side).no_quote_because.startswith("fees, edge and touch allow only")


def test_inventory_cap_stops_one_side_with_its_reason() -> None:
    """At the cap the side that would add to it is empty and says so; the other side quotes."""
    desk = Desk(maker(inventory_cap=D(2))).connect()
    answer(desk)
    desk.books.account.on_position(balances(btc="12"), START_MS + 1)
    desk.step(Timer())
    assert [cancel.side for cancel in desk.sent(Cancel)] == [Side.BUY]
    assert "would pass the cap 2" in desk.one(Cancel).reason
    confirm(desk, desk.one(Cancel))
    desk.step(Timer())
    assert side_of(desk, Side.BUY).no_quote_because == "inventory cap reached"
    assert side_of(desk, Side.SELL).no_quote_because == ""


def test_order_age_is_limited() -> None:
    """With order_age_s_max an order older than that is replaced."""
    desk = quoting_desk(maker(order_age_s_max=5))
    answer(desk)
    desk.step(Timer(), after_ms=5000)
    assert not desk.sent(Cancel)
    desk.step(Timer(), after_ms=1)
    assert {cancel.reason for cancel in desk.sent(Cancel)} == {"older than 5 s"}


def test_adopted_orders_stay_where_a_band_wants_them() -> None:
    """An order of an earlier run inside a band counts for it; outside every band it is canceled with that reason."""
    good, bad = f"{TAG}-{OLDER_BOOT}-1", f"{TAG}-{OLDER_BOOT}-2"
    past = (facts(good, 50, price="99.88"), facts(bad, 51, price="90"))
    held = balances(usdt="9810.12", usdt_locked="189.88")
    desk = Desk(maker()).connect(Desk().account(open_orders=past, held=held))
    assert [(cancel.venue_order_id, cancel.reason) for cancel in desk.ever(Cancel)] == [(51, "an order of an earlier run that no band wants")]
    assert {place.side for place in desk.ever(Place)} == {Side.SELL}


# -- no starvation -------------------------------------------------------------------------------
def test_a_side_that_turns_green_places_first() -> None:
    """After its cancels a side places before it looks for newly bad orders, so a drifting market cannot starve it."""
    desk = quoting_desk(maker(BAND, OUTER))
    answer(desk)
    move(desk, "99.92", "99.94")  # the inner bid is bad, the outer one is not
    (cancel,) = [c for c in desk.sent(Cancel) if c.side is Side.BUY]
    desk.books.market["BTCUSDT"].touch.on_ticker(ticker(10_000, "99.84", "99.86"))  # by now the outer bid is bad too, but not urgent
    confirm(desk, cancel)
    assert [place.slot for place in desk.sent(Place) if place.side is Side.BUY] == [(0, 0)]
    assert not [c for c in desk.sent(Cancel) if c.side is Side.BUY]
    desk.step(Timer(), after_ms=10)
    assert [c for c in desk.sent(Cancel) if c.side is Side.BUY]


def test_urgent_orders_go_even_when_a_place_is_owed() -> None:
    """An order on the wrong side of the reference never waits for a place."""
    desk = quoting_desk(maker(BAND, OUTER))
    answer(desk)
    move(desk, "99.92", "99.94")
    (cancel,) = [c for c in desk.sent(Cancel) if c.side is Side.BUY]
    desk.books.market["BTCUSDT"].touch.on_ticker(ticker(10_000, "99.64", "99.66"))
    confirm(desk, cancel)
    assert [c for c in desk.sent(Cancel) if c.side is Side.BUY]
    assert not [place for place in desk.sent(Place) if place.side is Side.BUY]


def carry(desk: Desk, latency_ms: int) -> list[tuple[int, AnyEvent]]:
    """What a venue that far away will say to the commands of the last step, and when."""
    due: list[tuple[int, AnyEvent]] = []
    at = desk.ms + latency_ms
    for command in desk.last.commands:
        if isinstance(command, Place | Cancel):
            number = command.command_id if isinstance(command, Place) else command.venue_order_id
            said = facts(
                command.client_order_id, number, "NEW" if isinstance(command, Place) else "CANCELED", side=command.side, price=str(command.price)
            )
            due.append((at, desk.reply_event(command, OrderAnswer(facts=said))))
            due.append((at, report(command.client_order_id, number, said.status, side=command.side, price=str(command.price))))
    return due


@pytest.mark.parametrize(("latency_ms", "least"), [(20, 0.8), (200, 0.5)])
@pytest.mark.parametrize("drift", [1, -1])
def test_drifting_market_is_quoted_most_of_the_time(latency_ms: int, least: float, drift: int) -> None:
    """With the mid drifting one tick every 50 ms, each side is quoted 80 % of the time at 20 ms to the venue's word, 50 % at 200 ms (I7)."""
    desk = Desk(maker()).connect()
    desk.books.budget.learn(())  # the sample limit of 50 orders in 10 s is not what is measured here
    due = carry(desk, latency_ms)
    for n in range(1500):
        soon = desk.ms + 10
        events = [event for at, event in due if at <= soon]
        due = [(at, event) for at, event in due if at > soon]
        if n % 5 == 0:
            cents = 9999 + drift * n // 5
            events.append(ticker(1000 + n, f"{D(cents) / 100:.2f}", f"{D(cents + 2) / 100:.2f}"))
        desk.step(*events, after_ms=10)
        due.extend(carry(desk, latency_ms))
    assert len(desk.ever(Place)) > 20
    for side in Side:
        assert desk.engine.uptime.share("BTCUSDT", side) >= least


# -- I28 -----------------------------------------------------------------------------------------
def chaos(desk: Desk, what: str, data: st.DataObject) -> None:
    """One thing that can happen to a bot."""
    touch = desk.books.market["BTCUSDT"].touch
    orders = list(desk.books.orders.open())
    waiting = [c for c in desk.engine.pending.values() if isinstance(c, Place | Cancel)]
    if what == "move":
        middle = data.draw(st.integers(9950, 10_050))
        desk.step(ticker(touch.update_id + 1, f"{D(middle - 1) / 100:.2f}", f"{D(middle + 1) / 100:.2f}"), after_ms=50)
    elif what == "answer" and waiting:
        command = data.draw(st.sampled_from(waiting))
        if isinstance(command, Place):
            answer(desk, command)
        else:
            confirm(desk, command)
    elif what == "refuse" and waiting:
        desk.refuse(data.draw(st.sampled_from(waiting)), error(data.draw(st.sampled_from([-2010, -2011, -1013]))))
    elif what == "lose" and waiting:
        desk.lose(data.draw(st.sampled_from(waiting)))
    elif what == "fill" and orders and (order := data.draw(st.sampled_from(orders))).venue_order_id is not None:
        trade = fill(desk.ms, order.venue_order_id, side=order.side, price=str(order.price), quantity=str(order.remaining))
        desk.step(report(order.client_order_id, order.venue_order_id, "FILLED", str(order.quantity), trade=trade, side=order.side))
    elif what == "poor":
        desk.books.account.on_position(balances(usdt="1", btc="0"), desk.ms)
    elif what == "down":
        desk.step(StreamDown(connection=data.draw(st.sampled_from(list(Connection))), reason="reset"))
    elif what == "up":
        desk.step(StreamUp(connection=Connection.MARKET))
    elif what == "gap":
        desk.step(diff(9_000_000, 9_000_001))
    elif what == "snapshot":
        for read in [command for command in desk.engine.pending.values() if isinstance(command, ReadDepth)]:
            desk.reply(read, depth_snapshot(100))
    elif what == "not sent" and waiting:
        desk.reply(waiting[0], outcome=Outcome.NOT_SENT, note="stale")


EVENTS = ["move", "answer", "refuse", "lose", "fill", "poor", "down", "up", "gap", "snapshot", "not sent"]


@settings(max_examples=60)
@given(story=st.lists(st.sampled_from(EVENTS), max_size=12), cap=st.integers(0, 3), data=st.data())
def test_every_side_without_a_quote_carries_a_reason(story: list[str], cap: int, data: st.DataObject) -> None:
    """Whatever happens, a side without a working order shows why, and every place on its way is legal (I28, I14)."""
    desk = Desk(maker(BAND, OUTER, inventory_cap=D(cap))).connect()
    for what in story:
        chaos(desk, what, data)
        desk.step(Timer(), after_ms=10)
        for side in Side:
            working = any(order.is_working for order in desk.books.orders.open("BTCUSDT", side))
            why = side_of(desk, side).no_quote_because
            assert working == (why == ""), (what, side, why)
            assert why != "decision follows" or any(order.is_open for order in desk.books.orders.open("BTCUSDT", side))
    for place in desk.ever(Place):
        assert is_multiple(place.price, BTC.tick)
        assert is_multiple(place.quantity, BTC.step)
        assert place.price * place.quantity >= BTC.min_notional


def test_red_side_gives_the_lights_reason() -> None:
    """A side that may not quote repeats its light's reason."""
    desk = quoting_desk()
    answer(desk)
    desk.step(StreamDown(connection=Connection.USER, reason="reset"))
    desk.step(Timer())
    assert desk.light().colour is Colour.RED
    shown = side_of(desk, Side.BUY)
    assert shown.no_quote_because == shown.reason == "user stream down: reset"


@given(drop=st.integers(0, 40))
def test_cancels_before_places_on_a_side(drop: int) -> None:
    """In one decision a side either cancels or places, never both."""
    desk = quoting_desk(maker(BAND, OUTER))
    answer(desk)
    price = Decimal(9999 - drop) / 100
    move(desk, f"{price:.2f}", f"{price + D('0.02'):.2f}")
    for side in Side:
        cancels = [c for c in desk.sent(Cancel) if c.side is side]
        places = [p for p in desk.sent(Place) if p.side is side]
        assert not (cancels and places)


@pytest.mark.parametrize("side", list(Side))
def test_no_touch_is_a_reason(side: Side) -> None:
    """Before a market is known the side says so."""
    desk = Desk(maker())
    decision = maker().decide(View(desk.books), "BTCUSDT")
    assert dict(decision.idle)[side] == "no touch known yet"
