"""core.budget and core.meters: clock-aligned windows, reserved shares, token buckets, both kinds of 429, and 418 (binance-wire 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.budget import BAN_FALLBACK_S, DOUBT_NS, Budget
from core.commands import ReadAccount
from core.events import Operator, OperatorAction, OrderAnswer
from core.meters import NS_PER_S, TokenBucket
from core.types import RateLimit
from tests.core.builders import LIMITS, MS, Desk, error, facts

NOW = 1_800_000_000 * NS_PER_S  # begins a minute


def budget() -> Budget:
    made = Budget()
    made.learn(LIMITS)
    return made


def test_windows_are_clock_aligned() -> None:
    """What was used shortly before a window's end is forgotten at its end, not a full interval later."""
    made = budget()
    made.spend(NOW + 9 * NS_PER_S, orders=50)
    denied = made.place_denied(NOW + 9 * NS_PER_S)
    assert denied is not None
    assert denied[1] == NOW + 10 * NS_PER_S
    assert made.place_denied(NOW + 10 * NS_PER_S) is None


@given(second=st.integers(0, 59), orders=st.integers(0, 60))
def test_order_count_never_passes_the_limit(second: int, orders: int) -> None:
    """A place is allowed exactly while used + 1 stays within every ORDERS window (I26)."""
    made = budget()
    now = NOW + second * NS_PER_S
    made.spend(now, orders=orders)
    assert (made.place_denied(now) is None) == (orders + 1 <= 50)


@given(weight=st.integers(0, 7000))
def test_a_fifth_of_the_weight_is_kept_for_cancels_and_queries(weight: int) -> None:
    """Places and routine reads stop at 80 % of the weight, queries at 95 %; the rest is for cancels (I26)."""
    made = budget()
    made.spend(NOW, weight=weight)
    assert (made.place_denied(NOW) is None) == (weight + 1 <= 4800)
    assert made.reads_denied(NOW, 20, is_routine=True) == (weight + 20 > 4800)
    assert made.reads_denied(NOW, 20) == (weight + 20 > 5700)


def weight_told(count: int) -> list[RateLimit]:
    return [RateLimit(kind="REQUEST_WEIGHT", interval_s=60, limit=6000, count=count)]


def orders_told(count: int) -> list[RateLimit]:
    return [RateLimit(kind="ORDERS", interval_s=10, limit=50, count=count)]


def orders_used(made: Budget) -> int:
    return next(window.used for window in made.windows if (window.kind, window.interval_s) == ("ORDERS", 10))


def test_the_venues_counters_replace_ours() -> None:
    """A count in a reply is the truth for its window; an entry without a count or of another interval changes nothing."""
    made = budget()
    made.spend(NOW, weight=100)
    made.answered(NOW, weight=100)
    made.count(weight_told(4800), NOW)
    assert made.used_weight() == (4800, 6000)
    made.count([RateLimit(kind="REQUEST_WEIGHT", interval_s=60, limit=6000), RateLimit(kind="REQUEST_WEIGHT", interval_s=1, limit=1, count=1)], NOW)
    assert made.used_weight() == (4800, 6000)
    assert made.place_denied(NOW) is not None


def test_weight_under_way_is_added_to_the_venues_counter() -> None:
    """A counter does not contain the reads that were on their way when it was made, and a late reply brings an older counter."""
    made = budget()
    made.spend(NOW, weight=100)
    made.spend(NOW, weight=50)
    made.answered(NOW, weight=100)
    made.count(weight_told(400), NOW)
    assert made.used_weight()[0] == 450
    made.answered(NOW, weight=50)
    made.count(weight_told(300), NOW)
    assert made.used_weight()[0] == 400


def test_a_counter_of_the_window_before_says_nothing_of_this_ones_weight() -> None:
    """A reply that crosses the minute does not deny a whole minute; what is unanswered is carried over."""
    made = budget()
    made.spend(NOW + 59 * NS_PER_S, weight=100)
    made.count(weight_told(5900), NOW + 61 * NS_PER_S, NOW + 59 * NS_PER_S)
    assert made.used_weight()[0] == 100
    assert made.place_denied(NOW + 61 * NS_PER_S) is None


def placed(made: Budget, now_ns: int, count: int) -> None:
    """So many places, each answered without a counter."""
    for _ in range(count):
        made.spend(now_ns, orders=1)
        made.answered(now_ns, orders=1)


def test_fills_give_back_what_the_venue_says_and_cancels_nothing() -> None:
    """The counter of the newest order request replaces ours, with what is still unanswered; an older one, or one without a time, only raises it."""
    made, now = budget(), NOW + 60 * NS_PER_S
    placed(made, now, 40)
    made.spend(now, orders=1)  # on its way
    made.count(orders_told(22), now, now, venue_ms=1001)  # 18 were given back by fills
    assert orders_used(made) == 23
    made.answered(now, orders=1)
    made.count(orders_told(21), now, now, venue_ms=1000)
    assert orders_used(made) == 23
    made.count(orders_told(20), now, now)
    assert orders_used(made) == 23
    made.count(orders_told(18), now, now, venue_ms=1002)
    assert orders_used(made) == 18


def test_a_place_of_unknown_outcome_lets_counters_only_rise() -> None:
    """It may reach the venue after the counter that is heard; so the count does not fall until it cannot any more."""
    made, now = budget(), NOW + 60 * NS_PER_S
    placed(made, now, 10)
    made.spend(now, orders=1)
    made.answered(now, orders=1, is_unknown=True)
    made.count(orders_told(5), now, now, venue_ms=1000)
    assert orders_used(made) == 11
    later = now + DOUBT_NS
    made.count(orders_told(5), later, later, venue_ms=2000)
    assert orders_used(made) == 5


def test_windows_are_those_of_the_venues_clock() -> None:
    """With a venue three seconds behind us, its window ends three seconds later by our clock; order answers tell how far it is."""
    made, ours = budget(), NOW + 9 * NS_PER_S
    made.hear_clock((ours - 3 * NS_PER_S) // 1_000_000, ours - 1_000_000, ours + 1_000_000)
    assert abs(made.ahead_ns + 3 * NS_PER_S) <= 2_000_000
    made.spend(ours, orders=50)
    denied = made.place_denied(NOW + 10 * NS_PER_S)
    assert denied is not None and abs(denied[1] - (NOW + 13 * NS_PER_S)) <= 2_000_000
    assert made.place_denied(NOW + 13 * NS_PER_S + 2_000_000) is None


@pytest.mark.parametrize(("venue_ms", "sent_ns", "received_ns"), [(0, NOW, NOW), (1000, 0, NOW), (1000, NOW, NOW - 1)])
def test_a_reply_without_times_says_nothing_of_the_clock(venue_ms: int, sent_ns: int, received_ns: int) -> None:
    """Only an answer with the venue's time and both of ours moves the estimate."""
    made = budget()
    made.hear_clock(venue_ms, sent_ns, received_ns)
    assert made.ahead_ns == 0


def test_ban_without_retry_after_lasts_a_minute() -> None:
    """A ban that states no duration is taken to last a whole weight window."""
    made = budget()
    made.on_refusal(error(-1003, http_status=429), NOW)
    assert made.banned_until_ns == NOW + BAN_FALLBACK_S * NS_PER_S


def test_1015_without_retry_after_names_the_full_window() -> None:
    """Where the day's count is full, waiting ten seconds would only be refused again."""
    made = budget()
    made.spend(NOW, orders=160_000)
    now = NOW + 10 * NS_PER_S
    made.on_refusal(error(-1015, http_status=429), now)
    day_ns = 86_400 * NS_PER_S
    assert made.places_until_ns == (NOW // day_ns + 1) * day_ns


# -- a source that counts nothing for us ---------------------------------------------------------
def uncounted() -> Budget:
    made = Budget()
    made.learn([RateLimit(kind="ORDERS", interval_s=10, limit=50, is_counted=False), RateLimit("REQUEST_WEIGHT", 60, 1200, is_counted=False)])
    return made


def test_a_bucket_answers_as_a_window_does() -> None:
    """The same questions, the same words: a place beyond the bucket is denied with the time when a token is back."""
    made = uncounted()
    made.spend(NOW, orders=25)
    denied = made.place_denied(NOW)
    assert denied is not None and denied[0] == "order budget used: 25 of 50 per 10 s"
    assert made.place_denied(denied[1] - 1) is not None
    assert made.place_denied(denied[1]) is None


def test_reads_leave_a_bucket_its_reserve() -> None:
    """Routine reads leave a fifth of the bucket for cancels; a read larger than the bucket waits for a full one instead of for ever."""
    made = uncounted()
    assert not made.reads_denied(NOW, 5000)
    made.spend(NOW, weight=480)
    assert made.reads_denied(NOW, 10, is_routine=True)
    assert not made.reads_denied(NOW, 10)
    assert made.reads_denied(NOW, 5000)


@given(limit=st.integers(1, 60), waits=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 5)), max_size=80))
def test_no_interval_sees_more_than_the_limit(limit: int, waits: list[tuple[int, int]]) -> None:
    """Wherever a source's window begins, a bucket lets no more than the limit into it (I26)."""
    bucket, now, sent = TokenBucket("ORDERS", 10, limit), NOW, []
    for wait_ms, burst in waits:
        now += wait_ms * 1_000_000
        for _ in range(burst):
            if not bucket.clears_ns(now, 1):
                bucket.spend(now, 1)
                sent.append(now)
    for begins in sent:
        assert sum(begins <= at < begins + 10 * NS_PER_S for at in sent) <= limit


@given(limit=st.integers(1, 60))
def test_a_bucket_is_full_again_after_an_interval(limit: int) -> None:
    """What was spent comes back."""
    bucket = TokenBucket("ORDERS", 10, limit)
    bucket.spend(NOW, bucket.burst)
    assert bucket.used_at(NOW) == bucket.burst
    assert bucket.used_at(NOW + 10 * NS_PER_S + limit) == 0  # a token is rounded up to a whole nanosecond


def test_429_with_1003_is_a_ban() -> None:
    """Too much weight bans everything for Retry-After."""
    made = budget()
    assert made.on_refusal(error(-1003, http_status=429, retry_after_ms=3000), NOW)
    assert made.is_banned(NOW + 3 * NS_PER_S - 1)
    assert not made.is_banned(NOW + 3 * NS_PER_S)
    assert made.reads_denied(NOW, 1)


def test_418_is_a_ban_and_the_longer_one_counts() -> None:
    """418 bans too, and a later shorter Retry-After does not shorten it."""
    made = budget()
    assert made.on_refusal(error(-1003, http_status=418, retry_after_ms=10_000), NOW)
    made.on_refusal(error(-1003, http_status=429, retry_after_ms=1000), NOW)
    assert made.is_banned(NOW + 9 * NS_PER_S)


@pytest.mark.parametrize(("retry_after_ms", "clears_s"), [(0, 10), (4000, 7)])
def test_429_with_1015_stops_places_only(retry_after_ms: int, clears_s: int) -> None:
    """Too many orders is no ban: places wait for the window's end or Retry-After, reads go on."""
    made = budget()
    now = NOW + 3 * NS_PER_S
    assert not made.on_refusal(error(-1015, http_status=429, retry_after_ms=retry_after_ms), now)
    assert made.place_denied(now) == ("order count limit of the venue (-1015)", NOW + clears_s * NS_PER_S)
    assert not made.reads_denied(now, 20)
    assert made.place_denied(NOW + clears_s * NS_PER_S) is None


@pytest.mark.parametrize(("code", "status"), [(-1013, 400), (-2010, 400), (-1003, 400)])
def test_other_refusals_are_no_ban(code: int, status: int) -> None:
    """Only HTTP 429 and 418 limit anything."""
    made = budget()
    assert not made.on_refusal(error(code, http_status=status), NOW)
    assert not made.is_banned(NOW)
    assert made.place_denied(NOW) is None


def test_no_limits_known() -> None:
    """A venue that states no limits denies nothing."""
    made = Budget()
    assert made.place_denied(NOW) is None
    assert made.used_weight() == (0, 0)


# -- through the engine --------------------------------------------------------------------------
def test_a_reply_settles_what_its_request_spent() -> None:
    """Nothing counts as under way once every request has its reply; a place's counter, made after fills gave some back, is believed."""
    desk = Desk().connect()
    made = desk.books.budget
    made.spend(desk.ms * MS, orders=30)
    made.places_asked = 0
    made.rise_only_until_ns = 0  # as if nothing of an earlier run could come in any more
    desk.step(Operator(action=OperatorAction.PROVE))
    assert made.weight_asked == 46
    desk.reply(desk.one(ReadAccount), desk.account())
    place = desk.place()
    assert (made.places_asked, made.weight_asked) == (1, 0)
    desk.reply(place, OrderAnswer(facts=facts(place.client_order_id, 11)), limits=tuple(orders_told(7)))
    assert (made.places_asked, orders_used(made)) == (0, 7)
