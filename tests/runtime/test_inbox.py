"""The inbox: what is merged, what is summarised, what is never dropped, and that a post never waits (DESIGN 2)."""

import threading
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import (
    AccountPosition,
    AnyEvent,
    BalanceUpdate,
    BookTicker,
    Boot,
    DepthDiff,
    MarketTrade,
    Operator,
    OperatorAction,
    Outcome,
    Reply,
    StopRequested,
    StreamDown,
    StreamGap,
    StreamUp,
    Timer,
)
from core.types import Connection
from runtime import inbox as inbox_module
from runtime.inbox import DIFFS_MAX, Inbox, summarise
from tests.timing import SOON_S, quickest_s

MS = 1_000_000
ONE = Decimal(1)


class VirtualClock:
    def __init__(self) -> None:
        self.now_ns = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ns


def ticker(update_id: int, symbol: str = "BTCUSDT") -> BookTicker:
    return BookTicker(symbol=symbol, update_id=update_id, bid_price=ONE, bid_quantity=ONE, ask_price=ONE, ask_quantity=ONE, received_ns=0)


def diff(first: int, last: int, bids: dict[str, str] | None = None, asks: dict[str, str] | None = None, symbol: str = "BTCUSDT") -> DepthDiff:
    def levels(given: dict[str, str] | None) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((Decimal(price), Decimal(quantity)) for price, quantity in (given or {}).items())

    return DepthDiff(symbol=symbol, first_id=first, last_id=last, bids=levels(bids), asks=levels(asks), event_ms=last, received_ns=first)


def trade(trade_id: int, price: int = 1, quantity: int = 1, buyer_is_maker: bool = True) -> MarketTrade:
    return MarketTrade(
        symbol="BTCUSDT", trade_id=trade_id, price=Decimal(price), quantity=Decimal(quantity), buyer_is_maker=buyer_is_maker, time_ms=0, received_ns=0
    )


def private(number: int) -> AccountPosition:
    return AccountPosition(balances=(), update_ms=number, received_ns=0)


def reply(number: int) -> Reply:
    return Reply(command_id=number, outcome=Outcome.DONE)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def inbox(clock: VirtualClock) -> Inbox:
    return Inbox(clock)


def drained(inbox: Inbox, *events: AnyEvent) -> list[AnyEvent]:
    for event in events:
        inbox.post(event)
    return inbox.take(0)


# -- market events -------------------------------------------------------------------------------
def test_ticker_latest_wins_per_symbol(inbox: Inbox) -> None:
    """Of the waiting touches of a symbol only the newest is decided on; symbols do not touch each other."""
    assert drained(inbox, ticker(1), ticker(7, "ETHUSDT"), ticker(2)) == [ticker(2), ticker(7, "ETHUSDT")]


def test_contiguous_diffs_become_one(inbox: Inbox) -> None:
    """Waiting diffs merge: levels last-wins, U of the first, u of the last, so that contiguity stays checkable."""
    (merged,) = drained(inbox, diff(1, 2, {"10": "1", "9": "2"}), diff(3, 3, {"10": "0"}, {"11": "4"}), diff(4, 6, {"8": "5"}))
    assert isinstance(merged, DepthDiff)
    assert (merged.first_id, merged.last_id, merged.event_ms, merged.received_ns) == (1, 6, 6, 1)
    assert dict(merged.bids) == {Decimal(10): Decimal(0), Decimal(9): Decimal(2), Decimal(8): Decimal(5)} and merged.asks == (
        (Decimal(11), Decimal(4)),
    )


def test_a_single_diff_is_untouched(inbox: Inbox) -> None:
    """A diff that waited alone is handed over as it came."""
    one = diff(1, 2, {"10": "1"})
    (same,) = drained(inbox, one)
    assert same is one


@pytest.mark.parametrize("following", [diff(5, 6), diff(2, 3), diff(1, 2)], ids=["gap", "overlap", "repeat"])
def test_gap_stays_visible(inbox: Inbox, following: DepthDiff) -> None:
    """Diffs that do not follow each other stay apart, so that the book sees the gap."""
    assert drained(inbox, diff(1, 2), following) == [diff(1, 2), following]


def test_gaps_are_bounded(inbox: Inbox) -> None:
    """More separate runs than can wait become one gap of the market stream: the book is read anew."""
    events = drained(inbox, *(diff(10 * n, 10 * n) for n in range(DIFFS_MAX + 1)))
    assert [type(event) for event in events] == [StreamGap] and isinstance(events[0], StreamGap) and events[0].connection is Connection.MARKET


@given(cuts=st.lists(st.booleans(), min_size=40, max_size=40), prices=st.lists(st.integers(1, 6), min_size=40, max_size=40))
def test_merged_diffs_build_the_same_book(cuts: list[bool], prices: list[int]) -> None:
    """However the trading thread drains, the book at the end is the same as without merging, and ids stay contiguous."""
    inbox = Inbox(VirtualClock())
    plain: dict[Decimal, Decimal] = {}
    built: dict[Decimal, Decimal] = {}
    last_id = 0
    for number, (cut, price) in enumerate(zip(cuts, prices, strict=True), 1):
        event = diff(number, number, {str(price): str(number % 3)})
        plain.update(event.bids)
        inbox.post(event)
        if not cut and number < 40:
            continue
        for taken in inbox.take(0):
            assert isinstance(taken, DepthDiff) and taken.first_id == last_id + 1
            last_id = taken.last_id
            built.update(taken.bids)
    assert built == plain and last_id == 40


def test_trades_are_kept_in_order(inbox: Inbox) -> None:
    """Below the cap every print arrives, in its order, before the touch that followed it."""
    trades = [trade(number) for number in range(5)]
    assert drained(inbox, *trades, ticker(1)) == [*trades, ticker(1)]


def test_trades_above_the_cap_are_summarised(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the cap there is one print per price and side, with exact quantities and counts."""
    monkeypatch.setattr(inbox_module, "TRADES_MAX", 100)
    taken = drained(inbox, *(trade(number, price=1 + number % 3, quantity=number, buyer_is_maker=number % 2 == 0) for number in range(1000)))
    prints = [event for event in taken if isinstance(event, MarketTrade)]
    assert len(prints) <= 101 and sum(one.count for one in prints) == 1000 and sum(one.quantity for one in prints) == sum(range(1000))


def test_a_summary_is_exact_per_price_and_side() -> None:
    """One print per price and maker side, under the newest id, summaries of summaries included."""
    first = summarise([trade(1), trade(2, buyer_is_maker=False), trade(3, quantity=4), trade(4, price=2)])
    assert [(one.trade_id, int(one.price), int(one.quantity), one.buyer_is_maker, one.count) for one in first] == [
        (2, 1, 1, False, 1),
        (3, 1, 5, True, 2),
        (4, 2, 1, True, 1),
    ]
    second = summarise([trade(0), *first])
    assert {(int(one.quantity), one.count) for one in second} == {(1, 1), (6, 3)}


def test_a_new_market_socket_forgets_the_old_ones_events(inbox: Inbox) -> None:
    """What waited from the socket that died says nothing about the new one; the user side is untouched."""
    down = StreamDown(connection=Connection.MARKET, reason="silent")
    up = StreamUp(connection=Connection.MARKET)
    assert drained(inbox, diff(1, 1), trade(1), private(1), down, up, ticker(2)) == [private(1), down, up, ticker(2)]
    assert drained(inbox, ticker(1), StreamUp(connection=Connection.USER)) == [StreamUp(connection=Connection.USER), ticker(1)]


# -- private and other events --------------------------------------------------------------------
def test_private_events_keep_their_order(inbox: Inbox) -> None:
    """Reports, balances and replies arrive in the order in which they were posted."""
    events: list[AnyEvent] = [private(1), reply(1), BalanceUpdate(asset="BTC", delta=ONE, time_ms=1), private(2), reply(2)]
    assert drained(inbox, *events) == events


def test_private_backlog_becomes_one_gap(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the cap the whole private backlog becomes a StreamGap; replies, operator and stop are never dropped."""
    monkeypatch.setattr(inbox_module, "PRIVATE_MAX", 10)
    kept: list[AnyEvent] = [reply(1), Operator(action=OperatorAction.HALT), StopRequested(reason="x")]
    taken = drained(inbox, *kept, *(private(number) for number in range(50)), reply(2))
    assert taken[:3] == kept and taken[-1] == reply(2) and len(taken) == 5
    assert isinstance(taken[3], StreamGap) and taken[3].connection is Connection.USER and inbox.gaps_made == 1
    assert drained(inbox, private(1)) == [private(1)]


def test_timers_are_coalesced(inbox: Inbox) -> None:
    """Of the timers that waited one is enough."""
    assert drained(inbox, Timer(), reply(1), Timer(), Timer()) == [Timer(), reply(1)]
    assert drained(inbox, Timer()) == [Timer()]


def test_boot_comes_first(inbox: Inbox) -> None:
    """The first event posted among the others is the first taken, even with market events before it in time."""
    boot = Boot(boot="b", tag="t", venue="paper", instance="i", rules=(), limits=())
    assert drained(inbox, boot, ticker(1), reply(1))[0] is boot


# -- waiting -------------------------------------------------------------------------------------
def test_empty_take_times_out(inbox: Inbox) -> None:
    """Nothing to take is an empty list after the time-out, not an error."""
    assert inbox.take(0.001) == []


def test_age_of_the_oldest(inbox: Inbox, clock: VirtualClock) -> None:
    """inbox_age_ms is the wait of the oldest event, and its worst is kept."""
    inbox.post(ticker(1))
    clock.now_ns += 7 * MS
    inbox.post(ticker(2))
    assert inbox.age_ms == 7.0 and len(inbox) == 1
    inbox.take(0)
    assert inbox.age_ms == 0.0 and inbox.age_ms_max == 7.0 and len(inbox) == 0


def test_a_post_wakes_the_taker(inbox: Inbox) -> None:
    """A waiting trading thread has the event as soon as it is posted, long before its time-out."""
    taken: list[AnyEvent] = []
    taker = threading.Thread(target=lambda: taken.extend(inbox.take(60.0)), daemon=True)
    taker.start()
    inbox.post(reply(1))
    taker.join(SOON_S)
    assert taken == [reply(1)]


def test_many_posters_lose_nothing(inbox: Inbox) -> None:
    """Every event of every poster is taken once, in that poster's order."""
    taken: list[AnyEvent] = []
    total = 4 * 2000

    def taker() -> None:
        ends_s = time.monotonic() + SOON_S
        while len(taken) < total and time.monotonic() < ends_s:
            taken.extend(inbox.take(1.0))

    def poster(first: int) -> None:
        for number in range(first, first + 2000):
            inbox.post(reply(number))

    threads = [threading.Thread(target=taker), *(threading.Thread(target=poster, args=(first,)) for first in range(0, total, 2000))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    numbers = [event.command_id for event in taken if isinstance(event, Reply)]
    assert sorted(numbers) == list(range(total))
    for first in range(0, total, 2000):
        mine = [number for number in numbers if first <= number < first + 2000]
        assert mine == sorted(mine)


def events_of_a_busy_second() -> Iterator[AnyEvent]:
    for number in range(20_000):
        yield ticker(number) if number % 2 else reply(number)


def test_post_is_cheap(inbox: Inbox) -> None:
    """A post costs a socket reader about a microsecond (wide bound: a shared machine)."""
    events = list(events_of_a_busy_second())

    def posted_s() -> float:
        inbox.take(0)
        begun = time.perf_counter()
        for event in events:
            inbox.post(event)
        return (time.perf_counter() - begun) / len(events)

    assert quickest_s(posted_s, 30e-6) < 30e-6


# -- what wakes, and what may rest ---------------------------------------------------------------
def touch(bid: int, quantity: int = 1) -> BookTicker:
    price, amount = Decimal(bid), Decimal(quantity)
    return BookTicker(
        symbol="BTCUSDT", update_id=1, bid_price=price, bid_quantity=amount, ask_price=price + 1, ask_quantity=amount, received_ns=0
    )  # fmt: skip


def wakes(inbox: Inbox, *events: AnyEvent) -> bool:
    """Do these wake the trading thread, which has just taken everything?"""
    inbox.take(0)
    for event in events:
        inbox.post(event)
    return not inbox._wake.empty()


def test_what_moves_no_price_rests(inbox: Inbox) -> None:
    """A trade, or a touch with other quantities, wakes nobody; a first touch, another price, a depth change and everything private do."""
    assert wakes(inbox, touch(1))
    assert not wakes(inbox, touch(1, 2), trade(1), touch(1, 3))
    assert wakes(inbox, touch(2))
    assert not wakes(inbox, touch(2, 5))
    assert wakes(inbox, diff(1, 1))
    assert wakes(inbox, private(1))
    assert wakes(inbox, reply(1))
    assert wakes(inbox, Timer())


def test_a_price_that_moved_and_came_back_wakes(inbox: Inbox) -> None:
    """The touch is compared with the one before it, not with the one that was taken."""
    assert wakes(inbox, touch(1))
    assert wakes(inbox, touch(2), touch(1))


def test_what_rests_goes_with_what_wakes(inbox: Inbox) -> None:
    """The trading thread takes all there is, whatever woke it; where nothing woke it, at the time-out."""
    wakes(inbox, touch(1))
    assert not wakes(inbox, trade(1), touch(1, 2))
    inbox.post(Timer())
    assert [type(event).__name__ for event in inbox.take(1.0)] == ["Timer", "MarketTrade", "BookTicker"]
    inbox.post(trade(2))
    assert inbox.take(0) == [trade(2)]


def test_nothing_rests_for_long_while_more_comes(inbox: Inbox, clock: VirtualClock) -> None:
    """What came after REST_MS wakes the trading thread, though it moves no price either; then the time begins again."""
    wakes(inbox, touch(1))
    inbox.take(0)
    inbox.post(trade(1))
    clock.now_ns += inbox_module.REST_MS * MS - 1
    inbox.post(trade(2))
    assert inbox._wake.empty()
    clock.now_ns += 1
    inbox.post(trade(3))
    assert not inbox._wake.empty()
    assert len(inbox.take(0)) == 3
    clock.now_ns += inbox_module.REST_MS * MS
    inbox.post(trade(4))
    assert inbox._wake.empty()


def test_a_new_connection_knows_no_touch(inbox: Inbox) -> None:
    """After a reconnect the first touch wakes, though it is the one of before."""
    assert wakes(inbox, touch(1))
    inbox.post(StreamUp(connection=Connection.MARKET))
    assert wakes(inbox, touch(1))


def test_only_who_is_wanted_has_an_age(inbox: Inbox, clock: VirtualClock) -> None:
    """The age of the inbox is how long the trading thread was wanted and did not come: what rests has none (the watchdog's gauge)."""
    wakes(inbox, touch(1))
    inbox.take(0)
    inbox.post(trade(1))
    clock.now_ns += 3 * MS
    assert inbox.age_ms == 0.0
    inbox.post(private(1))
    clock.now_ns += 2 * MS
    assert inbox.age_ms == 2.0
