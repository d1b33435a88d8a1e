"""The trailing stop, step by step: when it is active, what it follows, where it leaves; through gaps, restarts and new settings in between."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from core.books import Timing
from core.commands import Place
from core.events import ConfigChanged
from core.lots import Lot
from core.notices import Remembered
from core.types import Side
from tests.trading.floor import ENTRY, EXITS, REPLACEABLE, D, Floor
from trading.exits import ExitSettings, watch, why_leave
from trading.recipe import MakerFirstSettings, Recipe
from trading.risk import Limits

SETTINGS = ExitSettings(stop_loss_bps=D(30), trail_from_bps=D(6), trail_bps=D(4), time_limit_s=0)
RESTART = "restart"
OFF, ON, TRAIL, STOP = "not active", "active", "trailing stop", "stop-loss"

# Of a BUY lot at 100: a price and what holds then, a restart, or settings from then on. A SELL lot walks the same path mirrored at 100.
Step = tuple[str, str] | str | dict[str, Decimal]
WALKS: dict[str, tuple[Step, ...]] = {
    "active exactly at its gain, not before": (("100.05", OFF), ("100.06", ON)),
    "stays active below its gain, leaves at its distance": (("100.06", ON), ("100.03", ON), ("100.019", TRAIL)),
    "follows the best price only": (("100.06", ON), ("100.50", ON), ("100.47", ON), ("100.49", ON), ("100.459", TRAIL)),
    "a price before it was active is no best of it": (("100.059", OFF), ("100.00", OFF), ("100.06", ON), ("100.03", ON)),
    "a gap from a loss over its gain activates it there": (("99.80", OFF), ("101", ON), ("100.97", ON), ("100.95", TRAIL)),
    "a gap through it leaves, above the lot's price": (("100.50", ON), ("100.10", TRAIL)),
    "a gap through it below the lot's price still is a trailing stop": (("100.50", ON), ("99.80", TRAIL)),
    "a gap through the stop-loss as well is a stop-loss": (("100.50", ON), ("99.60", STOP)),
    "not active, the stop-loss alone holds": (("100.05", OFF), ("99.71", OFF), ("99.70", STOP)),
    "a restart keeps that it is active, and the best": (("100.50", ON), RESTART, ("100.47", ON), ("100.45", TRAIL)),
    "a restart before it was active": (("100.05", OFF), RESTART, ("100.01", OFF), ("100.06", ON)),
    "the market ran on while nobody looked": (("100.06", ON), RESTART, ("100.80", ON), RESTART, ("100.75", TRAIL)),
    "a shorter trail leaves at once": (("100.50", ON), ("100.47", ON), {"trail_bps": D(2)}, ("100.47", TRAIL)),
    "a longer one holds on": (("100.50", ON), {"trail_bps": D(10)}, ("100.45", ON), ("100.39", TRAIL)),
    "a later activation takes none back": (("100.06", ON), {"trail_from_bps": D(50)}, ("100.03", ON), ("100.019", TRAIL)),
    "an earlier activation": (("100.05", OFF), {"trail_from_bps": D(3)}, ("100.04", ON), ("99.99", TRAIL)),
    "activated below an earlier best": ({"trail_from_bps": D(50)}, ("100.40", OFF), {"trail_from_bps": D(6)}, ("100.10", ON)),
    "off, then on again": (("100.50", ON), {"trail_bps": D(0)}, ("100.30", ON), {"trail_bps": D(4)}, ("100.47", ON), ("100.45", TRAIL)),
    "switched on later": ({"trail_bps": D(0)}, ("100.50", OFF), {"trail_bps": D(4)}, ("100.03", OFF), ("100.06", ON)),
    "both together": (("100.50", ON), {"trail_bps": D(10)}, RESTART, ("100.45", ON), {"trail_bps": D(2)}, RESTART, ("100.45", TRAIL)),
    "active from the first moment": ({"trail_from_bps": D(0)}, ("99.99", OFF), ("100", ON), ("99.95", TRAIL)),
}  # fmt: skip


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("walk", list(WALKS))
def test_a_walk_of_the_price(walk: str, side: Side) -> None:
    """Each step of each path, for both sides: active or not, and the reason to leave."""
    lot, settings = Lot(number=1, side=side, opened_ns=0, take_profit_bps=D(0), reason=""), SETTINGS
    lot.held.quantity, lot.held.cost = D(1), D(100)
    for step in WALKS[walk]:
        if step == RESTART:
            lot = msgspec.json.decode(msgspec.json.encode(lot), type=Lot)
        elif isinstance(step, dict):
            settings = replace(settings, **step)
        else:
            price = D(step[0]) if side is Side.BUY else 200 - D(step[0])
            watch(lot, price, settings)
            why = why_leave(lot, price, settings, 0, is_runner=True, is_closing=False)
            assert (why.value if why else ON if lot.is_trailing else OFF) == step[1], step


def with_exits(desk: Floor, **exits: Decimal) -> None:
    settings = MakerFirstSettings(entry=ENTRY, exits=replace(EXITS, **exits))
    recipe = Recipe(quoting={}, limits=Limits(), timing=Timing(), maker_first=settings)
    desk.step(ConfigChanged(version="v2", settings=recipe.written, changes=("maker_first.exits 1 -> 2",)))


@pytest.mark.parametrize("side", list(Side))
def test_under_the_engine_with_a_kill_and_a_new_trail_in_between(side: Side) -> None:
    """Active at +9 bps, killed, begun again from the newest memory: 5 bps below the best are nothing to a trail of 8; set to 4 it leaves whole."""
    exits, is_buy = replace(EXITS, trail_from_bps=D(6), trail_bps=D(8)), side is Side.BUY
    desk = Floor(exits=exits)
    desk.connect()
    desk.held("2", side, "99.95" if is_buy else "100.05").take_profit_bps = D(0)
    desk.touch(*(("100.04", "100.06") if is_buy else ("99.94", "99.96")), after_ms=50)
    (memory,) = [notice.text for notice in desk.last.notices + desk.last.facts if isinstance(notice, Remembered)][-1:]
    again = Floor(exits=exits)
    again.maker.resume((REPLACEABLE,), {"BTCUSDT": memory}, ())
    again.connect()
    again.touch("99.99", "100.01", after_ms=50)
    assert not again.ever(Place)
    with_exits(again, trail_from_bps=D(6), trail_bps=D(4))
    place = again.one(Place)
    assert (place.side, place.quantity, again.trader.exits[f"{side} 1"].task.reason) == (side.opposite, D(2), "trailing stop")
