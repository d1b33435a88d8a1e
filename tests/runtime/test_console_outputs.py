"""Where the console writes: a terminal, a pipe nobody reads, a closed stdout, log files, a full disk."""

import itertools
import logging
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from runtime import terminal
from runtime.logfiles import LogFiles
from tests.runtime.bench import NS, Bench, wait_for
from tests.timing import SOON_S, quickest_s

HOUSE = Path(__file__).resolve().parents[2]


def test_a_stdout_nobody_reads_blocks_nobody(tmp_path: Path) -> None:
    """With a blocked stdout callers return at once, the files go on, and stop gives up within its deadline."""
    assert quickest_s(lambda: blocked_stop_s(tmp_path), 3.0) < 3.0


def blocked_stop_s(tmp_path: Path) -> float:
    """How long the stop took."""
    reader, writer = os.pipe()
    bench = Bench(tmp_path, stream=open(writer, "w", encoding="utf-8"))  # noqa: SIM115 - closed below, by descriptor
    bench.console.start()
    waits_s = []
    for number in range(3_000):
        begun_s = time.perf_counter()
        bench.console.line("FILL", "BTCUSDT", f"fill {number} " + "x" * 100)
        waits_s.append(time.perf_counter() - begun_s)
    bench.console.line("EXIT", "", "the last line")
    took_s = bench.stop()
    assert not bench.console.is_running and bench.console.is_blocked
    assert sorted(waits_s)[-100] < 0.01, "nobody reads, and nearly every call would have waited"
    assert "fill 2999 " in bench.text_log and "the last line" in bench.text_log
    os.close(reader)  # the blocked thread gets its EPIPE
    assert wait_for(lambda: not bench.console.is_blocked)
    bench.stream.close()
    return took_s


def test_what_a_slow_reader_missed_is_told_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that a full terminal queue lost are counted, and said once somebody reads again; the log file has them."""
    monkeypatch.setattr(terminal, "WAITING_MAX", 20)
    reader, writer = os.pipe()
    bench = Bench(tmp_path, stream=open(writer, "w", encoding="utf-8"))  # noqa: SIM115 - closed below
    bench.console.start()
    bench.console._beat_at_ns = 2**63  # no status between the lines
    for number in range(2_000):
        bench.console.line("PLACE", "BTCUSDT", f"place {number} " + "x" * 200)
    assert wait_for(lambda: not bench.console._waiting and bench.console._terminal.dropped > 0, 30)
    shown: list[bytes] = []
    reading = threading.Thread(target=lambda: shown.extend(iter(lambda: os.read(reader, 65_536), b"")))
    reading.start()

    def told() -> int:
        bench.clock.now_ns += 11 * NS  # it is said once in 10 s, each time what came since
        said = re.findall(r"LOG +(\d+) lines were not shown here, nobody took them in time; the log files have them", b"".join(shown).decode())
        return sum(int(lost) for lost in said)

    assert wait_for(lambda: told() == bench.console._terminal.dropped, 30)
    bench.stop()
    bench.stream.close()
    reading.join(30)
    os.close(reader)
    assert bench.console._terminal.dropped == 2_000 - b"".join(shown).decode().count(" PLACE ")
    assert bench.text_log.count(" PLACE ") == 2_000


@pytest.mark.parametrize("how", ["blocked", "closed", "gone"])
def test_the_process_ends_whatever_stdout_is(tmp_path: Path, how: str) -> None:
    """The interpreter exits quickly and with its own code when stdout is blocked, closed, or its reader went away."""
    script = (
        "import sys, time; from pathlib import Path; from runtime.config import Config; from runtime.console import Console\n"
        f"c = Console(Config(), root=Path({str(tmp_path)!r})); c.start()\n"
        "for n in range(2000): c.line('FILL', 'BTCUSDT', f'fill {n} ' + 'x' * 100)\n"
        "c.stop(time.monotonic() + 2); sys.exit(7)\n"
    )
    reader, writer = os.pipe()
    if how == "gone":
        os.close(reader)
    shell = f'exec {sys.executable} -c "$SCRIPT"' + (" >&-" if how == "closed" else "")
    environ = {**os.environ, "SCRIPT": script, "PYTHONPATH": str(HOUSE)}
    done = subprocess.run(["sh", "-c", shell], stdout=writer, stderr=subprocess.PIPE, env=environ, timeout=2 * SOON_S, text=True, check=False)
    os.close(writer)
    if how != "gone":
        os.close(reader)
    assert (done.returncode, done.stderr) == (7, "")
    assert "fill 1999 " in (tmp_path / "logs" / "greenlight.log").read_text(encoding="utf-8")


def test_without_a_terminal_there_is_a_beat_and_no_colour(tmp_path: Path) -> None:
    """Not a TTY: no terminal codes, and a BEAT line with the status every 30 s."""
    bench = Bench(tmp_path)
    bench.console.status(lambda: "green BTCUSDT")
    bench.console.start()
    for expected in (1, 2):
        bench.clock.now_ns += 30 * NS
        assert wait_for(lambda: sum(" BEAT " in line for line in bench.shown) == expected)  # noqa: B023 - used at once
    bench.stop()
    assert not any("\x1b" in line for line in bench.shown)
    assert "green BTCUSDT" in bench.shown[-1]


def on_a_terminal(root: Path, environ: dict[str, str], pinned: bool, **options: object) -> tuple[str, float]:
    """What a terminal of 80 columns receives from a short run, which shows the status where it is `pinned`; and how long that took."""
    ours, theirs = pty.openpty()
    bench = Bench(root, stream=open(theirs, "w", encoding="utf-8"), environ=environ, **options)  # noqa: SIM115
    drawn = itertools.count()
    bench.console.status(lambda: f"green BTCUSDT {next(drawn)} " + "." * 300)
    begun_s = time.monotonic()
    bench.console.start()
    bench.console.line("FILL", "BTCUSDT", "BUY 0.1 @ 5")
    received = b""
    while time.monotonic() < begun_s + 0.7 or (pinned and b"green" not in received and time.monotonic() < begun_s + SOON_S):
        if select.select([ours], [], [], 0.05)[0]:
            received += os.read(ours, 65_536)
    bench.stop()
    took_s = time.monotonic() - begun_s
    while select.select([ours], [], [], 0.05)[0]:
        received += os.read(ours, 65_536)
    bench.stream.close()
    os.close(ours)
    return received.decode(), took_s


def test_a_terminal_has_a_pinned_line_that_is_cleared(tmp_path: Path) -> None:
    """On a TTY the status is pinned below the lines, fits one row, is drawn at most 4 times a second, and is gone at the end."""
    received, took_s = on_a_terminal(tmp_path, {}, pinned=True)
    assert "\x1b[1;32mFILL" in received
    assert 1 <= received.count("green BTCUSDT") <= 2 + 4 * took_s
    status = received[received.index("green BTCUSDT") :]
    assert len(re.split(r"[\r\n\x1b]", status)[0]) == 79
    assert received.endswith("\r\x1b[2K")


@pytest.mark.parametrize(("environ", "colour", "pinned"), [({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)])
def test_the_terminal_s_wishes_are_respected(tmp_path: Path, environ: dict[str, str], colour: bool, pinned: bool) -> None:
    """NO_COLOR keeps the pinned line and drops the colour; TERM=dumb drops both."""
    received, _ = on_a_terminal(tmp_path, environ, pinned)
    assert ("\x1b[1;32m" in received) is colour
    assert ("green BTCUSDT" in received) is pinned


def test_force_color_and_plain(tmp_path: Path) -> None:
    """FORCE_COLOR colours a pipe too, but not as 0; --ui plain has no terminal codes even on a TTY."""
    plain = Bench(tmp_path, environ={"FORCE_COLOR": "0"})
    plain.console.start()
    plain.console.line("FILL", "BTCUSDT", "x")
    plain.stop()
    assert "\x1b" not in plain.shown[-1]
    bench = Bench(tmp_path, environ={"FORCE_COLOR": "1"})
    bench.console.start()
    bench.console.line("FILL", "BTCUSDT", "x")
    bench.stop()
    assert "\x1b[1;32mFILL" in bench.shown[-1]
    assert "\x1b" not in on_a_terminal(tmp_path, {"FORCE_COLOR": "1"}, pinned=False, ui="plain")[0]


def test_log_files_stay_under_their_cap(tmp_path: Path) -> None:
    """Both logs together never exceed the cap that is printed at the start."""
    files = LogFiles(tmp_path, file_mb_max=1, files=2)
    files.open()
    for number in range(3_000):
        files.write_text(f"{number} " + "·" * 400)
        files.write_event("x" * 900)
    files.close()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"greenlight.log", "greenlight.log.1", "events.jsonl", "events.jsonl.1"}
    assert sum(sizes.values()) <= files.cap_mb * 1_000_000 == 4_000_000


def test_the_first_line_says_how_much_disk_there_will_be_used(tmp_path: Path) -> None:
    """Logs and tape, each with its hard cap."""
    bench = Bench(tmp_path)
    bench.console.start()
    bench.stop()
    assert bench.shown[0].endswith(f"logs in {tmp_path / 'logs'}, at most 100 MB · tape in the state folder, at most 512 MB")


def test_a_log_folder_that_cannot_be_made_is_said_and_trading_goes_on(tmp_path: Path) -> None:
    """Without log files the console still speaks, and says what is wrong once."""
    (tmp_path / "logs").write_text("in the way")
    bench = Bench(tmp_path)
    bench.console.start()
    bench.console.line("FILL", "BTCUSDT", "a fill")
    assert wait_for(lambda: any("cannot be written" in line for line in bench.shown))
    bench.stop()
    assert sum("cannot be written" in line for line in bench.shown) == 1
    assert any("a fill" in line for line in bench.shown)


def test_a_full_disk_is_said_once(tmp_path: Path) -> None:
    """A file that takes nothing more becomes one line on the terminal, not an exception."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "greenlight.log").symlink_to("/dev/full")
    bench = Bench(tmp_path)
    bench.console.start()
    bench.console.line("FILL", "BTCUSDT", "a fill")
    assert wait_for(lambda: any("No space left" in line for line in bench.shown))
    bench.stop()
    assert sum("No space left" in line for line in bench.shown) == 1
    assert any("a fill" in line for line in bench.shown)


def test_start_and_stop_leave_nothing_behind(tmp_path: Path) -> None:
    """Threads, descriptors and handlers are the same after 20 consoles as before the first."""
    root, ours = logging.getLogger(), logging.getLogger("greenlight")
    before = (list(root.handlers), ours.level, threading.active_count(), len(os.listdir("/proc/self/fd")))
    for _ in range(20):
        bench = Bench(tmp_path)
        bench.console.start()
        bench.console.line("EXIT", "", "over")
        bench.stop()
        assert bench.shown[-1].endswith("over")
    assert (list(root.handlers), ours.level) == before[:2]
    assert threading.active_count() <= before[2] and len(os.listdir("/proc/self/fd")) <= before[3]  # fewer: of an earlier test
