"""The watchdog judges hearts and gauges, and leaves the stacks; metrics count right and know the machine's own lateness."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from core.histogram import Histogram
from runtime.metrics import ControlThread, Metrics
from runtime.watchdog import DUMPS_MAX, PERIOD_S, Watchdog
from tests.runtime.bench import wait_for
from tests.timing import SOON_S


class Bench:
    """A watchdog whose rounds are run by hand, with what it told."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 1000.0
        self.told: list[str] = []
        self.dog = Watchdog(
            folder,
            on_stall=lambda name, text: self.told.append(f"stall {name}: {text}"),
            on_recovery=lambda name, text: self.told.append(f"recovery {name}: {text}"),
            clock_s=lambda: self.now_s,
        )

    def rounds(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD_S)):
            self.now_s += PERIOD_S
            self.dog.judge()


def test_a_stall_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    """A heart that is silent beyond its limit is told once; when it beats again that is told with how long it was away."""
    bench = Bench(tmp_path)
    beat = bench.dog.heart("trading", 2.0)
    bench.rounds(2.0)
    assert bench.told == []
    bench.rounds(10.0)
    assert len(bench.told) == 1 and bench.told[0].startswith("stall trading: trading has not moved for 2.2 s, limit 2")
    beat()
    bench.rounds(1.0)
    assert bench.told[1:] == ["recovery trading: trading moves again after 12.0 s"]
    bench.rounds(1.5)
    assert len(bench.told) == 3 and bench.dog.stalls == 2


def test_a_heart_that_beats_is_left_alone(tmp_path: Path) -> None:
    """Beats within the limit are no stall, and one thread's beat does not cover for another."""
    bench = Bench(tmp_path)
    beat = bench.dog.heart("trading", 1.0)
    bench.dog.heart("user stream", 3.0)
    for _ in range(20):
        beat()
        bench.rounds(0.5)
    assert [told.split(":")[0] for told in bench.told] == ["stall user stream"]


def test_a_suspended_process_blames_no_thread(tmp_path: Path) -> None:
    """When the watchdog itself was held up (laptop lid, SIGSTOP), hearts get time to beat again; one that then does not is told."""
    bench = Bench(tmp_path)
    bench.dog.heart("trading", 2.0)
    bench.rounds(0.5)
    bench.now_s += 60
    bench.dog.judge()
    assert bench.told == []
    bench.rounds(1.5)
    assert len(bench.told) == 1


def test_what_has_ended_is_not_judged(tmp_path: Path) -> None:
    """Once the trading thread has ended in order, neither its silence nor what nobody takes any more is a stall: the last line stays the last."""
    bench = Bench(tmp_path)
    bench.dog.heart("trading", 2.0)
    bench.dog.gauge("inbox age", lambda: 5000.0, 1000.0)
    bench.dog.rest()
    bench.rounds(10.0)
    assert bench.told == [] and bench.dog.stalls == 0


def test_a_gauge_over_its_limit_is_told_once(tmp_path: Path) -> None:
    """The age of the oldest waiting event beyond its limit is told; it is over when it has halved."""
    bench, age_ms = Bench(tmp_path), [0.0]
    bench.dog.gauge("inbox age", lambda: age_ms[0], 500)
    for age_ms[0] in (400, 501, 900, 300, 249, 600):
        bench.rounds(0.25)
    names = [told.split(" · ")[0] for told in bench.told]
    assert names == [
        "stall inbox age: inbox age at 501 ms, limit 500",
        "recovery inbox age: inbox age back at 249 ms",
        "stall inbox age: inbox age at 600 ms, limit 500",
    ]


def test_a_stall_leaves_the_stacks_of_all_threads(tmp_path: Path) -> None:
    """A thread that hangs is seen by the running watchdog within its limit, and the file shows where it hangs."""
    told: list[str] = []
    release = threading.Event()

    def hangs_here() -> None:
        release.wait(2 * SOON_S)

    dog = Watchdog(tmp_path, on_stall=lambda name, text: told.append(text), on_recovery=lambda name, text: None)
    dog.heart("hanging", 0.3)
    thread = threading.Thread(target=hangs_here, name="hanging")
    thread.start()
    dog.start()
    assert wait_for(lambda: bool(told))
    os.kill(os.getpid(), signal.SIGQUIT)
    stacks = tmp_path / "stacks.txt"
    assert wait_for(lambda: stacks.read_text().count("hangs_here") == 2)
    release.set()
    thread.join()
    dog.stop(time.monotonic() + SOON_S)
    assert not dog.is_running and "stacks.txt" in told[0]
    assert "hanging has not moved" in stacks.read_text()


def test_dumps_are_bounded_and_old_ones_go(tmp_path: Path) -> None:
    """A thread that stalls again and again fills no disk: 20 dumps a run, and a file above 5 MB is begun anew."""
    (tmp_path / "stacks.txt").write_bytes(b"x" * 5_000_001)
    bench = Bench(tmp_path)
    beat = bench.dog.heart("trading", 0.4)
    bench.dog.start()
    bench.dog._stopping.set()
    for _ in range(DUMPS_MAX + 5):
        bench.rounds(0.5)
        beat()
        bench.rounds(0.25)
    bench.dog.stop(time.monotonic() + SOON_S)
    assert bench.dog.stalls == DUMPS_MAX + 5 and bench.dog.dumps == DUMPS_MAX
    assert (tmp_path / "stacks.txt").read_text().count("== ") == DUMPS_MAX
    assert "already" in bench.told[-2] + bench.told[-1]


def test_a_failing_listener_does_not_end_the_watch(tmp_path: Path) -> None:
    """An exception in `on_stall` is logged and the thread goes on."""
    calls: list[str] = []

    def listener(name: str, text: str) -> None:
        calls.append(name)
        raise RuntimeError("listener")

    dog = Watchdog(tmp_path, on_stall=listener, on_recovery=listener)
    dog.heart("first", 0.2)
    dog.heart("second", 0.2)
    dog.start()
    assert wait_for(lambda: set(calls) == {"first", "second"})
    assert dog.is_running
    dog.stop(time.monotonic() + SOON_S)


# -- metrics -------------------------------------------------------------------------------------
@pytest.mark.parametrize("scale", [0.01, 1.0, 250.0])
def test_percentiles_are_at_most_a_bucket_high(scale: float) -> None:
    """A percentile is never below the true one and at most 20 % above it; the maximum is exact."""
    histogram = Histogram()
    for number in range(1, 1001):
        histogram.note(number * scale)
    for percent in (1, 50, 99, 100):
        true_ms = percent * 10 * scale
        assert true_ms * 0.999 <= histogram.percentile_ms(percent) <= true_ms * 1.2001
    assert histogram.max_ms == 1000 * scale and histogram.count == 1000


def test_a_histogram_takes_anything() -> None:
    """Nothing noted reads 0; zero and absurd durations are counted without an error."""
    histogram = Histogram()
    assert histogram.as_dict() == {"count": 0, "p50_ms": 0.0, "p90_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0}
    for elapsed_ms in (0.0, 1e12):
        histogram.note(elapsed_ms)
    assert histogram.percentile_ms(50) == 0.001 and histogram.percentile_ms(99) == 1e12


def test_metrics_are_asked_for_by_name() -> None:
    """The same name is the same number; the whole is JSON-ready."""
    metrics = Metrics()
    metrics.counter("places").add()
    metrics.counter("places").add(2)
    metrics.histogram("ack").note(5.0)
    shown = metrics.as_dict()
    assert shown["places"] == 3
    assert shown["ack"] == {"count": 1, "p50_ms": 5.0, "p90_ms": 5.0, "p99_ms": 5.0, "max_ms": 5.0}


def test_the_control_thread_sees_the_interpreter_held() -> None:
    """A thread that holds the interpreter lock shows as lateness in that span and not before it; memory is bounded."""
    control = ControlThread()
    control.start()
    assert wait_for(lambda: len(control.samples) > 20)
    held_from_ns = time.monotonic_ns()
    assert sum(range(4_000_000)) > 0  # one call in C, some 50 ms, that never gives the interpreter lock away
    held_ms = (time.monotonic_ns() - held_from_ns) / 1e6
    assert wait_for(lambda: control.worst_ms(held_from_ns) > held_ms / 2)
    assert control.worst_ms(until_ns=0) == 0.0
    control.stop(time.monotonic() + SOON_S)
    assert not control.is_running
    assert control.lateness.count == len(control.samples) <= ControlThread.KEPT_MAX
    assert control.lateness.max_ms == control.worst_ms()
