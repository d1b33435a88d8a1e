"""A tape or the intents in words: one line per record, for a person.

Who calls it: bot.py, for the verb `tape`. It only reads. Never: a key (neither file holds one), a write.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from core.commands import Amend, Cancel, CancelAll, OrderCommand, Place, PlaceOco, Replace
from core.events import AccountSnapshot, AnyEvent, Boot, DepthSnapshot, Reply
from core.money import plain
from core.printable import printable
from core.types import OrderFacts
from state import intents, tape_file
from state.intents import BootRecord, EndRecord, FillRecord, IntentRecord, ResultRecord
from state.tape_file import Checked, Closed, Gap, Opened, Piece, Ready, Stepped

EXIT_USAGE = 2
MS = 1_000_000
DAY_MS = 86_400_000
PIECES_NAMED_MAX = 5


def newest_tape(state_dir: Path) -> Path:
    """The segment written last; where there is none, the place where one would be."""
    folder = state_dir / "tape"
    return (tape_file.segments(folder) or [folder])[-1]


def print_tape(path: Path) -> int:
    """The verb `tape`; returns the exit code: 0, or 2 where the file cannot be read."""
    try:
        for line in lines(path):
            print(printable(line))
    except OSError as error:
        if error.filename is None:
            raise  # our own output cannot be written: bot.py knows what to do
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    except (tape_file.TapeCorrupt, intents.IntentsCorrupt) as error:
        print(printable(error), file=sys.stderr)
        return EXIT_USAGE
    return 0


def lines(path: Path) -> Iterator[str]:
    """Raises OSError, tape_file.TapeCorrupt, intents.IntentsCorrupt."""
    with path.open("rb") as file:
        head = file.read(intents.HEAD.size + len(intents.PAYLOAD_BEGINS))
    if head[intents.HEAD.size :] == intents.PAYLOAD_BEGINS:
        return _intents(path)
    return _tape(path)


def clock(time_ns: int) -> str:
    """Time of day, UTC, to the ms."""
    ms = time_ns // MS % DAY_MS
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}" if time_ns else " " * 12


# -- the tape ------------------------------------------------------------------------------------
def _tape(path: Path) -> Iterator[str]:
    pieces = size = number = 0
    for record in tape_file.read(path):
        if isinstance(record, Opened):
            lost = f" · {record.lost_steps} steps and {record.lost_events} events lost before it: {record.lost_why}" if record.lost_why else ""
            yield f"{clock(record.at_ns)} segment {record.segment} of run {record.boot}, version {record.version}{lost}"
        elif isinstance(record, Piece):
            pieces, size = pieces + 1, size + len(record.data)
        elif isinstance(record, Ready):
            yield f"{'':12} checkpoint of {pieces} parts, {size} bytes, hash {record.state_hash[:16]}"
        elif isinstance(record, Stepped):
            number += 1
            yield from _step(number, record)
        elif isinstance(record, Checked):
            yield f"{'':12} state {record.state_hash[:16]}"
        elif isinstance(record, Gap):
            yield f"{'':12} GAP: {record.why}; replay ends here"
        elif isinstance(record, Closed):
            yield f"{'':12} end: {record.why}"


def _step(number: int, step: Stepped) -> Iterator[str]:
    commands = f" -> {step.commands} commands {step.digest}" if step.commands else ""
    partial = " · without its market events" if step.is_partial else ""
    fault = f" · RAISED {step.fault}" if step.fault else ""
    yield f"{clock(step.time_ns)} step {number}: {len(step.events)} events{commands}{partial}{fault}"
    for event in step.events:
        yield f"{'':12}   {_event(event)}"


def _event(event: AnyEvent) -> str:
    name = type(event).__name__
    if isinstance(event, Boot):
        symbols = ", ".join(rule.symbol for rule in event.rules)
        known = f"{len(event.undecided)} undecided, {len(event.known_fills)} fills known"
        return f"{name} {event.boot} at {event.venue} {event.instance}: {symbols}; {known}"
    if isinstance(event, Reply):
        error = f" {event.error.http_status} {event.error.code} {event.error.message}" if event.error else ""
        return f"{name} to {event.command_id}: {event.outcome}{error}{' ' + event.note if event.note else ''}{_answer(event)}"
    return f"{name} {_fields(event)}".rstrip()


def _answer(reply: Reply) -> str:
    answer = reply.answer
    if answer is None:
        return ""
    if isinstance(answer, AccountSnapshot):
        return f" · {len(answer.open_orders)} open orders, {len(answer.balances)} balances, {len(answer.trades)} trades"
    if isinstance(answer, DepthSnapshot):
        return f" · {answer.symbol} book at {answer.last_update_id}, {len(answer.bids)} bids, {len(answer.asks)} asks"
    facts = getattr(answer, "facts", None)
    if isinstance(facts, OrderFacts):
        done = f"{plain(facts.executed)} of {plain(facts.quantity)}"
        return f" · {facts.symbol} {facts.side} {plain(facts.price)} {facts.status} {done}, {len(facts.fills)} fills, {facts.client_order_id}"
    return f" · {_fields(answer)}" if facts is not None or not hasattr(answer, "facts") else " · not known to the venue"


def _fields(value: msgspec.Struct) -> str:
    """Name and value of each field; long lists as their length."""
    shown = []
    for name in value.__struct_fields__:
        one = getattr(value, name)
        if isinstance(one, msgspec.Struct):
            one = f"({_fields(one)})"
        elif isinstance(one, tuple) and len(one) > PIECES_NAMED_MAX:
            one = f"[{len(one)}]"
        elif isinstance(one, tuple):
            one = "[" + ", ".join(_entry(entry) for entry in one) + "]"
        shown.append(f"{name}={one}")
    return " ".join(shown)


def _entry(entry: object) -> str:
    if isinstance(entry, msgspec.Struct):
        return f"({_fields(entry)})"
    return " x ".join(str(part) for part in entry) if isinstance(entry, tuple) else str(entry)


# -- the intents ---------------------------------------------------------------------------------
def _intents(path: Path) -> Iterator[str]:
    for record in intents.read(path):
        if isinstance(record, BootRecord):
            yield f"{clock(record.at_ns)} boot {record.boot} at {record.venue} {record.instance}, orders tagged {record.order_tag}"
        elif isinstance(record, IntentRecord):
            yield f"{clock(record.at_ns)} intent {record.command.command_id}: {_command(record.command)}"
        elif isinstance(record, ResultRecord):
            order = " ".join(str(part) for part in record.order) if record.order else ""
            said = " · ".join(part for part in (order, record.note) if part)
            yield f"{clock(record.at_ns)} result {record.command_id}: {record.outcome}{' · ' + said if said else ''}"
        elif isinstance(record, FillRecord):
            fill = record.fill
            what = f"{fill.side} {plain(fill.quantity)} at {plain(fill.price)}, {fill.liquidity}, fee {plain(fill.fee)} {fill.fee_asset}"
            yield f"{clock(fill.time_ms * MS)} fill {fill.symbol} {fill.trade_id}: {what}, {fill.client_order_id}"
        elif isinstance(record, EndRecord):
            yield f"{'':12} end {record.client_order_id}: {record.status}, by {record.evidence}"
        else:
            yield f"{'':12} {record}"


def _command(command: OrderCommand) -> str:
    if isinstance(command, CancelAll):
        return f"cancel all with tag {command.tag} ({command.reason})"
    if isinstance(command, Replace):
        return f"replace {command.cancel.client_order_id}: {_command(command.place)}"
    if isinstance(command, PlaceOco):
        return f"place a pair, {_command(command.profit)}; {_command(command.stop)}"
    verb = {Place: "place", Cancel: "cancel", Amend: "shrink"}[type(command)]
    order = f"{command.symbol} {command.side} {plain(command.quantity)} at {plain(command.price)}"
    return f"{verb} {order}, {command.client_order_id} ({command.reason})"
