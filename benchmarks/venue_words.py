"""What the measuring venue says, in Binance's words: answers, events and market frames as bytes, formatted without a JSON encoder where it counts.

Who uses it: benchmarks/fast_venue.py. Source: binance-wire 2 (REST shapes), 5 (streams), 6 (WS API), 7 (events). Never: state.
"""

import time
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from benchmarks.sockets import TEXT, frame

SYMBOLS = tuple(f"{base}USDT" for base in ("BTC", "ETH", "SOL", "BNB", "XRP", *(f"C{number:02d}" for number in range(45))))
MID = Decimal(60_000)
WIDE_BPS, NARROW_BPS = Decimal(30), Decimal(1)
HELD = Decimal(1_000_000)
CASH = Decimal(10_000_000_000)
LIMITS = (
    '[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":100000000,"count":1},'
    '{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":10000000,"count":1},'
    '{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":1000000000,"count":1}]'
)
UNKNOWN_ORDER = b'{"code":-2011,"msg":"Unknown order sent."}'
NO_SUCH_ORDER = b'{"code":-2013,"msg":"Order does not exist."}'


class Order(msgspec.Struct, frozen=True):
    symbol: str
    number: int
    name: str
    side: str
    price: str
    quantity: str
    status: str = "NEW"
    origin: str = ""


def now_ms() -> int:
    return int(time.time() * 1000)


def framed(payloads: Iterable[bytes]) -> bytes:
    return b"".join(frame(TEXT, payload) for payload in payloads)


def wrapped(path: str, name: str, data: str) -> bytes:
    """Bare on /ws, with its stream's name on /stream."""
    return (f'{{"stream":"{name}","data":{data}}}' if path.startswith("/stream") else data).encode()


# -- market --------------------------------------------------------------------------------------
def depth_update(symbol: str, number: int, bid: Decimal, ask: Decimal, quantity: str) -> str:
    levels = f'"b":[["{bid:.8f}","{quantity}"]],"a":[["{ask:.8f}","{quantity}"]]'
    return f'{{"e":"depthUpdate","E":{now_ms()},"s":"{symbol}","U":{number},"u":{number},{levels}}}'


def market_trade(symbol: str, number: int) -> str:
    now = now_ms()
    return f'{{"e":"trade","E":{now},"s":"{symbol}","t":{number},"p":"{MID:.8f}","q":"0.01000000","T":{now},"m":true,"M":true}}'


def depth(number: int, is_wide: bool, quantity: Decimal) -> bytes:
    """The touch as it now is and ten levels behind it."""
    steps = [WIDE_BPS, *(WIDE_BPS + 5 + step for step in range(10))]
    if not is_wide:
        steps.insert(0, NARROW_BPS)
    bids = [[f"{MID - MID * bps / 10_000:.8f}", f"{quantity:.8f}"] for bps in steps]
    asks = [[f"{MID + MID * bps / 10_000:.8f}", f"{quantity:.8f}"] for bps in steps]
    return msgspec.json.encode({"lastUpdateId": number, "bids": bids, "asks": asks})


# -- orders --------------------------------------------------------------------------------------
def reply(number: object, result: bytes) -> bytes:
    name = f'"{number}"' if isinstance(number, str) else str(number)
    return f'{{"id":{name},"status":200,"result":{result.decode()},"rateLimits":{LIMITS}}}'.encode()


def refusal(number: object) -> bytes:
    return msgspec.json.encode({"id": number, "status": 400, "error": {"code": -2011, "msg": "Unknown order sent."}, "rateLimits": []})


def report(order: Order) -> bytes:
    """RESULT, CANCEL and QUERY at once: one shape with everything in it (binance-wire 2)."""
    now = now_ms()
    origin = f'"origClientOrderId":"{order.origin}",' if order.origin else ""
    return (
        f'{{"symbol":"{order.symbol}","orderId":{order.number},"orderListId":-1,{origin}"clientOrderId":"{order.name}","transactTime":{now},'
        f'"price":"{order.price}","origQty":"{order.quantity}","executedQty":"0.00000000","origQuoteOrderQty":"0.00000000",'
        f'"cummulativeQuoteQty":"0.00000000","status":"{order.status}","timeInForce":"GTC","type":"LIMIT_MAKER","side":"{order.side}",'
        f'"time":{now},"updateTime":{now},"workingTime":{now},"selfTradePreventionMode":"NONE","fills":[]}}'
    ).encode()


def execution(order: Order, number: int) -> bytes:
    now = now_ms()
    kind = "CANCELED" if order.origin else "NEW"
    return (
        f'{{"subscriptionId":0,"event":{{"e":"executionReport","E":{now},"s":"{order.symbol}","c":"{order.name}","S":"{order.side}",'
        f'"o":"LIMIT_MAKER","f":"GTC","q":"{order.quantity}","p":"{order.price}","P":"0.00000000","F":"0.00000000","g":-1,"C":"{order.origin}",'
        f'"x":"{kind}","X":"{order.status}","r":"NONE","i":{order.number},"l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,'
        f'"T":{now},"t":-1,"I":{number},"w":true,"m":false,"O":{now},"Z":"0.00000000","Y":"0.00000000","Q":"0.00000000","W":{now},"V":"NONE"}}}}'
    ).encode()


def position(symbol: str) -> bytes:
    """Nothing ever fills, so the totals stay; what is locked is told by /account alone."""
    now = now_ms()
    base = symbol.removesuffix("USDT")
    parts = f'{{"a":"{base}","f":"{HELD}","l":"0.00000000"}},{{"a":"USDT","f":"{CASH}","l":"0.00000000"}}'
    return f'{{"subscriptionId":0,"event":{{"e":"outboundAccountPosition","E":{now},"u":{now},"B":[{parts}]}}}}'.encode()


# -- reads ---------------------------------------------------------------------------------------
def server_time() -> bytes:
    return f'{{"serverTime":{now_ms()}}}'.encode()


def order_counts() -> bytes:
    return msgspec.json.encode([one for one in msgspec.json.decode(LIMITS) if one["rateLimitType"] == "ORDERS"])


def account(orders: Iterable[Order]) -> bytes:
    """What our orders lock is taken off what is free."""
    locked: dict[str, Decimal] = {}
    for order in orders:
        asset = "USDT" if order.side == "BUY" else order.symbol.removesuffix("USDT")
        worth = Decimal(order.quantity) * (Decimal(order.price) if order.side == "BUY" else 1)
        locked[asset] = locked.get(asset, Decimal(0)) + worth
    balances = []
    for asset in ("USDT", *(symbol.removesuffix("USDT") for symbol in SYMBOLS)):
        total, held = CASH if asset == "USDT" else HELD, locked.get(asset, Decimal(0))
        balances.append({"asset": asset, "free": f"{total - held:.8f}", "locked": f"{held:.8f}"})
    return msgspec.json.encode({"canTrade": True, "updateTime": now_ms(), "accountType": "SPOT", "uid": 4711, "balances": balances})


def exchange_info(symbols: Sequence[str]) -> bytes:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "maxNotional": "9000000.00000000",
         "applyMaxToMarket": False, "avgPriceMins": 5},
    ]  # fmt: skip
    described = [
        {
            "symbol": symbol, "status": "TRADING", "baseAsset": symbol.removesuffix("USDT"), "baseAssetPrecision": 8, "quoteAsset": "USDT",
            "quotePrecision": 8, "quoteAssetPrecision": 8, "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"], "icebergAllowed": True, "ocoAllowed": True, "otoAllowed": True,
            "quoteOrderQtyMarketAllowed": True, "allowTrailingStop": True, "cancelReplaceAllowed": True, "amendAllowed": True,
            "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "filters": filters, "permissions": [], "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "NONE", "allowedSelfTradePreventionModes": ["NONE"],
        }
        for symbol in symbols
    ]  # fmt: skip
    limits = [{key: value for key, value in one.items() if key != "count"} for one in msgspec.json.decode(LIMITS)]
    whole = {"timezone": "UTC", "serverTime": now_ms(), "rateLimits": limits, "exchangeFilters": [], "symbols": described}
    return msgspec.json.encode(whole)
