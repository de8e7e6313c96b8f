"""How firmly a memory held before it was judged, so that a judgement can be taken back.

Revision ID: 0026
Revises: 0025
"""

from migrations.tenancy import run

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing where no feedback was given, and for feedback of before.
    run("ALTER TABLE recall ADD COLUMN held_before jsonb")


def downgrade() -> None:
    run("ALTER TABLE recall DROP COLUMN held_before")
