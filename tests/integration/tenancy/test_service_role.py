"""What the service's role is, and what it cannot become."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from memory_service.storage.bootstrap import RoleUrls

# Only the owner of a table can make a partition of it, or drop one. These functions see the rows of their caller's tenant alone.
FUNCTIONS_OF_THE_OWNER = {"open_shelf", "fill_shelf", "advance_shelf", "drop_shelf", "drop_shelves_of_leaver"}
# Asked by those alone, across tenants.
FUNCTIONS_OF_FUNCTIONS = {"shelf_in_use", "shelf_of_others"}
GRANTED_FUNCTIONS = FUNCTIONS_OF_THE_OWNER | {
    "authenticate_key", "authenticate_session", "create_tenant", "crowded_namespaces", "due_consolidations", "due_jobs",
    "due_webhooks", "purge_webhook_deliveries",
    "begin_tenant_deletion", "count_tenant_rows", "deleting_tenants", "end_tenant", "find_tenant", "remove_tenant_rows",
    "expired_memories", "find_login_link", "kv_upkeep_totals", "list_tenants", "live_kv", "outdated_terms",
    "pending_enrichment", "purge_expired", "purge_kv_plans", "rising_memories", "spent_kv", "stale_corpora", "stale_parametric",
    "unsealed_audit",
}  # fmt: skip


@pytest.fixture
def connection(role_urls: RoleUrls) -> Iterator[Connection]:
    engine = create_engine(role_urls.service, poolclass=NullPool)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def refused(connection: Connection, statement: str) -> None:
    with pytest.raises(DBAPIError) as caught:
        connection.exec_driver_sql(statement)
    connection.rollback()
    assert isinstance(caught.value.orig, InsufficientPrivilege), f"{statement}: {caught.value.orig}"


def test_it_is_nobody_special(connection: Connection) -> None:
    row = connection.execute(
        text(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, "
            "(SELECT count(*) FROM pg_auth_members m WHERE m.member = r.oid OR m.roleid = r.oid), "
            "(SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid), "
            "(SELECT count(*) FROM pg_proc p WHERE p.proowner = r.oid) FROM pg_roles r WHERE rolname = current_user"
        )
    ).one()
    assert tuple(row) == (False, False, False, False, False, 0, 0, 0)
    for table in connection.scalars(text("SELECT oid::regclass::text FROM pg_class WHERE relrowsecurity")).all():
        assert connection.scalar(text("SELECT row_security_active(CAST(:table AS text))"), {"table": table}), table


def test_its_powers_over_tables_are_those_it_needs(connection: Connection, tenant_tables: dict[str, str]) -> None:
    granted = connection.execute(
        text(
            "SELECT c.relname, string_agg(a.privilege_type, ' ' ORDER BY a.privilege_type) FROM pg_class c "
            "CROSS JOIN aclexplode(c.relacl) a WHERE c.relnamespace = 'public'::regnamespace "
            "AND a.grantee IN (0, current_user::regrole) GROUP BY 1"
        )
    ).all()
    all_rows = dict.fromkeys(tenant_tables, "DELETE INSERT SELECT UPDATE")
    all_rows |= dict.fromkeys(("audit_event", "audit_seal"), "INSERT SELECT")
    assert dict(map(tuple, granted)) == all_rows | dict.fromkeys(("tenant", "encoder", "alembic_version"), "SELECT")


def test_it_cannot_rise(connection: Connection, role_urls: RoleUrls) -> None:
    owner, maintenance, service = (
        f'"{make_url(url).username}"' for url in (role_urls.owner, role_urls.maintenance, role_urls.service)
    )
    database = make_url(role_urls.service).database
    connection.execution_options(
        isolation_level="AUTOCOMMIT"
    )  # Some of these refuse a transaction before anything else.
    for statement in (
        f"SET ROLE {owner}", f"SET ROLE {maintenance}", "SET ROLE postgres", f"SET SESSION AUTHORIZATION {maintenance}",
        f"ALTER ROLE {service} BYPASSRLS", f"ALTER ROLE {service} SUPERUSER", f"ALTER ROLE {owner} PASSWORD 'x'",
        f"GRANT {maintenance} TO {service}", "CREATE ROLE intruder", f"DROP OWNED BY {maintenance}",
        f"REASSIGN OWNED BY {maintenance} TO {service}", "CREATE DATABASE intruder",
        f"ALTER DATABASE {database} SET row_security = off",
        f"ALTER ROLE {maintenance} SET app.tenant = ''", "ALTER SYSTEM SET row_security = off",
        "SET session_replication_role = replica", "SELECT lo_export(0, '/tmp/x')", "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')", "COPY (SELECT 1) TO PROGRAM 'true'", "COPY (SELECT 1) TO '/tmp/x'",
        "SELECT * FROM pg_authid", "SELECT * FROM pg_shadow", "SELECT * FROM pg_hba_file_rules", "SELECT * FROM pg_largeobject",
        "SELECT passwd FROM pg_shadow", "LOAD 'auto_explain'", "DROP EXTENSION vector CASCADE",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
        "CREATE PUBLICATION p FOR ALL TABLES", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
    ):  # fmt: skip
        refused(connection, statement)


def test_it_cannot_change_the_rules(connection: Connection, tenant_tables: dict[str, str]) -> None:
    for table in (*tenant_tables, "encoder", "alembic_version"):
        for statement in (
            "ALTER TABLE {} DISABLE ROW LEVEL SECURITY", "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", "DROP TABLE {}",
            "CREATE POLICY open ON {} USING (true)", "ALTER TABLE {} OWNER TO current_user", "ALTER TABLE {} ADD x integer",
            "CREATE INDEX ON {} ((1))", "CREATE RULE r AS ON INSERT TO {} DO INSTEAD NOTHING", "ALTER TABLE {} DISABLE TRIGGER ALL",
            "CREATE TRIGGER t BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        ):  # fmt: skip
            refused(connection, statement.format(table))
    for table in tenant_tables:
        refused(connection, f"DROP POLICY tenant_isolation ON {table}")
        refused(connection, f"ALTER POLICY tenant_isolation ON {table} USING (true)")


def test_it_cannot_hand_its_rights_on(connection: Connection, tenant_tables: dict[str, str]) -> None:
    """Postgres warns of a grant that it does not make; what counts is that nothing was granted."""
    for table in tenant_tables:
        acl = text("SELECT relacl::text FROM pg_class WHERE oid = CAST(:table AS regclass)")
        before = connection.scalar(acl, {"table": table})
        connection.exec_driver_sql(f"GRANT SELECT ON {table} TO PUBLIC")
        assert connection.scalar(acl, {"table": table}) == before
        connection.rollback()


def test_row_security_off_is_an_error_and_not_a_way_out(connection: Connection, theirs: Any) -> None:
    connection.exec_driver_sql("SET row_security = off")
    refused(connection, "SELECT * FROM memory")


def test_it_makes_nothing_that_others_could_trip_over(connection: Connection) -> None:
    for statement in (
        "CREATE TABLE public.x (id integer)", "CREATE TEMP TABLE memory (id integer)", "CREATE SCHEMA x",
        "CREATE VIEW public.x AS SELECT 1", "CREATE TABLE pg_temp.api_key (id integer)", "CREATE SEQUENCE public.x",
        "CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
        "CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
        "CREATE OPERATOR public.= (leftarg = uuid, rightarg = uuid, function = uuid_ne)", "CREATE TYPE public.x AS (y text)",
        "CREATE DOMAIN public.uuid AS text", "CREATE CAST (text AS uuid) WITH INOUT",
        "CREATE MATERIALIZED VIEW public.x AS SELECT 1",
        "DO 'BEGIN CREATE TEMP TABLE memory (); END'",
    ):  # fmt: skip
        refused(connection, statement)


@pytest.mark.parametrize("table", ["memory", "api_key", "embedding", "posting"])
def test_it_cannot_copy_into_a_table(connection: Connection, ours: Any, table: str) -> None:
    connection.execute(text("SELECT set_config('app.tenant', :t, true)"), {"t": str(ours.tenant_id)})
    cursor = connection.connection.cursor()
    with (
        pytest.raises(Exception, match="COPY FROM not supported with row-level security"),
        cursor.copy(f"COPY {table} FROM STDIN"),
    ):
        pass


def test_it_runs_as_somebody_else_only_through_the_functions_it_was_given(
    connection: Connection, role_urls: RoleUrls
) -> None:
    found = connection.execute(
        text(
            "SELECT p.proname, p.proconfig, p.proowner::regrole::text, r.rolsuper, "
            "EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0) AS public "
            "FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.prosecdef"
        )
    ).all()
    assert {row.proname for row in found} == GRANTED_FUNCTIONS | FUNCTIONS_OF_FUNCTIONS
    for row in found:
        # pg_temp last and by name: left out, Postgres would look there first.
        assert row.proconfig == ["search_path=pg_catalog, pg_temp"], row.proname
        role = role_urls.owner if row.proname in FUNCTIONS_OF_THE_OWNER else role_urls.maintenance
        assert (row.proowner, row.rolsuper, row.public) == (make_url(role).username, False, False), row.proname
    ours = connection.scalars(
        text("SELECT proname FROM pg_proc p WHERE has_function_privilege(p.oid, 'EXECUTE') AND p.proowner <> 10")
    )
    assert set(ours) == GRANTED_FUNCTIONS


def test_a_search_path_does_not_mislead_the_functions(connection: Connection, theirs: Any) -> None:
    for path in ("pg_temp, public, pg_catalog", "''", "nowhere"):
        connection.exec_driver_sql(f"SET search_path = {path}")
        for function in ("authenticate_key", "authenticate_session", "find_login_link"):
            assert connection.execute(text(f"SELECT * FROM public.{function}('\\x00'::bytea)")).all() == []
        connection.rollback()


def test_sweeps_tell_ids_and_nothing_else(connection: Connection, theirs: Any) -> None:
    later = {"at": datetime(2999, 1, 1, tzinfo=UTC), "n": 1_000_000}
    calls = (
        "pending_enrichment(:n)", "due_jobs(:at, :n)", "due_consolidations(:at, '0', '0', :n)",
        "stale_corpora(:n)", "expired_memories(:at, :n)",
        "outdated_terms(99, :n)", "crowded_namespaces(0, :n)", "rising_memories(:n)", "unsealed_audit(:n)", "due_webhooks(:at, :n)",
    )  # fmt: skip
    for call in calls:
        result = connection.execute(text(f"SELECT * FROM {call}"), later)
        assert len(result.keys()) == 2
        assert "theirs" not in str(result.all())
    refused(connection, "SELECT prosecdef, lo_import('/etc/passwd') FROM pg_proc")


def test_a_purge_cannot_be_told_that_everything_has_expired(connection: Connection, untouched: Any) -> None:
    """It deletes across tenants, so the moment it is told must not reach past the present."""
    for moment in ("infinity", "2999-01-01T00:00:00Z"):
        connection.execute(text("SELECT * FROM purge_expired(CAST(:at AS timestamptz))"), {"at": moment}).all()
        connection.execute(
            text("SELECT purge_webhook_deliveries(CAST(:at AS timestamptz), 1000000)"), {"at": moment}
        ).all()
        connection.commit()


def test_another_tenant_is_not_made_over(connection: Connection, maintenance: Engine, untouched: Any) -> None:
    with maintenance.connect() as powerful:
        name = powerful.scalar(text("SELECT name FROM tenant WHERE id = :id"), {"id": untouched.tenant_id})
    statement = text("SELECT create_tenant(:id, :name, now())")
    assert connection.scalar(statement, {"id": "00000000-0000-7000-8000-000000000001", "name": name}) is None
    with pytest.raises(DBAPIError):
        connection.scalar(statement, {"id": untouched.tenant_id, "name": "another name"})
