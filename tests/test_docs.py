"""What the documents and the module docstrings name is there: links, files, modules, tests, settings, options."""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from runtime.command_line import VERBS
from runtime.config_paths import settings_of

HOUSE = Path(__file__).resolve().parent.parent
ROOMS = "core|trading|exchange|state|runtime|dashboard|sim|benchmarks|tests"
DOCS = sorted([*HOUSE.glob("*.md"), *HOUSE.glob("docs/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
FILE = re.compile(rf"(?<![\w./$*-])(?:(?:{ROOMS}|docs)/[\w./-]*\w\.\w+|\w+\.(?:py|md|toml))\b(?!\*)")
DOTTED = re.compile(rf"(?<![\w./$*=-])(?:{ROOMS})(?:\.[A-Za-z]\w*)+")
TABLES = ("paper.balances.", "quoting.symbols.", "key")  # their entries have names of their own
OPTION = re.compile(r"(?<!\S)--(?!help)[a-z][\w-]*")
TEST = re.compile(r"(tests/[\w/]+\.py)((?:::\w+)+)")
RUN = re.compile(r"python -m ([a-z_]+(?:\.\w+)+)((?: [^\n`|;&]*)?)")
BOT = re.compile(r"python bot\.py([^\n`|;&]*)")
SET = re.compile(r"--set[ =][\"']?([a-z_]+(?:\.\w+)*)=")
MADE_BY_A_RUN = re.compile(r"state/(intents\.log|store\.db|run\.json|control\.sock|tape/\S+)|ux\.md")  # ux.md and DESIGN stand beside the project


@cache
def settings() -> frozenset[str]:
    return frozenset(".".join(map(str, one.path)) for one in settings_of())


@cache
def names() -> frozenset[str]:
    """Of all files in the house, wherever they stand."""
    found: set[str] = set()
    for _, folders, files in os.walk(HOUSE):
        folders[:] = [one for one in folders if not one.startswith(".") and one not in ("venv", "__pycache__")]
        found.update(files)
    return frozenset(found)


def is_a_module(dotted: str) -> bool:
    """A module or a folder of ours, a name in one, or a setting."""
    if dotted in settings():
        return True
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = HOUSE.joinpath(*parts[:length])
        text = path.with_suffix(".py").read_text(encoding="utf-8") if path.with_suffix(".py").is_file() else None
        if text is None and path.is_dir() and length == len(parts):
            return True
        if text is not None:
            return all(re.search(rf"\b{part}\b", text) for part in parts[length:])
    return False


def absent(text: str) -> list[str]:
    """What a piece of code in a document names and the house does not have."""
    files = [name for name in FILE.findall(text) if not (HOUSE / name).is_file() and not MADE_BY_A_RUN.fullmatch(name)]
    lost = [name for name in files if "/" in name or name not in names()]
    return lost + [name for name in DOTTED.findall(text) if not is_a_module(name) and name not in names()]


def lost_tests(text: str) -> list[str]:
    lost = []
    for file, names in TEST.findall(text):
        known = (HOUSE / file).read_text(encoding="utf-8") if (HOUSE / file).is_file() else ""
        lost += [f"{file}::{name}" for name in names.split("::")[1:] if f"def {name}(" not in known and f"class {name}" not in known]
    return lost


def lost_options(text: str) -> list[str]:
    """`python -m module --option`: the module runs, and its source knows the option; bot.py's parser and the settings know theirs."""
    lost = []
    for module, arguments in RUN.findall(text):
        path = HOUSE.joinpath(*module.split("."))
        file = next((one for one in (path.with_suffix(".py"), path / "__main__.py") if one.is_file()), None)
        known = file.read_text(encoding="utf-8") if file is not None else ""
        lost += [f"{module} {option}" for option in OPTION.findall(arguments) if f'"{option}"' not in known]
        lost += [] if "__main__" in known or (file is not None and file.name == "__main__.py") else [f"{module} does not run"]
    command_line = (HOUSE / "runtime" / "command_line.py").read_text(encoding="utf-8")
    lost += [f"bot.py {option}" for words in BOT.findall(text) for option in OPTION.findall(words) if f'"{option}"' not in command_line]
    verbs = [words.split()[0] for words in BOT.findall(text) if re.match(r" [a-z]", words)]
    lost += [f"bot.py {verb}" for verb in verbs if verb not in VERBS]
    return lost + [f"--set {key}" for key in SET.findall(text) if key not in settings() and not key.startswith(TABLES)]


def docstrings() -> Iterator[tuple[str, str]]:
    for room in ROOMS.split("|"):
        for path in (HOUSE / room).rglob("*.py"):
            yield path.relative_to(HOUSE).as_posix(), path.read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0]


@pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.name))
def test_what_a_document_names_is_there(document: Path) -> None:
    """Every link leads to a file; every file, module, test, setting and option of a command that is named in code exists."""
    text = document.read_text(encoding="utf-8")
    code = "\n".join(CODE.findall(text))
    assert [link for link in LINK.findall(text) if "://" not in link and not (document.parent / link).exists()] == []
    assert [*absent(code), *lost_tests(code), *lost_options(code)] == []


def test_what_a_docstring_names_is_there() -> None:
    """The files and modules that a module's docstring names (who calls it, what it hands over to) exist."""
    judged = {name: [*absent(text), *lost_tests(text), *lost_options("\n".join(CODE.findall(text)))] for name, text in docstrings()}
    assert {name: lost for name, lost in judged.items() if lost} == {}


@pytest.mark.parametrize(
    "text",
    ["core/nowhere.py", "see nowhere.py", "core.engine.Nothing", "runtime.nowhere", "state/other.db", "docs/none.md", "exchange.order_entri"],
)
def test_a_name_that_leads_nowhere_is_found(text: str) -> None:
    """The search finds what it is for, and lets through what exists."""
    assert absent(text)
    assert absent("core/engine.py, engine.py, core.engine.Engine, exchange.order_entry, state/run.json, docs/state.md") == []
    assert lost_tests("tests/test_docs.py::test_none") and not lost_tests("tests/test_docs.py::test_what_a_docstring_names_is_there")
    for lost in ("python bot.py paper", "python -m sim.fuzz --none", "python -m core.engine", "python bot.py --runfor 3", "--set quoting.nothing=1"):
        assert lost_options(lost)
    assert not lost_options("python -m sim.fuzz --seeds 1:2; python bot.py --run-for 3 --set quoting.cooldown_ms=1 --set=paper.balances.USDT=3")
