"""A start that finds no usable venue says where, why, and what to look at."""

import pytest

from core.ports import NotSent, Refused
from core.types import VenueError
from runtime.venue_words import told


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (Refused(VenueError(code=-2015, message="Invalid API-key", http_status=401)), ("refuses the key", "IP", "a key of binance"), 2),
        (Refused(VenueError(code=-1022, message="Signature", http_status=400)), ("refuses the key", "secret"), 2),
        (Refused(VenueError(code=-1121, message="Invalid symbol.", http_status=400)), ("symbols names FOOUSDT",), 2),
        (Refused(VenueError(code=0, message="HTTP 404", http_status=404)), ("is no Binance API", "exchange.urls.rest"), 3),
        (RuntimeError("JSON is malformed: invalid character (byte 0)"), ("is no Binance API", "proxy"), 3),
        (RuntimeError("ReadTimeout: PlainPool(host='x', port=1): Read timed out."), ("gives no answer",), 3),
        (NotSent("no connection to x:443 (connection refused)"), ("no connection to x:443",), 3),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_venue_is_told_with_its_mend(error: Exception, words: tuple[str, ...], code: int) -> None:
    """A key or symbol of ours is exit 2, for no new try mends it; a venue that is away, or another server, is exit 3."""
    said, exit_code = told(error, "binance", "https://api.example", ("FOOUSDT",))
    assert exit_code == code and all(word in said for word in words), said
    assert "https://api.example" in said or isinstance(error, NotSent)
