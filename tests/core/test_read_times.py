"""How long a reading may take: found by the slow-venue drill, where every answer took 2 s and no account was ever read to its end."""

from core.books import Timing
from core.commands import Purpose, Query, ReadAccount
from core.events import Operator, OperatorAction
from tests.core.builders import Desk

TIMING = Timing()


def test_an_account_read_has_time_for_each_of_its_calls() -> None:
    """An account read is several calls, one after the other: each may take the whole read time-out, or a slow venue is never read to the end."""
    desk = Desk().connect()
    desk.step(Operator(action=OperatorAction.PROVE))
    read = desk.one(ReadAccount)
    calls = 2 * len(desk.books.rules) + 1
    assert read.purpose is Purpose.PROOF
    assert read.timeout_ms == calls * TIMING.read_timeout_ms
    again = [command for command in desk.wait(read.timeout_ms) if isinstance(command, ReadAccount)]
    assert again == [], "it is not given up before its own time-out"


def test_a_query_has_time_for_order_and_trades() -> None:
    """A query reads the order and then its trades: two calls, two time-outs."""
    desk = Desk().connect()
    desk.lose(desk.place())
    query = desk.query()
    assert query.timeout_ms == 2 * TIMING.read_timeout_ms
    assert [command for command in desk.wait(query.timeout_ms) if isinstance(command, Query)] == []
