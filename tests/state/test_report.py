"""The report of a run: from the store, from the intents where the store lags or is gone, with the P&L the bot itself would tell."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.events import Boot
from core.notices import Counted, Ended, Recovered
from core.types import Side, SymbolRules
from runtime.worker import Worker
from state.intents import Intents
from state.keeper import Keeper
from state.recorder import Recorder
from state.report import NoReport, build, print_report
from state.report_words import LINES_MAX, lines, short
from state.rows import RunStart
from state.store import FILE, Store
from tests.state.store_builders import AT_NS, BOOT, RUN, TAG, fill, filled, holdings, order_id, place, sent, standing
from tests.timing import SOON_S

RULES = tuple(SymbolRules(symbol, base, quote, Decimal("0.01"), Decimal("0.001")) for symbol, base, quote in RUN.symbols)


FIGURES: dict[str, object] = {
    "at_ns": 1, "quote": "USDT", "fills": [], "late": 0, "unmarked": 0, "orders": {"placed": 5, "canceled": 3, "fills": 2}, "rejects": {"-2010": 1},
    "sides": [{"symbol": "BTCUSDT", "side": "BUY", "uptime": 0.985, "ready_s": 3.0, "light": []}], "latency": {},
    "weight": {"max": 46, "limit": 6000, "proofs": 46}, "proofs": {"stop": {"at_ns": 1, "equal": True, "lines": ["orders 0=0"]}},
    "proofs_equal": 4, "proofs_different": 0,
}  # fmt: skip


class Life:
    """One run that writes intents and store like a bot does."""

    def __init__(self, folder: Path, boot: str = BOOT, at_ns: int = AT_NS) -> None:
        self.folder, self.boot, self.at_ns = folder, boot, at_ns
        self.intents = Intents(folder / "intents.log")
        self.intents.start()
        self.keeper = Keeper(Store(folder / FILE), self.intents.path, lambda reason: None)
        self.recorder = Recorder(self.intents, self.keeper)
        self.writer = Worker("recorder", self.recorder.run)
        start: RunStart = msgspec.structs.replace(RUN, boot=boot, started_ns=at_ns)
        self.keeper.open(start)
        self.intents.boot(Boot(boot=boot, tag=TAG, venue="paper", instance="7", rules=RULES, limits=()), at_ns)

    def trade(self) -> None:
        """Three places: one filled in two trades, one on the book, one without an answer; and a trade from before the books began."""
        for number in (1, 2, 3):
            self.intents.intent(place(number, client_order_id=order_id(number, self.boot)))
        name = order_id(1, self.boot)
        sold = {"side": Side.SELL, "client_order_id": name, "price": Decimal(110)}
        ended = Ended(tag="ACK", order_id=name, side=Side.SELL, price=Decimal(110), status="FILLED", evidence="execution report")
        old = Recovered(tag="FILL", order_id=order_id(9, "tou000"), fill=fill(1, client_order_id=order_id(9, "tou000"), time_ms=900))
        self.recorder.take(
            [sent(number, client_order_id=order_id(number, self.boot)) for number in (1, 2, 3)]
            + [old, filled(5, **sold, fee=Decimal("0.5")), filled(6, **sold), ended],
            [
                standing(1, "FILLED", "execution report", order_id=name),
                standing(2, "NEW", order_id=order_id(2, self.boot)),
                holdings("1219.5", "3", mid="120"),
            ],
            self.at_ns + 1_000_000,
        )

    def end(self) -> None:
        self.recorder.finish(self.at_ns + 2_000_000, 0, "15 s are over")
        self.writer.start()
        self.writer.stop(time.monotonic() + SOON_S)
        self.intents.stop(0)

    def report(self, wanted: str | None = None) -> Any:
        return build(self.folder / FILE, self.folder / "intents.log", wanted)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    made = Life(tmp_path)
    made.trade()
    yield made
    made.keeper.close()


def test_a_run_in_numbers(life: Life) -> None:
    """Orders with what was filled of them, fills, open orders, balances, fees and P&L of a run that ended, exact to the last digit."""
    life.end()
    told = life.report()
    assert (told["run_id"], told["venue"], told["instance"], told["exit_code"], told["end_reason"]) == (BOOT, "paper", "7", 0, "15 s are over")
    assert {order["client_order_id"]: (order["status"], order["filled"]) for order in told["orders"]} == {
        order_id(1): ("FILLED", "2"),
        order_id(2): ("NEW", "0"),
        order_id(3): ("UNSEEN", "0"),
    }
    assert [order["client_order_id"] for order in told["open_orders"]] == [order_id(2), order_id(3)]
    assert [one["trade_id"] for one in told["fills"]] == [5, 6] and [one["trade_id"] for one in told["recovered_fills"]] == [1]
    assert told["balances"] == {"USDT": {"free": "1219.5", "locked": "0"}, "BTC": {"free": "3", "locked": "0"}}
    assert told["fees"] == {"USDT": "0.5"}
    # 1000 USDT + 5 BTC at 100; two sold at 110 for 219.5 after the fee; now 3 BTC at 120
    assert (told["pnl_quote"], told["pnl_hold_quote"]) == ("79.5", "100")
    assert told["as_of"] == "2026-11-21T09:25:21.001Z" and told["notes"] == []
    assert json.loads(json.dumps(told)) == told


def test_figures_of_the_run(life: Life) -> None:
    """The newest picture of what was counted is in the report and its words; a store that was rebuilt does not know it."""
    life.recorder.take((), [Counted(figures=FIGURES), Counted(figures={**FIGURES, "late": 2})], life.at_ns)
    life.end()
    told = life.report()
    assert told["figures"] == {**FIGURES, "late": 2}
    said = "\n".join(lines(told))
    assert "3 · 1 FILLED · 1 NEW · 1 UNSEEN · 2.5 placed per fill" in said and "rejects  1 -2010 · weight at most 46/6000 in a window" in said
    assert "proofs   4 equal, 0 different · stop: books equal: orders 0=0" in said and "uptime   BTCUSDT BUY 98.5%" in said
    (life.folder / FILE).unlink()
    assert life.report()["figures"] is None


def test_a_terminal_gets_25_lines(life: Life) -> None:
    """However much was open, undecided and noted: 25 lines, what was counted and the first of the undecided among them, and where the rest is."""
    life.end()
    told = life.report()
    crowded = {**told, "figures": FIGURES, "open_orders": told["open_orders"] * 20, "undecided": told["undecided"] * 20, "notes": ["a note"] * 9}
    said = short(crowded)
    assert len(said) == LINES_MAX and len(lines(crowded)) > 50
    assert sum("lines more: python bot.py report" in line for line in said) == 1
    assert [line for line in said if line.startswith("undecided 40")] and said[-4:] == ["    and 35 more", *["note     a note"] * 3]
    assert short(told) == lines(told), "a small one is shown whole"


def test_undecided_places_are_named(life: Life) -> None:
    """A place without an answer is in the report by its id, price and quantity."""
    life.end()
    assert [one["client_order_id"] for one in life.report()["undecided"]] == [order_id(2), order_id(3)]


def test_while_the_bot_runs(life: Life) -> None:
    """The report reads beside the writer: no end yet, and everything that was recorded."""
    life.writer.start()
    ends_s = time.monotonic() + SOON_S
    while len(life.report()["fills"]) < 2:
        assert time.monotonic() < ends_s
    told = life.report()
    assert told["ended"] is None and told["pnl_quote"] == "79.5"
    life.writer.stop(time.monotonic() + SOON_S)


def test_what_the_store_lacks_comes_from_the_intents(life: Life) -> None:
    """A kill between intents and store loses nothing: trades and endings only the intents have are reported."""
    life.keeper.flush()
    life.intents.intent(place(4))
    life.intents.fill(fill(7, client_order_id=order_id(4), quantity=Decimal(2)))
    life.intents.end(order_id(4), "FILLED", "execution report")
    told = life.report()
    assert [one["trade_id"] for one in told["fills"]] == [7]
    assert {order["client_order_id"]: (order["status"], order["filled"]) for order in told["orders"]}[order_id(4)] == ("FILLED", "2")


def test_an_ending_in_the_intents_closes_an_open_row(life: Life) -> None:
    """The store says NEW, the intents know the end: the end counts."""
    life.keeper.take(AT_NS, standing(2, "NEW"))
    life.keeper.flush()
    life.intents.end(order_id(2), "CANCELED", "execution report")
    told = life.report()
    assert [order["status"] for order in told["orders"] if order["client_order_id"] == order_id(2)] == ["CANCELED"]


@pytest.mark.parametrize("harm", ["deleted", "newer", "damaged"])
def test_without_a_store_the_intents_tell(life: Life, harm: str) -> None:
    """A store that is gone, damaged or of another version leaves a report from the intents, with a note, money included."""
    life.end()
    path = life.folder / FILE
    if harm == "deleted":
        os.unlink(path)
    elif harm == "damaged":
        path.write_bytes(b"not a database " * 500)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes() if path.exists() else None
    told = life.report()
    assert (told["pnl_quote"], len(told["fills"]), len(told["orders"])) == ("79.5", 2, 3)
    assert told["balances"]["BTC"] == {"free": "3", "locked": "0"} and len(told["notes"]) == 1
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_run_is_chosen_by_its_name(life: Life) -> None:
    """Without a name the newest run; with one that run; a wrong one is answered with those there are."""
    life.end()
    later = Life(life.folder, "toui70", AT_NS + 10**9)
    later.end()
    assert later.report()["run_id"] == "toui70" and later.report()["orders"] == []
    assert later.report(BOOT)["pnl_quote"] == "79.5" and [one["client_order_id"] for one in later.report(BOOT)["undecided"]][-1] == order_id(3)
    with pytest.raises(NoReport, match=f"no run nope is recorded; the newest are toui70, {BOOT}"):
        later.report("nope")


def test_an_adopted_order_belongs_to_both_runs(life: Life) -> None:
    """An order of an earlier run that this one took over is in its report, with all that was filled of it, and open in the newer run only."""
    life.end()
    later = Life(life.folder, "toui70", AT_NS + 10**9)
    later.recorder.take([filled(8, client_order_id=order_id(2))], [standing(2, "PARTIALLY_FILLED")], AT_NS + 2 * 10**9)
    later.end()
    [adopted] = later.report()["orders"]
    assert (adopted["boot"], adopted["status"], adopted["filled"], adopted["type"]) == (BOOT, "PARTIALLY_FILLED", "1", "LIMIT_MAKER")
    assert order_id(2) in [order["client_order_id"] for order in later.report()["open_orders"]]
    assert order_id(2) not in [order["client_order_id"] for order in later.report(BOOT)["open_orders"]]


def test_in_words(life: Life, capsys: pytest.CaptureFixture[str]) -> None:
    """A person reads the same: how it ended, what was filled, what is open and undecided."""
    life.end()
    assert print_report(life.folder, None, as_json=False)
    said = capsys.readouterr().out
    money = "+79.5000 USDT = quoting -20.5000 + holding +100.0000"
    for part in ("exit 0): 15 s are over", "fills    2 · maker 2", money, "undecided 2", order_id(3)):
        assert part in said
    assert len(short(life.report())) <= 25
    assert not print_report(life.folder / "none", None, as_json=True)
    assert "no run is recorded" in capsys.readouterr().err
