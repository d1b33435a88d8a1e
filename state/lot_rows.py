"""A strategy's memory as rows of the tables `lots` (each lot that is open, each closed since the memory before, the dust of each side) and
`lot_exits` (each exit fill since the memory before).

Who calls it: state.rows (what the recorder hears) and state.rebuild (what the intents hold), each on its own thread. The lots are those of core.lots;
the rest of a memory is the strategy's own.
Never: a statement, a file; an error for the memory of a strategy that keeps no lots.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from core.lots import Lot, Lots
from core.types import Side
from state.schema import exact


class LotRow(msgspec.Struct, frozen=True, kw_only=True):
    """Fields in the order of the table's columns."""

    venue_instance: str
    lot_id: str
    boot: str
    last_boot: str
    symbol: str
    side: str
    number: int
    quantity: str
    paid: str
    quantity_left: str
    exits: int = 0
    quantity_out: str = "0"
    proceeds: str = "0"
    profit: str = "0"
    quantity_dust: str = "0"
    fees: str = "{}"
    reason: str = ""
    exit_reason: str = ""
    opened_ns: int = 0
    closed_ns: int | None = None


class ExitRow(msgspec.Struct, frozen=True, kw_only=True):
    """Fields in the order of the table's columns."""

    venue_instance: str
    exit_id: str
    boot: str
    lot_id: str
    trade_id: int
    quantity: str
    price: str
    cost: str
    proceeds: str
    profit: str
    entry_fees: str
    exit_fees: str
    liquidity: str
    reason: str
    quantity_left: str
    time_ms: int


class Memory(msgspec.Struct):
    """What is read of it."""

    lots: Lots | None = None


def lots_of(text: str) -> Lots | None:
    """None where a memory holds none."""
    try:
        return msgspec.json.decode(text, type=Memory).lots
    except msgspec.DecodeError:
        return None


def exits_of(lots: Lots, scope: str, boot: str) -> Iterator[ExitRow]:
    """The exit records a memory tells of."""
    for one in lots.records:
        yield ExitRow(
            venue_instance=scope,
            exit_id=f"{one.symbol}:t{one.trade_id} {one.number}",
            boot=boot,
            lot_id=f"{one.symbol} {one.side.value} {one.number}",
            trade_id=one.trade_id,
            quantity=exact(one.quantity),
            price=exact(one.price),
            cost=exact(one.cost),
            proceeds=exact(one.proceeds),
            profit=exact(one.profit),
            entry_fees=_fees(one.entry_fees),
            exit_fees=_fees(one.exit_fees),
            liquidity=one.liquidity,
            reason=one.reason,
            quantity_left=exact(one.left),
            time_ms=one.time_ms,
        )


def rows_of(lots: Lots, scope: str, boot: str) -> Iterator[LotRow]:
    """The lots and the dust a memory tells of."""
    for lot in (*lots.closed, *lots.open[Side.BUY], *lots.open[Side.SELL]):
        yield _row(lots.symbol, lot, scope, boot)
    for side, dust in lots.dust.items():
        if lots.next_number[side] > 1:  # zero too: it may have left
            yield LotRow(
                venue_instance=scope,
                lot_id=f"{lots.symbol} {side.value} 0",
                boot=boot,
                last_boot=boot,
                symbol=lots.symbol,
                side=side.value,
                number=0,
                quantity=exact(dust.quantity),
                paid=exact(dust.cost),
                quantity_left=exact(dust.quantity),
                fees=_fees(dust.fees),
            )


def _row(symbol: str, lot: Lot, scope: str, boot: str) -> LotRow:
    return LotRow(
        venue_instance=scope,
        lot_id=f"{symbol} {lot.side.value} {lot.number}",
        boot=boot,
        last_boot=boot,
        symbol=symbol,
        side=lot.side.value,
        number=lot.number,
        quantity=exact(lot.entered),
        paid=exact(lot.paid),
        quantity_left=exact(lot.quantity),
        exits=lot.exits,
        quantity_out=exact(lot.exited),
        proceeds=exact(lot.proceeds),
        profit=exact(lot.profit),
        quantity_dust=exact(lot.dust),
        fees=_fees(lot.fees),
        reason=lot.reason,
        exit_reason=lot.exit_reason,
        opened_ns=lot.opened_ns,
        closed_ns=lot.closed_ns or None,
    )


def _fees(fees: Mapping[str, Decimal]) -> str:
    return msgspec.json.encode({asset: exact(fee) for asset, fee in fees.items()}).decode()
