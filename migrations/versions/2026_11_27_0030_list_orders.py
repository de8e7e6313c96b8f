"""Orders in which a namespace is listed, each from an index of its own.

Revision ID: 0030
Revises: 0029
"""

from migrations.tenancy import run

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without them each page of fifty sorts the whole namespace. Not of the live only: a list may ask for the archived as well.
    run("""
        CREATE INDEX memory_observed ON memory (tenant_id, namespace_id, observed_at, id);
        CREATE INDEX memory_updated ON memory (tenant_id, namespace_id, updated_at, id);
        CREATE INDEX memory_important ON memory (tenant_id, namespace_id, importance, id);
    """)


def downgrade() -> None:
    run("DROP INDEX memory_important; DROP INDEX memory_updated; DROP INDEX memory_observed;")
