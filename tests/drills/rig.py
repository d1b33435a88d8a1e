"""A bot session in this process (assembly.Session inside a Lifecycle, no console), and its comparison with the venue's truth.

Who uses it: the unplug drills and slow.py, lives.py. The books are judged by the venue's own lists, never by the bot alone.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

from assembly import Session
from core.engine import Step
from core.events import Operator, OperatorAction, StopRequested
from core.notices import LightChanged
from core.proof import Proof
from core.snapshot import SideShown, Snapshot, books_of, picture
from exchange.binance.urls import Urls
from runtime.config import Config, load
from runtime.keys import Keys
from runtime.lifecycle import Lifecycle
from tests.drills.harness import POLL_S, READY_S, Late, Row, Venue, venue, wait_until
from tests.paper.exchange_client import ROOT
from tests.timing import SOON_S

STOP_S = 5.0
QUIET_S = SOON_S
RECV_WINDOW_MS, GRACE_MS, RESOLVER_MS = 3000, 10_000, 2000


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
        """What came to the venue's door after the first `after` entries; over all its lives, since each counts from 1 again."""
        return self.venue.log()[after:]

    def came(self) -> int:
        """How many entries the venue's door has written."""
        return len(self.venue.log())

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
