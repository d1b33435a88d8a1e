"""The real recordings, where they are present: the replayed book equals the recorder's own, and the pace is far above need."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchange.paper.matching import Matching
from exchange.paper.model import PlaceRequest, Reject
from exchange.paper.recording import RecordedMarket, rules_of_recording

DATA = Path(os.environ.get("GREENLIGHT_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data") / "binance_spot_l2"
BTC_FILES = ["btcusdt_20240808.gz", "btcusdt_20240809.gz"]
BTC_MESSAGES = 99_574
MESSAGES_PER_S_MIN = 15_000

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recordings in {DATA}; set GREENLIGHT_DATA")


def _opened(*names: str) -> tuple[Matching, RecordedMarket]:
    files = [DATA / name for name in names]
    rules, _ = rules_of_recording(files)
    matching = Matching(rules, {"USDT": Decimal(10**7), "BTC": Decimal(100), "NEXO": Decimal(10**6)}, Decimal(0), Decimal(0))
    market = RecordedMarket(files, matching)
    market.start(0)
    return matching, market


def _frames(name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(time in us, message), read with nothing of ours."""
    with gzip.open(DATA / name, "rt") as file:
        for line in file:
            time_text, _, text = line.partition(" ")
            yield int(time_text) // (1000 if len(time_text) == 19 else 1), json.loads(text)


def test_the_replayed_touch_is_the_recorders_touch() -> None:
    """BTCUSDT: whenever a depth event ends at the update id of a bookTicker, best prices and sizes are the same in our book."""
    matching, market = _opened(BTC_FILES[0])
    start_us, checked, equal, waiting = 0, 0, 0, {}
    for time_us, message in _frames(BTC_FILES[0]):
        if "stream" not in message:
            start_us = time_us
            continue
        data = message["data"]
        if "e" not in data:
            waiting[data["u"]] = tuple(Decimal(data[name]) for name in "bBaA")
        elif data["e"] == "depthUpdate" and start_us:
            due_ms = -(-(time_us - start_us) // 1000)
            market.step(due_ms - 1)
            if data["u"] in waiting and market.next_ms() == due_ms:
                market.step(due_ms)
                checked += 1
                equal += matching.touch("BTCUSDT")[:4] == waiting[data["u"]]
    assert checked > 500
    assert equal >= checked * 0.97, "the rest had another trade within the same millisecond"


def test_a_whole_recording_runs_fast_and_ends_like_an_independent_book() -> None:
    """All BTCUSDT messages: never crossed, every trade printed, the last book equal to a plain rebuild, above 15,000 messages a second."""
    matching, market = _opened(*BTC_FILES)
    began, prints, now_ms = time.perf_counter(), 0, 0
    while (due_ms := market.next_ms()) is not None:
        now_ms = max(now_ms + 100, due_ms)
        market.step(now_ms)
        prints += len(matching.drain_public_trades())
        bid, _, ask, _, _ = matching.touch("BTCUSDT")
        assert bid is not None and ask is not None and bid < ask
    messages_per_s = BTC_MESSAGES / (time.perf_counter() - began)
    assert prints > 19_800
    assert messages_per_s > MESSAGES_PER_S_MIN
    rebuilt = _rebuild(BTC_FILES)
    _, bids, asks = matching.depth("BTCUSDT", 10_000)
    assert {"b": dict(bids), "a": dict(asks)} == rebuilt


def _rebuild(names: list[str]) -> dict[str, dict[Decimal, Decimal]]:
    """Snapshot and diffs applied to two plain dicts; sizes cut to the step as the exchange shows them."""
    step = Decimal("0.00001")
    sides: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
    early: list[dict[str, Any]] = []
    last = 0
    for name in names:
        for _, message in _frames(name):
            if "stream" not in message:
                last = int(str(message["lastUpdateId"]))
                for side, rows in (("b", message["bids"]), ("a", message["asks"])):
                    sides[side] = {Decimal(price): Decimal(size) for price, size in rows}
                events, early = early, []
            else:
                data = message["data"]
                if data.get("e") != "depthUpdate":
                    continue
                if not last:
                    early.append(data)
                    continue
                events = [data]
            for event in events:
                if event["u"] > last:
                    for side in "ba":
                        sides[side].update({Decimal(price): Decimal(size) for price, size in event[side]})
    return {side: {price: cut for price, size in rows.items() if (cut := size // step * step)} for side, rows in sides.items()}


def test_a_maker_in_the_slow_wide_market_is_filled_only_by_trades() -> None:
    """NEXOUSDT for six hours: a maker at the touch is filled, every fill at its own price and no more than was traded."""
    matching, market = _opened("nexousdt_20240723.dat.gz", "nexousdt_20240724.dat.gz")
    traded = Decimal(0)
    for now_ms in range(0, 6 * 3_600_000, 10_000):
        market.step(now_ms)
        traded += sum((trade.quantity for trade in matching.drain_public_trades()), Decimal(0))
        bid, _, ask, _, _ = matching.touch("NEXOUSDT")
        assert bid is not None and ask is not None and bid < ask
        if now_ms % 60_000 == 0:
            if matching.open_orders():
                matching.cancel_all("NEXOUSDT", now_ms)
            for side, price in (("BUY", bid), ("SELL", ask)):
                request = PlaceRequest("NEXOUSDT", side, "LIMIT_MAKER", None, Decimal(20), None, price, f"{side}{now_ms}")
                try:
                    matching.place(request, now_ms)
                except Reject as reject:
                    assert reject.message == "Order would immediately match and take."
    trades = matching.trades("NEXOUSDT")
    assert len(trades) > 20
    assert all(trade.is_maker and trade.price == matching.order("NEXOUSDT", order_id=trade.order_id).price for trade in trades)
    assert sum(trade.quantity for trade in trades) < traded


def test_two_symbols_side_by_side() -> None:
    """BTCUSDT and ETHUSDT of the same minutes run together for 30 seconds."""
    matching, market = _opened(BTC_FILES[0], "ethusdt_20240808.gz")
    market.step(30_000)
    symbols = {trade.symbol for trade in matching.drain_public_trades()}
    assert symbols == set(market.symbols) == {"BTCUSDT", "ETHUSDT"}
