"""Of a report: what was counted in that run (core.figures_told), as the store keeps it.

Who calls it: state.report, on the main thread. Never: a number that the run did not count.
"""

from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from state.schema import run_figures
from state.store import connect_to


def figures_of(store_path: Path, scope: str, boot: str) -> dict[str, Any] | None:
    """None where the store does not tell: an older run, or a store that was rebuilt from the intents."""
    if not store_path.exists():
        return None
    engine = connect_to(store_path)
    wanted = select(run_figures.c.figures).where(run_figures.c.venue_instance == scope, run_figures.c.boot == boot)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
            text = connection.execute(wanted).scalar()
        return msgspec.json.decode(text, type=dict[str, Any]) if text else None
    except (SQLAlchemyError, msgspec.DecodeError):
        return None
    finally:
        engine.dispose()
