"""The end of a run in numbers: the JSON object of `--json` and the few lines a person reads.

Who calls it: bot.py, on the main thread, after the trading thread has ended. Never: a number the books do not hold.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from core import figure_words
from core.commands import Purpose
from core.engine import Engine
from core.figures_told import told as figures_told
from core.money import BPS, at_least, plain
from core.position_words import heart_line, side_lines, tally_lines
from core.proof import Proof
from core.snapshot import Snapshot, SymbolShown, books_of, fees_of

LINES_MAX = 25
VERSIONS_SHOWN = 5
EXIT_UNCLEAN = 5


def run_json(engine: Engine, snapshot: Snapshot, measured: Mapping[str, object]) -> dict[str, object]:
    """One JSON-ready object; `measured` brings what the runtime measured (run_id, seconds, pong_ms_max, step_ms_max, shutdown_ms ...)."""
    proof = end_proof(snapshot)
    maker = sum(shown.maker_fills for shown in snapshot.symbols)
    taker = sum(shown.taker_fills for shown in snapshot.symbols)
    return {
        **measured,
        "orders_placed": snapshot.orders_placed,
        "orders_canceled": snapshot.orders_canceled,
        "queue_places_kept": snapshot.queue_places_kept,
        "fills": snapshot.fills,
        "maker_fills": maker,
        "taker_fills": taker,
        "round_trip_quantity": dict(snapshot.round_trips),
        "fees": fees_of(engine),
        "pnl_quote": snapshot.pnl_quote,
        "pnl_hold_quote": snapshot.pnl_hold_quote,
        "inventory": {shown.symbol: shown.inventory for shown in snapshot.symbols},
        "rejects": snapshot.rejects,
        "figures": figures_of(engine),
        "light_seconds": snapshot.light_seconds,
        **({"positions": snapshot.positions} if snapshot.positions else {}),
        "quote_uptime": {f"{shown.symbol} {shown.side}": shown.uptime for shown in snapshot.sides},
        "book_gaps": sum(shown.book_gaps for shown in snapshot.symbols),
        "book_crossed": sum(shown.book_crossed for shown in snapshot.symbols),
        "halted": snapshot.halted,
        "config_versions": [{"version": one.version, "since_ns": one.since_ns} for one in snapshot.config_versions],
        "proof": {
            "equal": proof.equal if proof else False,
            "purpose": proof.purpose if proof else "none",
            "compared": list(proof.compared) if proof else [],
            "differences": list(proof.differences) if proof else [_no_proof(snapshot)],
            "request_weight": snapshot.proof_weight,
        },
        "books": books_of(engine),
    }


def run_lines(summary: Mapping[str, object], snapshot: Snapshot, quote: str, lines_max: int = LINES_MAX) -> list[str]:
    """The terminal summary, at most 25 lines."""
    total, hold = Decimal(snapshot.pnl_quote), Decimal(snapshot.pnl_hold_quote)
    fees, figures = summary["fees"], summary["figures"]
    assert isinstance(fees, dict) and isinstance(figures, dict)
    ratio = f" · {figure_words.order_words(figures)}" if snapshot.fills else ""
    lines = [
        f"run {summary['run_id']} · {summary['seconds']} s",
        f"orders   placed {snapshot.orders_placed} · canceled {snapshot.orders_canceled}{_kept(snapshot)} · fills {snapshot.fills}{ratio}",
        f"fills    maker {summary['maker_fills']} · taker {summary['taker_fills']} · fees {_pairs(fees) or 'none'}",
        f"pnl      {total:+.4f} {quote} = quoting {total - hold:+.4f} + holding {hold:+.4f}",
    ]
    lines.extend(
        f"{shown.symbol:<8} bought {shown.bought} · sold {shown.sold} · inventory {Decimal(shown.inventory).normalize():+f}"
        for shown in snapshot.symbols[:6]
    )
    if snapshot.halted:
        lines.append(f"HALTED   by {snapshot.halted}")
    held_at = len(lines)
    counted = figure_words.lines(figures)
    lines.append("quoting  " + " · ".join(f"{side.symbol} {side.side} {side.uptime:.1%}" for side in snapshot.sides[:6]))
    lines.append("light    " + " · ".join(f"{colour} {seconds:.1f} s" for colour, seconds in snapshot.light_seconds.items()))
    lines.append(figure_words.limit_words(figures))
    if "step_ms_max" in summary:  # not in virtual time
        lines.append(f"limits   step max {summary['step_ms_max']} ms · pong max {summary['pong_ms_max']} ms · stop took {summary['shutdown_ms']} ms")
    if len(snapshot.config_versions) > 1:
        lines.append(f"settings {_versions(snapshot)}")
    proof = end_proof(snapshot)
    if proof is None:
        lines.append(f"proof    {_no_proof(snapshot)}")
    else:
        lines.append(
            f"proof    {'books equal' if proof.equal else 'BOOKS DIFFER'}: {', '.join(proof.compared if proof.equal else proof.differences)}"
        )
    held = [line for symbol, shown in snapshot.positions.items() for line in _held(symbol, shown, quote, snapshot.at_ns)]
    held = _fitted([*counted, *held], lines_max - len(lines))
    return [*lines[:held_at], *held, *lines[held_at:]][:lines_max]


def _fitted(lines: list[str], room: int) -> list[str]:
    """What finds no room is in the report."""
    if len(lines) <= room:
        return lines
    shown = max(0, room - 1)
    return [*lines[:shown], f"         and {len(lines) - shown} lines more: python bot.py report"]


def figures_of(engine: Engine) -> dict[str, object]:
    """What was counted, as it is now; empty before Boot."""
    return figures_told(engine.books, engine.uptime, engine.audit) if engine.books is not None else {}


def _held(symbol: str, shown: Mapping[str, Any], quote: str, at_ns: int) -> list[str]:
    """What a strategy that keeps positions did, and with what it ends."""
    return [*tally_lines(symbol, shown["tally"], quote), *side_lines(symbol, shown, at_ns, head="held     ")]


def _versions(snapshot: Snapshot) -> str:
    """In the order they came into force, the newest few."""
    first_ns = snapshot.config_versions[0].since_ns
    said = [f"{one.version} after {(one.since_ns - first_ns) / 1e9:.0f} s" for one in snapshot.config_versions[1:]]
    left_out = [f"{len(said) - VERSIONS_SHOWN} more"] if len(said) > VERSIONS_SHOWN else []
    return " · ".join([snapshot.config_versions[0].version, *left_out, *said[-VERSIONS_SHOWN:]])


def config_lines(snapshot: Snapshot, config: Mapping[str, object]) -> list[str]:
    """For `status`: the version in force, what waits for a restart, and why the file as it is now is not taken."""
    lines = []
    if snapshot.config_versions:
        newest = snapshot.config_versions[-1]
        lines.append(f"settings {newest.version} in force for {(snapshot.at_ns - newest.since_ns) / 1e9:.1f} s")
    for name, words in (("waiting", "waits for a restart"), ("faults", "the config is not taken")):
        found = config.get(name)
        lines.extend(f"{words}: {one}" for one in (found if isinstance(found, list) else ()))
    return lines


def end_proof(snapshot: Snapshot) -> Proof | None:
    """The proof of the stop; one from before it proves nothing about the end."""
    return snapshot.proof if snapshot.proof is not None and snapshot.proof.purpose == Purpose.STOP else None


def _no_proof(snapshot: Snapshot) -> str:
    last = snapshot.proof
    return "no proof at the stop" + (f"; the last one ({last.purpose}) {'was equal' if last.equal else 'differed'}" if last is not None else "")


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{value} {key}" for key, value in values.items())


def status_lines(snapshot: Snapshot) -> list[str]:
    """`bot.py status` in words."""
    pnl = Decimal(snapshot.pnl_quote)
    lines = [f"pnl {pnl:+.4f} · fills {snapshot.fills} · open {snapshot.orders_open} · calls without an answer {snapshot.calls_pending}"]
    if snapshot.halted:
        lines.append(f"HALTED by {snapshot.halted}; python bot.py resume")
    for side in snapshot.sides:
        quote = side.no_quote_because and f" · no quote: {side.no_quote_because}"
        lines.append(f"{side.symbol} {side.side:<4} {side.colour:<5} {side.age_ms / 1000:.1f} s · {side.reason}{quote}")
        lines.extend(
            f"    {order['quantity']} @ {order['price']} filled {order['filled']} · {order['status']} {order['age_s']} s"
            f"{' · about ' + order['ahead'] + ' ahead' if order['ahead'] else ''} · {order['client_order_id']}"
            for order in side.orders
        )
    for shown in snapshot.symbols:
        lines.append(f"{shown.symbol} {shown.bid}/{shown.ask} · inventory {plain(Decimal(shown.inventory))} · book {shown.book_age_ms} ms old")
    for symbol, position in snapshot.positions.items():
        lines.extend([*side_lines(symbol, position, snapshot.at_ns), *tally_lines(symbol, position["tally"])])
        lines.append(heart_line(symbol, position["beats"], snapshot.at_ns))
    if snapshot.proof:
        proof = snapshot.proof
        verdict = f"equal: {', '.join(proof.compared)}" if proof.equal else f"DIFFERS: {', '.join(proof.differences)}"
        lines.append(f"proof ({proof.purpose}, {(snapshot.at_ns - proof.at_ns) / 1e9:.1f} s ago, weight {proof.request_weight}) {verdict}")
    return lines


def why_lines(snapshot: Snapshot) -> list[str]:
    """`bot.py why`: each side without a quote, its reason, its age, what clears it."""
    lines = [f"halted by {snapshot.halted}; python bot.py resume"] if snapshot.halted else []
    for side in snapshot.sides:
        if side.no_quote_because:
            clears = f" · clears when: {side.clears_when}" if side.clears_when else ""
            lines.append(f"{side.symbol} {side.side:<4} {side.colour} for {side.age_ms / 1000:.1f} s: {side.no_quote_because}{clears}")
        else:
            lines.append(f"{side.symbol} {side.side:<4} quotes {len(side.orders)} order{'s' if len(side.orders) > 1 else ''}")
    return lines


def status_line(snapshot: Snapshot, up_s: float, caps: Mapping[str, Decimal]) -> str:
    """The pinned line of a terminal: one symbol in full, the others by colour; a halt first. `caps`: of the inventory, where it has one."""
    parts = [f"HALTED by {snapshot.halted}"] if snapshot.halted else []
    first = snapshot.symbols[0] if snapshot.symbols else None
    parts += [_in_full(snapshot, first, caps.get(first.symbol))] if first else []
    pending = sum(side.pending_places for side in snapshot.sides), sum(side.pending_cancels for side in snapshot.sides)
    unknown = sum(side.unknown for side in snapshot.sides)
    quoting = Decimal(snapshot.pnl_quote) - Decimal(snapshot.pnl_hold_quote)
    parts.append(f"quoting {quoting:+.2f}  fills {snapshot.fills}  pend {pending[0]}p {pending[1]}c {unknown}?")
    if snapshot.ack_ms[1]:
        parts.append(f"ack {snapshot.ack_ms[0]:.0f}/{snapshot.ack_ms[1]:.0f}ms")
    if first:
        parts.append(f"book {first.book_age_ms / 1000:.1f}s" if first.book_age_ms >= 0 else "book -")
    parts += [f"{_colours(snapshot, shown)} {shown.symbol}" for shown in snapshot.symbols[1:4]]
    parts.append(f"weight {snapshot.weight_used}/{snapshot.weight_limit}  up {timedelta(seconds=int(up_s))}")
    return "  ".join(parts)


def _in_full(snapshot: Snapshot, shown: SymbolShown, cap: Decimal | None) -> str:
    """Touch, our best prices and how far they are apart, inventory."""
    prices = {side.side: [Decimal(order["price"]) for order in side.orders] for side in snapshot.sides if side.symbol == shown.symbol}
    bid, ask = max(prices["BUY"], default=None), min(prices["SELL"], default=None)
    touch = "/".join(at_least(Decimal(price), 2) for price in (shown.bid, shown.ask))
    mine = "/".join("-" if price is None else at_least(price, 2) for price in (bid, ask))
    spread = f" {(ask - bid) / bid * BPS:.1f}bp" if bid and ask else ""
    held = f"{Decimal(shown.inventory).normalize():+f}{'' if cap is None else '/' + plain(cap)}"
    return f"{_colours(snapshot, shown)} {shown.symbol} {touch}  mine {mine}{spread}  inv {held}"


def _colours(snapshot: Snapshot, shown: SymbolShown) -> str:
    return "/".join(dict.fromkeys(side.colour for side in snapshot.sides if side.symbol == shown.symbol))


def last_line(snapshot: Snapshot, reason: str, shutdown_ms: int, code: int, report: str) -> str:
    """Proof of zero, or what is undecided and the command that clears it; and where the report is."""
    report = f" · {report}" if report else ""
    if code != EXIT_UNCLEAN:
        return f"{reason} · no order of ours is left, confirmed by the venue · stopped in {shutdown_ms / 1000:.2f} s{report} · exit {code}"
    left = [order["client_order_id"] for side in snapshot.sides for order in side.orders]
    named = f"{len(left)} orders without the venue's word: {', '.join(left[:10])}" if left else "the venue gave no proof"
    return f"{reason} · {named} · clear with: python bot.py cancel-all{report} · exit {code}"


def _kept(snapshot: Snapshot) -> str:
    return f" · shrunk in place {snapshot.queue_places_kept}" if snapshot.queue_places_kept else ""
