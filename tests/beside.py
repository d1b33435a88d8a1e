"""The second pytest of a large run: it does the tests marked `side_by_side` while the first one does all others, and tells how each ended.

Who uses it: tests/conftest.py, in both. The second one is started by the first with the chosen tests by name, works at a lower priority, and writes
a line of JSON as each test ends; the first reads it at that test's own place.
Never: a test of its own choice, a process that outlives the run.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

TOLD_IN = "GREENLIGHT_BESIDE"  # the file; set and empty: nothing is run beside
MARKED_MIN, OTHERS_MIN = 20, 200
NICER = 5
POLL_S = 0.05
ENDS_S = 60.0


def is_worth_it(config: pytest.Config, marked: int, others: int) -> bool:
    return TOLD_IN not in os.environ and not config.option.collectonly and marked >= MARKED_MIN and others >= OTHERS_MIN


class Teller:
    """In the second pytest: how each test ended, and why."""

    def __init__(self, told: str) -> None:
        self._told = Path(told)
        os.nice(NICER)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            with self._told.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"test": report.nodeid, "outcome": report.outcome, "why": report.longreprtext}) + "\n")


class Beside:
    """In the first pytest."""

    def __init__(self, config: pytest.Config, tests: list[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="greenlight-beside-")
        self._told, self._said = Path(self._folder.name) / "told.jsonl", Path(self._folder.name) / "said.txt"
        self._told.touch()
        self._tests, self._read_to = tests, 0
        self._ended: dict[str, tuple[str, str]] = {}
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(config.rootpath), *tests],
                cwd=config.rootpath, env={**os.environ, TOLD_IN: str(self._told)}, stdout=said, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def result(self, test: str) -> None:
        """Wait for it; raises what pytest raises where it failed or was skipped."""
        while not self._has(test):
            if self._process.poll() is not None and not self._has(test):
                pytest.fail(f"the pytest beside ended with {self._process.returncode}\n{self._words()}", pytrace=False)
            time.sleep(POLL_S)
        outcome, why = self._ended[test]
        if outcome == "skipped":
            pytest.skip(why)
        if outcome != "passed":
            pytest.fail(why, pytrace=False)

    def _has(self, test: str) -> bool:
        with self._told.open("rb") as file:
            file.seek(self._read_to)
            whole = file.read().rpartition(b"\n")[0]
        for line in whole.splitlines():
            told = json.loads(line)
            if told["test"] not in self._ended or told["outcome"] != "passed":
                self._ended[told["test"]] = told["outcome"], told["why"]
        self._read_to += len(whole) + 1 if whole else 0
        return test in self._ended

    def _words(self) -> str:
        return self._said.read_text(encoding="utf-8", errors="replace")[-5000:]

    def end(self) -> None:
        """By itself where every result is there; else as by Ctrl-C, so that the tests under way end their own processes."""
        if not all(self._has(test) for test in self._tests):
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._folder.cleanup()
