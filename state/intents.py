"""Intents: every order command before it leaves, every result, every fill, every boot. What must survive a kill -9.

Who calls it: lane workers (`intent`, `result`), the recorder thread (`fill`), bot.py at start (`boot`); state.ledger adds them up. Each record is one
`os.write` under O_APPEND, about 10 us; after a power cut the venue's open orders with our tag are the truth.
Never: a rotation while a record in it is undecided; a place whose intent could not be written.
Record: length (4 bytes, big-endian) + crc32 of the payload (4 bytes) + JSON payload. What stands between two records and ends with SCAR was cut off.
"""

import mmap
import os
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from core.commands import AnyCommand, OrderCommand, places_of
from core.events import Boot, OcoAnswer, OrderAnswer, Outcome, ReplaceAnswer, Reply
from core.notices import Holdings
from core.ports import NotSent
from core.types import Fill, OrderFacts

HEAD = struct.Struct(">II")
SCAR = b"\xff" * HEAD.size  # stands before a record that follows a torn one, or the records of another process, which may have been torn
RECORD_MAX = 1 << 20
LATE_MAX = 20_000
PAYLOAD_BEGINS = b'{"record":'
PAYLOAD_BYTES_MIN = 20  # of any record; a smaller number at a head's place is the rest of a torn one


class BootRecord(msgspec.Struct, frozen=True, tag="boot", tag_field="record", kw_only=True):
    boot: str
    venue: str
    instance: str
    order_tag: str
    at_ns: int
    symbols: tuple[tuple[str, str, str], ...] = ()  # (symbol, base, quote)


class IntentRecord(msgspec.Struct, frozen=True, tag="intent", tag_field="record", kw_only=True):
    at_ns: int
    command: OrderCommand


class ResultRecord(msgspec.Struct, frozen=True, tag="result", tag_field="record", kw_only=True):
    """`order` is (symbol, venue order id, client order id, status) where the venue named one.

    Of a pair it is the new order, as is `outcome` where the venue spoke of both; `canceled` is the old one.
    """

    at_ns: int
    command_id: int
    outcome: str
    note: str
    order: tuple[str, int, str, str] | None = None
    canceled: tuple[str, int, str, str] | None = None
    legs: tuple[tuple[str, int, str, str], ...] = ()  # of a list, both


class FillRecord(msgspec.Struct, frozen=True, tag="fill", tag_field="record", kw_only=True):
    fill: Fill


class EndRecord(msgspec.Struct, frozen=True, tag="end", tag_field="record", kw_only=True):
    """The venue's last word on an order, with its evidence. With fills missing (`is_complete` False) it decides nothing at the next start."""

    client_order_id: str
    status: str
    evidence: str
    is_complete: bool = True


class HoldingsRecord(msgspec.Struct, frozen=True, tag="holdings", tag_field="record", kw_only=True):
    """Balances and mids, now and at the start of the run: what the P&L is counted from."""

    at_ns: int
    holdings: Holdings


class MemoryRecord(msgspec.Struct, frozen=True, tag="memory", tag_field="record", kw_only=True):
    """What a strategy wants known of a symbol after a restart. It contains every fill that stands before it in the file, and none after it."""

    symbol: str
    text: str


Record = EndRecord | BootRecord | IntentRecord | ResultRecord | FillRecord | HoldingsRecord | MemoryRecord


class IntentsCorrupt(Exception):
    """A record in the middle of the file does not match its checksum."""


class File(Protocol):
    """Where the records go. `write` appends and says how many bytes it took; raises OSError."""

    def write(self, data: bytes, /) -> int: ...
    def is_empty(self) -> bool: ...
    def close(self) -> None: ...


class DiskFile:
    """A private file that is only appended to. Raises OSError."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, data: bytes, /) -> int:
        return os.write(self._file, data)

    def is_empty(self) -> bool:
        return os.fstat(self._file).st_size == 0

    def close(self) -> None:
        os.close(self._file)


class Intents:
    """The Journal of core.ports, and a Resource. The simulator opens a file in memory (sim.memory)."""

    def __init__(self, path: Path, open_file: Callable[[Path], File] = DiskFile) -> None:
        self.path = path
        self._open_file = open_file
        self._file: File | None = None
        self._encoder = msgspec.json.Encoder()
        self._memory_lock = threading.Lock()  # guards the words below; never held during a write, which is one system call
        self._idle = threading.Condition(self._memory_lock)
        self._writing = 0  # writes under way
        self._is_torn = False  # what stands at the end of the file may not be whole
        self._late: deque[Record] = deque()  # the recorder's, in order, from the first that could not be written on
        self.written = 0
        self.failed = 0
        self.last_error = ""

    # -- Resource --------------------------------------------------------------------------------
    def start(self) -> None:
        self._file = self._open_file(self.path)
        self._is_torn = not self._file.is_empty()

    def stop(self, deadline: float) -> None:
        """Refuse every further record and close the file once nobody writes; `deadline` is on time.monotonic().

        A descriptor closed under a late worker would soon be another file's number, and its record would go there: then rather leave it open.
        """
        with self._idle:
            file, self._file = self._file, None
            is_idle = self._idle.wait_for(lambda: not self._writing, max(0.0, deadline - time.monotonic()))
        if file is not None and is_idle:
            file.close()

    @property
    def is_running(self) -> bool:
        return self._file is not None

    # -- Journal ---------------------------------------------------------------------------------
    def intent(self, command: AnyCommand) -> None:
        """Before the send. A place or replacement that cannot be written is not sent (raises NotSent); a cancel goes all the same."""
        if not isinstance(command, OrderCommand):
            return
        try:
            self._write(IntentRecord(at_ns=0, command=command))
        except OSError as error:
            self._note_failure(error)
            if places_of(command):
                raise NotSent(f"its intent could not be written: {error.strerror}") from error

    def result(self, reply: Reply) -> None:
        """After the answer. Never raises: the answer is worth more than its record; an unwritten result is asked about at the next start."""
        answer, outcome, error = reply.answer, reply.outcome, reply.error
        order = canceled = None
        if isinstance(answer, OrderAnswer):
            order = _named(answer.facts)
        elif isinstance(answer, ReplaceAnswer):
            order, canceled = _named(answer.placed.facts), _named(answer.canceled.facts)
            error = answer.canceled.error or answer.placed.error
            # Not attempted is the venue's no: nothing of it is in doubt.
            outcome = Outcome.REFUSED if answer.placed.outcome is Outcome.NOT_SENT else answer.placed.outcome
        legs = (_named(answer.stop), _named(answer.profit)) if isinstance(answer, OcoAnswer) else ()
        note = reply.note or (f"{error.code} {error.message}" if error else "")
        self._write_or_count(
            ResultRecord(
                at_ns=reply.received_ns,
                command_id=reply.command_id,
                outcome=outcome.value,
                note=note[:500],
                order=order,
                canceled=canceled,
                legs=tuple(leg for leg in legs if leg is not None),
            )
        )

    def boot(self, event: Boot, at_ns: int) -> None:
        """First record of a run."""
        symbols = tuple((rule.symbol, rule.base, rule.quote) for rule in event.rules)
        record = BootRecord(boot=event.boot, venue=event.venue, instance=event.instance, order_tag=event.tag, at_ns=at_ns, symbols=symbols)
        self._write(record)

    def fill(self, fill: Fill) -> None:
        """From the recorder; fills that are not written are read again from the venue at the next start, all after the newest that is."""
        self._write_in_order(FillRecord(fill=fill))

    def end(self, client_order_id: str, status: str, evidence: str, is_complete: bool = True) -> None:
        """From the recorder; without it a place that had no answer is asked about again at the next start."""
        self._write_in_order(EndRecord(client_order_id=client_order_id, status=status, evidence=evidence, is_complete=is_complete))

    def memory(self, symbol: str, text: str) -> None:
        """From the recorder, in order with the fills; without it the one before and what is told after it say the same (core.memory)."""
        self._write_in_order(MemoryRecord(symbol=symbol, text=text))

    def holdings(self, at_ns: int, holdings: Holdings) -> None:
        """From the recorder, now and then; the store is rebuilt from the last one."""
        self._write_or_count(HoldingsRecord(at_ns=at_ns, holdings=holdings))

    def _write_in_order(self, record: Record) -> None:
        """Nothing passes a fill or an ending that could not be written: with it in the file the next start would not look for them."""
        self._late.append(record)
        if len(self._late) > LATE_MAX:
            self.leave_out()
        self.write_late()

    def write_late(self) -> None:
        """From the recorder, also at its end: what could not be written before."""
        late = self._late
        try:
            while late:
                self._write(late[0])
                late.popleft()
        except OSError as error:
            self._note_failure(error)

    def leave_out(self) -> None:
        """From now on no fill and no ending is written in this run, since one is lost: the next start reads all after the newest that is there."""
        self._late = deque(maxlen=0)

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
        payload = self._encoder.encode(record)
        data = HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        is_whole = False
        with self._memory_lock:
            file = self._file
            if file is None:
                raise OSError(9, "the intents are closed")
            self._writing += 1
            if self._is_torn:
                data = SCAR + data
        try:
            is_whole = file.write(data) == len(data)
        finally:
            with self._idle:
                self._writing -= 1
                self._is_torn = not is_whole
                self.written += is_whole
                self._idle.notify()  # whoever stops
        if not is_whole:
            raise OSError(28, "disk full")


def _named(facts: OrderFacts | None) -> tuple[str, int, str, str] | None:
    return (facts.symbol, facts.venue_order_id, facts.client_order_id, facts.status) if facts is not None else None


# -- reading -------------------------------------------------------------------------------------
def read(path: Path) -> Iterator[Record]:
    """Every whole record of a file; none where there is no file. Raises IntentsCorrupt."""
    if not path.exists() or not path.stat().st_size:
        return
    # Mapped, not loaded: within a run the file only grows, by 1.2 KB per order, and that of a run of weeks is larger than memory.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield from records_in(data, path)


def records_in(data: bytes | mmap.mmap, path: Path) -> Iterator[Record]:
    """Every whole record. Raises IntentsCorrupt, which names `path`, for one that is whole but does not match its checksum.

    A torn record - the last one of a killed run, or one a full disk cut off - is skipped: its command never left, or its answer is asked for again.
    """
    if _is_foreign(data[: HEAD.size + len(PAYLOAD_BEGINS)]):
        raise IntentsCorrupt(_advice(path, 0, "this is no file of intents"))
    decoder = msgspec.json.Decoder(Record)
    at = 0
    while at < len(data):
        end = _end_of_record(data, at)
        if end is not None:
            try:
                yield decoder.decode(data[at + HEAD.size : end])
            except msgspec.DecodeError as error:
                raise IntentsCorrupt(_advice(path, at, f"a record of another version ({error})")) from error
            at = end
            continue
        following = _next_begin(data, at + 1)
        if not _is_torn(data, at, following):
            raise IntentsCorrupt(_advice(path, at, "a record does not match its checksum"))
        at = following


def _is_foreign(begin: bytes) -> bool:
    """Somebody else's file: no record at its begin, no piece of a scar where the first one was torn that early, and not the zeros of a power cut."""
    return len(begin) == HEAD.size + len(PAYLOAD_BEGINS) and begin[HEAD.size :] != PAYLOAD_BEGINS and SCAR[:1] not in begin and any(begin)


def _advice(path: Path, at: int, what: str) -> str:
    return f"{path}: byte {at}: {what}; move the file away to start with empty intents (the venue's open orders with our tag are read anyway)"


def _end_of_record(data: bytes | mmap.mmap, at: int) -> int | None:
    """Where the record at `at` ends; None where no whole one begins there."""
    if at + HEAD.size > len(data):
        return None
    length, crc = HEAD.unpack_from(data, at)
    end = at + HEAD.size + length
    return int(end) if 0 < length <= RECORD_MAX and end <= len(data) and zlib.crc32(data[at + HEAD.size : end]) == crc else None


def _next_begin(data: bytes | mmap.mmap, at: int) -> int:
    """Where the next record begins, whole or not; the end of the data where there is none. JSON text never holds PAYLOAD_BEGINS unescaped."""
    begins = data.find(PAYLOAD_BEGINS, at + HEAD.size)
    return begins - HEAD.size if begins >= 0 else len(data)


def _is_torn(data: bytes | mmap.mmap, at: int, following: int) -> bool:
    """Fewer bytes stand before the next record than the head announces, or a scar is among them, whole or cut off itself: the write was cut off.

    Otherwise the bytes are damaged. JSON text holds no byte of a scar.
    """
    here = following - at
    if here < HEAD.size or SCAR in data[at:following] or data.find(SCAR[:1], at + HEAD.size, following) >= 0:
        return True
    length = int(HEAD.unpack_from(data, at)[0])
    return length > here - HEAD.size or length < PAYLOAD_BYTES_MIN
