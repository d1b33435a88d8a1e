"""What the drills stand on: a paper exchange as a process, wire proxies before it, the venue's own truth, and a control thread.

Who uses it: the drills of this folder and the scripts `benchmarks/drill_*.py`. The oracle reads the venue over REST with its own signatures
(tests.paper.exchange_client); it shares no code with the bot. Never: a verdict taken from the bot alone.
"""

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange.binance.urls import Urls
from exchange.paper.wirefaults import WireFaults
from runtime.keys import Keys
from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S

SYMBOL = "BTCUSDT"
LONG = os.environ.get("GREENLIGHT_DRILLS") == "long"
PING_PERIOD_S, PING_DEADLINE_S = 1, 2
READY_S = SOON_S
CREATES = frozenset({"order.place", "order.cancelReplace"})
POLL_S = 0.01
Row = dict[str, Any]


class Late(AssertionError):
    """What had to come did not come in time."""


def wait_until(condition: Callable[[], object], timeout_s: float, what: str = "") -> float:
    """Wait for a true answer; returns the seconds it took. Raises Late.

    Seconds in which this thread was due and did not run are not counted: what it suffers, every thread of this process suffers.
    """
    began_s, stood_s = time.monotonic(), 0.0
    while not condition():
        now_s = time.monotonic()
        if now_s - began_s - stood_s > timeout_s:
            raise Late(f"not within {timeout_s:g} s: {what or condition}")
        time.sleep(POLL_S)
        stood_s += max(0.0, time.monotonic() - now_s - 2 * POLL_S)
    return time.monotonic() - began_s - stood_s


class LateClock:
    """The control thread: sleeps 1 ms in a loop and notes how late it wakes. What it suffers, every thread of this process suffers."""

    def __init__(self) -> None:
        self.worst_ms = self.late_s = 0.0  # the worst, and all together
        self._ends = threading.Event()
        self._kept: deque[tuple[int, float]] = deque(maxlen=200_000)
        self._thread = threading.Thread(target=self._run, name="control-thread", daemon=True)

    def __enter__(self) -> "LateClock":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._ends.is_set():
            began_ns = time.monotonic_ns()
            time.sleep(0.001)
            ended_ns = time.monotonic_ns()
            late_ms = (ended_ns - began_ns) / 1e6 - 1.0
            self._kept.append((ended_ns, late_ms))
            self.worst_ms = max(self.worst_ms, late_ms)
            self.late_s += max(0.0, late_ms - 1.0) / 1000  # a millisecond is how any thread wakes

    def near_ms(self, at_ns: int, around_ns: int = 250_000_000) -> float:
        """The worst lateness around a moment of time.monotonic_ns()."""
        return max((late_ms for ended_ns, late_ms in list(self._kept) if abs(ended_ns - at_ns) <= around_ns), default=0.0)


# -- the venue -----------------------------------------------------------------------------------
class Venue:
    """The paper exchange on a fixed port, three proxies before it (REST, market stream, WS API), and what it says of itself."""

    def __init__(self, *arguments: str, wires: bool = False) -> None:
        self._arguments = arguments
        self.exchange = self._started(0)
        self.port = int(self.exchange.base.rsplit(":", 1)[1])
        self._earlier: list[Row] = []
        self.wires = [WireFaults(self.port).start() for _ in range(3)] if wires else []

    def _started(self, port: int, *more: str) -> Exchange:
        pings = ("--ping-period-s", str(PING_PERIOD_S), "--ping-deadline-s", str(PING_DEADLINE_S))
        keys = ("--api-key", "k" * 64, "--api-secret", "s" * 64)
        exchange = Exchange("--symbols", SYMBOL, "--seed", "7", "--port", str(port), *pings, *keys, *self._arguments, *more)
        # The oracle's readings come from the bot's address and must not eat its request weight; many drills in a row on one bot place more orders
        # in 10 s than a market would make it. What the limits do is drilled by faults (test_unplug_limits.py).
        limits = {"weight_1m": 1_000_000, "connections_5m": 100_000, "orders_10s": 100_000}
        exchange.control("POST", "limits", limits)
        return exchange

    @property
    def rest_wire(self) -> WireFaults:
        return self.wires[0]

    @property
    def stream_wire(self) -> WireFaults:
        return self.wires[1]

    @property
    def user_wire(self) -> WireFaults:
        return self.wires[2]

    @property
    def urls(self) -> Urls:
        """Where the bot connects."""
        rest, stream, user = [wire.port for wire in self.wires] or [self.port] * 3
        return Urls(rest=f"http://127.0.0.1:{rest}", stream=f"ws://127.0.0.1:{stream}", ws_api=f"ws://127.0.0.1:{user}/ws-api/v3")

    @property
    def keys(self) -> Keys:
        return Keys(self.exchange.ready["api_key"], self.exchange.ready["api_secret"])

    def clear(self) -> None:
        """Everything works again."""
        self.exchange.control("DELETE", "faults")
        for wire in self.wires:
            wire.clear()

    def pause(self, on: bool) -> None:
        self.exchange.control("POST", "market", {"pause": on})

    def terminate(self) -> None:
        """SIGTERM: serverShutdown to every client, then gone; needs `--state`, else the account is gone too."""
        self._earlier += self.exchange.log()
        self.exchange.process.send_signal(signal.SIGTERM)
        self.exchange.process.wait(SOON_S)
        self.exchange.stop()

    def come_back(self, *arguments: str) -> None:
        """On the same port, with the same account."""
        self.exchange = self._started(self.port, *arguments)

    def wipe(self) -> None:
        """As a testnet is wiped: the account keeps its number and its key, and loses its orders, trades and ids."""
        uid = self.exchange.ready["instance"]
        self.terminate()
        self.come_back("--fresh", "--uid", str(uid))

    def kept_waiting_ms(self) -> float:
        """How long its process was due and got no core, since its start: it answers and measures by so much later."""
        return int(Path(f"/proc/{self.exchange.process.pid}/schedstat").read_text().split()[1]) / 1e6

    def log(self) -> list[Row]:
        """Every request at the door that could change an order, over all lives of this venue."""
        return [*self._earlier, *self.exchange.log()]

    def close(self) -> None:
        for wire in self.wires:
            wire.stop()
        self.exchange.stop()

    # -- the truth -------------------------------------------------------------------------------
    def open_orders(self) -> dict[int, str]:
        """Venue order id -> client order id."""
        return {row["orderId"]: row["clientOrderId"] for row in self.exchange.call("GET", "/api/v3/openOrders", symbol=SYMBOL).json}

    def trades(self) -> dict[int, tuple[int, str, Decimal, Decimal]]:
        """Trade id -> order id, side, price, quantity: every trade of the account."""
        found: dict[int, tuple[int, str, Decimal, Decimal]] = {}
        after = 0
        while True:
            page = self.exchange.call("GET", "/api/v3/myTrades", symbol=SYMBOL, fromId=after, limit=1000).json
            for row in page:
                side = "BUY" if row["isBuyer"] else "SELL"
                found[row["id"]] = (row["orderId"], side, Decimal(row["price"]), Decimal(row["qty"]))
            if len(page) < 1000:
                return found
            after = page[-1]["id"] + 1

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        rows = self.exchange.call("GET", "/api/v3/account").json["balances"]
        return {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in rows}

    def created_twice(self) -> list[str]:
        """Client ids that reached the create endpoint more than once (I11)."""
        counts = Counter(row["client_order_id"] for row in self.log() if row["method"] in CREATES)
        return [name for name, count in counts.items() if count > 1]


@contextmanager
def venue(*arguments: str, wires: bool = False) -> Iterator[Venue]:
    running = Venue(*arguments, wires=wires)
    try:
        yield running
    finally:
        running.close()
