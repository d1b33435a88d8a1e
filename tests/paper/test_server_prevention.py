"""Self-trade prevention on the wire: answers, events and myPreventedMatches, as in Binance's STP FAQ and binance-wire 3 and 7."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.paper.exchange_client import Exchange

# What the FAQ prints of the taker's `preventedMatches` for a maker of 1 and a taker of 3 (scenarios B, C, D, G), beside ids and price.
LOST = {
    "EXPIRE_MAKER": {"makerPreventedQuantity": "0.00100000"},
    "EXPIRE_TAKER": {"takerPreventedQuantity": "0.00300000"},
    "EXPIRE_BOTH": {"takerPreventedQuantity": "0.00300000", "makerPreventedQuantity": "0.00100000"},
    "DECREMENT": {"takerPreventedQuantity": "0.00100000", "makerPreventedQuantity": "0.00100000"},
}


def cross(exchange: Exchange, mode: str) -> tuple[Any, Any, str]:
    """A sell inside the spread and a buy that meets it: (maker, taker's answer, price)."""
    touch = exchange.touch()
    price = f"{(Decimal(touch['bidPrice']) + Decimal(touch['askPrice'])) / 2:.2f}"
    maker = exchange.place(side="SELL", price=price, quantity="0.001").json
    wanted = {"type": "LIMIT", "timeInForce": "IOC", "price": price, "quantity": "0.003", "newOrderRespType": "FULL"}
    return maker, exchange.place(**wanted, selfTradePreventionMode=mode).json, price


@pytest.mark.parametrize("mode", LOST)
def test_answer_event_and_query_of_a_prevented_match(exchange: Exchange, mode: str) -> None:
    """The taker's answer lists the match; whoever lost by it says so in its event, its query and myPreventedMatches."""
    with exchange.ws_api() as socket:
        socket.subscribe()
        maker, taker, price = cross(exchange, mode)
        match = taker["preventedMatches"][0]
        number = match["preventedMatchId"]
        assert match == {"preventedMatchId": number, "makerOrderId": maker["orderId"], "price": f"{Decimal(price):.8f}", **LOST[mode]}
        assert taker.get("preventedQuantity") == LOST[mode].get("takerPreventedQuantity")
        losers = [(maker["orderId"], taker["orderId"], "makerPreventedQuantity"), (taker["orderId"], maker["orderId"], "takerPreventedQuantity")]
        for loser, other, name in losers:
            lost = LOST[mode].get(name)
            order = exchange.query(orderId=loser).json
            assert order.get("preventedQuantity") == lost and order.get("preventedMatchId") == (None if lost is None else number)
            if lost is not None:
                event = socket.event("executionReport", x="TRADE_PREVENTION", i=loser)
                assert {key: event[key] for key in ("v", "A", "B", "u", "U", "Cs", "pl", "pL", "pY", "l", "L", "Y", "t")} == {
                    "v": number, "A": lost, "B": lost, "u": -1, "U": other, "Cs": "BTCUSDT", "pl": "0.00100000", "pL": f"{Decimal(price):.8f}",
                    "pY": f"{Decimal(price) / 1000:.8f}", "l": "0.00000000", "L": "0.00000000", "Y": "0.00000000", "t": -1,
                }  # fmt: skip
    rows = exchange.call("GET", "/api/v3/myPreventedMatches", symbol="BTCUSDT", orderId=taker["orderId"]).json
    assert rows == exchange.call("GET", "/api/v3/myPreventedMatches", symbol="BTCUSDT", preventedMatchId=number).json
    assert list(rows[0]) == [
        "symbol", "preventedMatchId", "takerOrderId", "makerSymbol", "makerOrderId", "tradeGroupId", "selfTradePreventionMode", "price",
        *LOST[mode], "transactTime",
    ]  # fmt: skip
    assert (rows[0]["takerOrderId"], rows[0]["selfTradePreventionMode"], rows[0]["tradeGroupId"]) == (taker["orderId"], mode, -1)


def test_a_prevented_match_is_asked_by_one_of_two_ids(exchange: Exchange) -> None:
    """Neither or both of preventedMatchId and orderId is -1128; over the WS API it is the same call."""
    path = "/api/v3/myPreventedMatches"
    assert exchange.call("GET", path, symbol="BTCUSDT").code == -1128
    assert exchange.call("GET", path, symbol="BTCUSDT", orderId=1, preventedMatchId=1).code == -1128
    with exchange.ws_api() as socket:
        assert socket.signed("myPreventedMatches", symbol="BTCUSDT", orderId=1)["result"] == []
