"""Shelves of their own for large namespaces, and the strongest postings of a term first.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from migrations.tenancy import roles, run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The service is no owner, so it cannot make a partition; these functions make the next step of a move and nothing else.
# They belong to the owner of the tables, whom row level security binds: each sees the tenant of its caller only.
# A shelf is filled and indexed before it is attached, so that nobody waits while its index is built.
FUNCTIONS = """
CREATE FUNCTION open_shelf(of_namespace uuid, at_most integer)
RETURNS smallint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    space record;
    number smallint;
    name text;
    condition text := 'tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('memory_service.shelves'));
    SELECT n.shelf, n.moving_to, e.shelf AS home INTO space
        FROM public.namespace n JOIN public.encoder e ON e.id = n.encoder_id
        WHERE n.tenant_id = tenant AND n.id = of_namespace FOR NO KEY UPDATE OF n;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF space.moving_to IS NOT NULL OR space.shelf <> space.home THEN
        RETURN space.moving_to;
    END IF;
    SELECT min(n) INTO number FROM generate_series(2, at_most + 1) AS n
        WHERE to_regclass(format('public.embedding_shelf_%s', n)) IS NULL;
    IF number IS NULL THEN
        RETURN NULL;
    END IF;
    name := format('embedding_shelf_%s', number);
    EXECUTE format('CREATE TABLE %I.%I (LIKE public.embedding INCLUDING DEFAULTS, CHECK (shelf = %s),
        PRIMARY KEY (tenant_id, namespace_id, encoder_id, memory_id, version, chunk, shelf))', 'public', name, number);
    EXECUTE format('CREATE INDEX %I ON public.%I (tenant_id, memory_id)', name || '_memory', name);
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant_isolation ON public.%I USING (%s) WITH CHECK (%s)', name, condition, condition);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO %I', name, current_database() || '_maintenance');
    UPDATE public.namespace SET moving_to = number, moving_since = pg_snapshot_xmin(pg_current_snapshot())
        WHERE tenant_id = tenant AND id = of_namespace;
    RETURN number;
END $$;

CREATE FUNCTION fill_shelf(of_namespace uuid, at_most integer)
RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    space record;
    last_copied uuid;
    last_wanted uuid;
    copied bigint;
BEGIN
    SELECT n.shelf, n.moving_to, n.encoder_id, c.relispartition AS attached INTO space FROM public.namespace n
        JOIN pg_class c ON c.oid = to_regclass(format('public.embedding_shelf_%s', n.moving_to))
        WHERE n.tenant_id = tenant AND n.id = of_namespace;
    IF NOT FOUND OR space.attached THEN
        RETURN 0;
    END IF;
    EXECUTE format('SELECT memory_id FROM public.embedding_shelf_%s WHERE tenant_id = $1 AND namespace_id = $2
        AND encoder_id = $3 ORDER BY memory_id DESC LIMIT 1', space.moving_to)
        INTO last_copied USING tenant, of_namespace, space.encoder_id;
    last_copied := coalesce(last_copied, '00000000-0000-0000-0000-000000000000');
    -- Whole memories only, so that the last one copied says where to go on.
    EXECUTE 'SELECT memory_id FROM public.embedding WHERE tenant_id = $1 AND shelf = $2 AND namespace_id = $3
        AND encoder_id = $4 AND memory_id > $5 ORDER BY memory_id OFFSET $6 - 1 LIMIT 1'
        INTO last_wanted USING tenant, space.shelf, of_namespace, space.encoder_id, last_copied, at_most;
    EXECUTE format('INSERT INTO public.embedding_shelf_%s (tenant_id, shelf, namespace_id, encoder_id, memory_id, version,
            chunk, span_from, span_to, known_from, known_to, vector)
        SELECT tenant_id, %s, namespace_id, encoder_id, memory_id, version, chunk, span_from, span_to, known_from, known_to,
            vector
        FROM public.embedding WHERE tenant_id = $1 AND shelf = $2 AND namespace_id = $3 AND encoder_id = $4
            AND memory_id > $5 AND memory_id <= $6', space.moving_to, space.moving_to)
        USING tenant, space.shelf, of_namespace, space.encoder_id, last_copied,
            coalesce(last_wanted, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    GET DIAGNOSTICS copied = ROW_COUNT;
    RETURN copied;
END $$;

CREATE FUNCTION advance_shelf(of_namespace uuid)
RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    space record;
    name text;
    guard record;
BEGIN
    SELECT n.moving_to, e.dimension, c.oid, c.relispartition AS attached INTO space FROM public.namespace n
        JOIN public.encoder e ON e.id = n.encoder_id
        JOIN pg_class c ON c.oid = to_regclass(format('public.embedding_shelf_%s', n.moving_to))
        WHERE n.tenant_id = tenant AND n.id = of_namespace;
    IF NOT FOUND OR space.attached THEN
        RETURN 'attached';
    END IF;
    name := format('embedding_shelf_%s', space.moving_to);
    IF to_regclass(format('public.%I', name || '_ann')) IS NULL THEN
        EXECUTE format('CREATE INDEX %I ON public.%I USING hnsw ((vector::public.halfvec(%s)) public.halfvec_ip_ops)
            WITH (m = 16, ef_construction = 64)', name || '_ann', name, space.dimension);
        EXECUTE format('ANALYZE public.%I', name);
        RETURN 'indexed';
    END IF;
    SELECT conname, convalidated INTO guard FROM pg_constraint WHERE conrelid = space.oid AND contype = 'f';
    IF NOT FOUND THEN
        -- From here on an erasure reaches the copies; what was erased before is looked for below.
        EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I FOREIGN KEY (tenant_id, memory_id)
            REFERENCES public.memory (tenant_id, id) ON DELETE CASCADE NOT VALID', name, name || '_memory_fkey');
        RETURN 'guarded';
    END IF;
    IF NOT guard.convalidated THEN
        EXECUTE format('DELETE FROM public.%I s WHERE s.tenant_id = $1 AND NOT EXISTS (
            SELECT FROM public.memory m WHERE m.tenant_id = $1 AND m.id = s.memory_id)', name) USING tenant;
        EXECUTE format('ALTER TABLE public.%I VALIDATE CONSTRAINT %I', name, guard.conname);
        RETURN 'settled';
    END IF;
    -- Taking over the foreign key drops its triggers, which needs `memory` alone for some milliseconds. Asked for at once and
    -- before anything else, it waits in line; asked for by degrees, it would deadlock with writers.
    LOCK TABLE public.memory IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('ALTER TABLE public.embedding ATTACH PARTITION public.%I FOR VALUES IN (%s)', name, space.moving_to);
    RETURN 'attached';
END $$;
"""

SIGNATURES = ("open_shelf(uuid, integer)", "fill_shelf(uuid, integer)", "advance_shelf(uuid)")

# Across tenants, by ids only.
CROWDED = """
CREATE FUNCTION crowded_namespaces(at_least bigint, at_most integer)
RETURNS TABLE (tenant_id uuid, namespace_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.tenant_id, n.id FROM public.namespace n JOIN public.encoder e ON e.id = n.encoder_id
    WHERE n.moving_to IS NOT NULL OR n.shelf <> e.shelf OR n.folded_docs >= at_least
    ORDER BY n.moving_to IS NULL, n.folded_docs DESC, n.id LIMIT at_most
$$;
"""


def upgrade() -> None:
    maintenance, service = roles()
    run("""
        ALTER TABLE namespace ADD COLUMN moving_to smallint, ADD COLUMN moving_since xid8,
            ADD COLUMN moved_at timestamptz;
        CREATE INDEX posting_strong ON posting (tenant_id, namespace_id, term, impact, memory_id)
            INCLUDE (version, known_from, known_to) WHERE impact > 1;
    """)
    run(FUNCTIONS.replace("%", "%%"))  # the driver takes a single one for a parameter
    for signature in SIGNATURES:
        run(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {signature} TO {service};")
    run(f"SET LOCAL ROLE {maintenance}")
    run(CROWDED)
    signature = "crowded_namespaces(bigint, integer)"
    run(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {signature} TO {service};")
    run("RESET ROLE")


def downgrade() -> None:
    maintenance, _ = roles()
    # Row level security hides the rows from the owner; the maintenance role sees what has to come back.
    run(f"""
        SET LOCAL ROLE {maintenance};
        DROP FUNCTION crowded_namespaces(bigint, integer);
        INSERT INTO embedding (tenant_id, shelf, namespace_id, encoder_id, memory_id, version, chunk, span_from, span_to,
            known_from, known_to, vector)
        SELECT e.tenant_id, c.shelf, e.namespace_id, e.encoder_id, e.memory_id, e.version, e.chunk, e.span_from, e.span_to,
            e.known_from, e.known_to, e.vector
        FROM embedding e JOIN encoder c ON c.id = e.encoder_id
        JOIN namespace n ON n.tenant_id = e.tenant_id AND n.id = e.namespace_id AND n.shelf = e.shelf
        WHERE e.shelf > 1 ON CONFLICT DO NOTHING;
        UPDATE namespace n SET shelf = c.shelf FROM encoder c WHERE c.id = n.encoder_id AND n.shelf <> c.shelf;
        RESET ROLE;
    """)
    for signature in SIGNATURES:
        run(f"DROP FUNCTION {signature}")
    shelves = op.get_bind().exec_driver_sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
        "AND relname ~ '^embedding_shelf_[0-9]+$' AND relname NOT IN ('embedding_shelf_0', 'embedding_shelf_1')"
    )
    for (name,) in shelves.all():
        run(f"DROP TABLE {name}")
    run("""
        DROP INDEX posting_strong;
        ALTER TABLE namespace DROP COLUMN moved_at, DROP COLUMN moving_since, DROP COLUMN moving_to;
    """)
