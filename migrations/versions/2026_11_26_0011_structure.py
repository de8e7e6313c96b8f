"""Episodes, topics, gists, communities and profiles.

Revision ID: 0011
Revises: 0010
"""

from migrations.tenancy import keep_out_of_statistics, protect, run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# One id has successive states, of which at most one is live; as of an earlier moment another one counts.
_STATE = """
            tenant_id uuid NOT NULL,
            id uuid NOT NULL,
            known_from timestamptz NOT NULL,
            known_to timestamptz NOT NULL DEFAULT 'infinity',
            namespace_id uuid NOT NULL,
            changeset_id uuid,
            method text NOT NULL,
            PRIMARY KEY (tenant_id, id, known_from),
            FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
"""
TABLES = ("episode", "topic", "gist", "community", "profile")


def upgrade() -> None:
    run(f"""
        -- Memories of one session that follow each other and belong together.
        CREATE TABLE episode (
            user_id text, agent_id text, session_id text NOT NULL,
            first_memory_id uuid NOT NULL, last_memory_id uuid NOT NULL,
            starts timestamptz NOT NULL, ends timestamptz NOT NULL, size integer NOT NULL,
            {_STATE}
        );
        -- A node of the topic tree. `level` is its height above the leaves, so that a tree that grows at the root leaves it
        -- alone. Only leaves (level 0) have members and their mean vector, as 16-bit floats.
        CREATE TABLE topic (
            parent_id uuid, level smallint NOT NULL, size integer NOT NULL, centroid bytea,
            {_STATE}
        );
        -- What something is about, in words of its memories: spans are [memory, version, from, to] in characters.
        CREATE TABLE gist (
            target_structure text NOT NULL, target_id uuid NOT NULL,
            text text NOT NULL, keywords text[] NOT NULL, spans jsonb NOT NULL,
            {_STATE}
        );
        -- Memories and entities that have much in common.
        CREATE TABLE community (
            size integer NOT NULL, entity_ids uuid[] NOT NULL,
            {_STATE}
        );
        -- What is known of a user: lines of {{section, text, memory_ids, …}}.
        CREATE TABLE profile (
            user_id text NOT NULL, lines jsonb NOT NULL,
            {_STATE}
        );
        -- Which memories these are made of: a membership list, never pairs of memories. Search processes follow it by `written`.
        CREATE TABLE structure_member (
            tenant_id uuid NOT NULL,
            structure_id uuid NOT NULL,
            memory_id uuid NOT NULL,
            known_from timestamptz NOT NULL,
            known_to timestamptz NOT NULL DEFAULT 'infinity',
            namespace_id uuid NOT NULL,
            structure text NOT NULL,
            written xid8 NOT NULL DEFAULT pg_current_xact_id(),
            PRIMARY KEY (tenant_id, structure_id, memory_id, known_from),
            FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX structure_member_memory ON structure_member (tenant_id, memory_id, structure);
        CREATE INDEX structure_member_namespace ON structure_member (tenant_id, namespace_id, structure, memory_id);
        CREATE INDEX structure_member_written ON structure_member (tenant_id, namespace_id, written);
        CREATE TRIGGER structure_member_written BEFORE UPDATE ON structure_member FOR EACH ROW EXECUTE FUNCTION note_writer();
        CREATE INDEX gist_target ON gist (tenant_id, target_id);
        CREATE INDEX profile_user ON profile (tenant_id, user_id, namespace_id);
        CREATE INDEX episode_session ON episode (tenant_id, session_id, namespace_id);
        CREATE INDEX topic_parent ON topic (tenant_id, parent_id);
    """)
    for table in TABLES:
        run(f"CREATE INDEX {table}_namespace ON {table} (tenant_id, namespace_id, id)")
        run(f"CREATE UNIQUE INDEX {table}_live ON {table} (tenant_id, id) WHERE known_to = 'infinity'")
    protect(*TABLES, "structure_member")
    keep_out_of_statistics({"gist": ("text", "keywords", "spans"), "profile": ("lines", "user_id")})


def downgrade() -> None:
    run(f"DROP TABLE structure_member, {', '.join(TABLES)}")
