"""A ConfigChanged at a tick: the market maker, the maker-first trader, risk and timing take it, and nothing that is under way is lost."""

import msgspec

from core.books import Timing
from core.commands import Cancel, Place, Replace
from core.events import ConfigChanged, Timer
from core.ports import Capabilities
from core.snapshot import picture
from core.types import Side
from strategy import MarketMaker, strategy_of
from tests.core.builders import D, Desk
from tests.core.builders import want as wanted
from tests.test_strategy import BAND, OUTER, answer, confirm, maker, move
from tests.trading.floor import ENTRY, EXITS, REPLACEABLE, Floor
from trading.amend import Amending, Policy, PriceMove
from trading.bands import Band
from trading.maker_first import MakerFirst
from trading.quoting import SymbolQuoting
from trading.recipe import MakerFirstSettings, Recipe
from trading.risk import Limits, RiskChecks

WIDER = Band(min=D(30), target=D(40), max=D(60), quantity=D(1))


def changed(*bands: Band, version: str = "v2", **more: object) -> ConfigChanged:
    bands = bands or (BAND,)
    given: dict[str, object] = {"limits": Limits(), "timing": Timing(), **more}
    recipe = Recipe(quoting={"BTCUSDT": SymbolQuoting(bid_bands=bands, ask_bands=bands)}, **given)  # type: ignore[arg-type]
    return ConfigChanged(version=version, settings=recipe.written, changes=("quoting.x 1 -> 2",))


def quoting_desk(strategy: MarketMaker | None = None) -> Desk:
    desk = Desk(strategy or maker()).connect()
    answer(desk)
    return desk


# -- the market maker ----------------------------------------------------------------------------
def test_orders_outside_the_new_bands_are_canceled_and_placed_at_the_new_width() -> None:
    """In the step of the change both sides' orders are canceled; after the venue's word new ones stand at the new target, and no state is lost."""
    desk = quoting_desk()
    desk.step(changed(WIDER))
    cancels = desk.sent(Cancel)
    assert len(cancels) == 2 and not desk.sent(Place)
    for cancel in cancels:
        confirm(desk, cancel)
    placed = [(place.side, place.price) for place in desk.ever(Place)[2:]]
    assert placed == [(Side.BUY, D("99.60")), (Side.SELL, D("100.40"))]


def test_an_order_inside_the_new_bands_keeps_its_place() -> None:
    """A change that does not concern an order leaves it alone: queue place is worth money."""
    desk = quoting_desk()
    desk.step(changed(msgspec.structs.replace(BAND, max=D(25))))
    assert not desk.last.commands


def test_a_band_that_is_gone_takes_its_orders_with_it() -> None:
    """Orders of a band that the settings no longer have are canceled, also those whose place had no answer yet; quoting is not halted."""
    desk = Desk(maker(BAND, OUTER)).connect()
    (inner, outer, *_) = desk.sent(Place)
    answer(desk, inner)
    desk.step(changed(BAND))  # the outer place has no answer yet
    assert not desk.books.session.halted
    answer(desk, outer)
    move(desk, "99.99", "100.02")
    assert not desk.books.session.halted
    assert "gone from the settings" in desk.order(outer.client_order_id).why_cancel
    assert [cancel.client_order_id for cancel in desk.ever(Cancel)] == [outer.client_order_id]


def test_a_band_that_is_gone_is_not_moved_to_where_it_was() -> None:
    """With amend.price: replace, too: an order without a band is canceled, not replaced; one whose band has moved is."""
    replacing = Amending(can=Capabilities(cancel_replace=True), policy=Policy(price=PriceMove.REPLACE))
    desk = Desk(MarketMaker(maker(BAND, OUTER).symbols, replacing), symbols=(REPLACEABLE,)).connect()
    outer = [place.client_order_id for place in desk.sent(Place) if place.slot == (1, 0)]
    answer(desk)
    desk.step(changed(BAND, amending=replacing))
    assert [cancel.client_order_id for cancel in desk.ever(Cancel)] == outer and not desk.ever(Replace)
    moved = Desk(MarketMaker(maker(BAND).symbols, replacing), symbols=(REPLACEABLE,)).connect()
    answer(moved)
    moved.step(changed(WIDER, amending=replacing))
    assert len(moved.sent(Replace)) == 2 and not moved.sent(Cancel)


# -- the maker-first trader ----------------------------------------------------------------------
def other_trader(**entry: object) -> ConfigChanged:
    settings = MakerFirstSettings(entry=msgspec.structs.replace(ENTRY, **entry), exits=msgspec.structs.replace(EXITS, deadline_ms=400))
    return changed(maker_first=settings)


def begun() -> Floor:
    floor = Floor()
    floor.connect()
    return floor


def test_a_shorter_deadline_does_not_shorten_that_of_an_entry_under_way() -> None:
    """The entry goes on with its own deadline and its own take-profit; the next one has the new ones."""
    floor = begun()
    floor.enter()
    before = floor.trader.entries[Side.BUY].task
    floor.step(other_trader(deadline_ms=200, take_profit_bps=D(50)))
    assert floor.trader.entries[Side.BUY].task == before and not floor.changes()
    floor.touch("99.99", "100.01", after_ms=1000)  # beyond the new deadline, within its own
    assert floor.trader.entries[Side.BUY].task == before and not floor.changes()
    floor.touch("99.99", "100.01", after_ms=1100)
    floor.canceled(floor.one(Cancel))
    floor.hand.side = Side.SELL
    floor.touch("99.99", "100.01", after_ms=2000)
    new = floor.trader.entries[Side.SELL].task
    assert (new.deadline_ns - new.created_ns, new.take_profit_bps) == (200_000_000, D(50))


def test_lots_and_exits_go_on() -> None:
    """A lot from before the change is still held and left; its exit's quantity is the lot's, at the deadline of the new settings."""
    floor = begun()
    floor.lot()
    held = floor.trader.lots.quantity(Side.BUY)
    floor.step(other_trader(lots_max=1))
    assert floor.trader.lots.quantity(Side.BUY) == held > 0
    floor.touch("100.20", "100.22", after_ms=100)
    (chase,) = floor.trader.exits.values()
    assert chase.task.deadline_ns - chase.task.created_ns == 400_000_000 and chase.task.quantity == held


def test_a_fallback_that_was_switched_off_takes_nothing() -> None:
    """A timeout waits to be thought over when the person switches the fallback off: the market is not taken."""
    floor = begun()
    floor.enter()
    floor.touch("99.99", "100.01", after_ms=2100)
    floor.canceled(floor.one(Cancel))
    assert Side.BUY in floor.trader.recheck
    floor.step(other_trader(fallback=False))
    floor.touch("99.99", "100.01", after_ms=100)
    assert Side.BUY not in floor.trader.recheck and not floor.changes()


def test_a_trailing_stop_that_was_switched_off_leaves_no_lot() -> None:
    """A lot that trails already is not left when `trail_bps` becomes 0: off is off, not a distance of nothing."""
    floor = Floor(exits=msgspec.structs.replace(EXITS, trail_from_bps=D(2), trail_bps=D(8)))
    floor.connect()
    floor.lot()
    floor.touch("100.04", "100.06", after_ms=50)
    (lot,) = floor.trader.lots.open[Side.BUY]
    assert lot.is_trailing and not floor.trader.exits
    floor.step(other_trader())  # EXITS: trail_bps 0
    floor.touch("100.03", "100.05", after_ms=50)
    assert not floor.trader.exits and not floor.changes()


def test_a_runner_that_was_switched_off_has_its_take_profit() -> None:
    """The oldest lot, let run so far, is left at its take-profit from the change on."""
    floor = Floor(exits=msgspec.structs.replace(EXITS, runner=True))
    floor.connect()
    floor.lot()
    floor.touch("100.20", "100.22", after_ms=50)
    assert not floor.trader.exits
    floor.step(other_trader())  # EXITS: runner false
    assert len(floor.trader.exits) == 1


def test_the_built_in_signal_takes_its_settings_and_keeps_its_averages() -> None:
    """The averages go on with the new times."""
    made = MakerFirst(MakerFirstSettings())
    made.signal.read("BTCUSDT", D(100), 1)
    saved = made.signal.save()
    new = MakerFirstSettings(signal=msgspec.structs.replace(MakerFirstSettings().signal, slow_s=D(90)))
    made.adopt(Recipe(quoting={}, limits=Limits(), timing=Timing(), maker_first=new).written)
    assert made.signal.settings.slow_s == 90 and made.signal.save() == saved  # type: ignore[attr-defined]


def test_the_trader_knows_the_largest_order_from_the_start_and_when_it_changes() -> None:
    """Its exits go in parts of it (tests/trading/test_leaving.py): from the recipe a run is made of, and from the one it takes."""
    recipe = Recipe(quoting={}, limits=Limits(order_notional_max=D(300)), timing=Timing(), maker_first=MakerFirstSettings())
    made = strategy_of(recipe)
    assert isinstance(made, MakerFirst) and made.notional_max == 300
    made.adopt(msgspec.structs.replace(recipe, limits=Limits(order_notional_max=D(100))).written)
    assert made.notional_max == 100


# -- risk and timing -----------------------------------------------------------------------------
def test_new_limits_are_asked_at_once() -> None:
    """The next place is judged by the new limit."""
    desk = Desk(risk=RiskChecks(Limits())).connect()
    desk.step(changed(limits=Limits(order_notional_max=D(50))))
    desk.script.places = [wanted()]
    desk.step(Timer(), after_ms=100)
    assert not desk.sent(Place) and "above risk.order_notional_max 50" in desk.words()


def test_new_times_hold_for_what_is_asked_from_now_on() -> None:
    """A place under way keeps its deadline, the next one has the new; the next proof comes no later than the new interval."""
    desk = Desk(timing=Timing(order_timeout_ms=3000, proof_every_ms=3_600_000)).connect()
    first = desk.place()
    due_ns = desk.order(first.client_order_id).place_asked.deadline_ns  # type: ignore[union-attr]
    desk.step(changed(timing=Timing(order_timeout_ms=900, proof_every_ms=2000, book_age_ms_max=700)))
    assert desk.order(first.client_order_id).place_asked.deadline_ns == due_ns  # type: ignore[union-attr]
    second = desk.place(wanted(slot=(0, 1), price="98"))
    assert second.timeout_ms == 900
    assert desk.engine.audit.next_proof_ns <= desk.books.now_ns + 2_000_000_000
    assert desk.books.session.book_age_ms_max == 700


# -- what a person sees --------------------------------------------------------------------------
def test_each_change_and_the_version_are_said_once() -> None:
    """One CONFIG line per change and one for the version; the versions in force are in the picture, with their times."""
    desk = quoting_desk()
    desk.step(changed(WIDER), after_ms=5)
    said = [notice.words() for notice in desk.last.notices if notice.tag == "CONFIG"]
    assert said == ["quoting.x 1 -> 2", "settings v2 in force from this tick"]
    desk.step(changed(WIDER, version="v3"), after_ms=5)
    assert [notice.words() for notice in desk.last.notices if notice.tag == "CONFIG"][-1] == "settings v2 -> v3 in force from this tick"
    shown = picture(desk.engine)
    assert shown is not None
    assert [one.version for one in shown.config_versions] == ["v2", "v3"]
    assert shown.config_versions[0].since_ns < shown.config_versions[1].since_ns == desk.books.now_ns


def test_the_versions_kept_are_bounded() -> None:
    """A file saved without end costs no memory without end."""
    desk = quoting_desk()
    for number in range(150):
        desk.step(changed(version=f"v{number}"))
    assert len(desk.books.config_versions) == 100 and desk.books.config_versions[-1][0] == "v149"


def test_a_part_without_settings_is_left_alone() -> None:
    """A strategy or risk that cannot adopt goes on as it was; the engine's times change."""
    desk = Desk().connect()
    desk.step(changed(timing=Timing(cooldown_ms=77)))
    assert desk.engine.timing == desk.books.timing == Timing(cooldown_ms=77)
