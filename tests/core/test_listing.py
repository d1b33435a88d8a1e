"""core.listing: the venue changes a symbol's status or its grid while the bot runs."""

from decimal import Decimal as D

from msgspec.structs import replace

from core.checkpoint import freeze, load, parts
from core.engine import Engine
from core.events import RulesChanged
from core.light import Colour
from core.types import Side
from tests.core.builders import BTC, ETH, Desk


def test_a_symbol_that_opens_turns_its_lights() -> None:
    """Booted in a BREAK: red until the venue opens the symbol, green then, without a restart; halted again: red again."""
    desk = Desk(symbols=(replace(BTC, status="BREAK"),)).connect()
    assert desk.light().reason == "symbol is not TRADING"
    desk.step(RulesChanged(rules=(BTC,)))
    assert desk.light().colour is Colour.GREEN
    desk.step(RulesChanged(rules=(replace(BTC, status="HALT"),)))
    assert [(desk.light(side).colour, desk.light(side).reason) for side in Side] == [(Colour.RED, "symbol is not TRADING")] * 2


def test_orders_stand_on_the_new_grid() -> None:
    """A coarser tick holds for whatever is asked after it, and the line names what changed."""
    desk = Desk().connect()
    desk.step(RulesChanged(rules=(replace(BTC, tick=D("0.1"), min_notional=D(10)),)))
    assert "tick 0.01 -> 0.1, min_notional 5 -> 10" in desk.words()
    assert (desk.books.rules["BTCUSDT"].tick, desk.books.account.rules["BTCUSDT"].tick) == (D("0.1"), D("0.1"))


def test_what_did_not_change_or_is_not_ours_says_nothing() -> None:
    """The same rules, and those of a symbol that is not traded, leave no word and no rule."""
    desk = Desk().connect()
    desk.step(RulesChanged(rules=(BTC, replace(ETH, symbol="XRPUSDT"))))
    assert desk.words() == "" and "XRPUSDT" not in desk.books.rules


def test_a_checkpoint_keeps_what_was_heard() -> None:
    """A tape that begins after the change is replayed with the changed rules."""
    desk = Desk().connect()
    desk.step(RulesChanged(rules=(replace(BTC, status="HALT", tick=D("0.1")),)))
    again = Engine(desk.engine.strategy, desk.engine.risk, desk.engine.timing)
    load(again, parts(freeze(desk.engine)))
    assert again.books is not None and again.books.rules["BTCUSDT"].tick == D("0.1")
    assert not again.books.session.symbols["BTCUSDT"].trading
