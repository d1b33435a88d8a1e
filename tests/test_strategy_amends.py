"""strategy.MarketMaker and orders that are too large: shrunk in place where that is possible, canceled where not."""

from msgspec import structs

from core.commands import Amend, Cancel, Place
from core.events import Timer
from core.ports import Capabilities
from core.types import Side
from strategy import MarketMaker
from tests.core.builders import BTC, D, Desk, balances, error
from tests.test_strategy import BAND, answer, confirm
from trading.amend import Amending
from trading.bands import Band
from trading.quoting import SymbolQuoting

AMENDABLE = structs.replace(BTC, amend_allowed=True)


def shrinking(cap: str, *bands: Band) -> Desk:
    """A market maker that may amend, with an inventory cap; its first quotes rest."""
    bands = bands or (BAND,)
    quoting = SymbolQuoting(bid_bands=bands, ask_bands=bands, inventory_cap=D(cap))
    desk = Desk(MarketMaker({"BTCUSDT": quoting}, Amending(can=Capabilities(ws_amend=True))), symbols=(AMENDABLE,)).connect()
    answer(desk)
    return desk


def test_the_inventory_cap_shrinks_orders_in_place() -> None:
    """Base from outside leaves less room: the newest order of the side is shrunk by what could pass the cap, and keeps its queue place."""
    desk = shrinking("2", BAND, Band(min=D(20), target=D(30), max=D(40), quantity=D(1)))
    _, second = desk.books.orders.open("BTCUSDT", Side.BUY)
    desk.books.account.on_position(balances(btc="10.5"), desk.ms + 1)
    desk.step(Timer(), after_ms=10)
    (amend,) = desk.sent(Amend)
    assert (amend.client_order_id, amend.quantity) == (second.client_order_id, D("0.5"))
    assert not desk.sent(Cancel)


def test_what_cannot_be_shrunk_is_canceled() -> None:
    """Where the smaller order would be below the venue's minimum the old way remains: cancel."""
    desk = shrinking("2", BAND, Band(min=D(20), target=D(30), max=D(40), quantity=D(1)))
    desk.books.account.on_position(balances(btc="11.99"), desk.ms + 1)
    desk.step(Timer(), after_ms=10)
    assert not desk.sent(Amend)
    assert {cancel.side for cancel in desk.sent(Cancel)} == {Side.BUY}


def test_a_band_that_holds_too_much_gives_it_back_in_place() -> None:
    """More than the band wants, as after an adoption: the newest order is shrunk by the excess."""
    desk = shrinking("0")
    (order,) = desk.books.orders.open("BTCUSDT", Side.BUY)
    strategy = desk.engine.strategy
    assert isinstance(strategy, MarketMaker)
    strategy.symbols = {"BTCUSDT": SymbolQuoting(bid_bands=(structs.replace(BAND, quantity=D("0.4")),), ask_bands=(BAND,))}
    desk.step(Timer(), after_ms=10)
    (amend,) = desk.sent(Amend)
    assert (amend.client_order_id, amend.quantity) == (order.client_order_id, D("0.4"))


def test_one_change_at_a_time_and_nothing_beside_it() -> None:
    """While a change is not decided the side wants nothing: neither another change for it, nor a place into room that is not there."""
    desk = shrinking("2", BAND, Band(min=D(20), target=D(30), max=D(40), quantity=D(1)))
    desk.books.account.on_position(balances(btc="10.5"), desk.ms + 1)
    desk.step(Timer(), after_ms=10)
    (amend,) = desk.sent(Amend)
    desk.refuse(amend, error(-2038, "Order amend is not supported for this symbol."))
    assert desk.one(Cancel).client_order_id == amend.client_order_id
    confirm(desk, desk.one(Cancel))
    (place,) = (place for place in desk.sent(Place) if place.side is Side.BUY)
    assert place.quantity == D("0.5")
    assert len(desk.ever(Amend)) == 1
