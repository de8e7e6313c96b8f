"""Changing the encoder: dual write, backfill, cut over.

Revision ID: 0024
Revises: 0023
"""

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by its owner before it is released."""


def downgrade() -> None:
    """Filled in by its owner before it is released."""
