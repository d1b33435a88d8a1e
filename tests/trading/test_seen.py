"""What a person sees of the maker-first trader: status, the end of a run, and what a report reads from the memory."""

import msgspec

from core.commands import Cancel, Place, Replace
from core.ports import Capabilities
from core.position_words import heart_line, remembered_lines, side_lines, tally_lines
from core.snapshot import picture
from core.types import Liquidity, Side
from runtime.summary import LINES_MAX, figures_of, run_lines
from tests.core.builders import rules
from tests.trading.floor import ENTRY, REPLACEABLE, Floor
from trading.amend import Amending


def floor(**given: object) -> Floor:
    desk = Floor(**given)  # type: ignore[arg-type]
    desk.connect()
    return desk


def test_a_pending_entry_shows_all_that_it_keeps() -> None:
    """Price of the newest order, quantities, worth, take-profit, reason, deadline, reprices: in status, and after a restart from the memory."""
    desk = floor(entry=msgspec.structs.replace(ENTRY, deadline_ms=9000), amending=Amending(can=Capabilities(cancel_replace=True)))
    desk.enter()
    desk.touch("100.03", "100.05", after_ms=700)
    desk.replaced(desk.one(Replace))
    pending = desk.trader.shown()["BUY"]["pending"]
    shown = {name: pending[name] for name in ("id", "reprices", "price", "quantity", "quote_amount", "filled", "take_profit_bps", "reason")}
    assert shown == {
        "id": 1, "reprices": 1, "price": "100.03", "quantity": "2", "quote_amount": "200", "filled": "0", "take_profit_bps": "10",
        "reason": "by hand",
    }  # fmt: skip
    assert pending["orders"] == [place.client_order_id for place in (*desk.ever(Place), desk.ever(Replace)[0].place)]
    assert (pending["created_ns"], pending["deadline_ns"]) == (desk.books.now_ns - 700_000_000, desk.books.now_ns + 8_300_000_000)
    assert desk.trader.shown()["last_save_ns"] == pending["created_ns"], "its begin; an order of it stands in the intents"
    line = side_lines("BTCUSDT", desk.trader.shown(), desk.books.now_ns)[0]
    assert "entry 1 pending 0.7 s, 8.3 s left: 2 at 100.03, 1 reprice · lots none" in line
    assert heart_line("BTCUSDT", desk.trader.shown()["beats"], desk.books.now_ns).startswith("BTCUSDT last ran: exits 0 ms ago, longest pause 700 ms")
    beats = desk.trader.shown()["beats"]
    assert {name: beat["last_ns"] for name, beat in beats.items()} == dict.fromkeys(("exits", "BUY entries", "SELL entries"), desk.books.now_ns)
    memory = msgspec.json.decode(msgspec.json.encode(desk.trader))
    assert remembered_lines("BTCUSDT", memory) == ["pending  BTCUSDT BUY  entry 1: 2 · by hand"]


def test_each_class_has_its_fill_ratio() -> None:
    """One maker entry in vain, its fallback filled, a maker exit in vain, the rest at the market: tried and filled are counted per class."""
    desk = floor()
    desk.enter()
    desk.touch("99.99", "100.01", after_ms=2001)
    desk.canceled(desk.one(Cancel))
    assert desk.trader.shown()["BUY"]["recheck"] and not desk.trader.shown()["SELL"]["recheck"]
    desk.touch("99.99", "100.01", after_ms=50)
    assert not desk.trader.shown()["BUY"]["recheck"]
    desk.trade(desk.acknowledge(desk.one(Place)), "2", "100.01", Liquidity.TAKER)
    desk.hand.side = None
    desk.touch("99.60", "99.62", after_ms=50)
    desk.acknowledge(desk.one(Place))
    desk.touch("99.60", "99.62", after_ms=400)
    desk.canceled(desk.one(Cancel))
    desk.trade(desk.acknowledge(desk.one(Place)), "2", "99.60", Liquidity.TAKER)
    tally = desk.trader.tally.shown()
    assert tally["fill_ratios"] == {"entry maker": "0.0000", "entry taker": "1.0000", "exit maker": "0.0000", "exit taker": "1.0000"}
    assert (tally["entries"], tally["fallbacks"], tally["exits"]) == (1, 1, 1)
    assert (tally["filled"], tally["timeouts"], tally["waited_ns"]) == (0, 1, 0), "what was taken is no maker's fill"
    words = tally_lines("BTCUSDT", tally)
    assert words[1] == "opens    BTCUSDT maker 0 of 1 filled (0%) · taker 1 of 1 filled (100%), 2 at 0.0 bp commission"
    assert words[2].startswith("closes   BTCUSDT maker 0 of 1")


def test_waits_reprices_and_turns_of_the_signal_are_summed() -> None:
    """An entry filled after 0.7 s and one reprice, one that the signal ended, one of the other side: sums, runner, next numbers."""
    desk = floor(entry=msgspec.structs.replace(ENTRY, deadline_ms=9000), amending=Amending(can=Capabilities(cancel_replace=True)))
    desk.maker.settings = msgspec.structs.replace(desk.maker.settings, exits=msgspec.structs.replace(desk.maker.settings.exits, runner=True))
    desk.enter()
    desk.touch("100.03", "100.05", after_ms=700)
    order = desk.replaced(desk.one(Replace))
    desk.trade(order, str(order.quantity))
    desk.touch("100.03", "100.05", after_ms=5000)
    order = desk.acknowledge(desk.one(Place))
    desk.hand.side = Side.SELL
    desk.touch("100.03", "100.05", after_ms=50)
    desk.canceled(desk.one(Cancel))
    tally = desk.trader.tally.shown()
    assert (tally["entries"], tally["filled"], tally["signal_ends"], tally["reprices"]) == (3, 1, 1, 1)
    assert (tally["wait_ms_mean"], tally["reprices_per_fill"], tally["fill_ratio"]) == (700, "1.000", "0.3333")
    shown = desk.trader.shown()
    assert [(shown[side]["runner"], shown[side]["next_lot"]) for side in ("BUY", "SELL")] == [(1, 3), (None, 2)]


def test_the_end_of_a_run_shows_what_is_held_and_never_cuts_the_proof_off() -> None:
    """Twelve symbols with lots: 25 lines, the last of them the proof's."""
    desk = floor(symbols=(REPLACEABLE, *(rules(f"X{number}USDT", f"X{number}") for number in range(11))))
    snapshot = picture(desk.engine)
    assert snapshot is not None
    summary: dict[str, object] = {
        "run_id": "r", "seconds": 1, "maker_fills": 0, "taker_fills": 0, "fees": {}, "step_ms_max": 0, "pong_ms_max": 0, "shutdown_ms": 0,
    }  # fmt: skip
    summary["figures"] = figures_of(desk.engine)
    lines = run_lines(summary, snapshot, "USDT")
    assert len(lines) == LINES_MAX
    assert lines[-1].startswith("proof")
    assert [line for line in lines if "lines more: python bot.py report" in line]
    few = run_lines(summary, msgspec.structs.replace(snapshot, positions={"BTCUSDT": snapshot.positions["BTCUSDT"]}), "USDT")
    assert [line for line in few if line.startswith("held     BTCUSDT BUY  no entry pending · lots none")]
