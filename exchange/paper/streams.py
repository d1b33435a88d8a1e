"""Market streams: subscriptions, and every public event to those who asked for it (binance-wire 5).

Event loop only. The `Hub` is the desk's audience for prints and touches; depth, bars and tickers leave on its timers.
An event is encoded once per form (raw, combined), whatever the number of its subscribers. Never: a wait for a subscriber.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal

from exchange.paper import encode_market, framing
from exchange.paper.candles import DAY_MS, INTERVALS, Aggregate, Print
from exchange.paper.connection import Connection
from exchange.paper.desk import Desk
from exchange.paper.encode import Json, encode
from exchange.paper.encode_market import Touch
from exchange.paper.faults import Subject
from exchange.paper.market_data import average_of
from exchange.paper.tickers import HOUR_MS, statistics
from exchange.paper.time_unit import event_in_us

Book = dict[Decimal, Decimal]
ALL_MINI = ("!miniTicker@arr", "!miniTicker@arr@1000ms")  # the second name is python-binance's
WINDOWS_MS = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": DAY_MS}
METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
PARTIAL_DEPTHS = (5, 10, 20)


class Pending:
    """Changed levels of one symbol since the last depthUpdate of one speed."""

    __slots__ = ("first_id", "last_id", "bids", "asks")

    def __init__(self) -> None:
        self.first_id: int | None = None
        self.last_id = 0
        self.bids: Book = {}
        self.asks: Book = {}

    def merge(self, first_id: int, last_id: int, bids: Iterable[tuple[Decimal, Decimal]],
              asks: Iterable[tuple[Decimal, Decimal]]) -> None:
        """Add newer changes; a level keeps its newest size, U stays the first, u becomes the last."""
        if self.first_id is None:
            self.first_id = first_id
        self.last_id = last_id
        self.bids.update(bids)
        self.asks.update(asks)

    def take(self, symbol: str, now_ms: int) -> Json | None:
        """The depthUpdate of what is pending, or None; empty afterwards."""
        if self.first_id is None:
            return None
        bids = sorted(self.bids.items(), reverse=True)
        event = encode_market.depth_update(
            symbol, self.first_id, self.last_id, bids, sorted(self.asks.items()), now_ms
        )
        self.first_id, self.bids, self.asks = None, {}, {}
        return event


class Hub:
    """Who listens to which stream, and the events for them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._listeners: dict[str, set[StreamConnection]] = {}
        self._fast: dict[str, Pending] = {name: Pending() for name in desk.rules}
        self._slow: dict[str, Pending] = {name: Pending() for name in desk.rules}
        self._changed: set[str] = set()
        self._bars_sent: dict[str, tuple[int, int]] = {}

    # --- subscriptions --------------------------------------------------------------------------------------------

    def subscribe(self, connection: StreamConnection, name: str) -> None:
        """Unknown names are accepted silently, as Binance does."""
        self._listeners.setdefault(name, set()).add(connection)

    def unsubscribe(self, connection: StreamConnection, name: str) -> None:
        """Forget one subscription."""
        listeners = self._listeners.get(name)
        if listeners is not None:
            listeners.discard(connection)
            if not listeners:
                del self._listeners[name]

    def has(self, name: str) -> bool:
        """Whether anybody listens to this stream."""
        return name in self._listeners

    # --- events at once -------------------------------------------------------------------------------------------

    def on_prints(self, symbol: str, prints: list[Print], aggregates: list[Aggregate], now_ms: int) -> None:
        """Every print leaves at once, before the touch it changed."""
        lower = symbol.lower()
        self._changed.add(symbol)
        if self.has(lower + "@trade"):
            for row in prints:
                self.send(lower + "@trade", "trade", symbol, encode_market.trade_event(symbol, row, now_ms))
        if self.has(lower + "@aggTrade"):
            for each in aggregates:
                event = encode_market.aggregate_event(symbol, each, now_ms)
                self.send(lower + "@aggTrade", "aggTrade", symbol, event)

    def on_touch(self, symbol: str, touch: Touch) -> None:
        """The best bid or ask changed in price or size."""
        name = symbol.lower() + "@bookTicker"
        if not self.has(name) or touch[0] is None or touch[2] is None:
            return
        muted = self._desk.faults.take(
            "book_ticker_mute", Subject(transport="stream", operation="bookTicker", symbol=symbol), self._desk.now_ms()
        )
        if muted is None:
            self.send(name, "bookTicker", symbol, encode_market.book_ticker_event(symbol, touch))

    def send(self, name: str, operation: str, symbol: str, payload: object) -> None:
        """One event to all listeners of one stream."""
        listeners = self._listeners.get(name)
        if not listeners:
            return
        subject = Subject(transport="stream", operation=operation, symbol=symbol)
        faults, now_ms = self._desk.faults, self._desk.now_ms()
        if faults.take("silent", subject, now_ms) or faults.take("stream_drop", subject, now_ms):
            return
        raw = encode(payload)
        is_torn = faults.take("malformed", subject, now_ms) is not None
        frames: dict[tuple[bool, bool], bytes] = {}
        for listener in listeners:
            form = listener.combined, listener.in_us
            if form not in frames:
                frames[form] = _frame(name, raw, is_torn, *form)
            listener.send_frame(frames[form])

    # --- events on timers -----------------------------------------------------------------------------------------

    def each_100_ms(self) -> None:
        """depth@100ms and the partial books at that speed."""
        now_ms = self._desk.now_ms()
        for symbol in self._desk.rules:
            changes = self._desk.matching.drain_levels(symbol)
            if changes is None:
                continue
            self._fast[symbol].merge(*changes)
            self._slow[symbol].merge(*changes)
            self._send_depth(symbol, self._fast[symbol], "@100ms", now_ms)

    def each_second(self) -> None:
        """depth at 1000 ms, bars, tickers."""
        now_ms = self._desk.now_ms()
        for symbol in self._desk.rules:
            self._send_depth(symbol, self._slow[symbol], "", now_ms)
            self._send_bars(symbol, now_ms)
            self._send_prices(symbol, now_ms)
        self._send_tickers(now_ms)

    def _send_depth(self, symbol: str, pending: Pending, speed: str, now_ms: int) -> None:
        event = pending.take(symbol, now_ms)
        if event is None:
            return
        lower = symbol.lower()
        subject = Subject(transport="stream", operation="depth", symbol=symbol)
        names = [f"{lower}@depth{speed}"] + ([f"{lower}@depth@1000ms"] if not speed else [])
        for name in names:
            if self.has(name) and self._desk.faults.take("depth_gap", subject, now_ms) is None:
                self.send(name, "depth", symbol, event)
        for size in PARTIAL_DEPTHS:
            name = f"{lower}@depth{size}{speed}"
            if self.has(name):
                self.send(name, "depth", symbol, encode_market.depth(*self._desk.matching.depth(symbol, size)))

    def _send_bars(self, symbol: str, now_ms: int) -> None:
        tape = self._desk.tapes[symbol]
        for interval in INTERVALS:
            name = f"{symbol.lower()}@kline_{interval}"
            if not self.has(name) or tape.last_price() is None:
                continue
            bars = tape.candles(interval, now_ms)
            sent_ms, sent_trades = self._bars_sent.get(name, (0, -1))
            for bar in list(bars)[-3:]:
                finished = bar.open_ms == sent_ms and bars[-1].open_ms > sent_ms
                fresh = bar.open_ms > sent_ms or (bar.open_ms == sent_ms and bar.trades != sent_trades)
                if finished or (fresh and (sent_ms or bar is bars[-1])):
                    self.send(name, "kline", symbol, encode_market.kline_event(symbol, interval, bar, now_ms))
            self._bars_sent[name] = (bars[-1].open_ms, bars[-1].trades)

    def _send_tickers(self, now_ms: int) -> None:
        rows: list[Json] = []
        for symbol in self._changed:
            mini, full = symbol.lower() + "@miniTicker", symbol.lower() + "@ticker"
            if not (self.has(mini) or self.has(full) or any(map(self.has, ALL_MINI))):
                continue
            day = statistics(self._desk, symbol, now_ms - DAY_MS, now_ms)
            rows.append(encode_market.mini_ticker_event(symbol, day, now_ms))
            self.send(mini, "miniTicker", symbol, rows[-1])
            if self.has(full):
                touch, prints = self._desk.matching.touch(symbol), self._desk.tapes[symbol].prints
                self.send(full, "ticker", symbol, encode_market.ticker_event(symbol, day, touch, prints, now_ms))
        for name in ALL_MINI if rows else ():
            self.send(name, "miniTicker", "", rows)
        for window, length_ms in WINDOWS_MS.items():
            self._send_windows(window, length_ms, now_ms)
        self._changed.clear()

    def _send_windows(self, window: str, length_ms: int, now_ms: int) -> None:
        """Rolling windows of the symbols that changed, each alone and all together."""
        every, rows = f"!ticker_{window}@arr", []
        for symbol in self._changed:
            name = f"{symbol.lower()}@ticker_{window}"
            if self.has(name) or self.has(every):
                span = statistics(self._desk, symbol, now_ms - length_ms, now_ms)
                rows.append(encode_market.window_event(symbol, window, span, now_ms))
                self.send(name, "ticker", symbol, rows[-1])
        if rows:
            self.send(every, "ticker", "", rows)

    def _send_prices(self, symbol: str, now_ms: int) -> None:
        """avgPrice and referencePrice, once a second whether anything changed or not."""
        average, reference = symbol.lower() + "@avgPrice", symbol.lower() + "@referencePrice"
        if self.has(average):
            event = encode_market.average_price_event(symbol, *average_of(self._desk, symbol, now_ms), now_ms)
            self.send(average, "avgPrice", symbol, event)
        if self.has(reference):
            self.send(reference, "referencePrice", symbol, encode_market.reference_price_event(symbol, now_ms))


def _frame(name: str, raw: bytes, is_torn: bool, is_combined: bool, is_in_us: bool) -> bytes:
    """One event in the form a connection asked for."""
    payload = event_in_us(raw) if is_in_us else raw
    payload = payload[: len(payload) // 2] if is_torn else payload
    return framing.text_frame(b'{"stream":"%b","data":%b}' % (name.encode(), payload) if is_combined else payload)


class StreamConnection(Connection):
    """One market stream client: raw (`/ws`) or combined (`/stream`)."""

    kind = "stream"
    hub: Hub
    combined: bool
    in_us: bool
    streams_max: int

    def attach(self, hub: Hub, names: list[str], combined: bool, in_us: bool, streams_max: int, frames_per_s: int) -> None:
        """Set up before `serve`; subscriptions of the URL begin with the handshake."""
        self.hub, self.combined, self.in_us, self.streams_max = hub, combined, in_us, streams_max
        self.frames_per_s_max = frames_per_s
        self._names = dict.fromkeys(names)

    def on_open(self) -> None:
        """Begin the subscriptions named in the URL."""
        for name in self._names:
            self.hub.subscribe(self, name)

    def on_end(self) -> None:
        """Forget all subscriptions."""
        for name in self._names:
            self.hub.unsubscribe(self, name)

    def shutdown_event(self) -> bytes:
        """Raw or combined."""
        raw = encode({"e": "serverShutdown", "E": self._now_ms()})
        event = event_in_us(raw) if self.in_us else raw
        return b'{"stream":"!serverShutdown","data":%b}' % event if self.combined else event

    def on_text(self, text: str) -> None:
        """SUBSCRIBE and the other control requests."""
        try:
            request = json.loads(text)
        except ValueError as error:
            self._refuse(3, f"Invalid JSON: {error}", None)
            return
        if not isinstance(request, dict):
            self._refuse(2, "Invalid request: request must be an object", None)
            return
        request_id = request.get("id")
        if isinstance(request_id, bool | float | list | dict) or (isinstance(request_id, str) and len(request_id) > 36):
            self._refuse(2, "Invalid request: request ID must be an unsigned integer", None)
            return
        self._control(request, request_id)

    def _control(self, request: dict[str, object], request_id: int | str | None) -> None:
        method, params = request.get("method"), request.get("params")
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
                self._refuse(2, "Invalid request: streams must be an array", request_id)
                return
            self._change(str(method), [str(name) for name in params], request_id)
        elif method == "LIST_SUBSCRIPTIONS":
            self._answer(list(self._names), request_id)
        elif method in ("SET_PROPERTY", "GET_PROPERTY"):
            self._property(str(method), params if isinstance(params, list) else [], request_id)
        elif method is None:
            self._refuse(2, "Invalid request: missing field `method`", request_id)
        else:
            self._refuse(2, f"Invalid request: unknown variant {json.dumps(method)}, expected one of {METHODS}", request_id)

    def _change(self, method: str, names: list[str], request_id: int | str | None) -> None:
        if method == "SUBSCRIBE":
            if len(set(self._names) | set(names)) > self.streams_max:
                self.close(1008, "Too many streams")
                return
            for name in names:
                self._names[name] = None
                self.hub.subscribe(self, name)
        else:
            for name in names:
                self._names.pop(name, None)
                self.hub.unsubscribe(self, name)
        self._answer(None, request_id)

    def _property(self, method: str, params: list[object], request_id: int | str | None) -> None:
        if not params or not isinstance(params[0], str):
            self._refuse(2, "Invalid request: property name must be a string", request_id)
        elif params[0] != "combined":
            self._refuse(0, "Unknown property", request_id)
        elif method == "GET_PROPERTY":
            self._answer(self.combined, request_id)
        elif len(params) == 2 and isinstance(params[1], bool):
            self.combined = params[1]
            self._answer(None, request_id)
        else:
            self._refuse(1, "Invalid value type: expected Boolean", request_id)

    def _answer(self, result: object, request_id: int | str | None) -> None:
        self.send_text(encode({"result": result, "id": request_id}))

    def _refuse(self, code: int, text: str, request_id: int | str | None) -> None:
        self.send_text(encode({"error": {"code": code, "msg": text}, "id": request_id}))
