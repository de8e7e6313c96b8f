"""What a view of a large namespace counts: both axes of the timeline, and doubtful links, the depth of a tree.

Revision ID: 0028
Revises: 0027
"""

from migrations.tenancy import run

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What a count needs lies in the index, its expression's columns among it: Postgres takes an index by itself for enough only
    # where every column that is named is in it. Not coalesce: under row level security no bound on it reaches an index.
    run("""
        CREATE INDEX memory_true ON memory (
            tenant_id, namespace_id, (CASE WHEN valid_from IS NULL THEN observed_at ELSE valid_from END), id
        ) INCLUDE (valid_from, observed_at, created_at, expires_at) WHERE archived_at IS NULL;
        CREATE INDEX memory_learned ON memory (tenant_id, namespace_id, created_at, id)
            INCLUDE (valid_from, observed_at, expires_at) WHERE archived_at IS NULL;
        CREATE INDEX link_doubt ON link (tenant_id, namespace_id, type, known_from) INCLUDE (known_to)
            WHERE type IN ('contradicts', 'supersedes');
        -- How deep a tree is was read from all of it, for each of its topics.
        CREATE INDEX topic_level ON topic (tenant_id, namespace_id, level) WHERE known_to = 'infinity';
    """)


def downgrade() -> None:
    run("DROP INDEX topic_level; DROP INDEX link_doubt; DROP INDEX memory_learned; DROP INDEX memory_true;")
