"""The page of a real bot: told once, read with its token, acted on with the other one; and nothing of it where it is off."""

import json
import os
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from page import harmless
from tests.drills.harness import wait_until
from tests.drills.process import BotProcess
from tests.drills.test_second_bot import ended
from tests.paper.exchange_client import ROOT
from tests.timing import SOON_S

OFF = """
import sys
import bot, run, assembly
code = bot.main(sys.argv[1:])
report = {"dashboard", "dashboard.drawing", "dashboard.figures", "dashboard.report"}  # drawn when the run is over
loaded = {name for name in sys.modules if name == "page" or name.split(".")[0] in ("dashboard", "sim") or name == "core.detail"}
print("LOADED", code, sorted(loaded - report))
"""


def folders(home: Path) -> list[str]:
    return [f"--set=state.dir={home}", f"--set=log.dir={home / 'logs'}", "--ui=plain"]


def page_of(home: Path) -> dict[str, str]:
    facts: dict[str, Any] = json.loads((home / "run.json").read_text())
    page: dict[str, str] = facts["page"]
    return page


def read(page: dict[str, str], path: str) -> bytes:
    asked = urllib.request.Request(page["url"].split("/#")[0] + path, headers={"Authorization": f"Bearer {page['token']}"})
    with urllib.request.urlopen(asked, timeout=SOON_S) as answer:
        return bytes(answer.read())


def test_a_fault_of_the_page_is_no_fault_of_the_bot(caplog: pytest.LogCaptureFixture) -> None:
    """What the trading thread and the console call never raises: the fault is said once, and the page is told no more."""
    told: list[int] = []

    def faulty(what: int) -> None:
        told.append(what)
        raise ValueError("planted")

    tell = harmless(faulty)
    for number in range(3):
        tell(number)
    assert told == [0] and sum("fault of its own" in record.message for record in caplog.records) == 1


@pytest.mark.side_by_side
def test_a_bot_with_its_page(tmp_path: Path) -> None:
    """The address is on the console once and in run.json (0600); state, metrics and health answer; Pause needs its token."""
    home = tmp_path / "home"
    with ended(BotProcess("--set=dashboard.enabled=true", "--set=dashboard.port=0", *folders(home))) as bot:
        wait_until(lambda: bot.first_s("FILL"), SOON_S, "a fill")
        page = page_of(home)
        assert stat.S_IMODE(os.stat(home / "run.json").st_mode) == 0o600
        assert sum(page["token"] in line for line in bot.lines) == 1 and not any(page["action_token"] in line for line in bot.lines)
        wait_until(lambda: json.loads(read(page, "/api/state"))["snapshot"]["fills"], SOON_S, "a picture with the fill")
        state = json.loads(read(page, "/api/state"))
        assert state["settings"]["version"] and state["settings"]["caps"] == {"BTCUSDT": "0.06"}
        assert state["snapshot"]["orders_placed"] and state["detail"]["ladders"][0]["bids"] and state["place_latency"]["count"]
        assert b"greenlight_up 1" in read(page, "/metrics") and read(page, "/healthz") == b"ok\n"
        assert any(line["tag"] == "FILL" for line in json.loads(read(page, "/api/events")))
        with connect(page["url"].split("/#")[0].replace("http", "ws") + "/live") as client:
            client.send(json.dumps({"token": page["token"]}))
            first = json.loads(client.recv(timeout=SOON_S))
            assert first["fills"] and first["points"] and first["facts"]["symbols"]["BTCUSDT"]["quote"] == "USDT"
            client.send(json.dumps({"action": "halt", "action_token": page["token"]}))
            client.send(json.dumps({"action": "halt", "action_token": page["action_token"]}))
            answers: list[Any] = []
            while len(answers) < 2:
                told = json.loads(client.recv(timeout=SOON_S))
                answers += [told] if told["kind"] == "answer" else []
            assert [one["ok"] for one in answers] == [False, True]
            wait_until(lambda: any("halted by the operator" in line for line in bot.lines), SOON_S, "the halt")
        bot.interrupt_group()
        assert bot.wait(SOON_S) == 0, "\n".join(bot.lines[-5:])
        assert page["action_token"] not in "\n".join(bot.lines) + (home / "logs" / "events.jsonl").read_text()
    assert not (home / "run.json").exists()
    command = [sys.executable, str(ROOT / "bot.py"), "report", "--html", *folders(home)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=True)
    written = tmp_path / "reports" / f"{state['snapshot']['boot']}.html"
    assert done.stdout.strip() == str(written) and "Fills by class" in written.read_text() and stat.S_IMODE(written.stat().st_mode) == 0o600


@pytest.mark.side_by_side
def test_a_taken_port_costs_only_the_page(tmp_path: Path) -> None:
    """Where the port is taken one line says so, the bot trades, and it ends with its proof."""
    home = tmp_path / "home"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"--set=dashboard.port={taken.getsockname()[1]}"
        with ended(BotProcess("--set=dashboard.enabled=true", port, *folders(home))) as bot:
            wait_until(lambda: bot.first_s("PLACE"), SOON_S, "the first quotes")
            (told,) = [line for line in bot.lines if "no page" in line]
            assert "cannot be had" in told and "page" not in json.loads((home / "run.json").read_text())
            bot.interrupt_group()
            assert bot.wait(SOON_S) == 0, "\n".join(bot.lines[-5:])


@pytest.mark.side_by_side
def test_off_is_off(tmp_path: Path) -> None:
    """By default a whole run imports nothing of the page (nor of the simulator), listens nowhere for it and says nothing of it."""
    home = tmp_path / "home"
    command = [sys.executable, "-c", OFF, *folders(home), "--run-for=2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert "LOADED 0 []" in done.stdout, done.stdout + done.stderr
    assert "page" not in done.stdout.split("LOADED")[0]
