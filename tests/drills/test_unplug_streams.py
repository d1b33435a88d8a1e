"""The cable of a stream is pulled, in every way we know. One bot lives through all of it (issue 2, "Must be seen" 6; DESIGN 11: I21-I24)."""

import time

import pytest

from tests.drills.harness import LONG, wait_until
from tests.drills.rig import Rig
from tests.timing import SOON_S

LONG_ONLY = pytest.mark.skipif(not LONG, reason="its twin runs in the quick set")
ECHO_S = 5.0  # core.books.Timing.echo_ms_max


def cancels(drill: Rig, after: int) -> set[int]:
    """Order ids whose cancel reached the venue's door."""
    return {row["order_id"] for row in drill.door(after) if row["method"] == "order.cancel"}


def pulled(drill: Rig, working: set[int], after: int) -> bool:
    """Every order of that moment was canceled or filled: none of it rests any more."""
    return not working & set(drill.venue.open_orders()) and bool(cancels(drill, after))


def shows(drill: Rig, since_ns: int, text: str) -> bool:
    return any(text in reason for reason in drill.bot.reasons(since_ns))


@pytest.mark.parametrize("which", ["market", "user"])
def test_stream_reset(drill: Rig, which: str) -> None:
    """A stream reset without a close frame: red with its reason, quotes pulled, reconnect, resync, quoting (hummingbot #8250, nautilus #4991)."""
    mark, after, working = drill.bot.mark(), drill.came(), set(drill.venue.open_orders())
    (drill.venue.stream_wire if which == "market" else drill.venue.user_wire).reset_all()
    wait_until(lambda: shows(drill, mark, f"{which} stream down: connection lost"), SOON_S, "red with its reason")
    wait_until(lambda: pulled(drill, working, after), SOON_S, "quotes pulled")
    drill.check()


WAYS = (("market", "down"), ("user", "down"), ("market", "up"), pytest.param("user", "up", marks=LONG_ONLY))


@pytest.mark.parametrize(("which", "direction"), WAYS)
def test_silent_stream(drill: Rig, which: str, direction: str) -> None:
    """Bytes vanish one way, the connection stays: noticed by silence, or by the venue that misses our pongs (python-binance, websocket-client)."""
    mark, after, working = drill.bot.mark(), drill.came(), set(drill.venue.open_orders())
    wire = drill.venue.stream_wire if which == "market" else drill.venue.user_wire
    wire.silence(direction)
    wait_until(lambda: shows(drill, mark, f"{which} stream down: "), SOON_S, "red with its reason")
    wire.clear()
    wait_until(lambda: pulled(drill, working, after), SOON_S, "quotes pulled")
    drill.check()


@pytest.mark.parametrize("then", ["stall", "reset"])
def test_half_frame(drill: Rig, then: str) -> None:
    """Half a frame and then nothing: the reader does not hang, the quotes are pulled, a new connection comes (websocket-client)."""
    mark, after, working = drill.bot.mark(), drill.came(), set(drill.venue.open_orders())
    drill.venue.stream_wire.half_frame("down", then)
    wait_until(lambda: shows(drill, mark, "market stream down: "), SOON_S, "red with its reason")
    wait_until(lambda: pulled(drill, working, after), SOON_S, "quotes pulled")
    drill.check()


def test_depth_gap(drill: Rig) -> None:
    """A lost depth update: red until a new snapshot bridges; the quotes are held, for the book is out of step only for a moment (hummingbot book)."""
    mark, gaps = drill.bot.mark(), drill.bot.snapshot.symbols[0].book_gaps
    drill.venue.exchange.fault("depth_gap", count=1)
    wait_until(lambda: shows(drill, mark, "book not in step"), SOON_S, "red with its reason")
    took_s = drill.check()
    assert took_s < 2.0
    assert drill.bot.snapshot.symbols[0].book_gaps == gaps + 1
    assert drill.bot.snapshot.symbols[0].book_crossed == 0
    assert not any("out of step" in said for said in drill.bot.said), "held, not pulled"


def test_server_shutdown(drill: Rig) -> None:
    """REST is cut, the venue announces its shutdown, is gone for a second and comes back: red, reconnect, resync, the same account."""
    mark = drill.bot.mark()
    drill.venue.rest_wire.refuse()
    drill.venue.rest_wire.reset_all()
    drill.venue.terminate()
    wait_until(lambda: shows(drill, mark, "stream down: "), SOON_S, "red with its reason")
    time.sleep(0.3)
    drill.venue.come_back()
    drill.venue.rest_wire.clear()
    drill.check(bound_s=drill.bound_s)
    assert any("announced a shutdown" in said for said in drill.bot.said)


def test_connection_refused(drill: Rig) -> None:
    """Nobody lets us in for 3 s, REST and both streams: red, nothing decided from errors, quoting after it (hummingbot #8457, nautilus #3820)."""
    mark, working = drill.bot.mark(), set(drill.venue.open_orders())
    for wire in drill.venue.wires:
        wire.refuse()
        wire.reset_all()
    wait_until(lambda: shows(drill, mark, "stream down: "), SOON_S, "red with its reason")
    time.sleep(3.0)
    assert {order["venue_order_id"] for order in drill.bot.books()["open_orders"]} >= set(drill.venue.open_orders()), "no order was forgotten"
    for wire in drill.venue.wires:
        wire.clear()
    wait_until(lambda: not working & set(drill.venue.open_orders()), drill.bound_s, "quotes pulled")
    drill.check(bound_s=drill.bound_s)


def test_muted_user_stream(drill: Rig) -> None:
    """The user stream lives but says nothing: an order the venue took and never mentioned gives it away; resync, nothing lost (python-binance)."""
    drill.venue.exchange.fault("events_mute")
    mark, after = drill.bot.mark(), drill.came()  # only an order placed from here on goes unmentioned
    touch = drill.venue.exchange.touch()
    drill.venue.exchange.take("SELL", f"{float(touch['bidPrice']) * 0.999:.2f}", "3")
    wait_until(lambda: any(row["method"] == "order.place" for row in drill.door(after)), SOON_S, "an order placed while the stream is mute")
    drill.venue.pause(True)  # it rests long enough for its echo to be missed
    given_away = ("without a report", "no report of")
    wait_until(lambda: any(words in said for said in drill.bot.said for words in given_away), ECHO_S + SOON_S, "the deaf stream is noticed")
    wait_until(lambda: shows(drill, mark, "resync running"), SOON_S, "resync")
    drill.venue.clear()
    drill.venue.pause(False)
    drill.check()


def test_duplicate_and_reordered_events(drill: Rig) -> None:
    """User events come three times and out of order while strangers take our quotes: fills are booked once (nautilus #3493, hummingbot #2642)."""
    before = len(drill.venue.trades())
    drill.venue.exchange.fault("events_duplicate", copies=2)
    drill.venue.exchange.fault("events_reorder", hold_ms=100, probability=0.5)
    for side, factor in (("SELL", 0.9997), ("BUY", 1.0003)) * 2:
        touch = drill.venue.exchange.touch()
        drill.venue.exchange.take(side, f"{float(touch['bidPrice']) * factor:.2f}", "2")
        time.sleep(0.3)
    drill.venue.clear()
    drill.check()
    assert len(drill.venue.trades()) > before, "the drill needs fills"
