"""The synthetic market is deterministic, alive, never crossed, and as unkind to makers as a real one."""

from __future__ import annotations

import statistics
from decimal import Decimal

import pytest

from exchange.paper.listing import default_rules, opening_price, rules_for
from exchange.paper.matching import Matching
from exchange.paper.model import PlaceRequest
from exchange.paper.synthetic import SyntheticMarket
from tests.paper.quoting import Quoter

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
SECONDS = 60


def _market(seed: int, symbols: list[str]) -> tuple[Matching, SyntheticMarket]:
    rules = rules_for(symbols)
    matching = Matching(rules, {"USDT": Decimal(10**9), "BTC": Decimal(10**6)}, Decimal(0), Decimal(0))
    market = SyntheticMarket(rules, seed, matching)
    market.start(1_000)
    return matching, market


def _story(seed: int) -> list[object]:
    matching, market = _market(seed, SYMBOLS)
    for now_ms in range(1_000, 11_000, 7):
        market.step(now_ms)
    return [matching.drain_public_trades(), [matching.depth(symbol, 50) for symbol in SYMBOLS]]


def test_same_seed_same_market() -> None:
    """A seed decides every print and level; another seed gives another market; the size of the steps changes nothing."""
    assert _story(5) == _story(5) != _story(6)
    matching, market = _market(5, SYMBOLS)
    while (due_ms := market.next_ms()) is not None and due_ms < 11_000 - 7:
        market.step(due_ms)
    market.step(range(1_000, 11_000, 7)[-1])
    assert [trade.price for trade in matching.drain_public_trades()] == [trade.price for trade in _story(5)[0]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("symbol", [*SYMBOLS, "ETHBTC", "XRPUSDT", "NEWUSDC"])
def test_the_book_is_never_crossed_and_ids_are_contiguous(symbol: str) -> None:
    """After every step there are two sides that do not cross, on tick and step, and drained ids leave no gap."""
    matching, market = _market(3, [symbol])
    rules = matching.rules[symbol]
    assert matching.touch(symbol)[0] == pytest.approx(opening_price(symbol), rel=Decimal("0.002"))
    last, _, _ = matching.depth(symbol, 1)
    matching.drain_levels(symbol)
    for now_ms in range(1_000, 31_000, 50):
        market.step(now_ms)
        bid, bid_quantity, ask, ask_quantity, _ = matching.touch(symbol)
        assert bid is not None and ask is not None and bid < ask
        assert bid % rules.tick == ask % rules.tick == bid_quantity % rules.step == ask_quantity % rules.step == 0
        drained = matching.drain_levels(symbol)
        if drained is not None:
            assert drained[0] == last + 1
            last = drained[1]


def test_the_market_is_alive_and_plausible() -> None:
    """BTCUSDT: 1-3 bps wide, moves a few bps a second, 50-150 changes a second, trades in both directions and in clusters."""
    matching, market = _market(11, ["BTCUSDT"])
    book = matching.books["BTCUSDT"]
    mids, spreads, counts = [], [], []
    for second in range(120):
        market.step(1_000 + second * 1000)
        bid, ask = book.best("BUY"), book.best("SELL")
        assert bid is not None and ask is not None
        mids.append((bid + ask) / 2)
        spreads.append((ask - bid) / bid * 1e4)
        counts.append(len(matching.drain_public_trades()))
    moves = [(after / before - 1) * 1e4 for before, after in zip(mids, mids[1:], strict=False)]
    assert 0.8 < statistics.mean(spreads) < 3
    assert min(spreads) < statistics.mean(spreads) * 0.8, "the spread changes"
    assert 1 < statistics.pstdev(moves) < 5
    assert 50 < (book.update_id - 1_000) / 120 < 150
    assert statistics.mean(counts) > 2
    assert statistics.pvariance(counts) > 1.5 * statistics.mean(counts), "trades come in clusters"


def test_a_swept_book_refills() -> None:
    """After both sides are taken away entirely, a hundred levels a side are back within three seconds."""
    matching, market = _market(4, ["BTCUSDT"])
    market.step(5_000)
    for side in ("BUY", "SELL"):
        matching.aggress("BTCUSDT", side, Decimal(10_000), None, 5_000)
    assert matching.touch("BTCUSDT")[0] is matching.touch("BTCUSDT")[2] is None
    market.step(8_000)
    _, bids, asks = matching.depth("BTCUSDT", 1_000)
    assert len(bids) >= 100 and len(asks) >= 100
    assert bids[0][0] < asks[0][0]


def test_a_maker_near_the_touch_is_filled_often_and_soon() -> None:
    """0.01 BTC at 2 bps a side: 20 to 120 fills a minute over the seeds, the first typically within seconds, both sides."""
    runs = [Quoter(seed, away_bps=2.0).run(SECONDS) for seed in range(8)]
    per_minute = [len(run.fills) * 60 / SECONDS for run in runs]
    assert 20 <= statistics.mean(per_minute) <= 120
    assert statistics.median(run.first_fill_s for run in runs) < 5
    assert max(run.first_fill_s for run in runs) < 20
    bought = sum(trade.is_buyer for run in runs for _, trade in run.fills)
    assert 0.3 < bought / sum(len(run.fills) for run in runs) < 0.7


def test_makers_suffer_adverse_selection() -> None:
    """At the touch, with no edge, what a maker got is worth less five seconds later: on average over the seeds, and in nearly every one."""
    means = [statistics.mean(Quoter(seed, away_bps=0.0, tolerance_bps=0.3).run(SECONDS).mark_outs_bps()) for seed in range(8)]
    assert statistics.mean(means) < -0.5
    assert sum(mean < 0 for mean in means) >= 6


def test_what_is_on_the_wrong_side_of_the_fair_value_is_taken_at_once() -> None:
    """When the hidden fair value jumps beyond our resting order, informed takers have it within three seconds: no waiting for chance."""
    for seed in range(6):
        matching, market = _market(seed, ["BTCUSDT"])
        market.step(3_000)
        ask = matching.touch("BTCUSDT")[2]
        assert ask is not None
        price = ask + 12
        request = PlaceRequest("BTCUSDT", "SELL", "LIMIT_MAKER", None, Decimal("0.01"), None, price, "mine")
        order_id = matching.place(request, 3_000).order.order_id
        market.flows["BTCUSDT"].fair = float(price / matching.rules["BTCUSDT"].tick) * 1.0006
        market.step(6_000)
        assert matching.order("BTCUSDT", order_id=order_id).status == "FILLED"


def test_ten_times_the_size_in_front_fills_less() -> None:
    """The same quotes behind ten times the background, with the same market, are filled less: takers must get through the queue."""
    filled = {usd: sum(len(Quoter(seed, away_bps=1.5, ahead_usd=usd).run(SECONDS).fills) for seed in range(6)) for usd in (10_000, 100_000)}
    assert 0 < filled[100_000] < 0.85 * filled[10_000]


def test_rules_of_unknown_symbols_are_consistent() -> None:
    """Any listed symbol has a tick and step whose product has at most 8 decimals, and a price on its tick."""
    for symbol in ["BTCUSDT", "ETHBTC", "DOGEUSDT", "NEWUSDT", "ADABTC", "LTCETH"]:
        rules = default_rules(symbol)
        assert (rules.tick * rules.step).normalize().as_tuple().exponent >= -8  # type: ignore[operator]
        assert opening_price(symbol) / rules.tick > 100
    with pytest.raises(ValueError, match="quote asset"):
        default_rules("NOTHING")
    with pytest.raises(ValueError, match="twice"):
        rules_for(["BTCUSDT", "btcusdt"])
