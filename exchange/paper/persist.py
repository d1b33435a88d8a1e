"""The account on disk: read at the start, written within 200 ms of a change and at every exit.

Event loop only, apart from the reading at the start. The file appears whole or not at all (written beside, then
renamed) and belongs to its owner alone (0600). A kill -9 of this very process loses at most the last interval; the
end of the bot (end-of-file on stdin) loses nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from exchange.paper.encode import encode

VERSION = 1
FILE_NAME = "account.json"
SAVE_EVERY_S = 0.2
SAVE_SHARE_MAX = 0.05  # of the loop's time; a large account is saved less often


class StateError(Exception):
    """The state cannot be read or written; the text is for the person at the console."""


def new_instance() -> int:
    """The number of a new account, as `uid` shows it."""
    return 100_000_000 + secrets.randbelow(900_000_000)


class StateFile:
    """One state folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"cannot use the state folder {folder}: {error.strerror}") from error

    def load(self) -> dict[str, object] | None:
        """What was saved, or None when there is nothing yet. Raises StateError when it cannot be understood."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"cannot read {self.path}: {error.strerror}") from error
        try:
            state = json.loads(text)
        except ValueError as error:
            raise StateError(f"{self.path} is not valid JSON ({error}); move it away or start with --fresh") from error
        if not isinstance(state, dict) or state.get("version") != VERSION:
            raise StateError(f"{self.path} is not a paper account of version {VERSION}; start with --fresh")
        return state

    def save(self, state: dict[str, object]) -> None:
        """Write atomically. Raises StateError."""
        beside = self.path.with_suffix(f".tmp{os.getpid()}")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(encode({"version": VERSION, **state}))
            os.replace(beside, self.path)
        except OSError as error:
            raise StateError(f"cannot write {self.path}: {error.strerror}") from error


class Saver:
    """Saves when something changed. `changes` is a counter that grows with every change."""

    def __init__(
        self, file: StateFile, dump: Callable[[], dict[str, object]], changes: Callable[[], int],
        complain: Callable[[str], None],
    ) -> None:
        self._file = file
        self._dump = dump
        self._changes = changes
        self._complain = complain
        self._saved = -1
        self.duration_ms_max = 0.0

    def save(self) -> None:
        """Save now if anything changed; a full disk is said, not fatal."""
        changes = self._changes()
        if changes == self._saved:
            return
        began = time.monotonic()
        try:
            self._file.save(self._dump())
        except StateError as error:
            self._complain(str(error))
            return
        self._saved = changes
        self.duration_ms_max = max(self.duration_ms_max, (time.monotonic() - began) * 1000)

    async def run(self) -> None:
        """Until canceled: look every 200 ms, less often when saving takes long."""
        pause_s = SAVE_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            began = time.monotonic()
            self.save()
            pause_s = max(SAVE_EVERY_S, (time.monotonic() - began) / SAVE_SHARE_MAX)
