"""Ids of core blocks and documents that were erased, by which they are known again when a bundle brings them back.

Revision ID: 0033
Revises: 0032
"""

from migrations.tenancy import protect, run

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Ids alone: what a block or a document said, and whose it was, is nowhere in it.
    run("""
        CREATE TABLE erased_record (
            tenant_id uuid NOT NULL REFERENCES tenant (id),
            id uuid NOT NULL,
            kind text NOT NULL CHECK (kind IN ('block', 'document')),
            erased_at timestamptz NOT NULL,
            PRIMARY KEY (tenant_id, id)
        );
        CREATE INDEX erasure_selection ON erasure (tenant_id, selection_hash);
    """)
    protect("erased_record")


def downgrade() -> None:
    run("DROP INDEX erasure_selection")
    run("DROP TABLE erased_record")
