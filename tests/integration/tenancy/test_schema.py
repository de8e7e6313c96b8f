"""What every table must be, read from the catalogue of the migrated database: a new table cannot forget it."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

# Tables without rows of tenants.
GLOBAL_TABLES = {
    "encoder": "which models made the vectors; the service only reads it",
    "alembic_version": "which schema this is; the service only reads it",
}
# Keys without the tenant, each with its reason. Citus would make tenant and encoder reference tables.
GLOBAL_KEYS = {
    "tenant_pkey": "the tenant itself",
    "tenant_name_key": "operators name tenants; one name, one tenant",
    "encoder_pkey": "a global table",
    "encoder_fingerprint_key": "a global table",
    "encoder_one_default": "a global table",
    "alembic_version_pkc": "a global table",
    "namespace_encoder_id_fkey": "points at a global table",
    "namespace_also_encoder_id_fkey": "points at a global table",
    "reindex_from_encoder_id_fkey": "points at a global table",
    "reindex_to_encoder_id_fkey": "points at a global table",
}
# Tables whose column `written` is the id of the writing transaction, which only the database knows: the change feed of
# namespaces kept in memory (ADR 0011). The first three are updated, too; a tombstone never is.
CHANGE_FEED = ("memory", "link", "structure_member", "tombstone")
ISOLATION = {
    "tenant": "(id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid)",
    "*": "(tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid)",
}


@pytest.fixture(scope="module")
def catalogue(maintenance: Engine) -> Any:
    """Return a function that reads rows from the catalogue."""

    def read(query: str) -> Any:
        with maintenance.connect() as connection:
            return connection.execute(text(query)).all()

    return read


def test_every_table_belongs_to_tenants_or_is_known_to_be_global(catalogue: Any, tenant_tables: dict[str, str]) -> None:
    found = catalogue(
        "SELECT relname, relispartition FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p', 'f', 'v', 'm')"
    )
    names = {row.relname for row in found if not row.relispartition}
    assert names == tenant_tables.keys() | GLOBAL_TABLES.keys()


def test_row_level_security_is_enabled_and_forced_on_every_table_and_partition(catalogue: Any) -> None:
    rows = catalogue(
        "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
    )
    loose = {row.relname for row in rows if not (row.relrowsecurity and row.relforcerowsecurity)}
    assert loose == GLOBAL_TABLES.keys()


def test_one_policy_says_the_same_of_every_table(catalogue: Any) -> None:
    rows = catalogue("SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies")
    tables = catalogue("SELECT relname FROM pg_class WHERE relrowsecurity")
    assert sorted(row.tablename for row in rows) == sorted(row.relname for row in tables)
    for row in rows:
        condition = ISOLATION.get(row.tablename, ISOLATION["*"])
        assert tuple(row)[1:] == ("tenant_isolation", "PERMISSIVE", "{public}", "ALL", condition, condition), (
            row.tablename
        )


def test_tables_belong_to_the_owner_alone(catalogue: Any) -> None:
    owners = catalogue("SELECT DISTINCT relowner::regrole::text, current_database() FROM pg_class WHERE relrowsecurity")
    assert [row[0] for row in owners] == [f"{owners[0][1]}_owner"]
    role = catalogue("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_database() || '_owner'")
    assert [tuple(row) for row in role] == [(False, False)]


def test_every_key_contains_the_tenant(catalogue: Any) -> None:
    """Primary keys, unique constraints and indexes, foreign keys: on both sides, paired with itself."""
    rows = catalogue(
        """
        SELECT i.relname AS name, array_agg(a.attname ORDER BY k.n) AS columns
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
            CROSS JOIN unnest(x.indkey) WITH ORDINALITY AS k (attnum, n)
            LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
        WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace GROUP BY 1
        """
    )
    without = {row.name for row in rows if row.columns[0] != "tenant_id"}
    foreign = catalogue(
        """
        SELECT c.conname AS name, c.confrelid::regclass::text AS target, array_agg(a.attname::text ORDER BY k.n) AS columns,
            array_agg(b.attname::text ORDER BY k.n) AS target_columns
        FROM pg_constraint c, unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (here, there, n),
            pg_attribute a, pg_attribute b
        WHERE c.contype = 'f' AND a.attrelid = c.conrelid AND a.attnum = k.here AND b.attrelid = c.confrelid AND b.attnum = k.there
        GROUP BY 1, 2
        """
    )
    for row in foreign:
        first = (row.columns[0], row.target_columns[0])
        if first != ("tenant_id", "id" if row.target == "tenant" else "tenant_id"):
            without.add(row.name)
    assert without == GLOBAL_KEYS.keys()


def test_every_index_of_a_tenant_table_begins_with_the_tenant(catalogue: Any) -> None:
    rows = catalogue(
        "SELECT i.relname, a.attname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid "
        "LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0] "
        "WHERE t.relnamespace = 'public'::regnamespace AND t.relrowsecurity"
    )
    # A key, a session, a link are looked up by their hashes before anybody knows whose they are; what is old of the outbox is
    # deleted by the maintenance role's function, oldest first, whosever it is.
    assert {row.relname for row in rows if row.attname != "tenant_id"} == {
        "tenant_pkey",
        "tenant_name_key",
        "api_key_hash",
        "web_session_hash",
        "login_link_hash",
        "webhook_delivery_age",
    }


def test_indexes_are_of_kinds_that_row_level_security_lets_through(catalogue: Any) -> None:
    """Only leakproof operators use an index under RLS, and those of GIN and GiST are not; HNSW is meant for large shelves."""
    rows = catalogue(
        "SELECT i.relname, m.amname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam "
        "WHERE i.relnamespace = 'public'::regnamespace"
    )
    assert {row.amname for row in rows} <= {"btree", "hnsw"}


def test_nothing_in_the_schema_makes_values_by_itself(catalogue: Any) -> None:
    """Ids and times come from the application: no sequences, no volatile defaults, with one exception.

    The other triggers make no value of their own: one marks what a sweep of retention has to look at, two mark KV memories that
    cannot be loaded any more, three empty versions of parametric memories
    that hold what is no more, the others put into the outbox of webhooks what happened. The ids of those messages are
    made there, time-ordered as everywhere.
    """
    assert catalogue("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'") == []
    triggers = catalogue(
        "SELECT tgrelid::regclass::text AS of, tgname, tgfoid::regproc::text AS calls FROM pg_trigger WHERE NOT tgisinternal"
    )
    noted = {(table, f"{table}_written", "note_writer") for table in CHANGE_FEED[:3]}
    assert {tuple(row) for row in triggers} == {
        *noted,
        ("memory", "memory_fading", "note_fading"),
        ("memory", "memory_kv_changed", "mark_kv"),
        ("memory", "memory_kv_erased", "mark_kv"),
        ("parametric_pair", "parametric_pair_gone", "mark_parametric"),
        ("memory", "memory_parametric_changed", "mark_parametric"),
        ("namespace", "namespace_parametric_encoder", "mark_parametric"),
        ("memory", "memory_created_told", "tell_of_new_rows"),
        ("tombstone", "memory_erased_told", "tell_of_new_rows"),
        ("memory", "memory_change_told", "tell_of_change"),
        ("job", "job_born_ended_told", "tell_of_change"),
        ("job", "job_end_told", "tell_of_change"),
        ("changeset", "changeset_applied_told", "tell_of_change"),
        ("changeset", "changeset_reverted_told", "tell_of_change"),
        ("review", "review_opened_told", "tell_of_change"),
        ("review", "review_change_told", "tell_of_change"),
    }
    defaults = catalogue(
        "SELECT adrelid::regclass::text AS of, attname, pg_get_expr(adbin, adrelid) AS made "
        "FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum"
    )
    made = {tuple(row) for row in defaults if "(" in row.made}
    assert made == {(table, "written", "pg_current_xact_id()") for table in CHANGE_FEED}


def test_the_owner_sees_no_rows_either(role_urls: Any, theirs: Any, tenant_tables: dict[str, str]) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(role_urls.owner, poolclass=NullPool)
    with engine.connect() as connection:
        for table in tenant_tables:
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table
    engine.dispose()


def test_contents_stay_out_of_the_planner_s_statistics(catalogue: Any) -> None:
    """An erased text must not live on as a most common value."""
    rows = catalogue(
        "SELECT c.relname || '.' || a.attname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE c.relrowsecurity AND a.attnum > 0 AND a.attstattarget IS DISTINCT FROM 0 "
        "AND a.atttypid IN ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype)"
    )
    contents = {"content", "title", "context", "keywords", "entities", "metadata", "value", "terms", "query", "body"}
    assert {row.name for row in rows if row.name.split(".")[1] in contents} == set()
