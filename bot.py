"""Start here: the command line, and what each verb does.

It reads config.yaml, opens what a run needs (console, lock, venue) and hands over to run.py; the other verbs answer at once. Main thread.
Never: a decision about orders, a wait without a limit.
"""

import io
import json
import logging
import os
import signal
import sys
import time
from argparse import Namespace
from pathlib import Path

if __name__ == "__main__":  # loading the rest takes about a second; a Ctrl-C in it ends without a traceback (130: while starting)
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))
    from runtime.preflight import missing

    absent = missing()
    if absent:
        print(absent, file=sys.stderr)
        sys.exit(2)

import report_file
from assembly import KeyTooPowerful, cancel_at_venue, in_settings, paper_arguments, urls_of
from core.ports import NotSent, Refused
from core.printable import printable
from exchange.binance.errors import UnknownOutcome
from exchange.binance.signing import Signer
from run import EXIT_OK, EXIT_UNCLEAN, EXIT_USAGE, ROOT, RUN_AGAIN, Run
from runtime import verbs
from runtime.command_line import parse
from runtime.config import ConfigErrors, Loaded, load
from runtime.console import Console
from runtime.control import ask
from runtime.instance_lock import InstanceLock, LockHeld
from runtime.keys import Keys, KeysError, read_keys
from runtime.lifecycle import Lifecycle
from runtime.logfiles import in_words
from runtime.namesake import SecondBot
from runtime.paper_process import PaperFailed, PaperProcess
from runtime.stopping import Interrupted, Stopper
from runtime.venue_words import told
from state.identity import TagUnusable, kept_tag
from state.intents import IntentsCorrupt
from state.report import NoReport, print_report
from state.store import StoreRefused
from state.words import newest_tape, print_tape

EXIT_UNREACHABLE, EXIT_STARTING = 3, 130
INTERPRETER_S = 0.5  # of timing.stop_s, for the interpreter's own end


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code (README, verbs)."""
    os.umask(0o077)
    arguments = parse(argv)
    path = arguments.config or ROOT / "config.yaml"
    if arguments.verb == "init":
        return verbs.init(arguments.config or Path.cwd() / "config.yaml", ROOT / "config.yaml")
    if arguments.verb == "schema":
        return verbs.print_schema()
    try:
        loaded = load(path, arguments.overrides, os.environ)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return EXIT_USAGE
    if arguments.verb == "check":
        return verbs.check(loaded, path, loaded.config.state_path(ROOT))
    if arguments.verb == "show-config":
        return verbs.print_config(loaded)
    state_dir = loaded.config.state_path(ROOT)
    if arguments.verb in ("status", "why", "resume", "close"):
        return verbs.ask_bot(arguments.verb, state_dir, as_json=arguments.json)
    if arguments.verb == "backtest":
        return backtest(loaded, arguments)
    if arguments.verb == "tape":
        return print_tape(Path(arguments.argument) if arguments.argument else newest_tape(state_dir))
    if arguments.verb == "report" and arguments.html:
        return write_report(loaded, state_dir, arguments.argument)
    if arguments.verb == "report":
        return EXIT_OK if print_report(state_dir, arguments.argument, arguments.json) else EXIT_USAGE
    if arguments.verb == "cancel-all":
        return cancel_all(loaded, state_dir, arguments)
    return trade(loaded, state_dir, arguments)


# -- trade -----------------------------------------------------------------------------------------
def trade(loaded: Loaded, state_dir: Path, arguments: Namespace) -> int:
    """Start, trade, stop; every way out has its exit code and leaves nothing behind."""
    config = loaded.config
    if config.venue == "binance" and not arguments.live:
        print("venue: binance trades real money; say so with --live as well", file=sys.stderr)
        return EXIT_USAGE
    own = config.exchange.urls
    if config.venue == "paper" and own.rest and not (own.stream and own.ws_api):
        print("venue: paper elsewhere needs all of exchange.urls.rest, .stream and .ws_api", file=sys.stderr)
        return EXIT_USAGE
    if arguments.cycles and config.strategy != "market_maker":
        print(f"--cycles counts the quoting market maker's round trips; with strategy: {config.strategy} use --run-for", file=sys.stderr)
        return EXIT_USAGE
    stopper = Stopper()
    stopper.listen()
    try:
        while True:  # a reset of the venue ends a run and the next one begins with an empty book; finding one out takes longer than CONFIRM_MS
            begun_s = time.monotonic()
            code, loaded = run_once(loaded, state_dir, arguments, stopper)
            if code != RUN_AGAIN:
                return code
            if arguments.run_for:
                arguments.run_for = max(0.1, arguments.run_for - (time.monotonic() - begun_s))
    finally:
        stopper.unlisten()


def run_once(loaded: Loaded, state_dir: Path, arguments: Namespace, stopper: Stopper) -> tuple[int, Loaded]:
    """One run inside its own lifecycle; its exit code, or RUN_AGAIN with the settings then in force."""
    config = loaded.config
    console = Console(config, ui=arguments.ui, verbose=arguments.verbose, quiet=arguments.quiet, to_stderr=arguments.json, root=ROOT)
    with Lifecycle(config.timing.stop_s - INTERPRETER_S) as parts:
        parts.start("console", console)
        try:
            lock = InstanceLock(state_dir)
            parts.start("lock", lock)
            with stopper.interruptible():
                paper, keys = open_venue(loaded, state_dir, parts, console)
            run = Run(loaded, state_dir, arguments, parts, console, stopper, paper, keys)
            return run.whole(), run.reload.loaded
        except Interrupted:
            console.line("EXIT", "", f"{stopper.reason} while starting · nothing was placed")
            return EXIT_STARTING, loaded
        except (LockHeld, KeysError, KeyTooPowerful, IntentsCorrupt, SecondBot, StoreRefused, TagUnusable) as error:
            return refuse(console, str(error), EXIT_USAGE), loaded
        except OSError as error:  # a folder or a file of ours that cannot be used; once trading has begun the run sees to it itself
            return refuse(console, in_words(error), EXIT_USAGE), loaded
        except PaperFailed as error:
            return refuse(console, in_settings(str(error)), EXIT_USAGE if error.is_usage else EXIT_UNREACHABLE), loaded
        except (Refused, NotSent, UnknownOutcome) as error:
            return refuse(console, *told(error, config.venue, urls_of(config, {}).rest or "the paper exchange", config.symbols)), loaded


def open_venue(loaded: Loaded, state_dir: Path, parts: Lifecycle, console: Console) -> tuple[dict[str, object], Keys]:
    """The paper exchange with its own keys, or the person's keys for a venue elsewhere. Raises PaperFailed, KeysError."""
    config = loaded.config
    if config.venue != "paper" or config.exchange.urls.rest:
        return {}, keys_of(state_dir)
    paper = PaperProcess(paper_arguments(config, state_dir / "paper"), ROOT, lambda line, is_detail: paper_says(console, line, is_detail))
    parts.start("paper exchange", paper)
    ready = paper.ready
    said = "continued" if ready.get("continued") else "new account"
    console.line("BOOT", "", f"paper exchange {ready['rest']} · {said} · maker fee {ready['maker_fee']} · taker fee {ready['taker_fee']}")
    notes = ready.get("notes")
    for note in notes if isinstance(notes, list) else ():
        console.line("BOOT", "", str(note))
    return {**ready, "process": paper}, Keys(str(ready["api_key"]), str(ready["api_secret"]))


def keys_of(state_dir: Path) -> Keys:
    """The person's keys, once it is seen that they can sign. Raises KeysError."""
    keys = read_keys(os.environ, state_dir)
    try:
        Signer(keys.api_key, keys.api_secret, keys.private_key)
    except ValueError as error:
        raise KeysError(str(error)) from None
    return keys


def paper_says(console: Console, line: str, is_detail: bool) -> None:
    """What the paper exchange says while it runs; the inside of a traceback goes to the log file (and to -v) alone."""
    console.line("LOG", "", f"paper exchange: {line}", level=logging.DEBUG if is_detail else logging.WARNING)


def refuse(console: Console, text: str, code: int) -> int:
    """A start that cannot be: one plain sentence, one exit code."""
    for line in text.splitlines() or [text]:
        console.line("EXIT", "", line)
    return code


# -- backtest ------------------------------------------------------------------------------------
def backtest(loaded: Loaded, arguments: Namespace) -> int:
    from sim.backtest_run import run  # here alone: a bot that trades carries nothing of the simulator

    return run(loaded, arguments, ROOT)


# -- report --html -------------------------------------------------------------------------------
def write_report(loaded: Loaded, state_dir: Path, wanted: str | None) -> int:
    """Prints where it stands."""
    try:
        print(report_file.write(state_dir, wanted, loaded.config.report.files))
    except NoReport as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print(f"the report cannot be written: {error}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_OK


# -- cancel-all ----------------------------------------------------------------------------------
def cancel_all(loaded: Loaded, state_dir: Path, arguments: Namespace) -> int:
    """Through the running bot (a halt plus cancels); without one, at the venue directly: only orders with our tag."""
    answer = ask(state_dir / "control.sock", {"verb": "cancel-all"}, timeout_s=3.0)
    if answer is not None:
        print(json.dumps(answer) if arguments.json else printable(answer.get("text")))
        return EXIT_OK
    config = loaded.config
    if config.venue == "paper" and not config.exchange.urls.rest:
        ended = "no bot runs on this state folder, and the paper exchange ends with its bot: the next start sees to what is left"
        said = verbs.no_answer(state_dir) or ended
        print(said, file=sys.stderr)
        return EXIT_UNREACHABLE
    try:
        keys, tag = keys_of(state_dir), config.exchange.order_tag or kept_tag(state_dir)
        if not tag:
            print(f"no bot ever placed an order from {state_dir}: no tag to know ours by (set state.dir or exchange.order_tag)", file=sys.stderr)
            return EXIT_USAGE
        canceled, failed = cancel_at_venue(config, keys, tag)
    except (KeysError, TagUnusable) as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except (Refused, NotSent, UnknownOutcome) as error:
        text, code = told(error, config.venue, urls_of(config, {}).rest, config.symbols)
        print(printable(text), file=sys.stderr)
        return code
    if hung := verbs.no_answer(state_dir):
        print(f"{hung}, and may place again when it moves", file=sys.stderr)
    print(
        json.dumps({"canceled": canceled, "failed": failed})
        if arguments.json
        else f"{len(canceled)} canceled, {len(failed)} without the venue's word"
    )
    return EXIT_UNCLEAN if failed else EXIT_OK


def _whole() -> int:
    """main(), and whatever stdout is: a reader who went away is no fault of ours, a full disk is told."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an ASCII terminal shows ? where others show a dot
    code = EXIT_OK
    for call in (main, _flush):
        try:
            code = call() or code
        except BrokenPipeError:
            _let_go_of_stdout()
        except OSError as error:
            _let_go_of_stdout()
            print(in_words(error, "stdout"), file=sys.stderr)
            code = code or EXIT_USAGE
    return code


def _flush() -> int:
    if sys.stdout is not None:
        sys.stdout.flush()
    return EXIT_OK


def _let_go_of_stdout() -> None:
    """What waits in its buffer goes nowhere; the interpreter's end would fail on it once more."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    code = _whole()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run is over and its code stands
    sys.exit(code)
