"""The running bot as its user meets it: a process, its JSON, its verbs, its exit codes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot import keys_of
from runtime.command_line import VERBS
from runtime.keys import KeysError

ROOT = Path(__file__).resolve().parent.parent
FIELDS = (
    "run_id", "seconds", "orders_placed", "orders_canceled", "fills", "maker_fills",
    "taker_fills", "fees", "pnl_quote", "inventory", "rejects", "light_seconds",
    "quote_uptime", "pong_ms_max", "step_ms_max", "shutdown_ms", "proof", "books",
)
WAIT_S = 30.0


def bot(*arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "bot.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=180, check=False)


def settings(folder: Path) -> list[str]:
    return ["--config", str(ROOT / "config.yaml"), "--set", f"state.dir={folder / 'state'}", "--set", f"log.dir={folder / 'logs'}"]


@contextmanager
def running_bot(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A bot in the background, green before the test goes on, asked to stop at the end."""
    command = [sys.executable, str(ROOT / "bot.py"), *settings(folder), "--ui", "plain"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "-> green" in line:
                break
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=WAIT_S)


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON of one real run of 4 s in a market three times as fast."""
    done = bot(*settings(tmp_path_factory.mktemp("run")), "--set", "paper.speed=3", "--run-for", "4", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    whole: dict[str, Any] = json.loads(done.stdout)
    return whole


def test_json_is_one_object_with_every_field(summary: dict[str, Any]) -> None:
    """`--json` prints one object on stdout that holds at least the promised fields, with proof equal."""
    assert [name for name in FIELDS if name not in summary] == []
    assert summary["proof"]["equal"] is True
    assert summary["orders_placed"] > 0


def test_pnl_is_recomputed_from_the_books(summary: dict[str, Any]) -> None:
    """pnl_quote = cash + inventory at mid - start at start mid, recomputed here from `books` alone."""
    books = summary["books"]
    mid, start_mid = Decimal(books["mids"]["BTCUSDT"]), Decimal(books["start_mids"]["BTCUSDT"])
    now = {asset: Decimal(held["free"]) + Decimal(held["locked"]) for asset, held in books["balances"].items()}
    start = {asset: Decimal(total) for asset, total in books["start_balances"].items()}
    value = now["USDT"] + now["BTC"] * mid - start["USDT"] - start["BTC"] * start_mid
    assert Decimal(summary["pnl_quote"]) == value


def test_fills_and_fees_explain_the_balances(summary: dict[str, Any]) -> None:
    """Start + every fill - every fee in its own asset = what the venue holds, to the last digit."""
    books = summary["books"]
    assert books["fills"], "nothing to explain"
    held = {asset: Decimal(total) for asset, total in books["start_balances"].items()}
    for fill in books["fills"]:
        sign = 1 if fill["side"] == "BUY" else -1
        quantity, price = Decimal(fill["quantity"]), Decimal(fill["price"])
        held["BTC"] += sign * quantity
        held["USDT"] -= sign * quantity * price
        held[fill["fee_asset"]] -= Decimal(fill["fee"])
    stated = {asset: Decimal(both["free"]) + Decimal(both["locked"]) for asset, both in books["balances"].items()}
    assert {asset: held[asset] for asset in ("BTC", "USDT")} == {asset: stated[asset] for asset in ("BTC", "USDT")}


@pytest.mark.side_by_side
def test_verbs_reach_the_running_bot(tmp_path: Path) -> None:
    """status and why answer while the bot runs; cancel-all halts it and leaves no order; resume ends the halt; a second bot is refused."""
    with running_bot(tmp_path):
        shown = json.loads(bot("status", "--json", *settings(tmp_path)).stdout)["snapshot"]
        assert {side["symbol"] for side in shown["sides"]} == {"BTCUSDT"}
        close = bot("close", *settings(tmp_path))
        assert close.returncode == 2 and "no lots" in close.stdout, "a market maker has none, and must not claim to leave them"
        second = bot("--run-for", "3", "--ui", "plain", *settings(tmp_path))
        assert second.returncode == 2 and "another bot" in second.stdout
        assert bot("cancel-all", *settings(tmp_path)).returncode == 0
        halted = wait_for_status(tmp_path, lambda seen: seen["halted"] == "cancel-all" and seen["orders_open"] == 0)
        assert all(side["colour"] == "red" for side in halted["sides"])
        assert "cancel-all" in bot("why", *settings(tmp_path)).stdout
        assert bot("resume", *settings(tmp_path)).returncode == 0
        wait_for_status(tmp_path, lambda seen: seen["halted"] == "" and seen["orders_open"] > 0)
    assert bot("status", *settings(tmp_path)).returncode == 3


@pytest.mark.side_by_side
def test_a_bot_that_hangs_is_not_called_absent(tmp_path: Path) -> None:
    """A verb that gets no answer from a bot that holds the folder names its pid."""
    with running_bot(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        try:
            for verb in ("status", "cancel-all"):
                told = bot(verb, *settings(tmp_path))
                assert told.returncode == 3 and f"a bot (pid {process.pid})" in told.stderr and "did not answer" in told.stderr
        finally:
            process.send_signal(signal.SIGCONT)


@pytest.mark.side_by_side
def test_a_closed_terminal_stops_the_bot_in_order(tmp_path: Path) -> None:
    """SIGHUP cancels, proves and ends with 0, as Ctrl-C does."""
    with running_bot(tmp_path) as process:
        process.send_signal(signal.SIGHUP)
        said, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    last = said.splitlines()[-1]
    assert "no order of ours is left" in last
    if "no report in time" in last:  # two seconds were not enough on a crowded machine: the command it names writes it
        assert bot("report", "--html", *settings(tmp_path)).returncode == 0
    (report,) = (tmp_path / "reports").glob("*.html")
    assert report.name in last or "no report in time" in last
    assert report.read_text(encoding="utf-8").endswith("</html>\n")


def wait_for_status(folder: Path, is_so: Any) -> dict[str, Any]:
    ends_s = time.monotonic() + WAIT_S
    while time.monotonic() < ends_s:
        answer = bot("status", "--json", *settings(folder))
        seen: dict[str, Any] = json.loads(answer.stdout)["snapshot"] if answer.returncode == 0 else {}
        if seen and is_so(seen):
            return seen
    raise AssertionError("the running bot never got there")


@pytest.mark.side_by_side
def test_one_shot_verbs(tmp_path: Path) -> None:
    """init writes a config that check accepts, and never writes over a file; schema is JSON; show-config names every origin."""
    first, again = bot("init", cwd=tmp_path), bot("init", cwd=tmp_path)
    assert (first.returncode, again.returncode) == (0, 2)
    config = str(tmp_path / "config.yaml")
    assert f"--config {config}" in first.stdout, "the one beside bot.py is read by default, not this one"
    assert bot("init", "--config", str(tmp_path / "mine.yaml")).returncode == 0 and (tmp_path / "mine.yaml").exists()
    lost = bot("init", "--config", str(tmp_path / "nowhere" / "mine.yaml"))
    assert lost.returncode == 2 and lost.stderr.strip().endswith("No such file or directory")
    assert bot("check", "--config", config).returncode == 0
    assert json.loads(bot("schema").stdout)["properties"]
    shown = bot("show-config", "--config", config, "--set", "paper.seed=11").stdout
    assert [line for line in shown.splitlines() if line.startswith("paper.seed") and "--set" in line]


def test_cycles_are_of_the_market_maker() -> None:
    """--cycles with a strategy that has no round trips of quoting is refused, not counted by another measure."""
    done = bot("--config", str(ROOT / "config.yaml"), "--set", "strategy=maker_first", "--cycles", "1")
    assert done.returncode == 2 and "--run-for" in done.stderr


def test_real_money_needs_two_words() -> None:
    """venue: binance without --live is refused before anything is contacted."""
    done = bot("--config", str(ROOT / "config.yaml"), "--set", "venue=binance")
    assert done.returncode == 2 and "--live" in done.stderr


def test_a_key_that_cannot_sign_is_told_before_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PEM file that looks like one and holds no key is the person's mistake, in words without its content."""
    path = tmp_path / "key.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\n", encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("GREENLIGHT_API_KEY", "key")
    monkeypatch.setenv("GREENLIGHT_PRIVATE_KEY_FILE", str(path))
    with pytest.raises(KeysError, match=r"^the private key is neither an Ed25519 nor an RSA key"):
        keys_of(tmp_path)


def test_readme_lists_every_verb() -> None:
    """The README's table of verbs is the parser's."""
    table = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert [verb for verb in VERBS if not any(f"`{verb}`" in line for line in table)] == []
