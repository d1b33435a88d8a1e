"""One run of the bot: from Boot to the last line on the console.

Who makes it: bot.py, inside a Lifecycle that already holds the console, the lock and the paper exchange. Main thread, except where a method says so.
Never: a decision about orders, a wait without a limit.
"""

import contextlib
import json
import os
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec

import report_file
from assembly import Session, quoting_of, recipe_of, urls_of
from core.commands import Request
from core.engine import Step
from core.events import ConfigChanged, Operator, OperatorAction, StopRequested
from core.notices import Counted, Sent
from core.reset import WHY as RESET
from core.snapshot import Snapshot, picture
from core.types import SymbolRules
from runtime import summary
from runtime.command_line import VERSION
from runtime.config import Config, Loaded, show_config
from runtime.console import Console
from runtime.control import ControlServer
from runtime.idle import Idle
from runtime.instance_lock import RunFile
from runtime.keys import Keys
from runtime.lifecycle import Lifecycle
from runtime.logfiles import in_words
from runtime.one_core import OneCore
from runtime.pace import Pace
from runtime.paper_process import PaperProcess
from runtime.reload import Reload
from runtime.stopping import Stopper
from runtime.sweep import sweep
from runtime.watchdog import Watchdog
from runtime.worker import Worker
from state.identity import order_tag

ROOT = Path(__file__).resolve().parent
EXIT_OK, EXIT_USAGE, EXIT_RISK, EXIT_UNCLEAN = 0, 2, 4, 5
RUN_AGAIN = -1  # no exit code: the venue was reset, the next run begins at once
SOCKETS_SHUT_BEFORE_END_S = 1.0
LAST_LINE_BEFORE_END_S = 0.5
DEAF_MS = 1500
REPORT_S_MAX, REPORT_BEFORE_END_S = 2.0, 0.7
POLL_S = 0.05
TRADING_STALL_S, INBOX_AGE_MS_MAX = 2.0, 1000.0


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
        console.redact(*(secret for secret in (keys.api_secret, keys.api_key, keys.private_key) if secret))
        self.reload = Reload(loaded, arguments.overrides, self._take_settings, lambda text: console.line("CONFIG", "", text))
        self.loop = self.session.loop
        self.begun_s = time.monotonic()
        self.shutdown_ms = 0
        self.idle = Idle()
        self.unsaid = ""  # why the JSON object could not be printed

    def whole(self) -> int:
        """Start, wait, stop, say how it went."""
        session, config = self.session, self.config
        session.say = lambda text: self.console.line("BOOT", "", text)
        with self.stopper.interruptible():
            rules, limits, instance = session.learn()
        clock = session.venue_clock
        settings = f"{len(show_config(self.loaded))} settings ok"
        self.console.line("BOOT", "", f"greenlight {VERSION} · {settings} · venue {config.venue} · {', '.join(config.symbols)} · run {session.boot}")
        skew = f"clock {clock.offset_ms:+d} ms (round trip {clock.round_trip_ms} ms)"
        self.console.line("BOOT", "", f"account {instance} · orders tagged {session.tag} · {skew}")
        for note in session.boot_notes:
            self.console.line("BOOT", "", note)
        control = ControlServer(self.state_dir / "control.sock", self._verbs())
        self.parts.start("control", control)
        watchdog = self.watchdog = Watchdog(config.log_path(ROOT), self._stalled, self._stalled)
        page = self._start_page(rules, watchdog) if config.dashboard.enabled else {}
        run_facts = {"boot": session.boot, "venue": config.venue, "symbols": config.symbols, **page}
        self.parts.start("run file", RunFile(self.state_dir, run_facts))
        session.beat = watchdog.heart("trading", TRADING_STALL_S)
        session.warn = lambda text: self.console.line("RISK", "all", text)
        watchdog.gauge("inbox age", lambda: session.inbox.age_ms, INBOX_AGE_MS_MAX)
        self.parts.start("watchdog", watchdog)
        self.stopper.started()
        try:
            session.start(self.parts, rules, limits, instance)
            self.parts.start("pace", Pace(lambda: session.inbox.age_ms == 0.0 and not session.loop.is_stepping))
            if config.lanes.one_core:
                self.parts.start("one core", OneCore())
            if config.reload.on:
                self.parts.start("config", self.reload)
        except (OSError, RuntimeError) as error:  # no thread, no descriptor
            if not self.loop.is_running:
                raise
            self._on_start_fault(error)  # orders may be on their way: stop as ever
        self.console.status(self._status_line)
        self.begun_s = time.monotonic()
        self._wait()
        return self._stop()

    def _on_start_fault(self, error: Exception) -> None:
        self.console.line("RISK", "all", f"a part could not be started: {in_words(error)}")
        self.stopper.ask("a fault while starting")

    def _start_page(self, rules: tuple[SymbolRules, ...], watchdog: Watchdog) -> dict[str, object]:
        """What run.json says of the page. A port that is taken costs the page, not the trading."""
        from page import Page  # here alone: with the page off nothing of it is loaded

        act = {name: partial(self._say_operated, verb) for name, verb in self._verbs().items() if name in ("halt", "resume", "cancel-all")}
        page = Page(self.config, self.session, self.console, rules, act, self.reload, lambda: watchdog.age_s("trading") < TRADING_STALL_S)
        try:
            self.parts.start("dashboard", page.server)
        except OSError as error:
            why = f"port {self.config.dashboard.port} of 127.0.0.1 cannot be had ({error.strerror})"
            self.console.line("BOOT", "", f"no page: {why} · trading goes on without it")
            return {}
        told = page.listen()
        self.console.line("BOOT", "", f"page {page.server.address} · its buttons ask for page.action_token of state/run.json")
        return {"page": told}

    @staticmethod
    def _say_operated(verb: Callable[[dict[str, object]], dict[str, object]]) -> str:
        return str(verb({}).get("text", ""))

    # -- while it runs ---------------------------------------------------------------------------
    def _wait(self) -> None:
        """Until a signal, the end of --run-for, enough --cycles, a dead part, or a loop that finished by itself."""
        ends_s = self.begun_s + self.arguments.run_for if self.arguments.run_for else None
        suspends = self.stopper.suspends
        while not self.stopper.asked.wait(POLL_S):
            if self.stopper.suspends > suspends:
                suspends = self.stopper.suspends
                self.console.line("RISK", "all", "Ctrl-Z is not taken: a suspended bot would leave its orders alone at the venue; Ctrl-C stops it")
            if ends_s is not None and time.monotonic() >= ends_s:
                self.stopper.ask(f"{self.arguments.run_for:g} s are over")
            elif self.arguments.cycles and self._cycles() >= self.arguments.cycles:
                self.stopper.ask(f"{self.arguments.cycles} round trips done")
            elif why := self._paper_fault():
                self.stopper.ask(why)
            elif self._was_reset:
                return
            elif not self.loop.is_running:
                self.stopper.ask("the trading thread has ended")
            elif self.config.strategy == "market_maker" and (snapshot := self.loop.snapshot) is not None:  # others rest between signals
                for symbol, words in self.idle.judge(snapshot, time.monotonic()):
                    self.console.line("PENDING", symbol, words)

    @property
    def _was_reset(self) -> bool:
        """The venue forgot our orders, and the engine has seen its run to the end."""
        books = self.session.engine.books
        return self.loop.finished.is_set() and books is not None and books.was_reset

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
        return process.broken if process.is_running else f"the paper exchange has ended ({process.end})"

    def _tell(self, at_ns: int, step: Step) -> None:
        for notice in step.notices:
            if isinstance(notice, Sent):
                self.console.command(at_ns, notice.command)
            else:
                self.console.notice(at_ns, notice)
        for command in step.commands:
            if not isinstance(command, Request):
                self.console.command(at_ns, command)

    def _on_fault(self, error: BaseException) -> None:
        self.console.line("RISK", "all", f"the trading thread failed: {type(error).__name__}: {error}")
        self.stopper.ask("a fault in the trading thread")

    def _take_settings(self, config: Config, version: str, changes: tuple[str, ...]) -> None:
        """On the thread "config": they are in force from the tick that takes this event."""
        self.session.inbox.post(ConfigChanged(version=version, settings=recipe_of(config).written, changes=changes))

    def _stalled(self, name: str, text: str) -> None:
        self.console.line("RISK", "all", text)

    def _status_line(self) -> str:
        snapshot = self.loop.snapshot
        if snapshot is None:
            return "starting"
        config = self.reload.loaded.config
        caps = {symbol: config.inventory_of(symbol).cap for symbol in config.symbols[:1]} if config.strategy == "market_maker" else {}
        return summary.status_line(snapshot, time.monotonic() - self.begun_s, caps)

    def _verbs(self) -> Mapping[str, Callable[[dict[str, object]], dict[str, object]]]:
        return {
            "status": lambda request: self._shown(),
            "why": lambda request: self._shown(),
            "resume": lambda request: self._operate(OperatorAction.RESUME, "resumed; quoting starts with the next green light"),
            "close": lambda request: self._asked_to_close(),
            "halt": lambda request: self._operate(OperatorAction.HALT, "halted; python bot.py resume"),
            "cancel-all": lambda request: self._operate(OperatorAction.CANCEL_ALL, "halted and canceling our orders; python bot.py resume"),
            "proof": lambda request: self._operate(OperatorAction.PROVE, "reading the venue's books"),
            "stop": lambda request: self._asked_to_stop(),
        }

    def _shown(self) -> dict[str, object]:
        snapshot = self.loop.snapshot
        config = msgspec.to_builtins(self.reload.shown)
        return {"ok": snapshot is not None, "snapshot": msgspec.to_builtins(snapshot), "run_id": self.session.boot, "config": config}

    def _asked_to_close(self) -> dict[str, object]:
        if self.config.strategy != "maker_first":
            return {"ok": False, "text": f"strategy: {self.config.strategy} holds no lots to close; python bot.py cancel-all halts it"}
        return self._operate(OperatorAction.CLOSE, "leaving every lot; python bot.py resume enters again")

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
        reason = self.stopper.reason or RESET
        self.session.inbox.post(StopRequested(reason=reason))
        proven = self._wait_for_proof(deadline_s - SOCKETS_SHUT_BEFORE_END_S)
        if not proven and self._is_deaf:
            session = self.session
            told = sweep(session.lanes[0], session.venue.cancel_all, session.tag, deadline_s - SOCKETS_SHUT_BEFORE_END_S)
            self.console.line("RISK", "all", told)
            proven = self._wait_for_proof(deadline_s - SOCKETS_SHUT_BEFORE_END_S)
        self.session.rest.shut()
        self.loop.stop(deadline_s - LAST_LINE_BEFORE_END_S)
        if not self.loop.is_running:
            self.watchdog.rest()  # events still come in and nobody takes them: no stall
        snapshot = picture(self.session.engine)
        self.shutdown_ms = round((time.monotonic() - begun_s) * 1000)
        code = RUN_AGAIN if self._was_reset and not self.stopper.asked.is_set() else self._exit_code(proven, snapshot)
        guard = threading.Timer(max(0.1, deadline_s - time.monotonic()), self._end_now)
        guard.name, guard.daemon = "last-resort", True
        guard.start()
        self._last_words(code, reason, snapshot, seconds, deadline_s)
        self.parts.stop()
        guard.cancel()
        if self.parts.failures:
            with contextlib.suppress(OSError):
                print("; ".join(self.parts.failures), file=sys.stderr, flush=True)
            self._end_now()  # a thread still lives; the interpreter would wait for it
        if self.unsaid:
            print(self.unsaid, file=sys.stderr)
        return code or (EXIT_USAGE if self.unsaid else EXIT_OK)

    def _end_now(self) -> None:
        """The time is over: nothing is waited for any more, and no child stays."""
        process = self.paper.get("process")
        if isinstance(process, PaperProcess):
            process.kill()
        os._exit(EXIT_UNCLEAN)

    def _wait_for_proof(self, until_s: float) -> bool:
        while time.monotonic() < until_s:
            if self.loop.finished.wait(POLL_S):
                return True
            if self._is_deaf:
                return False
        return False

    @property
    def _is_deaf(self) -> bool:
        """The trading thread has died, or has not taken the stop for so long that it hangs in a step: nobody cancels."""
        return not self.loop.is_running or self.session.inbox.age_ms > DEAF_MS

    def _exit_code(self, proven: bool, snapshot: Snapshot | None) -> int:
        if not proven or snapshot is None or snapshot.proof is None or not snapshot.proof.equal or snapshot.orders_open:
            return EXIT_UNCLEAN
        if self._paper_fault():
            return EXIT_USAGE
        return EXIT_RISK if snapshot.halted.startswith("risk") else EXIT_OK

    def _last_words(self, code: int, reason: str, snapshot: Snapshot | None, seconds: float, deadline_s: float) -> None:
        """The summary, the report, the last line (proof, or the orders that are undecided and how to clear them), and the JSON object."""
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
            self.session.recorder.finish(self.session.clock(), code, reason)
            self.console.line("EXIT", "", f"{reason} · before the first step")
            return
        whole = summary.run_json(self.session.engine, snapshot, measured)
        books = self.session.engine.books
        assert books is not None, "there was a picture of them"
        for line in summary.run_lines(whole, snapshot, next(iter(books.rules.values())).quote):
            self.console.line("EXIT", "", line)
        self.session.recorder.finish(self.session.clock(), code, reason, [books.holdings(), Counted(figures=summary.figures_of(self.session.engine))])
        report = self._write_report(deadline_s)
        if left_out := self.session.recorder.left_out + self.session.keeper.left_out:
            self.console.line("RISK", "all", f"{left_out} records found the recorder full: the report lacks them, the venue's history has them")
        if unwritten := self.session.manager.unwritten_results:
            self.console.line("RISK", "all", f"{unwritten} answers found no worker to write them: the next start asks what became of their orders")
        self.console.line("EXIT", "", summary.last_line(snapshot, reason, self.shutdown_ms, code, report))
        if self.arguments.json and code != RUN_AGAIN:
            try:
                print(json.dumps(whole), flush=True)
            except OSError as error:  # the stop goes on; the person is told at its end
                self.unsaid = "" if isinstance(error, BrokenPipeError) else in_words(error, "stdout")

    def _write_report(self, deadline_s: float) -> str:
        """Where the report of this run stands, or how to get it: a stop waits for it only as long as it may."""
        until_s = min(time.monotonic() + REPORT_S_MAX, deadline_s - REPORT_BEFORE_END_S)
        if not self.config.report.at_end:
            return ""
        made: list[str] = []

        def work(stopping: threading.Event) -> None:
            if not self.session.recorder.written.wait(max(0.0, until_s - time.monotonic())):
                return
            try:
                made.append(f"report {report_file.shown(report_file.write(self.state_dir, self.session.boot, self.config.report.files))}")
            except Exception as error:  # a report that cannot be written is a line, never the exit code
                made.append(f"no report: {in_words(error) if isinstance(error, OSError) else error}")

        writer = Worker("report", work)
        writer.start()
        writer.stop(until_s)
        return made[0] if made else f"no report in time: python bot.py report --html {self.session.boot}"
