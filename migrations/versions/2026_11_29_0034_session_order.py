"""The turns of a session in the order in which they were observed, which need not be that in which they were stored.

Revision ID: 0034
Revises: 0033
"""

from migrations.tenancy import run

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Beside memory_session, which lists of a session go through by id.
    run(
        "CREATE INDEX memory_session_time ON memory (tenant_id, session_id, namespace_id, observed_at, id) "
        "WHERE session_id IS NOT NULL"
    )


def downgrade() -> None:
    run("DROP INDEX memory_session_time")
