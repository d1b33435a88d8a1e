"""Where the paper exchange keeps its orders and trades: by id, by client id, open and closed, bounded.

Who calls it: matching.py. Ids are numbered per symbol from a base of its own, so that equal ids occur in several symbols and a client that keys by id
alone is caught. Never: a change to an order.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import Any

from exchange.paper.model import ZERO, PaperOrder, PaperTrade, Prevention, Reject

CLOSED_MAX = 50_000
PREVENTIONS_MAX = 1_000
NO_ORDER = "Order does not exist."


@dataclass(slots=True)
class SymbolArchive:
    next_order_id: int
    next_trade_id: int
    next_execution_id: int
    orders: dict[int, PaperOrder] = field(default_factory=dict)
    open_ids: dict[int, None] = field(default_factory=dict)
    by_client_id: dict[str, int] = field(default_factory=dict)  # the newest order with that id; an open one always wins
    trades: list[PaperTrade] = field(default_factory=list)
    preventions: list[Prevention] = field(default_factory=list)  # the newest; not kept on disk
    next_match_id: int = 0
    last_price: Decimal = ZERO  # of the newest trade in the symbol, whoever's
    closed_max: int = CLOSED_MAX
    closed_ids: dict[int, None] = field(default_factory=dict)  # in the order of their ending: the one that ended first is forgotten first

    def add(self, order: PaperOrder) -> None:
        self.orders[order.order_id] = order
        self.open_ids[order.order_id] = None
        self.by_client_id[order.client_order_id] = order.order_id

    def close(self, order: PaperOrder) -> None:
        self.open_ids.pop(order.order_id, None)
        self.closed_ids[order.order_id] = None
        if len(self.closed_ids) > self.closed_max:
            oldest = next(iter(self.closed_ids))
            del self.closed_ids[oldest]
            gone = self.orders.pop(oldest)
            if self.by_client_id.get(gone.client_order_id) == oldest:
                del self.by_client_id[gone.client_order_id]

    def rename(self, order: PaperOrder, client_order_id: str) -> None:
        """A cancel or amend gives the order another client id; the old one is free again and finds nothing."""
        if self.by_client_id.get(order.client_order_id) == order.order_id:
            del self.by_client_id[order.client_order_id]
        order.client_order_id = client_order_id
        self.by_client_id[client_order_id] = order.order_id

    def is_taken(self, client_order_id: str) -> bool:
        """In use by an open order: unique among open orders only."""
        return self.by_client_id.get(client_order_id) in self.open_ids

    def find(self, order_id: int | None, client_order_id: str | None, code: int = -2013, text: str = NO_ORDER) -> PaperOrder:
        """By order id, then the client id must match (binance-wire 2). Raises Reject."""
        if order_id is not None:
            order = self.orders.get(order_id)
            if order is None:
                raise Reject(code, text)
            if client_order_id is not None and order.client_order_id != client_order_id:
                if code == -2013:
                    raise Reject(-2039, "Client order ID is not correct for this order ID.")
                raise Reject(code, text)
            return order
        found = self.by_client_id.get(client_order_id or "")
        if found is None:
            raise Reject(code, text)
        return self.orders[found]

    def note_trade(self, trade: PaperTrade) -> None:
        self.trades.append(trade)
        if len(self.trades) > 2 * self.closed_max:
            del self.trades[: self.closed_max]

    def note_prevention(self, taker: PaperOrder, maker: PaperOrder, **numbers: Any) -> Prevention:
        """A new one between these two orders, at the price of the one on the book."""
        made = Prevention(taker.symbol, self.next_match_id, taker.stp_mode, taker.order_id, maker.order_id, maker.price, **numbers)
        self.next_match_id += 1
        self.preventions.append(made)
        if len(self.preventions) > 2 * PREVENTIONS_MAX:
            del self.preventions[:PREVENTIONS_MAX]
        return made

    # -- on disk ---------------------------------------------------------------------------------
    def dump(self) -> dict[str, object]:
        return {
            "next": [self.next_order_id, self.next_trade_id, self.next_execution_id],
            "last_price": str(self.last_price),
            "orders": [_texts(asdict(order)) for order in self.orders.values()],
            "trades": [_texts(asdict(trade)) for trade in self.trades],
        }

    @classmethod
    def load(cls, data: dict[str, object]) -> SymbolArchive:
        counters, orders, trades = data["next"], data["orders"], data["trades"]
        assert isinstance(counters, list) and isinstance(orders, list) and isinstance(trades, list)
        archive = cls(*counters)
        archive.last_price = Decimal(str(data.get("last_price", 0)))
        for row in orders:
            order = PaperOrder(**_decimals(PaperOrder, row))
            archive.orders[order.order_id] = order
            archive.by_client_id[order.client_order_id] = order.order_id
            if order.prevented_match_id is not None:
                archive.next_match_id = max(archive.next_match_id, order.prevented_match_id + 1)
            if order.is_open:
                archive.open_ids[order.order_id] = None
            else:
                archive.closed_ids[order.order_id] = None
        for order_id in archive.open_ids:
            archive.by_client_id[archive.orders[order_id].client_order_id] = order_id
        archive.trades = [PaperTrade(**_decimals(PaperTrade, row)) for row in trades]
        return archive


def _texts(row: dict[str, object]) -> dict[str, object]:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _decimals(kind: type, row: dict[str, Any]) -> dict[str, Any]:
    exact = {one.name for one in fields(kind) if one.type in ("Decimal", Decimal)}
    return {name: Decimal(str(value)) if name in exact else value for name, value in row.items()}
