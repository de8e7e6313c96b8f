"""Whether a single row of a tenant has changed: every table of tenants, counted and summed up."""

from collections.abc import Callable, Mapping
from uuid import UUID

from sqlalchemy import Engine, text

# Partitions are tested by themselves: nobody but their owner may name them.
TENANT_TABLES = """
    SELECT c.relname, CASE c.relname WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND (c.relname = 'tenant' OR EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
    ORDER BY c.relname
"""

# A row with its place and its transaction, so that a write of equal values shows, too.
ROW = "concat_ws(' ', t.tableoid, t.ctid, t.xmin, t.*)"
# When a key was used is written behind the requests of its own tenant, at any time.
ROWS = {"api_key": "(to_jsonb(t) - 'last_used_at')::text"}

Checksum = Callable[[UUID], Mapping[str, tuple[int, str]]]


def find_tenant_tables(maintenance: Engine) -> dict[str, str]:
    """Return every table that holds rows of tenants, with the column that names the tenant; read from the database."""
    with maintenance.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(text(TENANT_TABLES))}


def sum_up(maintenance: Engine, tables: Mapping[str, str], tenant_id: UUID) -> dict[str, tuple[int, str]]:
    """Return for each of the tables how many rows of the tenant it has, and a digest of them."""
    found = {}
    with maintenance.connect() as connection:
        for table, column in tables.items():
            row = connection.execute(
                text(
                    "SELECT count(*), coalesce(md5(string_agg(r, '|' ORDER BY r)), '') FROM (SELECT "
                    f"{ROWS.get(table, ROW)} AS r FROM {table} t WHERE {column} = :tenant) x"
                ),
                {"tenant": tenant_id},
            ).one()
            found[table] = (row[0], row[1])
    return found
