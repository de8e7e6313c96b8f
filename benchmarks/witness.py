"""Write memories while the service is being killed, and check afterwards what became of them."""

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ledger import Ledger
from benchmarks.synthetic import texts
from memory_service.cli.client import ServiceClient
from memory_service.cli.connection import Connection
from memory_service.cli.failures import CommandFailure, RequestRefused, ServiceUnreachable

PAGE = 200
CHANNELS = ("vector", "keyword")


class Writer(threading.Thread):
    """Sends batches until told to stop; a batch without an answer is sent again with the same external ids."""

    def __init__(self, connection: Connection, *, namespace: str, batch: int, seed: int) -> None:
        super().__init__(name="writer")
        self._connection = connection
        self._namespace = namespace
        self._batch = batch
        self._made = iter(texts(20_000, seed=seed))
        self._halt = threading.Event()
        self.sent: dict[str, str] = {}
        self.acknowledged: dict[str, str] = {}
        self.acknowledgements = 0
        self.interrupted = 0
        self.error: Exception | None = None

    def halt(self) -> None:
        """Stop after the batch in flight."""
        self._halt.set()
        self.join()

    def run(self) -> None:
        """Write; what ends the thread is kept for whoever joins it."""
        try:
            with ServiceClient(self._connection, timeout_s=60.0, attempts=1) as client:
                while not self._halt.is_set():
                    self._write(client, self._next())
        except Exception as error:
            self.error = error

    def _next(self) -> dict[str, str]:
        """Return new texts by external id; each holds its id as a word, so that a keyword finds just this one."""
        batch = {}
        for _ in range(self._batch):
            name = f"w{len(self.sent):06d}"
            self.sent[name] = batch[name] = f"{next(self._made)} Receipt {name}."
        return batch

    def _write(self, client: ServiceClient, batch: dict[str, str]) -> None:
        items = [
            {"content": text, "external_id": name, "namespace": self._namespace, "session_id": "faults"}
            for name, text in batch.items()
        ]
        while True:
            try:
                answer = client.post("/v1/memories/batch", {"items": items})
            except ServiceUnreachable:
                self.interrupted += 1
            except RequestRefused as refusal:
                if refusal.status != 503:
                    raise
                self.interrupted += 1
            else:
                require_all_stored(answer["results"])
                self.acknowledged.update(batch)
                self.acknowledgements += 1
                return
            if self._halt.is_set():
                return
            time.sleep(0.05)


def require_all_stored(results: Sequence[dict[str, Any]]) -> None:
    """Refuse an acknowledged batch in which an item was rejected: these texts have nothing to reject.

    Raises:
        CommandFailure: an item was.

    >>> require_all_stored([{"status": "created"}, {"status": "skipped"}])
    """
    rejected = [one for one in results if one["status"] not in ("created", "skipped")]
    if rejected:
        raise CommandFailure(
            f"{len(rejected)} memories of an acknowledged batch were rejected, the first: {rejected[0]}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of a round's memories; the lists name offending external ids."""

    present: int
    missing: list[str] = field(default_factory=list)
    """Acknowledged, and gone."""
    altered: list[str] = field(default_factory=list)
    """Content differs from what was sent."""
    doubled: list[str] = field(default_factory=list)
    """Stored more than once."""
    half: list[str] = field(default_factory=list)
    """In the database without source, vectors or all postings; or postings of no memory."""
    examined: int = 0
    """Memories looked at in the database for that: all."""
    unfindable: list[str] = field(default_factory=list)
    """Stored, but not found by vector and by keyword."""
    searched: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.altered or self.doubled or self.half or self.unfindable)


def inspect(
    connection: Connection,
    *,
    data_dir: Path,
    namespace: str,
    sent: dict[str, str],
    acknowledged: dict[str, str],
    searches: int,
    rng: random.Random,
) -> Verdict:
    """Read every memory of the namespace back, look whether it is whole, and search for some by their own text.

    Searched are the latest ``searches`` / 2 present memories, which were written around the kill, and as many others.
    """
    with ServiceClient(connection) as client:
        stored = _all(client, namespace)
        names = Counter(one["external_id"] for one in stored)
        contents = {one["external_id"]: one["content"] for one in stored}
        chosen = _choose(sorted(contents), searches, rng)
        unfindable = [name for name in chosen if not _found(client, contents[name], name=name, namespace=namespace)]
    with Ledger(data_dir) as ledger:
        examined, half = ledger.half_records(namespace)
    if examined != len(stored):
        half.append(f"{examined} in the database, {len(stored)} listed")
    return Verdict(
        present=len(stored),
        missing=sorted(set(acknowledged) - set(contents)),
        altered=sorted(name for name, content in contents.items() if sent.get(name) != content),
        doubled=sorted(name for name, count in names.items() if count > 1),
        half=half,
        examined=examined,
        unfindable=unfindable,
        searched=len(chosen),
    )


def _all(client: ServiceClient, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str | int] = {}
    while True:
        page = client.get("/v1/memories", namespace=namespace, limit=PAGE, **cursor)
        found += page["data"]
        if not page["has_more"]:
            return found
        cursor = {"cursor": page["next_cursor"]}


def _choose(names: Sequence[str], count: int, rng: random.Random) -> list[str]:
    latest = list(names[-(count // 2) :])
    others = list(names[: -(count // 2)])
    return latest + rng.sample(others, min(count - len(latest), len(others)))


def _found(client: ServiceClient, content: str, *, name: str, namespace: str) -> bool:
    """Tell whether each channel alone finds the memory by its own text."""
    for channel in CHANNELS:
        body = {"query": content, "namespace": namespace, "top_k": 5, "channels": {channel: 1.0}}
        results = client.post("/v1/search", body)["results"]
        if name not in {one["memory"]["external_id"] for one in results}:
            return False
    return True
