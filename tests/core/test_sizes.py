"""I25 in the deciding half: every container has a cap, a new one cannot be forgotten, and what happens at each cap."""

from collections import deque
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import get_origin, get_type_hints

import pytest

from core import account, booking, books, depth
from core.account import Account
from core.booking import keep_orphan
from core.depth import DepthBook
from core.light import Lights, Session
from core.orders import Orders
from core.sizes import CAPS, sizes
from core.types import Balance, Side
from core.uptime import Uptime
from runtime import inbox
from sim.setup import quoting
from strategy import MarketMaker
from tests.core.builders import BTC, START_MS, D, Desk, balances, diff, fill
from trading.maker_first import MakerFirst
from trading.recipe import MakerFirstSettings

OWNERS = {"books": books.Books, "orders": Orders, "account": Account, "session": Session, "lights": Lights, "uptime": Uptime}


@pytest.fixture
def desk() -> Desk:
    made = Desk(strategy=MarketMaker({"BTCUSDT": quoting(("0.1", "0.1"), "1")}))
    made.connect(made.account(held=balances(usdt="1000000")))
    return made


def test_every_field_has_a_cap(desk: Desk) -> None:
    """What the classes declare as a map, list or set is named in CAPS, and CAPS names nothing else."""
    declared = {
        f"{owner}.{one.name}"
        for owner, kind in OWNERS.items()
        if is_dataclass(kind)
        for one in fields(kind)
        if get_origin(get_type_hints(kind, localns={"count": Iterator})[one.name]) in (dict, list, set, deque)
    }
    named = {name.removesuffix("[]") for name in CAPS if name.split(".")[0] in OWNERS}
    assert declared == named
    other = Desk(strategy=MakerFirst(MakerFirstSettings()))
    assert {one.name for one in (*sizes(desk.engine), *sizes(other.engine))} == set(CAPS)
    assert not [one for one in sizes(desk.engine) if one.is_over]


def test_a_new_container_is_noticed(desk: Desk) -> None:
    """A container without a cap is an error at the first look."""
    desk.engine.seen = []  # type: ignore[attr-defined]
    with pytest.raises(KeyError, match=r"engine\.seen"):
        sizes(desk.engine)


def test_a_passed_cap_is_told(desk: Desk) -> None:
    """One entry too many is over its cap."""
    desk.books.rejects.update({str(number): 1 for number in range(65)})
    assert [(one.name, one.size, one.cap) for one in sizes(desk.engine) if one.is_over] == [("books.rejects", 65, 64)]


# -- what happens at a cap -----------------------------------------------------------------------
def test_trades_nobody_can_name_halt_trading(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades of orders we cannot name wait up to a limit; the next one is left out, trading halts and says so; a known one may come twice."""
    monkeypatch.setattr(booking, "ORPHAN_TRADES_MAX", 5)
    for number in range(5):
        keep_orphan(desk.books, fill(number, 70 + number % 2))
        keep_orphan(desk.books, fill(number, 70 + number % 2))
    assert sum(map(len, desk.books.orphans.values())) == 5 and not desk.books.session.halted
    keep_orphan(desk.books, fill(9, 99))
    assert sum(map(len, desk.books.orphans.values())) == 5 and ("BTCUSDT", 99) not in desk.books.orphans
    assert "cannot name" in desk.books.session.halted


def test_fills_beyond_the_kept_ones_still_count() -> None:
    """Counts and fees are of all fills of the run, not of those that are kept."""
    desk = Desk()
    desk.connect(desk.account(held=balances(usdt="1000000")))
    desk.books.fills = type(desk.books.fills)(maxlen=10)
    order = desk.order(desk.place().client_order_id)
    for number in range(30):
        booking.book_fill(desk.books, order, fill(number + 1, 500, order.client_order_id, quantity="0.01", time_ms=START_MS + 90_000))
    assert len(desk.books.fills) == 10
    assert desk.books.fill_count() == 30
    assert sum(desk.books.fees.values()) == 30 * fill(1, 1, quantity="0.01").fee


def test_spent_funds_are_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fills that no balance has confirmed stay reserved to the last unit, in a bounded list, until a balance later than all of them."""
    monkeypatch.setattr(account, "SPENT_MAX", 10)
    held = Account(rules={"BTCUSDT": BTC})
    held.on_position([Balance(asset="USDT", free=D(100_000), locked=D(0))], START_MS)
    for number in range(25):
        held.on_own_fill(fill(number, 1, price="100", quantity="1", time_ms=START_MS + 1 + number), 0)
    assert len(held.spent_since["USDT"]) == 10
    assert held.available("USDT", Orders()) == D(100_000 - 2500)
    held.on_position([Balance(asset="USDT", free=D(97_500), locked=D(0))], START_MS + 26)
    assert held.available("USDT", Orders()) == D(97_500)


def test_assets_and_foreign_orders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit a balance of an asset that is not traded is left out; a traded one never; the oldest foreign order is forgotten."""
    monkeypatch.setattr(account, "ASSETS_MAX", 3)
    monkeypatch.setattr(account, "FOREIGN_ORDERS_MAX", 4)
    held = Account(rules={"BTCUSDT": BTC})
    held.on_position([Balance(asset=f"A{number}", free=D(1), locked=D(0)) for number in range(9)], START_MS)
    held.on_position([Balance(asset="USDT", free=D(5), locked=D(0))], START_MS)
    assert list(held.holdings) == ["A0", "A1", "A2", "USDT"]
    for number in range(9):
        held.move(f"A{number}", Decimal(1))
        held.note_foreign(("BTCUSDT", number), ("USDT", D(1)))
    assert list(held.movements) == ["A0", "A1", "A2"]
    assert [order_id for _, order_id in held.foreign] == [5, 6, 7, 8]


def test_the_furthest_levels_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that grows beyond its limit forgets the levels furthest from the touch, on either side."""
    monkeypatch.setattr(depth, "LEVELS_MAX", 20)
    monkeypatch.setattr(depth, "LEVELS_KEPT", 15)
    book = DepthBook("BTCUSDT")
    book.in_step, book.update_id = True, 1
    for number in range(2, 23):
        book.on_diff(diff(number, number, bids=[(str(100 - number), "1")], asks=[(str(100 + number), "1")]))
    assert [price for price, _ in book.levels(Side.BUY)] == [D(100 - number) for number in range(2, 17)]
    assert [price for price, _ in book.levels(Side.SELL)] == [D(100 + number) for number in range(2, 17)]


def test_a_waiting_run_of_diffs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contiguous diffs that wait are merged up to a number of levels; what follows is a run of its own that joins on."""
    monkeypatch.setattr(inbox, "LEVELS_MAX", 10)
    box = inbox.Inbox(lambda: 1)
    for number in range(1, 31):
        box.post(diff(number, number, bids=[(str(number), "1")]))
    runs = box.take(0)
    assert [(run.first_id, run.last_id) for run in runs] == [(1, 11), (12, 22), (23, 30)]  # type: ignore[union-attr]


def test_an_early_fill_changes_sides_once(desk: Desk) -> None:
    """A fill heard before the first balances, but later than they are, is this run's: it is counted there and no longer among the recovered."""
    made = desk.books
    for number, offset_ms in ((1, -5000), (2, 5000)):
        made.recovered.append(fill(number, 70, time_ms=made.account.baseline_ms["USDT"] + offset_ms))
        made.fills_recovered += 1
    booking.count_early_fills(made)
    assert ([one.trade_id for one in made.recovered], [one.trade_id for one in made.fills]) == ([1], [2])
    assert (made.fills_recovered, made.fills_booked, made.fill_count()) == (1, 1, 2)
