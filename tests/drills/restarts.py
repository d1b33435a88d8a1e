"""Three starts in a row in a copy of the project, the second killed with -9 (issue 2, "Must be seen" 1; field cases 8, 11, 18).

Who calls it: test_restart.py for a few seconds each, benchmarks/drill_restart.py for a minute. The oracle is the paper exchange itself, started
once more on the state folder it left behind, asked over REST for every trade of the account.
"""

import os
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from assembly import paper_arguments
from state.intents import BootRecord, FillRecord, read
from tests.drills.harness import SYMBOL, Row, wait_until
from tests.drills.process import BotProcess
from tests.drills.rig import config_of
from tests.paper.exchange_client import ROOT, Exchange
from tests.timing import SOON_S

FIRST_FILL_S = 10.0
NOT_CODE = (".git", "__pycache__", ".venv", ".*_cache", ".hypothesis", "logs", "reports", "tests", "benchmarks", "docs")
OF_A_RUN = ("*.sock", "*.log", "*.db*", "run.json", "lock", "tag", "tape")  # what a bot run in this very checkout left in state/
NOT_COPIED = shutil.ignore_patterns(*NOT_CODE, *OF_A_RUN)
STATE_FILES = ("paper", "tag", "lock", "intents.log", "run.json", "control.sock")
TradeId = int


@dataclass(frozen=True)
class Restarts:
    """What the three runs said and what the venue knows."""

    first: Row
    third: Row
    codes: tuple[int, int, int]
    first_fill_s: tuple[float | None, ...]
    recorded: list[TradeId]
    at_venue: set[TradeId]
    open_at_venue: int
    refusals: list[str]
    lines: list[str]

    @property
    def booked(self) -> Counter[TradeId]:
        """How often each trade was booked over the three runs."""
        counts: Counter[TradeId] = Counter(self.recorded)
        for result in (self.first, self.third):
            counts.update(fill["trade_id"] for fill in [*result["books"]["fills"], *result["books"]["recovered_fills"]])
        return counts

    @property
    def wrong(self) -> list[str]:
        booked = self.booked
        found = [f"exit codes {self.codes}"] if self.codes != (0, -signal.SIGKILL, 0) else []
        found += [f"run {run} not proven: {result['proof']}" for run, result in ((1, self.first), (3, self.third)) if not result["proof"]["equal"]]
        if lost := self.at_venue - set(booked):
            found.append(f"lost fills {sorted(lost)}")
        if invented := set(booked) - self.at_venue:
            found.append(f"fills the venue does not know {sorted(invented)}")
        if doubled := [trade for trade, count in booked.items() if count > 1]:
            found.append(f"booked twice {sorted(doubled)}")
        if self.open_at_venue:
            found.append(f"{self.open_at_venue} orders left")
        found += [f"run {run}: first FILL after {at_s} s" for run, at_s in enumerate(self.first_fill_s, 1) if at_s is None or at_s > FIRST_FILL_S]
        return found + [f"refused: {line}" for line in self.refusals]

    def summary(self) -> list[str]:
        recovered = len(self.third["books"]["recovered_fills"])
        return [
            f"three starts: exit {self.codes} · first FILL after {', '.join(f'{at_s:.1f} s' if at_s else 'never' for at_s in self.first_fill_s)}",
            f"  trades at the venue {len(self.at_venue)} · run 1 {self.first['fills']} · run 2 recorded {len(self.recorded)}"
            f" · run 3 {self.third['fills']} and {recovered} recovered · orders left {self.open_at_venue}",
            f"  proofs equal: {self.first['proof']['equal']}, {self.third['proof']['equal']} · {'ok' if not self.wrong else self.wrong}",
        ]


def three_starts(folder: Path, seconds: float, killed_after_s: float, *more: str) -> Restarts:
    """Run, run and kill -9, run; then ask the venue."""
    root = folder / "clone"
    shutil.copytree(ROOT, root, ignore=NOT_COPIED)
    for name in STATE_FILES:
        path = root / "state" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    first = BotProcess("--json", "--run-for", str(seconds), *more, root=root)
    first_fills_s = [first_fill_s(first)]
    codes = [first.wait(seconds + 30)]
    second = BotProcess("--json", *more, root=root)
    first_fills_s.append(first_fill_s(second))
    time.sleep(killed_after_s)
    os.kill(second.process.pid, signal.SIGKILL)
    codes.append(second.wait(SOON_S))
    third = BotProcess("--json", "--run-for", str(seconds), *more, root=root)
    first_fills_s.append(first_fill_s(third))
    codes.append(third.wait(seconds + 30))
    at_venue, open_at_venue = truth(root)
    return Restarts(
        first=first.result(),
        third=third.result(),
        codes=(codes[0], codes[1], codes[2]),
        first_fill_s=tuple(first_fills_s),
        recorded=recorded_by_run(root, 2),
        at_venue=at_venue,
        open_at_venue=open_at_venue,
        refusals=[line for run in (first, second, third) for line in run.refusals],
        lines=[*second.lines[-20:], *third.lines],
    )


def first_fill_s(run: BotProcess) -> float | None:
    """Since the start, without the time in which its main thread was due and got no core; None where it ended before."""
    wait_until(lambda: run.first_s("FILL") is not None or run.process.poll() is not None, 2 * SOON_S, "the first FILL")
    kept_waiting_s, at_s = run.kept_waiting_s(), run.first_s("FILL")
    return None if at_s is None else at_s - kept_waiting_s


def recorded_by_run(root: Path, run: int) -> list[TradeId]:
    """Trade ids in the intents between this run's boot record and the next."""
    found, boots = [], 0
    for record in read(root / "state" / "intents.log"):
        boots += isinstance(record, BootRecord)
        if boots == run and isinstance(record, FillRecord):
            found.append(record.fill.trade_id)
    return found


def truth(root: Path) -> tuple[set[TradeId], int]:
    """Every trade id of the account and the number of open orders, from the venue itself."""
    exchange = Exchange(*paper_arguments(config_of(()), root / "state" / "paper"))
    try:
        assert exchange.ready["continued"], "the account was not kept"
        rows = exchange.call("GET", "/api/v3/myTrades", symbol=SYMBOL, fromId=0, limit=1000).json
        return {row["id"] for row in rows}, len(exchange.call("GET", "/api/v3/openOrders", symbol=SYMBOL).json)
    finally:
        exchange.stop()
