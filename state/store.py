"""The store: orders, execution reports, lots, runs and key-value pairs in one SQLite file (WAL), a projection that can be deleted and rebuilt.

Who calls it: bot.py at start (`open`, main thread), then state.recorder alone writes; state.report reads over a connection of its own.
A new file gets the tables of the schema, an older one the steps (Alembic), a newer one is refused. A group of writes is whole or not at all.
Never: a call from the trading thread; a decision that depends on what a row says.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, bindparam, case, create_engine, delete, event, func, inspect, literal_column, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from state.rows import Rows
from state.schema import REVISION, alembic_version, execution_reports, key_value, lot_exits, lots, metadata, orders, run_figures, runs

FILE = "store.db"
BUSY_MS = 1000
MIGRATIONS = Path(__file__).resolve().parent / "migrations"
KeyRow = tuple[str, str, str, int]  # venue instance, key, value, updated_ns


class StoreRefused(Exception):
    """The file cannot be used by this version; the text says why and what to do."""


class StoreFailed(Exception):
    """A write or read did not happen: disk full, file gone, file damaged."""


# -- statements ----------------------------------------------------------------------------------
def _sql(statement: Insert) -> str:
    """Text with one `?` per column, in the order of the table: rows go to the driver as they are."""
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="qmark")))


def _upsert_runs() -> Insert:
    adding = insert(runs)
    new = adding.excluded
    kept = {column.name: func.coalesce(new[column.name], column) for column in runs.columns if column.nullable}
    symbols = case((new.symbols == literal_column("'{}'"), runs.c.symbols), else_=new.symbols)
    return adding.on_conflict_do_update(
        index_elements=[runs.c.venue_instance, runs.c.boot], set_={**kept, "symbols": symbols, "as_of_ns": func.max(new.as_of_ns, runs.c.as_of_ns)}
    )


def _upsert_orders() -> Insert:
    """The newest word counts, except that silence says nothing and an ending stays."""
    adding = insert(orders)
    new, held = adding.excluded, orders.c
    says_nothing = (new.status == literal_column("'UNSEEN'")) | (new.is_open > held.is_open)
    kept = {name: func.coalesce(new[name], held[name]) for name in ("type", "time_in_force", "reason", "not_after_ns", "venue_order_id")}
    heard = {name: case((says_nothing, held[name]), else_=new[name]) for name in ("status", "evidence", "is_open")}
    moved = {name: new[name] for name in ("last_boot", "price", "quantity")}
    return adding.on_conflict_do_update(index_elements=[held.venue_instance, held.client_order_id], set_={**moved, **kept, **heard})


def _upsert_lots() -> Insert:
    """The newest memory counts; the run that told of it first stays."""
    adding = insert(lots)
    moved = {column.name: adding.excluded[column.name] for column in lots.columns if not column.primary_key and column.name != "boot"}
    return adding.on_conflict_do_update(index_elements=[lots.c.venue_instance, lots.c.lot_id], set_=moved)


def _upsert_figures() -> Insert:
    adding = insert(run_figures)
    return adding.on_conflict_do_update(
        index_elements=[run_figures.c.venue_instance, run_figures.c.boot], set_={"figures": adding.excluded.figures}
    )


def _upsert_keys() -> Insert:
    adding = insert(key_value)
    set_ = {"value": adding.excluded.value, "updated_ns": adding.excluded.updated_ns}
    return adding.on_conflict_do_update(index_elements=[key_value.c.venue_instance, key_value.c.key], set_=set_)


UPSERT_RUN, UPSERT_ORDER = _sql(_upsert_runs()), _sql(_upsert_orders())
UPSERT_LOT, UPSERT_KEY, UPSERT_FIGURES = _sql(_upsert_lots()), _sql(_upsert_keys()), _sql(_upsert_figures())
ADD_REPORT = _sql(insert(execution_reports).on_conflict_do_nothing())
ADD_EXIT = _sql(insert(lot_exits).on_conflict_do_nothing())
DROP_KEY = delete(key_value).where(key_value.c.venue_instance == bindparam("scope"), key_value.c.key == bindparam("name"))


# -- connections ---------------------------------------------------------------------------------
def connect_to(path: Path) -> Engine:
    """An engine on the file. Nothing is opened before the first connection."""
    engine = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=2)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=NORMAL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def revision_of(connection: Connection) -> str | None:
    """The schema step the file is at; None for an empty one."""
    if alembic_version.name not in inspect(connection).get_table_names():
        return None
    return connection.execute(select(alembic_version.c.version_num)).scalar()


def known_revisions() -> set[str]:
    return {script.revision for script in _scripts().walk_revisions()}


def _scripts() -> Any:
    from alembic.script import ScriptDirectory  # loaded only where a step must run: half a second of a start

    return ScriptDirectory.from_config(alembic_config())


def alembic_config(connection: Connection | None = None) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


class Store:
    """The file and its one writer. Everything raises StoreFailed but `open`, which may also raise StoreRefused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine: Engine | None = None
        self._inode = 0
        self.set_aside: Path | None = None  # where a damaged file went

    def open(self) -> bool:
        """Create or bring up to date; True where the file is new and wants to be rebuilt. A damaged file is set aside."""
        try:
            return self._open()
        except DatabaseError as error:
            if not any(word in str(error) for word in ("not a database", "malformed")):
                raise StoreFailed(_said(error)) from error
        except (OSError, SQLAlchemyError) as error:
            raise StoreFailed(_said(error)) from error
        self.close()
        aside = self.path.with_suffix(".damaged")
        with _failures():
            os.replace(self.path, aside)
            self.set_aside = aside
            self._remove_siblings()
            return self._open()

    def _open(self) -> bool:
        self.close()
        is_new = not self.path.exists()
        if is_new:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._remove_siblings()
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        self._inode = os.stat(self.path).st_ino
        self._engine = connect_to(self.path)
        with self._engine.connect() as connection:
            found = revision_of(connection)
        if found is None:
            self._create(self._engine)
        elif found != REVISION:
            self._migrate(self._engine, found)
        return is_new or found is None

    def _remove_siblings(self) -> None:
        """A write-ahead log without its database belongs to a file that is gone."""
        for ending in ("-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)

    def _create(self, engine: Engine) -> None:
        with engine.begin() as connection:
            metadata.create_all(connection)
            alembic_version.create(connection, checkfirst=True)
            connection.execute(insert(alembic_version).values(version_num=REVISION))

    def _migrate(self, engine: Engine, found: str) -> None:
        from alembic import command

        if found not in known_revisions():
            self.close()
            raise StoreRefused(
                f"{self.path} was written by a newer version (schema {found}, this version knows up to {REVISION}); "
                f"use that version, or delete the file: it is rebuilt from the intents"
            )
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")

    def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    @property
    def is_open(self) -> bool:
        return self._engine is not None

    @property
    def is_gone(self) -> bool:
        """The file was deleted or replaced: what is written now reaches nobody."""
        try:
            return os.stat(self.path).st_ino != self._inode
        except OSError:
            return True

    # -- writing ---------------------------------------------------------------------------------
    def write(self, rows: Rows, set_keys: Sequence[KeyRow] = (), dropped_keys: Sequence[tuple[str, str]] = ()) -> None:
        """One group, one transaction."""
        with self._begin() as connection:
            _many(connection, UPSERT_RUN, [msgspec.structs.astuple(row) for row in rows.runs.values()])
            _many(connection, UPSERT_FIGURES, [msgspec.structs.astuple(row) for row in rows.figures.values()])
            _many(connection, UPSERT_ORDER, [msgspec.structs.astuple(row) for row in rows.orders.values()])
            _many(connection, ADD_REPORT, [msgspec.structs.astuple(row) for row in rows.reports.values()])
            _many(connection, UPSERT_LOT, [msgspec.structs.astuple(row) for row in rows.lots.values()])
            _many(connection, ADD_EXIT, [msgspec.structs.astuple(row) for row in rows.exits.values()])
            _many(connection, UPSERT_KEY, list(set_keys))
            if dropped_keys:
                connection.execute(DROP_KEY, [{"scope": scope, "name": name} for scope, name in dropped_keys])

    def close_unfinished(self, reason: str, but_boot: str) -> None:
        """Earlier runs without an end have ended with the newest fact they recorded: nobody writes for them any more."""
        ending = update(runs).where(runs.c.ended_ns.is_(None), runs.c.boot != but_boot).values(ended_ns=runs.c.as_of_ns, end_reason=reason)
        with self._begin() as connection:
            connection.execute(ending)

    def close_instances_before(self, instance: str, evidence: str) -> None:
        """Orders of the same account's earlier instances are over: the venue was reset (state.ledger)."""
        venue, _, name = instance.partition("/")
        account, _, number = name.partition(".")
        earlier = [f"{venue}/{account}", *(f"{venue}/{account}.{n}" for n in range(2, int(number or 1)))] if number else []
        ending = update(orders).where(orders.c.venue_instance.in_(earlier), orders.c.is_open).values(is_open=False, evidence=evidence)
        with self._begin() as connection:
            connection.execute(ending)

    def clear(self, *tables: Table) -> None:
        """Empty these tables: a rebuild follows."""
        with self._begin() as connection:
            for table in tables:
                connection.execute(delete(table))

    def probe(self) -> None:
        """A write that changes nothing: does the file take writes again?"""
        with self._begin() as connection:
            connection.execute(DROP_KEY, {"scope": "", "name": ""})

    # -- reading, at start -----------------------------------------------------------------------
    def keys(self, scope: str) -> dict[str, tuple[str, int]]:
        """The key-value pairs of one venue instance: key -> (value, updated_ns)."""
        wanted = select(key_value.c.key, key_value.c.value, key_value.c.updated_ns).where(key_value.c.venue_instance == scope)
        with self._begin() as connection:
            return {key: (value, updated_ns) for key, value, updated_ns in connection.execute(wanted)}

    def unfinished_runs(self) -> int:
        """Runs that never wrote their end: what they wrote last may be in the intents alone."""
        with self._begin() as connection:
            return connection.execute(select(func.count()).select_from(runs).where(runs.c.ended_ns.is_(None))).scalar_one()

    @contextlib.contextmanager
    def _begin(self) -> Iterator[Connection]:
        if self._engine is None:
            raise StoreFailed("the database is closed")
        with _failures(), self._engine.begin() as connection:
            yield connection


def _many(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (OSError, SQLAlchemyError) as error:
        raise StoreFailed(_said(error)) from error


def _said(error: Exception) -> str:
    """The driver's own words, without the statement and its values."""
    return str(getattr(error, "orig", None) or error)[:200]
