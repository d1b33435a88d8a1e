"""The report of a run as a file: reports/RUN.html beside the state folder; the newest few are kept. A start script: it knows concrete classes.

Who calls it: bot.py for `report --html`; run.py at the end of a run, on a thread of its own, with a limit of time. Main thread otherwise.
Never: the trading thread; a file that is half written; a file deleted that is no report of ours.
"""

import contextlib
import os
import re
from pathlib import Path

from state.report import build
from state.report_words import lines
from state.store import FILE

REPORT_NAME = re.compile(r"[0-9a-z]{2,13}\.html")  # a boot id, or a word of a person's: its title decides
TITLE_WITHIN_BYTES = 1000


def write(state_dir: Path, wanted: str | None, files_max: int) -> Path:
    """The report of the run `wanted`, or of the newest; returns where it stands. Raises NoReport, OSError."""
    from dashboard.report import html  # here alone: a bot that trades carries nothing of it

    found = build(state_dir / FILE, state_dir / "intents.log", wanted)
    path = state_dir.parent / "reports" / f"{found['run_id']}.html"
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(html(found, lines(found)), encoding="utf-8")
    draft.replace(path)
    _keep_newest(path, files_max)
    return path


def _keep_newest(path: Path, files_max: int) -> None:
    """The one just written stays, whatever its time says."""
    others = [one for one in path.parent.iterdir() if one != path and _is_ours(one)]
    others.sort(key=_written_s, reverse=True)
    for old in others[files_max - 1 :]:
        with contextlib.suppress(OSError):
            old.unlink()


def _is_ours(path: Path) -> bool:
    """By its name and by the title it bears: a person may keep notes.html beside the reports."""
    if not REPORT_NAME.fullmatch(path.name):
        return False
    try:
        with path.open("rb") as file:
            return f"<title>Greenlight · run {path.stem}".encode() in file.read(TITLE_WITHIN_BYTES)
    except OSError:
        return False


def _written_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def shown(path: Path) -> str:
    """As a person in this folder would type it."""
    short = os.path.relpath(path)
    return str(path) if short.startswith("..") else short
