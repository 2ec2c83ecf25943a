"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "brands",
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("published_revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("slug"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index(op.f("ix_api_keys_brand"), "api_keys", ["brand"], unique=False)
    op.create_table(
        "dataset_versions",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("dataset_versions_content", "dataset_versions", ["brand", "sha256"], unique=True)
    op.create_table(
        "files",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("upload", sa.String(length=1024), nullable=False),
        sa.Column("name", sa.String(length=2000), nullable=False),
        sa.Column("stem", sa.String(length=2000), nullable=False),
        sa.Column("etag", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('received', 'accepted', 'quarantined')", name="state_known"),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("files_identity", "files", ["brand", "upload", "name", "etag"], unique=True)
    op.create_index("files_state", "files", ["brand", "state"], unique=False)
    op.create_index("files_stem", "files", ["brand", "upload", "stem"], unique=False)
    op.create_index(op.f("ix_files_sha256"), "files", ["sha256"], unique=False)
    op.create_table(
        "images",
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("extension", sa.String(length=10), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("perceptual_hash", sa.String(length=16), nullable=False),
        sa.Column("near_duplicate_of", sa.String(length=64), nullable=True),
        sa.Column("method", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("upload", sa.String(length=1024), nullable=False),
        sa.Column("name", sa.String(length=2000), nullable=False),
        sa.Column("stem", sa.String(length=2000), nullable=False),
        sa.Column("split", sa.String(length=10), nullable=True),
        sa.Column("annotations", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('received', 'accepted', 'quarantined')", name="state_known"),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.PrimaryKeyConstraint("brand", "sha256"),
    )
    op.create_index("images_state", "images", ["brand", "state"], unique=False)
    op.create_table(
        "labels",
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('product', 'mark', 'counterfeit')", name="role_known"),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.PrimaryKeyConstraint("brand", "name"),
    )
    op.create_table(
        "products",
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.PrimaryKeyConstraint("gtin"),
    )
    op.create_index(op.f("ix_products_brand"), "products", ["brand"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=1024), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.PrimaryKeyConstraint("brand", "id"),
    )
    op.create_table(
        "verifications",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("verifications_brand", "verifications", ["brand", "id"], unique=False)
    op.create_table(
        "training_runs",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=True),
        sa.Column("dataset_version", sa.String(length=80), nullable=True),
        sa.Column("model_version", sa.String(length=80), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_worker", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.String(length=80), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("packaged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'preparing', 'training', 'evaluating', 'succeeded', 'failed', 'cancelled')",
            name="state_known",
        ),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.ForeignKeyConstraint(
            ["dataset_version"],
            ["dataset_versions.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_training_runs_brand"), "training_runs", ["brand"], unique=False)
    op.create_index(
        "one_active_run",
        "training_runs",
        ["brand"],
        unique=True,
        sqlite_where=sa.text("state IN ('queued', 'preparing', 'training', 'evaluating')"),
        postgresql_where=sa.text("state IN ('queued', 'preparing', 'training', 'evaluating')"),
    )
    op.create_table(
        "model_versions",
        sa.Column("brand", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=80), nullable=False),
        sa.Column("run", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("live_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('candidate', 'live', 'retired', 'rejected')", name="state_known"),
        sa.ForeignKeyConstraint(
            ["brand"],
            ["brands.slug"],
        ),
        sa.ForeignKeyConstraint(
            ["run"],
            ["training_runs.id"],
        ),
        sa.PrimaryKeyConstraint("brand", "version"),
    )
    op.create_index(
        "one_live_version",
        "model_versions",
        ["brand"],
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "run_epochs",
        sa.Column("run", sa.String(length=80), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"],
            ["training_runs.id"],
        ),
        sa.PrimaryKeyConstraint("run", "epoch"),
    )
    op.create_table(
        "run_log",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("run", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run"],
            ["training_runs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_run_log_run"), "run_log", ["run"], unique=False)
