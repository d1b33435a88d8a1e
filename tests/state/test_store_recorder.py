"""The recorder and the store: grouped writes, and what happens when the database is deleted, full or damaged under the bot."""

import os
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import create_engine, func, select

from core.events import Boot
from core.notices import Ended, Notice, Recovered, Said
from core.types import Side
from runtime.worker import Worker
from state import keeper as keeper_module
from state import recorder as recorder_module
from state.intents import EndRecord, HoldingsRecord, Intents, read
from state.keeper import Keeper
from state.recorder import Recorder
from state.rows import Rows
from state.schema import execution_reports, key_value, orders, runs
from state.store import Store, StoreFailed, StoreRefused
from tests.state.store_builders import AT_NS, BOOT, RUN, TAG, fill, filled, holdings, order_id, reported, sent, standing
from tests.timing import SOON_S


class Scene:
    """Intents, store, keeper and recorder of one run, and what the engine was told of the store's health."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[str] = []
        self.intents = Intents(folder / "intents.log")
        self.intents.start()
        self.intents.boot(Boot(boot=BOOT, tag=TAG, venue="paper", instance="7", rules=(), limits=()), AT_NS)
        self.store = Store(folder / "store.db")
        self.keeper = Keeper(self.store, self.intents.path, self.told.append)
        self.recorder = Recorder(self.intents, self.keeper)
        self.writer = Worker("recorder", self.recorder.run)

    def start(self) -> None:
        self.keeper.open(RUN)
        self.writer.start()

    def stop(self) -> None:
        self.writer.stop(time.monotonic() + SOON_S)
        self.intents.stop(0)

    def count(self, table: object) -> int:
        with create_engine(f"sqlite:///{self.store.path}").connect() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]

    def take(self, *notices: Notice) -> None:
        self.recorder.take([], notices, AT_NS)

    def until(self, true: Callable[[], bool]) -> None:
        ends_s = time.monotonic() + SOON_S
        while not true():
            assert time.monotonic() < ends_s, "it never came"
            time.sleep(0.005)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(recorder_module, "POLL_S", 0.01)
    monkeypatch.setattr(keeper_module, "RETRY_S_FIRST", 0.01)
    made = Scene(tmp_path)
    yield made
    made.stop()


def test_everything_taken_is_in_the_store_after_the_stop(scene: Scene) -> None:
    """Orders, trades, other reports, holdings, key-value pairs and the run's end are written before stop returns."""
    scene.start()
    scene.recorder.take([sent(1), Said(tag="WS", text="x"), filled(3)], [reported(1, 70), standing(1, "NEW"), holdings("900", "6")], AT_NS)
    scene.keeper.keys.set("lot", "1", 5)
    scene.recorder.finish(AT_NS + 5, 0, "15 s are over")
    scene.stop()
    assert (scene.count(orders), scene.count(execution_reports), scene.count(runs), scene.count(key_value)) == (1, 2, 1, 1)
    with create_engine(f"sqlite:///{scene.store.path}").connect() as connection:
        run = connection.execute(select(runs)).mappings().one()
    assert (run["ended_ns"], run["exit_code"], run["end_reason"]) == (AT_NS + 5, 0, "15 s are over")
    assert run["balances"] == '{"USDT":["900","0"],"BTC":["6","0"]}'
    assert scene.told == [] and scene.recorder.left_out == 0


def test_writes_are_grouped(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand facts are a few transactions, not a thousand."""
    scene.keeper.open(RUN)
    groups: list[int] = []
    write = scene.store.write

    def counting(rows: Rows, *keys: object) -> None:
        groups.append(len(rows))
        write(rows)

    monkeypatch.setattr(scene.store, "write", counting)
    for number in range(1000):
        scene.take(reported(1, number))
    scene.writer.start()
    scene.stop()
    assert scene.count(execution_reports) == 1000 and len(groups) <= 12


def test_a_database_deleted_under_the_bot_is_rebuilt(scene: Scene) -> None:
    """It is noticed without a write, told, rebuilt from the intents with the key-value pairs from memory, and told again; nothing is lost."""
    scene.start()
    scene.recorder.take([filled(1)], [standing(1, "NEW")], AT_NS)
    scene.keeper.keys.set("lot", "1", 5)
    scene.until(lambda: not scene.keeper.is_waiting and scene.count(key_value) == 1)
    for ending in ("", "-wal", "-shm"):
        os.unlink(f"{scene.store.path}{ending}")
    scene.until(lambda: scene.told[-1:] == [""])
    assert scene.told == ["the database is gone (store.db)", ""]
    scene.recorder.take([filled(2)], [], AT_NS)
    scene.stop()
    assert (scene.count(execution_reports), scene.count(key_value), scene.count(runs)) == (2, 1, 1)
    assert scene.keeper.rebuilds == 1


def test_while_the_store_fails_nothing_is_lost_and_it_is_tried_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told once; the intents go on; the rows wait and are written when it takes writes again."""
    scene.start()
    write, full = scene.store.write, [True]

    def failing(*arguments: object) -> None:
        if full[0]:
            raise StoreFailed("database or disk is full")
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(scene.store, "write", failing)
    scene.keeper.keys.set("lot", "1", 5)
    scene.recorder.take([filled(1)], [], AT_NS)
    scene.until(lambda: scene.told == ["database or disk is full"])
    scene.recorder.take([filled(2)], [], AT_NS)
    scene.until(lambda: len(list(read(scene.intents.path))) == 3)
    full[0] = False
    scene.until(lambda: scene.told == ["database or disk is full", ""])
    scene.stop()
    assert (scene.count(execution_reports), scene.count(key_value)) == (2, 1)


def test_rows_that_wait_have_a_limit(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that stays away does not fill the memory: beyond the limit rows are left out and counted."""
    monkeypatch.setattr(keeper_module, "ROWS_WAITING_MAX", 10)
    scene.keeper.open(RUN)
    for number in range(50):
        scene.keeper.take(AT_NS, reported(1, number))
    assert len(scene.keeper._rows) == 10 and scene.keeper.left_out == 41


def test_a_store_that_cannot_be_opened_only_keeps_orders_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start goes on without a database; the engine is told from the recorder's thread, and again when it came."""
    opened, away = scene.store.open, [True]

    def opening() -> bool:
        if away[0]:
            raise StoreFailed("unable to open database file")
        return opened()

    monkeypatch.setattr(scene.store, "open", opening)
    scene.start()
    scene.until(lambda: scene.told == ["unable to open database file"])
    away[0] = False
    scene.until(lambda: scene.told == ["unable to open database file", ""])


def test_a_newer_schema_stops_the_start(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal of the store reaches bot.py as it is."""
    monkeypatch.setattr(scene.store, "open", lambda: (_ for _ in ()).throw(StoreRefused("newer")))
    with pytest.raises(StoreRefused):
        scene.keeper.open(RUN)


def test_a_killed_run_is_caught_up_from_its_intents(scene: Scene) -> None:
    """What reached the intents but not the store before a kill is in the store after the next start, and the run is closed: this happens once."""
    scene.keeper.open(RUN)
    scene.keeper.flush()
    scene.intents.fill(fill(9))
    assert scene.store.unfinished_runs() == 1
    later = msgspec.structs.replace(RUN, boot="toui70")
    Keeper(scene.store, scene.intents.path, scene.told.append).open(later)
    assert scene.count(execution_reports) == 1 and scene.store.unfinished_runs() == 0


def test_keys_come_back_at_the_next_start(scene: Scene) -> None:
    """The dict in memory is loaded from the store once, at start."""
    scene.start()
    scene.keeper.keys.set("lot", "1", 5)
    scene.stop()
    again = Keeper(Store(scene.store.path), scene.intents.path, scene.told.append)
    again.open(RUN)
    assert again.keys.get("lot") == "1" and again.keys.get_last_update() == 5


def test_intents_get_what_a_rebuild_needs(scene: Scene) -> None:
    """Fills go under the order's own name, holdings at the start and then now and then and at the end, and a place the venue never saw is ended."""
    scene.intents.intent(sent(1).command)
    scene.start()
    renamed = Recovered(tag="FILL", order_id=order_id(1), fill=fill(1, client_order_id=order_id(1) + "c"))
    missing = standing(1, "REJECTED", "not found by id nor in the order list")
    scene.recorder.take([renamed], [holdings("1", "2"), holdings("3", "4"), missing], AT_NS)
    scene.recorder.take([], [holdings("5", "6")], AT_NS + 29_000_000_000)
    scene.stop()
    told = [type(record).__name__ for record in read(scene.intents.path)]
    assert told == ["BootRecord", "IntentRecord", "FillRecord", "HoldingsRecord", "EndRecord", "HoldingsRecord"]
    kept = [record.holdings for record in read(scene.intents.path) if isinstance(record, HoldingsRecord)]
    assert kept == [holdings("1", "2"), holdings("5", "6")]


def test_an_ending_with_fills_missing_says_so(scene: Scene) -> None:
    """The intents learn that an order ended before all of its fills were booked: its place is asked about again after a crash."""
    scene.start()
    ended = Ended(tag="ACK", order_id=order_id(1), side=Side.BUY, price=Decimal(1), status="FILLED", evidence="x", is_complete=False)
    scene.recorder.take([ended])
    scene.stop()
    assert [record.is_complete for record in read(scene.intents.path) if isinstance(record, EndRecord)] == [False]


def test_without_a_run_nothing_is_kept(scene: Scene) -> None:
    """Before open the keeper has no run to write for; facts are not stored under nobody's name."""
    scene.keeper.take(AT_NS, filled(1))
    scene.keeper.flush()
    assert not scene.keeper.is_waiting
