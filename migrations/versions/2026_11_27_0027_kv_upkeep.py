"""KV memories outlive changes that no prompt shows; what the upkeep of their store found is counted.

Revision ID: 0027
Revises: 0026
"""

from importlib import import_module

from migrations.tenancy import protect, roles, run

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TABLES = """
-- What comparing the store with its records found, since the tenant is there.
CREATE TABLE kv_upkeep (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    orphans bigint NOT NULL,
    removed bigint NOT NULL,
    lost bigint NOT NULL,
    damaged bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id)
);
ALTER TABLE kv_usage ADD COLUMN loaded_bytes bigint NOT NULL DEFAULT 0;
ALTER TABLE kv_memory DROP CONSTRAINT kv_memory_reason_check;
ALTER TABLE kv_memory ADD CONSTRAINT kv_memory_reason_check
    CHECK (reason IN ('changed', 'erased', 'expired', 'evicted', 'deleted', 'lost', 'damaged'));
"""

# A new version makes KV unloadable unless nothing has changed but what no prompt shows and no end depends on. The list names
# what is harmless: a column that a later migration adds counts until somebody has thought about it. The same list stands in
# storage/kv_memories.py, for plans that were made before the change. Compared only where a memory has KV at all.
TRIGGER = """
CREATE OR REPLACE FUNCTION mark_kv() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    marked uuid[];
    unshown CONSTANT text[] := ARRAY['version', 'updated_at', 'written', 'content_version', 'enriched_version',
        'consolidated_version', 'external_id', 'title', 'context', 'keywords', 'tags', 'entities', 'metadata', 'value',
        'importance', 'confidence', 'pinned', 'language', 'derivation_method', 'derivation_parents', 'changeset_id',
        'computed', 'extract', 'terms', 'traits', 'precision_tier', 'precision_since', 'precision_wanted', 'surprise',
        'dedupe_hash'];
BEGIN
    SELECT array_agg(s.kv_memory_id) INTO marked FROM public.kv_source s
    WHERE s.tenant_id = OLD.tenant_id AND s.memory_id = OLD.id;
    IF marked IS NOT NULL AND TG_OP = 'UPDATE' THEN
        -- What is pinned is frozen, and activated again when it is let go.
        IF (OLD.state = NEW.state OR (OLD.state IN ('activated', 'frozen') AND NEW.state IN ('activated', 'frozen')))
            AND to_jsonb(OLD) - unshown - 'state' = to_jsonb(NEW) - unshown - 'state' THEN
            RETURN NULL;
        END IF;
    END IF;
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
"""

# For the operator's metrics: four sums, no tenant.
TOTALS = """
CREATE FUNCTION kv_upkeep_totals() RETURNS TABLE (orphans bigint, removed bigint, lost bigint, damaged bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(u.orphans), 0)::bigint, coalesce(sum(u.removed), 0)::bigint, coalesce(sum(u.lost), 0)::bigint,
        coalesce(sum(u.damaged), 0)::bigint FROM public.kv_upkeep u
$$;
"""

_EARLIER = import_module("migrations.versions.2026_11_26_0022_kv_memory").TRIGGERS.partition("-- A trigger needs")[0]


def upgrade() -> None:
    maintenance, service = roles()
    run(TABLES)
    protect("kv_upkeep")
    run(TRIGGER)
    run(TOTALS)
    run(
        f"REVOKE ALL ON FUNCTION kv_upkeep_totals() FROM PUBLIC; GRANT EXECUTE ON FUNCTION kv_upkeep_totals() TO {service}"
    )
    run(f"ALTER FUNCTION kv_upkeep_totals() OWNER TO {maintenance}")


def downgrade() -> None:
    maintenance, _ = roles()
    # The owner is bound by row level security and would see none of these rows.
    run(f"SET LOCAL ROLE {maintenance}")
    run("UPDATE kv_memory SET reason = 'lost' WHERE reason = 'damaged'")
    run("DROP FUNCTION kv_upkeep_totals()")
    run("RESET ROLE")
    run(_EARLIER.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    run("""
        ALTER TABLE kv_memory DROP CONSTRAINT kv_memory_reason_check;
        ALTER TABLE kv_memory ADD CONSTRAINT kv_memory_reason_check
            CHECK (reason IN ('changed', 'erased', 'expired', 'evicted', 'deleted', 'lost'));
        ALTER TABLE kv_usage DROP COLUMN loaded_bytes;
        DROP TABLE kv_upkeep;
    """)
