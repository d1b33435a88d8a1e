"""A venue made of the wire document's own messages, for the running bot: it shares no code with the paper exchange, and none with the client.

Who uses it: test_golden_venue.py. The messages below are those of the wire document (2, 3, 6, 7), with what differs filled in. It does what the
document allows and our exchange does not: fields, events, filters and limits of next year, a report before the reply and after it by turns, every
report of a trade twice, a stranger's orders, a shutdown announced in the middle of the run.
Never: an import from exchange/; a request judged kindly - what the document forbids is written down in `complaints`.
"""

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from itertools import count
from types import TracebackType
from typing import Any, Self

from tests.binance.fake_http import FakeHttp, Reply, Request
from tests.binance.fake_ws import CLOSE, PING, PONG, TEXT, FakeWs, Peer

Row = dict[str, Any]
KEY, SECRET, SYMBOL = "golden-key", "golden-secret", "BTCUSDT"
DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
NAME = re.compile(r"[a-zA-Z0-9-_]{1,36}")
CALLS = (
    *("GET time", "GET exchangeInfo", "GET depth", "GET account", "GET openOrders", "GET allOrders", "GET myTrades", "GET order"),
    *("GET rateLimit/order", "POST order", "DELETE order", "DELETE openOrders", "POST order/cancelReplace", "PUT order/amend/keepPriority"),
)
OPEN = ("NEW", "PARTIALLY_FILLED")
PING_EVERY_S, MOVE_EVERY_S, FILL_EVERY_S, SHUTDOWN_AFTER_S = 0.5, 0.6, 0.25, 0.5

INFO: Row = json.loads(
    """{"timezone":"UTC","serverTime":1,"rateLimits":[
 {"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},
 {"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50},
 {"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000},
 {"rateLimitType":"ORDERS","interval":"FORTNIGHT","intervalNum":1,"limit":5,"burst":2},
 {"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":300000}],
 "exchangeFilters":[],"sors":[],"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","baseAssetPrecision":8,
 "quoteAsset":"USDT","quotePrecision":8,"quoteAssetPrecision":8,"baseCommissionPrecision":8,"quoteCommissionPrecision":8,
 "orderTypes":["LIMIT","LIMIT_MAKER","MARKET","STOP_LOSS","STOP_LOSS_LIMIT","TAKE_PROFIT","TAKE_PROFIT_LIMIT","NEXT_YEARS"],
 "icebergAllowed":true,"ocoAllowed":true,"otoAllowed":true,"opoAllowed":true,"quoteOrderQtyMarketAllowed":true,
 "allowTrailingStop":true,"cancelReplaceAllowed":true,"amendAllowed":true,"pegInstructionsAllowed":true,
 "isSpotTradingAllowed":true,"isMarginTradingAllowed":false,"permissions":[],"permissionSets":[["SPOT"]],
 "filters":[{"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},
 {"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},
 {"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5},
 {"filterType":"NEXT_YEARS_FILTER","limits":[[1]],"maxNumOrders":"none"},{"filterType":"MAX_NUM_ORDERS","maxNumOrders":200}],
 "defaultSelfTradePreventionMode":"EXPIRE_MAKER","allowedSelfTradePreventionModes":["EXPIRE_TAKER","EXPIRE_MAKER","EXPIRE_BOTH","DECREMENT"]}]}"""
)
ACCOUNT: Row = json.loads(
    """{"makerCommission":15,"takerCommission":15,"buyerCommission":0,"sellerCommission":0,
 "commissionRates":{"maker":"0.00150000","taker":"0.00150000","buyer":"0.00000000","seller":"0.00000000"},"canTrade":true,"canWithdraw":true,
 "canDeposit":true,"brokered":false,"requireSelfTradePrevention":false,"preventSor":false,"updateTime":1,"accountType":"SPOT","balances":[],
 "permissions":["SPOT"],"uid":1}"""
)
REPORT: Row = json.loads(
    """{"e":"executionReport","E":2,"s":"BTCUSDT","c":"gl-1","S":"BUY","o":"LIMIT_MAKER","f":"GTC","q":"0.01000000","p":"60000.00000000",
 "P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE","X":"PARTIALLY_FILLED","r":"NONE","i":28,"l":"0.00400000","z":"0.00400000",
 "L":"60000.00000000","n":"0.00000400","N":"BTC","T":1,"t":56,"I":777,"w":true,"m":true,"M":false,"O":1,"Z":"240.00000000","Y":"240.00000000",
 "Q":"0.00000000","W":1,"V":"NONE"}"""
)
LIMITS: list[Row] = json.loads(
    """[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":12},
 {"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000,"count":4043},
 {"rateLimitType":"ORDERS","interval":"FORTNIGHT","intervalNum":1,"limit":5,"count":5},
 {"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":321}]"""
)
STRANGERS = [
    {"e": "listStatus", "E": 2, "s": SYMBOL, "g": 2, "c": "OCO", "l": "EXEC_STARTED", "L": "EXECUTING", "r": "NONE", "C": "web", "T": 1, "O": []},
    {"e": "noveltyOfNextYear", "E": "soon", "what": [1, {"a": None}]},
    REPORT | {"c": "web_1", "i": 5, "x": "NEW", "X": "NEW", "l": "0.00000000", "z": "0.00000000", "n": "0", "N": None, "t": -1, "I": 7, "eR": "NONE"},
]


class Refusal(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body: Row = {"code": code, "msg": message}


def eight(value: Decimal) -> str:
    return f"{value:.8f}"


def now_ms() -> int:
    return int(time.time() * 1000)


class GoldenVenue:
    """`with GoldenVenue() as venue`: REST and both kinds of socket on loopback, a market that moves, somebody who takes what rests."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.orders: dict[int, Row] = {}
        self.trades: list[Row] = []
        self.counts: dict[str, int] = {}
        self.pongs = 0
        self._lock = threading.RLock()
        self._done = threading.Event()
        self._numbers, self._executions, self._updates = count(101), count(1), count(1000)
        self._mid, self._update = Decimal("60000.00"), 1000
        self._held = {"BTC": Decimal(1), "USDT": Decimal(100_000)}
        self._told: list[Row] = []  # events that leave with the next flush
        self._users: list[Peer] = []
        self._markets: list[Peer] = []
        self._stack = ExitStack()
        scripts = {(verb, f"/api/v3/{path}"): self._rest for verb, _, path in (call.partition(" ") for call in CALLS)}
        self.http, self.ws = FakeHttp(scripts), FakeWs(self._talk)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.http)
        self._stack.enter_context(self.ws)
        self._worker = threading.Thread(target=self._live, daemon=True)
        self._worker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._worker.join(2)
        self._stack.close()

    @property
    def open(self) -> list[Row]:
        with self._lock:
            return [order for order in self.orders.values() if order["status"] in OPEN]

    # -- requests --------------------------------------------------------------------------------
    def _rest(self, request: Request) -> Reply:
        call = f"{request.method} {request.path.removeprefix('/api/v3/')}"
        if "signature" in request.params:
            payload, _, signature = (request.query + request.body).rpartition("&signature=")
            self._check_signature(call, payload, signature)
            if request.headers.get("X-MBX-APIKEY") != KEY:
                self.complaints.append(f"{call}: key {request.headers.get('X-MBX-APIKEY')}")
        try:
            body = self._carry_out(call, request.params)
        except Refusal as refusal:
            return Reply(refusal.body, refusal.status, {"X-MBX-USED-WEIGHT-1M": "321"})
        finally:
            self._flush()
        return Reply(body, headers={"X-MBX-USED-WEIGHT-1M": "321", "X-MBX-ORDER-COUNT-10S": "12", "X-MBX-ORDER-COUNT-2W": "5"})

    def _check_signature(self, call: str, payload: str, signature: str) -> None:
        if hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest() != signature.lower():
            self.complaints.append(f"{call}: the signature does not cover {payload}")

    def _carry_out(self, call: str, params: Row) -> object:
        with self._lock:
            self.counts[call] = self.counts.get(call, 0) + 1
            handlers: dict[str, Callable[[], object]] = {
                "GET time": lambda: {"serverTime": now_ms()},
                "GET exchangeInfo": lambda: INFO,
                "GET depth": self._depth,
                "GET account": lambda: ACCOUNT | {"balances": [{"asset": a, "free": f, "locked": x} for a, f, x in self._balances()]},
                "GET openOrders": lambda: [self._query(order) for order in self.open],
                "GET allOrders": lambda: [self._query(order) for order in self.orders.values() if order["time"] >= int(params.get("startTime", 0))],
                "GET myTrades": lambda: [trade for trade in self.trades if self._is_wanted(trade, params)],
                "GET order": lambda: self._query(self._find(params, -2013, "Order does not exist.")),
                "GET rateLimit/order": lambda: LIMITS[:3],
                "POST order": lambda: self._place(params),
                "DELETE order": lambda: self._cancel(params),
                "DELETE openOrders": lambda: [self._cancel({"orderId": order["orderId"]}) for order in self.open],
                "POST order/cancelReplace": lambda: self._replace(params),
                "PUT order/amend/keepPriority": lambda: self._amend(params),
            }
            return handlers[call]()

    @staticmethod
    def _is_wanted(trade: Row, params: Row) -> bool:
        return int(trade["id"]) >= int(params.get("fromId", 0)) and str(trade["orderId"]) == params.get("orderId", str(trade["orderId"]))

    def _find(self, params: Row, code: int, message: str) -> Row:
        for order in self.orders.values():
            if str(order["orderId"]) == str(params.get("orderId", "")) or order["name"] == params.get("origClientOrderId"):
                return order
        raise Refusal(400, code, message)

    def _place(self, params: Row) -> Row:
        for name in ("price", "quantity"):
            if not DECIMAL.fullmatch(params[name]):
                self.complaints.append(f"{name}={params[name]}")
        if not NAME.fullmatch(params["newClientOrderId"]) or (params["type"] == "LIMIT_MAKER" and "timeInForce" in params):
            self.complaints.append(f"place {params}")
        price, quantity, number, now = Decimal(params["price"]), Decimal(params["quantity"]), next(self._numbers), now_ms()
        if price * quantity < 5 or price % Decimal("0.01") or quantity % Decimal("0.00001"):
            self.complaints.append(f"filters: {params}")
        if params["type"] == "LIMIT_MAKER" and (price >= self._mid + 5 if params["side"] == "BUY" else price <= self._mid - 5):
            raise Refusal(400, -2010, "Order would immediately match and take.")
        order = {"orderId": number, "name": params["newClientOrderId"], "side": params["side"], "type": params["type"], "status": "NEW"}
        order |= {"price": price, "quantity": quantity, "executed": Decimal(0), "time": now, "updateTime": now}
        self.orders[number] = order
        self._tell_of(order, "NEW")
        return self._answer(order) | {"workingTime": now, "fills": []}

    def _cancel(self, params: Row) -> Row:
        order = self._find(params, -2011, "Unknown order sent.")
        if order["status"] not in OPEN or (params.get("cancelRestrictions") == "ONLY_NEW" and order["executed"]):
            raise Refusal(400, -2011, "Unknown order sent.")
        before, order["name"] = order["name"], params.get("newClientOrderId") or f"auto{order['orderId']}"
        order["status"], order["updateTime"] = "CANCELED", now_ms()
        self._tell_of(order, "CANCELED", C=before)
        return self._answer(order) | {"origClientOrderId": before}

    def _replace(self, params: Row) -> Row:
        canceled: Row = {}
        try:
            old = {"orderId": params["cancelOrderId"], "newClientOrderId": params.get("cancelNewClientOrderId")}
            canceled = self._cancel(old | {"cancelRestrictions": params.get("cancelRestrictions")})
            both = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS", "cancelResponse": canceled}
            return both | {"newOrderResponse": self._place(params)}
        except Refusal as no:
            half: Row = {"cancelResult": "SUCCESS" if canceled else "FAILURE", "newOrderResult": "FAILURE" if canceled else "NOT_ATTEMPTED"}
            half |= {"cancelResponse": canceled or no.body, "newOrderResponse": no.body if canceled else None}
            told = Refusal(409, -2021, "Order cancel-replace partially failed.") if canceled else Refusal(400, -2022, "Order cancel-replace failed.")
            told.body["data"] = half
            raise told from None

    def _amend(self, params: Row) -> Row:
        order = self._find(params, -2038, "Unknown order sent.")
        before, quantity = order["name"], Decimal(params["newQty"])
        if order["status"] not in OPEN or not order["executed"] < quantity < order["quantity"]:
            raise Refusal(400, -2038, "Order amend (quantity increase) is not supported.")
        order |= {"name": params.get("newClientOrderId") or "random", "quantity": quantity, "updateTime": now_ms()}
        self._tell_of(order, "REPLACED", C=before)
        answer = self._answer(order)
        answer |= {"qty": answer.pop("origQty"), "cumulativeQuoteQty": answer.pop("cummulativeQuoteQty")}
        answer |= {"origClientOrderId": before, "workingTime": order["time"]}
        return {"transactTime": now_ms(), "executionId": next(self._executions), "amendedOrder": answer}

    # -- facts -----------------------------------------------------------------------------------
    def _answer(self, order: Row) -> Row:
        names = {"orderId", "side", "type", "status"}
        return {
            **{name: order[name] for name in names},
            "symbol": SYMBOL,
            "orderListId": -1,
            "clientOrderId": order["name"],
            "transactTime": order["updateTime"],
            "price": eight(order["price"]),
            "origQty": eight(order["quantity"]),
            "executedQty": eight(order["executed"]),
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": eight(order["executed"] * order["price"]),
            "timeInForce": "GTC",
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "fieldOfNextYear": {"a": [None]},
        }

    def _query(self, order: Row) -> Row:
        more = {"stopPrice": "0.00000000", "icebergQty": "0.00000000", "isWorking": True, "workingTime": order["time"]}
        return self._answer(order) | more | {"time": order["time"], "updateTime": order["updateTime"]}

    def _balances(self) -> list[tuple[str, str, str]]:
        locked = {"BTC": Decimal(0), "USDT": Decimal(0)}
        for order in self.open:
            left = order["quantity"] - order["executed"]
            locked["USDT" if order["side"] == "BUY" else "BTC"] += left * order["price"] if order["side"] == "BUY" else left
        return [(asset, eight(held - locked[asset]), eight(locked[asset])) for asset, held in self._held.items()]

    # -- events ----------------------------------------------------------------------------------
    def _tell_of(self, order: Row, kind: str, **more: object) -> None:
        told = REPORT | {"E": now_ms(), "T": order["updateTime"], "O": order["time"], "c": order["name"], "S": order["side"], "o": order["type"]}
        told |= {"q": eight(order["quantity"]), "p": eight(order["price"]), "x": kind, "X": order["status"], "i": order["orderId"]}
        told |= {"z": eight(order["executed"]), "Z": eight(order["executed"] * order["price"]), "I": next(self._executions), "W": order["time"]}
        if kind != "TRADE":
            told |= {"l": "0.00000000", "L": "0.00000000", "Y": "0.00000000", "n": "0", "N": None, "t": -1, "m": False, "w": order["status"] in OPEN}
        position = {"e": "outboundAccountPosition", "E": now_ms(), "u": now_ms(), "B": [{"a": a, "f": f, "l": x} for a, f, x in self._balances()]}
        for event in (told | more, *([told | more] if kind == "TRADE" else []), position):
            self._told.append({"subscriptionId": 0, "event": event})

    def _flush(self) -> None:
        with self._lock:
            told, self._told = self._told, []
            for peer in list(self._users):
                for event in told:
                    self._say(peer, event)

    def _fill(self) -> None:
        """Somebody takes half of the oldest order that rests, or what is left of it."""
        with self._lock:
            order = next(iter(sorted(self.open, key=lambda one: (one["status"] == "NEW", one["orderId"]))), None)
            if order is None or now_ms() - order["time"] < 150:
                return
            taken = order["quantity"] - order["executed"]
            taken = taken if order["executed"] else (taken / 2).quantize(Decimal("0.00001"))
            order["executed"] += taken
            order["status"], order["updateTime"] = ("FILLED" if order["executed"] == order["quantity"] else "PARTIALLY_FILLED"), now_ms()
            is_buy, fee = order["side"] == "BUY", taken * Decimal("0.001") if order["side"] == "BUY" else taken * order["price"] * Decimal("0.001")
            fee = fee.quantize(Decimal("0.00000001"))
            self._held["BTC"] += taken - fee if is_buy else -taken
            self._held["USDT"] += -taken * order["price"] if is_buy else taken * order["price"] - fee
            number, asset, price, worth = 500 + len(self.trades), "BTC" if is_buy else "USDT", eight(order["price"]), eight(taken * order["price"])
            trade = {"symbol": SYMBOL, "id": number, "orderId": order["orderId"], "orderListId": -1, "price": price, "qty": eight(taken)}
            trade |= {"quoteQty": worth, "commission": eight(fee), "commissionAsset": asset, "time": order["updateTime"]}
            self.trades.append(trade | {"isBuyer": is_buy, "isMaker": True, "isBestMatch": True})
            self._tell_of(order, "TRADE", l=eight(taken), L=price, Y=worth, n=eight(fee), N=asset, t=number)
            self._flush()

    # -- sockets ---------------------------------------------------------------------------------
    def _say(self, peer: Peer, message: object) -> None:
        with self._lock:
            try:
                peer.say(message)
            except OSError:
                return  # it has left; its script ends by itself

    def _talk(self, peer: Peer) -> None:
        is_market = peer.path.startswith("/stream?streams=")
        with self._lock:
            if is_market:
                self._markets.append(peer)
            peer.raw(peer.frame(PING, b"ping-first"))
        while True:
            opcode, payload = peer.hear()
            if opcode == CLOSE:
                break
            if opcode == PING:
                with self._lock:
                    peer.raw(peer.frame(PONG, payload))
            elif opcode == PONG:
                self.pongs += payload.startswith(b"ping-")
            elif opcode == TEXT:
                self._on_request(peer, json.loads(payload))
        with self._lock:
            for peers in (self._markets, self._users):
                if peer in peers:
                    peers.remove(peer)

    def _on_request(self, peer: Peer, request: Row) -> None:
        method, params = request["method"], {name: str(value) for name, value in request["params"].items()}
        rest = {"order.place": "POST order", "order.cancel": "DELETE order", "order.cancelReplace": "POST order/cancelReplace", "time": "GET time"}
        rest["order.amend.keepPriority"] = "PUT order/amend/keepPriority"
        if "signature" in params:
            payload = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
            self._check_signature(method, payload, params["signature"])
        with self._lock:
            reply: Row = {"id": request["id"], "status": 200, "rateLimits": LIMITS, "novelty": {"x": 1}}
            if method == "userDataStream.subscribe.signature":
                self._users.append(peer)
                self._say(peer, reply | {"result": {"subscriptionId": 0}})
                for event in STRANGERS:
                    self._say(peer, {"subscriptionId": 0, "event": event})
                return
            try:
                reply["result"] = self._carry_out(rest[method], params)
            except Refusal as refusal:
                reply |= {"status": refusal.status, "error": refusal.body}
            if request["id"] % 2:  # a report may come before the reply, and after it
                self._flush()
            self._say(peer, reply)
            self._flush()

    # -- the market ------------------------------------------------------------------------------
    def _depth(self) -> Row:
        bid, ask = eight(self._mid - 5), eight(self._mid + 5)
        return {"lastUpdateId": self._update, "bids": [[bid, "0.50000000"]], "asks": [[ask, "1.20000000"]]}

    def _move(self, by: Decimal) -> None:
        with self._lock:
            old, self._mid = self._mid, self._mid + by
            self._update = next(self._updates)
            bid, ask = eight(self._mid - 5), eight(self._mid + 5)
            gone = {"b": [[eight(old - 5), "0.00000000"]] if by else [], "a": [[eight(old + 5), "0.00000000"]] if by else []}
            diff = {"e": "depthUpdate", "E": now_ms(), "s": SYMBOL, "U": self._update, "u": self._update, "b": [*gone["b"], [bid, "0.50000000"]]}
            diff["a"] = [*gone["a"], [ask, "1.20000000"]]
            ticker = {"u": self._update, "s": SYMBOL, "b": bid, "B": "0.50000000", "a": ask, "A": "1.20000000"}
            for peer in self._markets:
                self._say(peer, {"stream": "btcusdt@depth@100ms", "data": diff})
                self._say(peer, {"stream": "btcusdt@bookTicker", "data": ticker})

    def _live(self) -> None:
        """Everything that happens by itself, on one thread."""
        begun_s = time.monotonic()
        due = {"move": begun_s, "fill": begun_s, "ping": begun_s, "shutdown": 0.0}
        next(self._updates)
        while not self._done.wait(0.05):
            now_s = time.monotonic()
            is_moving = now_s - due["move"] > MOVE_EVERY_S
            due["move"] = now_s if is_moving else due["move"]
            self._move(Decimal(6 if self._update % 2 else -6) if is_moving else Decimal(0))
            if now_s - due["fill"] > FILL_EVERY_S:
                due["fill"] = now_s
                self._fill()
            with self._lock:
                due["shutdown"] = due["shutdown"] or (now_s if self.trades else 0.0)
                if due["shutdown"] and now_s - due["shutdown"] > SHUTDOWN_AFTER_S and self._users:
                    due["shutdown"] = float("inf")
                    self._say(self._users[0], {"event": {"e": "serverShutdown", "E": now_ms()}})
                if now_s - due["ping"] > PING_EVERY_S:
                    due["ping"] = now_s
                    for peer in (*self._users, *self._markets):
                        peer.raw(peer.frame(PING, b"ping-again"))
