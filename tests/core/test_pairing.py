"""core.pairing: of two orders one cancels the other, on the venue's word, held together by the engine where the venue has no lists."""

from typing import Any

import pytest
from msgspec.structs import replace

from core.commands import Cancel, Place, PlaceOco, Query
from core.events import OcoAnswer, OrderAnswer, Timer, Undecided
from core.orders import Order
from core.types import OrderType, Side
from core.view import Decision, View, WantOco
from tests.core.builders import BTC, OLDER_BOOT, START_MS, TAG, D, Desk, Script, balances, error, facts, fill, report, want

PROFIT = want(Side.SELL, "101")
STOP = replace(want(Side.SELL, "98", slot=(0, 1)), type=OrderType.STOP_LOSS_LIMIT, stop_price=D(99))


class Pairs(Script):
    """A script that also wants pairs, once each."""

    def __init__(self) -> None:
        super().__init__()
        self.ocos: tuple[WantOco, ...] = ()

    def decide(self, view: View, symbol: str) -> Decision:
        made = replace(super().decide(view, symbol), ocos=self.ocos)
        self.ocos = ()
        return made


class Pair:
    """A desk with a pair on its way: commands and orders of both legs."""

    def __init__(self, **wanted: Any) -> None:
        self.script = Pairs()
        self.desk = Desk(self.script, symbols=(BTC,)).connect()
        self.script.ocos = (WantOco(**{"profit": PROFIT, "stop": STOP, "is_listed": False, **wanted}),)
        self.desk.step(Timer())
        self.places = self.desk.sent(Place)

    def rest(self) -> "Pair":
        """The venue acknowledges both: 11 is the stop, 12 the profit."""
        for number, place in enumerate(self.places, 11):
            self.desk.reply(place, OrderAnswer(facts=self.said(place, number)))
        return self

    def said(self, place: Place, number: int, status: str = "NEW", executed: str = "0", **more: Any) -> Any:
        shape = facts(place.client_order_id, number, status, executed, side=Side.SELL, price=str(place.price), **more)
        return replace(shape, type=place.type.value, stop_price=place.stop_price or D(0), is_working=not place.type.waits)

    @property
    def stop(self) -> Order:
        return self.desk.order(self.places[0].client_order_id)

    @property
    def profit(self) -> Order:
        return self.desk.order(self.places[1].client_order_id)

    def filled(self, order: Order, number: int, quantity: str) -> None:
        trade = fill(number, number, order.client_order_id, Side.SELL, str(order.price), quantity)
        status = "FILLED" if D(quantity) == order.quantity else "PARTIALLY_FILLED"
        self.desk.step(report(order.client_order_id, number, status, quantity, trade=trade, side=Side.SELL, price=str(order.price)))

    def canceled(self, order: Order, executed: str = "0") -> None:
        """The venue's word on the cancel that left last."""
        command = self.desk.ever(Cancel)[-1]
        assert command.client_order_id == order.client_order_id
        said = facts(order.client_order_id, command.venue_order_id, "CANCELED", executed, side=Side.SELL, price=str(order.price))
        self.desk.reply(command, OrderAnswer(facts=said))


def test_both_legs_leave_together() -> None:
    """The stop first; each names the other, and both hold their funds, for the venue will lock both."""
    pair = Pair()
    assert [(place.type, place.stop_price) for place in pair.places] == [(OrderType.STOP_LOSS_LIMIT, D(99)), (OrderType.LIMIT_MAKER, None)]
    assert [place.partner for place in pair.places] == [place.client_order_id for place in reversed(pair.places)]
    assert pair.desk.books.account.available("BTC", pair.desk.books.orders) == D(8)


def test_a_pair_that_does_not_fit_leaves_not_at_all() -> None:
    """Funds for one leg are not enough where the engine holds the pair together; legs of two sizes or in one slot are no pair."""
    for wanted in (
        {"profit": replace(PROFIT, quantity=D(6)), "stop": replace(STOP, quantity=D(6))},
        {"profit": replace(PROFIT, quantity=D(2))},
        {"profit": replace(PROFIT, slot=STOP.slot)},
    ):
        assert not Pair(**wanted).desk.ever(Place)


@pytest.mark.parametrize("quantity", ["1", "0.4"])
def test_a_fill_of_one_cancels_the_other(quantity: str) -> None:
    """Whole or part: in the step in which the venue tells of it; the leg that began stays, and is not canceled by the other one's end."""
    pair = Pair().rest()
    assert not pair.desk.ever(Cancel)
    pair.filled(pair.profit, 12, quantity)
    assert pair.desk.one(Cancel).client_order_id == pair.stop.client_order_id
    pair.canceled(pair.stop)
    pair.desk.wait(2000)
    assert len(pair.desk.ever(Cancel)) == 1 and pair.profit.is_open is (quantity != "1")


def test_a_trigger_cancels_the_other() -> None:
    """The venue says that the stop works: the profit goes."""
    pair = Pair().rest()
    told = replace(report(pair.stop.client_order_id, 11, side=Side.SELL, price="98"), is_on_book=True)
    pair.desk.step(told)
    assert pair.desk.one(Cancel).client_order_id == pair.profit.client_order_id


@pytest.mark.parametrize("status", ["CANCELED", "EXPIRED"])
def test_an_end_of_one_cancels_the_other(status: str) -> None:
    """Whoever ended it: a pair stands together or not at all."""
    pair = Pair().rest()
    pair.desk.step(report(pair.stop.client_order_id, 11, status, side=Side.SELL, price="98"))
    assert pair.desk.one(Cancel).client_order_id == pair.profit.client_order_id


def test_a_leg_refused_cancels_the_other() -> None:
    """The venue's no to one leg: the other goes as soon as its own place is answered."""
    pair = Pair()
    pair.desk.refuse(pair.places[0], error(-2010, "Order would trigger immediately."))
    assert not pair.desk.ever(Cancel), "its place has no answer yet"
    pair.desk.reply(pair.places[1], OrderAnswer(facts=pair.said(pair.places[1], 12)))
    assert pair.desk.one(Cancel).client_order_id == pair.profit.client_order_id


def test_no_answer_is_no_word() -> None:
    """While nobody knows what became of one leg, the other is left alone."""
    pair = Pair()
    pair.desk.reply(pair.places[1], OrderAnswer(facts=pair.said(pair.places[1], 12)))
    pair.desk.lose(pair.places[0])
    pair.desk.wait(1000)
    assert not pair.desk.ever(Cancel)


def test_both_met_before_the_word_came() -> None:
    """Both have executed: what is left of both goes, so that no more is sold than was met already."""
    pair = Pair().rest()
    pair.filled(pair.profit, 12, "0.4")
    pair.filled(pair.stop, 11, "0.3")
    assert {command.client_order_id for command in pair.desk.ever(Cancel)} == {pair.stop.client_order_id, pair.profit.client_order_id}


@pytest.mark.parametrize("standing", [True, False])
def test_after_a_kill(standing: bool) -> None:
    """The intents name the pair: two that stand are left standing, and one whose partner ended in the earlier run is canceled."""
    names = f"{TAG}-{OLDER_BOOT}-1", f"{TAG}-{OLDER_BOOT}-2"
    undecided = tuple(
        Undecided(
            symbol="BTCUSDT",
            side=Side.SELL,
            price=leg.price,
            quantity=D(1),
            client_order_id=name,
            sent_ms=START_MS,
            type=leg.type,
            stop_price=leg.stop_price,
            partner=partner,
        )
        for leg, name, partner in zip((STOP, PROFIT), names, reversed(names), strict=True)
    )
    listed = tuple(
        replace(facts(one.client_order_id, n, side=Side.SELL, price=str(one.price)), type=one.type.value, is_working=not one.type.waits)
        for n, one in enumerate(undecided, 11)
    )
    keep = slice(0, 2) if standing else slice(1, 2)
    desk = Desk(symbols=(BTC,), undecided=undecided[keep])
    desk.connect(desk.account(open_orders=listed[keep]))
    desk.wait(500)
    assert [command.client_order_id for command in desk.ever(Cancel)] == ([] if standing else [names[1]])


# -- as a list of the venue's --------------------------------------------------------------------
def listed(**wanted: Any) -> tuple[Pair, PlaceOco]:
    pair = Pair(is_listed=True, **wanted)
    command = pair.desk.one(PlaceOco)
    pair.places = list(command.legs)
    return pair, command


def standing(pair: Pair, command: PlaceOco) -> OcoAnswer:
    stop, profit = (replace(pair.said(leg, number), list_id=4) for number, leg in enumerate(command.legs, 11))
    return OcoAnswer(stop=stop, profit=profit)


def test_a_list_is_one_command_and_one_lock() -> None:
    """Both legs in one request, answered once; the greater of the two is held once, as the venue does; two orders of the budget."""
    pair, command = listed()
    assert not pair.desk.ever(Place)
    assert pair.desk.books.budget.places_asked == 2
    assert pair.desk.books.account.available("BTC", pair.desk.books.orders) == D(9)
    pair.desk.reply(command, standing(pair, command))
    assert pair.stop.is_waiting and (pair.stop.venue_order_id, pair.profit.venue_order_id) == (11, 12)
    assert pair.desk.books.budget.places_asked == 0 and pair.desk.light(Side.SELL).is_green


def test_a_list_refused() -> None:
    """Neither leg exists; said and counted once, for the side's brake."""
    pair, command = listed()
    pair.desk.refuse(command, error(-2010, "The relationship of the prices for the orders is not correct."))
    assert not pair.desk.books.orders.open_ids
    assert pair.desk.books.refusals["BTCUSDT", Side.SELL][1] == 1


def test_a_list_without_an_answer() -> None:
    """Both legs are unknown, and each is asked about by its own name."""
    pair, command = listed()
    pair.desk.lose(command)
    pair.desk.wait(500)
    assert {query.client_order_id for query in pair.desk.ever(Query)} == {leg.client_order_id for leg in command.legs}


def test_one_cancel_ends_a_list() -> None:
    """One cancel leaves for both; its answer speaks of both."""
    pair, command = listed()
    pair.desk.reply(command, standing(pair, command))
    for order in (pair.stop, pair.profit):
        order.cancel_wanted = "test"
    pair.desk.step(Timer())
    cancel = pair.desk.one(Cancel)
    gone = [replace(pair.said(leg, number, "CANCELED"), list_id=4) for number, leg in enumerate(command.legs, 11)]
    pair.desk.reply(cancel, OrderAnswer(facts=gone[0], also=(replace(gone[1], orig_client_order_id=command.profit.client_order_id),)))
    assert not pair.desk.books.orders.open_ids and len(pair.desk.ever(Cancel)) == 1


def test_the_venue_ends_the_other_leg_itself() -> None:
    """A fill of one: no cancel of ours while its word is on the way; after a second without it the leg is canceled, which asks the venue."""
    pair, command = listed()
    pair.desk.reply(command, standing(pair, command))
    pair.filled(pair.profit, 12, "1")
    pair.desk.wait(900)
    assert not pair.desk.ever(Cancel)
    pair.desk.wait(500)
    assert [cancel.client_order_id for cancel in pair.desk.ever(Cancel)] == [pair.stop.client_order_id]


def test_found_among_the_open_orders() -> None:
    """Without intents two orders with our tag in one list are a pair, under one lock."""
    said = tuple(
        replace(facts(f"{TAG}-{OLDER_BOOT}-{n}", 10 + n, side=Side.SELL, price=price), list_id=4) for n, price in ((1, "98"), (2, "101"))
    )
    desk = Desk(symbols=(BTC,))
    desk.connect(desk.account(open_orders=said, held=balances(btc="9", btc_locked="1")))
    one, two = (desk.order(order.client_order_id) for order in said)
    assert (one.partner, two.partner, one.is_listed) == (two.client_order_id, one.client_order_id, True)
    assert desk.books.account.available("BTC", desk.books.orders) == D(9)
