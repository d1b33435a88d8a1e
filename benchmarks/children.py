"""The processes of a measurement: a measuring venue, and the client that trades on it - Greenlight as a person starts it, or a yardstick.

Who uses it: benchmarks/tick_to_order.py and costs.py, on their main thread. Every child is ended by whoever made it, in a `with`.
Never: a wait without a limit, a child that outlives its owner.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
SINGLE = ["BTCUSDT"]
BURST = ["ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT"]
SINGLE_EACH, BURST_EACH = 2, 20  # requests of one symbol per frame: one band a side, ten bands a side
START_S, STOP_S = 20.0, 8.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Child:
    """One process; ended with SIGINT, then SIGKILL."""

    def __init__(self, arguments: list[str], env: dict[str, str] | None = None, log: Path | None = None) -> None:
        self.began_s = time.time()
        self._log = log.open("wb") if log is not None else None
        self.process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=self._log or subprocess.PIPE,
            stderr=subprocess.STDOUT if self._log else None,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", **(env or {})},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def interrupt(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def end(self) -> float:
        """Seconds from SIGINT to the end."""
        begun_s = time.monotonic()
        self.interrupt()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_S)
        if self._log is not None:
            self._log.close()
        return time.monotonic() - begun_s

    # -- from /proc --------------------------------------------------------------------------------
    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    @property
    def resident_mb(self) -> float:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class VenueChild(Child):
    """benchmarks/fast_venue.py, and the questions it takes."""

    def __init__(self, symbols: int = 1 + len(BURST), is_wide: bool = False) -> None:
        super().__init__([sys.executable, "-u", "-m", "benchmarks.fast_venue", "--symbols", str(symbols), *(["--wide"] if is_wide else [])])
        self.port = int(self._line()["port"])

    def interrupt(self) -> None:
        """A venue ends with its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line: dict[str, Any] = json.loads(self.process.stdout.readline())
        return line

    def ask(self, do: str, **what: object) -> dict[str, Any]:
        """One command, one answer; the venue itself limits each wait of a drive."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
        self.process.stdin.flush()
        return self._line()

    def wait_for(self, is_there: Any, what: str, timeout_s: float = START_S) -> dict[str, Any]:
        """The state, once it is as wished."""
        ends_s = time.monotonic() + timeout_s
        while time.monotonic() < ends_s:
            state = self.ask("state")
            if is_there(state):
                return state
            time.sleep(0.02)
        raise AssertionError(f"{what} never came")

    def listened_to(self, symbol: str = "BTCUSDT") -> dict[str, Any]:
        return self.wait_for(lambda state: f"{symbol.lower()}@bookTicker" in state["names"], "a client")


def bands(count: int) -> str:
    one = [f"{{min: {number}, target: {number}.5, max: {number + 1}, quantity: 0.001}}" for number in range(count)]
    return f"[{', '.join(one)}]"


def greenlight_config(folder: Path, port: int, entry: str, single: list[str], burst: list[str]) -> Path:
    """The whole bot, everything on, quoting for benchmarks/fast_venue.py: ten bands a side for a burst symbol, one for a single."""
    symbols = [*single, *burst]
    own = [f"    {symbol}: {{bid_bands: {bands(10)}, ask_bands: {bands(10)}}}" for symbol in burst]
    text = f"""
venue: binance_testnet
symbols: [{", ".join(symbols)}]
quoting:
  reference: touch
  bid_bands: {bands(1)}
  ask_bands: {bands(1)}
  skew_bps_max: 0
  min_edge_bps: 25
  maker_fee_bps: 0
  cooldown_ms: 0
  symbols: {{}}
inventory: {{target: start, cap: 5}}
risk: {{order_notional_max: 5000, open_orders_max: 100, loss_quote_max: 100000}}
exchange:
  order_tag: glbench
  order_entry: {entry}
  urls: {{rest: "http://127.0.0.1:{port}", stream: "ws://127.0.0.1:{port}", ws_api: "ws://127.0.0.1:{port}/ws-api/v3"}}
state: {{dir: {folder}/state}}
log: {{dir: {folder}/logs}}
"""
    if own:
        text = text.replace("  symbols: {}\n", "  symbols:\n" + "\n".join(own) + "\n")
    path = folder / "config.yaml"
    path.write_text(text)
    return path


class Greenlight(Child):
    """`python bot.py` against a measuring venue."""

    def __init__(
        self,
        folder: Path,
        port: int,
        entry: str,
        single: list[str],
        burst: list[str],
        root: Path = ROOT,
        overrides: Sequence[str] = (),
        is_busy: bool = False,
    ) -> None:
        """`root` is the checkout to run, `overrides` are its --set arguments; busy: with a computing thread beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        config = greenlight_config(folder, port, entry, single, burst)
        keys = {"GREENLIGHT_API_KEY": "bench-key", "GREENLIGHT_API_SECRET": "bench-secret"}
        settings = [word for one in overrides for word in ("--set", one)]
        script = [str(ROOT / "benchmarks" / "busy_bot.py"), str(root)] if is_busy else [str(root / "bot.py")]
        super().__init__([sys.executable, "-u", *script, "--config", str(config), *settings], keys, folder / "out.txt")


class Yardstick(Child):
    """One of benchmarks/yardsticks*.py by its name."""

    def __init__(self, folder: Path, port: int, module: str, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__([sys.executable, "-u", "-m", module, name, str(port)], None, folder / "out.txt")
