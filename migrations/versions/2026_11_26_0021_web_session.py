"""Sessions of the admin web view.

Revision ID: 0021
Revises: 0020
"""

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by its owner before it is released."""


def downgrade() -> None:
    """Filled in by its owner before it is released."""
