"""0003: one row per exit fill of a lot, with the share of cost and entry fee that left with it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "lot_exits",
        sa.Column("venue_instance", sa.String, primary_key=True),
        sa.Column("exit_id", sa.String, primary_key=True),
        sa.Column("boot", sa.String, nullable=False),
        sa.Column("lot_id", sa.String, nullable=False),
        sa.Column("trade_id", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.Text, nullable=False),
        sa.Column("price", sa.Text, nullable=False),
        sa.Column("cost", sa.Text, nullable=False),
        sa.Column("proceeds", sa.Text, nullable=False),
        sa.Column("profit", sa.Text, nullable=False),
        sa.Column("entry_fees", sa.Text, nullable=False),
        sa.Column("exit_fees", sa.Text, nullable=False),
        sa.Column("liquidity", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("quantity_left", sa.Text, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("lot_exits_lot", "lot_exits", ["venue_instance", "lot_id"])
