"""Webhooks and their deliveries.

Revision ID: 0025
Revises: 0024
"""

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by its owner before it is released."""


def downgrade() -> None:
    """Filled in by its owner before it is released."""
