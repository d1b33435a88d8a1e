"""The console's lines: columns, words, folding, masking, verbosity, and the queue when it is full."""

import ast
import json
import logging
import re
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from core.commands import Cancel, CancelAll, Place, ReadDepth
from core.notices import Notice, Said
from core.types import OrderType, Side
from runtime.console import KEPT_WAITING_MAX, WARNING_WAITING_MAX
from runtime.console_lines import LEVELS, Line, Redactor, Repeats
from tests.runtime.bench import AT_NS, NS, Bench, wait_for

HOUSE = Path(__file__).resolve().parents[2]
SECRET = "wq8ZpLk3vT9sYb2c"


def place(**changes: object) -> Place:
    facts: dict[str, object] = {
        "command_id": 1,
        "reason": "-5.2 bp of mid",
        "timeout_ms": 3000,
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "type": OrderType.LIMIT_MAKER,
        "time_in_force": None,
        "price": Decimal("61211.10"),
        "quantity": Decimal("0.01000000"),
        "client_order_id": "glk4-t5x9k1-1",
        "slot": (0, 0),
        "not_after_ns": 0,
    }
    return Place(**{**facts, **changes})  # type: ignore[arg-type]


def test_place_and_cancel_have_the_documented_columns(tmp_path: Path) -> None:
    """One decision is one line: time, tag, symbol, side, quantity, price, reason, and the id last, in fixed columns."""
    bench = Bench(tmp_path)
    bench.console.start()
    bench.console.command(AT_NS + 18_000_000, place())
    cancel = Cancel(
        command_id=2,
        reason="mid moved +6.1 bp",
        timeout_ms=1,
        symbol="ETHUSDT",
        side=Side.SELL,
        price=Decimal("3012.41"),
        quantity=Decimal("0.1"),
        venue_order_id=7,
        client_order_id="glk4-t5x9k1-2",
        cancel_id="c",
    )
    bench.console.command(AT_NS, cancel)
    bench.console.command(AT_NS, CancelAll(command_id=3, reason="operator", timeout_ms=1, symbol=None, tag="glk4"))
    bench.console.command(AT_NS, ReadDepth(command_id=4, reason="start", timeout_ms=1, symbol="BTCUSDT", limit=100))
    bench.stop()
    placed, canceled, all_of_them = bench.shown[1:]
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.018 PLACE   BTCUSDT  BUY  0\.01000 @ 61211\.10 · -5\.2 bp of mid +glk4-t5x9k1-1", placed)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.000 CANCEL  ETHUSDT  SELL 0\.10000 @ 3012\.41 · mid moved \+6\.1 bp +glk4-t5x9k1-2", canceled)
    assert placed.index("glk4") == canceled.index("glk4")
    assert "CANCEL           all our open orders of every symbol · operator" in all_of_them


class Spoken(Notice, frozen=True, kw_only=True):
    fails: bool = False

    def words(self) -> str:
        if self.fails:
            raise ZeroDivisionError("half a fact")
        return f"made on {threading.current_thread().name}"


def test_words_are_made_on_the_console_thread(tmp_path: Path) -> None:
    """A notice becomes words on the console's thread, never on the caller's; one without words says so and the next line still comes."""
    bench = Bench(tmp_path)
    bench.console.start()
    bench.console.notice(AT_NS, Spoken(tag="LIGHT", symbol="BTCUSDT"))
    bench.console.notice(AT_NS, Spoken(tag="LIGHT", fails=True))
    bench.console.line("BOOT", "", "still here")
    bench.stop()
    assert "made on console" in bench.shown[1]
    assert "could not be put into words: ZeroDivisionError" in bench.shown[2]
    assert "still here" in bench.shown[3]


def test_a_full_queue_drops_details_and_never_a_fill(tmp_path: Path) -> None:
    """The queue is bounded: details go first, then decisions, then warnings; FILL, RISK and EXIT all arrive, and the loss is told."""
    bench = Bench(tmp_path, verbose=True)
    for number in range(WARNING_WAITING_MAX + 1_000):
        bench.console.line("ACK", "", f"ack {number}")
        bench.console.line("PLACE", "", f"place {number}")
        bench.console.line("REJECT", "", f"reject {number}")
        if number % 100 == 0:
            bench.console.line("FILL", "BTCUSDT", f"fill {number}")
            bench.console.line("RISK", "BTCUSDT", f"limit of size {chr(97 + number // 100 % 26) * (number // 2600 + 1)}")
            bench.console.line("EXIT", "", f"exit {number}")
    assert len(bench.console._waiting) < KEPT_WAITING_MAX
    bench.console.start()
    assert wait_for(lambda: not bench.console._waiting)
    bench.stop()
    count = {tag: sum(f" {tag} " in line for line in bench.shown) for tag in ("ACK", "PLACE", "FILL", "RISK", "EXIT")}
    assert count["FILL"] == count["RISK"] == count["EXIT"] == 60
    assert count["ACK"] < count["PLACE"] < 3_000
    skipped = next(line for line in bench.shown if "lines skipped" in line)
    assert "ACK" in skipped and "PLACE" in skipped and "FILL" not in skipped


def test_repeats_fold_and_say_how_many(tmp_path: Path) -> None:
    """Lines that differ in numbers only are said once per window, with the count when it ends; another cause is said at once."""
    bench = Bench(tmp_path)
    bench.console.start()
    for number in range(15):
        bench.console.line("DOWN", "all", f"user stream silent, reconnect in {number} s (try {number})", at_ns=AT_NS + number)
    bench.console.line("DOWN", "all", "the venue refuses: maintenance")
    assert wait_for(lambda: not bench.console._waiting)
    bench.clock.now_ns += 11 * NS
    assert wait_for(lambda: any("more times" in line for line in bench.shown))
    bench.stop()
    down = [line for line in bench.shown if " DOWN " in line]
    assert len(down) == 3
    assert "(try 0)" in down[0] and "maintenance" in down[1]
    assert "the same 14 more times in 11 s, last: user stream silent, reconnect in 14 s (try 14)" in down[2]
    assert bench.events_log.count('"tag":"DOWN"') == 16


def test_a_long_outage_stays_a_handful_of_lines() -> None:
    """The window doubles while repeats go on: an hour of one cause, five times a second, is at most 12 lines."""
    repeats, said = Repeats(), 0
    for step in range(3600 * 5):
        at_ns = AT_NS + step * NS // 5
        said += repeats.admits(Line(at_ns=at_ns, tag="WS", text=f"try {step} failed", level=logging.INFO))
        said += len(repeats.due(at_ns))
    assert 3 <= said <= 12
    assert not Repeats().due(AT_NS)


def test_facts_of_trading_are_never_folded(tmp_path: Path) -> None:
    """Equal fills, places and cancels are each their own line."""
    bench = Bench(tmp_path)
    bench.console.start()
    for tag in ("FILL", "PLACE", "CANCEL"):
        for _ in range(5):
            bench.console.line(tag, "BTCUSDT", "the same")
    bench.stop()
    assert sum("the same" in line for line in bench.shown) == 15


def test_a_cancel_that_no_connection_takes_is_said_once() -> None:
    """The first cancel of each order is a line of its own; asked again every 0.3 s for an hour it is a handful of lines a side."""
    repeats, said = Repeats(), []
    for step in range(3600 * 3):
        at_ns = AT_NS + step * NS // 3
        for order in range(4):
            text = f"{'BUY ' if order % 2 else 'SELL'} 0.0{order} @ 5999{order} · user stream down"
            line = Line(at_ns=at_ns, tag="CANCEL", symbol="BTCUSDT", text=text, order_id=f"gl-{order}", level=logging.INFO)
            said += [line.order_id] * repeats.admits(line)
        said += ["sum"] * len(repeats.due(at_ns))
    assert said[:4] == ["gl-0", "gl-1", "gl-2", "gl-3"]
    assert len(said) <= 4 + 2 * 12


def test_secrets_are_masked_everywhere(tmp_path: Path) -> None:
    """A registered secret reaches neither terminal nor files: not in a line, a notice, a library's record, a traceback or the status."""
    bench = Bench(tmp_path)
    bench.console.redact(SECRET, "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAb\n-----END PRIVATE KEY-----\n")
    bench.console.start()
    bench.console.status(lambda: f"key {SECRET}")
    bench.console.line("REJECT", SECRET, f"signature of {SECRET} refused", SECRET)
    bench.console.notice(AT_NS, Said(tag="WS", text=f"wss://host/?key={SECRET} MC4CAQAwBQYDK2VwBCIEIAb"))
    try:
        raise ValueError(f"bad key {SECRET}")
    except ValueError:
        logging.getLogger("urllib3").exception("request with %s failed", SECRET)
    assert wait_for(lambda: not bench.console._waiting)
    bench.clock.now_ns += 31 * NS
    assert wait_for(lambda: any(" BEAT " in line for line in bench.shown))
    bench.stop()
    written = "\n".join(bench.shown) + bench.text_log + bench.events_log
    assert SECRET not in written and "MC4CAQ" not in written
    assert written.count("***") >= 10 and "Traceback" in bench.text_log
    assert not any("Traceback" in line for line in bench.shown)


def test_what_ends_a_thread_is_said_and_masked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A thread that ends by a fault is a line with its name, its stack in the log file, and nothing of it on stderr."""
    before = threading.excepthook
    bench = Bench(tmp_path)
    bench.console.redact(SECRET)
    bench.console.start()

    def fails() -> None:
        raise ValueError(f"bad key {SECRET}")

    thread = threading.Thread(target=fails, name="query-1")
    thread.start()
    thread.join()
    bench.stop()
    assert sum("thread query-1 has ended by a fault of its own · ValueError: bad key ***" in line for line in bench.shown) == 1
    assert "in fails" in bench.text_log and SECRET not in bench.text_log + bench.events_log
    assert capsys.readouterr().err == "" and threading.excepthook is before


def test_a_secret_is_masked_in_its_url_form_too() -> None:
    """Keys with characters that a URL escapes are masked in both forms; short words are left alone."""
    redactor = Redactor()
    redactor.register("ab+cd/ef==gh", "short")
    assert redactor.clean("ab+cd/ef==gh ab%2Bcd%2Fef%3D%3Dgh short") == "*** *** short"


def test_words_of_others_cannot_draw_on_the_terminal(tmp_path: Path) -> None:
    """Line breaks and terminal codes in a venue's message stay inside one plain line."""
    bench = Bench(tmp_path)
    bench.console.start()
    bench.console.line("REJECT", "BTCUSDT", "two\nrows \x1b[2J\x9b31m\r\x07" + "y" * 10_000)
    bench.stop()
    assert len(bench.shown) == 2
    assert "two | rows ?[2J?31m?yyy" in bench.shown[1] and len(bench.shown[1]) < 4_200


def test_quiet_and_verbose(tmp_path: Path) -> None:
    """-q shows fills, risk, proof and the end; -v adds acknowledgements; the log file has all of them either way."""
    seen = {}
    for name in ("quiet", "normal", "verbose"):
        bench = Bench(tmp_path / name, quiet=name == "quiet", verbose=name == "verbose")
        bench.console.start()
        for tag in LEVELS:
            bench.console.line(tag, "", "text")
        bench.stop()
        seen[name] = {line.split()[1] for line in bench.shown}
        assert {line.split()[2] for line in bench.text_log.splitlines()} == set(LEVELS)
    assert seen == {"quiet": {"FILL", "RISK", "PROOF", "EXIT"}, "normal": set(LEVELS) - {"ACK"}, "verbose": set(LEVELS)}


def test_json_ui_is_one_object_a_line(tmp_path: Path) -> None:
    """--ui json writes JSON objects to the terminal, the same as events.jsonl holds."""
    bench = Bench(tmp_path, ui="json")
    bench.console.start()
    bench.console.command(AT_NS, place())
    bench.stop()
    assert json.loads(bench.shown[1]) == {
        "time_ns": AT_NS,
        "tag": "PLACE",
        "symbol": "BTCUSDT",
        "text": "BUY  0.01000 @ 61211.10 · -5.2 bp of mid",
        "id": "glk4-t5x9k1-1",
    }
    assert bench.shown == bench.events_log.splitlines()


def test_every_tag_in_the_source_is_of_the_documented_set() -> None:
    """The tags are a closed set: whatever the code says with a literal tag is in LEVELS."""
    said: set[str] = set()
    for path in (path for folder in ("core", "runtime", ".") for path in (HOUSE / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            words = [word.value for word in node.keywords if word.arg == "tag"]
            if isinstance(node.func, ast.Attribute) and node.func.attr == "line":
                words += node.args[:1]
            values = [word.value for word in words if isinstance(word, ast.Constant)]
            said.update(value for value in values if isinstance(value, str))
    assert said - set(LEVELS) == set() and len(said) > 8
