"""Plans of what a hosted model is asked, and the engines that run the models.

Revision ID: 0023
Revises: 0022
"""

from migrations.tenancy import protect, roles, run

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# A plan holds hashes and ids, no text: of the tokens, of the rendered text, and of each whole block, 32 bytes after 32 bytes.
# Its sources say which memories stand in it, as of which version, and from which block on the numbers depend on them.
TABLES = """
CREATE TABLE kv_engine (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    model text NOT NULL,
    fingerprint jsonb NOT NULL,
    bytes_per_token bigint NOT NULL CHECK (bytes_per_token > 0),
    prefill_tokens_per_s double precision CHECK (prefill_tokens_per_s > 0),
    created_at timestamptz NOT NULL,
    announced_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
CREATE INDEX kv_engine_model ON kv_engine (tenant_id, model, announced_at);

CREATE TABLE kv_plan (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    engine bytea NOT NULL,
    model text NOT NULL,
    token_count integer NOT NULL,
    token_ids_hash bytea NOT NULL,
    text_hash bytea NOT NULL,
    block_size integer NOT NULL CHECK (block_size > 0),
    block_hashes bytea NOT NULL CHECK (mod(length(block_hashes), 32) = 0),
    admitted integer NOT NULL CHECK (admitted BETWEEN 0 AND length(block_hashes) / 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, engine) REFERENCES kv_engine (tenant_id, digest) ON DELETE CASCADE
);
CREATE INDEX kv_plan_expiry ON kv_plan (tenant_id, expires_at);

CREATE TABLE kv_plan_source (
    tenant_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('system', 'shared', 'user', 'volatile')),
    token_start integer NOT NULL,
    token_end integer NOT NULL,
    first_block integer NOT NULL,
    PRIMARY KEY (tenant_id, plan_id, memory_id),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES kv_plan (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX kv_plan_source_memory ON kv_plan_source (tenant_id, memory_id);
"""
# Never beyond the present: who may call it must not be able to name a moment at which everything has expired.
PURGE = """
CREATE FUNCTION purge_kv_plans(at timestamptz) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH p AS (DELETE FROM public.kv_plan WHERE expires_at <= least(at, now()) RETURNING 1) SELECT count(*) FROM p
$$;
"""


def upgrade() -> None:
    maintenance, service = roles()
    run(TABLES)
    protect("kv_engine", "kv_plan", "kv_plan_source")
    run(f"SET LOCAL ROLE {maintenance}")
    run(PURGE)
    run("REVOKE ALL ON FUNCTION purge_kv_plans(timestamptz) FROM PUBLIC")
    run(f"GRANT EXECUTE ON FUNCTION purge_kv_plans(timestamptz) TO {service}")
    run("RESET ROLE")


def downgrade() -> None:
    maintenance, _ = roles()
    run(f"SET LOCAL ROLE {maintenance}")
    run("DROP FUNCTION purge_kv_plans(timestamptz)")
    run("RESET ROLE")
    run("DROP TABLE kv_plan_source, kv_plan, kv_engine")
