"""The desk: one account, one matching engine, and the path every call takes, whichever transport brought it.

admit (ban, weight, names, key, signature, timing) -> perform (timing again, operation, credit, publication). Called by
rest_api.py and ws_api.py on the event loop; the market driver calls `publish` after each of its steps. It never
waits and never writes to a socket: what happened goes to the `Audience`.
"""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from exchange.paper import auth, encode, encode_lists
from exchange.paper.amendments import Amendment, Amendments
from exchange.paper.auth import Credentials
from exchange.paper.candles import Aggregate, Print, Tape
from exchange.paper.doorlog import DoorLog
from exchange.paper.encode_market import Touch
from exchange.paper.faults import Faults, Subject
from exchange.paper.limits import Limited, Limits
from exchange.paper.matching import Matching
from exchange.paper.model import OPEN_STATUSES, BalanceReport, OrderReport, PlaceRequest, PublicTrade, Reject, Report, SymbolRules
from exchange.paper.operation import FREE_ON_SUCCESS, FREE_WHEN_ENDED, Answer, Call, RejectWithData
from exchange.paper.params import Params

_ID_LETTERS = string.ascii_letters + string.digits
CLIENT_ID_LENGTH = 22
AGGREGATE_ID_BASE = 26_000


class Audience(Protocol):
    """Who hears the public events. Called on the event loop: prints first, then the touch they changed."""

    def on_prints(self, symbol: str, prints: list[Print], aggregates: list[Aggregate], now_ms: int) -> None: ...

    def on_touch(self, symbol: str, touch: Touch) -> None: ...


class PrivateAudience(Protocol):
    """Who hears what happened to our own orders and balances, after the public events."""

    def on_reports(self, reports: list[Report], now_ms: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Fees:
    """Commission as a fraction of what is received."""

    maker: Decimal
    taker: Decimal


def _is_free(when: str, body: object) -> bool:
    """Whether a call that succeeded with this body costs no weight."""
    if when == FREE_WHEN_ENDED and isinstance(body, dict):
        order = body.get("amendedOrder")
        return isinstance(order, dict) and order.get("status") not in OPEN_STATUSES
    return when == FREE_ON_SUCCESS


class Desk:
    """Everything the operations need, and the one way to run them."""

    def __init__(
        self,
        matching: Matching,
        rules: Iterable[SymbolRules],
        credentials: Credentials,
        limits: Limits,
        faults: Faults,
        fees: Fees,
        uid: int,
        seed: int,
    ) -> None:
        self.matching = matching
        self.rules: dict[str, SymbolRules] = {rule.symbol: rule for rule in rules}
        self.status = matching.status
        self.credentials = credentials
        self.limits = limits
        self.faults = faults
        self.maker_fee, self.taker_fee = fees.maker, fees.taker
        self.uid = uid
        self.door = DoorLog()
        self.amendments = Amendments()
        self.tapes: dict[str, Tape] = {name: Tape(AGGREGATE_ID_BASE) for name in self.rules}
        self.account_updated_ms = 0
        self.changes = 0
        self.audience: Audience | None = None
        self.private_audience: PrivateAudience | None = None
        self._touches: dict[str, Touch] = {}
        self._random = random.Random(seed ^ 0x5EED)

    # --- the clock ------------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """The server's wall clock in ms, off by the skew of a `clock_skew` fault."""
        wall_ms = time.time_ns() // 1_000_000
        return wall_ms + self.faults.skew_ms(wall_ms)

    # --- one call -------------------------------------------------------------------------------------------------

    def admit(self, call: Call) -> None:
        """Everything checked on arrival. Raises `Reject`."""
        now_ms = self.now_ms()
        self.limits.charge_weight(call.operation.weight(call.params), now_ms)
        call.params.check_names(call.operation.accepted)
        if not call.operation.signed:
            return
        vouched = call.logged_on and call.api_key is None and call.signature is None
        if not vouched:
            self.credentials.check_key(call.api_key)
        call.window = auth.request_window(call.params)
        if not vouched:
            self.credentials.check_signature(call.payload, call.signature)
        auth.check_timing(*call.window, now_ms)

    def perform(self, call: Call) -> Answer:
        """Run an admitted call; every refusal comes back as an answer."""
        now_ms = self.now_ms()
        try:
            self._check_again(call, now_ms)
            body = call.operation.handler(self, call.params, now_ms)
        except Reject as reject:
            answer = self.refusal(reject)
        else:
            answer = Answer(200, body)
            if _is_free(call.operation.free, body):
                self.limits.refund_weight(call.operation.weight(call.params), now_ms)
        self.publish(now_ms)
        return answer

    def _check_again(self, call: Call, now_ms: int) -> None:
        """The timing test just before the engine; a placement refused here still counts as an order (binance-wire 1)."""
        if call.window is None:
            return
        try:
            auth.check_timing(*call.window, now_ms)
        except Reject:
            if call.operation.counts_orders:
                self.limits.charge_order(now_ms)
            raise

    @staticmethod
    def refusal(reject: Reject) -> Answer:
        """A refusal as an answer."""
        body: encode.Json = {"code": reject.code, "msg": reject.message}
        if isinstance(reject, RejectWithData):
            body["data"] = reject.data
        retry_at_ms = reject.retry_at_ms if isinstance(reject, Limited) else None
        return Answer(reject.http_status, body, retry_at_ms)

    # --- what operations ask --------------------------------------------------------------------------------------

    def symbols(self) -> list[str]:
        """All symbols."""
        return list(self.rules)

    def known_symbol(self, params: Params) -> str:
        """The call's symbol. Raises -1102, -1100 or -1121."""
        symbol = params.symbol()
        if symbol not in self.rules:
            raise Reject(-1121, "Invalid symbol.")
        return symbol

    def check_trading(self, symbol: str) -> None:
        """Raise unless the symbol takes new orders; cancels work in every status."""
        if self.status[symbol] != "TRADING":
            raise Reject(-2010, "Market is closed.")

    def new_client_id(self) -> str:
        """A client id as the venue makes one up when none was sent."""
        return "".join(self._random.choices(_ID_LETTERS, k=CLIENT_ID_LENGTH))

    def mid(self, symbol: str) -> Decimal | None:
        """The middle of the book, or the one side there is."""
        bid, _, ask, _, _ = self.matching.touch(symbol)
        if bid is not None and ask is not None:
            return (bid + ask) / 2
        return bid if bid is not None else ask

    def check_before_cancel(self, request: PlaceRequest, now_ms: int) -> None:
        """cancelReplace: filters are evaluated before the cancel, balance and post-only after it (binance-wire 3)."""
        try:
            self.matching.check(request, now_ms)
        except Reject as reject:
            if reject.code != -2010 or reject.message.startswith("Filter failure"):
                raise

    def amend(
        self,
        symbol: str,
        order_id: int | None,
        client_order_id: str | None,
        new_quantity: Decimal,
        new_client_order_id: str,
        now_ms: int,
    ) -> encode.Json:
        """Amend and remember it. Raises `Reject` (-2038 ...)."""
        try:
            before = self.matching.order(symbol, order_id=order_id, client_order_id=client_order_id).quantity
        except Reject:
            before = Decimal(0)
        done = self.matching.amend(
            symbol,
            now_ms,
            new_quantity,
            order_id=order_id,
            client_order_id=client_order_id,
            new_client_order_id=new_client_order_id,
        )
        order, previous = done.order, done.previous_client_order_id
        self.amendments.add(
            Amendment(
                symbol, order.order_id, done.execution_id, previous, order.client_order_id, before, order.quantity, now_ms
            )
        )
        body = encode.amended(order, previous, done.execution_id)
        if order.list_id >= 0:
            body["listStatus"] = encode_lists.amended_list(self.matching.lists.lists[order.list_id])
        return body

    def race_cancel(self, symbol: str, order_id: int | None, client_order_id: str | None, now_ms: int) -> None:
        """Fault `cancel_race`: the market takes the order, in part or whole, in the instant before its cancel."""
        subject = Subject(operation="order.cancel", symbol=symbol, client_order_id=client_order_id or "")
        fault = self.faults.take("cancel_race", subject, now_ms)
        if fault is None:
            return
        try:
            order = self.matching.order(symbol, order_id=order_id, client_order_id=client_order_id)
        except Reject:
            return
        if order.is_waiting:
            return
        left = order.remaining
        step = self.rules[symbol].step
        part = left * Decimal(str(fault.number("fraction", 0.5))) // step * step
        if part > 0 and order.status in ("NEW", "PARTIALLY_FILLED"):
            taker_side = "SELL" if order.side == "BUY" else "BUY"
            ahead = self.matching.size_ahead(symbol, order.order_id) + self._better(symbol, order.side, order.price)
            self.matching.aggress(symbol, taker_side, ahead + part, order.price, now_ms)

    def _better(self, symbol: str, side: str, price: Decimal | None) -> Decimal:
        """All size in front of that price on its own side of the book."""
        _, bids, asks = self.matching.depth(symbol, 5000)
        if price is None:
            return Decimal(0)
        rows = bids if side == "BUY" else asks
        return sum((size for level, size in rows if (level > price if side == "BUY" else level < price)), Decimal(0))

    # --- what happened --------------------------------------------------------------------------------------------

    def publish(self, now_ms: int) -> None:
        """Tell the audience everything since the last time: prints, then touches, then private reports."""
        public = self.matching.drain_public_trades()
        reports = self.matching.drain_reports()
        if public:
            self._publish_prints(public, now_ms)
        for symbol in self.rules:
            touch = self.matching.touch(symbol)
            known = self._touches.get(symbol)
            if known is None or touch[:4] != known[:4]:
                self._touches[symbol] = touch
                if self.audience is not None:
                    self.audience.on_touch(symbol, touch)
        if reports:
            self._publish_reports(reports, now_ms)

    def _publish_prints(self, public: Iterable[PublicTrade], now_ms: int) -> None:
        by_symbol: dict[str, list[Print]] = {}
        for trade in public:
            row = Print(trade.trade_id, trade.price, trade.quantity, now_ms, trade.buyer_is_maker)
            by_symbol.setdefault(trade.symbol, []).append(row)
        for symbol, prints in by_symbol.items():
            aggregates = self.tapes[symbol].add(prints)
            if self.audience is not None:
                self.audience.on_prints(symbol, prints, aggregates, now_ms)

    def _publish_reports(self, reports: list[Report], now_ms: int) -> None:
        self.changes += 1
        for report in reports:
            if isinstance(report, BalanceReport):
                self.account_updated_ms = report.time_ms
            elif isinstance(report, OrderReport) and report.trade is not None and report.order.executed == report.trade.quantity:
                self.limits.credit_fill(report.trade.is_maker, now_ms)
        if self.private_audience is not None:
            self.private_audience.on_reports(reports, now_ms)

    def restore(self, aggregate_ids: Mapping[str, int], amendments: Iterable[Mapping[str, object]]) -> None:
        """Continue the counters and lists that do not live in `Matching`."""
        for symbol, next_id in aggregate_ids.items():
            if symbol in self.tapes:
                self.tapes[symbol].next_aggregate_id = next_id
        self.amendments.load(amendments)
