"""WebSocket frames of the server, as bytes: built once, sent to any number of connections.

Pure. aiohttp reads the client's frames; what we send is framed here so that one encoded message serves every
subscriber and several messages leave in one write.
Who calls it: connection.py and streams.py, on the event loop. Never: a socket, a mask (servers send unmasked).
"""

from __future__ import annotations

_TEXT, _PING, _PONG, _CLOSE = 0x81, 0x89, 0x8A, 0x88


def _frame(first_byte: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first_byte, size)) + payload
    if size < 65536:
        return bytes((first_byte, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first_byte, 127)) + size.to_bytes(8, "big") + payload


def text_frame(payload: bytes) -> bytes:
    """One whole unmasked text frame."""
    return _frame(_TEXT, payload)


def ping_frame(payload: bytes) -> bytes:
    """A ping; the payload (at most 125 bytes) comes back in the pong."""
    return _frame(_PING, payload[:125])


def pong_frame(payload: bytes) -> bytes:
    """The answer to a client's ping, with its payload."""
    return _frame(_PONG, payload[:125])


def close_frame(code: int, reason: str) -> bytes:
    """A close frame with its code and a reason of at most 123 bytes."""
    return _frame(_CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])
