"""Recorded markets: hand-made recordings for every rule and every fault."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from exchange.paper.matching import Matching
from exchange.paper.model import PlaceRequest, SymbolRules
from exchange.paper.recording import RecordedMarket, RecordingError, rules_of_recording

US = 1_000_000
START_US = 1_700_000_000 * US
START_MS = 50_000
BTC = "BTCUSDT"
Rows = list[list[str]]
BIDS: Rows = [["100.00", "2.00000"], ["99.99", "1.50001"]]
ASKS: Rows = [["100.02", "1.00000"], ["100.03", "3.00000"]]


def depth(first: int, last: int, bids: Rows, asks: Rows, event_ms: int = 0, symbol: str = BTC) -> dict[str, object]:
    data = {"e": "depthUpdate", "E": event_ms, "s": symbol, "U": first, "u": last, "b": bids, "a": asks}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": data}


def trade(price: str, quantity: str, buyer_is_maker: bool, time_ms: int = 1, symbol: str = BTC) -> dict[str, object]:
    data = {"e": "trade", "E": time_ms, "s": symbol, "t": 1, "p": price, "q": quantity, "T": time_ms, "m": buyer_is_maker, "M": True}
    return {"stream": f"{symbol.lower()}@trade", "data": data}


def snapshot(last: int, bids: Rows = BIDS, asks: Rows = ASKS) -> dict[str, object]:
    return {"lastUpdateId": last, "bids": bids, "asks": asks}


def write(path: Path, lines: list[tuple[int, dict[str, object] | str]]) -> Path:
    """(milliseconds after the start, message) as a collector file; times in us or ns by its name."""
    digits = 1 if path.name.endswith(".dat.gz") else 1000
    with gzip.open(path, "wt") as file:
        for after_ms, message in lines:
            text = message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))
            file.write(f"{(START_US + after_ms * 1000) * digits} {text}\n")
    return path


def opened(*files: Path, speed: float = 1.0) -> tuple[Matching, RecordedMarket]:
    rules, _ = rules_of_recording(files)
    matching = Matching(rules, {"USDT": Decimal(10**6), "BTC": Decimal(100)}, Decimal(0), Decimal(0))
    market = RecordedMarket(files, matching, speed)
    market.start(START_MS)
    return matching, market


def place(matching: Matching, side: str, quantity: str, price: str, kind: str = "LIMIT") -> int:
    request = PlaceRequest(BTC, side, kind, "GTC" if kind == "LIMIT" else None, Decimal(quantity), None, Decimal(price), f"o{price}{side}")
    return matching.place(request, START_MS).order.order_id


def book(matching: Matching, symbol: str = BTC) -> tuple[dict[str, str], dict[str, str]]:
    _, bids, asks = matching.depth(symbol, 100)
    plain = [{f"{price:.2f}": f"{quantity:.5f}" for price, quantity in rows} for rows in (bids, asks)]
    return plain[0], plain[1]


# -- opening -------------------------------------------------------------------------------------


def test_the_book_opens_by_the_sync_rule(tmp_path: Path) -> None:
    """Diffs the snapshot holds are dropped, the one that bridges it is applied, and the market opens at the snapshot at once."""
    path = write(
        tmp_path / "btc.gz",
        [
            (0, depth(1, 3, [["90.00", "9.00000"]], [])),
            (100, trade("100.00", "1.00000", True)),
            (200, depth(9, 12, [["99.99", "0.50000"]], [["100.02", "0.00000"]])),
            (250, snapshot(10)),
            (300, depth(13, 13, [], [["100.04", "4.00000"]])),
        ],
    )
    matching, market = opened(path)
    assert book(matching) == ({"100.00": "2.00000", "99.99": "0.50000"}, {"100.03": "3.00000"})
    assert market.next_ms() == START_MS + 50
    market.step(START_MS + 49)
    assert "100.04" not in book(matching)[1]
    market.step(START_MS + 50)
    assert book(matching)[1] == {"100.03": "3.00000", "100.04": "4.00000"}
    assert market.next_ms() is None
    assert matching.drain_public_trades() == [], "what was traded before the opening is not replayed"


def test_speed_and_time_units(tmp_path: Path) -> None:
    """Local times in ns and us give the same pace; ten times the speed makes lines due in a tenth of the time."""
    lines: list[tuple[int, dict[str, object] | str]] = [(0, snapshot(10)), (1000, depth(11, 11, [["99.98", "1.00000"]], []))]
    for name in ("btc.gz", "btc.dat.gz"):
        _, market = opened(write(tmp_path / name, lines), speed=10)
        assert market.next_ms() == START_MS + 100
        market.step(START_MS + 100)
        assert market.next_ms() is None


def test_files_of_one_symbol_are_read_as_one_and_symbols_are_merged(tmp_path: Path) -> None:
    """Files may be named in any order; two symbols run side by side by local time, from the later snapshot on."""
    first = write(tmp_path / "b1.gz", [(0, snapshot(10)), (100, depth(11, 11, [["99.98", "1.00000"]], []))])
    second = write(tmp_path / "b2.gz", [(600, depth(12, 12, [["99.97", "1.00000"]], [])), (700, trade("100.00", "1.00000", True))])
    bids, asks = [["3000.00", "1.0000"]], [["3000.01", "1.0000"]]
    other = write(
        tmp_path / "eth.gz",
        [
            (0, depth(1, 1, [], [], symbol="ETHUSDT")),
            (300, snapshot(5, bids, asks)),
            (650, trade("3000.00", "0.5000", True, symbol="ETHUSDT")),
            (660, depth(6, 6, [["2999.99", "1.0000"]], [], symbol="ETHUSDT")),
        ],
    )
    matching, market = opened(second, other, first)
    assert market.symbols == [BTC, "ETHUSDT"]
    assert "99.98" in book(matching)[0], "what BTC did before the opening is in its book"
    dues = []
    while (due_ms := market.next_ms()) is not None:
        dues.append(due_ms - START_MS)
        market.step(due_ms)
    assert dues == [300, 350, 360, 400]
    assert [(each.symbol, each.price) for each in matching.drain_public_trades()] == [("ETHUSDT", Decimal(3000)), (BTC, Decimal(100))]


# -- trading -------------------------------------------------------------------------------------


def test_our_order_fills_by_trades_in_its_queue_place_only(tmp_path: Path) -> None:
    """The touch moving onto our price fills nothing; trades take what stands ahead and then us; the next depth is absolute."""
    path = write(
        tmp_path / "btc.gz",
        [
            (0, depth(1, 1, [], [])),
            (0, snapshot(10)),
            (100, {"stream": "btcusdt@bookTicker", "data": {"u": 11, "s": BTC, "b": "99.90", "B": "1", "a": "99.95", "A": "1"}}),
            (200, trade("100.00", "1.50000", True, time_ms=200)),
            (300, trade("100.00", "1.00000", True, time_ms=300)),
            (400, depth(11, 12, [["100.00", "1.00000"]], [], event_ms=400)),
        ],
    )
    matching, market = opened(path)
    order_id = place(matching, "BUY", "1", "100.00", "LIMIT_MAKER")
    assert matching.size_ahead(BTC, order_id) == 2
    market.step(START_MS + 200)
    assert (matching.size_ahead(BTC, order_id), matching.trades(BTC)) == (Decimal("0.5"), [])
    market.step(START_MS + 300)
    (made,) = matching.trades(BTC)
    assert (made.quantity, made.is_maker, made.time_ms) == (Decimal("0.5"), True, START_MS + 300)
    market.step(START_MS + 400)
    assert book(matching)[0]["100.00"] == "1.50000", "the recorded size and what is left of ours"
    assert matching.size_ahead(BTC, order_id) == 0, "what came since stands behind us"


def test_a_trade_that_arrives_after_its_depth_counts_once(tmp_path: Path) -> None:
    """A trade older than the last depth event is already in the levels: it only corrects our place, and the level keeps its size."""
    path = write(
        tmp_path / "btc.gz",
        [
            (0, depth(1, 1, [], [])),
            (0, snapshot(10)),
            (100, depth(11, 11, [["100.00", "1.00000"]], [], event_ms=5000)),
            (101, trade("100.00", "1.00000", True, time_ms=4990)),
            (102, trade("99.99", "0.50000", True, time_ms=4990)),
        ],
    )
    matching, market = opened(path)
    order_id = place(matching, "BUY", "1", "100.00")
    market.step(START_MS + 101)
    assert (matching.size_ahead(BTC, order_id), matching.trades(BTC)) == (Decimal(1), [])
    market.step(START_MS + 102)
    assert matching.order(BTC, order_id=order_id).executed == Decimal("0.5"), "a print beyond our price passes us first"
    assert book(matching)[0]["99.99"] == "1.50001"


def test_a_fall_of_an_older_depth_event_explains_no_trade_of_a_newer_one(tmp_path: Path) -> None:
    """Only the newest depth event can hold a late trade: what left before, for whatever reason, is not credited to it."""
    path = write(
        tmp_path / "btc.gz",
        [
            (0, depth(1, 1, [], [])),
            (0, snapshot(10)),
            (100, depth(11, 11, [["100.00", "1.00000"]], [], event_ms=5000)),
            (200, depth(12, 12, [["100.00", "2.00000"]], [], event_ms=5100)),
            (201, trade("100.00", "1.00000", True, time_ms=5090)),
        ],
    )
    matching, market = opened(path)
    order_id = place(matching, "BUY", "1", "100.00")
    market.step(START_MS + 201)
    assert matching.size_ahead(BTC, order_id) == 0
    assert book(matching)[0]["100.00"] == "3.00000"


def test_the_recorded_book_moving_through_our_order_is_not_shown(tmp_path: Path) -> None:
    """Without a trade there is no fill: the crossing asks are withheld while our bid rests, and appear when it is canceled."""
    moved = depth(11, 11, [["100.00", "0.00000"]], [["99.995", "1.00000"]])
    path = write(tmp_path / "btc.gz", [(0, depth(1, 1, [], [])), (0, snapshot(10)), (100, moved)])
    matching, market = opened(path)
    order_id = place(matching, "BUY", "1", "100.00")
    market.step(START_MS + 100)
    assert matching.touch(BTC)[:3] == (Decimal("100.00"), Decimal(1), Decimal("100.02"))
    assert matching.trades(BTC) == []
    matching.cancel(BTC, START_MS + 100, order_id=order_id)
    assert matching.touch(BTC)[2] == Decimal("99.995")


def test_our_takers_take_what_is_shown_until_the_recording_speaks_of_it(tmp_path: Path) -> None:
    """Our aggressive order takes the recorded size; the level stays gone until its next recorded size."""
    path = write(
        tmp_path / "btc.gz",
        [
            (0, depth(1, 1, [], [])),
            (0, snapshot(10)),
            (100, depth(11, 11, [], [["100.03", "2.00000"]])),
            (200, depth(12, 12, [], [["100.02", "0.70000"]])),
        ],
    )
    matching, market = opened(path)
    place(matching, "BUY", "1", "100.02")
    market.step(START_MS + 100)
    assert book(matching)[1] == {"100.03": "2.00000"}
    market.step(START_MS + 200)
    assert book(matching)[1] == {"100.02": "0.70000", "100.03": "2.00000"}


# -- rules ---------------------------------------------------------------------------------------


def test_rules_are_inferred_and_said_or_read_from_beside_the_data(tmp_path: Path) -> None:
    """Tick and step come from an exchangeInfo file beside the recording, else from its numbers, and the notes say which; a given rule wins."""
    path = write(tmp_path / "btc.gz", [(0, depth(1, 1, [], [])), (1, snapshot(10))])
    (rules,), (note,) = rules_of_recording([path])
    assert (rules.symbol, rules.base, rules.quote, rules.tick, rules.step) == (BTC, "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"))
    assert "inferred" in note
    given = SymbolRules(BTC, "BTC", "USDT", Decimal("0.001"), Decimal("0.1"))
    assert rules_of_recording([path], {BTC: given}) == ([given], [])
    made = SymbolRules(BTC, "BTC", "USDT", Decimal("0.005"), Decimal("0.000001"), min_notional=Decimal(7))
    (tmp_path / "exchangeInfo_2024.json").write_text(json.dumps({"symbols": [made.to_exchange_info()]}))
    (beside,), (note,) = rules_of_recording([path])
    assert (beside.tick, beside.step, beside.min_notional) == (Decimal("0.005"), Decimal("0.000001"), Decimal(7))
    assert "exchangeInfo_2024.json" in note
    assert SymbolRules.from_exchange_info(made.to_exchange_info()).max_orders == 200
    (tmp_path / "exchangeInfo_2024.json").write_text("{")
    with pytest.raises(RecordingError, match="exchangeInfo_2024.json:0: not an exchangeInfo answer"):
        rules_of_recording([path])


def test_crumbs_of_an_old_step_do_not_make_the_step_finer(tmp_path: Path) -> None:
    """One size in a thousand with more decimals is a crumb: it is not the step, and what is less than a lot of it is not shown."""
    bids: Rows = [[f"{100 - number / 100:.2f}", f"{1 + number / 10:.1f}0000"] for number in range(400)]
    path = write(tmp_path / "btc.gz", [(0, depth(1, 1, [], [])), (1, snapshot(10, [["100.01", "0.123456"], *bids], ASKS))])
    (rules,), _ = rules_of_recording([path])
    assert rules.step == Decimal("0.1")
    matching, _ = opened(path)
    assert matching.touch(BTC)[:2] == (Decimal("100.01"), Decimal("0.1"))


# -- faults --------------------------------------------------------------------------------------

GOOD: list[tuple[int, dict[str, object] | str]] = [(0, depth(9, 11, [], [])), (1, snapshot(10))]
FAULTS: list[tuple[list[tuple[int, dict[str, object] | str]], str]] = [
    ([*GOOD, (2, depth(14, 15, [], []))], r"btc\.gz:3: depth updates 12 to 13 are missing; cut the recording here"),
    ([(0, depth(20, 21, [], [])), (1, snapshot(10))], r"btc\.gz:1: the snapshot \(update 10\) is older than the diffs \(from 20\); fetch it"),
    ([*GOOD, (2, '{"stream":"btcusdt@trade","data":{"e":"trade","p":')], r"btc\.gz:3: not a message of Binance spot .*; cut this line out"),
    ([*GOOD, (2, '{"stream":"btcusdt@trade","data":{"e":"trade","p":1.5}}')], r"btc\.gz:3: not a message of Binance spot"),
    ([*GOOD, (2, trade("100.003", "1.00000", True))], r"btc\.gz:3: the price 100.003 is off the symbol's tick; give .*--exchange-info"),
    ([(number, depth(9, 11, [], [])) for number in range(3)], r"btc\.gz:3: no depth snapshot in the first 5000 lines; put"),
]


@pytest.mark.parametrize(("lines", "message"), FAULTS)
def test_a_broken_recording_says_where_and_what_to_do(tmp_path: Path, lines: list[tuple[int, dict[str, object] | str]], message: str) -> None:
    """A gap, an old snapshot, bad JSON, a wrong form, a price off tick and a missing snapshot name file, line, fault and mend."""
    path = write(tmp_path / "btc.gz", lines)
    rules = [SymbolRules(BTC, "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"))]
    with pytest.raises(RecordingError, match=message):
        market = RecordedMarket([path], Matching(rules, {}, Decimal(0), Decimal(0)))
        market.start(START_MS)
        market.step(START_MS + 10_000)


def test_files_that_are_no_recordings(tmp_path: Path) -> None:
    """A missing file, a plain text, a cut gzip, foreign lines, and nothing named at all are each said in one line."""
    whole = write(tmp_path / "whole.gz", [*GOOD, *[(n, depth(n + 2, n + 2, BIDS, ASKS)) for n in range(10, 60)]])
    (tmp_path / "plain.gz").write_text("hello\n")
    (tmp_path / "cut.gz").write_bytes(whole.read_bytes()[:200])
    (tmp_path / "folder.gz").mkdir()
    with gzip.open(tmp_path / "csv.gz", "wt") as file:
        file.write("time,price\n1,2\n")
    with gzip.open(tmp_path / "empty.gz", "wt"):
        pass
    expected = {
        "missing.gz": "there is no such file",
        "plain.gz": "plain.gz:1: not a gzip file",
        "cut.gz": "the gzip data ends or breaks here",
        "csv.gz": "csv.gz:1: not a collector line",
        "empty.gz": "no stream name",
        "folder.gz": "Is a directory",
    }
    for name, text in expected.items():
        with pytest.raises(RecordingError, match=text) as error:
            rules_of_recording([tmp_path / name])
        assert "\n" not in str(error.value)
        assert ";" in str(error.value), "the mend follows"
    with pytest.raises(RecordingError, match="no recording is named"):
        rules_of_recording([])


def test_overlapping_files_are_refused(tmp_path: Path) -> None:
    """Two files of one symbol that overlap in time cannot be read as one."""
    first = write(tmp_path / "b1.gz", [*GOOD, (500, depth(12, 12, [], []))])
    second = write(tmp_path / "b2.gz", [(400, depth(13, 13, [], []))])
    with pytest.raises(RecordingError, match=r"b2\.gz:1: this file begins before the one before it ends"):
        _, market = opened(first, second)
        market.step(START_MS + 10_000)
