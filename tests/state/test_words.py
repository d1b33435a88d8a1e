"""state.words: a tape that came from anybody, in words."""

import zlib
from pathlib import Path

import pytest

from state.tape_file import HEAD, Gap, framed
from state.words import print_tape

ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m a\nsecond row"


def test_what_others_wrote_moves_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Terminal codes and line breaks in a record are shown as characters that do nothing: one row per record."""
    path = tmp_path / "a.tape"
    path.write_bytes(framed(Gap(why=ESCAPES)))
    assert print_tape(path) == 0
    told = capsys.readouterr().out
    assert told.endswith("\n") and told.strip().isprintable() and "owned" in told and "second row" in told


def test_brackets_without_end_are_no_tape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record that holds, in a field nobody knows, lists in lists beyond all depth is refused in one line."""
    payload = b"\x82\xa1x" + b"\x91" * 100_000 + b"\xc0" + b"\xa6record\xa3gap"
    path = tmp_path / "a.tape"
    path.write_bytes(HEAD.pack(len(payload), zlib.crc32(payload)) + payload)
    assert print_tape(path) == 2
    assert "a record of another version" in capsys.readouterr().err
