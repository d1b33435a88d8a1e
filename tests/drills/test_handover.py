"""The WS API connection is left for a new one while the bot trades: by its age, and because the venue announces its end. No light turns red."""

from collections.abc import Iterator

import pytest

from exchange.binance import handover
from tests.drills.harness import wait_until
from tests.drills.rig import Rig
from tests.drills.test_unplug_replies import stir
from tests.timing import SOON_S

MOVED = "user stream moved to a new connection"


def moves(drill: Rig) -> int:
    return sum(MOVED in said for said in list(drill.bot.said))


def sessions(drill: Rig) -> int:
    return int(drill.venue.exchange.control("GET", "stats")["open"]["ws_api"])


@pytest.fixture
def mobile(drill: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """An emptied connection is left after a third of a second."""
    monkeypatch.setattr(handover, "EMPTY_S_MIN", 0.3)
    drill.bot.said.clear()
    kept = drill.bot.session.user._life_s_max
    yield drill
    drill.bot.session.user._life_s_max = kept


def stays_well(drill: Rig, mark: int) -> None:
    """No red at all, and the venue saw every order once, over the WS API alone."""
    assert drill.bot.reasons(mark, "red") == []
    assert not [said for said in drill.bot.said if said.startswith("DOWN")]
    rows = [row for row in drill.venue.log() if row["time_ns"] > mark and row["method"] in ("order.place", "order.cancel")]
    assert rows and {row["transport"] for row in rows} == {"ws"}
    drill.check()
    wait_until(lambda: sessions(drill) == 1, SOON_S, "the old connections are left")
    assert drill.venue.exchange.control("GET", "stats")["user_subscriptions"] == 1


def test_the_end_of_a_long_life(mobile: Rig) -> None:
    """Three connections reach the age at which they are left, one after the other, while quotes fill and move: events come twice for a moment, and
    every fill is booked once."""
    mark = mobile.bot.mark()
    mobile.bot.session.user._life_s_max = 0.8
    for seen in range(3):
        stir(mobile)
        wait_until(lambda seen=seen: moves(mobile) > seen, SOON_S, "the next connection has taken over")  # type: ignore[misc]
    mobile.bot.session.user._life_s_max = None
    stays_well(mobile, mark)


def test_an_announced_end(mobile: Rig) -> None:
    """serverShutdown with two seconds of notice: a new connection takes over before the old one is closed."""
    mark = mobile.bot.mark()
    assert mobile.venue.exchange.control("POST", "disconnect", {"kind": "ws_api", "notice_s": 2})["dropped"] == 1
    wait_until(lambda: moves(mobile) == 1, SOON_S, "moved before the end")
    stir(mobile)
    wait_until(lambda: sessions(mobile) == 1, SOON_S, "the old one is gone")
    stays_well(mobile, mark)
