"""The file format of the tape: records, frames, reading. One file is one segment; it begins with a checkpoint of the whole state.

Who calls it: state.tape writes, sim.replay and the verb `tape` read. Any thread. A segment is Opened, its Pieces, Ready, then Stepped and Checked in
their order, perhaps a Gap (nothing after it can be replayed), and Closed where the writer lived long enough.
Frame: length (4 bytes, big-endian) + crc32 of the payload (4 bytes) + msgpack payload, like the intents. A torn last record is skipped.
Never: pickle; a byte believed before its checksum and its type were checked (a tape may come from anybody).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from core.commands import AnyCommand
from core.events import AnyEvent

VERSION = 1
SUFFIX = ".tape"
HEAD = struct.Struct(">II")
RECORD_MAX = 64 << 20
DIGEST_DIGITS = 16


class Opened(msgspec.Struct, frozen=True, tag="opened", tag_field="record", kw_only=True):
    """First record. `settings` is the msgpack of trading.recipe.Recipe; `lost_*` tell what is missing between the segment before and this one."""

    version: int
    boot: str
    segment: int
    at_ns: int
    settings: bytes
    lost_steps: int = 0
    lost_events: int = 0
    lost_why: str = ""


class Piece(msgspec.Struct, frozen=True, tag="piece", tag_field="record", kw_only=True):
    """One part of the checkpoint (core.checkpoint)."""

    name: str
    data: bytes


class Ready(msgspec.Struct, frozen=True, tag="ready", tag_field="record", kw_only=True):
    """The checkpoint is whole."""

    state_hash: str


class Stepped(msgspec.Struct, frozen=True, tag="step", tag_field="record", kw_only=True):
    """One step as the engine took it, and the digest of the commands it gave. `fault`: it raised this instead."""

    time_ns: int
    events: tuple[AnyEvent, ...]
    commands: int
    digest: str
    fault: str = ""
    is_partial: bool = False  # market events were left out, after a Gap


class Checked(msgspec.Struct, frozen=True, tag="checked", tag_field="record", kw_only=True):
    """The hash of the state after the step before."""

    state_hash: str


class Gap(msgspec.Struct, frozen=True, tag="gap", tag_field="record", kw_only=True):
    """From here on something is missing; replay ends."""

    why: str


class Closed(msgspec.Struct, frozen=True, tag="closed", tag_field="record", kw_only=True):
    why: str


Record = Opened | Piece | Ready | Stepped | Checked | Gap | Closed


class TapeCorrupt(Exception):
    """The file is no tape, or a record in its middle is damaged; the text names the byte."""


def digest_of(commands: Iterable[AnyCommand]) -> str:
    """A step's commands in short; empty where it gave none."""
    data = b"".join(msgspec.msgpack.encode(command) for command in commands)
    return sha256(data).hexdigest()[:DIGEST_DIGITS] if data else ""


def framed(record: Record) -> bytes:
    payload = msgspec.msgpack.encode(record)
    return HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def read(path: Path) -> Iterator[Record]:
    """Every whole record, up to a torn last one. Raises TapeCorrupt, OSError."""
    decoder = msgspec.msgpack.Decoder(Record)
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            length, crc = HEAD.unpack(head)
            end = at + HEAD.size + length
            if length > RECORD_MAX:
                raise TapeCorrupt(f"{path}: byte {at}: no tape, or a damaged one (a record of {length} bytes)")
            payload = file.read(length)
            if end > size or (end == size and zlib.crc32(payload) != crc):
                return  # torn: the process died, or the disk was full, in the middle of it
            if zlib.crc32(payload) != crc:
                raise TapeCorrupt(f"{path}: byte {at}: a record does not match its checksum")
            try:
                yield decoder.decode(payload)
            except (msgspec.DecodeError, RecursionError) as error:  # the second: brackets without end in a field nobody knows
                raise TapeCorrupt(f"{path}: byte {at}: a record of another version ({error})") from error
            at = end


def segments(folder: Path) -> list[Path]:
    """All segments, oldest first: boots are times, and segments of a boot are numbered."""
    return sorted(folder.glob(f"*-*{SUFFIX}"))
