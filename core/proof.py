"""The proof: our books against the venue's, in three parts (open orders, fills, balances).

Who calls it: core.engine, on the trading thread, with a fresh account read. When a difference counts, and when the
engine reads again, is core.audit's.
Never: a change to the books, except that a proven difference of balances is booked as an unexplained movement.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from core.books import Books
from core.events import AccountSnapshot
from core.money import ZERO, plain
from core.orders import Order


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one reading shows. `differences` is empty where everything is equal."""

    lines: tuple[str, ...]
    differences: tuple[str, ...]
    doubtful: tuple[str, ...] = ()  # client ids to resolve
    unexplained: tuple[tuple[str, Decimal], ...] = ()


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict. `equal` False means: the same difference twice, with nothing moving between."""

    purpose: str
    equal: bool
    compared: tuple[str, ...]
    differences: tuple[str, ...]
    at_ns: int
    request_weight: int = 0  # of the readings behind it


def compare(books: Books, snapshot: AccountSnapshot) -> Finding:
    """Compare after the snapshot's trades were merged."""
    theirs = {(facts.symbol, facts.venue_order_id) for facts in snapshot.open_orders if books.is_ours(facts.client_order_id)}
    ours = {(order.symbol, order.venue_order_id): order for order in books.orders.open() if order.venue_order_id is not None}
    undecided = [order for order in books.orders.open() if order.venue_order_id is None]
    differences: list[str] = []
    for symbol, order_id in sorted(theirs - ours.keys()):
        differences.append(f"order {order_id} {symbol} is open at the venue only")
    unlisted = [ours[key] for key in sorted(ours.keys() - theirs)]
    missing = [order for order in unlisted if order.client_order_id not in books.orders.attention]
    asked_about = [order for order in unlisted if order.client_order_id in books.orders.attention]
    differences.extend(f"order {order.client_order_id} is open in our book only" for order in missing)
    differences.extend(f"order {order.client_order_id} is undecided" for order in (*undecided, *asked_about))
    fill_lines, fill_differences = _compare_fills(books, snapshot)
    asset_lines, unexplained = _compare_assets(books)
    differences.extend(fill_differences)
    differences.extend(_unexplained(asset, delta) for asset, delta in unexplained)
    return Finding(
        lines=(f"orders {len(ours) + len(undecided)}={len(theirs)}", *asset_lines, *fill_lines),
        differences=tuple(differences),
        doubtful=tuple(order.client_order_id for order in missing),
        unexplained=tuple(unexplained),
    )


def only(finding: Finding, lines: frozenset[str]) -> Finding:
    """These differences of it and no other: what else it shows may be in motion, and nothing is booked for that."""
    return msgspec.structs.replace(
        finding,
        differences=tuple(line for line in finding.differences if line in lines),
        unexplained=tuple((asset, delta) for asset, delta in finding.unexplained if _unexplained(asset, delta) in lines),
    )


def _unexplained(asset: str, delta: Decimal) -> str:
    return f"{asset}: {_signed(delta)} unexplained"


def _compare_fills(books: Books, snapshot: AccountSnapshot) -> tuple[list[str], list[str]]:
    """Every trade the venue lists since the last reading must be booked, foreign, or waiting for its order's name."""
    missing = [
        fill
        for fill in snapshot.trades
        if not books.orders.is_booked(fill)
        and fill.key not in books.foreign_trades
        and (fill.symbol, fill.venue_order_id) not in books.orphans
    ]
    waiting = books.orphan_trades
    short = [order for client_id in books.orders.attention if (order := books.orders.by_client_id[client_id]).booked < order.executed]
    booked = books.fill_count()
    differences = [f"trade {fill.trade_id} {fill.symbol} is not booked" for fill in missing]
    differences.extend(f"{waiting} trades wait for the name of their order" for _ in range(1 if waiting else 0))
    differences.extend(f"fills of {order.client_order_id} are incomplete" for order in _each(short))
    if not snapshot.last_trade_ids and not differences:  # not read this time: a lost fill would show in the balances
        return [f"fills {booked}, as the balances say"], differences
    return [f"fills {booked}={booked + len(missing) + waiting + len(short)}"], differences


def _compare_assets(books: Books) -> tuple[list[str], list[tuple[str, Decimal]]]:
    lines: list[str] = []
    unexplained: list[tuple[str, Decimal]] = []
    for asset in traded_assets(books):
        expected, stated = books.account.expected(asset), books.account.total(asset)
        lines.append(f"{asset} {plain(expected)}={plain(stated)}")
        if expected != stated:
            unexplained.append((asset, stated - expected))
    return lines, unexplained


def traded_assets(books: Books) -> list[str]:
    """Quote and base assets of the configured symbols, each once, in order."""
    return list(dict.fromkeys(asset for rule in books.rules.values() for asset in (rule.quote, rule.base)))


def _each(orders: Iterable[Order]) -> list[Order]:
    return list({order.client_order_id: order for order in orders}.values())


def _signed(value: Decimal) -> str:
    return ("+" if value > ZERO else "-") + plain(abs(value))
