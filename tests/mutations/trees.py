"""Copies of the sources to break, and the processes that run a catcher there.

Who uses it: test_mutations.py and __main__.py. A mutated tree shares every file with one copy of the sources by hard links, compiled files included,
and has its own text of the one file that is broken.
Never: a write into the checkout, a process that outlives its time.
"""

import atexit
import compileall
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.mutations.patch import Mutation

ROOT = Path(__file__).parents[2]
KINDS = (".py", ".toml", ".yaml", ".jsonl", ".json", ".md", ".html", ".css", ".js", ".svg")
SEEDS_MAX = 500
TEST_TIMEOUT_S = 240  # a few seconds; it may run beside the rest of the suite and behind it
SEEDS_TIMEOUT_S = 280
_COPYING = threading.Lock()  # one copy, whoever comes first
# A bug that breaks the program instead of its behaviour proves nothing.
BROKEN = re.compile(r"(SyntaxError|ImportError|ModuleNotFoundError|NameError|UnboundLocalError|AttributeError|TypeError)\b")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`words` is the sentence of the invariant or of the failed test; with `is_caught` False all that was printed."""

    is_caught: bool
    words: str


@cache
def _folder_of_sources() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="greenlight-mutations-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copied = copy_sources(folder / "sources")
    compileall.compile_dir(copied, quiet=1)
    return copied


def shared_sources() -> Path:
    """A copy without a bug, compiled, for all that break one in this process."""
    with _COPYING:
        return _folder_of_sources()


def copy_sources(to: Path) -> Path:
    """The bot, the simulator and the tests, but not the planted bugs."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        here = Path(folder)
        mine = {"mutations"} if here == ROOT / "tests" else set()
        return mine | {name for name in names if name.startswith(".") or name == "__pycache__" or _is_foreign(here / name)}

    shutil.copytree(ROOT, to, ignore=left_out)
    shutil.copy(Path(__file__).parent / "hunt.py", to / "hunt.py")
    return to


def _is_foreign(path: Path) -> bool:
    """Links, what a run left behind, and environments."""
    return path.is_symlink() or (path.is_file() and path.suffix not in KINDS) or (path / "pyvenv.cfg").exists()


def break_copy(sources: Path, to: Path, mutation: Mutation) -> Path:
    """A tree with the bug. Raises patch.Stale."""
    text = mutation.applied(sources)
    compile(text, mutation.path, "exec")
    shutil.copytree(sources, to, copy_function=os.link, ignore=shutil.ignore_patterns("*.pyc.*"))  # half written by a run that is under way
    file = to / mutation.path
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        compiled.unlink()
    file.unlink()
    file.write_text(text, encoding="utf-8")
    return to


def run_tests(tree: Path, nodes: Iterable[str], timeout_s: int = TEST_TIMEOUT_S) -> tuple[int, str]:
    """(exit code, output) of pytest in that tree, for these tests."""
    return _run(tree, ["-m", "pytest", "-q", "-x", "--no-header", "--tb=short", "-p", "no:cacheprovider", *nodes], timeout_s)


def run_seeds(tree: Path, *hunts: str) -> tuple[int, str]:
    """(exit code, output) of hunt.py: `FIRST:LAST:INVARIANT` each."""
    return _run(tree, ["hunt.py", *hunts], SEEDS_TIMEOUT_S)


def judge(tree: Path, mutation: Mutation) -> Verdict:
    """Is the bug caught there, and for the stated reason? Seeds that moved are looked for among the first SEEDS_MAX."""
    if mutation.seeds is not None:
        first, last, invariant = mutation.seeds
        code, output = run_seeds(tree, f"{first}:{last}:{invariant}", f"0:{SEEDS_MAX}:{invariant}")
        return Verdict(code == 1, output.strip())
    code, output = run_tests(tree, (mutation.caught,))
    failed = f"FAILED {mutation.caught}" in output
    words = next((line for line in output.partition(" FAILURES ")[2].splitlines() if line.startswith("E ")), "")
    return Verdict(code == 1 and failed and not BROKEN.search(words), words[1:].strip() if code == 1 and failed else output)


def _run(tree: Path, arguments: list[str], timeout_s: int) -> tuple[int, str]:
    settings = {
        "PYTHONPATH": str(tree),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "GREENLIGHT_HYPOTHESIS": "planted",
        "GREENLIGHT_BESIDE": "",
    }
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tree,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        told = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else str(error.stdout or "")
        return -1, f"{told}\nnot done in {timeout_s} s"
    return done.returncode, done.stdout
