"""The market's clock: speed, pause, and giving up time that cannot be made good without skipping anything."""

from __future__ import annotations

import asyncio
import time

import pytest

from exchange.paper.pacer import LAG_MAX_MS, Pacer

TRIES = 5


class Ticks:
    """A market with an event every 10 ms; each step takes `cost_s`."""

    def __init__(self, cost_s: float = 0.0, last_ms: int | None = None) -> None:
        self.cost_s, self.last_ms = cost_s, last_ms
        self.done: list[int] = []
        self.due_ms = 0

    def start(self, now_ms: int) -> None:
        self.due_ms = now_ms + 10

    def next_ms(self) -> int | None:
        return None if self.last_ms is not None and self.due_ms > self.last_ms else self.due_ms

    def step(self, now_ms: int) -> None:
        while self.due_ms <= now_ms:
            self.done.append(self.due_ms)
            self.due_ms += 10
            time.sleep(self.cost_s)


def run(market: Ticks, speed: float, seconds: float) -> tuple[Pacer, float]:
    """And how many seconds it really was."""
    pacer = Pacer(market, lambda: None, speed)

    async def scene() -> float:
        began_s = time.monotonic()
        pacer.start(1_000_000)
        task = asyncio.create_task(pacer.run())
        await asyncio.sleep(seconds)
        task.cancel()
        return time.monotonic() - began_s

    took_s = asyncio.run(scene())
    return pacer, took_s


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_market_time_is_wall_time_times_speed(speed: float) -> None:
    """In 0.4 s a market at speed 10 lives about 4 s; nothing is lost."""
    for _ in range(TRIES):  # a machine that stands still is behind, and that is told
        market = Ticks()
        pacer, took_s = run(market, speed, 0.4)
        lived_ms = market.done[-1] - 1_000_000
        assert lived_ms < 1000 * took_s * speed + 10
        if pacer.behind_ms == 0 and lived_ms > 0.5 * 400 * speed:
            break
    else:
        raise AssertionError("behind each time")


def test_too_slow_shifts_the_schedule_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """When steps take longer than the time they stand for, events come late, none is skipped, the loss is said once."""
    market = Ticks(cost_s=0.01)
    pacer, _ = run(market, 10.0, 0.8)
    assert market.done == list(range(1_000_010, market.done[-1] + 1, 10))
    assert pacer.behind_ms > LAG_MAX_MS
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and "ms behind in all" in errors[0]


def test_the_end_of_a_recording_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """The book stands still afterwards."""
    pacer, _ = run(Ticks(last_ms=1_000_050), 1.0, 0.3)
    assert pacer.over and "the recording is over" in capsys.readouterr().err


def test_pause_and_speed_change_do_not_jump() -> None:
    """Market time stands during a pause and goes on from there."""
    pacer = Pacer(Ticks(), lambda: None, 1.0)
    pacer.start(1_000_000)
    pacer.change(True, None)
    stood = pacer.market_ms()
    time.sleep(0.05)
    assert pacer.market_ms() == stood
    began_s = time.monotonic()
    pacer.change(False, 100.0)
    time.sleep(0.05)
    moved_ms = pacer.market_ms() - stood
    assert 4_000 < moved_ms <= (time.monotonic() - began_s) * 1000 * 100 + 100
