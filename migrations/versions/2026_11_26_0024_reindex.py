"""Changing the encoder: dual write, backfill, cut over.

Revision ID: 0024
Revises: 0023
"""

from importlib import import_module

from migrations.tenancy import protect, roles, run

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# The second encoder stands on the namespace, where every writer reads it without asking for more.
TABLES = """
ALTER TABLE namespace ADD COLUMN also_encoder_id smallint REFERENCES encoder (id);

CREATE TABLE reindex (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    namespace_id uuid NOT NULL,
    from_encoder_id smallint NOT NULL REFERENCES encoder (id),
    to_encoder_id smallint NOT NULL REFERENCES encoder (id),
    from_shelf smallint NOT NULL,
    state text NOT NULL CHECK (state IN ('backfilling', 'ready', 'cut_over', 'dropping', 'finished', 'given_up')),
    job_id uuid NOT NULL,
    waits_for text[],
    comparison jsonb,
    started_at timestamptz NOT NULL,
    ready_at timestamptz,
    turned_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, namespace_id),
    FOREIGN KEY (tenant_id, namespace_id) REFERENCES namespace (tenant_id, id) ON DELETE CASCADE
);
"""

# A namespace between two encoders stays where it is: its own shelf has the index of one of them.
_SHELVES = import_module("migrations.versions.2026_11_20_0005_shelves").FUNCTIONS
_OPEN = _SHELVES[_SHELVES.index("CREATE FUNCTION open_shelf") : _SHELVES.index("CREATE FUNCTION fill_shelf")].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
_ASKED = "SELECT n.shelf, n.moving_to, e.shelf AS home INTO space"
_MOVED = "IF space.moving_to IS NOT NULL OR space.shelf <> space.home THEN"
OPEN = _OPEN.replace(_ASKED, _ASKED.replace(" INTO", ", n.also_encoder_id INTO")).replace(
    _MOVED, _MOVED.replace(" THEN", " OR space.also_encoder_id IS NOT NULL THEN")
)

# Numbers of shelves are used again, by any tenant, so what is to be dropped is asked across tenants; by the function below only.
IN_USE = """
CREATE FUNCTION shelf_in_use(number smallint, but_by uuid)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM public.namespace n WHERE n.shelf = number OR n.moving_to = number)
        OR EXISTS (SELECT FROM public.reindex r WHERE r.from_shelf = number AND r.namespace_id <> but_by
            AND r.state NOT IN ('finished', 'given_up'))
$$;
"""

# The own shelf of an encoder that was given up goes as a whole: its rows are of one namespace, whose tenant asks for it.
# Once: the row names the shelf no more when it is gone, since the next namespace that opens one may get the same number.
DROP = """
CREATE FUNCTION drop_shelf(of_namespace uuid)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant uuid := nullif(current_setting('app.tenant', true), '')::uuid;
    number smallint;
BEGIN
    -- Before anything is read: whoever drops or opens a shelf meanwhile is waited for.
    PERFORM pg_advisory_xact_lock(hashtext('memory_service.shelves'));
    SELECT r.from_shelf INTO number FROM public.reindex r
        JOIN public.namespace n ON n.tenant_id = tenant AND n.id = r.namespace_id
        WHERE r.tenant_id = tenant AND r.namespace_id = of_namespace AND r.state = 'dropping' AND r.from_shelf > 1
            AND n.encoder_id <> r.from_encoder_id
        FOR NO KEY UPDATE OF r;
    IF NOT FOUND OR public.shelf_in_use(number, of_namespace) THEN
        RETURN false;
    END IF;
    UPDATE public.reindex SET from_shelf = 0 WHERE tenant_id = tenant AND namespace_id = of_namespace;
    IF to_regclass(format('public.embedding_shelf_%s', number)) IS NULL THEN
        RETURN false;
    END IF;
    LOCK TABLE public.memory, public.embedding IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('DROP TABLE public.embedding_shelf_%s', number);
    RETURN true;
END $$;
"""


def upgrade() -> None:
    maintenance, service = roles()
    run(TABLES)
    protect("reindex")
    run(OPEN.replace("%", "%%"))  # the driver takes a single one for a parameter
    # The maintenance role sees all tenants; the owner, who drops, is a member of it, and nobody else may ask.
    run(f"SET LOCAL ROLE {maintenance}")
    run(IN_USE)
    run("REVOKE ALL ON FUNCTION shelf_in_use(smallint, uuid) FROM PUBLIC")
    run("RESET ROLE")
    run(DROP.replace("%", "%%"))
    run(
        f"REVOKE ALL ON FUNCTION drop_shelf(uuid) FROM PUBLIC; GRANT EXECUTE ON FUNCTION drop_shelf(uuid) TO {service};"
    )


def downgrade() -> None:
    maintenance, _ = roles()
    run("DROP FUNCTION drop_shelf(uuid)")
    run(f"SET LOCAL ROLE {maintenance}")
    run("DROP FUNCTION shelf_in_use(smallint, uuid)")
    run("RESET ROLE")
    run(_OPEN.replace("%", "%%"))
    run("DROP TABLE reindex")
    run("ALTER TABLE namespace DROP COLUMN also_encoder_id")
