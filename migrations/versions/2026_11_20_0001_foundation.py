"""Tenants, keys, memories with versions, two search channels, jobs, traces; row level security on all of it.

Revision ID: 0001
Revises:
"""

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The columns that make up one state of a memory; a version keeps exactly these.
STATE_COLUMNS = """
    namespace_id uuid NOT NULL,
    user_id text, agent_id text, session_id text, external_id text,
    payload_type text NOT NULL, memory_type text NOT NULL, state text NOT NULL, version integer NOT NULL,
    content text NOT NULL, title text, context text,
    keywords text[] NOT NULL, tags text[] NOT NULL, entities text[] NOT NULL,
    metadata jsonb NOT NULL, value jsonb,
    importance float8 NOT NULL, confidence float8 NOT NULL, pinned boolean NOT NULL, language text,
    speaker text, role text,
    observed_at timestamptz NOT NULL, valid_from timestamptz, valid_to timestamptz, expires_at timestamptz,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    superseded_by uuid,
    content_version integer NOT NULL,
    derivation_method text NOT NULL, derivation_parents uuid[] NOT NULL, changeset_id uuid
"""

TABLES = f"""
CREATE TABLE tenant (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);

CREATE TABLE encoder (
    id smallint PRIMARY KEY,
    name text NOT NULL,
    dimension integer NOT NULL CHECK (dimension BETWEEN 1 AND 4000),
    max_tokens integer NOT NULL,
    fingerprint text NOT NULL UNIQUE,
    probe float4[] NOT NULL,
    shelf smallint NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX encoder_one_default ON encoder (is_default) WHERE is_default;

CREATE TABLE api_key (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX api_key_hash ON api_key (hash);

CREATE TABLE namespace (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    path text COLLATE "C" NOT NULL,
    settings jsonb NOT NULL DEFAULT '{{}}',
    encoder_id smallint NOT NULL REFERENCES encoder (id),
    shelf smallint NOT NULL,
    created_at timestamptz NOT NULL,
    folded_docs bigint NOT NULL DEFAULT 0,
    stats_docs bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, path)
);

CREATE TABLE memory (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    {STATE_COLUMNS},
    content_hash bytea NOT NULL,
    dedupe_hash bytea,
    archived_at timestamptz,
    extract text NOT NULL,
    enriched_version integer NOT NULL DEFAULT 0,
    computed text[] NOT NULL DEFAULT '{{}}',
    terms text[] NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);
CREATE INDEX memory_namespace ON memory (tenant_id, namespace_id, id);
CREATE INDEX memory_user ON memory (tenant_id, user_id, namespace_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX memory_agent ON memory (tenant_id, agent_id, namespace_id, id) WHERE agent_id IS NOT NULL;
CREATE INDEX memory_session ON memory (tenant_id, session_id, namespace_id, id) WHERE session_id IS NOT NULL;
CREATE UNIQUE INDEX memory_external_id ON memory (tenant_id, namespace_id, external_id)
    WHERE external_id IS NOT NULL AND archived_at IS NULL;
CREATE UNIQUE INDEX memory_dedupe ON memory (tenant_id, namespace_id, dedupe_hash, external_id) NULLS NOT DISTINCT
    WHERE dedupe_hash IS NOT NULL;
-- In order of id, as workers take them: else the planner walks the primary key through everything already enriched.
CREATE INDEX memory_pending ON memory (tenant_id, id) INCLUDE (namespace_id)
    WHERE enriched_version < content_version AND extract <> 'none';
CREATE INDEX memory_superseded_by ON memory (tenant_id, superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX memory_expiring ON memory (tenant_id, expires_at)
    WHERE expires_at IS NOT NULL AND state NOT IN ('expired', 'archived');

CREATE TABLE memory_version (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    {STATE_COLUMNS},
    known_to timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id, version),
    FOREIGN KEY (tenant_id, id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX memory_version_namespace ON memory_version (tenant_id, namespace_id, known_to);

CREATE TABLE source (
    tenant_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    kind text NOT NULL,
    ref text,
    speaker text,
    role text,
    span_from integer,
    span_to integer,
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, memory_id, ordinal),
    FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE embedding (
    tenant_id uuid NOT NULL,
    shelf smallint NOT NULL,
    namespace_id uuid NOT NULL,
    encoder_id smallint NOT NULL,
    memory_id uuid NOT NULL,
    version integer NOT NULL,
    chunk smallint NOT NULL,
    span_from integer NOT NULL,
    span_to integer NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL DEFAULT 'infinity',
    vector halfvec NOT NULL,
    FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
) PARTITION BY LIST (shelf);

-- Shelf 0 keeps vectors inside the primary key: an exact scan of a namespace reads one run of the index.
CREATE TABLE embedding_shelf_0 PARTITION OF embedding (
    PRIMARY KEY (tenant_id, namespace_id, encoder_id, memory_id, version, chunk, shelf)
        INCLUDE (known_from, known_to, vector)
) FOR VALUES IN (0);
-- A B-tree entry holds at most 2,704 bytes: encoders beyond 1,280 dimensions use shelf 1 and read the heap.
CREATE TABLE embedding_shelf_1 PARTITION OF embedding (
    PRIMARY KEY (tenant_id, namespace_id, encoder_id, memory_id, version, chunk, shelf)
) FOR VALUES IN (1);
CREATE INDEX embedding_memory ON embedding (tenant_id, memory_id);

CREATE TABLE posting (
    tenant_id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    term text COLLATE "C" NOT NULL,
    memory_id uuid NOT NULL,
    version integer NOT NULL,
    impact float4 NOT NULL,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (tenant_id, namespace_id, term, memory_id, version) INCLUDE (impact, known_from, known_to)
);

CREATE TABLE term_stat (
    tenant_id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    term text COLLATE "C" NOT NULL,
    df bigint NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, term) INCLUDE (df),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE speaker (
    tenant_id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, name),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE corpus_delta (
    tenant_id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    id uuid NOT NULL,
    docs integer NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, id) INCLUDE (docs),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE link (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    source_id uuid NOT NULL,
    target_id uuid NOT NULL,
    type text NOT NULL,
    weight float8 NOT NULL,
    derivation_method text NOT NULL,
    changeset_id uuid,
    known_from timestamptz NOT NULL,
    known_to timestamptz NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, target_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX link_source ON link (tenant_id, source_id, known_to);
CREATE INDEX link_target ON link (tenant_id, target_id, known_to);
CREATE INDEX link_namespace ON link (tenant_id, namespace_id, id);

CREATE TABLE retention (
    tenant_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    stability_days float8 NOT NULL,
    difficulty float8 NOT NULL,
    recall_count integer NOT NULL,
    last_recalled_at timestamptz,
    PRIMARY KEY (tenant_id, memory_id),
    FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE job (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    kind text NOT NULL,
    namespace_id uuid,
    status text NOT NULL,
    done integer NOT NULL DEFAULT 0,
    total integer NOT NULL DEFAULT 0,
    payload jsonb NOT NULL,
    items jsonb NOT NULL DEFAULT '[]',
    error text,
    attempts smallint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX job_namespace ON job (tenant_id, namespace_id, id);
CREATE INDEX job_due ON job (tenant_id, lease_until) WHERE status IN ('queued', 'running');
CREATE INDEX job_expiry ON job (tenant_id, expires_at);

CREATE TABLE trace (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    namespaces text[] NOT NULL,
    query text NOT NULL,
    request jsonb NOT NULL,
    result jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX trace_expiry ON trace (tenant_id, expires_at);

CREATE TABLE recall (
    tenant_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    id uuid NOT NULL,
    trace_id uuid NOT NULL,
    rank smallint NOT NULL,
    score float8 NOT NULL,
    useful boolean,
    cited boolean,
    recalled_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, memory_id, id),
    FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE idempotency_key (
    tenant_id uuid NOT NULL,
    api_key_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, api_key_id, key)
);
CREATE INDEX idempotency_key_expiry ON idempotency_key (tenant_id, expires_at);

CREATE TABLE tombstone (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    content_hash bytea NOT NULL,
    erased_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
"""

# Every table that holds a tenant's rows, with the column that names the tenant.
TENANT_TABLES = {
    "tenant": "id", "api_key": "tenant_id", "namespace": "tenant_id", "memory": "tenant_id",
    "memory_version": "tenant_id", "source": "tenant_id", "embedding": "tenant_id",
    "embedding_shelf_0": "tenant_id", "embedding_shelf_1": "tenant_id", "posting": "tenant_id",
    "term_stat": "tenant_id", "speaker": "tenant_id", "corpus_delta": "tenant_id", "link": "tenant_id", "retention": "tenant_id",
    "job": "tenant_id", "trace": "tenant_id", "recall": "tenant_id", "idempotency_key": "tenant_id",
    "tombstone": "tenant_id",
}  # fmt: skip

# Partitions are reached through their parent only: no grant, and RLS all the same.
NOT_GRANTED = {"embedding_shelf_0", "embedding_shelf_1"}

READ_ONLY = {"tenant"}

# What runs before a tenant is known, or across tenants, and nothing else. The maintenance role owns these functions,
# because FORCE hides the rows even from the owner of the tables.
FUNCTIONS = """
CREATE FUNCTION authenticate_key(key_hash bytea)
RETURNS TABLE (tenant_id uuid, key_id uuid, scopes text[], expires_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.tenant_id, k.id, k.scopes, k.expires_at, k.revoked_at FROM public.api_key k WHERE k.hash = key_hash
$$;

CREATE FUNCTION create_tenant(new_id uuid, new_name text, at timestamptz)
RETURNS uuid LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.tenant (id, name, created_at) VALUES (new_id, new_name, at)
    ON CONFLICT (name) DO NOTHING RETURNING id
$$;

CREATE FUNCTION list_tenants(after uuid, at_most integer)
RETURNS TABLE (id uuid, name text, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.name, t.created_at FROM public.tenant t WHERE after IS NULL OR t.id > after ORDER BY t.id LIMIT at_most
$$;

CREATE FUNCTION pending_enrichment(at_most integer)
RETURNS TABLE (tenant_id uuid, namespace_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT m.tenant_id, m.namespace_id FROM public.memory m
    WHERE m.enriched_version < m.content_version AND m.extract <> 'none' LIMIT at_most
$$;

CREATE FUNCTION due_jobs(at timestamptz, at_most integer)
RETURNS TABLE (tenant_id uuid, job_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT j.tenant_id, j.id FROM public.job j
    WHERE j.status IN ('queued', 'running') AND (j.lease_until IS NULL OR j.lease_until < at)
    ORDER BY j.id LIMIT at_most
$$;

CREATE FUNCTION stale_corpora(at_most integer)
RETURNS TABLE (tenant_id uuid, namespace_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.tenant_id, d.namespace_id FROM public.corpus_delta d
    GROUP BY d.tenant_id, d.namespace_id LIMIT at_most
$$;

CREATE FUNCTION expired_memories(at timestamptz, at_most integer)
RETURNS TABLE (tenant_id uuid, memory_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT m.tenant_id, m.id FROM public.memory m
    WHERE m.expires_at <= at AND m.expires_at IS NOT NULL AND m.state NOT IN ('expired', 'archived')
    LIMIT at_most
$$;

-- Never beyond the present: who may call it must not be able to name a moment at which everything has expired.
CREATE FUNCTION purge_expired(at timestamptz)
RETURNS TABLE (kind text, removed bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH t AS (DELETE FROM public.trace WHERE expires_at <= least(at, now()) RETURNING 1),
         i AS (DELETE FROM public.idempotency_key WHERE expires_at <= least(at, now()) RETURNING 1),
         j AS (DELETE FROM public.job WHERE expires_at <= least(at, now())
               AND status IN ('succeeded', 'failed', 'cancelled') RETURNING 1)
    SELECT 'trace', count(*) FROM t UNION ALL SELECT 'idempotency_key', count(*) FROM i
    UNION ALL SELECT 'job', count(*) FROM j
$$;
"""

FUNCTION_SIGNATURES = (
    "authenticate_key(bytea)",
    "create_tenant(uuid, text, timestamptz)",
    "list_tenants(uuid, integer)",
    "pending_enrichment(integer)",
    "due_jobs(timestamptz, integer)",
    "stale_corpora(integer)",
    "expired_memories(timestamptz, integer)",
    "purge_expired(timestamptz)",
)


def _roles() -> tuple[str, str]:
    """Return the quoted names of the maintenance and service roles of this database."""
    database = op.get_bind().scalar(text("SELECT current_database()"))
    return f'"{database}_maintenance"', f'"{database}_service"'


def _run(script: str) -> None:
    op.get_bind().exec_driver_sql(script)


def upgrade() -> None:
    maintenance, service = _roles()
    _run(TABLES)
    for table, column in TENANT_TABLES.items():
        condition = f"{column} = nullif(current_setting('app.tenant', true), '')::uuid"
        _run(f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_isolation ON {table} USING ({condition}) WITH CHECK ({condition});
        """)
        if table not in NOT_GRANTED:
            rights = "SELECT" if table in READ_ONLY else "SELECT, INSERT, UPDATE, DELETE"
            _run(f"GRANT {rights} ON {table} TO {service}")
        _run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {maintenance}")
    _run(f"""
        GRANT SELECT ON encoder TO {service};
        GRANT SELECT, INSERT, UPDATE, DELETE ON encoder TO {maintenance};
        SET LOCAL ROLE {maintenance};
    """)
    _run(FUNCTIONS)
    for signature in FUNCTION_SIGNATURES:
        _run(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {signature} TO {service};")
    _run("RESET ROLE")
    # User text must not linger in the planner's statistics after an erasure. `posting.term` keeps its own: without them the
    # planner takes a common word for a rare one. They hold single words, until the next ANALYZE of that table.
    for table, columns in {
        "memory": ("content", "title", "context", "terms", "keywords", "tags", "entities", "metadata", "value", "speaker"),
        "memory_version": ("content", "title", "context", "keywords", "tags", "entities", "metadata", "value", "speaker"),
        "source": ("speaker",),
        "speaker": ("name",),
        "term_stat": ("term",),
        "trace": ("query", "request", "result"),
        "idempotency_key": ("body",),
    }.items():  # fmt: skip
        for column in columns:
            _run(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
    # Index-only scans need a fresh visibility map; inserts alone must trigger a vacuum.
    for table in ("embedding_shelf_0", "embedding_shelf_1", "posting"):
        _run(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 2000)"
        )


def downgrade() -> None:
    maintenance, _ = _roles()
    _run(f"SET LOCAL ROLE {maintenance}")
    for signature in FUNCTION_SIGNATURES:
        _run(f"DROP FUNCTION {signature}")
    _run("RESET ROLE")
    for table in reversed([t for t in [*TENANT_TABLES, "encoder"] if t not in NOT_GRANTED]):
        _run(f"DROP TABLE IF EXISTS {table} CASCADE")
