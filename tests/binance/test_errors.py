"""What answers and exceptions mean: the table of binance-wire 8, row by row."""

import http.client
import ssl

import pytest
import requests
import urllib3.exceptions as u3

from core.ports import NotSent, Refused
from exchange.binance.errors import UnknownOutcome, from_answer, from_exception, scrub

NOW_MS = 1_700_000_000_000


def body(code: int, msg: str = "x") -> bytes:
    return f'{{"code":{code},"msg":"{msg}"}}'.encode()


@pytest.mark.parametrize(
    ("status", "code", "msg"),
    [
        (400, -1013, "Filter failure: LOT_SIZE"),
        (400, -1021, "Timestamp for this request is outside of the recvWindow."),
        (400, -1022, "Signature for this request is not valid."),
        (400, -1100, "Illegal characters"),
        (400, -1111, "Precision"),
        (400, -1121, "Invalid symbol."),
        (400, -2010, "Account has insufficient balance for requested action."),
        (400, -2010, "Order would immediately match and take."),
        (400, -2010, "Filter failure: MAX_NUM_ORDERS"),
        (400, -2011, "Unknown order sent."),
        (400, -2013, "Order does not exist."),
        (401, -2014, "API-key format invalid."),
        (401, -2015, "Invalid API-key, IP, or permissions for action."),
        (400, -2026, "archived"),
        (400, -2038, "amend"),
    ],
)
def test_definite_refusals(status: int, code: int, msg: str) -> None:
    """A 4xx with one of the venue's definite codes is a no, with its code and text."""
    told = from_answer(status, body(code, msg), None, NOW_MS, is_place=True)
    assert isinstance(told, Refused)
    assert (told.error.code, told.error.message, told.error.http_status, told.error.retry_after_ms) == (code, msg, status, 0)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, body(-1000)),
        (502, b"<html>bad gateway</html>"),
        (503, body(-1008)),
        (504, body(-1007)),
        (400, body(-1000)),
        (400, body(-1001)),
        (400, body(-1006)),
        (400, body(-1007)),
        (408, body(-1003)),
        (409, body(-2021)),
        (200, b"<html>hello</html>"),
        (302, b""),
        (400, b"<html>odd</html>"),
        (400, b"[1,2]"),
        (500, body(-2010)),
    ],
)
def test_unknown_outcomes(status: int, content: bytes) -> None:
    """5xx, the unknown codes, redirects and bodies nobody can read leave the outcome open."""
    assert isinstance(from_answer(status, content, None, NOW_MS), UnknownOutcome)


def test_duplicate_is_unknown_on_a_place_only() -> None:
    """"Duplicate order sent." proves that an order with this id is alive: query it, do not drop it."""
    duplicate = body(-2010, "Duplicate order sent.")
    assert isinstance(from_answer(400, duplicate, None, NOW_MS, is_place=True), UnknownOutcome)
    assert isinstance(from_answer(400, duplicate, None, NOW_MS), Refused)


@pytest.mark.parametrize("status", [403, 404, 410, 418, 429])
def test_html_of_a_gate_is_a_refusal(status: int) -> None:
    """A gate in front of the venue (WAF, limiter) answers in HTML; the request did not pass it."""
    told = from_answer(status, b"<html>no</html>", "7", NOW_MS)
    assert isinstance(told, Refused)
    assert (told.error.code, told.error.http_status, told.error.retry_after_ms) == (0, status, 7000)


def test_when_a_ban_ends() -> None:
    """Retry-After counts in seconds, or names a point in time; without it data.retryAfter or the text tell an epoch. A duration comes out."""
    ends = NOW_MS + 120_000

    def wait_ms(content: bytes, header: str | None) -> int:
        told = from_answer(418, content, header, NOW_MS)
        assert isinstance(told, Refused)
        return told.error.retry_after_ms

    assert wait_ms(body(-1003), "30") == 30_000
    assert wait_ms(body(-1003, f"Way too much request weight used; IP banned until {ends}. Please"), None) == 120_000
    assert wait_ms(f'{{"code":-1003,"msg":"x","data":{{"serverTime":1,"retryAfter":{ends}}}}}'.encode(), None) == 120_000
    assert wait_ms(body(-1003), None) == 0
    assert wait_ms(body(-1003), "Tue, 14 Nov 2023 22:13:50 GMT") == 30_000
    assert wait_ms(body(-1003), "99999999") == 3 * 86_400_000
    assert wait_ms(body(-1003), str(NOW_MS + 45_000)) == 45_000
    assert wait_ms(body(-1003), str((NOW_MS + 45_000) // 1000)) == 45_000
    assert [wait_ms(body(-1003), odd) for odd in ("\u00b2", "1.5", "-3", "soon", "", "Mon, 01 Jan 0001 00:00:00 -0000")] == [0, 0, 0, 0, 0, 1]


def wrapped(reason: Exception) -> requests.exceptions.ConnectionError:
    return requests.exceptions.ConnectionError(u3.MaxRetryError(None, "/x", reason))  # type: ignore[arg-type]


NOTHING_LEFT = [
    requests.exceptions.ConnectTimeout("slow"),
    wrapped(u3.NewConnectionError(None, "refused")),  # type: ignore[arg-type]
    wrapped(u3.NameResolutionError("nowhere", None, OSError("dns"))),  # type: ignore[arg-type]
    requests.exceptions.SSLError(u3.MaxRetryError(None, "/x", u3.SSLError(ssl.SSLCertVerificationError("self-signed")))),  # type: ignore[arg-type]
    requests.exceptions.InvalidURL("no host"),
]
IN_DOUBT = [
    requests.exceptions.ReadTimeout("slow"),
    requests.exceptions.ConnectionError(u3.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))),
    requests.exceptions.ConnectionError(u3.ProtocolError("Connection aborted.", http.client.RemoteDisconnected("closed"))),
    requests.exceptions.ConnectionError(u3.ReadTimeoutError(None, "/x", "slow")),  # type: ignore[arg-type]
    requests.exceptions.SSLError(u3.MaxRetryError(None, "/x", u3.SSLError(ssl.SSLError("broken pipe")))),  # type: ignore[arg-type]
    requests.exceptions.ChunkedEncodingError("torn"),
    requests.exceptions.ConnectionError(),
    ValueError("anything"),
]


@pytest.mark.parametrize("error", NOTHING_LEFT, ids=lambda error: type(error).__name__)
def test_nothing_left(error: Exception) -> None:
    """Where no connection was made, nothing was sent."""
    assert isinstance(from_exception(error), NotSent)


@pytest.mark.parametrize("error", IN_DOUBT, ids=lambda error: type(error).__name__)
def test_in_doubt_it_is_unknown(error: Exception) -> None:
    """Anything that broke after a connection stood may have been read by the venue."""
    assert isinstance(from_exception(error), UnknownOutcome)


def test_texts_are_scrubbed() -> None:
    """Signature and key never come through, in query strings, JSON and headers."""
    text = scrub("url: /api/v3/order?symbol=X&signature=cafe01&timestamp=1 {'apiKey': 'SECRETKEY', \"signature\": \"beef\"} X-MBX-APIKEY: KEY2 end")
    assert not any(secret in text for secret in ("cafe01", "SECRETKEY", "beef", "KEY2"))
    assert "symbol=X" in text and "timestamp=1" in text and text.endswith("end")
    assert len(scrub("x" * 10_000)) == 300
