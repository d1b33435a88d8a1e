"""Stop orders and list legs: the client against the paper exchange as a process. No code is shared by the two."""

import time
from collections.abc import Iterator
from decimal import Decimal as D

import pytest
from msgspec.structs import replace

from core.commands import Cancel, Place, Purpose, ReadAccount
from core.events import ExecutionReport, StreamUp
from core.ports import Refused
from core.types import OrderType, Side, TimeInForce
from tests.binance.inbox import Heard
from tests.binance.test_with_paper import Desk, facts_of, until
from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S


@pytest.fixture(scope="module")
def paper() -> Iterator[Exchange]:
    exchange = Exchange("--balances", "USDT=100000,BTC=1,ETH=10", "--seed", "4")
    yield exchange
    exchange.stop()


@pytest.fixture
def desk(paper: Exchange) -> Iterator[Desk]:
    paper.reset()
    yield Desk(paper)
    paper.reset()


def stop_order(desk: Desk, stop: D) -> Place:
    return Place(
        command_id=1,
        reason="test",
        timeout_ms=1000,
        symbol="BTCUSDT",
        side=Side.SELL,
        type=OrderType.STOP_LOSS_LIMIT,
        time_in_force=TimeInForce.GTC,
        price=stop - 500,
        quantity=D("0.001"),
        client_order_id=desk.name(),
        slot=None,
        not_after_ns=0,
        stop_price=stop,
    )


def last(desk: Desk) -> D:
    desk.exchange.take("BUY", desk.exchange.touch()["askPrice"], "0.00001")
    return D(desk.exchange.public("GET", "/api/v3/ticker/price", symbol="BTCUSDT").json["price"])


def test_waits_is_triggered_and_fills(desk: Desk) -> None:
    """The answer, the query, the open orders and the stream agree that it waits; after a trade at its stop price all say that it works."""
    heard = Heard()
    stream = desk.user(heard)
    stream.start()
    try:
        until(heard, StreamUp)
        desk.exchange.control("POST", "market", {"pause": True})  # only our trades trigger it
        last(desk)
        price = D(desk.exchange.touch()["bidPrice"])
        facts = facts_of(desk.venue.place(stop_order(desk, price), SOON_S))
        assert (facts.status, facts.is_working, facts.stop_price) == ("NEW", False, price)
        told = until(heard, ExecutionReport)
        assert isinstance(told, ExecutionReport) and (told.is_on_book, told.stop_price) == (False, price)
        listed = desk.venue.read_account(ReadAccount(command_id=1, reason="", timeout_ms=1, purpose=Purpose.PROOF, trades_after=()), SOON_S).answer
        assert [order.is_working for order in listed.open_orders] == [False]
        desk.exchange.take("SELL", str(price), "0.00001")
        told = until(heard, ExecutionReport)
        assert isinstance(told, ExecutionReport) and told.is_on_book and told.execution_type == "NEW"
        again = desk.query(facts.client_order_id).facts
        assert again is not None and again.is_working
    finally:
        desk.exchange.control("POST", "market", {"pause": False})
        stream.stop(time.monotonic() + SOON_S)


def test_a_stop_price_already_met_is_refused(desk: Desk) -> None:
    """-2010: a definite no, nothing stands."""
    order = stop_order(desk, D(f"{last(desk) * D('1.01'):.2f}"))
    with pytest.raises(Refused) as no:
        desk.venue.place(replace(order, price=order.price - 1000), SOON_S)
    assert no.value.error.code == -2010


def test_cancel_of_one_leg_ends_both(desk: Desk) -> None:
    """The list-shaped answer tells the end of the order asked about and that of its other leg."""
    price = last(desk)
    body = desk.exchange.call(
        "POST", "/api/v3/orderList/oco", symbol="BTCUSDT", side="SELL", quantity="0.001",
        aboveType="LIMIT_MAKER", abovePrice=f"{price * D('1.02'):.2f}", belowType="STOP_LOSS_LIMIT",
        belowPrice=f"{price * D('0.97'):.2f}", belowStopPrice=f"{price * D('0.98'):.2f}", belowTimeInForce="GTC",
    ).json  # fmt: skip
    one, two = (leg["orderId"] for leg in body["orders"])
    command = Cancel(
        command_id=2,
        reason="test",
        timeout_ms=1000,
        symbol="BTCUSDT",
        side=Side.SELL,
        price=price,
        quantity=D("0.001"),
        venue_order_id=two,
        client_order_id="",
        cancel_id=desk.name() + "c",
    )
    answer = desk.venue.cancel(command, SOON_S).answer
    assert answer.facts is not None and (answer.facts.venue_order_id, answer.facts.status) == (two, "CANCELED")
    assert [(other.venue_order_id, other.status, other.list_id) for other in answer.also] == [(one, "CANCELED", body["orderListId"])]
