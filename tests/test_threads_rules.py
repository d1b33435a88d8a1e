"""I18 and I19 by the sources: under a lock there is memory and nothing else, and one thread writes what is decided with.

What a lock's body calls is followed into the methods of its own class; everything else it calls must stand in MEMORY. Each rule is shown to fail.
"""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
ROOMS = ("core", "trading", "exchange/binance", "state", "runtime", "dashboard")
FILES = ("bot.py", "run.py", "assembly.py", "page.py", "strategy.py", "order_book_manager.py")
LOCKS = ("Lock", "RLock", "Condition", "Semaphore")
# Calls that touch memory alone. `wait_for` gives its lock back while it waits; a clock read is a call into the C library.
MEMORY = frozenset(
    {
        *("len", "list", "dict", "set", "tuple", "sum", "any", "max", "min", "sorted", "isinstance", "str", "int", "float", "deque", "OSError"),
        *("append", "appendleft", "extend", "add", "discard", "remove", "pop", "popleft", "clear", "update", "get", "setdefault"),
        *("items", "keys", "values", "fromkeys", "notify", "wait_for", "monotonic", "monotonic_ns", "perf_counter", "_clock_ns"),
        # of core.meters, runtime.inbox and dashboard.story: small classes and pure functions
        *("clears_ns", "spend", "add_diff", "add_trade", "MarketSlot", "StreamGap", "_after"),
    }
)


@cache
def sources(house: Path) -> tuple[tuple[str, ast.Module], ...]:
    paths = [*(path for room in ROOMS for path in sorted((house / room).rglob("*.py"))), *(house / name for name in FILES)]
    return tuple((str(path.relative_to(house)), ast.parse(path.read_text(encoding="utf-8"))) for path in paths if path.exists())


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def locks_of(tree: ast.AST) -> frozenset[str]:
    """Names that are given a lock: `self._memory_lock = threading.Lock()`."""
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    return frozenset(last_name(node.targets[0]) for node in assigned if isinstance(node.value, ast.Call) and last_name(node.value.func) in LOCKS)


def calls_in(body: list[ast.stmt], methods: dict[str, ast.FunctionDef], seen: set[str]) -> Iterator[str]:
    for call in (node for stmt in body for node in ast.walk(stmt) if isinstance(node, ast.Call)):
        name = last_name(call.func)
        own = isinstance(call.func, ast.Attribute) and last_name(call.func.value) == "self" and name in methods
        if own and name not in seen:
            seen.add(name)
            yield from calls_in(methods[name].body, methods, seen)
        elif not own:
            yield name


def under_locks(house: Path) -> list[str]:
    found = []
    for name, tree in sources(house):
        locks = locks_of(tree)
        for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            methods = {node.name: node for node in owner.body if isinstance(node, ast.FunctionDef)}
            for block in (node for node in ast.walk(owner) if isinstance(node, ast.With)):
                if any(last_name(item.context_expr) in locks for item in block.items):
                    found += [f"{name}:{block.lineno}: {call}" for call in calls_in(block.body, methods, set()) if call not in MEMORY]
    return found


def held_by_hand(house: Path) -> list[str]:
    """A lock of ours that is taken without `with` stays taken after an exception."""
    found = []
    for name, tree in sources(house):
        locks = locks_of(tree)
        calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
        found += [f"{name}:{call.lineno}" for call in calls if call.attr == "acquire" and last_name(call.value) in locks]
    return found


def writers(house: Path) -> list[str]:
    """Outside the deciding half: steps of the engine but in runtime/loop.py, and anything set on an engine or its books."""
    found = []
    for name, tree in sources(house):
        if name.startswith(("core/", "trading/", "strategy.py")):
            continue
        for node in ast.walk(tree):
            steps = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("engine.step") and name != "runtime/loop.py"
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign | ast.AnnAssign) else []
            sets = any(isinstance(one, ast.Attribute) and last_name(one.value) in ("engine", "books", "orders", "session") for one in targets)
            notes = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("books.light")  # it tells a change: `look` does not
            if steps or notes or (sets and "engine" in ast.unparse(targets[0])):
                found.append(f"{name}: {ast.unparse(node)}")
    return found


def test_under_a_lock_there_is_only_memory() -> None:
    """I18: no I/O, sleep, callback, log line or second lock under a lock; a call that is new there has to be looked at first."""
    assert under_locks(HOUSE) == []


def test_locks_are_held_by_with() -> None:
    """I18: no lock is taken by hand."""
    assert held_by_hand(HOUSE) == []


def test_one_place_steps_the_engine() -> None:
    """I19: only the trading loop steps the engine, and nobody else sets anything on it or asks its light in a way that tells."""
    assert writers(HOUSE) == []


A_LOCK = "import threading\nclass A:\n    def __init__(self):\n        self._memory = threading.Lock()\n    def f(self):\n"
PLANTS = [
    (under_locks, "state/a.py", A_LOCK + "        with self._memory:\n            self.file.write(b'')\n"),
    (under_locks, "runtime/a.py", A_LOCK + "        with self._memory:\n            self._g()\n    def _g(self):\n        sleep(1)\n"),
    (under_locks, "runtime/a.py", A_LOCK + "        with self._memory:\n            self._post(1)\n"),
    (held_by_hand, "runtime/a.py", A_LOCK + "        self._memory.acquire()\n"),
    (writers, "run.py", "self.session.engine.step(1, [])"),
    (writers, "runtime/a.py", "self.engine.books.now_ns = 1"),
    (writers, "assembly.py", "self.engine.books.light(symbol, side)"),
]


@pytest.mark.parametrize(("rule", "name", "text"), PLANTS, ids=[f"{rule.__name__}-{number}" for number, (rule, _, _) in enumerate(PLANTS)])
def test_each_rule_can_fail(rule: Callable[[Path], list[str]], name: str, text: str, tmp_path: Path) -> None:
    """A planted violation is found."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert rule(tmp_path)
