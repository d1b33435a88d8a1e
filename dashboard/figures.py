"""Of the report as HTML: what was counted while the run ran (core.figures_told): P&L in parts, mark-outs, up-time, lights, answers, limits, proofs.

Who uses it: dashboard.report. Pure: plain data in, text out; every text is escaped where it becomes markup (dashboard.drawing).
Never: a number that was not counted.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from core.figure_words import bps
from dashboard.drawing import table

Json = Mapping[str, Any]
Row = Sequence[str]
Tile = tuple[str, str, str]
SHORTEST_S = 0.05  # a light shown for less is no row
MARKS = (("spread", "0"), ("1 s", "1"), ("5 s", "5"), ("30 s", "30"))


def tiles(figures: Json) -> list[Tile]:
    """What quoting is made of, and what it took."""
    pnl = {name: Decimal(value) for name, value in figures["pnl"].items()}
    orders, weight, quote = figures["orders"], figures["weight"], figures["quote"]
    told = [
        ("spread captured", f"{pnl['captured']:+.4f}", "against the mid of each fill"),
        ("inventory", f"{pnl['inventory']:+.4f}", "what prices did to it"),
        ("less fees", f"{-pnl['fees']:+.4f}", f"{quote}, third assets left out"),
    ]
    if orders["fills"]:
        told.append(("orders per fill", f"{orders['placed'] / orders['fills']:.1f}", f"{orders['placed']} placed, {orders['canceled']} canceled"))
    told.append(("weight at most", f"{weight['max']}/{weight['limit']}", "of one window of the venue"))
    return told


def sections(figures: Json) -> list[str]:
    """One table for each question; nothing where nothing was counted."""
    columns = ("symbol", "side", "as", "fills", "traded", "fees", *_mark_columns())
    return [
        table(f"Spread and mark-outs, bp and {figures['quote']}", columns, _mark_rows(figures["fills"]), 3, _mark_note(figures)),
        table("Quotes on the book", ("symbol", "side", "up-time", "of"), _uptime_rows(figures["sides"]), 2),
        table("Time by light and reason", ("symbol", "side", "light", "reason", "time", "share"), _light_rows(figures["sides"]), 4),
        table("Answers of the venue", ("call", "answers", "p50 ms", "p90 ms", "p99 ms", "max ms"), _latency_rows(figures["latency"]), 1),
        table("Refusals", ("code", "times"), [(code, str(count)) for code, count in figures["rejects"].items()], 1),
        table(_proof_title(figures), ("reading", "at (UTC)", "verdict", "compared"), _proof_rows(figures["proofs"]), 9),
    ]


def _mark_columns() -> list[str]:
    return [f"{name} {unit}" for name, _ in MARKS for unit in ("bp", "sum")]


def _mark_rows(classes: Sequence[Json]) -> list[Row]:
    return [
        (
            one["symbol"],
            one["side"],
            one["liquidity"],
            str(one["fills"]),
            f"{Decimal(one['quote']):.2f}",
            f"{Decimal(one['fees']):.4f}",
            *(cell for _, seconds in MARKS for cell in _mark_cells(one["marks"][seconds])),
        )
        for one in classes
    ]


def _mark_cells(mark: Json) -> tuple[str, str]:
    return (bps(mark), f"{Decimal(mark['gain']):+.4f}") if mark["fills"] else ("", "")


def _mark_note(figures: Json) -> str:
    note = "Mark-out: what the fills had gained against the mid so much later; below zero the market knew better."
    late = f" {figures['late']} fills were heard of too late to be marked." if figures["late"] else ""
    unmarked = f" {figures['unmarked']} marks found no mid." if figures["unmarked"] else ""
    return f"{note}{late}{unmarked}"


def _uptime_rows(sides: Sequence[Json]) -> list[Row]:
    return [(side["symbol"], side["side"], f"{side['uptime']:.1%}", f"{side['ready_s']:.1f} s") for side in sides if side["ready_s"]]


def _light_rows(sides: Sequence[Json]) -> list[Row]:
    rows = list[Row]()
    for side in sides:
        whole = sum(seconds for _, _, seconds in side["light"]) or 1.0
        for colour, reason, seconds in (one for one in side["light"] if one[2] >= SHORTEST_S):
            rows.append((side["symbol"], side["side"], colour, reason, f"{seconds:.1f} s", f"{seconds / whole:.1%}"))
    return rows


def _latency_rows(latency: Json) -> list[Row]:
    return [
        (name, str(one["count"]), *(f"{one[which]:.1f}" for which in ("p50_ms", "p90_ms", "p99_ms", "max_ms")))
        for name, one in latency.items()
        if one["count"]
    ]


def _proof_title(figures: Json) -> str:
    return f"Proofs: {figures['proofs_equal']} equal, {figures['proofs_different']} different; the newest of each kind"


def _proof_rows(proofs: Json) -> list[Row]:
    return [
        (name, f"{datetime.fromtimestamp(one['at_ns'] // 10**9, UTC):%H:%M:%S}", "equal" if one["equal"] else "DIFFERENT", ", ".join(one["lines"]))
        for name, one in sorted(proofs.items(), key=lambda item: int(item[1]["at_ns"]))
    ]
