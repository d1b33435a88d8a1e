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


def boot_id(now_ns: int) -> str:
    """Start time in seconds in base 36; needs no file."""
    digits, seconds = "", now_ns // 1_000_000_000
    while seconds:
        seconds, rest = divmod(seconds, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits
