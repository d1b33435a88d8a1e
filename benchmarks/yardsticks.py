"""Yardsticks by hand: `picows` with uvloop (the ceiling of Python) over the WS API and over REST, `websocket-client` alone, and `threads`: the bare
frame of Greenlight's design (a reader, a deciding thread, workers that write a line before they send), with nothing in it.

Run by benchmarks/children.py, each in a process: `python -m benchmarks.yardsticks picows PORT`. They trade as quoter.py says, nothing else.
Never: part of Greenlight.
"""

import asyncio
import os
import sys
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from tempfile import TemporaryFile

import picows
import uvloop
import websocket

from benchmarks.children import BURST, SINGLE
from benchmarks.quoter import KEY, Quoter, Wanted, answer, cancel_text, place_text, rest_answer, rest_body, wrapped

STREAMS = "/".join(f"{symbol.lower()}@bookTicker" for symbol in (*SINGLE, *BURST))
REST_CONNECTIONS = 8
TICKER, NAME_ENDS = "@bookTicker", 64


# -- picows over the WS API ----------------------------------------------------------------------
class Api(picows.WSListener):
    """The order connection."""

    def __init__(self, quoter: Quoter) -> None:
        self.quoter = quoter
        self.transport: picows.WSTransport | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            result = answer.decode(frame.get_payload_as_memoryview()).result
            if result.status == "NEW":
                self.quoter.placed(result.symbol, result.order_id)

    def place(self, symbol: str, wanted: Wanted) -> None:
        self._send(place_text(self.quoter.number(), symbol, wanted))

    def cancel(self, symbol: str, order_id: int) -> None:
        self._send(cancel_text(self.quoter.number(), symbol, order_id))

    def _send(self, text: str) -> None:
        assert self.transport is not None
        self.transport.send(picows.WSMsgType.TEXT, text.encode())


class Market(picows.WSListener):
    """Each frame becomes its requests at once."""

    def __init__(self, quoter: Quoter, venue: "Api | Pool") -> None:
        self.quoter, self.venue = quoter, venue

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        ticker = wrapped.decode(frame.get_payload_as_memoryview()).data
        places, cancels = self.quoter.wants(ticker.s, ticker.b, ticker.a)
        for wanted in places:
            self.venue.place(ticker.s, wanted)
        for order_id in cancels:
            self.venue.cancel(ticker.s, order_id)


async def by_picows(port: int) -> None:
    quoter = Quoter()
    api = Api(quoter)
    await picows.ws_connect(lambda: api, f"ws://127.0.0.1:{port}/ws-api/v3")
    transport, _ = await picows.ws_connect(lambda: Market(quoter, api), f"ws://127.0.0.1:{port}/stream?streams={STREAMS}")
    await transport.wait_disconnected()


# -- picows, orders over REST --------------------------------------------------------------------
class Http(asyncio.Protocol):
    """One kept connection; a request at a time, as HTTP/1.1 clients do."""

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.transport: asyncio.Transport | None = None
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if found and len(rest) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            self.buffer = b""
            self.pool.answered(self, rest)


class Pool:
    """Requests over the connection that is free, the others wait in line."""

    def __init__(self, quoter: Quoter) -> None:
        self.quoter = quoter
        self.free: deque[Http] = deque()
        self.waiting: deque[bytes] = deque()

    def place(self, symbol: str, wanted: Wanted) -> None:
        self._send("POST", rest_body(symbol, self.quoter.number(), wanted))

    def cancel(self, symbol: str, order_id: int) -> None:
        self._send("DELETE", rest_body(symbol, 0, None, order_id))

    def _send(self, method: str, body: str) -> None:
        head = (
            f"{method} /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1\r\nX-MBX-APIKEY: {KEY}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        if self.free:
            self._write(self.free.popleft(), head.encode())
        else:
            self.waiting.append(head.encode())

    @staticmethod
    def _write(http: Http, request: bytes) -> None:
        assert http.transport is not None
        http.transport.write(request)

    def answered(self, http: Http, body: bytes) -> None:
        if self.waiting:
            self._write(http, self.waiting.popleft())
        else:
            self.free.append(http)
        result = rest_answer.decode(body)
        if result.status == "NEW":
            self.quoter.placed(result.symbol, result.order_id)


async def by_picows_rest(port: int) -> None:
    quoter = Quoter()
    pool = Pool(quoter)
    for _ in range(REST_CONNECTIONS):
        _, http = await asyncio.get_running_loop().create_connection(lambda: Http(pool), "127.0.0.1", port)
        pool.free.append(http)
    transport, _ = await picows.ws_connect(lambda: Market(quoter, pool), f"ws://127.0.0.1:{port}/stream?streams={STREAMS}")
    await transport.wait_disconnected()


# -- websocket-client alone ----------------------------------------------------------------------
def by_websocket_client(port: int) -> None:
    """Two threads: one reads the market and sends, one reads the answers."""
    quoter = Quoter()
    api = websocket.create_connection(f"ws://127.0.0.1:{port}/ws-api/v3", skip_utf8_validation=True, enable_multithread=True)

    def answers() -> None:
        while True:
            result = answer.decode(api.recv()).result
            if result.status == "NEW":
                quoter.placed(result.symbol, result.order_id)

    threading.Thread(target=answers, daemon=True).start()
    market = websocket.create_connection(f"ws://127.0.0.1:{port}/stream?streams={STREAMS}", skip_utf8_validation=True)
    while True:
        ticker = wrapped.decode(market.recv()).data
        places, cancels = quoter.wants(ticker.s, ticker.b, ticker.a)
        for wanted in places:
            api.send(place_text(quoter.number(), ticker.s, wanted))
        for order_id in cancels:
            api.send(cancel_text(quoter.number(), ticker.s, order_id))


# -- the design's hand-overs, and nothing else ---------------------------------------------------
def by_threads(port: int) -> None:
    """The reader leaves frames in a queue, one thread decides, each request is written down and sent by a worker of a pool, on one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    quoter, frames = Quoter(), SimpleQueue[str]()
    api = websocket.create_connection(f"ws://127.0.0.1:{port}/ws-api/v3", skip_utf8_validation=True, enable_multithread=True)
    market = websocket.create_connection(f"ws://127.0.0.1:{port}/stream?streams={STREAMS}", skip_utf8_validation=True)
    intents = TemporaryFile(buffering=0)  # noqa: SIM115 - as long as the process
    pool = ThreadPoolExecutor(4)

    def send(text: str) -> None:
        intents.write(text.encode())
        api.send(text)

    def place(symbol: str, wanted: Wanted) -> None:
        send(place_text(quoter.number(), symbol, wanted))

    def cancel(symbol: str, order_id: int) -> None:
        send(cancel_text(quoter.number(), symbol, order_id))

    def decide() -> None:
        while True:
            frame = frames.get()
            if TICKER not in frame[:NAME_ENDS]:  # costs.py sends the others too, which nobody here wants
                continue
            ticker = wrapped.decode(frame).data
            places, cancels = quoter.wants(ticker.s, ticker.b, ticker.a)
            for wanted in places:
                pool.submit(place, ticker.s, wanted).add_done_callback(Future.result)
            for order_id in cancels:
                pool.submit(cancel, ticker.s, order_id).add_done_callback(Future.result)

    def read() -> None:
        while True:
            frames.put(str(market.recv()))

    for run in (decide, read):
        threading.Thread(target=run, daemon=True).start()
    while True:
        result = answer.decode(api.recv()).result
        if result.status == "NEW":
            quoter.placed(result.symbol, result.order_id)


BY_THREADS = {"websocket-client": by_websocket_client, "threads": by_threads}


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    if name in BY_THREADS:
        BY_THREADS[name](port)
    else:
        uvloop.run({"picows": by_picows, "picows-rest": by_picows_rest}[name](port))


if __name__ == "__main__":
    main()
