"""What was amended, per order, for GET order/amendments. Pure and bounded.

Who calls it: the desk, on the event loop. Never: a change to an order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal

from exchange.paper.encode import Json, amount

ORDERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Amendment:
    """One amendment that took effect."""

    symbol: str
    order_id: int
    execution_id: int
    previous_client_order_id: str
    client_order_id: str
    previous_quantity: Decimal
    quantity: Decimal
    time_ms: int

    def as_json(self) -> Json:
        """One row of GET order/amendments."""
        return {
            "symbol": self.symbol,
            "orderId": self.order_id,
            "executionId": self.execution_id,
            "origClientOrderId": self.previous_client_order_id,
            "newClientOrderId": self.client_order_id,
            "origQty": amount(self.previous_quantity),
            "newQty": amount(self.quantity),
            "time": self.time_ms,
        }


class Amendments:
    """The amendments of the newest orders that had any."""

    def __init__(self) -> None:
        self._by_order: OrderedDict[tuple[str, int], list[Amendment]] = OrderedDict()

    def add(self, row: Amendment) -> None:
        """Remember one; the order amended longest ago is forgotten at the limit."""
        key = (row.symbol, row.order_id)
        self._by_order.setdefault(key, []).append(row)
        self._by_order.move_to_end(key)
        if len(self._by_order) > ORDERS_MAX:
            self._by_order.popitem(last=False)

    def of(self, symbol: str, order_id: int) -> list[Amendment]:
        """Those of one order, oldest first."""
        return list(self._by_order.get((symbol, order_id), ()))

    def dump(self) -> list[Json]:
        """Plain JSON with decimal texts, for the state file."""
        return [
            {**asdict(row), "previous_quantity": str(row.previous_quantity), "quantity": str(row.quantity)}
            for rows in self._by_order.values()
            for row in rows
        ]

    def load(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Take over what `dump` gave. Raises KeyError or ValueError on a broken row."""
        for row in rows:
            self.add(
                Amendment(
                    symbol=str(row["symbol"]),
                    order_id=int(str(row["order_id"])),
                    execution_id=int(str(row["execution_id"])),
                    previous_client_order_id=str(row["previous_client_order_id"]),
                    client_order_id=str(row["client_order_id"]),
                    previous_quantity=Decimal(str(row["previous_quantity"])),
                    quantity=Decimal(str(row["quantity"])),
                    time_ms=int(str(row["time_ms"])),
                )
            )
