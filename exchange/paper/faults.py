"""Faults of meaning: what the paper exchange does wrong on purpose, switched at run time.

A fault has a kind, a selector, a probability or a count, and perhaps a duration. The handlers ask
`faults.take(kind, subject)` at the place where the fault belongs; this file only decides whether it strikes. Faults
below HTTP and WebSocket live in wirefaults.py. Event loop only; randomness is seeded. Never: the harm itself.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

FAULTS_MAX = 1000
_NONE: frozenset[str] = frozenset()

# kind -> its own arguments. What each does is said in docs of `Fault` and, in one line, here.
KINDS: dict[str, frozenset[str]] = {
    "delay": frozenset({"delay_ms", "apply"}),  # the reply comes late; apply "early" executes at once, "late" after
    "drop_before": _NONE,  # the connection closes, nothing was executed
    "drop_after": frozenset({"close"}),  # executed, no reply; on WS `close: false` keeps the connection
    "silent": frozenset({"executed"}),  # accepted, never answered
    "unknown": frozenset({"executed"}),  # -1007, with or without execution
    "server_error": frozenset({"executed", "status", "html"}),  # 5xx, with or without execution
    "too_heavy": frozenset({"retry_after_s"}),  # 429 -1003
    "banned": frozenset({"ban_s"}),  # 418 -1003, and the address stays banned
    "too_many_orders": frozenset({"retry_after_s"}),  # 429 -1015
    "timestamp": frozenset({"ahead"}),  # -1021
    "reject": frozenset({"code", "text", "status"}),  # any refusal by code, nothing executed
    "malformed": _NONE,  # executed, the reply (or stream frame) is half a JSON text
    "cancel_race": frozenset({"fraction"}),  # the order fills (in part) just before its cancel is processed
    "clock_skew": frozenset({"skew_ms"}),  # the server's clock is off while the fault lives
    "events_duplicate": frozenset({"copies"}),
    "events_delay": frozenset({"delay_ms"}),
    "events_reorder": frozenset({"hold_ms"}),  # the event is sent after the next one, at the latest after hold_ms
    "events_drop": _NONE,
    "events_mute": _NONE,  # every user event is lost while the fault lives, the connection stays
    "stream_drop": _NONE,  # a market stream frame is lost (depth: a gap)
    "depth_gap": _NONE,  # one depthUpdate is lost
    "book_ticker_mute": _NONE,
    "no_pings": _NONE,  # the server stops sending pings
    "no_pongs": _NONE,  # the server stops answering the client's pings
}
_SELECTORS = ("transport", "operation", "method", "path", "symbol", "side", "client_order_id", "event")
_COMMON = frozenset({"kind", "match", "probability", "count", "skip", "duration_s"})


@dataclass(frozen=True, slots=True)
class Subject:
    """What a fault may select on; an empty text matches no selector but `*`.

    transport: rest | ws | stream | user; operation: the WS API method name (order.place) or the stream's kind
    (depth, bookTicker, ...); method/path: the REST verb and path; event: e/x of a user event.
    """

    transport: str = ""
    operation: str = ""
    method: str = ""
    path: str = ""
    symbol: str = ""
    side: str = ""
    client_order_id: str = ""
    event: str = ""


@dataclass(slots=True)
class Fault:
    """One switched-on fault. `count` is how often it may still strike (None: no end)."""

    fault_id: int
    kind: str
    match: dict[str, tuple[str, ...]]
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    until_ms: int | None = None
    arguments: dict[str, object] = field(default_factory=dict)
    hits: int = 0

    def fits(self, subject: Subject) -> bool:
        """Whether every selector names this subject (`*` and `?` are wildcards)."""
        for name, patterns in self.match.items():
            value = str(getattr(subject, name))
            if not any(fnmatchcase(value, pattern) for pattern in patterns):
                return False
        return True

    def number(self, name: str, default: float) -> float:
        """A numeric argument."""
        value = self.arguments.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    def flag(self, name: str, default: bool) -> bool:
        """A true/false argument."""
        return bool(self.arguments.get(name, default))

    def word(self, name: str, default: str) -> str:
        """A text argument."""
        return str(self.arguments.get(name, default))

    def as_json(self) -> dict[str, object]:
        """What GET /paper/faults shows."""
        return {
            "id": self.fault_id,
            "kind": self.kind,
            "match": {name: list(patterns) for name, patterns in self.match.items()},
            "probability": self.probability,
            "count": self.count,
            "skip": self.skip,
            "until_ms": self.until_ms,
            "hits": self.hits,
            **self.arguments,
        }


def _parse_match(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise ValueError("match must be an object")
    found: dict[str, tuple[str, ...]] = {}
    for name, patterns in value.items():
        if name not in _SELECTORS:
            raise ValueError(f"unknown selector {name!r}; known: {', '.join(_SELECTORS)}")
        words = patterns if isinstance(patterns, list) else [patterns]
        found[str(name)] = tuple(str(word) for word in words)
    return found


def _number(spec: Mapping[str, object], name: str, low: float, high: float) -> float | None:
    value = spec.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
    return value


class Faults:
    """All faults that are switched on, oldest first, and how often each kind struck since the start."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._faults: list[Fault] = []
        self._next_id = 1
        self.struck: dict[str, int] = {}

    def add(self, spec: Mapping[str, object], now_ms: int) -> Fault:
        """Switch one fault on. Raises ValueError when the description is not understood."""
        if len(self._faults) >= FAULTS_MAX:
            raise ValueError(f"at most {FAULTS_MAX} faults at once")
        kind = spec.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"unknown fault kind {kind!r}; known: {', '.join(sorted(KINDS))}")
        unknown = set(spec) - _COMMON - KINDS[kind]
        if unknown:
            raise ValueError(f"fault {kind}: unknown argument {', '.join(sorted(unknown))}")
        probability = _number(spec, "probability", 0, 1)
        count = _number(spec, "count", 1, 1e9)
        duration_s = _number(spec, "duration_s", 0, 1e7)
        fault = Fault(
            fault_id=self._next_id,
            kind=kind,
            match=_parse_match(spec.get("match", {})),
            probability=1.0 if probability is None else probability,
            count=None if count is None else int(count),
            skip=int(_number(spec, "skip", 0, 1e9) or 0),
            until_ms=None if duration_s is None else now_ms + int(duration_s * 1000),
            arguments={name: spec[name] for name in KINDS[kind] if name in spec},
        )
        self._next_id += 1
        self._faults.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> int:
        """Switch off one fault, or all; returns how many were on."""
        before = len(self._faults)
        self._faults = [fault for fault in self._faults if fault_id is not None and fault.fault_id != fault_id]
        return before - len(self._faults)

    def listed(self) -> list[dict[str, object]]:
        """Every fault that is on, for GET /paper/faults."""
        return [fault.as_json() for fault in self._faults]

    def any_on(self) -> bool:
        """Whether any fault is switched on at all."""
        return bool(self._faults)

    def is_on(self, fault: Fault, now_ms: int) -> bool:
        """Whether this very fault still lives."""
        return any(known is fault for known in self._faults) and not self._ended(fault, now_ms)

    @staticmethod
    def _ended(fault: Fault, now_ms: int) -> bool:
        return fault.until_ms is not None and now_ms >= fault.until_ms

    def take(self, kind: str, subject: Subject, now_ms: int) -> Fault | None:
        """The fault of this kind that strikes this subject now, counted as struck; None almost always."""
        if not self._faults:
            return None
        for fault in self._faults:
            if fault.kind == kind and fault.fits(subject) and self._strikes(fault, now_ms):
                fault.hits += 1
                self.struck[kind] = self.struck.get(kind, 0) + 1
                return fault
        return None

    def _strikes(self, fault: Fault, now_ms: int) -> bool:
        if self._ended(fault, now_ms) or fault.count == 0:
            return False
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if fault.count is not None:
            fault.count -= 1
        return True

    def skew_ms(self, now_ms: int) -> int:
        """How far the server's clock is off at the moment, in milliseconds."""
        if not self._faults:
            return 0
        skews = (f.number("skew_ms", 0) for f in self._faults if f.kind == "clock_skew" and not self._ended(f, now_ms))
        return int(sum(skews))
