"""The figures of a run as plain data: counted ones, P&L in its parts, up-time, lights by reason, the venue's limits, the proofs.

Who calls it: core.engine every few seconds, for the store (a killed run has a report too), and run.py at the end. Never: a change to the books.
"""

from decimal import Decimal

from core.audit import Audit
from core.books import Books
from core.figures import FillClass, Mark
from core.money import ZERO, plain
from core.notices import Counted
from core.types import SIDES, Side
from core.uptime import Uptime

EVERY_NS = 10_000_000_000
NS_PER_S = 1_000_000_000
Json = dict[str, object]


def keep(books: Books, uptime: Uptime, audit: Audit) -> None:
    """With every timer: what must be looked at, and the picture for the store when it is due."""
    figures = books.figures
    figures.weight_max = max(figures.weight_max, books.budget.used_weight()[0])
    if books.now_ns - figures.told_ns >= EVERY_NS:
        books.notices.append(Counted(figures=told(books, uptime, audit)))
        figures.told_ns = books.now_ns


def told(books: Books, uptime: Uptime, audit: Audit) -> Json:
    """JSON-ready; amounts as exact text."""
    figures = books.figures
    return {
        "at_ns": books.now_ns,
        "quote": next((rule.quote for rule in books.rules.values()), ""),
        "pnl": _pnl(books),
        "fills": [_class(*key, one) for key, one in sorted(figures.classes.items())],
        "late": figures.late,
        "unmarked": figures.unmarked,
        "orders": {"placed": books.placed, "canceled": books.canceled, "fills": books.fills_booked},
        "sides": [_side(books, uptime, symbol, side) for symbol in books.rules for side in SIDES],
        "latency": {"place": figures.place_ms.as_dict(), "cancel": figures.cancel_ms.as_dict()},
        "rejects": dict(books.rejects),
        "weight": {"max": figures.weight_max, "limit": books.budget.used_weight()[1], "proofs": audit.weight},
        "proofs": {name: {"at_ns": at_ns, "equal": equal, "lines": list(lines)} for name, (at_ns, equal, lines) in figures.proofs.items()},
        "proofs_equal": audit.equal_proofs,
        "proofs_different": figures.proofs_different,
    }


def _pnl(books: Books) -> dict[str, str]:
    """total = captured - fees + inventory + hold; what moved what we had bought and sold is the inventory's."""
    total, hold = books.pnl()
    classes = books.figures.classes.values()
    captured = sum((one.marks[0].gain for one in classes), ZERO)
    fees = sum((one.fees for one in classes), ZERO)
    parts = {"total": total, "hold": hold, "captured": captured, "fees": fees, "inventory": total - hold - captured + fees}
    return {name: plain(value) for name, value in parts.items()}


def _class(symbol: str, side: Side, liquidity: str, one: FillClass) -> Json:
    return {
        "symbol": symbol,
        "side": str(side),
        "liquidity": str(liquidity),
        "fills": one.fills,
        "quote": plain(one.quote),
        "fees": plain(one.fees),
        "fees_elsewhere": one.fees_elsewhere,
        "marks": {str(seconds): _mark(mark) for seconds, mark in one.marks.items()},
    }


def _mark(mark: Mark) -> Json:
    return {"fills": mark.fills, "quote": plain(mark.quote), "gain": plain(mark.gain)}


def _side(books: Books, uptime: Uptime, symbol: str, side: Side) -> Json:
    spent = books.lights.spent(symbol, side, books.now_ns)
    return {
        "symbol": symbol,
        "side": side.value,
        "uptime": round(uptime.share(symbol, side), 4),
        "ready_s": _seconds(uptime.ready_ns.get((symbol, side), 0)),
        "light": [[colour.value, reason, _seconds(ns)] for (colour, reason), ns in sorted(spent.items(), key=lambda one: -one[1])],
    }


def _seconds(ns: int) -> float:
    return float(round(Decimal(ns) / NS_PER_S, 3))
