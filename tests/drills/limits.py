"""The venue says: too much. Nothing may leave before Retry-After, then cancels first; where only orders are too many, cancels go on.

Who calls it: test_unplug_limits.py with a second or two, benchmarks/drill_limits.py with the whole times. What came is told by the venue
(`GET /paper/knocks`: every request and connection); while a ban holds, the judge itself asks only the control door.
"""

import contextlib
from dataclasses import dataclass

from core.events import Operator, OperatorAction
from core.ports import NotSent
from tests.drills.harness import Row, wait_until
from tests.drills.rig import Rig
from tests.timing import SOON_S

IN_FLIGHT_MS = 60  # what had left before the ban was heard
NS = 1_000_000_000
MS = 1_000_000


@dataclass(frozen=True)
class Silence:
    """One ban: what the bot said, for how long, what came meanwhile, and the order requests that came first afterwards."""

    said: str
    seconds: float
    came: tuple[str, ...]
    working: int
    first: tuple[str, ...]

    def line(self) -> str:
        came = ", ".join(self.came) or "nothing"
        first = " ".join(self.first) or "nothing"
        return f"  {self.said} · {self.seconds:.2f} s: {came} came meanwhile · {self.working} orders worked · then first {first}"


def too_much(drill: Rig, heavy_s: float, ban_s: float) -> tuple[Silence, Silence]:
    """429 -1003 to everything for `heavy_s`, then 418 for `ban_s`. Every connection is lost at the beginning, so that quotes have to go and the
    streams want to come back, and the clock wants to be refreshed."""
    drill.venue.pause(True)  # no fills meanwhile: what works now must be canceled later
    mark, after = drill.bot.mark(), drill.came()
    drill.venue.exchange.fault("too_heavy", duration_s=heavy_s, retry_after_s=heavy_s)
    drill.bot.session.inbox.post(Operator(action=OperatorAction.PROVE))  # the reading that is refused
    wait_until(lambda: _red(drill, mark, "429"), SOON_S, "red, banned")
    first_end_ns, working = banned_until_ns(drill), len(drill.bot.books()["open_orders"])
    for wire in drill.venue.wires[1:]:
        wire.reset_all()
    _refresh_clock(drill)
    wait_until(lambda: drill.bot.mark() > first_end_ns - NS // 10, heavy_s + 3.0)
    drill.venue.exchange.fault("banned", count=1, ban_s=ban_s)  # the first thing that comes then
    wait_until(lambda: banned_until_ns(drill) > first_end_ns, SOON_S, "the second ban")
    second_end_ns = banned_until_ns(drill)
    _refresh_clock(drill)
    wait_until(lambda: drill.bot.mark() > second_end_ns - int(ban_s * NS) + NS // 4, 2.0)
    left = len(drill.bot.books()["open_orders"])  # cancels that came in the same moment as the first may have been carried out
    wait_until(lambda: drill.bot.mark() > second_end_ns, ban_s + 3.0)
    wait_until(lambda: len(_asked(drill, after, second_end_ns)) >= left, SOON_S, f"{left} cancels")
    begun_ns = second_end_ns - int(ban_s * NS)
    heavy = _silence(drill, _red(drill, mark, "429"), first_end_ns, heavy_s, working, _asked(drill, after, first_end_ns, begun_ns))
    ban = _silence(drill, _red(drill, mark, "418"), second_end_ns, ban_s, left, _asked(drill, after, second_end_ns)[: left + 1])
    return heavy, ban


def too_many_orders(drill: Rig, wait_s: float) -> list[str]:
    """429 -1015 to the first place; meanwhile quotes that stand have to go. Returns the order requests from the refusal to the window's end."""
    after = drill.came()
    drill.venue.exchange.fault("too_many_orders", count=1, retry_after_s=wait_s, match={"operation": "order.place"})
    drill.venue.stream_wire.reset_all()  # cancels all, then quotes anew: the first place is refused
    wait_until(lambda: any("-1015" in said for said in drill.bot.said), SOON_S, "the refusal is said")
    refused_ns = next(row["time_ns"] for row in drill.door(after) if row["outcome"].startswith("not executed"))
    after_refusal = drill.came()
    drill.venue.user_wire.reset_all()  # quotes that stand must go although nothing may be placed
    wait_until(lambda: drill.bot.snapshot.orders_open == 0, SOON_S, "cancels went on")
    wait_until(lambda: any("denied: order count limit of the venue (-1015)" in said for said in drill.bot.said), SOON_S, "the reason is said")
    wait_until(lambda: drill.bot.mark() > refused_ns + wait_s * NS, wait_s + 1.0)
    return [row["method"] for row in drill.door(after_refusal) if row["time_ns"] < refused_ns + wait_s * NS]


def banned_until_ns(drill: Rig) -> int:
    assert drill.bot.session.engine.books is not None
    return drill.bot.session.engine.books.budget.banned_until_ns


def _refresh_clock(drill: Rig) -> None:
    """What the bot does by itself every minute, done now."""
    with contextlib.suppress(NotSent):
        drill.bot.session.venue.sync_clock()
        assert drill.bot.mark() >= banned_until_ns(drill), "the clock was asked for during a ban"


def _red(drill: Rig, mark: int, status: str) -> str:
    """What the bot said of it, once every side is red for it."""
    is_red = any("banned by the venue" in reason for reason in drill.bot.reasons(mark))
    said = [said for said in drill.bot.said if f"the venue says {status}" in said]
    return said[-1].strip() if said and is_red else ""


def _asked(drill: Rig, after: int, from_ns: int, until_ns: int | None = None) -> tuple[str, ...]:
    """The order requests at the door in this time."""
    rows = [row for row in drill.door(after) if row["time_ns"] >= from_ns]
    return tuple(row["method"] for row in rows if until_ns is None or row["time_ns"] < until_ns)


def _silence(drill: Rig, said: str, ends_ns: int, seconds: float, working: int, first: tuple[str, ...]) -> Silence:
    begun_ns = ends_ns - int(seconds * NS) + IN_FLIGHT_MS * MS
    rows: list[Row] = drill.venue.exchange.control("GET", f"knocks?since_ns={begun_ns}")["knocks"]
    came = tuple(row["what"] for row in rows if row["time_ns"] < ends_ns)
    return Silence(said, (ends_ns - begun_ns) / NS, came, working, first)
