"""Money is exact whatever happens: random requests and a random market, checked after every single action."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.paper.matching import Matching
from exchange.paper.model import ALGO_TYPES, MARKET_TYPES, BalanceReport, OrderReport, PaperOrder, Reject
from tests.paper.engine import BALANCES, BTC, BUY, SELL, D, Engine

FEES = ("0.00017", "0.00123")
sides = st.sampled_from([BUY, SELL])
prices = st.integers(-12, 12).map(lambda ticks: D("100.05") + ticks * D("0.01"))
quantities = st.integers(5_000, 300_000).map(lambda lots: lots * D("0.00001"))
modes = st.sampled_from(["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", None])
picks = st.integers(0, 40)
PAIRS = [(stop, profit) for stop in ALGO_TYPES[:2] for profit in ("LIMIT_MAKER", *ALGO_TYPES[2:])]
actions = st.lists(
    st.one_of(
        st.tuples(st.just("limit"), sides, prices, quantities, st.sampled_from(["GTC", "IOC", "FOK"]), modes),
        st.tuples(st.just("maker"), sides, prices, quantities),
        st.tuples(st.just("market"), sides, quantities, modes),
        st.tuples(st.just("quote"), sides, st.integers(5, 500)),
        st.tuples(st.just("stop"), sides, prices, prices, quantities, st.sampled_from(ALGO_TYPES), st.sampled_from([0, 0, 10, 15])),
        st.tuples(st.just("pair"), sides, prices, prices, quantities, st.sampled_from(PAIRS), st.sampled_from([0, 0, 10])),
        st.tuples(st.just("cancel"), picks),
        st.tuples(st.just("amend"), picks, st.fractions(0, 1, max_denominator=20)),
        st.tuples(st.just("cancel_all")),
        st.tuples(st.just("background"), sides, prices, st.integers(0, 400_000)),
        st.tuples(st.just("aggress"), sides, quantities, prices),
        st.tuples(st.just("replay"), sides, prices, st.integers(1, 300_000), st.booleans()),
        st.tuples(st.just("reload")),
    ),
    min_size=1,
    max_size=40,
)


def _act(engine: Engine, action: tuple[object, ...]) -> None:
    """Run one drawn action; refusals of the venue are part of the game."""
    kind, *rest = action
    matching = engine.matching
    if kind == "limit":
        side, price, quantity, tif, mode = rest
        more = {"tif": str(tif), **({} if mode is None else {"stp": str(mode)})}
        engine.place(str(side), str(quantity), str(price), **more)
    elif kind == "maker":
        side, price, quantity = rest
        engine.place(str(side), str(quantity), str(price), "LIMIT_MAKER")
    elif kind == "market":
        side, quantity, mode = rest
        engine.place(str(side), str(quantity), None, "MARKET", **({} if mode is None else {"stp": str(mode)}))
    elif kind == "quote":
        engine.place(str(rest[0]), None, None, "MARKET", quote=str(rest[1]))
    elif kind == "stop":
        side, price, stop, quantity, order_type, delta = rest
        engine.place(str(side), str(quantity), **_contingent(str(order_type), str(price), str(stop), int(str(delta))))
    elif kind == "pair":
        _place_pair(engine, *rest)
    elif kind in ("cancel", "amend"):
        orders = matching.open_orders(BTC)
        if orders:
            order = orders[int(str(rest[0])) % len(orders)]
            if kind == "cancel":
                matching.cancel(BTC, engine.now_ms, order_id=order.order_id, cancel_id=f"c{order.order_id}")
            else:
                share = Decimal(rest[1].numerator) / rest[1].denominator  # type: ignore[attr-defined]
                lots = order.quantity * share // engine.rules.step
                matching.amend(BTC, engine.now_ms, lots * engine.rules.step, order_id=order.order_id)
    elif kind == "cancel_all":
        matching.cancel_all(BTC, engine.now_ms)
    elif kind == "background":
        matching.set_background_lots(BTC, str(rest[0]), int(Decimal(str(rest[1])) * 100), int(str(rest[2])))
    elif kind == "aggress":
        matching.aggress(BTC, str(rest[0]), Decimal(str(rest[1])), Decimal(str(rest[2])), engine.now_ms)
    elif kind == "replay":
        side, price, lots, late = rest
        matching.replay_trade(BTC, str(side), int(Decimal(str(price)) * 100), int(str(lots)), engine.now_ms, is_late=bool(late))
    else:
        engine.matching = Matching.load(matching.dump(), matching.rules.values(), *map(D, FEES))


def _contingent(order_type: str, price: str, stop: str, delta: int) -> dict[str, Any]:
    """The keywords of one leg; a trailing delta stands beside its stop price or, on an odd tick, instead of it."""
    leg: dict[str, Any] = {"kind": order_type, "price": price if "LIMIT" in order_type else None}
    if order_type != "LIMIT_MAKER" and not (delta and int(D(stop) * 100) % 2):
        leg["stop"] = stop
    if order_type != "LIMIT_MAKER" and delta:
        leg["delta"] = str(delta)
    return leg


def _place_pair(engine: Engine, side: object, first: object, second: object, quantity: object, types: object, delta: object) -> None:
    """Prices put on the side of the last price where the venue wants them, so that most pairs are taken in."""
    last = engine.matching.last_price(BTC) or D("100.05")
    near, far = (abs(D(str(price)) - D("100.05")) + D("0.01") for price in (first, second))
    down, up = last - near - near % D("0.01"), last + far - far % D("0.01")
    stop, profit = (down, up) if side == SELL else (up, down)
    assert isinstance(types, tuple)
    first_leg, second_leg = (_contingent(kind, str(price), str(price), int(str(delta))) for kind, price in zip(types, (stop, profit), strict=True))
    engine.pair(str(side), str(quantity), first_leg, second_leg)


def _need(order: PaperOrder) -> Decimal:
    if order.type in MARKET_TYPES and not order.is_waiting:
        return D(0)
    price = order.reserve_price if order.type in MARKET_TYPES else order.price
    return price * order.remaining if order.side == BUY else order.remaining


def _locks(engine: Engine) -> dict[str, Decimal]:
    """What open orders need: each its own, a pair the greater of its two."""
    needed = {"BTC": D(0), "USDT": D(0)}
    shared: dict[int, tuple[str, Decimal]] = {}
    for order in engine.matching.open_orders():
        asset = "USDT" if order.side == BUY else "BTC"
        if order.list_id < 0:
            needed[asset] += _need(order)
        else:
            shared[order.list_id] = asset, max(_need(order), shared.get(order.list_id, ("", D(0)))[1])
    for asset, amount in shared.values():
        needed[asset] += amount
    return needed


def _check(engine: Engine) -> None:
    """Totals move by trades and fees only; locks equal what open orders need; books are not crossed; nothing is negative."""
    expected = dict(BALANCES)
    for trade in engine.matching.trades(BTC):
        sign = 1 if trade.is_buyer else -1
        expected["BTC"] += sign * trade.quantity
        expected["USDT"] -= sign * trade.quote_quantity
        expected[trade.commission_asset] -= trade.commission
    needed = _locks(engine)
    for asset, total in expected.items():
        free, locked = engine.balance(asset)
        assert free + locked == total
        assert locked == needed[asset]
        assert free >= 0
    bid, _, ask, _, _ = engine.matching.touch(BTC)
    assert bid is None or ask is None or bid < ask
    _check_orders(engine)
    _check_lists(engine)


def _check_orders(engine: Engine) -> None:
    """Every order's numbers are the sum of its trades, and open orders rest in the book with what remains."""
    executed: dict[int, Decimal] = {}
    quote: dict[int, Decimal] = {}
    for trade in engine.matching.trades(BTC):
        executed[trade.order_id] = executed.get(trade.order_id, D(0)) + trade.quantity
        quote[trade.order_id] = quote.get(trade.order_id, D(0)) + trade.quote_quantity
    book = engine.matching.books[BTC]
    segments = [segment for side in book.sides.values() for level in side.values() for segment in level.queue]
    resting = {segment.order_id: segment.lots for segment in segments if segment.order_id}
    for order in engine.matching.all_orders(BTC):
        assert order.executed == executed.get(order.order_id, D(0))
        assert order.cumulative_quote == quote.get(order.order_id, D(0))
        assert order.is_open == (order.order_id in resting or order.order_id in engine.matching.waiting[BTC])
        assert order.is_waiting == (order.order_id in engine.matching.waiting[BTC])
        if order.order_id in resting:
            assert resting[order.order_id] * engine.rules.step == order.remaining > 0
    for side in book.sides.values():
        for level in side.values():
            assert level.background == sum(segment.lots for segment in level.queue if not segment.order_id) >= 0
            assert level.own == sum(segment.lots for segment in level.queue if segment.order_id) >= 0
            assert level.lots > 0


def _check_lists(engine: Engine) -> None:
    """At most one leg of a pair ever trades, only one works once the other has begun to, and a list is open while a leg is."""
    for listed in engine.matching.lists.lists.values():
        legs = engine.legs(listed)
        assert sum(1 for leg in legs if leg.executed) <= 1
        assert listed.is_open == any(leg.is_open for leg in legs)
        assert listed.is_open == (listed.list_id in engine.matching.lists.open_ids)
        if all(leg.is_open for leg in legs):
            assert not any(leg.executed for leg in legs)
            assert legs[0].is_waiting and legs[0].quantity == legs[1].quantity


@settings(max_examples=250)
@given(actions)
def test_money_orders_and_book_agree_after_every_action(drawn: list[tuple[object, ...]]) -> None:
    """free + locked changes exactly by trades and fees, locked is what open orders need, and book, orders and trades agree, always."""
    engine = Engine(*FEES)
    for action in drawn:
        with contextlib.suppress(Reject):
            _act(engine, action)
        _check(engine)


@settings(max_examples=80)
@given(actions)
def test_reports_tell_everything(drawn: list[tuple[object, ...]]) -> None:
    """Whoever hears the reports alone knows every order's end, every trade once, and the balances; execution ids rise."""
    engine = Engine(*FEES)
    orders: dict[int, PaperOrder] = {}
    balances = {asset: (total, D(0)) for asset, total in BALANCES.items()}
    trades: list[tuple[int, int]] = []
    newest = 0
    for action in drawn:
        if action[0] == "reload":
            continue
        with contextlib.suppress(Reject):
            _act(engine, action)
        for report in engine.matching.drain_reports():
            if isinstance(report, OrderReport):
                assert report.execution_id > newest
                newest, orders[report.order.order_id] = report.execution_id, report.order
                if report.trade is not None:
                    trades.append((report.trade.trade_id, report.trade.order_id))
            elif isinstance(report, BalanceReport):
                balances.update({asset: (free, locked) for asset, free, locked in report.balances})
    untold = {"trailing_ms": -1, "trailing_extreme": D(0)}  # how far a trailing order has followed the price is no report
    told = {number: replace(order, **untold) for number, order in orders.items()}  # type: ignore[arg-type]
    assert told == {order.order_id: replace(order, **untold) for order in engine.matching.all_orders(BTC)}  # type: ignore[arg-type]
    assert balances == {asset: engine.balance(asset) for asset in balances}
    assert trades == [(trade.trade_id, trade.order_id) for trade in engine.matching.trades(BTC)]


@settings(max_examples=80)
@given(actions)
def test_depth_changes_rebuild_the_book(drawn: list[tuple[object, ...]]) -> None:
    """A reader that applies drained levels to a snapshot has the same book; the update ids are one contiguous sequence."""
    engine = Engine(*FEES)
    engine.matching.drain_levels(BTC)
    last, bids, asks = engine.matching.depth(BTC, 10_000)
    mine = {BUY: dict(bids), SELL: dict(asks)}
    for action in drawn:
        if action[0] == "reload":
            continue
        with contextlib.suppress(Reject):
            _act(engine, action)
        drained = engine.matching.drain_levels(BTC)
        if drained is None:
            continue
        first, last_changed, *changed = drained
        assert first == last + 1 <= last_changed
        last = last_changed
        for side, rows in zip((BUY, SELL), changed, strict=True):
            for price, quantity in rows:
                mine[side].pop(price, None)
                if quantity:
                    mine[side][price] = quantity
    update_id, bids, asks = engine.matching.depth(BTC, 10_000)
    assert (update_id, dict(bids), dict(asks)) == (last, mine[BUY], mine[SELL])
    assert [price for price, _ in bids] == sorted(mine[BUY], reverse=True)
    assert [price for price, _ in asks] == sorted(mine[SELL])
