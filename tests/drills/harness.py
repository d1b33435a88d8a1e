"""What the drills stand on: a paper exchange as a process, wire proxies before it, a bot session in this process, and the venue's own truth.

Who uses it: the drills of this folder and the scripts `benchmarks/drill_*.py`. The oracle reads the venue over REST with its own signatures
(tests.paper.exchange_client); it shares no code with the bot. Never: a verdict taken from the bot alone.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from assembly import Session
from core.engine import Step
from core.events import Operator, OperatorAction, StopRequested
from core.notices import LightChanged
from core.proof import Proof
from core.snapshot import SideShown, Snapshot, books_of, picture
from exchange.binance.urls import Urls
from exchange.paper.wirefaults import WireFaults
from runtime.config import Config, load
from runtime.keys import Keys
from runtime.lifecycle import Lifecycle
from tests.paper.exchange_client import ROOT, Exchange

SYMBOL = "BTCUSDT"
PING_PERIOD_S, PING_DEADLINE_S = 1, 2
READY_S = 10.0
STOP_S = 5.0
QUIET_S = 6.0
CREATES = frozenset({"order.place", "order.cancelReplace"})
RECV_WINDOW_MS, GRACE_MS, RESOLVER_MS = 3000, 10_000, 2000
POLL_S = 0.01
Row = dict[str, Any]


class Late(AssertionError):
    """What had to come did not come in time."""


def wait_until(condition: Callable[[], object], timeout_s: float, what: str = "") -> float:
    """Wait for a true answer; returns the seconds it took. Raises Late."""
    began_s = time.monotonic()
    while not condition():
        if time.monotonic() - began_s > timeout_s:
            raise Late(f"not within {timeout_s:g} s: {what or condition}")
        time.sleep(POLL_S)
    return time.monotonic() - began_s


class LateClock:
    """The control thread: sleeps 1 ms in a loop and notes how late it wakes. What it suffers, every thread of this process suffers."""

    def __init__(self) -> None:
        self.worst_ms = 0.0
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

    def _started(self, port: int) -> Exchange:
        pings = ("--ping-period-s", str(PING_PERIOD_S), "--ping-deadline-s", str(PING_DEADLINE_S))
        keys = ("--api-key", "k" * 64, "--api-secret", "s" * 64)
        exchange = Exchange("--symbols", SYMBOL, "--seed", "7", "--port", str(port), *pings, *keys, *self._arguments)
        # The oracle's readings come from the same address as the bot's and must not eat its request weight.
        exchange.control("POST", "limits", {"weight_1m": 1_000_000, "connections_5m": 100_000})
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
        self.exchange.process.wait(10)
        self.exchange.stop()

    def come_back(self) -> None:
        """On the same port, with the same account."""
        self.exchange = self._started(self.port)

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


# -- the bot -------------------------------------------------------------------------------------
def config_of(overrides: Sequence[str]) -> Config:
    """config.yaml of the project with these settings on top."""
    return load(ROOT / "config.yaml", overrides, {}).config


class Bot:
    """One session in this process, without console: assembly.Session inside a Lifecycle."""

    def __init__(self, urls: Urls, keys: Keys, state_dir: Path, overrides: Sequence[str] = (), tag: str = "gldril") -> None:
        self.config = config_of(overrides)
        self.faults: list[BaseException] = []
        self.said: deque[str] = deque(maxlen=5000)
        self.shown: deque[tuple[int, SideShown]] = deque(maxlen=20_000)
        state_dir.mkdir(parents=True, exist_ok=True)
        self.session = Session(self.config, keys, urls, state_dir, tag, self._tell, self.faults.append)
        self.parts = Lifecycle(STOP_S)

    def _tell(self, at_ns: int, step: Step) -> None:
        """On the trading thread: what was said, and the picture as the status verb would show it at every change of a light."""
        self.said.extend(f"{command.reason[:40]:<40} {type(command).__name__}" for command in step.commands)
        self.said.extend(f"{notice.tag:<8} {notice.words()} {notice.order_id}" for notice in step.notices)
        if any(isinstance(notice, LightChanged) for notice in step.notices):
            shown = picture(self.session.engine)
            self.shown.extend((at_ns, side) for side in (shown.sides if shown else ()))

    def start(self) -> "Bot":
        rules, limits, instance = self.session.learn()
        self.session.start(self.parts, rules, limits, instance)
        return self

    @property
    def snapshot(self) -> Snapshot:
        shown = self.session.loop.snapshot
        assert shown is not None, "no picture yet"
        return shown

    @property
    def is_quoting(self) -> bool:
        """Every side green or resting after a fill, with a working order."""
        shown = self.session.loop.snapshot
        return shown is not None and all(side.colour != "red" and not side.no_quote_because for side in shown.sides)

    @property
    def has_no_red(self) -> bool:
        shown = self.session.loop.snapshot
        return shown is not None and all(side.colour != "red" for side in shown.sides)

    def mark(self) -> int:
        """Now, on the engine's clock."""
        return self.session.clock()

    def reasons(self, since_ns: int, colour: str = "red") -> list[str]:
        """Every reason the pictures showed since then in this colour."""
        return list(dict.fromkeys(side.reason for at_ns, side in list(self.shown) if at_ns >= since_ns and side.colour == colour))

    def books(self) -> Row:
        """What the bot believes. Reads the trading thread's books; a reading that was disturbed is repeated."""
        for _ in range(50):
            try:
                return books_of(self.session.engine)
            except RuntimeError:  # a map changed while it was read
                time.sleep(POLL_S)
        raise AssertionError("the books never stood still")

    def prove(self, timeout_s: float = QUIET_S) -> Proof:
        """Ask for a proof and wait for it."""
        asked_ns = self.mark()
        self.session.inbox.post(Operator(action=OperatorAction.PROVE))
        wait_until(lambda: self.snapshot.proof is not None and self.snapshot.proof.at_ns >= asked_ns, timeout_s, "a proof")
        proof = self.snapshot.proof
        assert proof is not None
        return proof

    def stop(self) -> bool:
        """As bot.py stops; True where the end was proven equal."""
        begun_s = time.monotonic()
        deadline_s = self.parts.begin_stop()
        self.session.manager.stop_by(self.session.clock() + int((deadline_s - begun_s) * 1e9))
        self.session.inbox.post(StopRequested(reason="end of the drill"))
        self.session.loop.finished.wait(max(0.0, deadline_s - 1.0 - time.monotonic()))
        self.session.rest.shut()
        self.session.loop.stop(deadline_s - 0.5)
        self.parts.stop()
        proof = self.session.engine.audit.stop_proof
        return proof is not None and proof.equal


@contextmanager
def bot(at: Venue, state_dir: Path, overrides: Sequence[str] = ()) -> Iterator[Bot]:
    """A running bot; stopped at the end, whatever happened."""
    made = Bot(at.urls, at.keys, state_dir, overrides)
    try:
        yield made.start()
    finally:
        made.stop()


# -- both together -------------------------------------------------------------------------------
class Rig:
    """A bot against a venue, and the comparison of the two."""

    def __init__(self, at: Venue, running: Bot) -> None:
        self.venue, self.bot = at, running

    @property
    def bound_known_s(self) -> float:
        """Liveness where the venue knows the order (DESIGN 4): 2 x timeout + resolver interval."""
        return (2 * self.bot.config.timing.order_timeout_ms + RESOLVER_MS) / 1000

    @property
    def bound_s(self) -> float:
        """Liveness in any case: max(2 x timeout, recv_window + 10 s) + 2 x resolver interval."""
        return (max(2 * self.bot.config.timing.order_timeout_ms, RECV_WINDOW_MS + GRACE_MS) + 2 * RESOLVER_MS) / 1000

    def settle(self) -> None:
        """Before a drill: no faults, the market runs, both sides quote."""
        self.venue.clear()
        self.venue.pause(False)
        for stream in (self.bot.session.market, self.bot.session.user):
            stream._backoff.reset()  # as if every drill came a minute of calm after the one before
        wait_until(lambda: self.bot.is_quoting, READY_S, f"both sides quote; {[side.no_quote_because for side in self.bot.snapshot.sides]}")

    def door(self, after: int) -> list[Row]:
        return [row for row in self.venue.log() if row["sequence"] > after]

    def sequence(self) -> int:
        log = self.venue.exchange.log()
        return int(log[-1]["sequence"]) if log else 0

    def differences(self) -> list[str]:
        """Bot against venue: open orders, every fill by trade id, balances. Meant for a market that stands still."""
        books, found = self.bot.books(), []
        believed = {order["venue_order_id"]: order["client_order_id"] for order in books["open_orders"]}
        actual = self.venue.open_orders()
        if believed != actual:
            found.append(f"open orders: bot {believed}, venue {actual}")
        fills = [*books["fills"], *books["recovered_fills"]]
        booked = {fill["trade_id"]: (fill["venue_order_id"], fill["side"], Decimal(fill["price"]), Decimal(fill["quantity"])) for fill in fills}
        if len(booked) != len(fills):
            found.append("a trade id is booked twice")
        trades = self.venue.trades()
        if booked != trades:
            found.append(f"fills: only in the bot {booked.items() - trades.items()}, only at the venue {trades.items() - booked.items()}")
        for asset, (free, locked) in self.venue.balances().items():
            held = books["balances"].get(asset, {"free": "0", "locked": "0"})
            if free + locked != Decimal(held["free"]) + Decimal(held["locked"]):
                found.append(f"{asset}: bot {held}, venue {free}/{locked}")
        return found

    def check(self, bound_s: float | None = None) -> float:
        """After a drill: no red within the bound, books equal by proof and by the oracle, no id created twice. Returns the seconds to recover."""
        asked_ns = self.bot.mark()
        try:
            took_s = wait_until(lambda: self.bot.snapshot.at_ns >= asked_ns and self.bot.is_quoting, bound_s or self.bound_known_s)
        except Late as late:
            raise Late("\n".join([f"{late}; {self._why()}", *list(self.bot.said)[-30:]])) from None
        self.venue.pause(True)
        seen: list[str] = ["never compared"]

        def equal() -> bool:
            seen[:] = self.differences()
            return not seen

        try:
            wait_until(equal, QUIET_S)
        except Late:
            raise Late("\n".join([*seen, *list(self.bot.said)[-30:]])) from None
        proof = self.bot.prove()
        self.venue.pause(False)
        assert proof.equal, proof.differences
        assert not self.bot.faults, self.bot.faults
        assert self.venue.created_twice() == []
        return took_s

    def _why(self) -> str:
        return f"not quoting again: {[(side.colour, side.reason, side.no_quote_because) for side in self.bot.snapshot.sides]}"


@contextmanager
def rig(state_dir: Path, *arguments: str, overrides: Sequence[str] = (), wires: bool = False) -> Iterator[Rig]:
    """Venue and bot, quoting."""
    with ExitStack() as stack:
        at = stack.enter_context(venue(*arguments, wires=wires))
        running = stack.enter_context(bot(at, state_dir, overrides))
        made = Rig(at, running)
        wait_until(lambda: running.is_quoting, READY_S, "the first quotes")
        yield made


# -- the bot as a process ------------------------------------------------------------------------
class BotProcess:
    """`bot.py` as a person starts it, in its own process group."""

    def __init__(self, *arguments: str, root: Path = ROOT, env: dict[str, str] | None = None) -> None:
        self.began_s = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(root / "bot.py"), *arguments],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", **(env or {})},
        )
        self.out: list[tuple[float, str]] = []
        self.err: list[tuple[float, str]] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.out), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.children: set[int] = set()

    def _read(self, pipe: Any, into: list[tuple[float, str]]) -> None:
        for line in pipe:
            into.append((time.monotonic() - self.began_s, line.rstrip("\n")))

    @property
    def lines(self) -> list[str]:
        return [line for _, line in sorted([*self.out, *self.err])]

    def first_s(self, tag: str) -> float | None:
        """Seconds from the start of the process to the first console line with this tag."""
        for at_s, line in sorted([*self.out, *self.err]):
            if f" {tag} " in f"{line[:30]} ":
                return at_s
        return None

    def see_children(self) -> set[int]:
        """Child processes now; remembered, so that they can be looked for after the end."""
        self.children |= children_of(self.process.pid)
        return self.children

    def interrupt_group(self) -> float:
        """What Ctrl-C does: SIGINT to the whole group. Returns when, on time.monotonic()."""
        self.see_children()
        os.killpg(self.process.pid, signal.SIGINT)
        return time.monotonic()

    def wait(self, timeout_s: float) -> int:
        """The exit code, all output read."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            raise Late("\n".join(["the bot did not end", *self.lines[-20:]])) from None
        for reader in self._readers:
            reader.join(2)
        return code

    def left_behind(self, grace_s: float = 1.0) -> list[int]:
        """Children that outlive the bot by more than the grace; they are ended here."""
        ends_s = time.monotonic() + grace_s
        while (alive := [pid for pid in self.children if is_alive(pid)]) and time.monotonic() < ends_s:
            time.sleep(POLL_S)
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        return alive

    def result(self) -> Row:
        """The JSON object of --json."""
        found = [line for _, line in self.out if line.startswith("{")]
        assert found, "\n".join(self.lines[-20:])
        result: Row = json.loads(found[-1])
        return result


def children_of(pid: int) -> set[int]:
    """Direct children, from /proc."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found.update(int(child) for child in task.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def is_alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False
