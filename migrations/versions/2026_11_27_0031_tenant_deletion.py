"""A tenant can be deleted: its keys end at once, its rows go piece by piece, and what went is counted.

Revision ID: 0031
Revises: 0028
"""

from migrations.tenancy import roles, run

revision = "0031"
down_revision = "0028"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE tenant ADD COLUMN deleting_at timestamptz, ADD COLUMN deleted_by uuid,
    ADD COLUMN removed jsonb NOT NULL DEFAULT '{}';
"""

# Tables are found in the catalogue, so that none that a later migration adds is forgotten. Those that nothing refers to come
# first: a cascade over a whole tenant would be one transaction of any length.
TENANT_TABLES = """
CREATE FUNCTION tenant_tables() RETURNS TABLE (name text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE held AS (
        SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ), refers AS (
        SELECT DISTINCT k.conrelid AS child, k.confrelid AS parent FROM pg_constraint k
        WHERE k.contype = 'f' AND k.conrelid <> k.confrelid
            AND k.conrelid IN (SELECT oid FROM held) AND k.confrelid IN (SELECT oid FROM held)
    ), depth AS (
        SELECT oid, 0 AS below FROM held
        UNION
        -- Bounded, so that two tables that refer to each other end it.
        SELECT r.parent, d.below + 1 FROM depth d JOIN refers r ON r.child = d.oid WHERE d.below < 16
    )
    SELECT c.relname::text FROM depth d JOIN pg_class c ON c.oid = d.oid GROUP BY c.relname ORDER BY max(d.below), c.relname
$$;
"""

FUNCTIONS = """
CREATE FUNCTION begin_tenant_deletion(whose uuid, called text, by_whom uuid, at timestamptz)
RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found public.tenant;
BEGIN
    SELECT * INTO found FROM public.tenant t WHERE t.id = whose FOR UPDATE;
    IF found.id IS NULL THEN
        RETURN 'missing';
    ELSIF found.name <> called THEN
        RETURN 'another name';
    ELSIF found.deleting_at IS NULL THEN
        UPDATE public.tenant t SET deleting_at = at, deleted_by = by_whom WHERE t.id = whose;
    END IF;
    -- Again, where somebody asks again: a key may have been made while the first revocation was not known everywhere.
    UPDATE public.api_key k SET revoked_at = at WHERE k.tenant_id = whose AND k.revoked_at IS NULL;
    RETURN 'begun';
END
$$;

CREATE FUNCTION deleting_tenants(at_most integer)
RETURNS TABLE (tenant_id uuid, deleting_at timestamptz, deleted_by uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, t.deleting_at, o.id FROM public.tenant t LEFT JOIN public.tenant o ON o.id = t.deleted_by
    WHERE t.deleting_at IS NOT NULL ORDER BY t.deleting_at LIMIT at_most
$$;

CREATE FUNCTION count_tenant_rows(whose uuid) RETURNS TABLE (name text, counted bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    FOR name IN SELECT t.name FROM public.tenant_tables() t LOOP
        EXECUTE format('SELECT count(*) FROM public.%I WHERE tenant_id = $1', name) INTO counted USING whose;
        IF counted > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- Nothing of a tenant whose deletion nobody began. The tenant itself goes last, once nothing is left and `settled` says that no
-- request which began before the end of its keys can still be under way.
CREATE FUNCTION remove_tenant_rows(whose uuid, settled boolean, at_most integer)
RETURNS TABLE (name text, removed bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found public.tenant;
    left_over bigint := at_most;
    gone jsonb := '{}';
BEGIN
    SELECT * INTO found FROM public.tenant t WHERE t.id = whose AND t.deleting_at IS NOT NULL FOR UPDATE;
    IF found.id IS NULL THEN
        RETURN;
    END IF;
    FOR name IN SELECT t.name FROM public.tenant_tables() t LOOP
        EXECUTE format('DELETE FROM public.%1$I WHERE tenant_id = $1 AND ctid = ANY (ARRAY(
            SELECT ctid FROM public.%1$I WHERE tenant_id = $1 LIMIT $2))', name) USING whose, left_over;
        GET DIAGNOSTICS removed = ROW_COUNT;
        IF removed > 0 THEN
            RETURN NEXT;
            gone := gone || jsonb_build_object(name, removed + coalesce((found.removed ->> name)::bigint, 0));
            left_over := left_over - removed;
            EXIT WHEN left_over <= 0;
        END IF;
    END LOOP;
    IF gone = '{}' AND settled THEN
        DELETE FROM public.tenant t WHERE t.id = whose;
        name := 'tenant';
        removed := 1;
        RETURN NEXT;
    ELSIF gone <> '{}' THEN
        UPDATE public.tenant t SET removed = t.removed || gone WHERE t.id = whose;
    END IF;
END
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

SIGNATURES = (
    "begin_tenant_deletion(uuid, text, uuid, timestamptz)",
    "deleting_tenants(integer)",
    "count_tenant_rows(uuid)",
    "remove_tenant_rows(uuid, boolean, integer)",
    "list_tenants(uuid, integer)",
    "find_tenant(uuid)",
)

BEFORE = """
DROP FUNCTION find_tenant(uuid);
DROP FUNCTION list_tenants(uuid, integer);
DROP FUNCTION remove_tenant_rows(uuid, boolean, integer);
DROP FUNCTION count_tenant_rows(uuid);
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
    _hand_out(SIGNATURES, service)
    run("RESET ROLE")


def downgrade() -> None:
    maintenance, service = roles()
    run(f"SET LOCAL ROLE {maintenance}")
    run(BEFORE)
    _hand_out(("list_tenants(uuid, integer)",), service)
    run("RESET ROLE")
    run("ALTER TABLE tenant DROP COLUMN removed, DROP COLUMN deleted_by, DROP COLUMN deleting_at")
