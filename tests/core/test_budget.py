"""core.budget: clock-aligned windows, the reserve for cancels, both kinds of 429, and 418 (binance-wire 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.budget import BAN_FALLBACK_S, NS_PER_S, Budget
from core.types import RateLimit
from tests.core.builders import LIMITS, error

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
def test_a_fifth_of_the_weight_is_kept_for_cancels(weight: int) -> None:
    """Places stop at 80 % of the weight; reads go on up to the limit itself (I26)."""
    made = budget()
    made.spend(NOW, weight=weight)
    assert (made.place_denied(NOW) is None) == (weight + 1 <= 4800)
    assert made.reads_denied(NOW, 20) == (weight + 20 > 6000)


def test_the_venues_counters_replace_ours() -> None:
    """A count in a reply is the truth for its window; an entry without a count or of another interval changes nothing."""
    made = budget()
    made.spend(NOW, weight=100)
    made.count([RateLimit(kind="REQUEST_WEIGHT", interval_s=60, limit=6000, count=4800)], NOW)
    assert made.used_weight() == (4800, 6000)
    made.count([RateLimit(kind="REQUEST_WEIGHT", interval_s=60, limit=6000), RateLimit(kind="REQUEST_WEIGHT", interval_s=1, limit=1, count=1)], NOW)
    assert made.used_weight() == (4800, 6000)
    assert made.place_denied(NOW) is not None


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


def test_ban_without_retry_after_lasts_a_minute() -> None:
    """A ban that states no duration is taken to last a whole weight window."""
    made = budget()
    made.on_refusal(error(-1003, http_status=429), NOW)
    assert made.banned_until_ns == NOW + BAN_FALLBACK_S * NS_PER_S


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
