"""The engine's clock: monotonic, anchored to the wall clock once at boot, so that it never jumps.

Who uses it: the trading loop (one stamp per batch), lanes, streams. Any thread. Never: a correction while running.
"""

import time


class EngineClock:
    """Call it for nanoseconds since the epoch."""

    def __init__(self) -> None:
        self._anchor_ns = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        return self._anchor_ns + time.monotonic_ns()


def boot_id(now_ns: int, after: int = 0) -> str:
    """Start time in milliseconds in base 36, and later than the boot `after`: a clock that went back makes no id twice. Needs no file.

    Milliseconds, because two bots of one tag may be started in the same second and must not share their client ids.
    """
    digits, left = "", max(now_ns // 1_000_000, after + 1)
    while left:
        left, rest = divmod(left, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits
