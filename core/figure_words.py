"""The figures of a run in words: from the plain data of core.figures_told, as a run ends with it or as the store keeps it.

Who calls it: runtime.summary (a run that ends) and state.report (what was recorded), off the trading thread. Never: a number that is not in the data.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.money import BPS

CLASSES_SHOWN, REASONS_SHOWN, CODES_SHOWN = 4, 4, 6
Json = Mapping[str, Any]


def lines(figures: Json) -> list[str]:
    """What the P&L is made of, mark-outs by class, waits, and why sides were not green."""
    classes = merged(figures["fills"])
    latency = {name: one for name, one in figures["latency"].items() if one["count"]}
    said = [_pnl(figures)] if classes else []
    said += [_class(one, figures["quote"]) for one in classes]
    if latency:
        said.append("answers  " + " · ".join(f"{name} {_latency(one)}" for name, one in latency.items()))
    if reasons := not_green(figures["sides"]):
        shown = " · ".join(f"{reason} {seconds:.1f} s" for reason, seconds in reasons[:REASONS_SHOWN])
        said.append(f"waited   {shown}{_more(len(reasons) - REASONS_SHOWN)}")
    return said


def order_words(figures: Json) -> str:
    """The order-to-trade ratio."""
    orders = figures["orders"]
    return f"{orders['placed'] / orders['fills']:.1f} placed per fill" if orders["fills"] else "no fill"


def limit_words(figures: Json) -> str:
    """Refusals by code, and the most that was used of the request weight."""
    rejects, weight = figures["rejects"], figures["weight"]
    codes = ", ".join(f"{count} {code}" for code, count in list(rejects.items())[:CODES_SHOWN]) or "none"
    return f"rejects  {codes}{_more(len(rejects) - CODES_SHOWN)} · weight at most {weight['max']}/{weight['limit']} in a window"


def proof_words(figures: Json) -> str:
    """How many readings there were, and what the newest compared."""
    proofs = figures["proofs"]
    if not proofs:
        return "proofs   none"
    name, newest = max(proofs.items(), key=lambda one: int(one[1]["at_ns"]))
    verdict = "books equal" if newest["equal"] else "BOOKS DIFFER"
    return f"proofs   {figures['proofs_equal']} equal, {figures['proofs_different']} different · {name}: {verdict}: {', '.join(newest['lines'])}"


def _pnl(figures: Json) -> str:
    pnl = {name: Decimal(value) for name, value in figures["pnl"].items()}
    fees = pnl["fees"]
    late = f" · {figures['late']} fills heard too late to be marked" if figures["late"] else ""
    parts = f"spread {pnl['captured']:+.4f} + inventory {pnl['inventory']:+.4f} {'-' if fees >= 0 else '+'} fees {abs(fees):.4f}"
    return f"made     {pnl['total'] - pnl['hold']:+.4f} {figures['quote']} = {parts}{late}"


def _class(one: Json, quote: str) -> str:
    head = f"{one['symbol']} {one['side']:<4} {one['liquidity']} {one['fills']}"
    after = [f"{seconds} s {_gain(mark, quote)}" for seconds, mark in one["marks"].items() if seconds != "0" and mark["fills"]]
    out = f" · mark-out {', '.join(after)}" if after else ""
    return f"marks    {head} · spread {_gain(one['marks']['0'], quote)}{out}"


def _gain(mark: Json, quote: str) -> str:
    return f"{bps(mark)} bp ({Decimal(mark['gain']):+.4f} {quote})" if mark["fills"] else "not known"


def bps(mark: Json) -> str:
    """The mean of a mark in bp of what was traded."""
    worth = Decimal(mark["quote"])
    return f"{Decimal(mark['gain']) / worth * BPS:+.2f}" if worth else ""


def _latency(one: Json) -> str:
    return f"{one['count']}: p50 {one['p50_ms']:.1f}, p90 {one['p90_ms']:.1f}, p99 {one['p99_ms']:.1f}, max {one['max_ms']:.1f} ms"


def merged(classes: Sequence[Json]) -> list[dict[str, Any]]:
    """By symbol, side and liquidity; where those are too many for a person, over all symbols."""
    if len(classes) <= CLASSES_SHOWN:
        return [dict(one) for one in classes]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in classes:
        known = found.setdefault((one["side"], one["liquidity"]), {**one, "symbol": "all", "fills": 0, "marks": {}})
        known["fills"] += one["fills"]
        for seconds, mark in one["marks"].items():
            held = known["marks"].get(seconds, {"fills": 0, "quote": "0", "gain": "0"})
            added = {name: str(Decimal(held[name]) + Decimal(mark[name])) for name in ("quote", "gain")}
            known["marks"][seconds] = {"fills": held["fills"] + mark["fills"], **added}
    return list(found.values())


def not_green(sides: Sequence[Json]) -> list[tuple[str, float]]:
    """Seconds by reason, added up over the sides, the longest first."""
    found: dict[str, float] = {}
    for side in sides:
        for colour, reason, seconds in side["light"]:
            if colour != "green" and seconds >= 0.05:
                found[f"{reason} ({colour})"] = found.get(f"{reason} ({colour})", 0.0) + seconds
    return sorted(found.items(), key=lambda one: -one[1])


def _more(count: int) -> str:
    return f" · and {count} more" if count > 0 else ""
