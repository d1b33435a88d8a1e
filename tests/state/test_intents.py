"""Intents: what is written before an order leaves, and what the next start reads from it after a kill, a torn write or a full disk."""

import errno
import os
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.commands import Cancel, CancelAll, Place
from core.events import Boot, OrderAnswer, Outcome, Reply
from core.ports import NotSent
from core.types import Fill, Liquidity, OrderFacts, OrderType, Side, VenueError
from state.intents import HEAD, FillRecord, IntentRecord, Intents, IntentsCorrupt, read
from state.ledger import after_reset, recover, rotate
from tests.timing import SOON_S, quickest_s

HERE = "paper-1"


def place(number: int, symbol: str = "BTCUSDT") -> Place:
    return Place(
        command_id=number,
        reason="quote",
        timeout_ms=3000,
        symbol=symbol,
        side=Side.BUY,
        type=OrderType.LIMIT_MAKER,
        time_in_force=None,
        price=Decimal("60000.10"),
        quantity=Decimal("0.01000"),
        client_order_id=f"gl-1-{number}",
        slot=(0, 0),
        not_after_ns=1_700_000_000_000_000_000,
    )


def cancel(number: int) -> Cancel:
    return Cancel(
        command_id=number,
        reason="bad",
        timeout_ms=3000,
        symbol="BTCUSDT",
        side=Side.BUY,
        price=Decimal(1),
        quantity=Decimal(1),
        venue_order_id=5,
        client_order_id="gl-1-1",
        cancel_id=f"gl-1-{number}c",
    )


def fill(trade_id: int, symbol: str = "BTCUSDT") -> Fill:
    return Fill(
        symbol=symbol,
        trade_id=trade_id,
        venue_order_id=5,
        client_order_id="gl-1-1",
        side=Side.BUY,
        price=Decimal("1.10"),
        quantity=Decimal("0.1"),
        fee=Decimal(0),
        fee_asset="BTC",
        liquidity=Liquidity.MAKER,
        time_ms=1,
    )


def boot(name: str = "b1", instance: str = HERE) -> Boot:
    return Boot(boot=name, tag="gl", venue="paper", instance=instance, rules=(), limits=())


def reply(number: int, outcome: Outcome = Outcome.DONE) -> Reply:
    facts = OrderFacts(
        symbol="BTCUSDT",
        venue_order_id=5,
        client_order_id=f"gl-1-{number}",
        side=Side.BUY,
        type="LIMIT_MAKER",
        time_in_force="GTC",
        price=Decimal(1),
        quantity=Decimal(1),
        executed=Decimal(0),
        cumulative_quote=Decimal(0),
        status="NEW",
        created_ms=1,
        updated_ms=1,
    )
    answer = OrderAnswer(facts=facts) if outcome is Outcome.DONE else None
    error = VenueError(-2010, "no", 400) if outcome is Outcome.REFUSED else None
    return Reply(command_id=number, outcome=outcome, answer=answer, error=error)


@pytest.fixture
def intents(tmp_path: Path) -> Intents:
    made = Intents(tmp_path / "state" / "intents.log")
    made.start()
    made.boot(boot(), 1)
    return made


def undecided(intents: Intents) -> list[str]:
    return [one.client_order_id for one in recover(intents.path, HERE).undecided]


# -- what recovery says --------------------------------------------------------------------------
def test_place_without_result_is_undecided(intents: Intents) -> None:
    """A place whose answer was never written is handed to the next run, with all that identifies it."""
    intents.intent(place(1))
    (left,) = recover(intents.path, HERE).undecided
    assert (left.symbol, left.side, left.price, left.quantity) == ("BTCUSDT", Side.BUY, Decimal("60000.10"), Decimal("0.01000"))
    assert left.client_order_id == "gl-1-1" and left.sent_ms == 1_700_000_000_000


@pytest.mark.parametrize(
    ("outcome", "left"),
    [(Outcome.DONE, ["gl-1-1"]), (Outcome.REFUSED, []), (Outcome.NOT_SENT, []), (Outcome.UNKNOWN, ["gl-1-1"])],
    ids=lambda one: str(one),
)
def test_only_a_no_decides_a_place(intents: Intents, outcome: Outcome, left: list[str]) -> None:
    """A no and a never-sent decide a place; a yes does not: until its ending is written it may fill just before a crash."""
    intents.intent(place(1))
    intents.result(reply(1, outcome))
    assert undecided(intents) == left


def test_the_venues_last_word_decides(intents: Intents) -> None:
    """A place that was unknown is decided once its end was learned."""
    intents.intent(place(1))
    intents.result(reply(1, Outcome.UNKNOWN))
    intents.intent(place(2))
    intents.end("gl-1-1", "FILLED", "query")
    assert undecided(intents) == ["gl-1-2"]


def test_command_numbers_belong_to_their_boot(intents: Intents) -> None:
    """Command numbers begin anew with every boot: a result of the second run says nothing about the first."""
    intents.intent(place(1))
    intents.boot(boot("b2"), 2)
    intents.intent(place(1))
    intents.result(reply(1, Outcome.REFUSED))
    assert len(undecided(intents)) == 1 and recover(intents.path, HERE).boots == 2


def test_instances_are_kept_apart(intents: Intents) -> None:
    """What was left on another account is not ours to ask about here, but it is counted."""
    intents.intent(place(1))
    intents.fill(fill(7))
    intents.boot(boot("b2", "other"), 2)
    intents.intent(place(2))
    here, there = recover(intents.path, HERE), recover(intents.path, "other")
    assert [one.client_order_id for one in here.undecided] == ["gl-1-1"] and here.undecided_elsewhere == 1
    assert [one.client_order_id for one in there.undecided] == ["gl-1-2"] and there.known_fills == ()
    assert recover(intents.path, "third").undecided == ()


def test_fills_and_newest_trade_ids(intents: Intents) -> None:
    """Fills come back exact, with the newest trade id of each symbol, whatever their order."""
    for one in (fill(9), fill(3), fill(2, "ETHUSDT")):
        intents.fill(one)
    found = recover(intents.path, HERE)
    assert dict(found.last_trade_ids) == {"BTCUSDT": 9, "ETHUSDT": 2} and found.known_fills[0] == fill(9)


def test_cancels_are_written_and_never_undecided(intents: Intents) -> None:
    """Cancels leave a trace for people; an order's fate is asked of the venue anyway."""
    intents.intent(cancel(1))
    intents.intent(CancelAll(command_id=2, reason="stop", timeout_ms=1, symbol=None, tag="gl"))
    assert undecided(intents) == [] and sum(isinstance(one, IntentRecord) for one in read(intents.path)) == 2


def test_missing_file_is_an_empty_past(tmp_path: Path) -> None:
    """Without a file there is nothing to recover and nothing to rotate."""
    found = recover(tmp_path / "none", HERE)
    assert (found.boots, found.records, found.undecided) == (0, 0, ()) and not rotate(tmp_path / "none", found)


# -- damage --------------------------------------------------------------------------------------
def test_torn_at_every_byte(intents: Intents) -> None:
    """A kill inside a write, at whichever byte: the records before it are all read, and a next run appends after it and is read too."""
    intents.intent(place(1))
    whole = intents.path.read_bytes()
    intents.intent(place(2))
    data = intents.path.read_bytes()
    for end in range(len(whole) + 1, len(data)):
        intents.path.write_bytes(data[:end])
        assert undecided(intents) == ["gl-1-1"]
        again = Intents(intents.path)
        again.start()
        again.boot(boot("b2"), 2)
        again.intent(place(3))
        again.stop(0)
        assert undecided(intents) == ["gl-1-1", "gl-1-3"], end


def test_damaged_middle_is_reported(intents: Intents) -> None:
    """A whole record whose bytes changed is no torn write: the file is refused, with the byte and the way out."""
    intents.intent(place(1))
    at = intents.path.stat().st_size
    intents.intent(place(2))
    intents.intent(place(3))
    data = bytearray(intents.path.read_bytes())
    data[at + HEAD.size + 40] ^= 1
    intents.path.write_bytes(bytes(data))
    with pytest.raises(IntentsCorrupt, match=rf"byte {at}: .*move the file away"):
        recover(intents.path, HERE)


def test_other_versions_record_is_reported(intents: Intents) -> None:
    """A sound record that this version cannot read is refused in words, not with a traceback of the decoder."""
    intents._encoder = type("Other", (), {"encode": staticmethod(lambda record: b'{"record":"future"}')})()
    intents.intent(place(1))
    with pytest.raises(IntentsCorrupt, match="another version"):
        recover(intents.path, HERE)


@given(junk=st.binary(max_size=40), cut=st.integers(0, 300))
def test_reading_never_crashes(tmp_path_factory: pytest.TempPathFactory, junk: bytes, cut: int) -> None:
    """Whatever bytes the file holds, reading ends with records or IntentsCorrupt."""
    path = tmp_path_factory.mktemp("intents") / "intents.log"
    writing = Intents(path)
    writing.start()
    writing.boot(boot(), 1)
    writing.intent(place(1))
    writing.stop(0)
    data = path.read_bytes()
    path.write_bytes(data[:cut] + junk + data[cut:])
    try:
        recover(path, HERE)
    except IntentsCorrupt as error:
        assert "byte" in str(error)


# -- a full disk ---------------------------------------------------------------------------------
def full_disk(monkeypatch: pytest.MonkeyPatch, takes: int) -> None:
    """os.write that takes some bytes and no more, as ENOSPC does at the end of a disk."""
    real = os.write

    def write(file: int, data: bytes) -> int:
        if not takes:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[:takes])

    monkeypatch.setattr(os, "write", write)


@pytest.mark.parametrize("takes", [0, 2, 3, 5, 11, 100])
def test_full_disk_stops_places_and_lets_cancels_go(intents: Intents, monkeypatch: pytest.MonkeyPatch, takes: int) -> None:
    """No intent, no place; a cancel goes all the same; and what a full disk cut off does not spoil what follows once there is room."""
    with monkeypatch.context() as patch:
        full_disk(patch, takes)
        with pytest.raises(NotSent, match="intent could not be written"):
            intents.intent(place(1))
        intents.intent(cancel(2))
        intents.result(reply(2))
        intents.fill(fill(1))
    assert intents.failed == 4 and intents.last_error
    intents.intent(place(3))
    assert undecided(intents) == ["gl-1-3"]


def test_closed_intents_refuse_places(intents: Intents) -> None:
    """After stop nothing is written and no place leaves."""
    intents.stop(0)
    with pytest.raises(NotSent):
        intents.intent(place(1))
    assert not intents.is_running


# -- rotation ------------------------------------------------------------------------------------
def test_rotation_waits_for_the_undecided(intents: Intents) -> None:
    """A file with an undecided place, on whichever instance, is never put aside."""
    intents.boot(boot("b2", "other"), 2)
    intents.intent(place(1))
    intents.boot(boot("b3"), 3)
    assert not rotate(intents.path, recover(intents.path, HERE), at_bytes=1)
    assert not rotate(intents.path, recover(intents.path, "other"), at_bytes=1)


def test_rotation_carries_the_fills(intents: Intents) -> None:
    """The new file still knows the newest fills and trade ids, the old one is kept once."""
    intents.fill(fill(1, "ETHUSDT"))
    for trade_id in range(2, 1500):
        intents.fill(fill(trade_id))
    before = recover(intents.path, HERE)
    assert not rotate(intents.path, before)
    assert rotate(intents.path, before, at_bytes=1)
    after = recover(intents.path, HERE)
    assert after.last_boot == before.last_boot == "b1"
    assert dict(after.last_trade_ids) == dict(before.last_trade_ids) == {"ETHUSDT": 1, "BTCUSDT": 1499}
    assert set(before.known_fills[-1000:]) <= set(after.known_fills) <= set(before.known_fills)
    assert intents.path.with_suffix(".old").exists() and not intents.path.with_suffix(".new").exists()
    assert rotate(intents.path, after, at_bytes=1)


def test_rotation_on_a_full_disk_keeps_the_file(intents: Intents, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the new file cannot be written, the old one stays in use, whole."""
    intents.fill(fill(1))
    before = recover(intents.path, HERE)
    full_disk(monkeypatch, 3)
    assert not rotate(intents.path, before, at_bytes=1)
    assert recover(intents.path, HERE) == before


# -- how it is written ---------------------------------------------------------------------------
def test_file_is_private(intents: Intents) -> None:
    """The file is 0600."""
    assert intents.path.stat().st_mode & 0o777 == 0o600


def test_lanes_write_at_once(intents: Intents) -> None:
    """Four lanes writing together never mix their records: one write per record under O_APPEND."""

    def work(worker: int) -> None:
        for number in range(200):
            intents.intent(place(worker * 1000 + number))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    assert len({one.command.command_id for one in read(intents.path) if isinstance(one, IntentRecord)}) == 800 and intents.written == 801


def test_a_record_costs_little(intents: Intents) -> None:
    """An intent costs a place some ten microseconds, not a disk flush (wide bound: a shared machine)."""
    commands = [place(number) for number in range(2000)]

    def each_s() -> float:
        begun = time.perf_counter()
        for command in commands:
            intents.intent(command)
        return (time.perf_counter() - begun) / len(commands)

    assert quickest_s(each_s, 200e-6) < 200e-6


# -- after a reset of the venue --------------------------------------------------------------------
def test_a_new_instance_begins_with_nothing(intents: Intents) -> None:
    """After a reset the next instance inherits neither places nor fills nor trade ids; another account keeps its own."""
    intents.intent(place(1))
    intents.fill(fill(9))
    before = recover(intents.path, HERE)
    assert before.newest_orders == (("BTCUSDT", 5),)
    following = after_reset(before)
    assert following.instance == f"{HERE}.2"
    assert (following.undecided, following.known_fills, following.last_trade_ids) == ((), (), ())
    intents.boot(boot("b2", following.instance), 2)
    now = recover(intents.path, HERE)
    assert (now.instance, now.undecided, now.known_fills) == (f"{HERE}.2", (), ())
    assert after_reset(now).instance == f"{HERE}.3"
    assert recover(intents.path, "other").instance == "other"


def test_a_closed_instance_holds_no_file_back(intents: Intents) -> None:
    """Places that a reset venue forgot are decided: they no longer keep the file from being put aside."""
    intents.intent(place(1))
    assert not rotate(intents.path, recover(intents.path, HERE), at_bytes=1)
    intents.boot(boot("b2", f"{HERE}.2"), 2)
    assert rotate(intents.path, recover(intents.path, HERE), at_bytes=1)


@pytest.mark.parametrize("second_bytes", [1, 7, 8, 9, 15, 16, 17, 30])
def test_two_torn_writes_as_long_as_one_record(intents: Intents, monkeypatch: pytest.MonkeyPatch, second_bytes: int) -> None:
    """A full disk cuts off a record, then its second try, and together they are as long as one: torn, not damaged, for a scar says so (seed 1375)."""
    before = intents.path.stat().st_size
    intents.result(reply(1))
    whole = intents.path.stat().st_size - before
    for takes in (whole - second_bytes, second_bytes):
        with monkeypatch.context() as patch:
            full_disk(patch, takes)
            intents.result(reply(1))
    intents.fill(fill(1))
    assert [one.fill.trade_id for one in read(intents.path) if isinstance(one, FillRecord)] == [1]


def test_zeroed_bytes_are_damage(intents: Intents) -> None:
    """A part of a record that reads as zeros is no torn write: the start is refused."""
    intents.fill(fill(1))
    at = intents.path.stat().st_size
    intents.fill(fill(2))
    intents.fill(fill(3))
    data = bytearray(intents.path.read_bytes())
    data[at + 60 : at + 90] = bytes(30)
    intents.path.write_bytes(bytes(data))
    with pytest.raises(IntentsCorrupt):
        list(read(intents.path))
