"""What the maker-first trader knows after a restart: the same entry under the same number, lots from memory and fills, flags, numbers."""

from pathlib import Path

import msgspec

from core.checkpoint import freeze, hash_of, load, parts
from core.commands import Cancel, Place
from core.engine import Engine
from core.events import Boot, StopRequested
from core.notices import Ended, Filled, Remembered, Sent
from core.sizes import sizes
from core.types import Liquidity, Side
from state.intents import Intents
from state.ledger import Recovery, recover, rotate
from state.recorder import Recorder
from tests.core.builders import BTC, LATER_BOOT, LIMITS, TAG, NoRisk, fill
from tests.trading.floor import D, Floor
from trading.maker_first import MakerFirst
from trading.trader import Trader


class Disk(Floor):
    """A floor whose steps are written as the lanes and the recorder write them; `until` cuts the recorder off at a moment of the test's choice."""

    def __init__(self, path: Path) -> None:
        self.intents = Intents(path)
        self.intents.start()
        self.recorder = Recorder(self.intents)
        self.written: tuple[type, ...] = (Filled, Ended, Sent, Remembered)
        super().__init__()
        self.intents.boot(Boot(boot="m0", tag=TAG, venue="paper", instance="i1", rules=(BTC,), limits=LIMITS), 0)

    def step(self, *events: object, after_ms: int = 0):  # type: ignore[no-untyped-def]
        step = super().step(*events, after_ms=after_ms)  # type: ignore[arg-type]
        for command in step.commands:
            if isinstance(command, Place | Cancel):
                self.intents.intent(command)
        for notice in (*step.notices, *step.facts):
            if isinstance(notice, self.written):
                self.recorder.to_intents(self.ms, notice)
        return step

    def recovery(self) -> Recovery:
        return recover(self.intents.path, "i1")


def reborn(recovery: Recovery) -> Floor:
    """The next process: a new engine and strategy, told what the file says."""
    desk = Floor()
    desk.engine = Engine(desk.maker, NoRisk(), desk.engine.timing)
    desk.step(
        Boot(
            boot=LATER_BOOT, tag=TAG, venue="paper", instance="i1", rules=(BTC,), limits=LIMITS, undecided=recovery.undecided,
            known_fills=recovery.known_fills, memories=recovery.memories, told=recovery.told,
        )
    )  # fmt: skip
    return desk


def shape(trader: Trader) -> object:
    """All but when it was written."""
    data = msgspec.to_builtins(trader)
    for name in ("saved_ns", "is_changed", "beats"):
        del data[name]
    for chase in (*data["entries"].values(), *data["exits"].values()):
        del chase["next_ns"], chase["placed_ns"]
    return data


def test_a_restart_continues_the_same_entry_with_its_order(tmp_path: Path) -> None:
    """Killed while an entry rests: the next process has the same number, deadline, partial fill, and knows its order at the venue as the entry's."""
    desk = Disk(tmp_path / "intents.log")
    desk.connect()
    order = desk.enter()
    desk.trade(order, "0.5")
    again = reborn(desk.recovery())
    assert shape(again.trader) == shape(desk.trader)
    (known,) = again.books.orders.open("BTCUSDT", Side.BUY)
    assert (known.client_order_id, known.memo, known.slot) == (order.client_order_id, order.memo, (0, 1))


def test_an_entry_whose_memory_was_not_written_is_begun_again_from_its_order(tmp_path: Path) -> None:
    """The place had left, the memory was not written: its memo alone gives number, deadline and task; the number is never given again."""
    desk = Disk(tmp_path / "intents.log")
    desk.connect()
    desk.touch("99.99", "100.01")
    desk.written = ()
    order = desk.enter()
    again = reborn(desk.recovery())
    assert again.trader.entries[Side.BUY].task == desk.trader.entries[Side.BUY].task
    assert again.trader.entries[Side.BUY].history == [order.client_order_id]
    assert again.trader.lots.next_number[Side.BUY] == 2


def test_fills_after_the_newest_memory_are_told_once(tmp_path: Path) -> None:
    """Killed between a fill's record and the memory that follows it: the lot is the same as without the kill."""
    desk = Disk(tmp_path / "intents.log")
    desk.connect()
    order = desk.enter()
    desk.written = (Filled, Ended, Sent)
    desk.trade(order, "0.5")
    recovery = desk.recovery()
    assert [one.fill.quantity for one in recovery.told if one.fill is not None] == [D("0.5")]
    assert shape(reborn(recovery).trader) == shape(desk.trader)


def test_a_fill_heard_while_stopping_is_written_down_too(tmp_path: Path) -> None:
    """No decision follows a stop; the fill that its cancel met is in the last memory all the same, and nothing is left to tell."""
    desk = Disk(tmp_path / "intents.log")
    desk.connect()
    order = desk.enter()
    desk.step(StopRequested(reason="Ctrl-C"))
    desk.trade(order, "0.5")
    recovery = desk.recovery()
    assert [one for one in recovery.told if one.fill is not None] == []
    assert [lot.quantity for lot in reborn(recovery).trader.lots.open[Side.BUY]] == [D("0.5")]


def test_the_recheck_flag_and_the_numbers_survive(tmp_path: Path) -> None:
    """A timeout's flag is thought over by the next process; its entry takes the next number."""
    desk = Disk(tmp_path / "intents.log")
    desk.connect()
    desk.enter()
    desk.touch("99.99", "100.01", after_ms=2001)
    desk.canceled(desk.one(Cancel))
    again = reborn(desk.recovery())
    again.ms = desk.ms
    again.connect()
    again.hand.side = Side.BUY
    again.touch("99.99", "100.01", after_ms=50)
    place = again.ever(Place)[-1]
    assert (place.slot, place.quantity) == ((0, 2), D(2))
    assert again.trader.recheck == {}


def test_a_fill_learned_only_at_the_restart_makes_the_lot_too(tmp_path: Path) -> None:
    """Filled while no bot was looking: the account read of the next process books it, and the lot is there."""
    desk = Disk(tmp_path / "intents.log")
    desk.connect()
    order = desk.enter()
    again = reborn(desk.recovery())
    again.connect()
    known = again.order(order.client_order_id)
    known.venue_order_id = order.venue_order_id
    again.trade(known, "2")
    again.touch("99.99", "100.01", after_ms=50)
    assert [lot.quantity for lot in again.trader.lots.open[Side.BUY]] == [D(2)]


def structure(trader: Trader) -> object:
    """What a restart must find, whatever else has moved: tasks under way, flags, rests, lots, numbers."""
    lots = trader.lots
    tasks = [{key: chase.task for key, chase in chases.items()} for chases in (trader.entries, trader.exits)]
    held = [(lot.number, lot.side, lot.quantity, lot.is_committed, lot.is_trailing) for side in Side for lot in lots.open[side]]
    dust = {side: lots.dust[side].quantity for side in Side}
    return tasks, dict(trader.recheck), dict(trader.rest_until_ns), held, dust, dict(lots.next_number), dict(lots.runner)


class Watched(Floor):
    """A floor that looks after every step whether what has changed is written down with that very step."""

    def __init__(self, **given: object) -> None:
        self.memory, self.changes_seen = "", 0
        super().__init__(**given)  # type: ignore[arg-type]
        self.before = structure(self.trader)

    def step(self, *events: object, after_ms: int = 0):  # type: ignore[no-untyped-def]
        step = super().step(*events, after_ms=after_ms)  # type: ignore[arg-type]
        self.memory = next((notice.text for notice in (*step.notices, *step.facts) if isinstance(notice, Remembered)), self.memory)
        if hasattr(self, "before") and (now := structure(self.trader)) != self.before:
            self.before, self.changes_seen = now, self.changes_seen + 1
            assert structure(msgspec.json.decode(self.memory, type=Trader)) == now
        return step


def test_every_change_is_written_down_in_its_own_step() -> None:
    """Entry begun, timed out, thought over, taken; exit begun, in part, at the market, over; dust; a signal that turned: each is in the memory of its
    step."""
    desk = Watched()
    desk.connect()
    desk.enter()
    desk.touch("99.99", "100.01", after_ms=2001)
    desk.canceled(desk.one(Cancel))
    desk.touch("99.99", "100.01", after_ms=50)
    desk.trade(desk.acknowledge(desk.one(Place)), "2", "100.01", Liquidity.TAKER)
    desk.hand.side = None
    desk.touch("99.99", "100.01", after_ms=50)
    desk.touch("99.60", "99.62", after_ms=50)
    desk.trade(desk.acknowledge(desk.one(Place)), "0.5")
    desk.touch("99.60", "99.62", after_ms=400)
    desk.canceled(desk.one(Cancel))
    desk.trade(desk.acknowledge(desk.one(Place)), "1.46", "99.60", Liquidity.TAKER)
    desk.touch("99.60", "99.62", after_ms=1100)
    desk.touch("99.60", "99.62", after_ms=1100)
    desk.enter(Side.SELL)
    desk.hand.side = Side.BUY
    desk.touch("99.99", "100.01", after_ms=50)
    desk.canceled(desk.one(Cancel))
    assert desk.changes_seen >= 11
    thin = Watched()  # the guard denies: the flag alone is what has changed
    thin.connect()
    thin.enter()
    thin.touch("99.99", "100.01", after_ms=2001)
    thin.canceled(thin.one(Cancel))
    assert Side.BUY in thin.trader.recheck
    thin.touch("99.99", "101.00", after_ms=50)
    assert thin.trader.recheck == {}


def test_a_side_that_rests_rests_on_after_a_restart(tmp_path: Path) -> None:
    """Killed right after an entry was over: the next process has the same lot, runner, sums and rest."""
    desk = Disk(tmp_path / "intents.log")
    desk.connect()
    desk.lot()
    assert desk.trader.rest_until_ns[Side.BUY] > desk.books.now_ns
    again = reborn(desk.recovery()).trader
    assert (structure(again), again.tally) == (structure(desk.trader), desk.trader.tally)


def test_a_fill_booked_by_a_run_of_another_strategy_is_told_to_the_next_trader(tmp_path: Path) -> None:
    """An entry rests at a kill, a market maker's run in between books its fill: the next maker-first run makes the lot of it, once."""
    desk = Disk(tmp_path / "intents.log")
    desk.connect()
    order = desk.enter()
    between = Boot(boot=LATER_BOOT, tag=TAG, venue="paper", instance="i1", rules=(BTC,), limits=LIMITS)
    desk.intents.boot(between, 0)
    desk.intents.fill(fill(7, order.venue_order_id or 0, order.client_order_id, price="99.99", quantity="2"))
    assert [lot.quantity for lot in reborn(desk.recovery()).trader.lots.open[Side.BUY]] == [D(2)]


def test_a_rotated_file_carries_the_memory(tmp_path: Path) -> None:
    """Lots are as old as they like: a file put aside takes none of them along. With something to tell the file stays in use."""
    desk = Disk(tmp_path / "intents.log")
    desk.connect()
    order = desk.lot()
    desk.touch("99.99", "100.01", after_ms=50)
    desk.intents.stop(0)
    recovery = recover(desk.intents.path, "i1")
    assert (recovery.undecided, recovery.told) == ((), ())
    assert rotate(desk.intents.path, recovery, at_bytes=1)
    assert recover(desk.intents.path, "i1").memories == recovery.memories
    assert order.memo not in desk.intents.path.read_text(errors="replace")


def test_the_strategy_is_in_the_checkpoint_and_has_caps() -> None:
    """A checkpoint in the middle of an entry with a lot gives an engine that goes on alike; every container has a cap."""
    desk = Floor()
    desk.connect()
    desk.lot()
    desk.touch("100.10", "100.12", after_ms=50)
    desk.trade(desk.acknowledge(desk.one(Place)), "0.7", liquidity=Liquidity.MAKER)
    desk.hand.side = Side.SELL
    desk.touch("100.11", "100.12", after_ms=3000)
    copy = Engine(MakerFirst(desk.maker.settings, desk.maker.amending, type(desk.hand)()), NoRisk(), desk.engine.timing)
    load(copy, parts(freeze(desk.engine)))
    assert hash_of(copy) == hash_of(desk.engine)
    assert not [size for size in sizes(desk.engine) if size.is_over]
