"""Order entry over the WS API on a bench: the real manager, real lanes and a real reader; REST is a venue that only notes what reaches it.

Who uses it: tests/binance/test_ws_api*.py, tests/stress. Events are awaited, never slept for.
"""

import random
import time
from collections.abc import Callable
from queue import Queue
from typing import Any

from core.commands import AnyCommand, Cancel, CancelAll, Place, Query, ReadAccount, ReadDepth, Replace
from core.events import AccountSnapshot, AnyEvent, CancelAllAnswer, DepthSnapshot, OrderAnswer, ReplaceAnswer, Reply, StreamUp
from core.orders import Orders
from core.ports import Answered, NotSent
from core.types import OrderType, Side
from exchange.binance.clock import VenueClock
from exchange.binance.gate import Gate
from exchange.binance.signing import Signer
from exchange.binance.user_stream import user_stream
from exchange.binance.venue import BinanceVenue
from exchange.binance.ws_api import WsVenue
from order_book_manager import OrderBookManager
from runtime.lanes import Lane
from tests.binance.fake_ws import FakeWs, Peer
from tests.core.builders import D, Desk
from tests.timing import SOON_S

KEY, SECRET = "bench-key", "bench-secret"
LIMITS = [
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 12},
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 321},
]
Row = dict[str, Any]


class NotedRest:
    """Stands in for the REST venue: says that nothing was sent, and keeps what came."""

    name, capabilities = BinanceVenue.name, BinanceVenue.capabilities

    def __init__(self) -> None:
        self.came: list[int] = []

    def place(self, command: Place, timeout_s: float) -> Answered[OrderAnswer]:
        self.came.append(command.command_id)
        raise NotSent("the bench has no REST")

    def cancel(self, command: Cancel, timeout_s: float) -> Answered[OrderAnswer]:
        self.came.append(command.command_id)
        raise NotSent("the bench has no REST")

    def replace(self, command: Replace, timeout_s: float) -> Answered[ReplaceAnswer]:
        self.came.append(command.command_id)
        raise NotSent("the bench has no REST")

    def cancel_all(self, command: CancelAll, timeout_s: float) -> Answered[CancelAllAnswer]:
        raise NotImplementedError

    def query(self, command: Query, timeout_s: float) -> Answered[OrderAnswer]:
        raise NotImplementedError

    def read_account(self, command: ReadAccount, timeout_s: float) -> Answered[AccountSnapshot]:
        raise NotImplementedError

    def read_depth(self, command: ReadDepth, timeout_s: float) -> Answered[DepthSnapshot]:
        raise NotImplementedError


class Diary:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def intent(self, command: AnyCommand) -> None:
        self.lines.append(f"intent {command.command_id}")

    def result(self, reply: Reply) -> None:
        self.lines.append(f"result {reply.command_id} {reply.outcome}")

    def wait_for(self, line: str) -> None:
        ends_s = time.monotonic() + SOON_S
        while line not in self.lines:
            assert time.monotonic() < ends_s, f"{line!r} was never written"
            time.sleep(0.002)


class Bench:
    """`workers` in the place lane and in the cancel lane, one connection to `server`; replies and stream events are kept apart."""

    def __init__(self, server: FakeWs, workers: int = 4, silence_ms: int = 10_000, private_key: str = "", life_s: float | None = None) -> None:
        self.rest, self.diary, self.clock = NotedRest(), Diary(), VenueClock()
        self.replies: Queue[Reply] = Queue()
        self.events: Queue[AnyEvent] = Queue()
        self.gate = Gate()
        self.venue = WsVenue(self.rest, self.clock, time.time_ns, self.gate)  # type: ignore[arg-type]
        self.lanes = tuple(Lane(name, workers) for name in ("cancel", "place", "query"))
        cancel, place, query = self.lanes
        orders, light = Orders(), Desk().connect().books.light
        self.manager = OrderBookManager(self.venue, self.diary, self._post, time.time_ns, (cancel, place, query), lambda: orders, light)
        signer = Signer(KEY, "" if private_key else SECRET, private_key)
        self.stream = user_stream(
            server.url, signer, self.clock, self._post, time.time_ns, random.Random(1), silence_ms, self.manager.settle, self.venue, self.gate
        )
        self.stream._life_s_max = life_s

    def _post(self, event: AnyEvent) -> None:
        (self.replies if isinstance(event, Reply) else self.events).put(event)  # type: ignore[arg-type]

    def __enter__(self) -> "Bench":
        for lane in self.lanes:
            lane.start()
        self.stream.start()
        return self

    def __exit__(self, *told: object) -> None:
        deadline = time.monotonic() + SOON_S
        self.stream.stop(deadline)
        for lane in reversed(self.lanes):
            lane.stop(deadline)
        assert not self.stream.is_running

    def up(self) -> "Bench":
        event = self.events.get(timeout=SOON_S)
        assert isinstance(event, StreamUp), event
        return self

    def event(self, kind: type[AnyEvent], timeout_s: float = SOON_S) -> AnyEvent:
        event = self.events.get(timeout=timeout_s)
        assert isinstance(event, kind), event
        return event

    def reply(self, timeout_s: float = SOON_S) -> Reply:
        return self.replies.get(timeout=timeout_s)

    def place(self, number: int = 1, timeout_ms: int = 3000, name: str = "") -> Place:
        command = place(number, timeout_ms, name)
        self.manager.place_orders([command])
        return command

    def cancel(self, number: int = 2) -> Cancel:
        command = cancel(number)
        self.manager.cancel_orders([command])
        return command

    def replace(self, number: int = 3) -> Replace:
        command = replace(number)
        self.manager.replace_orders([command])
        return command


def place(number: int, timeout_ms: int = 3000, name: str = "") -> Place:
    return Place(
        command_id=number,
        reason="test",
        timeout_ms=timeout_ms,
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT_MAKER,
        time_in_force=None,
        price=D("50000.10"),
        quantity=D("0.002"),
        client_order_id=name or f"gl-t3k-{number}",
        slot=None,
        not_after_ns=2**62,
    )


def cancel(number: int) -> Cancel:
    return Cancel(
        command_id=number,
        reason="test",
        timeout_ms=3000,
        symbol="BTCUSDT",
        side=Side.BUY,
        price=D("50000.10"),
        quantity=D("0.002"),
        venue_order_id=77,
        client_order_id="gl-t3k-1",
        cancel_id="gl-t3k-1c",
    )


def replace(number: int) -> Replace:
    """Order 77 gives way to a new one."""
    return Replace(command_id=number, reason="test", timeout_ms=3000, cancel=cancel(number), place=place(number))


# -- the venue's side ----------------------------------------------------------------------------
def report(request: Row) -> Row:
    """What a venue answers to this place or cancel; the order's id is a thousand above the request's."""
    params = request["params"]
    row = {
        "symbol": params["symbol"],
        "orderId": params.get("orderId", 1000 + request["id"]),
        "orderListId": -1,
        "clientOrderId": params["newClientOrderId"],
        "transactTime": 5,
        "price": "50000.10",
        "origQty": "0.00200000",
        "executedQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "timeInForce": "GTC",
        "type": "LIMIT_MAKER",
        "side": "BUY",
    }
    if request["method"] == "order.cancel":
        return {**row, "status": "CANCELED", "origClientOrderId": params["newClientOrderId"][:-1], "orderId": int(params["orderId"])}
    return {**row, "status": "NEW", "fills": []}


def yes(request: Row) -> Row:
    return {"id": request["id"], "status": 200, "result": report(request), "rateLimits": LIMITS}


def no(request: Row, status: int, code: int, msg: str = "no", **more: object) -> Row:
    return {"id": request["id"], "status": status, "error": {"code": code, "msg": msg, **more}, "rateLimits": LIMITS}


def subscribed(peer: Peer) -> Row:
    """Take the log-on, if any, and the subscription; the subscription's request."""
    while request := peer.hear_json():
        peer.say({"id": request["id"], "status": 200, "result": {"subscriptionId": 0}})
        if "subscribe" in str(request["method"]):
            return request
    return {}


def answering(peer: Peer, answer: Callable[[Row], object] = yes, seen: list[Row] | None = None) -> None:
    """Subscribed, then every request is answered at once."""
    subscribed(peer)
    while request := peer.hear_json():
        if seen is not None:
            seen.append(request)
        peer.say(answer(request))


def order_id(reply: Reply) -> int:
    assert isinstance(reply.answer, OrderAnswer) and reply.answer.facts is not None, reply
    return reply.answer.facts.venue_order_id
