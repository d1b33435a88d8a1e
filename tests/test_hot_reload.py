"""Hot reload as a user meets it: bot.py runs on the paper exchange, and config.yaml is saved beside it."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bot
from run import RUN_AGAIN
from runtime.command_line import parse
from runtime.config import Config, Loaded
from sim.replay import replay
from state.tape_file import segments

ROOT = Path(__file__).resolve().parent.parent
WAIT_S = 40.0  # other tests share the machine; it takes two or three seconds
BANDS = """\
quoting:
  bid_bands: [{min: %(min)s, target: %(target)s, max: %(max)s, quantity: %(quantity)s}]
  ask_bands: [{min: %(min)s, target: %(target)s, max: %(max)s, quantity: %(quantity)s}]
"""
NEAR = BANDS % {"min": 1, "target": 3, "max": 6, "quantity": "0.01"}
FAR = BANDS % {"min": 20, "target": 25, "max": 30, "quantity": "0.01"}
LARGE = BANDS % {"min": 20, "target": 25, "max": 30, "quantity": "0.06"}


class Running:
    """bot.py with a config of its own; its lines as they come."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "config.yaml"
        self.file.write_text(NEAR, encoding="utf-8")
        self.process = subprocess.Popen(self.command("--ui", "plain"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines: list[str] = []
        self._coming: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def command(self, *more: str) -> list[str]:
        overlay = ["--set", f"state.dir={self.folder / 'state'}", "--set", f"log.dir={self.folder / 'logs'}"]
        return [sys.executable, str(ROOT / "bot.py"), "--config", str(self.file), *overlay, *more]

    def ask(self, *verb: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(*verb), cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._coming.put(line.rstrip("\n"))

    def until(self, *words: str) -> str:
        """The next line that holds all these words."""
        ends_s = time.monotonic() + WAIT_S
        while time.monotonic() < ends_s:
            try:
                line = self._coming.get(timeout=0.5)
            except queue.Empty:
                continue
            self.lines.append(line)
            if all(word in line for word in words):
                return line
        raise AssertionError(f"{words} did not come; the last lines are\n" + "\n".join(self.lines[-30:]))

    def replace(self, text: str) -> None:
        """As editors do: another file takes the name."""
        new = self.folder / ".config.yaml.new"
        new.write_text(text, encoding="utf-8")
        os.replace(new, self.file)


@pytest.mark.side_by_side
def test_a_config_saved_beside_a_running_bot(tmp_path: Path) -> None:
    """New bands move the quotes; a broken file, a six-fold size and another venue change nothing; what needs a restart is told and listed.

    The summary tells the versions; all of it is in the tape, and replay agrees.
    """
    one = Running(tmp_path)
    try:
        one.until("PLACE", "-3.0 bp of mid")
        one.file.write_text(FAR, encoding="utf-8")  # in place
        one.until("CONFIG", "quoting.bid_bands[0].target 3 -> 25")
        version = one.until("CONFIG", "in force from this tick").split()[5]
        one.until("PLACE", "-25.0 bp of mid")
        _refusals(one)
        one.replace(FAR + "  cooldown_ms: 100\nlog: {files: 3}\n")
        one.until("CONFIG", "log.files 5 -> 3 · waits for a restart")
        one.until("CONFIG", "quoting.cooldown_ms 300 -> 100")
        one.until("CONFIG", "in force from this tick")
        shown = json.loads(one.ask("status", "--json").stdout)
        assert shown["config"]["waiting"] == ["log.files 5 -> 3"] and shown["config"]["faults"] == []
        versions = [one["version"] for one in shown["snapshot"]["config_versions"]]
        assert len(versions) == 3 and versions[1] == version and versions[-1] == shown["config"]["version"]
        for verb in ("status", "check"):
            told = one.ask(verb).stdout
            assert f"settings {versions[-1]} in force for" in told and "waits for a restart: log.files 5 -> 3" in told
    finally:
        one.process.send_signal(signal.SIGINT)
        code = one.process.wait(WAIT_S)
    assert code == 0
    one.until("EXIT", f"settings {versions[0]}", f"{version} after", f"{versions[2]} after")
    assert one.ask("check").stdout.count("\n") == 1, "no bot runs any more"
    report = json.loads(one.ask("report", "--json").stdout)
    assert [one["version"] for one in report["config_versions"]] == versions
    (tape,) = segments(tmp_path / "state" / "tape")
    verdict = replay(tape)
    assert verdict.different == "" and verdict.ended == "its end"


def _refusals(one: Running) -> None:
    """Three files of which nothing is taken; each is told once, and the verb `check` says the same faults."""
    one.replace(NEAR + "  skew_bpsmax: 1\nrisk:\n  open_orders_max: many\n")
    one.until("CONFIG", "nothing of config.yaml is taken")
    one.until("CONFIG", "config.yaml:4:3: quoting.skew_bpsmax is not a known setting; did you mean 'skew_bps_max'?")
    one.until("CONFIG", "config.yaml:6:20: risk.open_orders_max must be a number")
    checked = one.ask("check")
    assert checked.returncode == 2
    for line in checked.stderr.splitlines():
        if line.startswith("config.yaml:"):
            assert any(line in said for said in one.lines), line
    one.replace(LARGE)
    one.until("CONFIG", "BTCUSDT quantity of all bid_bands 0.01 -> 0.06 is beyond reload.growth_max 5")
    one.replace(NEAR + "venue: binance\n")
    one.until("CONFIG", "venue paper -> binance · never changes in a running bot")
    told: dict[str, Any] = json.loads(one.ask("status", "--json").stdout)
    assert "never changes" in told["config"]["faults"][0]
    asked = {order["price"] for side in told["snapshot"]["sides"] for order in side["orders"]}
    mid = (float(told["snapshot"]["symbols"][0]["bid"]) + float(told["snapshot"]["symbols"][0]["ask"])) / 2
    assert all(abs(float(price) / mid - 1) > 0.0015 for price in asked), "the quotes still stand at the new width"


def test_a_run_after_a_reset_begins_with_the_settings_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue was reset: the next run in the same process is made of what was in force at the end of the last one."""
    began = Loaded(Config(), {}, "v1")
    since = replace(began, config=Config.model_validate({"quoting": {"cooldown_ms": "5"}}), version="v2")
    given: list[Loaded] = []

    def run_once(loaded: Loaded, *others: object) -> tuple[int, Loaded]:
        given.append(loaded)
        return (RUN_AGAIN, since) if len(given) == 1 else (0, loaded)

    monkeypatch.setattr(bot, "run_once", run_once)
    assert bot.trade(began, tmp_path, parse([])) == 0
    assert given == [began, since]
