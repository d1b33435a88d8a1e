"""Frames out of the buffer: whole text frames are taken at once, everything else by websocket-client, and nobody can tell the difference."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import WebSocketTimeoutException

from exchange.binance.link import Gone, Link, _Socket

TEXT, BINARY, MORE, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
FIN = 0x80


class Scripted(_Socket):
    """Gets these pieces, one a read; nothing more comes after them, and what is sent is kept."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(5000)
        self.pieces = [piece for piece in pieces if piece]
        self.sent: list[bytes] = []
        self.connected = True

    def _fill(self) -> None:
        if not self.pieces:
            raise WebSocketTimeoutException("nothing came")
        self._chunk, self._at = self.pieces.pop(0), 0

    def _send(self, data: str | bytes) -> int:
        self.sent.append(bytes(data))  # type: ignore[arg-type]
        return len(data)


class Plain(Scripted):
    """The same, read by websocket-client alone."""

    def whole_text(self) -> bytes | None:
        return None


def frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    head = bytes([opcode | (FIN if fin else 0)])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65_536:
        return head + b"\x7e" + struct.pack("!H", len(payload)) + payload
    return head + b"\x7f" + struct.pack("!Q", len(payload)) + payload


def heard(sock: Scripted) -> list[bytes | str]:
    link, found = Link(sock), list[bytes | str]()
    waits = 0
    while waits < 3:
        try:
            message = link.next()
        except Gone as gone:
            return [*found, gone.reason]
        if message is not None:
            found.append(message)
        waits += message is None and not sock.pieces and not sock.has_more
    return found


payloads = st.binary(max_size=40) | st.sampled_from([b"x" * 125, b"y" * 126, b"z" * 700, b"w" * 65_535, b"v" * 65_536])
whole = payloads.map(lambda payload: [frame(TEXT, payload)])
pieces = st.tuples(payloads, payloads).map(lambda two: [frame(TEXT, two[0], fin=False), frame(MORE, two[1])])
split_by_ping = st.tuples(payloads, payloads).map(lambda two: [frame(TEXT, two[0], fin=False), frame(PING, b"p"), frame(MORE, two[1])])
control = st.sampled_from([[frame(PING, b"1")], [frame(PONG, b"gl")], [frame(BINARY, b"\x00\x01")]])


@given(groups=st.lists(whole | whole | pieces | split_by_ping | control, max_size=8), cuts=st.lists(st.integers(1, 5000), max_size=20))
def test_the_short_way_hears_what_websocket_client_hears(groups: list[list[bytes]], cuts: list[int]) -> None:
    """The same messages and the same pongs, wherever the reads cut the bytes, with pieces and pings between."""
    data = b"".join(part for group in groups for part in group)
    parts = []
    for cut in cuts:
        parts.append(data[:cut])
        data = data[cut:]
    parts.append(data)
    short, plain = Scripted(parts), Plain(parts)
    assert heard(short) == heard(plain)
    assert len(short.sent) == len(plain.sent)


def test_a_whole_text_frame_takes_the_short_way() -> None:
    """What nearly every frame of a market stream is does not go through websocket-client."""
    sock = Scripted([frame(TEXT, b"a" * 200) + frame(TEXT, b"b")])
    assert sock.whole_text() == b"a" * 200
    assert sock.whole_text() == b"b"
    assert not sock.has_more


@pytest.mark.parametrize("bytes_", [frame(PING, b"1"), frame(TEXT, b"half")[:3], frame(TEXT, b"x", fin=False), b"\x81\x85mask12345", b"\xc1\x01x"])
def test_anything_else_is_left_to_websocket_client(bytes_: bytes) -> None:
    """Control frames, parts, masks and reserved bits are not touched: not a byte is taken from the buffer."""
    sock = Scripted([bytes_])
    assert sock.whole_text() is None
    assert sock._at == 0


def test_a_close_ends_it() -> None:
    """A close after text is heard in its order."""
    assert heard(Scripted([frame(TEXT, b"a") + frame(CLOSE, struct.pack("!H", 1000) + b"bye")])) == [b"a", "closed by the venue (1000 bye)"]
