"""The inbox between many producers and one taker: what may be merged is merged without a loss, what may not be is not, and every post is heard."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

import pytest

from core.events import AnyEvent, BalanceUpdate, BookTicker, DepthDiff, MarketTrade, Outcome, Reply, StreamGap, Timer
from core.types import Connection
from runtime import inbox as inbox_module
from runtime.inbox import Inbox
from tests.runtime.test_inbox import diff, ticker, trade
from tests.timing import SOON_S

EACH = 1500
PHASES = 10  # of the posters, with a turn of the taker between them: one batch tries nothing


def reply(number: int) -> Reply:
    return Reply(command_id=number, outcome=Outcome.DONE)


def balance(number: int) -> BalanceUpdate:
    return BalanceUpdate(asset="USDT", delta=Decimal(number), time_ms=number)


def wait_until(is_so: Callable[[], object]) -> None:
    ends_s = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < ends_s
        time.sleep(0.001)


def exchange(
    inbox: Inbox, makers: list[Callable[[int], AnyEvent]], seed: int, behind: Callable[[], object] | None = None
) -> list[list[AnyEvent]]:
    """EACH events of each maker, posted by a thread of its own, while this thread takes, not before it is so far `behind`; the batches."""
    rng = random.Random(seed)
    pauses = [rng.choice((0, 0, 0, 0.0001)) for _ in range(EACH)]
    done: list[int] = []

    turns = [threading.Event() for _ in range(PHASES)]

    def post(make: Callable[[int], AnyEvent]) -> None:
        for number, pause_s in enumerate(pauses, 1):
            if number % (EACH // PHASES) == 0:
                assert turns[number * PHASES // EACH - 1].wait(SOON_S)
            inbox.post(make(number))
            if number % 7 == 0:
                time.sleep(pause_s)
        done.append(1)

    posters = [threading.Thread(target=post, args=(make,)) for make in makers]
    batches: list[list[AnyEvent]] = []
    for poster in posters:
        poster.start()
    if behind is not None:
        wait_until(behind)
    ends_s = time.monotonic() + SOON_S
    while any(poster.is_alive() for poster in posters) and time.monotonic() < ends_s:
        batches.append(inbox.take(rng.choice((0.0, 0.0001, 0.005))))
        turns[min(len(batches), PHASES) - 1].set()
        time.sleep(rng.choice((0, 0.0005, 0.003)))
    for poster in posters:
        poster.join(SOON_S)
    batches.append(inbox.take(0))
    assert len(done) == len(makers)
    assert len(inbox) == 0 and inbox.age_ms == 0
    return batches


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_by_merging(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies arrive once and in order; diffs stay contiguous from the first id to the last; trades keep their sum; a ticker never goes back."""
    monkeypatch.setattr(inbox_module, "TRADES_MAX", 50)
    monkeypatch.setattr(inbox_module, "LEVELS_MAX", 40)
    inbox = Inbox(time.monotonic_ns)
    batches = exchange(
        inbox,
        [
            reply,
            lambda number: reply(number + EACH),
            lambda number: ticker(number, "AAAUSDT"),
            lambda number: ticker(number, "BBBUSDT"),
            lambda number: diff(number, number, {str(number % 90 + 1): str(number)}, symbol="AAAUSDT"),
            lambda number: diff(number, number, {"1": "1"}, {"2": "2"}, symbol="BBBUSDT"),
            lambda number: trade(number, price=number % 7 + 1, quantity=number),
            lambda number: Timer(),
        ],
        seed,
    )
    events = [event for batch in batches for event in batch]
    replies = [event.command_id for event in events if isinstance(event, Reply)]
    assert [one for one in replies if one <= EACH] == list(range(1, EACH + 1))
    assert [one for one in replies if one > EACH] == list(range(EACH + 1, 2 * EACH + 1))
    assert sum(event.quantity for event in events if isinstance(event, MarketTrade)) == EACH * (EACH + 1) // 2
    assert sum(event.count for event in events if isinstance(event, MarketTrade)) == EACH
    ids: dict[str, list[int]] = defaultdict(list)
    last: dict[str, int] = defaultdict(int)
    for event in events:
        assert not isinstance(event, StreamGap)
        if isinstance(event, BookTicker):
            ids[event.symbol].append(event.update_id)
        elif isinstance(event, DepthDiff):
            assert event.first_id == last[event.symbol] + 1
            last[event.symbol] = event.last_id
    assert last == {"AAAUSDT": EACH, "BBBUSDT": EACH}
    assert all(seen == sorted(set(seen)) and seen[-1] == EACH for seen in ids.values())
    assert max(sum(isinstance(event, Timer) for event in batch) for batch in batches) == 1
    assert len(batches) > PHASES


def test_private_events_come_in_order_or_as_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its cap the backlog of private events becomes a gap; what is missing is missing only where a gap was told, and order holds."""
    monkeypatch.setattr(inbox_module, "PRIVATE_MAX", 60)
    inbox = Inbox(time.monotonic_ns)
    batches = exchange(inbox, [balance, reply, lambda number: ticker(number)], 3, lambda: inbox.gaps_made)
    numbers = [event.time_ms for batch in batches for event in batch if isinstance(event, BalanceUpdate)]
    gaps = [event for batch in batches for event in batch if isinstance(event, StreamGap)]
    assert numbers == sorted(set(numbers))
    assert len(gaps) == inbox.gaps_made > 0 and all(gap.connection is Connection.USER for gap in gaps)
    assert sum(isinstance(event, Reply) for batch in batches for event in batch) == EACH
    due = 1
    for batch in batches:
        mine = [event.time_ms for event in batch if isinstance(event, BalanceUpdate)]
        told = any(isinstance(event, StreamGap) for event in batch)
        assert not (told and mine), "a gap stands for all of its batch"
        if mine:
            assert mine == list(range(mine[0], mine[-1] + 1)) and (mine[0] == due or due == 0)
            due = mine[-1] + 1
        if told:
            due = 0  # anything later may follow


def test_every_post_wakes_the_taker() -> None:
    """A taker that found nothing is woken by the next post at once, 3000 times in a row, whoever of the two comes first."""
    inbox = Inbox(time.monotonic_ns)
    heard = threading.Semaphore(0)

    def take() -> None:
        for _ in range(3000):
            if inbox.take(2 * SOON_S):
                heard.release()

    taker = threading.Thread(target=take, daemon=True)
    taker.start()
    for number in range(3000):
        inbox.post(reply(number))
        assert heard.acquire(timeout=SOON_S), f"post {number} was never heard"
    taker.join(SOON_S)
    assert not taker.is_alive()
