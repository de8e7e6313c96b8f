"""What was asked of a language model, what it cost, and replies that could not be read.

Revision ID: 0015
Revises: 0014
"""

from migrations.tenancy import keep_out_of_statistics, protect, roles, run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# One row for what one step asked: rows are only ever added, so that no two steps wait for each other.
# A reply quotes what the model was shown. It expires, and goes with any of the memories it was asked about.
TABLES = """
CREATE TABLE model_usage (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    job_id uuid,
    task text NOT NULL,
    model text NOT NULL,
    calls integer NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    refused integer NOT NULL,
    dead_letters integer NOT NULL,
    fallback text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, job_id) REFERENCES job (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX model_usage_job ON model_usage (tenant_id, job_id);
CREATE INDEX model_usage_expiry ON model_usage (tenant_id, expires_at);

CREATE TABLE dead_letter (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    job_id uuid,
    task text NOT NULL,
    model text NOT NULL,
    reply text NOT NULL,
    error text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, job_id) REFERENCES job (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX dead_letter_job ON dead_letter (tenant_id, job_id, id);
CREATE INDEX dead_letter_expiry ON dead_letter (tenant_id, expires_at);

CREATE TABLE dead_letter_memory (
    tenant_id uuid NOT NULL,
    dead_letter_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, dead_letter_id, memory_id),
    FOREIGN KEY (tenant_id, dead_letter_id) REFERENCES dead_letter (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX dead_letter_memory_memory ON dead_letter_memory (tenant_id, memory_id);
"""
TENANT_TABLES = ("model_usage", "dead_letter", "dead_letter_memory")

# As 0006 left it, and what models said with it.
PURGE = """
CREATE OR REPLACE FUNCTION purge_expired(at timestamptz)
RETURNS TABLE (kind text, removed bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH t AS (DELETE FROM public.trace WHERE expires_at <= least(at, now()) RETURNING 1),
         i AS (DELETE FROM public.idempotency_key WHERE expires_at <= least(at, now()) RETURNING 1),
         j AS (DELETE FROM public.job WHERE expires_at <= least(at, now())
               AND status IN ('succeeded', 'failed', 'cancelled') RETURNING 1),
         f AS (DELETE FROM public.feedback WHERE expires_at <= least(at, now()) RETURNING 1){with_models}
    SELECT 'trace', count(*) FROM t UNION ALL SELECT 'idempotency_key', count(*) FROM i
    UNION ALL SELECT 'job', count(*) FROM j UNION ALL SELECT 'feedback', count(*) FROM f{and_models}
$$;
"""
WITH_MODELS = """,
         d AS (DELETE FROM public.dead_letter WHERE expires_at <= least(at, now()) RETURNING 1),
         u AS (DELETE FROM public.model_usage WHERE expires_at <= least(at, now()) RETURNING 1)"""
AND_MODELS = """
    UNION ALL SELECT 'dead_letter', count(*) FROM d UNION ALL SELECT 'model_usage', count(*) FROM u"""


def upgrade() -> None:
    run(TABLES)
    protect(*TENANT_TABLES)
    keep_out_of_statistics({"dead_letter": ("reply", "error"), "model_usage": ("fallback",)})
    _purge(WITH_MODELS, AND_MODELS)


def downgrade() -> None:
    _purge("", "")
    for table in reversed(TENANT_TABLES):
        run(f"DROP TABLE {table}")


def _purge(with_models: str, and_models: str) -> None:
    """Define anew what removes all that has expired."""
    maintenance, _ = roles()
    run(f"SET LOCAL ROLE {maintenance}")
    run(PURGE.format(with_models=with_models, and_models=and_models))
    run("RESET ROLE")
