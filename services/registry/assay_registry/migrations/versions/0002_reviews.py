"""Reviews of verifications, kept pictures, and what figures are made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    _widen_images()
    _widen_verifications()
    op.create_table(
        "reviews",
        sa.Column("verification", sa.String(length=80), nullable=False),
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("truth", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("truth IN ('genuine', 'counterfeit', 'unusable')", name="truth_known"),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.ForeignKeyConstraint(["verification"], ["verifications.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("verification"),
    )
    op.create_index(op.f("ix_reviews_brand"), "reviews", ["brand"], unique=False)


def _widen_images() -> None:
    with op.batch_alter_table("images") as batch:
        if op.get_bind().dialect.name == "postgresql":
            # On SQLite the table is made anew, without it.
            batch.drop_constraint("state_known", type_="check")
        batch.create_check_constraint(
            "state_known", "state IN ('kept', 'received', 'accepted', 'quarantined')"
        )
        batch.add_column(sa.Column("truth", sa.String(length=20), nullable=True))
        batch.create_check_constraint("truth_known", "truth IN ('genuine', 'counterfeit')")
        # What is there already came by upload: it is deleted by hand alone, and need not know.
        batch.add_column(sa.Column("in_dataset", sa.Boolean(), nullable=False, server_default=sa.false()))


def _widen_verifications() -> None:
    op.add_column("verifications", sa.Column("score", sa.Double(), nullable=True))
    op.add_column("verifications", sa.Column("model_version", sa.String(length=80), nullable=True))
    # The check `appearance` is younger than every verification that is there.
    op.add_column("verifications", sa.Column("appearance_p", sa.Double(), nullable=True))
    table = sa.table(
        "verifications",
        sa.column("score", sa.Double()),
        sa.column("model_version", sa.String()),
        sa.column("body", sa.JSON()),
    )
    op.execute(
        table.update().values(
            score=table.c.body["score"].as_float(), model_version=table.c.body["model_version"].as_string()
        )
    )
    with op.batch_alter_table("verifications") as batch:
        batch.alter_column("score", existing_type=sa.Double(), nullable=False)
        batch.alter_column("model_version", existing_type=sa.String(length=80), nullable=False)
    op.create_index("verifications_time", "verifications", ["brand", "created_at"], unique=False)
