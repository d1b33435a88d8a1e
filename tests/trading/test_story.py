"""trading/story.py under the engine: the lines of one entry and one exit tell what happened, with the right ids, once each."""

from msgspec.structs import replace

from core.commands import Cancel, Place, Replace
from core.events import Half, Outcome, ReplaceAnswer
from core.lots import Lot, Lots
from core.ports import Capabilities
from core.types import Fill, Liquidity, Side
from tests.core.builders import error, report
from tests.trading.floor import ENTRY, EXITS, D, Floor
from trading.amend import Amending
from trading.story import closed


class Teller(Floor):
    """A floor that keeps every line: (tag, words, id)."""

    def __init__(self, **given: object) -> None:
        self.lines: list[tuple[str, str, str]] = []
        super().__init__(**given)  # type: ignore[arg-type]

    def step(self, *events: object, after_ms: int = 0):  # type: ignore[no-untyped-def]
        step = super().step(*events, after_ms=after_ms)  # type: ignore[arg-type]
        self.lines += [(notice.tag, notice.words(), notice.order_id) for notice in step.notices]
        return step

    def said(self, words: str) -> list[tuple[str, str, str]]:
        return [line for line in self.lines if words in line[1]]


def teller(**given: object) -> Teller:
    desk = Teller(**given)
    desk.connect()
    return desk


def test_a_lots_end_is_told_in_one_line_with_what_it_brought() -> None:
    """Two exit fills, then the lot is closed: its prices, profit, fees, reason and age, once; before that the part that left and what is kept."""
    desk = teller(exits=replace(EXITS, share=D("0.5")))
    desk.lot()
    for _ in range(2):
        desk.touch("100.10", "100.12", after_ms=1000)
        desk.trade(desk.acknowledge(desk.ever(Place)[-1]), "1", fee="0.01")
    desk.touch("100.10", "100.12", after_ms=1000)
    assert [line[1] for line in desk.said("the lot keeps")] == [
        "BUY  exit 1 · 1 left as a maker, no reprices, in 0.0 s · the lot keeps 1",
    ]
    (closed,) = desk.said("closed")
    assert closed[0] == "FILL"
    assert "lot 1 closed by take-profit after" in closed[1]
    assert "2 in at 99.99, out at 100.12 in 2 fills · +0.2600 USDT before fees of 0.02 USDT" in closed[1]


def test_an_entry_that_ends_without_a_fill_says_why_in_words() -> None:
    """The cancel and the end both say that the signal turned; no line carries a machine's word."""
    desk = teller()
    desk.enter()
    desk.hand.side = Side.SELL
    desk.touch("99.99", "100.01", after_ms=500)
    desk.canceled(desk.one(Cancel))
    (canceled, over) = desk.said("the signal turned")
    assert canceled[0] == "CANCEL"
    assert over[:2] == ("PENDING", "BUY  entry 1 · over after 0.5 s, nothing filled: the signal turned · no fallback")


def test_a_taker_entry_that_gets_nothing_is_told() -> None:
    """After a timeout the market is asked for and gives nothing: that is a line too."""
    desk = teller()
    desk.enter()
    desk.touch("99.99", "100.01", after_ms=2001)
    desk.canceled(desk.one(Cancel))
    desk.touch("99.99", "100.01", after_ms=50)
    order = desk.acknowledge(desk.one(Place))
    shape = {"side": order.side, "price": str(order.price), "quantity": str(order.quantity)}
    desk.step(report(order.client_order_id, order.venue_order_id or 0, "EXPIRED", "0", **shape))  # type: ignore[arg-type]
    desk.touch("99.99", "100.01", after_ms=50)
    assert desk.said("at the market, 0.0 bps expected, 5 at most")
    assert desk.said("entry 2 · over after")[0][0] == "TIMEOUT"


def test_a_fill_is_told_with_the_id_of_the_order_that_filled_and_a_race_is_no_reject() -> None:
    """The order fills while it is being replaced: the lot's line names it, not the order that never was; no REJECT, one line about the change."""
    desk = teller(entry=replace(ENTRY, deadline_ms=9000), amending=Amending(can=Capabilities(cancel_replace=True)))
    order = desk.enter()
    desk.touch("100.03", "100.05", after_ms=700)
    pair = desk.one(Replace)
    desk.trade(order, "2", liquidity=Liquidity.MAKER)
    no = Half(outcome=Outcome.REFUSED, error=error(-2011, "Unknown order sent."))
    desk.reply(pair, ReplaceAnswer(canceled=no, placed=Half(outcome=Outcome.NOT_SENT)))
    desk.touch("100.03", "100.05", after_ms=50)
    assert desk.said("lot of 2")[0][2] == order.client_order_id
    assert "REJECT" not in {line[0] for line in desk.lines}
    (changed,) = [line for line in desk.lines if line[0] == "AMEND"]
    assert (changed[1], changed[2]) == ("BUY  not changed after 0 ms · the order was FILLED first", pair.place.client_order_id)


def test_commission_in_base_is_named_where_it_is_inside_the_profit() -> None:
    """A purchase that pays its fee in base: the lot's end says that it is inside, and claims nothing about fees that were not paid in quote."""
    lots = Lots("BTCUSDT", "BTC")
    lot = Lot(number=1, side=Side.BUY, opened_ns=0, take_profit_bps=D(0), reason="")
    buy = Fill("BTCUSDT", 1, 1, "a", Side.BUY, D(100), D(1), D("0.001"), "BTC", Liquidity.TAKER, 1)
    lots.enter(lot, buy)
    sell = replace(buy, trade_id=2, side=Side.SELL, price=D(110), quantity=D("0.999"), fee=D(0))
    lots.leave(Side.BUY, 1, sell, "take-profit")
    assert closed(lots.closed[0], "BTC", "USDT", D("0.01")).endswith("+9.8900 USDT, 0.001 BTC of commission inside")
