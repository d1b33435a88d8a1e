"""Lots: what was entered and is to be left again, per side, exactly; and the dust that is too small to be left alone.

Who calls it: trading.maker_first, on the trading thread. Pure: fills go in, exit records come out.
A BUY lot is base bought, to be sold; a SELL lot on spot is base that was held and sold, to be bought back. Quantities are base that really moved:
commission paid in base is taken off a purchase and added to a sale. Then at any time, with nothing rounded:
  base bought - base sold - commission in base = BUY lots + BUY dust - (SELL lots + SELL dust).
A part of a cost or fee is rounded down to GRID and what is left stays with the lot, so that parts always add up to the whole.
Never: a lot that shrinks by more or less than was filled; a number used twice; a remainder that is dropped.
"""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from core.money import ZERO, floor_to
from core.types import Fill, Side, SymbolRules

GRID = Decimal("1e-16")  # price times quantity has 16 places at most (8 each, binance-wire 2): up to 10^12 every sum fits Decimal's 28 digits
NS_PER_MS = 1_000_000
LOTS_CLOSED_MAX = 400  # kept until the next memory
EXITS_KEPT_MAX = 400  # the same of exit records
LOTS_MAX = 200  # per symbol and side; beyond it nothing is entered


@dataclass(slots=True)
class Holding:
    """Base, what it cost in quote (BUY) or brought (SELL), and the entry fees paid for it by asset."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)

    def add(self, other: "Holding") -> None:
        self.quantity += other.quantity
        self.cost += other.cost
        for asset, fee in other.fees.items():
            self.fees[asset] = self.fees.get(asset, ZERO) + fee

    def take(self, quantity: Decimal) -> "Holding":
        """Split off this much with its share of cost and fees; the whole takes everything."""
        if quantity == self.quantity:
            taken = Holding(self.quantity, self.cost, self.fees)
            self.quantity, self.cost, self.fees = ZERO, ZERO, {}
            return taken
        whole = self.quantity
        taken = Holding(quantity, share(self.cost, quantity, whole), {asset: share(fee, quantity, whole) for asset, fee in self.fees.items()})
        self.quantity -= quantity
        self.cost -= taken.cost
        self.fees = {asset: fee - taken.fees[asset] for asset, fee in self.fees.items()}
        return taken


@dataclass(slots=True)
class Lot:
    """One entry's position. `number` is the entry's, unique per symbol and side, also across restarts."""

    number: int
    side: Side
    opened_ns: int
    take_profit_bps: Decimal
    reason: str
    held: Holding = field(default_factory=Holding)
    entered: Decimal = ZERO  # base it was given in all
    is_committed: bool = False  # its entry is over: exits may begin
    best: Decimal = ZERO  # the best price seen for it since it was committed; zero for none
    best_written: Decimal = ZERO  # as the newest memory has it
    is_trailing: bool = False  # the trailing stop is active
    paid: Decimal = ZERO  # quote its entries cost (BUY) or brought
    exits: int = 0  # exit fills
    exited: Decimal = ZERO  # base that left with them
    proceeds: Decimal = ZERO  # quote they brought (BUY) or cost
    profit: Decimal = ZERO  # of what has left, in quote, before fees
    fees: dict[str, Decimal] = field(default_factory=dict)  # commission of all its fills that is not base
    base_fees: Decimal = ZERO  # commission in base of all its fills: it is in the quantities, and so in the profit
    dust: Decimal = ZERO  # base that went to the dust
    exit_reason: str = ""  # the newest
    closed_ns: int = 0
    is_told: bool = False  # a person has read of its end

    @property
    def quantity(self) -> Decimal:
        return self.held.quantity

    @property
    def price(self) -> Decimal:
        """Per unit of base that is in it: commission paid in base makes a purchase dearer."""
        return self.held.cost / self.held.quantity if self.held.quantity else ZERO

    def pay(self, fees: dict[str, Decimal]) -> None:
        for asset, fee in fees.items():
            self.fees[asset] = self.fees.get(asset, ZERO) + fee

    def left_by(self, record: "ExitRecord") -> None:
        """One exit fill of it, in the sums."""
        self.exits += 1
        self.exited += record.quantity
        self.proceeds += record.proceeds
        self.profit += record.profit
        self.exit_reason = record.reason
        self.pay(record.exit_fees)


class ExitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One exit fill of one lot (number 0: of the dust). `proceeds` is quote received (BUY lot) or paid (SELL lot)."""

    symbol: str
    side: Side
    number: int
    quantity: Decimal
    cost: Decimal
    entry_fees: dict[str, Decimal]
    proceeds: Decimal
    exit_fees: dict[str, Decimal]
    price: Decimal
    liquidity: str
    trade_id: int
    reason: str
    left: Decimal
    time_ms: int

    @property
    def profit(self) -> Decimal:
        """In quote, before fees."""
        return self.proceeds - self.cost if self.side is Side.BUY else self.cost - self.proceeds


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """The part's share of the amount, rounded toward zero to GRID."""
    exact = amount * part / whole
    return floor_to(exact, GRID) if exact >= 0 else -floor_to(-exact, GRID)


def base_fee_of(fill: Fill, base: str) -> Decimal:
    return fill.fee if fill.fee_asset == base else ZERO


def moved(fill: Fill, base: str) -> Decimal:
    """Base that came by a purchase or went by a sale, commission in base included."""
    fee = base_fee_of(fill, base)
    return fill.quantity - fee if fill.side is Side.BUY else fill.quantity + fee


def fees_of(fill: Fill, base: str) -> dict[str, Decimal]:
    """The commission that is not base: base is counted where it moves."""
    return {fill.fee_asset: fill.fee} if fill.fee and fill.fee_asset != base else {}


@dataclass(slots=True)
class Lots:
    """One symbol's books. The runner of a side is the lot that is let run without a take-profit; it moves on only when its lot is closed."""

    symbol: str
    base: str
    open: dict[Side, list[Lot]] = field(default_factory=lambda: {side: [] for side in Side})  # the oldest first
    dust: dict[Side, Holding] = field(default_factory=lambda: {side: Holding() for side in Side})
    next_number: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 1))
    runner: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))  # lot number; 0 for none
    closed: list[Lot] = field(default_factory=list)  # since the last memory; who writes one empties it
    records: list[ExitRecord] = field(default_factory=list)  # likewise

    # -- questions -------------------------------------------------------------------------------
    def find(self, side: Side, number: int) -> Lot | None:
        return next((lot for lot in self.open[side] if lot.number == number), None)

    def quantity(self, side: Side) -> Decimal:
        return sum((lot.quantity for lot in self.open[side]), ZERO)

    @property
    def net(self) -> Decimal:
        """Base above (+) or below (-) what was there before the first lot."""
        held = {side: self.quantity(side) + self.dust[side].quantity for side in Side}
        return held[Side.BUY] - held[Side.SELL]

    def leavable(self, lot: Lot, rules: SymbolRules) -> Decimal:
        """What an exit of this lot may ask for: the lot with the dust of its side, down to a step. Never more: that would open the other side."""
        return max(ZERO, floor_to(lot.quantity + self.dust[lot.side].quantity, rules.step))

    # -- changes ---------------------------------------------------------------------------------
    def number(self, side: Side) -> int:
        """The number of the next entry, and of the lot it makes; taken."""
        number = self.next_number[side]
        self.next_number[side] = number + 1
        return number

    def saw_number(self, side: Side, number: int) -> None:
        """An order of an earlier run names it: it is never given again."""
        self.next_number[side] = max(self.next_number[side], number + 1)

    def enter(self, lot: Lot, fill: Fill) -> None:
        """An entry fill makes the lot, or makes it larger."""
        assert fill.side is lot.side, "an entry fill is of the lot's own side"
        self.saw_number(lot.side, lot.number)
        known = self.find(lot.side, lot.number)
        if known is None:
            self.open[lot.side].append(lot)
            known = lot
        quantity, worth, fees = moved(fill, self.base), fill.price * fill.quantity, fees_of(fill, self.base)
        known.held.add(Holding(quantity, worth, fees))
        known.entered += quantity
        known.paid += worth
        known.pay(fees)
        known.base_fees += base_fee_of(fill, self.base)

    def commit(self, side: Side, number: int, with_runner: bool) -> Lot | None:
        """The entry is over. None where it never filled."""
        lot = self.find(side, number)
        if lot is not None:
            lot.is_committed = True
            if with_runner and not self.runner[side]:
                self.runner[side] = self._oldest(side)
        return lot

    def leave(self, side: Side, number: int, fill: Fill, reason: str) -> tuple[ExitRecord, ...]:
        """An exit fill: the lot shrinks by exactly what moved, then the dust of its side; whatever is beyond both is owed by the dust.

        The first record carries the rest of proceeds and fees where the fill is split. A lot that is empty is closed.
        """
        assert fill.side is side.opposite, "an exit fill is of the other side"
        whole = moved(fill, self.base)
        money = Holding(whole, fill.price * fill.quantity, fees_of(fill, self.base))
        lot = self.find(side, number)
        records = []
        from_lot = min(lot.quantity, whole) if lot is not None else ZERO
        if lot is not None and from_lot:
            record = self._record(side, number, lot.held.take(from_lot), money.take(from_lot), fill, reason, lot.quantity)
            lot.left_by(record)
            lot.base_fees += base_fee_of(fill, self.base)
            records.append(record)
        if money.quantity:
            taken = self._from_dust(side, money.quantity)
            records.append(self._record(side, 0, taken, money.take(money.quantity), fill, reason, self.dust[side].quantity))
        if lot is not None and not lot.quantity:
            self._close(lot, fill.time_ms * NS_PER_MS)
        self.records = [*self.records, *records][-EXITS_KEPT_MAX:]
        return tuple(records)

    def _from_dust(self, side: Side, quantity: Decimal) -> Holding:
        dust = self.dust[side]
        if ZERO < quantity <= dust.quantity:
            return dust.take(quantity)
        taken = dust.take(dust.quantity)
        self.dust[side] = Holding(taken.quantity - quantity)  # owed: nothing is ever dropped
        taken.quantity = quantity
        return taken

    def _record(self, side: Side, number: int, held: Holding, money: Holding, fill: Fill, reason: str, left: Decimal) -> ExitRecord:
        return ExitRecord(
            symbol=self.symbol,
            side=side,
            number=number,
            quantity=held.quantity,
            cost=held.cost,
            entry_fees=held.fees,
            proceeds=money.cost,
            exit_fees=money.fees,
            price=fill.price,
            liquidity=fill.liquidity.value,
            trade_id=fill.trade_id,
            reason=reason,
            left=left,
            time_ms=fill.time_ms,
        )

    def sweep(self, lot: Lot, rules: SymbolRules, price: Decimal, now_ns: int) -> Holding | None:
        """What no exit order can carry goes to the dust at cost and the lot is closed; None where the lot can still be left.

        Judged with the dust of its side: a lot that makes it saleable stays and takes it along.
        """
        quantity = self.leavable(lot, rules)
        if quantity > ZERO and quantity >= rules.min_quantity and quantity * price >= rules.min_notional:
            return None
        rest = lot.held.take(lot.quantity)
        moved_over = Holding(rest.quantity, rest.cost, dict(rest.fees))
        self.dust[lot.side].add(rest)
        lot.dust = moved_over.quantity
        self._close(lot, now_ns)
        return moved_over

    def _close(self, lot: Lot, at_ns: int) -> None:
        self.open[lot.side].remove(lot)
        lot.closed_ns = at_ns
        self.closed = [*self.closed, lot][-LOTS_CLOSED_MAX:]
        if self.runner[lot.side] == lot.number:
            self.runner[lot.side] = self._oldest(lot.side)

    def _oldest(self, side: Side) -> int:
        return next((one.number for one in self.open[side] if one.is_committed), 0)
