"""Of a report: the lots of a run, from the store's rows: what each was given, what its exits brought, what is left of it.

Who calls it: state.report, on the main thread. Never: a number that is not in the rows.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from core.money import plain
from state.lot_rows import ExitRow, LotRow

LOTS_SHOWN = 20
Json = dict[str, Any]


def lots_of(rows: Iterable[LotRow]) -> list[Json]:
    """The oldest first; number 0 is the dust of a side, where it has any."""
    wanted = (row for row in rows if row.number or Decimal(row.quantity_left))
    return [_shown(row) for row in sorted(wanted, key=lambda row: (row.symbol, row.side, row.number))]


def exits_of(rows: Iterable[ExitRow]) -> list[Json]:
    """Every exit fill of the run's lots, the oldest first."""
    return [
        {
            "lot": row.lot_id,
            "trade_id": row.trade_id,
            "quantity": plain(Decimal(row.quantity)),
            "price": plain(Decimal(row.price)),
            "profit": plain(Decimal(row.profit)),
            "entry_fees": msgspec.json.decode(row.entry_fees),
            "exit_fees": msgspec.json.decode(row.exit_fees),
            "liquidity": row.liquidity,
            "reason": row.reason,
            "left": plain(Decimal(row.quantity_left)),
            "time_ms": row.time_ms,
        }
        for row in sorted(rows, key=lambda row: (row.time_ms, row.trade_id))
    ]


def _shown(row: LotRow) -> Json:
    paid, quantity = Decimal(row.paid), Decimal(row.quantity)
    return {
        "symbol": row.symbol,
        "side": row.side,
        "number": row.number,
        "quantity": plain(quantity),
        "price": f"{paid / quantity:.8f}" if quantity else None,
        "left": plain(Decimal(row.quantity_left)),
        "exits": row.exits,
        "out": plain(Decimal(row.quantity_out)),
        "profit": plain(Decimal(row.profit)),
        "dust": plain(Decimal(row.quantity_dust)),
        "fees": msgspec.json.decode(row.fees),
        "reason": row.reason,
        "exit_reason": row.exit_reason,
        "opened_ns": row.opened_ns,
        "closed_ns": row.closed_ns,
    }


def lines(found: Sequence[Json]) -> list[str]:
    """For a person: the sums, then what is open, then what was closed, the newest first."""
    lots, dust = [one for one in found if one["number"]], [one for one in found if not one["number"]]
    if not found:
        return []
    still_open = [one for one in lots if one["closed_ns"] is None]
    closed = sorted((one for one in lots if one["closed_ns"] is not None), key=lambda one: -int(one["closed_ns"]))
    profit = sum((Decimal(one["profit"]) for one in lots), Decimal(0))
    head = f"lots     {len(lots)} · {len(still_open)} open · {len(closed)} closed · profit before fees {profit:+.4f}"
    shown = [*still_open, *closed][:LOTS_SHOWN]
    more = [f"    and {len(lots) - LOTS_SHOWN} more"] if len(lots) > LOTS_SHOWN else []
    return [head, *(_words(one) for one in shown), *more, *(f"    {one['symbol']} {one['side']:<4} dust {one['left']}" for one in dust)]


def _words(one: Json) -> str:
    head = f"    {one['symbol']} {one['side']:<4} {one['number']} · {one['quantity']} at {Decimal(one['price'] or 0).normalize():f}"
    left = f" · {one['left']} left" if one["closed_ns"] is None else f" · closed: {one['exit_reason'] or 'too little to leave'}"
    exits = f" · {one['exits']} exits {Decimal(one['profit']):+.4f}" if one["exits"] else ""
    return head + left + exits + (f" · {one['dust']} to the dust" if Decimal(one["dust"]) else "")
