"""The parameters of one call, whichever way they arrived, read with Binance's own refusals.

Called by the REST and WS API handlers and by the operations, on the server's event loop. It never changes a
value: numbers stay the text that was sent, because that text is what was signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from urllib.parse import unquote_plus

from exchange.paper.model import Reject
from exchange.paper.time_unit import as_ms

DECIMAL_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
CLIENT_ID_RANGE = "^[a-zA-Z0-9-_]{1,36}$"
SYMBOL_RANGE = "^[A-Z0-9-_.]{1,20}$"
_DECIMAL = re.compile(r"([0-9]{1,20})(\.([0-9]{1,20}))?")
_CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
_SYMBOL = re.compile(r"[A-Z0-9\-_.]{1,20}")
_INTEGER = re.compile(r"[0-9]{1,20}")
INTEGER_MAX = 2**63 - 1
_TRUE_FALSE = {"true": True, "false": False, "TRUE": True, "FALSE": False}
PRECISION_MAX = 8
DAY_MS = 86_400_000


def missing(name: str) -> Reject:
    """-1102, the refusal for a parameter that is absent or cannot be read."""
    return Reject(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal_range: str) -> Reject:
    """-1100, the refusal that quotes the legal range."""
    return Reject(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal_range}'.")


def split_form(text: str) -> tuple[dict[str, str], bool]:
    """`a=1&b=2` as a mapping, percent-decoded, and whether a name was there twice."""
    pairs: dict[str, str] = {}
    count = 0
    for part in text.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = unquote_plus(name), unquote_plus(value)
        pairs[name] = value
        count += 1
    return pairs, count > len(pairs)


class Params:
    """Typed access to one call's parameters. Every getter raises `Reject` with the code and text of Binance."""

    __slots__ = ("_values", "_is_repeated")

    def __init__(self, values: Mapping[str, str], is_repeated: bool = False) -> None:
        self._values, self._is_repeated = values, is_repeated

    @classmethod
    def from_rest(cls, query: str, body: str) -> Params:
        """Query and form body in any mix; on duplicates the query wins (binance-wire 1)."""
        in_query, is_repeated = split_form(query)
        if not body:
            return cls(in_query, is_repeated)
        in_body, also = split_form(body)
        return cls({**in_body, **in_query}, is_repeated or also)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def raw(self, name: str) -> str | None:
        """The text as sent, or None."""
        return self._values.get(name)

    def values(self) -> Mapping[str, str]:
        """All parameters as sent."""
        return self._values

    def check_names(self, accepted: frozenset[str]) -> None:
        """Raise -1101 when query or body names a parameter twice, -1104 when one was sent that the call does not read."""
        if self._is_repeated:
            raise Reject(-1101, "Duplicate values for a parameter detected.")
        unread = sum(1 for name in self._values if name not in accepted)
        if unread:
            sent = len(self._values)
            text = f"Not all sent parameters were read; read '{sent - unread}' parameter(s) but was sent '{sent}'."
            raise Reject(-1104, text)

    def require(self, name: str) -> str:
        """A text that must be there: absent is -1102, sent but empty -1105."""
        value = self.text(name)
        if value is None:
            raise missing(name)
        return value

    def text(self, name: str) -> str | None:
        """An optional text; sent but empty is -1105."""
        value = self._values.get(name)
        if value == "":
            raise Reject(-1105, f"Parameter '{name}' was empty.")
        return value

    def symbol(self, name: str = "symbol") -> str:
        """A symbol by its form only; whether it exists is the caller's question (-1121)."""
        value = self.require(name)
        if not _SYMBOL.fullmatch(value):
            raise illegal(name, SYMBOL_RANGE)
        return value

    def client_id(self, name: str) -> str | None:
        """A client order id, at most 36 characters of the documented range."""
        value = self.text(name)
        if value is not None and not _CLIENT_ID.fullmatch(value):
            raise illegal(name, CLIENT_ID_RANGE)
        return value

    def decimal(self, name: str) -> Decimal | None:
        """An unsigned plain decimal: no sign, no exponent (-1100), at most 8 decimals (-1111)."""
        value = self.text(name)
        if value is None:
            return None
        match = _DECIMAL.fullmatch(value)
        if match is None:
            raise illegal(name, DECIMAL_RANGE)
        if len(match.group(3) or "") > PRECISION_MAX:
            raise Reject(-1111, f"Parameter '{name}' has too much precision.")
        return Decimal(value)

    def integer(self, name: str) -> int | None:
        """An unsigned integer of 64 bits, or None when absent."""
        value = self.text(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise illegal(name, "^[0-9]{1,20}$")
        if int(value) > INTEGER_MAX:
            raise Reject(-1108, f"Parameter '{name}' overflowed.")
        return int(value)

    def time_ms(self, name: str) -> int | None:
        """A time in ms, or in us, which is told by its size."""
        value = self.integer(name)
        return None if value is None else as_ms(value)

    def limit(self, default: int, maximum: int) -> int:
        """The `limit` parameter: above the maximum it is cut down, 0 is refused."""
        value = self.integer("limit")
        if value is None:
            return default
        if value == 0:
            raise Reject(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(value, maximum)

    def period(self) -> tuple[int | None, int | None]:
        """`startTime` and `endTime` in ms, in order and at most 24 hours apart."""
        start_ms, end_ms = self.time_ms("startTime"), self.time_ms("endTime")
        if start_ms is not None and end_ms is not None:
            if end_ms - start_ms > DAY_MS:
                raise Reject(-1127, "More than 24 hours between startTime and endTime.")
            if end_ms < start_ms:
                raise Reject(-1128, "Combination of optional parameters invalid.")
        return start_ms, end_ms

    def boolean(self, name: str, default: bool) -> bool:
        """`true` or `false`."""
        value = self.text(name)
        if value is None:
            return default
        if value not in _TRUE_FALSE:
            raise Reject(-1130, f"Data sent for parameter '{name}' is not valid.")
        return _TRUE_FALSE[value]

    def choice(self, name: str, allowed: Iterable[str], refusal: Reject | None = None) -> str | None:
        """One of the allowed words, else `refusal` (default -1130)."""
        value = self.text(name)
        if value is not None and value not in allowed:
            raise refusal or Reject(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value
