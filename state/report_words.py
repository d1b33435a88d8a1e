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

ORDERS_SHOWN, SIDES_SHOWN = 20, 6


def lines(report: Mapping[str, Any]) -> list[str]:
    """The report for a person."""
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
    said += position_lines(report["positions"]) + lot_lines(report["lots"])
    if report["recovered_fills"]:
        said.append(f"recovered {len(report['recovered_fills'])} fills from before this run's books begin")
    said += _listed("open", report["open_orders"]) + _listed("undecided", report["undecided"])
    return said + [f"note     {note}" for note in report["notes"]]


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


def _listed(name: str, found: list[Any]) -> list[str]:
    head = [f"{name:<8} {len(found) or 'none'}"]
    shown = [f"    {one['symbol']} {one['side']:<4} {one['quantity']} @ {one['price']} · {one['client_order_id']}" for one in found[:ORDERS_SHOWN]]
    return head + shown + ([f"    and {len(found) - ORDERS_SHOWN} more"] if len(found) > ORDERS_SHOWN else [])
