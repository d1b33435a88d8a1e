"""Rebuilding: the intents tell orders, trades and runs; what was written live and what is rebuilt are the same rows."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from core.commands import Cancel
from core.events import Boot, OrderAnswer, Outcome, Reply
from core.notices import Ended
from core.types import OrderFacts, Side, SymbolRules, VenueError
from runtime.worker import Worker
from state.intents import Intents, read
from state.keeper import Keeper
from state.ledger import recover, rotate
from state.rebuild import project, rebuild
from state.recorder import Recorder
from state.rows import Rows
from state.schema import execution_reports, orders, runs
from state.store import Store
from tests.state.store_builders import AT_NS, BOOT, RUN, SCOPE, TAG, fill, filled, holdings, order_id, place, sent, standing
from tests.timing import SOON_S

RULES = tuple(SymbolRules(symbol, base, quote, Decimal("0.01"), Decimal("0.001")) for symbol, base, quote in RUN.symbols)


@pytest.fixture
def intents(tmp_path: Path) -> Iterator[Intents]:
    made = Intents(tmp_path / "intents.log")
    made.start()
    yield made
    made.stop(0)


def boot(intents: Intents, name: str = BOOT, instance: str = "7") -> None:
    intents.boot(Boot(boot=name, tag=TAG, venue="paper", instance=instance, rules=RULES, limits=()), AT_NS)


def answered(command_id: int, status: str, number: int) -> Reply:
    facts = OrderFacts(
        symbol="BTCUSDT",
        venue_order_id=39 + number,
        client_order_id=order_id(number),
        side=Side.BUY,
        type="LIMIT_MAKER",
        time_in_force="GTC",
        price=Decimal(100),
        quantity=Decimal(2),
        executed=Decimal(0),
        cumulative_quote=Decimal(0),
        status=status,
        created_ms=1_500,
        updated_ms=1_500,
    )
    return Reply(command_id=command_id, outcome=Outcome.DONE, answer=OrderAnswer(facts=facts), received_ns=AT_NS + 1)


def cancel(command_id: int, number: int) -> Cancel:
    return Cancel(
        command_id=command_id,
        reason="out of band",
        timeout_ms=3000,
        symbol="BTCUSDT",
        side=Side.BUY,
        price=Decimal(100),
        quantity=Decimal(2),
        venue_order_id=39 + number,
        client_order_id=order_id(number),
        cancel_id=order_id(number) + "c",
    )


def tell(intents: Intents) -> None:
    """Four places: one canceled, one filled, one refused, one without an answer."""
    for number in (1, 2, 3, 4):
        intents.intent(place(number))
    intents.result(answered(1, "NEW", 1))
    intents.result(answered(2, "NEW", 2))
    intents.result(Reply(command_id=3, outcome=Outcome.REFUSED, error=VenueError(-2010, "no funds", 400), received_ns=AT_NS + 2))
    intents.intent(cancel(5, 1))
    intents.result(answered(5, "CANCELED", 1))
    intents.fill(fill(9, client_order_id=order_id(2), venue_order_id=41))
    intents.end(order_id(2), "FILLED", "execution report")
    intents.end(order_id(1), "CANCELED", "answer to the request")


def stored(store: Store, table: object) -> list[tuple[object, ...]]:
    with create_engine(f"sqlite:///{store.path}").connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(table)))  # type: ignore[call-overload]


def test_orders_end_as_the_intents_tell(intents: Intents, tmp_path: Path) -> None:
    """Canceled, filled, refused and undecided places come back with status, evidence and venue id."""
    boot(intents)
    tell(intents)
    store = Store(tmp_path / "store.db")
    rebuild(store, intents.path, from_empty=store.open())
    told = {row[1]: (row[12], row[13], row[14], row[15]) for row in stored(store, orders)}
    assert told == {
        order_id(1): (40, "CANCELED", "answer to the request", False),
        order_id(2): (41, "FILLED", "execution report", False),
        order_id(3): (None, "REJECTED", "refused by the venue", False),
        order_id(4): (None, "UNSEEN", "", True),
    }
    [trade] = stored(store, execution_reports)
    assert trade[:6] == (SCOPE, "BTCUSDT:t9", BOOT, "BTCUSDT", order_id(2), 41)


def test_live_and_rebuilt_are_the_same(intents: Intents, tmp_path: Path) -> None:
    """The rows written while the bot ran equal those that its intents rebuild."""
    live = Store(tmp_path / "live.db")
    keeper = Keeper(live, tmp_path / "none.log", lambda reason: None)
    keeper.open(RUN)
    recorder = Recorder(intents, keeper)
    boot(intents)
    tell(intents)
    writer = Worker("recorder", recorder.run)
    writer.start()
    recorder.take([sent(number) for number in (1, 2, 3, 4)], [standing(number, "NEW") for number in (1, 2)], AT_NS)
    endings = [("CANCELED", "answer to the request", 1), ("FILLED", "execution report", 2)]
    said = [Ended(tag="ACK", order_id=order_id(n), side=Side.BUY, price=Decimal(100), status=s, evidence=e) for s, e, n in endings]
    stands = [standing(n, s, e) for s, e, n in endings] + [standing(3, "REJECTED", "refused by the venue", venue_order_id=None)]
    recorder.take([filled(9, client_order_id=order_id(2), venue_order_id=41), *said], [*stands, holdings("900", "6")], AT_NS + 2)
    writer.stop(time.monotonic() + SOON_S)
    again = Store(tmp_path / "again.db")
    rebuild(again, intents.path, from_empty=again.open())
    for table in (orders, execution_reports, runs):
        assert stored(live, table) == stored(again, table)


def test_rebuilding_twice_changes_nothing(intents: Intents, tmp_path: Path) -> None:
    """A rebuild over a full store leaves it as it was, also what only the store knew."""
    boot(intents)
    tell(intents)
    store = Store(tmp_path / "store.db")
    rebuild(store, intents.path, from_empty=store.open())
    rows = Rows()
    rows.runs.update(next(project_of(intents)).runs)
    rows.runs[SCOPE, BOOT].ended_ns = AT_NS + 9
    store.write(rows)
    before = [stored(store, table) for table in (orders, execution_reports, runs)]
    rebuild(store, intents.path, from_empty=False)
    assert [stored(store, table) for table in (orders, execution_reports, runs)] == before


def project_of(intents: Intents) -> Iterator[Rows]:
    return project(read(intents.path))


def test_boots_and_instances_stay_apart(intents: Intents, tmp_path: Path) -> None:
    """Command numbers begin anew in every run, and each account instance has its own rows."""
    boot(intents)
    intents.intent(place(1))
    boot(intents, "toui70")
    intents.intent(place(1, client_order_id=order_id(1, "toui70")))
    intents.result(Reply(command_id=1, outcome=Outcome.NOT_SENT, note="stale", received_ns=AT_NS))
    boot(intents, "toui71", instance="8")
    intents.intent(place(1, client_order_id=order_id(1, "toui71")))
    store = Store(tmp_path / "store.db")
    rebuild(store, intents.path, from_empty=store.open())
    assert [(row[0], row[1], row[13]) for row in stored(store, orders)] == [
        (SCOPE, order_id(1), "UNSEEN"),
        (SCOPE, order_id(1, "toui70"), "REJECTED"),
        ("paper/8", order_id(1, "toui71"), "UNSEEN"),
    ]
    assert [row[:2] for row in stored(store, runs)] == [(SCOPE, BOOT), (SCOPE, "toui70"), ("paper/8", "toui71")]


def test_a_rotation_loses_no_row(intents: Intents, tmp_path: Path) -> None:
    """After a rotation the file put aside still tells its runs, and carried fills stay with the run that made them."""
    boot(intents)
    intents.fill(fill(9))
    assert rotate(intents.path, recover(intents.path, "7"), at_bytes=0)
    fresh = Intents(intents.path)
    fresh.start()
    boot(fresh, "toui70")
    fresh.fill(fill(10))
    store = Store(tmp_path / "store.db")
    rebuild(store, intents.path, from_empty=store.open())
    assert [(row[1], row[2]) for row in stored(store, execution_reports)] == [("BTCUSDT:t10", "toui70"), ("BTCUSDT:t9", BOOT)]
    fresh.stop(0)


def test_an_incomplete_ending_decides_nothing(intents: Intents) -> None:
    """An order that ended with fills missing is asked about again at the next start."""
    boot(intents)
    intents.intent(place(1))
    intents.end(order_id(1), "CANCELED", "execution report", is_complete=False)
    assert [undecided.client_order_id for undecided in recover(intents.path, "7").undecided] == [order_id(1)]
    intents.end(order_id(1), "CANCELED", "execution report")
    assert recover(intents.path, "7").undecided == ()
