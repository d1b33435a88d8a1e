"""The venue says: too much. What stops, what goes on, and what leaves first afterwards (issue 2, "Must be seen" 6; DESIGN 4, I26)."""

import pytest

from core.events import Operator, OperatorAction
from tests.drills.harness import wait_until
from tests.drills.rig import Rig

IN_FLIGHT_MS = 60  # what had left before the ban was heard


def banned(drill: Rig, since_ns: int) -> bool:
    return any("banned by the venue" in reason for reason in drill.bot.reasons(since_ns))


@pytest.mark.parametrize(("kind", "argument", "status"), [("too_heavy", "retry_after_s", 429), ("banned", "ban_s", 418)])
def test_ban_is_silence_then_cancels_first(drill: Rig, kind: str, argument: str, status: int) -> None:
    """429 -1003 or 418: nothing leaves before Retry-After ends; what had to be canceled meanwhile leaves before anything is placed."""
    drill.venue.pause(True)  # no fills meanwhile: what works now must be canceled later
    mark, after, ban_s = drill.bot.mark(), drill.sequence(), 1
    drill.venue.exchange.fault(kind, count=1, match={"transport": "rest"}, **{argument: ban_s})
    drill.bot.session.inbox.post(Operator(action=OperatorAction.PROVE))  # the reading that is refused
    wait_until(lambda: banned(drill, mark), 3.0, "red, banned")
    assert any(f"{status} -1003" in reason for reason in drill.bot.reasons(mark))
    assert drill.bot.session.engine.books is not None
    banned_ns, working = drill.bot.session.engine.books.budget.banned_until_ns, drill.bot.books()["open_orders"]
    drill.venue.stream_wire.refuse()
    drill.venue.stream_wire.reset_all()  # quotes must go, but nothing may leave yet
    wait_until(lambda: drill.bot.mark() > banned_ns + 300_000_000, 4.0)
    rows = drill.door(after)
    begun_ns = banned_ns - ban_s * 1_000_000_000
    early = [row for row in rows if begun_ns + IN_FLIGHT_MS * 1_000_000 < row["time_ns"] < banned_ns]
    assert early == [], "left during the ban"
    first = [row["method"] for row in rows if row["time_ns"] >= banned_ns]
    assert first[: len(working)] == ["order.cancel"] * len(working), first
    drill.venue.clear()
    drill.venue.pause(False)
    drill.check()


def test_order_count_limit_stops_places_only(drill: Rig) -> None:
    """429 -1015 is no ban: until its window ends nothing is placed, and cancels go on."""
    after, wait_s = drill.sequence(), 2
    drill.venue.exchange.fault("too_many_orders", count=1, retry_after_s=wait_s, match={"operation": "order.place"})
    drill.venue.stream_wire.reset_all()  # cancels all, then quotes anew: the first place is refused
    wait_until(lambda: any("-1015" in said for said in drill.bot.said), 3.0, "the refusal is said")
    refused_ns = next(row["time_ns"] for row in drill.door(after) if row["outcome"].startswith("not executed"))
    after_refusal = drill.sequence()
    drill.venue.user_wire.reset_all()  # quotes that stand must go although nothing may be placed
    wait_until(lambda: drill.bot.snapshot.orders_open == 0, 1.5, "cancels went on")
    methods = [row["method"] for row in drill.door(after_refusal) if row["time_ns"] < refused_ns + wait_s * 1_000_000_000]
    assert "order.place" not in methods
    wait_until(lambda: any("denied: order count limit of the venue (-1015)" in said for said in drill.bot.said), 1.5, "the reason is said")
    drill.check(bound_s=wait_s + drill.bound_known_s)

