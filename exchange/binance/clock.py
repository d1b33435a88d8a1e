"""The venue's clock as seen from here: one offset shared by REST and the WS API.

Who calls it: lane threads (rest.py), the ws-api reader (user_stream.py), whoever refreshes it every 60 s. Thread: any; each attribute is one
reference, replaced whole, so there is no lock. Between two measurements it runs on a clock that nobody sets: when the computer's wall clock is put
right, timestamps stay right, and so does the distance from the engine's clock, which is anchored likewise (runtime/clock.py). Unlike the engine's it
counts a suspended computer's sleep, where the system can.
Never: a network call.
Source: binance-wire 1 (timing), 9 (python-binance's sync client never sets its offset).
"""

import time

UNSET_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class VenueClock:
    """`offset_ms` = venue time - `local_ms`. `suspect` after a -1021: measure before the next signed call."""

    def __init__(self) -> None:
        self._anchor_ms = time.time() * 1000 - time.clock_gettime(UNSET_CLOCK) * 1000
        self.offset_ms = 0
        self.round_trip_ms: int | None = None
        self.suspect = False

    def local_ms(self) -> float:
        """Our wall clock as it was at the start, and since then as long as it took."""
        return self._anchor_ms + time.clock_gettime(UNSET_CLOCK) * 1000

    def learn(self, server_ms: int, sent_ms: float, received_ms: float) -> None:
        """One answer of /time, asked and read at these `local_ms`; the venue read its clock about half a round trip before we read it."""
        self.offset_ms = round(server_ms - (sent_ms + received_ms) / 2)
        self.round_trip_ms = round(received_ms - sent_ms)
        self.suspect = False

    def doubt(self) -> None:
        """The venue refused a timestamp of ours."""
        self.suspect = True

    def now_ms(self) -> int:
        """The venue's time, in ms."""
        return int(self.local_ms() + self.offset_ms)
