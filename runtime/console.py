"""The console: what a person reads while the bot runs, and the log files beside it.

Who calls it: any thread (`line`, `notice`, `command`: one append to a bounded queue, no lock, no formatting); bot.py starts and stops it.
The thread "console" makes the words, folds repeats, masks secrets and writes the files; the thread "terminal" (runtime.terminal) writes stdout.
Never: a wait in a caller, a FILL, RISK or EXIT line lost to a full queue, a secret in any output.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TextIO

from core.commands import AnyCommand
from core.notices import Fresh, Notice
from runtime.config import Config
from runtime.console_lines import (
    COMMAND_TAGS,
    LEVELS,
    NEVER_DROPPED,
    SHOWN_WHEN_QUIET,
    Entry,
    Line,
    Redactor,
    Repeats,
    command_words,
    level_of,
    one_row,
)
from runtime.folding import Outages, SameLights, causes_first
from runtime.logfiles import LogFiles
from runtime.terminal import Terminal, is_tty
from runtime.worker import Worker

DEBUG_WAITING_MAX, INFO_WAITING_MAX, WARNING_WAITING_MAX, KEPT_WAITING_MAX = 2_500, 4_500, 5_000, 50_000
POLL_S = 0.05
BATCH_MAX = 1_000
BEAT_EVERY_NS = 30_000_000_000
UNSHOWN_EVERY_NS = 10_000_000_000
TRACE_MAX = 16_000


class Console(Worker):
    """Resource. `ui` auto: colour and a pinned line on a TTY; plain: neither; json: one JSON object a line."""

    def __init__(
        self,
        config: Config,
        *,
        ui: Literal["auto", "plain", "json"] = "auto",
        verbose: bool = False,
        quiet: bool = False,
        to_stderr: bool = False,
        root: Path,
        stream: TextIO | None = None,
        environ: Mapping[str, str] = os.environ,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__("console", self._run)
        said = "verbose" if verbose else "quiet" if quiet else config.console.verbosity
        self._quiet = said == "quiet"
        self._level = logging.DEBUG if said == "verbose" else logging.INFO
        self._clock_ns = clock_ns
        out = stream or (sys.stderr if to_stderr else sys.stdout)
        dumb = environ.get("TERM") == "dumb"
        tty = is_tty(out) and not dumb and ui == "auto"
        self._colour = ui == "auto" and not environ.get("NO_COLOR") and (tty or environ.get("FORCE_COLOR", "0") not in ("", "0"))
        self._json = ui == "json"
        self._terminal = Terminal(out, pinned=tty, status=self._status_text)
        self._files = LogFiles(config.log_path(root), config.log.file_mb_max, config.log.files)
        self._tape = f" · tape in the state folder, at most {config.tape.total_mb_max} MB" if config.tape.on else ""
        self._status: Callable[[], str] | None = None
        self.on_line: Callable[[Line], None] = lambda line: None  # told on the console's thread: what is written, from INFO on
        self.on_notice: Callable[[Notice], None] = lambda notice: None  # and what the engine noticed, as facts
        self._waiting: deque[Entry] = deque()
        self._skipped: dict[str, int] = {}
        self._skipped_told = self._unshown_told = self._unshown_next_ns = 0
        self._skipped_lock = threading.Lock()  # guards _skipped, memory only
        self._repeats, self._file_repeats = Repeats(), Repeats()  # of what is said, and of what an outage leaves to the file
        self._lights, self._outages = SameLights(), Outages()
        self._folds = said != "verbose" and ui != "json"
        self._redactor = Redactor()
        self._handler = LogHandler(self)
        self._beat_at_ns = 0
        self._fault_said = ""

    # -- any thread ------------------------------------------------------------------------------
    def line(self, tag: str, symbol: str, text: str, order_id: str = "", level: int | None = None, at_ns: int | None = None) -> None:
        """Say one line. `tag` is one of console_lines.LEVELS; `at_ns` is nanoseconds since the epoch, now by default."""
        self._put(Entry(at_ns or self._clock_ns(), tag, symbol, order_id, level_of(tag) if level is None else level, text))

    def notice(self, at_ns: int, notice: Notice) -> None:
        """Say what the engine noticed; `notice.words()` is called on the console's thread."""
        self._put(Entry(at_ns, notice.tag, notice.symbol, notice.order_id, level_of(notice.tag), notice))

    def command(self, at_ns: int, command: AnyCommand) -> None:
        """Say a decision about an order. Questions to the venue are details (-v); plain reads are not said."""
        tag = COMMAND_TAGS.get(type(command))
        if tag is not None:
            level = logging.DEBUG if tag == "PENDING" else logging.INFO
            symbol, order_id = getattr(command, "symbol", "") or "", getattr(command, "client_order_id", "")
            self._put(Entry(at_ns, tag, symbol, order_id, level, command))

    def status(self, call: Callable[[], str]) -> None:
        """The text of the pinned line and of BEAT lines; called off the hot threads, at most 4 times a second."""
        self._status = call

    def redact(self, *secrets: str) -> None:
        """Mask these in everything written from now on."""
        self._redactor.register(*secrets)

    @property
    def skipped(self) -> int:
        """Lines lost to full queues so far."""
        with self._skipped_lock:
            return sum(self._skipped.values()) + self._terminal.dropped

    def _put(self, entry: Entry) -> None:
        """Details go first, then decisions, then warnings; FILL, RISK and EXIT have ten times the room."""
        if entry.tag in NEVER_DROPPED:
            cap = KEPT_WAITING_MAX
        elif entry.level < logging.INFO:
            cap = DEBUG_WAITING_MAX
        else:
            cap = INFO_WAITING_MAX if entry.level < logging.WARNING else WARNING_WAITING_MAX
        if len(self._waiting) < cap:
            self._waiting.append(entry)
            return
        with self._skipped_lock:
            self._skipped[entry.tag] = self._skipped.get(entry.tag, 0) + 1

    # -- Resource --------------------------------------------------------------------------------
    def start(self) -> None:
        """Open the files, take over the stdlib's loggers, start both threads."""
        self._files.open()
        self._handler.install()
        self._beat_at_ns = self._clock_ns() + BEAT_EVERY_NS
        self._terminal.start()
        super().start()
        if not self._files.fault:
            self.line("BOOT", "", f"logs in {self._files.folder}, at most {self._files.cap_mb} MB{self._tape}")

    def stop(self, deadline: float) -> None:
        """Write what waits; a blocked stdout is given up (`deadline` is on time.monotonic())."""
        self._handler.uninstall()
        super().stop(deadline)
        if not self.is_running:
            self._files.close()  # of a start that got no thread; otherwise the thread has done it
        self._terminal.stop(deadline)

    @property
    def is_blocked(self) -> bool:
        """After `stop`: somebody's stdout takes nothing. It holds the terminal's thread, which `is_running` does not count: nobody waits for it."""
        return self._terminal.is_running

    # -- the thread ------------------------------------------------------------------------------
    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(POLL_S):
            self._turn()
        for _ in range(KEPT_WAITING_MAX // BATCH_MAX + 1):
            if not self._waiting:
                break
            self._turn()
        for line in (*self._outages.close(self._clock_ns()), *self._repeats.due(self._clock_ns(), ends_all=True)):
            self._write(line)
        self._files.close()

    def _turn(self) -> None:
        if self._files.fault and self._files.fault != self._fault_said:  # first of all: the last line stays the last
            self._fault_said = self._files.fault
            text = f"the log files cannot be written: {self._fault_said}"
            self._say(Line(at_ns=self._clock_ns(), tag="LOG", text=text, level=logging.WARNING))
        entries = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]
        for entry in causes_first(entries) if self._folds else entries:
            self._take(entry)
            if isinstance(entry.payload, Notice):
                self.on_notice(entry.payload)
        now_ns = self._clock_ns()
        for line in (*self._lights.flush(), *self._outages.due(now_ns), *self._repeats.due(now_ns)):
            self._write(line)
        for line in self._file_repeats.due(now_ns):
            self._files.write_text(line.dated())
        self._tell_skipped(now_ns)
        if now_ns >= self._beat_at_ns:
            self._beat_at_ns = now_ns + BEAT_EVERY_NS
            self._say(Line(at_ns=now_ns, tag="BEAT", text=self._status_text(), level=logging.INFO))

    def _words(self, entry: Entry) -> Line:
        """The line of an entry; one that cannot be put into words says so instead of ending the console."""
        trace, payload = "", entry.payload
        try:
            if isinstance(payload, str):
                text = payload
            elif isinstance(payload, Notice):
                text = payload.words()
            elif isinstance(payload, logging.LogRecord):
                text, trace = _record_words(payload)
            else:
                text = command_words(payload)
        except Exception as error:
            text = f"a {type(payload).__name__} could not be put into words: {type(error).__name__}: {error}"
        clean = self._redactor.clean
        return Line(
            at_ns=entry.at_ns,
            tag=entry.tag if entry.tag in LEVELS else "LOG",
            symbol=one_row(clean(entry.symbol)),
            text=one_row(clean(text)),
            order_id=one_row(clean(entry.order_id)),
            level=entry.level,
            trace=clean(trace),
            is_fresh=isinstance(entry.payload, Fresh),
        )

    def _take(self, entry: Entry) -> None:
        """Say it, or fold it with others of its cause."""
        line = self._words(entry)
        if not self._folds:
            self._say(line)
        elif self._outages.folds(line, entry.payload):
            self._files.write_event(line.json())
            if self._file_repeats.admits(line):
                self._files.write_text(line.dated())
            for told in (*self._lights.flush(), *self._outages.due(line.at_ns)):
                self._write(told)
        else:
            self._hold_or_say(line, entry.payload)

    def _hold_or_say(self, line: Line, payload: object) -> None:
        """A light waits for those that turn with it; whatever else comes is said after them."""
        if not self._lights.takes(line, payload):
            for held in self._lights.flush():
                self._write(held)
            if not self._lights.takes(line, payload):
                self._say(line)
                return
        self._files.write_event(line.json())

    def _say(self, line: Line) -> None:
        self._files.write_event(line.json())
        if line.tag == "EXIT":  # the last line is the last: what was still being counted is told before it
            for told in (*self._outages.close(line.at_ns), *self._repeats.due(line.at_ns, ends_all=True)):
                self._write(told)
        if self._repeats.admits(line):
            self._write(line)

    def _write(self, line: Line) -> None:
        self._files.write_text(line.dated())
        if line.level >= logging.INFO:
            self.on_line(line)
        if line.tag == "BEAT" and self._terminal.pinned:
            return
        if line.tag in SHOWN_WHEN_QUIET or (not self._quiet and line.level >= self._level):
            self._terminal.write(line.json() if self._json else line.columns(self._colour), keep=line.tag in NEVER_DROPPED)

    def _tell_skipped(self, now_ns: int) -> None:
        with self._skipped_lock:
            skipped = dict(self._skipped)
        total = sum(skipped.values())
        if total > self._skipped_told and not self._waiting:
            so_far = ", ".join(f"{count} {tag}" for tag, count in skipped.items())
            text = f"{total - self._skipped_told} lines skipped, the console's queue was full ({so_far} so far)"
            self._skipped_told = total
            self._say(Line(at_ns=now_ns, tag="LOG", text=text, level=logging.WARNING))
        unshown = self._terminal.dropped - self._unshown_told
        if unshown and self._terminal.has_room and now_ns >= self._unshown_next_ns:
            self._unshown_told += unshown
            self._unshown_next_ns = now_ns + UNSHOWN_EVERY_NS
            text = f"{unshown} lines were not shown here, nobody took them in time; the log files have them"
            self._say(Line(at_ns=now_ns, tag="LOG", text=text, level=logging.WARNING, is_fresh=True))

    def _status_text(self) -> str:
        if self._status is None:
            return "starting"
        try:
            return one_row(self._redactor.clean(self._status()))
        except Exception as error:  # a picture half made must not end the console
            return f"no status: {type(error).__name__}: {error}"


def _record_words(record: logging.LogRecord) -> tuple[str, str]:
    """The message of a stdlib record, and its traceback for the files."""
    text, trace = f"{record.name}: {record.getMessage()}", ""
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        text += f" · {type(error).__name__}: {error} · traceback in the log file"
        trace = "".join(traceback.format_exception(error))[-TRACE_MAX:]
    return text, trace


class LogHandler(logging.Handler):
    """Brings records of the stdlib's logging (ours under `greenlight`, warnings of libraries) to the console's queue, and what ends a thread."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._before, self._hook_before = logging.NOTSET, threading.excepthook

    def install(self) -> None:
        logging.getLogger().addHandler(self)
        ours = logging.getLogger("greenlight")
        self._before = ours.level
        ours.setLevel(logging.INFO)
        self._hook_before, threading.excepthook = threading.excepthook, self._thread_ended

    def uninstall(self) -> None:
        root = logging.getLogger()
        if self in root.handlers:
            root.removeHandler(self)
            threading.excepthook = self._hook_before
            logging.getLogger("greenlight").setLevel(self._before)

    def _thread_ended(self, told: threading.ExceptHookArgs) -> None:
        """Python would print the stack with its unmasked text over the pinned line. Of the console's own thread nobody else could tell."""
        name = told.thread.name if told.thread is not None else "?"
        if name == self._console.name or told.exc_value is None or isinstance(told.exc_value, SystemExit):
            self._hook_before(told)
            return
        logging.getLogger("greenlight.threads").error("thread %s has ended by a fault of its own", name, exc_info=told.exc_value)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record as it is; its text is made on the console's thread."""
        self._console._put(Entry(int(record.created * 1e9), "LOG", "", "", record.levelno, record))
