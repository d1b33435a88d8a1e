"""Times in microseconds for whoever asked for them: `X-MBX-TIME-UNIT` on REST, `timeUnit=MICROSECOND` in a socket's URL (binance-wire 1, 5, 6).

Pure. Called by rest_api.py, ws_api.py and streams.py on the event loop, just before an answer is encoded. Everything inside counts in ms; what
leaves in us is a ms times 1000. Never: ids, the -1 of a time that is not yet, epoch times of bans.
"""

from __future__ import annotations

import json

from exchange.paper.encode import encode
from exchange.paper.model import Reject

US_PER_MS = 1000
FIRST_US = 100_000_000_000_000  # as ms this is the year 5138: a time above it was sent in us
_BODY = frozenset(
    {"serverTime", "transactTime", "transactionTime", "time", "updateTime", "workingTime", "trailingTime", "openTime", "closeTime",
     "authorizedSince", "connectedSince", "T"}
)  # fmt: skip
_EVENT = frozenset("ETOWCD")
_BAR = frozenset("tT")
_BAR_FIELDS, _BAR_TIMES = 12, (0, 6)


def wants_us(word: str | None) -> bool:
    """Whether the header or the URL asks for microseconds. Raises -1194 for another word than the two there are."""
    if word is None or word.upper() == "MILLISECOND":
        return False
    if word.upper() != "MICROSECOND":
        raise Reject(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    return True


def as_ms(time: int) -> int:
    """A time a client sent, in ms or in us."""
    return time // US_PER_MS if time >= FIRST_US else time


def body_in_us(body: object) -> object:
    """The body of an answer, with all its times in us."""
    if isinstance(body, dict):
        return {name: _time(value) if name in _BODY else body_in_us(value) for name, value in body.items()}
    if not isinstance(body, list):
        return body
    if len(body) == _BAR_FIELDS and isinstance(body[0], int):  # one row of klines
        return [_time(value) if place in _BAR_TIMES else value for place, value in enumerate(body)]
    return [body_in_us(each) for each in body]


def event_in_us(event: bytes) -> bytes:
    """An encoded event, or a list of events, with all its times in us."""
    decoded = json.loads(event)
    rows = decoded if isinstance(decoded, list) else [decoded]
    changed = [_event(row) for row in rows]
    return encode(changed if isinstance(decoded, list) else changed[0])


def _event(row: dict[str, object]) -> dict[str, object]:
    names = _EVENT | {"u"} if row.get("e") == "outboundAccountPosition" else _EVENT
    found = {name: _time(value) if name in names else value for name, value in row.items()}
    bar = row.get("k")
    if isinstance(bar, dict):
        found["k"] = {name: _time(value) if name in _BAR else value for name, value in bar.items()}
    return found


def _time(value: object) -> object:
    return value * US_PER_MS if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else value
