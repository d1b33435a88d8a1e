"""0004: one row per run with what was counted in it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "run_figures",
        sa.Column("venue_instance", sa.String, primary_key=True),
        sa.Column("boot", sa.String, primary_key=True),
        sa.Column("figures", sa.Text, nullable=False),
    )
