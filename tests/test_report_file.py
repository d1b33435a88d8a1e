"""The report as a file: the newest few are kept, nothing else in the folder is touched, and no file is ever half there."""

import os
from pathlib import Path

import pytest

import report_file
from state.report import NoReport
from tests.dashboard.test_report import counted, report


def made(folder: Path, run: str, files_max: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report_file, "build", lambda store, intents, wanted: report(run_id=wanted, figures=counted()))
    monkeypatch.setattr(report_file, "lines", lambda found: [f"run {found['run_id']}"])
    return report_file.write(folder / "state", run, files_max)


def test_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes, by its time; the one just written stays; what is no report of ours stays too."""
    for number in range(4):
        os.utime(made(tmp_path, f"run{number}", 9, monkeypatch), (1000 + number, 1000 + number))
    (tmp_path / "reports" / "My notes.html").write_text("mine")
    (tmp_path / "reports" / "notes.html").write_text("<title>Greenlight · what I think of it")
    os.utime(tmp_path / "reports" / "notes.html", (1, 1))
    newest = made(tmp_path, "run9", 3, monkeypatch)
    assert sorted(os.listdir(tmp_path / "reports")) == ["My notes.html", "notes.html", "run2.html", "run3.html", "run9.html"]
    assert newest == tmp_path / "reports" / "run9.html" and newest.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_clock_that_went_back_does_not_cost_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one file and an older one from the future, the new one is kept."""
    os.utime(made(tmp_path, "run0", 9, monkeypatch), (4_000_000_000, 4_000_000_000))
    made(tmp_path, "run1", 1, monkeypatch)
    assert os.listdir(tmp_path / "reports") == ["run1.html"]


def test_there_is_nothing_to_report_on(tmp_path: Path) -> None:
    """No folder is made for a report that cannot be."""
    with pytest.raises(NoReport, match="no run is recorded"):
        report_file.write(tmp_path / "state", None, 5)
    assert not (tmp_path / "reports").exists()


def test_the_path_as_a_person_types_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short inside the folder one stands in, whole elsewhere."""
    monkeypatch.chdir(tmp_path)
    assert report_file.shown(tmp_path / "reports" / "a.html") == "reports/a.html"
    assert report_file.shown(tmp_path.parent / "a.html") == str(tmp_path.parent / "a.html")
