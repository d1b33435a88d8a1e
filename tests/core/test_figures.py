"""core.figures: what a maker wants to know of a run, counted on a virtual clock against figures worked out by hand."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core import figure_words, figures
from core.commands import ReadAccount
from core.events import StreamDown, Timer
from core.figures_told import told
from core.light import kind_of
from core.notices import Counted
from core.types import Connection, Liquidity, Side
from tests.core.builders import START_MS, Desk, fill, report, ticker, want
from tests.core.builders import D as Dec


def picture(desk: Desk) -> Any:
    """As the store keeps it: through JSON."""
    return msgspec.json.decode(msgspec.json.encode(told(desk.books, desk.engine.uptime, desk.engine.audit)))


def sold_then_bought() -> Desk:
    """1 sold at 100.01 as a maker with the mid at 100, fee 0.10; 1 s later the mid is 100.05, 5 s later 99.95."""
    desk = Desk().connect()
    order = desk.rest(want(side=Side.SELL, price="100.01"))
    desk.ms += 60_000 - (desk.ms - START_MS)  # the builder's fill happens at START + 60 s
    trade = fill(1, 11, order.client_order_id, side=Side.SELL, price="100.01", fee="0.1")
    desk.step(report(order.client_order_id, 11, "FILLED", "1", trade=trade, side=Side.SELL, price="100.01"))
    desk.step(ticker(101, "100.04", "100.06"), after_ms=900)
    desk.step(ticker(102, "90", "91"), after_ms=200)  # after the second: what it brings is not the mid at it
    desk.step(ticker(103, "99.94", "99.96"), after_ms=3000)
    desk.step(Timer(), after_ms=1000)
    return desk


def test_spread_and_mark_outs_are_exact() -> None:
    """What a sale gained against the mid at 0, 1 and 5 s, in quote and in bp; the mid of a moment is that before what comes after it."""
    one = picture(sold_then_bought())["fills"][0]
    assert {name: one[name] for name in ("symbol", "side", "liquidity", "fills", "quote", "fees")} == {
        "symbol": "BTCUSDT", "side": "SELL", "liquidity": "maker", "fills": 1, "quote": "100.01", "fees": "0.1",
    }  # fmt: skip
    assert {seconds: mark["gain"] for seconds, mark in one["marks"].items()} == {"0": "0.01", "1": "-0.04", "5": "0.06", "30": "0"}
    assert [mark["fills"] for mark in one["marks"].values()] == [1, 1, 1, 0]
    assert figure_words.bps(one["marks"]["1"]) == "-4.00"


def test_the_pnl_is_the_sum_of_its_parts() -> None:
    """total = spread captured - fees + inventory + hold, exactly; what moved the inventory is no quoting."""
    desk = sold_then_bought()
    pnl = {name: Decimal(value) for name, value in picture(desk)["pnl"].items()}
    assert pnl["captured"] == Dec("0.01") and pnl["fees"] == Dec("0.1")
    assert pnl["inventory"] == Dec("0.05"), "1 less, and the mid fell from 100 to 99.95"
    assert pnl["total"] == pnl["captured"] - pnl["fees"] + pnl["inventory"] + pnl["hold"]


def test_a_fill_without_a_mid_is_counted_not_guessed() -> None:
    """The market stream is down when a mark is due: no mark, one more without."""
    desk = Desk().connect()
    order = desk.rest()
    desk.ms += 60_000
    desk.step(report(order.client_order_id, 11, "FILLED", "1", trade=fill(1, 11, order.client_order_id, time_ms=desk.ms)))
    desk.step(StreamDown(connection=Connection.MARKET, reason="gone", retry_in_ms=0))
    desk.wait(1200)
    shown = picture(desk)
    assert shown["unmarked"] == 1 and shown["fills"][0]["marks"]["1"]["fills"] == 0


def test_a_fill_heard_late_has_no_mid_of_its_time() -> None:
    """Learned from a query two seconds after it happened, a fill counts in its class and in no mark."""
    desk = Desk().connect()
    order = desk.rest()
    desk.ms += 60_000
    desk.step(report(order.client_order_id, 11, "FILLED", "1", trade=fill(1, 11, order.client_order_id, time_ms=desk.ms - 2000)))
    desk.wait(6000)
    shown = picture(desk)
    assert shown["late"] == 1 and shown["fills"][0]["fills"] == 1
    assert not any(mark["fills"] for mark in shown["fills"][0]["marks"].values())


def test_what_waits_for_a_mark_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the cap a fill is not marked, and that is counted per horizon."""
    monkeypatch.setattr(figures, "AWAITED_MAX", 2)
    counted, rules = figures.Figures(), Desk().books.rules["BTCUSDT"]
    for number in range(3):
        counted.add_fill(fill(number, 11), Dec(100), rules, 0, 0)
    assert [len(waiting) for waiting in counted.awaited.values()] == [2, 2, 2] and counted.unmarked == 3
    counted.settle(31 * figures.NS_PER_S, lambda symbol: Dec(101))
    assert counted.due_ns == figures.NEVER_NS and not any(counted.awaited.values())
    assert counted.classes["BTCUSDT", Side.BUY, Liquidity.MAKER].marks[30].gain == 2


def test_the_venues_word_is_timed() -> None:
    """From the decision to the first word on a place, from the cancel to the order's end."""
    desk = Desk().connect()
    place = desk.place()
    desk.step(report(place.client_order_id, 11), after_ms=12)
    cancel = desk.cancel(desk.order(place.client_order_id))
    desk.step(report(cancel.client_order_id, 11, "CANCELED"), after_ms=40)
    shown = picture(desk)["latency"]
    assert (shown["place"]["count"], shown["place"]["max_ms"]) == (1, 12.0)
    assert (shown["cancel"]["count"], shown["cancel"]["max_ms"]) == (1, 40.0)


def test_time_is_added_up_by_reason() -> None:
    """Each reason a side gave has its seconds, also while its colour stays; ids and numbers are no reasons of their own."""
    desk = Desk().connect()
    begun = desk.ms
    order = desk.rest()
    cancel = desk.cancel(order)
    desk.step(Timer())
    desk.step(Timer(), after_ms=300)
    desk.step(report(cancel.client_order_id, 11, "CANCELED"), after_ms=200)
    desk.step(Timer(), after_ms=1000)
    buy = {(colour, reason): seconds for colour, reason, seconds in picture(desk)["sides"][0]["light"]}
    assert buy["amber", "cancel pending"] == 0.5 and buy["green", "book fresh"] == 1.0
    assert sum(buy.values()) == pytest.approx((desk.ms - begun) / 1000)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("2 cancels pending", "cancel pending"), ("1 amendment pending", "amendment pending"), ("outcome unknown: gl-m0-3", "outcome unknown"),
        ("fills of gl-m0-3 not complete", "fills not complete"), ("812 USDT held by a pending cancel, ETHUSDT BUY", "funds held by a pending cancel"),
        ("user stream down: silent 6.2 s, limit 5.0", "user stream down"), ("banned by the venue (429 -1003)", "banned by the venue"),
        ("book is stale, limit 10000 ms", "book is stale"), ("halted by risk: loss 3 above 2", "halted by risk"),
        ("book fresh, funds free, nothing pending", "book fresh"), ("resync running", "resync running"),
    ],
)  # fmt: skip
def test_kinds_of_reason(reason: str, kind: str) -> None:
    """A closed set: no number and no id is in it."""
    assert kind_of(reason) == kind


def test_the_store_hears_of_it_every_ten_seconds() -> None:
    """A run that is killed has its figures up to then; no more than one picture in ten seconds."""
    desk = Desk().connect()
    pictures = []
    for _ in range(310):
        desk.step(Timer(), after_ms=100)
        pictures += [fact for fact in desk.last.facts if isinstance(fact, Counted)]
        if reads := desk.sent(ReadAccount):
            desk.reply(reads[0], desk.account())
    assert len(pictures) in (3, 4)
    assert pictures[-1].figures["proofs_equal"] == 2 and picture(desk)["proofs"]["proof"]["equal"] is True


def test_the_words() -> None:
    """What a person reads of it, in fixed words."""
    desk = sold_then_bought()
    desk.wait(30_000)
    said = figure_words.lines(picture(desk))
    assert said[0] == "made     -0.0400 USDT = spread +0.0100 + inventory +0.0500 - fees 0.1000"
    assert said[1] == (
        "marks    BTCUSDT SELL maker 1 · spread +1.00 bp (+0.0100 USDT)"
        " · mark-out 1 s -4.00 bp (-0.0400 USDT), 5 s +6.00 bp (+0.0600 USDT), 30 s +6.00 bp (+0.0600 USDT)"
    )
    assert said[2].startswith("answers  place 1: p50 0.0, p90 0.0, p99 0.0, max 0.0 ms")
    assert figure_words.order_words(picture(desk)) == "1.0 placed per fill"


def test_many_classes_become_one_for_all_symbols() -> None:
    """More classes than fit are added up over the symbols, exactly."""
    one = picture(sold_then_bought())["fills"][0]
    merged = figure_words.merged([{**one, "symbol": f"X{number}USDT"} for number in range(5)])
    assert [(row["symbol"], row["fills"], row["marks"]["1"]["gain"]) for row in merged] == [("all", 5, "-0.20")]
