"""Balances as the venue states them, and what of them can still be promised to an order.

Who calls it: core.engine, on the trading thread. available = venue total - what our live-or-undecided orders hold (computed by us) - what foreign
orders hold; the venue's own `free` may only lower it. Freed funds come from balances, never from an assumption.
Never: a float, a balance of its own invention.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from core.money import ZERO
from core.orders import Order, Orders
from core.types import Balance, Fill, Liquidity, Side, SymbolRules

ASSETS_MAX = 5000  # balances of assets that are not traded are left out beyond it
FOREIGN_ORDERS_MAX = 5000  # beyond it the oldest is forgotten until the next account read; the venue's own `free` still bounds what is promised
TOLD_KEPT = 16  # messages
SPENT_MAX = 1000  # per asset; beyond it the oldest two become one that waits as long as the later of them


@dataclass(frozen=True, slots=True)
class Spent:
    """What one of our fills paid, until a balance is known to contain it."""

    time_ms: int
    amount: Decimal
    trade: tuple[str, int]
    booked_ns: int
    is_told: bool = False  # by the user stream, whose position messages follow their reports

    def is_in(self, update_ms: int, read_sent_ns: int) -> bool:
        """Does a balance of this time contain it? Within one ms only if the stream told the fill before, or the read was asked for after it."""
        return self.time_ms < update_ms or (self.time_ms == update_ms and (self.is_told or self.booked_ns < read_sent_ns))


@dataclass(slots=True)
class Holding:
    free: Decimal = ZERO
    locked: Decimal = ZERO
    update_ms: int = -1

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


def hold_of(side: Side, price: Decimal, quantity: Decimal, rules: SymbolRules) -> tuple[str, Decimal]:
    """What an order of this side keeps locked: (asset, amount)."""
    return (rules.quote, price * quantity) if side is Side.BUY else (rules.base, quantity)


@dataclass(slots=True)
class Account:
    rules: dict[str, SymbolRules]
    holdings: dict[str, Holding] = field(default_factory=dict)
    foreign: dict[tuple[str, int], tuple[str, Decimal]] = field(default_factory=dict)  # (symbol, order id) -> (asset, amount)
    spent_since: dict[str, list[Spent]] = field(default_factory=dict)  # fills not yet in a balance
    movements: dict[str, Decimal] = field(default_factory=dict)  # foreign movements since the baseline
    baseline: dict[str, Decimal] = field(default_factory=dict)  # totals when the books were first proven
    baseline_ms: dict[str, int] = field(default_factory=dict)  # venue time of each of them
    own_change: dict[str, Decimal] = field(default_factory=dict)  # by our fills and fees since the baseline
    told: list[tuple[int, tuple[Balance, ...]]] = field(default_factory=list)  # newest position messages

    def is_repeated(self, balances: tuple[Balance, ...], update_ms: int) -> bool:
        """A position message that came before: within one ms its time alone does not tell that it is older than what is held."""
        if (update_ms, balances) in self.told:
            return True
        self.told.append((update_ms, balances))
        del self.told[:-TOLD_KEPT]
        return False

    def on_position(self, balances: Iterable[Balance], update_ms: int, read_sent_ns: int = 0) -> list[str]:
        """Take absolute balances unless newer ones are held; returns the assets taken. `read_sent_ns` is 0 for the stream's."""
        taken = []
        for balance in balances:
            holding = self.holdings.get(balance.asset)
            if holding is None:
                if len(self.holdings) >= ASSETS_MAX and not self._is_traded(balance.asset):
                    continue
                holding = self.holdings[balance.asset] = Holding()
            if update_ms < holding.update_ms:
                continue
            if update_ms == self.baseline_ms.get(balance.asset):  # the books begin with the end of this ms: whatever its trades did is in it
                self.baseline[balance.asset] += balance.free + balance.locked - holding.total
            holding.free, holding.locked, holding.update_ms = balance.free, balance.locked, update_ms
            pending = self.spent_since.get(balance.asset)
            if pending:
                pending[:] = [spent for spent in pending if not spent.is_in(update_ms, read_sent_ns)]
            taken.append(balance.asset)
        return taken

    def on_own_fill(self, fill: Fill, now_ns: int) -> None:
        """Book what one of our trades did; what was paid counts against the funds at once, what was received only when the venue says so."""
        rules = self.rules[fill.symbol]
        notional = fill.price * fill.quantity
        paid = hold_of(fill.side, fill.price, fill.quantity, rules)
        got = (rules.base, fill.quantity) if fill.side is Side.BUY else (rules.quote, notional)
        for asset, delta in ((paid[0], -paid[1]), got, (fill.fee_asset, -fill.fee)):
            if self.is_after_baseline(asset, fill.time_ms):
                self.own_change[asset] = self.own_change.get(asset, ZERO) + delta
        # A sweep fills several orders within one ms: a position of that ms may be from before this fill; one that follows includes it.
        if fill.time_ms >= self.holdings.setdefault(paid[0], Holding()).update_ms:
            self._note_spent(paid[0], Spent(time_ms=fill.time_ms, amount=paid[1], trade=fill.key, booked_ns=now_ns))

    def _note_spent(self, asset: str, spent: Spent) -> None:
        pending = self.spent_since.setdefault(asset, [])
        pending.append(spent)
        if len(pending) > SPENT_MAX:
            first, second = pending[:2]
            later = second if second.time_ms >= first.time_ms else first
            pending[:2] = [replace(later, amount=first.amount + second.amount)]

    def on_told(self, fill: Fill) -> None:
        """The user stream tells of one of our fills: the position message that contains it is still to come."""
        asset, _ = hold_of(fill.side, fill.price, fill.quantity, self.rules[fill.symbol])
        pending = self.spent_since.get(asset, [])
        for at, spent in enumerate(pending):
            if spent.trade == fill.key:
                pending[at] = replace(spent, is_told=True)

    def has_doubtful_spending(self) -> bool:
        """Is any fill of the same ms as a balance that may or may not contain it? An account read sent now will tell."""
        return any(
            spent.time_ms <= self.holdings[asset].update_ms and not spent.is_told for asset, pending in self.spent_since.items() for spent in pending
        )

    def _is_traded(self, asset: str) -> bool:
        return any(asset in (rules.base, rules.quote) for rules in self.rules.values())

    def note_foreign(self, key: tuple[str, int], hold: tuple[str, Decimal]) -> None:
        """An open order of somebody else holds this much."""
        self.foreign[key] = hold
        if len(self.foreign) > FOREIGN_ORDERS_MAX:
            del self.foreign[next(iter(self.foreign))]

    def on_foreign_fill(self, fill: Fill, taken_back: bool = False) -> None:
        """A trade of an order that is not ours moves the account too; `taken_back` undoes it once the order turns out to be ours."""
        rules = self.rules.get(fill.symbol)
        if rules is None:
            return
        times = -1 if taken_back else 1
        sign = times if fill.side is Side.BUY else -times
        moved = (rules.base, sign * fill.quantity), (rules.quote, -sign * fill.price * fill.quantity), (fill.fee_asset, -times * fill.fee)
        for asset, delta in moved:
            if self.is_after_baseline(asset, fill.time_ms):
                self.move(asset, delta)

    def is_after_baseline(self, asset: str, time_ms: int) -> bool:
        """Did this happen after the balance the books begin with? Each asset has its own: the newest one told by stream or read."""
        return time_ms > self.baseline_ms.get(asset, -1)

    def is_in_baseline(self, fill: Fill) -> bool:
        """A trade from before the books began, in every asset it moved."""
        rules = self.rules[fill.symbol]
        return not any(self.is_after_baseline(asset, fill.time_ms) for asset in (rules.base, rules.quote))

    def move(self, asset: str, delta: Decimal) -> None:
        if asset not in self.movements and len(self.movements) >= ASSETS_MAX and not self._is_traded(asset):
            return
        self.movements[asset] = self.movements.get(asset, ZERO) + delta

    def begin(self) -> None:
        """The books start here: what is held now is the starting point of the proof and of the P&L."""
        self.baseline = {asset: holding.total for asset, holding in self.holdings.items()}
        self.baseline_ms = {asset: holding.update_ms for asset, holding in self.holdings.items()}
        self.own_change = {}
        self.movements = {}

    def expected(self, asset: str) -> Decimal:
        """Start + own fills - fees + foreign movements."""
        return self.baseline.get(asset, ZERO) + self.own_change.get(asset, ZERO) + self.movements.get(asset, ZERO)

    def reserved(self, asset: str, orders: Orders) -> Decimal:
        """What our live-or-undecided orders hold of it, and what any of them has paid in fills we have not booked yet."""
        held = sum((self._hold(order, asset) for order in orders.open_ids.values()), ZERO)
        for order in orders.open_ids.values():
            if order.is_listed and order.client_order_id < order.partner and (other := orders.open_ids.get(order.partner)) is not None:
                held -= min(self._hold(order, asset), self._hold(other, asset))  # a list locks the greater of its legs, once
        for client_id in orders.attention:
            order = orders.by_client_id[client_id]
            if order.booked < order.executed:
                name, amount = hold_of(order.side, order.price, order.executed - order.booked, self.rules[order.symbol])
                held += amount if name == asset else ZERO
        return held

    def held_by_leaving(self, asset: str, orders: Orders) -> tuple[Decimal, Order | None]:
        """What pending cancels will free of it, and the first such order."""
        held, first = ZERO, None
        for order in orders.open_ids.values():
            if (order.cancel_asked is not None or order.cancel_wanted) and (amount := self._hold(order, asset)):
                held += amount
                first = first or order
        return held, first

    def available(self, asset: str, orders: Orders) -> Decimal:
        """What a new order may promise; never above the venue's own `free`."""
        holding = self.holdings.get(asset)
        if holding is None:
            return ZERO
        foreign = sum((amount for name, amount in self.foreign.values() if name == asset), ZERO)
        spent = sum((spent.amount for spent in self.spent_since.get(asset, ())), ZERO)
        return min(holding.total - spent - self.reserved(asset, orders) - foreign, holding.free)

    def total(self, asset: str) -> Decimal:
        holding = self.holdings.get(asset)
        return holding.total if holding else ZERO

    def _hold(self, order: Order, asset: str) -> Decimal:
        rules = self.rules[order.symbol]
        quantity = order.remaining if order.amend_asked is None else order.remaining + order.growth
        name, amount = hold_of(order.side, order.price, quantity, rules)
        return amount if name == asset else ZERO


@dataclass(slots=True)
class FillTotals:
    """Running totals over our fills of one symbol; quantities in base, cash in quote."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO
    cash: Decimal = ZERO
    maker: int = 0
    taker: int = 0

    def add(self, fill: Fill) -> None:
        notional = fill.price * fill.quantity
        if fill.side is Side.BUY:
            self.bought += fill.quantity
            self.cash -= notional
        else:
            self.sold += fill.quantity
            self.cash += notional
        if fill.liquidity is Liquidity.MAKER:
            self.maker += 1
        else:
            self.taker += 1

    @property
    def round_trips(self) -> Decimal:
        """The quantity that was both bought and sold."""
        return min(self.bought, self.sold)
