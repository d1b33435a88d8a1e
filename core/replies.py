"""What a reply is for: who hears the answer to each kind of command, and what every answer says of the budget.

Who calls it: core.engine, on the trading thread. Never: a reply heard twice (the engine keeps count).
"""

from collections.abc import Callable
from typing import Any

from core import hearing, market, pairing, replacing
from core.books import Books
from core.commands import Amend, AnyCommand, Cancel, Place, PlaceOco, Query, ReadDepth, Replace, Request, places_of
from core.events import OcoAnswer, Outcome, ReplaceAnswer, Reply
from core.notices import Cause
from core.types import VenueError
from core.weights import weight_of

HEARERS: dict[type, Callable[[Books, Any, Reply], None]] = {
    Place: hearing.on_place_reply,
    Cancel: hearing.on_cancel_reply,
    Amend: hearing.on_amend_reply,
    Replace: replacing.on_reply,
    PlaceOco: pairing.on_reply,
    Query: hearing.on_query_reply,
    ReadDepth: market.on_depth_reply,
}


def hear_limits(books: Books, command: AnyCommand, reply: Reply) -> None:
    """What the reply says of the budget; the time in an order request's answer is when the venue carried it out."""
    answer = reply.answer.placed if isinstance(reply.answer, ReplaceAnswer) else reply.answer
    facts = answer.profit if isinstance(answer, OcoAnswer) else getattr(answer, "facts", None)
    venue_ms = facts.updated_ms if facts is not None and isinstance(command, Request) else 0
    books.budget.hear_clock(venue_ms, reply.sent_ns, reply.received_ns)
    is_unknown = Outcome.UNKNOWN in (reply.outcome, getattr(answer, "outcome", None))
    books.budget.answered(books.now_ns, weight_of(command, len(books.rules)), len(places_of(command)), is_unknown)
    books.budget.count(reply.limits, books.now_ns, reply.sent_ns or None, venue_ms)


def hear_refusal(books: Books, error: VenueError) -> None:
    """A ban holds everything back, and is told."""
    if books.budget.on_refusal(error, books.now_ns):
        left_s = (books.budget.banned_until_ns - books.now_ns) // 1_000_000_000
        text = f"the venue says {error.http_status} ({error.code}): nothing leaves for {left_s} s, then cancels first"
        books.notices.append(Cause(tag="RISK", symbol="all", text=text, cause="ban", until_ns=books.budget.banned_until_ns))
