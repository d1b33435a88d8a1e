"""0002: lots as they are written: what was given, what is left, what its exits brought. Nothing was ever written to the table it replaces."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.drop_table("lots")
    op.create_table(
        "lots",
        sa.Column("venue_instance", sa.String, primary_key=True),
        sa.Column("lot_id", sa.String, primary_key=True),
        sa.Column("boot", sa.String, nullable=False),
        sa.Column("last_boot", sa.String, nullable=False),
        sa.Column("symbol", sa.String, nullable=False),
        sa.Column("side", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("quantity", sa.Text, nullable=False),
        sa.Column("paid", sa.Text, nullable=False),
        sa.Column("quantity_left", sa.Text, nullable=False),
        sa.Column("exits", sa.Integer, nullable=False),
        sa.Column("quantity_out", sa.Text, nullable=False),
        sa.Column("proceeds", sa.Text, nullable=False),
        sa.Column("profit", sa.Text, nullable=False),
        sa.Column("quantity_dust", sa.Text, nullable=False),
        sa.Column("fees", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("exit_reason", sa.Text, nullable=False),
        sa.Column("opened_ns", sa.BigInteger, nullable=False),
        sa.Column("closed_ns", sa.BigInteger),
    )
    op.create_index("lots_run", "lots", ["venue_instance", "last_boot"])
