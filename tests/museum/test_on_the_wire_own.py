"""Rows marked W that need a bot of their own: 6 (a tight purse), 8 (stop and start again), 38 (stop beside a hung socket), 40 (the slow venue)."""

import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.drills.harness import LateClock, Venue, venue, wait_until
from tests.drills.rig import Bot, Rig, bot
from tests.timing import SOON_S

D = Decimal
QUICK = ("timing.order_timeout_ms=1000", "exchange.read_timeout_ms=1000", "exchange.silence_ms_max=1500", "quoting.cooldown_ms=50")
SLOW_MS, MEASURED_S = 2000, 3.5


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Venue]:
    """A venue with three wires."""
    with venue("--state", str(tmp_path / "venue"), wires=True) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "bot"


def started(at: Venue, running: Bot) -> Rig:
    wait_until(lambda: running.is_quoting, SOON_S, "the first quotes")
    return Rig(at, running)


def stir(at: Venue) -> None:
    bid = D(at.exchange.touch()["bidPrice"])
    for side, factor in (("SELL", D("0.9997")), ("BUY", D("1.0003"))):
        at.exchange.take(side, f"{bid * factor:.2f}", "0.5")


def test_row_06_no_refusal_for_want_of_funds(own: Venue, home: Path) -> None:
    """hummingbot #2416 (open since 2020), #601, #337: insufficient balance right after a cancel. Ours: with a purse that holds one set of quotes and
    little more, quotes fill, leave and come back, and not one place is refused with -2010."""
    price = D(own.exchange.touch()["bidPrice"])
    for asset, wanted in (("USDT", price * D("0.040")), ("BTC", D("0.040"))):
        own.exchange.control("POST", "deposit", {"asset": asset, "delta": f"{wanted - sum(own.balances()[asset]):.8f}"})
    with bot(own, home, QUICK) as running:
        rig = started(own, running)
        after = rig.came()
        began_s = time.monotonic()
        while time.monotonic() - began_s < 3 or len([row for row in rig.door(after) if row["method"] == "order.place"]) <= 8:
            assert time.monotonic() - began_s < 3 + SOON_S, "the drill needs quotes that leave and come back"
            stir(own)
            time.sleep(0.15)
        short = [said for said in running.said if "insufficient balance" in said]
        assert not short, short
        rig.check(bound_s=6.0)


def test_row_08_one_stop_and_no_ghosts(own: Venue, home: Path) -> None:
    """hummingbot #2955, #5044: stop must be typed again and again, canceled orders come back as ghosts. Ours: one stop, though the first answers to
    the cancels are lost, ends with proof of zero; the next start knows nothing that the venue does not."""
    with bot(own, home, QUICK) as running:
        started(own, running)
        stir(own)
        own.user_wire.drop_after_apply(b'"order.cancel"')
        with LateClock() as control:
            begun_s = time.monotonic()
            assert running.stop(), "one stop, proven"
            took_s = time.monotonic() - begun_s
        assert took_s - control.late_s < 5.0
        assert own.open_orders() == {}
    own.clear()
    assert own.open_orders() == {}
    with bot(own, home, QUICK) as again:
        rig = started(own, again)
        assert again.snapshot.proof is not None
        assert again.snapshot.proof.equal
        known = {order["client_order_id"] for order in again.books()["open_orders"]}
        assert all(f"-{again.session.boot}-" in name for name in known), "no ghost of the first run"
        own.pause(True)
        wait_until(lambda: set(own.open_orders().values()) == {order["client_order_id"] for order in again.books()["open_orders"]}, SOON_S, "equal")
        own.pause(False)
        booked = [fill["trade_id"] for fill in [*again.books()["fills"], *again.books()["recovered_fills"]]]
        assert len(booked) == len(set(booked))
        assert rig.venue.created_twice() == []


def test_row_38_stop_beside_hung_sockets(own: Venue, home: Path) -> None:
    """websocket-client: half a frame hangs the reader, close() hangs 10 s. Ours: with both streams hung in the middle of a frame, stop is over in
    5 s and no thread of ours is left."""
    before = set(threading.enumerate())
    with bot(own, home, ("exchange.silence_ms_max=5000",)) as running:
        started(own, running)
        for wire in (own.stream_wire, own.user_wire):
            wire.half_frame("down", "stall")
        stir(own)
        wait_until(lambda: all(wire.counts.get("half_frame") for wire in (own.stream_wire, own.user_wire)), SOON_S, "both hang")
        with LateClock() as control:
            begun_s = time.monotonic()
            running.stop()
            took_s = time.monotonic() - begun_s
        assert took_s - control.late_s < 5.0
        assert not running.parts.failures, running.parts.failures
        left = [thread.name for thread in set(threading.enumerate()) - before]
        assert not left, left
        assert own.open_orders() == {}


def test_row_40_a_slow_venue_is_not_a_slow_reader(own: Venue, home: Path) -> None:
    """The founding incident: the main thread waits 100-2000 ms for HTTP, pings stay unanswered, the server disconnects. Ours: REST answers after 2 s,
    every ping within 100 ms of what a control thread suffers, no disconnect (I21)."""
    with bot(own, home, ("quoting.cooldown_ms=50", "exchange.order_entry=rest")) as running:
        rig = started(own, running)
        before = {row["connection"]: row for row in own.exchange.control("GET", "stats")["connections"] if row["open"]}
        own.exchange.fault("delay", delay_ms=SLOW_MS, match={"transport": "rest"})
        kept_ms = own.kept_waiting_ms()
        with LateClock() as control:
            after = rig.came()
            began_s = time.monotonic()
            while time.monotonic() - began_s < MEASURED_S:
                stir(own)
                time.sleep(0.3)
        rows = {row["connection"]: row for row in own.exchange.control("GET", "stats")["connections"]}
        kept_ms = own.kept_waiting_ms() - kept_ms
        assert rig.door(after), "the workers were busy"
        assert all(rows[name]["open"] for name in before), "thrown out"
        assert len(before) == 2
        for name, row in before.items():
            assert rows[name]["pings"] >= row["pings"] + 2
            assert rows[name]["pongs"] >= rows[name]["pings"] - 1
            worst_ms = rows[name]["pong_ms_max"] or 0
            assert worst_ms == row["pong_ms_max"] or worst_ms - control.worst_ms - kept_ms < 100  # what was before has no control thread beside it
        own.clear()
        rig.check(bound_s=rig.bound_s)
