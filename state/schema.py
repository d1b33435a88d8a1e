"""The tables of the store, as data. Exact decimals are text; times are nanoseconds since the epoch, venue times milliseconds, and say so.

Who uses it: state.store and state.report; state/migrations holds the same tables as steps (a test compares the two). Thread: any.
Never: a float near money; SQL beyond what the tables themselves say.
"""

from decimal import Decimal

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

REVISION = "0004"  # the newest revision in state/migrations/versions; a test holds the two together


def exact(value: Decimal) -> str:
    """Text without exponent that reads back as the same number. Raises ValueError for infinities and NaN."""
    if not value.is_finite():
        raise ValueError(f"{value} is no amount")
    return format(value, "f")


class Exact(TypeDecorator[Decimal]):
    """A Decimal as text: SQLite's own numbers are floats."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else exact(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


metadata = MetaData()

# Alembic's own table, apart from ours: a new file gets the tables as they are and this one row (Alembic's cookbook, "Building an Up to Date Database
# from Scratch"), so that Alembic, half a second and 11 MB, is loaded only where an older file must be brought up to date.
alembic_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))

# One row per run of the bot. `venue_instance` is `venue/account instance`; the JSON columns hold exact text.
runs = Table(
    "runs",
    metadata,
    Column("venue_instance", String, primary_key=True),
    Column("boot", String, primary_key=True),
    Column("order_tag", String, nullable=False),
    Column("started_ns", BigInteger, nullable=False),
    Column("symbols", Text, nullable=False),  # {symbol: [base, quote]}
    Column("start_balances", Text),  # {asset: [total, venue time in ms]}
    Column("start_mids", Text),  # {symbol: mid}
    Column("balances", Text),  # {asset: [free, locked]}
    Column("movements", Text),  # {asset: foreign movements since the start}
    Column("mids", Text),  # {symbol: mid}
    Column("as_of_ns", BigInteger, nullable=False),  # newest fact of the run
    Column("ended_ns", BigInteger),
    Column("exit_code", Integer),
    Column("end_reason", Text),
)

# One row per run with what was counted in it (core.figures_told), as JSON; the newest picture counts.
run_figures = Table(
    "run_figures",
    metadata,
    Column("venue_instance", String, primary_key=True),
    Column("boot", String, primary_key=True),
    Column("figures", Text, nullable=False),
)

# One row per order with our tag. `boot` made it, `last_boot` saw it last. `status` is UNSEEN until the venue has spoken. What was filled of it is the
# sum of its trades in execution_reports.
orders = Table(
    "orders",
    metadata,
    Column("venue_instance", String, primary_key=True),
    Column("client_order_id", String, primary_key=True),
    Column("boot", String, nullable=False),
    Column("last_boot", String, nullable=False),
    Column("symbol", String, nullable=False),
    Column("side", String, nullable=False),
    Column("type", String),  # type, time in force, reason and deadline are known of orders whose place is in the intents
    Column("time_in_force", String),
    Column("price", Exact, nullable=False),
    Column("quantity", Exact, nullable=False),
    Column("reason", Text),
    Column("not_after_ns", BigInteger),
    Column("venue_order_id", BigInteger),
    Column("status", String, nullable=False),
    Column("evidence", String, nullable=False),
    Column("is_open", Boolean, nullable=False),
)
Index("orders_open", orders.c.venue_instance, orders.c.is_open)

# One row per thing the venue said about an order: `SYMBOL:t<trade id>` for trades, `SYMBOL:x<execution id>` for every other report.
execution_reports = Table(
    "execution_reports",
    metadata,
    Column("venue_instance", String, primary_key=True),
    Column("venue_execution_id", String, primary_key=True),
    Column("boot", String, nullable=False),
    Column("symbol", String, nullable=False),
    Column("client_order_id", String, nullable=False),
    Column("venue_order_id", BigInteger, nullable=False),
    Column("execution_type", String, nullable=False),
    Column("side", String, nullable=False),
    Column("trade_id", BigInteger),
    Column("price", Exact, nullable=False),  # of the trade, or of the order
    Column("quantity", Exact, nullable=False),
    Column("fee", Exact),
    Column("fee_asset", String),
    Column("liquidity", String),
    Column("time_ms", BigInteger, nullable=False),
)
Index("execution_reports_order", execution_reports.c.venue_instance, execution_reports.c.client_order_id)
Index("execution_reports_run", execution_reports.c.venue_instance, execution_reports.c.boot)

# One row per lot of the maker-first trader, and per symbol and side one (number 0) for its dust: what is in it now, and what has left. `boot` is the
# run that told of it first, `last_boot` the newest one.
lots = Table(
    "lots",
    metadata,
    Column("venue_instance", String, primary_key=True),
    Column("lot_id", String, primary_key=True),  # SYMBOL SIDE NUMBER
    Column("boot", String, nullable=False),
    Column("last_boot", String, nullable=False),
    Column("symbol", String, nullable=False),
    Column("side", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("quantity", Exact, nullable=False),  # base it was given in all
    Column("paid", Exact, nullable=False),  # quote it cost (BUY) or brought
    Column("quantity_left", Exact, nullable=False),
    Column("exits", Integer, nullable=False),  # exit fills
    Column("quantity_out", Exact, nullable=False),
    Column("proceeds", Exact, nullable=False),  # quote they brought (BUY) or cost
    Column("profit", Exact, nullable=False),  # of what has left, in quote, before fees
    Column("quantity_dust", Exact, nullable=False),  # base that went to the dust
    Column("fees", Text, nullable=False),  # {asset: commission of all its fills}, base left out: that is counted where it moves
    Column("reason", Text, nullable=False),
    Column("exit_reason", Text, nullable=False),
    Column("opened_ns", BigInteger, nullable=False),
    Column("closed_ns", BigInteger),
)
Index("lots_run", lots.c.venue_instance, lots.c.last_boot)

# One row per exit fill of a lot (number 0 in `lot_id`: of the dust it took along), written once: what left, and its share of cost and entry fees.
lot_exits = Table(
    "lot_exits",
    metadata,
    Column("venue_instance", String, primary_key=True),
    Column("exit_id", String, primary_key=True),  # SYMBOL:t<trade id> NUMBER
    Column("boot", String, nullable=False),
    Column("lot_id", String, nullable=False),
    Column("trade_id", BigInteger, nullable=False),
    Column("quantity", Exact, nullable=False),  # base that left
    Column("price", Exact, nullable=False),
    Column("cost", Exact, nullable=False),  # quote it had cost (BUY) or brought
    Column("proceeds", Exact, nullable=False),  # quote it brought (BUY) or cost
    Column("profit", Exact, nullable=False),  # in quote, before fees
    Column("entry_fees", Text, nullable=False),  # {asset: its share}
    Column("exit_fees", Text, nullable=False),
    Column("liquidity", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("quantity_left", Exact, nullable=False),  # of the lot, after it
    Column("time_ms", BigInteger, nullable=False),
)
Index("lot_exits_lot", lot_exits.c.venue_instance, lot_exits.c.lot_id)

key_value = Table(
    "key_value",
    metadata,
    Column("venue_instance", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
)
