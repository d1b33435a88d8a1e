"""The venue's clock as seen from here: one offset shared by REST and the WS API.

Who calls it: lane threads (rest.py), the ws-api reader (user_stream.py), whoever refreshes it every 60 s. Thread: any; each attribute is one
reference, replaced whole, so there is no lock. Never: a network call, the engine's time.
Source: binance-wire 1 (timing), 9 (python-binance's sync client never sets its offset).
"""

import time


class VenueClock:
    """`offset_ms` = venue time - our wall clock. `suspect` after a -1021: measure before the next signed call."""

    def __init__(self) -> None:
        self.offset_ms = 0
        self.round_trip_ms: int | None = None
        self.suspect = False

    def learn(self, server_ms: int, sent_ms: float, received_ms: float) -> None:
        """Take one answer of /time; the venue read its clock about half a round trip before we read the answer."""
        self.offset_ms = round(server_ms - (sent_ms + received_ms) / 2)
        self.round_trip_ms = round(received_ms - sent_ms)
        self.suspect = False

    def doubt(self) -> None:
        """The venue refused a timestamp of ours."""
        self.suspect = True

    def now_ms(self) -> int:
        """The venue's time, in ms."""
        return int(time.time() * 1000 + self.offset_ms)
