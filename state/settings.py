"""Which versions of the settings were in force in which run, since when: one key of the store, the newest few hundred.

Who calls it: state.keeper adds, on the recorder's thread; state.report reads, in a process of its own.
Never: the settings themselves; a file of its own.
"""

from pathlib import Path

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from state.schema import key_value
from state.store import connect_to

KEY = "config_versions"
KEPT = 300


class InForce(msgspec.Struct, frozen=True):
    boot: str
    version: str
    since_ns: int


def added(text: str | None, one: InForce) -> str:
    """The value with one more, without the oldest beyond the limit. A value that is none of ours is begun anew."""
    return msgspec.json.encode([*_entries(text), one][-KEPT:]).decode()


def of_run(store_path: Path, scope: str, boot: str) -> list[InForce]:
    """In their order; none where the store does not tell."""
    if not store_path.exists():
        return []
    engine = connect_to(store_path)
    wanted = select(key_value.c.value).where(key_value.c.venue_instance == scope, key_value.c.key == KEY)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
            return [one for one in _entries(connection.execute(wanted).scalar()) if one.boot == boot]
    except SQLAlchemyError:
        return []
    finally:
        engine.dispose()


def _entries(text: str | None) -> list[InForce]:
    try:
        return msgspec.json.decode(text or "[]", type=list[InForce])
    except msgspec.DecodeError:
        return []
