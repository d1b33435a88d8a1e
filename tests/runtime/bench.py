"""A console on a stream in memory under a clock by hand, for the tests of the console."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from runtime.config import Config
from runtime.console import Console
from tests.timing import SOON_S

NS = 1_000_000_000
AT_NS = 1_795_000_000 * NS


class Clock:
    def __init__(self) -> None:
        self.now_ns = AT_NS

    def __call__(self) -> int:
        return self.now_ns


class Bench:
    """A console on a stream in memory (or a given one), under a clock by hand."""

    def __init__(self, root: Path, stream: TextIO | None = None, environ: dict[str, str] | None = None, **options: object) -> None:
        self.root, self.clock = root, Clock()
        self.stream = stream or io.StringIO()
        self.console = Console(
            Config(),
            root=root,
            stream=self.stream,
            environ=environ or {},
            clock_ns=self.clock,
            **options,  # type: ignore[arg-type]
        )

    def stop(self) -> float:
        """Seconds it took."""
        begun_s = time.monotonic()
        self.console.stop(time.monotonic() + SOON_S)
        return time.monotonic() - begun_s

    @property
    def shown(self) -> list[str]:
        assert isinstance(self.stream, io.StringIO)
        return self.stream.getvalue().splitlines()

    @property
    def text_log(self) -> str:
        return (self.root / "logs" / "greenlight.log").read_text(encoding="utf-8")

    @property
    def events_log(self) -> str:
        return (self.root / "logs" / "events.jsonl").read_text(encoding="utf-8")


def wait_for(true: Callable[[], bool], timeout_s: float = SOON_S) -> bool:
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if true():
            return True
        time.sleep(0.01)
    return False
