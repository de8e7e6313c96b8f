"""DATABASE_URL and BROKER_URL: a second Postgres and a redis-server, started as plain processes, serve in place of ours.

The parts are started with the very commands and environment of docker-compose.yml, roles are made with the very SQL of
docs/howto/real-servers.md, and the backup is taken with the very commands of docs/howto/backup-and-restore.md.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
import yaml

from memory_service.embedded.binaries import find_postgres, find_valkey
from memory_service.embedded.folders import make_data_dir
from memory_service.embedded.placement import Placement, place
from memory_service.embedded.privileges import launch_command
from tests import waiting

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]

CHECKOUT = Path(__file__).parents[2]
FIRST_START_S = 240  # With the one-time export of the model, unless an earlier run has left it.
PATIENCE_S = 90
eventually = partial(waiting.eventually, timeout_s=PATIENCE_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """Return our environment without settings of a service that runs on this machine."""
    settings = {n for n in os.environ if n.startswith(("MEMORY_SERVICE_", "LLM_"))} | {"DATABASE_URL", "BROKER_URL"}
    return {n: v for n, v in os.environ.items() if n not in settings}


def end(process: subprocess.Popen[Any], number: signal.Signals = signal.SIGTERM) -> None:
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def documented(page: str, mark: str) -> str:
    """Return the code blocks of a page whose info string carries a mark."""
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    blocks: list[str] = re.findall(rf"^```\w+ {mark}\n(.*?)^```$", text, re.M | re.S)
    assert blocks, f"{page} has no block marked {mark}"
    return "\n".join(blocks)


@dataclass
class Postgres:
    """A server of somebody else: TCP on 127.0.0.1, password for every login."""

    placement: Placement
    port: int
    password: str
    process: subprocess.Popen[bytes]

    def url(self, database: str, *, login: str | None = None) -> str:
        return f"postgresql://{login or f'postgres:{self.password}'}@127.0.0.1:{self.port}/{database}"

    def run(self, database: str, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def tools(self) -> str:
        return str(self.placement.binaries.bin)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("theirs")
    make_data_dir(folder / "pg")
    placement = place(folder / "pg", find_postgres())  # Root cannot run Postgres; this says who can.
    password, port = secrets.token_hex(8), free_port()
    password_file = placement.sockets / "password"
    password_file.write_text(password)
    os.chown(password_file, placement.privileges.owner, placement.privileges.group)

    def command(program: str, *arguments: object) -> list[str]:
        words = [placement.binaries.program(program), *(str(a) for a in arguments)]
        return launch_command(words, privileges=placement.privileges)

    initdb = command(
        "initdb", "-D", placement.cluster, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        "--auth=scram-sha-256", f"--pwfile={password_file}",
    )  # fmt: skip
    placement.cluster.mkdir(mode=0o700)
    os.chown(placement.cluster, placement.privileges.owner, placement.privileges.group)
    subprocess.run(initdb, check=True, capture_output=True, timeout=120, cwd="/")
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    log = (folder / "postgres.log").open("wb")
    process = subprocess.Popen(
        command("postgres", "-D", placement.cluster, *options), stdout=log, stderr=log, start_new_session=True, cwd="/"
    )
    server = Postgres(placement, port, password, process)
    try:
        assert eventually(lambda: answers(server)), (folder / "postgres.log").read_text()
        yield server
    finally:
        end(process, signal.SIGINT)
        log.close()
        if not placement.cluster.is_relative_to(folder):
            shutil.rmtree(placement.cluster.parent, ignore_errors=True)
        if not placement.sockets.is_relative_to(folder):
            shutil.rmtree(placement.sockets, ignore_errors=True)


def answers(server: Postgres) -> bool:
    assert server.process.poll() is None, "Postgres ended"
    try:
        return server.run("postgres", "SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False


@dataclass
class Redis:
    """A redis-server that keeps nothing: what it forgets must be found in Postgres."""

    program: str
    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [
            self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", self.password,
            "--save", "", "--appendonly", "no", "--dir", str(self.folder), "--daemonize", "no",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        assert eventually(self.answers), "redis-server does not answer"

    def stop(self) -> None:
        if self.process:
            end(self.process)

    def answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, "redis-server ended"
        with redis.Redis.from_url(self.url) as client, suppress(redis.ConnectionError):
            return bool(client.ping())
        return False

    def calls(self, command: str) -> int:
        with redis.Redis.from_url(self.url) as client:
            statistics: dict[str, Any] = client.info("commandstats")
        return int(statistics.get(f"cmdstat_{command}", {}).get("calls", 0))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    program = os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or str(find_valkey())
    server = Redis(program, tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest) -> Path | None:
    """Where the exported model lies between runs."""
    return request.config.cache.mkdir("models") if request.config.cache else None


def new_data_dir(tmp_path_factory: pytest.TempPathFactory, models: Path | None) -> Path:
    folder = tmp_path_factory.mktemp("ours") / "var"
    folder.mkdir(mode=0o711)
    if models:
        (folder / "models").symlink_to(models)
    return folder


class Client:
    """What the tests do with a running service."""

    def __init__(self, port: int, data_dir: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._data_dir = data_dir

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        key = (self._data_dir / "api-key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.request(method, self.url + path, json=body, headers=headers, timeout=60)

    def status(self) -> str | None:
        try:
            return str(httpx.get(f"{self.url}/readyz", timeout=5).json()["status"])
        except httpx.HTTPError:
            return None

    def remember(self, content: str) -> str:
        answer = self.call("POST", "/v1/memories", {"content": content})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def finds(self, memory_id: str, query: str) -> bool:
        answer = self.call("POST", "/v1/search", {"query": query})
        assert answer.status_code == 200, answer.text
        return memory_id in [result["memory"]["id"] for result in answer.json()["results"]]

    def job(self, text: str) -> str:
        answer = self.call("POST", "/v1/messages", {"session_id": "s", "messages": [{"content": text}]})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def done(self, job_id: str) -> bool:
        return bool(self.call("GET", f"/v1/jobs/{job_id}").json()["status"] == "succeeded")


@contextmanager
def supervised(data_dir: Path, **settings: str) -> Iterator[Client]:
    """Run what `make run` runs."""
    port = free_port()
    output = data_dir.parent / "run.txt"
    own = {"MEMORY_SERVICE_DATA_DIR": str(data_dir), "MEMORY_SERVICE_PORT": str(port)}
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "memory_service.embedded"],
            env=clean_environment() | own | settings, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    client = Client(port, data_dir)
    try:
        assert eventually(lambda: process.poll() is not None or client.status() == "ready", timeout_s=FIRST_START_S)
        assert client.status() == "ready", output.read_text()
        yield client
    finally:
        end(process, signal.SIGINT)
    assert process.returncode == 0, output.read_text()


def test_make_run_starts_no_servers_of_its_own(
    postgres: Postgres, broker: Redis, models: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data_dir = new_data_dir(tmp_path_factory, models)
    postgres.run("postgres", "CREATE DATABASE supervised")
    pushed = broker.calls("lpush")
    with supervised(data_dir, DATABASE_URL=postgres.url("supervised"), BROKER_URL=broker.url) as client:
        memory_id = client.remember("The ferry to the island leaves at seven.")
        assert client.finds(memory_id, "When does the ferry leave?")
        job = client.job("The lighthouse keeper keeps bees.")
        assert eventually(lambda: client.done(job))
        assert broker.calls("lpush") > pushed
        assert postgres.run("supervised", "SELECT count(*) FROM memory") == [(2,)]
        seen = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE 'memory-service%'"
        assert postgres.run("supervised", seen) == [("supervised_service",)]
    assert not (data_dir / "postgres").exists()
    assert not (data_dir / "broker").exists()


def test_roles_made_by_hand(
    postgres: Postgres, broker: Redis, models: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data_dir = new_data_dir(tmp_path_factory, models)
    postgres.run("postgres", "CREATE DATABASE memory")
    try:
        postgres.run("memory", documented("howto/real-servers.md", "roles"))
        urls = {
            f"MEMORY_SERVICE_{role.upper()}_DATABASE_URL": postgres.url("memory", login=f"memory_{role}:change-me")
            for role in ("owner", "maintenance", "service")
        }
        with supervised(data_dir, BROKER_URL=broker.url, **urls) as client:
            memory_id = client.remember("The harbour master speaks Greek.")
            assert client.finds(memory_id, "Who speaks Greek?")
            job = client.job("A message for the worker.")
            assert eventually(lambda: client.done(job))
        assert not (data_dir / "credentials.json").exists()
    finally:
        forget_database(postgres, "memory")


def forget_database(postgres: Postgres, name: str) -> None:
    postgres.run("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    for role in ("service", "owner", "maintenance"):
        postgres.run("postgres", f"DROP ROLE IF EXISTS {name}_{role}")


@dataclass
class Composed:
    """The services of docker-compose.yml as processes of this machine."""

    postgres: Postgres
    broker: Redis
    data_dir: Path
    port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def translate(self, text: str) -> str:
        """Put hosts, ports, passwords and folders of this machine in place of those of the containers."""
        for there, here in (
            ("${POSTGRES_PASSWORD:?}", self.postgres.password),
            ("${REDIS_PASSWORD:?}", self.broker.password),
            ("@postgres:5432", f"@127.0.0.1:{self.postgres.port}"),
            ("//postgres:5432", f"//127.0.0.1:{self.postgres.port}"),
            ("@redis:6379", f"@127.0.0.1:{self.broker.port}"),
            ("--host=0.0.0.0", "--host=127.0.0.1"),
            ("--port=8000", f"--port={self.port}"),
            ("/tmp/beat-schedule", str(self.data_dir / "beat-schedule")),
        ):
            text = text.replace(there, here)
        text = re.sub(r"\$\{\w+:-\}", "", text)  # what may be set and is not
        return str(self.data_dir) if text == "/data" else text

    def command(self, name: str) -> tuple[list[str], dict[str, str]]:
        service = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"][name]
        words = [self.translate(word) for word in service["command"]]
        starts = {"python": [sys.executable], "memory-service": [sys.executable, "-m", "memory_service.cli.main"]}
        environment = {n: self.translate(v) for n, v in service["environment"].items()}
        return [*starts[words[0]], *words[1:]], clean_environment() | environment

    def migrate(self) -> str:
        command, environment = self.command("migrate")
        done = subprocess.run(
            command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *names: str) -> None:
        for name in names:
            command, environment = self.command(name)
            assert self.postgres.password not in str(environment), f"{name} gets the administrator's login"
            with (self.data_dir.parent / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    command, env=environment, cwd=CHECKOUT, stdout=log, stderr=log, start_new_session=True
                )
        assert eventually(lambda: self.client.status() is not None, timeout_s=FIRST_START_S), self.log("api")

    def stop(self) -> None:
        for process in self.running.values():
            end(process)
        self.running.clear()

    def log(self, name: str) -> str:
        return (self.data_dir.parent / f"{name}.log").read_text()

    @property
    def client(self) -> Client:
        return Client(self.port, self.data_dir)


@pytest.fixture(scope="module")
def composed(
    postgres: Postgres, broker: Redis, models: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composed]:
    house = Composed(postgres, broker, new_data_dir(tmp_path_factory, models))
    postgres.run("postgres", "CREATE DATABASE memory")
    house.migrate()
    try:
        house.start("api", "worker", "beat")
        yield house
    finally:
        house.stop()
        forget_database(postgres, "memory")


def test_the_parts_of_docker_compose_work_together(composed: Composed) -> None:
    client = composed.client
    assert client.status() == "ready"
    memory_id = client.remember("The bakery sells rye bread on Tuesdays.")
    assert client.finds(memory_id, "What does the bakery sell?")
    job = client.job("The mayor collects stamps.")
    assert eventually(lambda: client.done(job)), composed.log("worker")
    assert composed.migrate().endswith("the schema is up to date\n")  # A second time changes nothing.
    assert client.finds(memory_id, "What does the bakery sell?")


def test_writes_go_on_while_the_broker_is_down_and_jobs_wait(composed: Composed) -> None:
    client = composed.client
    composed.broker.stop()
    try:
        assert eventually(lambda: client.status() == "degraded")
        memory_id = client.remember("The broker was down when this was said.")
        assert client.finds(memory_id, "Was the broker down?")
        job = client.job("This message has to wait.")
        assert not client.done(job)
    finally:
        composed.broker.start()
    assert eventually(lambda: client.done(job), timeout_s=120), composed.log("worker")
    assert client.status() == "ready"


def test_a_backup_taken_and_restored_as_documented(composed: Composed, tmp_path: Path) -> None:
    client, postgres = composed.client, composed.postgres
    memory_id = client.remember("The vault is opened with two keys.")
    credentials = yaml.safe_load((composed.data_dir / "credentials.json").read_text())
    environment = {
        **clean_environment(),
        "PATH": f"{postgres.tools()}:{os.environ['PATH']}",
        "ADMIN_URL": postgres.url("postgres"),
        "MAINTENANCE_URL": postgres.url("memory", login=f"memory_maintenance:{credentials['memory_maintenance']}"),
        "DATABASE_URL": postgres.url("memory"),
    }

    def shell(mark: str) -> None:
        script = ["bash", "-euo", "pipefail", "-c", documented("howto/backup-and-restore.md", mark)]
        done = subprocess.run(script, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    shell("backup")
    composed.stop()
    forget_database(postgres, "memory")
    for name in ("credentials.json", "api-key"):
        (composed.data_dir / name).unlink()
    shell("restore")
    composed.migrate()
    composed.start("api", "worker", "beat")
    assert client.finds(memory_id, "How is the vault opened?")
    assert client.call("GET", f"/v1/memories/{memory_id}").json()["content"] == "The vault is opened with two keys."


def test_migrate_names_what_is_missing(postgres: Postgres, tmp_path: Path) -> None:
    postgres.run("postgres", "CREATE DATABASE refused")
    postgres.run("postgres", "CREATE ROLE powerless LOGIN PASSWORD 'x'")
    refused = memory_service(
        "migrate", DATABASE_URL=postgres.url("refused", login="powerless:x"), MEMORY_SERVICE_DATA_DIR=str(tmp_path)
    )
    assert refused.returncode == 1
    assert "Use a login that may create roles" in refused.stderr
    unreachable = memory_service(
        "migrate", DATABASE_URL="postgresql://a:secret@127.0.0.1:1/none", MEMORY_SERVICE_DATA_DIR=str(tmp_path)
    )
    assert unreachable.returncode == 1
    assert "does not answer" in unreachable.stderr
    assert "secret" not in unreachable.stderr


def memory_service(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [sys.executable, "-m", "memory_service.cli.main", *arguments]
    return subprocess.run(
        command,
        env=clean_environment() | settings,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
