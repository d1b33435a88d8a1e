"""The venue says: too much. What stops, what goes on, and what leaves first afterwards (issue 4, "Must be seen" 5; DESIGN 4, I26)."""

from tests.drills.limits import too_many_orders, too_much
from tests.drills.rig import Rig


def test_ban_is_silence_then_cancels_first(drill: Rig) -> None:
    """429 -1003, then 418: no request and no connection before Retry-After ends; what had to be canceled leaves before anything is placed."""
    heavy, ban = too_much(drill, heavy_s=1, ban_s=2)
    assert heavy.said and ban.said
    assert heavy.came == ban.came == (), "came during the ban"
    assert heavy.working and set(heavy.first) == {"order.cancel"}, heavy
    assert ban.working and ban.first[: ban.working] == ("order.cancel",) * ban.working, ban
    drill.venue.clear()
    drill.venue.pause(False)
    drill.check(bound_s=drill.bound_s)


def test_order_count_limit_stops_places_only(drill: Rig) -> None:
    """429 -1015 is no ban: until its window ends nothing is placed, and cancels go on."""
    asked = too_many_orders(drill, wait_s=2)
    assert "order.place" not in asked and "order.cancel" in asked, asked
    drill.check()
