"""The law of the house (DESIGN 1, 12), read from the code itself: floors, purity, circles, sizes, banned patterns.

Each rule is a function from a tree of files to a list of violations; each is held against the house and against a planted bad snippet,
so that every rule is known to be able to fail.
"""

import ast
import gc
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
LINES_MAX, FUNCTION_LINES_MAX = 400, 60
SKIPPED = {"__pycache__", "venv", "build", "dist", "node_modules", "logs"}

# room -> the rooms whose files it may import; rooms not named here (bot, run, assembly, sim, benchmarks, tests) are start scripts and may import all
FLOORS: dict[str, set[str]] = {
    "core": {"core"},
    "trading": {"trading", "core"},
    "strategy": {"trading", "core"},
    "order_book_manager": {"core"},
    "exchange": {"exchange", "core"},
    "exchange.paper": {"exchange", "exchange.paper", "core"},
    "exchange.binance": {"exchange", "exchange.binance", "core"},
    "state": {"state", "core"},
    "runtime": {"runtime", "core"},
    "dashboard": {"dashboard", "core"},
}
ROOMS = {*FLOORS, "bot", "run", "page", "report_file", "assembly", "sim", "benchmarks", "tests"}
IMPURE = {
    "asyncio", "concurrent", "datetime", "importlib", "logging", "multiprocessing", "os", "queue", "requests", "secrets", "selectors", "signal",
    "socket", "sqlite3", "subprocess", "threading", "time", "urllib", "uuid", "websocket",
}  # fmt: skip
WIRE_FILES = ("exchange/binance/wire.py", "exchange/binance/frames.py", "exchange/binance/symbols.py")
MONEY_FILES = ("core/account.py", "core/orders.py", "core/money.py", "core/depth.py", "trading/", *WIRE_FILES)
PURE_FILES = ("strategy.py", *WIRE_FILES)


class Tree:
    """The Python files under a root, parsed once. Modules are named by their path, dotted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = [path for path in sorted(root.rglob("*.py")) if not self._skipped(path.relative_to(root))]
        self.text = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}
        gc.disable()  # half a million nodes, all of them kept
        self.parsed = {name: ast.parse(text) for name, text in self.text.items()}
        gc.enable()
        self.modules = {self.module_of(name): name for name in self.parsed}

    @staticmethod
    def _skipped(path: Path) -> bool:
        return any(part in SKIPPED or part.startswith(".") for part in path.parts)

    @staticmethod
    def module_of(name: str) -> str:
        return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def sources(self) -> Iterator[tuple[str, ast.Module]]:
        """Everything but the tests."""
        return ((name, tree) for name, tree in self.parsed.items() if not name.startswith("tests/"))

    def imports(self, name: str, top_only: bool = False) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of every import; `from a import b` gives a.b where that is a module of ours, else a."""
        nodes = _module_level(self.parsed[name]) if top_only else ast.walk(self.parsed[name])
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(name, node)
                for alias in node.names:
                    dotted = f"{base}.{alias.name}"
                    yield node.lineno, dotted if dotted in self.modules else base

    def _absolute(self, name: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = name.removesuffix(".py").split("/")[: -node.level]
        return ".".join([*package, *([node.module] if node.module else [])])


def _module_level(tree: ast.AST) -> Iterator[ast.AST]:
    """Statements that run when the module is imported; `if TYPE_CHECKING` and function bodies do not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _module_level(node)


def room_of(module: str) -> str:
    parts = module.split(".")
    two = ".".join(parts[:2])
    return two if two in FLOORS else parts[0]


# -- the rules -----------------------------------------------------------------------------------
def attributes(tree: Tree) -> Iterator[tuple[str, ast.Attribute]]:
    return ((name, node) for name, parsed in tree.parsed.items() for node in ast.walk(parsed) if isinstance(node, ast.Attribute))


def floors(tree: Tree) -> list[str]:
    found = []
    for name, _ in tree.sources():
        room = room_of(tree.module_of(name))
        allowed = FLOORS.get(room)
        for line, target in tree.imports(name):
            other = room_of(target)
            if allowed is not None and other in ROOMS and other not in allowed:
                found.append(f"{name}:{line} {room} imports {target}")
    return found


def circles(tree: Tree) -> list[str]:
    edges = {module: {t for _, t in tree.imports(name, top_only=True) if t in tree.modules} - {module} for module, name in tree.modules.items()}
    done: set[str] = set()
    found: list[str] = []

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            found.append(" -> ".join([*trail[trail.index(module) :], module]))
        elif module not in done:
            for target in sorted(edges[module]):
                visit(target, (*trail, module))
            done.add(module)

    for module in edges:
        visit(module, ())
    return found


def pure_files(tree: Tree) -> list[str]:
    """The deciding rooms, the wire encoder, and the matching engine with every paper module it stands on."""
    pure = {n for n, _ in tree.sources() if n.startswith(("core/", "trading/")) or n in PURE_FILES}
    waiting = [n for n in ("exchange/paper/matching.py",) if n in tree.parsed]
    while waiting:
        name = waiting.pop()
        pure.add(name)
        targets = (tree.modules.get(target, "") for _, target in tree.imports(name))
        waiting.extend(t for t in targets if t.startswith("exchange/paper/") and t not in pure)
    return sorted(pure)


def purity(tree: Tree) -> list[str]:
    found: list[str] = []
    for name in pure_files(tree):
        found.extend(f"{name}:{line} imports {target}" for line, target in tree.imports(name) if target.split(".")[0] in IMPURE)
        for node in ast.walk(tree.parsed[name]):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "random" and node.attr != "Random":
                found.append(f"{name}:{node.lineno} unseeded random.{node.attr}")
            if isinstance(node, ast.ImportFrom) and node.module == "random" and any(alias.name != "Random" for alias in node.names):
                found.append(f"{name}:{node.lineno} unseeded random")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("random.Random", "Random") and not node.args:
                found.append(f"{name}:{node.lineno} Random without a seed")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "print", "input", "__import__"):
                found.append(f"{name}:{node.lineno} {ast.unparse(node.func)}()")
    return found


def file_sizes(tree: Tree) -> list[str]:
    return [f"{name} has {lines} lines" for name, text in tree.text.items() if (lines := len(text.splitlines())) > LINES_MAX]


def function_sizes(tree: Tree) -> list[str]:
    found = []
    for name, parsed in tree.sources():
        for node in ast.walk(parsed):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found.append(f"{name}:{node.lineno} {node.name} has {lines} lines")
    return found


def docstrings(tree: Tree) -> list[str]:
    return [name for name, parsed in tree.parsed.items() if not ast.get_docstring(parsed)]


def silent_excepts(tree: Tree) -> list[str]:
    found = []
    for name, parsed in tree.parsed.items():
        for node in ast.walk(parsed):
            if isinstance(node, ast.ExceptHandler):
                empty = all(isinstance(s, ast.Pass) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)) for s in node.body)
                if node.type is None or empty:
                    found.append(f"{name}:{node.lineno} except without a word")
            if isinstance(node, ast.Call) and (getattr(node.func, "attr", "") or getattr(node.func, "id", "")).endswith("suppress"):
                broad = [a for a in node.args if ast.unparse(a) in ("Exception", "BaseException")]
                found.extend(f"{name}:{node.lineno} suppresses everything" for _ in broad)
    return found


def floats_near_money(tree: Tree) -> list[str]:
    found = []
    for name, parsed in tree.sources():
        if name.startswith(MONEY_FILES):
            for node in ast.walk(parsed):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
                    found.append(f"{name}:{node.lineno} float()")
                if isinstance(node, ast.Constant) and isinstance(node.value, float) and not name.startswith("exchange/"):
                    found.append(f"{name}:{node.lineno} a float literal")
    return found


def traces(tree: Tree) -> list[str]:
    """enableTrace prints headers and payloads, keys included (DESIGN 10)."""
    return [f"{name}:{node.lineno}" for name, node in attributes(tree) if node.attr == "enableTrace"]


def unsafe_yaml(tree: Tree) -> list[str]:
    banned = {"yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all"}
    ends = {name.split(".")[1] for name in banned}
    return [f"{name}:{node.lineno}" for name, node in attributes(tree) if node.attr in ends and ast.unparse(node) in banned]


def leftovers(tree: Tree) -> list[str]:
    """Read from comments: a string may hold any word."""
    pattern = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
    found = []
    for name, text in tree.text.items():
        if not pattern.search(text):
            continue
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and pattern.search(token.string):
                found.append(f"{name}:{token.start[0]}")
    return found


def called_submits(tree: Tree) -> list[str]:
    """`submit(f(x))` runs f on the caller's thread: the very wait this bot exists to avoid (DESIGN 4)."""
    found = []
    for name, parsed in tree.parsed.items():
        for node in ast.walk(parsed):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "submit" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Call) and not ast.unparse(first.func).endswith("partial"):
                    found.append(f"{name}:{node.lineno} submit({ast.unparse(first)})")
    return found


# -- the house obeys -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def house() -> Tree:
    return Tree(HOUSE)


def test_floors(house: Tree) -> None:
    """A file imports its own room and lower floors only; siblings and the two venues never import each other."""
    assert floors(house) == []


def test_no_import_circles(house: Tree) -> None:
    """No module imports itself through others when it is loaded."""
    assert circles(house) == []


def test_purity(house: Tree) -> None:
    """The deciding files import no clock, thread, socket, disk, log, id source or unseeded randomness."""
    assert purity(house) == []


def test_pure_files_exist(house: Tree) -> None:
    """The purity rule reads the files it is about."""
    assert {"core/engine.py", "trading/risk.py", "strategy.py"} <= set(pure_files(house))


def test_file_sizes(house: Tree) -> None:
    """A file is one noun, at most 400 lines."""
    assert file_sizes(house) == []


def test_function_sizes(house: Tree) -> None:
    """A function fits a screen: at most 60 lines."""
    assert function_sizes(house) == []


def test_docstrings(house: Tree) -> None:
    """Every file says what lives in it."""
    assert docstrings(house) == []


def test_no_silent_excepts(house: Tree) -> None:
    """No exception is swallowed without a word, a value or a log line."""
    assert silent_excepts(house) == []


def test_no_floats_near_money(house: Tree) -> None:
    """Prices, quantities and balances never pass through a float (I14)."""
    assert floats_near_money(house) == []


def test_no_traces(house: Tree) -> None:
    """The websocket library's trace, which prints keys, is never switched on."""
    assert traces(house) == []


def test_yaml_is_loaded_safely(house: Tree) -> None:
    """Only yaml.safe_load reads YAML."""
    assert unsafe_yaml(house) == []


def test_no_leftovers(house: Tree) -> None:
    """Nothing is left for later in a comment."""
    assert leftovers(house) == []


def test_submit_takes_a_function(house: Tree) -> None:
    """submit(func, arg), never submit(func(arg))."""
    assert called_submits(house) == []


# -- every rule can fail -------------------------------------------------------------------------
LONG = "def long():\n" + "    a = 1\n" * 60
Plant = tuple[Callable[[Tree], list[str]], dict[str, str]]
PLANTS: list[Plant] = [
    (floors, {"core/a.py": "import trading.risk"}),
    (floors, {"core/a.py": "def f():\n    from state import intents"}),
    (floors, {"trading/a.py": "import strategy"}),
    (floors, {"strategy.py": "from runtime.loop import x"}),
    (floors, {"order_book_manager.py": "import exchange.binance.rest"}),
    (floors, {"state/a.py": "import runtime"}),
    (floors, {"runtime/a.py": "from state.intents import x"}),
    (floors, {"dashboard/a.py": "from runtime.worker import Worker"}),
    (floors, {"core/a.py": "import dashboard.story"}),
    (floors, {"exchange/binance/a.py": "from exchange.paper import b", "exchange/paper/b.py": ""}),
    (floors, {"exchange/paper/a.py": "from ..binance.wire import x"}),
    (circles, {"core/a.py": "import core.b", "core/b.py": "from core import a"}),
    (circles, {"core/a.py": "from .b import x", "core/b.py": "try:\n    import core.a\nfinally:\n    x = 1"}),
    (purity, {"core/a.py": "import time"}),
    (purity, {"core/a.py": "def f():\n    from os import path"}),
    (purity, {"trading/a.py": "from datetime import datetime"}),
    (purity, {"trading/a.py": "import random\nrandom.random()"}),
    (purity, {"trading/a.py": "from random import Random\nr = Random()"}),
    (purity, {"strategy.py": "import concurrent.futures"}),
    (purity, {"exchange/binance/wire.py": "import websocket"}),
    (purity, {"exchange/paper/matching.py": "import exchange.paper.book", "exchange/paper/book.py": "import threading"}),
    (purity, {"core/a.py": "print(1)"}),
    (file_sizes, {"core/a.py": "a = 1\n" * 401}),
    (function_sizes, {"core/a.py": LONG}),
    (docstrings, {"core/a.py": "a = 1"}),
    (silent_excepts, {"core/a.py": "try:\n    a = 1\nexcept ValueError:\n    pass"}),
    (silent_excepts, {"core/a.py": "try:\n    a = 1\nexcept:\n    a = 2"}),
    (silent_excepts, {"core/a.py": "with contextlib.suppress(Exception):\n    a = 1"}),
    (floats_near_money, {"core/money.py": "a = float('1')"}),
    (floats_near_money, {"trading/a.py": "a = 0.1"}),
    (floats_near_money, {"exchange/binance/wire.py": "a = float(b)"}),
    (traces, {"runtime/a.py": "websocket.enableTrace(True)"}),
    (unsafe_yaml, {"runtime/a.py": "yaml.load(text)"}),
    (leftovers, {"core/a.py": "a = 1  # TO" + "DO later"}),
    (called_submits, {"runtime/a.py": "pool.submit(work(1))"}),
]


@pytest.mark.parametrize(("rule", "files"), PLANTS, ids=[f"{rule.__name__}-{n}" for n, (rule, _) in enumerate(PLANTS)])
def test_each_rule_can_fail(rule: Callable[[Tree], list[str]], files: dict[str, str], tmp_path: Path) -> None:
    """A planted violation is found."""
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert rule(Tree(tmp_path))


def test_no_rule_fails_on_clean_files(tmp_path: Path) -> None:
    """What the house allows is not reported: late imports break a circle, seeded randomness is pure, partial may be submitted."""
    clean = {
        "core/a.py": '"""A."""\nfrom random import Random\n\n\ndef f(seed: int) -> object:\n    import core.b\n    return Random(seed)\n',
        "core/b.py": '"""B."""\nimport core.a\n',
        "runtime/c.py": '"""C."""\nimport time\nimport core.a\npool.submit(partial(f, 1))\npool.submit(f, 1)\nx = 0.5\n',
        "sim/d.py": '"""D."""\nimport exchange.paper.e\nimport runtime.c\n',
        "exchange/paper/e.py": '"""E."""\nimport core.a\n',
    }
    for name, text in clean.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tree = Tree(tmp_path)
    assert {rule.__name__: rule(tree) for rule, _ in PLANTS} == {rule.__name__: [] for rule, _ in PLANTS}
