"""How the house is built: rows 24, 29, 34, 35, 37, 39 of the field cases - what no run shows, the source does."""

import ast
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assembly import Session
from core.commands import ReadAccount, ReadDepth
from core.engine import Engine
from core.events import OrderAnswer, Outcome, StreamDown, StreamGap, StreamUp, Timer
from core.types import Connection
from exchange.binance.venue import BinanceVenue
from order_book_manager import OrderBookManager
from runtime.console_lines import Line, Repeats, level_of
from runtime.watchdog import Watchdog
from sim.scheduler import MS
from tests.core.builders import Desk, depth_snapshot
from tests.museum.scenes import listed
from tests.paper.exchange_client import ROOT

ROOMS = ("core", "trading", "exchange/binance", "runtime", "state")
TOP = ("bot.py", "run.py", "assembly.py", "strategy.py", "order_book_manager.py")
LOCKS = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore"}
# What may wait for somebody, or call somebody, while a lock is held (DESIGN 2: never I/O, a callback or a log flush).
FORBIDDEN = {"sleep", "join", "submit", "result", "post", "send", "recv", "write", "flush", "open", "fsync", "acquire", "get", "put",
             "info", "warning", "error", "exception", "_post", "_tell", "request", "connect", "urlopen", "execute"}
SPOKEN_LINES_MAX = 3


def sources(*rooms: str) -> Iterator[tuple[Path, ast.Module]]:
    for room in rooms or (*ROOMS, *TOP):
        paths = [ROOT / room] if room.endswith(".py") else sorted((ROOT / room).glob("*.py"))
        for path in paths:
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def lock_name(item: ast.withitem) -> str:
    """`with self._memory_lock:` -> _memory_lock; empty where it is no lock."""
    name = item.context_expr.attr if isinstance(item.context_expr, ast.Attribute) else getattr(item.context_expr, "id", "")
    return name if "lock" in name.lower() else ""


def held_blocks(tree: ast.AST) -> Iterator[tuple[str, ast.With]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            for item in node.items:
                if name := lock_name(item):
                    yield name, node


# -- row 24 --------------------------------------------------------------------------------------
def test_row_24_no_lock_inside_a_lock() -> None:
    """nautilus #4863: a lock taken inside a lock froze the node silently. Ours: no lock is taken, and nobody is called or waited for, while one is
    held: read from the source of every thread of ours (I18)."""
    seen = 0
    for path, tree in sources():
        for name, block in held_blocks(tree):
            seen += 1
            inner = [other for other, nested in held_blocks(block) if nested is not block]
            assert not inner, f"{path}:{block.lineno} takes {inner} inside {name}"
            for call in (node for node in ast.walk(block) if isinstance(node, ast.Call)):
                called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                is_dict_get = called == "get" and len(call.args) >= 1
                assert called not in FORBIDDEN or is_dict_get, f"{path}:{call.lineno} calls {called}() under {name}"
    assert seen >= 6, "the search finds our locks"


def test_row_24_a_freeze_is_not_silent(tmp_path: Path) -> None:
    """nautilus #4863: the freeze was silent. Ours: the watchdog names the thread that stopped moving and leaves the stacks of all threads."""
    now_s, told = [100.0], list[str]()
    dog = Watchdog(tmp_path, lambda name, text: told.append(text), lambda name, text: None, lambda: now_s[0])
    beat = dog.heart("trading", 2.0)
    dog.start()
    outer, inside = threading.Lock(), threading.Event()

    def takes_a_lock_inside_a_lock() -> None:
        with outer:
            beat()
            inside.set()
            outer.acquire(timeout=5)

    frozen = threading.Thread(target=takes_a_lock_inside_a_lock, name="trading", daemon=True)
    frozen.start()
    try:
        assert inside.wait(5)
        now_s[0] += 1.0
        dog.judge()
        now_s[0] += 1.5
        dog.judge()
    finally:
        outer.release()
        dog.stop(0)
    assert any("trading has not moved for 2.5 s" in text for text in told)
    assert "takes_a_lock_inside_a_lock" in (tmp_path / "stacks.txt").read_text()


# -- row 29 --------------------------------------------------------------------------------------
def test_row_29_a_frozen_process_leaves_no_orders() -> None:
    """Krypto #863: users want a dead-man switch. Ours: an optional external sentinel cancels our orders when the process is frozen."""
    pytest.skip("the sentinel belongs to a later issue")


# -- row 34 --------------------------------------------------------------------------------------
def test_row_34_paper_is_live() -> None:
    """hummingbot #8414, #7434: strategies crash on the paper exchange, which is other code. Ours: nothing that decides, sends or reads knows the word
    paper; a session on it is built of the same engine, manager, venue and streams."""
    for path, tree in sources("core", "trading", "exchange/binance", "strategy.py", "order_book_manager.py"):
        texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts and path.name != "urls.py":
                assert "paper" not in node.value.lower(), f"{path}:{node.lineno} {node.value!r}"
            if isinstance(node, ast.Name | ast.Attribute):
                assert "paper" not in (node.id if isinstance(node, ast.Name) else node.attr).lower(), f"{path}:{node.lineno}"
    made = {node.func.id for node in ast.walk(ast.parse((ROOT / "assembly.py").read_text())) if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)}
    assert {"Engine", "OrderBookManager", "BinanceVenue", "user_stream", "market_stream"} <= made
    assert not [name for name in made if "Paper" in name]
    assert all(part.__module__.split(".")[0] != "exchange.paper" for part in (Engine, OrderBookManager, BinanceVenue, Session))


# -- row 35 --------------------------------------------------------------------------------------
def test_row_35_an_outage_is_a_handful_of_lines() -> None:
    """hummingbot offline: 1,564 lines and 53 tracebacks in 22 s. Ours: at most 3 lines per cause, counted, with its end."""
    desk, repeats, spoken, raw = Desk().connect(), Repeats(), list[Line](), 0
    desk.step(StreamDown(connection=Connection.MARKET, reason="connection refused"), StreamGap(connection=Connection.USER, reason="unreadable"))
    for turn in range(420):
        offline = turn < 220
        for command in list(desk.engine.pending.values()):
            if isinstance(command, ReadAccount | ReadDepth):
                answer = desk.account() if isinstance(command, ReadAccount) else depth_snapshot(200)
                note = "NameResolutionError: Failed to resolve 'api.binance.com'"
                desk.reply(command, outcome=Outcome.NOT_SENT, note=note) if offline else desk.reply(command, answer)
        said = list(desk.last.notices)
        back = [StreamUp(connection=Connection.MARKET)] if turn == 220 else []
        said.extend(desk.step(*back, Timer(), after_ms=100).notices)
        spoken.extend(repeats.due(desk.ms * MS))
        for notice in said:
            words: dict[str, Any] = {"tag": notice.tag, "symbol": notice.symbol, "text": notice.words(), "order_id": notice.order_id}
            line = Line(at_ns=desk.ms * MS, level=level_of(notice.tag), **words)
            raw += 1
            if repeats.admits(line):
                spoken.append(line)
    spoken.extend(repeats.due(desk.ms * MS, ends_all=True))
    causes = Counter((line.tag, line.symbol, cause_of(line.text)) for line in spoken if line.tag != "LIGHT")
    assert raw > 40, "the venue was asked again and again"
    assert max(causes.values()) <= SPOKEN_LINES_MAX, causes.most_common(3)
    assert len(spoken) <= 30, len(spoken)
    assert not any("Traceback" in line.text for line in spoken)
    assert any("more times in" in line.text for line in spoken), "the repeats are counted"
    assert desk.light().is_green
    assert [line for line in spoken if line.tag == "LIGHT" and "-> green" in line.text], "and its end is said"


def cause_of(text: str) -> str:
    return re.sub(r"^the same # more times? in # s, last: ", "", re.sub(r"\d+(?:\.\d+)?", "#", text))


# -- row 37 --------------------------------------------------------------------------------------
def test_row_37_the_sync_socket_calls_are_not_used() -> None:
    """python-binance sync ws_*: the order is sent, then "timed out" in the caller. Ours: its socket calls and managers are not used anywhere."""
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                theirs = [name for name in names if name.split(".")[0] == "binance"]
                assert theirs in ([], ["binance.client"] if path.match("exchange/binance/client.py") else []), f"{path}: {theirs}"
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("ws_create") and node.attr not in ("ThreadedWebsocketManager", "BinanceSocketManager")


# -- row 39 --------------------------------------------------------------------------------------
def test_row_39_there_is_no_trading_lock() -> None:
    """The lock convoy: a mutex shared by the step and the state save. Ours: nothing that decides knows a lock, nor does the loop around it."""
    for path, tree in sources("core", "trading", "strategy.py", "order_book_manager.py", "runtime/loop.py"):
        made = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in LOCKS]
        assert not made, f"{path}: {made}"
        assert not list(held_blocks(tree)), path


def test_row_39_a_reprice_is_written_before_it_leaves() -> None:
    """The lock convoy: reprice ids were never persisted. Ours: the lane writes the intent immediately before the send; the engine knows the new id in
    the same step. (Pipeline heartbeats of entries and exits wait for the trader issue; the trading thread's is in tests/runtime.)"""
    desk = Desk().connect()
    order = desk.rest()
    desk.reply(desk.cancel(order), OrderAnswer(facts=listed(order, "CANCELED")))  # type: ignore[arg-type]
    place = desk.place()
    assert place.client_order_id in desk.books.orders.by_client_id
    call = next(node for node in ast.walk(ast.parse((ROOT / "order_book_manager.py").read_text()))
                if isinstance(node, ast.FunctionDef) and node.name == "_call")
    lines = {ast.unparse(node.func): node.lineno for node in ast.walk(call) if isinstance(node, ast.Call)}
    assert lines["self._journal.intent"] < lines["send"] < lines["self._journal.result"]
