"""Stop orders and list legs on the wire: what the bot sends and how it reads what comes back (binance-wire 2, 3, 7)."""

import json
from decimal import Decimal as D

import pytest

from core.commands import Place
from core.events import ExecutionReport
from core.types import OrderType, Side, TimeInForce
from exchange.binance import frames, order_lists, wire
from exchange.binance.params import place_params

# POST /order, RESULT (binance-wire 2, with the extra fields of a stop order)
PLACED = {
    "symbol": "BTCUSDT", "orderId": 30, "orderListId": -1, "clientOrderId": "gl-1", "transactTime": 7, "price": "98.00000000",
    "origQty": "1.00000000", "executedQty": "0.00000000", "origQuoteOrderQty": "0.00000000", "cummulativeQuoteQty": "0.00000000",
    "status": "NEW", "timeInForce": "GTC", "type": "STOP_LOSS_LIMIT", "side": "SELL", "stopPrice": "99.00000000", "workingTime": -1,
    "selfTradePreventionMode": "NONE",
}  # fmt: skip
REPORT = {
    "e": "executionReport", "E": 2, "s": "BTCUSDT", "c": "gl-1", "S": "SELL", "o": "STOP_LOSS_LIMIT", "f": "GTC", "q": "1.00000000",
    "p": "98.00000000", "P": "99.00000000", "F": "0.00000000", "g": 4, "C": "", "x": "NEW", "X": "NEW", "r": "NONE", "i": 30,
    "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None, "T": 1, "t": -1, "I": 777, "w": False, "m": False,
    "M": False, "O": 1, "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000", "V": "NONE",
}  # fmt: skip


def raw(value: object) -> bytes:
    return json.dumps(value).encode()


def command() -> Place:
    return Place(
        command_id=1,
        reason="",
        timeout_ms=1,
        symbol="BTCUSDT",
        side=Side.SELL,
        type=OrderType.STOP_LOSS_LIMIT,
        time_in_force=TimeInForce.GTC,
        price=D("98.00"),
        quantity=D(1),
        client_order_id="gl-1",
        slot=None,
        not_after_ns=0,
        stop_price=D("99.00"),
    )


def test_a_stop_order_as_parameters() -> None:
    """timeInForce, quantity, price and stopPrice are mandatory for it (binance-wire 3)."""
    params = place_params(command())
    assert (params["type"], params["timeInForce"], params["price"], params["stopPrice"]) == ("STOP_LOSS_LIMIT", "GTC", "98", "99")


def test_the_answer_says_that_it_waits() -> None:
    """workingTime is -1 before the trigger; an ACK says nothing of it, so the order waits until told otherwise."""
    facts = wire.placed(raw(PLACED), command())
    assert (facts.status, facts.is_working, facts.stop_price, facts.list_id) == ("NEW", False, D(99), -1)
    assert wire.placed(raw(PLACED | {"workingTime": 8}), command()).is_working
    ack = {name: PLACED[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")}
    assert (wire.placed(raw(ack), command()).is_working, wire.placed(raw(ack), command()).stop_price) == (False, D(99))


@pytest.mark.parametrize("is_working", [False, True])
def test_a_query_says_whether_it_works(is_working: bool) -> None:
    """isWorking decides in queries and lists of open orders."""
    query = PLACED | {"isWorking": is_working, "time": 1, "updateTime": 2}
    assert wire.order_facts(raw(query)).is_working is is_working
    assert wire.open_orders(raw([query]))[0].is_working is is_working


def test_the_report_of_a_waiting_leg() -> None:
    """P is the stop price, w whether it is on the book, g its list."""
    event = frames.user_message(raw({"subscriptionId": 0, "event": REPORT}), 9)
    assert isinstance(event, ExecutionReport)
    assert (event.stop_price, event.is_on_book, event.list_id, event.status) == (D(99), False, 4, "NEW")


def test_a_cancel_of_a_leg_answers_with_its_list() -> None:
    """DELETE /order on a leg: the body is the list's, and both legs' ends are read from it; an answer without our order is no answer."""
    legs = [PLACED | {"orderId": number, "orderListId": 4, "status": "CANCELED", "origClientOrderId": f"gl-{number}"} for number in (30, 31)]
    body = {"orderListId": 4, "contingencyType": "OCO", "listStatusType": "ALL_DONE", "orders": [], "orderReports": legs}
    facts, also = order_lists.canceled(raw(body), 31)
    assert (facts.venue_order_id, facts.status, facts.orig_client_order_id) == (31, "CANCELED", "gl-31")
    assert [other.venue_order_id for other in also] == [30]
    assert order_lists.canceled(raw(legs[0]), 30) == (also[0], ())
    with pytest.raises(wire.BadBody):
        order_lists.canceled(raw(body), 32)
