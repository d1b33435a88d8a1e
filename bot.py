"""Start here: the command line, the run, the stop.

It reads config.yaml, has assembly.py build the parts, starts them in order, waits for the end, and stops them in under `timing.stop_s`. Main thread.
Never: a decision about orders, a wait without a limit.
"""

import json
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

if __name__ == "__main__":  # loading the rest takes about a second; a Ctrl-C in it ends without a traceback (130: while starting)
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))

import msgspec

from assembly import KeyTooPowerful, Session, cancel_at_venue, paper_arguments, quoting_of, urls_of
from core.commands import Cancel, Place
from core.engine import Step
from core.events import Operator, OperatorAction, StopRequested
from core.notices import Sent
from core.ports import NotSent, Refused
from core.snapshot import Snapshot, picture
from exchange.binance.errors import UnknownOutcome
from runtime import summary, verbs
from runtime.command_line import parse
from runtime.config import ConfigErrors, Loaded, load, show_config
from runtime.console import Console
from runtime.control import ControlServer, ask
from runtime.instance_lock import InstanceLock, LockHeld, RunFile
from runtime.keys import Keys, KeysError, read_keys
from runtime.lifecycle import Lifecycle
from runtime.paper_process import PaperFailed, PaperProcess
from runtime.stopping import Interrupted, Stopper
from runtime.watchdog import Watchdog
from state.identity import order_tag
from state.intents import IntentsCorrupt
from state.report import print_report
from state.store import StoreRefused
from state.words import newest_tape, print_tape

VERSION = "0.1.0"
ROOT = Path(__file__).resolve().parent
EXIT_OK, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_RISK, EXIT_UNCLEAN, EXIT_STARTING = 0, 2, 3, 4, 5, 130
SOCKETS_SHUT_BEFORE_END_S = 1.0
LAST_LINE_BEFORE_END_S = 0.5
POLL_S = 0.05
INTERPRETER_S = 0.3  # of timing.stop_s, for the interpreter's own end
TRADING_STALL_S, INBOX_AGE_MS_MAX = 2.0, 1000.0


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code (docs/exit-codes.md)."""
    os.umask(0o077)
    arguments = parse(argv)
    path = arguments.config or ROOT / "config.yaml"
    if arguments.verb == "init":
        return verbs.init(Path.cwd() / "config.yaml")
    if arguments.verb == "schema":
        return verbs.print_schema()
    try:
        loaded = load(path, arguments.overrides, os.environ)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return EXIT_USAGE
    if arguments.verb == "check":
        return verbs.check(loaded, path)
    if arguments.verb == "show-config":
        return verbs.print_config(loaded)
    state_dir = loaded.config.state_path(ROOT)
    if arguments.verb in ("status", "why", "resume"):
        return verbs.ask_bot(arguments.verb, state_dir, as_json=arguments.json)
    if arguments.verb == "tape":
        return print_tape(Path(arguments.argument) if arguments.argument else newest_tape(state_dir))
    if arguments.verb == "report":
        return EXIT_OK if print_report(state_dir, arguments.argument, arguments.json) else EXIT_USAGE
    if arguments.verb == "cancel-all":
        return cancel_all(loaded, state_dir, arguments)
    return run(loaded, state_dir, arguments)


# -- run -----------------------------------------------------------------------------------------
def run(loaded: Loaded, state_dir: Path, arguments: Namespace) -> int:
    """Start, trade, stop; every way out has its exit code and leaves nothing behind."""
    config = loaded.config
    if config.venue == "binance" and not arguments.live:
        print("venue: binance trades real money; say so with --live as well", file=sys.stderr)
        return EXIT_USAGE
    own = config.exchange.urls
    if config.venue == "paper" and own.rest and not (own.stream and own.ws_api):
        print("venue: paper elsewhere needs all of exchange.urls.rest, .stream and .ws_api", file=sys.stderr)
        return EXIT_USAGE
    stopper = Stopper()
    stopper.listen()
    console = Console(config, ui=arguments.ui, verbose=arguments.verbose, quiet=arguments.quiet, to_stderr=arguments.json, root=ROOT)
    try:
        with Lifecycle(config.timing.stop_s - INTERPRETER_S) as parts:
            parts.start("console", console)
            try:
                lock = InstanceLock(state_dir)
                parts.start("lock", lock)
                paper, keys = open_venue(loaded, state_dir, parts, console)
                return Run(loaded, state_dir, arguments, parts, console, stopper, paper, keys).whole()
            except Interrupted:
                console.line("EXIT", "", f"{stopper.reason} while starting · nothing was placed")
                return EXIT_STARTING
            except (LockHeld, KeysError, KeyTooPowerful, IntentsCorrupt, StoreRefused) as error:
                return refuse(console, str(error), EXIT_USAGE)
            except PaperFailed as error:
                return refuse(console, str(error), EXIT_USAGE if error.is_usage else EXIT_UNREACHABLE)
            except (Refused, NotSent, UnknownOutcome) as error:
                return refuse(console, f"the venue cannot be used: {error}", EXIT_UNREACHABLE)
    finally:
        stopper.unlisten()


def open_venue(loaded: Loaded, state_dir: Path, parts: Lifecycle, console: Console) -> tuple[dict[str, object], Keys]:
    """The paper exchange with its own keys, or the person's keys for a venue elsewhere. Raises PaperFailed, KeysError."""
    config = loaded.config
    if config.venue != "paper" or config.exchange.urls.rest:
        return {}, read_keys(os.environ, state_dir)
    paper = PaperProcess(paper_arguments(config, state_dir / "paper"), ROOT, lambda line: console.line("BOOT", "", line))
    parts.start("paper exchange", paper)
    ready = paper.ready
    said = "continued" if ready.get("continued") else "new account"
    console.line("BOOT", "", f"paper exchange {ready['rest']} · {said} · maker fee {ready['maker_fee']} · taker fee {ready['taker_fee']}")
    notes = ready.get("notes")
    for note in notes if isinstance(notes, list) else ():
        console.line("BOOT", "", str(note))
    return {**ready, "process": paper}, Keys(str(ready["api_key"]), str(ready["api_secret"]))


def refuse(console: Console, text: str, code: int) -> int:
    """A start that cannot be: one plain sentence, one exit code."""
    for line in text.splitlines() or [text]:
        console.line("EXIT", "", line)
    return code


class Run:
    """One run, from Boot to the last line."""

    def __init__(
        self,
        loaded: Loaded,
        state_dir: Path,
        arguments: Namespace,
        parts: Lifecycle,
        console: Console,
        stopper: Stopper,
        paper: dict[str, object],
        keys: Keys,
    ) -> None:
        self.loaded, self.config = loaded, loaded.config
        self.state_dir, self.arguments = state_dir, arguments
        self.parts, self.console, self.stopper, self.paper = parts, console, stopper, paper
        tag = self.config.exchange.order_tag or order_tag(state_dir)
        self.session = Session(self.config, keys, urls_of(self.config, paper), state_dir, tag, self._tell, self._on_fault)
        console.redact(keys.api_secret, keys.api_key)
        self.loop = self.session.loop
        self.begun_s = time.monotonic()
        self.shutdown_ms = 0

    def whole(self) -> int:
        """Start, wait, stop, say how it went."""
        session, config = self.session, self.config
        rules, limits, instance = session.learn()
        clock = session.venue_clock
        settings = f"{len(show_config(self.loaded))} settings ok"
        self.console.line("BOOT", "", f"greenlight {VERSION} · {settings} · venue {config.venue} · {', '.join(config.symbols)} · run {session.boot}")
        skew = f"clock {clock.offset_ms:+d} ms (round trip {clock.round_trip_ms} ms)"
        self.console.line("BOOT", "", f"account {instance} · orders tagged {session.tag} · {skew}")
        for note in session.key_notes:
            self.console.line("BOOT", "", note)
        control = ControlServer(self.state_dir / "control.sock", self._verbs())
        self.parts.start("control", control)
        self.parts.start("run file", RunFile(self.state_dir, {"boot": session.boot, "venue": config.venue, "symbols": config.symbols}))
        watchdog = Watchdog(config.log_path(ROOT), self._stalled, self._stalled)
        session.beat = watchdog.heart("trading", TRADING_STALL_S)
        session.warn = lambda text: self.console.line("RISK", "all", text)
        watchdog.gauge("inbox age", lambda: session.inbox.age_ms, INBOX_AGE_MS_MAX)
        self.parts.start("watchdog", watchdog)
        self.stopper.starting = False
        session.start(self.parts, rules, limits, instance)
        self.console.status(self._status_line)
        self.begun_s = time.monotonic()
        self._wait()
        return self._stop()

    # -- while it runs ---------------------------------------------------------------------------
    def _wait(self) -> None:
        """Until a signal, the end of --run-for, enough --cycles, a dead part, or a loop that finished by itself."""
        ends_s = self.begun_s + self.arguments.run_for if self.arguments.run_for else None
        while not self.stopper.asked.wait(POLL_S):
            if ends_s is not None and time.monotonic() >= ends_s:
                self.stopper.ask(f"{self.arguments.run_for:g} s are over")
            elif self.arguments.cycles and self._cycles() >= self.arguments.cycles:
                self.stopper.ask(f"{self.arguments.cycles} round trips done")
            elif why := self._paper_fault():
                self.stopper.ask(why)
            elif not self.loop.is_running:
                self.stopper.ask("the trading thread has ended")

    def _cycles(self) -> int:
        """Complete round trips: how often the first band's quantity was both bought and sold."""
        snapshot = self.loop.snapshot
        if snapshot is None:
            return 0
        first = {symbol: quoting_of(self.config, symbol).bid_bands[0].quantity for symbol in self.config.symbols}
        return sum(int(Decimal(done) / first[symbol]) for symbol, done in snapshot.round_trips)

    def _paper_fault(self) -> str:
        """Why the embedded exchange is of no use any more; empty while it is, or where there is none."""
        process = self.paper.get("process")
        if not isinstance(process, PaperProcess):
            return ""
        return process.broken if process.is_running else f"the paper exchange has ended: {process.last_words}"

    def _tell(self, at_ns: int, step: Step) -> None:
        for notice in step.notices:
            if isinstance(notice, Sent):
                self.console.command(at_ns, notice.command)
            else:
                self.console.notice(at_ns, notice)
        for command in step.commands:
            if not isinstance(command, Place | Cancel):
                self.console.command(at_ns, command)

    def _on_fault(self, error: BaseException) -> None:
        self.console.line("RISK", "all", f"the trading thread failed: {type(error).__name__}: {error}")
        self.stopper.ask("a fault in the trading thread")

    def _stalled(self, name: str, text: str) -> None:
        self.console.line("RISK", "all", text)

    def _status_line(self) -> str:
        snapshot = self.loop.snapshot
        return summary.status_line(snapshot) if snapshot is not None else "starting"

    def _verbs(self) -> Mapping[str, Callable[[dict[str, object]], dict[str, object]]]:
        return {
            "status": lambda request: self._shown(),
            "why": lambda request: self._shown(),
            "resume": lambda request: self._operate(OperatorAction.RESUME, "resumed; quoting starts with the next green light"),
            "halt": lambda request: self._operate(OperatorAction.HALT, "halted; python bot.py resume"),
            "cancel-all": lambda request: self._operate(OperatorAction.CANCEL_ALL, "halted and canceling our orders; python bot.py resume"),
            "proof": lambda request: self._operate(OperatorAction.PROVE, "reading the venue's books"),
            "stop": lambda request: self._asked_to_stop(),
        }

    def _shown(self) -> dict[str, object]:
        snapshot = self.loop.snapshot
        return {"ok": snapshot is not None, "snapshot": msgspec.to_builtins(snapshot), "run_id": self.session.boot}

    def _asked_to_stop(self) -> dict[str, object]:
        self.stopper.ask("asked to over the control socket")
        return {"ok": True, "text": "stopping"}

    def _operate(self, action: OperatorAction, text: str) -> dict[str, object]:
        self.session.inbox.post(Operator(action=action))
        return {"ok": True, "text": text}

    # -- the stop --------------------------------------------------------------------------------
    def _stop(self) -> int:
        """No new orders, cancel, the venue's word, proof; then every part in reverse, all under one deadline (DESIGN 7)."""
        begun_s = time.monotonic()
        seconds = round(begun_s - self.begun_s, 1)
        deadline_s = self.parts.begin_stop()
        self.session.manager.stop_by(self.session.clock() + int((deadline_s - begun_s) * 1e9))
        self.session.inbox.post(StopRequested(reason=self.stopper.reason))
        proven = self._wait_for_proof(deadline_s - SOCKETS_SHUT_BEFORE_END_S)
        self.session.rest.shut()
        self.loop.stop(deadline_s - LAST_LINE_BEFORE_END_S)
        snapshot = picture(self.session.engine)
        self.shutdown_ms = round((time.monotonic() - begun_s) * 1000)
        code = self._exit_code(proven, snapshot)
        guard = threading.Timer(max(0.1, deadline_s - time.monotonic()), os._exit, (EXIT_UNCLEAN,))
        guard.daemon = True
        guard.start()
        self._last_words(code, snapshot, seconds)
        self.session.recorder.finish(self.session.clock(), code, self.stopper.reason)
        self.parts.stop()
        guard.cancel()
        if self.parts.failures:
            print("; ".join(self.parts.failures), file=sys.stderr, flush=True)
            os._exit(EXIT_UNCLEAN)  # a thread still lives; the interpreter would wait for it
        return code

    def _wait_for_proof(self, until_s: float) -> bool:
        while time.monotonic() < until_s:
            if self.loop.finished.wait(POLL_S):
                return True
            if not self.loop.is_running:
                return False
        return False

    def _exit_code(self, proven: bool, snapshot: Snapshot | None) -> int:
        if not proven or snapshot is None or snapshot.proof is None or not snapshot.proof.equal or snapshot.orders_open:
            return EXIT_UNCLEAN
        if self._paper_fault():
            return EXIT_USAGE
        return EXIT_RISK if snapshot.halted.startswith("risk") else EXIT_OK

    def _last_words(self, code: int, snapshot: Snapshot | None, seconds: float) -> None:
        """The summary, the JSON object, and the last line: proof, or the orders that are undecided and how to clear them."""
        step_ms_max = round(self.loop.step_times.worst_ms, 3)
        measured: dict[str, object] = {
            "run_id": self.session.boot,
            "seconds": seconds,
            "exit_code": code,
            "pong_ms_max": round(self.session.pong_ms_max, 3),
            "step_ms_max": step_ms_max,
            "shutdown_ms": self.shutdown_ms,
        }
        if snapshot is None:
            self.console.line("EXIT", "", f"{self.stopper.reason} · before the first step")
            return
        whole = summary.run_json(self.session.engine, snapshot, measured)
        for line in summary.run_lines(
            whole, snapshot, next(iter(self.session.engine.books.rules.values())).quote if self.session.engine.books else ""
        ):
            self.console.line("EXIT", "", line)
        self.console.line("EXIT", "", summary.last_line(snapshot, self.stopper.reason, self.shutdown_ms, code))
        if self.arguments.json:
            print(json.dumps(whole), flush=True)


# -- cancel-all ----------------------------------------------------------------------------------
def cancel_all(loaded: Loaded, state_dir: Path, arguments: Namespace) -> int:
    """Through the running bot (a halt plus cancels); without one, at the venue directly: only orders with our tag."""
    answer = ask(state_dir / "control.sock", {"verb": "cancel-all"}, timeout_s=3.0)
    if answer is not None:
        print(json.dumps(answer) if arguments.json else answer.get("text"))
        return EXIT_OK
    config = loaded.config
    if config.venue == "paper" and not config.exchange.urls.rest:
        print("no bot runs on this state folder, and the paper exchange ends with its bot: nothing to cancel", file=sys.stderr)
        return EXIT_UNREACHABLE
    try:
        canceled, failed = cancel_at_venue(config, read_keys(os.environ, state_dir), config.exchange.order_tag or order_tag(state_dir))
    except KeysError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except (Refused, NotSent, UnknownOutcome) as error:
        print(f"the venue cannot be used: {error}", file=sys.stderr)
        return EXIT_UNREACHABLE
    print(
        json.dumps({"canceled": canceled, "failed": failed})
        if arguments.json
        else f"{len(canceled)} canceled, {len(failed)} without the venue's word"
    )
    return EXIT_UNCLEAN if failed else EXIT_OK


def _whole() -> int:
    """main(), and a reader of our output who went away is no fault of ours."""
    try:
        return main()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


if __name__ == "__main__":
    code = _whole()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run is over and its code stands
    sys.exit(code)
