"""Precision tiers of embeddings: where vectors of fewer bytes lie, and which memory has which.

Revision ID: 0013
Revises: 0012
"""

from migrations.tenancy import keep_out_of_statistics, protect, roles, run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Across tenants, by ids only: what should rise and waits for its text to be encoded.
RISING = """
CREATE FUNCTION rising_memories(at_most integer)
RETURNS TABLE (tenant_id uuid, namespace_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT m.tenant_id, m.namespace_id FROM public.memory m
    WHERE m.precision_wanted IS NOT NULL AND m.archived_at IS NULL LIMIT at_most
$$;
"""
SIGNATURE = "rising_memories(integer)"


def upgrade() -> None:
    maintenance, service = roles()
    # The key holds what finding needs, the signs; the eight-bit code is read for what was found, from the heap. A sketch of
    # 4,000 dimensions is 500 bytes, so every encoder fits the key, and long vectors need no table of their own.
    run("""
        ALTER TABLE memory ADD COLUMN precision_tier smallint NOT NULL DEFAULT 0, ADD COLUMN precision_since timestamptz,
            ADD COLUMN precision_wanted smallint;
        CREATE INDEX memory_rising ON memory (tenant_id, namespace_id, id) WHERE precision_wanted IS NOT NULL;
        CREATE TABLE embedding_coarse (
            tenant_id uuid NOT NULL,
            namespace_id uuid NOT NULL,
            memory_id uuid NOT NULL,
            known_from timestamptz NOT NULL,
            known_to timestamptz NOT NULL,
            version integer NOT NULL,
            span_from integer NOT NULL,
            span_to integer NOT NULL,
            encoder_id smallint NOT NULL,
            chunk smallint NOT NULL,
            tier smallint NOT NULL,
            sketch bit varying NOT NULL,
            code bytea,
            CHECK (tier = 1 AND octet_length(code) = length(sketch) OR tier = 2 AND code IS NULL),
            PRIMARY KEY (tenant_id, namespace_id, encoder_id, memory_id, version, chunk)
                INCLUDE (known_from, known_to, sketch),
            FOREIGN KEY (tenant_id, memory_id) REFERENCES memory (tenant_id, id) ON DELETE CASCADE
        );
        CREATE INDEX embedding_coarse_memory ON embedding_coarse (tenant_id, memory_id);
        ALTER TABLE embedding_coarse
            SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 2000);
    """)
    protect("embedding_coarse")
    keep_out_of_statistics({"embedding_coarse": ("sketch", "code")})
    run(f"SET LOCAL ROLE {maintenance}")
    run(RISING)
    run(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {SIGNATURE} TO {service};")
    run("RESET ROLE")


def downgrade() -> None:
    maintenance, _ = roles()
    # Half precision is gone; what is left of it is found as before, a little less exactly. Row level security hides the rows
    # from the owner; the maintenance role sees them.
    run(f"""
        SET LOCAL ROLE {maintenance};
        DROP FUNCTION {SIGNATURE};
        INSERT INTO embedding (tenant_id, shelf, namespace_id, encoder_id, memory_id, version, chunk, span_from, span_to,
            known_from, known_to, vector)
        SELECT k.tenant_id, e.shelf, k.namespace_id, k.encoder_id, k.memory_id, k.version, k.chunk, k.span_from, k.span_to,
            k.known_from, k.known_to, public.l2_normalize(CAST(CASE WHEN k.tier = 1 THEN ARRAY(
                SELECT CAST(b - CASE WHEN b > 127 THEN 256 ELSE 0 END AS real)
                FROM (SELECT i, get_byte(k.code, i) AS b FROM generate_series(0, octet_length(k.code) - 1) i) x ORDER BY i)
            ELSE ARRAY(SELECT CAST(2 * get_bit(CAST(k.sketch AS bit varying), i) - 1 AS real)
                FROM generate_series(0, length(k.sketch) - 1) i ORDER BY i) END AS public.halfvec))
        FROM embedding_coarse k JOIN encoder e ON e.id = k.encoder_id ON CONFLICT DO NOTHING;
        RESET ROLE;
    """)
    run("""
        DROP TABLE embedding_coarse;
        ALTER TABLE memory DROP COLUMN precision_wanted, DROP COLUMN precision_since, DROP COLUMN precision_tier;
    """)
