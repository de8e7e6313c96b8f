"""Core memory blocks.

Revision ID: 0017
Revises: 0016
"""

from migrations.tenancy import keep_out_of_statistics, protect, run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A block is where it is found: one row for ever, whatever becomes of its text. Every text it ever had, the present one
    # among them, is a row of block_version, which nothing changes.
    # Two nulls are the same address: a block that belongs to nobody is shared, and there is one of a label.
    run("""
        CREATE TABLE block (
            tenant_id uuid NOT NULL,
            id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            label text NOT NULL,
            user_id text,
            agent_id text,
            version integer NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            PRIMARY KEY (tenant_id, id),
            FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
        );
        -- The owners before the label: what an agent that talks with a user sees is found by who they are, whatever the labels.
        CREATE UNIQUE INDEX block_address ON block (tenant_id, namespace_id, user_id, agent_id, label) NULLS NOT DISTINCT;
        CREATE INDEX block_user ON block (tenant_id, user_id) WHERE user_id IS NOT NULL;
        CREATE INDEX block_agent ON block (tenant_id, agent_id) WHERE agent_id IS NOT NULL;

        CREATE TABLE block_version (
            tenant_id uuid NOT NULL,
            block_id uuid NOT NULL,
            version integer NOT NULL,
            value text NOT NULL,
            description text,
            max_characters integer NOT NULL,
            read_only boolean NOT NULL,
            metadata jsonb NOT NULL,
            archived boolean NOT NULL,
            operation text NOT NULL,
            edited_by text,
            known_from timestamptz NOT NULL,
            PRIMARY KEY (tenant_id, block_id, version),
            FOREIGN KEY (tenant_id, block_id) REFERENCES block (tenant_id, id) ON DELETE CASCADE
        );
    """)
    protect("block", "block_version")
    keep_out_of_statistics({"block_version": ("value", "description", "metadata", "edited_by")})


def downgrade() -> None:
    run("DROP TABLE block_version, block")
