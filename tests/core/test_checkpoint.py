"""Checkpoints: the whole state comes back, nothing is forgotten, and data of another kind is refused."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from core import checkpoint
from core.books import Books, SymbolBook
from core.depth import DepthBook, Touch
from core.engine import Engine
from core.events import ConfigChanged
from core.orders import Orders
from core.types import Fill, Liquidity, Side
from core.uptime import Uptime
from sim.setup import Setup
from sim.world import World
from strategy import MarketMaker
from trading.risk import Limits, RiskChecks

SEED = 7
HALF_STEPS = 300


def new_engine() -> Engine:
    setup = Setup.drawn(SEED)
    return Engine(MarketMaker(setup.quoting), RiskChecks(Limits(open_orders_max=20)), setup.timing)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """An engine in the middle of a world with faults: orders open, calls under way."""
    world = World(Setup.drawn(SEED))
    world.start()
    world.director.start()

    def is_full() -> bool:
        books = world.engine.books
        return world.steps > HALF_STEPS and books is not None and any(order.place_asked or order.cancel_asked for order in books.orders.open())

    assert world.scheduler.run(world.scheduler.now_ns + 60_000_000_000, is_full)
    return world.engine


def copy_of(engine: Engine) -> Engine:
    copied = new_engine()
    checkpoint.load(copied, checkpoint.parts(checkpoint.freeze(engine)))
    return copied


def test_everything_comes_back(engine: Engine) -> None:
    """Every attribute of a loaded engine equals the saved one's, down to the last order and level."""
    copied = copy_of(engine)
    assert engine.books is not None and copied.books is not None
    assert copied.books.orders.open_ids, "the world must have something to lose"
    for name in Books.__dataclass_fields__:
        if name not in ("market", "numbers", "account"):
            assert getattr(copied.books, name) == getattr(engine.books, name), name
    for one in fields(engine.books.account):
        assert getattr(copied.books.account, one.name) == getattr(engine.books.account, one.name), one.name
    for symbol, market in engine.books.market.items():
        loaded = copied.books.market[symbol]
        assert vars(loaded.depth) == vars(market.depth)
        assert [getattr(loaded.touch, name) for name in Touch.__slots__] == [getattr(market.touch, name) for name in Touch.__slots__]
        assert replace(loaded, depth=market.depth, touch=market.touch) == market
    for name in checkpoint.ENGINE_PLAIN.keys() | {"audit", "uptime"}:
        assert getattr(copied, name) == getattr(engine, name), name
    assert copied.books.number() == checkpoint.next_number(engine.books)
    assert copied.strategy.save() == engine.strategy.save()


def test_shared_objects_stay_shared(engine: Engine) -> None:
    """An order is one object in every index, and the account knows the books' own rules."""
    books = copy_of(engine).books
    assert books is not None
    orders = books.orders
    assert all(orders.by_client_id[name] is order for name, order in orders.open_ids.items())
    assert all(orders.by_client_id[order.client_order_id] is order for order in orders.by_venue_id.values())
    assert books.account.rules is books.rules
    assert books.fills.maxlen == Books.new("", "", (), books.timing).fills.maxlen


def test_order_of_maps_is_state(engine: Engine) -> None:
    """Maps come back in the order in which they were filled: the engine iterates them."""
    copied = copy_of(engine)
    assert engine.books is not None and copied.books is not None
    for name in ("by_client_id", "by_venue_id", "open_ids", "booked_trades", "attention"):
        assert list(getattr(copied.books.orders, name)) == list(getattr(engine.books.orders, name))


def test_hash_sees_a_change(engine: Engine) -> None:
    """A quantity, a balance, a light, a strategy's memory: whatever changes changes the hash; a copy's hash is the same."""
    before = checkpoint.hash_of(engine)
    assert checkpoint.hash_of(copy_of(engine)) == before

    def changed(change: Any) -> bool:
        copied = copy_of(engine)
        assert copied.books is not None
        change(copied)
        return checkpoint.hash_of(copied) != before

    def fill_one(one: Engine) -> None:
        assert one.books is not None
        one.books.orders.open()[0].booked += Decimal("0.0001")

    def move_money(one: Engine) -> None:
        assert one.books is not None
        one.books.account.move("USDT", Decimal("0.01"))

    def owe(one: Engine) -> None:
        assert isinstance(one.strategy, MarketMaker)
        one.strategy._place_first ^= {("ETHUSDT", Side.BUY)}

    def take_number(one: Engine) -> None:
        assert one.books is not None
        one.books.number()

    def touch_level(one: Engine) -> None:
        assert one.books is not None
        one.books.market["ETHUSDT"].depth._asks[Decimal(999_999)] = Decimal(1)

    assert all(changed(change) for change in (fill_one, move_money, owe, take_number, touch_level))
    assert not changed(lambda one: None)


def test_the_way_to_a_book_does_not_matter(engine: Engine) -> None:
    """Two books of the same levels are the same state, in whatever order the levels came."""
    copied = copy_of(engine)
    assert copied.books is not None
    depth = next(market.depth for market in copied.books.market.values() if len(market.depth) > 2)
    levels = list(depth._bids.items())
    depth._bids.clear()
    depth._bids.update(dict(reversed(levels)))
    assert checkpoint.hash_of(copied) == checkpoint.hash_of(engine)


def test_a_frozen_state_stays(engine: Engine) -> None:
    """What was frozen does not move with the engine: it is encoded later, on another thread."""
    copied = copy_of(engine)
    assert copied.books is not None
    frozen = checkpoint.freeze(copied)
    before = checkpoint.state_hash(checkpoint.parts(frozen))
    for order in list(copied.books.orders.by_client_id.values()):
        order.executed += 1
        for asked in (order.place_asked, order.cancel_asked, order.query_asked):
            if asked is not None:
                asked.unknown = not asked.unknown
    for market in copied.books.market.values():
        market.depth.reset()
        market.touch.forget()
    copied.books.orders.booked_trades.clear()
    copied.books.account.holdings.clear()
    copied.audit.reads += 1
    copied.pending.clear()
    assert checkpoint.state_hash(checkpoint.parts(frozen)) == before


def test_an_engine_before_its_boot(engine: Engine) -> None:
    """A tape may begin before the first event: an empty state is a state."""
    first = copy_of(new_engine())
    assert first.books is None
    assert checkpoint.hash_of(first) == checkpoint.hash_of(new_engine())


def test_long_lists_are_cut(engine: Engine) -> None:
    """No part holds more than a few hundred entries, so encoding never keeps the interpreter from the trading thread for long."""
    copied = copy_of(engine)
    assert copied.books is not None
    for number in range(1300):
        fill = Fill("ETHUSDT", number, 1, "x", Side.BUY, Decimal("1.10"), Decimal(1), Decimal("0.00000912"), "BNB", Liquidity.MAKER, 5)
        copied.books.fills.append(fill)
    pieces = [len(msgspec.msgpack.decode(data)) for name, data in checkpoint.parts(checkpoint.freeze(copied)) if name == "books.fills"]
    assert len(pieces) >= 3 and max(pieces) <= checkpoint.CHUNK
    assert copy_of(copied).books.fills == copied.books.fills  # type: ignore[union-attr]


# -- nothing may be forgotten --------------------------------------------------------------------
def test_plain_classes_are_covered(engine: Engine) -> None:
    """Engine, DepthBook and Touch are no dataclasses: a new attribute of theirs must be named in core/checkpoint.py."""
    assert vars(engine).keys() == checkpoint.ENGINE_PLAIN.keys() | checkpoint.ENGINE_PARTS | checkpoint.ENGINE_SETTINGS
    assert vars(DepthBook("X")).keys() == checkpoint.DEPTH_PLAIN.keys() | checkpoint.DEPTH_LONG.keys()
    assert set(Touch.__slots__) == checkpoint.TOUCH_PLAIN.keys()
    assert {one.name for one in fields(SymbolBook)} == checkpoint.MARKET_HINTS.keys() | {"depth", "touch"}
    assert {one.name for one in fields(Books)} == checkpoint.BOOKS_HINTS.keys()
    assert {one.name for one in fields(Orders)} == checkpoint.ORDERS_HINTS.keys()
    assert {one.name for one in fields(Uptime)} == checkpoint.UPTIME_HINTS.keys()


def leaves(hint: Any) -> Iterator[Any]:
    """The plain types a hint is made of."""
    if isinstance(hint, type) and not get_args(hint):
        yield hint
    for one in get_args(hint):
        yield from leaves(one)


def is_fixed(kind: Any) -> bool:
    """Its values never change in place."""
    if issubclass(kind, msgspec.Struct):
        return bool(kind.__struct_config__.frozen)
    if is_dataclass(kind):
        return bool(vars(kind)["__dataclass_params__"].frozen)
    return issubclass(kind, str | int | bool | Decimal | Enum | tuple | NoneType)


def test_what_changes_in_place_is_copied() -> None:
    """What an order or a long container holds is fixed, or named in CHANGING: the tape's thread encodes it while the engine goes on."""
    changing = {leaf for hint in checkpoint.ORDER_HINTS.values() for leaf in leaves(hint) if not is_fixed(leaf)}
    assert changing == set(checkpoint.CHANGING)
    longs = [checkpoint.BOOKS_HINTS[name] for name in checkpoint.BOOKS_LONG] + [checkpoint.ORDERS_HINTS[name] for name in checkpoint.ORDERS_LONG]
    assert [hint for hint in longs if not all(is_fixed(leaf) for leaf in leaves(hint))] == []


def test_strategy_memory_is_covered() -> None:
    """What a market maker holds is its settings and what `save` gives; a new attribute must be saved too."""
    assert vars(MarketMaker({})).keys() == {"symbols", "amending", "_place_first"}
    maker = MarketMaker({})
    maker._place_first = {("ETHUSDT", Side.SELL), ("ETHUSDT", Side.BUY), ("SOLUSDT", Side.BUY)}
    loaded = MarketMaker({})
    loaded.load(msgspec.msgpack.decode(msgspec.msgpack.encode(maker.save())))
    assert loaded._place_first == maker._place_first


def test_risk_remembers_nothing() -> None:
    """The risk checks are settings alone; a memory of theirs would have to be saved."""
    assert vars(RiskChecks(Limits())).keys() == {"limits"}


def kinds_within(kind: Any, seen: set[Any]) -> Iterator[Any]:
    """A type and all types of its fields and arguments."""
    if kind in seen:
        return
    seen.add(kind)
    yield kind
    for inner in get_args(kind):
        if inner is not Ellipsis:
            yield from kinds_within(inner, seen)
    if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, msgspec.Struct)):
        for inner in get_type_hints(kind).values():
            yield from kinds_within(inner, seen)


def test_no_hidden_sets(engine: Engine) -> None:
    """A set has no order of its own; one within a saved value would make the hash depend on PYTHONHASHSEED."""
    saved = [kind for name, kind in checkpoint.BOOKS_HINTS.items() if name not in checkpoint.BOOKS_PARTS | checkpoint.DRAINED]
    saved += [*checkpoint.ENGINE_PLAIN.values(), type(engine.audit), *checkpoint.ORDER_HINTS.values()]
    saved += [get_args(kind)[0] if kind == checkpoint.UPTIME_HINTS["ready"] else kind for kind in checkpoint.UPTIME_HINTS.values()]
    found = [kind for one in saved for kind in kinds_within(one, set()) if kind in (set, frozenset) or getattr(kind, "__origin__", None) is set]
    assert found == []


# -- anybody's data ------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["engine.pending", "books.account", "books.numbers", "orders.by_client_id", "market.ETHUSDT._bids", "strategy"])
def test_a_foreign_part_is_refused(engine: Engine, name: str) -> None:
    """Data that is not what its name says raises CheckpointError, whoever wrote it."""
    pieces = [(one, b"\xa3abc" if one == name else data) for one, data in checkpoint.parts(checkpoint.freeze(engine))]
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.load(new_engine(), pieces)


def test_settings_that_cannot_be_read_are_refused(engine: Engine) -> None:
    """A tape may come from anybody: damaged settings in a checkpoint are a CheckpointError."""
    assert engine.books is not None
    engine.books.config = ConfigChanged(version="v", settings=b"\xc1")
    with pytest.raises(checkpoint.CheckpointError, match="settings"):
        copy_of(engine)
    engine.books.config = None


def test_a_missing_or_unknown_part_is_refused(engine: Engine) -> None:
    """A checkpoint of a version with other fields is refused by name, not half loaded."""
    pieces = list(checkpoint.parts(checkpoint.freeze(engine)))
    with pytest.raises(checkpoint.CheckpointError, match=r"books\.tag"):
        checkpoint.load(new_engine(), [piece for piece in pieces if piece[0] != "books.tag"])
    with pytest.raises(checkpoint.CheckpointError, match=r"books\.new_thing"):
        checkpoint.load(new_engine(), [*pieces, ("books.new_thing", b"\xc0")])


def test_events_come_back_exactly(engine: Engine) -> None:
    """Decimals keep their digits: 1.10 is not 1.1, and 0.00000912 is not 9.12E-6."""
    fill = Fill("ETHUSDT", 1, 1, "x", Side.BUY, Decimal("1.10"), Decimal(1), Decimal("0.00000912"), "BNB", Liquidity.MAKER, 5)
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(fill), type=Fill)
    assert back == fill and str(back.price) == "1.10" and str(back.fee) == str(fill.fee)
