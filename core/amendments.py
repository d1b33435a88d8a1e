"""What an amendment is: its routes, how far it has come, and its result.

Who uses it: core.amending keeps them in the books; strategies ask for them (core.view.WantAmend) and hear their results. Pure data.
Never: a decision.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import msgspec

from core.commands import Slot
from core.types import Side


class Routing(StrEnum):
    """The way a change took, or is to take (trading.amend says which)."""

    WS_AMEND = "ws_amend"
    REST_AMEND = "rest_amend"
    SECOND_ORDER = "second_order"
    CANCEL_REPLACE = "cancel_replace"
    CANCEL_RESUBMIT = "cancel_resubmit"
    NOT_CHANGED = "not_changed"


class AmendOutcome(StrEnum):
    DONE = "done"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class OnReject(StrEnum):
    """What follows a venue's no to an amendment."""

    RESUBMIT = "resubmit"
    KEEP = "keep"


class AmendmentResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one wanted change. `order_id` is the client id of the order that stands in the end; empty where none does."""

    symbol: str
    side: Side
    request_id: int
    routing: Routing
    outcome: AmendOutcome
    elapsed_ms: float
    queue_kept: bool
    order_id: str
    error: str = ""


@dataclass(slots=True)
class Amendment:
    """One change under way: the order it is about, the total it shall have, and what was heard so far."""

    request_id: int
    symbol: str
    side: Side
    client_order_id: str
    price: Decimal
    quantity: Decimal  # the new total of the order
    slot: Slot | None
    since_ns: int
    on_reject: OnReject
    by_socket: bool = False
    is_refused: bool = False
    is_replacing: bool = False
    is_resubmitting: bool = False
    keeps_queue: bool = True  # a larger total goes to the end of its queue
    is_second: bool = False  # the difference is placed beside the order that stands
    stop_price: Decimal | None = None
    new_order_id: str = ""
    place_until_ns: int = 0
    error: str = ""

    def is_shown_by(self, quantity: Decimal, stop_price: Decimal | None) -> bool:
        """An order with this total and stop price has been amended as asked."""
        return quantity == self.quantity and self.stop_price in (None, stop_price)
