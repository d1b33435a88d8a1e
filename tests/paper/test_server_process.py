"""The exchange as a process: command line, ready line, signals, stdin, and the account it keeps on disk."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.paper.exchange_client import ROOT, Exchange
from tests.timing import SOON_S

BESIDE = pytest.mark.side_by_side
RECORDED = Path("/work/shared/data/binance_spot_l2/btcusdt_20240808.gz")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exchange.paper", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20
    )


def test_ready_line() -> None:
    """One JSON line with addresses, keys, fees and instance; stdout stays empty afterwards; end of stdin ends it."""
    exchange = Exchange("--maker-fee", "0.0002", "--api-key", "K", "--api-secret", "S")
    ready = exchange.ready
    assert {"rest", "stream", "ws_api", "api_key", "api_secret", "instance", "notes", "continued", "pid"} <= set(ready)
    assert (ready["api_key"], ready["maker_fee"], ready["continued"]) == ("K", "0.0002", False)
    assert exchange.call("GET", "/api/v3/account").json["uid"] == ready["instance"]
    stdout = exchange.process.stdout
    assert stdout is not None and exchange.process.stdin is not None
    exchange.process.stdin.close()
    assert exchange.process.wait(SOON_S) == 0 and stdout.read() == ""


@BESIDE
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--market", "/nowhere/btcusdt.gz"), "no such file"),
        (("--symbols", "???"), "???"),
        (("--exchange-info", "/nowhere.json"), "/nowhere.json"),
        (("--faults", "/nowhere.json"), "/nowhere.json"),
        (("--maker-fee", "lots"), "lots"),
        (("--balances", "USDT"), "ASSET=AMOUNT"),
    ],
)
def test_errors_of_use(arguments: tuple[str, str], words: str) -> None:
    """A clear word on stderr, exit code 2, no traceback, nothing on stdout."""
    done = run(*arguments)
    assert done.returncode == 2 and words in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


@BESIDE
def test_port_in_use() -> None:
    """A taken port is one line and exit code 2."""
    exchange = Exchange()
    try:
        done = run("--port", exchange.base.rsplit(":", 1)[1])
    finally:
        exchange.stop()
    assert done.returncode == 2 and "cannot open port" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not on this machine")
def test_recorded_market(tmp_path: Path) -> None:
    """A recording drives book and prints; what was assumed is said; a cut file is one line and exit code 2."""
    exchange = Exchange("--market", str(RECORDED), "--speed", "20")
    try:
        assert exchange.ready["symbols"] == ["BTCUSDT"] and "inferred" in exchange.ready["notes"][0]
        with exchange.stream("btcusdt@trade") as socket:
            print_ = socket.wait(lambda message: True)["data"]
        assert 61_000 < float(print_["p"]) < 62_500 and abs(print_["T"] - time.time() * 1000) < 10_000
        assert exchange.place(type="MARKET", price=None).json["status"] == "FILLED"
    finally:
        exchange.stop()
    cut = tmp_path / "btcusdt_20240808.gz"
    cut.write_bytes(RECORDED.read_bytes()[:3000])
    done = run("--market", str(cut), "--no-stdin")
    assert done.returncode == 2 and "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1


def test_sigint_is_ignored_sigterm_ends() -> None:
    """Ctrl-C leaves the venue alive; SIGTERM ends it with 0."""
    exchange = Exchange()
    os.kill(exchange.process.pid, signal.SIGINT)
    assert exchange.public("GET", "/api/v3/time").status == 200
    exchange.process.terminate()
    assert exchange.process.wait(SOON_S) == 0
    exchange.stop()


@BESIDE
@pytest.mark.parametrize("path", ["/ws/btcusdt@trade", "/ws-api/v3"])
def test_clients_that_left_before_their_handshake_are_no_fault(path: str) -> None:
    """After a freeze (a suspended machine) the handshakes of clients that are gone cost no word on stderr."""
    exchange = Exchange()
    try:
        os.kill(exchange.process.pid, signal.SIGSTOP)
        host, port = exchange.base.removeprefix("http://").split(":")
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        asking = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        for _ in range(5):
            gone = socket.create_connection((host, int(port)))
            gone.sendall(f"{asking}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an orderly end
            gone.close()
        os.kill(exchange.process.pid, signal.SIGCONT)
        assert exchange.public("GET", "/api/v3/time").status == 200
        exchange.process.terminate()
        assert exchange.process.stderr is not None and exchange.process.wait(SOON_S) == 0
        assert "Traceback" not in exchange.process.stderr.read()
    finally:
        exchange.stop()


@BESIDE
def test_faults_file(tmp_path: Path) -> None:
    """--faults takes the JSON of POST /paper/faults, limits included."""
    file = tmp_path / "faults.json"
    file.write_text(json.dumps({"limits": {"orders_10s": 3}, "faults": [{"kind": "unknown", "count": 1}]}))
    exchange = Exchange("--faults", str(file))
    try:
        assert exchange.place().code == -1007
        info = exchange.public("GET", "/api/v3/exchangeInfo").json
        assert info["rateLimits"][1]["limit"] == 3
    finally:
        exchange.stop()


def account(exchange: Exchange) -> tuple[object, object, object, object]:
    """Balances, open orders, own trades and order lists."""
    balances = exchange.call("GET", "/api/v3/account").json["balances"]
    opened = exchange.call("GET", "/api/v3/openOrders").json
    trades = exchange.call("GET", "/api/v3/myTrades", symbol="BTCUSDT").json
    return balances, opened, trades, exchange.call("GET", "/api/v3/allOrderList").json


def live_a_little(exchange: Exchange) -> int:
    """Open orders, one canceled, one amended, a pair and one that is done, a stop that waits, one filled; returns the highest order id."""
    exchange.place(price="50000", newClientOrderId="stays")
    exchange.place(symbol="ETHUSDT", price="2500", quantity="0.01", newClientOrderId="stays-too")
    canceled = exchange.place(price="50001").json["orderId"]
    exchange.cancel(canceled)
    amended = exchange.place(price="50002", quantity="0.003").json["orderId"]
    exchange.call("PUT", "/api/v3/order/amend/keepPriority", symbol="BTCUSDT", orderId=amended, newQty="0.002")
    for name in ("ended", "pair"):
        exchange.call(
            "POST", "/api/v3/orderList/oco", symbol="BTCUSDT", side="BUY", quantity="0.001", listClientOrderId=name, belowType="LIMIT_MAKER",
            belowPrice="50000", aboveType="STOP_LOSS", aboveStopPrice="80000",
        )  # fmt: skip
        if name == "ended":
            exchange.call("DELETE", "/api/v3/orderList", symbol="BTCUSDT", listClientOrderId=name)
    exchange.place(type="TAKE_PROFIT_LIMIT", timeInForce="GTC", stopPrice="50000", trailingDelta="100", newClientOrderId="trails")
    return int(exchange.place(type="MARKET", price=None, quantity="0.01").json["orderId"])


@BESIDE
def test_account_continues(tmp_path: Path) -> None:
    """Balances, open orders, history, ids and instance go on after the end of stdin; files are 0600."""
    exchange = Exchange("--state", str(tmp_path))
    last_id = live_a_little(exchange)
    before, instance = account(exchange), exchange.ready["instance"]
    closed = exchange.query(orderId=last_id).json
    assert exchange.stop() == 0
    assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {"0o600"}
    again = Exchange("--state", str(tmp_path), "--seed", "2")
    try:
        assert again.ready["continued"] and again.ready["instance"] == instance
        assert account(again) == before
        assert again.query(orderId=last_id).json == closed
        assert again.place().json["orderId"] > last_id
        rows = again.call("GET", "/api/v3/order/amendments", symbol="BTCUSDT", orderId=last_id - 6).json
        assert len(rows) == 1
        assert again.cancel(again.query(origClientOrderId="stays").json["orderId"]).status == 200
        again.cancel(again.query(origClientOrderId="trails").json["orderId"])
        assert again.call("DELETE", "/api/v3/orderList", symbol="BTCUSDT", listClientOrderId="pair").json["listOrderStatus"] == "ALL_DONE"
    finally:
        again.stop()


def test_kill_9_of_the_exchange_loses_at_most_the_last_interval(tmp_path: Path) -> None:
    """What is older than the save interval survives kill -9."""
    exchange = Exchange("--state", str(tmp_path))
    live_a_little(exchange)
    before = account(exchange)
    time.sleep(1.5)
    exchange.process.kill()
    exchange.process.wait()
    exchange.stop()
    again = Exchange("--state", str(tmp_path))
    try:
        assert again.ready["continued"] and account(again) == before
    finally:
        again.stop()


@BESIDE
def test_a_resting_order_survives_a_moved_market(tmp_path: Path) -> None:
    """A continued synthetic market opens at its last middle: an order near the touch is neither filled nor crossed."""
    exchange = Exchange("--state", str(tmp_path), "--seed", "5")
    exchange.control("POST", "market", {"pause": True})
    bids = exchange.public("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5000).json["bids"]
    exchange.take("SELL", bids[-20][0])  # the market falls by the whole book
    touch = exchange.touch()
    placed = exchange.place(side="SELL", price=f"{float(touch['bidPrice']) + 0.01:.2f}", quantity="0.01").json
    exchange.stop()
    again = Exchange("--state", str(tmp_path), "--seed", "6", "--speed", "0.001")
    try:
        order = again.query(orderId=placed["orderId"]).json
        now = again.touch()
        assert order["status"] == "NEW" and float(now["bidPrice"]) < float(order["price"])
        assert abs(float(now["bidPrice"]) / float(touch["bidPrice"]) - 1) < 0.001
        assert now["askPrice"] == order["price"]
    finally:
        again.stop()


@BESIDE
def test_fresh_and_changed_markets_begin_a_new_instance(tmp_path: Path) -> None:
    """--fresh or other symbols: a new uid, an empty book, the balances of the command line."""
    exchange = Exchange("--state", str(tmp_path))
    live_a_little(exchange)
    first = exchange.ready["instance"]
    exchange.stop()
    seen = {first}
    for extra in (("--fresh",), ("--symbols", "BTCUSDT")):
        exchange = Exchange("--state", str(tmp_path), *extra)
        _, opened, trades, lists = account(exchange)
        seen.add(exchange.ready["instance"])
        assert (opened, trades, lists, exchange.ready["continued"]) == ([], [], [], False)
        exchange.stop()
    assert len(seen) == 3


@BESIDE
@pytest.mark.parametrize("text", ["{", "[" * 60_000, "[]", '{"version": 99}', '{"version": 1, "market": "synthetic"}'], ids=lambda text: text[:20])
def test_a_broken_state_is_said(tmp_path: Path, text: str) -> None:
    """One line naming the file, exit code 2; --fresh starts anyway."""
    (tmp_path / "account.json").write_text(text)
    done = run("--state", str(tmp_path), "--no-stdin")
    assert done.returncode == 2 and "Traceback" not in done.stderr and "--fresh" in done.stderr
    exchange = Exchange("--state", str(tmp_path), "--fresh")
    exchange.stop()
