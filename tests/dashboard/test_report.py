"""dashboard.report: the file says what the report says, shows text as text, and asks for nothing."""

import re
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

from dashboard.drawing import POINTS_MAX, chart
from dashboard.report import FILLS_SHOWN, html


def fill(side: str, quantity: str, price: str, at_ms: int, liquidity: str = "maker", symbol: str = "BTCUSDT") -> dict[str, Any]:
    return {
        "symbol": symbol, "side": side, "quantity": quantity, "price": price, "time_ms": at_ms, "liquidity": liquidity,
        "fee": "0", "fee_asset": "USDT", "client_order_id": f"gl-{at_ms}",
    }  # fmt: skip


def report(**other: Any) -> dict[str, Any]:
    """An empty run, with `other` in it."""
    return {
        "run_id": "m0", "venue": "paper", "instance": "7", "started": "2026-01-01T00:00:00.000Z", "as_of": "2026-01-01T00:01:00.000Z", "ended": None,
        "exit_code": None, "end_reason": None, "orders": [], "open_orders": [], "fills": [], "fees": {}, "pnl_quote": None, "pnl_hold_quote": None,
        "quote": "", "undecided": [], "lots": [], "config_versions": [], **other,
    }  # fmt: skip


class Cells(HTMLParser):
    """Rows of every table, as text; and that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        assert tag == "polyline"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.rows[-1].append(data)


def test_a_run_without_anything_is_a_file_too() -> None:
    """No fill, no order, no balance: it says what is not known."""
    text = html(report(), ["run m0"])
    assert not Cells(text).rows and "not known" in text and "no end recorded" in text


def test_sums_by_class_and_what_was_captured() -> None:
    """Fills are summed exactly per symbol, side and liquidity; the average sale stands over the average purchase on what was both."""
    fills = [fill("BUY", "0.1", "100", 1), fill("BUY", "0.3", "104", 2), fill("SELL", "0.2", "105", 3, "taker")]
    rows = Cells(html(report(fills=fills, fees={"USDT": "0.1"}), [])).rows
    assert ["BTCUSDT", "BUY", "maker", "2", "0.4", "41.20", "103.0000"] in rows
    assert ["BTCUSDT", "SELL", "taker", "1", "0.2", "21.00", "105.0000"] in rows
    assert ["BTCUSDT", "103.0000", "105.0000", "0.2", "+0.4000", "+194.17"] in rows


def test_money() -> None:
    """P&L is told as quoting and holding."""
    text = html(report(pnl_quote="3.5", pnl_hold_quote="-1.25", quote="USDT"), [])
    assert all(value in text for value in ("+3.5000", "+4.7500", "-1.2500"))


def counted(**other: Any) -> dict[str, Any]:
    """Figures as the store keeps them (core.figures_told)."""
    marks = {"0": ("4", "500", "0.05"), "1": ("4", "500", "-0.1"), "5": ("2", "250", "0.025"), "30": ("0", "0", "0")}
    one = {
        "symbol": "BTCUSDT", "side": "SELL", "liquidity": "maker", "fills": 4, "quote": "500", "fees": "0.4", "fees_elsewhere": 0,
        "marks": {seconds: {"fills": int(fills), "quote": quote, "gain": gain} for seconds, (fills, quote, gain) in marks.items()},
    }  # fmt: skip
    times = {"count": 7, "p50_ms": 1.26, "p90_ms": 3.0, "p99_ms": 12.5, "max_ms": 12.5}
    side = {"symbol": "BTCUSDT", "side": "BUY", "uptime": 0.985, "ready_s": 20.0, "light": [["green", "book fresh", 19.0], ["amber", "brake", 1.0]]}
    return {
        "at_ns": 0, "quote": "USDT", "pnl": {"total": "3", "hold": "1", "captured": "2.5", "fees": "0.4", "inventory": "-0.1"}, "fills": [one],
        "late": 1, "unmarked": 2, "orders": {"placed": 10, "canceled": 6, "fills": 4}, "sides": [side],
        "latency": {"place": times, "cancel": {**times, "count": 0}}, "rejects": {"-2010": 3}, "weight": {"max": 269, "limit": 6000, "proofs": 92},
        "proofs": {"stop": {"at_ns": 61 * 10**9, "equal": True, "lines": ["orders 0=0", "fills 4=4"]}}, "proofs_equal": 2, "proofs_different": 0,
        **other,
    }  # fmt: skip


def test_what_was_counted() -> None:
    """Mark-outs per class in bp and in money, up-time, time by reason, answers, refusals, the proof's lines; what was not counted has no row."""
    text = html(report(figures=counted()), [])
    rows = Cells(text).rows
    marked = ["BTCUSDT", "SELL", "maker", "4", "500.00", "0.4000", "+1.00", "+0.0500", "-2.00", "-0.1000", "+1.00", "+0.0250"]
    assert marked in rows, "the marks at 30 s are not there yet: empty cells"
    assert ["BTCUSDT", "BUY", "98.5%", "20.0 s"] in rows and ["BTCUSDT", "BUY", "amber", "brake", "1.0 s", "5.0%"] in rows
    assert ["place", "7", "1.3", "3.0", "12.5", "12.5"] in rows and ["-2010", "3"] in rows and not [row for row in rows if row[:1] == ["cancel"]]
    assert ["stop", "00:01:01", "equal", "orders 0=0, fills 4=4"] in rows and "Proofs: 2 equal, 0 different" in text
    assert all(value in text for value in ("+2.5000", "-0.1000", "-0.4000", "269/6000", "2.5", "1 fills were heard of too late"))
    assert "are not known" not in text and "are not known" in html(report(), [])


def test_text_of_others_is_text() -> None:
    """A reason, an id or an end with markup in it is shown, not obeyed; the file holds no script and no address."""
    evil = '<script>alert("x")</script><img src=http://evil.example>'
    lot = {"symbol": evil, "side": "BUY", "number": 1, "quantity": "1", "price": "1", "left": "0", "profit": "0", "reason": evil, "exit_reason": evil}
    order = {"client_order_id": evil, "symbol": evil, "side": evil, "quantity": "1", "price": "1", "status": evil, "evidence": evil}
    fills = [{**fill("BUY", "1", "1", 1, symbol=evil), "client_order_id": evil, "fee_asset": evil}]
    whole = report(
        venue=evil, instance=evil, run_id=evil, ended=evil, end_reason=evil, exit_code=0, orders=[order], open_orders=[order], undecided=[order],
        lots=[{**lot, "opened_ns": 1, "closed_ns": 2}], fills=fills, fees={evil: "1"},
        figures=counted(quote=evil, rejects={evil: 1}, proofs={evil: {"at_ns": 0, "equal": False, "lines": [evil]}}),
        config_versions=[{"version": evil, "since": evil}],
    )  # fmt: skip
    text = html(whole, [evil])
    assert "<script" not in text and "<img" not in text and text.count("&lt;script&gt;") > 15
    assert not re.search(r'(src|href)="', text) and "default-src 'none'" in text
    Cells(text)


def test_long_runs_stay_small() -> None:
    """The newest fills are listed, and a line has no more points than can be seen, the last among them."""
    fills = [fill("BUY" if number % 2 else "SELL", "0.1", "100", number) for number in range(20_000)]
    text = html(report(fills=fills), [])
    assert f"({FILLS_SHOWN} of 20000)" in text and len(text) < 300_000
    line = chart([(number, Decimal(number)) for number in range(5000)])
    drawn = re.findall(r'<polyline points="([^"]*)"', line)[0].split()
    assert len(drawn) == POINTS_MAX + 1 and drawn[-1].startswith("476.0,8.0")


def test_points_stand_under_each_other() -> None:
    """Numbers of a column have as many decimals as the longest."""
    rows = Cells(html(report(fills=[fill("BUY", "0.1", "100", 1), fill("BUY", "0.25", "99.5", 2)]), [])).rows
    assert [row[4:6] for row in rows if len(row) == 8] == [["0.25", "99.5"], ["0.10", "100.0"]]
