"""The freeze: a slow disk, a slow venue and a console whose reader has stopped, all at once, with the maker-first trader running (issue 5).

Who calls it: test_freeze.py, for a few seconds or (GREENLIGHT_DRILLS=long) a minute. Intents and the venue's log are read side by side at the end.
"""

import fcntl
import os
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from core.commands import Place, Replace
from core.engine import Step
from core.notices import Sent
from runtime.console import Console
from state.intents import DiskFile, IntentRecord, read
from tests.drills.harness import CREATES, LateClock, Venue, venue, wait_until
from tests.drills.rig import Bot
from tests.timing import SOON_S
from trading.chase import ENTRY, task_of
from trading.maker_first import MakerFirst

DISK_S, VENUE_MS = 0.1, 500
PIPE_BYTES = 4096
LIVELY = (
    "strategy=maker_first", "maker_first.signal.fast_s=0.5", "maker_first.signal.slow_s=2", "maker_first.signal.trend_bps_min=0.05",
    "maker_first.entry.rest_ms=200", "maker_first.exits.time_limit_s=5", "maker_first.entry.deadline_ms=2500", "maker_first.exits.deadline_ms=1500",
    "maker_first.entry.chase_bps_max=0",
)  # fmt: skip


class SlowDisk(DiskFile):
    """Each write takes its time."""

    is_slow = False

    def write(self, data: bytes, /) -> int:
        if self.is_slow:
            time.sleep(DISK_S)
        return super().write(data)


@dataclass(frozen=True)
class Frozen:
    """What was seen while everything was slow. Ids are those of orders that carry a task, in the order of their making."""

    seconds: float
    pauses_ms: dict[str, int]
    control_ms: float  # how late a control thread was meanwhile
    reprices: int
    exits: int
    on_disk: dict[str, str]  # client id -> memo
    at_venue: list[str]
    held: Decimal
    traded: Decimal
    proven: bool

    def lines(self) -> list[str]:
        pauses = " · ".join(f"{name} {ms} ms" for name, ms in sorted(self.pauses_ms.items()))
        return [
            f"freeze: {self.seconds:.0f} s · disk {DISK_S * 1000:.0f} ms a write · venue {VENUE_MS} ms · stdout blocked",
            f"  longest pause: {pauses} · control thread {self.control_ms:.0f} ms",
            f"  orders {len(self.at_venue)} at the venue, {len(self.on_disk)} on disk · reprices {self.reprices} · exits {self.exits}",
        ]


class Shown(Bot):
    """A bot with a console whose stdout nobody reads."""

    def console(self, folder: Path) -> Console:
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.write(writer, b"x" * PIPE_BYTES)
        self.ends = reader, os.fdopen(writer, "w")
        self.said_to = Console(self.config, ui="plain", root=folder, stream=self.ends[1])
        return self.said_to

    def _tell(self, at_ns: int, step: Step) -> None:
        super()._tell(at_ns, step)
        for notice in step.notices:
            if isinstance(notice, Sent):
                self.said_to.command(at_ns, notice.command)
            else:
                self.said_to.notice(at_ns, notice)


def freeze(folder: Path, seconds: float) -> Frozen:
    """Trade calmly until there is a lot, then for `seconds` with everything slow; then heal, stop, compare."""
    with venue() as at:
        running = Shown(at.urls, at.keys, folder / "bot", LIVELY)
        running.session.intents._open_file = SlowDisk
        running.parts.start("console", running.console(folder))
        running.start()
        maker = running.session.engine.strategy
        assert isinstance(maker, MakerFirst)
        trader = maker.traders["BTCUSDT"]
        try:
            wait_until(lambda: trader.tally.filled, 2 * SOON_S, "the first lot")
            SlowDisk.is_slow = True
            at.exchange.control("POST", "faults", {"kind": "delay", "delay_ms": VENUE_MS, "match": {}})
            for heart in trader.beats.values():
                heart.pause_ns_max = 0
            before = trader.tally.exits
            with LateClock() as control:
                time.sleep(seconds)
            pauses = {name: one.pause_ns_max // 1_000_000 for name, one in trader.beats.items()}
            exits = trader.tally.exits - before
        finally:
            SlowDisk.is_slow = False
            at.clear()
            proven = running.stop()
        return _seen(folder, at, running, seconds, pauses, control.worst_ms, exits, proven)


def _seen(
    folder: Path, at: Venue, running: Bot, seconds: float, pauses: dict[str, int], control_ms: float, exits: int, proven: bool
) -> Frozen:
    on_disk: dict[str, str] = {}
    for record in read(folder / "bot" / "intents.log"):
        if isinstance(record, IntentRecord) and isinstance(record.command, Place | Replace):
            place = record.command.place if isinstance(record.command, Replace) else record.command
            on_disk[place.client_order_id] = place.memo
    maker = running.session.engine.strategy
    assert isinstance(maker, MakerFirst)
    trades = at.trades().values()
    bought = sum((quantity if side == "BUY" else -quantity for _, side, _, quantity in trades), Decimal(0))
    fees = sum((Decimal(fill["fee"]) for fill in running.books()["fills"] if fill["fee_asset"] == "BTC"), Decimal(0))
    entries = [task for memo in on_disk.values() if (task := task_of(memo)) is not None and task.task == ENTRY]
    return Frozen(
        seconds=seconds,
        pauses_ms=pauses,
        control_ms=control_ms,
        reprices=len(entries) - len({(task.side, task.number) for task in entries}),
        exits=exits,
        on_disk=on_disk,
        at_venue=[row["client_order_id"] for row in at.log() if row["method"] in CREATES],
        held=maker.traders["BTCUSDT"].lots.net,
        traded=bought - fees,
        proven=proven,
    )
