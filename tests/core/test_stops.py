"""core: stop orders wait outside the book, hold their funds, and are limit orders once the venue says that they work."""

from msgspec.structs import replace

from core.commands import Place
from core.events import OrderAnswer, Undecided
from core.orders import Order
from core.types import OrderType, Side
from core.view import View, WantPlace
from tests.core.builders import BTC, OLDER_BOOT, START_MS, TAG, D, Desk, facts, fill, report, want

STOP = OrderType.STOP_LOSS_LIMIT


def wanted(price: str = "98", stop: str = "99") -> WantPlace:
    """Sell 1 BTC at `price` once a trade is at `stop`."""
    return replace(want(Side.SELL, price), type=STOP, stop_price=D(stop))


def waiting(desk: Desk) -> Order:
    """A stop order that the venue has acknowledged."""
    place = desk.place(wanted())
    said = replace(facts(place.client_order_id, 11, side=Side.SELL, price="98"), type=STOP.value, stop_price=D(99), is_working=False)
    desk.reply(place, OrderAnswer(facts=said))
    return desk.order(place.client_order_id)


def test_it_leaves_with_its_stop_price() -> None:
    """The command names type, stop price and time in force; the order waits, outside the book's queue."""
    desk = Desk().connect()
    order = waiting(desk)
    (place,) = desk.ever(Place)
    assert (place.type, place.stop_price, place.time_in_force) == (STOP, D(99), "GTC")
    assert order.is_waiting and order.is_working and order.queue is None
    assert "waits for its stop price" in desk.words()


def test_it_holds_funds_like_a_limit_order() -> None:
    """What it will sell cannot be promised to another order, from the moment it leaves."""
    desk = Desk().connect()
    assert desk.books.account.available("BTC", desk.books.orders) == D(10)
    desk.place(wanted())
    assert desk.books.account.available("BTC", desk.books.orders) == D(9)


def test_the_venue_says_that_it_works() -> None:
    """NEW with w true: triggered, at the end of its queue; an older report with w false does not make it wait again."""
    desk = Desk().connect()
    order = waiting(desk)
    first = replace(report(order.client_order_id, 11, side=Side.SELL, price="98"), type=STOP.value, is_on_book=False)
    desk.step(first)
    assert order.is_waiting
    desk.step(replace(first, is_on_book=True))
    assert not order.is_waiting and order.queue is not None and "triggered at 99" in desk.words()
    desk.step(first)
    assert not order.is_waiting


def test_a_fill_says_so_too() -> None:
    """Where the report of the trigger was lost, the first trade tells."""
    desk = Desk().connect()
    order = waiting(desk)
    trade = fill(5, 11, order.client_order_id, Side.SELL, "98", "0.4")
    told = report(order.client_order_id, 11, "PARTIALLY_FILLED", "0.4", trade=trade, side=Side.SELL, price="98")
    desk.step(replace(told, is_on_book=False))
    assert not order.is_waiting and order.booked == D("0.4")


def test_it_is_no_part_of_the_book() -> None:
    """The best ask is not taken for ours because a stop order waits at its price."""
    desk = Desk().connect()
    place = desk.place(replace(wanted(price="100.01"), quantity=D(5)))
    said = replace(facts(place.client_order_id, 11, side=Side.SELL, price="100.01", quantity="5"), type=STOP.value, is_working=False)
    desk.reply(place, OrderAnswer(facts=said))
    assert View(desk.books).best("BTCUSDT", Side.SELL) == D("100.01")


def test_of_an_earlier_run() -> None:
    """Named by the intents or found among the open orders, it is known as what it is, and waits."""
    one = Undecided(
        symbol="BTCUSDT",
        side=Side.SELL,
        price=D(98),
        quantity=D(1),
        client_order_id=f"{TAG}-{OLDER_BOOT}-1",
        sent_ms=START_MS,
        type=STOP,
        stop_price=D(99),
    )
    listed = [
        replace(facts(f"{TAG}-{OLDER_BOOT}-{n}", 10 + n, side=Side.SELL, price="98"), type=STOP.value, stop_price=D(99), is_working=False)
        for n in (1, 2)
    ]
    desk = Desk(symbols=(BTC,), undecided=(one,))
    desk.connect(desk.account(open_orders=tuple(listed)))
    for n in (1, 2):
        order = desk.order(f"{TAG}-{OLDER_BOOT}-{n}")
        assert (order.type, order.stop_price, order.is_waiting) == (STOP, D(99), True)


def test_a_cancel_that_ends_two() -> None:
    """The cancel of a leg ends its list: both orders end with that answer."""
    desk = Desk().connect()
    one, two = desk.rest(want(Side.SELL, "101"), 11), desk.rest(want(Side.SELL, "102", slot=(0, 1)), 12)
    cancel = desk.cancel(one)
    gone = [
        replace(facts(f"{o.client_order_id}c", n, "CANCELED", side=Side.SELL, price=str(o.price)), orig_client_order_id=o.client_order_id)
        for n, o in ((11, one), (12, two))
    ]
    desk.reply(cancel, OrderAnswer(facts=gone[0], also=(gone[1],)))
    assert not desk.books.orders.open_ids
    assert two.evidence is not None


def test_canceled_before_its_trigger() -> None:
    """The answer to a cancel says nothing of the book: the order ends as one that waited."""
    desk = Desk().connect()
    order = waiting(desk)
    cancel = desk.cancel(order)
    desk.reply(cancel, OrderAnswer(facts=facts(order.client_order_id, 11, "CANCELED", side=Side.SELL, price="98")))
    assert not order.is_open and order.is_waiting
