"""What every new table of a tenant needs: row level security and grants, the same way everywhere."""

from alembic import op
from sqlalchemy import text


def roles() -> tuple[str, str]:
    """Return the quoted names of the maintenance and service roles of this database."""
    database = op.get_bind().scalar(text("SELECT current_database()"))
    return f'"{database}_maintenance"', f'"{database}_service"'


def run(script: str) -> None:
    """Execute SQL text as it is."""
    op.get_bind().exec_driver_sql(script)


def protect(*tables: str, partitions: tuple[str, ...] = ()) -> None:
    """Enable and force row level security on tables, and let the service use them.

    Args:
        tables: names of tables with a column tenant_id.
        partitions: tables reached through their parent only: no grant to the service, and row level security all the same.
    """
    maintenance, service = roles()
    condition = "tenant_id = nullif(current_setting('app.tenant', true), '')::uuid"
    for table in (*tables, *partitions):
        run(f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_isolation ON {table} USING ({condition}) WITH CHECK ({condition});
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {maintenance};
        """)
    for table in tables:
        run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {service}")


def keep_out_of_statistics(columns: dict[str, tuple[str, ...]]) -> None:
    """Keep user text out of the planner's statistics, where an erasure could not reach it."""
    for table, names in columns.items():
        for name in names:
            run(f"ALTER TABLE {table} ALTER COLUMN {name} SET STATISTICS 0")
