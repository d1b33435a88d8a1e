"""Many lines of one cause become few: the lights that turn in one step, and an outage from its start to its end.

Who calls it: runtime.console, on its own thread, where it shows no details (-v and --ui json show every line; events.jsonl and, of an outage,
greenlight.log have them all). An outage is at most three lines for a cause: its start, once that it still lasts, its end with what was folded.
Never: a fill, a place, a proof or a halt folded; a clock of its own; an outage without its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from core.commands import Cancel, Query, Reconnect
from core.light import Colour
from core.notices import Cause, LightChanged, Over, Refusal, Said, TimedOut
from runtime.console_lines import Entry, Line

STILL_NS = 10_000_000_000
SETTLE_NS = 3_000_000_000  # sides that are still red so long after the cause is gone have another reason
BEFORE_NS = 50_000_000  # what a cause has brought about may be told a moment before it
BANS = (418, 429)
SIDES_NAMED = 4
WITH_IT = ("WS", "PENDING", "DOWN")  # tags of what is said of the way back
Held = tuple[Line, LightChanged]


class SameLights:
    """Holds lights back that turn together, for one reason, in one step."""

    def __init__(self) -> None:
        self._held: list[Held] = []

    def takes(self, line: Line, payload: object) -> bool:
        """True where the line waits for others like it."""
        if not isinstance(payload, LightChanged) or (self._held and not _is_like(self._held[-1], (line, payload))):
            return False
        self._held.append((line, payload))
        return True

    def flush(self) -> list[Line]:
        """What waited, as one line."""
        held, self._held = self._held, []
        if len(held) < 2:
            return [line for line, _ in held]
        longest = max(held, key=lambda one: one[1].waited_ms)
        words = longest[1].words()[4:].lstrip()
        symbols = list(dict.fromkeys(line.symbol for line, _ in held))
        who = ", ".join(one.side.value for _, one in held) if len(symbols) == 1 else f"{len(held)} sides of {_named(symbols)}"
        return [msgspec.structs.replace(held[0][0], symbol=symbols[0] if len(symbols) == 1 else "all", text=f"{who} {words}")]


def _is_like(one: Held, other: Held) -> bool:
    (line, change), (new_line, new_change) = one, other
    return line.at_ns == new_line.at_ns and _turning(change) == _turning(new_change)


def _turning(change: LightChanged) -> tuple[object, ...]:
    return change.before and change.before.colour, change.light.colour, change.light.reason


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - SIDES_NAMED} more" if len(names) > SIDES_NAMED else ""
    return ", ".join(names[:SIDES_NAMED]) + more


@dataclass(slots=True)
class Outage:
    """From its first cause until every side it turned red is something else."""

    since_ns: int
    tag: str
    symbol: str
    level: int
    causes: dict[str, bool] = field(default_factory=dict)  # -> is over
    until_ns: int = 0  # of a ban: then it is over
    over_ns: int = 0  # when the last cause was
    red: dict[tuple[str, str], None] = field(default_factory=dict)
    turned: set[tuple[str, str]] = field(default_factory=set)
    folded: dict[tuple[str, str], int] = field(default_factory=dict)
    last: str = ""
    is_still_said: bool = False


class Outages:
    """One at a time: a second cause joins the first."""

    def __init__(self) -> None:
        self._open: Outage | None = None

    def folds(self, line: Line, payload: object) -> bool:
        """True where the line is part of an outage that has been told; a new cause is told, and begins one."""
        if isinstance(payload, Cause):
            return self._meet(line, payload)
        outage = self._open
        if outage is None or not self._belongs(outage, line, payload):
            return False
        outage.last = line.text
        return True

    def _meet(self, line: Line, cause: Cause) -> bool:
        outage = self._open
        if outage is None:
            outage = self._open = Outage(since_ns=line.at_ns, tag=line.tag, symbol=line.symbol, level=line.level)
        is_known = cause.cause in outage.causes
        outage.causes[cause.cause], outage.over_ns = False, 0
        outage.until_ns = max(outage.until_ns, cause.until_ns)
        if is_known:
            outage.last = line.text
            _count(outage, "more try", "more tries")
        return is_known

    def _belongs(self, outage: Outage, line: Line, payload: object) -> bool:
        if isinstance(payload, LightChanged):
            return _turn(outage, payload)
        if isinstance(payload, Over):
            if payload.cause in outage.causes:
                outage.causes[payload.cause] = True
            return line.tag != "RISK"
        if isinstance(payload, Cancel):
            is_for_it = payload.reason.startswith(("market stream down", "user stream down", "book out of step", "book is stale"))
            return is_for_it and _count(outage, "cancel", "cancels")
        if isinstance(payload, TimedOut):
            return _count(outage, "call without an answer", "calls without an answer")
        if isinstance(payload, Refusal):
            return payload.error.http_status in BANS and _count(outage, "order refused", "orders refused")
        return isinstance(payload, Reconnect | Query) or (isinstance(payload, Said) and line.tag in WITH_IT)

    def due(self, now_ns: int) -> list[Line]:
        """The end of the outage, or once that it still lasts."""
        outage = self._open
        if outage is None:
            return []
        if outage.until_ns and now_ns >= outage.until_ns:
            outage.causes["ban"] = True
        if not all(outage.causes.values()):
            outage.over_ns = 0
        elif not outage.over_ns:
            outage.over_ns = now_ns
        if outage.over_ns and (not outage.red or now_ns - outage.over_ns >= SETTLE_NS):
            self._open = None
            return [_said(outage, now_ns, _ending(outage, now_ns))]
        if not outage.is_still_said and now_ns - outage.since_ns >= STILL_NS:
            outage.is_still_said = True
            last = f" · last: {outage.last}" if outage.last else ""
            return [_said(outage, now_ns, f"still, after {_seconds(outage, now_ns)}: {', '.join(_left(outage))}{_sums(outage)}{last}")]
        return []

    def close(self, now_ns: int) -> list[Line]:
        """The run ends."""
        outage, self._open = self._open, None
        if outage is None:
            return []
        return [_said(outage, now_ns, f"not over at the end, after {_seconds(outage, now_ns)}: {', '.join(_left(outage))}{_sums(outage)}")]


def causes_first(entries: Sequence[Entry]) -> Sequence[Entry]:
    """A lost connection is told before the calls that were lost with it."""
    at = next((number for number, entry in enumerate(entries) if isinstance(entry.payload, Cause)), None)
    if at is None:
        return entries
    early, rest = list[Entry](), list[Entry]()
    for entry in entries[:at]:
        is_lost_with_it = isinstance(entry.payload, TimedOut) and entries[at].at_ns - entry.at_ns <= BEFORE_NS
        (early if is_lost_with_it else rest).append(entry)
    return [*rest, entries[at], *early, *entries[at + 1 :]]


def _turn(outage: Outage, change: LightChanged) -> bool:
    key = change.symbol, change.side.value
    if change.light.colour is Colour.RED:
        outage.red[key] = None
        outage.turned.add(key)
        return True
    return change.before is not None and change.before.colour is Colour.RED and outage.red.pop(key, "") is None


def _count(outage: Outage, one: str, many: str) -> bool:
    outage.folded[one, many] = outage.folded.get((one, many), 0) + 1
    return True


def _left(outage: Outage) -> list[str]:
    return [cause for cause, is_over in outage.causes.items() if not is_over] or list(outage.causes)


def _seconds(outage: Outage, now_ns: int) -> str:
    return f"{(now_ns - outage.since_ns) / 1e9:.1f} s"


def _sums(outage: Outage) -> str:
    return "".join(f" · {count} {one if count == 1 else many}" for (one, many), count in outage.folded.items())


def _ending(outage: Outage, now_ns: int) -> str:
    turned, red = len(outage.turned), len(outage.red)
    sides = f" · {red} of {turned} sides still red: python bot.py why" if red else f" · {turned} sides no longer red" if turned else ""
    return f"over after {_seconds(outage, now_ns)}: {', '.join(outage.causes)}{sides}{_sums(outage)}"


def _said(outage: Outage, now_ns: int, text: str) -> Line:
    return Line(at_ns=now_ns, tag=outage.tag, symbol=outage.symbol, text=text, level=outage.level, is_fresh=True)
