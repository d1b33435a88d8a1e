"""A real bot on the paper exchange: its database deleted under it, the process killed, started again; the report tells each time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30.0


class Bot:
    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self._settings = ["--set", f"state.dir={self.state}", "--set", f"log.dir={folder / 'logs'}"]
        self._out = folder / "console.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "bot.py"), *arguments, *self._settings]

    def start(self) -> None:
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(self.command("--ui", "plain"), cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)

    def said(self, text: str) -> bool:
        return text in self._out.read_text(encoding="utf-8")

    def kill(self) -> None:
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(WAIT_S)
            self.process = None

    def ask(self, *arguments: str) -> Any:
        done = subprocess.run(self.command(*arguments, "--json"), cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    @staticmethod
    def until(true: Callable[[], bool]) -> None:
        ends_s = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < ends_s, "it never came"
            time.sleep(0.05)


@contextmanager
def killed(folder: Path) -> Iterator[Bot]:
    """A bot that does not outlive its test."""
    made = Bot(folder)
    try:
        yield made
    finally:
        made.kill()


def ids(orders: list[dict[str, Any]]) -> set[str]:
    return {order["client_order_id"] for order in orders}


@pytest.mark.side_by_side
def test_a_report_at_every_moment_of_a_life(tmp_path: Path) -> None:
    """While it runs, after its database was deleted, after kill -9 and after the next run: orders, fills and P&L are those of the bot."""
    with killed(tmp_path) as bot:
        told(bot)


def told(bot: Bot) -> None:
    bot.start()
    bot.until(lambda: bot.said("PLACE"))
    running = bot.ask("report")
    assert running["ended"] is None and running["orders"] and running["start_balances"]

    for ending in ("", "-wal", "-shm"):
        (bot.state / f"store.db{ending}").unlink(missing_ok=True)
    bot.until(lambda: bot.said("the database is whole again"))
    assert bot.said("the database is gone (store.db) · no new orders, cancels go on")
    rebuilt = bot.ask("report")
    assert ids(running["orders"]) <= ids(rebuilt["orders"]) and rebuilt["start_balances"] == running["start_balances"]

    bot.kill()
    killed = bot.ask("report")
    assert killed["ended"] is None and killed["run_id"] == running["run_id"] and ids(rebuilt["orders"]) <= ids(killed["orders"])
    assert killed["pnl_quote"] is not None and killed["balances"]

    summary = bot.ask("--run-for", "3")
    after = bot.ask("report")
    assert (after["run_id"], after["exit_code"]) == (summary["run_id"], 0)
    begun = summary["books"]["start_balances"]
    assert after["start_balances"] == {asset: begun[asset] for asset in after["start_balances"]}
    assert (after["pnl_quote"], after["pnl_hold_quote"]) == (summary["pnl_quote"], summary["pnl_hold_quote"])
    assert after["figures"] == summary["figures"] and after["figures"]["pnl"]["total"] == after["pnl_quote"]
    assert after["fills"] == summary["books"]["fills"] and after["fees"] == summary["fees"]
    assert after["open_orders"] == [] and after["undecided"] == []
    assert ids(bot.ask("report", killed["run_id"])["orders"]) == ids(killed["orders"])
