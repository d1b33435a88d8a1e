"""state/settings.py: which versions of the settings were in force, written by the recorder, read by the report."""

import time
from pathlib import Path

from core.events import Boot
from core.notices import ConfigTaken
from runtime.worker import Worker
from state import settings
from state.intents import Intents
from state.keeper import Keeper
from state.keyvalue import KEYS_MAX
from state.recorder import Recorder
from state.report import build
from state.report_words import lines
from state.settings import KEPT, InForce, added, of_run
from state.store import Store
from tests.state.store_builders import AT_NS, BOOT, RUN, TAG
from tests.timing import SOON_S


def test_versions_of_a_run_are_in_its_report(tmp_path: Path) -> None:
    """Each version that came into force, with its time, in the report's JSON and words; another run's are not."""
    intents = Intents(tmp_path / "intents.log")
    intents.start()
    intents.boot(Boot(boot=BOOT, tag=TAG, venue="paper", instance="7", rules=(), limits=()), AT_NS)
    keeper = Keeper(Store(tmp_path / "store.db"), intents.path, lambda reason: None)
    recorder = Recorder(intents, keeper)
    keeper.open(RUN)
    keeper.keys.set(settings.KEY, added(None, InForce("earlier", "v0", 1)), 1)
    writer = Worker("recorder", recorder.run)
    writer.start()
    recorder.take([], [ConfigTaken(version="v1")], AT_NS)
    recorder.take([], [ConfigTaken(version="v2")], AT_NS + 5_000_000_000)
    writer.stop(time.monotonic() + SOON_S)
    intents.stop(0)
    found = build(tmp_path / "store.db", tmp_path / "intents.log", None)
    assert [(one["version"], one["since_ns"]) for one in found["config_versions"]] == [("v1", AT_NS), ("v2", AT_NS + 5_000_000_000)]  # type: ignore[attr-defined]
    (said,) = [line for line in lines(found) if line.startswith("settings")]
    assert said.startswith("settings v1 since ") and " · v2 since " in said
    assert [one.version for one in of_run(tmp_path / "store.db", keeper._run.venue_instance, "earlier")] == ["v0"]  # type: ignore[union-attr]


def test_the_versions_kept_are_bounded() -> None:
    """The oldest go; a value that is none of ours is begun anew."""
    text = "not json"
    for number in range(KEPT + 50):
        text = added(text, InForce("b", f"v{number}", number))
    assert text.count('"version"') == KEPT and f"v{KEPT + 49}" in text and '"v49"' not in text


def test_a_store_that_is_not_there_tells_none(tmp_path: Path) -> None:
    """No file, or one that is no database: no versions, no fault."""
    assert of_run(tmp_path / "store.db", "paper/7", BOOT) == []
    (tmp_path / "store.db").write_text("no database at all, but long enough to be looked into " * 50)
    assert of_run(tmp_path / "store.db", "paper/7", BOOT) == []


def test_a_version_that_finds_no_room_is_counted(tmp_path: Path) -> None:
    """A full table of keys costs the entry, not the recorder; the end of the run tells of it."""
    keeper = Keeper(Store(tmp_path / "store.db"), tmp_path / "intents.log", lambda reason: None)
    keeper.open(RUN)
    for number in range(KEYS_MAX):
        keeper.keys.set(f"key {number}", "", 1)
    keeper.take(AT_NS, ConfigTaken(version="v1"))
    assert (keeper.left_out, keeper.keys.get(settings.KEY)) == (1, None)
