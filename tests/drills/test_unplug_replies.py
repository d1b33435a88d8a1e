"""A request or its reply is lost, late or ambiguous: nothing is believed, nothing is sent twice, the venue is asked (issue 2, "Must be seen" 6)."""

import time

import pytest

from tests.drills.harness import LONG, Late, wait_until
from tests.drills.rig import Rig
from tests.timing import SOON_S

EVENTS_MS = 1600
TRIES_MAX = 10
LONG_ONLY = pytest.mark.skipif(not LONG, reason="its twin runs in the quick set")
REQUESTS = {"rest": {"place": b"POST /api/v3/order", "cancel": b"DELETE /api/v3/order"}, "ws": {"place": b"order.place", "cancel": b"order.cancel"}}


def stir(drill: Rig) -> None:
    """A stranger takes the best levels of both sides, so that quotes must move and refill."""
    touch = drill.venue.exchange.touch()
    bid = float(touch["bidPrice"])
    drill.venue.exchange.take("SELL", f"{bid * 0.9997:.2f}", "1.5")
    drill.venue.exchange.take("BUY", f"{bid * 1.0003:.2f}", "1.5")


def until_struck(drill: Rig, kind: str, timeout_s: float = 8.0) -> None:
    """Stir the market until the fault has struck."""
    before = drill.venue.exchange.control("GET", "faults")["struck"].get(kind, 0)

    def struck() -> bool:
        return bool(drill.venue.exchange.control("GET", "faults")["struck"].get(kind, 0) > before)

    _stir_until(drill, struck, timeout_s)


def _stir_until(drill: Rig, struck: object, timeout_s: float = 8.0) -> None:
    assert callable(struck)
    for _ in range(int(timeout_s / 0.4)):
        stir(drill)
        try:
            wait_until(struck, 0.4)
            return
        except Late:
            continue
    raise Late("the fault never struck")


def slow_events(drill: Rig) -> None:
    """The user stream speaks late, so that the reply (or its loss) is heard first and only a query can clear it in time."""
    drill.venue.exchange.fault("events_delay", delay_ms=EVENTS_MS)


def cleared_by_query(drill: Rig) -> None:
    """No red any more before the stream has said a word of it."""
    mark = drill.bot.mark()
    wait_until(lambda: drill.bot.snapshot.at_ns > mark and drill.bot.has_no_red, EVENTS_MS / 2000, "the query's answer")
    drill.venue.clear()


def until_unknown(drill: Rig, since_ns: int, timeout_s: float = 2.5) -> None:
    """The side is red because the outcome is unknown, and the picture says so."""
    wait_until(lambda: any("outcome unknown" in reason for reason in drill.bot.reasons(since_ns)), timeout_s, "red, outcome unknown")


@pytest.mark.parametrize("what", ["place", "cancel"])
def test_reply_lost(drill_over_rest: Rig, what: str) -> None:
    """Over REST: carried out, the reply lost with the connection: unknown, red, queried, known (hummingbot #493, nautilus #4152)."""
    drill = drill_over_rest
    mark, wire = drill.bot.mark(), drill.venue.rest_wire
    slow_events(drill)
    before = wire.counts.get("drop_after_apply", 0)
    wire.drop_after_apply(REQUESTS["rest"][what])
    _stir_until(drill, lambda: wire.counts.get("drop_after_apply", 0) > before)
    until_unknown(drill, mark)
    cleared_by_query(drill)
    drill.check()


@pytest.mark.parametrize("what", ["place", "cancel"])
def test_reply_lost_with_its_socket(drill: Rig, what: str) -> None:
    """Over the WS API: the socket that carries the reply is reset in that moment: unknown, red, never sent again, known after reconnect and query."""
    mark, after, wire = drill.bot.mark(), drill.came(), drill.venue.user_wire
    drill.bot.said.clear()
    slow_events(drill)
    before = wire.counts.get("drop_after_apply", 0)
    wire.drop_after_apply(REQUESTS["ws"][what])
    _stir_until(drill, lambda: wire.counts.get("drop_after_apply", 0) > before)
    wait_until(lambda: any(f"no answer to the {what}" in said for said in list(drill.bot.said)), SOON_S, "the outcome is unknown")
    wait_until(lambda: any("user stream down" in reason for reason in drill.bot.reasons(mark)), SOON_S, "red with its reason")
    drill.venue.clear()
    drill.check()
    if what == "cancel":  # an order found canceled, or still open and then canceled once more, but never while nobody knew
        cancels = [row["order_id"] for row in drill.door(after) if row["method"] == "order.cancel"]
        assert max(cancels.count(order_id) for order_id in cancels) <= 2


@pytest.mark.parametrize("operation", ["order.place", pytest.param("order.cancel", marks=LONG_ONLY)])
def test_reply_late(drill: Rig, operation: str) -> None:
    """The reply comes after our time-out: unknown until the venue has answered the query; the late reply changes nothing."""
    mark = drill.bot.mark()
    drill.venue.exchange.fault("events_delay", delay_ms=1700)
    drill.venue.exchange.fault("delay", delay_ms=1700, count=1, match={"operation": operation})
    until_struck(drill, "delay")
    until_unknown(drill, mark)
    drill.venue.clear()
    drill.check()


@pytest.mark.parametrize("operation", [pytest.param("order.place", marks=LONG_ONLY), "order.cancel"])
def test_status_unknown_executed(drill: Rig, operation: str) -> None:
    """-1007 although it was carried out: no second try before the query (nautilus #4215)."""
    mark = drill.bot.mark()
    slow_events(drill)
    drill.venue.exchange.fault("unknown", executed=True, count=1, match={"operation": operation})
    until_struck(drill, "unknown")
    until_unknown(drill, mark)
    cleared_by_query(drill)
    drill.check()


@pytest.mark.skipif(not LONG, reason="14 s, in the long set")
def test_status_unknown_not_executed(drill: Rig) -> None:
    """-1007 and nothing was carried out: the side stays red until "not found" counts (receive window + 10 s), never sooner, and then quotes again."""
    mark = drill.bot.mark()
    drill.venue.exchange.fault("unknown", executed=False, count=1, match={"operation": "order.place"})
    until_struck(drill, "unknown")
    until_unknown(drill, mark)
    took_s = drill.check(bound_s=drill.bound_s)
    assert took_s > 10.0, f"believed to be gone after {took_s:.1f} s"
    assert any("not found" in said for said in drill.bot.said)


def test_cancel_status_unknown_not_executed(drill: Rig) -> None:
    """-1007 to a cancel that was not carried out: the query finds the order open, the cancel is sent again, and only then is it gone."""
    mark = drill.bot.mark()
    for _ in range(TRIES_MAX):  # a stranger may take the order in the same moment: then its fill is the answer, and nothing is unknown
        drill.venue.exchange.fault("unknown", executed=False, count=1, match={"operation": "order.cancel"})
        until_struck(drill, "unknown")
        try:
            until_unknown(drill, mark, 0.6)
            break
        except Late:
            continue
    else:
        raise Late("never unknown")
    drill.check()


@pytest.mark.parametrize(("operation", "html"), [("order.place", True), pytest.param("order.cancel", False, marks=LONG_ONLY)])
def test_server_error_after_apply(drill: Rig, operation: str, html: bool) -> None:
    """A 502 page or a 5xx error after the venue did it: unknown, not failed."""
    mark = drill.bot.mark()
    slow_events(drill)
    drill.venue.exchange.fault("server_error", executed=True, status=502, html=html, count=1, match={"operation": operation})
    until_struck(drill, "server_error")
    until_unknown(drill, mark)
    cleared_by_query(drill)
    drill.check()


def test_filled_just_before_its_cancel(drill: Rig) -> None:
    """-2011 because the order filled: the cancel is unknown, the side red, the query brings the fill (hummingbot #4738)."""
    fills = len(drill.venue.trades())
    drill.venue.exchange.fault("cancel_race", fraction=1, count=2)
    until_struck(drill, "cancel_race")
    drill.check()
    assert len(drill.venue.trades()) > fills


def test_equal_refusals_brake(drill: Rig) -> None:
    """The same refusal again and again: after two the side waits, longer each time, and the reason shows (hummingbot #462, Krypto #1070, #934)."""
    mark, after = drill.bot.mark(), drill.came()
    refusal = {"code": -2010, "text": "Account has insufficient balance for requested action."}
    drill.venue.exchange.fault("reject", match={"operation": "order.place"}, **refusal)
    stir(drill)
    brake = "brake: 2 equal refusals (-2010)"
    wait_until(lambda: any(brake in reason for reason in drill.bot.reasons(mark, "amber")), SOON_S, "amber, the brake, why")
    stir(drill)
    time.sleep(0.5)  # within the first second of the brake that side asks for nothing
    places = [row for row in drill.door(after) if row["method"] == "order.place"]
    drill.venue.clear()
    assert 2 <= len(places) <= 8, f"{len(places)} refused places"
    drill.check(bound_s=6.0)
