"""Make and configure a Postgres cluster."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from memory_service.embedded.folders import full_disk
from memory_service.embedded.placement import Placement
from memory_service.embedded.privileges import launch_command
from memory_service.errors import Misconfigured

SUPERUSER = "postgres"
INITDB_TIMEOUT_S = 300  # A slow disk syncs 40 MB; seconds are usual.
# Of the memory of the machine for pages of the database. What a search of a million memories reads comes to 3 GB: with 256 MB of
# buffers it took 84 ms, with 3 GB 75.
BUFFERS_SHARE = 1 / 8
BUFFERS_MB = 256, 4096  # at least and at most
CONNECTIONS = 100  # that the server accepts, unless more processes need more
LITTLE_SHARED_MEMORY = 1 << 30  # Containers often have 64 MB of it, less than one index build takes.
CONTAINER_LIMITS = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")

CONFIGURATION = """\
# Written by the memory service at every start. Put your own settings into local.conf beside this file.
listen_addresses = ''                        # a unix socket only, in a folder of mode 0700
unix_socket_permissions = 0700
max_connections = {connections}
password_encryption = scram-sha-256

shared_buffers = {buffers}MB{pad}# an eighth of the memory, 256 to 4096 MB, filled as data comes
effective_cache_size = {cached}MB
work_mem = 16MB
maintenance_work_mem = 128MB
dynamic_shared_memory_type = {shared_memory}
max_wal_size = 1GB
wal_compression = on
random_page_cost = 1.1                       # an SSD, or all in memory

jit = off                                    # compiling takes longer than our queries
max_parallel_workers_per_gather = 0          # queries take milliseconds and there are few cores
autovacuum_naptime = 15s                     # index-only scans need a fresh visibility map
autovacuum_vacuum_insert_scale_factor = 0.05
autovacuum_vacuum_insert_threshold = 1000

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
log_error_verbosity = terse                  # details and statements quote what users stored
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0

include_if_exists 'local.conf'
"""

ACCESS = """\
# Written by the memory service at every start.
local all all scram-sha-256
"""


def password_file(data_dir: Path) -> Path:
    """Return where the superuser's password lies."""
    return data_dir / "postgres.password"


def write_secret(path: Path, text: str, *, owner: int | None = None, group: int = -1) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            if owner is not None and owner != os.geteuid():
                os.fchown(descriptor, owner, group)
        temporary.replace(path)
    except OSError:  # A full disk: leave no half of a file, it would keep the space that is missing.
        temporary.unlink(missing_ok=True)
        raise


def check_version(placement: Placement) -> None:
    """Refuse a cluster of another major version.

    Raises:
        Misconfigured: the sentence says which checkout fits.
    """
    found = int((placement.cluster / "PG_VERSION").read_text(encoding="ascii").strip())
    ours = placement.binaries.major
    if found > ours:
        raise Misconfigured(
            f"The database in {placement.cluster} was made by PostgreSQL {found}; this checkout carries {ours}. "
            "Use the newer checkout that made it."
        )
    if found < ours:
        raise Misconfigured(
            f"The database in {placement.cluster} was made by PostgreSQL {found}; this checkout carries {ours} and "
            "cannot open it. Export it with the checkout that made it, then import it into a new data folder."
        )


def ensure_cluster(placement: Placement, data_dir: Path, *, connections: int = CONNECTIONS) -> str:
    """Make the cluster if there is none, bring its configuration up to date, return the superuser's password."""
    if not (placement.cluster / "PG_VERSION").exists():
        if placement.cluster.exists() and any(placement.cluster.iterdir()):
            raise Misconfigured(
                f"{placement.cluster} holds files but no database. Move it away and start again, or restore it from a "
                "backup."
            )
        _initdb(placement, data_dir)
    check_version(placement)
    _write_configuration(placement, connections)
    try:
        return password_file(data_dir).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return _reset_password(placement, data_dir)


def _initdb(placement: Placement, data_dir: Path) -> None:
    """Make a cluster beside its final place and rename it, so that a killed start leaves no half of one."""
    privileges = placement.privileges
    staging = placement.cluster.with_name(f"{placement.cluster.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700)
    os.chown(staging, privileges.owner, privileges.group)
    password = secrets.token_urlsafe(32)
    # initdb reads the password from a file; the socket folder is one that it surely can read.
    password_source = placement.sockets / "password"
    write_secret(password_source, password, owner=privileges.owner, group=privileges.group)
    try:
        done = subprocess.run(
            launch_command(
                [
                    placement.binaries.program("initdb"),
                    f"--pgdata={staging}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_source}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--data-checksums",
                    "--no-instructions",
                ],
                privileges=privileges,
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            env=server_environment(),
            timeout=INITDB_TIMEOUT_S,
            check=False,
        )
    finally:
        password_source.unlink(missing_ok=True)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["no reason given"]
        reason = full_disk(data_dir, words) or words[-1]
        raise Misconfigured(f"The database could not be made in {placement.cluster}: {reason}")
    write_secret(password_file(data_dir), password)
    if placement.cluster.exists():
        placement.cluster.rmdir()  # Empty: ensure_cluster looked.
    staging.rename(placement.cluster)


def configuration(*, shared_memory: str, buffers_mb: int, connections: int = CONNECTIONS) -> str:
    """Return the text of postgresql.conf."""
    value = f"shared_buffers = {buffers_mb}MB"
    return CONFIGURATION.format(
        shared_memory=shared_memory,
        buffers=buffers_mb,
        pad=" " * max(1, 45 - len(value)),
        cached=4 * buffers_mb,
        connections=connections,
    )


def buffers_mb(memory: int) -> int:
    """Return how many MB of so many bytes of memory the database may fill with pages.

    >>> [buffers_mb(gib << 30) for gib in (1, 16, 256)]
    [256, 2048, 4096]
    """
    least, most = BUFFERS_MB
    return min(most, max(least, int(memory * BUFFERS_SHARE) >> 20))


def memory_of_machine(limits: Sequence[Path] = CONTAINER_LIMITS) -> int:
    """Return the bytes of memory there are, those of the container where it has fewer."""
    found = [int(psutil.virtual_memory().total)]
    for path in limits:
        try:
            said = path.read_text(encoding="ascii").strip()
        except OSError:
            continue  # of the other version of control groups, or of another system
        if said.isdecimal():
            found.append(int(said))
    return min(found)


def _write_configuration(placement: Placement, connections: int) -> None:
    memory = "posix" if _shared_memory() >= LITTLE_SHARED_MEMORY or not sys.platform.startswith("linux") else "mmap"
    buffers = buffers_mb(memory_of_machine())
    for name, text in (
        ("postgresql.conf", configuration(shared_memory=memory, buffers_mb=buffers, connections=connections)),
        ("pg_hba.conf", ACCESS),
    ):
        path = placement.cluster / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_secret(path, text, owner=placement.privileges.owner, group=placement.privileges.group)


def _shared_memory() -> int:
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def _reset_password(placement: Placement, data_dir: Path) -> str:
    """Give the superuser a new password when the file with the old one is lost; nobody is connected yet."""
    password = secrets.token_urlsafe(32)
    done = subprocess.run(
        launch_command(
            [placement.binaries.program("postgres"), "--single", "-D", placement.cluster, "postgres"],
            privileges=placement.privileges,
        ),
        input=f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'\n",
        capture_output=True,
        text=True,
        cwd="/",
        env=server_environment(),
        timeout=INITDB_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Misconfigured(f"The database in {placement.cluster} does not open: {reason}")
    write_secret(password_file(data_dir), password)
    return password


def server_environment() -> dict[str, str]:
    """Return an environment free of the caller's PG* settings and language."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
