"""trading/tally.py: what is counted of a fill, and of an entry or exit that was tried."""

from decimal import Decimal

import pytest

from core.types import Fill, Liquidity, Side
from tests.trading.floor import D
from trading.chase import Task
from trading.tally import Tally

MAKER, TAKER = Liquidity.MAKER, Liquidity.TAKER


def a_task(what: str = "entry", side: Side = Side.BUY, is_taker: bool = False) -> Task:
    return Task(
        task=what, symbol="BTCUSDT", side=side, number=1, quantity=D(2), created_ns=0, deadline_ns=0, reason="", reference=D(100), is_taker=is_taker
    )


@pytest.mark.parametrize(
    ("fee", "asset", "commission", "elsewhere", "saved"),
    [
        ("0.1", "USDT", "0.1", 0, "0.098"),  # 198 at 10 bps are 0.198
        ("0.001", "BTC", "0.099", 0, "0.099"),  # base at the price of the fill
        ("0.5", "BNB", "0", 1, "0"),  # counted, not valued, and nothing is claimed of it
    ],
)
def test_commission_is_valued_in_quote(fee: str, asset: str, commission: str, elsewhere: int, saved: str) -> None:
    """Two at 99 as a maker: what was paid, and what the taker fee would have been beyond it."""
    tally = Tally()
    tally.add(a_task(), Fill("BTCUSDT", 1, 1, "", Side.BUY, D(99), D(2), D(fee), asset, MAKER, 0), "BTC", "USDT", D(10))
    one = tally.classes["entry maker"]
    assert (one.fills, one.quantity, one.quote) == (1, D(2), D(198))
    assert (one.commission, one.commission_elsewhere, tally.fees_saved) == (D(commission), elsewhere, D(saved))


@pytest.mark.parametrize(
    ("task", "price", "liquidity", "paid", "avoided"),
    [
        (a_task(), "99", MAKER, "0", "2"),
        (a_task(), "101", MAKER, "0", "-2"),
        (a_task(is_taker=True), "101", TAKER, "2", "0"),
        (a_task(side=Side.SELL), "101", MAKER, "0", "2"),
        (a_task("exit"), "99", TAKER, "2", "0"),  # a BUY lot is sold below the mid of its decision
        (a_task("exit", Side.SELL), "99", MAKER, "0", "2"),
    ],
)
def test_slippage_is_paid_by_takers_and_avoided_by_makers(task: Task, price: str, liquidity: Liquidity, paid: str, avoided: str) -> None:
    """Two of them, against a mid of 100 at the decision, in quote: dearer than the mid is paid, cheaper avoided; for sales the other way round."""
    tally = Tally()
    tally.add(task, Fill("BTCUSDT", 1, 1, "", task.order_side, D(price), D(2), D(0), "USDT", liquidity, 0), "BTC", "USDT", D(10))
    assert (round(tally.slippage_paid, 9), round(tally.slippage_avoided, 9)) == (D(paid), D(avoided))
    assert tally.fees_saved == (D(price) * 2 * D("0.001") if liquidity is MAKER else Decimal(0))


def test_the_ratios_a_person_asks_for() -> None:
    """Of four maker entries three had a fill, in 600 ms and with six reprices together; no entry, no ratio."""
    tally = Tally(entries=4, filled=3, waited_ns=600_000_000, reprices=6)
    shown = tally.shown()
    assert (shown["fill_ratio"], shown["wait_ms_mean"], shown["reprices_per_fill"]) == ("0.7500", 200, "2.000")
    none = Tally().shown()
    assert (none["fill_ratio"], none["wait_ms_mean"], none["reprices_per_fill"]) == (None, None, None)
