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

GRANTED_FUNCTIONS = {
    "authenticate_key", "create_tenant", "due_jobs", "expired_memories", "list_tenants", "pending_enrichment",
    "purge_expired", "stale_corpora",
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
    assert dict(map(tuple, granted)) == all_rows | dict.fromkeys(("tenant", "encoder", "alembic_version"), "SELECT")


def test_it_cannot_rise(connection: Connection, role_urls: RoleUrls) -> None:
    owner, maintenance, service = (
        f'"{make_url(url).username}"' for url in (role_urls.owner, role_urls.maintenance, role_urls.service)
    )
    database = make_url(role_urls.service).database
    for statement in (
        f"SET ROLE {owner}", f"SET ROLE {maintenance}", "SET ROLE postgres", f"SET SESSION AUTHORIZATION {maintenance}",
        f"ALTER ROLE {service} BYPASSRLS", f"ALTER ROLE {service} SUPERUSER", f"ALTER ROLE {owner} PASSWORD 'x'",
        f"GRANT {maintenance} TO {service}", "CREATE ROLE intruder", f"DROP OWNED BY {maintenance}",
        f"REASSIGN OWNED BY {maintenance} TO {service}", "CREATE DATABASE intruder", f"ALTER DATABASE {database} SET row_security = off",
        f"ALTER ROLE {maintenance} SET app.tenant = ''", "ALTER SYSTEM SET row_security = off",
        "SET session_replication_role = replica", "SELECT lo_export(0, '/tmp/x')", "SELECT pg_read_file('PG_VERSION')",
        "SELECT pg_ls_dir('.')", "COPY (SELECT 1) TO PROGRAM 'true'", "COPY (SELECT 1) TO '/tmp/x'",
        "SELECT * FROM pg_authid", "SELECT * FROM pg_shadow", "SELECT * FROM pg_hba_file_rules", "SELECT * FROM pg_largeobject",
        "SELECT passwd FROM pg_shadow", "CREATE EXTENSION dblink", "CREATE EXTENSION file_fdw", "LOAD 'auto_explain'",
        "CREATE LANGUAGE plpython3u", "CREATE SERVER x FOREIGN DATA WRAPPER y", "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
        "CREATE PUBLICATION p FOR ALL TABLES", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
        "CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION x()",
    ):  # fmt: skip
        refused(connection, statement)


def test_it_cannot_change_the_rules(connection: Connection, tenant_tables: dict[str, str]) -> None:
    for table in (*tenant_tables, "encoder", "alembic_version"):
        for statement in (
            "ALTER TABLE {} DISABLE ROW LEVEL SECURITY", "ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", "DROP TABLE {}",
            "CREATE POLICY open ON {} USING (true)", "DROP POLICY tenant_isolation ON {}", "ALTER TABLE {} OWNER TO current_user",
            "ALTER POLICY tenant_isolation ON {} USING (true)", "ALTER TABLE {} ADD COLUMN x integer",
            "CREATE INDEX ON {} ((1))", "CREATE RULE r AS ON SELECT TO {} DO INSTEAD NOTHING", "GRANT SELECT ON {} TO PUBLIC",
            "ALTER TABLE {} DISABLE TRIGGER ALL", "CREATE STATISTICS s ON ctid, tableoid FROM {}",
        ):  # fmt: skip
            if statement.startswith("GRANT"):
                # Postgres warns about grants it does not make; what counts is that none was made.
                with pytest.raises(DBAPIError) if table == "nothing" else _quietly(connection):
                    connection.exec_driver_sql(statement.format(table))
                continue
            refused(connection, statement.format(table))


class _quietly:  # noqa: N801 - reads as a verb
    """Roll back at the end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._connection.rollback()
