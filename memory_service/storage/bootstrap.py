"""Prepare a database: three roles, the vector extension, and where their passwords lie.

``owner`` makes tables, ``maintenance`` bypasses row level security for work across tenants, ``service`` is what the API
and the workers use. FORCE hides rows from the owner too, so a leaked service password never reads another tenant.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from memory_service.errors import Misconfigured, Unavailable
from memory_service.settings import Settings

ROLES = ("owner", "maintenance", "service")
OLDEST_SERVER = 17
OLDEST_PGVECTOR = (0, 8)


@dataclass(frozen=True, slots=True)
class RoleUrls:
    """One SQLAlchemy URL per role, passwords included."""

    owner: str
    maintenance: str
    service: str


def driver_url(url: str) -> URL:
    """Return the URL with the psycopg driver, whichever way the operator wrote it."""
    try:
        parsed = make_url(url)
    except Exception as error:
        raise Misconfigured("DATABASE_URL is not a URL like postgresql://user:password@host:5432/database.") from error
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise Misconfigured("DATABASE_URL must name a PostgreSQL database.")
    return parsed.set(drivername="postgresql+psycopg")


def _passwords(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    stored = json.loads(file.read_text())
    return {str(k): str(v) for k, v in stored.items()}


def _keep_passwords(file: Path, passwords: dict[str, str]) -> None:
    """Write the passwords so that a crash leaves either the old or the new file, readable by nobody else."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(passwords, handle)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(file)


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _check_server(connection: Connection) -> None:
    """Refuse a server that is older than what the schema and the queries are written for.

    Raises:
        Misconfigured: naming what is there and what is needed.
    """
    version = int(connection.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    if version < OLDEST_SERVER * 10_000:
        raise Misconfigured(f"The database is PostgreSQL {version // 10_000}; {OLDEST_SERVER} or newer is needed.")
    vector = connection.scalar(text("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"))
    if vector is None:
        raise Misconfigured("The database server lacks the extension pgvector; install it there, then try again.")
    if tuple(int(part) for part in vector.split(".")[:2]) < OLDEST_PGVECTOR:
        needed = ".".join(str(part) for part in OLDEST_PGVECTOR)
        raise Misconfigured(
            f"The database server has pgvector {vector}; {needed} or newer is needed, for half precision and iterative scans."
        )


def _prepare(connection: Connection, database: str, passwords: dict[str, str]) -> None:
    """Create or repair the three roles and what they may do; safe to repeat."""
    # Roles belong to the whole cluster: two services starting at once must not create them twice.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('memory_service.bootstrap'))"))
    names = {role: f"{database}_{role}" for role in ROLES}
    for role, name in names.items():
        exists = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name})
        bypass = "BYPASSRLS" if role == "maintenance" else "NOBYPASSRLS"
        verb = "ALTER" if exists else "CREATE"
        connection.exec_driver_sql(
            f'{verb} ROLE "{name}" LOGIN NOSUPERUSER NOCREATEROLE {bypass} PASSWORD {_literal(passwords[name])}'
        )
    owner, maintenance, service = (f'"{names[role]}"' for role in ROLES)
    for statement in (
        f'REVOKE CONNECT, TEMPORARY ON DATABASE "{database}" FROM PUBLIC',
        f'GRANT CONNECT ON DATABASE "{database}" TO {owner}, {maintenance}, {service}',
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {owner}, {maintenance}",
        f"GRANT USAGE ON SCHEMA public TO {service}",
        f"GRANT {maintenance} TO {owner}",
        "CREATE EXTENSION IF NOT EXISTS vector",
        # Measured for the hybrid query: a cached plan is as fast as a fresh one, and spares half a millisecond of planning
        # for every look-up by id. JIT only adds latency here.
        f"ALTER ROLE {service} RESET plan_cache_mode",
        f"ALTER ROLE {service} SET jit = off",
        # The default of 4 prices spinning disks; it makes the planner read whole tables where an index would do.
        f"ALTER ROLE {service} SET random_page_cost = 1.1",
        f"ALTER ROLE {service} SET statement_timeout = '30s'",
        f"ALTER ROLE {service} SET lock_timeout = '5s'",
        f"ALTER ROLE {service} SET idle_in_transaction_session_timeout = '60s'",
        f"ALTER ROLE {maintenance} SET jit = off",
    ):
        connection.exec_driver_sql(statement)


def bootstrap(admin_url: str, *, data_dir: Path) -> RoleUrls:
    """Make sure the database has its roles and extension; return a URL for each role.

    Args:
        admin_url: a login that may create roles and extensions in the database it names.
        data_dir: the folder whose ``credentials.json`` keeps the passwords of the roles.

    Raises:
        Unavailable: the database does not answer.
        Misconfigured: the login may not create roles or the ``vector`` extension.
    """
    url = driver_url(admin_url)
    if not url.database:
        raise Misconfigured("DATABASE_URL names no database; add its name after the last slash.")
    file = data_dir / "credentials.json"
    passwords = _passwords(file)
    names = {role: f"{url.database}_{role}" for role in ROLES}
    missing = [name for name in names.values() if name not in passwords]
    if missing:
        passwords |= {name: secrets.token_urlsafe(32) for name in missing}
        _keep_passwords(file, passwords)
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            _check_server(connection)
            _prepare(connection, url.database, passwords)
    except OperationalError as error:
        raise Unavailable(f"The database at {url.render_as_string()} does not answer: {error.orig}") from error
    except ProgrammingError as error:
        raise Misconfigured(
            f"The login of DATABASE_URL cannot prepare the database ({error.orig}). Use a login that may create roles and "
            "the vector extension, or set MEMORY_SERVICE_OWNER_DATABASE_URL, MEMORY_SERVICE_MAINTENANCE_DATABASE_URL and "
            "MEMORY_SERVICE_SERVICE_DATABASE_URL to roles made by hand (docs/howto/real-servers.md)."
        ) from error
    finally:
        engine.dispose()
    urls = {
        role: url.set(username=name, password=passwords[name]).render_as_string(hide_password=False)
        for role, name in names.items()
    }
    return RoleUrls(owner=urls["owner"], maintenance=urls["maintenance"], service=urls["service"])


def role_urls(settings: Settings) -> RoleUrls:
    """Return the role URLs of an already prepared database, from settings or from the credentials file.

    Raises:
        Misconfigured: neither explicit role URLs nor stored credentials exist.
    """
    explicit = (settings.owner_database_url, settings.maintenance_database_url, settings.service_database_url)
    if settings.service_database_url:
        return RoleUrls(*(driver_url(url or settings.service_database_url).render_as_string(False) for url in explicit))
    if not settings.database_url:
        raise Misconfigured("DATABASE_URL is empty: start the embedded servers with `make run`, or set it.")
    url = driver_url(settings.database_url)
    passwords = _passwords(settings.credentials_file)
    names = {role: f"{url.database}_{role}" for role in ROLES}
    if any(name not in passwords for name in names.values()):
        raise Misconfigured("This database has not been prepared yet; run `memory-service migrate` once.")
    rendered = [
        url.set(username=n, password=passwords[n]).render_as_string(hide_password=False) for n in names.values()
    ]
    return RoleUrls(*rendered)
