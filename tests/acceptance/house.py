"""Databases and brokers of a test's own, and an application over them whose worker comes and goes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from memory_service.embedded.broker import EmbeddedBroker
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.storage.bootstrap import RoleUrls, bootstrap
from memory_service.storage.keys import ensure_first_key
from memory_service.storage.migrate import migrate


@dataclass
class House:
    """The parts that a test speaks to, and the worker's way in."""

    client: httpx.Client
    engine: Engine  # of the role that sees every tenant
    environment: dict[str, str]
    log: Path  # of the worker

    def rows(self, statement: str, **params: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), params))

    def start_worker(self) -> "subprocess.Popen[bytes]":
        celery = [sys.executable, "-m", "celery", "--app", "consolidation.worker", "worker", "--beat"]
        options = ["--concurrency", "1", "--schedule", str(self.log.parent / "beat")]
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [*celery, *options], env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    def kill(self, worker: "subprocess.Popen[bytes]") -> None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


@dataclass(frozen=True)
class Servers:
    """A database and a broker, and the settings by which an application finds them."""

    postgres: EmbeddedPostgres
    broker: EmbeddedBroker
    roles: RoleUrls
    key: str
    settings: dict[str, str]


@contextmanager
def open_servers(data: Path, *, models_of: Path) -> Iterator[Servers]:
    """Start a database and a broker in a new data folder, which borrows the models of another."""
    data.mkdir(mode=0o700)
    if (models_of / "models").exists():
        (data / "models").symlink_to((models_of / "models").resolve())
    with EmbeddedPostgres(data) as postgres:
        roles = bootstrap(postgres.url, data_dir=data)
        migrate(roles.owner)
        key = ensure_first_key(roles.maintenance, data).read_text().strip()
        broker = EmbeddedBroker(data)
        settings = {
            "MEMORY_SERVICE_OWNER_DATABASE_URL": roles.owner,
            "MEMORY_SERVICE_MAINTENANCE_DATABASE_URL": roles.maintenance,
            "MEMORY_SERVICE_SERVICE_DATABASE_URL": roles.service,
            "BROKER_URL": broker.start(),
        }
        try:
            yield Servers(postgres, broker, roles, key, settings)
        finally:
            broker.stop()


@contextmanager
def open_house(serve: Any, folder: Path, *, data_dir: Path, **more: str) -> Iterator[House]:
    """Start everything but the worker below `folder`, with the models of `data_dir`; `more` are settings."""
    data = folder / "var"
    with open_servers(data, models_of=data_dir) as servers:
        settings = servers.settings | more
        kept = {n: v for n, v in os.environ.items() if not n.startswith("MEMORY_SERVICE_")}
        environment = {**kept, **settings, "MEMORY_SERVICE_DATA_DIR": str(data), "OMP_NUM_THREADS": "1"}
        engine = create_engine(servers.roles.maintenance, poolclass=NullPool)
        with serve(data, folder / "server.log", **settings) as served, served.client(servers.key) as client:
            yield House(client, engine, environment, folder / "worker.log")
