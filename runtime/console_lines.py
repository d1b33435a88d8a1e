"""What a console line is made of: the closed set of tags, the columns, the words of a command, folding of repeats, masking of secrets.

Who calls it: runtime.console on its own thread; only `level_of` and `COMMAND_TAGS` are read by hot threads. Never: a file, a socket, a thread.
"""

import logging
import re
import time
from urllib.parse import quote

import msgspec

from core.commands import Amend, AnyCommand, Cancel, CancelAll, Place, PlaceOco, Query, Reconnect, Replace, Request
from core.money import at_least
from core.notices import Notice
from core.printable import printable

# The documented set (docs: console). A line with another tag is shown as LOG.
LEVELS = {
    "BOOT": logging.INFO,  # start: versions, venue, what was found
    "WS": logging.INFO,  # sockets, books built and read again
    "LIGHT": logging.INFO,  # a side changed its light, with the reason
    "PLACE": logging.INFO,
    "ACK": logging.DEBUG,  # the venue's word on one of our calls (-v)
    "PENDING": logging.INFO,  # something waits longer than usual, or is asked again
    "CANCEL": logging.INFO,
    "AMEND": logging.INFO,
    "REPRICE": logging.INFO,
    "FILL": logging.INFO,
    "REJECT": logging.WARNING,
    "TIMEOUT": logging.WARNING,
    "RISK": logging.WARNING,  # our own no: limits, halts
    "DOWN": logging.WARNING,  # a stream or the venue is away, or back
    "CONFIG": logging.INFO,
    "PROOF": logging.INFO,  # our books against the venue's
    "BEAT": logging.INFO,  # the status line where none can be pinned
    "LOG": logging.INFO,  # a record of a library, or of the console about itself
    "EXIT": logging.WARNING,
}
NEVER_DROPPED = frozenset({"FILL", "RISK", "EXIT"})
SHOWN_WHEN_QUIET = NEVER_DROPPED | {"PROOF"}
# Facts of trading are said one by one; everything else that repeats is folded.
NEVER_FOLDED = frozenset({"BOOT", "LIGHT", "PLACE", "ACK", "CANCEL", "AMEND", "REPRICE", "FILL", "CONFIG", "PROOF", "BEAT", "EXIT"})
COLOURS = {"FILL": "1;32", "REJECT": "33", "TIMEOUT": "33", "RISK": "1;31", "DOWN": "1;31", "EXIT": "1", "PROOF": "36", "BOOT": "1"}

COMMAND_TAGS: dict[type, str] = {
    Place: "PLACE", Cancel: "CANCEL", Amend: "AMEND", Replace: "REPRICE", PlaceOco: "PLACE", CancelAll: "CANCEL", Query: "PENDING", Reconnect: "WS",
}  # fmt: skip

TEXT_MAX = 4_000
ID_COLUMN = 78
FOLD_WINDOW_NS = 10_000_000_000
FOLD_WINDOW_MAX_NS = 640_000_000_000
FOLDS_MAX = 500
CANCELS_MAX = 2_000  # orders whose cancel is remembered as said
SECRET_LENGTH_MIN = 8
_DIGITS = re.compile(r"\d+(?:\.\d+)?")


def level_of(tag: str) -> int:
    return LEVELS.get(tag, logging.INFO)


class Entry(msgspec.Struct, frozen=True):
    """What a hot thread leaves: facts, not words."""

    at_ns: int
    tag: str
    symbol: str
    order_id: str
    level: int
    payload: str | Notice | AnyCommand | logging.LogRecord


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line, words made. `at_ns` is nanoseconds since the epoch; `trace` goes to the files only."""

    at_ns: int
    tag: str
    symbol: str = ""
    text: str
    order_id: str = ""
    level: int
    trace: str = ""
    is_fresh: bool = False  # a fact of trading: never folded

    def columns(self, colour: bool = False) -> str:
        """`HH:MM:SS.mmm TAG     SYMBOL   text   id`, local time."""
        tag = f"{self.tag:<7}"
        if colour and self.tag in COLOURS:
            tag = f"\x1b[{COLOURS[self.tag]}m{tag}\x1b[0m"
        text = f"{self.text:<{ID_COLUMN}} {self.order_id}" if self.order_id else self.text
        return f"{self._moment('%H:%M:%S')} {tag} {self.symbol:<8} {text}".rstrip()

    def dated(self) -> str:
        """As in the log file: the date in front, a trace indented below."""
        trace = "".join(f"\n    {row}" for row in self.trace.splitlines())
        return f"{self._moment('%Y-%m-%d ')}{self.columns()}{trace}"

    def json(self) -> str:
        """One JSON object, one row of events.jsonl."""
        facts: dict[str, object] = {"time_ns": self.at_ns, "tag": self.tag, "symbol": self.symbol, "text": self.text, "id": self.order_id}
        if self.trace:
            facts["trace"] = self.trace
        return msgspec.json.encode(facts).decode()

    def _moment(self, form: str) -> str:
        seconds, rest_ns = divmod(self.at_ns, 1_000_000_000)
        moment = time.strftime(form, time.localtime(seconds))
        return moment if form.endswith(" ") else f"{moment}.{rest_ns // 1_000_000:03d}"


def one_row(text: str) -> str:
    """Text of others (the venue, a library) as one row: no line breaks, no terminal codes, at most TEXT_MAX characters."""
    return printable(text[:TEXT_MAX])


def command_words(command: AnyCommand) -> str:
    """What a command does, in the console's words."""
    if isinstance(command, Request):
        return f"{command.side:<4} {at_least(command.quantity, 5)} @ {at_least(command.price, 2)} · {command.reason}"
    if isinstance(command, CancelAll):
        return f"all our open orders of {command.symbol or 'every symbol'} · {command.reason}"
    if isinstance(command, Query):
        return f"{command.side:<4} asking the venue what became of the order · {command.reason}"
    if isinstance(command, Reconnect):
        return f"{command.connection} stream: leaving the socket for a new one · {command.reason}"
    return f"{type(command).__name__} · {command.reason}"


class Repeats:
    """Folds lines that differ in numbers only: the first is said, the rest counted and told when the window ends.

    The window is 10 s and doubles while the repeats go on (to 640 s), so a long outage stays a handful of lines. One thread.
    A cancel is a fact of trading the first time; asked again for the same order (no connection takes it) it is a repeat.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], _Fold] = {}
        self._cancels: dict[str, None] = {}  # ids of the orders whose cancel was said, oldest first

    def admits(self, line: Line) -> bool:
        """True where the line is to be said now; False where it was counted instead."""
        if (line.tag in NEVER_FOLDED or line.is_fresh) and not self._is_cancel_again(line):
            return True
        key = (line.tag, line.symbol, _DIGITS.sub("#", line.text))
        fold = self._open.get(key)
        if fold is not None:
            fold.count, fold.last = fold.count + 1, line
            return False
        if len(self._open) < FOLDS_MAX:
            self._open[key] = _Fold(line)
        return True

    def _is_cancel_again(self, line: Line) -> bool:
        if line.tag != "CANCEL" or not line.order_id:
            return False
        if line.order_id in self._cancels:
            return True
        self._cancels[line.order_id] = None
        if len(self._cancels) > CANCELS_MAX:
            del self._cancels[next(iter(self._cancels))]
        return False

    def due(self, now_ns: int, ends_all: bool = False) -> list[Line]:
        """The sums of the windows that have ended by `now_ns` (of all of them, at the end of a run)."""
        sums = []
        for key, fold in list(self._open.items()):
            if not ends_all and now_ns < fold.until_ns:
                continue
            if not fold.count or ends_all:
                del self._open[key]
            if fold.count:
                sums.append(fold.sum(now_ns))
        return sums


class _Fold:
    def __init__(self, line: Line) -> None:
        self.last, self.count = line, 0
        self.since_ns, self.window_ns = line.at_ns, FOLD_WINDOW_NS

    @property
    def until_ns(self) -> int:
        return self.since_ns + self.window_ns

    def sum(self, now_ns: int) -> Line:
        seconds = max(1, round((now_ns - self.since_ns) / 1e9))
        text = f"the same {self.count} more {'time' if self.count == 1 else 'times'} in {seconds} s, last: {self.last.text}"
        self.count, self.since_ns, self.window_ns = 0, now_ns, min(self.window_ns * 2, FOLD_WINDOW_MAX_NS)
        return msgspec.structs.replace(self.last, at_ns=now_ns, text=text, order_id="", trace="")


class Redactor:
    """Masks registered secrets in everything that is written. `register` from any thread, `clean` on the console thread."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def register(self, *secrets: str) -> None:
        """Every row of a secret counts (a PEM key has many), as does its form in a URL. Shorter than 8 characters is no secret."""
        rows = {row.strip() for secret in secrets for row in secret.splitlines()}
        forms = {form for row in rows if len(row) >= SECRET_LENGTH_MIN and "-----" not in row for form in (row, quote(row, safe=""))}
        self._secrets = tuple(sorted({*self._secrets, *forms}, key=len, reverse=True))

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return text
