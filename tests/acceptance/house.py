"""An application with a database and a broker of its own, whose worker comes and goes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from memory_service.embedded.broker import EmbeddedBroker
from memory_service.embedded.postgres import EmbeddedPostgres
from memory_service.storage.bootstrap import bootstrap
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


@contextmanager
def open_house(serve: Any, folder: Path, *, data_dir: Path, **more: str) -> Iterator[House]:
    """Start everything but the worker below `folder`, with the models of `data_dir`; `more` are settings."""
    data = folder / "var"
    data.mkdir(mode=0o700)
    if (data_dir / "models").exists():
        (data / "models").symlink_to((data_dir / "models").resolve())
    with ExitStack() as parts:
        postgres = parts.enter_context(EmbeddedPostgres(data))
        roles = bootstrap(postgres.url, data_dir=data)
        migrate(roles.owner)
        key = ensure_first_key(roles.maintenance, data).read_text().strip()
        broker = EmbeddedBroker(data)
        settings = {
            "MEMORY_SERVICE_OWNER_DATABASE_URL": roles.owner,
            "MEMORY_SERVICE_MAINTENANCE_DATABASE_URL": roles.maintenance,
            "MEMORY_SERVICE_SERVICE_DATABASE_URL": roles.service,
            "BROKER_URL": broker.start(),
            **more,
        }
        parts.callback(broker.stop)
        served = parts.enter_context(serve(data, folder / "server.log", **settings))
        kept = {n: v for n, v in os.environ.items() if not n.startswith("MEMORY_SERVICE_")}
        environment = {**kept, **settings, "MEMORY_SERVICE_DATA_DIR": str(data), "OMP_NUM_THREADS": "1"}
        engine = create_engine(roles.maintenance, poolclass=NullPool)
        client = parts.enter_context(served.client(key))
        yield House(client, engine, environment, folder / "worker.log")
