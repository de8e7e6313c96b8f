"""Fusion weights learned from feedback, and the saved queries that guard them.

Revision ID: 0006
Revises: 0005
"""

from migrations.tenancy import keep_out_of_statistics, protect, roles, run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE feedback (
    tenant_id uuid NOT NULL,
    trace_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    query text NOT NULL,
    filter jsonb,
    useful boolean NOT NULL,
    cited boolean NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, trace_id, memory_id),
    FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX feedback_memory ON feedback (tenant_id, memory_id);
CREATE INDEX feedback_namespace ON feedback (tenant_id, namespace_id, created_at);
CREATE INDEX feedback_expiry ON feedback (tenant_id, expires_at);

-- A question and what a good answer to it holds; the hash of question and filter makes equal ones one.
CREATE TABLE saved_query (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    query text NOT NULL,
    filter jsonb,
    hash bytea NOT NULL,
    source text NOT NULL CHECK (source IN ('caller', 'feedback')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, namespace_id, hash),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX saved_query_namespace ON saved_query (tenant_id, namespace_id, id);

CREATE TABLE saved_query_memory (
    tenant_id uuid NOT NULL,
    saved_query_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, saved_query_id, memory_id),
    FOREIGN KEY (tenant_id, saved_query_id) REFERENCES saved_query (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX saved_query_memory_memory ON saved_query_memory (tenant_id, memory_id);

-- Factors on the channels of a namespace. Those in force now are known to infinity; what was refused never was in force.
CREATE TABLE fusion_weights (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    factors jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('accepted', 'refused', 'reverted')),
    reason text NOT NULL,
    evaluation jsonb NOT NULL,
    replaced uuid,
    decided_at timestamptz NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX fusion_weights_namespace ON fusion_weights (tenant_id, namespace_id, id);
CREATE UNIQUE INDEX fusion_weights_in_force ON fusion_weights (tenant_id, namespace_id) WHERE known_to = 'infinity';
"""

# As before, and feedback with it: it holds the words of a query, as a trace does.
PURGE = """
CREATE OR REPLACE FUNCTION purge_expired(at timestamptz)
RETURNS TABLE (kind text, removed bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH t AS (DELETE FROM public.trace WHERE expires_at <= least(at, now()) RETURNING 1),
         i AS (DELETE FROM public.idempotency_key WHERE expires_at <= least(at, now()) RETURNING 1),
         j AS (DELETE FROM public.job WHERE expires_at <= least(at, now())
               AND status IN ('succeeded', 'failed', 'cancelled') RETURNING 1){with_feedback}
    SELECT 'trace', count(*) FROM t UNION ALL SELECT 'idempotency_key', count(*) FROM i
    UNION ALL SELECT 'job', count(*) FROM j{and_feedback}
$$;
"""
WITH_FEEDBACK = """,
         f AS (DELETE FROM public.feedback WHERE expires_at <= least(at, now()) RETURNING 1)"""
AND_FEEDBACK = " UNION ALL SELECT 'feedback', count(*) FROM f"


def upgrade() -> None:
    maintenance, _ = roles()
    run(TABLES)
    protect("feedback", "saved_query", "saved_query_memory", "fusion_weights")
    keep_out_of_statistics({"feedback": ("query", "filter"), "saved_query": ("query", "filter")})
    run(f"SET LOCAL ROLE {maintenance}")
    run(PURGE.format(with_feedback=WITH_FEEDBACK, and_feedback=AND_FEEDBACK))
    run("RESET ROLE")


def downgrade() -> None:
    maintenance, _ = roles()
    run(f"SET LOCAL ROLE {maintenance}")
    run(PURGE.format(with_feedback="", and_feedback=""))
    run("RESET ROLE")
    for table in ("fusion_weights", "saved_query_memory", "saved_query", "feedback"):
        run(f"DROP TABLE {table}")
