"""order.cancelReplace from command to facts: the parameters, every row of the table of halves, over the WS API and over REST (binance-wire 3)."""

import time
from typing import Any

import pytest

from core.commands import Replace
from core.events import Half, Outcome, ReplaceAnswer, Reply
from core.ports import Refused
from exchange.binance import wire_pairs
from exchange.binance.clock import VenueClock
from exchange.binance.errors import UnknownOutcome
from exchange.binance.params import replace_params
from exchange.binance.rest import Rest
from exchange.binance.venue import BinanceVenue
from exchange.binance.wire import BadBody
from tests.binance.entry import Bench, Row, answering, no, replace, subscribed
from tests.binance.fake_http import FakeHttp
from tests.binance.fake_http import Reply as Said
from tests.binance.fake_ws import FakeWs, Peer

PATH = ("POST", "/api/v3/order/cancelReplace")
OLD = {
    "symbol": "BTCUSDT", "origClientOrderId": "gl-t3k-1", "orderId": 77, "orderListId": -1, "clientOrderId": "gl-t3k-1c", "transactTime": 5,
    "price": "50000.20", "origQty": "0.00200000", "executedQty": "0.00050000", "cummulativeQuoteQty": "25.00", "status": "CANCELED",
    "timeInForce": "GTC", "type": "LIMIT_MAKER", "side": "BUY",
}  # fmt: skip
NEW = {
    "symbol": "BTCUSDT", "orderId": 78, "orderListId": -1, "clientOrderId": "gl-t3k-3", "transactTime": 5, "price": "50000.10",
    "origQty": "0.00200000", "executedQty": "0.00000000", "cummulativeQuoteQty": "0.00", "status": "NEW", "timeInForce": "GTC",
    "type": "LIMIT_MAKER", "side": "BUY", "fills": [],
}  # fmt: skip
GONE = {"code": -2011, "msg": "Unknown order sent."}
CROSSES = {"code": -2010, "msg": "Order would immediately match and take."}
DUPLICATE = {"code": -2010, "msg": "Duplicate order sent."}
UNSURE = {"code": -1007, "msg": "Timeout waiting for response from backend server."}


def pair(cancel: str, new: str, old: object, placed: object) -> dict[str, object]:
    return {"cancelResult": cancel, "newOrderResult": new, "cancelResponse": old, "newOrderResponse": placed}


BOTH = pair("SUCCESS", "SUCCESS", OLD, NEW)
D, R, U, N = Outcome.DONE, Outcome.REFUSED, Outcome.UNKNOWN, Outcome.NOT_SENT
# status, code, data, what became of the cancel and of the new order
ROWS: list[tuple[int, int, dict[str, object], Outcome, Outcome]] = [
    (200, 0, BOTH, D, D),
    (400, -2022, pair("FAILURE", "NOT_ATTEMPTED", GONE, None), R, N),
    (400, -2022, pair("FAILURE", "FAILURE", GONE, CROSSES), R, R),
    (409, -2021, pair("SUCCESS", "FAILURE", OLD, CROSSES), D, R),
    (409, -2021, pair("FAILURE", "SUCCESS", GONE, NEW), R, D),
    (409, -2021, pair("SUCCESS", "FAILURE", OLD, DUPLICATE), D, U),
    (409, -2021, pair("SUCCESS", "FAILURE", OLD, UNSURE), D, U),
]


def halves(answer: object) -> tuple[Half, Half]:
    assert isinstance(answer, ReplaceAnswer), answer
    return answer.canceled, answer.placed


def judge(answer: object, canceled: Outcome, placed: Outcome) -> None:
    old, new = halves(answer)
    assert (old.outcome, new.outcome) == (canceled, placed)
    if canceled is D:
        assert old.facts is not None
        assert (old.facts.venue_order_id, old.facts.orig_client_order_id, old.facts.status) == (77, "gl-t3k-1", "CANCELED")
    if placed is D:
        assert new.facts is not None
        assert (new.facts.venue_order_id, new.facts.client_order_id, new.facts.status) == (78, "gl-t3k-3", "NEW")


def test_parameters() -> None:
    """The new order's parameters, the old order by id alone and only where nothing of it has filled, and no new order without its cancel."""
    params = replace_params(replace(3))
    assert (params["cancelReplaceMode"], params["cancelRestrictions"]) == ("STOP_ON_FAILURE", "ONLY_NEW")
    assert (params["cancelOrderId"], params["cancelNewClientOrderId"]) == ("77", "gl-t3k-1c")
    assert (params["newClientOrderId"], params["newOrderRespType"], params["price"]) == ("gl-t3k-3", "FULL", "50000.1")
    assert "orderId" not in params


@pytest.mark.parametrize(("status", "code", "data", "canceled", "placed"), ROWS)
def test_over_the_ws_api(status: int, code: int, data: dict[str, object], canceled: Outcome, placed: Outcome) -> None:
    """Each row of the table is an answer about both orders; a half that proves nothing is unknown."""

    def said(request: Row) -> Row:
        assert request["method"] == "order.cancelReplace"
        if status == 200:
            return {"id": request["id"], "status": 200, "result": data, "rateLimits": []}
        return no(request, status, code, "half", data=data)

    with FakeWs(lambda peer: answering(peer, said)) as server, Bench(server) as bench:
        bench.up().replace()
        reply = bench.reply()
    assert reply.outcome is Outcome.DONE
    judge(reply.answer, canceled, placed)
    assert halves(reply.answer) and isinstance(reply.answer, ReplaceAnswer) and reply.answer.by_socket
    assert bench.rest.came == []


@pytest.mark.parametrize(("status", "code", "data", "canceled", "placed"), ROWS)
def test_over_rest(status: int, code: int, data: dict[str, object], canceled: Outcome, placed: Outcome) -> None:
    """The same over REST, where the WS API was down before the request left."""
    body = data if status == 200 else {"code": code, "msg": "half", "data": data}
    with FakeHttp({PATH: Said(body, status)}) as server:
        answer = over_rest(server, replace(3)).answer
    judge(answer, canceled, placed)


def over_rest(server: FakeHttp, command: Replace) -> Any:
    return BinanceVenue(Rest(server.url, "key", "secret", VenueClock()), ("BTCUSDT",)).replace(command, 1)


def test_a_no_to_the_whole() -> None:
    """429/-1015 and filters come before the cancel: refused, nothing was done."""
    with FakeHttp({PATH: Said({"code": -1015, "msg": "Too many new orders."}, 429)}) as server, pytest.raises(Refused):
        over_rest(server, replace(3))


@pytest.mark.parametrize("data", [None, {}, {"cancelResult": "SUCCESS"}, pair("SUCCESS", "SUCCESS", OLD, None)])
@pytest.mark.parametrize("status", [200, 400, 409])
def test_an_answer_that_cannot_be_read(status: int, data: object) -> None:
    """Halves that nobody can read leave both orders unknown, over both ways."""
    body = data if status == 200 else {"code": -2021, "msg": "half", "data": data}
    with FakeHttp({PATH: Said(body, status)}) as server, pytest.raises(UnknownOutcome):
        over_rest(server, replace(3))
    with pytest.raises(BadBody):
        wire_pairs.replaced(b"null" if data is None else b"{}", replace(3))


def test_over_rest_only_where_nothing_left() -> None:
    """Down before sending: REST is asked. Lost after sending: unknown, and REST hears nothing of it."""
    seen: list[Row] = []

    def leaving(peer: Peer) -> None:
        subscribed(peer)
        seen.append(peer.hear_json())

    with FakeWs(leaving) as server, Bench(server) as bench:
        bench.up().replace(3)
        reply: Reply = bench.reply()
        assert reply.outcome is Outcome.UNKNOWN
        assert bench.rest.came == []
        bench.venue._session = None
        bench.replace(4)
        assert bench.reply().outcome is Outcome.NOT_SENT
        assert bench.rest.came == [4]
    assert [row["id"] for row in seen][:1] == [3]


def test_a_stale_pair_does_not_leave() -> None:
    """Past its time a pair is not sent: the old order stays."""
    with FakeWs(lambda peer: answering(peer)) as server, Bench(server) as bench:
        bench.up()
        old = replace(5)
        late = Replace(
            command_id=5, reason="", timeout_ms=1000, cancel=old.cancel,
            place=type(old.place)(**{**{name: getattr(old.place, name) for name in old.place.__struct_fields__}, "not_after_ns": time.time_ns() - 1}),
        )  # fmt: skip
        bench.manager.replace_orders([late])
        reply = bench.reply()
    assert reply.outcome is Outcome.NOT_SENT
    assert "stale" in reply.note
