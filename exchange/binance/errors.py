"""What an answer or an exception means for the request behind it: refused, unknown, or never sent (binance-wire 8).

Who calls it: rest.py on lane threads, user_stream.py for error replies. HTTP status, then code, then text decide; in doubt the outcome is unknown.
Never: a retry, a network call, a message that could carry a key or a signature.
"""

import re
import ssl
from email.utils import parsedate_to_datetime

import requests
import urllib3.exceptions as wire_errors

from core.ports import NotSent, Refused
from core.types import RateLimit, VenueError
from exchange.binance import wire
from exchange.binance.wire import UnknownOutcome as UnknownOutcome

UNKNOWN_CODES = frozenset({-1000, -1001, -1006, -1007, -1008})
REFUSED_STATUSES_WITHOUT_BODY = frozenset({401, 403, 404, 405, 410, 413, 414, 415, 418, 429, 451})
TIMESTAMP_CODE = -1021
BAD_VALUE_CODE = -1130
DUPLICATE_TEXT = "Duplicate order sent."
HALF_DONE_CODES = frozenset({-2021, -2022})
ERRNO = re.compile(r"\[Errno -?\d+\] ")
BANNED_UNTIL = re.compile(r"banned until (\d{13})")
RETRY_AFTER_MS_MAX = 3 * 86_400_000  # the longest ban (binance-wire 4)
EPOCH_S_MIN, EPOCH_MS_MIN = 10**9, 10**12  # a number as large is a point in time, no duration
OVERLOADED_CODE = -1008
TEXT_CHARS_MAX = 300
SECRETS = re.compile(r"((?:signature|apiKey|x-mbx-apikey)[\"']?\s*[=:]\s*[\"']?)[^&\s\"')>,]+", re.IGNORECASE)


class HalfDone(UnknownOutcome):
    """A cancelReplace of which not both halves were done: `error.data` tells of each. For whoever cannot read it the outcome is unknown."""

    def __init__(self, told: str, error: wire.ErrorBody, limits: tuple[RateLimit, ...]) -> None:
        super().__init__(told)
        self.error = error
        self.limits = limits


class Overloaded(UnknownOutcome):
    """The venue has too much to do: nothing is asked again at once."""


def is_about_time(code: int, message: str) -> bool:
    """The venue refused a timestamp: its clock must be measured. More than 10 s ahead is a bad parameter there (binance-wire 1)."""
    return code == TIMESTAMP_CODE or (code == BAD_VALUE_CODE and "'timestamp'" in message)


def scrub(text: str) -> str:
    """Text without signature or key (requests puts the signed URL into its errors), cut to a bounded length."""
    return SECRETS.sub(r"\1***", text)[:TEXT_CHARS_MAX]


def from_answer(
    status: int,
    body: bytes,
    retry_after: str | None,
    now_ms: int,
    limits: tuple[RateLimit, ...] = (),
    *,
    is_place: bool = False,
) -> Refused | UnknownOutcome:
    """The exception for an answer that is no yes. `retry_after` is the header as it came, `now_ms` the venue's time."""
    error = wire.error_body(body)
    if error is None:
        if status in REFUSED_STATUSES_WITHOUT_BODY:
            wait_ms = retry_after_ms_of(retry_after, now_ms)
            return Refused(VenueError(code=0, message=f"HTTP {status} without a venue error", http_status=status, retry_after_ms=wait_ms), limits)
        return UnknownOutcome(f"HTTP {status} with a body that is no venue message")
    return from_error(status, error, retry_after_ms_of(retry_after, now_ms), now_ms, limits, is_place=is_place)


def from_error(
    status: int,
    error: wire.ErrorBody,
    retry_after_ms: int,
    now_ms: int,
    limits: tuple[RateLimit, ...] = (),
    *,
    is_place: bool = False,
) -> Refused | UnknownOutcome:
    """The exception for a venue error, from REST or from the WS API (`status` is the HTTP code in both)."""
    told = scrub(f"HTTP {status}, {error.code} {error.msg}")
    if error.code == OVERLOADED_CODE:
        return Overloaded(told)
    if status >= 500 or status < 400 or status == 408 or error.code in UNKNOWN_CODES:
        return UnknownOutcome(told)
    if status in (400, 409) and error.code in HALF_DONE_CODES:
        return HalfDone(told, error, limits)
    if status == 409:
        return UnknownOutcome(f"{told} (only half of it was done)")
    if is_place and error.code == -2010 and error.msg == DUPLICATE_TEXT:
        return UnknownOutcome(f"{told} (an order with this id is alive)")
    if status in (418, 429):
        retry_after_ms = retry_after_ms or _told_ms(error, now_ms)
    return Refused(VenueError(code=error.code, message=scrub(error.msg), http_status=status, retry_after_ms=retry_after_ms), limits)


def from_exception(error: Exception) -> NotSent | UnknownOutcome:
    """The exception for a transport fault.

    requests' ConnectionError covers both "no connection was made" and "it broke after sending"; the wrapped urllib3 error tells which. A pooled
    connection that the server had closed fails while sending: some bytes may have been read, so that is unknown too.
    """
    note = scrub(f"{type(error).__name__}: {error}")
    if isinstance(error, NotSent | UnknownOutcome):
        return error
    if _never_connected(error):
        return NotSent(_no_connection(error) or note)
    return UnknownOutcome(note)


def _no_connection(error: Exception) -> str:
    """Where nothing answered and why, in a person's words; empty where the error is of another form."""
    cause = error.args[0] if error.args else None
    if not isinstance(cause, wire_errors.MaxRetryError) or cause.pool is None:
        return ""
    why = ERRNO.sub("", str(cause.reason).rpartition(": ")[2])
    return scrub(f"no connection to {cause.pool.host}:{cause.pool.port} ({why.lower()})")


def _never_connected(error: Exception) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return True
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidHeader):
        return True
    if not isinstance(error, requests.exceptions.ConnectionError) or not error.args:
        return False
    cause = error.args[0]
    if isinstance(cause, wire_errors.MaxRetryError):
        cause = cause.reason
    if isinstance(cause, wire_errors.NewConnectionError | wire_errors.NameResolutionError | wire_errors.ConnectTimeoutError):
        return True
    # A certificate is judged during the handshake, before the first byte of HTTP.
    return isinstance(cause, wire_errors.SSLError) and bool(cause.args) and isinstance(cause.args[0], ssl.SSLCertVerificationError)


def retry_after_ms_of(value: str | None, now_ms: int) -> int:
    """Retry-After in seconds, as a point in time (epoch s or ms) or as an HTTP date -> a duration in ms, 0 where absent or unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        number = int(text)
        if number >= EPOCH_S_MIN:
            return _until(number if number >= EPOCH_MS_MIN else number * 1000, now_ms)
        return min(number * 1000, RETRY_AFTER_MS_MAX)
    try:
        ends_ms = int(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
    return _until(ends_ms, now_ms)


def _told_ms(error: wire.ErrorBody, now_ms: int) -> int:
    """Where a ban ends, from `data.retryAfter` or from its text; 0 where neither tells."""
    match = BANNED_UNTIL.search(error.msg)
    ends_ms = wire.ban_ends_ms(error) or (int(match[1]) if match else 0)
    return _until(ends_ms, now_ms) if ends_ms else 0


def _until(ends_ms: int, now_ms: int) -> int:
    return min(max(ends_ms - now_ms, 1), RETRY_AFTER_MS_MAX)
