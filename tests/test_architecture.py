"""The law of the house: each rule of tests/house_rules.py is held against the house, and against planted violations, so that it is known to fail."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house_rules import (
    Tree,
    called_submits,
    circles,
    docstrings,
    file_sizes,
    floats_near_money,
    floors,
    function_sizes,
    hidden_imports,
    leftovers,
    levels,
    pure_files,
    purity,
    rooms,
    silent_excepts,
    traces,
    unsafe_loading,
)

HOUSE = Path(__file__).resolve().parent.parent


# -- the house obeys -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def house() -> Tree:
    return Tree(HOUSE)


def test_rooms(house: Tree) -> None:
    """Every file stands in a room that the floors speak of."""
    assert rooms(house) == []


def test_hidden_imports(house: Tree) -> None:
    """No import hides its name from these rules."""
    assert hidden_imports(house) == []


def test_floors(house: Tree) -> None:
    """A file imports its own room and lower floors only; siblings and the two venues never import each other."""
    assert floors(house) == []


def test_no_import_circles(house: Tree) -> None:
    """No module imports itself through others when it is loaded."""
    assert circles(house) == []


def test_purity(house: Tree) -> None:
    """The deciding files, and what they load, import only what is known to have no clock, thread, socket, disk, log, id source or randomness."""
    assert purity(house) == []


def test_pure_files_exist(house: Tree) -> None:
    """The purity rule reads the files it is about."""
    some = {"core/engine.py", "trading/risk.py", "strategy.py", "exchange/binance/wire.py", "exchange/binance/__init__.py", "exchange/paper/book.py"}
    assert some <= set(pure_files(house))


def test_file_sizes(house: Tree) -> None:
    """A file is one noun, at most 400 lines."""
    assert file_sizes(house) == []


def test_function_sizes(house: Tree) -> None:
    """A function fits a screen: at most 60 lines."""
    assert function_sizes(house) == []


def test_levels(house: Tree) -> None:
    """No function is nested deeper than three levels."""
    assert levels(house) == []


def test_docstrings(house: Tree) -> None:
    """Every file says what lives in it, and what it never does."""
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


def test_nothing_is_loaded_that_can_run(house: Tree) -> None:
    """YAML is read by safe loaders only, and nothing unpickles."""
    assert unsafe_loading(house) == []


def test_no_leftovers(house: Tree) -> None:
    """Nothing is left for later in a comment."""
    assert leftovers(house) == []


def test_submit_takes_a_function(house: Tree) -> None:
    """submit(func, arg), never submit(func(arg))."""
    assert called_submits(house) == []


# -- every rule can fail -------------------------------------------------------------------------
LONG = "def long():\n" + "    a = 1\n" * 60
DEEP = "def deep():\n  for a in x:\n    if b:\n      with c:\n        while d:\n          d = 1\n"
SHALLOW = "def flat():\n  for a in x:\n    if a:\n      b = 1\n    elif c:\n      with c:\n        d = 1\n    else:\n      e = 1\n"
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
    (floors, {"exchange/paper/a.py": "from exchange import binance", "exchange/binance/wire.py": ""}),
    (floors, {"exchange/other/a.py": "import exchange.paper.book", "exchange/paper/book.py": ""}),
    (floors, {"exchange/binance/a.py": "from ..other import b", "exchange/other/b.py": ""}),
    (floors, {"runtime/a.py": "def f():\n    importlib.import_module('state.intents')"}),
    (floors, {"core/a.py": "def f():\n    return __import__('runtime')"}),
    (floors, {"core/a.py": "import bot"}),
    (floors, {"runtime/a.py": "from core import b", "core/__init__.py": "from state import x as b"}),
    (rooms, {"venues/kraken/rest.py": "import core.engine"}),
    (rooms, {"helpers.py": ""}),
    (hidden_imports, {"runtime/a.py": "def f(name):\n    importlib.import_module(name)"}),
    (hidden_imports, {"state/a.py": "__import__('run' + 'time')"}),
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
    (purity, {"exchange/paper/matching.py": "", "exchange/paper/__init__.py": "import time"}),
    (purity, {"exchange/binance/wire.py": "from exchange.binance import rest", "exchange/binance/rest.py": "import ssl"}),
    (purity, {"core/a.py": "from core import now", "core/__init__.py": "from time import time_ns as now"}),
    (purity, {"trading/a.py": "def f():\n    importlib.import_module('time')"}),
    (purity, {"core/a.py": "import pathlib"}),
    (purity, {"core/a.py": "import _thread"}),
    (purity, {"core/a.py": "eval('1')"}),
    (purity, {"core/a.py": "print(1)"}),
    (file_sizes, {"core/a.py": "a = 1\n" * 401}),
    (function_sizes, {"core/a.py": LONG}),
    (levels, {"run.py": DEEP}),
    (levels, {"core/a.py": DEEP.replace("if b", "try").replace("        d = 1", "        d = 1\n    finally:\n        e = 1")}),
    (docstrings, {"core/a.py": "a = 1"}),
    (docstrings, {"core/a.py": '"""What lives here, and who calls it."""'}),
    (silent_excepts, {"core/a.py": "try:\n    a = 1\nexcept ValueError:\n    pass"}),
    (silent_excepts, {"core/a.py": "try:\n    a = 1\nexcept:\n    a = 2"}),
    (silent_excepts, {"core/a.py": "with contextlib.suppress(Exception):\n    a = 1"}),
    (floats_near_money, {"core/money.py": "a = float('1')"}),
    (floats_near_money, {"trading/a.py": "a = 0.1"}),
    (floats_near_money, {"exchange/binance/wire.py": "a = float(b)"}),
    (traces, {"runtime/a.py": "websocket.enableTrace(True)"}),
    (traces, {"runtime/a.py": "from websocket import enableTrace"}),
    (unsafe_loading, {"runtime/a.py": "yaml.load(text)"}),
    (unsafe_loading, {"runtime/a.py": "from yaml import full_load"}),
    (unsafe_loading, {"runtime/a.py": "yaml.compose(text, Loader=yaml.Loader)"}),
    (unsafe_loading, {"state/a.py": "import pickle\npickle.loads(b'')"}),
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
        "core/a.py": '"""A. Never: b."""\nfrom random import Random\n\n\ndef f(seed: int) -> object:\n    import core.b\n    return Random(seed)\n',
        "core/b.py": '"""B. Never: b."""\nimport core.a\n',
        "runtime/c.py": '"""C. Never: b."""\nimport time\nimport core.a\npool.submit(partial(f, 1))\npool.submit(f, 1)\nx = 0.5\n',
        "sim/d.py": '"""D. Never: b."""\nimport exchange.paper.e\nimport runtime.c\n',
        "exchange/paper/e.py": '"""E. Never: b."""\nimport core.a\n',
        "exchange/other/f.py": '"""F. Never: b."""\nimport exchange\nfrom exchange.other import g\n',
        "exchange/other/g.py": '"""G. Never: b."""\nx = importlib.import_module("requests")\ny = yaml.safe_load(x)\n' + SHALLOW,
    }
    for name, text in clean.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tree = Tree(tmp_path)
    assert {rule.__name__: rule(tree) for rule, _ in PLANTS} == {rule.__name__: [] for rule, _ in PLANTS}
