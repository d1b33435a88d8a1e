"""What the intents of earlier runs add up to, and when their file is put aside.

Who calls it: bot.py at start (`recover`, `rotate`), on the main thread; state.report. A later account instance closes the earlier ones of the same
account: after a reset of the venue nothing in them can be decided any more.
Never: a write while a run is on; a rotation while a record of a live instance is undecided.
"""

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec

from core.books import ATTRIBUTED_MAX
from core.commands import Amend, Cancel, Place, PlaceOco, Replace, places_of
from core.events import Outcome, Told, Undecided
from core.types import Fill
from state.intents import BootRecord, EndRecord, FillRecord, IntentRecord, Intents, MemoryRecord, Record, ResultRecord, read

ROTATE_AT_BYTES = 32 << 20
KNOWN_FILLS_MAX = 10_000
CARRIED_FILLS_MAX = 1_000
TASKS_MAX = 2_000  # orders with a memo whose fills can be told to the strategy
INSTANCE_SEPARATOR = "."  # 4711, then 4711.2 after a reset of the venue, 4711.3 after the next


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier run left: fills already booked, places without a result, and how the file ended."""

    instance: str = ""
    newest_orders: tuple[tuple[str, int], ...] = ()  # (symbol, venue order id) the venue acknowledged last
    last_trade_ids: tuple[tuple[str, int], ...] = ()
    known_fills: tuple[Fill, ...] = ()
    attributed: tuple[tuple[str, int], ...] = ()  # (symbol, venue order id) of orders whose name is known
    undecided_elsewhere: int = 0  # on other account instances in the same file
    undecided: tuple[Undecided, ...] = ()
    memories: tuple[tuple[str, str], ...] = ()  # (symbol, text)
    told: tuple[Told, ...] = ()  # what happened after those to orders that carry a memo
    boots: int = 0
    last_boot: str = ""
    last_number: int = 0  # of the newest place of that boot
    records: int = 0


# After these a place is over. One that was answered stays until its ending with all its fills is written: it may fill just before a crash.
NEVER_RESTED = (Outcome.REFUSED.value, Outcome.NOT_SENT.value)


class Ledger:
    """What the records of one account instance add up to."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, int], Place] = {}
        self.venue_ids: dict[tuple[str, int], int] = {}
        self._keys: dict[str, tuple[str, int]] = {}  # client id of a place -> its key in `places`
        self._lists: dict[tuple[str, int], tuple[tuple[str, int], ...]] = {}  # a command for a whole list -> the keys of its legs
        self.trades: dict[str, int] = {}
        self.attributed: deque[tuple[str, int]] = deque(maxlen=ATTRIBUTED_MAX)
        self.newest: dict[str, int] = {}  # symbol -> the highest venue order id
        self.fills: deque[Fill] = deque(maxlen=KNOWN_FILLS_MAX)
        self.memories: dict[str, str] = {}  # by symbol
        self._tasks: dict[str, Place] = {}  # client id -> a place with a memo
        self._made: dict[str, None] = {}  # client ids of those that may not be in the newest memory
        self._told: list[Told] = []  # their fills that are not
        self.boot, self.boots = "", 0

    def take(self, record: Record) -> None:
        if isinstance(record, BootRecord):
            self.boot, self.boots = record.boot, self.boots + 1
        elif isinstance(record, IntentRecord):
            self._take_intent(record)
        elif isinstance(record, ResultRecord) and record.outcome in NEVER_RESTED:
            key = self.boot, record.command_id
            for one in self._lists.pop(key, (key,)):
                self._forget(one)
        elif isinstance(record, ResultRecord) and record.legs:
            self._lists.pop((self.boot, record.command_id), None)
            for symbol, venue_order_id, client_order_id, _ in record.legs:
                if leg := self._keys.get(client_order_id):
                    self.venue_ids[leg] = venue_order_id
                self.attributed.append((symbol, venue_order_id))
                self._saw(symbol, venue_order_id)
        elif isinstance(record, ResultRecord) and record.order is not None:
            if (self.boot, record.command_id) in self.places:  # its ending may have been written first (order entry over the WS API)
                self.venue_ids[self.boot, record.command_id] = record.order[1]
            self.attributed.append(record.order[:2])
            if record.canceled is not None:
                self.attributed.append(record.canceled[:2])
            self._saw(record.order[0], record.order[1])
        elif isinstance(record, MemoryRecord):
            self._remember(record)
        elif isinstance(record, FillRecord):
            self.fills.append(record.fill)
            self._tell_fill(record.fill)
            if found := self._keys.get(record.fill.client_order_id):  # the answer to the place may never have come
                self.venue_ids[found] = record.fill.venue_order_id
            self._saw(record.fill.symbol, record.fill.venue_order_id)
            self.trades[record.fill.symbol] = max(record.fill.trade_id, self.trades.get(record.fill.symbol, -1))
        elif isinstance(record, EndRecord) and record.is_complete and (ended := self._keys.get(record.client_order_id)):
            self._forget(ended)

    def _take_intent(self, record: IntentRecord) -> None:
        """The new orders it may have brought about; one that a replacement cancels has an intent of its own."""
        command = record.command
        if isinstance(command, Cancel | Amend | Replace):
            named = command.cancel if isinstance(command, Replace) else command
            if found := self._keys.get(named.client_order_id):  # known by a report, where the answer to the place never came
                self.venue_ids[found] = named.venue_order_id
        places = places_of(command)
        for place in places:
            key = self.boot, place.command_id
            self.places[key] = place
            self._keys[place.client_order_id] = key
            self._note_task(place)
        if isinstance(command, PlaceOco):
            self._lists[self.boot, command.command_id] = tuple((self.boot, place.command_id) for place in places)

    # -- for the strategy (core.memory) ----------------------------------------------------------
    def _note_task(self, place: Place) -> None:
        if not place.memo:
            return
        self._tasks[place.client_order_id] = place
        self._made[place.client_order_id] = None
        if len(self._tasks) > TASKS_MAX:
            oldest = next(iter(self._tasks))
            del self._tasks[oldest]
            self._made.pop(oldest, None)

    def _remember(self, record: MemoryRecord) -> None:
        """A place may stand before a memory that does not know it yet, for the lanes write beside the recorder: only ended ones are surely in it."""
        self.memories[record.symbol] = record.text
        self._told = [one for one in self._told if one.symbol != record.symbol]
        for client_id in [name for name in self._made if name not in self._keys and self._tasks[name].symbol == record.symbol]:
            del self._made[client_id]

    def _tell_fill(self, fill: Fill) -> None:
        if (place := self._tasks.get(fill.client_order_id)) is not None:
            at_ns = fill.time_ms * 1_000_000
            self._told.append(Told(symbol=fill.symbol, memo=place.memo, client_order_id=place.client_order_id, at_ns=at_ns, fill=fill))

    def told(self) -> tuple[Told, ...]:
        """Orders first, then fills: a strategy that knows an order already takes no harm from hearing of it again."""
        places = (self._tasks[client_id] for client_id in self._made)
        made = [
            Told(symbol=one.symbol, memo=one.memo, client_order_id=one.client_order_id, at_ns=one.not_after_ns, price=one.price) for one in places
        ]
        return (*made, *self._told)

    def _forget(self, key: tuple[str, int]) -> None:
        place = self.places.pop(key, None)
        self.venue_ids.pop(key, None)
        if place is not None:
            self._keys.pop(place.client_order_id, None)

    def _saw(self, symbol: str, venue_order_id: int) -> None:
        self.newest[symbol] = max(venue_order_id, self.newest.get(symbol, -1))

    def others(self) -> tuple[tuple[str, int], ...]:
        """Venue ids of orders that are decided: no search may take one of them for a place that is not."""
        waiting = {(place.symbol, self.venue_ids.get(key)) for key, place in self.places.items()}
        return tuple(one for one in self.attributed if one not in waiting)

    def undecided(self) -> tuple[Undecided, ...]:
        return tuple(
            Undecided(
                symbol=place.symbol,
                side=place.side,
                price=place.price,
                quantity=place.quantity,
                client_order_id=place.client_order_id,
                sent_ms=place.not_after_ns // 1_000_000,
                venue_order_id=self.venue_ids.get(key),
                type=place.type,
                stop_price=place.stop_price,
                slot=place.slot,
                memo=place.memo,
                partner=place.partner,
                is_listed=place.is_listed,
                reduce_only=place.reduce_only,
            )
            for key, place in self.places.items()
        )


def account_of(instance: str) -> str:
    """The account behind an instance: 4711 for 4711.3."""
    return instance.partition(INSTANCE_SEPARATOR)[0]


def after_reset(recovery: Recovery) -> Recovery:
    """The next instance of the same account, with an empty book: what the venue has forgotten is not asked about any more."""
    account, _, number = recovery.instance.partition(INSTANCE_SEPARATOR)
    successor = f"{account}{INSTANCE_SEPARATOR}{int(number or 1) + 1}"
    return Recovery(
        instance=successor,
        undecided_elsewhere=recovery.undecided_elsewhere + len(recovery.undecided),
        last_boot=recovery.last_boot,
        last_number=recovery.last_number,
        records=recovery.records,
    )


def recover(path: Path, account: str) -> Recovery:
    """What the runs on this account's newest instance left undecided. Raises IntentsCorrupt."""
    return add_up(read(path), account)


def add_up(story: Iterable[Record], account: str) -> Recovery:
    """`recover`, from records wherever they were kept."""
    ledgers: dict[str, Ledger] = {}  # by account
    instances: dict[str, str] = {}  # account -> its newest instance
    current, last_boot, last_number, records = "", "", 0, 0
    for record in story:
        records += 1
        if isinstance(record, BootRecord):
            current, last_boot, last_number = account_of(record.instance), record.boot, 0
            if instances.get(current) != record.instance:
                instances[current], ledgers[current] = record.instance, Ledger()
        elif isinstance(record, IntentRecord):
            last_number = max(last_number, *(place.command_id for place in places_of(record.command)), 0)  # the lanes write side by side
        if current not in ledgers:
            ledgers[current] = Ledger()
        ledgers[current].take(record)
    own = ledgers.pop(account, Ledger())
    return Recovery(
        instance=instances.get(account, account),
        newest_orders=tuple(own.newest.items()),
        last_trade_ids=tuple(own.trades.items()),
        known_fills=tuple(own.fills),
        attributed=own.others(),
        undecided=own.undecided(),
        memories=tuple(own.memories.items()),
        told=own.told(),
        undecided_elsewhere=sum(len(ledger.places) for ledger in ledgers.values()),
        boots=own.boots,
        last_boot=last_boot,
        last_number=last_number,
        records=records,
    )


def rotate(path: Path, recovery: Recovery, at_bytes: int = ROTATE_AT_BYTES) -> bool:
    """At start only: put a large file aside once nothing in it is undecided, on any instance; True where it was moved.

    The newest fills and the strategy's memories go over into the new file, so that they are never booked again and the trades after them are still
    read. A disk that refuses leaves the old file in use.
    """
    is_small = not path.exists() or path.stat().st_size < at_bytes
    if is_small or recovery.undecided or recovery.undecided_elsewhere:
        return False
    if recovery.told:  # it needs the memos of its orders
        return False
    draft, old = path.with_suffix(".new"), path.with_suffix(".old")
    try:
        _write_carried(draft, recovery)
        old.unlink(missing_ok=True)
        os.link(path, old)
        os.replace(draft, path)  # in one step: a kill at any point leaves either the whole old file or the whole new one at `path`
    except OSError:
        return False
    return True


def _write_carried(draft: Path, recovery: Recovery) -> None:
    """The file that takes over: a boot record and the newest fills, the newest of each symbol among them. Raises OSError."""
    newest = {fill.symbol: fill for fill in sorted(recovery.known_fills, key=lambda fill: fill.trade_id)}
    draft.unlink(missing_ok=True)
    writing = Intents(draft)
    writing.start()
    try:
        writing._write(BootRecord(boot=recovery.last_boot, venue="", instance=recovery.instance, order_tag="", at_ns=0))
        for fill in dict.fromkeys([*newest.values(), *recovery.known_fills[-CARRIED_FILLS_MAX:]]):
            writing._write(FillRecord(fill=fill))
        for symbol, text in recovery.memories:
            writing._write(MemoryRecord(symbol=symbol, text=text))
    finally:
        writing.stop(0)
