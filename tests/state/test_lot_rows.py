"""Lots in the store: what the trader's memories tell, live and rebuilt, and the report that shows them from the store alone."""

import time
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, select

from core.commands import Cancel, Place
from core.engine import Step
from core.events import Boot
from core.notices import Remembered
from core.types import Side
from runtime.worker import Worker
from state.intents import Intents
from state.keeper import Keeper
from state.lot_rows import lots_of
from state.rebuild import rebuild
from state.recorder import Recorder
from state.report import build
from state.report_words import lines
from state.schema import lot_exits, lots
from state.store import FILE, Store, alembic_config
from tests.core.builders import BTC
from tests.state.store_builders import AT_NS, BOOT, RUN, TAG
from tests.timing import SOON_S
from tests.trading.floor import D, Floor


def stored(store: Path) -> dict[str, dict[str, object]]:
    with create_engine(f"sqlite:///{store}").connect() as connection:
        return {str(row["lot_id"]): dict(row) for row in connection.execute(select(lots)).mappings()}


class Remembering(Floor):
    """A floor that keeps what the trader wants remembered, as the recorder would hear it."""

    def __init__(self) -> None:
        self.memories: list[str] = []
        super().__init__()
        self.connect()

    def step(self, *events: object, after_ms: int = 0) -> Step:
        step = super().step(*events, after_ms=after_ms)  # type: ignore[arg-type]
        self.memories += [fact.text for fact in step.facts if isinstance(fact, Remembered)]
        return step

    def leave(self, *parts: str) -> None:
        """The newest lot reaches its take-profit; so much of its exit is filled."""
        self.touch("100.15", "100.17", after_ms=50)
        sale = self.acknowledge(self.ever(Place)[-1])
        assert sale.side is Side.SELL
        for part in parts:
            self.trade(sale, part, fee="0.01")


def memories() -> list[str]:
    """Two lots: the first sold in two parts at a profit of 0.36, the second left in part."""
    desk = Remembering()
    desk.lot()
    desk.leave("0.5", "1.5")
    desk.touch("99.99", "100.01", after_ms=5000)
    desk.lot()
    desk.leave("0.5")
    return desk.memories


def write(folder: Path, texts: list[str]) -> None:
    """As the recorder writes them: the intents, and the store."""
    intents = Intents(folder / "intents.log")
    intents.start()
    keeper = Keeper(Store(folder / FILE), folder / "none.log", lambda reason: None)
    keeper.open(RUN)
    intents.boot(Boot(boot=BOOT, tag=TAG, venue="paper", instance="7", rules=(BTC,), limits=()), AT_NS)
    recorder = Recorder(intents, keeper)
    writer = Worker("recorder", recorder.run)
    writer.start()
    for text in texts:
        recorder.take([], [Remembered(symbol="BTCUSDT", text=text)], AT_NS + 1)
    recorder.finish(AT_NS + 2, 0, "asked")
    writer.stop(time.monotonic() + SOON_S)
    intents.stop(0)


def test_opened_left_and_closed(tmp_path: Path) -> None:
    """A lot is one row from its first fill to its end: given, exits, proceeds, profit, fees, reason, and when it was closed."""
    write(tmp_path, memories())
    rows = stored(tmp_path / FILE)
    first, second = rows["BTCUSDT BUY 1"], rows["BTCUSDT BUY 2"]
    assert (first["quantity"], first["quantity_left"], first["exits"], first["exit_reason"]) == (D(2), D(0), 2, "take-profit")
    assert first["profit"] == D(2) * (D("100.17") - D("99.99"))
    assert first["fees"] == '{"USDT":"0.02"}' and first["closed_ns"] is not None
    assert (second["quantity_left"], second["quantity_out"], second["closed_ns"]) == (D("1.5"), D("0.5"), None)
    assert first["boot"] == first["last_boot"] == BOOT


def exits(store: Path) -> list[dict[str, object]]:
    with create_engine(f"sqlite:///{store}").connect() as connection:
        return [dict(row) for row in connection.execute(select(lot_exits).order_by(lot_exits.c.trade_id)).mappings()]


def test_every_exit_fill_is_a_record(tmp_path: Path) -> None:
    """Three exit fills: each with its lot, price, share of cost and fees, reason and what it left; they add up to the lots' own sums."""
    write(tmp_path, memories())
    rows = exits(tmp_path / FILE)
    assert [(row["lot_id"], row["quantity"], row["quantity_left"], row["reason"]) for row in rows] == [
        ("BTCUSDT BUY 1", D("0.5"), D("1.5"), "take-profit"),
        ("BTCUSDT BUY 1", D("1.5"), D(0), "take-profit"),
        ("BTCUSDT BUY 2", D("0.5"), D("1.5"), "take-profit"),
    ]
    assert (rows[0]["cost"], rows[0]["proceeds"], rows[0]["exit_fees"], rows[0]["liquidity"]) == (
        D("0.5") * D("99.99"), D("0.5") * D("100.17"), '{"USDT":"0.01"}', "maker",
    )  # fmt: skip
    assert sum(D(str(row["profit"])) for row in rows[:2]) == stored(tmp_path / FILE)["BTCUSDT BUY 1"]["profit"]
    again = Store(tmp_path / "again.db")
    rebuild(again, tmp_path / "intents.log", from_empty=again.open())
    again.close()
    assert exits(tmp_path / "again.db") == rows
    shown = build(tmp_path / FILE, tmp_path / "intents.log", None)["lot_exits"]
    assert isinstance(shown, list)
    assert [one["lot"] for one in shown] == [row["lot_id"] for row in rows]


def test_the_report_shows_them_from_the_store_alone(tmp_path: Path) -> None:
    """Without the intents: the sums, the open lot with what is left, the closed one with its reason and profit."""
    write(tmp_path, memories())
    (tmp_path / "intents.log").unlink()
    found = build(tmp_path / FILE, tmp_path / "intents.log", None)
    said = "\n".join(lines(found))
    assert "lots     2 · 1 open · 1 closed · profit before fees +0.4500" in said
    assert "BTCUSDT BUY  2 · 2 at 99.99 · 1.5 left · 1 exits +0.0900" in said
    assert "BTCUSDT BUY  1 · 2 at 99.99 · closed: take-profit · 2 exits +0.3600" in said


def test_live_and_rebuilt_are_the_same(tmp_path: Path) -> None:
    """What the recorder wrote equals what the intents rebuild in an empty store."""
    write(tmp_path, memories())
    again = Store(tmp_path / "again.db")
    rebuild(again, tmp_path / "intents.log", from_empty=again.open())
    again.close()
    assert stored(tmp_path / FILE) == stored(tmp_path / "again.db") != {}


def test_what_no_order_can_carry_is_in_the_row_of_the_dust(tmp_path: Path) -> None:
    """The lot is closed with what went to the dust; the dust of the side is a row of its own, number 0, and the report names it."""
    desk = Remembering()
    order = desk.enter()
    desk.trade(order, "0.04")
    desk.touch("99.99", "100.01", after_ms=2001)
    desk.canceled(desk.one(Cancel))
    desk.hand.side = None
    desk.touch("99.99", "100.01", after_ms=50)
    write(tmp_path, desk.memories)
    rows = stored(tmp_path / FILE)
    assert (rows["BTCUSDT BUY 1"]["quantity_dust"], rows["BTCUSDT BUY 1"]["quantity_left"]) == (D("0.04"), D(0))
    assert rows["BTCUSDT BUY 1"]["closed_ns"] is not None
    assert rows["BTCUSDT BUY 0"]["quantity_left"] == D("0.04")
    assert "dust 0.04" in "\n".join(lines(build(tmp_path / FILE, tmp_path / "intents.log", None)))


@pytest.mark.parametrize("text", ["", "{}", '{"lots": 3}', '{"other": 1}', "no json"])
def test_a_memory_without_lots_is_no_row(text: str) -> None:
    """Another strategy's memory says nothing here, and raises nothing."""
    assert lots_of(text) is None


def test_an_older_file_gets_the_new_table(tmp_path: Path) -> None:
    """A store of the first schema is brought up to date and takes lots."""
    engine = create_engine(f"sqlite:///{tmp_path / FILE}")
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
    engine.dispose()
    write(tmp_path, memories())
    assert stored(tmp_path / FILE)["BTCUSDT BUY 1"]["quantity"] == Decimal(2)
