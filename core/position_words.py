"""What a strategy that keeps positions has done, in words: from its plain data, as a snapshot shows it or the intents remember it.

Who calls it: runtime.summary (a living run), state.report (what was recorded), assembly.py (a start), off the trading thread.
Never: a number that is not in the data.
"""

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from core.money import BPS, plain
from core.types import SIDES

MS = 1_000_000
ALONE_SHOWN = 4  # sides of symbols in one line


def tally_lines(symbol: str, tally: Mapping[str, Any], quote: str = "") -> list[str]:
    """Entries, what both classes of liquidity did and paid, and what it was worth."""
    entries, filled = int(tally["entries"]), int(tally["filled"])
    share = f" ({Decimal(filled) / entries:.0%})" if entries else ""
    each = f" · wait {int(tally['waited_ns']) // filled // MS} ms · {Decimal(tally['reprices']) / filled:.1f} reprices per fill" if filled else ""
    denied = f", {tally['fallbacks_denied']} denied" if tally["fallbacks_denied"] else ""
    late = f"timeouts {tally['timeouts']} · fallbacks {tally['fallbacks']}{denied}"
    head = f"entries  {symbol} {entries} as a maker · {filled} filled{share} · {late}{each}"
    classes = [line for task, tag in (("entry", "opens   "), ("exit", "closes  ")) if (line := _classes(task, tag, symbol, tally["classes"]))]
    worth = (
        f"worth    {symbol} maker fills against the taker fee {_money(tally['fees_saved'])} · slippage paid {_money(tally['slippage_paid'])}"
        f" · avoided {_money(tally['slippage_avoided'])}{' ' + quote if quote else ''}"
    )
    return [head, *([*classes, worth] if classes else [])]


def _classes(task: str, tag: str, symbol: str, classes: Mapping[str, Any]) -> str:
    """Entries or exits, by maker and by taker: how many were tried and filled, what that was, and its mean commission."""
    said = [f"{way} {_class_words(classes[f'{task} {way}'])}" for way in ("maker", "taker") if f"{task} {way}" in classes]
    return f"{tag} {symbol} {' · '.join(said)}" if said else ""


def _class_words(one: Mapping[str, Any]) -> str:
    worth = Decimal(one["quote"])
    tried = f"{one['tasks_filled']} of {one['tasks']} filled ({Decimal(one['tasks_filled']) / one['tasks']:.0%})" if one.get("tasks") else ""
    done = f"{plain(Decimal(one['quantity']))} at {Decimal(one['commission']) / worth * BPS:.1f} bp commission" if worth else ""
    return ", ".join(part for part in (tried, done) if part)


def _money(text: str) -> str:
    return f"{Decimal(text):+.4f}"


def _pending_words(pending: Mapping[str, Any], now_ns: int) -> str:
    age_s, left_s = (Decimal(now_ns - pending["created_ns"]) / 10**9, Decimal(pending["deadline_ns"] - now_ns) / 10**9)
    where = f" at {pending['price']}" if pending["price"] else ", not placed yet"
    done = f", {pending['filled']} filled" if Decimal(pending["filled"]) else ""
    times = f"{pending['reprices']} {'reprice' if pending['reprices'] == 1 else 'reprices'}"
    time = f"{left_s:.1f} s left" if left_s > 0 else "its time is up"
    return f"entry {pending['id']} pending {age_s:.1f} s, {time}: {pending['quantity']}{where}{done}, {times}"


def remembered_lines(symbol: str, memory: Mapping[str, Any]) -> list[str]:
    """Of what was last written down: per side the entry that was pending and a recheck that was due; nothing where there is neither."""
    lines = []
    for side in SIDES:
        pending, flag = memory["entries"].get(side.value), memory["recheck"].get(side.value)
        if pending:
            task = pending["task"]
            filled = f", {plain(Decimal(pending['filled']))} filled" if Decimal(pending["filled"]) else ""
            lines.append(f"pending  {symbol} {side:<4} entry {task['number']}: {plain(Decimal(task['quantity']))}{filled} · {task['reason']}")
        if flag:
            lines.append(f"pending  {symbol} {side:<4} recheck after the timeout of entry {flag['number']}")
    return lines


def left_alone(memories: Iterable[tuple[str, str]], looked_after: Container[str]) -> tuple[str, ...]:
    """One line where earlier runs left lots or dust of symbols that this one looks after with no such strategy; their memory is not touched."""
    found = []
    for symbol, lots in ((symbol, msgspec.json.decode(text)["lots"]) for symbol, text in memories if symbol not in looked_after):
        for side in SIDES:
            held, dust = [Decimal(lot["held"]["quantity"]) for lot in lots["open"][side.value]], Decimal(lots["dust"][side.value]["quantity"])
            words = [f"{plain(sum(held, Decimal(0)))} in {len(held)} lot{'s' if len(held) > 1 else ''}"] if held else []
            words += [f"{plain(dust)} dust"] if dust else []
            found += [f"{symbol} {side.value} {' and '.join(words)}"] if words else []
    if not found:
        return ()
    named = ", ".join(found[:ALONE_SHOWN]) + (f", and {len(found) - ALONE_SHOWN} more" if len(found) > ALONE_SHOWN else "")
    return (f"nobody looks after {named} in this run · kept as it is; goes on with strategy: maker_first and its symbol",)


def heart_line(symbol: str, beats: Mapping[str, Any], now_ns: int) -> str:
    """When exits and entries were last gone through, and the longest pause of this run."""
    said = [f"{name} {(now_ns - beat['last_ns']) // MS} ms ago, longest pause {beat['pause_ms_max']} ms" for name, beat in beats.items()]
    return f"{symbol} last ran: {' · '.join(said)}"


def _short(price: str) -> str:
    """A mean price has more places than a person reads."""
    return plain(Decimal(format(Decimal(price), ".8g")))


def side_lines(symbol: str, shown: Mapping[str, Any], now_ns: int, head: str = "") -> list[str]:
    """Per side: the pending entry with its age, the recheck flag, lots, runner, dust."""
    lines = []
    for side in SIDES:
        one = shown[side.value]
        entry = _pending_words(one["pending"], now_ns) if one["pending"] else "no entry pending"
        flags = " · recheck" if one["recheck"] else ""
        lots = ", ".join(f"{lot['id']}: {lot['quantity']} at {_short(lot['price'])}" for lot in one["lots"]) or "none"
        leaving = ", ".join(f"{way['left']} of lot {way['id']} ({way['why']}{', at the market' if way['is_taker'] else ''})" for way in one["exits"])
        flags += f" · leaving {leaving}" if leaving else ""
        dust = f" · dust {one['dust']}" if Decimal(one["dust"]) else ""
        lines.append(f"{head}{symbol} {side:<4} {entry}{flags} · lots {lots} · runner {one['runner'] or '-'} · next {one['next_lot']}{dust}")
    return lines
