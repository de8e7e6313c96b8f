"""Hashes of erased texts, by which they are known again when something brings them back.

Revision ID: 0008
Revises: 0007
"""

from migrations.tenancy import protect, run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A tombstone is one per memory and answers for its id; this is one per text, earlier wordings included. `hash` is
    # SHA-256 of the user ("-" or "+" and the name) and the SHA-256 of the text.
    run("""
        CREATE TABLE erased_text (
            tenant_id uuid NOT NULL REFERENCES tenant (id),
            namespace_id uuid NOT NULL,
            hash bytea NOT NULL,
            memory_id uuid NOT NULL,
            erased_at timestamptz NOT NULL,
            PRIMARY KEY (tenant_id, namespace_id, hash)
        );
    """)
    protect("erased_text")


def downgrade() -> None:
    run("DROP TABLE erased_text")
