"""The rules of the house (DESIGN 1, 12), read from the code itself: rooms, floors, purity, circles, sizes, banned patterns.

Who calls it: tests/test_architecture.py. Each rule is a function from a tree of files to a list of violations. Pure but for reading the tree.
Never: an import of what it judges.
"""

import ast
import gc
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

LINES_MAX, FUNCTION_LINES_MAX, LEVELS_MAX = 400, 60, 3
SKIPPED = {"__pycache__", "venv", "build", "dist", "node_modules", "logs"}

# room -> the rooms whose files it may import; a venue is a room of its own: exchange.NAME
FLOORS: dict[str, set[str]] = {
    "core": {"core"},
    "trading": {"trading", "core"},
    "strategy": {"trading", "core"},
    "order_book_manager": {"core"},
    "exchange": {"exchange", "core"},
    "state": {"state", "core"},
    "runtime": {"runtime", "core"},
    "dashboard": {"dashboard", "core"},
}
START_SCRIPTS = {"bot", "run", "page", "report_file", "assembly", "sim", "benchmarks", "tests"}  # they know concrete classes and may import all
PURE_IMPORTS = {
    "__future__", "abc", "bisect", "collections", "copy", "dataclasses", "decimal", "enum", "functools", "hashlib", "heapq", "itertools", "math",
    "msgspec", "operator", "random", "re", "sortedcontainers", "string", "typing",
}  # fmt: skip
NAMES_ITS_IMPORTS = {"exchange/binance/client.py"}  # loads a module of python-binance by a name it puts together
WIRE_FILES = ("exchange/binance/wire.py", "exchange/binance/frames.py", "exchange/binance/symbols.py")
MONEY_FILES = ("core/account.py", "core/orders.py", "core/money.py", "core/depth.py", "trading/", *WIRE_FILES)
PURE_FILES = ("strategy.py", "exchange/paper/matching.py", *WIRE_FILES)


class Tree:
    """The Python files under a root, parsed once. Modules are named by their path, dotted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = [path for path in sorted(root.rglob("*.py")) if not self._skipped(path.relative_to(root))]
        self.text = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}
        gc.disable()  # half a million nodes, all of them kept
        self.parsed = {name: ast.parse(text) for name, text in self.text.items()}
        self.nodes = {name: list(ast.walk(parsed)) for name, parsed in self.parsed.items()}
        gc.enable()
        self.modules = {self.module_of(name): name for name in self.parsed}
        self.packages = {module.rsplit(".", at)[0] for module in self.modules for at in range(1, module.count(".") + 1)}

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
        """(line, dotted name) of every import, also by importlib; `from a import b` gives a.b where that is a module or folder of ours, else a."""
        nodes = _module_level(self.parsed[name]) if top_only else self.nodes[name]
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(name, node)
                for alias in node.names:
                    dotted = f"{base}.{alias.name}"
                    yield node.lineno, dotted if dotted in self.modules or dotted in self.packages else base
            elif is_hidden_import(node) and isinstance(node.args[0], ast.Constant):
                yield node.lineno, str(node.args[0].value)

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


def is_hidden_import(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__") and bool(node.args)


def room_of(module: str, tree: Tree) -> str:
    """The folder or the file at the top; within exchange/ each venue's folder."""
    parts = module.split(".")
    is_venue = parts[0] == "exchange" and (len(parts) > 2 or module in tree.packages)
    return ".".join(parts[:2]) if is_venue else parts[0]


def floors_of(room: str) -> set[str] | None:
    """None where a start script may import all."""
    return None if room in START_SCRIPTS else FLOORS.get(room, {"exchange", room, "core"} if room.startswith("exchange.") else {room})


# -- the rules -----------------------------------------------------------------------------------
def attributes(tree: Tree) -> Iterator[tuple[str, ast.Attribute]]:
    return ((name, node) for name, nodes in tree.nodes.items() for node in nodes if isinstance(node, ast.Attribute))


def rooms(tree: Tree) -> list[str]:
    """A file or folder that no floor speaks of could import, and be imported by, everything."""
    known = {*FLOORS, *START_SCRIPTS}
    return [name for name in tree.parsed if room_of(tree.module_of(name), tree).partition(".")[0] not in known]


def floors(tree: Tree) -> list[str]:
    found = []
    ours = {module.partition(".")[0] for module in tree.modules} | {*FLOORS, *START_SCRIPTS}
    for name, _ in tree.sources():
        room = room_of(tree.module_of(name), tree)
        allowed = floors_of(room)
        for line, target in tree.imports(name):
            other = room_of(target, tree)
            if allowed is not None and other.partition(".")[0] in ours and other not in allowed:
                found.append(f"{name}:{line} {room} imports {target}")
    return found


def hidden_imports(tree: Tree) -> list[str]:
    """An import whose name is put together while the program runs cannot be judged."""
    found: list[str] = []
    for name, _ in tree.sources():
        hidden = [node for node in tree.nodes[name] if is_hidden_import(node) and not isinstance(node.args[0], ast.Constant)]
        found.extend(f"{name}:{node.lineno} {ast.unparse(node)}" for node in hidden if name not in NAMES_ITS_IMPORTS)
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
    """The deciding rooms, the wire's readers, the matching engine, and every module of ours that these load, their packages' too."""
    waiting = [n for n, _ in tree.sources() if n.startswith(("core/", "trading/")) or n in PURE_FILES]
    pure: set[str] = set()
    while waiting:
        name = waiting.pop()
        pure.add(name)
        targets = [tree.module_of(name), *(target for _, target in tree.imports(name))]
        parents = {target.rsplit(".", at)[0] for target in targets for at in range(target.count(".") + 1)}
        waiting.extend(tree.modules[one] for one in sorted(parents) if one in tree.modules and tree.modules[one] not in pure)
    return sorted(pure)


def purity(tree: Tree) -> list[str]:
    found: list[str] = []
    for name in pure_files(tree):
        strange = [(line, target) for line, target in tree.imports(name) if target not in tree.modules and target not in tree.packages]
        found.extend(f"{name}:{line} imports {target}" for line, target in strange if target.split(".")[0] not in PURE_IMPORTS)
        for node in tree.nodes[name]:
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "random" and node.attr != "Random":
                found.append(f"{name}:{node.lineno} unseeded random.{node.attr}")
            if isinstance(node, ast.ImportFrom) and node.module == "random" and any(alias.name != "Random" for alias in node.names):
                found.append(f"{name}:{node.lineno} unseeded random")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("random.Random", "Random") and not node.args:
                found.append(f"{name}:{node.lineno} Random without a seed")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("open", "print", "input", "eval", "exec", "__import__"):
                found.append(f"{name}:{node.lineno} {ast.unparse(node.func)}()")
    return found


def file_sizes(tree: Tree) -> list[str]:
    return [f"{name} has {lines} lines" for name, text in tree.text.items() if (lines := len(text.splitlines())) > LINES_MAX]


def function_sizes(tree: Tree) -> list[str]:
    found = []
    for name, _ in tree.sources():
        for node in tree.nodes[name]:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found.append(f"{name}:{node.lineno} {node.name} has {lines} lines")
    return found


def levels(tree: Tree) -> list[str]:
    """Nested blocks inside a function; an elif, an except and a case stand beside their first line."""
    found = []
    for name, _ in tree.sources():
        for node in tree.nodes[name]:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _depth(node.body) > LEVELS_MAX:
                found.append(f"{name}:{node.lineno} {node.name} is nested deeper than {LEVELS_MAX} levels")
    return found


def _depth(body: list[ast.stmt]) -> int:
    return max((_depth_of(one) for one in body), default=0)


def _depth_of(statement: ast.stmt) -> int:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return 0  # counted by itself
    inner = [getattr(statement, field, []) for field in ("body", "finalbody")]
    inner += [part.body for part in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]]
    otherwise = getattr(statement, "orelse", [])
    is_elif = isinstance(statement, ast.If) and len(otherwise) == 1 and isinstance(otherwise[0], ast.If)
    depth = 1 + max(map(_depth, [*inner, [] if is_elif else otherwise])) if any(inner) else 0
    return max(depth, _depth(otherwise)) if is_elif else depth


def docstrings(tree: Tree) -> list[str]:
    """Every file has one; outside the tests it also says what the file never does (a package's or a migration's has nothing to add)."""
    found = [name for name, parsed in tree.parsed.items() if not ast.get_docstring(parsed)]
    told = [(name, ast.get_docstring(parsed) or "") for name, parsed in tree.sources() if not name.endswith("__init__.py")]
    silent = [name for name, text in told if "/versions/" not in name and not re.search(r"\b[Nn]ever\b", text)]
    return found + [f"{name} does not say what it never does" for name in silent]


def silent_excepts(tree: Tree) -> list[str]:
    found = []
    for name in tree.parsed:
        for node in tree.nodes[name]:
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
    for name, _ in tree.sources():
        if name.startswith(MONEY_FILES):
            for node in tree.nodes[name]:
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
                    found.append(f"{name}:{node.lineno} float()")
                if isinstance(node, ast.Constant) and isinstance(node.value, float) and not name.startswith("exchange/"):
                    found.append(f"{name}:{node.lineno} a float literal")
    return found


def taken(tree: Tree, module: str) -> Iterator[tuple[str, int, str]]:
    """(file, line, name) of every name used of a module: `module.name`, or `from module import name`."""
    for name, node in attributes(tree):
        if isinstance(node.value, ast.Name) and node.value.id == module:
            yield name, node.lineno, node.attr
    for name in tree.parsed:
        for one in tree.nodes[name]:
            if isinstance(one, ast.ImportFrom) and one.module == module:
                yield from ((name, one.lineno, alias.name) for alias in one.names)


def traces(tree: Tree) -> list[str]:
    """enableTrace prints headers and payloads, keys included (DESIGN 10)."""
    return [f"{name}:{line}" for name, line, word in taken(tree, "websocket") if word == "enableTrace"]


def unsafe_loading(tree: Tree) -> list[str]:
    """YAML by safe_load (or compose with the safe loader), and nothing that makes objects from bytes."""
    unsafe = {"load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all", "Loader", "FullLoader", "UnsafeLoader", "CLoader"}
    found = [f"{name}:{line} yaml.{word}" for name, line, word in taken(tree, "yaml") if word in unsafe]
    found += [f"{name}:{line} {word}" for module in ("pickle", "marshal", "shelve", "dill") for name, line, word in taken(tree, module)]
    return found


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
    for name in tree.parsed:
        for node in tree.nodes[name]:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "submit" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Call) and not ast.unparse(first.func).endswith("partial"):
                    found.append(f"{name}:{node.lineno} submit({ast.unparse(first)})")
    return found
