"""Moments that texts speak of, resolved against when they were observed.

Revision ID: 0003
Revises: 0002
"""

from migrations.tenancy import keep_out_of_statistics, protect, run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No index beside the key: rows are read and erased by memory, and a namespace is read through the ids it has.
    run("""
        CREATE TABLE time_mention (
            tenant_id uuid NOT NULL,
            memory_id uuid NOT NULL,
            version integer NOT NULL,
            ordinal smallint NOT NULL,
            namespace_id uuid NOT NULL,
            starts timestamptz,
            ends timestamptz,
            phrase text NOT NULL,
            span_from integer NOT NULL,
            span_to integer NOT NULL,
            granularity text NOT NULL,
            known_from timestamptz NOT NULL,
            known_to timestamptz NOT NULL DEFAULT 'infinity',
            PRIMARY KEY (tenant_id, memory_id, version, ordinal),
            FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE,
            CHECK (starts IS NOT NULL OR ends IS NOT NULL),
            CHECK (starts < ends)
        );
    """)
    protect("time_mention")
    keep_out_of_statistics({"time_mention": ("phrase",)})


def downgrade() -> None:
    run("DROP TABLE time_mention")
