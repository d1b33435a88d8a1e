"""The answer to a cancelReplace -> both halves as core facts: what became of the cancel and of the new order. Pure.

Who calls it: venue.py on lane threads, user_stream.py on the reader thread, with the body of a 200 or the `data` of a -2021 or -2022.
Never: a half believed that the venue did not name. A body that does not fit raises BadBody, so that both orders are asked about.
Source: binance-wire 3 (cancelReplace: SUCCESS, FAILURE, NOT_ATTEMPTED; either report or error in each half).
"""

import msgspec

from core.commands import Replace
from core.events import Half, Outcome, ReplaceAnswer
from core.types import VenueError
from exchange.binance import order_lists, wire
from exchange.binance.errors import DUPLICATE_TEXT, UNKNOWN_CODES

SUCCESS, FAILURE, NOT_ATTEMPTED = "SUCCESS", "FAILURE", "NOT_ATTEMPTED"
LIMIT_CODES = (-1003, -1015)


class _Pair(msgspec.Struct, frozen=True, rename="camel"):
    cancel_result: str
    new_order_result: str
    cancel_response: msgspec.Raw = msgspec.Raw(b"null")
    new_order_response: msgspec.Raw = msgspec.Raw(b"null")


_pair = msgspec.json.Decoder(_Pair)


def replaced(raw: bytes | msgspec.Raw, command: Replace, by_socket: bool = False) -> ReplaceAnswer:
    """Both halves; raises wire.BadBody."""
    pair = wire.decode(raw, _pair)
    if pair.cancel_result == SUCCESS:
        facts, also = order_lists.canceled(pair.cancel_response, command.cancel.venue_order_id)
        canceled = Half(outcome=Outcome.DONE, facts=facts, also=also)
    else:
        canceled = _not_done(pair.cancel_result, pair.cancel_response)
    if pair.new_order_result == SUCCESS:
        placed = Half(outcome=Outcome.DONE, facts=wire.placed(pair.new_order_response, command.place))
    else:
        placed = _not_done(pair.new_order_result, pair.new_order_response)
    return ReplaceAnswer(canceled=canceled, placed=placed, by_socket=by_socket)


def _not_done(result: str, response: msgspec.Raw) -> Half:
    """An order with this name that is alive already, and codes that prove nothing, leave the half unknown (binance-wire 8)."""
    if result == NOT_ATTEMPTED:
        return Half(outcome=Outcome.NOT_SENT)
    error = wire.error_body(response)
    if result != FAILURE or error is None or error.code in UNKNOWN_CODES or error.msg == DUPLICATE_TEXT:
        return Half(outcome=Outcome.UNKNOWN)
    status = 429 if error.code in LIMIT_CODES else 400
    return Half(outcome=Outcome.REFUSED, error=VenueError(code=error.code, message=error.msg, http_status=status))
