"""Bring a database to the schema of this code, or refuse with a sentence."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from memory_service.errors import DatabaseTooNew

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    """Return the revision this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("migrations/versions is empty")
    return head


def current_revision(connection: Connection) -> str | None:
    """Return the revision a database stands at, None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate(owner_url: str) -> None:
    """Run the missing migrations as the owner, one process at a time.

    Raises:
        DatabaseTooNew: the database was migrated by a newer version of this software.
    """
    engine = create_engine(owner_url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('memory_service.migrate'))"))
            current = current_revision(connection)
            known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
            if current is not None and current not in known:
                raise DatabaseTooNew(
                    f"The data were written by a newer version of this software (schema {current}, this code knows "
                    f"{head_revision()}). Update the checkout, or point MEMORY_SERVICE_DATA_DIR at another folder."
                )
            if current != head_revision():
                command.upgrade(_config(connection), "head")
                _grant_version_table(connection)
    finally:
        engine.dispose()


def _grant_version_table(connection: Connection) -> None:
    """Let /readyz compare the schema with the code's (service), and a backup be whole (maintenance)."""
    database = connection.scalar(text("SELECT current_database()"))
    connection.exec_driver_sql(f'GRANT SELECT ON alembic_version TO "{database}_service", "{database}_maintenance"')
