"""What the bot shows of itself: a frozen picture of the engine, and the books of a run as plain data.

Who makes it: the trading loop, on the trading thread, a few times a second (`picture`) and once at the end (`books_of`).
Who reads it: console, control socket, summary - any thread, because it never changes. Never: a way back into the engine.
"""

from typing import Any

import msgspec

from core.books import MS, Books
from core.engine import Engine
from core.light import Colour
from core.memory import Remembering
from core.money import plain
from core.proof import Proof, traded_assets
from core.types import Fill, Side


class SideShown(msgspec.Struct, frozen=True, kw_only=True):
    """One (symbol, side): its light in words, its orders, and why it has no quote where it has none."""

    symbol: str
    side: str
    colour: str
    reason: str
    clears_when: str
    age_ms: int
    orders: tuple[dict[str, str], ...]
    pending_places: int
    pending_cancels: int
    unknown: int
    no_quote_because: str
    uptime: float


class SymbolShown(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    bid: str
    ask: str
    inventory: str
    book_age_ms: int
    book_gaps: int
    book_crossed: int
    bought: str
    sold: str
    maker_fills: int
    taker_fills: int


class ConfigShown(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the settings, and since when it is or was in force."""

    version: str
    since_ns: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    at_ns: int
    boot: str
    sides: tuple[SideShown, ...]
    symbols: tuple[SymbolShown, ...]
    pnl_quote: str
    pnl_hold_quote: str
    orders_placed: int
    orders_canceled: int
    queue_places_kept: int
    orders_open: int
    fills: int
    round_trips: tuple[tuple[str, str], ...]
    weight_used: int
    weight_limit: int
    rejects: dict[str, int]
    proof: Proof | None
    proofs_equal: int
    proof_weight: int
    calls_pending: int
    contradictions: int
    halted: str
    stopping: str
    light_seconds: dict[str, float]
    positions: dict[str, dict[str, Any]] = {}  # by symbol, of a strategy that keeps them
    config_versions: tuple[ConfigShown, ...] = ()  # the newest last
    ack_ms: tuple[float, float] = (0.0, 0.0)  # p50 and p99 from the decision of a place to the venue's word


def picture(engine: Engine) -> Snapshot | None:
    """The engine as it is now; None before Boot."""
    books = engine.books
    if books is None:
        return None
    pnl, hold = books.pnl()
    used, limit = books.budget.used_weight()
    return Snapshot(
        at_ns=books.now_ns,
        boot=books.boot,
        sides=tuple(_side(engine, books, symbol, side) for symbol in books.rules for side in Side),
        symbols=tuple(_symbol(books, symbol) for symbol in books.rules),
        pnl_quote=plain(pnl),
        pnl_hold_quote=plain(hold),
        orders_placed=books.placed,
        orders_canceled=books.canceled,
        queue_places_kept=books.queue_places_kept,
        orders_open=len(books.orders.open_ids),
        fills=books.fills_booked,
        round_trips=tuple((symbol, plain(totals.round_trips)) for symbol, totals in books.totals.items()),
        weight_used=used,
        weight_limit=limit,
        rejects=dict(books.rejects),
        proof=engine.audit.stop_proof or engine.audit.last,
        proofs_equal=engine.audit.equal_proofs,
        proof_weight=engine.audit.weight,
        calls_pending=len(engine.pending),
        contradictions=books.orders.contradictions,
        halted=books.session.halted,
        stopping=books.session.stopping,
        light_seconds=light_seconds(engine),
        positions=engine.strategy.shown() if isinstance(engine.strategy, Remembering) else {},
        config_versions=tuple(ConfigShown(version=version, since_ns=since_ns) for version, since_ns in books.config_versions),
        ack_ms=(books.figures.place_ms.percentile_ms(50), books.figures.place_ms.percentile_ms(99)),
    )


def light_seconds(engine: Engine) -> dict[str, float]:
    """Seconds per colour, averaged over the sides."""
    sides = max(1, len({(symbol, side) for symbol, side, _ in engine.uptime.light_ns}))
    seconds = dict.fromkeys((colour.value for colour in Colour), 0.0)
    for (_, _, colour), ns in engine.uptime.light_ns.items():
        seconds[colour.value] += ns / 1e9 / sides
    return {colour: round(value, 3) for colour, value in seconds.items()}


def _side(engine: Engine, books: Books, symbol: str, side: Side) -> SideShown:
    light = books.lights.shown.get((symbol, side)) or books.light(symbol, side)
    orders = list(books.orders.open(symbol, side))
    denial = engine.denials.get((symbol, side))
    quoted = any(order.is_working for order in orders)
    why = "" if quoted else light.reason if not light.is_green else (denial[0] if denial else engine.idle.get((symbol, side), "decision follows"))
    return SideShown(
        symbol=symbol,
        side=side.value,
        colour=light.colour.value,
        reason=light.reason,
        clears_when=light.clears_when,
        age_ms=(books.now_ns - light.since_ns) // MS,
        orders=tuple(
            {
                "client_order_id": order.client_order_id,
                "price": plain(order.price),
                "quantity": plain(order.quantity),
                "filled": plain(order.booked),
                "status": order.status.value,
                "ahead": plain(order.queue.ahead.quantize(books.rules[symbol].step)) if order.queue is not None else "",
                "age_s": str((books.now_ns - order.created_ns) // 1_000_000_000),
            }
            for order in orders
        ),
        pending_places=sum(order.place_asked is not None for order in orders),
        pending_cancels=sum(order.is_leaving for order in orders),
        unknown=sum(order.is_unknown for order in orders),
        no_quote_because=why,
        uptime=round(engine.uptime.share(symbol, side), 4),
    )


def _symbol(books: Books, symbol: str) -> SymbolShown:
    market, totals = books.market[symbol], books.totals[symbol]
    return SymbolShown(
        symbol=symbol,
        bid=plain(market.touch.bid[0]),
        ask=plain(market.touch.ask[0]),
        inventory=plain(books.position(symbol)),
        book_age_ms=(books.now_ns - books.session.symbols[symbol].book_seen_ns) // MS if market.depth.in_step else -1,
        book_gaps=market.depth.gaps,
        book_crossed=market.depth.crossed,
        bought=plain(totals.bought),
        sold=plain(totals.sold),
        maker_fills=totals.maker,
        taker_fills=totals.taker,
    )


# -- the books of a run --------------------------------------------------------------------------
def books_of(engine: Engine) -> dict[str, object]:
    """What the bot believes, as JSON-ready data: enough to recompute the P&L and to compare with the venue trade by trade."""
    books = engine.books
    if books is None:
        return {}
    holdings = books.account.holdings
    return {
        "fills": [fill_data(fill) for fill in books.fills],
        "recovered_fills": [fill_data(fill) for fill in books.recovered],
        "open_orders": [
            {"symbol": order.symbol, "venue_order_id": order.venue_order_id, "client_order_id": order.client_order_id, "side": order.side.value}
            for order in books.orders.open()
        ],
        "balances": {asset: {"free": plain(held.free), "locked": plain(held.locked)} for asset, held in holdings.items()},
        "start_balances": {asset: plain(total) for asset, total in books.account.baseline.items()},
        "foreign_movements": {asset: plain(delta) for asset, delta in books.account.movements.items()},
        "start_mids": {symbol: plain(mid) for symbol, mid in books.start_mids.items()},
        "mids": {symbol: plain(mid) for symbol, mid in {**books.start_mids, **books.mids()}.items()},
        "assets": traded_assets(books),
    }


def fees_of(engine: Engine) -> dict[str, str]:
    """Fees paid by our fills, per asset."""
    return {asset: plain(total) for asset, total in engine.books.fees.items()} if engine.books else {}


def fill_data(fill: Fill) -> dict[str, object]:
    return {
        "trade_id": fill.trade_id,
        "symbol": fill.symbol,
        "venue_order_id": fill.venue_order_id,
        "client_order_id": fill.client_order_id,
        "side": fill.side.value,
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "fee": plain(fill.fee),
        "fee_asset": fill.fee_asset,
        "liquidity": fill.liquidity.value,
        "time_ms": fill.time_ms,
    }
