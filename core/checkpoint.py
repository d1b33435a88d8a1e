"""The whole engine state as plain data, and its hash: what a segment of the tape begins with, and what replay compares.

Who calls it: the tape and sim.replay. `freeze` belongs to the trading thread and copies only; `parts` turns that copy into bytes on any thread, in
small pieces, so that nobody holds the interpreter for long; `load` fills a new engine. Fields are read from the classes: a new field is saved without
a word here, or refused where no rule fits. Settings (strategy, risk, timing of the engine) are no state: whoever loads brings those of the start,
the checkpoint the change since then (core.settings).
Never: pickle (a tape may come from anybody), a float near money, a decision.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from copy import copy
from hashlib import sha256
from itertools import count
from operator import attrgetter
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from core.books import FILLS_KEPT_MAX, Books, SymbolBook
from core.commands import AnyCommand
from core.depth import DepthBook, Touch
from core.engine import Engine
from core.events import ConfigChanged, DepthDiff, Level
from core.orders import Asked, Order, Orders
from core.ports import Basis
from core.types import Side
from core.uptime import Uptime

CHUNK = 500  # entries per part
ENGINE_SETTINGS = frozenset({"strategy", "risk", "timing", "_handlers"})
ENGINE_PLAIN: dict[str, Any] = {
    "pending": dict[int, AnyCommand],
    "denials": dict[tuple[str, Side], tuple[str, str]],
    "idle": dict[tuple[str, Side], str],
    "finished": bool,
    "decided_on": dict[str, Basis | None],
    "_changed": dict[str, None],
}
ENGINE_PARTS = frozenset({"uptime", "audit", "books"})
DRAINED = frozenset({"commands", "notices", "told"})  # handed over at the end of every step
BOOKS_PARTS = frozenset({"orders", "market", "numbers"})
BOOKS_LONG = frozenset({"fills", "recovered", "foreign_trades", "earlier", "orphan_not_before_ns"})  # copied at once, encoded elsewhere
ORDERS_BY_NAME = frozenset({"by_venue_id", "open_ids"})  # the same Order objects as in by_client_id: saved as names
ORDERS_LONG = frozenset({"booked_trades", "attention"})
DEPTH_PLAIN: dict[str, Any] = {"symbol": str, "update_id": int, "in_step": bool, "gaps": int, "crossed": int}
DEPTH_LONG: dict[str, Any] = {"_bids": Level, "_asks": Level, "_waiting": DepthDiff}
TOUCH_PLAIN: dict[str, Any] = {"update_id": int, "bid": Level, "ask": Level, "seen_ns": int}

BOOKS_HINTS: dict[str, Any] = get_type_hints(Books, localns={"count": Iterator})
ORDERS_HINTS: dict[str, Any] = get_type_hints(Orders)
UPTIME_HINTS: dict[str, Any] = get_type_hints(Uptime)
MARKET_HINTS: dict[str, Any] = {name: kind for name, kind in get_type_hints(SymbolBook).items() if name not in ("depth", "touch")}
ORDER_HINTS: dict[str, Any] = get_type_hints(Order)
ORDER_ROW: Any = tuple.__class_getitem__(tuple(ORDER_HINTS.values()))
ORDER_VALUES = attrgetter(*ORDER_HINTS)
CHANGING = (Asked,)  # what an order holds that changes in place
ORDER_CHANGING = attrgetter(*(name for name, hint in ORDER_HINTS.items() if set(CHANGING) & set(get_args(hint))))
NOTHING_CHANGES = (None,) * sum(bool(set(CHANGING) & set(get_args(hint))) for hint in ORDER_HINTS.values())
CLIENT_ID_AT = list(ORDER_HINTS).index("client_order_id")

Part = tuple[str, bytes]  # name, msgpack


class CheckpointError(Exception):
    """The data is no checkpoint of this version; the text says what does not fit."""


class Long(NamedTuple):
    """Many entries that never change, copied from their container."""

    name: str
    entries: list[Any]
    is_sorted: bool = False


Frozen = list[Part | Long]


# -- saving --------------------------------------------------------------------------------------
def freeze(engine: Engine) -> Frozen:
    """Between two steps, on the trading thread: the whole state, copied; nothing in it changes with the engine any more."""
    frozen: Frozen = [_plain(f"engine.{name}", getattr(engine, name)) for name in ENGINE_PLAIN]
    frozen.append(_plain("strategy", engine.strategy.save()))
    frozen.append(_plain("engine.audit", engine.audit))
    frozen.extend(_plain(f"uptime.{name}", getattr(engine.uptime, name)) for name in UPTIME_HINTS)
    if engine.books is not None:
        _freeze_books(frozen, engine.books)
    return frozen


def _freeze_books(frozen: Frozen, books: Books) -> None:
    for name in BOOKS_HINTS:
        value = getattr(books, name)
        if name in DRAINED:
            assert not value, f"a checkpoint within a step: {name} were not handed over"
        elif name in BOOKS_LONG:
            frozen.append(Long(f"books.{name}", _entries(value, BOOKS_HINTS[name])))
        elif name not in BOOKS_PARTS:
            frozen.append(_plain(f"books.{name}", value))
    frozen.append(_plain("books.numbers", next_number(books)))
    _freeze_orders(frozen, books.orders)
    for symbol, market in books.market.items():
        frozen.extend(_plain(f"market.{symbol}.{name}", getattr(market, name)) for name in MARKET_HINTS)
        frozen.append(_plain(f"market.{symbol}.touch", [getattr(market.touch, name) for name in TOUCH_PLAIN]))
        frozen.append(_plain(f"market.{symbol}.depth", [getattr(market.depth, name) for name in DEPTH_PLAIN]))
        for name in ("_bids", "_asks"):  # sorted later: a SortedDict hands its bare entries over faster
            frozen.append(Long(f"market.{symbol}.{name}", list(dict.items(getattr(market.depth, name))), is_sorted=True))
        frozen.append(Long(f"market.{symbol}._waiting", list(market.depth._waiting)))


def _freeze_orders(frozen: Frozen, orders: Orders) -> None:
    for name in ORDERS_HINTS:
        value = getattr(orders, name)
        if name == "by_client_id":
            frozen.append(Long("orders.by_client_id", _rows(value.values())))
        elif name in ORDERS_BY_NAME:
            frozen.append(Long(f"orders.{name}", [order.client_order_id for order in value.values()]))
        elif name in ORDERS_LONG:
            frozen.append(Long(f"orders.{name}", _entries(value, ORDERS_HINTS[name])))
        else:
            frozen.append(_plain(f"orders.{name}", value))


def _rows(orders: Iterable[Order]) -> list[tuple[Any, ...]]:
    """Each order's values; the calls under way are copied, because they change in place."""
    return [ORDER_VALUES(order) if ORDER_CHANGING(order) == NOTHING_CHANGES else _copied(ORDER_VALUES(order)) for order in orders]


def _copied(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(copy(value) if isinstance(value, CHANGING) else value for value in row)


def _entries(value: Any, kind: Any) -> list[Any]:
    """What a long container holds; a dict of None is a set that keeps its order."""
    return list(value.items()) if _is_mapping(kind) else list(value)


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is dict and get_args(kind)[1] is not type(None)


def _plain(name: str, value: Any) -> Part:
    return name, msgspec.msgpack.encode(sorted(value) if isinstance(value, set) else value)


def next_number(books: Books) -> int:
    """The command number that comes next, without taking it."""
    return int(repr(books.numbers).removeprefix("count(").removesuffix(")"))


def parts(frozen: Frozen) -> Iterator[Part]:
    """The copy as bytes, piece by piece. Any thread."""
    for one in frozen:
        if not isinstance(one, Long):
            yield one
            continue
        entries = sorted(one.entries) if one.is_sorted else one.entries
        for begin in range(0, len(entries), CHUNK):
            yield one.name, msgspec.msgpack.encode(entries[begin : begin + CHUNK])


def state_hash(pieces: Iterable[Part]) -> str:
    """Equal for equal states, whatever PYTHONHASHSEED says."""
    digest = sha256()
    for name, data in pieces:
        digest.update(f"{name}:{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()


def hash_of(engine: Engine) -> str:
    return state_hash(parts(freeze(engine)))


# -- loading -------------------------------------------------------------------------------------
class _Shelf:
    """The parts by name; every one must be taken exactly once."""

    def __init__(self, pieces: Iterable[Part]) -> None:
        self._parts: dict[str, list[bytes]] = {}
        for name, data in pieces:
            self._parts.setdefault(name, []).append(data)

    def plain(self, name: str, kind: Any) -> Any:
        found = self._parts.pop(name, [])
        if len(found) != 1:
            raise CheckpointError(f"{name} is there {len(found)} times")
        return self._decoded(name, found[0], kind)

    def long(self, name: str, kind: Any) -> list[Any]:
        """All pieces of a long list; none is an empty one."""
        return [entry for data in self._parts.pop(name, []) for entry in self._decoded(name, data, list.__class_getitem__(kind))]

    @staticmethod
    def _decoded(name: str, data: bytes, kind: Any) -> Any:
        try:
            return msgspec.msgpack.decode(data, type=kind)
        except msgspec.DecodeError as error:
            raise CheckpointError(f"{name}: {error}") from error

    def has(self, name: str) -> bool:
        return name in self._parts

    def done(self) -> None:
        if self._parts:
            raise CheckpointError(f"parts of another version: {', '.join(self._parts)}")


def load(engine: Engine, pieces: Iterable[Part]) -> None:
    """Fill an engine that has made no step yet. Raises CheckpointError."""
    assert engine.books is None, "a checkpoint is loaded into a new engine"
    shelf = _Shelf(pieces)
    for name, kind in ENGINE_PLAIN.items():
        setattr(engine, name, shelf.plain(f"engine.{name}", kind))
    try:
        engine.strategy.load(shelf.plain("strategy", Any))
    except (ValueError, msgspec.ValidationError) as error:
        raise CheckpointError(f"strategy: {error}") from error
    engine.audit = shelf.plain("engine.audit", type(engine.audit))
    for name, kind in UPTIME_HINTS.items():
        setattr(engine.uptime, name, shelf.plain(f"uptime.{name}", kind))
    if shelf.has("books.boot"):
        engine.books = _load_books(shelf)
        if engine.books.config is not None:
            _adopt(engine, engine.books, engine.books.config)
    shelf.done()


def _adopt(engine: Engine, books: Books, change: ConfigChanged) -> None:
    try:
        engine.adopt(books, change)
    except msgspec.DecodeError as error:
        raise CheckpointError(f"settings of another version ({error})") from error


def _load_books(shelf: _Shelf) -> Books:
    given: dict[str, Any] = {}
    for name, kind in BOOKS_HINTS.items():
        if name in BOOKS_LONG:
            given[name] = _refilled(shelf.long(f"books.{name}", _entry_kind(kind)), kind)
        elif name not in BOOKS_PARTS and name not in DRAINED:
            given[name] = shelf.plain(f"books.{name}", kind)
    numbers = count(shelf.plain("books.numbers", int))
    market = {symbol: _load_market(shelf, symbol) for symbol in given["rules"]}
    books = Books(**given, numbers=numbers, orders=_load_orders(shelf), market=market)
    books.account.rules = books.rules
    return books


def _load_orders(shelf: _Shelf) -> Orders:
    rows = shelf.long("orders.by_client_id", ORDER_ROW)
    known = {row[CLIENT_ID_AT]: Order(**dict(zip(ORDER_HINTS, row, strict=True))) for row in rows}
    given: dict[str, Any] = {"by_client_id": known}
    for name, kind in ORDERS_HINTS.items():
        if name in ORDERS_BY_NAME:
            given[name] = _same_orders(name, known, shelf.long(f"orders.{name}", str))
        elif name in ORDERS_LONG:
            given[name] = _refilled(shelf.long(f"orders.{name}", _entry_kind(kind)), kind)
        elif name != "by_client_id":
            given[name] = shelf.plain(f"orders.{name}", kind)
    return Orders(**given)


def _same_orders(name: str, known: dict[str, Order], client_ids: list[str]) -> dict[Any, Order]:
    try:
        orders = [known[client_id] for client_id in client_ids]
    except KeyError as error:
        raise CheckpointError(f"orders.{name} names an order that is not there: {error}") from error
    if name == "by_venue_id":
        return {(order.symbol, order.venue_order_id): order for order in orders}
    return {order.client_order_id: order for order in orders}


def _load_market(shelf: _Shelf, symbol: str) -> SymbolBook:
    touch, depth = Touch(), DepthBook(symbol)
    for name, value in zip(TOUCH_PLAIN, shelf.plain(f"market.{symbol}.touch", _row_of(TOUCH_PLAIN)), strict=True):
        setattr(touch, name, value)
    for name, value in zip(DEPTH_PLAIN, shelf.plain(f"market.{symbol}.depth", _row_of(DEPTH_PLAIN)), strict=True):
        setattr(depth, name, value)
    for name in ("_bids", "_asks"):
        getattr(depth, name).update(shelf.long(f"market.{symbol}.{name}", DEPTH_LONG[name]))
    depth._waiting.extend(shelf.long(f"market.{symbol}._waiting", DEPTH_LONG["_waiting"]))
    given = {name: shelf.plain(f"market.{symbol}.{name}", kind) for name, kind in MARKET_HINTS.items()}
    return SymbolBook(depth=depth, touch=touch, **given)


def _row_of(kinds: dict[str, Any]) -> Any:
    return tuple.__class_getitem__(tuple(kinds.values()))


def _entry_kind(kind: Any) -> Any:
    """What one entry of a long container is."""
    return tuple.__class_getitem__(get_args(kind)) if _is_mapping(kind) else get_args(kind)[0]


def _refilled(entries: list[Any], kind: Any) -> Any:
    origin = get_origin(kind)
    if origin is dict:
        return dict(entries) if _is_mapping(kind) else dict.fromkeys(entries)
    return deque(entries, maxlen=FILLS_KEPT_MAX) if origin is deque else entries
