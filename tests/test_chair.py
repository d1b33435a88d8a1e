"""What a person gets wrong around the bot - folders, files, outputs, the wrong Python: one plain line, an exit code, never a traceback."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.preflight import MODULES, missing
from state.identity import TagUnusable, kept_tag, order_tag
from tests.test_bot import ROOT, bot, settings

pytestmark = pytest.mark.side_by_side


def _folder_named(name: str) -> Callable[[Path], None]:
    return lambda state: (state / name).mkdir(parents=True)


def _state_is_a_file(state: Path) -> None:
    state.write_text("hello")


def _foreign_tag(state: Path) -> None:
    state.mkdir()
    (state / "tag").write_bytes(b"\xf5 what\n")


BROKEN: dict[str, Callable[[Path], None]] = {
    "state is a file": _state_is_a_file,
    "lock": _folder_named("lock"),
    "tag": _foreign_tag,
    "intents.log": _folder_named("intents.log"),
    "run.json": _folder_named("run.json"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path, how: str) -> None:
    """Exit 2, the file named on the last line, nothing placed."""
    BROKEN[how](tmp_path / "state")
    done = bot("--run-for", "2", *settings(tmp_path))
    assert done.returncode == 2, done.stdout[-500:]
    assert "Traceback" not in done.stdout + done.stderr
    assert str(tmp_path / "state") in done.stdout.splitlines()[-1] and " EXIT " in done.stdout.splitlines()[-1]


def test_a_bot_without_log_files_trades_and_says_so(tmp_path: Path) -> None:
    """A log folder that cannot be made is told once; stdout, stacks and report do without. An ASCII terminal gets its report too.

    A report that cannot be written as a file is said on the last line, and is no fault of the run.
    """
    for folder in ("logs", "reports"):
        (tmp_path / folder).write_text("in the way")
    done = bot("--run-for", "1", *settings(tmp_path))
    assert done.returncode == 0, done.stdout[-500:]
    assert f"the log files cannot be written: {tmp_path / 'logs'}: File exists" in done.stdout and "logs in" not in done.stdout
    command = [sys.executable, str(ROOT / "bot.py"), "report", *settings(tmp_path)]
    said = done.stdout.splitlines()
    assert "the log files" in said[0] and " EXIT " in said[-1], "first of all, so that the last line stays the last"
    assert f" · no report: {tmp_path / 'reports'}: File exists · " in said[-1] or " · no report in time: " in said[-1]
    report = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": "ascii"}, timeout=180, check=False)
    assert report.returncode == 0 and report.stdout.startswith(b"run "), report.stderr[-500:]


def test_a_damaged_database_and_account_are_told(tmp_path: Path) -> None:
    """The database is put aside with a line; the paper exchange's words name our settings, not its own options."""
    state = tmp_path / "state"
    (state / "paper").mkdir(parents=True)
    (state / "store.db").write_bytes(b"no database at all " * 100)
    done = bot("--run-for", "1", *settings(tmp_path))
    assert done.returncode == 0 and "the database was damaged: put aside as store.damaged" in done.stdout
    (state / "paper" / "account.json").write_text("{")
    done = bot("--run-for", "1", *settings(tmp_path))
    assert done.returncode == 2 and done.stdout.splitlines()[-1].endswith("start once with --set paper.fresh=true")


def test_a_report_says_why_there_is_none(tmp_path: Path) -> None:
    """Where the records cannot be read that is told, not that there are none."""
    (tmp_path / "state" / "intents.log").mkdir(parents=True)
    done = bot("report", *settings(tmp_path))
    assert done.returncode == 2 and "no run is recorded" in done.stderr and "intents cannot be read" in done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["schema"], ["--run-for", "1", "--json"]])
def test_an_output_on_a_full_disk_is_told(tmp_path: Path, arguments: list[str]) -> None:
    """What could not be printed is said on stderr, with exit 2; a run still ends in order."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        command = [sys.executable, str(ROOT / "bot.py"), *arguments, *settings(tmp_path)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=180, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "stdout: No space left on device" and "Traceback" not in done.stderr
    assert arguments[-1] != "--json" or "no order of ours is left" in done.stderr


def test_cancel_all_without_a_tag_says_that_it_knows_no_orders(tmp_path: Path) -> None:
    """From a folder in which no bot ever ran nothing can be named as ours: that is no `0 canceled`, and no new tag is drawn for it."""
    environ = {"GREENLIGHT_API_KEY": "not-a-key-at-all", "GREENLIGHT_API_SECRET": "not-a-secret-at-all"}
    command = [sys.executable, str(ROOT / "bot.py"), "cancel-all", "--set", "venue=binance_testnet", *settings(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=180, check=False)
    assert done.returncode == 2 and "no tag" in done.stderr
    assert not (tmp_path / "state").exists()


def test_a_tag_is_drawn_once_and_never_guessed(tmp_path: Path) -> None:
    """The folder's tag stays; an empty file draws one; anything else is refused, for orders would go by it."""
    drawn = order_tag(tmp_path)
    assert order_tag(tmp_path) == kept_tag(tmp_path) == drawn
    (tmp_path / "tag").write_text("")
    assert kept_tag(tmp_path) == "" and order_tag(tmp_path) != ""
    (tmp_path / "tag").write_text("hello world!!!")
    with pytest.raises(TagUnusable, match="tag holds no order tag"):
        order_tag(tmp_path)


def test_the_wrong_python_is_told_in_one_line() -> None:
    """Too old, or without the requirements: the line names the interpreter and the command."""
    assert missing((), (3, 10, 1)).startswith("this is Python 3.10")
    told = missing(("json", "no_such_module"), (3, 12, 0))
    assert sys.executable in told and "no_such_module" in told and "json" not in told and "requirements.txt" in told


def test_every_module_we_import_is_looked_for() -> None:
    """What the bot imports of others is in preflight's list, so that a missing one is never a traceback."""
    ours = {path.stem for path in ROOT.glob("*.py")} | {path.name for path in ROOT.iterdir() if path.is_dir()}
    imported: set[str] = set()
    for path in (*ROOT.glob("*.py"), *(file for room in ("core", "trading", "exchange", "state", "runtime") for file in (ROOT / room).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    come_with_those = {"typing_extensions", "pydantic_core", "urllib3", "certifi", "Crypto", "_typeshed"}
    assert imported - ours - sys.stdlib_module_names - come_with_those <= set(MODULES)
