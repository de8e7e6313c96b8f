"""Up from nothing, down and up again, twice at once, and never over a schema of the future."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from memory_service.errors import DatabaseTooNew
from memory_service.storage.bootstrap import RoleUrls, bootstrap
from memory_service.storage.database import Database
from memory_service.storage.migrate import _config, current_revision, head_revision, migrate

SHAPE = """
    SELECT c.relname, c.relkind::text, c.relrowsecurity, c.relforcerowsecurity, c.relacl::text,
        (SELECT string_agg(concat_ws(' ', a.attname, a.atttypid::regtype, a.attnotnull, a.attstattarget), ', ' ORDER BY a.attnum)
         FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        (SELECT string_agg(pg_get_constraintdef(k.oid), ', ' ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid),
        CASE WHEN c.relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid) END
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'i', 'I', 'S', 'v', 'm') ORDER BY 1
"""
FUNCTIONS = """
    SELECT p.proname, pg_get_functiondef(p.oid), p.proacl::text, p.proowner::regrole::text FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef ORDER BY 1
"""


@pytest.fixture
def roles(make_database: object, tmp_path: Path) -> Iterator[RoleUrls]:
    """Return the roles of a database that holds nothing yet."""
    with make_database() as url:  # type: ignore[operator]
        yield bootstrap(url, data_dir=tmp_path)


@pytest.fixture
def owner(roles: RoleUrls) -> Iterator[Engine]:
    engine = create_engine(roles.owner, poolclass=NullPool)
    yield engine
    engine.dispose()


def shape(owner: Engine) -> list[object]:
    with owner.connect() as connection:
        return [*connection.execute(text(SHAPE)).all(), *connection.execute(text(FUNCTIONS)).all()]


def test_from_nothing_to_the_head_and_back(roles: RoleUrls, owner: Engine) -> None:
    with owner.connect() as connection:
        assert current_revision(connection) is None
    migrate(roles.owner)
    first = shape(owner)
    with owner.connect() as connection:
        assert current_revision(connection) == head_revision()
    migrate(roles.owner)
    assert shape(owner) == first, "a second run changes nothing"
    with owner.begin() as connection:
        command.downgrade(_config(connection), "base")
    assert inspect(owner).get_table_names() == ["alembic_version"]
    with owner.connect() as connection:
        assert connection.execute(text(FUNCTIONS)).all() == []
    migrate(roles.owner)
    assert shape(owner) == first, "down and up again leads to the same schema"
    database = Database(roles.service, pool_size=1)
    database.check_role()
    with database.untenanted() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == head_revision()
        assert connection.execute(text("SELECT * FROM authenticate_key('\\x00'::bytea)")).all() == []
    database.dispose()


@pytest.mark.parametrize("ended", [False, True])
def test_policies_of_a_later_kind_go_when_the_schema_goes_back(roles: RoleUrls, owner: Engine, ended: bool) -> None:
    migrate(roles.owner)
    maintenance = create_engine(roles.maintenance, poolclass=NullPool)
    with maintenance.begin() as connection:
        ids = {"t": uuid4(), "n": uuid4()}
        connection.execute(text("INSERT INTO tenant (id, name, created_at) VALUES (:t, 't', now())"), ids)
        connection.execute(text("INSERT INTO encoder VALUES (1, 'e', 384, 256, 'f', '{}', 0, true, now())"))
        connection.execute(
            text(
                "INSERT INTO namespace (tenant_id, id, path, settings, encoder_id, shelf, created_at) "
                "VALUES (:t, :n, 'n', '{}', 1, 0, now())"
            ),
            ids,
        )
        for kind in ("retention", "fusion", "redaction"):
            connection.execute(
                text(
                    "INSERT INTO policy (tenant_id, id, namespace_id, kind, known_from, known_to, body) "
                    "VALUES (:t, gen_random_uuid(), :n, :k, "
                    "now() - interval '1 day', CASE WHEN :ended THEN now() ELSE 'infinity' END, '{}')"
                ),
                {**ids, "k": kind, "ended": ended},
            )
    with owner.begin() as connection:
        command.downgrade(_config(connection), "0024")
    with maintenance.connect() as connection:
        assert connection.scalars(text("SELECT kind FROM policy")).all() == ["retention"]
    maintenance.dispose()


def test_a_schema_of_the_future_is_refused_and_left_alone(roles: RoleUrls, owner: Engine) -> None:
    migrate(roles.owner)
    with owner.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = shape(owner)
    with pytest.raises(DatabaseTooNew, match=r"newer version of this software \(schema 9999.*Update the checkout"):
        migrate(roles.owner)
    assert shape(owner) == before
    with owner.connect() as connection:
        assert current_revision(connection) == "9999"


def test_many_processes_may_migrate_at_once(roles: RoleUrls, owner: Engine) -> None:
    errors: list[BaseException] = []
    barrier = threading.Barrier(4)

    def run() -> None:
        barrier.wait()
        try:
            migrate(roles.owner)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with owner.connect() as connection:
        assert current_revision(connection) == head_revision()


def test_a_migration_that_fails_leaves_nothing_behind(roles: RoleUrls, owner: Engine) -> None:
    with owner.begin() as connection:
        connection.execute(text("CREATE TABLE tombstone (in_the_way integer)"))
    with pytest.raises(Exception, match="tombstone"):
        migrate(roles.owner)
    assert inspect(owner).get_table_names() == ["tombstone"]
    with owner.begin() as connection:
        connection.execute(text("DROP TABLE tombstone"))
    migrate(roles.owner)


def test_a_migration_gives_up_rather_than_queue_behind_a_long_lock() -> None:
    environment = (Path(__file__).resolve().parents[2] / "migrations" / "env.py").read_text()
    assert "SET LOCAL lock_timeout" in environment


def test_the_service_may_not_migrate(roles: RoleUrls) -> None:
    with pytest.raises(Exception, match="permission denied"):
        migrate(roles.service)
