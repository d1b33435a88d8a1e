"""Many lives of `bot.py` on one state folder, each killed with -9, while the venue runs on and loses replies (I17, I1-I3, I10, I11).

Who calls it: test_kill.py for a few kills, benchmarks/drill_kill.py for two hundred. A life is judged while it runs, over its control socket, against
what the venue knew at the moment of the kill before it (truth.py); the whole history is judged at the end.
Never: a verdict from the bot's word alone, a wait without a limit, a process left alive.
"""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.control import ask
from tests.drills import tasks
from tests.drills.harness import Late, Venue, venue, wait_until
from tests.drills.process import BotProcess
from tests.drills.truth import Tail, history, judge, known, undecided_left
from tests.timing import SOON_S

BOOKED_S = 10.0  # I17: after a restart
DECIDED_S = 17.0  # DESIGN 4: max(2 x timeout, receive window + 10 s) + 2 x resolver interval, with a time-out below 6.5 s
LOADING_S = (0.3, 0.9)  # since the process began
OPENING_S = (0.0, 0.12)  # since its first line: boot, resync, first orders; too short to be met by chance
TRADING_S_MIN = 0.1  # since its first line
HOW_OFTEN = (0.15, 0.2, 0.65)
FIRST_LINE_S = SOON_S
ASK_S, POLL_STATUS_S = 1.0, 0.05
OVERRIDES = ("timing.order_timeout_ms=1000", "exchange.read_timeout_ms=1000", "quoting.cooldown_ms=50")
OPERATIONS = ["order.place", "order.cancel", "order.cancelReplace"]


@dataclass(frozen=True)
class Plan:
    """How often, and how the venue loses what is sent to it. `long_every` lives one lives on until nothing inherited may be undecided."""

    kills: int
    seed: int
    replies_lost: float = 0.04  # done, and nothing is said
    requests_lost: float = 0.01  # never arrived
    long_every: int = 0
    trading_s_max: float = 3.1
    trading_s_min: float = TRADING_S_MIN
    how_often: tuple[float, float, float] = HOW_OFTEN  # loading, opening, trading
    settings: tuple[str, ...] = ()  # key=value
    with_lots: bool = False  # the maker-first trader, judged by tasks.py too


@dataclass
class Kills:
    """What was seen."""

    plan: Plan
    phases: Counter[str] = field(default_factory=Counter)
    verdicts_s: list[float] = field(default_factory=list)  # from the start of the process to equal books
    unjudged_s: list[float] = field(default_factory=list)  # since the first line: how long a life had that ended without its verdict
    decided_s: list[float] = field(default_factory=list)  # in the long lives: until nothing inherited was undecided
    first_place_s: list[float] = field(default_factory=list)
    boot_s: list[float] = field(default_factory=list)
    inherited: int = 0  # places without a result at a kill
    named: int = 0  # of them still undecided, named and red when the rest was equal
    recovered: int = 0  # fills of an earlier life, booked by a later one
    struck: dict[str, int] = field(default_factory=dict)
    orders: int = 0
    trades: int = 0
    continued: int = 0  # entries with orders of more than one life
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        verdicts, waits = sorted(self.verdicts_s), [f"{at_s:.1f}" for at_s in sorted(self.decided_s)]
        phases = ", ".join(f"{name} {count}" for name, count in self.phases.most_common())
        return [
            f"{sum(self.phases.values())} kills in {self.seconds:.0f} s · {phases}",
            f"  lost on the way: {self.struck} · orders at the venue {self.orders} · trades {self.trades}, {self.recovered} of them recovered",
            f"  lives judged (I17) {len(verdicts)} · books equal after {_spread(verdicts)} of the restart (limit {BOOKED_S:g} s)",
            f"  killed before their verdict {len(self.unjudged_s)} · the longest of them had {max(self.unjudged_s, default=0.0):.2f} s of trading",
            f"  places without a result at a kill {self.inherited} · still undecided, named and red at the verdict {self.named}"
            f" · decided in the long lives after {', '.join(waits) or '-'} s (limit {DECIDED_S:g} s)",
            *([f"  entries that went on in another life {self.continued}"] if self.plan.with_lots else []),
            f"  start: first line {_spread(self.boot_s)} · first order {_spread(self.first_place_s)}",
            f"  {'ok' if not self.violations else 'VIOLATIONS'}",
            *(f"  {violation}" for violation in self.violations),
        ]


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.2f} s (median), {ordered[-1]:.2f} s (worst)" if ordered else "never"


class Lives:
    """One state folder, one venue, one life after the other."""

    def __init__(self, at: Venue, home: Path, plan: Plan) -> None:
        self.venue, self.home = at, home
        self.seen = Kills(plan)
        self.tail = Tail(home / "intents.log")
        self.known = known(at, None)
        self.begun_with = at.balances()
        self._rng = random.Random(plan.seed)

    # -- one life --------------------------------------------------------------------------------
    def start(self, *more: str) -> BotProcess:
        """The bot as a person would start it again, against the venue that kept running."""
        places = zip(("rest", "stream", "ws_api"), (self.venue.urls.rest, self.venue.urls.stream, self.venue.urls.ws_api), strict=True)
        addresses = [f"--set=exchange.urls.{name}={url}" for name, url in places]
        lots = tasks.SETTINGS if self.seen.plan.with_lots else ()
        settings = [f"--set={one}" for one in (*OVERRIDES, *lots, *self.seen.plan.settings)]
        keys = {"GREENLIGHT_API_KEY": self.venue.keys.api_key, "GREENLIGHT_API_SECRET": self.venue.keys.api_secret}
        folders = [f"--set=state.dir={self.home}", f"--set=log.dir={self.home / 'logs'}"]
        return BotProcess("--ui=plain", "--verbose", *folders, *settings, *addresses, *more, env=keys)

    def lived(self, number: int) -> None:
        """One life: a random time, the verdict where it lives long enough, SIGKILL, and what the venue knows then."""
        plan = self.seen.plan
        is_long = bool(plan.long_every) and number % plan.long_every == 0
        span = self._rng.choices([LOADING_S, OPENING_S, (plan.trading_s_min, plan.trading_s_max)], plan.how_often)[0]
        lives_s = self._rng.uniform(*span)
        life = self.start()
        inherited = self.tail.undecided()
        try:
            if span is not LOADING_S:
                wait_until(lambda: life.out or life.process.poll() is not None, FIRST_LINE_S, "the first line")
            since_s = life.began_s if span is LOADING_S else time.monotonic()
            self._judge_until(life, inherited, life.began_s + DECIDED_S + 1.0 if is_long else since_s + lives_s, is_long)
        finally:
            self._kill(life, number)

    def _judge_until(self, life: BotProcess, inherited: list[str], ends_s: float, is_long: bool) -> None:
        is_equal = is_decided = False
        while (now_s := time.monotonic()) < ends_s:
            if life.process.poll() is not None:
                self._violated(f"the bot ended by itself with {life.process.returncode}", life)
                return
            status = ask(self.home / "control.sock", {"verb": "status"}, ASK_S) if not (is_equal and is_decided) else None
            if status is not None and status.get("snapshot"):
                age_s = time.monotonic() - life.began_s
                wrong, named = self._judged(inherited, status["snapshot"])
                if not wrong and not is_equal:
                    is_equal = True
                    self.seen.verdicts_s.append(age_s)
                    self.seen.named += len(named)
                elif wrong and age_s > BOOKED_S:
                    self._violated(f"{age_s:.1f} s after the restart: {wrong}", life)
                    return
                is_decided = is_decided or (is_equal and self._decided(is_long, inherited, named, age_s))
            elif now_s - life.began_s > BOOKED_S and not is_equal:
                self._violated(f"no answer on the control socket {BOOKED_S:g} s after the restart", life)
                return
            time.sleep(POLL_STATUS_S)
        if not is_equal:
            self.seen.unjudged_s.append(time.monotonic() - life.began_s - (life.first_s("BOOT") or time.monotonic() - life.began_s))
        if is_long and not is_decided:
            self._violated(f"still undecided {DECIDED_S:g} s after the restart: {undecided_left(self.tail, inherited)}", life)

    def _judged(self, inherited: list[str], shown: Any) -> tuple[list[str], list[str]]:
        wrong, named = judge(self.venue, self.known, self.tail, inherited, shown)
        return wrong + (tasks.judge(self.venue, self.known, self.tail, shown) if self.seen.plan.with_lots else []), named

    def _decided(self, is_long: bool, inherited: list[str], named: list[str], age_s: float) -> bool:
        if not is_long:
            return True
        left = named or undecided_left(self.tail, inherited)
        if not left and inherited:
            self.seen.decided_s.append(age_s)
        return not left

    def _kill(self, life: BotProcess, number: int) -> None:
        phase = _phase(life)
        if life.process.poll() is None:
            os.kill(life.process.pid, signal.SIGKILL)
        life.wait(SOON_S)
        self.seen.phases[phase] += 1
        self.seen.boot_s += [at_s for at_s in [life.first_s("BOOT")] if at_s]
        self.seen.first_place_s += [at_s for at_s in [life.first_s("PLACE")] if at_s]
        (self.home.parent / "lives").mkdir(exist_ok=True)
        (self.home.parent / "lives" / f"{number:03d}.txt").write_text("\n".join([f"killed while: {phase}", *life.lines]), encoding="utf-8")
        if any("Traceback" in line for line in life.lines):
            self._violated("a traceback", life)
        self.seen.recovered += sum("recovered: " in line for line in life.lines)
        self.seen.inherited += len(self.tail.undecided())
        self.known = known(self.venue, self.known)

    def _violated(self, what: str, life: BotProcess) -> None:
        self.seen.violations.append(f"life {sum(self.seen.phases.values()) + 1}: {what}")
        self.seen.evidence += life.lines[-20:]

    # -- the end ---------------------------------------------------------------------------------
    def last_life(self) -> None:
        """No more losses: it lives until nothing is undecided, is stopped as by Ctrl-C, and the whole history is judged."""
        self.seen.struck = self.venue.exchange.control("GET", "faults")["struck"]
        self.venue.clear()
        life = self.start("--json")
        inherited = self.tail.undecided()
        wrong: list[str] = ["never answered"]

        def is_settled() -> bool:
            status = ask(self.home / "control.sock", {"verb": "status"}, ASK_S)
            if status is not None and status.get("snapshot"):
                wrong[:], named = self._judged(inherited, status["snapshot"])
                wrong.extend([*named, *undecided_left(self.tail, inherited)])
            return not wrong and life.first_s("PLACE") is not None

        try:
            self.seen.decided_s.append(wait_until(is_settled, DECIDED_S, "nothing undecided"))
        except Late as late:
            self._violated(f"the last life: {late}: {wrong}", life)
        life.interrupt_group()
        code = life.wait(SOON_S)
        if code != 0:
            self._violated(f"the last life ended with {code}", life)
        result = life.result()
        if not result["proof"] or not result["proof"]["equal"]:
            self._violated(f"the last proof: {result['proof']}", life)
        self.tail.read()
        found = history(self.venue, self.tail, self.home, self.begun_with)
        self.seen.orders, self.seen.trades = found.orders, found.trades
        self.seen.violations += found.wrong
        if self.seen.plan.with_lots:
            self.seen.continued = tasks.continued(self.tail)
            self.seen.violations += tasks.history(known(self.venue, None), self.tail, self.home, self.tail.instance)


def _phase(life: BotProcess) -> str:
    """What it was doing when it was killed, from its own lines."""
    lines = life.lines
    for phase, words in (("trading", " PLACE "), ("resync", " LIGHT "), ("boot", " account "), ("opening", " BOOT ")):
        if any(words in line for line in lines):
            return f"in {phase}" if phase != "trading" else phase
    return "loading"


def live(folder: Path, plan: Plan) -> Kills:
    """The whole drill in `folder`, which keeps the evidence: state folder, every life's lines, the venue's door log."""
    begun_s = time.monotonic()
    with venue("--seed", str(plan.seed)) as at:
        lives = Lives(at, folder / "bot", plan)
        if plan.replies_lost:  # over the WS API the connection stays: nothing tells that the reply is lost
            at.exchange.fault("drop_after", probability=plan.replies_lost, match={"operation": OPERATIONS}, close=False)
        if plan.requests_lost:
            at.exchange.fault("drop_before", probability=plan.requests_lost, match={"operation": OPERATIONS})
        for number in range(1, plan.kills + 1):
            lives.lived(number)
            if lives.seen.violations:
                break
        if not lives.seen.violations:
            lives.last_life()
        lives.seen.seconds = time.monotonic() - begun_s
        if lives.seen.violations:
            (folder / "door.json").write_text(json.dumps(at.log(), indent=1), encoding="utf-8")
            (folder / "violations.txt").write_text("\n".join([*lives.seen.lines(), *lives.seen.evidence]), encoding="utf-8")
    return lives.seen
