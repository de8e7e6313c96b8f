"""Plans of what a hosted model is asked, and admission.

Revision ID: 0023
Revises: 0022
"""

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by its owner before it is released."""


def downgrade() -> None:
    """Filled in by its owner before it is released."""
