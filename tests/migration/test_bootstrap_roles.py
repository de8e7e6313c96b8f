"""Roles and passwords: made once, repaired when lost, never widened."""

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from memory_service.errors import Misconfigured
from memory_service.settings import Settings
from memory_service.storage.bootstrap import RoleUrls, bootstrap, driver_url, role_urls
from memory_service.storage.database import Database
from memory_service.storage.migrate import migrate

ROLES = """
    SELECT rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb, rolconfig::text,
        (SELECT string_agg(m.roleid::regrole::text, ' ') FROM pg_auth_members m WHERE m.member = r.oid)
    FROM pg_roles r WHERE rolname LIKE current_database() || '\\_%' ORDER BY rolname
"""


@pytest.fixture
def admin(make_database: object) -> Iterator[str]:
    with make_database() as url:  # type: ignore[operator]
        yield url


def ask(url: str, query: str) -> list[object]:
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return rows


def works(roles: RoleUrls) -> None:
    for url in (roles.owner, roles.maintenance, roles.service):
        assert ask(url, "SELECT current_user::text") == [(make_url(url).username,)]


def test_it_may_be_repeated(admin: str, tmp_path: Path) -> None:
    first = bootstrap(admin, data_dir=tmp_path)
    made = ask(admin, ROLES)
    name = make_url(admin).database
    assert [row[:6] for row in made] == [
        (f"{name}_maintenance", False, True, True, False, False),
        (f"{name}_owner", False, False, True, False, False),
        (f"{name}_service", False, False, True, False, False),
    ]
    migrate(first.owner)
    assert bootstrap(admin, data_dir=tmp_path) == first
    assert ask(admin, ROLES) == made
    works(first)
    file = tmp_path / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file], "no half-written file stays"


def test_lost_credentials_are_replaced(admin: str, tmp_path: Path) -> None:
    first = bootstrap(admin, data_dir=tmp_path)
    migrate(first.owner)
    (tmp_path / "credentials.json").unlink()
    second = bootstrap(admin, data_dir=tmp_path)
    assert {first.owner, first.service, first.maintenance}.isdisjoint(
        {second.owner, second.service, second.maintenance}
    )
    works(second)
    database = Database(second.service, pool_size=1)
    database.check_role()
    database.dispose()


def test_credentials_of_other_databases_are_kept(admin: str, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"another_service": "secret"}))
    bootstrap(admin, data_dir=tmp_path)
    assert json.loads(file.read_text())["another_service"] == "secret"


def test_a_role_that_was_widened_by_hand_is_narrowed_again(admin: str, tmp_path: Path) -> None:
    roles = bootstrap(admin, data_dir=tmp_path)
    service = make_url(roles.service).username
    engine = create_engine(driver_url(admin), poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f'ALTER ROLE "{service}" SUPERUSER BYPASSRLS CREATEROLE')
    engine.dispose()
    database = Database(roles.service, pool_size=1)
    with pytest.raises(Misconfigured, match="row level security does not bind"):
        database.check_role()
    bootstrap(admin, data_dir=tmp_path)
    database.dispose()
    database.check_role()
    database.dispose()


@pytest.mark.parametrize("role", ["owner", "maintenance"])
def test_the_service_does_not_run_as_a_stronger_role(admin: str, tmp_path: Path, role: str) -> None:
    roles = bootstrap(admin, data_dir=tmp_path)
    migrate(roles.owner)
    database = Database(getattr(roles, role), pool_size=1)
    with pytest.raises(Misconfigured, match="row level security does not bind"):
        database.check_role()
    database.dispose()


def test_nobody_else_may_enter(admin: str, tmp_path: Path) -> None:
    bootstrap(admin, data_dir=tmp_path)
    public = (
        "SELECT has_database_privilege('pg_monitor', current_database(), 'CONNECT'), "
        "has_schema_privilege('pg_monitor', 'public', 'USAGE')"
    )
    assert ask(admin, public) == [(False, False)]
    temporary = "SELECT has_database_privilege(current_database() || '_service', current_database(), 'TEMPORARY')"
    assert ask(admin, temporary) == [(False,)]


def test_several_processes_may_prepare_at_once(admin: str, tmp_path: Path) -> None:
    made: list[RoleUrls] = []
    threads = [threading.Thread(target=lambda: made.append(bootstrap(admin, data_dir=tmp_path))) for _ in range(3)]
    bootstrap(admin, data_dir=tmp_path)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3
    assert len(set(made)) == 1
    works(made[0])


def test_a_database_that_was_never_prepared_is_named_as_such(admin: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, **{"DATABASE_URL": admin})
    with pytest.raises(Misconfigured, match="memory-service migrate"):
        role_urls(settings)
    made = bootstrap(admin, data_dir=tmp_path)
    assert role_urls(settings) == made
