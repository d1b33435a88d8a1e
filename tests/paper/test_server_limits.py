"""Rate limits: windows aligned to the clock, fill credit, escalation to a ban, headers on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.paper.limits import Limited, Limits, LimitSettings, Window
from tests.paper.exchange_client import Exchange
from tests.timing import SOON_S

MINUTE = 60_000
START = 1_000_000 * MINUTE


def test_windows_are_aligned_to_the_clock() -> None:
    """A window ends at the next multiple of its length, not one length after its first call."""
    window = Window(10_000)
    assert window.add(3, 19_999) == 3
    assert window.count(20_000) == 0
    assert window.end_ms(23_456) == 30_000


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 3000)), max_size=50))
def test_a_count_is_never_below_zero(steps: list[tuple[int, int]]) -> None:
    """Credits cannot make a budget of debts."""
    window, now_ms = Window(10_000), START
    for amount, wait_ms in steps:
        now_ms += wait_ms
        assert window.add(amount, now_ms) >= 0


def refusal(limits: Limits, weight: int, now_ms: int) -> Limited:
    with pytest.raises(Limited) as caught:
        limits.charge_weight(weight, now_ms)
    return caught.value


def test_weight_escalates_to_a_ban_that_grows() -> None:
    """Above the limit 429; who goes on is banned; the next ban is twice as long (binance-wire 4)."""
    limits = Limits(LimitSettings(weight_1m=2, strikes_before_ban=3, ban_s=120))
    for now_ms, ban_ms in ((START + 5, 120_000), (START + 10 * MINUTE, 240_000)):
        limits.charge_weight(2, now_ms)
        for _ in range(3):
            assert (refused := refusal(limits, 1, now_ms)).http_status == 429
            assert refused.retry_at_ms == now_ms - now_ms % MINUTE + MINUTE
        banned = refusal(limits, 1, now_ms)
        assert (banned.http_status, banned.retry_at_ms) == (418, now_ms + ban_ms)
        assert refusal(limits, 1, now_ms + ban_ms - 1).http_status == 418
        limits.check_ban(now_ms + ban_ms)


def test_fills_give_order_count_back() -> None:
    """A maker's first fill gives 5 back, a taker's 1, never below 0."""
    limits = Limits(LimitSettings(orders_10s=3))
    for _ in range(3):
        limits.charge_order(START)
    refused = limits.orders_full(START)
    assert refused is not None and refused.message == "Too many new orders; current limit is 3 orders per 10 SECOND."
    limits.credit_fill(False, START)
    assert limits.orders_full(START) is None and limits.order_entries(START)[0]["count"] == 2
    limits.credit_fill(True, START)
    assert [entry["count"] for entry in limits.order_entries(START)] == [0, 0]


@pytest.mark.parametrize("values", [{"nonsense": 1}, {"orders_10s": -1}, {"orders_10s": "3"}, {"orders_10s": True}])
def test_settings_are_checked(values: dict[str, object]) -> None:
    """An unknown name or a value that is no count is refused."""
    with pytest.raises(ValueError, match="limit"):
        LimitSettings().changed(values)


def weight(exchange: Exchange) -> int:
    return int(exchange.public("GET", "/api/v3/ping").headers["X-MBX-USED-WEIGHT-1M"])


def test_successful_orders_are_free_and_failures_are_not(exchange: Exchange) -> None:
    """Placing and canceling cost no weight when they succeed (binance-wire trap 10); the ORDERS headers count them."""
    before = weight(exchange)
    first = exchange.place()
    second = exchange.place()
    assert int(second.headers["X-MBX-ORDER-COUNT-10S"]) - int(first.headers["X-MBX-ORDER-COUNT-10S"]) in (1, -1, 0)
    assert "X-MBX-ORDER-COUNT-1D" in first.headers
    exchange.cancel(first.json["orderId"])
    assert weight(exchange) - before in (1, 2)
    assert exchange.cancel(first.json["orderId"]).code == -2011
    assert "X-MBX-ORDER-COUNT-10S" not in exchange.query(orderId=first.json["orderId"]).headers


def test_a_placement_refused_before_the_engine_still_counts(exchange: Exchange) -> None:
    """The second timing test refuses it, the ORDERS count has risen all the same (binance-wire 1)."""

    def count() -> int:
        rows = exchange.call("GET", "/api/v3/rateLimit/order").json
        return int(rows[1]["count"])

    before = count()
    exchange.fault("delay", delay_ms=150, apply="late", match={"operation": "order.place"}, count=1)
    assert exchange.place(recvWindow=100).code == -1021
    assert count() == before + 1


def test_order_limit_on_the_wire(exchange: Exchange) -> None:
    """429, -1015 and Retry-After on REST; retryAfter in epoch ms on the WS API; cancels still pass."""
    order_id = exchange.place().json["orderId"]
    exchange.control("POST", "limits", {"orders_10s": 0})
    refused = exchange.place()
    assert (refused.status, refused.code) == (429, -1015) and 1 <= int(refused.headers["Retry-After"]) <= 10
    with exchange.ws_api() as socket:
        reply = socket.place()
        error = reply["error"]
        assert (reply["status"], error["code"]) == (429, -1015)
        assert 0 <= error["data"]["retryAfter"] - error["data"]["serverTime"] <= 10_000
    assert exchange.cancel(order_id).status == 200


def test_weight_limit_on_the_wire(exchange: Exchange) -> None:
    """REST and WS API share one weight; above it 429 -1003, going on 418, which also ends the WS API connection."""
    exchange.control("POST", "limits", {"weight_1m": 0, "strikes_before_ban": 2})
    with exchange.ws_api() as socket:
        first = exchange.public("GET", "/api/v3/time")
        assert (first.status, first.code) == (429, -1003) and 1 <= int(first.headers["Retry-After"]) <= 60
        assert socket.request("time")["status"] == 429
        assert exchange.public("GET", "/api/v3/time").status == 418
        assert socket.request("time")["status"] == 418
        assert socket.closed.wait(SOON_S)
