"""The verb `backtest`: config and recordings in, the summary of a run out, its books in a folder of their own.

Who calls it: bot.py, on the main thread, which alone runs here. stderr gets a line per phase (and one now and then while it runs), stdout the
summary, or one JSON object. A fault of the recording is one line with its place and mend; what was run until then is told all the same.
Never: the books, logs, lock or keys of a bot that trades.
"""

import json
import os
import resource
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import FrameType

from assembly import recipe_of
from core.notices import Counted, Notice
from core.snapshot import Snapshot, picture
from exchange.paper.model import SymbolRules
from exchange.paper.recorded_rules import given_rules
from exchange.paper.recording import RecordingError, rules_of_recording
from runtime.config import Config, Loaded, version_of
from runtime.instance_lock import InstanceLock, LockHeld
from runtime.logfiles import in_words
from runtime.summary import figures_of, run_json
from sim.backtest import Backtest, Latency, Plot
from sim.backtest_words import facts, lines, when
from sim.shelf import KEPT_MAX, Shelf, ShelfFull, forget_oldest
from state.store import StoreRefused

EXIT_OK, EXIT_USAGE, EXIT_RISK, EXIT_UNCLEAN, EXIT_INTERRUPTED = 0, 2, 4, 5, 130
SAY_EVERY_S = 10.0
NAME_MAX = 60
ONLY_SENT = 256  # over the WS API a worker only sends: no command waits for the answer of another
OPTIONS = {"--market": "FILE", "--exchange-info": "paper.exchange_info"}


class Unusable(Exception):
    """A backtest that cannot begin; the text says why and what to do."""


class Interrupt:
    """Ctrl-C ends it where it stands, a second one at once."""

    def __init__(self) -> None:
        self.name = ""

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.name:
            os._exit(EXIT_INTERRUPTED)
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


@dataclass
class Pace:
    """How fast it goes, told now and then."""

    say: Callable[[str], None]
    begun_s: float
    told_s: float

    def tell(self, test: Backtest) -> None:
        now_s = time.monotonic()
        if now_s - self.told_s >= SAY_EVERY_S:
            self.told_s = now_s
            self.say(f"at {when(test.scheduler.now_ns // 1000)} · {self.speed(test)} · {_done(test)}")

    def speed(self, test: Backtest) -> str:
        took_s, market_s = max(1e-6, time.monotonic() - self.begun_s), (test.scheduler.now_ms - test.begun_ms) / 1000
        return f"{market_s:.0f} s of market in {took_s:.1f} s ({market_s / took_s:.0f} x real time)"


def run(loaded: Loaded, arguments: Namespace, root: Path) -> int:
    """Returns the exit code: 0 whole and proven, 2 a fault in config, recording or disk, 4 risk stop, 5 no proof, 130 Ctrl-C."""
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _run(loaded, arguments, root, interrupt)
    except (Unusable, LockHeld, ShelfFull, StoreRefused) as error:
        print(f"backtest: {error}", file=sys.stderr)
    except RecordingError as error:
        print(f"backtest: {_in_words(error)}", file=sys.stderr)
    except OSError as error:
        print(f"backtest: {in_words(error)}", file=sys.stderr)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return EXIT_USAGE


def _run(loaded: Loaded, arguments: Namespace, root: Path, interrupt: Interrupt) -> int:
    def say(text: str) -> None:
        if not arguments.quiet:
            print(f"backtest: {text}", file=sys.stderr, flush=True)

    config, files = loaded.config, [Path(name) for name in arguments.files]
    say(f"reading {', '.join(path.name for path in files)}")
    plot, notes = plot_of(config, files)
    test = Backtest(plot)
    for note in notes:
        say(note)
    symbols = [rule.symbol for rule in plot.rules]
    name = f"{when(test.begun_ms * 1000)[:19]}-{'-'.join(symbols)[:NAME_MAX]}-{plot.config_version}".replace(":", "").replace(" ", "T")
    relative = Path(config.state.dir) / "backtest" / name
    folder = config.state_path(root) / "backtest" / name
    lock = InstanceLock(folder)
    lock.start()
    try:
        say(f"from {when(test.begun_ms * 1000)} UTC · {config.strategy} · {', '.join(symbols)} · settings {plot.config_version}")
        return _whole(test, folder, str(relative), arguments, interrupt, say)
    finally:
        lock.stop(0.0)


def _whole(test: Backtest, folder: Path, name: str, arguments: Namespace, interrupt: Interrupt, say: Callable[[str], None]) -> int:
    pace = Pace(say, time.monotonic(), time.monotonic())
    shelf: list[Shelf] = []

    def new_shelf(clock_ns: Callable[[], int]) -> Shelf:
        shelf.append(Shelf(folder, test.boot, clock_ns))
        return shelf[0]

    def look() -> bool:
        pace.tell(test)
        return bool(interrupt.name)

    test.begin(new_shelf)
    test.run(arguments.run_for, look)
    early = _in_words(test.broken) if test.broken else f"early, by {interrupt.name}" if interrupt.name else "" if test.is_over else "by --run-for"
    reason = early or "the recording is over"
    is_proven = test.stop(reason)
    snapshot = picture(test.engine)
    assert snapshot is not None, "booted"
    code = EXIT_USAGE if test.broken else EXIT_INTERRUPTED if interrupt.name else EXIT_OK if is_proven else EXIT_UNCLEAN
    code = EXIT_RISK if code == EXIT_OK and snapshot.halted.startswith("risk") else code
    shelf[0].finish(code, reason, last_facts(test))
    shelf[0].close()
    gone = forget_oldest(folder.parent)
    say(f"{pace.speed(test)} · {test.steps} steps · peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
    say(f"its books are in {name}: python bot.py report --set state.dir={name} (--html, --json)")
    if gone:
        say(f"the newest {KEPT_MAX} are kept; gone: {', '.join(gone)}")
    _tell(test, snapshot, code, early, name, arguments)
    if test.broken:
        print(f"backtest: {early}", file=sys.stderr)
    return code


def last_facts(test: Backtest) -> list[Notice]:
    """What a run puts down at its end, beside how it ended."""
    books = test.engine.books
    assert books is not None, "booted"
    return [books.holdings(), Counted(figures=figures_of(test.engine))]


def _tell(test: Backtest, snapshot: Snapshot, code: int, ended: str, name: str, arguments: Namespace) -> None:
    """The summary on stdout; with --json the object there, and the summary beside the phases."""
    measured = {"run_id": test.boot.boot, "seconds": (test.ended_ms - test.begun_ms) / 1000, "exit_code": code}
    whole = {**run_json(test.engine, snapshot, measured), "backtest": facts(test, ended, name)}
    summary = "\n".join(lines(whole, snapshot, test.plot.rules[0].quote))
    if arguments.json:
        print(summary, file=sys.stderr, flush=True)
    print(json.dumps(whole) if arguments.json else summary, flush=True)


def plot_of(config: Config, files: list[Path]) -> tuple[Plot, list[str]]:
    """What config and files make together, and what was assumed. Raises Unusable, RecordingError."""
    given = given_rules(Path(config.paper.exchange_info)) if config.paper.exchange_info else {}
    found, notes = rules_of_recording(files, given)
    recorded = {rule.symbol: rule for rule in found}
    for symbol in recorded:
        if symbol not in config.symbols:
            traded = ", ".join(config.symbols)
            raise Unusable(f"{symbol} is recorded and not traded (symbols: {traded}); leave its files out, or --set symbols=[{','.join(recorded)}]")
    left_out = [symbol for symbol in config.symbols if symbol not in recorded]
    notes.extend(f"{symbol} of symbols is in none of the files: left out" for symbol in left_out)
    rules = tuple(recorded[symbol] for symbol in config.symbols if symbol in recorded)
    there = config.model_copy(update={"symbols": tuple(rule.symbol for rule in rules), "venue": "paper"})
    lanes, sends = config.lanes, config.exchange.order_entry == "ws"
    plot = Plot(
        files=files,
        rules=rules,
        recipe=recipe_of(there),
        balances={**_nothing(rules), **config.paper.balances},
        maker_fee=config.paper.maker_fee,
        taker_fee=config.paper.taker_fee,
        latency=Latency(**config.backtest.model_dump()),
        workers=(ONLY_SENT, ONLY_SENT, lanes.query_workers) if sends else (lanes.cancel_workers, lanes.place_workers, lanes.query_workers),
        config_version=version_of(config),
    )
    return plot, notes


def _nothing(rules: tuple[SymbolRules, ...]) -> dict[str, Decimal]:
    return {asset: Decimal(0) for rule in rules for asset in (rule.base, rule.quote)}


def _done(test: Backtest) -> str:
    books = test.engine.books
    return f"{books.placed} orders · {books.fills_booked} fills" if books is not None else "not begun"


def _in_words(error: RecordingError) -> str:
    """What the recording's reader says of the paper exchange's options, said of ours."""
    text = str(error)
    for option, here in OPTIONS.items():
        text = text.replace(option, here)
    return text
