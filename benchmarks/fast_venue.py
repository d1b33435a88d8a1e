"""A venue for measuring: enough of Binance spot for Greenlight and for strangers' clients, and a clock at its own sockets.

Who starts it: benchmarks/children.py, one process per client: `python -m benchmarks.fast_venue [--symbols N] [--wide]`. It prints one JSON line with
its port, then takes one JSON command per line on stdin and answers each with one line; it ends with stdin.
The market has two states. *Wide*: a market maker whose least edge is 25 bps may quote 30 bps from mid. *Narrow*: it may not, and its orders are bad.
So a frame from narrow to wide causes places, one back causes cancels, in every client alike. Orders rest and never fill; signatures are not
checked.
Never: a measurement of anything but "frame left here -> request arrived here".
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import parse_qsl

import msgspec

from benchmarks import venue_words as words
from benchmarks.sockets import Loop, Peer
from benchmarks.venue_words import MID, NARROW_BPS, SYMBOLS, WIDE_BPS, Order

ANSWER_S_MAX = 2.0
PING_EVERY_S = 0.05  # while updates flow
GAP_S = (0.006, 0.014)  # between the last answer and the next frame: every client has come to rest by then
LEVEL_QUANTITIES = ("0.50000000", "0.70000000")


class Venue:
    def __init__(self, symbols: int, is_wide: bool) -> None:
        self.symbols = SYMBOLS[:symbols]
        self.loop = Loop(self._on_request, self._on_message, self._on_open)
        self._commands = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - unbuffered: what is read must have been polled
        self.loop.watch(sys.stdin.fileno(), self._on_command)
        self.is_wide = dict.fromkeys(self.symbols, is_wide)
        self.update_ids = dict.fromkeys(self.symbols, 1000)
        self.orders: dict[int, Order] = {}
        self.closed: dict[int, Order] = {}
        self.number = 0
        self.seen: list[int] = []  # stamps of places and cancels since the last frame of a drive
        self.first_order_s = 0.0
        self.is_done = False
        self.rng = random.Random(7)

    # -- the market ------------------------------------------------------------------------------
    def ticker(self, symbol: str, peer: Peer) -> bytes:
        bps = WIDE_BPS if self.is_wide[symbol] else NARROW_BPS
        away = MID * bps / 10_000
        data = (
            f'{{"u":{self.update_ids[symbol]},"s":"{symbol}","b":"{MID - away:.8f}","B":"1.50000000","a":"{MID + away:.8f}","A":"{1.5:.8f}"}}'
        )
        return words.wrapped(peer.path, f"{symbol.lower()}@bookTicker", data)

    def diff(self, symbol: str, peer: Peer, is_toggle: bool) -> bytes:
        """The inner levels as they now are, or a changed quantity far out."""
        self.update_ids[symbol] += 1
        near, far = MID * NARROW_BPS / 10_000, MID * (WIDE_BPS + 5) / 10_000
        away, quantity = far, LEVEL_QUANTITIES[self.update_ids[symbol] % 2]
        if is_toggle:
            away, quantity = near, "0.00000000" if self.is_wide[symbol] else "1.50000000"
        data = words.depth_update(symbol, self.update_ids[symbol], MID - away, MID + away, quantity)
        return words.wrapped(peer.path, f"{symbol.lower()}@depth@100ms", data)

    def trade(self, symbol: str, peer: Peer) -> bytes:
        self.number += 1
        return words.wrapped(peer.path, f"{symbol.lower()}@trade", words.market_trade(symbol, self.number))

    def _listeners(self) -> list[Peer]:
        return [peer for peer in self.loop.peers.values() if peer.path.startswith(("/stream", "/ws/"))]

    # -- requests --------------------------------------------------------------------------------
    def _on_open(self, peer: Peer) -> None:
        if "streams=" in peer.path:
            peer.names.update(peer.path.partition("streams=")[2].split("/"))

    def _on_message(self, peer: Peer, payload: bytes, stamp_ns: int) -> None:
        asked = msgspec.json.decode(payload)
        number, method, params = asked.get("id"), asked["method"], asked.get("params") or {}
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            peer.names.update(params)
            peer.text(msgspec.json.encode({"result": None, "id": number}))
        elif method == "order.place":
            self._answer(peer, number, self._place(params, stamp_ns))
        elif method == "order.cancel":
            self._answer(peer, number, self._cancel(params, stamp_ns))
        elif method.startswith("userDataStream.subscribe"):
            peer.is_user = True
            peer.text(words.reply(number, b'{"subscriptionId":0}'))
        elif method == "time":
            peer.text(words.reply(number, words.server_time()))
        else:
            peer.text(words.reply(number, b"{}"))

    def _answer(self, peer: Peer, number: object, order: Order | None) -> None:
        if order is None:
            peer.text(words.refusal(number))
            return
        peer.text(words.reply(number, words.report(order)))
        self._tell_user(order)

    def _tell_user(self, order: Order) -> None:
        for peer in self.loop.peers.values():
            if peer.is_user:
                self.number += 1
                peer.text(words.execution(order, self.number))
                peer.text(words.position(order.symbol))

    def _place(self, params: dict[str, str], stamp_ns: int) -> Order:
        self.seen.append(stamp_ns)
        self.first_order_s = self.first_order_s or time.time()
        self.number += 1
        order = Order(
            symbol=params["symbol"],
            number=self.number,
            name=params.get("newClientOrderId", f"n{self.number}"),
            side=params["side"],
            price=str(params["price"]),
            quantity=str(params["quantity"]),
        )
        self.orders[order.number] = order
        return order

    def _cancel(self, params: dict[str, str], stamp_ns: int) -> Order | None:
        self.seen.append(stamp_ns)
        order = self.orders.pop(int(params.get("orderId", 0)), None)
        if order is None:
            return None
        order = msgspec.structs.replace(order, status="CANCELED", origin=order.name, name=params.get("newClientOrderId", f"c{order.number}"))
        self.closed[order.number] = order
        if len(self.closed) > 5000:
            del self.closed[next(iter(self.closed))]
        return order

    def _on_request(self, peer: Peer, method: str, path: str, body: bytes, stamp_ns: int) -> bytes:
        path, _, query = path.partition("?")
        path = path.removeprefix("/api/v3/")
        params = dict(parse_qsl(query)) | dict(parse_qsl(body.decode()))
        if path == "order" and method in ("POST", "DELETE"):
            order = self._place(params, stamp_ns) if method == "POST" else self._cancel(params, stamp_ns)
            if order is None:
                self.loop.status = 400
                return words.UNKNOWN_ORDER
            self._tell_user(order)
            return words.report(order)
        if path == "openOrders" and method == "DELETE":
            swept = [self._cancel({"orderId": str(order.number)}, stamp_ns) for order in self._open(params)]
            return b"[" + b",".join(words.report(order) for order in swept if order is not None) + b"]"
        return self._read(path, params)

    def _open(self, params: dict[str, str]) -> list[Order]:
        return [order for order in self.orders.values() if order.symbol == params.get("symbol", order.symbol)]

    def _read(self, path: str, params: dict[str, str]) -> bytes:
        if path == "time":
            return words.server_time()
        if path == "exchangeInfo":
            return words.exchange_info(self.symbols)
        if path == "rateLimit/order":
            return words.order_counts()
        if path == "account":
            return words.account(self.orders.values())
        if path == "openOrders":
            return b"[" + b",".join(words.report(order) for order in self._open(params)) + b"]"
        if path == "order":
            found = self.orders.get(int(params.get("orderId", 0))) or self.closed.get(int(params.get("orderId", 0)))
            if found is None:
                self.loop.status = 400
                return words.NO_SUCH_ORDER
            return words.report(found)
        if path == "depth":
            symbol = params["symbol"]
            return words.depth(self.update_ids[symbol], self.is_wide[symbol], Decimal(LEVEL_QUANTITIES[0]))
        return b"[]"

    # -- commands --------------------------------------------------------------------------------
    def _on_command(self) -> None:
        line = self._commands.readline()
        if not line:
            self.is_done = True
            return
        command = json.loads(line)
        known: dict[str, Callable[..., dict[str, object]]] = {
            "drive": self.drive,
            "flow": self.flow,
            "requests": self.requests,
            "state": self.state,
        }
        answer = known[command.pop("do")](**command)
        print(json.dumps(answer), flush=True)

    def state(self) -> dict[str, object]:
        users = sum(peer.is_user for peer in self.loop.peers.values())
        names = sorted({name for peer in self.loop.peers.values() for name in peer.names})
        return {"names": names, "users": users, "orders": len(self.orders), "first_order_s": self.first_order_s, "seen": len(self.seen)}

    def requests(self, count: int) -> dict[str, object]:
        """The stamps of places and cancels since the last such question, once they are so many: for a venue that another one's frames drive."""
        self._wait_for(count)
        stamps_ns = list(self.seen)
        self.seen.clear()
        return {"stamps_ns": stamps_ns}

    def _wait_for(self, count: int) -> None:
        ends_s = time.perf_counter() + ANSWER_S_MAX
        while len(self.seen) < count and time.perf_counter() < ends_s:
            self.loop.turn(0.05)

    def rest(self, seconds: float) -> None:
        ends_s = time.perf_counter() + seconds
        while (left_s := ends_s - time.perf_counter()) > 0:
            self.loop.turn(left_s)

    def drive(self, ticks: int, symbols: list[str], each: int) -> dict[str, object]:
        """Turn these symbols wide and narrow in turn; `each` requests per symbol are waited for. Times from frame to first and last request, us.

        `left_ns` is when each frame left, on a clock that all processes of a machine share (CLOCK_MONOTONIC).
        """
        first: tuple[list[float], list[float]] = ([], [])
        last: tuple[list[float], list[float]] = ([], [])
        missed, frames_ns = 0, []
        for tick in range(ticks):
            self.rest(self.rng.uniform(*GAP_S))
            self.seen.clear()
            left_ns = self._turn_over(symbols)
            frames_ns.append(left_ns)
            self._wait_for(each * len(symbols))
            if len(self.seen) < each * len(symbols):
                missed += 1
            else:
                first[tick % 2].append((self.seen[0] - left_ns) / 1000)
                last[tick % 2].append((self.seen[-1] - left_ns) / 1000)
        times = {"order_us": first[0], "cancel_us": first[1], "order_last_us": last[0], "cancel_last_us": last[1]}
        return {**times, "left_ns": frames_ns, "missed": missed}

    def _turn_over(self, symbols: list[str]) -> int:
        """The frames are ready before the clock is read; then one write per connection."""
        for symbol in symbols:
            self.is_wide[symbol] = not self.is_wide[symbol]
            self.update_ids[symbol] += 1
        ready = [(peer, words.framed([self.ticker(symbol, peer) for symbol in symbols])) for peer in self._listeners()]
        left_ns = time.perf_counter_ns()
        for peer, payload in ready:
            peer.sock.sendall(payload)
        return left_ns

    def flow(self, seconds: float, per_s: int, toggle_every: int) -> dict[str, object]:
        """Updates of all symbols in turn (6 tickers, 2 diffs, 2 trades of 10); 0 per second: as fast as the client reads. Toggles cause orders."""
        begun_s = time.perf_counter()
        sent, pinged_s = 0, begun_s
        before = len(self.seen)
        self.loop.pongs_ms.clear()
        while (now_s := time.perf_counter()) - begun_s < seconds:
            if now_s - pinged_s > PING_EVERY_S:
                pinged_s = now_s
                self.loop.ping()
            due = sent + 20 if not per_s else int((now_s - begun_s) * per_s)
            if due <= sent:
                self.loop.turn(0.001)
                continue
            for peer in self._listeners():
                batch = [self._update(number, peer, toggle_every) for number in range(sent, due)]
                peer.sock.sendall(words.framed([one for some in batch for one in some]))
            sent = due
            self.loop.turn(0)
        self.rest(PING_EVERY_S)
        pongs_ms = sorted(self.loop.pongs_ms) or [float("nan")]
        pongs = {"pong_ms_p50": pongs_ms[len(pongs_ms) // 2], "pong_ms_max": pongs_ms[-1]}
        return {"sent": sent, "seconds": time.perf_counter() - begun_s, "actions": len(self.seen) - before, **pongs}

    def _update(self, number: int, peer: Peer, toggle_every: int) -> list[bytes]:
        symbol = self.symbols[number // 10 % len(self.symbols)]
        if toggle_every and number % toggle_every == 0:
            self.is_wide[symbol] = not self.is_wide[symbol]
            return [self.diff(symbol, peer, True), self.ticker(symbol, peer)]
        kind = number % 10
        if kind < 6:
            return [self.ticker(symbol, peer)]
        return [self.diff(symbol, peer, False) if kind < 8 else self.trade(symbol, peer)]

    def run(self) -> None:
        print(json.dumps({"port": self.loop.port}), flush=True)
        while not self.is_done:
            self.loop.turn(1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=5)
    parser.add_argument("--wide", action="store_true")
    options = parser.parse_args()
    Venue(options.symbols, options.wide).run()


if __name__ == "__main__":
    main()
