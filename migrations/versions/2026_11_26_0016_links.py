"""What rules filled in, per version; entities that were merged or split; recalls by search.

Revision ID: 0016
Revises: 0015
"""

from migrations.tenancy import run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("""
        -- Titles and contexts that rules wrote are no words by which a version is found.
        ALTER TABLE memory_version ADD COLUMN computed text[] NOT NULL DEFAULT '{}';

        -- A merged entity stays for searches as of earlier; its names lead to the one that it was merged into.
        ALTER TABLE entity ADD COLUMN merged_into uuid;
        CREATE INDEX entity_merged ON entity (tenant_id, namespace_id, folded) WHERE merged_into IS NOT NULL;
        -- Split off by a person: no rule takes it for the short form of another name.
        ALTER TABLE entity_name ADD COLUMN apart boolean NOT NULL DEFAULT false;
        CREATE INDEX entity_name_apart ON entity_name (tenant_id, namespace_id) WHERE apart;

        -- A merge that is taken back gives a text the same entity a second time, for another span of time.
        ALTER TABLE mention DROP CONSTRAINT mention_pkey;
        ALTER TABLE mention ADD PRIMARY KEY (tenant_id, memory_id, version, entity_id, known_from);

        CREATE INDEX recall_moment ON recall (tenant_id, recalled_at);
        CREATE INDEX recall_trace ON recall (tenant_id, trace_id);
    """)


def downgrade() -> None:
    # Where a text has the same entity for several spans of time, the last one is left.
    run("""
        DROP INDEX recall_trace;
        DROP INDEX recall_moment;
        DELETE FROM mention m USING mention later WHERE later.tenant_id = m.tenant_id AND later.memory_id = m.memory_id
            AND later.version = m.version AND later.entity_id = m.entity_id AND later.known_from > m.known_from;
        ALTER TABLE mention DROP CONSTRAINT mention_pkey;
        ALTER TABLE mention ADD PRIMARY KEY (tenant_id, memory_id, version, entity_id);
        DROP INDEX entity_name_apart;
        ALTER TABLE entity_name DROP COLUMN apart;
        DROP INDEX entity_merged;
        ALTER TABLE entity DROP COLUMN merged_into;
        ALTER TABLE memory_version DROP COLUMN computed;
    """)
