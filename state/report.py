"""The report of a run, from store and intents alone: orders, fills, open orders, balances, P&L, undecided places, and as of when.

Who calls it: `python bot.py report`, in a process of its own, while the bot runs and after it died. What a killed recorder had not written to the
store is taken from the intents; without a readable store the intents tell what they hold. `as_of` is the newest fact that was recorded.
Never: a write, a question to the venue or to the bot.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.exc import SQLAlchemyError

from core.account import Account
from core.money import ZERO, plain
from core.printable import printable
from core.snapshot import fill_data
from core.types import Fill, Liquidity, Side, SymbolRules
from state import settings
from state.intents import IntentsCorrupt
from state.ledger import account_of, recover
from state.lot_rows import ExitRow, LotRow
from state.rebuild import both_files, project
from state.report_figures import figures_of
from state.report_lots import exits_of, lots_of
from state.report_positions import positions_of
from state.report_words import short
from state.rows import OrderRow, ReportRow, Rows, RunRow, boot_of
from state.schema import REVISION, exact, execution_reports, lot_exits, lots, orders, runs
from state.store import FILE, connect_to, revision_of

RUNS_NAMED = 5
NS = 1_000_000_000
Json = dict[str, object]


class NoReport(Exception):
    """There is nothing to report on; the text says what is missing."""


def print_report(folder: Path, wanted: str | None, as_json: bool) -> bool:
    """`python bot.py report [RUN] [--json]`; False where there is nothing to report on."""
    try:
        found = build(folder / FILE, folder / "intents.log", wanted)
    except NoReport as error:
        print(error, file=sys.stderr)
        return False
    print(json.dumps(found) if as_json else "\n".join(map(printable, short(found))))
    return True


def build(store_path: Path, intents_path: Path, wanted: str | None) -> Json:
    """The report of the run named `wanted`, or of the newest. Raises NoReport."""
    notes: list[str] = []
    told = _from_intents(intents_path, notes)
    try:
        rows = _from_store(store_path, wanted, told, notes)
        run = _choose(rows, wanted)
    except NoReport as error:
        raise NoReport("; ".join([str(error), *notes])) from None
    scope, boot = run.venue_instance, run.boot
    trades = [row for row in rows.reports.values() if row.trade_id is not None and row.venue_instance == scope]
    fills = sorted((_fill(row) for row in trades if row.boot == boot), key=lambda fill: (fill.time_ms, fill.symbol, fill.trade_id))
    account = _account(run)
    counted = [fill for fill in fills if not _is_recovered(account, fill)]
    filled = _filled(trades)
    own = [row for row in rows.orders.values() if row.venue_instance == scope and boot in (row.boot, row.last_boot)]
    venue, _, instance = scope.partition("/")
    return {
        "run_id": boot,
        "venue": venue,
        "instance": instance,
        "order_tag": run.order_tag,
        "as_of": _iso(run.as_of_ns),
        "as_of_ns": run.as_of_ns,
        "started": _iso(run.started_ns),
        "ended": _iso(run.ended_ns) if run.ended_ns is not None else None,
        "exit_code": run.exit_code,
        "end_reason": run.end_reason,
        "orders": [_order_json(row, filled) for row in own],
        "open_orders": [_order_json(row, filled) for row in own if row.is_open and row.last_boot == boot],
        "fills": [fill_data(fill) for fill in counted],
        "recovered_fills": [fill_data(fill) for fill in fills if _is_recovered(account, fill)],
        "fees": _fees(counted),
        **_money(run, account, counted),
        "undecided": _undecided(intents_path, instance, boot, is_newest=run is _choose(rows, None), notes=notes),
        "lots": lots_of(row for row in rows.lots.values() if row.venue_instance == scope and boot in (row.boot, row.last_boot)),
        "lot_exits": exits_of(row for row in rows.exits.values() if row.venue_instance == scope and row.boot == boot),
        "positions": positions_of(intents_path, boot),
        "config_versions": [
            {"version": one.version, "since": _iso(one.since_ns), "since_ns": one.since_ns} for one in settings.of_run(store_path, scope, boot)
        ],
        "figures": figures_of(store_path, scope, boot),
        "notes": notes,
    }


# -- what is recorded ----------------------------------------------------------------------------
def _from_intents(path: Path, notes: list[str]) -> Rows:
    rows = Rows()
    try:
        for group in project(both_files(path)):
            rows.runs.update(group.runs)
            rows.orders.update(group.orders)
            rows.lots.update(group.lots)
            rows.exits.update(group.exits)
            for key, row in group.reports.items():
                rows.reports.setdefault(key, row)
    except (OSError, IntentsCorrupt) as error:
        notes.append(f"the intents cannot be read to their end: {error}")
    return rows


def _from_store(path: Path, wanted: str | None, told: Rows, notes: list[str]) -> Rows:
    """The rows of the wanted run from the store, with what only the intents tell."""
    if not path.exists():
        notes.append("no store: rebuilt from the intents; reports that are no trades and the end of the run are not known")
        return told
    engine = connect_to(path)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
            found = revision_of(connection)
            if found != REVISION:
                notes.append(f"the store has schema {found}, this version reads {REVISION}: told from the intents alone")
                return told
            return _merged(connection, wanted, told)
    except SQLAlchemyError as error:
        notes.append(f"the store cannot be read ({getattr(error, 'orig', None) or error}): told from the intents alone")
        return told
    finally:
        engine.dispose()


def _merged(connection: Connection, wanted: str | None, told: Rows) -> Rows:
    rows = Rows()
    for found in connection.execute(select(runs)).mappings():
        row = RunRow(**found)
        rows.runs[row.venue_instance, row.boot] = row
    for key, run in told.runs.items():
        known = rows.runs.setdefault(key, run)
        known.as_of_ns = max(known.as_of_ns, run.as_of_ns)
        known.balances, known.start_balances = known.balances or run.balances, known.start_balances or run.start_balances
        known.movements, known.mids, known.start_mids = known.movements or run.movements, known.mids or run.mids, known.start_mids or run.start_mids
    chosen = _choose(rows, wanted)
    of_run = (orders.c.venue_instance == chosen.venue_instance) & ((orders.c.boot == chosen.boot) | (orders.c.last_boot == chosen.boot))
    for found in connection.execute(select(orders).where(of_run)).mappings():
        order = OrderRow(**_as_text(found))
        rows.orders[order.venue_instance, order.client_order_id] = order
    trades = (execution_reports.c.venue_instance == chosen.venue_instance) & (execution_reports.c.trade_id.is_not(None))
    of_orders = execution_reports.c.client_order_id.in_(select(orders.c.client_order_id).where(of_run))  # an adopted order has earlier trades
    found_trades = select(execution_reports).where(trades & ((execution_reports.c.boot == chosen.boot) | of_orders))
    for found in connection.execute(found_trades).mappings():
        report = ReportRow(**_as_text(found))
        rows.reports[report.venue_instance, report.venue_execution_id] = report
    of_lots = (lots.c.venue_instance == chosen.venue_instance) & ((lots.c.boot == chosen.boot) | (lots.c.last_boot == chosen.boot))
    for found in connection.execute(select(lots).where(of_lots)).mappings():
        lot = LotRow(**_as_text(found))
        rows.lots[lot.venue_instance, lot.lot_id] = lot
    of_exits = (lot_exits.c.venue_instance == chosen.venue_instance) & (lot_exits.c.boot == chosen.boot)
    for found in connection.execute(select(lot_exits).where(of_exits)).mappings():
        left = ExitRow(**_as_text(found))
        rows.exits[left.venue_instance, left.exit_id] = left
    if chosen.ended_ns is None:  # the recorder of a run that ended wrote everything
        _add_told(rows, told)
    return rows


def _add_told(rows: Rows, told: Rows) -> None:
    for key, report in told.reports.items():
        rows.reports.setdefault(key, report)
    rows.lots.update(told.lots)
    for key, left in told.exits.items():
        rows.exits.setdefault(key, left)
    for name, order in told.orders.items():
        known = rows.orders.setdefault(name, order)
        if known.is_open and not order.is_open:
            known.hear(order.status, order.evidence)


def _as_text(found: RowMapping) -> dict[str, Any]:
    return {name: exact(value) if isinstance(value, Decimal) else value for name, value in found.items()}


def _choose(rows: Rows, wanted: str | None) -> RunRow:
    newest = sorted(rows.runs.values(), key=lambda row: row.started_ns, reverse=True)
    if not newest:
        raise NoReport("no run is recorded in this state folder")
    for row in newest:
        if wanted is None or row.boot == wanted:
            return row
    raise NoReport(f"no run {wanted} is recorded; the newest are {', '.join(row.boot for row in newest[:RUNS_NAMED])}")


def _undecided(path: Path, instance: str, boot: str, is_newest: bool, notes: list[str]) -> list[Json]:
    """Places without a result. The newest run inherits what earlier ones left."""
    try:
        recovery = recover(path, account_of(instance))
    except (OSError, IntentsCorrupt) as error:
        notes.append(f"undecided places are not known: {error}")
        return []
    waiting = recovery.undecided if recovery.instance == instance else ()  # a reset of the venue closed the earlier instance
    return [
        {
            "client_order_id": place.client_order_id,
            "symbol": place.symbol,
            "side": place.side.value,
            "price": plain(place.price),
            "quantity": plain(place.quantity),
            "sent_ms": place.sent_ms,
        }
        for place in waiting
        if is_newest or boot_of(place.client_order_id, "") == boot
    ]


# -- money ---------------------------------------------------------------------------------------
def _account(run: RunRow) -> Account | None:
    """The account as the run's books began it; None where that was never recorded."""
    symbols: dict[str, list[str]] = msgspec.json.decode(run.symbols)
    if run.start_balances is None or not symbols:
        return None
    rules = {symbol: SymbolRules(symbol, base, quote, tick=ZERO, step=ZERO) for symbol, (base, quote) in symbols.items()}
    account = Account(rules=rules)
    start: dict[str, tuple[str, str]] = msgspec.json.decode(run.start_balances)
    account.baseline = {asset: Decimal(total) for asset, (total, _) in start.items()}
    account.baseline_ms = {asset: int(at_ms) for asset, (_, at_ms) in start.items()}
    account.movements = _amounts(run.movements)
    return account


def _is_recovered(account: Account | None, fill: Fill) -> bool:
    """It happened before the books of the run began: the start balances hold it already."""
    return account is not None and fill.symbol in account.rules and account.is_in_baseline(fill)


def _money(run: RunRow, account: Account | None, counted: list[Fill]) -> Json:
    balances: dict[str, list[str]] = msgspec.json.decode(run.balances) if run.balances else {}
    money: Json = {
        "balances": {asset: {"free": plain(Decimal(free)), "locked": plain(Decimal(locked))} for asset, (free, locked) in balances.items()},
        "start_balances": {asset: plain(total) for asset, total in account.baseline.items()} if account else {},
        "foreign_movements": _plain(_amounts(run.movements)),
        "start_mids": _plain(_amounts(run.start_mids)),
        "mids": _plain(_amounts(run.mids)),
        "pnl_quote": None,
        "pnl_hold_quote": None,
        "quote": "",
    }
    if account is None:
        return money
    for fill in counted:
        account.on_own_fill(fill, 0)
    start_mids = _amounts(run.start_mids)
    mids = {**start_mids, **_amounts(run.mids)}
    begun = _value(account.rules, account.baseline, start_mids)
    now = {asset: account.expected(asset) for asset in account.baseline}
    money["pnl_quote"] = plain(_value(account.rules, now, mids) - begun)
    money["pnl_hold_quote"] = plain(_value(account.rules, account.baseline, mids) - begun)
    money["quote"] = next(iter(account.rules.values())).quote
    return money


def _value(rules: Mapping[str, SymbolRules], totals: Mapping[str, Decimal], mids: Mapping[str, Decimal]) -> Decimal:
    """Quote value of the traded assets; each asset once, also where symbols share it (core.books.Books.value)."""
    prices: dict[str, Decimal] = {}
    for symbol, rule in rules.items():
        prices[rule.quote] = Decimal(1)
        prices[rule.base] = mids.get(symbol, ZERO)
    return sum((totals.get(asset, ZERO) * price for asset, price in prices.items()), ZERO)


def _amounts(text: str | None) -> dict[str, Decimal]:
    amounts: dict[str, str] = msgspec.json.decode(text) if text else {}
    return {name: Decimal(value) for name, value in amounts.items()}


def _plain(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: plain(value) for name, value in amounts.items()}


def _fees(fills: list[Fill]) -> dict[str, str]:
    fees: dict[str, Decimal] = {}
    for fill in fills:
        fees[fill.fee_asset] = fees.get(fill.fee_asset, ZERO) + fill.fee
    return _plain(fees)


# -- shapes --------------------------------------------------------------------------------------
def _fill(row: ReportRow) -> Fill:
    assert row.trade_id is not None
    return Fill(
        symbol=row.symbol,
        trade_id=row.trade_id,
        venue_order_id=row.venue_order_id,
        client_order_id=row.client_order_id,
        side=Side(row.side),
        price=Decimal(row.price),
        quantity=Decimal(row.quantity),
        fee=Decimal(row.fee or "0"),
        fee_asset=row.fee_asset or "",
        liquidity=Liquidity(row.liquidity or "taker"),
        time_ms=row.time_ms,
    )


def _filled(trades: list[ReportRow]) -> dict[str, Decimal]:
    """Quantity per client order id."""
    filled: dict[str, Decimal] = {}
    for row in trades:
        filled[row.client_order_id] = filled.get(row.client_order_id, ZERO) + Decimal(row.quantity)
    return filled


def _order_json(row: OrderRow, filled: Mapping[str, Decimal]) -> Json:
    return {
        "client_order_id": row.client_order_id,
        "venue_order_id": row.venue_order_id,
        "symbol": row.symbol,
        "side": row.side,
        "type": row.type,
        "price": plain(Decimal(row.price)),
        "quantity": plain(Decimal(row.quantity)),
        "filled": plain(filled.get(row.client_order_id, ZERO)),
        "status": row.status,
        "evidence": row.evidence,
        "reason": row.reason,
        "boot": row.boot,
    }


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NS, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at_ns % NS // 1_000_000:03d}Z"
