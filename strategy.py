"""What the bot wants: the market maker by bands; `strategy_of` makes it or the maker-first trader (trading.maker_first), as the recipe says.

Who calls it: core.engine, once per changed symbol and step, on the trading thread. It reads a View and returns a Decision; the four-tick flow is its
habit: bad orders -> cancel them all and return; pending cancels -> wait; the venue's word -> the light turns green; green -> place. With the policy
`amend.price: replace` a side whose orders are bad for nothing but their price has each of them replaced by one command instead.
Never: I/O, time, a wait, an order it did not see in the view.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from core.amendments import AmendOutcome, OnReject, Routing
from core.commands import Slot
from core.light import Colour
from core.money import ZERO, ceil_to, distance_bps, floor_to, plain
from core.orders import Order
from core.types import SIDES, OrderType, Side
from core.view import Decision, View, WantAmend, WantCancel, WantPlace
from trading.amend import Amending
from trading.bands import Band, band_of, is_urgent, why_bad
from trading.maker_first import MakerFirst
from trading.quoting import SymbolQuoting, fit_quantity, inventory, quote_price, reference_price, room
from trading.recipe import Recipe

NS_PER_S = 1_000_000_000


def strategy_of(recipe: Recipe) -> "MarketMaker | MakerFirst":
    """The one that a run, or its replay, is made of."""
    if recipe.maker_first is None:
        return MarketMaker(recipe.quoting, recipe.amending)
    return MakerFirst(recipe.maker_first, recipe.amending, notional_max=recipe.limits.order_notional_max)


class MarketMaker:
    """Keeps each band filled at its target; leaves orders inside their band alone, because their queue place is worth money."""

    def __init__(self, symbols: Mapping[str, SymbolQuoting], amending: Amending | None = None) -> None:
        """Without `amending` an order that is too large is canceled and placed anew."""
        self.symbols = symbols
        self.amending = amending or Amending()
        self._place_first: set[tuple[str, Side]] = set()  # sides that waited for cancels: they place before they look for bad orders

    def adopt(self, settings: bytes) -> None:
        """Orders that the new bands do not want are bad from the next decision on."""
        recipe = Recipe.read(settings)
        self.symbols, self.amending = recipe.quoting, recipe.amending

    def decide(self, view: View, symbol: str) -> Decision:
        quoting = self.symbols[symbol]
        cancels: list[WantCancel] = []
        amends: list[WantAmend] = []
        places: list[WantPlace] = []
        idle: list[tuple[Side, str]] = []
        for side in SIDES:
            reference = reference_price(view, symbol, side, quoting)
            if reference is None:
                idle.append((side, "no touch known yet"))
                continue
            bad = self._bad_orders(view, symbol, side, reference, quoting)
            if bad:
                moves = self._moves(view, symbol, side, reference, quoting, bad, self._others(view, symbol, side, places))
                amends.extend(moves)
                cancels.extend(() if moves else bad)
                self._place_first.add((symbol, side))
                idle.append((side, "orders are being replaced" if moves else "bad orders are being canceled"))
                continue
            smaller = [] if view.is_changing(symbol, side) else self._too_large(view, symbol, side, reference, quoting)
            if smaller or view.is_changing(symbol, side):
                amends.extend(smaller)
                idle.append((side, "orders are being changed in place"))
                continue
            if view.has_pending_cancels(symbol, side) or not view.light(symbol, side).is_green:
                idle.append((side, view.light(symbol, side).reason))
                continue
            wanted, reason = self._missing(view, symbol, side, reference, quoting, self._others(view, symbol, side, places))
            places.extend(wanted)
            self._place_first.discard((symbol, side))
            if reason:
                idle.append((side, reason))
        return Decision(cancels=tuple(cancels), amends=tuple(amends), places=tuple(places), idle=tuple(idle))

    def rests_on(self, view: View, symbol: str) -> tuple[Decimal | None, ...]:
        """Best prices that are not ours alone, and the touch."""
        return (
            view.best(symbol, Side.BUY),
            view.best(symbol, Side.SELL),
            view.touch_price(symbol, Side.BUY),
            view.touch_price(symbol, Side.SELL),
        )

    def save(self) -> object:
        """The sides that are owed a place, for a checkpoint."""
        return sorted((symbol, side.value) for symbol, side in self._place_first)

    def load(self, saved: object) -> None:
        """Raises ValueError or msgspec.ValidationError for what `save` never gave."""
        self._place_first = {(symbol, Side(side)) for symbol, side in msgspec.convert(saved, list[tuple[str, str]])}

    # -- bad orders ------------------------------------------------------------------------------
    def _bad_orders(self, view: View, symbol: str, side: Side, reference: Decimal, quoting: SymbolQuoting) -> list[WantCancel]:
        """Every bad working order of the side; only the urgent ones where the side is owed a place first, or where nothing could replace them."""
        working = [order for order in view.open_orders(symbol, side) if order.is_working]
        owed = bool(working) and ((symbol, side) in self._place_first or not view.may_place())
        bad = []
        for order in working:
            reason = self._why_bad(view, order, reference, quoting)
            if reason and (not owed or is_urgent(quoting.bands(side), side, order.price, reference, view.rules(symbol).tick)):
                bad.append(WantCancel(client_order_id=order.client_order_id, reason=reason))
        return bad

    def _why_bad(self, view: View, order: Order, reference: Decimal, quoting: SymbolQuoting) -> str | None:
        bands, tick = quoting.bands(order.side), view.rules(order.symbol).tick
        if order.type.waits:
            return "a stop order of an earlier run, no quote"
        index = _where(order, bands, order.side, reference, tick)
        if index is None:
            return "an order of an earlier run that no band wants" if order.slot is None else "its band is gone from the settings"
        if reason := self._why_unwanted(view, order, quoting):
            return reason
        return why_bad(bands[index], order.side, order.price, reference, tick, quoting.hysteresis)

    def _why_unwanted(self, view: View, order: Order, quoting: SymbolQuoting) -> str | None:
        """Bad wherever it stood."""
        if quoting.order_age_s_max and view.now_ns - order.created_ns > quoting.order_age_s_max * NS_PER_S:
            return f"older than {quoting.order_age_s_max} s"
        if self._above_cap(view, order, quoting) and self._to_cap(view, order, quoting) is None:
            held = inventory(view, order.symbol, quoting, order.side)
            return f"inventory {held:+f} with this order would pass the cap {plain(quoting.inventory_cap)}"
        return None

    # -- orders whose price must move ----------------------------------------------------------------
    def _moves(
        self,
        view: View,
        symbol: str,
        side: Side,
        reference: Decimal,
        quoting: SymbolQuoting,
        bad: list[WantCancel],
        other: Decimal | None,
    ) -> list[WantAmend]:
        """Every bad order of the side to where its band wants it, each by one command; none where one of them cannot go that way, or not now."""
        if not self.amending.moves or not view.light(symbol, side).is_green:
            return []
        by_id = {order.client_order_id: order for order in view.open_orders(symbol, side)}
        moves = [self._move(view, by_id[one.client_order_id], one.reason, reference, quoting, other) for one in bad]
        return [move for move in moves if move is not None] if None not in moves else []

    def _move(
        self, view: View, order: Order, why: str, reference: Decimal, quoting: SymbolQuoting, other: Decimal | None
    ) -> WantAmend | None:
        """What is left of the order at the target of its band; None where more than its price is bad, or where it did not go that way before."""
        side, rules = order.side, view.rules(order.symbol)
        before = view.amended(order.client_order_id)
        has_failed = before is not None and before.outcome is AmendOutcome.REJECTED
        if order.slot is None or has_failed or self._why_unwanted(view, order, quoting):
            return None
        bands, routing = quoting.bands(side), self.amending.reprices(order, rules)
        if order.slot[0] >= len(bands):
            return None
        band = bands[order.slot[0]]
        price = quote_price(view, order.symbol, side, band, reference, quoting)
        if routing is not Routing.CANCEL_REPLACE or price is None or price <= 0 or price == order.price:
            return None
        is_beyond = other is not None and (price >= other if side is Side.BUY else price <= other)
        if is_beyond or why_bad(band, side, price, reference, rules.tick, quoting.hysteresis) or not fit_quantity(order.remaining, price, rules):
            return None
        return WantAmend(
            client_order_id=order.client_order_id,
            quantity=order.quantity,
            routing=routing,
            on_reject=OnReject.KEEP,
            reason=f"{why}: from {plain(order.price)} in one command",
            price=price,
        )

    # -- orders that are too large ---------------------------------------------------------------
    def _above_cap(self, view: View, order: Order, quoting: SymbolQuoting) -> Decimal:
        """By how much inventory and this order together pass the cap; zero or below where they do not."""
        if not quoting.inventory_cap:
            return ZERO
        held = inventory(view, order.symbol, quoting, order.side)
        toward = held if order.side is Side.BUY else -held
        return max(ZERO, toward + order.remaining - quoting.inventory_cap)

    def _to_cap(self, view: View, order: Order, quoting: SymbolQuoting) -> WantAmend | None:
        excess = self._above_cap(view, order, quoting)
        return self._shrunk(view, order, excess, f"inventory cap {plain(quoting.inventory_cap)}") if excess else None

    def _shrunk(self, view: View, order: Order, excess: Decimal, why: str) -> WantAmend | None:
        """The order without the excess, its queue place kept; None where it cannot be amended to that, or nothing but a cancel may leave."""
        if view.light(order.symbol, order.side).colour is Colour.RED:
            return None
        rules = view.rules(order.symbol)
        quantity = order.quantity - ceil_to(excess, rules.step)
        routing = self.amending.shrinks(order, quantity, rules)
        if routing is None:
            return None
        reason = f"{why}: {plain(order.quantity)} down to {plain(quantity)}, queue place kept"
        on_reject = self.amending.policy.on_reject
        return WantAmend(client_order_id=order.client_order_id, quantity=quantity, routing=routing, on_reject=on_reject, reason=reason)

    def _too_large(self, view: View, symbol: str, side: Side, reference: Decimal, quoting: SymbolQuoting) -> list[WantAmend]:
        """Orders to shrink in place, the newest first: of a side that could pass the inventory cap, and of a band that holds too much."""
        bands, tick = quoting.bands(side), view.rules(symbol).tick
        orders = [(order, _where(order, bands, side, reference, tick)) for order in view.open_orders(symbol, side)]
        if not orders:
            return []
        held = inventory(view, symbol, quoting, side)
        toward = (held if side is Side.BUY else -held) + sum((order.remaining for order, _ in orders), ZERO)
        above_cap = max(ZERO, toward - quoting.inventory_cap) if quoting.inventory_cap else ZERO
        above_band = {index: -band.quantity for index, band in enumerate(bands)}
        for order, where in orders:
            if where is not None:
                above_band[where] += order.remaining
        if above_cap <= ZERO and all(above <= ZERO for above in above_band.values()):
            return []
        wanted = []
        for order, where in reversed(orders):
            over_band = above_band[where] if where is not None else ZERO
            excess = min(order.remaining, max(above_cap, over_band))
            if excess <= ZERO or not order.is_working:
                continue
            why = f"inventory cap {plain(quoting.inventory_cap)}" if above_cap >= over_band else "the band holds too much"
            shrunk = self._shrunk(view, order, excess, why)
            if shrunk is not None:
                wanted.append(shrunk)
                above_cap -= order.quantity - shrunk.quantity
                if where is not None:
                    above_band[where] -= order.quantity - shrunk.quantity
        return wanted

    # -- missing orders --------------------------------------------------------------------------
    def _others(self, view: View, symbol: str, side: Side, places: list[WantPlace]) -> Decimal | None:
        """The nearest price of our other side, orders on their way and wanted just now included: a quote must not reach it."""
        prices = [order.price for order in view.open_orders(symbol, side.opposite)]
        prices.extend(place.price for place in places if place.side is side.opposite)
        return (min if side is Side.BUY else max)(prices, default=None)

    def _missing(
        self, view: View, symbol: str, side: Side, reference: Decimal, quoting: SymbolQuoting, other: Decimal | None
    ) -> tuple[list[WantPlace], str]:
        """Places that top up the bands short of quantity, and the reason where the side stays empty."""
        rules = view.rules(symbol)
        places: list[WantPlace] = []
        reason = ""
        left = room(view, symbol, side, quoting)
        has_order = False
        for index, band in enumerate(quoting.bands(side)):
            held, slots = self._in_band(view, symbol, side, index, reference, quoting)
            has_order = has_order or held > 0
            if held > 0 and band.quantity - held < rules.min_quantity:
                continue  # the usual case: the band is full
            price = quote_price(view, symbol, side, band, reference, quoting)
            free_slot = next((n for n in range(quoting.orders_per_band_max) if (index, n) not in slots), None)
            if price is None or free_slot is None or price <= 0:
                continue
            quantity = fit_quantity(min(band.quantity - held, left), price, rules)
            if not quantity:
                reason = self._why_not(band, held, left, price, view, symbol)
                continue
            if outside := why_bad(band, side, price, reference, rules.tick, quoting.hysteresis):
                reason = f"fees, edge and touch allow only {plain(price)}: {outside}"
                continue
            if other is not None and (price >= other if side is Side.BUY else price <= other):
                reason = "the target is where our other side stands"
                continue
            left -= quantity
            places.append(self._want(view, symbol, side, price, quantity, (index, free_slot)))
        return places, "" if places or has_order else reason or "no band wants an order"

    def _in_band(
        self, view: View, symbol: str, side: Side, index: int, reference: Decimal, quoting: SymbolQuoting
    ) -> tuple[Decimal, set[Slot]]:
        """(quantity in this band, slots taken), pending places included. An adopted order counts where its price falls."""
        bands, tick = quoting.bands(side), view.rules(symbol).tick
        held, slots = ZERO, set()
        for order in view.open_orders(symbol, side):
            if _where(order, bands, side, reference, tick) == index:
                held += order.remaining
                if order.slot is not None:
                    slots.add(order.slot)
        return held, slots

    def _why_not(self, band: Band, held: Decimal, left: Decimal, price: Decimal, view: View, symbol: str) -> str:
        rules = view.rules(symbol)
        short = band.quantity - held
        if left < short and floor_to(left, rules.step) * price < max(rules.min_notional, rules.step):
            return "inventory cap reached"
        return f"what is missing ({plain(max(short, ZERO))} {rules.base}) is below the venue's minimum order"

    def _want(self, view: View, symbol: str, side: Side, price: Decimal, quantity: Decimal, slot: Slot) -> WantPlace:
        mid = view.mid(symbol) or price
        signed = distance_bps(price, mid, side) * (-1 if side is Side.BUY else 1)
        return WantPlace(
            symbol=symbol,
            side=side,
            type=OrderType.LIMIT_MAKER,
            price=price,
            quantity=quantity,
            slot=slot,
            reason=f"{signed:+.1f} bp of mid · maker only",
        )


def _where(order: Order, bands: tuple[Band, ...], side: Side, reference: Decimal, tick: Decimal) -> int | None:
    """The band an order belongs to: its slot's; for an adopted one, or where that band is gone from the settings, the one that holds its price."""
    if order.slot is not None and order.slot[0] < len(bands):
        return order.slot[0]
    return band_of(bands, side, order.price, reference, tick)
