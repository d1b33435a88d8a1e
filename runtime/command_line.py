"""The command line: verbs and options, as argparse knows them. docs list the verbs from here.

Who calls it: bot.py. Never: a default that the config should hold, a word in an error that may be a secret.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from runtime.config_source import SECRET_LINE

VERSION = "0.1.0"
VERBS = {
    "run": "trade until Ctrl-C (the default)",
    "init": "write a commented config.yaml here; asks nothing, overwrites nothing",
    "check": "judge the config, offline, and say every fault at once",
    "show-config": "the effective settings and where each came from; secrets masked",
    "schema": "the config's JSON schema, for editors",
    "status": "what the running bot sees: lights, orders, inventory, proof",
    "why": "why each side has no quote, if it has none",
    "cancel-all": "halt the running bot and cancel its orders; without one, cancel our orders at the venue",
    "resume": "end a halt of the running bot",
    "close": "leave every lot of the running bot (strategy: maker_first), and enter none until resume",
    "tape": "print a segment of the tape, or the intents, in words: tape FILE (default: the newest segment)",
    "backtest": "the config over recordings, in virtual time: backtest FILE [FILE ...] (docs/backtest.md)",
    "report": "a run from what was recorded, also after the bot died: report RUN (default: the newest run)",
}
WITH_ARGUMENT = ("tape", "report", "backtest")
WITH_JSON = ("run", "status", "why", "cancel-all", "resume", "close", "report", "backtest")
EXIT_CODES = (
    "exit codes: 0 fine and proven, 2 config or usage, 3 venue or bot unreachable, 4 risk stop,\n"
    "  5 unclean stop (orders may be left; the last line names them), 130 Ctrl-C while starting"
)

PLAIN_WORD = re.compile(r"(-{0,2}[A-Za-z][A-Za-z-]{0,15}=?)?[A-Za-z0-9_.:-]{0,16}")


class Parser(argparse.ArgumentParser):
    """A fault is one line. It repeats what was not understood; `words` that may be a secret are masked in that."""

    words: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        for before, word in zip(("", *self.words), self.words, strict=False):
            if SECRET_LINE.search(word) or SECRET_LINE.search(before) or not PLAIN_WORD.fullmatch(word):
                message = message.replace(repr(word), "***").replace(word, "***")
        self.exit(2, f"{self.prog}: {message} (python bot.py --help)\n")


def parser() -> Parser:
    made = Parser(
        prog="bot.py",
        description="Greenlight: a trading bot that never waits, always knows its orders, says why, and can prove it.",
        epilog="verbs:\n" + "\n".join(f"  {verb:<12} {what}" for verb, what in VERBS.items()) + f"\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --l must not be --live
    )
    made.add_argument("verb", nargs="?", default="run", metavar="VERB", help="what to do, see below (default: run)")
    made.add_argument("argument", nargs="?", default=None, metavar="ARGUMENT", help="of the verbs that take one, see below")
    made.add_argument("--config", type=Path, default=None, metavar="FILE", help="default: config.yaml beside bot.py")
    made.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable")
    made.add_argument("--run-for", type=_seconds, default=None, metavar="SECONDS", help="stop by itself after so many seconds of trading")
    made.add_argument("--cycles", type=_count, default=None, metavar="N", help="stop by itself after N complete buy-and-sell round trips")
    made.add_argument("--json", action="store_true", help="one JSON object on stdout at the end; the console goes to stderr")
    made.add_argument("--html", action="store_true", help="of report: one file to read in a browser, reports/RUN.html")
    made.add_argument("--live", action="store_true", help="needed, besides `venue: binance`, to trade real money")
    made.add_argument("--ui", choices=("auto", "plain", "json"), default="auto", help="how the console writes (default: auto)")
    loudness = made.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="also acknowledgements")
    loudness.add_argument("-q", "--quiet", action="store_true", help="only fills, risk, proof and the end")
    made.add_argument("--version", action="version", version=f"greenlight {VERSION}")
    return made


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line, options before or after the argument; a fault in it ends the process with exit code 2."""
    made = parser()
    made.words = sys.argv[1:] if argv is None else argv
    arguments, unknown = made.parse_known_intermixed_args(argv)
    options = [option for action in made._actions for option in action.option_strings]
    for word in unknown:
        if word.startswith("-"):
            made.error(f"no such option: {word}{_close(word, options)}")
    if arguments.verb not in VERBS:
        made.error(f"no such verb: {arguments.verb}{_close(arguments.verb, VERBS)}")
    arguments.files = [arguments.argument, *unknown] if arguments.verb == "backtest" and arguments.argument is not None else []
    if unknown and not arguments.files:
        made.error(f"one word too many: {unknown[0]}")
    _check_fit(made, arguments)
    return arguments


def _check_fit(made: Parser, arguments: argparse.Namespace) -> None:
    """What a verb would pass over in silence is a fault."""
    verb = arguments.verb
    if arguments.argument is not None and verb not in WITH_ARGUMENT:
        made.error(f"{verb} takes no argument (got {arguments.argument!r})")
    if arguments.json and verb not in WITH_JSON:
        made.error(f"{verb} has no --json")
    if arguments.html and (verb != "report" or arguments.json):
        made.error("--html belongs to report, without --json")
    if verb == "backtest" and not arguments.files:
        made.error("backtest needs a recording: backtest FILE [FILE ...]")
    if arguments.run_for is not None and verb not in ("run", "backtest"):
        made.error(f"--run-for belongs to run and backtest, not to {verb}")
    if arguments.cycles is not None and verb != "run":
        made.error(f"--cycles belongs to run, not to {verb}")


def _close(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word.partition("=")[0], list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < value < 10_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0 and below 10000000")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
