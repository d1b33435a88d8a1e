"""Rebuilding the store: orders, trades, lots and runs as the intents tell them, for a database that was deleted, damaged or left behind by a kill.

Who calls it: the recorder at start and after a database went missing; state.report, to add what a killed recorder had not written yet.
What the intents do not hold cannot come back: reports that are no trades, and how a run ended. Writing twice changes nothing, and what the store
knows better stays.
Never: a call from the trading thread; the whole file in memory as rows.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from core.commands import Amend, Cancel, Place, PlaceOco, Replace
from core.events import Outcome
from core.orders import Evidence
from core.types import OrderStatus, Side
from state.intents import BootRecord, EndRecord, FillRecord, HoldingsRecord, IntentRecord, MemoryRecord, Record, ResultRecord, read
from state.rows import OrderRow, Rows, RunRow, RunStart, boot_of, hold, placed_row, run_row, trade_row
from state.schema import exact, execution_reports, lot_exits, lots, orders, runs
from state.store import Store

GROUP_ROWS = 2000
REFUSALS = {Outcome.REFUSED.value: Evidence.REFUSED, Outcome.NOT_SENT.value: Evidence.NOT_SENT}
NO_RUN = RunRow(venue_instance="", boot="", order_tag="", started_ns=0, symbols="{}")


def both_files(path: Path) -> Iterator[Record]:
    """The records of the file that was put aside at the last rotation, then of the one in use."""
    yield from read(path.with_suffix(".old"))
    yield from read(path)


def rebuild(store: Store, path: Path, from_empty: bool) -> int:
    """Write what the intents hold; returns the rows written. Raises StoreFailed, IntentsCorrupt."""
    if from_empty:
        store.clear(orders, execution_reports, runs, lots, lot_exits)
    written = 0
    for rows in project(both_files(path)):
        store.write(rows)
        written += len(rows)
    return written


def project(records: Iterable[Record]) -> Iterator[Rows]:
    """The records as groups of rows, in order. Orders stay known across groups, so that an ending finds its order."""
    telling = Telling()
    for record in records:
        telling.take(record)
        if len(telling.rows) >= GROUP_ROWS:
            yield telling.cut()
    if len(telling.rows):
        yield telling.cut()


class Telling:
    """What the records add up to so far."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.run = NO_RUN
        self.open_orders: dict[str, OrderRow] = {}  # by client id
        self._names: dict[tuple[str, int], tuple[str, bool]] = {}  # (boot, command id) -> (client id of its order, is a place)
        self._replaced: dict[tuple[str, int], str] = {}  # (boot, command id) -> client id of the order a pair cancels
        self._venues: dict[str, str] = {}  # account instance -> venue

    def cut(self) -> Rows:
        rows, self.rows = self.rows, Rows()
        return rows

    def take(self, record: Record) -> None:
        if isinstance(record, BootRecord):
            self._boot(record)
        elif not self.run.venue_instance:
            return  # carried over from a file that is gone: whose run it was is not told
        elif isinstance(record, IntentRecord):
            self._intent(record)
        elif isinstance(record, ResultRecord):
            self._result(record)
        elif isinstance(record, FillRecord):
            fill = record.fill
            row = trade_row(self.run.venue_instance, self.run.boot, fill.client_order_id, fill)
            self.rows.reports.setdefault((row.venue_instance, row.venue_execution_id), row)
        elif isinstance(record, EndRecord):
            self._end(record)
        elif isinstance(record, MemoryRecord):
            self.rows.remember(self.run.venue_instance, self.run.boot, record.text)
        elif isinstance(record, HoldingsRecord):
            hold(self.run, record.holdings)
            self._seen(record.at_ns)

    def _boot(self, record: BootRecord) -> None:
        if record.venue:
            self._venues[record.instance] = record.venue
        venue = self._venues.get(record.instance)
        self._names.clear()
        self._replaced.clear()
        self.run = NO_RUN
        if venue is None:
            return
        if not record.venue:  # the first record of a file after a rotation: fills of earlier runs, told by the file before it
            return
        start = RunStart(
            boot=record.boot,
            venue=venue,
            instance=record.instance,
            order_tag=record.order_tag,
            started_ns=record.at_ns,
            symbols=record.symbols,
        )
        self.run = run_row(start)
        self._seen(record.at_ns)

    def _seen(self, at_ns: int) -> None:
        self.run.as_of_ns = max(self.run.as_of_ns, at_ns)
        self.rows.runs[self.run.venue_instance, self.run.boot] = self.run

    def _intent(self, record: IntentRecord) -> None:
        command = record.command
        if isinstance(command, Place):
            self._names[self.run.boot, command.command_id] = (command.client_order_id, True)
            self._write(placed_row(self.run.venue_instance, self.run.boot, command))
        elif isinstance(command, Cancel | Amend):
            self._names[self.run.boot, command.command_id] = (command.client_order_id, False)
            self._meet(command)
        elif isinstance(command, Replace):
            self._names[self.run.boot, command.command_id] = (command.client_order_id, True)
            self._replaced[self.run.boot, command.command_id] = command.cancel.client_order_id
            self._meet(command.cancel)
            self._write(placed_row(self.run.venue_instance, self.run.boot, command.place))
        elif isinstance(command, PlaceOco):
            for leg in command.legs:
                self._write(placed_row(self.run.venue_instance, self.run.boot, leg))

    def _meet(self, command: Cancel | Amend) -> None:
        row = self._order(command.client_order_id, command.symbol, command.side, exact(command.price), exact(command.quantity))
        row.venue_order_id = command.venue_order_id
        self._write(row)

    def _order(self, client_order_id: str, symbol: str, side: Side, price: str, quantity: str) -> OrderRow:
        """The order as known; one placed before the records begin is known from its cancel."""
        known = self.open_orders.get(client_order_id)
        if known is not None:
            known.last_boot = self.run.boot
            return known
        return OrderRow(
            venue_instance=self.run.venue_instance,
            client_order_id=client_order_id,
            boot=boot_of(client_order_id, self.run.boot),
            last_boot=self.run.boot,
            symbol=symbol,
            side=side.value,
            price=price,
            quantity=quantity,
        )

    def _result(self, record: ResultRecord) -> None:
        """What the venue answered to a place or a cancel. A refused cancel says nothing about its order: it is asked about (-2011)."""
        name, is_place = self._names.pop((self.run.boot, record.command_id), ("", False))
        row = self.open_orders.get(name)
        old = self.open_orders.get(self._replaced.pop((self.run.boot, record.command_id), ""))
        if old is not None and record.canceled is not None:
            old.hear(record.canceled[3], Evidence.ANSWER.value)
            self._write(old)
        for _, venue_order_id, leg_name, status in record.legs:
            if (leg := self.open_orders.get(leg_name)) is not None:
                leg.venue_order_id = venue_order_id
                leg.hear(status, Evidence.ANSWER.value)
                self._write(leg)
        if row is not None and record.order is not None:
            _, row.venue_order_id, _, status = record.order
            row.hear(status, Evidence.ANSWER.value)
            self._write(row)
        elif row is not None and is_place and record.outcome in REFUSALS:
            row.hear(OrderStatus.REJECTED.value, REFUSALS[record.outcome].value)
            self._write(row)
        self._seen(record.at_ns)

    def _end(self, record: EndRecord) -> None:
        row = self.open_orders.get(record.client_order_id)
        if row is not None:
            row.hear(record.status, record.evidence)
            self._write(row)

    def _write(self, row: OrderRow) -> None:
        """Ended orders are forgotten once written: nothing more is told of them."""
        self.rows.orders[row.venue_instance, row.client_order_id] = row
        if row.is_open:
            self.open_orders[row.client_order_id] = row
        else:
            self.open_orders.pop(row.client_order_id, None)
