"""core.orders: the transition tables, evidence, booking once, and the resolve list."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.orders import CONTRADICTIONS, TRANSITIONS, Asked, Evidence, Order, Orders
from core.types import Fill, OrderStatus, Side
from tests.core.builders import D, fill

S = OrderStatus
ENDED = (S.CANCELED, S.REJECTED, S.EXPIRED, S.EXPIRED_IN_MATCH)
words = st.one_of(st.sampled_from([status.value for status in S]), st.sampled_from(["", "PENDING_CANCEL", "HALF_DONE"]))


def new_order(orders: Orders, client_id: str = "gl-1", order_id: int | None = 7, quantity: str = "10", symbol: str = "BTCUSDT") -> Order:
    order = Order(symbol=symbol, side=Side.BUY, client_order_id=client_id, price=D(100), quantity=D(quantity), created_ns=1, venue_order_id=order_id)
    return orders.add(order)


def hear(orders: Orders, order: Order, status: str, executed: str = "0") -> bool:
    return orders.hear(order, status, D(executed), Evidence.REPORT, 5)


def test_table_is_total() -> None:
    """Every (held, said) pair of known words has a result (I15)."""
    assert set(TRANSITIONS) == {(held, said) for held in S for said in S}
    assert set(TRANSITIONS.values()) <= set(S)


@given(held=st.sampled_from(list(S)), said=words)
def test_every_word_is_taken_without_an_error(held: OrderStatus, said: str) -> None:
    """Any word in any state leaves a valid state; an unknown word changes nothing and is counted (I15)."""
    orders = Orders()
    order = new_order(orders)
    order.status = held
    if held.is_terminal:
        orders.open_ids.clear()
    hear(orders, order, said)
    if said in set(S):
        assert order.status is TRANSITIONS[held, S(said)]
    else:
        assert (order.status, orders.unknown_words, order.unknown_word) == (held, 1, said)


@pytest.mark.parametrize("held", [S.FILLED, *ENDED])
@pytest.mark.parametrize("said", list(S))
def test_terminal_absorbs(held: OrderStatus, said: OrderStatus) -> None:
    """No word reopens an ended order; only FILLED may replace another ending."""
    expected = S.FILLED if said is S.FILLED else held
    assert TRANSITIONS[held, said] is expected


def test_fill_outranks_a_wrong_ending_and_is_counted() -> None:
    """FILLED after CANCELED is believed, and the contradiction is counted, not raised."""
    orders = Orders()
    order = new_order(orders)
    hear(orders, order, "CANCELED")
    orders.book(order, fill(1, 7, quantity="10"))
    hear(orders, order, "FILLED", "10")
    assert (order.status, orders.contradictions) == (S.FILLED, 1)


@pytest.mark.parametrize(("held", "said"), sorted(CONTRADICTIONS))
def test_each_contradiction_is_counted(held: OrderStatus, said: OrderStatus) -> None:
    """Each illegal pair adds one to the count."""
    orders = Orders()
    order = new_order(orders)
    order.status = held
    hear(orders, order, said.value)
    assert orders.contradictions == 1


@pytest.mark.parametrize("said", [S.UNSEEN, S.PENDING_NEW, S.NEW, S.REJECTED])
def test_partially_filled_never_goes_back(said: OrderStatus) -> None:
    """A late older word does not undo a partial fill."""
    assert TRANSITIONS[S.PARTIALLY_FILLED, said] is S.PARTIALLY_FILLED


def test_rejected_never_ends_a_resting_order() -> None:
    """REJECTED may speak of a refused duplicate, so a resting order stays open."""
    orders = Orders()
    order = new_order(orders)
    hear(orders, order, "NEW")
    assert not hear(orders, order, "REJECTED")
    assert order.is_open


@given(said=st.lists(words, max_size=8))
def test_evidence_at_every_ending(said: list[str]) -> None:
    """An order is ended exactly where it carries evidence and has left the open set (I5)."""
    orders = Orders()
    order = new_order(orders)
    for word in said:
        hear(orders, order, word)
        assert (order.evidence is not None) == order.status.is_terminal
        assert (order.client_order_id in orders.open_ids) == order.is_open


@pytest.mark.parametrize("evidence", [Evidence.REFUSED, Evidence.NOT_SENT, Evidence.NOT_FOUND])
def test_refuse_names_its_evidence(evidence: Evidence) -> None:
    """An order that never rested ends with the evidence it was given, and never twice."""
    orders = Orders()
    order = new_order(orders, order_id=None)
    orders.refuse(order, S.REJECTED, evidence, 9)
    orders.refuse(order, S.REJECTED, Evidence.REPORT, 10)
    assert (order.evidence, order.ended_ns, list(orders.open())) == (evidence, 9, [])


def test_ending_clears_what_was_asked() -> None:
    """An ended order has nothing asked of it and no cancel wanted."""
    orders = Orders()
    order = new_order(orders)
    order.cancel_wanted = "x"
    order.cancel_asked = Asked(1, 1, 2)
    hear(orders, order, "CANCELED")
    assert [order.place_asked, order.cancel_asked, order.cancel_wanted, order.is_leaving] == [None, None, "", False]


def test_ending_with_complete_fills_leaves_the_resolve_list() -> None:
    """The venue's last word on an order with an unknown cancel settles it at once: no red light for an order that is gone."""
    orders = Orders()
    order = new_order(orders)
    hear(orders, order, "NEW")
    order.cancel_asked = Asked(1, 1, 2, unknown=True)
    orders.want_attention(order, 3)
    hear(orders, order, "CANCELED")
    assert not orders.attention
    assert not order.resolve


def test_refused_order_leaves_the_resolve_list() -> None:
    """An order proven never to have reached the book is not asked about again."""
    orders = Orders()
    order = new_order(orders, order_id=None)
    order.place_asked = Asked(1, 1, 2, unknown=True)
    orders.want_attention(order, 3)
    orders.refuse(order, S.REJECTED, Evidence.NOT_SENT, 4)
    assert not orders.attention


# -- booking -------------------------------------------------------------------------------------
@given(trades=st.lists(st.tuples(st.sampled_from(["BTCUSDT", "ETHUSDT"]), st.integers(1, 6), st.integers(1, 9)), max_size=30))
def test_each_trade_is_booked_once(trades: list[tuple[str, int, int]]) -> None:
    """Under any repetition and order, a (symbol, trade id) is booked once, and equal ids on two symbols are two trades (I3)."""
    orders = Orders()
    held = {symbol: new_order(orders, f"gl-{symbol}", 7, "1000", symbol) for symbol in ("BTCUSDT", "ETHUSDT")}
    first: dict[tuple[str, int], Decimal] = {}
    for symbol, trade_id, quantity in trades:
        new = orders.book(held[symbol], fill(trade_id, 7, quantity=str(quantity), symbol=symbol))
        assert new == ((symbol, trade_id) not in first)
        first.setdefault((symbol, trade_id), D(quantity))
    for symbol, order in held.items():
        assert order.booked == sum((q for (s, _), q in first.items() if s == symbol), D(0))
        assert order.executed >= order.booked


def test_fill_after_canceled_is_booked() -> None:
    """A fill that arrives after CANCELED counts like any other."""
    orders = Orders()
    order = new_order(orders)
    hear(orders, order, "CANCELED")
    assert orders.book(order, fill(1, 7, quantity="4"))
    assert (order.booked, order.status) == (D(4), S.CANCELED)


@given(reports=st.lists(st.integers(0, 10), min_size=1, max_size=10))
def test_executed_only_grows(reports: list[int]) -> None:
    """The cumulative quantity is the largest ever reported, in whatever order reports come."""
    orders = Orders()
    order = new_order(orders)
    for executed in reports:
        hear(orders, order, "PARTIALLY_FILLED", str(executed))
    assert order.executed == max(reports)
    assert order.remaining == 10 - max(reports)


@given(z=st.integers(0, 10), booked=st.integers(0, 10), word=st.sampled_from(["NEW", "PARTIALLY_FILLED", "CANCELED", "FILLED"]))
def test_shortfall_goes_on_the_resolve_list(z: int, booked: int, word: str) -> None:
    """After any report, booked fills below the venue's cumulative z mean: on the resolve list, in the same call (I4)."""
    orders = Orders()
    order = new_order(orders)
    if booked:
        orders.book(order, fill(1, 7, quantity=str(booked)))
    hear(orders, order, word, str(z))
    assert (order.client_order_id in orders.attention) == (booked < z)
    assert order.resolve == (booked < z)


def test_shortfall_is_settled_by_the_missing_fill() -> None:
    """A fill that closes the gap takes the order off the list at the next report."""
    orders = Orders()
    order = new_order(orders)
    hear(orders, order, "PARTIALLY_FILLED", "4")
    orders.book(order, fill(1, 7, quantity="4"))
    hear(orders, order, "PARTIALLY_FILLED", "4")
    assert not orders.attention


# -- finding -------------------------------------------------------------------------------------
def test_venue_id_outlives_a_renamed_client_id() -> None:
    """A cancel renames the client id; the order is still found by (symbol, venue id), and never on another symbol."""
    orders = Orders()
    order = new_order(orders)
    assert orders.find("BTCUSDT", 7, "someone-else") is order
    assert orders.find("ETHUSDT", 7, "gl-1") is None


def test_client_id_is_used_once() -> None:
    """Adding an id a second time is a fault of ours and is asserted (I11)."""
    orders = Orders()
    new_order(orders)
    with pytest.raises(AssertionError, match="used twice"):
        new_order(orders)


def test_pending_cancels_is_a_question() -> None:
    """has_pending_cancels is true exactly while an open order is leaving, per symbol and side."""
    orders = Orders()
    order = new_order(orders)
    hear(orders, order, "NEW")
    assert not orders.has_pending_cancels()
    order.cancel_wanted = "bad"
    assert orders.has_pending_cancels("BTCUSDT", Side.BUY)
    assert not orders.has_pending_cancels("BTCUSDT", Side.SELL)
    hear(orders, order, "CANCELED")
    assert not orders.has_pending_cancels()


def test_memory_is_bounded() -> None:
    """Ended orders and trade ids are forgotten oldest first beyond their caps; open ones never (I25)."""
    orders = Orders(closed_max=20, booked_max=10)
    keeper = new_order(orders, "keep", 1)
    for number in range(100):
        order = new_order(orders, f"gl-{number}", 100 + number)
        orders.book(order, fill(number, 100 + number, quantity="10"))
        hear(orders, order, "FILLED", "10")
    assert len(orders.by_client_id) <= 24
    assert len(orders.booked_trades) == 10
    assert orders.find("BTCUSDT", 1, "") is keeper
    assert orders.find("BTCUSDT", 100, "") is None


def test_what_ended_first_is_forgotten_first() -> None:
    """An order that rested while many others came and went is known for as long after its own ending as any other: its report is still to come."""
    orders = Orders(closed_max=20)
    keeper = new_order(orders, "keep", 1)
    for number in range(40):
        hear(orders, new_order(orders, f"gl-{number}", 100 + number), "CANCELED")
    hear(orders, keeper, "CANCELED")
    hear(orders, new_order(orders, "gl-last", 200), "CANCELED")
    assert orders.find("BTCUSDT", 1, "") is keeper
    assert len(orders.by_client_id) <= 22


def test_a_forgotten_trade_is_not_booked_again() -> None:
    """An order that rests for hours: its first fill, told again after its id was forgotten, changes nothing; another symbol's id is its own."""
    orders = Orders(booked_max=10)
    keeper = new_order(orders, "keep", 1)
    assert orders.book(keeper, fill(1, 1, quantity="1"))
    for number in range(2, 20):
        orders.book(new_order(orders, f"gl-{number}", 100 + number), fill(number, 100 + number, quantity="10"))
    assert ("BTCUSDT", 1) not in orders.booked_trades
    assert not orders.book(keeper, fill(1, 1, quantity="1")) and keeper.booked == D(1)
    assert not orders.book(keeper, fill(9, 1, quantity="1"))
    keeper.executed = D(2)
    assert not orders.book(keeper, fill(1, 1, quantity="1")), "the order remembers its own"
    assert orders.book(keeper, fill(8, 1, quantity="1")), "missed then, and the venue says so"
    assert orders.book(keeper, fill(20, 1, quantity="1"))
    assert not orders.is_booked(fill(1, 1, symbol="ETHUSDT"))


def test_fill_key_is_symbol_and_trade_id() -> None:
    """Trade ids are unique only per symbol, and the key says so."""
    one: Fill = fill(5, 7)
    assert one.key == ("BTCUSDT", 5)
