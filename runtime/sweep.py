"""When the trading thread has died or hangs: what is open with our tag is canceled all the same, by the venue's own list, for nobody else will.

Who calls it: run.py in its stop, on the main thread; the calls run on a lane. It knows nothing of the books: fills and endings are read by the
next start, and the exit says that nothing was proven (DESIGN 7).
Never: a place, a call after its time, an exception to the caller.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from typing import Protocol

from core.commands import CancelAll
from core.events import CancelAllAnswer
from core.ports import Answered

PASSES_MAX = 5
BETWEEN_S = 0.3  # a place of the last step may still have been on its way: it leaves within 250 ms or never


class Lane(Protocol):
    def submit(self, call: Callable[[CancelAll], Answered[CancelAllAnswer]], command: CancelAll, /) -> "Future[Answered[CancelAllAnswer]]": ...


def sweep(
    lane: Lane,
    cancel_all: Callable[[CancelAll, float], Answered[CancelAllAnswer]],
    tag: str,
    until_s: float,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Again and again until a reading after the first shows nothing open; says what was done and what is left. `until_s` is on `clock_s`."""
    canceled, told = 0, "no time was left"
    for number in range(PASSES_MAX):
        left_s = until_s - clock_s() - BETWEEN_S * bool(number)
        if left_s <= 0:
            break
        sleep(BETWEEN_S * bool(number))
        command = CancelAll(command_id=number + 1, reason="the trading thread is gone", timeout_ms=int(left_s * 1000), symbol=None, tag=tag)
        try:
            answer = lane.submit(partial(_call, cancel_all, left_s), command).result(left_s).answer
        except FutureTimeout:
            told = "no answer in time"
            break
        except Exception as error:  # the venue's no, a lost socket, a lane that takes nothing: the stop goes on
            told = f"{type(error).__name__}: {error}"
            continue
        canceled += len(answer.canceled)
        told = f"{len(answer.failed)} without the venue's word" if answer.failed else "none open by the venue's list"
        if number and not answer.canceled and not answer.failed:
            break
    return f"nobody decides any more: {canceled} orders with our tag canceled at the venue · {told}"


def _call(cancel_all: Callable[[CancelAll, float], Answered[CancelAllAnswer]], timeout_s: float, command: CancelAll) -> Answered[CancelAllAnswer]:
    return cancel_all(command, timeout_s)
