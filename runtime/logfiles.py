"""The two files of a run, greenlight.log and events.jsonl, rotated by the stdlib under a hard cap.

Who calls it: runtime.console, on its own thread. A full disk is reported once and never raised. Never: a write by a hot thread.
"""

import contextlib
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

TEXT_NAME, EVENTS_NAME = "greenlight.log", "events.jsonl"
MB = 1_000_000


def in_words(error: BaseException | None, path: str = "") -> str:
    """`/logs/greenlight.log: No space left on device`."""
    if not isinstance(error, OSError) or not error.strerror:
        return f"{type(error).__name__}: {error}"
    name = error.filename2 or error.filename or path
    return f"{name}: {error.strerror}" if name else error.strerror


class LogFiles:
    """`fault` is the newest reason why a line could not be written, empty while all is well."""

    def __init__(self, folder: Path, file_mb_max: int, files: int) -> None:
        self.folder = folder
        self.fault = ""
        self._size = file_mb_max * MB
        self._kept = max(1, files - 1)  # the stdlib never rotates with 0 kept files, so `files: 1` keeps one old file as well
        self._text: RotatingFileHandler | None = None
        self._events: RotatingFileHandler | None = None

    @property
    def cap_mb(self) -> int:
        """The most that both logs ever hold, in MB."""
        return 2 * (self._kept + 1) * self._size // MB

    def open(self) -> None:
        """Make the folder and open both files; where that fails `fault` says so and nothing is written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._text, self._events = self._file(TEXT_NAME), self._file(EVENTS_NAME)
        except OSError as error:
            self.fault = in_words(error)

    def write_text(self, text: str) -> None:
        self._emit(self._text, text)

    def write_event(self, text: str) -> None:
        self._emit(self._events, text)

    def close(self) -> None:
        for file in (self._text, self._events):
            if file is not None:
                try:
                    file.close()
                except OSError as error:  # what the last flush could not write
                    self.fault = in_words(error)
        self._text = self._events = None

    def _file(self, name: str) -> RotatingFileHandler:
        return _CountingFile(self, self.folder / name, self._size, self._kept)

    @staticmethod
    def _emit(file: RotatingFileHandler | None, text: str) -> None:
        if file is not None:
            file.emit(logging.LogRecord("greenlight", logging.INFO, "", 0, text, None, None))


class _CountingFile(RotatingFileHandler):
    """The stdlib's file, with its errors kept as a fact instead of printed by the logging module."""

    def __init__(self, owner: LogFiles, path: Path, size: int, kept: int) -> None:
        super().__init__(path, maxBytes=size, backupCount=kept, encoding="utf-8")
        self._owner = owner

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the stdlib's name
        """Keep the reason and let go of the stream: the next line opens the file anew, so that logging comes back when the disk does."""
        error = sys.exc_info()[1]
        self._owner.fault = in_words(error, self.baseFilename)
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()
