"""core.audit: what a proof reads, what it costs, and when a difference counts."""

from collections.abc import Callable

import pytest

from core.audit import read_calls
from core.commands import Purpose, ReadAccount
from core.events import Operator, OperatorAction, OrderAnswer, Timer
from core.notices import ProofDone
from core.types import Balance
from core.weights import read_weight
from tests.core.builders import START_MS, D, Desk, balances, diff, facts, position, rules

MANY = tuple(rules(f"A{number}USDT", f"A{number}") for number in range(14))


def proof_read(desk: Desk) -> ReadAccount:
    desk.step(Operator(action=OperatorAction.PROVE))
    return desk.one(ReadAccount)


COSTS = ((1, True, 46, 3), (13, True, 358, 27), (14, True, 380, 16), (14, False, 100, 2))


@pytest.mark.parametrize(("symbols", "with_trades", "weight", "calls"), COSTS)
def test_what_a_reading_costs(symbols: int, with_trades: bool, weight: int, calls: int) -> None:
    """Open orders per symbol up to 13, one call for all beyond; trades 20 per symbol where they are read (binance-wire 2)."""
    assert (read_weight(symbols, with_trades), read_calls(symbols, with_trades)) == (weight, calls)


def test_many_symbols_read_trades_only_where_something_disagrees() -> None:
    """Above 13 symbols a routine reading leaves the trades out; the reading after a difference has them."""
    desk = Desk(symbols=MANY).connect()
    first = proof_read(desk)
    assert first.trades_after == ()
    stranger = (*balances(), Balance(asset="A3", free=D(5), locked=D(0)))
    desk.reply(first, desk.account(held=stranger, update_ms=desk.ms))
    desk.wait(1500)
    second = next(command for command in reversed(desk.log) if isinstance(command, ReadAccount))
    assert second is not first
    assert len(second.trades_after) == len(MANY)


def test_the_weight_is_told() -> None:
    """The line of a proof says what its readings cost."""
    desk = Desk().connect()
    desk.reply(proof_read(desk), desk.account())
    (said,) = (notice for notice in desk.last.notices if isinstance(notice, ProofDone))
    assert said.words().endswith("(proof, weight 46)")


def test_an_order_missing_twice_is_red_and_asked_about() -> None:
    """(a) An order open in our book only turns its side red with the first reading, and the resolver asks; no reading ends it."""
    desk = Desk().connect()
    order = desk.rest()
    desk.wait(1000)
    desk.reply(proof_read(desk), desk.account(held=balances("9901", usdt_locked="99")), sent_ns=desk.ms * 1_000_000)
    assert desk.light().colour == "red"
    assert desk.query().venue_order_id == 11
    assert order.is_open


def test_a_difference_of_balances_is_booked_once() -> None:
    """(c) The same difference in two readings with nothing moving between: a warning, an unexplained movement, and equal books from then on."""
    desk = Desk().connect()
    desk.step(position(START_MS + 5000, Balance(asset="USDT", free=D("10007"), locked=D(0))))
    said: list[ProofDone] = []
    read = proof_read(desk)
    for _ in range(3):
        desk.reply(read, desk.account(held=balances("10007"), update_ms=START_MS + 5000))
        said += [notice for notice in desk.last.notices if isinstance(notice, ProofDone)]
        if said:
            break
        desk.wait(1500)
        read = next(command for command in reversed(desk.log) if isinstance(command, ReadAccount))
    assert not said[0].equal
    assert said[0].lines == ("USDT: +7 unexplained",)
    assert desk.light().is_green, "never red for ever"
    desk.reply(proof_read(desk), desk.account(held=balances("10007"), update_ms=START_MS + 5000))
    assert [notice.equal for notice in desk.last.notices if isinstance(notice, ProofDone)] == [True]


def test_in_motion_is_no_verdict() -> None:
    """A difference that is not the same in the next reading counts for nothing: it is read again."""
    desk = Desk().connect()
    order = desk.rest()
    for executed in ("0", "0.1"):
        listed = facts(order.client_order_id, 11, "NEW" if executed == "0" else "PARTIALLY_FILLED", executed, price="99")
        desk.reply(proof_read(desk), desk.account((listed,), held=balances("9900")))
        assert not [notice for notice in desk.last.notices if isinstance(notice, ProofDone) and not notice.equal]
        desk.wait(300)
    assert desk.engine.audit.wanted is Purpose.PROOF or desk.engine.audit.asked is not None


class Busy:
    """A bot that places and cancels five times a second, and a venue whose balances are what the test says."""

    def __init__(self) -> None:
        self.desk = Desk().connect()
        self.said: list[ProofDone] = []
        self.words: list[str] = []
        self.reads = self.turns = 0

    def run(self, seconds: int, held: Callable[[int], tuple[str, str]]) -> None:
        """`held` is asked for USDT and BTC with the number of the reading."""
        desk = self.desk
        for _ in range(seconds * 5):
            self.turns += 1
            order = desk.rest(order_id=100 + self.turns)
            desk.reply(desk.cancel(order), OrderAnswer(facts=facts(order.client_order_id, 100 + self.turns, "CANCELED")))
            desk.step(diff(100 + self.turns, 100 + self.turns, [("99.99", "5")]))
            for _ in range(2):
                desk.step(Timer(), after_ms=100)
                for read in desk.sent(ReadAccount):
                    self.reads += 1
                    desk.reply(read, desk.account(held=balances(*held(self.reads)), update_ms=desk.ms))
                    self.said += [notice for notice in desk.last.notices if isinstance(notice, ProofDone)]
                    self.words.append(desk.words())


def test_a_difference_is_told_of_a_bot_that_never_holds_still() -> None:
    """Seven USDT nobody told of are named within seconds though something private moves between any two readings, and booked once."""
    busy = Busy()
    busy.run(75, lambda reading: ("10007", "10"))
    assert [notice.equal for notice in busy.said] == [False, True]
    assert busy.said[0].lines == ("USDT: +7 unexplained",)
    assert busy.reads < 20, "with the verdict the readings have their usual interval again"


def test_what_is_in_motion_is_no_difference() -> None:
    """(c) A balance that differs by another amount at each reading is judged by none; that is said, and the next reading waits for its time."""
    busy = Busy()
    busy.run(120, lambda reading: (str(10_000 + reading), "10"))
    assert busy.said == []
    (told,) = (words for words in busy.words if "no verdict after 60 readings" in words)
    assert "USDT: +" in told
    assert busy.reads < 95, "once a second for a minute, then after half a minute"


def test_only_what_stands_is_booked() -> None:
    """Beside a difference that stands, one in motion is neither told nor booked."""
    busy = Busy()
    busy.run(45, lambda reading: ("10007", str(10 + reading)))
    (said,) = busy.said
    assert said.lines == ("USDT: +7 unexplained",)
    assert busy.desk.books.account.movements == {"USDT": D(7)}
