"""The words of the venue for order lists: REST and WS API bodies, the listStatus event.

Pure. Called by list_orders.py, orders.py and the user event dispatcher. Written from binance-wire 2, 3 and 7. Never: a decision, a clock.
"""

from __future__ import annotations

from collections.abc import Iterable

from exchange.paper.encode import Json, canceled
from exchange.paper.lists import OrderList
from exchange.paper.model import ListReport, PaperOrder


def _legs(symbol: str, legs: Iterable[tuple[int, str]]) -> list[Json]:
    return [{"symbol": symbol, "orderId": order_id, "clientOrderId": name} for order_id, name in legs]


def _order_status(listed: OrderList) -> str:
    return "EXECUTING" if listed.is_open else "ALL_DONE"


def queried(listed: OrderList) -> Json:
    """One list as queries show it; the head of every other answer."""
    return {
        "orderListId": listed.list_id,
        "contingencyType": listed.contingency,
        "listStatusType": "EXEC_STARTED" if listed.is_open else "ALL_DONE",
        "listOrderStatus": _order_status(listed),
        "listClientOrderId": listed.client_id,
        "transactionTime": listed.updated_ms,
        "symbol": listed.symbol,
        "orders": _legs(listed.symbol, listed.legs),
    }


def placed(listed: OrderList, reports: list[Json]) -> Json:
    """The answer of a placement; `reports` are the legs' own answers."""
    return {**queried(listed), "orderReports": reports}


def canceled_list(listed: OrderList, orders: Iterable[PaperOrder]) -> Json:
    """The answer of a cancel, of the list or of one leg: the names before the cancel in `orders`, the new ones in the reports."""
    return {**queried(listed), "orderReports": [canceled(order) for order in orders]}


def amended_list(listed: OrderList) -> Json:
    """The `listStatus` inside the answer of an amended leg."""
    head = queried(listed)
    return {name: value for name, value in head.items() if name not in ("listStatusType", "transactionTime")}


def list_status(report: ListReport, now_ms: int) -> Json:
    """The listStatus event."""
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": report.symbol,
        "g": report.list_id,
        "c": "OCO",
        "l": report.status_type,
        "L": report.order_status,
        "r": "NONE",
        "C": report.client_id,
        "T": report.time_ms,
        "O": [{"s": report.symbol, "i": order_id, "c": name} for order_id, name in report.legs],
    }
