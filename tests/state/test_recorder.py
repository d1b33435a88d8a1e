"""The recorder: fills and endings reach the intents off the trading thread, bounded, and all of them before the stop."""

import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

from core.notices import Counted, Ended, Filled, Recovered, Said
from core.types import Fill, Liquidity, Side
from runtime.worker import Worker
from state import recorder as recorder_module
from state.intents import EndRecord, FillRecord, Intents, read
from state.recorder import Recorder
from tests.timing import SOON_S


def fill(trade_id: int) -> Fill:
    return Fill(
        symbol="BTCUSDT",
        trade_id=trade_id,
        venue_order_id=1,
        client_order_id="gl-1-1",
        side=Side.BUY,
        price=Decimal(1),
        quantity=Decimal(1),
        fee=Decimal(0),
        fee_asset="BTC",
        liquidity=Liquidity.MAKER,
        time_ms=0,
    )


def filled(trade_id: int) -> Filled:
    return Filled(tag="FILL", fill=fill(trade_id), done_percent=100, inventory=Decimal(0), pnl=Decimal(0))


@pytest.fixture
def intents(tmp_path: Path) -> Intents:
    made = Intents(tmp_path / "intents.log")
    made.start()
    return made


def test_everything_taken_is_written_before_the_stop_returns(intents: Intents) -> None:
    """Fills, recovered fills and endings are on disk, in order, once stop has returned; words are not."""
    recorder = Recorder(intents)
    writer = Worker("recorder", recorder.run)
    writer.start()
    recorder.take([filled(1), Said(tag="WS", text="x"), Recovered(tag="FILL", fill=fill(2))])
    recorder.take([Ended(tag="ACK", order_id="gl-1-1", side=Side.BUY, price=Decimal(1), status="FILLED", evidence="report")])
    writer.stop(time.monotonic() + SOON_S)
    assert list(read(intents.path)) == [
        FillRecord(fill=fill(1)),
        FillRecord(fill=fill(2)),
        EndRecord(client_order_id="gl-1-1", status="FILLED", evidence="report"),
    ]
    assert not writer.is_running and recorder.left_out == 0


def test_more_than_one_group_waits_at_the_stop(intents: Intents, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many groups wait when the stop comes, all of them are written: a stop ends the waiting, not the writing."""
    monkeypatch.setattr(recorder_module, "GROUP_MAX", 2)
    recorder = Recorder(intents)
    recorder.take([filled(number) for number in range(7)])
    stopping = threading.Event()
    stopping.set()
    recorder.run(stopping)
    assert list(read(intents.path)) == [FillRecord(fill=fill(number)) for number in range(7)]


def test_idle_times_do_not_end_it(intents: Intents, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder without work waits for the next fill, however long."""
    monkeypatch.setattr(recorder_module, "POLL_S", 0.001)
    recorder = Recorder(intents)
    writer = Worker("recorder", recorder.run)
    writer.start()
    time.sleep(0.05)
    recorder.take([filled(1)])
    writer.stop(time.monotonic() + SOON_S)
    assert list(read(intents.path)) == [FillRecord(fill=fill(1))]


def test_a_full_queue_is_counted_and_never_waits(intents: Intents, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trading thread never waits for the disk: what does not fit is left out and counted."""
    monkeypatch.setattr(recorder_module, "WAITING_MAX", 3)
    recorder = Recorder(intents)
    recorder.take([filled(number) for number in range(5)])
    assert recorder.left_out == 2


def test_the_end_of_a_run_is_told_once_all_of_it_is_on_disk(intents: Intents) -> None:
    """`written` is set after the last fact, without a stop: a report can be made while the recorder still runs."""
    recorder = Recorder(intents)
    recorder.take([filled(number) for number in range(3)])
    recorder.finish(5, 0, "asked", [Counted(figures={})])
    assert not recorder.written.is_set()
    writer = Worker("recorder", recorder.run)
    writer.start()
    assert recorder.written.wait(SOON_S)
    assert list(read(intents.path)) == [FillRecord(fill=fill(number)) for number in range(3)] and writer.is_running
    writer.stop(time.monotonic() + SOON_S)


def test_a_disk_that_fails_does_not_end_the_recorder(intents: Intents) -> None:
    """A write that fails is counted by the intents; the recorder goes on and stops as usual."""
    recorder = Recorder(intents)
    writer = Worker("recorder", recorder.run)
    writer.start()
    intents.stop(0)
    recorder.take([filled(1), filled(2)])
    writer.stop(time.monotonic() + SOON_S)
    assert not writer.is_running and intents.failed >= 2
