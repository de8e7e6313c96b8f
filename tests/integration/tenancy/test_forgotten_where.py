"""Statements without any condition, run through the service's role: the database alone keeps tenants apart."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg.errors import ForeignKeyViolation, InsufficientPrivilege, InvalidTextRepresentation
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database

# The audit chain is only ever added to.
READ_ONLY = {"tenant", "audit_event", "audit_seal"}


@pytest.fixture
def connection(role_urls: RoleUrls) -> Iterator[Connection]:
    """Return a fresh connection of the service's role that knows of no tenant."""
    engine = create_engine(role_urls.service, poolclass=NullPool)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def enter(connection: Connection, tenant_id: Any) -> None:
    connection.execute(text("SELECT set_config('app.tenant', :tenant, true)"), {"tenant": str(tenant_id)})


def refused(connection: Connection, statement: str, error: type[Exception], **params: Any) -> None:
    with pytest.raises(DBAPIError) as caught, connection.begin_nested():
        connection.execute(text(statement), params)
    assert isinstance(caught.value.orig, error), f"{statement}: {caught.value.orig}"


def test_a_select_sees_only_its_tenant(
    database: Database, ours: Any, untouched: Any, tenant_tables: dict[str, str]
) -> None:
    with database.transaction(ours.tenant_id) as session:
        for table, column in tenant_tables.items():
            assert session.scalars(text(f"SELECT DISTINCT {column} FROM {table}")).all() == [ours.tenant_id], table
            seen = session.scalar(text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%theirs%'"))
            assert seen == 0, table
        # Conditions of the caller run after the policy unless they leak nothing: they see no foreign row either.
        joined = "SELECT count(*) FROM memory a FULL JOIN memory b ON true WHERE a.tenant_id <> b.tenant_id"
        assert session.scalar(text(joined)) == 0


def test_nothing_is_seen_or_changed_without_a_tenant(
    connection: Connection, ours: Any, untouched: Any, tenant_tables: dict[str, str]
) -> None:
    def look(wanted: int | None) -> None:
        for table in tenant_tables:
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table
        for table, column in tenant_tables.items():
            if table not in READ_ONLY:
                assert connection.execute(text(f"UPDATE {table} SET {column} = {column}")).rowcount == 0, table
                assert connection.execute(text(f"DELETE FROM {table}")).rowcount == 0, table
        setting = connection.scalar(text("SELECT current_setting('app.tenant', true)"))
        assert setting == (None if wanted is None else "")
        connection.rollback()

    look(None)
    for end in (connection.commit, connection.rollback):
        enter(connection, ours.tenant_id)
        assert connection.scalar(text("SELECT count(*) FROM memory")) > 0
        end()
        look(0)


@pytest.mark.parametrize("setting", ["nobody", "*", "NULL", "' OR true --", "00000000-0000-0000-0000-000000000000"])
def test_a_setting_that_names_no_tenant_shows_nothing(
    connection: Connection, theirs: Any, tenant_tables: dict[str, str], setting: str
) -> None:
    for table in tenant_tables:
        enter(connection, setting)
        if setting.count("-") == 4:
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        else:
            refused(connection, f"SELECT count(*) FROM {table}", InvalidTextRepresentation)
        connection.rollback()


def test_rows_cannot_be_written_into_another_tenant(
    connection: Connection, maintenance: Engine, ours: Any, untouched: Any, tenant_tables: dict[str, str]
) -> None:
    enter(connection, ours.tenant_id)
    for table, column in tenant_tables.items():
        with maintenance.connect() as powerful:
            statement = f"SELECT to_jsonb(t)::text FROM {table} t WHERE {column} = :tenant LIMIT 1"
            row = powerful.scalar(text(statement), {"tenant": untouched.tenant_id})
        copy = f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, CAST(:row AS jsonb))"
        for statement in (copy, f"{copy} ON CONFLICT DO NOTHING"):
            refused(connection, statement, InsufficientPrivilege, row=row)
        give_away = f"UPDATE {table} SET {column} = :tenant"
        refused(connection, give_away, InsufficientPrivilege, tenant=untouched.tenant_id)


def test_rows_cannot_point_into_another_tenant(
    connection: Connection, maintenance: Engine, ours: Any, untouched: Any, tenant_tables: dict[str, str]
) -> None:
    """Foreign keys look past row level security; the tenant in each of them is what refuses."""
    enter(connection, ours.tenant_id)
    for table in (
        "memory",
        "memory_version",
        "source",
        "embedding",
        "embedding_coarse",
        "link",
        "retention",
        "policy",
        "recall",
        "term_stat",
        "speaker",
        "entity",
        "entity_name",
        "mention",
        "fact",
        "feedback",
        "saved_query",
        "saved_query_memory",
        "fusion_weights",
        "reindex",
        "model_usage",
        "dead_letter",
        "dead_letter_memory",
        "changeset",
        "change",
        "review",
        "tier_work",
        "document",
        "document_text",
        "document_chunk",
        "document_upload",
        "block",
        "block_version",
        "task_node",
        "task_version",
        "task_dependency",
        "erasure",
        "erasure_item",
        "audit_pending",
        "kv_memory",
        "kv_block",
        "kv_source",
        "kv_quota",
        "parametric_memory",
        "parametric_version",
        "parametric_pair",
    ):
        with maintenance.connect() as powerful:
            ours_instead = "to_jsonb(t) || jsonb_build_object('tenant_id', CAST(:ours AS text))"
            statement = f"SELECT ({ours_instead})::text FROM {table} t WHERE tenant_id = :tenant LIMIT 1"
            row = powerful.scalar(text(statement), {"tenant": untouched.tenant_id, "ours": str(ours.tenant_id)})
        copy = f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, CAST(:row AS jsonb))"
        refused(connection, copy, ForeignKeyViolation, row=row)


def test_a_change_of_every_row_changes_only_its_tenant(
    database: Database, make_household: Callable[..., Any], untouched: Any, checksum: Any, tenant_tables: dict[str, str]
) -> None:
    """Committed, cascades included, because only then others would see the damage."""
    doomed = make_household("doomed")
    rows = {table: count for table, (count, _) in checksum(doomed.tenant_id).items()}
    writable = [table for table in tenant_tables if table not in READ_ONLY]
    with database.transaction(doomed.tenant_id) as session:
        for table in writable:
            column = tenant_tables[table]
            assert session.execute(text(f"UPDATE {table} SET {column} = {column}")).rowcount == rows[table], table
    with database.transaction(doomed.tenant_id) as session:
        # What others point to comes last, or cascades would take rows before their own turn.
        last = [
            "changeset", "document_text", "document", "erasure", "import_record", "saved_query", "entity",
            "kv_memory", "kv_plan", "kv_engine", "parametric_memory",
            "dead_letter", "job", "memory", "api_key", "block", "task_node", "namespace",
        ]  # fmt: skip
        for table in sorted(writable, key=lambda table: last.index(table) if table in last else -1):
            assert session.execute(text(f"DELETE FROM {table}")).rowcount == rows[table], table
    assert {count for table, (count, _) in checksum(doomed.tenant_id).items() if table in writable} == {0}


def test_no_command_reaches_past_the_rows(
    connection: Connection, ours: Any, untouched: Any, tenant_tables: dict[str, str]
) -> None:
    enter(connection, ours.tenant_id)
    for table in tenant_tables:
        refused(connection, f"TRUNCATE {table} CASCADE", InsufficientPrivilege)
    for statement in (
        "DELETE FROM tenant",
        "DELETE FROM audit_event",
        "UPDATE audit_event SET action = 'x'",
        "DELETE FROM audit_seal",
        "UPDATE audit_seal SET hash = 'x'",
        "UPDATE tenant SET name = 'x'",
        "INSERT INTO encoder SELECT * FROM encoder",
    ):
        refused(connection, statement, InsufficientPrivilege)


@pytest.mark.parametrize("shelf", [0, 1])
def test_partitions_have_no_door_of_their_own(connection: Connection, ours: Any, untouched: Any, shelf: int) -> None:
    enter(connection, ours.tenant_id)
    for statement in (
        "SELECT 1 FROM {}", "UPDATE {} SET version = 0", "DELETE FROM {}", "INSERT INTO {} SELECT * FROM {}", "TRUNCATE {}",
        "COPY {} TO STDOUT", "ALTER TABLE embedding DETACH PARTITION {}",
    ):  # fmt: skip
        table = f"embedding_shelf_{shelf}"
        refused(connection, statement.format(table, table), InsufficientPrivilege)


def test_the_planner_tells_nothing_of_other_tenants(
    connection: Connection, maintenance: Engine, theirs: Any, tenant_tables: dict[str, str]
) -> None:
    """Statistics hold values of every tenant's rows; Postgres hides them where row level security is active."""
    for view in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
        found = connection.scalars(text(f"SELECT DISTINCT tablename FROM {view} WHERE schemaname = 'public'"))
        assert set(found) & {*tenant_tables, "embedding_shelf_0", "embedding_shelf_1"} == set()
    connection.rollback()
    for table in ("pg_statistic", "pg_statistic_ext_data"):
        refused(connection, f"SELECT * FROM {table}", InsufficientPrivilege)
