"""KV memories: records, blocks, sources, quotas.

Revision ID: 0022
Revises: 0021
"""

from migrations.tenancy import keep_out_of_statistics, protect, roles, run

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLES = """
-- A run of whole blocks of one prompt under one engine; the numbers lie in a blob of the name `id`.
CREATE TABLE kv_memory (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    namespace_id uuid NOT NULL,
    plan_id uuid,
    model text NOT NULL,
    engine bytea NOT NULL CHECK (octet_length(engine) = 32),
    fingerprint jsonb NOT NULL,
    block_size integer NOT NULL CHECK (block_size > 0),
    first_block integer NOT NULL CHECK (first_block >= 0),
    blocks integer NOT NULL CHECK (blocks > 0),
    n_tokens integer NOT NULL CHECK (n_tokens > 0),
    parent_hash bytea NOT NULL,
    last_hash bytea NOT NULL,
    -- Digests of the whole prefix; an erasure of a source takes them away.
    token_ids_hash bytea,
    text_hash bytea,
    codec text NOT NULL,
    exactness text NOT NULL CHECK (exactness IN ('exact', 'shifted', 'compressed')),
    bytes bigint NOT NULL CHECK (bytes > 0),
    checksum bytea NOT NULL CHECK (octet_length(checksum) = 32),
    -- What one load spares: the prefill of these tokens.
    prefill_s double precision NOT NULL CHECK (prefill_s >= 0),
    state text NOT NULL CHECK (state IN ('live', 'stale')),
    reason text CHECK (reason IN ('changed', 'erased', 'expired', 'evicted', 'deleted', 'lost')),
    stale_at timestamptz,
    -- False once the blob of a stale record is removed.
    has_blob boolean NOT NULL,
    heat double precision NOT NULL,
    heat_at timestamptz NOT NULL,
    hits bigint NOT NULL,
    last_hit_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK ((state = 'stale') = (reason IS NOT NULL)),
    CHECK (state = 'stale' OR has_blob),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX kv_memory_namespace ON kv_memory (tenant_id, namespace_id, id);
CREATE INDEX kv_memory_live ON kv_memory (tenant_id, expires_at) INCLUDE (bytes) WHERE state = 'live';
CREATE INDEX kv_memory_stale ON kv_memory (tenant_id, stale_at) WHERE state = 'stale';

-- Which live records hold a block. A hash covers engine and tenant, too.
CREATE TABLE kv_block (
    tenant_id uuid NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    kv_memory_id uuid NOT NULL,
    position integer NOT NULL CHECK (position >= 0),
    PRIMARY KEY (tenant_id, hash, kv_memory_id),
    FOREIGN KEY (tenant_id, kv_memory_id) REFERENCES kv_memory (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX kv_block_memory ON kv_block (tenant_id, kv_memory_id, position);

-- Memories whose words are in the prefix of a record, as they were.
CREATE TABLE kv_source (
    tenant_id uuid NOT NULL,
    memory_id uuid NOT NULL,
    kv_memory_id uuid NOT NULL,
    version integer NOT NULL,
    token_start integer NOT NULL,
    token_end integer NOT NULL,
    CHECK (0 <= token_start AND token_start <= token_end),
    PRIMARY KEY (tenant_id, memory_id, kv_memory_id, token_start),
    FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, kv_memory_id) REFERENCES kv_memory (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX kv_source_memory ON kv_source (tenant_id, kv_memory_id);

-- How many bytes a tenant may keep, or one of its namespaces.
CREATE TABLE kv_quota (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    namespace_id uuid,
    bytes bigint NOT NULL CHECK (bytes >= 0),
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE NULLS NOT DISTINCT (tenant_id, namespace_id),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);

-- What look-ups found and loads spared, by engine.
CREATE TABLE kv_usage (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    engine bytea NOT NULL,
    lookups bigint NOT NULL,
    asked_blocks bigint NOT NULL,
    found_blocks bigint NOT NULL,
    loads bigint NOT NULL,
    loaded_tokens bigint NOT NULL,
    saved_s double precision NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, engine)
);
"""

# Whoever changes a memory makes its KV unloadable in that very transaction, and cannot forget to: a caller, a run of
# consolidation, a sweep, an erasure. Before a delete, since the delete takes the lines of `kv_source` along; after an update, by
# the version, which every change of what a memory says or of its state raises.
TRIGGERS = """
CREATE FUNCTION mark_kv() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    marked uuid[];
BEGIN
    SELECT array_agg(s.kv_memory_id) INTO marked FROM public.kv_source s
    WHERE s.tenant_id = OLD.tenant_id AND s.memory_id = OLD.id;
    IF marked IS NOT NULL THEN
        IF TG_OP = 'DELETE' THEN
            UPDATE public.kv_memory k SET state = 'stale', reason = 'erased',
                stale_at = coalesce(k.stale_at, statement_timestamp()), token_ids_hash = NULL, text_hash = NULL
            WHERE k.tenant_id = OLD.tenant_id AND k.id = ANY (marked);
        ELSE
            UPDATE public.kv_memory k SET state = 'stale', reason = 'changed', stale_at = statement_timestamp()
            WHERE k.tenant_id = OLD.tenant_id AND k.id = ANY (marked) AND k.state = 'live';
        END IF;
        DELETE FROM public.kv_block b WHERE b.tenant_id = OLD.tenant_id AND b.kv_memory_id = ANY (marked);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NULL;
END $$;
-- A trigger needs no right of whoever fires it.
REVOKE ALL ON FUNCTION mark_kv() FROM PUBLIC;
CREATE TRIGGER memory_kv_changed AFTER UPDATE OF version ON memory FOR EACH ROW
    WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION mark_kv();
CREATE TRIGGER memory_kv_erased BEFORE DELETE ON memory FOR EACH ROW EXECUTE FUNCTION mark_kv();
"""


# Sweeps look across tenants, and see nothing but ids.
SWEEPS = (
    """
    CREATE FUNCTION spent_kv(at timestamptz, forget_before timestamptz, at_most integer)
    RETURNS TABLE (tenant_id uuid, id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        (SELECT m.tenant_id, m.id FROM public.kv_memory m
            WHERE m.state = 'stale' AND (m.has_blob OR m.stale_at < forget_before) LIMIT at_most)
        UNION ALL
        (SELECT m.tenant_id, m.id FROM public.kv_memory m WHERE m.state = 'live' AND m.expires_at <= at LIMIT at_most)
    $$
    """,
    """
    CREATE FUNCTION live_kv(before timestamptz, after_tenant uuid, after_id uuid, at_most integer)
    RETURNS TABLE (tenant_id uuid, id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT m.tenant_id, m.id FROM public.kv_memory m
        WHERE m.state = 'live' AND m.created_at < before AND (m.tenant_id, m.id) > (after_tenant, after_id)
        ORDER BY m.tenant_id, m.id LIMIT at_most
    $$
    """,
)
SIGNATURES = (
    "spent_kv(timestamptz, timestamptz, integer)",
    "live_kv(timestamptz, uuid, uuid, integer)",
)


def upgrade() -> None:
    maintenance, service = roles()
    run(TABLES)
    protect("kv_memory", "kv_block", "kv_source", "kv_quota", "kv_usage")
    keep_out_of_statistics({"kv_memory": ("fingerprint", "token_ids_hash", "text_hash")})
    run(TRIGGERS)
    for sweep in SWEEPS:
        run(sweep)
    for signature in SIGNATURES:
        run(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {signature} TO {service}")
        run(f"ALTER FUNCTION {signature} OWNER TO {maintenance}")


def downgrade() -> None:
    for signature in SIGNATURES:
        run(f"DROP FUNCTION {signature}")
    run("""
        DROP TRIGGER memory_kv_changed ON memory;
        DROP TRIGGER memory_kv_erased ON memory;
        DROP FUNCTION mark_kv();
        DROP TABLE kv_usage, kv_quota, kv_source, kv_block, kv_memory;
    """)
