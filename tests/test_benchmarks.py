"""What the benchmarks rest on: the measuring venue's loop, two sessions of one process driven by one venue's prices, and what takes everything."""

import argparse
import os
import socket
from decimal import Decimal as D
from pathlib import Path

import pytest

from assembly import Session
from benchmarks.children import VenueChild
from benchmarks.maker_first_worth import TAKER, Sums, once, policies
from benchmarks.queue_worth import DATA, DEMO
from benchmarks.sockets import Loop, Peer
from benchmarks.two_venues import Way, end, sessions, shared
from core.events import AnyEvent, StreamUp
from core.types import Connection
from runtime.lifecycle import Lifecycle
from runtime.stopping import Stopper
from tests.core.builders import diff, ticker
from tests.drills.harness import wait_until
from trading.entry import EntrySettings

REQUEST = b"GET /time HTTP/1.1\r\n\r\n"


def test_a_command_that_reads_the_sockets_itself_leaves_no_connection_waiting() -> None:
    """A command and a request that come at once: the command's own turns answer what they find, and the connection lives on."""
    asked: list[str] = []

    def answer(peer: Peer, method: str, path: str, body: bytes, stamp_ns: int) -> bytes:
        asked.append(path)
        return b"{}"

    def command() -> None:
        os.read(reading, 1)
        loop.turn(0)

    loop = Loop(answer, lambda peer, payload, stamp_ns: None, lambda peer: None)
    reading, writing = os.pipe()
    loop.watch(reading, command)
    with socket.create_connection(("127.0.0.1", loop.port)) as client:
        loop.turn(1)
        client.sendall(REQUEST)
        os.write(writing, b"!")
        loop.turn(1)
        assert asked == ["/time"]
        assert len(loop.peers) == 1
    os.close(reading)
    os.close(writing)


def test_best_prices_go_to_both_sessions_and_nothing_else_does() -> None:
    """What A's stream says of its depth and of itself stays with A: B's book counts in other update ids, and B's stream is another one."""
    a: list[AnyEvent] = []
    b: list[AnyEvent] = []
    post = shared(a.append, b.append)
    events: list[AnyEvent] = [StreamUp(connection=Connection.MARKET), diff(1, 2), ticker(3)]
    for event in events:
        post(event)
    assert a == events
    assert b == events[-1:]


def is_green(session: Session) -> bool:
    shown = session.loop.snapshot
    return shown is not None and all(side.colour == "green" for side in shown.sides)


def test_one_frame_of_a_brings_orders_at_both_venues(tmp_path: Path) -> None:
    """A frame of venue A makes both sessions place and the next one both cancel; every request comes after its frame."""
    with VenueChild(symbols=1) as a, VenueChild(symbols=1) as b, Lifecycle(4.0) as parts:
        running = sessions(tmp_path, [a.port, b.port], parts, Stopper())
        wait_until(lambda: all(is_green(session) for session in running), 10.0, "both sessions' green lights")
        way = Way("both", [a, b])
        times = way.drive(4)
        end(running, parts)
    assert way.missed == 0
    assert {name: [len(one) for one in some] for name, some in times.items()} == {"A, both": [2, 2], "B, both": [2, 2]}
    assert all(one_us > 0 for some in times.values() for kind in some for one_us in kind)


@pytest.mark.skipif(DATA is None, reason="no recordings beside the project")
def test_the_yardstick_that_takes_everything_takes() -> None:
    """Half a minute of the recording: entries are made, and nothing of them as a maker."""
    options = argparse.Namespace(slice_s=5, timer_ms=100, seconds=30)
    entry = policies(EntrySettings(quote_amount=D(200), lots_max=100, rest_ms=1000))[TAKER]
    sums = Sums()
    sums.add(once(entry, 9, options, [Path(str(DATA)) / DEMO[0]]))
    assert sums.entries >= 3 and sums.taker > 0 and sums.maker == 0 and not sums.failures
