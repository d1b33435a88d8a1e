"""Intents: every order command before it leaves, every result, every fill, every boot. What must survive a kill -9.

Who calls it: lane workers (`intent`, `result`), the recorder thread (`fill`), bot.py at start (`boot`, `recover`). Each record is one
`os.write` under O_APPEND, about 10 us; after a power cut the venue's open orders with our tag are the truth.
Never: a rotation while a record in it is undecided; a place whose intent could not be written.
Record: length (4 bytes, big-endian) + crc32 of the payload (4 bytes) + JSON payload.
"""

import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from core.commands import AnyCommand, Cancel, CancelAll, Place
from core.events import Boot, OrderAnswer, Outcome, Reply, Undecided
from core.ports import NotSent
from core.types import Fill

HEAD = struct.Struct(">II")
RECORD_MAX = 1 << 20
ROTATE_AT_BYTES = 32 << 20
KNOWN_FILLS_MAX = 10_000


class BootRecord(msgspec.Struct, frozen=True, tag="boot", tag_field="record", kw_only=True):
    boot: str
    venue: str
    instance: str
    order_tag: str
    at_ns: int


class IntentRecord(msgspec.Struct, frozen=True, tag="intent", tag_field="record", kw_only=True):
    at_ns: int
    command: Place | Cancel | CancelAll


class ResultRecord(msgspec.Struct, frozen=True, tag="result", tag_field="record", kw_only=True):
    """`order` is (symbol, venue order id, client order id, status) where the venue named one."""

    at_ns: int
    command_id: int
    outcome: str
    note: str
    order: tuple[str, int, str, str] | None = None


class FillRecord(msgspec.Struct, frozen=True, tag="fill", tag_field="record", kw_only=True):
    fill: Fill


class EndRecord(msgspec.Struct, frozen=True, tag="end", tag_field="record", kw_only=True):
    """The venue's last word on an order, with its evidence."""

    client_order_id: str
    status: str
    evidence: str


Record = EndRecord | BootRecord | IntentRecord | ResultRecord | FillRecord


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier run left: fills already booked, places without a result, and how the file ended."""

    last_trade_ids: tuple[tuple[str, int], ...] = ()
    known_fills: tuple[Fill, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    boots: int = 0
    records: int = 0


class IntentsCorrupt(Exception):
    """A record in the middle of the file does not match its checksum."""


class Intents:
    """The Journal of core.ports, and a Resource."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._encoder = msgspec.json.Encoder()
        self._memory_lock = threading.Lock()  # guards the counters only; each write is one system call
        self.written = 0
        self.failed = 0
        self.last_error = ""

    # -- Resource --------------------------------------------------------------------------------
    def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def stop(self, deadline: float) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    @property
    def is_running(self) -> bool:
        return self._file is not None

    # -- Journal ---------------------------------------------------------------------------------
    def intent(self, command: AnyCommand) -> None:
        """Before the send. A place that cannot be written is not sent (raises NotSent); a cancel goes all the same."""
        if not isinstance(command, Place | Cancel | CancelAll):
            return
        try:
            self._write(IntentRecord(at_ns=0, command=command))
        except OSError as error:
            self._note_failure(error)
            if isinstance(command, Place):
                raise NotSent(f"its intent could not be written: {error.strerror}") from error

    def result(self, reply: Reply) -> None:
        """After the answer. Never raises: the answer is worth more than its record; an unwritten result is asked about at the next start."""
        order = None
        if isinstance(reply.answer, OrderAnswer) and reply.answer.facts is not None:
            facts = reply.answer.facts
            order = (facts.symbol, facts.venue_order_id, facts.client_order_id, facts.status)
        note = reply.note or (f"{reply.error.code} {reply.error.message}" if reply.error else "")
        record = ResultRecord(at_ns=reply.received_ns, command_id=reply.command_id, outcome=reply.outcome.value, note=note[:500], order=order)
        self._write_or_count(record)

    def boot(self, event: Boot, at_ns: int) -> None:
        """First record of a run."""
        self._write(BootRecord(boot=event.boot, venue=event.venue, instance=event.instance, order_tag=event.tag, at_ns=at_ns))

    def fill(self, fill: Fill) -> None:
        """From the recorder; a fill that is not written is read again from the venue at the next start."""
        self._write_or_count(FillRecord(fill=fill))

    def end(self, client_order_id: str, status: str, evidence: str) -> None:
        """From the recorder; without it a place that had no answer is asked about again at the next start."""
        self._write_or_count(EndRecord(client_order_id=client_order_id, status=status, evidence=evidence))

    def _write_or_count(self, record: Record) -> None:
        try:
            self._write(record)
        except OSError as error:
            self._note_failure(error)

    def _note_failure(self, error: OSError) -> None:
        with self._memory_lock:
            self.failed += 1
            self.last_error = str(error.strerror)

    def _write(self, record: Record) -> None:
        if self._file is None:
            raise OSError(9, "the intents are closed")
        payload = self._encoder.encode(record)
        data = HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        written = os.write(self._file, data)
        if written != len(data):
            raise OSError(28, "disk full")
        with self._memory_lock:
            self.written += 1


# -- reading -------------------------------------------------------------------------------------
def read(path: Path) -> Iterator[Record]:
    """Every whole record; a torn last one is skipped. Raises IntentsCorrupt for a fault in the middle."""
    decoder = msgspec.json.Decoder(Record)
    data = path.read_bytes() if path.exists() else b""
    at = 0
    while at + HEAD.size <= len(data):
        length, crc = HEAD.unpack_from(data, at)
        payload = data[at + HEAD.size : at + HEAD.size + length]
        whole = len(payload) == length and length <= RECORD_MAX and zlib.crc32(payload) == crc
        if not whole:
            if at + HEAD.size + length >= len(data):
                return
            raise IntentsCorrupt(f"{path}: byte {at}: a record does not match its checksum; move the file away to start with empty intents")
        yield decoder.decode(payload)
        at += HEAD.size + length


def recover(path: Path, instance: str) -> Recovery:
    """What the runs on this account instance left undecided. Raises IntentsCorrupt."""
    places: dict[tuple[str, int], Place] = {}
    trades: dict[str, int] = {}
    fills: deque[Fill] = deque(maxlen=KNOWN_FILLS_MAX)
    boot, boots, records, current = "", 0, 0, False
    for record in read(path):
        records += 1
        if isinstance(record, BootRecord):
            boot, current = record.boot, record.instance == instance
            boots += current
        elif not current:
            continue
        elif isinstance(record, IntentRecord) and isinstance(record.command, Place):
            places[boot, record.command.command_id] = record.command
        elif isinstance(record, ResultRecord) and record.outcome != Outcome.UNKNOWN.value:
            places.pop((boot, record.command_id), None)
        elif isinstance(record, FillRecord):
            fills.append(record.fill)
            trades[record.fill.symbol] = max(record.fill.trade_id, trades.get(record.fill.symbol, -1))
        elif isinstance(record, EndRecord):
            places = {key: place for key, place in places.items() if place.client_order_id != record.client_order_id}
    undecided = tuple(
        Undecided(
            symbol=place.symbol,
            side=place.side,
            price=place.price,
            quantity=place.quantity,
            client_order_id=place.client_order_id,
            sent_ms=place.not_after_ns // 1_000_000,
        )
        for place in places.values()
    )
    return Recovery(last_trade_ids=tuple(trades.items()), known_fills=tuple(fills), undecided=undecided, boots=boots, records=records)


def rotate(path: Path, recovery: Recovery) -> bool:
    """At start only: put a large file aside once nothing in it is undecided; True where it was moved."""
    if recovery.undecided or not path.exists() or path.stat().st_size < ROTATE_AT_BYTES:
        return False
    path.replace(path.with_suffix(".old"))
    return True
