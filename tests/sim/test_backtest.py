"""sim.backtest and the verb `backtest`: the bot over a hand-made recording; what it tells, what it keeps, how it ends."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.command_line import parse
from runtime.config import load
from runtime.instance_lock import InstanceLock
from sim import backtest_run
from sim.backtest import Backtest
from state.report import build
from state.store import FILE as STORE_FILE
from tests.paper.exchange_client import ROOT
from tests.paper.test_recording import START_US, depth, snapshot, trade, write

Told = pytest.CaptureFixture[str]
Lines = list[tuple[int, dict[str, object] | str]]
SECONDS = 12
ONE_ORDER = "[{min: 0, target: 0, max: 1, quantity: 0.4, unit: ticks}]"
SETTINGS = (
    "inventory.cap=5",
    "paper.balances={USDT: 1000, BTC: 1}",
    "quoting.reference=touch",
    f"quoting.bid_bands={ONE_ORDER}",
    f"quoting.ask_bands={ONE_ORDER}",
    "quoting.skew_bps_max=0",
    "quoting.min_edge_bps=0",
    "quoting.cooldown_ms=0",
)


def market(first_trade: int = 1, step: int = 1) -> Lines:
    """2 BTC stand on the best bid; after two quiet seconds half a BTC is sold into it every second, and comes back behind us."""
    lines: Lines = [(0, depth(1, 1, [], [])), (10, snapshot(1))]
    for number in range(SECONDS - 2):
        at_ms = 2200 + 1000 * number
        sold = trade("100.00", "0.50000", buyer_is_maker=True, time_ms=at_ms)
        sold["data"]["t"] = first_trade + step * number  # type: ignore[index]
        lines.append((at_ms, sold))
        lines.append((at_ms + 50, depth(number + 2, number + 2, [["100.00", "2.00000"]], [], at_ms)))
    return lines


def options(folder: Path, *words: str, settings: tuple[str, ...] = SETTINGS) -> list[str]:
    sets = [f"--set={one}" for one in (*settings, f"state.dir={folder / 'state'}")]
    return ["backtest", *words, "--config", str(ROOT / "config.yaml"), *sets]


def run(folder: Path, *words: str, settings: tuple[str, ...] = SETTINGS) -> int:
    arguments = parse(options(folder, *words, settings=settings))
    return backtest_run.run(load(arguments.config, arguments.overrides, {}), arguments, ROOT)


def told(capsys: Told, folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    code = run(folder, *words, "--json", "-q")
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def btc(tmp_path: Path) -> Path:
    return write(tmp_path / "btc.gz", market())


# -- the result ----------------------------------------------------------------------------------
def test_a_backtest_fills_by_recorded_trades_in_queue_order_and_ends_with_proof(btc: Path, tmp_path: Path, capsys: Told) -> None:
    """Ours stands behind 2 BTC: the fifth half BTC is the first to reach it, whatever touched its price before; the end is proven."""
    code, whole = told(capsys, tmp_path, str(btc))
    assert code == 0 and whole["proof"]["equal"] and whole["proof"]["purpose"] == "stop"
    fills = whole["books"]["fills"]
    assert [(fill["side"], fill["price"], fill["quantity"]) for fill in fills][0] == ("BUY", "100", "0.4")
    assert fills[0]["time_ms"] == START_US // 1000 + 2200 + 4 * 1000, "in the recording's own time"
    assert whole["backtest"]["is_whole"] and whole["seconds"] == pytest.approx(SECONDS - 0.75, abs=0.01)


def test_the_venue_is_as_far_as_the_settings_say(btc: Path, tmp_path: Path, capsys: Told) -> None:
    """An order that needs nine seconds to get there stands behind what came before it, and nothing of it is filled in time."""
    _, near = told(capsys, tmp_path, str(btc))
    patient = ("--set=exchange.read_timeout_ms=60000", "--set=timing.order_timeout_ms=60000")
    _, far = told(capsys, tmp_path, str(btc), "--set=backtest.place_ms=9000", *patient)
    assert near["fills"] > 0 == far["fills"]
    assert far["backtest"]["latency"] == {"place_ms": 9000, "cancel_ms": 20, "answer_ms": 20, "market_data_ms": 20}


def test_the_summary_is_that_of_a_run_with_what_was_recorded_and_what_cannot_be_known(
    btc: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 25 lines on stdout; span, silence, holes, distances and what no backtest knows are among them; phases go to stderr."""
    assert run(tmp_path, str(btc)) == 0
    out, err = capsys.readouterr()
    text = out.splitlines()
    assert len(text) <= 25
    for begin in ("backtest BTCUSDT", "recorded BTCUSDT", "venue ", "run ", "pnl ", "proof ", "unknown ", "digest "):
        assert any(line.startswith(begin) for line in text), begin
    monkeypatch.setattr("sim.backtest_words.LINES_MAX", 14)
    run(tmp_path, str(btc), "-q")
    short = capsys.readouterr().out.splitlines()
    assert len(text) > len(short) == 14 and short[-1] == text[-1]
    assert f"python bot.py report --set state.dir={tmp_path}" in "".join(short), "what finds no room is in its own report"
    assert "longest silence 2.2 s" in out and "no hole" in out and "place 20 ms" in out
    assert all(line.startswith("backtest: ") for line in err.splitlines()) and "x real time" in err


def test_trades_that_are_missing_are_told(tmp_path: Path, capsys: Told) -> None:
    """The depth chain hides a lost trade; its number does not."""
    _, whole = told(capsys, tmp_path, str(write(tmp_path / "btc.gz", market(step=3))))
    seen = whole["backtest"]["recorded"]["BTCUSDT"]
    assert (seen["trades_missing"], seen["trades_missing_from"]) == (2 * (SECONDS - 3), "btc.gz:5")


def test_no_order_says_why(btc: Path, tmp_path: Path, capsys: Told) -> None:
    """Bands below the venue's minimum place nothing, and the summary names the reason."""
    poor = (*SETTINGS[:3], *(f"quoting.{side}_bands={ONE_ORDER.replace('0.4', '0.00002')}" for side in ("bid", "ask")))
    assert run(tmp_path, str(btc), settings=poor) == 0
    assert "no quote BTCUSDT BUY: what is missing (0.00002 BTC) is below the venue's minimum order" in capsys.readouterr().out


def test_its_books_are_its_own_and_the_report_reads_them(btc: Path, tmp_path: Path, capsys: Told) -> None:
    """state/backtest/<name> holds store and intents, of which the report makes the same fills; beside it nothing of the state folder is touched."""
    _, whole = told(capsys, tmp_path, str(btc))
    (kept,) = (tmp_path / "state" / "backtest").iterdir()
    assert str(kept) == whole["backtest"]["kept_in"]
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["backtest"]
    found = build(kept / STORE_FILE, kept / "intents.log", None)
    assert found["fills"] == whole["books"]["fills"] and found["end_reason"] == "the recording is over" and found["exit_code"] == 0
    assert found["undecided"] == [] and found["notes"] == []


def test_the_newest_books_are_kept(btc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disk has a limit: beyond it the oldest go, but not what somebody works on, nor a file that is none of ours."""
    monkeypatch.setattr("sim.shelf.KEPT_MAX", 1)
    seen: list[Path] = []
    for number in range(4):
        run(tmp_path, str(btc), "-q", f"--set=risk.loss_quote_max={100 + number}")
        seen.append(next(path for path in (tmp_path / "state" / "backtest").iterdir() if path not in seen))
        if number == 0:
            (seen[0] / "mine.txt").write_text("a note")
        if number == 1:
            lock = InstanceLock(seen[1])
            lock.start()
    assert [path.exists() for path in seen] == [True, True, False, True]
    assert [path.name for path in seen[0].iterdir()] == ["mine.txt"] and (seen[1] / "intents.log").exists()
    lock.stop(0.0)


@pytest.mark.side_by_side
def test_same_files_and_settings_give_the_same_bytes(tmp_path: Path) -> None:
    """Two processes with two hash seeds print the same bytes and write the same intents."""
    path, seen = write(tmp_path / "btc.gz", market()), []
    for hash_seed in ("1", "4242"):
        command = [sys.executable, str(ROOT / "bot.py"), *options(tmp_path, str(path), "--json", "-q")]
        done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONHASHSEED": hash_seed}, timeout=120, check=True)
        (kept,) = (tmp_path / "state" / "backtest").iterdir()
        seen.append((done.stdout, (kept / "intents.log").read_bytes()))
    assert seen[0] == seen[1] and seen[0][1]


# -- how it ends ---------------------------------------------------------------------------------
def test_run_for_ends_it_early(btc: Path, tmp_path: Path, capsys: Told) -> None:
    """--run-for counts the recording's seconds; while the bot stops, the market stands still, although a trade was due just then."""
    code, whole = told(capsys, tmp_path, str(btc), "--run-for=4.15")
    assert (code, whole["seconds"], whole["backtest"]["is_whole"]) == (0, 4.15, False)
    assert whole["backtest"]["recorded"]["BTCUSDT"]["trades"] == 2


def test_ctrl_c_tells_what_was_until_then(btc: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 130, with the summary and a proof; the handler of before is back."""
    before = signal.getsignal(signal.SIGINT)

    def pressed(pace: backtest_run.Pace, test: Backtest) -> None:
        if test.steps:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(backtest_run.Pace, "tell", pressed)
    monkeypatch.setattr("sim.backtest.SLICE_S", 3)
    code, whole = told(capsys, tmp_path, str(btc))
    assert code == 130 and whole["backtest"]["ended"] == "early, by Ctrl-C" and whole["proof"]["equal"]
    assert whole["seconds"] == 3.0
    assert signal.getsignal(signal.SIGINT) is before


BID = [["100.00", "1.00000"]]
GAP = (9000, depth(20, 21, [], []))
BACK = [(8000, trade("100.00", "0.10000", True)), (5000, trade("100.00", "0.10000", True))]
FAULTS: dict[str, tuple[Lines, str, bool]] = {
    "no snapshot": ([(n, depth(n + 1, n + 1, BID, [])) for n in range(3)], "btc.gz:3: no depth snapshot in the first 5000 lines; put", False),
    "no stream": ([(0, '{"result":null}')], "btc.gz:1: no stream name such as btcusdt@trade up to here; give", False),
    "not JSON": ([*market()[:8], (9000, '{"stream":"btcusdt@trade"')], "btc.gz:9: not a message of Binance spot", True),
    "a hole": ([*market()[:8], GAP], "btc.gz:9: depth updates 5 to 19 are missing; cut the recording here", True),
    "back": ([*market()[:8], *BACK], "btc.gz:10: the local time runs back by 3.0 s; cut the recording here", False),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_recording_is_one_line_with_place_and_mend(name: str, tmp_path: Path, capsys: Told) -> None:
    """Exit 2; what was run until the fault is told, and that it ended there; where it lies in what is read before the start, nothing."""
    lines, text, has_begun = FAULTS[name]
    assert run(tmp_path, str(write(tmp_path / "btc.gz", lines)), "-q") == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith(f"backtest: {text}") and ";" in line
    assert ("ENDED " in out and "proof    books equal" in out) if has_begun else out == ""


def test_a_torn_or_absent_file_is_one_line(btc: Path, tmp_path: Path, capsys: Told) -> None:
    """So are a plain text, another symbol, and files that overlap; options of the paper exchange are not spoken of."""
    whole = btc.read_bytes()
    (tmp_path / "torn.gz").write_bytes(whole[:-40])
    (tmp_path / "plain.gz").write_text("hello\n")
    eth = write(tmp_path / "eth.gz", [(0, depth(1, 1, [], [], symbol="ETHUSDT")), (1, snapshot(1))])
    again = write(tmp_path / "again.gz", market())
    expected = {
        (str(tmp_path / "torn.gz"),): "the gzip data ends or breaks here; copy the file again",
        (str(tmp_path / "missing.gz"),): "missing.gz: there is no such file; check the path given to FILE",
        (str(tmp_path / "plain.gz"),): "plain.gz:1: not a gzip file; compress the recording with gzip",
        (str(eth),): "ETHUSDT is recorded and not traded (symbols: BTCUSDT); leave its files out, or --set symbols=[ETHUSDT]",
        (str(btc), str(again)): "this file begins before the one before it ends; give files that follow each other",
    }
    for words, text in expected.items():
        assert run(tmp_path, *words, "-q") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert text in line and "--market" not in line


def test_a_clock_that_was_set_back_a_little_is_no_fault(tmp_path: Path, capsys: Told) -> None:
    """Up to a second the time stands still instead."""
    lines = [*market()[:8], (3900, trade("100.00", "0.10000", True)), (6000, depth(5, 5, [], []))]
    assert told(capsys, tmp_path, str(write(tmp_path / "btc.gz", lines)))[0] == 0


def test_symbols_without_a_recording_are_left_out(btc: Path, tmp_path: Path, capsys: Told) -> None:
    """And said so."""
    assert run(tmp_path, str(btc), "--set=symbols=[ETHUSDT,BTCUSDT]") == 0
    out, err = capsys.readouterr()
    assert "ETHUSDT of symbols is in none of the files: left out" in err and "ETHUSDT" not in out


def test_the_command_line_wants_files(capsys: Told) -> None:
    """One or more, options between them; none is a fault, and a second word after another verb still is."""
    assert parse(["backtest", "a.gz", "--json", "b.gz"]).files == ["a.gz", "b.gz"]
    wrong = {"backtest": "backtest FILE [FILE ...]", "report a b": "one word too many: b", "check --run-for 3": "run and backtest"}
    for words, text in wrong.items():
        with pytest.raises(SystemExit):
            parse(words.split())
        assert text in capsys.readouterr().err


# -- real recordings -----------------------------------------------------------------------------
DATA = next((one for one in (ROOT.parent / "shared/data/binance_spot_l2", Path("/work/shared/data/binance_spot_l2")) if one.is_dir()), None)


@pytest.mark.skipif(DATA is None, reason="no recordings beside the project")
@pytest.mark.parametrize("strategy", ["market_maker", "maker_first"])
def test_both_strategies_over_a_real_recording(strategy: str, tmp_path: Path, capsys: Told) -> None:
    """Ten seconds of BTCUSDT with the settings of config.yaml: orders, and a proof."""
    settings = (f"strategy={strategy}", "maker_first.signal={sample_ms: 100, fast_s: 1, slow_s: 3, trend_bps_min: 0}")
    code = run(tmp_path, str(DATA / "btcusdt_20240808.gz"), "--run-for=10", "--json", "-q", settings=settings)  # type: ignore[operator]
    whole = json.loads(capsys.readouterr().out)
    assert code == 0 and whole["orders_placed"] > 0 and whole["proof"]["equal"]


def test_a_recording_of_two_symbols(tmp_path: Path, capsys: Told) -> None:
    """Each has its own course; the later snapshot begins both."""
    eth: Lines = [(0, depth(1, 1, [], [], symbol="ETHUSDT")), (500, snapshot(1, [["100.00", "9.0000"]], [["100.02", "9.0000"]]))]
    eth += [(9000, depth(2, 2, [["99.00", "1.0000"]], [], symbol="ETHUSDT"))]
    with gzip.open(write(tmp_path / "eth.gz", eth)) as file:
        assert file.read(3)
    code, whole = told(capsys, tmp_path, str(tmp_path / "eth.gz"), str(write(tmp_path / "btc.gz", market())), "--set=symbols=[BTCUSDT,ETHUSDT]")
    seen = whole["backtest"]["recorded"]
    assert code == 0 and list(seen) == ["ETHUSDT", "BTCUSDT"] and seen["ETHUSDT"]["trades"] == 0
    assert whole["backtest"]["begins"].endswith("20.500000")
