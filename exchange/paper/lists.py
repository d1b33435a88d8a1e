"""Order lists: what was grouped, under which ids, and which of them are open, bounded.

Who calls it: placing.py and settlement.py. Only the one-cancels-the-other pair is known here. List ids are one sequence for all symbols, for a
query names no symbol. Never: an order's numbers, a balance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from exchange.paper.model import ListReport, PlaceRequest, Reject

CLOSED_MAX = 1_000
SAVED_MAX = 200
FIRST_LIST_ID = 1


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A pair to place. `stop` is the stop loss leg, `profit` the limit maker or take profit leg; both of one symbol, side and quantity."""

    client_id: str
    stop: PlaceRequest
    profit: PlaceRequest

    @property
    def legs(self) -> tuple[PlaceRequest, PlaceRequest]:
        return self.stop, self.profit


@dataclass(slots=True)
class OrderList:
    """A pair as placed; `legs` are (order id, client order id), the stop loss first. A cancel does not rename them here (observed), an amend does."""

    list_id: int
    client_id: str
    symbol: str
    legs: list[tuple[int, str]]
    updated_ms: int
    is_open: bool = True
    contingency: str = "OCO"

    @property
    def order_ids(self) -> list[int]:
        return [order_id for order_id, _ in self.legs]

    def other(self, order_id: int) -> int:
        """The other leg's order id."""
        first, second = self.order_ids
        return second if order_id == first else first

    def rename(self, order_id: int, client_order_id: str) -> None:
        self.legs = [(each, client_order_id if each == order_id else name) for each, name in self.legs]

    def report(self, status_type: str, now_ms: int) -> ListReport:
        """What listStatus says of it now."""
        return ListReport(
            self.symbol, self.list_id, self.client_id, status_type, "EXECUTING" if self.is_open else "ALL_DONE", now_ms, tuple(self.legs)
        )


@dataclass(slots=True)
class ListArchive:
    """All lists of the account."""

    next_list_id: int = FIRST_LIST_ID
    lists: dict[int, OrderList] = field(default_factory=dict)
    open_ids: dict[int, None] = field(default_factory=dict)
    by_client_id: dict[str, int] = field(default_factory=dict)
    closed_ids: dict[int, None] = field(default_factory=dict)

    def add(self, client_id: str, symbol: str, legs: list[tuple[int, str]], now_ms: int) -> OrderList:
        made = OrderList(self.next_list_id, client_id, symbol, legs, now_ms)
        self.next_list_id += 1
        self._keep(made)
        return made

    def _keep(self, kept: OrderList) -> None:
        self.lists[kept.list_id] = kept
        self.by_client_id[kept.client_id] = kept.list_id
        (self.open_ids if kept.is_open else self.closed_ids)[kept.list_id] = None

    def close(self, done: OrderList, now_ms: int) -> None:
        """Both legs have ended; the list that ended first is forgotten at the limit."""
        done.is_open, done.updated_ms = False, now_ms
        self.open_ids.pop(done.list_id, None)
        self.closed_ids[done.list_id] = None
        if len(self.closed_ids) > CLOSED_MAX:
            oldest = next(iter(self.closed_ids))
            del self.closed_ids[oldest]
            gone = self.lists.pop(oldest)
            if self.by_client_id.get(gone.client_id) == oldest:
                del self.by_client_id[gone.client_id]

    def is_taken(self, client_id: str) -> bool:
        """In use by an open list: unique among open lists only."""
        return self.by_client_id.get(client_id) in self.open_ids

    def count_open(self, symbol: str) -> int:
        return sum(1 for list_id in self.open_ids if self.lists[list_id].symbol == symbol)

    def find(self, list_id: int | None, client_id: str | None, refusal: Reject) -> OrderList:
        """By list id, then the client id must match; else by client id. Raises `refusal`."""
        wanted = list_id if list_id is not None else self.by_client_id.get(client_id or "")
        found = None if wanted is None else self.lists.get(wanted)
        if found is None or (client_id is not None and found.client_id != client_id):
            raise refusal
        return found

    # -- on disk ---------------------------------------------------------------------------------
    def dump(self) -> dict[str, object]:
        """Every open list and the newest closed ones, as plain JSON."""
        kept = [*list(self.closed_ids)[-SAVED_MAX:], *self.open_ids]
        return {"next": self.next_list_id, "lists": [asdict(self.lists[list_id]) for list_id in kept]}

    @classmethod
    def load(cls, data: Mapping[str, object]) -> ListArchive:
        """What `dump` gave. Raises KeyError, TypeError or ValueError on a broken row."""
        rows = data["lists"]
        assert isinstance(rows, list)
        archive = cls(int(str(data["next"])))
        for row in rows:
            archive._keep(OrderList(**{**row, "legs": [(int(order_id), str(name)) for order_id, name in row["legs"]]}))
        return archive
