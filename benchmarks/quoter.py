"""What every yardstick does with a frame, the same for all: quote while the market is wide, take the orders back while it is narrow.

Who uses it: benchmarks/yardsticks.py and yardsticks_async.py. Requests are made as plainly as a careful hand would: one string, one signature.
Never: a socket, a book, a risk check, a record. That is what Greenlight does besides, and what its ratio pays for.
"""

import hashlib
import hmac
import time
from decimal import Decimal

import msgspec

KEY, SECRET = "bench-key", b"bench-secret"
EACH = {"BTCUSDT": 1}  # bands per side; every other symbol has ten
BANDS = 10
STEP = Decimal("0.0001")
WIDE = Decimal("0.002")
CENT = Decimal("0.01")
_begun = hmac.new(SECRET, f"apiKey={KEY}&".encode(), hashlib.sha256)
_rest_begun = hmac.new(SECRET, b"", hashlib.sha256)
Wanted = tuple[str, str, str]  # side, price, quantity


class Ticker(msgspec.Struct):
    s: str
    b: Decimal
    a: Decimal


class Wrapped(msgspec.Struct):
    data: Ticker


class _Result(msgspec.Struct, rename="camel"):
    symbol: str = ""
    order_id: int = 0
    status: str = ""


class Answer(msgspec.Struct):
    result: _Result = msgspec.field(default_factory=_Result)


wrapped = msgspec.json.Decoder(Wrapped)
answer = msgspec.json.Decoder(Answer)
rest_answer = msgspec.json.Decoder(_Result)


class Quoter:
    """The open orders of each symbol, and what a touch asks for. One thread, or two where the second only calls `placed`."""

    def __init__(self) -> None:
        self.orders: dict[str, list[int]] = {}
        self.is_quoting: dict[str, bool] = {}
        self._number = 0

    def wants(self, symbol: str, bid: Decimal, ask: Decimal) -> tuple[list[Wanted], list[int]]:
        """(orders to place, order ids to cancel); marks them as done."""
        is_wide = ask - bid > WIDE * bid
        if is_wide is self.is_quoting.get(symbol, False):
            return [], []
        self.is_quoting[symbol] = is_wide
        if not is_wide:
            return [], self.orders.pop(symbol, [])
        places: list[Wanted] = []
        for band in range(EACH.get(symbol, BANDS)):
            away = bid * STEP * (2 * band + 1) / 2
            places.append(("BUY", str((bid - away).quantize(CENT)), "0.001"))
            places.append(("SELL", str((ask + away).quantize(CENT)), "0.001"))
        return places, []

    def placed(self, symbol: str, order_id: int) -> None:
        self.orders.setdefault(symbol, []).append(order_id)

    def number(self) -> int:
        self._number += 1
        return self._number


def place_text(number: int, symbol: str, wanted: Wanted) -> str:
    """A signed order.place."""
    side, price, quantity = wanted
    now = int(time.time() * 1000)
    digest = _begun.copy()
    rest = (
        f"newClientOrderId=y-{number}&newOrderRespType=FULL&price={price}&quantity={quantity}&recvWindow=3000&side={side}"
        f"&symbol={symbol}&timestamp={now}&type=LIMIT_MAKER"
    )
    digest.update(rest.encode())
    return (
        f'{{"id":{number},"method":"order.place","params":{{"apiKey":"{KEY}","newClientOrderId":"y-{number}","newOrderRespType":"FULL",'
        f'"price":"{price}","quantity":"{quantity}","recvWindow":3000,"side":"{side}","symbol":"{symbol}","timestamp":{now},'
        f'"type":"LIMIT_MAKER","signature":"{digest.hexdigest()}"}}}}'
    )


def cancel_text(number: int, symbol: str, order_id: int) -> str:
    """A signed order.cancel."""
    now = int(time.time() * 1000)
    digest = _begun.copy()
    digest.update(f"orderId={order_id}&recvWindow=3000&symbol={symbol}&timestamp={now}".encode())
    return (
        f'{{"id":{number},"method":"order.cancel","params":{{"apiKey":"{KEY}","orderId":"{order_id}","recvWindow":3000,"symbol":"{symbol}",'
        f'"timestamp":{now},"signature":"{digest.hexdigest()}"}}}}'
    )


def rest_body(symbol: str, number: int, wanted: Wanted | None, order_id: int = 0) -> str:
    """The signed form of a place, or of a cancel where nothing is wanted."""
    now = int(time.time() * 1000)
    if wanted is None:
        form = f"symbol={symbol}&orderId={order_id}&recvWindow=3000&timestamp={now}"
    else:
        side, price, quantity = wanted
        form = (
            f"symbol={symbol}&side={side}&type=LIMIT_MAKER&quantity={quantity}&newClientOrderId=y-{number}&newOrderRespType=FULL&price={price}"
            f"&recvWindow=3000&timestamp={now}"
        )
    digest = _rest_begun.copy()
    digest.update(form.encode())
    return f"{form}&signature={digest.hexdigest()}"
