"""Entities, their other names, and where they are mentioned.

Revision ID: 0004
Revises: 0003
"""

from migrations.tenancy import keep_out_of_statistics, protect, run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("""
        CREATE TABLE entity (
            tenant_id uuid NOT NULL,
            id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            name text NOT NULL,
            folded text COLLATE "C" NOT NULL,
            kind text NOT NULL,
            PRIMARY KEY (tenant_id, id),
            FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX entity_namespace ON entity (tenant_id, namespace_id, id);

        -- Every name of an entity, the canonical one among them; a name means one entity of a namespace.
        CREATE TABLE entity_name (
            tenant_id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            folded text COLLATE "C" NOT NULL,
            entity_id uuid NOT NULL,
            name text NOT NULL,
            PRIMARY KEY (tenant_id, namespace_id, folded),
            FOREIGN KEY (tenant_id, entity_id) REFERENCES entity (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX entity_name_entity ON entity_name (tenant_id, entity_id);

        -- Which texts name an entity, by which of its names and where: a membership list, never pairs of memories.
        CREATE TABLE mention (
            tenant_id uuid NOT NULL,
            memory_id uuid NOT NULL,
            version integer NOT NULL,
            entity_id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            names text[] NOT NULL,
            spans integer[] NOT NULL,
            known_from timestamptz NOT NULL,
            known_to timestamptz NOT NULL DEFAULT 'infinity',
            PRIMARY KEY (tenant_id, memory_id, version, entity_id),
            FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE,
            FOREIGN KEY (tenant_id, entity_id) REFERENCES entity (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX mention_entity ON mention (tenant_id, entity_id, memory_id);
    """)
    protect("entity", "entity_name", "mention")
    keep_out_of_statistics({"entity": ("name", "folded"), "entity_name": ("name", "folded"), "mention": ("names",)})


def downgrade() -> None:
    run("DROP TABLE mention; DROP TABLE entity_name; DROP TABLE entity;")
