"""Planted keys and what a bot leaves behind: in no file of state and logs, in no stack dump, in no answer and on no console (DESIGN 10)."""

import base64
import json
import os
import signal
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from websockets.sync.client import connect

from runtime.control import ask
from tests.drills.harness import Venue, venue, wait_until
from tests.drills.process import BotProcess
from tests.drills.test_second_bot import TAG, ended
from tests.timing import SOON_S

API_KEY = "CANARYkeyQ7w2Zt9Lx4Vb8Nm3Hc6Jf1Rd5Gs0Pa" + "k" * 24
API_SECRET = "CANARYsecretU8y3Xr7Kz2Wb6Mq1Te5Yn9Ld4Hf0" + "s" * 24
FORMS = [
    form
    for text in (API_KEY, API_SECRET, API_SECRET[::-1])
    for raw in (text.encode(), text[6:24].encode())
    for form in (raw, raw.lower(), base64.b64encode(raw)[:-4], raw.hex().encode())
]


def started(at: Venue, home: Path, secret: str = API_SECRET) -> BotProcess:
    places = zip(("rest", "stream", "ws_api"), (at.urls.rest, at.urls.stream, at.urls.ws_api), strict=True)
    addresses = [f"--set=exchange.urls.{name}={url}" for name, url in places]
    page = ("--set=dashboard.enabled=true", "--set=dashboard.port=0")
    folders = [f"--set=state.dir={home}", f"--set=log.dir={home / 'logs'}", f"--set=exchange.order_tag={TAG}"]
    keys = {"GREENLIGHT_API_KEY": API_KEY, "GREENLIGHT_API_SECRET": secret}
    return BotProcess("--ui=plain", "-v", "--set=exchange.order_entry=rest", "--set=quoting.cooldown_ms=50", *page, *folders, *addresses, env=keys)


def leaks(data: bytes) -> list[bytes]:
    return [form for form in FORMS if form in data]


def read_all(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def seen_on_the_page(home: Path) -> dict[str, bytes]:
    """Everything the page gives to who has its token."""
    page = json.loads((home / "run.json").read_text())["page"]
    here, given = page["url"].split("/#")[0], {"Authorization": f"Bearer {page['token']}"}
    paths = ("/", "/page.js", "/api/state", "/api/events", "/metrics", "/healthz")
    seen = {f"page {path}": urlopen(Request(here + path, headers=given), timeout=5).read() for path in paths}
    with connect(here.replace("http", "ws") + "/live", max_size=None) as client:
        client.send(json.dumps({"token": page["token"]}))
        first = client.recv(timeout=5)
        assert isinstance(first, str)
    return {**seen, "page live": first.encode()}


def troubled(at: Venue, bot: BotProcess) -> None:
    """Every kind of error that could quote a request: cut off, no answer, answered with an HTML page, refused by the venue, a lost stream."""
    at.rest_wire.refuse()
    at.rest_wire.reset_all()
    wait_until(lambda: bot.first_s("TIMEOUT"), SOON_S, "a request that was cut off")
    at.rest_wire.clear()
    for fault in ({"kind": "drop_after"}, {"kind": "server_error", "status": 502, "html": True}, {"kind": "reject", "code": -1022, "text": "no"}):
        at.exchange.control("POST", "faults", {**fault, "match": {"transport": "rest"}, "count": 2})
        wait_until(lambda: all(one["count"] == 0 for one in at.exchange.control("GET", "faults")["faults"]), SOON_S, f"{fault} to strike twice")
    at.user_wire.reset_all()
    wait_until(lambda: any("DOWN" in line for line in bot.lines), SOON_S, "a lost user stream")


@pytest.mark.side_by_side
def test_planted_keys_are_nowhere(tmp_path: Path) -> None:
    """After orders, errors of every kind, a stack dump and a refused start, nothing that was written or said holds a key or a part of one."""
    home = tmp_path / "home"
    with venue("--api-key", API_KEY, "--api-secret", API_SECRET, wires=True) as at:
        with ended(started(at, home)) as bot:
            wait_until(lambda: bot.first_s("PLACE"), SOON_S, "the first quotes")
            troubled(at, bot)
            os.kill(bot.process.pid, signal.SIGQUIT)
            wait_until(lambda: b"Thread 0x" in (home / "logs" / "stacks.txt").read_bytes(), SOON_S, "the stacks")
            answer = ask(home / "control.sock", {"verb": "status"}, 2.0)
            shown = seen_on_the_page(home)
            running = read_all(home)
        told = "\n".join(bot.lines).encode()
        refused = started(at, home, API_SECRET[::-1])
        assert refused.wait(SOON_S) == 2, "\n".join(refused.lines)
        kept = read_all(home)
    places = {**running, **shown, **{f"{name} after": data for name, data in kept.items()}, "console": told, "status": json.dumps(answer).encode()}
    places["a refused start"] = "\n".join(refused.lines).encode()
    assert {name: found for name, data in places.items() if (found := leaks(data))} == {}
    for name in ("intents.log", "store.db", "run.json", "logs/greenlight.log", "logs/events.jsonl", "logs/stacks.txt"):
        assert running[name], f"{name} was not looked at"
    orders = f"{TAG}-".encode()
    assert any(orders in data for name, data in kept.items() if name.startswith("tape/")), "the tape was not looked at"
    assert all(b'"BTCUSDT"' in shown[f"page {name}"] for name in ("/api/state", "live")) and orders in shown["page /api/events"]
    assert all(orders in kept[name] for name in ("intents.log", "store.db", "logs/events.jsonl")) and orders in told
    assert b"-1022" in places["a refused start"]


def test_the_search_finds_what_it_looks_for() -> None:
    """A key that is written raw, in part, in hex or in base64 would be found."""
    assert leaks(f'{{"url": "x?key={API_KEY}"}}'.encode())
    assert leaks(base64.b64encode(API_SECRET.encode())) and leaks(API_SECRET.encode().hex().encode())
    assert leaks(API_SECRET[6:30].lower().encode()) and not leaks(b"nothing")
