"""How long every map, list and queue of the deciding half is, and how long it may get (I25).

Who calls it: sim.oracle in every world, sim.day every virtual hour, the tests; on the thread that owns the engine. The containers are found in the
objects themselves, so a new one without a line in CAPS is an error where it is first seen, not a leak that nobody watches.
Never: a change; a container that is emptied to keep its cap. What happens at a cap is said where the cap is defined.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import NamedTuple

from core.account import ASSETS_MAX, FOREIGN_ORDERS_MAX, SPENT_MAX, TOLD_KEPT
from core.amending import AMENDED_KEPT
from core.audit import LINES_WATCHED_MAX
from core.booking import FOREIGN_TRADES_MAX
from core.books import ATTRIBUTED_MAX, FILLS_KEPT_MAX, ORPHAN_TRADES_MAX
from core.depth import BUFFERED_DIFFS_MAX, LEVELS_MAX
from core.engine import PENDING_MAX, Engine
from core.figures import AWAITED_MAX, HORIZONS_S
from core.light import REASONS_MAX
from core.lots import EXITS_KEPT_MAX, LOTS_CLOSED_MAX, LOTS_MAX
from core.orders import BOOKED_MAX, CLOSED_MAX, CONTRADICTIONS
from core.refusing import COUNT_MAX
from core.settings import VERSIONS_KEPT

EARLIER_MAX = 10_000  # known fills of earlier runs (state.ledger gives no more)
OPEN_MAX = 400  # of one symbol: the venue keeps 200, and as many may be undecided or adopted
LIMITS_MAX = 10  # kinds of limit a venue states
CONTAINERS = (dict, list, set, deque)


class Cap(NamedTuple):
    """`fixed` and `per_symbol` times the number of symbols add up."""

    fixed: int = 0
    per_symbol: int = 0


PER_SYMBOL, PER_SIDE, TRADED = Cap(per_symbol=1), Cap(per_symbol=2), Cap(per_symbol=2)
LOTS = Cap(per_symbol=2 * (LOTS_MAX + 1))
OPEN = Cap(per_symbol=OPEN_MAX)
KNOWN = Cap(CLOSED_MAX + CLOSED_MAX // 10, 2 * OPEN_MAX)  # ended, and open or still asked about
ASSETS = Cap(ASSETS_MAX, 3)
CAPS: dict[str, Cap] = {
    "engine.pending": Cap(PENDING_MAX),
    "engine.denials": PER_SIDE,
    "engine.idle": PER_SIDE,
    "engine._changed": PER_SYMBOL,
    "engine.decided_on": PER_SYMBOL,
    "strategy.symbols": PER_SYMBOL,
    "strategy._place_first": PER_SIDE,
    "strategy.traders": PER_SYMBOL,
    "trader.entries": PER_SIDE,
    "trader.exits": LOTS,
    "trader.recheck": PER_SIDE,
    "trader.rest_until_ns": PER_SIDE,
    "trader.beats": Cap(per_symbol=3),
    "tally.classes": Cap(per_symbol=4),  # entry and exit, maker and taker
    "lots.open": PER_SIDE,
    "lots.open[]": LOTS,
    "lots.dust": PER_SIDE,
    "lots.next_number": PER_SIDE,
    "lots.runner": PER_SIDE,
    "lots.closed": Cap(per_symbol=LOTS_CLOSED_MAX),
    "lots.records": Cap(per_symbol=EXITS_KEPT_MAX),
    "figures.classes": Cap(per_symbol=4),  # side and liquidity
    "figures.awaited": Cap(len(HORIZONS_S)),
    "figures.awaited[]": Cap(len(HORIZONS_S) * AWAITED_MAX),
    "figures.proofs": Cap(4),  # start, resync, proof, stop
    "lights.since_ns": PER_SIDE,
    "lights.spent_ns": Cap(per_symbol=2 * (REASONS_MAX + 3)),
    "uptime.light_ns": Cap(per_symbol=2 * 3),
    "uptime.quoted_ns": PER_SIDE,
    "uptime.ready_ns": PER_SIDE,
    "uptime.ready": PER_SIDE,
    "audit.standing": Cap(LINES_WATCHED_MAX),
    "books.rules": PER_SYMBOL,
    "books.market": PER_SYMBOL,
    "books.totals": PER_SYMBOL,
    "books.fills": Cap(FILLS_KEPT_MAX),
    "books.recovered": Cap(FILLS_KEPT_MAX),
    "books.fees": ASSETS,
    "books.proven_trade_id": PER_SYMBOL,
    "books.orphans": Cap(ORPHAN_TRADES_MAX),
    "books.orphans[]": Cap(ORPHAN_TRADES_MAX),
    "books.orphan_not_before_ns": Cap(ORPHAN_TRADES_MAX),
    "books.earlier": Cap(EARLIER_MAX),
    "books.attributed": Cap(ATTRIBUTED_MAX),
    "books.foreign_trades": Cap(FOREIGN_TRADES_MAX),
    "books.start_mids": PER_SYMBOL,
    "books.amendments": OPEN,
    "books.amended": Cap(AMENDED_KEPT + 1),
    "books.rejects": Cap(COUNT_MAX),
    "books.refusals": PER_SIDE,
    "books.crossings": PER_SIDE,
    "books.config_versions": Cap(VERSIONS_KEPT),
    "books.commands": Cap(0),  # handed over with the step
    "books.notices": Cap(0),
    "books.told": Cap(0),
    "orders.by_client_id": KNOWN,
    "orders.by_venue_id": KNOWN,
    "orders.open_ids": OPEN,
    "orders.attention": Cap(per_symbol=2 * OPEN_MAX),
    "orders.changed": Cap(0),
    "orders.contradicted": Cap(len(CONTRADICTIONS)),
    "orders.newest": PER_SYMBOL,
    "orders.booked_trades": Cap(BOOKED_MAX),
    "orders.forgotten": PER_SYMBOL,
    "account.rules": PER_SYMBOL,
    "account.holdings": ASSETS,
    "account.foreign": Cap(FOREIGN_ORDERS_MAX),
    "account.told": Cap(TOLD_KEPT),
    "account.spent_since": TRADED,
    "account.spent_since[]": Cap(SPENT_MAX, SPENT_MAX),
    "account.movements": ASSETS,
    "account.baseline": ASSETS,
    "account.baseline_ms": ASSETS,
    "account.own_change": ASSETS,
    "budget.windows": Cap(LIMITS_MAX),
    "budget.buckets": Cap(LIMITS_MAX),
    "session.up": Cap(2),
    "session.down_reason": Cap(2),
    "session.symbols": PER_SYMBOL,
    "session.cooldown_until_ns": PER_SIDE,
    "session.brake_until_ns": PER_SIDE,
    "lights.shown": PER_SIDE,
    "depth._bids": Cap(per_symbol=LEVELS_MAX),  # the symbols' depth books added up
    "depth._asks": Cap(per_symbol=LEVELS_MAX),
    "depth._waiting": Cap(per_symbol=BUFFERED_DIFFS_MAX),
}


class Size(NamedTuple):
    name: str
    size: int
    cap: int

    @property
    def is_over(self) -> bool:
        return self.size > self.cap


def sizes(engine: Engine) -> list[Size]:
    """Between two steps, every container by name. Raises KeyError for one without a cap."""
    found: dict[str, int] = {}
    for name, size in _found(engine):
        found[name] = found.get(name, 0) + size
    symbols = len(engine.books.rules) if engine.books is not None else 0
    return [Size(name, size, CAPS[name].fixed + CAPS[name].per_symbol * symbols) for name, size in found.items()]


def _found(engine: Engine) -> Iterator[tuple[str, int]]:
    named: list[tuple[str, object]] = [("engine", engine), ("strategy", engine.strategy), ("uptime", engine.uptime), ("audit", engine.audit)]
    for trader in getattr(engine.strategy, "traders", {}).values():
        named += [("trader", trader), ("lots", trader.lots), ("tally", trader.tally)]
    books = engine.books
    if books is not None:
        named += [("books", books), ("orders", books.orders), ("account", books.account), ("budget", books.budget)]
        named += [("session", books.session), ("lights", books.lights), ("figures", books.figures)]
        named += [("market", market) for market in books.market.values()]
        named += [("depth", market.depth) for market in books.market.values()]
        named += [("touch", market.touch) for market in books.market.values()]
    for owner, thing in named:
        for name, value in _attributes(thing):
            yield from _lengths(f"{owner}.{name}", value)


def _attributes(thing: object) -> Iterator[tuple[str, object]]:
    if is_dataclass(thing):
        return ((one.name, getattr(thing, one.name)) for one in fields(thing))
    return iter(vars(thing).items()) if hasattr(thing, "__dict__") else ((name, getattr(thing, name)) for name in getattr(thing, "__slots__", ()))


def _lengths(name: str, value: object) -> Iterator[tuple[str, int]]:
    """A container's own length and, where it holds lists, theirs added up."""
    if isinstance(value, CONTAINERS) and name != "engine._handlers":
        yield name, len(value)
        if f"{name}[]" in CAPS and isinstance(value, dict):
            yield f"{name}[]", sum(len(inner) for inner in value.values())
