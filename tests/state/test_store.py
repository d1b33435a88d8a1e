"""The store's file: schema and its steps, exact amounts, one row per trade, endings that stay, permissions, refusals, damage."""

import os
import sqlite3
import stat
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.engine import Engine

from state.lot_rows import ExitRow, LotRow
from state.rows import OrderRow, ReportRow, Rows, RunRow, report_row, run_row, take, trade_row
from state.schema import REVISION, exact, execution_reports, lot_exits, lots, orders, runs
from state.store import Store, StoreFailed, StoreRefused, alembic_config, known_revisions, revision_of
from tests.state.store_builders import AT_NS, BOOT, RUN, SCOPE, fill, filled, order_id, reported, sent, standing


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store.db")
    assert made.open()
    return made


def reading(store: Store) -> Engine:
    return create_engine(f"sqlite:///{store.path}")


def rows_of(*notices: object) -> Rows:
    rows, run = Rows(), run_row(RUN)
    for notice in notices:
        take(rows, run, AT_NS, notice)  # type: ignore[arg-type]
    return rows


def all_of(store: Store, table: object) -> list[dict[str, object]]:
    with reading(store).connect() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]  # type: ignore[call-overload]


def test_the_steps_make_the_tables_of_a_new_file(store: Store) -> None:
    """What Alembic's steps build is what a new file gets from schema.py, column by column, with the same revision."""
    stepped = create_engine("sqlite://")
    with stepped.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
        assert revision_of(connection) == REVISION
    made, expected = inspect(stepped), inspect(reading(store))
    with reading(store).connect() as connection:
        assert revision_of(connection) == REVISION
    assert set(made.get_table_names()) == set(expected.get_table_names())
    for table in expected.get_table_names():
        told = [(column["name"], str(column["type"]), column["nullable"]) for column in made.get_columns(table)]
        wanted = [(column["name"], str(column["type"]), column["nullable"]) for column in expected.get_columns(table)]
        assert told == wanted, table
        assert made.get_pk_constraint(table)["constrained_columns"] == expected.get_pk_constraint(table)["constrained_columns"]
        assert {index["name"] for index in made.get_indexes(table)} == {index["name"] for index in expected.get_indexes(table)}
    assert REVISION in known_revisions()
    assert not store.open()


@pytest.mark.parametrize(("row", "table"), [(RunRow, runs), (OrderRow, orders), (ReportRow, execution_reports), (LotRow, lots), (ExitRow, lot_exits)])
def test_rows_have_the_order_of_their_columns(row: type[msgspec.Struct], table: object) -> None:
    """Rows go to the driver by position, so their fields stand in the table's order."""
    assert list(row.__struct_fields__) == [column.name for column in table.columns]  # type: ignore[attr-defined]


def test_only_the_owner_reads_the_file(store: Store) -> None:
    """The database and its write-ahead log are 0600."""
    store.write(rows_of(filled(1)))
    for path in store.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("text", ["0.00000912", "9.12E-6", "1E+5", "-0.10", "0", "123456789012345678901234567890.123456789"])
def test_amounts_come_back_exactly(store: Store, text: str) -> None:
    """A price written is the price read, without a float on the way."""
    store.write(rows_of(filled(1, price=Decimal(text))))
    assert all_of(store, execution_reports)[0]["price"] == Decimal(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18))
def test_every_amount_survives_its_text(value: Decimal) -> None:
    """Text and back is the same number, and never an exponent."""
    assert Decimal(exact(value)) == value and "E" not in exact(value)


@given(prices=st.lists(st.decimals(min_value=Decimal("1E-12"), max_value=Decimal("1E12"), allow_nan=False), min_size=1, max_size=20))
@settings(max_examples=20, deadline=None)
def test_every_amount_survives_the_file(prices: list[Decimal], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the venue names as a price is in the file as that number."""
    store = Store(tmp_path_factory.mktemp("exact") / "store.db")
    store.open()
    store.write(rows_of(*(filled(number, price=price) for number, price in enumerate(prices))))
    assert [row["price"] for row in sorted(all_of(store, execution_reports), key=lambda row: str(row["trade_id"]).zfill(9))] == prices
    store.close()


def test_no_amount_is_infinite() -> None:
    """What is no number is refused before it reaches the file."""
    with pytest.raises(ValueError, match="no amount"):
        exact(Decimal("Infinity"))


def test_a_trade_is_one_row_whoever_tells_it(store: Store) -> None:
    """Stream and REST name the same trade: the unique index keeps the first, also across runs; another symbol's trade of that id is another row."""
    store.write(rows_of(filled(5)))
    again = Rows(reports={(SCOPE, "x"): trade_row(SCOPE, "later", order_id(1), fill(5, fee=Decimal(9)))})
    store.write(again)
    store.write(rows_of(filled(5), filled(5, symbol="ETHUSDT")))
    kept = all_of(store, execution_reports)
    assert [(row["venue_execution_id"], row["boot"], row["fee"]) for row in kept] == [
        ("BTCUSDT:t5", BOOT, Decimal(0)),
        ("ETHUSDT:t5", BOOT, Decimal(0)),
    ]


def test_another_instance_has_its_own_trades(store: Store) -> None:
    """State is keyed by (venue, account instance): equal trade ids of two accounts are two rows."""
    store.write(rows_of(filled(5)))
    row = trade_row("paper/8", BOOT, order_id(1), fill(5))
    store.write(Rows(reports={("paper/8", row.venue_execution_id): row}))
    assert len(all_of(store, execution_reports)) == 2


def test_other_reports_are_kept_by_their_execution_id(store: Store) -> None:
    """NEW, CANCELED and REPLACED each leave a row under SYMBOL:x<I>; a duplicate leaves none."""
    told = [reported(1, 71), reported(1, 72, execution_type="REPLACED"), reported(1, 73, execution_type="CANCELED"), reported(1, 71)]
    store.write(rows_of(*told))
    store.write(rows_of(reported(1, 73, execution_type="CANCELED")))
    kept = {row["venue_execution_id"]: row["execution_type"] for row in all_of(store, execution_reports)}
    assert kept == {"BTCUSDT:x71": "NEW", "BTCUSDT:x72": "REPLACED", "BTCUSDT:x73": "CANCELED"}
    assert report_row(SCOPE, BOOT, told[0]).trade_id is None


def test_an_order_is_one_row_that_learns(store: Store) -> None:
    """Place, acknowledgement and ending, in groups of their own, are one order with all of them."""
    store.write(rows_of(sent(1), standing(1, "UNSEEN", venue_order_id=None)))
    store.write(rows_of(standing(1, "NEW")))
    store.write(rows_of(standing(1, "CANCELED", "execution report", venue_order_id=None)))
    [row] = all_of(store, orders)
    assert (row["status"], row["evidence"], row["is_open"], row["venue_order_id"]) == ("CANCELED", "execution report", False, 40)
    assert (row["type"], row["reason"], row["boot"]) == ("LIMIT_MAKER", "-1.4 bp of mid", BOOT)


def test_an_ending_stays(store: Store) -> None:
    """An older word that is written later, or silence, never opens an order again; another ending takes its place."""
    store.write(rows_of(standing(1, "CANCELED", "query answer")))
    store.write(rows_of(standing(1, "NEW")))
    store.write(rows_of(standing(1, "UNSEEN")))
    assert [(row["status"], row["evidence"], row["is_open"]) for row in all_of(store, orders)] == [("CANCELED", "query answer", False)]
    store.write(rows_of(standing(1, "FILLED", "execution report")))
    assert [(row["status"], row["is_open"]) for row in all_of(store, orders)] == [("FILLED", False)]


def test_silence_unsays_nothing(store: Store) -> None:
    """A place that is written again leaves the venue's word alone."""
    store.write(rows_of(standing(1, "NEW")))
    store.write(rows_of(sent(1)))
    assert [row["status"] for row in all_of(store, orders)] == ["NEW"]


def test_a_group_is_whole_or_not_at_all(store: Store) -> None:
    """A row that cannot be written takes its whole group with it."""
    rows = rows_of(filled(1))
    broken = trade_row(SCOPE, BOOT, order_id(1), fill(2))
    rows.reports[SCOPE, "broken"] = msgspec.structs.replace(broken, symbol=None)
    with pytest.raises(StoreFailed, match="NOT NULL"):
        store.write(rows)
    assert all_of(store, execution_reports) == [] and all_of(store, runs) == []


def test_a_newer_schema_is_refused(store: Store) -> None:
    """A file of a newer version is named, left as it is, and the message says what to do."""
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreRefused, match=r"newer version \(schema 9999.*delete the file: it is rebuilt"):
        store.open()
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


def test_a_damaged_file_is_set_aside(store: Store) -> None:
    """What is no database is kept under another name, and an empty store takes its place."""
    store.close()
    store.path.write_bytes(b"no database at all " * 100)
    assert store.open()
    assert store.path.with_suffix(".damaged").read_bytes().startswith(b"no database")
    store.write(rows_of(filled(1)))


def test_a_deleted_file_is_noticed(store: Store) -> None:
    """SQLite would write on into the deleted file for ever; the store knows."""
    assert not store.is_gone
    os.unlink(store.path)
    assert store.is_gone
    store.path.write_bytes(b"")
    assert store.is_gone


def test_a_full_disk_is_a_failure_with_its_name(store: Store) -> None:
    """The driver's words, without the statement; nothing of the group is kept and the next one is tried as usual."""
    assert store._engine is not None
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(StoreFailed, match="^database or disk is full$"):
        store.write(rows_of(*(filled(number) for number in range(500))))
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    store.write(rows_of(filled(1)))
    assert len(all_of(store, execution_reports)) == 1


def test_keys_of_an_instance(store: Store) -> None:
    """Key-value pairs come back with their times, those of another instance do not, deleted ones are gone."""
    store.write(Rows(), [(SCOPE, "a", "1", 5), (SCOPE, "b", "2", 6), ("paper/8", "a", "3", 7)])
    store.write(Rows(), [(SCOPE, "a", "4", 8)], [(SCOPE, "b")])
    assert store.keys(SCOPE) == {"a": ("4", 8)}


def test_unfinished_runs_are_counted(store: Store) -> None:
    """A run without an end was killed; one with an end was not."""
    rows = rows_of(filled(1))
    store.write(rows)
    assert store.unfinished_runs() == 1
    rows.runs[SCOPE, BOOT].ended_ns = AT_NS
    store.write(rows)
    assert store.unfinished_runs() == 0


def test_a_closed_store_says_so(store: Store) -> None:
    """A write after the close is a failure like any other."""
    store.close()
    with pytest.raises(StoreFailed, match="closed"):
        store.write(rows_of(filled(1)))
