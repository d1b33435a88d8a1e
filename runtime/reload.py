"""Hot reload: config.yaml is looked at once a second, by its path; once it is still it is judged, and what may change goes to the trading thread.

Who starts it: run.py, once all parts run; reading, parsing and judging are done on its own thread, "config". Editors replace a file or write it in
pieces: it is read when two looks in a row have seen the same, and what changed under the reading is read again.
Never: the trading thread or a thread that reads a socket; a part of a file with a fault; one saving told of twice.
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from runtime.config import ConfigErrors, Loaded, load, stamp_of, version_of
from runtime.config_changes import judge
from runtime.config_model import Config
from runtime.worker import Worker

EVERY_S = 1.0
log = logging.getLogger("greenlight.reload")


@dataclass(frozen=True)
class Shown:
    """For `status`. `waiting` are `key old -> new` until a restart, `faults` why the file as it is now was not taken."""

    version: str
    waiting: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class Reload(Worker):
    """Resource. `loaded` is what is in force, `shown` what a person may see of it: both are replaced, never changed."""

    def __init__(
        self,
        loaded: Loaded,
        overrides: Sequence[str],
        take: Callable[[Config, str, tuple[str, ...]], None],
        say: Callable[[str], None],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """`take` is told new settings, their version, and `key old -> new` of each; `say` a line for the person."""
        super().__init__("config", self._run)
        self.loaded, self.shown = loaded, Shown(loaded.version)
        self._overrides, self._environ = overrides, environ
        self._take, self._say = take, say
        self._judged = self._seen = loaded.stamp

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(EVERY_S):
            try:
                self.look()
            except Exception:  # a fault of ours must not end the looking, nor touch the settings in force
                log.exception("config.yaml could not be looked at")

    def look(self) -> None:
        """One look; on the thread, or by a test's hand."""
        file = self.loaded.file
        if file is None:
            return
        stamp, before = stamp_of(file), self._seen
        self._seen = stamp
        if stamp == self._judged or stamp != before:
            return
        faults: Sequence[str] = ()
        found: Loaded | None = None
        try:
            if stamp is not None and stamp.size == 0:
                raise ConfigErrors([f"{file.name}: is empty; a start would take every default"])
            found = load(file, self._overrides, self._environ)
        except ConfigErrors as errors:
            faults = errors.lines
        if stamp_of(file) != stamp:
            return  # it changed while it was read
        self._judged = stamp
        if found is None:
            self._refuse(faults, self.shown.waiting)
        else:
            self._compare(found)

    def _compare(self, found: Loaded) -> None:
        verdict = judge(self.loaded.config, found.config)
        waiting = tuple(one.words for one in verdict.waiting)
        if verdict.faults:
            self._refuse(verdict.faults, self.shown.waiting)
            return
        for words in waiting:
            if words not in self.shown.waiting:
                self._say(f"{words} · waits for a restart")
        if self.shown.waiting and not waiting:
            self._say("nothing waits for a restart any more")
        was_refused = bool(self.shown.faults)
        if verdict.live:
            version = version_of(verdict.config)
            self.loaded = replace(self.loaded, config=verdict.config, origins=found.origins, version=version)
            self._take(verdict.config, version, tuple(one.words for one in verdict.live))
        elif was_refused and not waiting:
            self._say(f"{self._name} says what is in force: settings {self.loaded.version}")
        self.shown = Shown(self.loaded.version, waiting)

    def _refuse(self, faults: Sequence[str], waiting: tuple[str, ...]) -> None:
        self._say(f"nothing of {self._name} is taken, settings {self.loaded.version} stay in force:")
        for line in faults:
            self._say(line)
        self.shown = Shown(self.loaded.version, waiting, tuple(faults))

    @property
    def _name(self) -> str:
        return self.loaded.file.name if self.loaded.file is not None else "the config"
