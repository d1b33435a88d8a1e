"""Requests of the WS API as text: signed ones, plain ones, and those a logged-on connection vouches for.

Who calls it: user_stream.py on the reader thread, ws_api.py on lane threads; holds nothing that changes. An order is on its way to the socket while
this runs, so what all requests share - the key's part of the text and of the digest - is made once.
Never: a clock, a network call, the key or a signature in an error.
Source: binance-wire 1 (what is signed, in which order), 6 (the envelope).
"""

import re
from collections.abc import Mapping

from exchange.binance.signing import Signer

RECV_WINDOW_MS = 3000
PLAIN = re.compile(r"[A-Za-z0-9._:-]*")
Params = Mapping[str, str | int]


class Requests:
    """Texts for one key."""

    def __init__(self, signer: Signer, recv_window_ms: int = RECV_WINDOW_MS) -> None:
        self.can_log_on = signer.can_log_on
        self._recv_window_ms = recv_window_ms
        self._api_key, self._sign = signer.api_key, signer.sign
        self._finish = signer.keyed(f"apiKey={signer.api_key}&")
        self._key = f'"apiKey":"{signer.api_key}",'

    def plain(self, number: int | str, method: str, params: Params) -> str:
        """Without key, signature and time."""
        return _envelope(number, method, _json(_checked(params)))

    def signed(self, number: int | str, method: str, params: Params, timestamp_ms: int) -> str:
        """With key, recvWindow, timestamp and, last, the signature. Raises ValueError for a value that JSON or the signature would have to escape."""
        ordered = self._timed(params, timestamp_ms)
        if next(iter(ordered)) < "apiKey":  # the legs of a list, above
            whole = dict(sorted({**ordered, "apiKey": self._api_key}.items()))
            signature = self._sign("&".join([f"{name}={value}" for name, value in whole.items()]))
        else:
            signature = self._finish("&".join([f"{name}={value}" for name, value in ordered.items()]))
        return _envelope(number, method, f'{self._key}{_json(ordered)},"signature":"{signature}"')

    def vouched(self, number: int | str, method: str, params: Params, timestamp_ms: int) -> str:
        """For a connection that has logged on: no key, no signature, the time all the same (binance-wire 6)."""
        return _envelope(number, method, _json(self._timed(params, timestamp_ms)))

    def _timed(self, params: Params, timestamp_ms: int) -> dict[str, str | int]:
        """Sorted by name, as they are signed. All names of ours but those of a list's legs come after apiKey."""
        return dict(sorted(_checked({**params, "recvWindow": self._recv_window_ms, "timestamp": timestamp_ms}).items()))


def _checked(params: Params) -> Params:
    if not PLAIN.fullmatch("".join(map(str, params.values()))):
        raise ValueError("a parameter holds a character that would have to be escaped")
    return params


def _json(params: Params) -> str:
    return ",".join([f'"{name}":"{value}"' if isinstance(value, str) else f'"{name}":{value}' for name, value in params.items()])


def _envelope(number: int | str, method: str, params: str) -> str:
    wanted = number if isinstance(number, int) else f'"{number}"'
    return f'{{"id":{wanted},"method":"{method}","params":{{{params}}}}}'
