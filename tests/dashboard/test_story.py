"""dashboard.story and dashboard.prometheus: bounded, each thing once, numbers as Prometheus reads them."""

import re
from typing import Any

from msgspec.structs import replace

from core.notices import Acked, Filled
from core.snapshot import picture
from core.types import Side
from dashboard.prometheus import metrics
from dashboard.story import FILLS_KEPT, LINES_KEPT, POINTS_KEPT, Story
from runtime.console_lines import Line
from tests.core.builders import D, Desk, fill


def filled(trade_id: int) -> Filled:
    return Filled(tag="FILL", symbol="BTCUSDT", fill=fill(trade_id, 11), done_percent=40, inventory=D("0.006"), pnl=D("0.21"))


def acked(elapsed_ms: float) -> Acked:
    return Acked(tag="ACK", symbol="BTCUSDT", side=Side.BUY, price=D(1), quantity=D(1), elapsed_ms=elapsed_ms)


def test_everything_is_bounded() -> None:
    """The oldest lines, fills and points go; the newest stay, oldest first."""
    story, desk = Story(), Desk().connect()
    snapshot = picture(desk.engine)
    assert snapshot is not None
    for number in range(2000):
        story.line(Line(at_ns=number, tag="WS", text=str(number), level=20))
        story.notice(filled(number))
        story.notice(acked(1.0))
        story.point(snapshot)
    _, kept = story.since(0)
    assert {name: len(items) for name, items in kept.items()} == {"lines": LINES_KEPT, "fills": FILLS_KEPT, "points": POINTS_KEPT}
    assert [one["text"] for one in kept["lines"]][-2:] == ["1998", "1999"]
    assert len(story._place_ms) == 500 and story.place_latency()["count"] == 2000


def test_each_thing_once() -> None:
    """Since a number there is what came after it, and nothing twice."""
    story, told = Story(), list[Any]()
    seen = 0
    for number in range(50):
        story.line(Line(at_ns=number, tag="WS", text=str(number), level=20))
        if number % 7 == 0:
            seen, new = story.since(seen)
            told += [one["text"] for one in new["lines"]]
    seen, new = story.since(seen)
    told += [one["text"] for one in new["lines"]]
    assert told == [str(number) for number in range(50)] and story.since(seen)[1]["lines"] == []


def test_a_fill_as_facts() -> None:
    """A fill keeps its exact numbers as text."""
    story = Story()
    story.notice(filled(5))
    (told,) = story.since(0)[1]["fills"]
    assert (told["side"], told["price"], told["quantity"], told["inventory"], told["pnl"]) == ("BUY", "100", "1", "0.006", "0.2100")


def test_latency_percentiles() -> None:
    """Median, 99th and last of the newest places; nothing before the first."""
    story = Story()
    assert story.place_latency() == {"count": 0}
    for elapsed_ms in range(1, 101):
        story.notice(acked(float(elapsed_ms)))
    assert story.place_latency() == {"count": 100, "of": 100, "p50_ms": 51.0, "p99_ms": 100.0, "max_ms": 100.0, "last_ms": 100.0}


def test_prometheus_reads_it() -> None:
    """Every row is a comment or `name{labels} number`, every family has its type, a label's quotes are escaped."""
    desk = Desk().connect()
    desk.rest()
    snapshot = picture(desk.engine)
    assert snapshot is not None
    text = metrics(replace(snapshot, rejects={'-2010 "x"\n': 3}), True, {"count": 4, "p50_ms": 1.5, "p99_ms": 2.0})
    rows, kinds = text.splitlines(), set()
    for row in rows:
        if row.startswith("#"):
            kinds.add(row.split()[2])
            continue
        found = re.fullmatch(r'(greenlight_[a-z_]+)(\{([a-z]+="(?:[^"\\]|\\.)*",?)+\})? -?[0-9.e+-]+', row)
        assert found, row
        assert found[1].removesuffix("_count") in kinds, row
    assert len(rows) == len(set(rows)) and text.endswith("\n")
    assert 'greenlight_light{symbol="BTCUSDT",side="BUY",colour="green"} 1' in rows
    assert 'greenlight_rejects_total{code="-2010 \\"x\\"\\n"} 3' in rows and "greenlight_orders_open 1" in rows


def test_prometheus_before_boot() -> None:
    """There is nothing to tell but whether it lives."""
    assert metrics(None, False, {"count": 0}).splitlines()[-1] == "greenlight_up 0"
