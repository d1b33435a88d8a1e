"""What the engine hands to the store: reports as they came, orders as they stand, holdings; and what it does while the store takes nothing."""

from core.commands import Place
from core.events import StoreHealth
from core.light import Colour
from core.notices import Fact, Holdings, Reported, Said, Standing
from core.types import Side
from tests.core.builders import D, Desk, balances, position, report, want


def facts_of(desk: Desk) -> list[str]:
    return [type(fact).__name__ for fact in desk.last.facts]


def test_a_report_reaches_the_store_as_it_came() -> None:
    """Each report of an order of ours is a fact of its own, followed by the order as it then stands; neither is said to a person."""
    desk = Desk().connect()
    order = desk.rest()
    desk.step(report(order.client_order_id, 11, "CANCELED"))
    [told] = [fact for fact in desk.last.facts if isinstance(fact, Reported)]
    assert told.order_id == order.client_order_id and told.report.status == "CANCELED"
    stands = desk.last.facts[-1]
    assert isinstance(stands, Standing) and (stands.status, stands.evidence, stands.venue_order_id) == ("CANCELED", "execution report", 11)
    assert not any(isinstance(notice, Fact) for notice in desk.last.notices)


def test_an_order_stands_once_per_step() -> None:
    """However much is heard of an order in one step, the store gets its state at the end of it; a step without news brings none."""
    desk = Desk().connect()
    order = desk.rest()
    desk.step(report(order.client_order_id, 11, "NEW"), report(order.client_order_id, 11, "CANCELED"))
    assert facts_of(desk).count("Standing") == 1 and facts_of(desk).count("Reported") == 2
    desk.wait(100)
    assert facts_of(desk) == [] and not desk.books.orders.changed


def test_a_new_place_stands_unseen() -> None:
    """The order is told to the store in the step that sends it."""
    desk = Desk().connect()
    place = desk.place(want())
    [stands] = [fact for fact in desk.last.facts if isinstance(fact, Standing)]
    assert (stands.order_id, stands.status, stands.venue_order_id, stands.price) == (place.client_order_id, "UNSEEN", None, D("99"))


def test_a_strangers_report_is_no_fact() -> None:
    """Orders without our tag leave no row."""
    desk = Desk().connect()
    desk.step(report("somebody-else", 77, "NEW"))
    assert facts_of(desk) == []


def test_holdings_tell_start_and_now() -> None:
    """With every balance message: the traded assets, what the books began with, mids; never an asset that is not traded."""
    desk = Desk().connect()
    desk.step(position(desk.ms + 1, *balances(usdt="9000", btc="11")))
    [held] = [fact for fact in desk.last.facts if isinstance(fact, Holdings)]
    assert {balance.asset: balance.free for balance in held.balances} == {"USDT": D("9000"), "BTC": D("11")}
    assert {asset: total for asset, total, _ in held.start} == {"USDT": D("10000"), "BTC": D("10")}
    assert dict(held.mids) == desk.books.mids()


def test_without_a_record_nothing_is_opened() -> None:
    """While the store takes nothing every side is red and says why, cancels still leave, resting orders stay; then places go again."""
    desk = Desk().connect()
    order = desk.rest()
    desk.step(StoreHealth(reason="disk full"))
    assert desk.light().colour is Colour.RED and desk.light().reason == "no record: disk full"
    assert any("no new orders, cancels go on" in notice.text for notice in desk.last.notices if isinstance(notice, Said))
    desk.script.places = [want(Side.SELL, "101", slot=(0, 1))]
    desk.wait(300)
    assert order.is_open and desk.ever(Place)[1:] == []
    desk.cancel(order)
    desk.step(StoreHealth(reason=""))
    assert desk.light(Side.SELL).is_green
    desk.wait(100)
    assert len(desk.ever(Place)) == 2
