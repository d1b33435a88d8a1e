"""One bot per state folder, and the file that says what runs there.

Who calls it: bot.py through the lifecycle, on the main thread. The kernel drops the lock when the process dies, however it dies; the lock file stays.
Never: a lock judged by a pid in a file, a wait for the holder.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

LOCK_NAME, RUN_NAME = "lock", "run.json"


class LockHeld(Exception):
    """Another process works on this state folder; the text names it."""


class InstanceLock:
    """Resource: flock on `state/lock` (0600), which holds the pid for people to read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def start(self) -> None:
        """Take the lock or raise LockHeld at once. The state folder is made where it is missing. Raises OSError for one that cannot be used."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / LOCK_NAME
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            who = f"pid {holder}" if holder.isdigit() else "another process"
            raise LockHeld(f"another bot ({who}) works on {self._folder}; stop it first, or give this one its own folder (state.dir)") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def stop(self, deadline: float) -> None:
        """Give the lock back; at once."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    @property
    def is_running(self) -> bool:
        return self._descriptor is not None


def holder(folder: Path) -> str:
    """The pid of the process that holds the lock; empty where nobody does. From the kernel's list: trying the lock could refuse a starting bot."""
    try:
        about = (folder / LOCK_NAME).stat()
        rows = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return ""
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    return next((row[4] for row in map(str.split, rows) if row[1:2] == ["FLOCK"] and row[5:6] == [place]), "")


class RunFile:
    """Resource: `state/run.json` (0600) with what the caller knows of this run (pid added), removed at stop. Start it under the lock."""

    def __init__(self, folder: Path, facts: Mapping[str, object]) -> None:
        self._path = folder / RUN_NAME
        self._facts = {"pid": os.getpid(), **facts}
        self._written = False

    def start(self) -> None:
        """Replace the file in one step, so that a reader never sees half of it."""
        draft = self._path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._facts, file, indent=1, default=str)
        os.replace(draft, self._path)
        self._written = True

    def stop(self, deadline: float) -> None:
        if self._written:
            self._written = False
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()

    @property
    def is_running(self) -> bool:
        return self._written


def read_run(folder: Path) -> dict[str, object] | None:
    """What run.json says, None where there is none or it cannot be read. It may outlive a killed bot: believe the control socket, not the file."""
    try:
        facts = json.loads((folder / RUN_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None
