"""What the maker-first trader has done so far, in sums: fills by maker and taker, waits, reprices, commission, slippage paid and avoided.

Who calls it: trading.trader adds, on the trading thread; core.snapshot shows it. It is remembered with the lots.
Never: a decision. Money is in quote; commission in a third asset is counted, not valued.
"""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from core.money import BPS, ZERO
from core.types import Fill, Liquidity, Side
from trading.chase import ENTRY, MS, Task


@dataclass(slots=True)
class Class:
    """Fills of one kind (open or close) and liquidity."""

    fills: int = 0
    quantity: Decimal = ZERO
    quote: Decimal = ZERO
    commission: Decimal = ZERO
    commission_elsewhere: int = 0  # fills whose commission was neither base nor quote
    tasks: int = 0  # entries or exits that were tried this way
    tasks_filled: int = 0  # of them, with a fill


@dataclass(slots=True)
class Tally:
    classes: dict[str, Class] = field(default_factory=dict)  # "entry maker", "exit taker", ...
    entries: int = 0  # maker entries begun
    filled: int = 0  # of them, with a fill
    timeouts: int = 0
    signal_ends: int = 0
    fallbacks: int = 0
    fallbacks_denied: int = 0
    reprices: int = 0
    waited_ns: int = 0  # of entries with a fill, until they were over
    exits: int = 0  # begun, as a maker
    slippage_paid: Decimal = ZERO  # by taker fills against the mid at their decision
    slippage_avoided: Decimal = ZERO  # by maker fills against the same
    fees_saved: Decimal = ZERO  # what the maker fills would have paid at the taker fee, less what they paid: an estimate per fill, no second run

    def of(self, task: Task) -> Class:
        return self.classes.setdefault(f"{task.task} {'taker' if task.is_taker else 'maker'}", Class())

    def begin(self, task: Task) -> None:
        """An entry or exit is tried, as a maker or at the market."""
        self.of(task).tasks += 1
        if task.task == ENTRY and task.is_taker:
            self.fallbacks += 1
        elif task.task == ENTRY:
            self.entries += 1
        elif not task.is_taker:
            self.exits += 1

    def add(self, task: Task, fill: Fill, base: str, quote: str, taker_fee_bps: Decimal) -> None:
        notional = fill.price * fill.quantity
        one = self.classes.setdefault(f"{task.task} {fill.liquidity.value}", Class())
        one.fills += 1
        one.quantity += fill.quantity
        one.quote += notional
        fee = fill.fee if fill.fee_asset == quote else fill.fee * fill.price if fill.fee_asset == base else None
        if fee is None:
            one.commission_elsewhere += 1
        else:
            one.commission += fee
        if task.reference:
            dearer = notional - task.reference * fill.quantity
            slipped = dearer if task.order_side is Side.BUY else -dearer
            if fill.liquidity is Liquidity.TAKER:
                self.slippage_paid += slipped
            else:
                self.slippage_avoided -= slipped
        if fill.liquidity is Liquidity.MAKER and fee is not None:
            self.fees_saved += notional * taker_fee_bps / BPS - fee

    def shown(self) -> dict[str, object]:
        """As plain data, with the ratios a person asks for."""
        whole: dict[str, object] = msgspec.to_builtins(self)
        each = {name: f"{one.commission / one.quote * BPS:.3f}" for name, one in sorted(self.classes.items()) if one.quote}
        return {
            **whole,
            **{name: f"{getattr(self, name):.8f}" for name in ("slippage_paid", "slippage_avoided", "fees_saved")},
            "fill_ratio": f"{Decimal(self.filled) / self.entries:.4f}" if self.entries else None,
            "fill_ratios": {name: f"{Decimal(one.tasks_filled) / one.tasks:.4f}" for name, one in sorted(self.classes.items()) if one.tasks},
            "commission_bps": each,
            "reprices_per_fill": f"{Decimal(self.reprices) / self.filled:.3f}" if self.filled else None,
            "wait_ms_mean": self.waited_ns // self.filled // MS if self.filled else None,
        }
