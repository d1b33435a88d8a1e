"""What a backtest has to say beside the summary of a run: what was recorded, how far the venue was, what cannot be known.

Who calls it: sim.backtest_run. Pure. Never: a word about the machine that ran it - the same files and settings give the same text.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from core.money import plain
from core.snapshot import Snapshot
from exchange.paper.recording import Course
from runtime.summary import LINES_MAX, run_lines
from sim.backtest import Backtest

NO_QUOTE_LINES_MAX = 2
REPORT = "python bot.py report"
US = 1_000_000
UNKNOWABLE = "how the market would have answered (our orders move nothing in it), and who left a queue (in proportion ahead of us and behind us)"


def when(time_us: int, digits: int = 1) -> str:
    """UTC, to a tenth of a second."""
    at = datetime.fromtimestamp(time_us // US, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{time_us % US // 10 ** (6 - digits):0{digits}d}"


def facts(test: Backtest, ended: str, folder: str) -> dict[str, Any]:
    """The part of the JSON object that a live run has not."""
    plot, courses = test.plot, test.market.courses.values()
    shown = test.before_stop
    return {
        "files": [str(path) for path in plot.files],
        "begins": when(min(one.begun_us for one in courses), 6),
        "ends": when(max(one.newest_us for one in courses), 6),
        "span_s": (max(one.newest_us for one in courses) - min(one.begun_us for one in courses)) / US,
        "ended": ended,
        "is_whole": not ended,
        "recorded": {one.symbol: _recorded(one) for one in courses},
        "latency": msgspec.to_builtins(plot.latency),
        "maker_fee": plain(plot.maker_fee),
        "taker_fee": plain(plot.taker_fee),
        "no_quote_because": {f"{side.symbol} {side.side}": side.no_quote_because for side in shown.sides if side.no_quote_because} if shown else {},
        "unknowable": UNKNOWABLE,
        "digest": test.digest,
        "kept_in": folder,
    }


def _recorded(course: Course) -> dict[str, object]:
    return {
        "lines": course.lines,
        "trades": course.trades,
        "trades_missing": course.missing,
        "trades_missing_from": course.missing_at,
        "silence_s_max": course.silence_us / US,
        "silence_from": when(course.silence_at_us, 6) if course.silence_us else "",
    }


def lines(whole: Mapping[str, Any], snapshot: Snapshot, quote: str) -> list[str]:
    """The summary of a run with the backtest's own lines about it, at most 25."""
    told = whole["backtest"]
    names = ", ".join(path.rpartition("/")[2] for path in told["files"])
    head = [f"backtest {' '.join(told['recorded'])} · {told['begins'][:-5]} to {told['ends'][:-5]} UTC ({told['span_s']:.1f} s) · {names}"]
    head.extend(f"recorded {symbol} {_course_words(one)}" for symbol, one in list(told["recorded"].items())[:3])
    latency = " · ".join(f"{name.removesuffix('_ms').replace('_', ' ')} {ms} ms" for name, ms in told["latency"].items())
    head.append(f"venue    {latency} · maker fee {told['maker_fee']} · taker fee {told['taker_fee']}")
    if told["ended"]:
        head.append(f"ENDED    {told['ended']}")
    if not snapshot.orders_placed:
        head.extend(f"no quote {side}: {why}" for side, why in list(told["no_quote_because"].items())[:NO_QUOTE_LINES_MAX])
    tail = [f"unknown  {told['unknowable']}", f"digest   {told['digest'][:16]} of all commands and fills"]
    middle = run_lines(whole, snapshot, quote, LINES_MAX - len(head) - len(tail))
    return [*head, *(line.replace(REPORT, f"{REPORT} --set state.dir={told['kept_in']}") for line in middle), *tail]


def _course_words(one: Mapping[str, Any]) -> str:
    trades = f"{one['trades']} trades" if one["trades"] else "NO trades: nothing that rests could fill"
    missing = f"{one['trades_missing']} trades MISSING, the first before {one['trades_missing_from']}" if one["trades_missing"] else "no hole"
    silence = f" · longest silence {one['silence_s_max']:.1f} s from {one['silence_from'][11:-5]}" if one["silence_from"] else ""
    return f"{one['lines']} lines · {trades}{silence} · {missing}"
