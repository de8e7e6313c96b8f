"""Run migrations on the connection that `memory_service.storage.migrate` hands over."""

from alembic import context
from sqlalchemy import Connection, text

from memory_service.storage.tables import metadata


def run(connection: Connection) -> None:
    """Apply migrations in one transaction; give up rather than queue behind long locks."""
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()


run(context.config.attributes["connection"])
