"""core.account: what can be promised to an order, against a brute-force model; expected balances; totals of fills."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.account import Account, FillTotals, Holding, hold_of
from core.commands import ReadAccount
from core.events import StreamUp
from core.orders import Asked, Evidence, Order, Orders
from core.types import Balance, Connection, OrderStatus, Side
from tests.core.builders import BTC, ETH, START_MS, D, Desk, fill, position, report

RULES = {"BTCUSDT": BTC, "ETHUSDT": ETH}
ASSETS = ("USDT", "BTC", "ETH")
shapes = st.tuples(
    st.sampled_from(sorted(RULES)), st.sampled_from(list(Side)), st.integers(1, 50), st.integers(1, 20), st.integers(0, 20), st.booleans()
)


def make(orders: Orders, number: int, symbol: str, side: Side, price: int, quantity: int, done: int, ended: bool) -> Order:
    order = Order(
        symbol=symbol, side=side, client_order_id=f"gl-{number}", price=D(price), quantity=D(quantity), created_ns=1, executed=D(min(done, quantity))
    )
    order.place_asked = Asked(number, 1, 2, unknown=bool(done % 2))
    orders.add(order)
    if ended:
        order.status = OrderStatus.CANCELED
        del orders.open_ids[order.client_order_id]
    return order


@given(
    made=st.lists(shapes, max_size=8),
    held=st.tuples(*[st.tuples(st.integers(0, 900), st.integers(0, 900)) for _ in ASSETS]),
    foreign=st.lists(st.tuples(st.sampled_from(ASSETS), st.integers(1, 90)), max_size=3),
    paid=st.lists(st.tuples(st.integers(1, 9), st.integers(-5, 5)), max_size=4),
)
def test_available_equals_the_brute_force_model(
    made: list[tuple[str, Side, int, int, int, bool]],
    held: tuple[tuple[int, int], ...],
    foreign: list[tuple[str, int]],
    paid: list[tuple[int, int]],
) -> None:
    """available = min(free, total - open and undecided holds - foreign holds - fills not yet in the balance), for every asset (I13)."""
    orders, account = Orders(), Account(rules=RULES)
    account.on_position([Balance(asset=a, free=D(f), locked=D(k)) for a, (f, k) in zip(ASSETS, held, strict=True)], START_MS)
    kept = [make(orders, n, *shape) for n, shape in enumerate(made)]
    for n, (asset, amount) in enumerate(foreign):
        account.foreign["BTCUSDT", n] = (asset, D(amount))
    for n, (quantity, offset_ms) in enumerate(paid):
        account.on_own_fill(fill(n, 1, price="2", quantity=str(quantity), time_ms=START_MS + offset_ms), 0)
    for asset, (free, locked) in zip(ASSETS, held, strict=True):
        left = D(free + locked) - sum(amount for name, amount in foreign if name == asset)
        for order in kept:
            rule = RULES[order.symbol]
            if order.is_open and asset == (rule.quote if order.side is Side.BUY else rule.base):
                left -= (order.quantity - order.executed) * (order.price if order.side is Side.BUY else 1)
        if asset == "USDT":
            left -= sum(D(2) * quantity for quantity, offset_ms in paid if offset_ms >= 0)
        assert account.available(asset, orders) == min(left, D(free))
        assert account.available(asset, orders) <= free


def test_unknown_asset_has_nothing_available() -> None:
    """An asset the venue never spoke of cannot be promised."""
    assert Account(rules=RULES).available("DOGE", Orders()) == 0


def test_older_position_is_ignored() -> None:
    """Balances are absolute as of their time: an older message changes nothing."""
    account = Account(rules=RULES)
    assert account.on_position([Balance(asset="USDT", free=D(5), locked=D(1))], 10) == ["USDT"]
    assert account.on_position([Balance(asset="USDT", free=D(9), locked=D(0))], 9) == []
    assert account.total("USDT") == 6


def test_own_fill_counts_until_the_balance_has_it() -> None:
    """What a fill paid lowers available at once and stops counting when a balance of that time or later arrives."""
    orders, account = Orders(), Account(rules=RULES)
    usdt = Balance(asset="USDT", free=D(1000), locked=D(0))
    account.on_position([usdt], START_MS)
    bought = fill(1, 1, price="100", quantity="3", time_ms=START_MS + 5)
    account.on_own_fill(bought, 0)
    account.on_told(bought)
    assert account.available("USDT", orders) == 700
    account.on_position([msgspec.structs.replace(usdt, free=D(700))], START_MS + 5)
    assert account.available("USDT", orders) == 700


@pytest.mark.parametrize(
    ("update_ms", "read_sent_ns", "expected"),
    [
        (START_MS + 5, 0, 400),  # a message of that ms may tell of another fill
        (START_MS + 6, 0, 700),
        (START_MS + 5, 1_000, 400),  # asked for before the fill was known
        (START_MS + 5, 3_000, 700),
    ],
)
def test_a_fill_learned_from_an_answer_counts_until_a_balance_surely_has_it(update_ms: int, read_sent_ns: int, expected: int) -> None:
    """Seed 10997: within one ms only a balance read after the fill was known, or one whose report the stream told before, contains it."""
    orders, account = Orders(), Account(rules=RULES)
    account.on_position([Balance(asset="USDT", free=D(1000), locked=D(0))], START_MS)
    account.on_own_fill(fill(1, 1, price="100", quantity="3", time_ms=START_MS + 5), 2_000)
    account.on_position([Balance(asset="USDT", free=D(700), locked=D(0))], update_ms, read_sent_ns)
    assert account.available("USDT", orders) == expected
    assert account.has_doubtful_spending() == (expected == 400)


def test_received_funds_wait_for_the_venue() -> None:
    """What a fill brought in is available only when the venue's balance says so."""
    orders, account = Orders(), Account(rules=RULES)
    account.on_own_fill(fill(1, 1, quantity="3"), 0)
    assert account.available("BTC", orders) == 0


def test_held_by_leaving() -> None:
    """Only orders with a pending cancel count as about to free funds; the first is named."""
    orders, account = Orders(), Account(rules=RULES)
    staying = make(orders, 1, "BTCUSDT", Side.BUY, 10, 2, 0, False)
    leaving = make(orders, 2, "ETHUSDT", Side.BUY, 7, 3, 0, False)
    assert account.held_by_leaving("USDT", orders) == (D(0), None)
    leaving.cancel_wanted = "bad"
    assert account.held_by_leaving("USDT", orders) == (D(21), leaving)
    assert account.reserved("USDT", orders) == 41
    assert not staying.is_leaving


@pytest.mark.parametrize(("side", "expected"), [(Side.BUY, ("USDT", D(6))), (Side.SELL, ("BTC", D(2)))])
def test_hold_of(side: Side, expected: tuple[str, Decimal]) -> None:
    """A buy locks quote, a sell locks base."""
    assert hold_of(side, D(3), D(2), BTC) == expected


trades = st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(1, 9), st.integers(1, 9), st.integers(0, 3)), max_size=10)


@given(made=trades, moved=st.integers(-9, 9))
def test_money_is_exact(made: list[tuple[Side, int, int, int]], moved: int) -> None:
    """start + own trades - fees + foreign movements = expected, for every asset and any trades (I1)."""
    account = Account(rules=RULES)
    account.on_position([Balance(asset="USDT", free=D(100), locked=D(5)), Balance(asset="BTC", free=D(7), locked=D(0))], START_MS)
    account.begin()
    usdt, btc = D(105), D(7)
    for n, (side, price, quantity, fee) in enumerate(made):
        trade = fill(n, 1, side=side, price=f"{price}.1", quantity=f"0.{quantity}", fee=f"0.0{fee}")
        account.on_own_fill(trade, 0)
        sign = 1 if side is Side.BUY else -1
        usdt -= sign * trade.price * trade.quantity + trade.fee
        btc += sign * trade.quantity
    account.move("BTC", D(moved))
    assert (account.expected("USDT"), account.expected("BTC")) == (usdt, btc + moved)


@pytest.mark.parametrize("side", list(Side))
def test_foreign_fill_is_a_movement(side: Side) -> None:
    """A stranger's trade on the account moves base, quote and fee as foreign movements."""
    account = Account(rules=RULES)
    account.on_foreign_fill(fill(1, 1, side=side, price="10", quantity="2", fee="0.5"))
    sign = 1 if side is Side.BUY else -1
    assert account.movements == {"BTC": D(2 * sign), "USDT": D(-20 * sign) - D("0.5")}


def test_fill_totals() -> None:
    """Totals add up per side, cash is signed, and a round trip is what was both bought and sold."""
    totals = FillTotals()
    totals.add(fill(1, 1, price="10", quantity="3"))
    totals.add(fill(2, 1, side=Side.SELL, price="11", quantity="2"))
    assert (totals.bought, totals.sold, totals.cash, totals.round_trips, totals.maker, totals.taker) == (D(3), D(2), D(-8), D(2), 2, 0)


def test_holding_total() -> None:
    """A total is free plus locked."""
    assert Holding(free=D(1), locked=D(2)).total == 3


def test_a_position_that_comes_twice_is_taken_once() -> None:
    """Two fills of one ms, and the first position comes again after the second: its time does not tell that it is older (seed 1489)."""
    desk = Desk().connect()
    first = position(START_MS + 5, Balance(asset="BTC", free=D(8), locked=D(1)))
    second = position(START_MS + 5, Balance(asset="BTC", free=D(8), locked=D(0)))
    desk.step(first)
    desk.step(second, first)
    assert desk.books.account.total("BTC") == 8


def test_the_books_begin_with_the_end_of_a_ms() -> None:
    """A trade of the very ms the books begin with counts as in them; the balance that has it, told later, belongs to the beginning (seed 4984)."""
    desk = Desk()
    desk.step(StreamUp(connection=Connection.MARKET), StreamUp(connection=Connection.USER))
    read = desk.one(ReadAccount)
    desk.step(position(START_MS + 5, Balance(asset="USDT", free=D(900), locked=D(0))))
    desk.reply(read, desk.account())
    late = report("web_1", 77, "FILLED", "1", trade=fill(9, 77, price="40", time_ms=START_MS + 5))
    desk.step(late, position(START_MS + 5, Balance(asset="USDT", free=D(860), locked=D(0))))
    account = desk.books.account
    assert account.expected("USDT") == account.total("USDT") == 860


@pytest.mark.parametrize("status", [OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELED])
def test_what_was_executed_but_not_booked_is_spent(status: OrderStatus) -> None:
    """An answer tells that an order has executed before its fill is known: that part is promised to nobody, open or ended (seed 14821 of 1b17d89)."""
    orders, account = Orders(), Account(rules=RULES)
    account.on_position([Balance(asset="USDT", free=D(100), locked=D(0))], START_MS)
    order = make(orders, 1, "BTCUSDT", Side.BUY, 10, 4, 0, False)
    orders.hear(order, status.value, D(3), Evidence.QUERY, 1)
    assert account.available("USDT", orders) == (60 if order.is_open else 70)
