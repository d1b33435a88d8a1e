"""Recorder files as lines: `<local receive time> <one raw message>`, gzip, read lazily, one symbol at a time.

Who calls it: recorded_rules.py and recording.py. Reads files; never keeps more than a line. Every fault is a RecordingError that names file and line
and what to do. Source of the format: the data folder's README (collector lines; local time in ns, us or ms, told apart by its digits).
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PEEK_LINES_MAX = 500
BACK_US_MAX = 1_000_000  # a clock that was set: so much is one moment, more is another recording
_STREAM = re.compile(rb'"stream"\s*:\s*"([a-z0-9]+)@')
_NS_PER_DIGIT_COUNT = {19: (1, 1000), 16: (1, 1), 13: (1000, 1)}  # digits: (times, divided by) to microseconds
SKIPPED = b"@bookTicker"  # the touch of the recording is never used: 44 % of trades print outside it


class RecordingError(Exception):
    """`file:line: what is wrong, and the mend`."""


@dataclass(frozen=True, slots=True)
class Line:
    path: Path
    number: int
    time_us: int
    message: bytes

    def error(self, text: str) -> RecordingError:
        return RecordingError(f"{self.path.name}:{self.number}: {text}")


def read_lines(path: Path) -> Iterator[Line]:
    """Every line that can matter; a local time that steps back a little stands still instead. Raises RecordingError."""
    newest_us = 0
    for number, raw in _numbered(path):
        if SKIPPED not in raw[:80]:
            line = _line_of(path, number, raw, newest_us)
            newest_us = line.time_us
            yield line


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            for number, raw in enumerate(file, 1):
                yield number, raw
    except FileNotFoundError:
        raise RecordingError(f"{path}: there is no such file; check the path given to --market") from None
    except gzip.BadGzipFile:
        raise RecordingError(f"{path.name}:{number + 1}: not a gzip file; compress the recording with gzip") from None
    except (EOFError, zlib.error):
        raise RecordingError(f"{path.name}:{number + 1}: the gzip data ends or breaks here; copy the file again") from None
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}; check the path given to --market") from None


def _line_of(path: Path, number: int, raw: bytes, newest_us: int) -> Line:
    time_text, _, message = raw.partition(b" ")
    scale = _NS_PER_DIGIT_COUNT.get(len(time_text))
    if scale is None or not time_text.isdigit() or not message:
        text = "not a collector line '<local time in ns, us or ms> <message>'; give files in the recorder's form"
        raise RecordingError(f"{path.name}:{number}: {text}")
    time_us = int(time_text) * scale[0] // scale[1]
    if time_us < newest_us - BACK_US_MAX:
        raise RecordingError(f"{path.name}:{number}: the local time runs back by {(newest_us - time_us) / 1e6:.1f} s; cut the recording here")
    return Line(path, number, max(newest_us, time_us), message)


@dataclass(frozen=True, slots=True)
class SymbolFiles:
    """The files of one symbol, oldest first; read as one."""

    symbol: str
    paths: tuple[Path, ...]

    def lines(self) -> Iterator[Line]:
        newest_us = 0
        for path in self.paths:
            for line in read_lines(path):
                if line.time_us < newest_us:
                    raise line.error("this file begins before the one before it ends; give files that follow each other")
                yield line
            newest_us = line.time_us


def group_files(files: Iterable[Path | str]) -> list[SymbolFiles]:
    """Which file belongs to which symbol, in order of time. Raises RecordingError."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in map(Path, files):
        symbol, time_us = _peek(path)
        found.setdefault(symbol, []).append((time_us, path))
    if not found:
        raise RecordingError("--market:0: no recording is named; give at least one file")
    return [SymbolFiles(symbol, tuple(path for _, path in sorted(parts))) for symbol, parts in found.items()]


def _peek(path: Path) -> tuple[str, int]:
    """(symbol, time of the first line) from the first stream name in the file."""
    first_us: int | None = None
    count = 0
    for line in read_lines(path):
        first_us = line.time_us if first_us is None else first_us
        match = _STREAM.search(line.message[:80])
        if match is not None:
            return match.group(1).decode().upper(), first_us
        count += 1
        if count >= PEEK_LINES_MAX:
            break
    raise RecordingError(f"{path.name}:{count}: no stream name such as btcusdt@trade up to here; give a recording of combined streams")
