"""Of a report: the whole of it in words, for a person.

Who calls it: state.report, bot.py. Never: a number that is not in the report.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core import figure_words
from core.money import plain
from core.types import Liquidity
from state.report_lots import lines as lot_lines
from state.report_positions import lines as position_lines

LINES_MAX = 25  # of what a terminal shows
ORDERS_SHOWN, UNDECIDED_SHOWN, NOTES_SHOWN, SIDES_SHOWN = 20, 5, 3, 6


def short(report: Mapping[str, Any]) -> list[str]:
    """At most 25 lines: what was counted and what is undecided always, of positions, lots and open orders what finds room."""
    head, tail = _head(report), _listed("undecided", report["undecided"], UNDECIDED_SHOWN) + _notes(report)[:NOTES_SHOWN]
    middle, room = _middle(report), LINES_MAX - len(head) - len(tail)
    if len(middle) > room:
        shown = max(0, room - 1)
        middle = [*middle[:shown], f"         and {len(middle) - shown} lines more: python bot.py report {report['run_id']} --html"]
    return [*head, *middle, *tail]


def lines(report: Mapping[str, Any]) -> list[str]:
    """The whole report in words."""
    return [*_head(report), *_middle(report), *_listed("undecided", report["undecided"], ORDERS_SHOWN), *_notes(report)]


def _notes(report: Mapping[str, Any]) -> list[str]:
    return [f"note     {note}" for note in report["notes"]]


def _middle(report: Mapping[str, Any]) -> list[str]:
    return position_lines(report["positions"]) + _listed("open", report["open_orders"], ORDERS_SHOWN) + lot_lines(report["lots"])


def _head(report: Mapping[str, Any]) -> list[str]:
    figures = report["figures"]
    code = f" (exit {report['exit_code']})" if report["exit_code"] is not None else ""
    end = f"ended {report['ended']}{code}: {report['end_reason']}"
    statuses = Counter(order["status"] for order in report["orders"])
    makers = sum(fill["liquidity"] == Liquidity.MAKER for fill in report["fills"])
    said = [
        f"run {report['run_id']} · {report['venue']} account {report['instance']} · started {report['started']} · as of {report['as_of']}",
        end if report["ended"] else "no end recorded: it runs, or it was killed",
        f"orders   {len(report['orders'])}{_counts(statuses)}{' · ' + figure_words.order_words(figures) if figures else ''}",
        f"fills    {len(report['fills'])} · maker {makers} · taker {len(report['fills']) - makers} · fees {_pairs(report['fees'])}",
        _pnl_words(report),
        *(_counted(figures) if figures else ()),
        f"balances {_pairs({asset: plain(Decimal(held['free']) + Decimal(held['locked'])) for asset, held in report['balances'].items()})}",
    ]
    if report["config_versions"]:
        said.append("settings " + " · ".join(f"{one['version']} since {one['since']}" for one in report["config_versions"]))
    if report["recovered_fills"]:
        said.append(f"recovered {len(report['recovered_fills'])} fills from before this run's books begin")
    return said


def _counted(figures: Mapping[str, Any]) -> list[str]:
    uptime = " · ".join(f"{side['symbol']} {side['side']} {side['uptime']:.1%}" for side in figures["sides"][:SIDES_SHOWN])
    return [*figure_words.lines(figures), f"uptime   {uptime}", figure_words.limit_words(figures), figure_words.proof_words(figures)]


def _pnl_words(report: Mapping[str, Any]) -> str:
    if report["pnl_quote"] is None:
        return "pnl      not known: the balances at the start were not recorded"
    total, hold = Decimal(report["pnl_quote"]), Decimal(report["pnl_hold_quote"])
    return f"pnl      {total:+.4f} {report['quote']} = quoting {total - hold:+.4f} + holding {hold:+.4f}"


def _counts(counts: Mapping[str, int]) -> str:
    return "".join(f" · {count} {name}" for name, count in counts.items())


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{value} {name}" for name, value in values.items()) or "none"


def _listed(name: str, found: list[Any], most: int) -> list[str]:
    head = [f"{name:<8} {len(found) or 'none'}"]
    shown = [f"    {one['symbol']} {one['side']:<4} {one['quantity']} @ {one['price']} · {one['client_order_id']}" for one in found[:most]]
    return head + shown + ([f"    and {len(found) - most} more"] if len(found) > most else [])
