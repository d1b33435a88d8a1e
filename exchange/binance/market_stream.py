"""The market data of all symbols over one combined stream: best prices, depth differences, trades.

Who builds it: bot.py. Thread: "market-stream" parses and posts. The depth snapshot is asked for by the engine (ReadDepth), not here.
Never: a book, a decision, a wait. Source: binance-wire 5; names in the URL need no SUBSCRIBE, so an open socket is a subscribed one.
"""

import random
from collections.abc import Iterable

from core.ports import ClockNs, Post
from core.types import Connection
from exchange.binance import frames
from exchange.binance.gate import Gate
from exchange.binance.link import Link
from exchange.binance.socket_loop import SocketLoop
from exchange.binance.talk import Confirmed, Feed, Leave

THREAD = "market-stream"
KINDS = ("bookTicker", "depth@100ms", "trade")


class _Feed(Feed):
    def __init__(self, post: Post) -> None:
        self._post = post

    def opened(self, link: Link) -> Confirmed:
        return Confirmed()

    def heard(self, payload: bytes, received_ns: int) -> Leave | None:
        message = frames.market_message(payload, received_ns)
        if isinstance(message, frames.Shutdown):
            return Leave("the venue announced a shutdown", at_once=True)
        if isinstance(message, frames.StreamReply):
            return Leave(f"stream request refused: {message.error}") if message.error else None
        if not isinstance(message, frames.Ignored):
            self._post(message)
        return None


def market_stream(
    stream_url: str,
    symbols: Iterable[str],
    post: Post,
    clock_ns: ClockNs,
    rng: random.Random,
    silence_ms_max: int = 5000,
    gate: Gate | None = None,
) -> SocketLoop:
    """The reader of `stream_url` (Urls.stream) for these symbols; at most 341 of them (1024 streams per connection, binance-wire 4)."""
    names = [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in KINDS]
    assert 0 < len(names) <= 1024, "a connection carries 1 to 1024 streams"
    url = f"{stream_url.rstrip('/')}/stream?streams={'/'.join(names)}"
    return SocketLoop(THREAD, Connection.MARKET, url, lambda: _Feed(post), post, clock_ns, rng, silence_ms_max, gate=gate)
