"""0001: orders, execution reports, lots, key-value pairs, runs. Decimals are text."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    _runs()
    _orders()
    _execution_reports()
    op.create_table(
        "lots",
        sa.Column("venue_instance", sa.String, primary_key=True),
        sa.Column("lot_id", sa.String, primary_key=True),
        sa.Column("symbol", sa.String, nullable=False),
        sa.Column("entry_client_order_id", sa.String, nullable=False),
        sa.Column("quantity", sa.Text, nullable=False),
        sa.Column("entry_price", sa.Text, nullable=False),
        sa.Column("quantity_left", sa.Text, nullable=False),
        sa.Column("opened_ns", sa.BigInteger, nullable=False),
        sa.Column("closed_ns", sa.BigInteger),
    )
    op.create_table(
        "key_value",
        sa.Column("venue_instance", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("updated_ns", sa.BigInteger, nullable=False),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("venue_instance", sa.String, primary_key=True),
        sa.Column("boot", sa.String, primary_key=True),
        sa.Column("order_tag", sa.String, nullable=False),
        sa.Column("started_ns", sa.BigInteger, nullable=False),
        sa.Column("symbols", sa.Text, nullable=False),
        sa.Column("start_balances", sa.Text),
        sa.Column("start_mids", sa.Text),
        sa.Column("balances", sa.Text),
        sa.Column("movements", sa.Text),
        sa.Column("mids", sa.Text),
        sa.Column("as_of_ns", sa.BigInteger, nullable=False),
        sa.Column("ended_ns", sa.BigInteger),
        sa.Column("exit_code", sa.Integer),
        sa.Column("end_reason", sa.Text),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("venue_instance", sa.String, primary_key=True),
        sa.Column("client_order_id", sa.String, primary_key=True),
        sa.Column("boot", sa.String, nullable=False),
        sa.Column("last_boot", sa.String, nullable=False),
        sa.Column("symbol", sa.String, nullable=False),
        sa.Column("side", sa.String, nullable=False),
        sa.Column("type", sa.String),
        sa.Column("time_in_force", sa.String),
        sa.Column("price", sa.Text, nullable=False),
        sa.Column("quantity", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("not_after_ns", sa.BigInteger),
        sa.Column("venue_order_id", sa.BigInteger),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("evidence", sa.String, nullable=False),
        sa.Column("is_open", sa.Boolean, nullable=False),
    )
    op.create_index("orders_open", "orders", ["venue_instance", "is_open"])


def _execution_reports() -> None:
    op.create_table(
        "execution_reports",
        sa.Column("venue_instance", sa.String, primary_key=True),
        sa.Column("venue_execution_id", sa.String, primary_key=True),
        sa.Column("boot", sa.String, nullable=False),
        sa.Column("symbol", sa.String, nullable=False),
        sa.Column("client_order_id", sa.String, nullable=False),
        sa.Column("venue_order_id", sa.BigInteger, nullable=False),
        sa.Column("execution_type", sa.String, nullable=False),
        sa.Column("side", sa.String, nullable=False),
        sa.Column("trade_id", sa.BigInteger),
        sa.Column("price", sa.Text, nullable=False),
        sa.Column("quantity", sa.Text, nullable=False),
        sa.Column("fee", sa.Text),
        sa.Column("fee_asset", sa.String),
        sa.Column("liquidity", sa.String),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("execution_reports_order", "execution_reports", ["venue_instance", "client_order_id"])
    op.create_index("execution_reports_run", "execution_reports", ["venue_instance", "boot"])
