"""KV memories: records, blocks, sources, quotas.

Revision ID: 0022
Revises: 0021
"""

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by its owner before it is released."""


def downgrade() -> None:
    """Filled in by its owner before it is released."""
