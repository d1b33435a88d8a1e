"""Balances, free and locked, moved exactly.

Who calls it: matching.py. Every movement keeps free + locked = what came in - what went out; nothing may become negative.
Never: a float, an order, a rounding other than the one of commissions.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal

from exchange.paper.model import ZERO, Reject

INSUFFICIENT = "Account has insufficient balance for requested action."
COMMISSION_UNIT = Decimal("0.00000001")


def commission(received: Decimal, rate: Decimal) -> Decimal:
    """Taken from what is received, 8 decimals, rounded down (binance-wire 2, Commission; the rounding is not documented)."""
    return (received * rate).quantize(COMMISSION_UNIT, ROUND_DOWN)


class Ledger:
    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        self.free: dict[str, Decimal] = dict(balances)
        self.locked: dict[str, Decimal] = dict.fromkeys(balances, ZERO)

    def both(self) -> dict[str, tuple[Decimal, Decimal]]:
        return {asset: (free, self.locked.get(asset, ZERO)) for asset, free in self.free.items()}

    def of(self, asset: str) -> tuple[str, Decimal, Decimal]:
        return asset, self.free.get(asset, ZERO), self.locked.get(asset, ZERO)

    def require(self, asset: str, amount: Decimal) -> None:
        """Raise -2010 where `amount` is not free."""
        if self.free.get(asset, ZERO) < amount:
            raise Reject(-2010, INSUFFICIENT)

    def lock(self, asset: str, amount: Decimal) -> None:
        self.require(asset, amount)
        self.free[asset] = self.free.get(asset, ZERO) - amount
        self.locked[asset] = self.locked.get(asset, ZERO) + amount

    def release(self, asset: str, amount: Decimal) -> None:
        self.locked[asset] = self._less(self.locked, asset, amount)
        self.free[asset] = self.free.get(asset, ZERO) + amount

    def pay_locked(self, asset: str, amount: Decimal) -> None:
        self.locked[asset] = self._less(self.locked, asset, amount)

    def pay_free(self, asset: str, amount: Decimal) -> None:
        self.free[asset] = self._less(self.free, asset, amount)

    def receive(self, asset: str, amount: Decimal) -> None:
        self.free[asset] = self.free.get(asset, ZERO) + amount
        self.locked.setdefault(asset, ZERO)

    @staticmethod
    def _less(pot: dict[str, Decimal], asset: str, amount: Decimal) -> Decimal:
        left = pot.get(asset, ZERO) - amount
        assert left >= 0, f"{asset} would become {left}"
        return left
