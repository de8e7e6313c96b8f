"""A tenant can be deleted: its keys end at once, its rows go piece by piece, and what went is counted.

Revision ID: 0029
Revises: 0028
"""

from importlib import import_module

from migrations.tenancy import roles, run

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE tenant ADD COLUMN deleting_at timestamptz, ADD COLUMN deleted_by uuid,
    ADD COLUMN removed jsonb NOT NULL DEFAULT '{}';
"""

# Who is known by what it showed, as before; a key or session of a tenant that goes is revoked, whenever it was made.
_FOUNDATION = import_module("migrations.versions.2026_11_20_0001_foundation").FUNCTIONS
_KEY = _FOUNDATION[
    _FOUNDATION.index("CREATE FUNCTION authenticate_key") : _FOUNDATION.index("CREATE FUNCTION create_tenant")
]
_SESSIONS = import_module("migrations.versions.2026_11_26_0021_web_session").FUNCTIONS
_SESSION = _SESSIONS[
    _SESSIONS.index("CREATE FUNCTION authenticate_session") : _SESSIONS.index("CREATE FUNCTION find_login_link")
]
_BEFORE = (_KEY + _SESSION).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
_REVOKED = (
    "least(k.revoked_at, (SELECT t.deleting_at FROM public.tenant t WHERE t.id = k.tenant_id)) FROM",
    "least(k.revoked_at, (SELECT t.deleting_at FROM public.tenant t WHERE t.id = k.tenant_id))\n    FROM",
)
AUTHENTICATION = _BEFORE.replace("k.revoked_at FROM", _REVOKED[0]).replace("k.revoked_at\n    FROM", _REVOKED[1])

# Tables are found in the catalogue, so that none that a later migration adds is forgotten; each with its partitions, because a
# place within a table says nothing of another. Those that nothing refers to come first: a cascade over a whole tenant would be
# one transaction of any length. A shelf that is not attached yet is dropped, not emptied (`drop_shelves_of_leaver`).
TENANT_TABLES = """
CREATE FUNCTION tenant_tables() RETURNS TABLE (part text, name text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE held AS (
        SELECT c.oid, c.relname FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND c.relname !~ '^embedding_shelf_[0-9]+$'
    ), refers AS (
        SELECT DISTINCT k.conrelid AS child, k.confrelid AS parent FROM pg_constraint k
        WHERE k.contype = 'f' AND k.conrelid <> k.confrelid
            AND k.conrelid IN (SELECT oid FROM held) AND k.confrelid IN (SELECT oid FROM held)
    ), depth AS (
        SELECT oid, 0 AS below FROM held
        UNION
        -- Bounded, so that two tables that refer to each other end it.
        SELECT r.parent, d.below + 1 FROM depth d JOIN refers r ON r.child = d.oid WHERE d.below < 16
    ), placed AS (
        SELECT h.oid, h.relname, max(d.below) AS below FROM held h JOIN depth d ON d.oid = h.oid GROUP BY h.oid, h.relname
    )
    SELECT coalesce(l.relname, p.relname)::text, p.relname::text FROM placed p LEFT JOIN LATERAL (
        SELECT c.relname FROM pg_partition_tree(p.oid) t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf
    ) l ON true ORDER BY p.below, p.relname, l.relname
$$;
"""

FUNCTIONS = """
CREATE FUNCTION begin_tenant_deletion(whose uuid, called text, by_whom uuid, at timestamptz)
RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found public.tenant;
    asking text := current_setting('app.tenant', true);
BEGIN
    SELECT * INTO found FROM public.tenant t WHERE t.id = whose FOR UPDATE;
    IF found.id IS NULL THEN
        RETURN 'missing';
    ELSIF found.name <> called THEN
        RETURN 'another name';
    ELSIF found.deleting_at IS NOT NULL THEN
        RETURN 'begun';
    END IF;
    UPDATE public.tenant t SET deleting_at = at, deleted_by = by_whom WHERE t.id = whose;
    -- What hangs on these tables tells listeners of the tenant that the transaction names.
    PERFORM set_config('app.tenant', whose::text, true);
    UPDATE public.api_key k SET revoked_at = at WHERE k.tenant_id = whose AND k.revoked_at IS NULL;
    UPDATE public.webhook w SET active = false, updated_at = at WHERE w.tenant_id = whose AND w.active;
    UPDATE public.job j SET status = 'cancelled', finished_at = at
        WHERE j.tenant_id = whose AND j.status IN ('queued', 'running');
    PERFORM set_config('app.tenant', coalesce(asking, ''), true);
    RETURN 'begun';
END
$$;

CREATE FUNCTION deleting_tenants(at_most integer)
RETURNS TABLE (tenant_id uuid, deleting_at timestamptz, deleted_by uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.deleting_at, o.id FROM public.tenant t LEFT JOIN public.tenant o ON o.id = t.deleted_by
    WHERE t.deleting_at IS NOT NULL ORDER BY t.deleting_at LIMIT at_most
$$;

-- Of each part of a table so many at most: what is asked before a decision must not take longer than a request may.
CREATE FUNCTION count_tenant_rows(whose uuid, at_most integer) RETURNS TABLE (name text, counted bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text;
BEGIN
    FOR part, name IN SELECT t.part, t.name FROM public.tenant_tables() t LOOP
        EXECUTE format('SELECT count(*) FROM (SELECT FROM public.%I WHERE tenant_id = $1 LIMIT $2) x', part)
            INTO counted USING whose, at_most;
        IF counted > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- Nothing of a tenant whose deletion nobody began. From one part on: those before it were emptied a moment ago, and what was
-- deleted is still walked over.
CREATE FUNCTION remove_tenant_rows(whose uuid, from_part text, at_most integer)
RETURNS TABLE (part text, name text, removed bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    room bigint := at_most;
    gone jsonb := '{}';
    reached boolean := from_part IS NULL;
BEGIN
    PERFORM FROM public.tenant t WHERE t.id = whose AND t.deleting_at IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR part, name IN SELECT t.part, t.name FROM public.tenant_tables() t LOOP
        reached := reached OR part = from_part;
        CONTINUE WHEN NOT reached;
        EXECUTE format('DELETE FROM public.%1$I WHERE tenant_id = $1 AND ctid = ANY (ARRAY(
            SELECT ctid FROM public.%1$I WHERE tenant_id = $1 LIMIT $2))', part) USING whose, room;
        GET DIAGNOSTICS removed = ROW_COUNT;
        IF removed > 0 THEN
            RETURN NEXT;
            gone := gone || jsonb_build_object(name, removed + coalesce((gone ->> name)::bigint, 0));
            room := room - removed;
            EXIT WHEN room <= 0;
        END IF;
    END LOOP;
    IF gone <> '{}' THEN
        UPDATE public.tenant t SET removed = t.removed || (
            SELECT jsonb_object_agg(g.key, g.value::bigint + coalesce((t.removed ->> g.key)::bigint, 0))
            FROM jsonb_each_text(gone) g
        ) WHERE t.id = whose;
    END IF;
END
$$;

-- The tenant itself, once nothing else is left; says what went in all, nothing where something is left.
CREATE FUNCTION end_tenant(whose uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text;
    left_over boolean;
    total jsonb;
BEGIN
    PERFORM FROM public.tenant t WHERE t.id = whose AND t.deleting_at IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    FOR part IN SELECT t.part FROM public.tenant_tables() t LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I WHERE tenant_id = $1)', part) INTO left_over USING whose;
        IF left_over THEN
            RETURN NULL;
        END IF;
    END LOOP;
    DELETE FROM public.tenant t WHERE t.id = whose RETURNING t.removed INTO total;
    RETURN total;
END
$$;

CREATE FUNCTION shelf_of_others(number smallint, but_of uuid)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM public.namespace n WHERE n.tenant_id <> but_of AND number IN (n.shelf, n.moving_to))
        OR EXISTS (SELECT FROM public.reindex r WHERE r.tenant_id <> but_of AND r.from_shelf = number
            AND r.state NOT IN ('finished', 'given_up'))
        OR EXISTS (SELECT FROM public.encoder e WHERE e.shelf = number)
$$;

DROP FUNCTION list_tenants(uuid, integer);
CREATE FUNCTION list_tenants(after uuid, at_most integer)
RETURNS TABLE (id uuid, name text, created_at timestamptz, deleting_at timestamptz, removed jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.name, t.created_at, t.deleting_at, t.removed FROM public.tenant t
    WHERE after IS NULL OR t.id > after ORDER BY t.id LIMIT at_most
$$;

CREATE FUNCTION find_tenant(whose uuid)
RETURNS TABLE (id uuid, name text, created_at timestamptz, deleting_at timestamptz, removed jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.name, t.created_at, t.deleting_at, t.removed FROM public.tenant t WHERE t.id = whose
$$;
"""

# A number of a shelf is used again, so one that nobody needs goes as a whole. Only the owner of the tables can, and row level
# security binds it to the tenant that the transaction names: the one that goes.
DROP = """
CREATE FUNCTION drop_shelves_of_leaver()
RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    number smallint;
    dropped integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM public.tenant t WHERE t.id = tenant AND t.deleting_at IS NOT NULL) THEN
        RETURN 0;
    END IF;
    -- Before anything is read: whoever drops or opens a shelf meanwhile is waited for.
    PERFORM pg_advisory_xact_lock(hashtext('memory_service.shelves'));
    FOR number IN
        SELECT n.shelf FROM public.namespace n WHERE n.tenant_id = tenant
        UNION SELECT n.moving_to FROM public.namespace n WHERE n.tenant_id = tenant AND n.moving_to IS NOT NULL
        UNION SELECT r.from_shelf FROM public.reindex r WHERE r.tenant_id = tenant AND r.state NOT IN ('finished', 'given_up')
    LOOP
        CONTINUE WHEN number < 2 OR public.shelf_of_others(number, tenant)
            OR to_regclass(format('public.embedding_shelf_%s', number)) IS NULL;
        LOCK TABLE public.memory, public.embedding IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('DROP TABLE public.embedding_shelf_%s', number);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
"""

SIGNATURES = (
    "begin_tenant_deletion(uuid, text, uuid, timestamptz)",
    "deleting_tenants(integer)",
    "count_tenant_rows(uuid, integer)",
    "remove_tenant_rows(uuid, text, integer)",
    "end_tenant(uuid)",
    "list_tenants(uuid, integer)",
    "find_tenant(uuid)",
)

BEFORE = """
DROP FUNCTION find_tenant(uuid);
DROP FUNCTION list_tenants(uuid, integer);
DROP FUNCTION shelf_of_others(smallint, uuid);
DROP FUNCTION end_tenant(uuid);
DROP FUNCTION remove_tenant_rows(uuid, text, integer);
DROP FUNCTION count_tenant_rows(uuid, integer);
DROP FUNCTION deleting_tenants(integer);
DROP FUNCTION begin_tenant_deletion(uuid, text, uuid, timestamptz);
DROP FUNCTION tenant_tables();
CREATE FUNCTION list_tenants(after uuid, at_most integer)
RETURNS TABLE (id uuid, name text, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.name, t.created_at FROM public.tenant t WHERE after IS NULL OR t.id > after ORDER BY t.id LIMIT at_most
$$;
"""


def _hand_out(signatures: tuple[str, ...], service: str) -> None:
    for signature in signatures:
        run(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC; GRANT EXECUTE ON FUNCTION {signature} TO {service}")


def upgrade() -> None:
    maintenance, service = roles()
    run(COLUMNS)
    run(f"SET LOCAL ROLE {maintenance}")
    run(TENANT_TABLES)
    run("REVOKE ALL ON FUNCTION tenant_tables() FROM PUBLIC")
    run(FUNCTIONS.replace("%", "%%"))  # the driver takes a single one for a parameter
    run("REVOKE ALL ON FUNCTION shelf_of_others(smallint, uuid) FROM PUBLIC")
    _hand_out(SIGNATURES, service)
    run(AUTHENTICATION)
    run("RESET ROLE")
    run(DROP.replace("%", "%%"))
    _hand_out(("drop_shelves_of_leaver()",), service)


def downgrade() -> None:
    maintenance, service = roles()
    run("DROP FUNCTION drop_shelves_of_leaver()")
    run(f"SET LOCAL ROLE {maintenance}")
    run(_BEFORE)
    run(BEFORE)
    _hand_out(("list_tenants(uuid, integer)",), service)
    run("RESET ROLE")
    run("ALTER TABLE tenant DROP COLUMN removed, DROP COLUMN deleted_by, DROP COLUMN deleting_at")
