"""From facts to rows: what the recorder hears, or the intents hold, as rows of the store's tables.

Who calls it: state.recorder (notices and facts of a run) and state.rebuild (records of the intents), each on its own thread.
Never: a statement, a file. Amounts leave here as exact text.
"""

from decimal import Decimal

import msgspec

from core.commands import Place, places_of
from core.notices import Counted, Filled, Holdings, Notice, Recovered, Remembered, Reported, Sent, Standing
from core.types import Fill, OrderStatus
from state import lot_rows
from state.lot_rows import ExitRow, LotRow
from state.schema import exact

NS_PER_MS = 1_000_000
TERMINAL = frozenset(status.value for status in OrderStatus if status.is_terminal)


class RunStart(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run before its first step. `symbols` are (symbol, base, quote)."""

    boot: str
    venue: str
    instance: str
    order_tag: str
    started_ns: int
    symbols: tuple[tuple[str, str, str], ...] = ()


class RunRow(msgspec.Struct, kw_only=True):
    """Fields in the order of the table's columns."""

    venue_instance: str
    boot: str
    order_tag: str
    started_ns: int
    symbols: str
    start_balances: str | None = None
    start_mids: str | None = None
    balances: str | None = None
    movements: str | None = None
    mids: str | None = None
    as_of_ns: int = 0
    ended_ns: int | None = None
    exit_code: int | None = None
    end_reason: str | None = None


class OrderRow(msgspec.Struct, kw_only=True):
    """Fields in the order of the table's columns."""

    venue_instance: str
    client_order_id: str
    boot: str
    last_boot: str
    symbol: str
    side: str
    type: str | None = None
    time_in_force: str | None = None
    price: str
    quantity: str
    reason: str | None = None
    not_after_ns: int | None = None
    venue_order_id: int | None = None
    status: str = OrderStatus.UNSEEN.value
    evidence: str = ""
    is_open: int = 1

    def hear(self, status: str, evidence: str) -> None:
        """A word of the venue; an ending stays, and only another ending takes its place."""
        if self.is_open or status in TERMINAL:
            self.is_open = int(status not in TERMINAL)
            self.status, self.evidence = status, "" if self.is_open else evidence


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """Fields in the order of the table's columns."""

    venue_instance: str
    venue_execution_id: str
    boot: str
    symbol: str
    client_order_id: str
    venue_order_id: int
    execution_type: str
    side: str
    trade_id: int | None = None
    price: str
    quantity: str
    fee: str | None = None
    fee_asset: str | None = None
    liquidity: str | None = None
    time_ms: int


class FiguresRow(msgspec.Struct, frozen=True, kw_only=True):
    """Fields in the order of the table's columns."""

    venue_instance: str
    boot: str
    figures: str


class Rows(msgspec.Struct):
    """One group of writes: the newest form of each row."""

    runs: dict[tuple[str, str], RunRow] = {}
    figures: dict[tuple[str, str], FiguresRow] = {}
    orders: dict[tuple[str, str], OrderRow] = {}
    reports: dict[tuple[str, str], ReportRow] = {}
    lots: dict[tuple[str, str], LotRow] = {}
    exits: dict[tuple[str, str], ExitRow] = {}

    def __len__(self) -> int:
        return len(self.runs) + len(self.figures) + len(self.orders) + len(self.reports) + len(self.lots) + len(self.exits)

    def remember(self, scope: str, boot: str, text: str) -> None:
        """A strategy's memory: the lots it tells of, and their exits."""
        if (lots := lot_rows.lots_of(text)) is None:
            return
        for one in lot_rows.exits_of(lots, scope, boot):
            self.exits.setdefault((scope, one.exit_id), one)
        for row in lot_rows.rows_of(lots, scope, boot):
            known = self.lots.get((scope, row.lot_id))
            self.lots[scope, row.lot_id] = row if known is None else msgspec.structs.replace(row, boot=known.boot)


def venue_instance(venue: str, instance: str) -> str:
    """State is keyed by venue and account instance (DESIGN 6)."""
    return f"{venue}/{instance}"


def boot_of(client_order_id: str, otherwise: str) -> str:
    """The boot in `<tag>-<boot>-<counter>` (DESIGN 3)."""
    parts = client_order_id.split("-")
    return parts[1] if len(parts) == 3 else otherwise


def run_row(start: RunStart) -> RunRow:
    symbols = {symbol: [base, quote] for symbol, base, quote in start.symbols}
    return RunRow(
        venue_instance=venue_instance(start.venue, start.instance),
        boot=start.boot,
        order_tag=start.order_tag,
        started_ns=start.started_ns,
        symbols=text_of(symbols),
        as_of_ns=start.started_ns,
    )


def trade_row(scope: str, boot: str, client_order_id: str, fill: Fill) -> ReportRow:
    """A trade has one id whether the stream or an answer told of it (DESIGN 3)."""
    return ReportRow(
        venue_instance=scope,
        venue_execution_id=f"{fill.symbol}:t{fill.trade_id}",
        boot=boot,
        symbol=fill.symbol,
        client_order_id=client_order_id,
        venue_order_id=fill.venue_order_id,
        execution_type="TRADE",
        side=fill.side.value,
        trade_id=fill.trade_id,
        price=exact(fill.price),
        quantity=exact(fill.quantity),
        fee=exact(fill.fee),
        fee_asset=fill.fee_asset,
        liquidity=fill.liquidity.value,
        time_ms=fill.time_ms,
    )


def report_row(scope: str, boot: str, reported: Reported) -> ReportRow:
    """Any report that is no trade."""
    report = reported.report
    return ReportRow(
        venue_instance=scope,
        venue_execution_id=f"{report.symbol}:x{report.execution_id}",
        boot=boot,
        symbol=report.symbol,
        client_order_id=reported.order_id,
        venue_order_id=report.venue_order_id,
        execution_type=report.execution_type,
        side=report.side.value,
        price=exact(report.price),
        quantity=exact(report.quantity),
        time_ms=report.time_ms,
    )


def placed_row(scope: str, boot: str, place: Place) -> OrderRow:
    return OrderRow(
        venue_instance=scope,
        client_order_id=place.client_order_id,
        boot=boot_of(place.client_order_id, boot),
        last_boot=boot,
        symbol=place.symbol,
        side=place.side.value,
        type=place.type.value,
        time_in_force=place.time_in_force.value if place.time_in_force is not None else None,
        price=exact(place.price),
        quantity=exact(place.quantity),
        reason=place.reason,
        not_after_ns=place.not_after_ns,
    )


def take(rows: Rows, run: RunRow, at_ns: int, notice: Notice) -> None:
    """One notice or fact of the run into the group."""
    scope, boot = run.venue_instance, run.boot
    if isinstance(notice, Filled | Recovered):
        _add_report(rows, trade_row(scope, boot, notice.order_id, notice.fill))
    elif isinstance(notice, Reported):
        if notice.report.fill is None:  # a trade comes as Filled or Recovered, once, from whichever source was first
            _add_report(rows, report_row(scope, boot, notice))
    elif isinstance(notice, Standing):
        _stand(rows, scope, boot, notice)
    elif isinstance(notice, Sent):
        for place in places_of(notice.command):
            rows.orders[scope, place.client_order_id] = placed_row(scope, boot, place)
    elif isinstance(notice, Remembered):
        rows.remember(scope, boot, notice.text)
    elif isinstance(notice, Holdings):
        hold(run, notice)
    elif isinstance(notice, Counted):
        rows.figures[scope, boot] = FiguresRow(venue_instance=scope, boot=boot, figures=text_of(notice.figures))
    run.as_of_ns = max(run.as_of_ns, at_ns)
    rows.runs[scope, boot] = run


def _add_report(rows: Rows, row: ReportRow) -> None:
    rows.reports.setdefault((row.venue_instance, row.venue_execution_id), row)


def _stand(rows: Rows, scope: str, boot: str, stands: Standing) -> None:
    row = rows.orders.get((scope, stands.order_id))
    if row is None:
        row = rows.orders[scope, stands.order_id] = OrderRow(
            venue_instance=scope,
            client_order_id=stands.order_id,
            boot=boot_of(stands.order_id, boot),
            last_boot=boot,
            symbol=stands.symbol,
            side=stands.side.value,
            price=exact(stands.price),
            quantity=exact(stands.quantity),
        )
    row.venue_order_id = stands.venue_order_id if stands.venue_order_id is not None else row.venue_order_id
    row.price, row.quantity = exact(stands.price), exact(stands.quantity)
    row.hear(stands.status, stands.evidence)


def hold(run: RunRow, holdings: Holdings) -> None:
    """The newest balances of the run; what it began with is known once the books have begun."""
    run.balances = text_of({balance.asset: [exact(balance.free), exact(balance.locked)] for balance in holdings.balances})
    if holdings.start:
        run.start_balances = text_of({asset: [exact(total), str(at_ms)] for asset, total, at_ms in holdings.start})
    run.movements, run.mids, run.start_mids = _amounts(holdings.movements), _amounts(holdings.mids), _amounts(holdings.start_mids)


def _amounts(pairs: tuple[tuple[str, Decimal], ...]) -> str:
    return text_of({name: exact(value) for name, value in pairs})


def text_of(value: object) -> str:
    return msgspec.json.encode(value).decode()
