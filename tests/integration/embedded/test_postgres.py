"""A real Postgres from the wheel: made, stopped, killed, and brought back."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from memory_service.embedded.folders import LONGEST_SOCKET_PATH, outside_socket_folder
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.embedded.privileges import launch_command
from memory_service.embedded.processes import processes_of_cluster, send, wait_until
from memory_service.errors import Misconfigured

pytestmark = pytest.mark.timeout(180)


@contextmanager
def session(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True, connect_timeout=30) as connection:
        yield connection


def remember(postgres: EmbeddedPostgres, number: int) -> None:
    with session(postgres) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (%s)", (number,))


def remembered(postgres: EmbeddedPostgres) -> list[int]:
    with session(postgres) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM kept ORDER BY number")]


def ask(postgres: EmbeddedPostgres, query: str) -> Any:
    with session(postgres) as connection:
        row = connection.execute(query).fetchone()
        return row[0] if row else None


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def made_and_stopped(data_dir: Path) -> Path:
    with EmbeddedPostgres(data_dir) as postgres:
        remember(postgres, 1)
        return postgres.placement.cluster


def test_cluster_is_private_durable_and_restarts(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        remember(postgres, 1)
        assert ask(postgres, "SHOW listen_addresses") == ""
        assert ask(postgres, "SHOW data_checksums") == "on"
        assert ask(postgres, "SHOW fsync") == "on"
        assert ask(postgres, "SHOW server_encoding") == "UTF8"
        locale = "SELECT concat(datlocprovider, ':', datlocale) FROM pg_database WHERE datname = current_database()"
        assert ask(postgres, locale) == "b:C.UTF-8"
        methods = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules"
        assert ask(postgres, methods) == "scram-sha-256"
        assert ask(postgres, "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'") == 1
        assert mode_of(postgres.placement.sockets) == 0o700
        assert mode_of(postgres.placement.cluster) == 0o700
        assert mode_of(data_dir / "postgres.password") == 0o600
    assert not processes_of_cluster(data_dir / "postgres")
    with EmbeddedPostgres(data_dir) as postgres:
        assert remembered(postgres) == [1]


def test_a_wrong_password_is_refused(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres, pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=str(postgres.placement.sockets), user="postgres", password="guess", dbname="postgres")


def test_nothing_the_user_stored_reaches_the_log(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres, session(postgres) as connection:
        connection.execute("CREATE TABLE secret (text text CHECK (length(text) < 3))")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO secret VALUES ('my diary')")
    assert "secret" in (data_dir / "logs" / "postgres.log").read_text()
    assert "my diary" not in (data_dir / "logs" / "postgres.log").read_text()


def test_second_start_on_the_same_folder_is_refused(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        with pytest.raises(Misconfigured, match=f"pid {os.getpid()}"):
            EmbeddedPostgres(data_dir).start()
        assert ask(postgres, "SELECT 1") == 1


def test_killed_server_is_started_again_with_all_it_had_acknowledged(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        remember(postgres, 1)
        assert postgres.identity
        os.kill(postgres.identity.pid, signal.SIGKILL)
        assert wait_until(lambda: postgres.poll() is not None, timeout_s=10)
        postgres.launch()
        assert wait_until(lambda: _answers(postgres), timeout_s=60)
        assert remembered(postgres) == [1]


def _answers(postgres: EmbeddedPostgres) -> bool:
    try:
        return bool(ask(postgres, "SELECT true"))
    except psycopg.OperationalError:
        return False


def test_everything_killed_at_once_recovers(data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    postgres.start()
    remember(postgres, 1)
    # Those listed after the postmaster end by themselves once it is gone, some before it is their turn.
    for process in processes_of_cluster(postgres.placement.cluster):
        send(process, signal.SIGKILL)
    assert wait_until(lambda: postgres.poll() is not None, timeout_s=10)
    postgres.stop()
    with EmbeddedPostgres(data_dir) as again:
        assert remembered(again) == [1]


def leave_pid_file(cluster: Path, *, pid: int) -> None:
    """Write what a killed postmaster leaves, with a shared memory key of nobody."""
    (cluster / "postmaster.pid").write_text(
        f"{pid}\n{cluster}\n1700000000\n5432\n/nowhere\n\n  1234567         0\nready   \n"
    )
    # Its socket folder is still there as well, with a lock that names the same id.
    sockets = cluster.parent / "run" / "postgres"
    (sockets / ".s.PGSQL.5432.lock").write_text(f"{pid}\n{cluster}\n1700000000\n5432\n{sockets}\n")


def test_pid_given_to_another_process_is_not_taken_for_the_server(data_dir: Path) -> None:
    cluster = made_and_stopped(data_dir)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        leave_pid_file(cluster, pid=stranger.pid)
        with EmbeddedPostgres(data_dir) as postgres:
            assert remembered(postgres) == [1]
        assert stranger.poll() is None
        stranger.kill()


def test_zombie_is_not_taken_for_the_server(data_dir: Path) -> None:
    cluster = made_and_stopped(data_dir)
    with subprocess.Popen(["true"]) as zombie:
        time.sleep(0.3)
        (cluster / "postmaster.pid").write_text(
            f"{zombie.pid}\n{cluster}\n1700000000\n5432\n/nowhere\n\n1 0\nready   \n"
        )
        with EmbeddedPostgres(data_dir) as postgres:
            assert remembered(postgres) == [1]


@pytest.mark.parametrize("content", ["", "12", "garbage\n"])
def test_pid_file_cut_off_by_a_crash(data_dir: Path, content: str) -> None:
    cluster = made_and_stopped(data_dir)
    (cluster / "postmaster.pid").write_text(content)
    with EmbeddedPostgres(data_dir) as postgres:
        assert remembered(postgres) == [1]


def test_orphaned_server_is_stopped_before_ours_starts(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        remember(postgres, 1)
        placement = postgres.placement
    command = [placement.binaries.program("postgres"), "-D", placement.cluster, "-k", placement.sockets]
    with subprocess.Popen(
        launch_command(command, privileges=placement.privileges, session=True),
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as orphan:
        assert wait_until(lambda: "ready" in _text(placement.cluster / "postmaster.pid"), timeout_s=60)
        with EmbeddedPostgres(data_dir) as again:
            assert remembered(again) == [1]
            assert again.identity
            assert again.identity.pid != orphan.pid
        assert orphan.wait(5) == 0


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_server_ends_with_the_process_that_started_it(data_dir: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from memory_service.embedded.postgres import EmbeddedPostgres\n"
        "EmbeddedPostgres(Path(sys.argv[1])).start(); print('up', flush=True); time.sleep(120)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(data_dir)], stdout=subprocess.PIPE) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == b"up\n"
        assert processes_of_cluster(data_dir / "postgres")
        starter.kill()
    assert wait_until(lambda: not processes_of_cluster(data_dir / "postgres"), timeout_s=60)
    with EmbeddedPostgres(data_dir) as postgres:
        assert ask(postgres, "SELECT 1") == 1


@pytest.mark.parametrize(("version", "advice"), [("99", "Use the newer checkout"), ("12", "Export it")])
def test_cluster_of_another_major_version(data_dir: Path, version: str, advice: str) -> None:
    cluster = made_and_stopped(data_dir)
    (cluster / "PG_VERSION").write_text(f"{version}\n")
    with pytest.raises(Misconfigured, match=f"PostgreSQL {version}; .*{advice}"):
        EmbeddedPostgres(data_dir).start()


def test_folder_with_something_else_in_it_is_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "letter.txt").write_text("mine")
    with pytest.raises(Misconfigured, match="holds files but no database"):
        EmbeddedPostgres(data_dir).start()
    assert (data_dir / "postgres" / "letter.txt").read_text() == "mine"


def test_half_made_cluster_of_a_killed_first_start_is_made_anew(data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir(parents=True)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(data_dir) as postgres:
        assert ask(postgres, "SELECT 1") == 1
    assert not (data_dir / "postgres.new").exists()


def test_lost_password_file_is_replaced(data_dir: Path) -> None:
    made_and_stopped(data_dir)
    (data_dir / "postgres.password").unlink()
    with EmbeddedPostgres(data_dir) as postgres:
        assert remembered(postgres) == [1]


def test_broken_configuration_says_so(data_dir: Path) -> None:
    cluster = made_and_stopped(data_dir)
    (cluster / "local.conf").write_text("shared_buffers = plenty\n")
    with pytest.raises(Misconfigured, match=r"Postgres did not start: .*configuration file"):
        EmbeddedPostgres(data_dir).start()
    (cluster / "local.conf").write_text("work_mem = 33MB\n")
    with EmbeddedPostgres(data_dir) as postgres:
        assert ask(postgres, "SHOW work_mem") == "33MB"


def test_folder_too_deep_for_a_socket(tmp_path: Path) -> None:
    data_dir = tmp_path / ("deep" * 20) / ("deeper" * 20) / "var"
    with EmbeddedPostgres(data_dir) as postgres:
        sockets = postgres.placement.sockets
        assert sockets == outside_socket_folder(data_dir, "postgres")
        assert mode_of(sockets) == 0o700
        assert len(str(sockets / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH
        remember(postgres, 1)
    assert not sockets.exists()


def test_trap_in_place_of_the_socket_folder_is_refused(tmp_path: Path) -> None:
    data_dir = tmp_path / ("deep" * 20) / ("trap" * 20) / "var"
    trap = outside_socket_folder(data_dir, "postgres")
    trap.symlink_to(tmp_path)
    try:
        with pytest.raises(Misconfigured, match="not a folder of ours"):
            EmbeddedPostgres(data_dir).start()
    finally:
        trap.unlink()
