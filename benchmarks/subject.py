"""The service under measurement: load texts, search, and read its metrics, over HTTP."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks.prometheus import Sample, read_metrics
from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import Connection, data_dir, find_connection
from memory_service.cli.console import progress_bar
from memory_service.cli.failures import CommandFailure

REQUEST_TIMEOUT_S = 900.0
LOAD_BATCH = 500


@dataclass(frozen=True, slots=True)
class Found:
    """One search: what the client waited, the service's own parts of it, and what came back."""

    milliseconds: float
    timings_ms: dict[str, float]
    external_ids: list[str]

    @property
    def encode_ms(self) -> float:
        """The part spent in the encoder, as the service states it."""
        return self.timings_ms["encode"]

    @property
    def beside_encoding_ms(self) -> float:
        """Everything else, HTTP included."""
        return self.milliseconds - self.encode_ms


class Wire:
    """The thinnest client there is: what is timed is the service and HTTP, not a client library."""

    def __init__(self, connection: Connection) -> None:
        address = urlsplit(connection.url)
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        self._connection = kind(address.hostname or "127.0.0.1", address.port, timeout=REQUEST_TIMEOUT_S)
        self._headers = {"Authorization": f"Bearer {connection.key}", "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any]) -> tuple[float, Any]:
        """Send one request on the kept connection; return the milliseconds until its last byte, and its answer.

        Raises:
            CommandFailure: the service refused.
        """
        payload = json.dumps(body).encode()
        try:
            milliseconds, status, received = self._exchange(path, payload)
        except (ConnectionError, HTTPException):
            # The service closes a connection that rests, while the floor is measured for example: open another.
            self._connection.close()
            milliseconds, status, received = self._exchange(path, payload)
        if status >= 300:
            raise CommandFailure(f"{path} answered {status}: {received[:300].decode(errors='replace')}")
        return milliseconds, json.loads(received)

    def _exchange(self, path: str, payload: bytes) -> tuple[float, int, bytes]:
        began = time.perf_counter()
        self._connection.request("POST", path, payload, self._headers)
        response = self._connection.getresponse()
        received = response.read()
        return (time.perf_counter() - began) * 1000, response.status, received

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Subject:
    """One client of the service; not shared between threads."""

    def __init__(self, connection: Connection) -> None:
        self._client = ServiceClient(connection, timeout_s=REQUEST_TIMEOUT_S)
        self._wire = Wire(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._wire.close()

    def load(self, texts: Sequence[str], *, namespace: str) -> None:
        """Store the texts; text i gets external_id ``t<i>``, so that loading twice stores nothing twice."""
        with progress_bar() as bar:
            task = bar.add_task(f"storing in {namespace}", total=len(texts))
            for start in range(0, len(texts), LOAD_BATCH):
                batch = texts[start : start + LOAD_BATCH]
                self.store(batch, namespace=namespace, first=start)
                bar.advance(task, len(batch))

    def store(self, texts: Sequence[str], *, namespace: str, first: int) -> float:
        """Store one batch and return the seconds the client waited.

        Raises:
            CommandFailure: an item was rejected, which no benchmark means to happen.
        """
        items = [
            {"content": text, "namespace": namespace, "external_id": f"t{number}"}
            for number, text in enumerate(texts, start=first)
        ]
        began = time.perf_counter()
        answer = self._client.post("/v1/memories/batch", {"items": items})
        seconds = time.perf_counter() - began
        rejected = [one for one in answer["results"] if one["status"] == "rejected"]
        if rejected:
            raise CommandFailure(f"{len(rejected)} of {len(items)} memories were rejected: {rejected[0]['problem']}")
        return seconds

    def remember(self, text: str, *, namespace: str) -> float:
        """Store one memory by itself and return the milliseconds the client waited."""
        milliseconds, _ = self._wire.post("/v1/memories", {"content": text, "namespace": namespace})
        return milliseconds

    def search(
        self,
        query: str,
        *,
        namespace: str,
        k: int,
        channels: dict[str, float] | None = None,
        preset: str | None = None,
    ) -> Found:
        """Ask one question."""
        body: dict[str, Any] = {"query": query, "namespace": namespace, "top_k": k}
        if channels:
            body["channels"] = channels
        if preset:
            body["preset"] = preset
        milliseconds, answer = self._wire.post("/v1/search", body)
        return Found(
            milliseconds=milliseconds,
            timings_ms=answer["timings_ms"],
            external_ids=[one["memory"]["external_id"] for one in answer["results"]],
        )

    def metrics(self) -> list[Sample]:
        """Return the service's metrics as they are now."""
        return read_metrics(self._client.text("/metrics"))


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every timing benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--url", help="address of the service (default: MEMORY_SERVICE_URL, else the local one)")
    parser.add_argument("--key-file", type=Path, help="file with the API key (default: as for memory-service)")
    parser.add_argument("--data-dir", type=Path, default=data_dir(), help="data folder of the embedded service")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated texts")
    parser.add_argument("--blocks", type=int, default=20, help="pairs of blocks to measure")
    parser.add_argument("--out", type=Path, help="result file (default: in benchmarks/results)")
    return parser


def connection(options: argparse.Namespace) -> Connection:
    """Return where the options, or the environment, say that the service is."""
    return find_connection(url=options.url, key_file=options.key_file)
