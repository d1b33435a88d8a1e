"""Orders entering the simulated venue: one placed, or one placed in the stead of another (binance-wire 3, cancelReplace).

Who calls it: sim.venue, when a request is executed. Never: an answer the matching engine did not give, except the no that a fault orders.
"""

from collections.abc import Sequence

from core.commands import Place, PlaceOco, Replace
from core.events import Answer, Half, OcoAnswer, OrderAnswer, Outcome, ReplaceAnswer
from core.types import OrderFacts, VenueError
from exchange.paper.lists import ListRequest
from exchange.paper.matching import Matching
from exchange.paper.model import PlaceRequest, Reject
from sim.facts import facts_of, fill_of

CROSSES = Reject(-2010, "Order would immediately match and take.")


def enter(matching: Matching, command: Place, now_ms: int) -> OrderFacts:
    """Raises Reject."""
    made = matching.place(request_of(command), now_ms)
    return facts_of(made.order, tuple(fill_of(trade, command.client_order_id) for trade in made.trades))


def enter_list(matching: Matching, command: PlaceOco, now_ms: int) -> OcoAnswer:
    """Raises Reject."""
    _, (stop, profit) = matching.place_pair(ListRequest(command.list_id, request_of(command.stop), request_of(command.profit)), now_ms)
    return OcoAnswer(stop=facts_of(stop), profit=facts_of(profit))


def check_filters(matching: Matching, command: Replace, now_ms: int) -> None:
    """Before the cancel the venue judges filters and counts; balance and touch only after it. Raises Reject."""
    try:
        matching.check(request_of(command.place), now_ms)
    except Reject as no:
        if no.code != -2010 or no.message.startswith("Filter failure"):
            raise


def replace(matching: Matching, command: Replace, now_ms: int, is_refused: bool) -> ReplaceAnswer:
    """STOP_ON_FAILURE: the new order is attempted only where the cancel succeeded; `is_refused` says no to it then."""
    cancel = command.cancel
    try:
        gone = matching.cancel(command.symbol, now_ms, order_id=cancel.venue_order_id, cancel_id=cancel.cancel_id, restrictions="ONLY_NEW")
    except Reject as no:
        return ReplaceAnswer(canceled=_no(no), placed=Half(outcome=Outcome.NOT_SENT))
    canceled = Half(outcome=Outcome.DONE, facts=facts_of(gone, original=gone.original_client_order_id))
    try:
        if is_refused:
            raise CROSSES
        new = Half(outcome=Outcome.DONE, facts=enter(matching, command.place, now_ms))
    except Reject as no:
        new = _no(no)
    return ReplaceAnswer(canceled=canceled, placed=new)


def placed(answers: Sequence[Answer]) -> OrderFacts | None:
    """The order that was made, where there is one."""
    answer = answers[0]
    if isinstance(answer, ReplaceAnswer):
        return answer.placed.facts
    if isinstance(answer, OcoAnswer):
        return answer.profit
    assert isinstance(answer, OrderAnswer)
    return answer.facts


def half_refused(answers: Sequence[Answer]) -> VenueError | None:
    """The venue's no to the new order of a pair."""
    return answers[0].placed.error if answers and isinstance(answers[0], ReplaceAnswer) else None


def request_of(command: Place) -> PlaceRequest:
    return PlaceRequest(
        symbol=command.symbol,
        side=command.side.value,
        type=command.type.value,
        time_in_force=None if command.time_in_force is None else command.time_in_force.value,
        quantity=command.quantity,
        quote_quantity=None,
        price=command.price,
        client_order_id=command.client_order_id,
        stop_price=command.stop_price,
    )


def _no(reject: Reject) -> Half:
    return Half(outcome=Outcome.REFUSED, error=VenueError(code=reject.code, message=reject.message, http_status=reject.http_status))
