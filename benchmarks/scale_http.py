"""The service itself over the namespaces of `scale`, in a process of its own: what a client waits for.

Made texts have made vectors. Of a query the encoder says what it says, for as long as that takes, and the vector that belongs
to the query is put in its place; everything else is the service as it runs.
"""

import multiprocessing
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest.mock import patch

import numpy as np
import uvicorn
from numpy.typing import NDArray

from benchmarks.metrics import median, percentile
from benchmarks.scale_data import Query
from benchmarks.scale_store import TENANT, Store
from benchmarks.subject import Subject
from benchmarks.victim import START_TIMEOUT_S, free_port
from memory_service.api import app as application
from memory_service.api import opening
from memory_service.cli.connection import Connection
from memory_service.cli.failures import CommandFailure
from memory_service.encoder import LoadedEncoder
from memory_service.encoder.loading import load_encoder
from memory_service.encoder.protocol import Encoder
from memory_service.settings import Settings
from memory_service.storage import keys
from memory_service.storage.bootstrap import RoleUrls
from memory_service.storage.database import Database
from memory_service.storage.encoders import EncoderRow, default_encoder
from memory_service.types import KeyScope

Vectors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class MadeVectors:
    """An encoder that works for its vectors, and gives those that were made."""

    works: Encoder
    made: Vectors

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32[n, d]; what has no made vector gets the encoder's."""
        vectors = self.works.encode(texts)
        for at, text in enumerate(texts):
            if text in self.made:
                vectors[at] = self.made[text]
        return vectors


def worded(query: Query) -> str:
    """Return what is asked."""
    return " ".join(query.terms)


@contextmanager
def serving(store: Store, roles: RoleUrls, folder: Path, queries: Sequence[Query]) -> Iterator[Subject]:
    """Run the service over a store, with the made vectors of queries, and give a client of it."""
    now = datetime.now(UTC)
    with store.maintenance.transaction(TENANT) as session:
        _, secret = keys.create_key(session, TENANT, name="scale", scopes=[KeyScope.READ], expires_at=None, now=now)
    port = free_port()
    made = {worded(query): query.vector for query in queries}
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port, roles, folder, made), daemon=True)
    process.start()
    try:
        _await(port, process)
        with Subject(Connection(f"http://127.0.0.1:{port}", secret, "a new key")) as subject:
            yield subject
    finally:
        process.terminate()
        process.join()


def _await(port: int, process: BaseProcess) -> None:
    """Return once it listens, which it does when everything is open.

    Raises:
        CommandFailure: it ended, or took too long.
    """
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        if not process.is_alive():
            raise CommandFailure(f"the service ended with status {process.exitcode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise CommandFailure(f"the service did not listen after {START_TIMEOUT_S:.0f} s")


def _serve(port: int, roles: RoleUrls, folder: Path, made: Vectors) -> None:
    settings = Settings(
        data_dir=folder,
        owner_database_url=roles.owner,
        maintenance_database_url=roles.maintenance,
        service_database_url=roles.service,
        log_level="error",
        rate_limit_per_minute=0,
        **{"BROKER_URL": ""},  # type: ignore[arg-type]
    )

    def opened(database: Database, settings: Settings, *, now: datetime) -> tuple[EncoderRow, LoadedEncoder]:
        with database.untenanted() as connection:
            row = default_encoder(connection)
        assert row is not None
        loaded = load_encoder(settings)
        return row, replace(loaded, encoder=MadeVectors(loaded.encoder, made))

    with patch.object(opening, "open_default", opened):
        uvicorn.run(application.create_app(settings), host="127.0.0.1", port=port, log_config=None, access_log=False)


def time_searches(
    subject: Subject, asked: Mapping[str, Sequence[Query]], *, rounds: int
) -> dict[str, dict[str, float]]:
    """Ask every namespace its queries, in turns, the first round as warm-up; return milliseconds."""
    paths = list(asked)
    kept: dict[str, list[float]] = {path: [] for path in paths}
    for number in range(rounds + 1):
        for path in paths if number % 2 else reversed(paths):
            found = [subject.search(worded(query), namespace=path, k=10) for query in asked[path]]
            if number:
                kept[path] += [one.milliseconds for one in found]
    return {
        path: {"p50": round(median(took), 2), "p95": round(percentile(took, 0.95), 2)} for path, took in kept.items()
    }
