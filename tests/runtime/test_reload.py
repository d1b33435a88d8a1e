"""runtime/reload.py: a file is read once it is still, its faults are told once, and what is in force stays where nothing may be taken."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.config import Config, load
from runtime.reload import Reload


class Desk:
    """A watcher whose looks are the test's, one second each."""

    def __init__(self, folder: Path, text: str = "", overrides: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> None:
        self.file = folder / "config.yaml"
        self.file.write_text(text, encoding="utf-8")
        self.said: list[str] = []
        self.taken: list[tuple[Config, str, tuple[str, ...]]] = []
        loaded = load(self.file, overrides, environ or {})
        self.reload = Reload(loaded, overrides, lambda *given: self.taken.append(given), self.said.append, environ or {})

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    def replace(self, text: str) -> None:
        """As editors do: another file takes the name."""
        new = self.file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        os.replace(new, self.file)

    def looks(self, count: int = 4) -> list[str]:
        """What was said in these seconds."""
        mark = len(self.said)
        for _ in range(count):
            self.reload.look()
        return self.said[mark:]


def test_a_file_that_stays_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing changes there is one question to the file system per look."""
    desk = Desk(tmp_path)
    monkeypatch.setattr("runtime.reload.load", lambda *given: pytest.fail("it was read"))
    assert desk.looks(10) == [] and desk.taken == []


@pytest.mark.parametrize("way", ["write", "replace"])
def test_a_change_is_taken_once(tmp_path: Path, way: str) -> None:
    """Written in place or replaced by another file: the new settings, their version and `key old -> new` are handed over, once."""
    desk = Desk(tmp_path)
    getattr(desk, way)("quoting: {cooldown_ms: 5}")
    assert desk.looks() == []
    ((config, version, changes),) = desk.taken
    assert config.quoting.cooldown_ms == 5 and changes == ("quoting.cooldown_ms 300 -> 5",)
    assert version == desk.reload.shown.version == load(desk.file, (), {}).version
    getattr(desk, way)("quoting: {cooldown_ms: 5}\n# a comment")
    assert desk.looks() == [] and len(desk.taken) == 1


def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    """An editor that writes in pieces: no piece is read, not even one that would be valid by itself."""
    desk = Desk(tmp_path, "quoting: {cooldown_ms: 5}\nrisk: {open_orders_max: 9}\n")
    whole = "quoting: {cooldown_ms: 6}\nrisk: {open_orders_max: 9}\n"
    for text in (whole[:26], whole[:38], whole):
        desk.write(text)
        assert desk.looks(1) == [] and desk.taken == []
    desk.looks(2)
    assert [changes for _, _, changes in desk.taken] == [("quoting.cooldown_ms 5 -> 6",)]


def test_what_changed_under_the_reading_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the end of the reading the file became another: what was read is thrown away."""
    desk = Desk(tmp_path)
    real = load
    disturbed: list[bool] = []

    def racing(*given: object) -> object:
        found = real(*given)  # type: ignore[arg-type]
        if not disturbed:
            disturbed.append(True)
            desk.write("quoting: {cooldown_ms: 77}")
        return found

    monkeypatch.setattr("runtime.reload.load", racing)
    desk.write("quoting: {cooldown_ms: 5}")
    desk.looks(2)
    assert disturbed and desk.taken == []
    desk.looks(2)
    assert [config.quoting.cooldown_ms for config, _, _ in desk.taken] == [77]


def test_all_faults_are_told_once_and_nothing_is_taken(tmp_path: Path) -> None:
    """A broken file: every fault with line and column, the settings in force stay, also those that were right in it; then it is mended."""
    desk = Desk(tmp_path)
    desk.write("quoting:\n  cooldown_ms: 5\n  skew_bpsmax: 1\nrisk:\n  open_orders_max: many\n")
    said = desk.looks(5)
    assert re.fullmatch(r"nothing of config.yaml is taken, settings [0-9a-f]{8} stay in force:", said[0])
    faults = [line for line in said[1:] if not line.startswith("     ")]
    assert faults == [
        "config.yaml:3:3: quoting.skew_bpsmax is not a known setting; did you mean 'skew_bps_max'?",
        "config.yaml:5:20: risk.open_orders_max must be a number in plain digits (got 'many')",
    ]
    assert desk.taken == [] and desk.reload.shown.faults == tuple(said[1:])
    desk.write("quoting:\n  cooldown_ms: 5\n")
    assert desk.looks() == [] and desk.reload.shown.faults == ()
    assert [changes for _, _, changes in desk.taken] == [("quoting.cooldown_ms 300 -> 5",)]


def test_a_mended_file_that_changes_nothing_is_told(tmp_path: Path) -> None:
    """After a refusal the person hears that the file is whole again."""
    desk = Desk(tmp_path)
    desk.write("qouting: {}")
    desk.looks()
    desk.write("# nothing\n")
    (said,) = desk.looks()
    assert said.startswith("config.yaml says what is in force") and desk.taken == []


@pytest.mark.parametrize("text", [None, ""])
def test_a_file_that_is_gone_or_emptied_changes_nothing(tmp_path: Path, text: str | None) -> None:
    """A full disk or a slip of the hand leaves an empty file, or none: that is no wish for every default."""
    desk = Desk(tmp_path, "quoting: {cooldown_ms: 5}")
    if text is None:
        desk.file.unlink()
    else:
        desk.write(text)
    said = desk.looks(6)
    assert len(said) == 2 and desk.taken == []
    assert ("config.yaml: is empty" if text == "" else "config.yaml: cannot be read: No such file") in said[1]
    desk.write("quoting: {cooldown_ms: 6}")
    desk.looks()
    assert len(desk.taken) == 1


def test_what_waits_is_told_once_and_listed(tmp_path: Path) -> None:
    """A setting that needs a restart is told with its old and new value, stays listed through later changes, and is not when it is taken back."""
    desk = Desk(tmp_path)
    desk.write("lanes: {cancel_workers: 2}")
    assert desk.looks() == ["lanes.cancel_workers 4 -> 2 · waits for a restart"]
    desk.write("lanes: {cancel_workers: 2}\nquoting: {cooldown_ms: 5}")
    assert desk.looks() == []
    assert desk.reload.shown.waiting == ("lanes.cancel_workers 4 -> 2",)
    ((config, version, changes),) = desk.taken
    assert changes == ("quoting.cooldown_ms 300 -> 5",) and config.lanes.cancel_workers == 4
    assert version != load(desk.file, (), {}).version
    desk.write("quoting: {cooldown_ms: 5}")
    assert desk.looks() == ["nothing waits for a restart any more"]
    assert not desk.reload.shown.waiting


def test_set_and_environment_keep_winning(tmp_path: Path) -> None:
    """What was given outside the file stays, whatever the file says."""
    desk = Desk(tmp_path, "", ("quoting.cooldown_ms=9",), {"GREENLIGHT__PROOF__EVERY_S": "8"})
    desk.write("quoting: {cooldown_ms: 5, skew_bps_max: 1}\nproof: {every_s: 4}")
    desk.looks()
    ((config, _, changes),) = desk.taken
    assert (config.quoting.cooldown_ms, config.proof.every_s) == (9, 8)
    assert changes == ("quoting.skew_bps_max 2 -> 1",)


def test_growth_is_measured_from_what_is_in_force(tmp_path: Path) -> None:
    """Six times is refused with a reason; five times is taken, and the next five times count from there."""
    desk = Desk(tmp_path, "inventory: {cap: 1}")
    desk.write("inventory: {cap: 6}\nquoting: {cooldown_ms: 5}")
    said = desk.looks()
    assert said[1:] == ["BTCUSDT inventory.cap 1 -> 6 is beyond reload.growth_max 5: a restart takes it"] and desk.taken == []
    desk.write("inventory: {cap: 5}")
    desk.looks()
    desk.write("inventory: {cap: 6}")
    desk.looks()
    assert [changes for _, _, changes in desk.taken] == [("inventory.cap 1 -> 5",), ("inventory.cap 5 -> 6",)]


def test_no_secret_is_told(tmp_path: Path) -> None:
    """A key that was pasted into the file is refused without its value."""
    desk = Desk(tmp_path)
    desk.write("exchange:\n  api_secret: SUPERSECRETVALUE42\n")
    said = desk.looks()
    assert len(said) == 2 and "SUPERSECRETVALUE42" not in "\n".join(said)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    """`--config <(...)`: what was read at the start is all there is; nobody waits for a pipe."""
    read, write = os.pipe()
    os.write(write, b"quoting: {cooldown_ms: 5}")
    os.close(write)
    loaded = load(Path(f"/proc/self/fd/{read}"), (), {})
    assert loaded.config.quoting.cooldown_ms == 5 and loaded.stamp is None
    told: list[str] = []
    watcher = Reload(loaded, (), lambda *given: pytest.fail("taken"), told.append)
    for _ in range(4):
        watcher.look()
    os.close(read)
    assert told == []


def test_settings_without_a_file_are_left_alone(tmp_path: Path) -> None:
    """Nobody looks for a file that the run did not come from."""
    desk = Desk(tmp_path)
    alone = Reload(replace(desk.reload.loaded, file=None), (), lambda *given: desk.taken.append(given), desk.said.append)
    alone.look()
    assert desk.said == [] and desk.taken == []
